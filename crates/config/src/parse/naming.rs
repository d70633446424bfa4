//! The parameters of a server that say how its name is resolved.

use super::address::network;
use super::args::{Args, Parsed, pick};
use crate::diag::{Diagnostic, Diagnostics, code};
use crate::model::{HttpClientSettings, InitialAddress, Naming, Proxy, Resolvers, Server, ServerAddress};
use crate::text::Word;
use std::collections::BTreeMap;
use std::net::IpAddr;

/// `resolvers <name>`
pub(super) fn resolvers(naming: &mut Naming, args: &mut Args<'_>) -> Parsed<()> {
    naming.resolvers = Some(args.spanned("the name of a `resolvers` section")?);
    Ok(())
}

/// `resolve-prefer { ipv4 | ipv6 }`
pub(super) fn prefer(naming: &mut Naming, args: &mut Args<'_>) -> Parsed<()> {
    naming.prefer_v4 = args.one_of("a family of addresses", &[("ipv4", true), ("ipv6", false)])?;
    Ok(())
}

/// `resolve-opts <option>,...`
pub(super) fn options(naming: &mut Naming, args: &mut Args<'_>) -> Parsed<()> {
    #[derive(Clone, Copy)]
    enum Opt {
        Allow,
        Prevent,
        IgnoreWeight,
    }
    let names = [
        ("allow-dup-ip", Opt::Allow),
        ("prevent-dup-ip", Opt::Prevent),
        ("ignore-weight", Opt::IgnoreWeight),
    ];
    for word in listed(args.expect("options such as `allow-dup-ip`")?) {
        match pick(&word, "an option of resolution", &names)? {
            Opt::Allow => naming.allow_duplicates = true,
            Opt::Prevent => naming.allow_duplicates = false,
            Opt::IgnoreWeight => naming.ignore_weight = true,
        }
    }
    Ok(())
}

/// `resolve-net <network>,...`
pub(super) fn networks(naming: &mut Naming, args: &mut Args<'_>) -> Parsed<()> {
    for word in listed(args.expect("networks such as `10.0.0.0/8`")?) {
        naming.networks.push(network(&word)?);
    }
    Ok(())
}

/// `init-addr { last | libc | none | <ip> },...`
pub(super) fn initial(naming: &mut Naming, args: &mut Args<'_>) -> Parsed<()> {
    let mut methods = Vec::new();
    for word in listed(args.expect("ways such as `last,libc,none`")?) {
        let text = word.text()?;
        methods.push(match text.parse::<IpAddr>() {
            Ok(ip) => InitialAddress::Fixed(ip),
            Err(_) => {
                let names = [
                    ("last", InitialAddress::Last),
                    ("libc", InitialAddress::Libc),
                    ("none", InitialAddress::None),
                ];
                pick(&word, "a way to find an address at start", &names)?
            }
        });
    }
    naming.initial = Some(methods);
    Ok(())
}

/// Servers and the HTTP client name sections that there are, and servers of services have one.
pub(super) fn check(
    proxies: &[Proxy],
    http_client: &HttpClientSettings,
    sections: &BTreeMap<String, Resolvers>,
    diagnostics: &mut Diagnostics,
) {
    let servers = || proxies.iter().flat_map(|proxy| &proxy.servers);
    let named = servers().filter_map(|server| server.naming.resolvers.as_ref());
    for name in named.chain(&http_client.resolvers) {
        if !sections.contains_key(&name.value) && name.value != SYSTEM {
            let message = format!("there is no section `resolvers {}`", name.value);
            diagnostics.push(
                Diagnostic::error(code::BAD_ARGUMENT, name.span, message)
                    .suggest(&name.value, sections.keys().map(String::as_str)),
            );
        }
    }
    for server in servers() {
        if is_service(server) && server.naming.resolvers.is_none() {
            let message = "the hosts of a service are found by a `resolvers` section only";
            diagnostics.push(
                Diagnostic::error(code::MISSING_ARGUMENT, server.address_span, message)
                    .help("add `resolvers <name>`"),
            );
        }
    }
}

/// The section that there always is: the name servers of the system.
pub(crate) const SYSTEM: &str = "default";

fn is_service(server: &Server) -> bool {
    matches!(&server.address, ServerAddress::Name { host, .. } if host.starts_with('_'))
}

/// The parts of a word that commas separate.
fn listed(word: &Word) -> Vec<Word> {
    let mut from = 0;
    word.bytes()
        .split(|byte| *byte == b',')
        .map(|part| {
            let start = from;
            from += part.len() + 1;
            word.part(start, start + part.len())
        })
        .collect()
}
