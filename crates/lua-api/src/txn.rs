//! The TXN class: what actions and fetches see of a transaction.

use std::rc::Rc;
use std::sync::Arc;

use mlua::{Error, Function, Lua, Result, Table};
use tidegate_exec::{Chars, Member, ObjectClass, Scalar, function, parting, plain};
use tidegate_proxy::ext::ActionOutcome;
use tidegate_proxy::log::Level;
use tidegate_proxy::{LogLevel, Mode, Txn};

use crate::arg::{bad_argument, error, level_arg, level_of, logged};
use crate::classes::Parts;
use crate::core::SILENT;
use crate::env::Env;
use crate::handle::{self, Any, CLASS_BITS, Class, Kind, Session, This};
use crate::row::{Row, methods, row};
use crate::run::{Done, Kind as RunKind, Run};
use crate::settings::LogStderr;
use crate::vars::{self, OfTxn};
use crate::{reply, transport};

/// The class.
pub(crate) struct TxnClass;

impl Kind for TxnClass {
    const NAME: &'static str = "TXN";
    type Target = Rc<Txn>;
    fn is(class: Class) -> bool {
        class == Class::Txn
    }
    fn target(session: Session) -> Option<Rc<Txn>> {
        session.txn()
    }
}

impl OfTxn for TxnClass {
    fn txn(this: &This<Self>) -> Result<Rc<Txn>> {
        this.live()
    }
}

pub(crate) const ROWS: &[Row] = &[
    row(
        "log(txn, loglevel, msg)",
        "sends a message to the log targets of the frontend",
        |lua, name, env| {
            let env = Arc::clone(env);
            plain(
                lua,
                name,
                move |(this, level, text): (This<TxnClass>, i64, Chars)| {
                    log(&env, &this, level_arg(2, "log", level)?, &text)
                },
            )
        },
    ),
    row(
        "deflog(txn, msg)",
        "sends a message at the level of the transaction's own log line",
        |lua, name, env| {
            let env = Arc::clone(env);
            plain(
                lua,
                name,
                move |(this, text): (This<TxnClass>, Chars)| match this.live()?.log_level() {
                    LogLevel::Default => log(&env, &this, Level::Info, &text),
                    LogLevel::Set(level) => log(&env, &this, level, &text),
                    LogLevel::Silent => Ok(()),
                },
            )
        },
    ),
    row(
        "Debug(txn, msg)",
        "sends a message at level debug",
        |lua, name, env| log_at(lua, name, env, Level::Debug),
    ),
    row(
        "Info(txn, msg)",
        "sends a message at level info",
        |lua, name, env| log_at(lua, name, env, Level::Info),
    ),
    row(
        "Warning(txn, msg)",
        "sends a message at level warning",
        |lua, name, env| log_at(lua, name, env, Level::Warning),
    ),
    row(
        "Alert(txn, msg)",
        "sends a message at level alert",
        |lua, name, env| log_at(lua, name, env, Level::Alert),
    ),
    row(
        "get_priv(txn)",
        "what `set_priv` left with this transaction, or nil",
        vars::get_priv::<TxnClass>,
    ),
    row(
        "set_priv(txn, data)",
        "leaves a value with this transaction",
        vars::set_priv::<TxnClass>,
    ),
    row(
        "set_var(txn, var, value[, ifexist])",
        "sets a variable and says whether it could; with `ifexist`, one of scope `proc` has to exist",
        vars::set_var::<TxnClass>,
    ),
    row(
        "unset_var(txn, var)",
        "removes a variable",
        vars::unset_var::<TxnClass>,
    ),
    row(
        "get_var(txn, var)",
        "the value of a variable, or nil",
        vars::get_var::<TxnClass>,
    ),
    row(
        "reply(txn[, reply])",
        "a Reply for `done`, with the fields of the table `reply`",
        |lua, name, env| {
            let class = reply::metatable(lua, env)?;
            function(
                lua,
                name,
                move |lua, (this, fields): (This<TxnClass>, Option<Table>)| {
                    if this.live()?.mode() != Mode::Http {
                        return Err(error("reply", "only a transaction of HTTP has replies"));
                    }
                    reply::new(lua, &class, fields)
                },
            )
        },
    ),
    row(
        "done(txn[, reply])",
        "ends the transaction and the action at once; an HTTP client gets `reply`, if one is given. A fetch just ends",
        |lua, name, _| {
            parting(
                lua,
                name,
                |lua, (this, reply): (This<TxnClass>, Option<Table>)| {
                    let txn = this.live()?;
                    let run = Run::current().ok_or_else(|| error("done", "nothing runs here"))?;
                    // Only an action ends the transaction.
                    if run.kind.get() == RunKind::Action {
                        // A TCP stream has what was sent to it so far.
                        if let Some(fields) = reply.filter(|_| txn.mode() == Mode::Http) {
                            txn.set_reply(reply::read(lua, &fields)?);
                        }
                        run.finish(Done::Outcome(ActionOutcome::Done));
                    } else {
                        run.finish(Done::Outcome(ActionOutcome::Continue));
                    }
                    Ok(())
                },
            )
        },
    ),
    row(
        "set_loglevel(txn, loglevel)",
        "the level of the transaction's log line; `core.silent`: none is sent",
        |lua, name, _| {
            plain(lua, name, |(this, level): (This<TxnClass>, i64)| {
                let level = match level_of(level) {
                    Some(level) => LogLevel::Set(level),
                    None if level == SILENT => LogLevel::Silent,
                    None => return Err(bad_argument(2, "set_loglevel", "invalid log level")),
                };
                this.live()?.set_log_level(level);
                Ok(())
            })
        },
    ),
    row(
        "set_fc_tos(txn, tos)",
        "sets the type of service (TOS, DSCP) of the packets that go to the client",
        transport::set_tos,
    ),
    row(
        "set_fc_mark(txn, mark)",
        "sets the netfilter mark of the packets that go to the client; that needs privileges",
        transport::set_mark,
    ),
    row(
        "set_tos(txn, tos)",
        "the older name of `set_fc_tos`",
        transport::set_tos,
    ),
    row(
        "set_mark(txn, mark)",
        "the older name of `set_fc_mark`",
        transport::set_mark,
    ),
    row(
        "set_priority_class(txn, prio)",
        "sets the class by which queued requests are ordered, cut to -2047..2047; lower ones go first",
        transport::set_priority_class,
    ),
    row(
        "set_priority_offset(txn, prio)",
        "puts the request back in the queue by so many milliseconds, cut to -524287..524287",
        transport::set_priority_offset,
    ),
];

/// The class of transactions of HTTP, and that of streams of TCP, which may become one of HTTP later.
pub(crate) struct TxnClasses {
    http: ObjectClass,
    tcp: ObjectClass,
}

impl TxnClasses {
    pub(crate) fn new(lua: &Lua, env: &Arc<Env>, parts: &Parts) -> Result<Self> {
        let class = || {
            let make = part_maker(lua, parts.clone())?;
            let class = ObjectClass::new(lua, TxnClass::NAME, &methods(lua, env, ROWS)?, Some(make))?;
            add_samples(lua, &class, parts)?;
            add_part(lua, &class, "req", &parts.channel, Class::RequestChannel)?;
            add_part(lua, &class, "res", &parts.channel, Class::ResponseChannel)?;
            Ok::<_, Error>(class)
        };
        let (http, tcp) = (class()?, class()?);
        add_part(lua, &http, "http", &parts.http, Class::Http)?;
        Ok(TxnClasses { http, tcp })
    }

    /// That of `txn`.
    pub(crate) fn of(&self, txn: &Txn) -> &ObjectClass {
        match txn.mode() {
            Mode::Http => &self.http,
            Mode::Tcp => &self.tcp,
        }
    }
}

/// Gives a class the members that evaluate fetches and converters.
pub(crate) fn add_samples(lua: &Lua, class: &ObjectClass, parts: &Parts) -> Result<()> {
    add_part(lua, class, "f", &parts.fetches, Class::Fetches)?;
    add_part(lua, class, "sf", &parts.fetches, Class::FetchesText)?;
    add_part(lua, class, "c", &parts.converters, Class::Converters)?;
    add_part(lua, class, "sc", &parts.converters, Class::ConvertersText)
}

/// A member that is an object of the same session.
fn add_part(lua: &Lua, class: &ObjectClass, name: &str, part: &ObjectClass, tag: Class) -> Result<()> {
    class.add_part(lua, name, part, CLASS_BITS, tag as u64)
}

/// Makes what an object has at some times only. That the session still is, is seen when it is used.
fn part_maker(lua: &Lua, parts: Parts) -> Result<Function> {
    function(
        lua,
        "__index",
        move |_, (tidegate_exec::This(Any(session)), key): (tidegate_exec::This<Any>, Scalar)| {
            Ok(match &key {
                Scalar::Text(key) => part(&parts, session, key),
                _ => Member::None,
            })
        },
    )
}

/// One part by its name.
fn part(parts: &Parts, session: Session, name: &[u8]) -> Member {
    let is_tcp = || session.txn().is_some_and(|txn| txn.mode() == Mode::Tcp);
    let in_filter = || Run::current().is_some_and(|run| run.filter().is_some());
    let (objects, class) = match name {
        // A TCP stream has no HTTP message: the member is nil there, as in HAProxy.
        b"http" if is_tcp() => return Member::None,
        b"http" => (&parts.http, Class::Http),
        // They are for filters, and nil elsewhere.
        b"http_req" | b"http_res" if is_tcp() || !in_filter() => return Member::None,
        b"http_req" => (&parts.message, Class::RequestMessage),
        b"http_res" => (&parts.message, Class::ResponseMessage),
        _ => return Member::None,
    };
    Member::Object(handle::object(objects, session, class))
}

fn log_at(lua: &Lua, name: &str, env: &Arc<Env>, level: Level) -> Result<Function> {
    let env = Arc::clone(env);
    plain(lua, name, move |(this, text): (This<TxnClass>, Chars)| {
        log(&env, &this, level, &text)
    })
}

fn log(env: &Env, this: &This<TxnClass>, level: Level, text: &[u8]) -> Result<()> {
    let txn = this.live()?;
    let text = logged(text);
    if env.settings.log_loggers {
        txn.log(level, &text);
    }
    // Whether a logger of the frontend took it isn't known here, so `auto` counts on it.
    if env.settings.log_stderr == LogStderr::On || !env.settings.log_loggers {
        env.settings.to_stderr(level, &text, false);
    }
    Ok::<(), Error>(())
}
