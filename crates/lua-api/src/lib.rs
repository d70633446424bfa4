//! The classes that Lua scripts see, with the names, arguments and results of HAProxy's, and what it takes to
//! load scripts and let them take part in sessions.
//!
//! [`Scripts::load`] runs the files of a configuration. What they registered is in [`Loaded::declared`], for
//! whoever resolves `lua.NAME`; [`Loaded::factory`] gives each worker its [extensions].
//!
//! [extensions]: tidegate_proxy::ext::Extensions

mod act;
mod action;
mod alarm;
mod applet_http;
mod applet_tcp;
mod arg;
mod calls;
mod cert_cache;
mod channel;
mod classes;
mod command;
mod concat;
mod converters;
mod core;
mod coverage;
mod declared;
mod desk;
mod entry;
mod env;
mod event;
mod fetches;
mod filter;
mod handle;
mod http;
mod http_message;
mod httpclient;
mod loader;
mod map;
mod names;
mod patref;
mod plane;
mod queue;
mod regex;
mod reply;
mod report;
mod row;
mod run;
mod sampling;
mod service;
mod session;
mod settings;
mod shared;
mod socket;
mod standard;
mod state;
mod subst;
mod task;
mod transport;
mod txn;
mod unsupported;
mod value;
mod vars;
mod worker;

pub use cert_cache::{Cache, CertificateChange, Certificates};
pub use classes::{Attribute, attributes, reference};
pub use command::{Conversation, Said};
pub use coverage::{Coverage, Entry, EntryKind, coverage};
pub use declared::{ActionDecl, CommandDecl, CommandLevel, Declared, FilterDecl, RuleSet};
pub use desk::Desk;
pub use entry::ScriptLimits;
pub use loader::{LoadError, LoadSpec, Loaded, Scripts};
pub use names::Names;
pub use plane::{Figure, Figures, Of, World};
pub use report::{FunctionReport, StateReport};
pub use row::{ClassRows, Row};
pub use settings::{BoolSamples, HttpClientSettings, LogSink, LogStderr, Settings, parse_openlibs};
pub use shared::{DictReport, Dicts};
pub use socket::pool::PoolReport;
pub use socket::{Authorities, Trust};
