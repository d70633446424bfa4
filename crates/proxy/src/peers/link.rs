//! One connection to a peer, once both have greeted: what is told and taken in on it.

use std::collections::HashMap;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tidegate_sample::stick::{Cell, DataType, Key, Told};
use tokio::io::{AsyncReadExt, AsyncWriteExt, WriteHalf};
use tokio::sync::Notify;

use super::codec::broken;
use super::message::{
    Definition, Message, Update, ack, first, put_ack, put_control, put_definition, put_update,
};
use super::names::{Names, Sent};
use super::section::Section;
use crate::clock::ticks;
use crate::stream::Stream;

/// How long nothing is said before something is, to show that one is there.
const HEARTBEAT: Duration = Duration::from_secs(3);
/// How long a peer may say nothing.
const SILENCE_MAX: Duration = Duration::from_secs(5);
/// Bytes that wait to be sent before no more are put together.
const UNSENT_BYTES_MAX: usize = 65_536;

/// What is known of one connection.
pub(super) struct Link {
    section: Rc<Section>,
    peer: usize,
    /// Its number, which no other connection has.
    serial: u64,
    /// The peer is the process that this one replaces, or the one that replaces it.
    is_local: bool,
    /// By the tables' places: the last change that was sent.
    pushed: Vec<u64>,
    /// The table that updates are sent of.
    sending: Option<usize>,
    sent: Sent,
    /// What the peer described, by its numbers.
    defined: HashMap<u64, Described>,
    /// The table that updates come of.
    receiving: Option<u64>,
    names: Names,
    teaching: Option<Teaching>,
    last_sent: Instant,
    last_received: Instant,
}

struct Described {
    /// The table's place; none if there is no such table here.
    table: Option<usize>,
    definition: Definition,
    /// Rates that are not to be had from it.
    other_rates: Vec<DataType>,
    /// The last update.
    last: u32,
    /// It wasn't acknowledged yet.
    unacknowledged: bool,
}

/// All that there is is being told.
struct Teaching {
    table: usize,
    keys: std::vec::IntoIter<Key>,
}

impl Link {
    pub(super) fn new(section: &Rc<Section>, peer: usize, serial: u64, is_local: bool) -> Link {
        let now = Instant::now();
        let tables = 0..section.tables.len();
        Link {
            peer,
            serial,
            is_local,
            // What it acknowledged before needs not be told again.
            pushed: tables.map(|table| section.acknowledged(peer, table)).collect(),
            sending: None,
            sent: Sent::default(),
            defined: HashMap::new(),
            receiving: None,
            names: Names::default(),
            teaching: None,
            last_sent: now,
            last_received: now,
            section: section.clone(),
        }
    }

    /// Tells all that there is, without being asked: to the process that replaces this one.
    pub(super) fn teach(&mut self) {
        self.pushed = self
            .section
            .tables
            .iter()
            .map(|table| table.journal.borrow().last())
            .collect();
        self.teaching = Some(Teaching {
            table: 0,
            keys: self.section.keys(0).into_iter(),
        });
    }

    /// Tells and listens until the connection breaks or is no longer wanted. `Ok` if the peer confirmed that it was told all,
    /// where this process only teaches.
    pub(super) async fn run(&mut self, stream: Stream, unwanted: &Notify) -> io::Result<()> {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let (mut input, mut output) = (Vec::new(), Vec::new());
        let mut unflushed = false;
        let mut news = self.section.news.subscribe();
        let only_teaches = self.teaching.is_some();
        loop {
            let now = Instant::now();
            if !only_teaches
                && self
                    .section
                    .learning
                    .borrow_mut()
                    .asks(self.peer, self.serial, now)
            {
                put_control(&mut output, Message::Resync);
            }
            news.borrow_and_update();
            let more = self.push(&mut output);
            if more && output.is_empty() {
                // What there was is not for this peer.
                tokio::task::yield_now().await;
                continue;
            }
            if now.duration_since(self.last_received) >= SILENCE_MAX {
                self.section.view(self.peer, |view| view.silent += 1);
                return Err(io::ErrorKind::TimedOut.into());
            }
            if output.is_empty() && now.duration_since(self.last_sent) >= HEARTBEAT {
                put_control(&mut output, Message::Heartbeat);
                self.section.view(self.peer, |view| view.heartbeats_sent += 1);
            }
            let until_silent = SILENCE_MAX.saturating_sub(now.duration_since(self.last_received));
            let until_heartbeat = HEARTBEAT.saturating_sub(now.duration_since(self.last_sent));
            let pause = match output.is_empty() {
                true => until_silent.min(until_heartbeat.max(Duration::from_millis(1))),
                false => until_silent,
            };
            tokio::select! {
                read = reader.read_buf(&mut input) => {
                    if read? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                    self.last_received = Instant::now();
                    if self.take_in(&mut input, &mut output, only_teaches)? {
                        return Ok(());
                    }
                }
                written = write_some(&mut writer, &output), if unflushed || !output.is_empty() => {
                    let written = written?;
                    output.drain(..written);
                    unflushed = written > 0;
                    self.last_sent = Instant::now();
                }
                changed = news.changed(), if !more => {
                    // Nobody is left who could bring news.
                    changed.map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))?;
                }
                () = tokio::time::sleep(pause) => {}
                () = unwanted.notified() => return Err(io::ErrorKind::ConnectionAborted.into()),
            }
        }
    }

    /// Puts together what there is to tell, as far as there is room. True if there is more.
    fn push(&mut self, output: &mut Vec<u8>) -> bool {
        if output.len() >= UNSENT_BYTES_MAX {
            return true;
        }
        let section = self.section.clone();
        let mut left = section.updates_max;
        if !self.teach_some(output, &mut left) {
            return true;
        }
        // What was counted here alone must not take the place of what the teacher knows.
        if section.learning.borrow().is_taught_over(self.serial) {
            return false;
        }
        for (place, table) in section.tables.iter().enumerate() {
            loop {
                let after = self.pushed.get(place).copied().unwrap_or_default();
                let Some((number, key)) = table.journal.borrow().after(after) else {
                    break;
                };
                if left == 0 || output.len() >= UNSENT_BYTES_MAX {
                    return true;
                }
                left -= 1;
                if section.is_for(self.peer, &table.table, &key) && !self.update(output, place, &key, number)
                {
                    table.journal.borrow_mut().forget(number);
                }
                if let Some(pushed) = self.pushed.get_mut(place) {
                    *pushed = number;
                }
                section.view(self.peer, |view| view.pushed(place, number));
            }
        }
        false
    }

    /// Tells of what there is, if all is to be told. True if nothing of that is left.
    fn teach_some(&mut self, output: &mut Vec<u8>, left: &mut usize) -> bool {
        let section = self.section.clone();
        while let Some(teaching) = &mut self.teaching {
            if *left == 0 || output.len() >= UNSENT_BYTES_MAX {
                return false;
            }
            let place = teaching.table;
            let Some(key) = teaching.keys.next() else {
                if place + 1 < section.tables.len() {
                    teaching.table += 1;
                    teaching.keys = section.keys(place + 1).into_iter();
                    continue;
                }
                self.teaching = None;
                let knows_all = section.learning.borrow_mut().is_over(Instant::now());
                let last = if knows_all {
                    Message::Finished
                } else {
                    Message::Partial
                };
                put_control(output, last);
                return true;
            };
            *left -= 1;
            let is_for_it = section
                .tables
                .get(place)
                .is_some_and(|shared| section.is_for(self.peer, &shared.table, &key));
            if is_for_it {
                let number = self.pushed.get(place).copied().unwrap_or_default();
                self.update(output, place, &key, number);
            }
        }
        true
    }

    /// Tells of an entry; false if there is none any more.
    fn update(&mut self, output: &mut Vec<u8>, place: usize, key: &Key, number: u64) -> bool {
        let Some(shared) = self.section.tables.get(place) else {
            return false;
        };
        if self.sending != Some(place) {
            put_definition(output, &shared.table, &shared.name, place as u64 + 1);
            self.sending = Some(place);
        }
        // The lower half of a number is what others see.
        put_update(output, &shared.table, key, number as u32, &mut self.sent, ticks())
    }

    /// Takes in what came. True if there is nothing more to be done.
    fn take_in(&mut self, input: &mut Vec<u8>, output: &mut Vec<u8>, only_teaches: bool) -> io::Result<bool> {
        let mut used = 0;
        let mut confirmed = false;
        while let Some((message, bytes)) = first(input.get(used..).unwrap_or_default())? {
            used += bytes;
            match message {
                Message::Confirmed => confirmed = true,
                Message::Error => return Err(broken("the peer reports an error")),
                message => self.message(message, output)?,
            }
        }
        input.drain(..used);
        for described in self
            .defined
            .values_mut()
            .filter(|described| described.unacknowledged)
        {
            described.unacknowledged = false;
            put_ack(output, described.definition.number, described.last);
        }
        Ok(confirmed && only_teaches && self.teaching.is_none())
    }

    fn message(&mut self, message: Message<'_>, output: &mut Vec<u8>) -> io::Result<()> {
        let section = self.section.clone();
        match message {
            Message::Resync => self.teach(),
            Message::Finished | Message::Partial => {
                let wholly = message == Message::Finished;
                let mut learning = section.learning.borrow_mut();
                learning.told(self.peer, self.serial, self.is_local, wholly, Instant::now());
                drop(learning);
                section.news.send_modify(|news| *news += 1);
                put_control(output, Message::Confirmed);
            }
            Message::Define(body) => self.define(Definition::read(body)?),
            Message::Switch(body) => {
                let number = super::codec::Reader(body).number()?;
                if !self.defined.contains_key(&number) {
                    return Err(broken("a table that was not described"));
                }
                self.receiving = Some(number);
            }
            Message::Update(update) => self.learn(update)?,
            Message::Ack(body) => {
                let (table, number) = ack(body)?;
                let place = usize::try_from(table.saturating_sub(1)).unwrap_or(usize::MAX);
                section.acknowledge(self.peer, place, number);
            }
            Message::Heartbeat => section.view(self.peer, |view| view.heartbeats_received += 1),
            Message::Confirmed | Message::Error | Message::Unknown => {}
        }
        Ok(())
    }

    fn define(&mut self, definition: Definition) {
        let number = definition.number;
        let mut tables = self.section.tables.iter();
        let table = tables
            .position(|shared| shared.name.as_bytes() == definition.name && definition.fits(&shared.table));
        self.receiving = Some(number);
        if let Some(place) = table {
            self.section.view(self.peer, |view| view.defined(place, number));
        }
        let known = self
            .defined
            .remove(&number)
            .filter(|known| known.definition.name == definition.name);
        let here = table.and_then(|place| self.section.tables.get(place));
        let described = Described {
            table,
            other_rates: here.map_or_else(Vec::new, |shared| definition.other_rates(&shared.table)),
            definition,
            last: known.as_ref().map_or(0, |known| known.last),
            unacknowledged: known.is_some_and(|known| known.unacknowledged),
        };
        self.defined.insert(number, described);
    }

    fn learn(&mut self, update: Update<'_>) -> io::Result<()> {
        let section = self.section.clone();
        let described = self.receiving.and_then(|number| self.defined.get_mut(&number));
        let described = described.ok_or_else(|| broken("an update of no table"))?;
        // One of a table that is not here is passed over.
        let Some(place) = described.table else {
            return Ok(());
        };
        let Some(shared) = section.tables.get(place) else {
            return Ok(());
        };
        let kind = shared.table.spec().key;
        let mut learned = update.read(&described.definition, kind, &mut self.names)?;
        if !described.other_rates.is_empty() {
            learned
                .values
                .retain(|(cell, _)| !described.other_rates.contains(&cell.kind));
        }
        described.last = learned.number.unwrap_or(described.last.wrapping_add(1));
        described.unacknowledged = true;
        section.view(self.peer, |view| view.got(place, described.last));
        let now = ticks();
        let left = learned.left_ms;
        shared.table.learn(&learned.key, &learned.values, left, now);
        if let Some(target) = &shared.write_to {
            let values: Vec<(Cell, Told)> = learned
                .values
                .into_iter()
                .filter(|(cell, _)| is_plain(cell))
                .collect();
            target.learn(&learned.key, &values, left, now);
        }
        Ok(())
    }
}

/// Writes some bytes, or sees to it that those before leave; how many were written.
async fn write_some(writer: &mut WriteHalf<Stream>, bytes: &[u8]) -> io::Result<usize> {
    match bytes.is_empty() {
        true => writer.flush().await.map(|()| 0),
        false => writer.write(bytes).await,
    }
}

/// Whether a value counts nothing: only such are written to another table.
fn is_plain(cell: &Cell) -> bool {
    matches!(
        cell.kind,
        DataType::ServerId | DataType::ServerKey | DataType::Gpt0 | DataType::Gpt
    )
}

impl Drop for Link {
    fn drop(&mut self) {
        self.section
            .learning
            .borrow_mut()
            .lost(self.serial, Instant::now());
        self.section.news.send_modify(|news| *news += 1);
    }
}
