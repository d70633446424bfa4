//! The stream between a master and a process that serves. The master begins with the listening sockets of the process before. The
//! process says what it finds while it starts, hands over copies of its own sockets, and says that it serves; from then on the
//! master hands over connections to its runtime API. Its end tells the process that the master is gone.

use std::io::{self, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use tidegate_proxy::Shutdown;
use tokio::io::Interest;
use tokio::net::UnixStream as AsyncStream;
use tokio::sync::mpsc::UnboundedSender;

use crate::runtime::{Entrance, Visitor};

/// What a process says once it serves; no text has it.
pub(super) const SERVES: u8 = 0;

/// What comes with some of the listening sockets of a process that starts; no text has it either.
const SOCKETS: u8 = 1;

/// As many descriptors may come at once. (The system's limit is a few more.)
const AT_ONCE: usize = 250;

/// Whether this process serves, and has told its master so.
static SERVING: AtomicBool = AtomicBool::new(false);

/// In a process that a master has started: tells it what is found on the way to serving.
pub(crate) fn say(text: impl FnOnce() -> String) {
    if super::is_worker() && !SERVING.load(Ordering::Relaxed) {
        let text = text().replace([char::from(SERVES), char::from(SOCKETS)], " ");
        // Without a master there is nobody to be told.
        let _ = rustix::io::write(
            rustix::stdio::stdin(),
            format!("{}\n", text.trim_end()).as_bytes(),
        );
    }
}

/// In a process that a master has started: the listening sockets of the process before. To be called once, before
/// [`ready`].
///
/// # Errors
/// If the system refuses, or the master is gone.
pub(crate) fn handed_over() -> io::Result<Vec<OwnedFd>> {
    let master = UnixStream::from(rustix::io::dup(rustix::stdio::stdin())?);
    let mut sockets = Vec::new();
    loop {
        let (count, descriptors) = receive(&master)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        sockets.extend(descriptors);
        if usize::from(count) < AT_ONCE {
            return Ok(sockets);
        }
    }
}

/// In a master: begins with these sockets.
///
/// # Errors
/// The process has ended.
pub(super) async fn begin(link: &AsyncStream, sockets: &[OwnedFd]) -> io::Result<()> {
    let (whole, last) = sockets.as_chunks::<AT_ONCE>();
    let whole = whole.iter().map(<[OwnedFd; AT_ONCE]>::as_slice);
    for some in whole.chain([last]) {
        let count = u8::try_from(some.len()).unwrap_or_default();
        let sent = || send(link, count, some, SendFlags::DONTWAIT);
        link.async_io(Interest::WRITABLE, sent).await?;
    }
    Ok(())
}

/// In a process that serves: all is ready, says so to the master and gives it copies of the listening sockets, takes
/// connections from it, and ends at once should the master be gone.
///
/// # Errors
/// If the system refuses.
pub(crate) fn ready(
    shutdown: Shutdown,
    sockets: &[OwnedFd],
    visitors: UnboundedSender<Visitor>,
) -> io::Result<()> {
    let mut master = UnixStream::from(rustix::io::dup(rustix::stdio::stdin())?);
    let nothing = std::fs::File::open("/dev/null");
    SERVING.store(true, Ordering::Relaxed);
    for some in sockets.chunks(AT_ONCE) {
        send(&master, SOCKETS, some, SendFlags::empty())?;
    }
    master.write_all(&[SERVES])?;
    // (There may be no such file where the process is confined to.)
    if let Ok(nothing) = nothing {
        rustix::stdio::dup2_stdin(&nothing)?;
    }
    std::thread::Builder::new().name("master".into()).spawn(move || {
        while let Ok(Some((byte, descriptors))) = receive(&master) {
            let visitor = descriptors.into_iter().next().map(|fd| Visitor {
                stream: UnixStream::from(fd),
                entrance: Entrance::of_byte(byte),
            });
            // Whoever is not served sees the end of the connection.
            visitor.map(|visitor| visitors.send(visitor));
        }
        shutdown.hard();
    })?;
    Ok(())
}

/// What a process has said on its way to serving.
pub(super) struct Said {
    pub(super) text: Vec<u8>,
    pub(super) sockets: Vec<OwnedFd>,
    pub(super) serves: bool,
}

/// In a master: the next of what a process says; none at the stream's end.
///
/// # Errors
/// If the system refuses.
pub(super) async fn listen(link: &AsyncStream) -> io::Result<Option<Said>> {
    let mut piece = [0; 4096];
    let received = link
        .async_io(Interest::READABLE, || receive_into(link, &mut piece))
        .await?;
    let Some((length, sockets)) = received else {
        return Ok(None);
    };
    let mut text = piece.get(..length).unwrap_or_default().to_vec();
    let serves = text.pop_if(|last| *last == SERVES).is_some();
    text.retain(|byte| *byte != SOCKETS);
    Ok(Some(Said {
        text,
        sockets,
        serves,
    }))
}

/// Hands a connection over. Never waits.
///
/// # Errors
/// The process takes nothing at the moment, or any more.
pub(super) fn pass(link: &impl AsFd, connection: &UnixStream, entrance: Entrance) -> io::Result<()> {
    send(
        link,
        entrance.to_byte(),
        &[connection.as_fd()],
        SendFlags::DONTWAIT,
    )
}

/// Sends a byte and descriptors.
fn send(link: &impl AsFd, byte: u8, descriptors: &[impl AsFd], flags: SendFlags) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
    if !descriptors.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(&descriptors));
    }
    let flags = flags | SendFlags::NOSIGNAL;
    sendmsg(link, &[IoSlice::new(&[byte])], &mut control, flags)?;
    Ok(())
}

/// The next byte with its descriptors; none at the end.
fn receive(link: &impl AsFd) -> io::Result<Option<(u8, Vec<OwnedFd>)>> {
    let mut byte = [0];
    let received = receive_into(link, &mut byte)?;
    let [byte] = byte;
    Ok(received.map(|(_, descriptors)| (byte, descriptors)))
}

/// Some bytes, and the descriptors that came with them; none at the end. What comes after descriptors is left.
fn receive_into(link: &impl AsFd, bytes: &mut [u8]) -> io::Result<Option<(usize, Vec<OwnedFd>)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(AT_ONCE))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let bytes = IoSliceMut::new(bytes);
        match recvmsg(link, &mut [bytes], &mut control, RecvFlags::CMSG_CLOEXEC) {
            Err(rustix::io::Errno::INTR) => {}
            received => break received?,
        }
    };
    if received.bytes == 0 {
        return Ok(None);
    }
    let descriptors = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    Ok(Some((received.bytes, descriptors.flatten().collect())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    #[test]
    fn a_connection_is_handed_over_with_what_may_be_done_there() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (mut client, server) = UnixStream::pair().unwrap();
        let entrance = Entrance::of_byte(0b0101_1010);
        pass(&ours, &server, entrance).unwrap();
        drop((ours, server));
        let (byte, mut descriptors) = receive(&theirs).unwrap().unwrap();
        assert_eq!(Entrance::of_byte(byte), entrance);
        let mut server = UnixStream::from(descriptors.pop().unwrap());
        server.write_all(b"x").unwrap();
        drop(server);
        let mut said = String::new();
        client.read_to_string(&mut said).unwrap();
        assert_eq!(said, "x");
        assert!(receive(&theirs).unwrap().is_none());
    }

    #[tokio::test]
    async fn text_and_sockets_come_apart() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let ours = AsyncStream::from_std(ours).unwrap();
        let sockets: Vec<OwnedFd> = (0..AT_ONCE + 1)
            .map(|_| std::fs::File::open("/dev/null").unwrap().into())
            .collect();
        // Both ways: as many as fit at once, and one more.
        begin(&ours, &sockets).await.unwrap();
        let mut counts = Vec::new();
        for _ in 0..2 {
            let (count, descriptors) = receive(&theirs).unwrap().unwrap();
            counts.push((usize::from(count), descriptors.len()));
        }
        assert_eq!(counts, [(AT_ONCE, AT_ONCE), (1, 1)]);
        (&theirs).write_all(b"one\n").unwrap();
        for some in sockets.chunks(AT_ONCE) {
            send(&theirs, SOCKETS, some, SendFlags::empty()).unwrap();
        }
        (&theirs).write_all(&[SERVES]).unwrap();
        let (mut text, mut descriptors) = (Vec::new(), 0);
        loop {
            let said = listen(&ours).await.unwrap().unwrap();
            text.extend(said.text);
            descriptors += said.sockets.len();
            if said.serves {
                break;
            }
        }
        assert_eq!((text.as_slice(), descriptors), (&b"one\n"[..], AT_ONCE + 1));
        drop(theirs);
        assert!(listen(&ours).await.unwrap().is_none());
    }
}
