//! The Channel class: one direction of a TCP stream, as rules see it.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use mlua::{Error, LuaString, Result};
use tidegate_exec::{Said, function, operation};
use tidegate_proxy::{Channel, Mode, Phase, Txn};

use crate::arg::Int;
use crate::filter::Passing;
use crate::handle::{Class, Kind, Of, Session, This};
use crate::row::{Row, row};
use crate::run::Run;

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
    /// Looks at what passes: through the filter whose callback this is, or past the rule.
    fn look_at<R>(&self, f: impl FnOnce(&Passing<'_>) -> R) -> Result<R> {
        let txn = self.live()?;
        Ok(match Run::current().and_then(|run| run.filter()) {
            Some(work) => f(&work.side(self.way()).window.passing()),
            None => f(&Passing::of(self.of(&txn))),
        })
    }

    /// Looks at the data, or changes them, which is possible in TCP mode only.
    fn use_data<R>(&self, f: impl FnOnce(&Passing<'_>) -> Result<R>) -> Result<R> {
        self.is_in_tcp()?;
        self.look_at(f)?
    }

    /// Whether it stands for what passes the filter that runs, on a connection that switched protocols.
    fn is_tunnelled(&self) -> bool {
        let filter = Run::current().and_then(|run| run.filter());
        filter.is_some_and(|work| work.side(self.way()).window.is_stream())
    }

    fn is_in_tcp(&self) -> Result<()> {
        match self.live()?.mode() {
            Mode::Http if !self.is_tunnelled() => {
                Err(Error::runtime("Cannot manipulate HAProxy channels in HTTP mode."))
            }
            Mode::Http | Mode::Tcp => Ok(()),
        }
    }

    /// Rules read what comes their own way: nobody receives the other while they run, so that whoever waited for it would wait for ever.
    fn is_own_way(&self) -> Result<()> {
        let wrong = match (self.live()?.phase(), self.class) {
            (Phase::Connection | Phase::Session, _) => {
                "nothing is read yet in `tcp-request connection` and `tcp-request session`"
            }
            (Phase::Content, Class::ResponseChannel) => "a rule for requests can't read the response",
            (Phase::ResponseContent, Class::RequestChannel) => "a rule for responses can't read the request",
            _ => return Ok(()),
        };
        Err(Error::runtime(wrong))
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
        function(lua, name, |_, this: This_| this.look_at(|data| data.is_full()))
    }),
    row("may_recv(channel)", "true while more may come", |lua, name, _| {
        function(lua, name, |_, this: This_| {
            this.look_at(|data| data.channel.may_recv())
        })
    }),
    row(
        "input(channel)",
        "how many bytes wait for a decision",
        |lua, name, _| {
            function(lua, name, |_, this: This_| {
                this.look_at(|data| data.channel.input_len())
            })
        },
    ),
    row(
        "output(channel)",
        "how many bytes are on their way out",
        |lua, name, _| {
            function(lua, name, |_, this: This_| {
                this.look_at(|data| data.channel.output_len())
            })
        },
    ),
    row("get_in_len(channel)", "as `input`", |lua, name, _| {
        function(lua, name, |_, this: This_| {
            this.look_at(|data| data.channel.input_len())
        })
    }),
    row("get_out_len(channel)", "as `output`", |lua, name, _| {
        function(lua, name, |_, this: This_| {
            this.look_at(|data| data.channel.output_len())
        })
    }),
    row(
        "data(channel[, offset[, length]])",
        "a copy of the input; an action waits for some if there is none, nil at the end",
        |lua, name, _| {
            operation(
                lua,
                name,
                |_, (this, offset, length): (This_, Option<Int>, Option<Int>)| {
                    // As much as there can be is what comes until `inspect-delay` is over, or what is there without one.
                    let most = Some(Int(i64::MAX)).filter(|_| {
                        let txn = this.live();
                        length.is_some_and(|Int(length)| length == -1)
                            && txn.is_ok_and(|txn| txn.inspected_until().is_some())
                    });
                    look(this, length.map(|length| length.0), move |data, late| {
                        let found = data.data(offset, length)?;
                        Ok((late || !data.falls_short(&found, most.or(length))).then_some(found))
                    })
                },
            )
        },
    ),
    row(
        "line(channel[, offset[, length]])",
        "a copy of the input's first line; an action waits for one, nil at the end",
        |lua, name, _| {
            operation(
                lua,
                name,
                |_, (this, offset, length): (This_, Option<Int>, Option<Int>)| {
                    look(this, None, move |data, late| {
                        let line = data.line(offset, length)?;
                        let is_whole = line.last() == Some(&b'\n');
                        let length = length.filter(|length| length.0 >= 0).or(Some(Int(i64::MAX)));
                        Ok((is_whole || late || !data.falls_short(&line, length)).then_some(line))
                    })
                },
            )
        },
    ),
    row(
        "dup(channel)",
        "a copy of all input; an action waits for some, nil at the end",
        |lua, name, _| {
            operation(lua, name, |_, this: This_| {
                look(this, None, |data, _| Ok(Some(data.channel.data(0, None))))
            })
        },
    ),
    row(
        "get(channel)",
        "takes all input; an action waits for some, nil at the end",
        |lua, name, _| {
            operation(lua, name, |_, this: This_| {
                look(this, None, |data, _| Ok(Some(data.take(None))))
            })
        },
    ),
    row(
        "getline(channel)",
        "takes a line; an action waits for one, nil at the end",
        |lua, name, _| {
            operation(lua, name, |_, this: This_| {
                look(this, None, |data, late| {
                    Ok(data.take_line().or_else(|| late.then(|| data.take(None))))
                })
            })
        },
    ),
    row(
        "append(channel, string)",
        "adds bytes at the end of the input and says how many; -1 if there is no room",
        |lua, name, _| {
            function(lua, name, |_, (this, text): (This_, LuaString)| {
                this.use_data(|data| Ok(data.append(&text.as_bytes())))
            })
        },
    ),
    row(
        "prepend(channel, string)",
        "adds bytes at the start of the input, likewise",
        |lua, name, _| {
            function(lua, name, |_, (this, text): (This_, LuaString)| {
                this.use_data(|data| data.insert(&text.as_bytes(), None))
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
                    this.use_data(|data| data.insert(&text.as_bytes(), offset))
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
                    this.use_data(|data| data.set(&text.as_bytes(), offset, length))
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
                    this.use_data(|data| data.remove(offset, length))
                },
            )
        },
    ),
    row(
        "forward(channel, length)",
        "lets so many bytes of input go and says how many it were; an action waits until they have come",
        |lua, name, _| {
            operation(lua, name, |_, (this, Int(length)): (This_, Int)| {
                this.is_in_tcp()?;
                let in_filter = Run::current().is_some_and(|run| run.filter().is_some());
                if !in_filter {
                    this.is_own_way()?;
                }
                let first = this.look_at(|data| data.forward(length))?;
                let txn = this.live()?;
                Ok(async move {
                    let mut gone = first;
                    let channel = this.of(&txn);
                    while let Some(left) = usize::try_from(length).ok().and_then(|all| all.checked_sub(gone))
                        && left > 0
                        && !in_filter
                        && channel.may_recv()
                        && !channel.is_full()
                        && more(&txn, channel, 0).await
                    {
                        gone += channel.forward(Some(left));
                    }
                    Ok(gone)
                })
            })
        },
    ),
    row(
        "send(channel, string)",
        "sends bytes ahead of the input, an action waiting for room; -1 if nothing can be sent",
        |lua, name, _| {
            operation(lua, name, |_, (this, text): (This_, LuaString)| {
                this.is_in_tcp()?;
                let txn = this.live()?;
                let bytes = Bytes::copy_from_slice(&text.as_bytes());
                let filter = Run::current().and_then(|run| run.filter());
                let of_filter = filter.map(|work| work.side(this.way()).window.passing().send(&bytes));
                Ok(async move {
                    if let Some(sent) = of_filter {
                        return Ok(sent);
                    }
                    let length = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
                    let sent = this.of(&txn).send_all(bytes).await;
                    Ok(if sent.is_ok() { length } else { -1 })
                })
            })
        },
    ),
];

/// Waits until `take` finds something in the input. Nil when the end came first. Once it is late to wait for more, as it always is for
/// a filter, `take` is told so, and gives what is there.
fn look(
    this: This_,
    wanted: Option<i64>,
    take: impl Fn(&Passing<'_>, bool) -> Result<Option<Bytes>> + 'static,
) -> Result<impl Future<Output = Result<Option<Said<Bytes>>>>> {
    this.is_in_tcp()?;
    let txn = this.live()?;
    let work = Run::current().and_then(|run| run.filter());
    if work.is_none() {
        this.is_own_way()?;
    }
    Ok(async move {
        if let Some(work) = work {
            let data = work.side(this.way()).window.passing();
            let found = take(&data, true)?;
            return Ok(found.filter(|found| !found.is_empty()).map(Said));
        }
        let channel = this.of(&txn);
        let mut late = false;
        loop {
            let seen = channel.input_len();
            // No bytes at all are there as soon as any are.
            if seen > 0
                && let Some(found) = take(&Passing::of(channel), late)?
                && (!found.is_empty() || wanted == Some(0))
            {
                return Ok(Some(Said(found)));
            }
            if !channel.may_recv() || channel.is_full() || late {
                return Ok(None);
            }
            late = !more(&txn, channel, seen).await;
        }
    })
}

/// Waits until more than `seen` has come, or the end. False if that takes longer than a rule may wait.
async fn more(txn: &Txn, channel: &Channel, seen: usize) -> bool {
    match txn.patience() {
        None => channel.wait_input(seen).await,
        Some(Duration::ZERO) => return channel.input_len() > seen,
        Some(limit) => {
            return tokio::time::timeout(limit, channel.wait_input(seen))
                .await
                .is_ok();
        }
    }
    true
}
