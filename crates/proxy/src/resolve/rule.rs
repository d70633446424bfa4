//! `do-resolve`: the address of a host that a request names.

use std::sync::Arc;

use tidegate_sample::vars::Assignment;
use tidegate_sample::{Data, Expr, ExternalRunner, Session, Type, Value, cast};

use super::once::addresses;
use super::spec::ResolversSpec;
use crate::txn::Txn;

/// What is asked, of whom, and where the answer goes.
#[derive(Debug)]
pub struct Resolution {
    /// The variable. It stays as it is if there is no address.
    pub to: Assignment,
    /// The name servers.
    pub resolvers: Arc<ResolversSpec>,
    /// Whether an address of IPv4 is wanted first.
    pub prefer_v4: bool,
    /// The host: a name, or an address.
    pub host: Expr,
}

/// The longest name that there is.
const NAME_BYTES_MAX: usize = 253;

impl Resolution {
    /// Asks, and waits for an answer as long as the name servers' section says.
    pub(crate) async fn run(&self, txn: &Txn, runner: &dyn ExternalRunner) {
        let host = self.host.eval_async(txn, runner).await;
        let Some(Value::Str(host)) = host.and_then(|host| cast(host, Type::Str)) else {
            return;
        };
        if let Some(address) = self.address(&host).await {
            let session: &dyn Session = txn;
            self.to.assign(session, address);
        }
    }

    async fn address(&self, host: &Data) -> Option<Value> {
        let name = std::str::from_utf8(host.as_slice()).ok()?;
        let name = name.trim_end_matches('.');
        if let Ok(address) = name.trim_start_matches('[').trim_end_matches(']').parse() {
            return Some(value(address));
        }
        // What begins so is the name of a service.
        if name.is_empty() || name.len() > NAME_BYTES_MAX || name.starts_with('_') {
            return None;
        }
        let addresses = addresses(&self.resolvers, name, self.prefer_v4).await;
        addresses.ok()?.into_iter().next().map(value)
    }
}

fn value(address: std::net::IpAddr) -> Value {
    match address {
        std::net::IpAddr::V4(ip) => Value::Ipv4(ip),
        std::net::IpAddr::V6(ip) => Value::Ipv6(ip),
    }
}
