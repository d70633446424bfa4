//! Where an expression is used, and what is known there.

use crate::session::Session;
use crate::value::Value;
use std::fmt;
use std::future::Future;
use std::pin::Pin;

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
            Place::FrontendTcpConnection => "a frontend's tcp-request connection rule",
            Place::FrontendTcpSession => "a frontend's tcp-request session rule",
            Place::FrontendTcpContent => "a frontend's tcp-request content rule",
            Place::FrontendHttpRequest => "a frontend's http-request rule",
            Place::FrontendHttpBody => "a frontend's rule on the request's body",
            Place::UseBackend => "a use_backend rule",
            Place::BackendTcpContent => "a backend's tcp-request content rule",
            Place::BackendHttpRequest => "a backend's http-request rule",
            Place::BackendHttpBody => "a backend's rule on the request's body",
            Place::ServerChoice => "the choice of a server",
            Place::ServerConnect => "a server's source or sni",
            Place::BackendTcpResponse => "a backend's tcp-response content rule",
            Place::BackendHttpResponse => "a backend's http-response rule",
            Place::BackendHttpResponseBody => "a backend's rule on the response's body",
            Place::StickStore => "a stick store rule",
            Place::FrontendTcpResponse => "a frontend's tcp-response content rule",
            Place::FrontendHttpResponse => "a frontend's http-response rule",
            Place::FrontendHttpResponseBody => "a frontend's rule on the response's body",
            Place::Log => "a log line",
            Place::Check => "a health check",
            Place::Configuration => "the configuration's start-up",
            Place::Cli => "the runtime API",
        }
    }
}

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

    /// The places of the set.
    pub fn iter(self) -> impl Iterator<Item = Place> {
        Place::ALL.into_iter().filter(move |place| self.contains(*place))
    }
}

impl fmt::Debug for Places {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// What an expression, condition or log-format is parsed against.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// Where it is used; `None` to leave that check to the user of the result (a named ACL).
    pub place: Option<Place>,
    /// Whether the place can wait for a fetch or converter that suspends.
    pub can_wait: bool,
    /// The fetches and converters that scripts registered.
    pub externals: &'a dyn Externals,
    /// The files that patterns come from (`-f`).
    pub files: &'a dyn Files,
}

impl<'a> Scope<'a> {
    /// A place that can wait, with no scripts and no files.
    #[must_use]
    pub fn new(place: Place) -> Scope<'a> {
        Scope {
            place: Some(place),
            can_wait: true,
            externals: &NoExternals,
            files: &NoFiles,
        }
    }

    /// The scope of a named ACL: any place, each use is checked.
    #[must_use]
    pub fn anywhere() -> Scope<'a> {
        Scope {
            place: None,
            can_wait: true,
            externals: &NoExternals,
            files: &NoFiles,
        }
    }

    /// The same with the fetches and converters of scripts.
    #[must_use]
    pub fn with_externals(self, externals: &'a dyn Externals) -> Scope<'a> {
        Scope { externals, ..self }
    }

    /// The same with files for patterns.
    #[must_use]
    pub fn with_files(self, files: &'a dyn Files) -> Scope<'a> {
        Scope { files, ..self }
    }

    /// The same where nothing may suspend.
    #[must_use]
    pub fn without_waiting(self) -> Scope<'a> {
        Scope {
            can_wait: false,
            ..self
        }
    }
}

/// The number by which the host of external fetches or converters knows one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ExternalId(pub u32);

/// The fetches and converters that live outside this crate: `lua.NAME`.
pub trait Externals {
    /// The fetch of this whole name (`lua.NAME`).
    fn fetch(&self, name: &str) -> Option<ExternalId>;
    /// The converter of this whole name (`lua.NAME`).
    fn converter(&self, name: &str) -> Option<ExternalId>;
    /// All names of fetches, for suggestions.
    fn fetch_names(&self) -> Vec<String>;
    /// All names of converters, for suggestions.
    fn converter_names(&self) -> Vec<String>;
}

/// Runs external fetches and converters; both may suspend.
///
/// A failure of one is the runner's to report (it knows the script and line); to the expression it is an
/// absent sample.
pub trait ExternalRunner {
    /// Calls a fetch.
    fn fetch<'a>(
        &'a self,
        id: ExternalId,
        session: &'a dyn Session,
        args: &'a [Value],
    ) -> LocalBoxFuture<'a, Option<Value>>;

    /// Calls a converter.
    fn convert<'a>(
        &'a self,
        id: ExternalId,
        session: &'a dyn Session,
        input: Value,
        args: &'a [Value],
    ) -> LocalBoxFuture<'a, Option<Value>>;
}

/// A boxed future of one thread.
pub type LocalBoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Reads the files that a configuration names.
pub trait Files {
    /// The whole content of a file.
    ///
    /// # Errors
    /// Whatever keeps the file from being read.
    fn read(&self, path: &str) -> std::io::Result<Vec<u8>>;
}

/// No fetches or converters but the built-in ones.
#[derive(Clone, Copy, Debug)]
pub struct NoExternals;

impl Externals for NoExternals {
    fn fetch(&self, _name: &str) -> Option<ExternalId> {
        None
    }
    fn converter(&self, _name: &str) -> Option<ExternalId> {
        None
    }
    fn fetch_names(&self) -> Vec<String> {
        Vec::new()
    }
    fn converter_names(&self) -> Vec<String> {
        Vec::new()
    }
}

impl ExternalRunner for NoExternals {
    fn fetch<'a>(
        &'a self,
        _id: ExternalId,
        _session: &'a dyn Session,
        _args: &'a [Value],
    ) -> LocalBoxFuture<'a, Option<Value>> {
        Box::pin(std::future::ready(None))
    }
    fn convert<'a>(
        &'a self,
        _id: ExternalId,
        _session: &'a dyn Session,
        _input: Value,
        _args: &'a [Value],
    ) -> LocalBoxFuture<'a, Option<Value>> {
        Box::pin(std::future::ready(None))
    }
}

/// A place where no file can be read.
#[derive(Clone, Copy, Debug)]
pub struct NoFiles;

impl Files for NoFiles {
    fn read(&self, _path: &str) -> std::io::Result<Vec<u8>> {
        Err(std::io::Error::new(
            std::io::ErrorKind::Unsupported,
            "files cannot be read here",
        ))
    }
}

/// The files of this machine.
#[derive(Clone, Copy, Debug)]
pub struct LocalFiles;

impl Files for LocalFiles {
    fn read(&self, path: &str) -> std::io::Result<Vec<u8>> {
        std::fs::read(path)
    }
}
