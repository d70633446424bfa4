//! Messages that were no HTTP: the last request of each frontend and the last response of each backend, for who looks into them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use tidegate_sample::{Named, Way};

/// A message that could not be read.
#[derive(Clone, Debug)]
pub struct Violation {
    /// Whether it was a request or a response.
    pub way: Way,
    /// When it was looked at.
    pub at: SystemTime,
    /// The frontend that it came by.
    pub frontend: Named,
    /// The backend that it came from.
    pub backend: Option<Named>,
    /// The server that it came from.
    pub server: Option<Named>,
    /// The client.
    pub source: Option<SocketAddr>,
    /// What was received.
    pub bytes: Bytes,
    /// The first byte that nothing could begin with that is one.
    pub position: usize,
}

impl Violation {
    /// Whose fault it is counted as: the frontend's for a request, else the backend's.
    #[must_use]
    pub fn proxy(&self) -> &Named {
        match (&self.backend, self.way) {
            (Some(backend), Way::Response) => backend,
            _ => &self.frontend,
        }
    }
}

/// The last ones. Whatever is no violation never comes here.
#[derive(Debug, Default)]
pub(crate) struct Violations(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    total: u64,
    /// With their numbers, by the number of their proxy; responses apart.
    last: BTreeMap<(u32, bool), (u64, Arc<Violation>)>,
}

impl Violations {
    pub(crate) fn add(&self, violation: Violation) {
        let place = (violation.proxy().id, violation.way == Way::Response);
        let mut kept = self.lock();
        let number = kept.total;
        kept.total += 1;
        kept.last.insert(place, (number, Arc::new(violation)));
    }

    /// How many there were so far.
    pub(crate) fn total(&self) -> u64 {
        self.lock().total
    }

    /// The last ones with their numbers, by the numbers of their proxies, requests before responses.
    pub(crate) fn last(&self) -> Vec<(u64, Arc<Violation>)> {
        self.lock().last.values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violation(way: Way, text: &'static [u8]) -> Violation {
        let named = |name: &str, id| Named {
            name: name.into(),
            id,
        };
        Violation {
            way,
            at: SystemTime::UNIX_EPOCH,
            frontend: named("f", 2),
            backend: Some(named("b", 3)),
            server: None,
            source: None,
            bytes: Bytes::from_static(text),
            position: 0,
        }
    }

    #[test]
    fn the_last_of_each_kind_is_kept() {
        let violations = Violations::default();
        for (way, text) in [(Way::Request, b"1"), (Way::Response, b"2"), (Way::Request, b"3")] {
            violations.add(violation(way, text));
        }
        assert_eq!(violations.total(), 3);
        let kept: Vec<_> = violations
            .last()
            .iter()
            .map(|(number, one)| (*number, one.proxy().id, one.bytes.clone()))
            .collect();
        assert_eq!(kept, [(2, 2, Bytes::from("3")), (1, 3, Bytes::from("2"))]);
    }
}
