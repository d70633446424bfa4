//! The HTTPClient class: requests that scripts send, and the responses to them.

mod exchange;
mod pool;
mod request;
mod wire;

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use mlua::{Function, IntoLua, Lua, Result, Table, UserData, UserDataFields, Value};
use tidegate_exec::{Chars, HOST_CHUNK, Said, function, operation};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;

use self::exchange::{Answer, Reader};
use self::request::Request;
use self::wire::Body;
use crate::arg::{Named, Object, error};
use crate::env::Env;
use crate::row::{Row, install_class, own_fields, row};
use crate::run::{Ends, Run};

pub(crate) const CORE_ROWS: &[Row] = &[row("httpclient()", "a new HTTPClient", |lua, name, env| {
    install_class(lua, env, Client::NAME, ROWS)?;
    function(lua, name, |lua, ()| lua.create_userdata(Client))
})];

pub(crate) const ROWS: &[Row] = &[
    row(
        "get(httpclient, request)",
        "sends a request and waits for its response. `request` has `url`, and may have `headers`, `body` (a text, or a function that gives \
         piece after piece), `dst` (where to connect instead), `timeout` (ms of silence), `tls` (`ca`, `sni`, `verify`) and `stream`. The response has \
         `status` (0 if there is none: `error` tells why), `reason`, `headers` and `body`; with `stream` it has `receive()` instead, which \
         gives piece after piece",
        method,
    ),
    row("head(httpclient, request)", "the same with HEAD", method),
    row("put(httpclient, request)", "the same with PUT", method),
    row("post(httpclient, request)", "the same with POST", method),
    row("delete(httpclient, request)", "the same with DELETE", method),
    row("patch(httpclient, request)", "the same with PATCH", method),
    row("options(httpclient, request)", "the same with OPTIONS", method),
    row(
        "request(httpclient, request)",
        "the same with the method that `request` has as `method`",
        method,
    ),
];

/// A body that a function gives is sent as it comes. Functions of scripts are called by Lua itself, so that they may
/// wait.
const WRAPPER: &str = r#"
local exchange, begin, write, finish, method = ...
return function(client, request)
    local body = type(request) == "table" and request.body
    if type(body) ~= "function" then
        return exchange(client, request, method)
    end
    local open = begin(client, request, method)
    while true do
        local piece = body()
        if piece == nil or not write(open, piece) then
            return finish(open)
        end
    end
end
"#;

fn method(lua: &Lua, name: &str, env: &Arc<Env>) -> Result<Function> {
    let settings = Arc::new(env.settings.http_client.clone());
    let for_uploads = Arc::clone(&settings);
    let exchange = operation(
        lua,
        name,
        move |lua, (_, fields, method): (Object<Client>, Table, Chars)| {
            let request = Request::of(lua, &method, &fields, &settings)?;
            let body = Body::Whole(request.body.clone().unwrap_or_default());
            Ok(async move { Ok(exchange::run(request, body).await) })
        },
    )?;
    let begin = function(
        lua,
        name,
        move |lua, (_, fields, method): (Object<Client>, Table, Chars)| {
            let request = Request::of(lua, &method, &fields, &for_uploads)?;
            lua.create_userdata(Open(Upload::begin(request)?))
        },
    )?;
    let write = operation(lua, name, |_, (open, piece): (Object<Open>, Chars)| {
        let pieces = open.0.0.pieces();
        let piece = Bytes::from(piece.into_vec());
        Ok(async move {
            Ok(match pieces {
                Some(pieces) => pieces.send(Some(piece)).await.is_ok(),
                None => false,
            })
        })
    })?;
    let finish = operation(lua, name, |_, open: Object<Open>| {
        let (pieces, answered) = open.0.0.finish();
        Ok(async move {
            if let Some(pieces) = pieces {
                // A server may answer before it has read everything.
                let _ = pieces.send(None).await;
            }
            let answer = match answered {
                Some(answered) => answered.await.ok(),
                None => None,
            };
            Ok(answer.unwrap_or_else(|| Answer::failed("the request was ended")))
        })
    })?;
    let wrapper = lua.load(WRAPPER).set_name(HOST_CHUNK);
    wrapper.call((exchange, begin, write, finish, name.to_uppercase()))
}

/// What a script holds to send requests with. Connections are kept by the worker, so there is nothing in it.
struct Client;

impl Named for Client {
    const NAME: &'static str = "HTTPClient";
}

impl UserData for Client {
    fn add_fields<F: UserDataFields<Self>>(fields: &mut F) {
        fields.add_meta_field("__name", Self::NAME);
        fields.add_meta_field_with("__index", |lua| Ok(own_fields(lua, Self::NAME)?.read));
        fields.add_meta_field_with("__newindex", |lua| Ok(own_fields(lua, Self::NAME)?.write));
    }
}

/// A request whose body a function gives.
struct Open(Arc<Upload>);

impl Named for Open {
    const NAME: &'static str = "HTTPClient";
}

impl UserData for Open {}

/// A request that is on its way beside the run that sends its body.
struct Upload {
    ends: Mutex<UploadEnds>,
    task: AbortHandle,
}

struct UploadEnds {
    pieces: Option<mpsc::Sender<Option<Bytes>>>,
    answered: Option<oneshot::Receiver<Answer>>,
}

impl Upload {
    fn begin(request: Request) -> Result<Arc<Upload>> {
        let run = Run::current().ok_or_else(|| error("httpclient", "nothing runs here"))?;
        let (pieces, body) = mpsc::channel(1);
        let (answer, answered) = oneshot::channel();
        let task = tokio::task::spawn_local(async move {
            let _ = answer.send(exchange::run(request, Body::Pieces(body)).await);
        });
        let upload = Arc::new(Upload {
            ends: Mutex::new(UploadEnds {
                pieces: Some(pieces),
                answered: Some(answered),
            }),
            task: task.abort_handle(),
        });
        run.keep(&upload);
        Ok(upload)
    }

    fn ends(&self) -> std::sync::MutexGuard<'_, UploadEnds> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pieces(&self) -> Option<mpsc::Sender<Option<Bytes>>> {
        self.ends().pieces.clone()
    }

    fn finish(
        &self,
    ) -> (
        Option<mpsc::Sender<Option<Bytes>>>,
        Option<oneshot::Receiver<Answer>>,
    ) {
        let mut ends = self.ends();
        (ends.pieces.take(), ends.answered.take())
    }
}

impl Ends for Upload {
    fn end(&self) {
        self.task.abort();
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl IntoLua for Answer {
    fn into_lua(self, lua: &Lua) -> Result<Value> {
        let table = lua.create_table()?;
        table.raw_set("status", self.status)?;
        table.raw_set("reason", lua.create_string(&self.reason)?)?;
        table.raw_set("headers", crate::http::header_lists(&self.headers))?;
        if let Some(why) = self.error {
            table.raw_set("error", why)?;
        }
        match self.reader {
            None => table.raw_set("body", lua.create_string(&self.body)?)?,
            Some(reader) => {
                let reader = Arc::new(reader);
                if let Some(run) = Run::current() {
                    run.keep(&reader);
                }
                table.raw_set("receive", receive(lua, reader)?)?;
            }
        }
        Ok(Value::Table(table))
    }
}

/// `response:receive()`: the next piece of the body, nil at its end, or nil and what is wrong.
fn receive(lua: &Lua, reader: Arc<Reader>) -> Result<Function> {
    operation(lua, "receive", move |_, _: mlua::Variadic<Value>| {
        let taken = reader.take()?;
        let reader = Arc::clone(&reader);
        Ok(async move {
            let Some(taken) = taken else {
                return Ok((None, None));
            };
            Ok(match taken.next().await {
                Ok((piece, rest)) => {
                    reader.put_back(rest);
                    (piece.map(Said), None)
                }
                Err(why) => (None, Some(why)),
            })
        })
    })
}
