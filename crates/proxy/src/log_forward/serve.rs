//! The sockets of `log-forward` sections, and the thread that has them.

use std::io;
use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use tokio::io::AsyncReadExt;
use tokio::net::UdpSocket;
use tokio::sync::{Semaphore, watch};

use super::framing::{Frame, first};
use super::message::Message;
use super::{LogForwardSpec, render};
use crate::handed::Handed;
use crate::listener::{Acceptor, BindError, Bound, bind, bind_datagram};
use crate::log::LogWriter;
use crate::stream::Stream;
use crate::tally::{self, Tallied};
use crate::tls;
use crate::worker::Stop;

/// Bytes of the longest datagram.
const DATAGRAM_BYTES_MAX: usize = 65_536;

/// How long a handshake may take if no timeout says so.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The sockets of all sections, open and not yet read from.
pub(crate) struct Relay {
    sections: Vec<Open>,
}

struct Open {
    spec: LogForwardSpec,
    datagrams: Vec<std::net::UdpSocket>,
    streams: Vec<(Bound, Option<Arc<tidegate_tls::Acceptor>>)>,
}

impl Relay {
    /// Opens the sockets of all sections.
    ///
    /// # Errors
    /// All that can't be had.
    pub(crate) fn open(specs: Vec<LogForwardSpec>) -> Result<Relay, Vec<BindError>> {
        let (mut sections, mut errors) = (Vec::new(), Vec::new());
        for spec in specs {
            let (mut datagrams, mut streams) = (Vec::new(), Vec::new());
            for listener in &spec.datagrams {
                match bind_datagram(listener) {
                    Ok(socket) => datagrams.push(socket),
                    Err(error) => errors.push(error),
                }
            }
            for listener in &spec.streams {
                match bind(listener, 1, &mut Handed::default()) {
                    Ok(bound) => streams.extend(bound.into_iter().map(|bound| (bound, listener.tls.clone()))),
                    Err(error) => errors.push(error),
                }
            }
            sections.push(Open {
                spec,
                datagrams,
                streams,
            });
        }
        if errors.is_empty() {
            Ok(Relay { sections })
        } else {
            Err(errors)
        }
    }

    /// Starts the thread, if there is anything to do. It ends once the process is told to stop.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn start(
        self,
        writer: Option<LogWriter>,
        stopped: watch::Receiver<Stop>,
        counts: impl FnOnce() + Send + 'static,
    ) -> io::Result<Option<JoinHandle<()>>> {
        let Some(writer) = writer.filter(|_| !self.sections.is_empty()) else {
            return Ok(None);
        };
        let body = move || {
            counts();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build_local(Default::default());
            let ended = runtime.and_then(|runtime| runtime.block_on(run(self.sections, writer, stopped)));
            if let Err(error) = ended {
                eprintln!("[alert] log lines are not forwarded: {error}");
            }
        };
        let thread = std::thread::Builder::new().name("log-forward".into());
        thread.spawn(body).map(Some)
    }
}

async fn run(sections: Vec<Open>, writer: LogWriter, mut stopped: watch::Receiver<Stop>) -> io::Result<()> {
    for open in sections {
        let section = Rc::new(Section {
            room: Arc::new(Semaphore::new(
                open.spec.connections_max.clamp(1, Semaphore::MAX_PERMITS),
            )),
            spec: open.spec,
            writer: writer.clone(),
        });
        for socket in open.datagrams {
            let (section, socket) = (section.clone(), UdpSocket::from_std(socket)?);
            tokio::task::spawn_local(async move { section.datagrams(&socket).await });
        }
        for (bound, tls) in open.streams {
            let (section, acceptor) = (section.clone(), Acceptor::new(bound)?);
            tokio::task::spawn_local(async move { section.streams(&acceptor, tls).await });
        }
    }
    // Lines of a process that stops are the next one's.
    let _ = stopped.wait_for(|stop| *stop != Stop::No).await;
    Ok(())
}

/// A section at work.
struct Section {
    spec: LogForwardSpec,
    writer: LogWriter,
    room: Arc<Semaphore>,
}

impl Section {
    async fn datagrams(&self, socket: &UdpSocket) {
        let mut buffer = vec![0; DATAGRAM_BYTES_MAX];
        let mut line = Vec::new();
        loop {
            // What fails is one datagram's matter: an answer that nobody was there.
            if let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                self.pass_on(
                    buffer.get(..length).unwrap_or_default(),
                    Some(from.ip()),
                    &mut line,
                );
            }
        }
    }

    async fn streams(self: Rc<Self>, acceptor: &Acceptor, tls: Option<Arc<tidegate_tls::Acceptor>>) {
        loop {
            let Ok(permit) = self.room.clone().acquire_owned().await else {
                return;
            };
            match acceptor.accept().await {
                Ok((stream, from)) => {
                    let (section, tls) = (self.clone(), tls.clone());
                    tokio::task::spawn_local(async move {
                        if let Some(stream) = section.secure(stream, tls).await {
                            section.stream(stream, from.map(|from| from.ip())).await;
                        }
                        drop(permit);
                    });
                }
                // Out of descriptors, most likely: others may give some back.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// The stream once hands are shaken, where they have to be.
    async fn secure(&self, stream: Stream, tls: Option<Arc<tidegate_tls::Acceptor>>) -> Option<Stream> {
        let Some(acceptor) = tls else {
            return Some(stream);
        };
        let limit = self.spec.silence_max.unwrap_or(HANDSHAKE);
        let shaken = tls::accept(stream, &acceptor, tls::Kept::default());
        let shaken = tokio::time::timeout(limit, shaken).await;
        shaken.ok()?.ok().map(|(stream, _)| stream)
    }

    async fn stream(&self, mut stream: Stream, sender: Option<IpAddr>) {
        let mut buffer = Vec::new();
        let mut line = Vec::new();
        loop {
            let mut used = 0;
            loop {
                let rest = buffer.get(used..).unwrap_or_default();
                match first(rest, self.spec.lines_only, self.spec.line_bytes_max) {
                    Frame::Line(text, bytes) => {
                        self.pass_on(text, sender, &mut line);
                        used += bytes;
                    }
                    Frame::Partial => break,
                    Frame::Broken => return,
                }
            }
            buffer.drain(..used);
            let read = stream.read_buf(&mut buffer);
            let read = match self.spec.silence_max {
                Some(limit) => match tokio::time::timeout(limit, read).await {
                    Ok(read) => read,
                    Err(_) => return,
                },
                None => read.await,
            };
            if !matches!(read, Ok(1..)) {
                return;
            }
        }
    }

    fn pass_on(&self, text: &[u8], sender: Option<IpAddr>, line: &mut Vec<u8>) {
        tally::add(Tallied::LogLines, 1);
        let text = text.strip_suffix(b"\n").unwrap_or(text);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let message = match self.spec.opaque {
            true => Message::opaque(text),
            false => Message::read(text),
        };
        let received = render::Received {
            sender,
            now: SystemTime::now(),
            host: self.spec.host,
        };
        for to in &self.spec.targets {
            let sampling = &to.target.sampling;
            if sampling.as_ref().is_some_and(|sampling| !sampling.takes()) {
                continue;
            }
            if render::line(line, &message, to, received) {
                self.writer.send(&to.target.to, line, message.text);
            }
        }
    }
}
