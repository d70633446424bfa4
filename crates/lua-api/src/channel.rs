//! The Channel class: one direction of a TCP stream, as rules see it.

use std::rc::Rc;

use bytes::Bytes;
use mlua::{Error, LuaString, Result, Value};
use tidegate_exec::{Said, function, operation};
use tidegate_proxy::{Channel, ChannelError, Mode, Txn};

use crate::arg::{Int, error};
use crate::handle::{Class, Kind, Of, Session, This};
use crate::row::{Row, row};

/// The class.
pub(crate) struct ChannelClass;

impl Kind for ChannelClass {
    const NAME: &'static str = "Channel";
    type Target = Rc<Txn>;
    fn is(class: Class) -> bool {
        matches!(class, Class::RequestChannel | Class::ResponseChannel)
    }
    fn target(session: Session) -> Option<Rc<Txn>> {
        session.txn()
    }
}

type This_ = This<ChannelClass>;

impl Of<ChannelClass> {
    /// Uses the channel.
    fn with<R>(&self, f: impl FnOnce(&Channel) -> R) -> Result<R> {
        let txn = self.live()?;
        Ok(f(self.of(&txn)))
    }

    /// Changes the channel, which is possible in TCP mode only.
    fn change<R>(&self, name: &str, f: impl FnOnce(&Channel) -> R) -> Result<R> {
        let txn = self.live()?;
        if txn.mode() == Mode::Http {
            return Err(error(name, "a channel can't be changed in HTTP mode"));
        }
        Ok(f(self.of(&txn)))
    }

    fn of<'a>(&self, txn: &'a Txn) -> &'a Channel {
        match self.class {
            Class::ResponseChannel => txn.response_channel(),
            _ => txn.request_channel(),
        }
    }
}

pub(crate) const ROWS: &[Row] = &[
    row(
        "is_resp(channel)",
        "true for the direction to the client",
        |lua, name, _| {
            function(lua, name, |_, this: This_| {
                this.live()?;
                Ok(this.class == Class::ResponseChannel)
            })
        },
    ),
    row("is_full(channel)", "true if nothing more fits", |lua, name, _| {
        function(lua, name, |_, this: This_| this.with(Channel::is_full))
    }),
    row("may_recv(channel)", "true while more may come", |lua, name, _| {
        function(lua, name, |_, this: This_| this.with(Channel::may_recv))
    }),
    row(
        "input(channel)",
        "how many bytes wait for a decision",
        |lua, name, _| function(lua, name, |_, this: This_| this.with(Channel::input_len)),
    ),
    row(
        "output(channel)",
        "how many bytes are on their way out",
        |lua, name, _| function(lua, name, |_, this: This_| this.with(Channel::output_len)),
    ),
    row("get_in_len(channel)", "as `input`", |lua, name, _| {
        function(lua, name, |_, this: This_| this.with(Channel::input_len))
    }),
    row("get_out_len(channel)", "as `output`", |lua, name, _| {
        function(lua, name, |_, this: This_| this.with(Channel::output_len))
    }),
    row(
        "data(channel[, offset[, length]])",
        "a copy of the input; waits for some if there is none, nil at the end",
        |lua, name, _| {
            operation(
                lua,
                name,
                |_, (this, offset, length): (This_, Option<Int>, Option<Int>)| {
                    look(this, offset, length, |channel, offset, length| {
                        Some(channel.data(offset, length))
                    })
                },
            )
        },
    ),
    row(
        "line(channel[, offset[, length]])",
        "a copy of the input's first line; waits for one, nil at the end",
        |lua, name, _| {
            operation(
                lua,
                name,
                |_, (this, offset, length): (This_, Option<Int>, Option<Int>)| {
                    look(this, offset, length, |channel, offset, length| {
                        let line = channel.line(offset, length);
                        let whole =
                            line.last() == Some(&b'\n') || length.is_some_and(|length| line.len() >= length);
                        (whole || !channel.may_recv() || channel.is_full()).then_some(line)
                    })
                },
            )
        },
    ),
    row(
        "dup(channel)",
        "a copy of all input; waits for some, nil at the end",
        |lua, name, _| {
            operation(lua, name, |_, this: This_| {
                look(this, None, None, |channel, _, _| Some(channel.data(0, None)))
            })
        },
    ),
    row(
        "get(channel)",
        "takes all input; waits for some, nil at the end",
        |lua, name, _| {
            operation(lua, name, |_, this: This_| {
                this.change("get", |_| ())?;
                look(this, None, None, |channel, _, _| Some(channel.take(None)))
            })
        },
    ),
    row(
        "getline(channel)",
        "takes a line; waits for one, nil at the end",
        |lua, name, _| {
            operation(lua, name, |_, this: This_| {
                this.change("getline", |_| ())?;
                look(this, None, None, |channel, _, _| channel.take_line())
            })
        },
    ),
    row(
        "append(channel, string)",
        "adds bytes at the end of the input",
        |lua, name, _| {
            function(lua, name, |_, (this, text): (This_, LuaString)| {
                let added = this.change("append", |channel| channel.append(&text.as_bytes()))?;
                length_or(added, &text)
            })
        },
    ),
    row(
        "prepend(channel, string)",
        "adds bytes at the start of the input",
        |lua, name, _| {
            function(lua, name, |_, (this, text): (This_, LuaString)| {
                let added = this.change("prepend", |channel| channel.insert(0, &text.as_bytes()))?;
                length_or(added, &text)
            })
        },
    ),
    row(
        "insert(channel, string[, offset])",
        "adds bytes in the input; a negative offset counts from its end",
        |lua, name, _| {
            function(
                lua,
                name,
                |_, (this, text, offset): (This_, LuaString, Option<Int>)| {
                    let added = this.change("insert", |channel| {
                        let offset = position(offset, channel.input_len(), "insert")?;
                        Ok::<_, Error>(channel.insert(offset, &text.as_bytes()))
                    })??;
                    length_or(added, &text)
                },
            )
        },
    ),
    row(
        "set(channel, string[, offset[, length]])",
        "replaces input, all of it without an offset",
        |lua, name, _| {
            function(
                lua,
                name,
                |_, (this, text, offset, length): (This_, LuaString, Option<Int>, Option<Int>)| {
                    let set = this.change("set", |channel| {
                        let offset = position(offset, channel.input_len(), "set")?;
                        let length = count(length, "set")?;
                        Ok::<_, Error>(channel.set(offset, length, &text.as_bytes()))
                    })??;
                    length_or(set, &text)
                },
            )
        },
    ),
    row(
        "remove(channel[, offset[, length]])",
        "removes input and says how many bytes it were",
        |lua, name, _| {
            function(
                lua,
                name,
                |_, (this, offset, length): (This_, Option<Int>, Option<Int>)| {
                    this.change("remove", |channel| {
                        let offset = position(offset, channel.input_len(), "remove")?;
                        Ok(channel.remove(offset, count(length, "remove")?))
                    })?
                },
            )
        },
    ),
    row(
        "forward(channel, length)",
        "lets so many bytes of input go",
        |lua, name, _| {
            function(lua, name, |_, (this, Int(length)): (This_, Int)| {
                let length = count(Some(Int(length)), "forward")?;
                this.change("forward", |channel| channel.forward(length))
            })
        },
    ),
    row(
        "send(channel, string)",
        "sends bytes ahead of the input, waiting for room; -1 if nothing can be sent any more",
        |lua, name, _| {
            operation(lua, name, |_, (this, text): (This_, LuaString)| {
                let txn = this.live()?;
                this.change("send", |_| ())?;
                let bytes = Bytes::copy_from_slice(&text.as_bytes());
                Ok(async move {
                    let length = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
                    let sent = this.of(&txn).send_all(bytes).await;
                    Ok(if sent.is_ok() { length } else { -1 })
                })
            })
        },
    ),
];

/// Waits until `take` finds something in the input. Nil when the end came first.
fn look(
    this: This_,
    offset: Option<Int>,
    length: Option<Int>,
    take: impl Fn(&Channel, usize, Option<usize>) -> Option<Bytes> + 'static,
) -> Result<impl Future<Output = Result<Option<Said<Bytes>>>>> {
    let txn = this.live()?;
    let held = this.of(&txn).input_len();
    let offset = position(offset, held, "data")?;
    if offset > held {
        return Err(error("data", "offset out of range"));
    }
    let length = count(length, "data")?;
    Ok(async move {
        let channel = this.of(&txn);
        loop {
            let seen = channel.input_len();
            if seen > offset
                && let Some(found) = take(channel, offset, length)
            {
                return Ok(Some(Said(found)));
            }
            if !channel.may_recv() || channel.is_full() || txn.mode() == Mode::Http {
                return Ok(None);
            }
            channel.wait_input(seen).await;
        }
    })
}

/// An offset into so many bytes; negative ones count from the end.
fn position(offset: Option<Int>, held: usize, name: &str) -> Result<usize> {
    let Some(Int(offset)) = offset else {
        return Ok(0);
    };
    let at = if offset < 0 {
        i64::try_from(held).unwrap_or(i64::MAX) + offset
    } else {
        offset
    };
    usize::try_from(at).map_err(|_| error(name, "offset out of range"))
}

/// A number of bytes; -1 stands for all.
fn count(length: Option<Int>, name: &str) -> Result<Option<usize>> {
    match length {
        None | Some(Int(-1)) => Ok(None),
        Some(Int(length)) => usize::try_from(length)
            .map(Some)
            .map_err(|_| error(name, "length out of range")),
    }
}

/// How many bytes went in; -1 if there was no room, as in HAProxy.
fn length_or(result: std::result::Result<(), ChannelError>, text: &LuaString) -> Result<Value> {
    Ok(Value::Integer(match result {
        Ok(()) => i64::try_from(text.as_bytes().len()).unwrap_or(i64::MAX),
        Err(_) => -1,
    }))
}
