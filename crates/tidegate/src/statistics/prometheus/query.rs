//! What a request for metrics asks for: `/metrics?scope=server&no-maint`.

use std::collections::HashSet;
use std::fmt;

use crate::runtime::stat::fields::{Kind, Object};

/// What metrics are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Process,
    Frontend,
    Listener,
    Backend,
    Server,
    StickTable,
}

impl Scope {
    /// Those of the rows of `show stat`, in the order in which they are told.
    pub(super) const OBJECTS: [(Scope, Kind); 4] = [
        (Scope::Frontend, Kind::Frontend),
        (Scope::Listener, Kind::Listener),
        (Scope::Backend, Kind::Backend),
        (Scope::Server, Kind::Server),
    ];

    /// By their names in queries.
    const ALL: [(&'static str, Scope); 6] = [
        ("global", Scope::Process),
        ("frontend", Scope::Frontend),
        ("listener", Scope::Listener),
        ("backend", Scope::Backend),
        ("server", Scope::Server),
        ("sticktable", Scope::StickTable),
    ];

    /// The whole name of a metric.
    pub(super) fn metric(self, name: &str) -> String {
        let scope = match self {
            Scope::Process => "process",
            Scope::Frontend => "frontend",
            Scope::Listener => "listener",
            Scope::Backend => "backend",
            Scope::Server => "server",
            Scope::StickTable => "sticktable",
        };
        format!("haproxy_{scope}_{name}")
    }
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Query {
    /// `scope=`: all, if none is named.
    scopes: Option<Vec<Scope>>,
    /// `no-maint`: no servers that are out of service.
    no_maint: bool,
    /// `metrics=`: only these, and not those with a `-` before them.
    only: HashSet<String>,
    except: HashSet<String>,
}

/// A scope that there is not.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UnknownScope(String);

impl fmt::Display for UnknownScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<&str> = Scope::ALL.iter().map(|(name, _)| *name).collect();
        let UnknownScope(name) = self;
        write!(
            f,
            "There is no scope `{name}`: it is one of {} or *.",
            known.join(", ")
        )
    }
}

impl Query {
    pub(super) fn of(query: &str) -> Result<Query, UnknownScope> {
        let mut wanted = Query::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "scope" => wanted.scope(&value)?,
                "no-maint" => wanted.no_maint = true,
                "metrics" => value.split(',').for_each(|metric| wanted.metric(metric.trim())),
                _ => {}
            }
        }
        Ok(wanted)
    }

    /// One without a name takes back what was named before.
    fn scope(&mut self, name: &str) -> Result<(), UnknownScope> {
        let scopes = self.scopes.get_or_insert_default();
        match name {
            "" => scopes.clear(),
            "*" => scopes.extend(Scope::ALL.map(|(_, scope)| scope)),
            name => {
                let known = Scope::ALL.iter().find(|(known, _)| *known == name);
                let (_, scope) = known.ok_or_else(|| UnknownScope(name.to_owned()))?;
                scopes.push(*scope);
            }
        }
        Ok(())
    }

    fn metric(&mut self, name: &str) {
        match name.strip_prefix('-') {
            Some(name) => self.except.insert(name.to_owned()),
            None if name.is_empty() => false,
            None => self.only.insert(name.to_owned()),
        };
    }

    pub(super) fn has(&self, scope: Scope) -> bool {
        self.scopes.as_ref().is_none_or(|scopes| scopes.contains(&scope))
    }

    /// Whether a metric of this whole name is wanted.
    pub(super) fn wants(&self, metric: &str) -> bool {
        (self.only.is_empty() || self.only.contains(metric)) && !self.except.contains(metric)
    }

    /// Whether a row is wanted.
    pub(super) fn takes(&self, row: &Object) -> bool {
        row.kind != Kind::Server || !self.no_maint || !row.status.starts_with("MAINT")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes(query: &str) -> Result<Vec<&'static str>, UnknownScope> {
        let query = Query::of(query)?;
        let all = Scope::ALL.into_iter();
        Ok(all
            .filter(|(_, scope)| query.has(*scope))
            .map(|(name, _)| name)
            .collect())
    }

    #[test]
    fn scopes_add_up_until_one_without_a_name() {
        assert_eq!(scopes("").unwrap().len(), 6);
        assert_eq!(
            scopes("scope=global&x=1&scope=server").unwrap(),
            ["global", "server"]
        );
        assert_eq!(scopes("scope=global&scope=&scope=backend").unwrap(), ["backend"]);
        assert_eq!(scopes("scope=").unwrap(), [""; 0]);
        assert_eq!(scopes("scope=&scope=*").unwrap().len(), 6);
        let wrong = scopes("scope=servers").unwrap_err();
        assert_eq!(
            wrong.to_string(),
            "There is no scope `servers`: it is one of global, frontend, listener, backend, server, sticktable or *."
        );
    }

    #[test]
    fn metrics_are_named_or_left_out() {
        let query = Query::of("metrics=a,%20b&metrics=c,-b,").unwrap();
        assert_eq!(
            ["a", "b", "c", "d"].map(|name| query.wants(name)),
            [true, false, true, false]
        );
        let query = Query::of("metrics=-a").unwrap();
        assert_eq!(["a", "b"].map(|name| query.wants(name)), [false, true]);
    }
}
