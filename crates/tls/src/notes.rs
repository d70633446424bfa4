//! What a handshake tells on its way and not at its end: noted by what rustls calls back, for whoever drives it.
//!
//! rustls calls back while it is given bytes, on the thread that gives them. So the notes are the thread's, and belong to
//! the connection whose bytes were given between [`noting`]'s begin and end.

use std::cell::RefCell;
use std::sync::Arc;

use rustls::KeyLog;

use crate::identity::Identity;

/// How the verification of a peer's certificate ended, where it found something wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The number that OpenSSL has for it.
    pub error: u32,
    /// How far from the peer's own certificate.
    pub depth: u32,
    /// Whether it was to be ignored.
    pub ignored: bool,
}

/// A secret of a connection, by the name that it has in key logs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    /// Its label.
    pub label: String,
    /// It.
    pub bytes: Vec<u8>,
}

/// What was noted.
#[derive(Debug, Default)]
pub struct Notes {
    /// What was wrong with the peer's certificate.
    pub verdict: Option<Verdict>,
    /// Secrets, if they are logged.
    pub secrets: Vec<Secret>,
    /// The identity that was shown.
    pub identity: Option<Arc<Identity>>,
    /// Sessions that were looked for among those that are kept.
    pub lookups: u64,
    /// Those that weren't there.
    pub misses: u64,
}

thread_local! {
    static NOTES: RefCell<Notes> = RefCell::default();
}

/// Does something, and adds what is noted meanwhile to `notes`.
pub fn noting<T>(notes: &mut Notes, work: impl FnOnce() -> T) -> T {
    NOTES.with_borrow_mut(|current| std::mem::swap(current, notes));
    let result = work();
    NOTES.with_borrow_mut(|current| std::mem::swap(current, notes));
    result
}

pub(crate) fn verdict(verdict: Verdict) {
    NOTES.with_borrow_mut(|notes| notes.verdict = Some(verdict));
}

pub(crate) fn identity(identity: &Arc<Identity>) {
    NOTES.with_borrow_mut(|notes| notes.identity = Some(identity.clone()));
}

/// Notes that a session was looked for.
pub(crate) fn lookup(found: bool) {
    NOTES.with_borrow_mut(|notes| {
        notes.lookups += 1;
        notes.misses += u64::from(!found);
    });
}

/// Notes secrets.
#[derive(Debug)]
pub(crate) struct Secrets;

impl KeyLog for Secrets {
    fn log(&self, label: &str, _client_random: &[u8], secret: &[u8]) {
        let secret = Secret {
            label: label.to_owned(),
            bytes: secret.to_vec(),
        };
        NOTES.with_borrow_mut(|notes| notes.secrets.push(secret));
    }
}
