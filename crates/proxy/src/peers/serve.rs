//! The sockets of `peers` sections, and the thread that has them.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio::task::JoinSet;

use super::hello::{greet, welcome};
use super::link::Link;
use super::section::Section;
use super::show::SectionView;
use super::{PeerSpec, PeersSpec};
use crate::handed::Handed;
use crate::listener::{Acceptor, BindError, Bound, bind};
use crate::log::{Level, LogWriter};
use crate::spec::ServerSpec;
use crate::stream::Stream;
use crate::tls;
use crate::upstream::connect::dial;
use crate::worker::Stop;

/// How long a connection and a greeting may take.
const GREETING: Duration = Duration::from_secs(5);
/// Connections of peers that are being greeted at a time.
const GREETINGS_MAX: usize = 256;
/// How often the process that takes this one's place is sought, and how long after an attempt.
const ATTEMPTS: usize = 20;
const ATTEMPT_AFTER: Duration = Duration::from_millis(100);

/// The sockets of all sections, open and not yet read from.
pub(crate) struct Exchange {
    sections: Vec<Open>,
    updates_max: usize,
}

struct Open {
    spec: PeersSpec,
    view: Arc<Mutex<SectionView>>,
    streams: Vec<(Bound, Option<Arc<tidegate_tls::Acceptor>>)>,
}

impl Exchange {
    /// Opens the sockets of all sections that share something, each with what is shown of it.
    ///
    /// # Errors
    /// All that can't be had.
    pub(crate) fn open(
        specs: Vec<(PeersSpec, Arc<Mutex<SectionView>>)>,
        updates_max: usize,
    ) -> Result<Exchange, Vec<BindError>> {
        let (mut sections, mut errors) = (Vec::new(), Vec::new());
        for (spec, view) in specs {
            if spec.disabled {
                continue;
            }
            let mut streams = Vec::new();
            for listener in &spec.listeners {
                match bind(listener, 1, &mut Handed::default()) {
                    Ok(bound) => streams.extend(bound.into_iter().map(|bound| (bound, listener.tls.clone()))),
                    Err(error) => errors.push(error),
                }
            }
            sections.push(Open { spec, view, streams });
        }
        match errors.is_empty() {
            true => Ok(Exchange {
                sections,
                updates_max,
            }),
            false => Err(errors),
        }
    }

    /// Starts the thread, if there is anything to do. It ends some time after the process is told to stop: once whoever takes
    /// its place was told all.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub(crate) fn start(
        self,
        writer: Option<LogWriter>,
        stopped: watch::Receiver<Stop>,
        counts: impl FnOnce() + Send + 'static,
    ) -> io::Result<Option<JoinHandle<()>>> {
        if self.sections.is_empty() {
            return Ok(None);
        }
        let body = move || {
            counts();
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build_local(Default::default());
            let ended = runtime.and_then(|runtime| runtime.block_on(run(self, writer, stopped)));
            if let Err(error) = ended {
                eprintln!("[alert] tables are not shared: {error}");
            }
        };
        std::thread::Builder::new()
            .name("peers".into())
            .spawn(body)
            .map(Some)
    }
}

async fn run(
    exchange: Exchange,
    writer: Option<LogWriter>,
    mut stopped: watch::Receiver<Stop>,
) -> io::Result<()> {
    let mut tasks = JoinSet::new();
    let mut sections = Vec::new();
    for open in exchange.sections {
        let section = Section::new(open.spec, exchange.updates_max, open.view, writer.as_ref());
        sections.push(section.clone());
        let follows = section.clone();
        tasks.spawn_local(async move { follows.follow().await });
        for (bound, tls) in open.streams {
            let (section, acceptor) = (section.clone(), Acceptor::new(bound)?);
            tasks.spawn_local(accept(section, acceptor, tls));
        }
        for place in 0..section.spec.peers.len() {
            let seeks = section.clone();
            tasks.spawn_local(async move { seek(&seeks, place).await });
        }
    }
    let stop = stopped
        .wait_for(|stop| *stop != Stop::No)
        .await
        .map_or(Stop::Hard, |stop| *stop);
    // From here on peers are the next process's, and this one speaks to that alone.
    tasks.abort_all();
    while tasks.join_next().await.is_some() {}
    sections.iter().for_each(|section| section.unlink());
    if stop == Stop::Soft {
        let mut lessons = JoinSet::new();
        for section in sections {
            lessons.spawn_local(async move { hand_over(&section).await });
        }
        tokio::select! {
            () = async { while lessons.join_next().await.is_some() {} } => {}
            _ = stopped.wait_for(|stop| *stop == Stop::Hard) => {}
        }
    }
    Ok(())
}

/// Lets peers in.
async fn accept(section: Rc<Section>, acceptor: Acceptor, tls: Option<Arc<tidegate_tls::Acceptor>>) {
    let mut guests = JoinSet::new();
    loop {
        tokio::select! {
            accepted = acceptor.accept(), if guests.len() < GREETINGS_MAX => match accepted {
                Ok((stream, _)) => {
                    let (section, tls) = (section.clone(), tls.clone());
                    guests.spawn_local(async move { guest(&section, stream, tls).await });
                }
                // Out of descriptors, most likely.
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            },
            Some(_) = guests.join_next(), if !guests.is_empty() => {}
        }
    }
}

async fn guest(section: &Rc<Section>, stream: Stream, acceptor: Option<Arc<tidegate_tls::Acceptor>>) {
    let greeted = tokio::time::timeout(GREETING, async {
        let mut stream = match acceptor {
            Some(acceptor) => tls::accept(stream, &acceptor, tls::Kept::default()).await.ok()?.0,
            None => stream,
        };
        let peer = welcome(&mut stream, &section.spec.local, |name| section.peer(name))
            .await
            .ok()?;
        Some((stream, peer))
    });
    if let Ok(Some((stream, peer))) = greeted.await {
        talk(section, peer, stream, true).await;
    }
}

/// Seeks a connection to a peer whenever there is none.
async fn seek(section: &Rc<Section>, place: usize) {
    let Some(peer) = section.spec.peers.get(place) else {
        return;
    };
    let Some(server) = peer.server.as_ref().filter(|_| peer.name != section.spec.local) else {
        return;
    };
    loop {
        if !section.is_linked(place) {
            section.view(place, |view| view.status = "CONN");
            match greeted(section, peer, server).await {
                // It may have come by itself meanwhile.
                Some(stream) => talk(section, place, stream, false).await,
                None => section.view(place, |view| {
                    if view.status == "CONN" {
                        view.status = "NONE";
                    }
                }),
            }
        }
        tokio::time::sleep(some_time()).await;
    }
}

/// A connection on which both have greeted.
async fn greeted(section: &Section, peer: &PeerSpec, server: &ServerSpec) -> Option<Stream> {
    let greeted = tokio::time::timeout(GREETING, async {
        let mut stream = dial(server, &server.address).await.ok()?;
        let status = greet(&mut stream, &peer.name, &section.spec.local).await.ok()?;
        (status == 200).then_some(stream)
    });
    greeted.await.ok()?
}

async fn talk(section: &Rc<Section>, peer: usize, stream: Stream, came_in: bool) {
    let is_local = section
        .spec
        .peers
        .get(peer)
        .is_some_and(|peer| peer.name == section.spec.local);
    let (serial, unwanted) = section.enter(peer);
    section.view(peer, |view| {
        view.status = "ESTA";
        view.came_in = came_in;
        view.greeted = Some(Instant::now());
        view.connections += 1;
    });
    section.log(Level::Notice, peer, "is connected");
    let mut link = Link::new(section, peer, serial, is_local);
    let ended = link.run(stream, &unwanted).await;
    section.leave(peer, serial);
    if let Err(why) = &ended {
        section.log(Level::Notice, peer, &format!("is gone: {why}"));
    }
    let is_broken = ended.is_err_and(|why| why.kind() == io::ErrorKind::InvalidData);
    let is_linked = section.is_linked(peer);
    section.view(peer, |view| {
        view.errors += u64::from(is_broken);
        if !is_linked {
            view.status = "NONE";
        }
    });
}

/// Tells whoever takes this process's place all that it knows.
async fn hand_over(section: &Rc<Section>) {
    let (Some(local), Some(place)) = (section.local(), section.peer(&section.spec.local)) else {
        return;
    };
    let Some(server) = &local.server else { return };
    for _ in 0..ATTEMPTS {
        if let Some(stream) = greeted(section, local, server).await {
            let (serial, unwanted) = section.enter(place);
            let mut link = Link::new(section, place, serial, true);
            link.teach();
            if link.run(stream, &unwanted).await.is_ok() {
                return;
            }
        }
        tokio::time::sleep(ATTEMPT_AFTER).await;
    }
}

/// 50 to 2050 milliseconds: two peers shall not seek each other at the same moments for ever.
fn some_time() -> Duration {
    Duration::from_millis(50 + RandomState::new().hash_one(0) % 2000)
}
