//! Where the sockets of connections wait of which nothing was asked for a while.
//!
//! The runtime keeps 256 bytes for each socket that it watches. Those here are watched by one descriptor of epoll(7), which the
//! runtime watches in turn, and take 24. To come and to leave takes two system calls each, so that it is not for those who ask
//! again at once.

use std::cell::{OnceCell, RefCell};
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use slab::Slab;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::net::TcpStream;

/// Sockets that are looked for at a time.
const EVENTS: usize = 64;

/// The lot of a worker.
#[derive(Default)]
pub(crate) struct Lot(OnceCell<Option<Rc<Watch>>>);

impl Lot {
    /// Opens it, while there are descriptors. What can't be opened has no room.
    pub(crate) fn open(&self) {
        self.0.get_or_init(|| Watch::open().ok());
    }

    /// Parks a socket. It comes back as it is if there is no room for it; an error means that it is gone.
    pub(crate) fn park(&self, socket: TcpStream) -> io::Result<Result<Parked, TcpStream>> {
        let Some(Some(watch)) = self.0.get() else {
            return Ok(Err(socket));
        };
        let socket = socket.into_std()?;
        let place = watch.places.borrow_mut().insert(Place::default());
        let data = epoll::EventData::new_u64(place as u64);
        let flags = epoll::EventFlags::IN | epoll::EventFlags::RDHUP | epoll::EventFlags::ONESHOT;
        let inside = u32::try_from(place).ok();
        let inside = inside.filter(|_| epoll::add(&watch.epoll, &socket, data, flags).is_ok());
        match inside {
            Some(place) => Ok(Ok(Parked(Some(Inside {
                socket,
                place,
                watch: watch.clone(),
            })))),
            None => {
                watch.places.borrow_mut().try_remove(place);
                TcpStream::from_std(socket).map(Err)
            }
        }
    }
}

/// A socket in the lot, until it leaves.
pub(crate) struct Parked(Option<Inside>);

struct Inside {
    socket: std::net::TcpStream,
    place: u32,
    watch: Rc<Watch>,
}

impl Parked {
    /// One that has left.
    pub(crate) fn gone() -> Parked {
        Parked(None)
    }

    /// Ready when there is something to read, or the other side has ended or broken the connection.
    pub(crate) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(Inside { place, watch, .. }) = &self.0 else {
            return Poll::Ready(());
        };
        match watch.places.borrow_mut().get_mut(*place as usize) {
            Some(Place::Waiting(waker)) => {
                if waker.as_ref().is_none_or(|known| !known.will_wake(cx.waker())) {
                    *waker = Some(cx.waker().clone());
                }
                Poll::Pending
            }
            Some(Place::Ready) | None => Poll::Ready(()),
        }
    }

    /// Takes the socket out again.
    ///
    /// # Errors
    /// The runtime doesn't take it back; it is closed then.
    pub(crate) fn leave(&mut self) -> io::Result<TcpStream> {
        match self.take() {
            Some(socket) => TcpStream::from_std(socket),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn take(&mut self) -> Option<std::net::TcpStream> {
        let Inside { socket, place, watch } = self.0.take()?;
        // It is forgotten at its close in any case.
        let _ = epoll::delete(&watch.epoll, &socket);
        watch.places.borrow_mut().try_remove(place as usize);
        Some(socket)
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        self.take();
    }
}

/// What is known of a socket.
enum Place {
    Waiting(Option<Waker>),
    Ready,
}

impl Default for Place {
    fn default() -> Self {
        Place::Waiting(None)
    }
}

/// The descriptor, and whom its events are for.
struct Watch {
    epoll: Rc<OwnedFd>,
    places: RefCell<Slab<Place>>,
}

impl Watch {
    fn open() -> io::Result<Rc<Watch>> {
        let epoll = Rc::new(epoll::create(epoll::CreateFlags::CLOEXEC)?);
        #[expect(
            deprecated,
            reason = "the new way is unsafe; what it asks for, that the descriptor lives as long, holds"
        )]
        let watched = AsyncFd::with_interest(epoll.clone(), Interest::READABLE)?;
        let watch = Rc::new(Watch {
            epoll,
            places: RefCell::default(),
        });
        tokio::task::spawn_local(watch.clone().drive(watched));
        Ok(watch)
    }

    /// Wakes whose sockets have something, as long as the worker lives.
    async fn drive(self: Rc<Self>, watched: AsyncFd<Rc<OwnedFd>>) {
        let mut events = Vec::with_capacity(EVENTS);
        while let Ok(mut guard) = watched.readable().await {
            if self.wake(&mut events) < EVENTS {
                guard.clear_ready();
            }
        }
    }

    /// Wakes some, and says how many.
    fn wake(&self, events: &mut Vec<epoll::Event>) -> usize {
        events.clear();
        let now = Timespec::default();
        // It is not to be interrupted, since it doesn't wait; and nothing is lost if it fails.
        let count = epoll::wait(&self.epoll, spare_capacity(events), Some(&now)).unwrap_or(0);
        for event in events.drain(..) {
            let place = event.data.u64() as usize;
            let place = self
                .places
                .borrow_mut()
                .get_mut(place)
                .map(|place| std::mem::replace(place, Place::Ready));
            if let Some(Place::Waiting(Some(waker))) = place {
                waker.wake();
            }
        }
        count
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn pair() -> io::Result<(TcpStream, TcpStream)> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let client = TcpStream::connect(listener.local_addr()?).await?;
        Ok((client, listener.accept().await?.0))
    }

    fn run(test: impl Future<Output = io::Result<()>>) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(Default::default());
        runtime.unwrap().block_on(test).unwrap();
    }

    #[test]
    fn whoever_has_something_to_read_is_woken_and_leaves() {
        run(async {
            let lot = Lot::default();
            lot.open();
            let mut parked = Vec::new();
            // More than are looked for at a time.
            for _ in 0..EVENTS + 10 {
                let (client, server) = pair().await?;
                parked.push((client, lot.park(server)?.ok().unwrap()));
            }
            let waits = |parked: &Parked| {
                parked
                    .poll_ready(&mut Context::from_waker(Waker::noop()))
                    .is_pending()
            };
            tokio::task::yield_now().await;
            assert!(parked.iter().all(|(_, parked)| waits(parked)));
            for (client, _) in &mut parked {
                client.write_all(b"x").await?;
            }
            for (_client, mut parked) in parked {
                poll_fn(|cx| parked.poll_ready(cx)).await;
                let mut byte = [0];
                parked.leave()?.read_exact(&mut byte).await?;
                assert_eq!(&byte, b"x");
            }
            Ok(())
        });
    }

    #[test]
    fn the_end_of_a_connection_wakes_too() {
        run(async {
            let lot = Lot::default();
            lot.open();
            let (client, server) = pair().await?;
            let mut parked = lot.park(server)?.ok().unwrap();
            drop(client);
            poll_fn(|cx| parked.poll_ready(cx)).await;
            assert_eq!(parked.leave()?.read(&mut [0]).await?, 0);
            Ok(())
        });
    }

    #[test]
    fn places_are_given_back() {
        run(async {
            let lot = Lot::default();
            lot.open();
            for _ in 0..3 {
                let (mut client, server) = pair().await?;
                let parked = lot.park(server)?.ok().unwrap();
                assert_eq!(parked.0.as_ref().unwrap().place, 0);
                drop(parked);
                assert_eq!(client.read(&mut [0]).await?, 0);
            }
            Ok(())
        });
    }
}
