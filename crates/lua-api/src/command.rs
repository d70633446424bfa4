//! Commands of the runtime API: a function talks with whoever gave one, as a TCP service does with a client.
//!
//! It runs on a worker. What it reads and sends passes through channels to where the command came from.

use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use bytes::Bytes;
use mlua::{IntoLua, IntoLuaMulti, Lua, MultiValue, Result, Value};
use tidegate_proxy::ext::Failure;
use tidegate_proxy::{TcpApplet, Txn};
use tokio::sync::mpsc;

use crate::action::named;
use crate::entry::Entry;
use crate::handle::{self, Class, Registered, Target};
use crate::run::{Ended, Kind, Run, Running};
use crate::state::State;

/// Pieces that wait in each direction.
const PIECES_MAX: usize = 4;

/// Whoever gave a command, talking with its function.
pub struct Conversation {
    /// What the function reads. Dropped, it is the input's end.
    pub input: Option<mpsc::Sender<Bytes>>,
    /// What the function says; nothing more once it has ended. Dropping it ends the function.
    pub output: mpsc::Receiver<Said>,
}

/// What a command's function says.
#[derive(Debug)]
pub enum Said {
    /// What it sent.
    Data(Bytes),
    /// Input that it didn't read, at its end.
    Unread(Bytes),
    /// It failed.
    Failed(Failure),
}

/// A command that was given.
pub(crate) struct Call {
    /// Its place among those that are declared.
    pub(crate) id: usize,
    args: Vec<Vec<u8>>,
    input: mpsc::Receiver<Bytes>,
    /// What of it has come for which there is no room before the function.
    held: Bytes,
    output: mpsc::Sender<Said>,
}

impl Call {
    /// A command with all its words.
    pub(crate) fn new(id: usize, args: Vec<Vec<u8>>) -> (Call, Conversation) {
        let (give, input) = mpsc::channel(PIECES_MAX);
        let (output, take) = mpsc::channel(PIECES_MAX);
        let call = Call {
            id,
            args,
            input,
            held: Bytes::new(),
            output,
        };
        let conversation = Conversation {
            input: Some(give),
            output: take,
        };
        (call, conversation)
    }
}

/// A function for commands, with its state.
#[derive(Clone)]
pub(crate) struct LuaCommand {
    pub(crate) state: Arc<State>,
    pub(crate) entry: Entry,
}

/// Runs the function for a call, to its end or until nobody listens.
pub(crate) async fn run(command: LuaCommand, mut call: Call, worker: usize) {
    let txn = Txn::detached().frontend("GLOBAL").worker(worker).build();
    let applet = TcpApplet::new(Rc::clone(&txn));
    let registered = Registered::new(Target::Tcp(Rc::downgrade(&applet)));
    let object = handle::object(
        &command.state.classes.applet_tcp,
        registered.session(),
        Class::AppletTcp,
    );
    let args = WithWords(object, std::mem::take(&mut call.args));
    let started = Running::start(&command.state, &command.entry, args, Run::of(Kind::Command, &txn));
    let failure = match started {
        Ok(running) => match talk(running, &txn, &mut call).await {
            Some(Ended::Returned | Ended::Done(_)) => None,
            Some(Ended::Failed(failure)) => Some(failure),
            None => return,
        },
        Err(failure) => Some(failure),
    };
    call.input.close();
    let mut last = vec![
        Said::Data(txn.response_channel().take_output()),
        Said::Unread(txn.request_channel().take(None)),
        Said::Unread(std::mem::take(&mut call.held)),
    ];
    while let Ok(unread) = call.input.try_recv() {
        last.push(Said::Unread(unread));
    }
    if let Some(failure) = failure {
        let failure = named("cli", command.entry.name(), failure);
        let settings = &command.state.env.settings;
        settings.message(tidegate_proxy::log::Level::Alert, &failure.to_string());
        last.push(Said::Failed(failure));
    }
    for said in last {
        if call.output.send(said).await.is_err() {
            return;
        }
    }
}

/// Steps the function while bytes pass in both directions; `None` if nobody listens any more.
async fn talk(mut running: Running, txn: &Txn, call: &mut Call) -> Option<Ended> {
    let Call {
        input, held, output, ..
    } = call;
    let script = async {
        match running.first() {
            Ok(ended) => ended,
            Err(why) => running.rest(why).await,
        }
    };
    let hear = async {
        let channel = txn.request_channel();
        while let Some(piece) = input.recv().await {
            // Not this future's own: it would be lost if the function ended while it waits for room.
            *held = piece;
            while !held.is_empty() {
                if channel.wait_room(held.len()).await.is_err() {
                    return;
                }
                let now = held.split_to(channel.room().min(held.len()));
                let _ = channel.append(&now);
            }
        }
        channel.end();
    };
    let say = async {
        let channel = txn.response_channel();
        loop {
            channel.wait_output().await;
            // What is taken goes at once: it would be lost if the function ended while it waits for room.
            let Ok(room) = output.reserve().await else { return };
            room.send(Said::Data(channel.take_output()));
        }
    };
    let (mut script, mut hear, mut say) = (pin!(script), pin!(hear), pin!(say));
    let mut gone = pin!(output.closed());
    let mut hears = true;
    poll_fn(|cx| {
        if let Poll::Ready(ended) = script.as_mut().poll(cx) {
            return Poll::Ready(Some(ended));
        }
        hears = hears && hear.as_mut().poll(cx).is_pending();
        let left = say.as_mut().poll(cx).is_ready() || gone.as_mut().poll(cx).is_ready();
        if left { Poll::Ready(None) } else { Poll::Pending }
    })
    .await
}

/// An object, then the words of a line.
struct WithWords<O>(O, Vec<Vec<u8>>);

impl<O: IntoLua> IntoLuaMulti for WithWords<O> {
    fn into_lua_multi(self, lua: &Lua) -> Result<MultiValue> {
        let mut values = MultiValue::with_capacity(1 + self.1.len());
        values.push_back(self.0.into_lua(lua)?);
        for word in self.1 {
            values.push_back(Value::String(lua.create_string(word)?));
        }
        Ok(values)
    }
}
