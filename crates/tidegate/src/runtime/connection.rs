//! One connection to the runtime API: its lines, their payloads, and what is written for them.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tidegate_config::model::{AccessLevel, SeverityOutput};
use tidegate_lua_api::{Conversation, Said};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;

use super::about::About;
use super::command::{Answer, Following, Mode, Refusal, SessionState, Severity};
use super::dispatch::dispatch;
use super::line::{self, Line};
use super::listen::Stream;

/// What bounds all connections.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    /// How long each may be silent; zero for no limit.
    pub(crate) timeout: Duration,
    /// How many there may be.
    pub(crate) connections: usize,
    /// The longest line.
    pub(crate) line_bytes: usize,
    /// The longest payload.
    pub(crate) payload_bytes: usize,
}

/// What those may do who connect to a socket.
#[derive(Clone, Copy)]
pub(crate) struct Rights {
    pub(crate) level: AccessLevel,
    pub(crate) severity: SeverityOutput,
}

/// How long the rest of what a client sends is thrown away, so that it reads the answer before it hears of the end.
const LINGER: Duration = Duration::from_secs(1);

/// Serves a connection to its end.
///
/// # Errors
/// The connection broke, or was silent for too long.
pub(crate) async fn serve(
    stream: Box<dyn Stream>,
    session: SessionState,
    about: Arc<About>,
    limits: Limits,
) -> io::Result<()> {
    let _counted = about.calls();
    let mut connection = Connection {
        stream: BufReader::new(stream),
        unread: Vec::new(),
        about,
        limits,
        session,
    };
    if connection.session.mode == Mode::Prompt {
        connection.write(connection.prompt().as_bytes()).await?;
    }
    connection.lines().await?;
    connection.stream.shutdown().await?;
    let mut rest = tokio::io::sink();
    let drained = tokio::io::copy(&mut connection.stream, &mut rest);
    let _ = timeout(LINGER, drained).await;
    Ok(())
}

struct Connection {
    stream: BufReader<Box<dyn Stream>>,
    /// What a script read of the stream and gave back.
    unread: Vec<u8>,
    about: Arc<About>,
    limits: Limits,
    session: SessionState,
}

/// What reading a line came to.
enum Read {
    Line(Vec<u8>),
    /// Commands that a `;` ends, of a line whose end is still to come.
    Commands(Vec<u8>),
    TooLong,
    /// The client is gone. What it didn't end is no line.
    End(Vec<u8>),
}

impl Connection {
    async fn lines(&mut self) -> io::Result<()> {
        let mut within = false;
        loop {
            let began = std::mem::take(&mut within);
            let line = match self.read_line().await? {
                // The end alone of a line whose commands were run.
                Read::Line(rest) if began && rest.trim_ascii().is_empty() => match self.session.mode {
                    Mode::OneLine => return Ok(()),
                    _ => continue,
                },
                Read::Line(line) => Line::parse(&line),
                Read::Commands(commands) => {
                    within = true;
                    Line::parse(&commands)
                }
                Read::TooLong => return self.too_long("line", self.limits.line_bytes).await,
                // Commands with a `;` behind them are whole, though.
                Read::End(rest) => match line::ended(&rest) {
                    Some(commands) => Line::parse(commands),
                    None => return Ok(()),
                },
            };
            let payload = match &line.payload_end {
                Some(end) => match self.payload(end).await? {
                    Read::Line(payload) => Some(payload),
                    Read::TooLong => return self.too_long("payload", self.limits.payload_bytes).await,
                    Read::Commands(_) | Read::End(_) => return Ok(()),
                },
                None => None,
            };
            let last = line.commands.len().saturating_sub(1);
            for (at, words) in line.commands.iter().enumerate() {
                let payload = payload.as_deref().filter(|_| at == last);
                let answer = match dispatch(words, payload, &self.about, &mut self.session) {
                    Ok(Answer::Script(conversation)) => self.converse(conversation, payload).await?,
                    Ok(Answer::Follow(following)) => self.follow(following).await?,
                    answer => answer,
                };
                if !self.answer(answer).await? {
                    return Ok(());
                }
            }
            if self.session.mode == Mode::OneLine && !within {
                return Ok(());
            }
        }
    }

    /// Writes what a command came to; false if nothing may follow.
    async fn answer(&mut self, mut answer: Result<Answer, Refusal>) -> io::Result<bool> {
        while let Ok(Answer::Later(later)) = answer {
            answer = later.await;
        }
        match answer {
            // It has come by now.
            Ok(Answer::Later(_) | Answer::Script(_) | Answer::Follow(_)) => {}
            Ok(Answer::Done) => {}
            Ok(Answer::Quit) => return Ok(false),
            Ok(Answer::Data(data)) => self.write(&without_empty_lines(&data)).await?,
            Ok(Answer::Parts(parts)) => {
                for part in parts {
                    self.write(&without_empty_lines(&part)).await?;
                }
            }
            Ok(Answer::Message(severity, text)) | Err(Refusal(severity, text)) => {
                self.message(severity, &text).await?;
            }
        }
        let mut end = String::from("\n");
        if self.session.mode == Mode::Prompt {
            end.push_str(&self.prompt());
        }
        self.write(end.as_bytes()).await?;
        Ok(true)
    }

    /// Lets a script's function read and write until it ends. What it says is written as it is.
    async fn converse(
        &mut self,
        mut talk: Conversation,
        payload: Option<&[u8]>,
    ) -> io::Result<Result<Answer, Refusal>> {
        let mut answer = Ok(Answer::Done);
        if let Some(payload) = payload {
            let heard = talk.input.take();
            let piece = Bytes::copy_from_slice(payload);
            // There is room for the first piece; the input ends behind it.
            let _ = heard.map(|heard| heard.try_send(piece));
        }
        loop {
            let next = {
                let hears = async {
                    match &talk.input {
                        Some(input) => (input.reserve().await.ok(), self.stream.fill_buf().await),
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    biased;
                    said = talk.output.recv() => Ok(said),
                    (room, read) = hears => Err(read.map(|bytes| {
                        // Without room the function has ended, and it is the next line that comes.
                        let taken = if room.is_some() { bytes.len() } else { 0 };
                        if let Some(room) = room.filter(|_| taken > 0) {
                            room.send(Bytes::copy_from_slice(bytes));
                        }
                        taken
                    })),
                }
            };
            match next {
                Ok(Some(Said::Data(bytes))) => self.write(&bytes).await?,
                Ok(Some(Said::Unread(bytes))) => self.unread.extend_from_slice(&bytes),
                Ok(Some(Said::Failed(failure))) => answer = Err(Refusal::error(failure.message)),
                Ok(None) => return Ok(answer),
                Err(read) => match read? {
                    0 => talk.input = None,
                    taken => self.stream.consume(taken),
                },
            }
        }
    }

    /// Writes a ring's lines; with `waits` until the client sends a line, which is dropped, or is gone.
    async fn follow(&mut self, mut following: Following) -> io::Result<Result<Answer, Refusal>> {
        loop {
            let (lines, next) = following.ring.since(following.next);
            following.next = next;
            let mut out = Vec::new();
            for line in lines {
                out.extend_from_slice(line.strip_suffix(b"\n").unwrap_or(&line));
                out.push(following.separator);
            }
            self.write(&out).await?;
            if !following.waits {
                return Ok(Ok(Answer::Done));
            }
            tokio::select! {
                () = following.ring.beyond(next) => {}
                read = self.stream.fill_buf() => {
                    let said = read?;
                    // What follows the line is for whoever comes next.
                    let line = said.iter().position(|byte| *byte == b'\n').map(|end| end + 1);
                    let dropped = line.unwrap_or(said.len());
                    self.stream.consume(dropped);
                    return Ok(Ok(Answer::Done));
                }
            }
        }
    }

    async fn message(&mut self, severity: Severity, text: &str) -> io::Result<()> {
        let text = format!("{}{text}", severity.prefix(self.session.severity));
        self.write(&without_empty_lines(text.as_bytes())).await
    }

    async fn too_long(&mut self, what: &str, bytes_max: usize) -> io::Result<()> {
        let text = format!("The {what} is too long: it may have {bytes_max} bytes.");
        self.message(Severity::Error, &text).await?;
        self.write(b"\n").await
    }

    fn prompt(&self) -> String {
        if !self.session.timed {
            return "> ".into();
        }
        format!("[{}]> ", clock(self.about.uptime()))
    }

    /// The lines up to the one that ends them.
    async fn payload(&mut self, end: &[u8]) -> io::Result<Read> {
        let mut payload = Vec::new();
        loop {
            if self.session.mode == Mode::Prompt {
                self.write(b"+ ").await?;
            }
            let left = self.limits.payload_bytes.saturating_sub(payload.len());
            match self.read(left).await? {
                Read::Line(line) if line.strip_suffix(b"\r").unwrap_or(&line) == end => {
                    return Ok(Read::Line(payload));
                }
                Read::Line(line) => {
                    payload.extend(line);
                    payload.push(b'\n');
                }
                other => return Ok(other),
            }
        }
    }

    /// A line without its end, or the commands of it that are whole while the rest doesn't come.
    async fn read_line(&mut self) -> io::Result<Read> {
        let mut line = Vec::new();
        loop {
            let mut unread = self.unread.as_slice();
            let before = unread.len();
            let mut source = (&mut unread).chain(&mut self.stream);
            let more = patient(self.session.timeout, source.fill_buf()).await?;
            if more.is_empty() {
                return Ok(Read::End(line));
            }
            let end = more.iter().position(|byte| *byte == b'\n');
            let taken = end.map_or(more.len(), |at| at + 1);
            line.extend(more.iter().take(end.unwrap_or(taken)));
            source.consume(taken);
            let used = before - unread.len();
            self.unread.drain(..used);
            if line.len() > self.limits.line_bytes {
                return Ok(Read::TooLong);
            }
            if end.is_some() {
                return Ok(Read::Line(line));
            }
            if let Some(commands) = line::ended(&line).map(<[u8]>::len) {
                self.unread.splice(0..0, line.drain(commands..).skip(1));
                return Ok(Read::Commands(line));
            }
        }
    }

    /// A line of a payload without its end.
    async fn read(&mut self, bytes_max: usize) -> io::Result<Read> {
        let mut line = Vec::new();
        let most = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
        let mut unread = self.unread.as_slice();
        let before = unread.len();
        let mut limited = (&mut unread).chain(&mut self.stream).take(most);
        patient(self.session.timeout, limited.read_until(b'\n', &mut line)).await?;
        let used = before - unread.len();
        self.unread.drain(..used);
        Ok(match line.last() {
            Some(b'\n') => {
                line.pop();
                Read::Line(line)
            }
            Some(_) if line.len() > bytes_max => Read::TooLong,
            _ => Read::End(line),
        })
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        patient(self.session.timeout, self.stream.write_all(bytes)).await?;
        patient(self.session.timeout, self.stream.flush()).await
    }
}

/// A time as prompts tell it.
pub(crate) fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    format!(
        "{}:{:02}:{:02}:{:02}",
        hours / 24,
        hours % 24,
        minutes % 60,
        seconds % 60
    )
}

/// Waits for as long as a client may be silent.
async fn patient<T>(limit: Duration, what: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    if limit.is_zero() {
        return what.await;
    }
    match timeout(limit, what).await {
        Ok(done) => done,
        Err(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}

/// An empty line ends an answer, so there can be none within it; and each answer ends its last line.
fn without_empty_lines(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + 1);
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_no_empty_lines() {
        assert_eq!(without_empty_lines(b"a\n\n\nb"), b"a\nb\n");
        assert_eq!(without_empty_lines(b"\n"), b"");
        assert_eq!(without_empty_lines(b"a\n"), b"a\n");
    }
}
