//! Who takes part in balancing, prepared for picking. Made anew when a server's state or weight changes.

use std::sync::Arc;

use super::ring::{Ring, Seed};
use super::turns::{map, turns};
use crate::spec::{BackendSpec, Balance, HashKey, HashMethod, ServerAddress};
use crate::upstream::servers::Servers;
use crate::upstream::state::ServerState;

/// The servers, and which of them take new sessions.
#[derive(Default)]
pub(crate) struct Plan {
    /// The state of the servers that it was made from.
    pub(crate) version: u64,
    /// All servers.
    pub(super) servers: Arc<Servers>,
    /// The places of those that take new sessions: those of the others, or if there are none those of backups.
    pub(crate) usable: Vec<u32>,
    /// The order of turns, for algorithms that need one.
    pub(crate) turns: Vec<u32>,
    /// The ring, for those that need that.
    pub(super) ring: Ring,
    /// All their weights together, scaled.
    pub(crate) weight: u64,
    /// By the places of servers: what those before it weigh, and what they weigh with it. For `hash-balance-factor` alone.
    spans: Vec<(u64, u64)>,
}

impl Plan {
    /// That of the servers as they are, which comes after `before`.
    pub(crate) fn new(spec: &BackendSpec, servers: &Arc<Servers>, before: &Plan, version: u64) -> Self {
        let usable = |backup: bool| {
            let place = |server: &ServerState| u32::try_from(server.place()).unwrap_or(u32::MAX);
            let all = servers.iter().map(move |server| (place(server), server));
            all.filter(move |(_, s)| s.is_backup() == backup && s.is_usable())
        };
        let mut chosen: Vec<(u32, &Arc<ServerState>)> = usable(false).collect();
        if chosen.is_empty() {
            let backups = if spec.all_backups { usize::MAX } else { 1 };
            chosen = usable(true).take(backups).collect();
        }
        let weights: Vec<(u32, u32)> = chosen.iter().map(|(at, s)| (*at, s.scaled_weight())).collect();
        let ringed = match spec.balance {
            Balance::Random { .. } => true,
            Balance::Hash(_) => spec.hash_type.method == HashMethod::Consistent,
            _ => false,
        };
        let turns = match spec.balance {
            Balance::RoundRobin => turns(&weights),
            Balance::StaticRr | Balance::Hash(_) | Balance::LogHash(_) => map(&weights),
            Balance::Random { .. } | Balance::LeastConn | Balance::First | Balance::Sticky => Vec::new(),
        };
        if matches!(spec.balance, Balance::First) {
            chosen.sort_by_key(|(_, s)| s.id());
        }
        if matches!(spec.balance, Balance::Sticky) {
            // Who comes back waits until those before it are gone.
            let rank = |at: u32| before.usable.iter().position(|known| *known == at);
            chosen.sort_by_key(|(at, _)| rank(*at).unwrap_or(usize::MAX));
        }
        let seeded = || {
            let of = |(at, state): &(u32, &Arc<ServerState>)| {
                let spec = state.spec();
                let seed = seed(spec.hash_key, state, spec.guid.as_deref());
                (*at, seed, state.scaled_weight())
            };
            chosen.iter().map(of).collect::<Vec<_>>()
        };
        let spans = match spec.hash_balance_factor {
            0 => Vec::new(),
            _ => spans(&weights, servers.places()),
        };
        Plan {
            version,
            servers: servers.clone(),
            spans,
            usable: chosen.iter().map(|(at, _)| *at).collect(),
            turns,
            ring: if ringed {
                Ring::new(&seeded())
            } else {
                Ring::default()
            },
            weight: weights.iter().map(|(_, weight)| u64::from(*weight)).sum(),
        }
    }

    /// How many of so many a server may have by its weight, so that all have exactly as many together: what is left by
    /// dividing goes where a whole one is reached from the first server on. At least one.
    pub(super) fn part(&self, place: usize, of: u64) -> u64 {
        let (before, with) = self.spans.get(place).copied().unwrap_or_default();
        let up_to = |weight: u64| of * weight / self.weight.max(1);
        up_to(with).saturating_sub(up_to(before)).max(1)
    }
}

fn spans(weights: &[(u32, u32)], places: usize) -> Vec<(u64, u64)> {
    let mut spans = vec![(0, 0); places];
    let mut before = 0;
    for (place, weight) in weights {
        let with = before + u64::from(*weight);
        if let Some(span) = spans.get_mut(*place as usize) {
            *span = (before, with);
        }
        before = with;
    }
    spans
}

fn seed(key: HashKey, state: &ServerState, guid: Option<&str>) -> Seed {
    use tidegate_sample::hash::{avalanche, crc32};
    let by_id = Seed::Id(state.id());
    let hashed = |bytes: &[u8]| Seed::Hashed(crc32(bytes));
    match key {
        HashKey::Id => by_id,
        HashKey::Id32 => Seed::Hashed(avalanche(state.id())),
        HashKey::Guid => guid.map_or(by_id, |guid| hashed(guid.as_bytes())),
        HashKey::Addr => match state.address() {
            ServerAddress::Tcp(address) => hashed(address.ip().to_string().as_bytes()),
            _ => by_id,
        },
        HashKey::AddrPort => match state.address() {
            ServerAddress::Tcp(address) => hashed(address.to_string().as_bytes()),
            _ => by_id,
        },
    }
}
