//! What an expression is parsed against: where it is used, and what is known there.

use crate::acl::AclSet;
use crate::pattern::Lists;
use crate::place::Place;
use crate::session::Session;
use crate::stick::Tables;
use crate::userlist::UserLists;
use crate::value::Value;
use crate::vars::VarName;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

/// What an expression, condition or log-format is parsed against.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    /// Where it is used; `None` to leave that check to the user of the result (a named ACL).
    pub place: Option<Place>,
    /// Whether there is a session there, which fetches and converters of scripts can be called for.
    pub has_session: bool,
    /// The fetches and converters that scripts registered.
    pub externals: &'a dyn Externals,
    /// The files that patterns and maps come from.
    pub files: &'a dyn Files,
    /// The lists that were loaded, for all that name one to share it; without them, whoever names one has its own.
    pub lists: Option<&'a Lists>,
    /// The proxies that arguments may name; `None` if only evaluation can tell which there are.
    pub proxies: Option<&'a dyn Proxies>,
    /// The ACLs that `acl()` may name.
    pub acls: Option<&'a AclSet>,
    /// The userlists that arguments may name.
    pub userlists: Option<&'a UserLists>,
    /// Whether it is for several proxies at once, so that servers and tables are named with theirs.
    pub shared: bool,
}

impl<'a> Scope<'a> {
    /// A place with a session, with no scripts and no files.
    #[must_use]
    pub fn new(place: Place) -> Scope<'a> {
        Scope {
            place: Some(place),
            has_session: true,
            externals: &NoExternals,
            files: &NoFiles,
            lists: None,
            proxies: None,
            acls: None,
            userlists: None,
            shared: false,
        }
    }

    /// The scope of a named ACL: any place, each use is checked.
    #[must_use]
    pub fn anywhere() -> Scope<'a> {
        Scope {
            place: None,
            has_session: true,
            externals: &NoExternals,
            files: &NoFiles,
            lists: None,
            proxies: None,
            acls: None,
            userlists: None,
            shared: false,
        }
    }

    /// The same with the fetches and converters of scripts.
    #[must_use]
    pub fn with_externals(self, externals: &'a dyn Externals) -> Scope<'a> {
        Scope { externals, ..self }
    }

    /// The same with files for patterns, and the lists that come from them.
    #[must_use]
    pub fn with_files(self, files: &'a dyn Files) -> Scope<'a> {
        Scope {
            files,
            lists: files.lists(),
            ..self
        }
    }

    /// The same with lists of patterns to share.
    #[must_use]
    pub fn with_lists(self, lists: &'a Lists) -> Scope<'a> {
        Scope {
            lists: Some(lists),
            ..self
        }
    }

    /// The same where arguments may name these proxies only.
    #[must_use]
    pub fn with_proxies(self, proxies: &'a dyn Proxies) -> Scope<'a> {
        Scope {
            proxies: Some(proxies),
            ..self
        }
    }

    /// The same where `acl()` may name these.
    #[must_use]
    pub fn with_acls(self, acls: &'a AclSet) -> Scope<'a> {
        Scope {
            acls: Some(acls),
            ..self
        }
    }

    /// The same where arguments may name these userlists.
    #[must_use]
    pub fn with_userlists(self, userlists: &'a UserLists) -> Scope<'a> {
        Scope {
            userlists: Some(userlists),
            ..self
        }
    }

    /// The same for several proxies at once, if `shared`.
    #[must_use]
    pub fn shared(self, shared: bool) -> Scope<'a> {
        Scope { shared, ..self }
    }

    /// The same where there is no session that a script could be called for.
    #[must_use]
    pub fn without_session(self) -> Scope<'a> {
        Scope {
            has_session: false,
            ..self
        }
    }
}

/// The two sides that a proxy may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// It accepts connections.
    Frontend,
    /// It has servers.
    Backend,
}

impl Side {
    /// What a proxy with that side is called.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Side::Frontend => "frontend",
            Side::Backend => "backend",
        }
    }
}

/// The proxies and servers of a configuration.
pub trait Proxies {
    /// The proxy in whose section the expression stands; none where only evaluation can tell, as in a script.
    fn current(&self) -> Option<&str>;
    /// The names of all proxies that have this side.
    fn names(&self, side: Side) -> Vec<&str>;
    /// The names of a backend's servers.
    fn servers(&self, backend: &str) -> Vec<String>;
    /// An expression names this server, which should stay.
    fn needs_server(&self, _backend: &str, _name: &str) {}
    /// An expression names this backend, which should stay.
    fn needs_backend(&self, _name: &str) {}
    /// The stick tables; `None` if only evaluation can tell which there are.
    fn tables(&self) -> Option<&Tables> {
        None
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

    /// Calls a fetch where nothing can wait: one that tries to fails.
    fn fetch_now(&self, _id: ExternalId, _session: &dyn Session, _args: &[Value]) -> Option<Value> {
        None
    }

    /// Calls a converter where nothing can wait: one that tries to fails.
    fn convert_now(
        &self,
        _id: ExternalId,
        _session: &dyn Session,
        _input: Value,
        _args: &[Value],
    ) -> Option<Value> {
        None
    }

    /// Does what takes long without letting others wait for it. Here: at once, for those who have no others.
    fn long_work(&self, work: LongWork) -> LocalBoxFuture<'_, Option<Value>> {
        Box::pin(std::future::ready(work()))
    }
}

/// What takes milliseconds of a processor, for any thread to do.
pub type LongWork = Box<dyn FnOnce() -> Option<Value> + Send>;

/// A boxed future of one thread.
pub type LocalBoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Reads the files that a configuration names.
pub trait Files {
    /// The whole content of a file.
    ///
    /// # Errors
    /// Whatever keeps the file from being read.
    fn read(&self, path: &str) -> std::io::Result<Vec<u8>>;

    /// The address of a host, which may stand for it among patterns.
    ///
    /// # Errors
    /// Whatever keeps it from being known.
    fn address_of(&self, host: &str) -> std::io::Result<IpAddr> {
        let _ = host;
        Err(std::io::ErrorKind::Unsupported.into())
    }

    /// Whether a certificate of this name will be loaded, and offered to expressions.
    fn has_certificate(&self, name: &str) -> bool {
        let _ = name;
        false
    }

    /// Asks for a certificate that is in no store to be loaded and offered to expressions; `false` if nobody does that.
    fn want_certificate(&self, path: &str) -> bool {
        let _ = path;
        false
    }

    /// Something names a variable, which exists then, if it is one of the process.
    fn names_variable(&self, _name: &VarName) {}

    /// The lists that come from these files, for all that name one to share it; without them, whoever names one has
    /// its own.
    fn lists(&self) -> Option<&Lists> {
        None
    }
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
