//! Data on their way through a filter: shown to its object in a window, and let go as that says.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use tidegate_proxy::Txn;
use tidegate_proxy::ext::{DataFilter, Failure, Follows, LocalBoxFuture, Passage};
use tidegate_sample::Way;
use tokio::time::Sleep;

use super::window::Window;
use super::work::{Callback, Calling, Said, Work};

/// What the data of one way of a transaction go through.
pub(super) struct LuaData {
    work: Rc<Work>,
    way: Way,
    stage: Stage,
    calling: Option<LocalBoxFuture<'static, Result<Said, Failure>>>,
    /// When it is to be called again whatever comes.
    wake: Option<Pin<Box<Sleep>>>,
    /// It is to be called as soon as possible.
    due: bool,
    /// How much was held when it was called last.
    held: usize,
    /// Something was let go since.
    flushed: bool,
    of_message: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Payload,
    /// All has passed, which is to be told.
    End,
    Over,
}

impl LuaData {
    pub(super) fn of_message(work: Rc<Work>, way: Way) -> Self {
        LuaData::new(work, way, true)
    }

    pub(super) fn of_stream(work: Rc<Work>, way: Way) -> Self {
        LuaData::new(work, way, false)
    }

    fn new(work: Rc<Work>, way: Way, of_message: bool) -> Self {
        let window = &work.side(way).window;
        window.open.set(true);
        // A message without a body is shown all the same.
        let due = !window.channel.may_recv();
        LuaData {
            work,
            way,
            stage: Stage::Payload,
            calling: None,
            wake: None,
            due,
            held: 0,
            flushed: false,
            of_message,
        }
    }

    /// Goes on with the end of the message at once.
    pub(super) fn skip_payload(&mut self) {
        self.stage = Stage::End;
    }

    fn callback(&self) -> Callback {
        match (self.stage, self.of_message) {
            (Stage::Payload, true) => Callback::HttpPayload,
            (Stage::Payload, false) => Callback::TcpPayload,
            _ => Callback::HttpEnd,
        }
    }

    /// Whether the data are looked at, rather than passing as they are.
    fn looks(&self) -> bool {
        self.stage != Stage::Over && self.work.side(self.way).registered.get()
    }

    /// Takes what has come as far as there is room. False if there was nothing new.
    fn receive(&mut self, passage: &mut Passage<'_>) -> bool {
        let window = &self.work.side(self.way).window;
        if window.cut.get() {
            passage.input.clear();
        }
        let mut came = false;
        while let Some(piece) = passage.input.front_mut() {
            let room = window.room().min(piece.len());
            let part = piece.split_to(room);
            if !piece.is_empty() && part.is_empty() || window.channel.append(&part).is_err() {
                break;
            }
            came |= !part.is_empty();
            if piece.is_empty() {
                passage.input.pop_front();
            }
        }
        let ended = passage.follows == Follows::Nothing && passage.input.is_empty();
        if ended && window.channel.may_recv() {
            window.channel.end();
            came = true;
        }
        came
    }

    /// Goes by what the object said.
    fn heard(&mut self, said: Said) {
        let callback = self.callback();
        let window = &self.work.side(self.way).window;
        let progress =
            self.flushed || window.channel.output_len() > 0 || window.channel.input_len() != self.held;
        let whole = window.is_whole();
        if !said.wait {
            window.channel.forward(None);
        }
        self.wake = said.wake_after.map(|after| Box::pin(tokio::time::sleep(after)));
        // Where all was let go by name, there is nothing left to wait for.
        let nothing_left = whole && window.channel.input_len() == 0;
        if callback == Callback::HttpEnd {
            if !said.wait {
                self.stage = Stage::Over;
            }
        } else if nothing_left {
            self.stage = if self.of_message { Stage::End } else { Stage::Over };
            self.due = true;
        } else {
            self.due = progress && said.wait && window.channel.input_len() > 0;
        }
        if self.stage == Stage::Over {
            self.wake = None;
        }
    }

    /// Lets everything go as it is.
    fn pass(&mut self, passage: &mut Passage<'_>) {
        let window = &self.work.side(self.way).window;
        window.channel.forward(None);
        flush(window, passage);
        if window.cut.get() {
            passage.input.clear();
        }
        passage.output.append(passage.input);
    }
}

impl DataFilter for LuaData {
    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
        txn: &Rc<Txn>,
        mut passage: Passage<'_>,
    ) -> Poll<Result<(), Failure>> {
        let work = Rc::clone(&self.work);
        let window = &work.side(self.way).window;
        loop {
            if let Some(calling) = &mut self.calling {
                let said = calling.as_mut().poll(cx);
                self.flushed |= flush(window, &mut passage);
                let Poll::Ready(said) = said else {
                    return Poll::Pending;
                };
                self.calling = None;
                self.heard(said?);
                flush(window, &mut passage);
            }
            if !self.looks() {
                self.pass(&mut passage);
                return Poll::Ready(Ok(()));
            }
            if self.stage == Stage::Payload && self.of_message && !work.has().http_payload {
                self.pass(&mut passage);
                if passage.follows != Follows::Nothing {
                    return Poll::Ready(Ok(()));
                }
                window.channel.end();
                self.stage = Stage::End;
                self.due = true;
            }
            if self.stage == Stage::Payload && self.receive(&mut passage) {
                self.due = true;
            }
            if let Some(wake) = &mut self.wake
                && wake.as_mut().poll(cx).is_ready()
            {
                self.wake = None;
                self.due = true;
            }
            if !std::mem::take(&mut self.due) {
                return self.wait(window, &passage);
            }
            let callback = self.callback();
            self.held = window.channel.input_len();
            self.flushed = false;
            match work.call(txn, callback, self.way) {
                Calling::Waits(waiting) => self.calling = Some(waiting),
                Calling::Ended(said) => {
                    self.heard(said?);
                    flush(window, &mut passage);
                }
            }
        }
    }

    fn keeps_length(&self) -> bool {
        true
    }

    fn changed_length(&self) -> bool {
        let window = &self.work.side(self.way).window;
        window.changed.get() || window.cut.get()
    }
}

impl LuaData {
    /// What it waits for: more, or its time.
    fn wait(&self, window: &Window, passage: &Passage<'_>) -> Poll<Result<(), Failure>> {
        let callback = self.callback();
        let ended = passage.follows == Follows::Nothing && passage.input.is_empty();
        match (&self.wake, ended) {
            (Some(_), true) => Poll::Pending,
            (None, true) => Poll::Ready(Err(self.work.waits_for_nothing(callback))),
            (None, false) if window.room() == 0 => {
                Poll::Ready(Err(self.work.is_full(callback, window.bytes_max)))
            }
            // What has no room stays where it is, and so the end doesn't count yet.
            (Some(_), false) if passage.follows == Follows::Nothing => Poll::Pending,
            (_, false) => Poll::Ready(Ok(())),
        }
    }
}

/// Hands on what was let go. False if that is nothing.
fn flush(window: &Window, passage: &mut Passage<'_>) -> bool {
    let gone: Bytes = window.channel.take_output();
    let any = !gone.is_empty();
    if any {
        passage.output.push_back(gone);
    }
    any
}
