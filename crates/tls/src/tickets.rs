//! Tickets, by which sessions go on that nobody here remembers.
//!
//! Keys are looked up without a lock, since every handshake does that. They come from a file that several processes
//! share, or are made here and take turns.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use rustls::server::ProducesTickets;

/// How many keys of a file count: the last ones.
const KEYS: usize = 3;

/// The bytes that name a key in front of its tickets.
const NAME_BYTES: usize = 16;

/// How long a key that was made here encrypts. Tickets of the one before are still taken.
const TURN: Duration = Duration::from_secs(6 * 3600);

/// One key.
struct Key {
    name: [u8; NAME_BYTES],
    cipher: LessSafeKey,
    /// As it was in its file; empty for one that was made here.
    written: Vec<u8>,
}

impl Key {
    fn of(name: &[u8], secret: &[u8], written: &[u8]) -> Option<Key> {
        let key = digest(&SHA256, secret);
        Some(Key {
            name: name.try_into().ok()?,
            cipher: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, key.as_ref()).ok()?),
            written: written.to_vec(),
        })
    }

    /// One of 48 or 80 bytes: the name, and secrets.
    fn written(bytes: &[u8]) -> Option<Key> {
        let (name, secret) = bytes.split_at_checked(NAME_BYTES)?;
        Key::of(name, secret, bytes)
    }

    fn random() -> Option<Key> {
        let mut bytes = [0; NAME_BYTES + 32];
        SystemRandom::new().fill(&mut bytes).ok()?;
        let (name, secret) = bytes.split_at_checked(NAME_BYTES)?;
        Key::of(name, secret, &[])
    }
}

/// The keys of some moment.
struct Keys {
    /// The first encrypts.
    all: Vec<Arc<Key>>,
    /// When another one has to; never, for those of a file.
    until: Option<Instant>,
}

/// What tickets are encrypted with.
pub struct TicketKeys {
    /// The file that the keys are from.
    pub name: Option<String>,
    keys: ArcSwap<Keys>,
    lifetime: Duration,
}

impl fmt::Debug for TicketKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketKeys")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

impl TicketKeys {
    /// Keys that are made here and take turns.
    ///
    /// # Errors
    /// The system has no random bytes.
    pub fn random(now: Instant) -> Result<TicketKeys, String> {
        let key = Key::random().ok_or("the system has no random bytes")?;
        Ok(TicketKeys {
            name: None,
            keys: ArcSwap::from_pointee(Keys {
                all: vec![Arc::new(key)],
                until: Some(now + TURN),
            }),
            lifetime: 2 * TURN,
        })
    }

    /// Those of a file: 48 or 80 bytes in base64 on each line. The last three count, and the last but one encrypts.
    ///
    /// # Errors
    /// What is wrong with the text, without the file's name.
    pub fn read(name: &str, text: &[u8]) -> Result<TicketKeys, String> {
        let mut keys: Vec<Vec<u8>> = Vec::new();
        for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            let fault = |why: &str| format!("line {}: {why}", at + 1);
            let key = base64(line).filter(|key| is_key(key));
            let key = key.ok_or_else(|| fault("a key has 48 or 80 bytes in base64"))?;
            if keys.first().is_some_and(|first| first.len() != key.len()) {
                return Err(fault("this key is not as long as the one above"));
            }
            keys.push(key);
        }
        if keys.len() < KEYS {
            return Err(format!("{KEYS} keys are needed, and there are {}", keys.len()));
        }
        let last = keys.split_off(keys.len() - KEYS);
        let made: Option<Vec<Arc<Key>>> = last.iter().map(|key| Key::written(key).map(Arc::new)).collect();
        Ok(TicketKeys {
            name: Some(name.to_owned()),
            keys: ArcSwap::from_pointee(Keys {
                all: ordered(made.ok_or("a key can't be used")?),
                until: None,
            }),
            lifetime: 2 * TURN,
        })
    }

    /// The keys as they were written, the oldest first.
    pub fn written(&self) -> Vec<Vec<u8>> {
        let keys = self.keys.load();
        let mut written: Vec<Vec<u8>> = keys.all.iter().map(|key| key.written.clone()).collect();
        // The one that encrypts is the last but one.
        if written.len() > 1 {
            let current = written.remove(0);
            let at = written.len() - 1;
            written.insert(at, current);
        }
        written
    }

    /// Adds a key behind the others; the oldest goes, and the one that was last encrypts.
    ///
    /// # Errors
    /// It is no key, or not as long as the others.
    pub fn push(&self, key: &[u8]) -> Result<(), String> {
        let mut written = self.written();
        if !is_key(key) || written.first().is_some_and(|first| first.len() != key.len()) {
            return Err("a key has as many bytes as those that are there, in base64".to_owned());
        }
        written.push(key.to_vec());
        let last = written.split_off(written.len().saturating_sub(KEYS));
        let made: Option<Vec<Arc<Key>>> = last.iter().map(|key| Key::written(key).map(Arc::new)).collect();
        let all = ordered(made.ok_or("the key can't be used")?);
        self.keys.store(Arc::new(Keys { all, until: None }));
        Ok(())
    }

    /// Lets another key encrypt when that is due. Whoever comes first does it.
    fn turn(&self, now: Instant) {
        let current = self.keys.load();
        if current.until.is_none_or(|until| now < until) {
            return;
        }
        let Some(key) = Key::random() else { return };
        let all = std::iter::once(Arc::new(key)).chain(current.all.iter().take(1).cloned());
        let next = Keys {
            all: all.collect(),
            until: Some(now + TURN),
        };
        self.keys.compare_and_swap(&current, Arc::new(next));
    }
}

fn is_key(bytes: &[u8]) -> bool {
    matches!(bytes.len(), 48 | 80)
}

/// From the order of the file to that of looking up: the last but one first.
fn ordered(mut keys: Vec<Arc<Key>>) -> Vec<Arc<Key>> {
    if keys.len() > 1 {
        let current = keys.remove(keys.len() - 2);
        keys.insert(0, current);
    }
    keys
}

fn base64(text: &[u8]) -> Option<Vec<u8>> {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(text).ok()
}

impl ProducesTickets for TicketKeys {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        u32::try_from(self.lifetime.as_secs()).unwrap_or(u32::MAX)
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.turn(Instant::now());
        let keys = self.keys.load();
        let key = keys.all.first()?;
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut ticket = Vec::with_capacity(NAME_BYTES + NONCE_LEN + plain.len() + AES_256_GCM.tag_len());
        ticket.extend(key.name);
        ticket.extend(nonce);
        let mut sealed = plain.to_vec();
        let aad = Aad::from(key.name);
        key.cipher
            .seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), aad, &mut sealed)
            .ok()?;
        ticket.append(&mut sealed);
        Some(ticket)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_at_checked(NAME_BYTES)?;
        let (nonce, sealed) = rest.split_at_checked(NONCE_LEN)?;
        let keys = self.keys.load();
        let key = keys.all.iter().find(|key| key.name == name)?;
        let mut sealed = sealed.to_vec();
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let plain = key
            .cipher
            .open_in_place(nonce, Aad::from(key.name), &mut sealed)
            .ok()?;
        Some(plain.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::base64::Engine;
    use ::base64::engine::general_purpose::STANDARD;

    fn file(keys: &[u8]) -> String {
        keys.iter()
            .map(|key| STANDARD.encode([*key; 48]) + "\n")
            .collect()
    }

    #[test]
    fn processes_with_one_file_take_each_others_tickets() {
        let one = TicketKeys::read("keys", file(&[1, 2, 3]).as_bytes()).unwrap();
        let other = TicketKeys::read("keys", file(&[1, 2, 3]).as_bytes()).unwrap();
        let stranger = TicketKeys::read("keys", file(&[4, 5, 6]).as_bytes()).unwrap();
        let ticket = one.encrypt(b"session").unwrap();
        assert_eq!(other.decrypt(&ticket).as_deref(), Some(&b"session"[..]));
        assert_eq!(stranger.decrypt(&ticket), None);
        let mut broken = ticket.clone();
        *broken.last_mut().unwrap() ^= 1;
        assert_eq!(other.decrypt(&broken), None);
        // Another file later: the key that encrypted then is still known.
        let later = TicketKeys::read("keys", file(&[1, 2, 3, 7]).as_bytes()).unwrap();
        assert!(later.decrypt(&ticket).is_some());
        assert!(ticket.starts_with(&[2; 16]), "the last but one encrypts");
        assert!(later.encrypt(b"").unwrap().starts_with(&[3; 16]));
    }

    #[test]
    fn a_key_that_is_added_lets_the_last_one_encrypt() {
        let keys = TicketKeys::read("keys", file(&[1, 2, 3]).as_bytes()).unwrap();
        let ticket = keys.encrypt(b"x").unwrap();
        keys.push(&[4; 48]).unwrap();
        assert_eq!(keys.written(), [[2; 48], [3; 48], [4; 48]]);
        assert!(keys.encrypt(b"x").unwrap().starts_with(&[3; 16]));
        assert!(keys.decrypt(&ticket).is_some());
        keys.push(&[5; 48]).unwrap();
        assert!(keys.decrypt(&ticket).is_none(), "the oldest is gone");
        assert!(keys.push(&[6; 80]).is_err());
    }

    #[test]
    fn keys_that_are_made_here_take_turns() {
        let start = Instant::now();
        let keys = TicketKeys::random(start).unwrap();
        let ticket = keys.encrypt(b"x").unwrap();
        keys.turn(start + TURN);
        assert!(keys.decrypt(&ticket).is_some());
        assert_ne!(keys.encrypt(b"x").unwrap()[..16], ticket[..16]);
        keys.turn(start + 2 * TURN);
        assert!(keys.decrypt(&ticket).is_none());
    }

    #[test]
    fn what_is_no_file_of_keys_is_told() {
        let fault = |text: &str| TicketKeys::read("keys", text.as_bytes()).unwrap_err();
        assert!(fault(&file(&[1, 2])).contains("3 keys are needed"));
        assert!(fault("nonsense\n").contains("line 1"));
        let mixed = file(&[1, 2]) + &STANDARD.encode([3; 80]);
        assert!(fault(&mixed).contains("line 3: this key is not as long"));
    }
}
