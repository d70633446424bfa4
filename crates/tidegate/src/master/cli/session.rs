//! One connection to the master: its lines, and what processes answer to them.

use std::cell::RefCell;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tidegate_config::model::AccessLevel;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, copy};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

use super::commands::{self, Action};
use super::line::{Piece, Target, pieces};
use super::{LINE_BYTES_MAX, Processes, Reload};
use crate::master::link;
use crate::master::worker::Worker;
use crate::runtime::{Entrance, Line, Mode, Stream, Word, clock, ended, version};

/// A connection.
pub(super) struct Session {
    stream: BufReader<Box<dyn Stream>>,
    /// The line that the client was at when it ended its side.
    unended: Vec<u8>,
    processes: Rc<RefCell<Processes>>,
    reload: mpsc::Sender<Reload>,
    /// Where commands without a prefix go.
    target: Target,
    /// How other processes are entered.
    entrance: Entrance,
}

/// What follows a command.
enum Next {
    /// Another one.
    Command,
    /// Another line: the rest of this one has no meaning any more.
    Line,
    /// The connection's end.
    End,
}

impl Session {
    pub(super) fn new(
        stream: Box<dyn Stream>,
        level: AccessLevel,
        processes: Rc<RefCell<Processes>>,
        reload: mpsc::Sender<Reload>,
    ) -> Session {
        Session {
            stream: BufReader::new(stream),
            unended: Vec::new(),
            processes,
            reload,
            target: Target::Master,
            entrance: Entrance {
                level,
                mode: Mode::Interactive,
                timed: false,
                expert: false,
                experimental: false,
            },
        }
    }

    /// Serves it to its end.
    ///
    /// # Errors
    /// It broke.
    pub(super) async fn serve(mut self) -> io::Result<()> {
        loop {
            let line = match self.read().await? {
                Some(line) => line,
                // Commands with a `;` behind them are whole, though.
                None => match ended(&std::mem::take(&mut self.unended)) {
                    Some(commands) => commands.to_vec(),
                    None => break,
                },
            };
            let line = line.strip_suffix(b"\r").unwrap_or(&line).to_vec();
            let Some(payload) = self.payload(&line).await? else {
                break;
            };
            let pieces = pieces(&line);
            let last = pieces.len().saturating_sub(1);
            let mut next = Next::Line;
            for (at, piece) in pieces.into_iter().enumerate() {
                let payload = payload.as_slice();
                let payload = if at == last { payload } else { &[] };
                next = self.piece(piece, payload).await?;
                match next {
                    Next::Command => {}
                    Next::Line | Next::End => break,
                }
            }
            if matches!(next, Next::End) {
                break;
            }
            if self.entrance.mode == Mode::Prompt {
                let prompt = self.prompt();
                self.write(prompt.as_bytes()).await?;
            }
        }
        self.stream.shutdown().await
    }

    async fn piece(&mut self, piece: Piece<'_>, payload: &[u8]) -> io::Result<Next> {
        match piece {
            Piece::Unknown(prefix) => self.no_process(prefix).await,
            Piece::At(target, []) => {
                if target != Target::Master && self.link(target).is_none() {
                    return self.no_process(&name(target)).await;
                }
                self.target = target;
                Ok(Next::Command)
            }
            Piece::At(target, command) => self.command(target, command, payload, true).await,
            Piece::Plain(command) => self.command(self.target, command, payload, false).await,
            Piece::Through(Target::Master, command) => {
                self.command(Target::Master, command, payload, true).await
            }
            Piece::Through(target, commands) => {
                let mode = match commands.is_empty() {
                    true => self.entrance.mode,
                    false => Mode::OneLine,
                };
                let entrance = Entrance {
                    mode,
                    ..self.entrance
                };
                let Some(process) = self.enter(target, entrance)? else {
                    return self.no_process(&name(target)).await;
                };
                self.through(process, commands, payload).await?;
                Ok(Next::Line)
            }
        }
    }

    /// Carries a command out, or lets a process do so.
    async fn command(
        &mut self,
        target: Target,
        command: &[u8],
        payload: &[u8],
        prefixed: bool,
    ) -> io::Result<Next> {
        let words = Line::parse(command)
            .commands
            .into_iter()
            .next()
            .unwrap_or_default();
        let own = commands::find(&words);
        let is_own = target == Target::Master
            || !prefixed && own.is_some_and(|(row, _)| row.action.is_of_connection());
        if !is_own {
            let entrance = Entrance {
                mode: Mode::OneLine,
                ..self.entrance
            };
            let Some(mut process) = self.enter(target, entrance)? else {
                return self.no_process(&name(target)).await;
            };
            let whole = [command, b"\n", payload].concat();
            process.write_all(&whole).await?;
            process.shutdown().await?;
            copy(&mut process, &mut self.stream).await?;
            self.stream.flush().await?;
            return Ok(Next::Command);
        }
        match own {
            None => {
                let text = commands::unknown(&words, self.entrance.level);
                self.say(&text).await
            }
            Some((row, _)) if self.entrance.level < row.level => self.say("Permission denied").await,
            Some((row, own)) => {
                self.carry_out(row.words, row.action, words.get(own..).unwrap_or_default())
                    .await
            }
        }
    }

    async fn carry_out(&mut self, words: &str, action: Action, args: &[Word]) -> io::Result<Next> {
        match action {
            Action::Quit => return Ok(Next::End),
            Action::Reload { hard } => return self.reload(hard).await,
            _ => {}
        }
        let text = match action {
            Action::Help => {
                let part = String::from_utf8_lossy(&args.join(&b' ')).into_owned();
                match commands::list(&part, self.entrance.level) {
                    none if none.is_empty() => format!("No command has `{part}` in it."),
                    list => format!("The following commands may be given:\n{list}"),
                }
            }
            Action::Prompt => self.set_prompt(args),
            Action::Lower(level) if self.entrance.level < level => "Permission denied".into(),
            Action::Lower(level) => {
                self.entrance.level = level;
                self.entrance.expert = false;
                self.entrance.experimental = false;
                String::new()
            }
            Action::Expert => switch(words, args, &mut self.entrance.expert),
            Action::Experimental => switch(words, args, &mut self.entrance.experimental),
            Action::Echo => String::from_utf8_lossy(&args.join(&b' ')).into_owned(),
            Action::ShowEnvironment => environment(args.first()),
            Action::ShowLevel => self.entrance.level.name().into(),
            Action::ShowSockets => {
                "The sockets of a process are shown by itself: `@1 show cli sockets`.".into()
            }
            Action::ShowProcesses => self.processes.borrow().shown(),
            Action::ShowStartupLogs => self.processes.borrow().startup_logs(),
            Action::ShowVersion => version(),
            Action::LeftOut(why) => format!("`{words}` is not supported: {why}."),
            // Done above.
            Action::Quit | Action::Reload { .. } => String::new(),
        };
        self.say(&text).await
    }

    /// Has the configuration loaded anew, and ends with how that went.
    async fn reload(&mut self, hard: bool) -> io::Result<Next> {
        let (done, hears) = oneshot::channel();
        let asked = self.reload.send(Reload { hard, done }).await;
        let well = asked.is_ok() && hears.await.unwrap_or(false);
        let said = self.processes.borrow().startup_logs();
        self.say(&format!("Success={}\n--\n{said}", u8::from(well)))
            .await?;
        Ok(Next::End)
    }

    fn set_prompt(&mut self, args: &[Word]) -> String {
        if args.is_empty() {
            self.entrance.mode = match self.entrance.mode {
                Mode::Prompt => Mode::Interactive,
                _ => Mode::Prompt,
            };
        }
        for arg in args {
            match arg.as_slice() {
                b"i" => self.entrance.mode = Mode::Interactive,
                b"p" => self.entrance.mode = Mode::Prompt,
                b"timed" => {
                    self.entrance.timed = !self.entrance.timed;
                    self.entrance.mode = Mode::Prompt;
                }
                _ => {
                    return "prompt [help | i | p | timed]*\ni: the connection takes line after line\n\
                            p: the same, and a prompt asks for each\ntimed: the prompt tells for how long the process has run"
                        .into();
                }
            }
        }
        String::new()
    }

    /// Who is to answer next, in which mode, and for how long it has run.
    fn prompt(&self) -> String {
        let processes = self.processes.borrow();
        let mut prompt = String::new();
        let worker = processes.of(self.target);
        if self.entrance.timed {
            let started = worker.map_or(processes.started, |worker| worker.started);
            prompt.push_str(&format!("[{}] ", clock(started.elapsed())));
        }
        match (self.target, worker) {
            (Target::Master, _) if processes.failed > 0 => prompt.push_str("master[ReloadFailed]"),
            (Target::Master, _) => prompt.push_str("master"),
            (_, Some(worker)) => prompt.push_str(&worker.pid().to_string()),
            (target, None) => prompt.push_str(&String::from_utf8_lossy(&name(target))),
        }
        let flags = [(self.entrance.experimental, 'x'), (self.entrance.expert, 'e')];
        let flags: String = flags
            .iter()
            .filter(|(on, _)| *on)
            .map(|(_, flag)| *flag)
            .collect();
        if !flags.is_empty() {
            prompt.push_str(&format!("({flags})"));
        }
        prompt.push_str("> ");
        prompt
    }

    /// A connection to a process; none if there is no such process.
    fn enter(&self, target: Target, entrance: Entrance) -> io::Result<Option<UnixStream>> {
        let Some(link) = self.link(target) else {
            return Ok(None);
        };
        let (ours, theirs) = StdUnixStream::pair()?;
        link::pass(&*link, &theirs, entrance)?;
        ours.set_nonblocking(true)?;
        UnixStream::from_std(ours).map(Some)
    }

    fn link(&self, target: Target) -> Option<Rc<UnixStream>> {
        let processes = self.processes.borrow();
        processes.of(target).map(|worker| Rc::clone(&worker.link))
    }

    /// Passes everything on in both directions until the process has ended the connection.
    async fn through(&mut self, process: UnixStream, commands: &[u8], payload: &[u8]) -> io::Result<()> {
        let (mut from, mut to) = process.into_split();
        if !commands.is_empty() {
            to.write_all(&[commands, b"\n", payload].concat()).await?;
        }
        let mut to = Some(to);
        let mut piece = vec![0; 16 * 1024];
        loop {
            let said = tokio::select! {
                biased;
                read = from.read(&mut piece) => Ok(read?),
                heard = async {
                    match &mut to {
                        Some(_) => self.stream.fill_buf().await.map(<[u8]>::to_vec),
                        None => std::future::pending().await,
                    }
                } => Err(heard?),
            };
            match said {
                Ok(0) => return Ok(()),
                Ok(bytes) => self.write(piece.get(..bytes).unwrap_or_default()).await?,
                // The client has said everything.
                Err(heard) if heard.is_empty() => to = None,
                Err(heard) => {
                    self.stream.consume(heard.len());
                    if let Some(to) = &mut to {
                        to.write_all(&heard).await?;
                    }
                }
            }
        }
    }

    async fn no_process(&mut self, prefix: &[u8]) -> io::Result<Next> {
        let prefix = String::from_utf8_lossy(prefix);
        self.say(&format!(
            "Can't find the target PID matching the prefix '{prefix}'"
        ))
        .await?;
        // What follows may be meant for the process that isn't there.
        Ok(Next::Line)
    }

    /// Writes an answer, with the empty line that ends it.
    async fn say(&mut self, text: &str) -> io::Result<Next> {
        let mut answer = String::with_capacity(text.len() + 2);
        for line in text.lines().filter(|line| !line.is_empty()) {
            answer.push_str(line);
            answer.push('\n');
        }
        answer.push('\n');
        self.write(answer.as_bytes()).await?;
        Ok(Next::Command)
    }

    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// A line without its end; none if there is none any more. What the client didn't end is kept apart.
    async fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let most = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
        (&mut self.stream).take(most).read_until(b'\n', &mut line).await?;
        match line.pop() {
            Some(b'\n') => Ok(Some(line)),
            Some(_) if line.len() + 1 >= LINE_BYTES_MAX => {
                self.say(&format!(
                    "The line is too long: it may have {LINE_BYTES_MAX} bytes."
                ))
                .await?;
                Ok(None)
            }
            Some(last) => {
                line.push(last);
                self.unended = line;
                Ok(None)
            }
            None => Ok(None),
        }
    }

    /// What follows a line, as it came and with the line that ends it; none if it never ends.
    async fn payload(&mut self, line: &[u8]) -> io::Result<Option<Vec<u8>>> {
        let mut payload = Vec::new();
        // Behind `@@` it is the process that reads on.
        let is_through = matches!(pieces(line).last(), Some(Piece::Through(..)));
        let Some(end) = Line::parse(line).payload_end.filter(|_| !is_through) else {
            return Ok(Some(payload));
        };
        while let Some(line) = self.read().await? {
            payload.extend_from_slice(&line);
            payload.push(b'\n');
            if payload.len() > LINE_BYTES_MAX {
                self.say(&format!(
                    "The payload is too long: it may have {LINE_BYTES_MAX} bytes."
                ))
                .await?;
                return Ok(None);
            }
            if line.strip_suffix(b"\r").unwrap_or(&line) == end {
                return Ok(Some(payload));
            }
        }
        Ok(None)
    }
}

impl Processes {
    /// The process that a prefix names.
    fn of(&self, target: Target) -> Option<&Worker> {
        match target {
            Target::Relative(1) => self.current.as_ref(),
            Target::Master | Target::Relative(_) => None,
            Target::Pid(pid) => {
                let mut all = self.current.iter().chain(&self.leaving);
                all.find(|worker| worker.pid() == pid)
            }
        }
    }

    /// A table of them all.
    fn shown(&self) -> String {
        let row = |pid: u32, kind: &str, reloads: String, started: Instant| {
            let up = since(started.elapsed());
            format!("{pid:<15} {kind:<15} {reloads:<15} {up:<15} {}\n", version())
        };
        let mut table = format!(
            "{:<15} {:<15} {:<15} {:<15} {}\n",
            "#<PID>", "<type>", "<reloads>", "<uptime>", "<version>"
        );
        let reloads = format!("{} [failed: {}]", self.reloads, self.failed);
        table.push_str(&row(std::process::id(), "master", reloads, self.started));
        let mut workers = |heading: &str, workers: &mut dyn Iterator<Item = &Worker>| {
            table.push_str(heading);
            for worker in workers {
                let reloads = worker.reloads.to_string();
                table.push_str(&row(worker.pid(), "worker", reloads, worker.started));
            }
        };
        workers("# workers\n", &mut self.current.iter());
        if !self.leaving.is_empty() {
            workers("# old workers\n", &mut self.leaving.iter());
        }
        table
    }

    fn startup_logs(&self) -> String {
        String::from_utf8_lossy(&self.said).into_owned()
    }
}

/// The variables of the environment, or the one of this name.
fn environment(wanted: Option<&Word>) -> String {
    let variables = std::env::vars_os()
        .filter(|(name, _)| wanted.is_none_or(|wanted| wanted.as_slice() == name.as_bytes()));
    let mut lines: Vec<String> = variables
        .map(|(name, value)| format!("{}={}", name.to_string_lossy(), value.to_string_lossy()))
        .collect();
    if lines.is_empty() && wanted.is_some() {
        return "Variable not found".into();
    }
    lines.sort_unstable();
    lines.join("\n")
}

/// A time as tables have it.
fn since(time: Duration) -> String {
    let seconds = time.as_secs();
    format!(
        "{}d{:02}h{:02}m{:02}s",
        seconds / 86400,
        seconds / 3600 % 24,
        seconds / 60 % 60,
        seconds % 60
    )
}

/// The prefix that names a process.
fn name(target: Target) -> Vec<u8> {
    match target {
        Target::Master => b"@".to_vec(),
        Target::Relative(number) => format!("@{number}").into_bytes(),
        Target::Pid(pid) => format!("@!{pid}").into_bytes(),
    }
}

fn switch(words: &str, args: &[Word], on: &mut bool) -> String {
    match args.first().map(Vec::as_slice) {
        None => format!("{words} is {}", if *on { "ON" } else { "OFF" }),
        Some(b"on") => {
            *on = true;
            String::new()
        }
        Some(b"off") => {
            *on = false;
            String::new()
        }
        Some(other) => format!(
            "`{words}` is `on` or `off`, not `{}`.",
            String::from_utf8_lossy(other)
        ),
    }
}
