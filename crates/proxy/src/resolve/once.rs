//! A name that is resolved because somebody asks, not because a server follows it.

use std::net::IpAddr;

use super::ask::resolve;
use super::message::Fault;
use super::place::sort;
use super::spec::ResolversSpec;

/// The addresses of a host, those of the preferred family first.
///
/// # Errors
/// Why there is none, in a few words.
pub async fn addresses(
    resolvers: &ResolversSpec,
    name: &str,
    prefer_v4: bool,
) -> Result<Vec<IpAddr>, &'static str> {
    if resolvers.servers.is_empty() {
        return Err("there are no name servers");
    }
    let answer = resolve(resolvers, name, false, prefer_v4, None).await;
    let mut addresses = answer.map_err(Fault::told)?.addresses;
    sort(&mut addresses, &[], prefer_v4);
    Ok(addresses)
}

impl Fault {
    fn told(self) -> &'static str {
        match self {
            Fault::NoName => "there is no such name",
            Fault::Refused => "the name servers refuse to answer",
            Fault::Timeout => "no name server answers",
            Fault::Other => "the name servers give no useful answer",
        }
    }
}
