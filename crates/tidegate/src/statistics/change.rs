//! Changes of servers: what a form asks for, and what becomes of it.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use tidegate_proxy::check::shared::Wanted;
use tidegate_proxy::spec::ServerSpec;
use tidegate_proxy::{
    AdminState, BackendState, Control, HttpApplet, Operational, Plane, ServerState, ServiceError,
};
use tidegate_sample::head::Headers;
use tidegate_sample::head::names::{HOST, ORIGIN, REFERER};

use super::Settings;
use super::query::Query;

/// How a change ended, by HAProxy's codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// All servers that were meant were changed.
    Done,
    /// None was: nothing was chosen.
    Nothing,
    /// Some were.
    Partly,
    /// It isn't allowed.
    Denied,
    /// The request is too long.
    TooLong,
    /// What was asked for isn't understood, or there is no such server.
    Unknown,
}

impl Outcome {
    const ALL: [Outcome; 6] = [
        Outcome::Done,
        Outcome::Nothing,
        Outcome::Partly,
        Outcome::Denied,
        Outcome::TooLong,
        Outcome::Unknown,
    ];

    pub(super) fn code(self) -> &'static str {
        match self {
            Outcome::Done => "DONE",
            Outcome::Nothing => "NONE",
            Outcome::Partly => "PART",
            Outcome::Denied => "DENY",
            Outcome::TooLong => "EXCD",
            Outcome::Unknown => "UNKN",
        }
    }

    pub(super) fn of_code(code: &str) -> Option<Outcome> {
        Outcome::ALL.into_iter().find(|outcome| outcome.code() == code)
    }

    /// The same in words, for people.
    pub(super) fn words(self) -> &'static str {
        match self {
            Outcome::Done => "The servers were changed.",
            Outcome::Nothing => "Nothing was changed: choose servers and an action.",
            Outcome::Partly => "Only some of the servers could be changed.",
            Outcome::Denied => "Nothing was changed: that isn't allowed.",
            Outcome::TooLong => "Nothing was changed: too many servers at a time.",
            Outcome::Unknown => "Nothing was changed: there is no such action, backend or server.",
        }
    }
}

/// What is done with a server, by the names of forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Admin(AdminState),
    Checked(bool),
    Health(Operational),
    Agent(bool),
    EndSessions,
}

/// All actions, with the words that people see.
pub(super) const ACTIONS: [(&str, &str, Action); 11] = [
    ("ready", "put into service", Action::Admin(AdminState::Ready)),
    ("drain", "take no new clients", Action::Admin(AdminState::Drain)),
    ("maint", "take out of service", Action::Admin(AdminState::Maint)),
    ("ehlth", "check its health", Action::Checked(true)),
    ("dhlth", "don't check its health", Action::Checked(false)),
    ("hrunn", "say that it is up", Action::Health(Operational::Running)),
    (
        "hnolb",
        "say that it is stopping",
        Action::Health(Operational::Stopping),
    ),
    (
        "hdown",
        "say that it is down",
        Action::Health(Operational::Stopped),
    ),
    ("eagent", "ask its agent", Action::Agent(true)),
    ("dagent", "don't ask its agent", Action::Agent(false)),
    ("shutdown", "end its sessions", Action::EndSessions),
];

/// What a form says.
#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    backend: Option<String>,
    servers: Vec<String>,
    action: Option<String>,
}

impl Asked {
    fn of(body: &[u8]) -> Asked {
        let mut asked = Asked::default();
        for (name, value) in form_urlencoded::parse(body) {
            match &*name {
                "b" => asked.backend = Some(value.into_owned()),
                "s" => asked.servers.push(value.into_owned()),
                "action" => asked.action = Some(value.into_owned()),
                _ => {}
            }
        }
        asked
    }
}

/// Does what a form asks for.
pub(super) async fn change(
    settings: &Settings,
    control: &Control,
    applet: &Rc<HttpApplet>,
    admin: bool,
) -> Result<Outcome, ServiceError> {
    let from_here = applet
        .txn()
        .request_head()
        .is_some_and(|head| is_from_here(&head.headers));
    if !admin || !from_here {
        return Ok(Outcome::Denied);
    }
    let most = control.plane().map_or(0, |plane| plane.global().buffer_bytes);
    let body = applet.receive(Some(most.saturating_add(1))).await?;
    if body.len() > most {
        return Ok(Outcome::TooLong);
    }
    let asked = Asked::of(&body);
    let Some(action) = &asked.action else {
        return Ok(Outcome::Nothing);
    };
    let Some((_, _, action)) = ACTIONS.iter().find(|(name, _, _)| name == action) else {
        return Ok(Outcome::Unknown);
    };
    let (mut changed, mut missed, mut ended) = (0, 0, Vec::new());
    {
        let Some(plane) = control.plane() else {
            return Ok(Outcome::Unknown);
        };
        let Some(backend) = asked.backend.as_deref().and_then(|name| backend(&plane, name)) else {
            return Ok(Outcome::Unknown);
        };
        if !settings.shows(backend.name(), &Query::default()) {
            return Ok(Outcome::Denied);
        }
        for name in &asked.servers {
            let Some(server) = backend.server(name) else {
                missed += 1;
                continue;
            };
            match carry_out(*action, &server.spec(), &server) {
                Done::Changed => changed += 1,
                Done::Not => missed += 1,
                Done::Later => ended.push((backend.name().to_owned(), name.clone())),
            }
        }
    }
    for (backend, server) in ended {
        control.end_sessions_at(&backend, &server).await;
        changed += 1;
    }
    Ok(match (changed, missed) {
        (0, 0) => Outcome::Nothing,
        (0, _) => Outcome::Unknown,
        (_, 0) => Outcome::Done,
        _ => Outcome::Partly,
    })
}

/// Whether a form is one of ours: a browser says where it came from.
fn is_from_here(headers: &Headers) -> bool {
    let Some(from) = headers.get(ORIGIN).or_else(|| headers.get(REFERER)) else {
        return true;
    };
    let host = headers.get(HOST).map_or(&b""[..], |host| host.as_bytes());
    let from = from.as_bytes();
    let after_scheme = from
        .windows(3)
        .position(|bytes| bytes == b"://")
        .and_then(|at| from.get(at + 3..));
    after_scheme.and_then(|rest| rest.split(|byte| *byte == b'/').next()) == Some(host)
}

/// The backend of a name, or of a number behind `#`.
fn backend<'p>(plane: &'p Plane, text: &str) -> Option<&'p Arc<BackendState>> {
    let number = text.strip_prefix('#').and_then(|number| number.parse().ok());
    let mut backends = plane.backends().map(|(_, state)| state);
    backends.find(|backend| backend.name() == text || number == Some(backend.id()))
}

/// What became of an action.
enum Done {
    Changed,
    /// The server isn't one that it can be done with.
    Not,
    /// It has to be waited for.
    Later,
}

fn carry_out(action: Action, spec: &ServerSpec, server: &ServerState) -> Done {
    let now = Instant::now();
    match action {
        Action::Admin(state) => server.set_admin(state, now),
        Action::Checked(enabled) if spec.check.is_some() => server.checks().enable(enabled),
        Action::Agent(enabled) if spec.agent.is_some() => server.checks().enable_agent(enabled),
        // Who checks the server goes on from there.
        Action::Health(state) if spec.check.is_some() => server.checks().want(match state {
            Operational::Stopped => Wanted::Down,
            Operational::Stopping => Wanted::Stopping,
            _ => Wanted::Up,
        }),
        Action::EndSessions => return Done::Later,
        Action::Checked(_) | Action::Agent(_) | Action::Health(_) => return Done::Not,
    }
    Done::Changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;
    use tidegate_sample::head::KnownName;

    #[test]
    fn a_form_names_servers_and_what_is_done_with_them() {
        let asked = Asked::of(b"s=one&s=two%20&action=maint&b=%233&x=y");
        assert_eq!(
            asked,
            Asked {
                backend: Some("#3".into()),
                servers: vec!["one".into(), "two ".into()],
                action: Some("maint".into()),
            }
        );
    }

    #[test]
    fn forms_of_other_sites_are_told_apart() {
        let is = |name: KnownName, value: &'static str| {
            let mut headers = Headers::new();
            headers.insert(HOST, HeaderValue::from_static("here:8080"));
            headers.insert(name, HeaderValue::from_static(value));
            is_from_here(&headers)
        };
        assert!(is(ORIGIN, "http://here:8080") && is(REFERER, "https://here:8080/stats?x"));
        for wrong in [
            "http://there",
            "http://here:80801",
            "null",
            "here:8080",
            "http://x/://here:8080",
        ] {
            assert!(!is(ORIGIN, wrong), "{wrong}");
        }
        assert!(is_from_here(&Headers::new()));
    }

    #[test]
    fn codes_are_those_of_outcomes() {
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::of_code(outcome.code()), Some(outcome));
        }
    }
}
