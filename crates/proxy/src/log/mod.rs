//! Log messages and where they go. Logging never blocks a session: datagrams are sent without waiting, lines for
//! descriptors pass through a bounded queue to one writer thread, those for rings are kept in memory. A line for which
//! there is no room is dropped and counted.

mod backend;
mod datagram;
mod forward;
mod header;
mod level;
mod logger;
mod profile;
mod ring;
mod sampling;
mod spec;
mod terminal;
mod writer;

pub use backend::{LogBackend, LogServer};
pub use level::Level;
pub use logger::Logger;
pub use profile::{LogProfile, LogStep, StepFormat};
pub use ring::{Ring, RingSpec};
pub use sampling::Sampling;
pub use spec::{LogSpec, LogSteps, LogTarget, LogTo, LogWrap};
pub use terminal::harmless;
pub use writer::{LogWriter, dropped_lines};

pub(crate) use datagram::hold_bytes;
pub(crate) use forward::Forwarders;
pub(crate) use logger::SessionLine;
