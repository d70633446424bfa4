//! Names of servers as peers tell them: once in full with a number, and by that number from then on.

use std::collections::HashMap;
use std::io::Result;

use tidegate_sample::Data;

use super::codec::{Reader, broken, put, put_bytes};

/// Names that have numbers at a time, as in HAProxy.
const NAMES_MAX: usize = 128;

/// The names that a peer told.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<u64, Data>);

impl Names {
    /// The name that some bytes tell; none if they tell that there is none.
    ///
    /// # Errors
    /// They are cut off, or the number stands for no name.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<Option<Data>> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let mut bytes = Reader(bytes);
        let number = bytes.number()?;
        if bytes.is_empty() {
            let known = self.0.get(&number).cloned();
            return known
                .map(Some)
                .ok_or_else(|| broken("a server by an unknown number"));
        }
        if self.0.len() >= NAMES_MAX && !self.0.contains_key(&number) {
            return Err(broken("more names of servers than there may be"));
        }
        let name = Data::copy(bytes.counted()?);
        self.0.insert(number, name.clone());
        Ok(Some(name))
    }
}

/// The names that a peer was told.
#[derive(Debug, Default)]
pub(super) struct Sent {
    numbers: HashMap<Vec<u8>, u64>,
    /// By their numbers, from 1.
    names: Vec<Vec<u8>>,
    /// Whose number is given to the next name once there are no more.
    next: usize,
}

impl Sent {
    /// The bytes that tell a name.
    pub(super) fn write(&mut self, name: Option<&[u8]>) -> Vec<u8> {
        let mut bytes = Vec::new();
        let Some(name) = name else { return bytes };
        if let Some(number) = self.numbers.get(name) {
            put(&mut bytes, *number);
            return bytes;
        }
        let place = self.next;
        self.next = (self.next + 1) % NAMES_MAX;
        match self.names.get_mut(place) {
            Some(old) => {
                self.numbers.remove(old);
                name.clone_into(old);
            }
            None => self.names.push(name.to_owned()),
        }
        let number = place as u64 + 1;
        self.numbers.insert(name.to_owned(), number);
        put(&mut bytes, number);
        put_bytes(&mut bytes, name);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_told_once() {
        let (mut sent, mut names) = (Sent::default(), Names::default());
        let told = sent.write(Some(b"s1"));
        assert_eq!(told, [1, 2, b's', b'1']);
        assert_eq!(names.read(&told).unwrap().as_deref(), Some(&b"s1"[..]));
        let again = sent.write(Some(b"s1"));
        assert_eq!(again, [1]);
        assert_eq!(names.read(&again).unwrap().as_deref(), Some(&b"s1"[..]));
        assert_eq!(names.read(&sent.write(None)).unwrap(), None);
        assert!(names.read(&[9]).is_err());
    }

    #[test]
    fn numbers_are_given_again() {
        let (mut sent, mut names) = (Sent::default(), Names::default());
        for number in 0..300 {
            let name = format!("s{number}").into_bytes();
            let told = sent.write(Some(&name));
            assert_eq!(names.read(&told).unwrap().as_deref(), Some(&*name));
        }
        // The first has long been told anew.
        assert!(sent.write(Some(b"s0")).len() > 1);
        assert_eq!(sent.write(Some(b"s299")).len(), 1);
    }
}
