//! The stream between a master and a process that serves. The process says on it what it finds while it starts, and that it
//! serves; from then on the master hands over connections to its runtime API. Its end tells the process that the master is gone.

use std::io::{self, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use tidegate_proxy::Shutdown;
use tokio::sync::mpsc::UnboundedSender;

use crate::runtime::{Entrance, Visitor};

/// What a process says once it serves; no text has it.
pub(super) const SERVES: u8 = 0;

/// Whether this process serves, and has told its master so.
static SERVING: AtomicBool = AtomicBool::new(false);

/// In a process that a master has started: tells it what is found on the way to serving.
pub(crate) fn say(text: impl FnOnce() -> String) {
    if super::is_worker() && !SERVING.load(Ordering::Relaxed) {
        let text = text().replace('\0', " ");
        // Without a master there is nobody to be told.
        let _ = rustix::io::write(
            rustix::stdio::stdin(),
            format!("{}\n", text.trim_end()).as_bytes(),
        );
    }
}

/// In a process that serves: all is ready, says so to the master, takes connections from it, and ends at once should the
/// master be gone.
///
/// # Errors
/// If the system refuses.
pub(crate) fn ready(shutdown: Shutdown, visitors: UnboundedSender<Visitor>) -> io::Result<()> {
    let mut master = UnixStream::from(rustix::io::dup(rustix::stdio::stdin())?);
    let nothing = std::fs::File::open("/dev/null");
    SERVING.store(true, Ordering::Relaxed);
    master.write_all(&[SERVES])?;
    // (There may be no such file where the process is confined to.)
    if let Ok(nothing) = nothing {
        rustix::stdio::dup2_stdin(&nothing)?;
    }
    std::thread::Builder::new().name("master".into()).spawn(move || {
        while let Ok(Some((fd, entrance))) = receive(&master) {
            let visitor = fd.map(|fd| Visitor {
                stream: UnixStream::from(fd),
                entrance,
            });
            // Whoever is not served sees the end of the connection.
            visitor.map(|visitor| visitors.send(visitor));
        }
        shutdown.hard();
    })?;
    Ok(())
}

/// Hands a connection over. Never waits.
///
/// # Errors
/// The process takes nothing at the moment, or any more.
pub(super) fn send(link: &impl AsFd, connection: &UnixStream, entrance: Entrance) -> io::Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    let descriptors = [connection.as_fd()];
    control.push(SendAncillaryMessage::ScmRights(&descriptors));
    let byte = [entrance.to_byte()];
    let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
    sendmsg(link, &[IoSlice::new(&byte)], &mut control, flags)?;
    Ok(())
}

/// What the master sends; none at its end.
fn receive(link: &UnixStream) -> io::Result<Option<(Option<OwnedFd>, Entrance)>> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let received = loop {
        match recvmsg(
            link,
            &mut [IoSliceMut::new(&mut byte)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        ) {
            Err(rustix::io::Errno::INTR) => {}
            received => break received?,
        }
    };
    if received.bytes == 0 {
        return Ok(None);
    }
    let mut descriptors = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    let [byte] = byte;
    Ok(Some((descriptors.next(), Entrance::of_byte(byte))))
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
        send(&ours, &server, entrance).unwrap();
        drop((ours, server));
        let (fd, received) = receive(&theirs).unwrap().unwrap();
        assert_eq!(received, entrance);
        let mut server = UnixStream::from(fd.unwrap());
        server.write_all(b"x").unwrap();
        drop(server);
        let mut said = String::new();
        client.read_to_string(&mut said).unwrap();
        assert_eq!(said, "x");
        assert!(receive(&theirs).unwrap().is_none());
    }
}
