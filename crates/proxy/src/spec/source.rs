//! Where connections to a server come from.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use tidegate_sample::Expr;

/// `source`.
#[derive(Debug)]
pub struct SourceSpec {
    /// The address.
    pub ip: IpAddr,
    /// The first port to choose from; 0 leaves the choice to the system.
    pub first_port: u16,
    /// The last one.
    pub last_port: u16,
    /// `interface`: the one that packets leave by.
    pub interface: Option<String>,
    /// `usesrc`: an address of somebody else's in its place.
    pub presented_as: Option<PresentedAs>,
}

/// `usesrc`: whose address the server is to see.
#[derive(Debug)]
pub enum PresentedAs {
    /// The client's, with its port.
    Client,
    /// The client's, with any port.
    ClientIp,
    /// This one; port 0 for any.
    Fixed(SocketAddr),
    /// The one that the request names, if it does.
    Sampled(Arc<Expr>),
}
