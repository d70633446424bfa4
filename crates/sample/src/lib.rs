//! Samples and what is done with them: values, fetches, converters, conditions, variables, log-format.
//!
//! A sample is a [`Value`] that a [`fetch`] takes from a [`Session`] and converters ([`convert`]) change.
//! An [`Expr`] is both, parsed once and evaluated by any thread. Conditions, variables and log-format are
//! made of expressions. The session is reached through one trait and nothing here does I/O, so everything
//! can be evaluated for a fake.
//!
//! ```
//! use tidegate_sample::{Expr, NoSession, Value};
//!
//! let expr: Expr = "str(Hello),lower,field(2,l)".parse()?;
//! assert_eq!(expr.eval(&NoSession), Some(Value::str("")));
//!
//! let error = "str(Hello),lowr".parse::<Expr>().unwrap_err();
//! assert_eq!(error.span, 11..15);
//! assert_eq!(error.to_string(), "unknown converter `lowr`; did you mean `lower`?");
//! # Ok::<(), tidegate_sample::ParseError>(())
//! ```

#![allow(clippy::ptr_arg, reason = "all that prepare arguments have one signature")]

pub mod acl;
pub mod arg;
pub mod convert;
pub mod cookies;
pub mod date;
pub mod example;
pub mod fetch;
pub mod figures;
pub mod head;
pub mod header_list;
pub mod logformat;
pub mod manual;
pub mod pattern;
pub mod raw;
pub mod stick;
pub mod userlist;
pub mod vars;
pub mod x509;

mod amount;
mod byte_set;
mod cast;
mod data;
mod did_you_mean;
mod error;
mod expr;
pub mod hash;
mod listeners;
mod place;
mod random;
mod regex;
mod scope;
mod session;
mod tls;
mod unsupported;
mod value;

pub use acl::{
    Acl, AclSet, Condition, Polarity, Verdict, keywords as acl_keywords,
    unserved_keywords as unserved_acl_keywords,
};
pub use amount::Amount;
pub use byte_set::ByteSet;
pub use cast::{address_text, cast, castable};
pub use convert::{TokenAlgorithms, TokenCertificate, offer_certificates};
pub use data::Data;
pub use did_you_mean::did_you_mean;
pub use error::{ParseError, WordError};
pub use expr::{Chain, Converter, Expr};
pub use listeners::Listeners;
pub use logformat::LogFormat;
pub use pattern::{Lists, MatchMethod};
pub use place::{Place, Places};
pub use regex::Regex;
pub use scope::{
    ExternalId, ExternalRunner, Externals, Files, LocalBoxFuture, LocalFiles, LongWork, NoExternals, NoFiles,
    Proxies, Scope, Side,
};
pub use session::{DebugSink, Facts, LogOrigin, Named, NoSession, Priority, Process, Session, Way};
pub use tls::{Hello, Tls, hello_server_name};
pub use userlist::{UserList, UserLists};
pub use value::{Type, Value};
