//! Bytes that pass from one socket to another within the kernel (splice(2)), by way of a pipe: they are neither copied nor seen.
//!
//! It is for what is long and what nobody looks at: the bodies of messages of HTTP/1 whose length is known, and relays of TCP,
//! between sockets without TLS. A pipe is two descriptors: each thread keeps a few that are empty, there are no more than
//! `maxpipes` of them, and who gets none copies as ever.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::pipe::{PipeFlags, SpliceFlags, fcntl_setpipe_size, pipe_with, splice};

use crate::spec::SpliceSpec;

/// What is shorter than this is sooner copied: it costs two system calls either way.
pub(crate) const WORTH_BYTES: u64 = 32 * 1024;

/// More is not taken at once, so that what a slow receiver holds up in the kernel is bounded.
const AT_ONCE_BYTES: usize = 256 * 1024;

/// Empty pipes that a thread keeps.
const SPARE_MAX: usize = 16;

/// The pipes of the process.
pub(crate) struct Pipes {
    spec: SpliceSpec,
    made: AtomicUsize,
    spare: AtomicUsize,
}

impl Pipes {
    pub(crate) fn new(spec: SpliceSpec) -> Self {
        Pipes {
            spec,
            made: AtomicUsize::new(0),
            spare: AtomicUsize::new(0),
        }
    }

    /// How many there may be.
    pub(crate) fn most(&self) -> usize {
        self.spec.pipes_max
    }

    /// How many have something in them, or may at once.
    pub(crate) fn used(&self) -> usize {
        self.made.load(Ordering::Relaxed).saturating_sub(self.spare())
    }

    /// How many are empty and wait.
    pub(crate) fn spare(&self) -> usize {
        self.spare.load(Ordering::Relaxed)
    }

    fn make(self: &Arc<Self>) -> Option<Ends> {
        let one_more = |made| (made < self.spec.pipes_max).then_some(made + 1);
        let counted = self
            .made
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        counted.ok()?;
        let ends = || {
            let (out, into) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
            if let Some(bytes) = self.spec.pipe_bytes {
                // One of another size does as well.
                let _ = fcntl_setpipe_size(&into, bytes);
            }
            Some((into, out))
        };
        match ends() {
            Some((into, out)) => Some(Ends {
                into,
                out,
                pipes: self.clone(),
            }),
            None => {
                self.made.fetch_sub(1, Ordering::Relaxed);
                None
            }
        }
    }
}

/// Both ends of a pipe.
struct Ends {
    into: OwnedFd,
    out: OwnedFd,
    pipes: Arc<Pipes>,
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.pipes.made.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What a thread has of pipes.
struct Own {
    pipes: Arc<Pipes>,
    spare: Vec<Ends>,
    /// So many of them nobody has needed since they were last looked through.
    unneeded: usize,
}

impl Own {
    fn take(&mut self) -> Option<Ends> {
        let ends = self.spare.pop()?;
        self.pipes.spare.fetch_sub(1, Ordering::Relaxed);
        self.unneeded = self.unneeded.min(self.spare.len());
        Some(ends)
    }

    fn keep(&mut self, ends: Ends) {
        if self.spare.len() < SPARE_MAX {
            self.spare.push(ends);
            self.pipes.spare.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn close(&mut self, count: usize) {
        self.pipes.spare.fetch_sub(count, Ordering::Relaxed);
        self.spare.drain(..count);
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.close(self.spare.len());
    }
}

thread_local! {
    static OWN: RefCell<Option<Own>> = const { RefCell::new(None) };
}

/// Lets this thread splice. One that was never told so copies.
pub(crate) fn begin(pipes: &Arc<Pipes>) {
    let own = Own {
        pipes: pipes.clone(),
        spare: Vec::new(),
        unneeded: 0,
    };
    OWN.set(Some(own));
}

/// Whether the system doesn't do it, for these sockets or at all, rather than that something is wrong with them.
pub(crate) fn is_refused(why: &io::Error) -> bool {
    use io::ErrorKind::{InvalidInput, PermissionDenied, Unsupported};
    matches!(why.kind(), InvalidInput | PermissionDenied | Unsupported)
}

/// This thread copies from now on.
pub(crate) fn give_up() {
    OWN.set(None);
}

/// Closes the pipes that this thread hasn't needed since this was last called.
pub(crate) fn purge() {
    OWN.with_borrow_mut(|own| {
        let Some(own) = own else { return };
        own.close(own.unneeded.min(own.spare.len()));
        own.unneeded = own.spare.len();
    });
}

/// A pipe with what is on its way in it.
pub(crate) struct Conduit {
    /// None once it is given back.
    ends: Option<Ends>,
    held: usize,
}

impl Conduit {
    /// An empty one; none where nothing is spliced, or there are as many as there may be.
    pub(crate) fn take() -> Option<Conduit> {
        OWN.with_borrow_mut(|own| {
            let own = own.as_mut()?;
            let ends = match own.take() {
                Some(ends) => ends,
                None => own.pipes.make()?,
            };
            Some(Conduit {
                ends: Some(ends),
                held: 0,
            })
        })
    }

    /// How much is in it.
    pub(crate) fn held(&self) -> usize {
        self.held
    }

    /// Takes in what a socket has received, up to so much, once all has left that was in it before; 0 at the socket's end.
    ///
    /// # Errors
    /// As splice(2): among others the socket has nothing now.
    pub(crate) fn fill(&mut self, from: impl AsFd, most: u64) -> io::Result<usize> {
        let Some(ends) = self.ends.as_ref().filter(|_| self.held == 0) else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let most = usize::try_from(most).map_or(AT_ONCE_BYTES, |most| most.min(AT_ONCE_BYTES));
        self.held = splice(from, None, &ends.into, None, most, FLAGS)?;
        Ok(self.held)
    }

    /// Lets a socket have what it takes of it.
    ///
    /// # Errors
    /// As splice(2): among others the socket takes nothing now.
    pub(crate) fn drain(&mut self, to: impl AsFd) -> io::Result<usize> {
        let Some(ends) = &self.ends else {
            return Err(io::ErrorKind::InvalidInput.into());
        };
        let sent = splice(&ends.out, None, to, None, self.held, FLAGS)?;
        self.held = self.held.saturating_sub(sent);
        Ok(sent)
    }
}

const FLAGS: SpliceFlags = SpliceFlags::MOVE.union(SpliceFlags::NONBLOCK);

impl Drop for Conduit {
    fn drop(&mut self) {
        let Some(ends) = self.ends.take() else { return };
        // What is in it is nobody's any more, and goes with it. So does the pipe of a thread that ends.
        let _ = OWN.try_with(|own| {
            let mut own = own.try_borrow_mut().ok()?;
            if self.held == 0 {
                own.as_mut()?.keep(ends);
            }
            Some(())
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    fn pair() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let one = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let other = listener.accept().unwrap().0;
        other.set_nonblocking(true).unwrap();
        (one, other)
    }

    /// What is on its way gets here before long.
    fn fill(conduit: &mut Conduit, from: &TcpStream, most: u64) -> usize {
        loop {
            match conduit.fill(from, most) {
                Err(why) if why.kind() == io::ErrorKind::WouldBlock => {}
                filled => return filled.unwrap(),
            }
        }
    }

    fn pipes(pipes_max: usize) -> Arc<Pipes> {
        let pipes = Arc::new(Pipes::new(SpliceSpec {
            pipes_max,
            pipe_bytes: None,
        }));
        begin(&pipes);
        pipes
    }

    #[test]
    fn bytes_pass_from_socket_to_socket() {
        pipes(1);
        let ((mut sender, from), (mut receiver, to)) = (pair(), pair());
        sender.write_all(b"some bytes").unwrap();
        let mut conduit = Conduit::take().unwrap();
        assert_eq!(fill(&mut conduit, &from, 4), 4);
        assert_eq!((conduit.drain(&to).unwrap(), conduit.held()), (4, 0));
        assert_eq!(fill(&mut conduit, &from, u64::MAX), 6);
        assert!(
            conduit.fill(&from, 1).is_err(),
            "what is in it has to leave first"
        );
        assert_eq!(conduit.drain(&to).unwrap(), 6);
        let nothing = conduit.fill(&from, 1).unwrap_err();
        assert_eq!(nothing.kind(), io::ErrorKind::WouldBlock);
        drop(sender);
        assert_eq!(fill(&mut conduit, &from, 1), 0);
        drop(to);
        let mut all = String::new();
        receiver.read_to_string(&mut all).unwrap();
        assert_eq!(all, "some bytes");
    }

    #[test]
    fn there_are_no_more_than_there_may_be_and_empty_ones_are_used_again() {
        let pipes = pipes(2);
        let (one, two) = (Conduit::take().unwrap(), Conduit::take());
        assert!(two.is_some() && Conduit::take().is_none());
        assert_eq!((pipes.used(), pipes.spare()), (2, 0));
        drop((one, two));
        assert_eq!((pipes.used(), pipes.spare()), (0, 2));
        drop(Conduit::take());
        assert_eq!((pipes.used(), pipes.spare()), (0, 2));
    }

    #[test]
    fn those_that_nobody_needs_are_closed() {
        let pipes = pipes(2);
        drop((Conduit::take(), Conduit::take()));
        purge();
        assert_eq!(pipes.spare(), 2);
        drop(Conduit::take());
        purge();
        assert_eq!(pipes.spare(), 1);
        purge();
        assert_eq!((pipes.used(), pipes.spare()), (0, 0));
    }

    #[test]
    fn what_is_left_in_one_is_not_found_by_the_next() {
        let pipes = pipes(1);
        let (mut sender, from) = pair();
        sender.write_all(b"left").unwrap();
        let mut conduit = Conduit::take().unwrap();
        assert_eq!(fill(&mut conduit, &from, 100), 4);
        drop(conduit);
        assert_eq!((pipes.used(), pipes.spare()), (0, 0));
        assert_eq!(Conduit::take().unwrap().held(), 0);
    }

    #[test]
    fn where_the_system_refuses_there_are_no_more() {
        pipes(1);
        let mut conduit = Conduit::take().unwrap();
        let why = conduit.fill(std::fs::File::open("/").unwrap(), 1).unwrap_err();
        assert!(is_refused(&why), "{why}");
        assert!(!is_refused(&io::ErrorKind::ConnectionReset.into()));
        give_up();
        drop(conduit);
        assert!(Conduit::take().is_none());
    }

    #[test]
    fn who_may_have_none_gets_none() {
        pipes(0);
        assert!(Conduit::take().is_none());
    }
}
