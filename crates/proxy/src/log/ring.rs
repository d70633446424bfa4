//! `ring` sections: the last lines, kept in memory.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::spec::{ServerAddress, ServerSpec};
use crate::upstream::state::ServerState;

/// What each line takes besides its bytes.
const LINE_OVERHEAD_BYTES: usize = 8;

/// What a `ring` section says.
#[derive(Debug)]
pub struct RingSpec {
    /// Its name.
    pub name: String,
    /// `description`; the name if there is none.
    pub description: Option<String>,
    /// `maxlen`: longer lines are cut off, in bytes. Their end doesn't count.
    pub line_bytes_max: usize,
    /// `size`, in bytes.
    pub bytes_max: usize,
    /// `timeout connect`.
    pub connect: Option<Duration>,
    /// `timeout server`: how long a server may take nothing.
    pub server: Option<Duration>,
    /// `server` lines, each with whether its lines have their lengths before them (`log-proto octet-count`).
    pub servers: Vec<(ServerSpec, bool)>,
}

/// A ring of lines.
pub struct Ring {
    spec: RingSpec,
    kept: Mutex<Kept>,
    came: Condvar,
    /// The server of a backend whose address its lines go to, if they do.
    leads_to: OnceLock<Arc<ServerState>>,
    /// Tells those who don't wait on a thread of their own.
    told: Notify,
}

#[derive(Default)]
struct Kept {
    lines: VecDeque<Arc<[u8]>>,
    bytes: usize,
    /// The number of the first line that is kept.
    first: u64,
    /// What each server has got, as the number of the next line for it.
    next: Vec<u64>,
    stopped: bool,
}

impl Kept {
    /// The number that the next line will have.
    fn end(&self) -> u64 {
        self.first
            .saturating_add(u64::try_from(self.lines.len()).unwrap_or(u64::MAX))
    }
}

impl fmt::Debug for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ring({})", self.spec.name)
    }
}

impl Ring {
    /// An empty ring.
    pub fn new(spec: RingSpec) -> Arc<Ring> {
        let next = vec![0; spec.servers.len()];
        Arc::new(Ring {
            spec,
            kept: Mutex::new(Kept {
                next,
                ..Kept::default()
            }),
            came: Condvar::new(),
            leads_to: OnceLock::new(),
            told: Notify::new(),
        })
    }

    /// What the section says.
    pub fn spec(&self) -> &RingSpec {
        &self.spec
    }

    /// From now on lines go to where this server is, whose address may change.
    pub(super) fn leads_to(&self, server: &Arc<ServerState>) {
        let _ = self.leads_to.set(server.clone());
    }

    /// Where a server of it is.
    pub(super) fn address(&self, server: &ServerSpec) -> ServerAddress {
        self.leads_to
            .get()
            .map_or_else(|| server.address.clone(), |state| state.address())
    }

    /// The lines that are kept, the oldest first.
    pub fn lines(&self) -> Vec<Arc<[u8]>> {
        self.lock().lines.iter().cloned().collect()
    }

    /// The number that the next line will have.
    pub fn end(&self) -> u64 {
        self.lock().end()
    }

    /// The lines that are kept from this number on, and the number that the next one will have.
    pub fn since(&self, number: u64) -> (Vec<Arc<[u8]>>, u64) {
        let kept = self.lock();
        let gone = usize::try_from(number.saturating_sub(kept.first)).unwrap_or(usize::MAX);
        (kept.lines.iter().skip(gone).cloned().collect(), kept.end())
    }

    /// Waits until there is a line of this number.
    pub async fn beyond(&self, number: u64) {
        loop {
            // It hears of a line that comes between the look and the wait.
            let told = self.told.notified();
            if self.end() > number {
                return;
            }
            told.await;
        }
    }

    /// Keeps a line; the oldest make room for it. False if that is impossible, since a server is still to get them.
    pub(crate) fn push(&self, line: &[u8]) -> bool {
        let line: Arc<[u8]> = match line.get(..self.spec.line_bytes_max) {
            // Cut off, but still a line.
            Some(short) if short.len() + 1 < line.len() => [short, b"\n"].concat().into(),
            _ => line.into(),
        };
        let size = line.len() + LINE_OVERHEAD_BYTES;
        if size > self.spec.bytes_max {
            return false;
        }
        let mut kept = self.lock();
        while kept.bytes + size > self.spec.bytes_max {
            let first = kept.first;
            if kept.next.iter().any(|next| *next <= first) {
                return false;
            }
            let Some(oldest) = kept.lines.pop_front() else {
                break;
            };
            kept.bytes -= oldest.len() + LINE_OVERHEAD_BYTES;
            kept.first += 1;
        }
        kept.bytes += size;
        kept.lines.push_back(line);
        drop(kept);
        if !self.spec.servers.is_empty() {
            self.came.notify_all();
        }
        self.told.notify_waiters();
        true
    }

    /// Waits for the next line for a server; none if nothing is to be waited for any more.
    pub(super) fn next(&self, server: usize) -> Option<Arc<[u8]>> {
        let mut kept = self.lock();
        loop {
            let next = kept.next.get(server).copied()?;
            let place = usize::try_from(next.saturating_sub(kept.first)).ok()?;
            if let Some(line) = kept.lines.get(place) {
                return Some(line.clone());
            }
            if kept.stopped {
                return None;
            }
            kept = self.came.wait(kept).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The server has got the line that [`next`](Ring::next) gave.
    pub(super) fn delivered(&self, server: usize) {
        if let Some(next) = self.lock().next.get_mut(server) {
            *next += 1;
        }
    }

    /// Waits a while; not any longer once the ring has stopped. True if it has.
    pub(super) fn pause(&self, time: Duration) -> bool {
        let kept = self.lock();
        let waited = self
            .came
            .wait_timeout_while(kept, time, |kept| !kept.stopped)
            .unwrap_or_else(PoisonError::into_inner);
        waited.0.stopped
    }

    /// No more lines will come.
    pub(super) fn stop(&self) {
        self.lock().stopped = true;
        self.came.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Nothing panics while it holds the lock.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(bytes_max: usize, servers: usize) -> Arc<Ring> {
        let server = ServerSpec::tcp("s", "127.0.0.1:1".parse().unwrap());
        Ring::new(RingSpec {
            name: "r".into(),
            description: None,
            line_bytes_max: 5,
            bytes_max,
            connect: None,
            server: None,
            servers: (0..servers).map(|_| (server.clone(), false)).collect(),
        })
    }

    fn lines(ring: &Ring) -> Vec<String> {
        let text = |line: &Arc<[u8]>| String::from_utf8(line.to_vec()).unwrap();
        ring.lines().iter().map(text).collect()
    }

    #[test]
    fn the_oldest_lines_make_room() {
        let ring = ring(24, 0);
        for text in ["a\n", "b\n", "long line\n"] {
            assert!(ring.push(text.as_bytes()));
        }
        assert_eq!(lines(&ring), ["b\n", "long \n"]);
        assert!(ring.push(b"d\n"));
        assert_eq!(lines(&ring), ["long \n", "d\n"]);
    }

    #[test]
    fn what_a_server_has_not_got_stays() {
        let ring = ring(24, 1);
        assert!(ring.push(b"a\n") && ring.push(b"b\n"));
        assert!(!ring.push(b"c\n"));
        assert_eq!(&*ring.next(0).unwrap(), b"a\n");
        assert_eq!(&*ring.next(0).unwrap(), b"a\n");
        ring.delivered(0);
        assert!(ring.push(b"c\n"));
        for want in [b"b\n", b"c\n"] {
            assert_eq!(&*ring.next(0).unwrap(), want);
            ring.delivered(0);
        }
        ring.stop();
        assert!(ring.next(0).is_none());
        assert!(ring.pause(Duration::from_secs(60)));
    }

    #[test]
    fn lines_have_numbers_that_stay_theirs() {
        let ring = ring(24, 0);
        assert_eq!((ring.end(), ring.since(0).0.len()), (0, 0));
        for text in ["a\n", "b\n", "c\n"] {
            assert!(ring.push(text.as_bytes()));
        }
        let texts = |from| {
            ring.since(from)
                .0
                .iter()
                .map(|line| line.to_vec())
                .collect::<Vec<_>>()
        };
        assert_eq!(texts(0), [b"b\n", b"c\n"], "the first is gone");
        assert_eq!(texts(2), [b"c\n"]);
        assert_eq!((texts(3).len(), ring.end()), (0, 3));
    }

    #[test]
    fn whoever_waits_for_a_line_hears_of_it() {
        use std::task::{Context, Poll, Waker};
        let ring = ring(24, 0);
        let mut waits = std::pin::pin!(ring.beyond(0));
        let mut cx = Context::from_waker(Waker::noop());
        assert_eq!(waits.as_mut().poll(&mut cx), Poll::Pending);
        assert!(ring.push(b"a\n"));
        assert_eq!(waits.as_mut().poll(&mut cx), Poll::Ready(()));
    }
}
