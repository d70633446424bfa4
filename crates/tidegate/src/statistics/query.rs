//! What a request for the page asks for: `/stats;csv;norefresh`.

use form_urlencoded::byte_serialize;

use super::change::Outcome;
use crate::runtime::stat::fields::{Kind, Object};

/// In which form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    #[default]
    Html,
    Csv,
    Json,
    Typed,
}

impl Form {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Form::Html => "text/html; charset=utf-8",
            Form::Csv | Form::Typed => "text/plain; charset=utf-8",
            Form::Json => "application/json",
        }
    }
}

/// All that stands behind the prefix.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) form: Form,
    /// Not `;norefresh`.
    pub(super) refreshes: bool,
    /// `;up`: no servers that are down.
    pub(super) up: bool,
    /// `;no-maint`: no servers that are out of service.
    pub(super) no_maint: bool,
    /// `scope=`: only proxies whose names hold this.
    pub(super) scope: Option<String>,
    /// `st=`: what became of a change.
    pub(super) outcome: Option<Outcome>,
}

impl Query {
    pub(super) fn of(rest: &str) -> Query {
        let mut query = Query {
            refreshes: true,
            ..Query::default()
        };
        for word in rest.split([';', '&', '?']) {
            match word {
                "csv" => query.form = Form::Csv,
                "json" => query.form = Form::Json,
                "typed" => query.form = Form::Typed,
                "norefresh" => query.refreshes = false,
                "up" => query.up = true,
                "no-maint" => query.no_maint = true,
                _ => match form_urlencoded::parse(word.as_bytes()).next() {
                    Some((name, value)) if name == "scope" && !value.is_empty() => {
                        query.scope = Some(value.into_owned());
                    }
                    Some((name, value)) if name == "st" => query.outcome = Outcome::of_code(&value),
                    _ => {}
                },
            }
        }
        query
    }

    /// Whether a row is wanted.
    pub(super) fn takes(&self, object: &Object) -> bool {
        let is = |state: &str| object.status.starts_with(state);
        object.kind != Kind::Server
            || !(self.up && (is("DOWN") || is("MAINT")) || self.no_maint && is("MAINT"))
    }

    /// The target of the same page.
    pub(super) fn target(&self, prefix: &str) -> String {
        let mut target = prefix.to_owned();
        for (wanted, word) in [
            (self.form == Form::Csv, "csv"),
            (self.form == Form::Json, "json"),
            (self.form == Form::Typed, "typed"),
            (!self.refreshes, "norefresh"),
            (self.up, "up"),
            (self.no_maint, "no-maint"),
        ] {
            if wanted {
                target.push(';');
                target.push_str(word);
            }
        }
        if let Some(scope) = &self.scope {
            target.push_str(";scope=");
            target.extend(byte_serialize(scope.as_bytes()));
        }
        if let Some(outcome) = self.outcome {
            target.push_str(";st=");
            target.push_str(outcome.code());
        }
        target
    }

    /// The target of the page once a change was tried.
    pub(super) fn after(&self, prefix: &str, outcome: Outcome) -> String {
        let query = Query {
            outcome: Some(outcome),
            ..self.clone()
        };
        query.target(prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_behind_the_prefix_says_what_is_wanted() {
        let query = Query::of("?;csv;up;scope=b%261");
        assert_eq!((query.form, query.up, query.refreshes), (Form::Csv, true, true));
        assert_eq!(query.scope.as_deref(), Some("b&1"));
        let query = Query::of(";norefresh;st=DONE");
        assert_eq!((query.form, query.refreshes), (Form::Html, false));
        assert_eq!(query.outcome, Some(Outcome::Done));
        assert_eq!(Query::of(";unknown;st=nonsense;scope=").target("/s"), "/s");
    }

    #[test]
    fn a_target_gives_the_same_query() {
        for rest in [
            "",
            ";json",
            ";typed;norefresh;up;no-maint",
            ";csv;scope=a%3Bb+%22",
            ";st=PART",
        ] {
            let query = Query::of(rest);
            let target = query.target("/s?x");
            assert_eq!(Query::of(target.strip_prefix("/s?x").unwrap()), query, "{rest}");
        }
    }
}
