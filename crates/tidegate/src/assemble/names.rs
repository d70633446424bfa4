//! Servers that have names: who resolves them, and where they are until that is known.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tidegate_config::model::{self, InitialAddress};
use tidegate_config::{Diagnostic, Spanned, code};
use tidegate_proxy::resolve::spec::{Families, Hold, NameServer, NameSpec, ResolversSpec};
use tidegate_proxy::spec::ServerSpec;

use super::Assembly;
use crate::system;

/// Where the system keeps its name servers.
const SYSTEM_FILE: &str = "/etc/resolv.conf";

/// The section that there always is.
const SYSTEM: &str = "default";

/// The `resolvers` sections, and the one of the system.
pub(super) fn sections(
    sections: BTreeMap<String, model::Resolvers>,
    families: model::Families,
) -> BTreeMap<String, Arc<ResolversSpec>> {
    let mut specs: BTreeMap<String, Arc<ResolversSpec>> = sections
        .into_iter()
        .map(|(name, section)| (name.clone(), Arc::new(section_of(name, section, families))))
        .collect();
    specs.entry(SYSTEM.to_owned()).or_insert_with(|| {
        let mut spec = ResolversSpec::new(SYSTEM);
        spec.servers = of_system();
        spec.families = accepted(families);
        Arc::new(spec)
    });
    specs
}

/// A section as it is asked.
pub(crate) fn section_of(
    name: String,
    section: model::Resolvers,
    families: model::Families,
) -> ResolversSpec {
    let mut spec = ResolversSpec::new(name);
    spec.families = accepted(families);
    spec.servers = section
        .servers
        .iter()
        .map(|server| NameServer::new(&*server.name, server.address, server.tcp))
        .collect();
    if let Some(at) = section.system_after {
        let at = at.min(spec.servers.len());
        spec.servers.splice(at..at, of_system());
    }
    spec.answer_bytes_max = section.answer_bytes_max;
    spec.retries = section.retries;
    spec.every = section.every;
    spec.patience = section.patience;
    spec.hold = Hold {
        nx: section.hold_nx,
        refused: section.hold_refused,
        timeout: section.hold_timeout,
        other: section.hold_other,
        obsolete: section.hold_obsolete,
        valid: section.hold_valid,
    };
    spec
}

fn accepted(families: model::Families) -> Families {
    Families {
        v4: families.v4,
        v6: families.v6,
        v6_if_routed: families.v6_if_routed,
    }
}

/// The name servers of this machine. Without the file there are none.
fn of_system() -> Vec<NameServer> {
    let text = std::fs::read_to_string(SYSTEM_FILE).unwrap_or_default();
    read_system_file(&text)
}

fn read_system_file(text: &str) -> Vec<NameServer> {
    let mut words = text.lines().map(str::split_whitespace);
    words
        .by_ref()
        .filter_map(|mut words| {
            let address = words
                .next()
                .filter(|word| *word == "nameserver")
                .and_then(|_| words.next())?;
            // A link's name behind the address says which one it is reached by; a socket finds that out by itself.
            let ip: IpAddr = address.split('%').next()?.parse().ok()?;
            Some(NameServer::new(ip.to_string(), (ip, 53).into(), false))
        })
        .collect()
}

impl Assembly {
    /// The name servers of a section that a rule names; `None` for a fault.
    pub(super) fn name_servers(&mut self, section: &Spanned<String>) -> Option<Arc<ResolversSpec>> {
        let found = self.resolvers.get(&section.value).cloned();
        if found.is_none() {
            let message = format!("there is no section `resolvers {}`", section.value);
            let known = self.resolvers.keys().map(String::as_str);
            self.faults.push(
                Diagnostic::error(code::BAD_ARGUMENT, section.span, message).suggest(&section.value, known),
            );
        }
        found
    }

    /// Lets a server be followed by its name, if its parameters say so.
    pub(super) fn follow(
        &self,
        spec: &mut ServerSpec,
        server: &model::Server,
        host: Option<&str>,
        port: u16,
    ) {
        let naming = &server.naming;
        let section = naming
            .resolvers
            .as_ref()
            .and_then(|name| self.resolvers.get(&name.value));
        let Some(resolvers) = section else { return };
        spec.naming = Some(Arc::new(NameSpec {
            resolvers: resolvers.clone(),
            name: host.unwrap_or_default().to_ascii_lowercase(),
            port,
            prefer_v4: naming.prefer_v4 || naming.v6 == Some(false),
            v6: naming.v6,
            networks: naming.networks.clone(),
            allow_duplicates: naming.allow_duplicates,
            ignore_weight: naming.ignore_weight,
        }));
        spec.name_of_address = spec.naming.clone().filter(|_| host.is_some());
    }

    /// Where a server with a name is at first, by `init-addr`; `None` for a fault. The flag tells that it isn't known yet.
    pub(super) fn first_address(
        &mut self,
        server: &model::Server,
        host: &str,
        port: u16,
        last: Option<IpAddr>,
    ) -> Option<(SocketAddr, bool)> {
        let nowhere = (SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), true);
        if host.starts_with('_') {
            return Some(nowhere);
        }
        let mut why = "no way that `init-addr` names finds an address".to_owned();
        let mut was_looked_up = false;
        for method in server.naming.initial.as_deref().unwrap_or(&InitialAddress::USUAL) {
            match method {
                InitialAddress::Last => {
                    if let Some(ip) = last.filter(|ip| !ip.is_unspecified()) {
                        return Some(((ip, port).into(), false));
                    }
                }
                InitialAddress::None => {
                    if was_looked_up {
                        let message = format!("cannot resolve `{host}`: {why}");
                        let warning = Diagnostic::warning(code::BAD_ADDRESS, server.address_span, message);
                        let note = "the server begins without an address, and is down until one is found";
                        self.faults.push(warning.note(note));
                    }
                    return Some(nowhere);
                }
                InitialAddress::Fixed(ip) => return Some(((*ip, port).into(), false)),
                InitialAddress::Libc => match system::address_of(host, server.naming.v6) {
                    Ok(ip) => return Some(((ip, port).into(), false)),
                    Err(error) => (why, was_looked_up) = (error, true),
                },
            }
        }
        let message = format!("cannot resolve `{host}`: {why}");
        let fault = Diagnostic::error(code::BAD_ADDRESS, server.address_span, message);
        self.faults.push(match server.naming.resolvers {
            Some(_) => fault.help("`init-addr last,libc,none` lets it begin without an address"),
            None => fault,
        });
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_file_is_read_as_far_as_it_is_understood() {
        let text = "# mine\nsearch example\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\nnameserver x\n";
        let addresses: Vec<String> = read_system_file(text)
            .iter()
            .map(|s| s.address.to_string())
            .collect();
        assert_eq!(addresses, ["192.0.2.1:53", "[fe80::1]:53"]);
    }
}
