//! The HTTPMessage class: a message on its way through a filter, its head and its body.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use mlua::{Function, Lua, LuaString, Result, Table, Value};
use tidegate_exec::{Chars, Member, ObjectClass, Said, Scalar, function};
use tidegate_proxy::Txn;
use tidegate_sample::Way;
use tidegate_sample::head::Headers;
use tidegate_sample::head::response::ReasonPhrase;

use crate::arg::{Int, bad_argument, error, whole};
use crate::env::Env;
use crate::filter::{Passing, Work};
use crate::handle::{self, Class, Kind, Of, Session, This};
use crate::http::{self as heads, Message};
use crate::row::{Row, methods, row};
use crate::run::Run;
use crate::subst;

/// The class.
pub(crate) struct HttpMessage;

impl Kind for HttpMessage {
    const NAME: &'static str = "HTTPMessage";
    type Target = (Rc<Txn>, Rc<Work>);
    fn is(class: Class) -> bool {
        matches!(class, Class::RequestMessage | Class::ResponseMessage)
    }
    /// There are messages for filters only.
    fn target(session: Session) -> Option<(Rc<Txn>, Rc<Work>)> {
        Some((session.txn()?, Run::current()?.filter()?))
    }
}

type This_ = This<HttpMessage>;

/// The head of the message that an object stands for.
struct Head;

impl Message for Head {
    type Class = HttpMessage;

    fn absent(this: &Of<HttpMessage>) -> &'static str {
        let gone = this
            .live()
            .is_ok_and(|(_, work)| !work.side(this.way()).window.head_is_here());
        match (gone, this.way()) {
            (true, _) => "the head of the message has gone on already",
            (false, Way::Request) => "there is no request that can be changed here",
            (false, Way::Response) => "there is no response yet",
        }
    }

    fn read<R>(this: &Of<HttpMessage>, f: impl FnOnce(&Headers) -> R) -> Result<Option<R>> {
        let (txn, _) = this.live()?;
        Ok(match this.way() {
            Way::Request => txn.request_head().map(|head| f(&head.headers)),
            Way::Response => txn.response_head().map(|head| f(&head.headers)),
        })
    }

    fn change<R>(this: &Of<HttpMessage>, f: impl FnOnce(&mut Headers) -> R) -> Result<Option<R>> {
        let (txn, work) = this.live()?;
        if !work.side(this.way()).window.head_is_here() {
            return Ok(None);
        }
        Ok(match this.way() {
            Way::Request => txn.request_head_mut().map(|mut head| f(&mut head.headers)),
            Way::Response => txn.response_head_mut().map(|mut head| f(&mut head.headers)),
        })
    }
}

impl Of<HttpMessage> {
    /// Looks at the body.
    fn look<R>(&self, f: impl FnOnce(&Passing<'_>) -> R) -> Result<R> {
        let (_, work) = self.live()?;
        Ok(f(&work.side(self.way()).window.passing()))
    }

    /// Changes the body, which begins with `http_payload`.
    fn edit<R>(&self, name: &str, f: impl FnOnce(&Passing<'_>) -> Result<R>) -> Result<R> {
        let (_, work) = self.live()?;
        let window = &work.side(self.way()).window;
        match window.is_open() {
            true => f(&window.passing()),
            false => Err(error(name, "the body can be changed from http_payload on only")),
        }
    }
}

/// Makes the class.
pub(crate) fn class(lua: &Lua, env: &Arc<Env>, channels: &ObjectClass) -> Result<ObjectClass> {
    let channels = channels.clone();
    let make = function(lua, "__index", move |_, (this, key): (This_, Scalar)| {
        Ok(match &key {
            Scalar::Text(key) if **key == *b"channel" => {
                let class = match this.way() {
                    Way::Request => Class::RequestChannel,
                    Way::Response => Class::ResponseChannel,
                };
                Member::Object(handle::object(&channels, this.session, class))
            }
            _ => Member::None,
        })
    })?;
    ObjectClass::new(lua, HttpMessage::NAME, &methods(lua, env, ROWS)?, Some(make))
}

pub(crate) const ROWS: &[Row] = &[
    row(
        "add_header(http_msg, name, value)",
        "adds a header field",
        heads::add_header::<Head>,
    ),
    row(
        "set_header(http_msg, name, value)",
        "puts one header field in place of all of that name",
        heads::set_header::<Head>,
    ),
    row(
        "del_header(http_msg, name)",
        "removes all header fields of that name",
        heads::del_header::<Head>,
    ),
    row(
        "rep_header(http_msg, name, regex, replace)",
        "replaces each whole value of that name that matches; `\\1` in `replace` is a group",
        |lua, name, _| heads::replace_values::<Head>(lua, name, subst::whole),
    ),
    row(
        "rep_value(http_msg, name, regex, replace)",
        "replaces each part, as separated by commas, that matches",
        |lua, name, _| heads::replace_values::<Head>(lua, name, subst::each_part),
    ),
    row(
        "get_headers(http_msg)",
        "the headers: a table of lower-case names, each with its values from 0 up",
        heads::get_headers::<Head>,
    ),
    row(
        "get_stline(http_msg)",
        "the first line: `method`, `uri` and `version` of a request, `version`, `code` and `reason` of a response",
        |lua, name, _| function(lua, name, |lua, this: This_| start_line(lua, &this)),
    ),
    row(
        "set_method(http_msg, method)",
        "sets the method of a request",
        |lua, name, _| set_target(lua, name, |txn, text| txn.set_method(text)),
    ),
    row(
        "set_path(http_msg, path)",
        "sets the path of a request and keeps the query",
        |lua, name, _| set_target(lua, name, |txn, text| txn.set_path(text)),
    ),
    row(
        "set_query(http_msg, query)",
        "sets the query of a request and keeps the path",
        |lua, name, _| set_target(lua, name, |txn, text| txn.set_query(text)),
    ),
    row(
        "set_uri(http_msg, uri)",
        "sets the whole target of a request",
        |lua, name, _| set_target(lua, name, |txn, text| txn.set_uri(text)),
    ),
    row(
        "set_status(http_msg, status[, reason])",
        "sets the status of a response, 200 to 599, and the reason phrase",
        |lua, name, _| {
            function(
                lua,
                name,
                |_, (this, Int(code), reason): (This_, Int, Option<Chars>)| {
                    let (txn, _) = this.live()?;
                    if this.way() == Way::Request || !head_is_here(&this)? {
                        return Err(error("set_status", wrong_way(&this)));
                    }
                    heads::set_status("set_status", &txn, code, reason.as_deref())
                },
            )
        },
    ),
    row(
        "set_body_len(http_msg, length)",
        "tells the body's length, a number or `\"chunked\"`, and says whether that was possible",
        |lua, name, _| {
            function(lua, name, |_, (this, length): (This_, Value)| {
                set_body_length(&this, &length)
            })
        },
    ),
    row(
        "eom(http_msg)",
        "true once all of the message has come",
        |lua, name, _| {
            function(lua, name, |_, this: This_| {
                let (_, work) = this.live()?;
                Ok(work.side(this.way()).window.is_whole())
            })
        },
    ),
    row(
        "set_eom(http_msg)",
        "ends the message here: whatever else comes of it is dropped",
        |lua, name, _| {
            function(lua, name, |_, this: This_| {
                let (_, work) = this.live()?;
                work.side(this.way()).window.end();
                Ok(())
            })
        },
    ),
    row(
        "unset_eom(http_msg)",
        "holds the message's end back, until `set_eom`",
        |lua, name, _| {
            function(lua, name, |_, this: This_| {
                let (_, work) = this.live()?;
                work.side(this.way()).window.hold_end();
                Ok(())
            })
        },
    ),
    row("is_resp(http_msg)", "true for a response", |lua, name, _| {
        function(lua, name, |_, this: This_| {
            this.live()?;
            Ok(this.way() == Way::Response)
        })
    }),
    row(
        "is_full(http_msg)",
        "true if nothing more comes for want of room",
        |lua, name, _| function(lua, name, |_, this: This_| this.look(|body| body.is_full())),
    ),
    row(
        "may_recv(http_msg)",
        "true while more may come",
        |lua, name, _| {
            function(lua, name, |_, this: This_| {
                this.look(|body| body.channel.may_recv())
            })
        },
    ),
    row(
        "input(http_msg)",
        "how many bytes wait for a decision",
        |lua, name, _| {
            function(lua, name, |_, this: This_| {
                this.look(|body| body.channel.input_len())
            })
        },
    ),
    row(
        "output(http_msg)",
        "how many bytes were let go in this call",
        |lua, name, _| {
            function(lua, name, |_, this: This_| {
                this.look(|body| body.channel.output_len())
            })
        },
    ),
    row(
        "body(http_msg[, offset[, length]])",
        "a copy of what waits; a negative offset counts from the end. Nil if there is nothing and nothing will come",
        |lua, name, _| {
            function(
                lua,
                name,
                |_,
                 (this, offset, length): (This_, Option<Int>, Option<Int>)|
                 -> Result<Option<Said<Bytes>>> {
                    this.look(|body| {
                        let data = body.data(offset, length)?;
                        let nothing = data.is_empty() && !body.channel.may_recv();
                        Ok((!nothing).then_some(Said(data)))
                    })?
                },
            )
        },
    ),
    row(
        "append(http_msg, string)",
        "adds bytes at the end and says how many; -1 if there is no room",
        |lua, name, _| {
            function(lua, name, |_, (this, text): (This_, LuaString)| {
                this.edit("append", |body| Ok(body.append(&text.as_bytes())))
            })
        },
    ),
    row(
        "prepend(http_msg, string)",
        "adds bytes at the start, likewise",
        |lua, name, _| {
            function(lua, name, |_, (this, text): (This_, LuaString)| {
                this.edit("prepend", |body| body.insert(&text.as_bytes(), None))
            })
        },
    ),
    row(
        "insert(http_msg, string[, offset])",
        "adds bytes at an offset, likewise",
        |lua, name, _| {
            function(
                lua,
                name,
                |_, (this, text, offset): (This_, LuaString, Option<Int>)| {
                    this.edit("insert", |body| body.insert(&text.as_bytes(), offset))
                },
            )
        },
    ),
    row(
        "set(http_msg, string[, offset[, length]])",
        "replaces bytes, all of them without an offset, likewise",
        |lua, name, _| {
            function(
                lua,
                name,
                |_, (this, text, offset, length): (This_, LuaString, Option<Int>, Option<Int>)| {
                    this.edit("set", |body| body.set(&text.as_bytes(), offset, length))
                },
            )
        },
    ),
    row(
        "remove(http_msg[, offset[, length]])",
        "removes bytes and says how many",
        |lua, name, _| {
            function(
                lua,
                name,
                |_, (this, offset, length): (This_, Option<Int>, Option<Int>)| {
                    this.edit("remove", |body| body.remove(offset, length))
                },
            )
        },
    ),
    row(
        "forward(http_msg, length)",
        "lets so many bytes go and says how many it were",
        |lua, name, _| {
            function(lua, name, |_, (this, Int(length)): (This_, Int)| {
                this.edit("forward", |body| Ok(body.forward(length)))
            })
        },
    ),
    row(
        "send(http_msg, string)",
        "sends bytes ahead of what waits and says how many; -1 if there is no room",
        |lua, name, _| {
            function(lua, name, |_, (this, text): (This_, LuaString)| {
                this.edit("send", |body| Ok(body.send(&text.as_bytes())))
            })
        },
    ),
];

fn head_is_here(this: &Of<HttpMessage>) -> Result<bool> {
    let (_, work) = this.live()?;
    Ok(work.side(this.way()).window.head_is_here())
}

fn wrong_way(this: &Of<HttpMessage>) -> &'static str {
    match (head_is_here(this), this.way()) {
        (Ok(false), _) => "the head of the message has gone on already",
        (_, Way::Request) => "a request has no status",
        (_, Way::Response) => "a response has no target",
    }
}

fn start_line(lua: &Lua, this: &Of<HttpMessage>) -> Result<Table> {
    let (txn, _) = this.live()?;
    let line = lua.create_table()?;
    let version = match this.way() {
        Way::Request => {
            let head = txn.request_head();
            let head = head.ok_or_else(|| error("get_stline", Head::absent(this)))?;
            line.raw_set("method", head.method.as_str())?;
            line.raw_set("uri", head.uri.to_string())?;
            head.version
        }
        Way::Response => {
            let head = txn.response_head();
            let head = head.ok_or_else(|| error("get_stline", Head::absent(this)))?;
            line.raw_set("code", head.status.as_str())?;
            let phrase = head.reason.as_ref().map(ReasonPhrase::as_bytes);
            let usual = head.status.canonical_reason().unwrap_or_default();
            line.raw_set("reason", lua.create_string(phrase.unwrap_or(usual.as_bytes()))?)?;
            head.version
        }
    };
    line.raw_set("version", format!("{version:?}"))?;
    Ok(line)
}

fn set_target<E>(
    lua: &Lua,
    name: &str,
    set: fn(&Txn, &[u8]) -> std::result::Result<(), E>,
) -> Result<Function>
where
    E: std::fmt::Display + 'static,
{
    let function_name = name.to_owned();
    function(lua, name, move |_, (this, text): (This_, Chars)| {
        let (txn, _) = this.live()?;
        if this.way() == Way::Response || !head_is_here(&this)? {
            return Err(error(&function_name, wrong_way(&this)));
        }
        set(&txn, &text)
            .map(|()| true)
            .map_err(|e| error(&function_name, e))
    })
}

/// Says how the body is to be framed. The codecs do what can be done: HTTP/2 has no chunks.
fn set_body_length(this: &Of<HttpMessage>, length: &Value) -> Result<bool> {
    let field = match length {
        Value::String(text) if &*text.as_bytes() == b"chunked" => None,
        length => {
            let length = whole(length).filter(|length| *length >= 0);
            let wrong = || bad_argument(2, "set_body_len", "a length or \"chunked\" expected");
            Some(length.ok_or_else(wrong)?.to_string())
        }
    };
    let set = Head::change(this, |headers| heads::frame(headers, field.as_deref()))?;
    Ok(set.is_some())
}
