//! The places of the configuration that evaluate expressions.

use std::fmt;

/// What the manual calls the places, with the one in a frontend and the one in a backend that it means.
const DIRECTIVES: &[(&str, Option<Place>, Option<Place>)] = &[
    (
        "`tcp-request connection`",
        Some(Place::FrontendTcpConnection),
        None,
    ),
    ("`tcp-request session`", Some(Place::FrontendTcpSession), None),
    (
        "`tcp-request content`",
        Some(Place::FrontendTcpContent),
        Some(Place::BackendTcpContent),
    ),
    (
        "`http-request`",
        Some(Place::FrontendHttpRequest),
        Some(Place::BackendHttpRequest),
    ),
    ("`use_backend`", Some(Place::UseBackend), None),
    ("`use-server`", None, Some(Place::ServerChoice)),
    ("`balance`", None, Some(Place::ServerChoice)),
    ("`stick match`", None, Some(Place::ServerChoice)),
    ("a server's `source` and `sni`", None, Some(Place::ServerConnect)),
    (
        "`tcp-response content`",
        Some(Place::FrontendTcpResponse),
        Some(Place::BackendTcpResponse),
    ),
    (
        "`http-response`",
        Some(Place::FrontendHttpResponse),
        Some(Place::BackendHttpResponse),
    ),
    ("`stick store-response`", None, Some(Place::StickStore)),
    ("`log-format`", Some(Place::Log), None),
    ("`tcp-check`", None, Some(Place::Check)),
    ("`http-check`", None, Some(Place::Check)),
    ("`set-var` in `global`", Some(Place::Configuration), None),
    ("the runtime API", Some(Place::Cli), None),
];

/// A place in the configuration that evaluates expressions, with what can exist there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// `tcp-request connection` in a frontend.
    FrontendTcpConnection,
    /// `tcp-request session` in a frontend.
    FrontendTcpSession,
    /// `tcp-request content` in a frontend.
    FrontendTcpContent,
    /// `http-request` in a frontend.
    FrontendHttpRequest,
    /// Rules of a frontend that wait for the request's body.
    FrontendHttpBody,
    /// `use_backend`.
    UseBackend,
    /// `tcp-request content` in a backend.
    BackendTcpContent,
    /// `http-request` in a backend.
    BackendHttpRequest,
    /// Rules of a backend that wait for the request's body.
    BackendHttpBody,
    /// `use-server`, `balance` and `stick match`.
    ServerChoice,
    /// A server's `source` and `sni`.
    ServerConnect,
    /// `tcp-response content` in a backend.
    BackendTcpResponse,
    /// `http-response` in a backend.
    BackendHttpResponse,
    /// Rules of a backend that wait for the response's body.
    BackendHttpResponseBody,
    /// `stick store`.
    StickStore,
    /// `tcp-response content` in a frontend.
    FrontendTcpResponse,
    /// `http-response` and `http-after-response` in a frontend.
    FrontendHttpResponse,
    /// Rules of a frontend that wait for the response's body.
    FrontendHttpResponseBody,
    /// A log line.
    Log,
    /// A health check.
    Check,
    /// The configuration as it is read (`set-var` in `global`).
    Configuration,
    /// The runtime API.
    Cli,
}

impl Place {
    /// All places, in the order of the bits of [`Places`].
    pub const ALL: [Place; 22] = [
        Place::FrontendTcpConnection,
        Place::FrontendTcpSession,
        Place::FrontendTcpContent,
        Place::FrontendHttpRequest,
        Place::FrontendHttpBody,
        Place::UseBackend,
        Place::BackendTcpContent,
        Place::BackendHttpRequest,
        Place::BackendHttpBody,
        Place::ServerChoice,
        Place::ServerConnect,
        Place::BackendTcpResponse,
        Place::BackendHttpResponse,
        Place::BackendHttpResponseBody,
        Place::StickStore,
        Place::FrontendTcpResponse,
        Place::FrontendHttpResponse,
        Place::FrontendHttpResponseBody,
        Place::Log,
        Place::Check,
        Place::Configuration,
        Place::Cli,
    ];

    /// What the place is called in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Place::FrontendTcpConnection => "a frontend's `tcp-request connection` rule",
            Place::FrontendTcpSession => "a frontend's `tcp-request session` rule",
            Place::FrontendTcpContent => "a frontend's `tcp-request content` rule",
            Place::FrontendHttpRequest => "a frontend's `http-request` rule",
            Place::FrontendHttpBody => "a frontend's rule on the request's body",
            Place::UseBackend => "a `use_backend` rule",
            Place::BackendTcpContent => "a backend's `tcp-request content` rule",
            Place::BackendHttpRequest => "a backend's `http-request` rule",
            Place::BackendHttpBody => "a backend's rule on the request's body",
            Place::ServerChoice => "the choice of a server",
            Place::ServerConnect => "a server's `source` or `sni`",
            Place::BackendTcpResponse => "a backend's `tcp-response content` rule",
            Place::BackendHttpResponse => "a backend's `http-response` rule",
            Place::BackendHttpResponseBody => "a backend's rule on the response's body",
            Place::StickStore => "a `stick store-response` rule",
            Place::FrontendTcpResponse => "a frontend's `tcp-response content` rule",
            Place::FrontendHttpResponse => "a frontend's `http-response` rule",
            Place::FrontendHttpResponseBody => "a frontend's rule on the response's body",
            Place::Log => "a log line",
            Place::Check => "a health check",
            Place::Configuration => "the configuration's start-up",
            Place::Cli => "the runtime API",
        }
    }
}

/// Up to so many directives are named as those that a fetch cannot be used in.
const MISSING_MAX: usize = 5;

/// A set of places.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Places(u32);

impl Places {
    /// Every place.
    pub const ALL: Places = Places::columns(b"YYYYYYYYYYYYYYYYYYYYYY");

    /// The set whose columns, in the order of [`Place::ALL`], are marked with `Y`.
    #[must_use]
    pub const fn columns(columns: &[u8; 22]) -> Places {
        let mut bits = 0;
        let mut rest: &[u8] = columns;
        let mut bit = 0;
        while let [first, tail @ ..] = rest {
            if *first == b'Y' {
                bits |= 1 << bit;
            }
            bit += 1;
            rest = tail;
        }
        Places(bits)
    }

    /// Whether `place` is in the set.
    #[must_use]
    pub fn contains(self, place: Place) -> bool {
        self.0 & (1 << place as u32) != 0
    }

    /// The places in both sets.
    #[must_use]
    pub fn and(self, other: Places) -> Places {
        Places(self.0 & other.0)
    }

    /// The places of the set, by the directives that the manual knows them by: "`use_backend` and `log-format`", or
    /// those that are missing: "anywhere but in `log-format`".
    #[must_use]
    pub fn directives(self) -> String {
        let missing = Places(Places::ALL.0 & !self.0).names();
        if missing.len() <= MISSING_MAX {
            return format!("anywhere but in {}", listed(&missing));
        }
        format!("in {}", listed(&self.names()))
    }

    fn names(self) -> Vec<String> {
        let has = |place: &Option<Place>| place.is_some_and(|place| self.contains(place));
        let name = |(directive, frontend, backend): &(&str, Option<Place>, Option<Place>)| match (
            has(frontend),
            has(backend),
        ) {
            (false, false) => None,
            (true, false) if backend.is_some() => Some(format!("a frontend's {directive}")),
            (false, true) if frontend.is_some() => Some(format!("a backend's {directive}")),
            _ => Some((*directive).to_string()),
        };
        DIRECTIVES.iter().filter_map(name).collect()
    }

    /// The places of the set.
    pub fn iter(self) -> impl Iterator<Item = Place> {
        Place::ALL.into_iter().filter(move |place| self.contains(*place))
    }
}

/// `a, b and c`.
fn listed(names: &[String]) -> String {
    match names {
        [] => String::from("no directive"),
        [only] => only.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}
