//! Names of hosts that scripts connect to, and who resolves them.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tidegate_proxy::resolve;
use tidegate_proxy::resolve::spec::ResolversSpec;

/// The most answers that are remembered.
const KNOWN_MAX: usize = 1024;

/// Who resolves names, for sockets or for the HTTP client.
#[derive(Clone, Debug)]
pub struct Names {
    asked: Asked,
    prefer_v4: bool,
    known: Arc<Mutex<HashMap<Key, Known>>>,
}

/// Whom names are asked of.
#[derive(Clone, Debug)]
enum Asked {
    /// The system.
    System,
    /// A `resolvers` section, and the system for what that doesn't know.
    SectionFirst(Arc<ResolversSpec>),
    /// A `resolvers` section.
    Section(Arc<ResolversSpec>),
    /// Nobody, as the configuration says.
    Nobody,
}

/// A name, and whether IPv4 addresses were preferred.
type Key = (String, bool);

#[derive(Debug)]
struct Known {
    addresses: Arc<[IpAddr]>,
    until: Instant,
}

impl Default for Names {
    fn default() -> Names {
        Names::of_system()
    }
}

impl Names {
    /// Names as the system knows them.
    #[must_use]
    pub fn of_system() -> Names {
        Names::asked_of(Asked::System)
    }

    /// Names as a section knows them; those that it doesn't, as the system does.
    #[must_use]
    pub fn of_section_first(resolvers: Arc<ResolversSpec>) -> Names {
        Names::asked_of(Asked::SectionFirst(resolvers))
    }

    /// Names as a section knows them, and no others.
    #[must_use]
    pub fn of_section(resolvers: Arc<ResolversSpec>) -> Names {
        Names::asked_of(Asked::Section(resolvers))
    }

    /// No names.
    #[must_use]
    pub fn none() -> Names {
        Names::asked_of(Asked::Nobody)
    }

    /// The same with IPv4 addresses first, if `prefer`.
    #[must_use]
    pub fn preferring_v4(self, prefer: bool) -> Names {
        Names {
            prefer_v4: prefer,
            ..self
        }
    }

    fn asked_of(asked: Asked) -> Names {
        Names {
            asked,
            prefer_v4: false,
            known: Arc::default(),
        }
    }

    /// Where a host's port is, or that of what is an address already.
    ///
    /// # Errors
    /// Why that can't be told. It names the host and who was asked.
    pub(crate) async fn places(&self, host: &str, port: u16, v4_only: bool) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = host.parse() {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
        let v4_first = v4_only || self.prefer_v4;
        match &self.asked {
            // An address with a zone is the system's to read.
            _ if host.contains(':') => self.by_system(host, port).await,
            Asked::System => self.by_system(host, port).await,
            Asked::Section(resolvers) => self.ask(resolvers, host, port, v4_first).await,
            Asked::SectionFirst(resolvers) => match self.ask(resolvers, host, port, v4_first).await {
                Ok(places) => Ok(places),
                Err(why) => self.by_system(host, port).await.map_err(|_| why),
            },
            Asked::Nobody => Err(unknown(
                host,
                "`httpclient.resolvers.disabled`",
                "names are not resolved",
            )),
        }
    }

    /// What the section says, or said not long ago.
    async fn ask(
        &self,
        resolvers: &ResolversSpec,
        host: &str,
        port: u16,
        v4_first: bool,
    ) -> io::Result<Vec<SocketAddr>> {
        let key = (host.to_ascii_lowercase(), v4_first);
        let now = Instant::now();
        let remembered = {
            let known = self.known();
            let known = known.get(&key).filter(|known| known.until > now);
            known.map(|known| known.addresses.clone())
        };
        let addresses = match remembered {
            Some(addresses) => addresses,
            None => {
                let found = resolve::addresses(resolvers, &key.0, v4_first).await;
                let who = format!("resolvers {}", resolvers.name);
                let found: Arc<[IpAddr]> = found.map_err(|why| unknown(host, &who, why))?.into();
                self.remember(key, found.clone(), resolvers);
                found
            }
        };
        Ok(addresses
            .iter()
            .map(|address| SocketAddr::new(*address, port))
            .collect())
    }

    /// The system's own way, on a thread that may wait.
    async fn by_system(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let found = tokio::net::lookup_host((host, port)).await;
        let found = found.map_err(|why| unknown(host, "the system", &why.to_string()))?;
        let mut places: Vec<SocketAddr> = found.collect();
        if self.prefer_v4 {
            places.sort_by_key(|place| !place.is_ipv4());
        }
        Ok(places)
    }

    fn remember(&self, key: Key, addresses: Arc<[IpAddr]>, resolvers: &ResolversSpec) {
        let now = Instant::now();
        let mut known = self.known();
        if known.len() >= KNOWN_MAX {
            known.retain(|_, known| known.until > now);
        }
        if known.len() < KNOWN_MAX {
            let until = now + resolvers.hold.valid;
            known.insert(key, Known { addresses, until });
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<Key, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unknown(host: &str, who: &str, why: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        format!("cannot resolve `{host}` ({who}): {why}"),
    )
}
