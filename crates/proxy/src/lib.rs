//! The data plane: listeners, sessions, rules, upstream connections and logs.
//!
//! See LIFECYCLE.md for the life of a session. [`ext`] is how anything from outside (Lua, or a fake in a test) takes part
//! in one; [`Txn`] is what it sees of it.

mod applet;
mod aside;
mod attend;
mod body;
mod cache;
mod capture;
mod channel;
pub mod check;
mod client;
mod clock;
mod control;
mod counts;
mod event;
pub mod ext;
mod figures;
pub mod filter;
mod gate;
mod handle;
pub mod http1;
mod http2;
mod kernel;
mod listener;
pub mod log;
pub mod log_forward;
mod network;
mod packets;
mod pipe;
mod proxy_protocol;
mod rate;
mod replay;
mod reply;
pub mod resolve;
mod room;
mod roster;
mod rules;
mod running;
mod session;
pub mod spec;
mod stick;
mod stream;
mod timeouts;
mod timers;
mod tls;
mod txn;
mod upstream;
mod usage;
mod worker;

pub use applet::{HttpApplet, RECEIVE_BYTES_MAX, SEND_BYTES_MAX, ServiceError, TcpApplet};
pub use channel::{Channel, ChannelError};
pub use clock::ticks;
pub use control::{Control, Plane, Totals};
pub use counts::Count;
pub use gate::FrontendState;
pub use handle::{TxnHandle, lookup};
pub use listener::{BindError, BoundAddress, OpenSocket};
pub use reply::Reply;
pub use roster::SessionView;
pub use running::{Listen, Prepared, Running, Shutdown, StartError, prepare, start};
pub use txn::{Detached, InvalidTarget, LogLevel, Mode, Phase, Txn};
pub use upstream::admin::{Admin, AdminState};
pub use upstream::news::{CheckNews, ServerChange, ServerNews};
pub use upstream::shared::BackendState;
pub use upstream::state::{Operational, ServerState, StaticWeights, WEIGHT_MAX};
