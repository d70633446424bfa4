//! The Socket class: a client connection that a script opens, reads and writes while only its own run waits.

mod address;
mod connection;
mod owner;
pub(crate) mod pool;
mod tls;

use std::sync::Arc;
use std::time::Duration;

use mlua::{
    Error, IntoLua, IntoLuaMulti, Lua, LuaString, MultiValue, Result, Table, UserData, UserDataFields, Value,
    Variadic,
};
use tidegate_exec::{Said, function, operation};

pub(crate) use self::address::{Address, NoAddress};
pub(crate) use self::connection::Stream;
use self::connection::{Connection, Pattern};
use self::owner::Inner;
use self::owner::Refused;
pub(crate) use self::tls::Options as TlsOptions;
pub use self::tls::{Authorities, Trust};
use crate::arg::{Int, Millis, Named, Object, bad_argument, error, message};
use crate::names::Names;
use crate::row::{Row, install_class, own_fields, row};

/// What scripts are told, in the words of HAProxy's documentation and LuaSocket.
const CLOSED: &str = "closed";
const TIMED_OUT: &str = "timeout";
const CONNECTED: &str = "already connected";

/// HAProxy's longest timeout.
const TIMEOUT_MAX: Duration = Duration::from_millis(i32::MAX as u64);

pub(crate) const CORE_ROWS: &[Row] = &[row("tcp()", "a new Socket", |lua, name, env| {
    install_class(lua, env, Socket::NAME, ROWS)?;
    function(lua, name, |lua, ()| lua.create_userdata(Socket(Inner::fresh()?)))
})];

pub(crate) const ROWS: &[Row] = &[
    row(
        "connect(socket, address[, port])",
        "connects by TCP or to a Unix socket; 1, or nil and an error",
        |lua, name, env| {
            let names = env.settings.socket_names.clone();
            operation(
                lua,
                name,
                move |_, (socket, address, port): (Object<Socket>, LuaString, Option<Int>)| {
                    let (inner, names) = (socket.own()?, names.clone());
                    let address = address_arg("connect", &address, port)?;
                    Ok(async move {
                        let address = match address {
                            Ok(address) => address,
                            Err(why) => return Ok(Given::Failed(why, ())),
                        };
                        let place = format!("{address:?}");
                        Ok(connect(&inner, &place, Connection::open(&address, &names)).await)
                    })
                },
            )
        },
    ),
    row(
        "connect_ssl(socket, address, port[, options])",
        "connects by TLS and verifies the certificate; options: `sni`, `ca` (a PEM file), `verify` (false for tests)",
        |lua, name, env| {
            let names = env.settings.socket_names.clone();
            operation(
                lua,
                name,
                move |_,
                      (socket, address, port, options): (
                    Object<Socket>,
                    LuaString,
                    Option<Int>,
                    Option<Table>,
                )| {
                    let (inner, names) = (socket.own()?, names.clone());
                    let address = address_arg("connect_ssl", &address, port)?;
                    let address = match address {
                        Ok(address) => Ok((tls::Options::of(options, &address)?, address)),
                        Err(why) => Err(why),
                    };
                    Ok(async move {
                        let (options, address) = match address {
                            Ok(known) => known,
                            Err(why) => return Ok(Given::Failed(why, ())),
                        };
                        let place = format!("{address:?} {}", options.shown());
                        let opened =
                            async { tls::connect(Connection::open(&address, &names).await?, &options).await };
                        Ok(connect(&inner, &place, opened).await)
                    })
                },
            )
        },
    ),
    row(
        "send(socket, data[, start[, end]])",
        "sends a string, or a part of it; the index of the last byte sent, or nil, an error, and that index",
        |lua, name, _| {
            operation(
                lua,
                name,
                |_, (socket, data, start, end): (Object<Socket>, LuaString, Option<Int>, Option<Int>)| {
                    let inner = socket.own()?;
                    let taken = inner.take();
                    let data = data.as_bytes();
                    let first = position(start.map_or(1, |Int(at)| at), data.len()).max(1);
                    let last = position(end.map_or(-1, |Int(at)| at), data.len()).min(data.len());
                    let piece = data.get(first - 1..last).unwrap_or_default().to_vec();
                    Ok(async move {
                        let Some(mut connection) = taken else {
                            return Ok(Given::Failed(CLOSED, first - 1));
                        };
                        let mut sent = 0;
                        let written = within(inner.timeout(), connection.send(&piece, &mut sent)).await;
                        let at = first - 1 + sent;
                        Ok(match written {
                            Ok(()) => {
                                inner.put_back(connection);
                                Given::Done(at)
                            }
                            Err(Fault::TimedOut) => {
                                inner.put_back(connection);
                                Given::Failed(TIMED_OUT, at)
                            }
                            Err(Fault::Failed(_)) => Given::Failed(CLOSED, at),
                        })
                    })
                },
            )
        },
    ),
    row(
        "receive(socket[, pattern[, prefix]])",
        "reads `*l`ine, `*a`ll or so many bytes, after a prefix; or nil, an error, and what was read",
        |lua, name, _| {
            operation(
                lua,
                name,
                |lua, (socket, pattern, prefix): (Object<Socket>, Value, Option<LuaString>)| {
                    let inner = socket.own()?;
                    let pattern = Pattern::of(&pattern, lua)?;
                    let taken = inner.take();
                    let prefix = prefix
                        .map(|prefix| prefix.as_bytes().to_vec())
                        .unwrap_or_default();
                    Ok(async move {
                        // What is there is the script's, also when it is not all.
                        let part = |bytes: &[u8]| Said([prefix.as_slice(), bytes].concat());
                        let Some(mut connection) = taken else {
                            return Ok(Given::Failed(CLOSED, part(b"")));
                        };
                        let read = within(inner.timeout(), connection.receive(pattern)).await;
                        Ok(match read {
                            Ok(Some(bytes)) => {
                                inner.put_back(connection);
                                Given::Done(part(&bytes))
                            }
                            Err(Fault::TimedOut) => {
                                let rest = connection.take_buffered(pattern);
                                inner.put_back(connection);
                                Given::Failed(TIMED_OUT, part(&rest))
                            }
                            Ok(None) | Err(Fault::Failed(_)) => {
                                let rest = connection.take_buffered(pattern);
                                Given::Failed(CLOSED, part(&rest))
                            }
                        })
                    })
                },
            )
        },
    ),
    row(
        "setkeepalive(socket[, milliseconds[, size]])",
        "gives the connection to the worker's pool, from where `connect` takes it: for so long (60 s if nothing is said, an hour at most), beside at most `size` to \
         the same place (30); 1, or nil and an error",
        |lua, name, _| {
            function(
                lua,
                name,
                |_, (socket, milliseconds, size): (Object<Socket>, Option<f64>, Option<Int>)| {
                    let inner = socket.own()?;
                    let idle = match milliseconds {
                        Some(ms) => Millis::of(ms, 1.0, "setkeepalive")?.0,
                        None => pool::IDLE,
                    };
                    let size = match size {
                        Some(Int(size)) => usize::try_from(size)
                            .map_err(|_| bad_argument(3, "setkeepalive", "not a number of connections"))?,
                        None => pool::SIZE,
                    };
                    Ok(match inner.take() {
                        None => Given::Failed(CLOSED, ()),
                        Some(connection) => match pool::put(connection, idle, size) {
                            Ok(()) => Given::Done(1),
                            Err(why) => Given::Failed(why, ()),
                        },
                    })
                },
            )
        },
    ),
    row("close(socket)", "closes the connection", |lua, name, _| {
        function(lua, name, |_, socket: Object<Socket>| socket.0.0.close())
    }),
    row(
        "settimeout(socket, value[, mode])",
        "how many seconds each operation may wait; there is one mode only",
        |lua, name, _| {
            function(
                lua,
                name,
                |_, (socket, seconds, _mode): (Object<Socket>, f64, Option<Value>)| {
                    if seconds < 0.0 {
                        return Err(error("settimeout", "cannot set negatives values"));
                    }
                    let timeout = Duration::try_from_secs_f64(seconds).ok();
                    let timeout = timeout.filter(|timeout| *timeout <= TIMEOUT_MAX).ok_or_else(|| {
                        let most = TIMEOUT_MAX.as_millis();
                        error("settimeout", format!("cannot set values larger than {most} ms"))
                    })?;
                    socket.own()?.set_timeout(timeout);
                    Ok(1)
                },
            )
        },
    ),
    row(
        "getpeername(socket)",
        "the other side's address and port, or nil",
        |lua, name, _| {
            function(lua, name, |_, socket: Object<Socket>| {
                Ok(socket.own()?.look(|connection| connection.peer.clone()))
            })
        },
    ),
    row(
        "getsockname(socket)",
        "this side's address and port, or nil",
        |lua, name, _| {
            function(lua, name, |_, socket: Object<Socket>| {
                Ok(socket.own()?.look(|connection| connection.local.clone()))
            })
        },
    ),
    row(
        "setoption(socket, option[, value])",
        "there for LuaSocket's sake: it does nothing, as in HAProxy",
        |lua, name, _| {
            function(
                lua,
                name,
                |_, (_socket, _options): (Object<Socket>, Variadic<Value>)| Ok(()),
            )
        },
    ),
];

/// What a script holds.
struct Socket(Arc<Inner>);

/// What an operation gives: one value, or nil, what is wrong, and as much as there was.
///
/// No nil follows a value: scripts put results straight into lists of arguments.
enum Given<T, R, W = &'static str> {
    Done(T),
    Failed(W, R),
}

impl<T: IntoLua, R: IntoLuaMulti, W: IntoLua> IntoLuaMulti for Given<T, R, W> {
    fn into_lua_multi(self, lua: &Lua) -> Result<MultiValue> {
        match self {
            Given::Done(value) => value.into_lua_multi(lua),
            Given::Failed(why, rest) => {
                let mut values = rest.into_lua_multi(lua)?;
                values.push_front(why.into_lua(lua)?);
                values.push_front(Value::Nil);
                Ok(values)
            }
        }
    }
}

/// Why an operation didn't end well.
enum Fault {
    TimedOut,
    Failed(std::io::Error),
}

/// Opens a socket's connection: 1, or nil and why not.
async fn connect(
    inner: &Inner,
    place: &str,
    opened: impl Future<Output = std::io::Result<Connection>>,
) -> Given<u8, (), String> {
    let opened = match inner.may_connect() {
        Ok(()) => match pool::take(place) {
            Some(kept) => Ok(kept),
            None => within(inner.timeout(), opened).await,
        },
        Err(Refused::Connected) => return Given::Failed(CONNECTED.to_owned(), ()),
        Err(Refused::Closed) => return Given::Failed(CLOSED.to_owned(), ()),
    };
    match opened {
        Ok(mut connection) => {
            place.clone_into(&mut connection.place);
            inner.put_back(connection);
            Given::Done(1)
        }
        Err(Fault::TimedOut) => Given::Failed(TIMED_OUT.to_owned(), ()),
        Err(Fault::Failed(why)) => Given::Failed(why.to_string(), ()),
    }
}

/// A stream to a place, with TLS if that is asked for.
pub(crate) async fn open(
    address: &Address,
    names: &Names,
    tls: Option<&TlsOptions>,
) -> std::io::Result<Box<dyn Stream>> {
    let connection = Connection::open(address, names).await?;
    Ok(match tls {
        Some(options) => tls::connect(connection, options).await?.into_stream(),
        None => connection.into_stream(),
    })
}

async fn within<R>(
    limit: Duration,
    operation: impl Future<Output = std::io::Result<R>>,
) -> std::result::Result<R, Fault> {
    match tokio::time::timeout(limit, operation).await {
        Ok(result) => result.map_err(Fault::Failed),
        Err(_) => Err(Fault::TimedOut),
    }
}

/// An index of Lua's, negative ones counted from the end, as a count of bytes.
fn position(index: i64, length: usize) -> usize {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let at = if index < 0 { length + index + 1 } else { index };
    usize::try_from(at).unwrap_or(0)
}

/// The address that a script gave, or why it is none, for the script to read.
///
/// # Errors
/// A port is missing: that is the script's fault, and not the address's.
fn address_arg(
    name: &str,
    address: &LuaString,
    port: Option<Int>,
) -> Result<std::result::Result<Address, String>> {
    match Address::parse(&message(&address.as_bytes()), port.map(|Int(port)| port)) {
        Err(NoAddress::PortMissing) => Err(error(name, NoAddress::PortMissing)),
        known => Ok(known.map_err(|why| why.to_string())),
    }
}

impl Named for Socket {
    const NAME: &'static str = "Socket";
}

impl UserData for Socket {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field("__name", Self::NAME);
        fields.add_meta_field_with("__index", |lua| Ok(own_fields(lua, Self::NAME)?.read));
        fields.add_meta_field_with("__newindex", |lua| Ok(own_fields(lua, Self::NAME)?.write));
    }
}

/// The error of an argument that no socket can do anything with.
fn wrong(text: &str) -> Error {
    Error::runtime(text.to_owned())
}
