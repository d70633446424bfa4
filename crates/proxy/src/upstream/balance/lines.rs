//! Choosing a server for a log line, in backends of `mode log`.

use tidegate_sample::{Data, NoSession, Value};

use super::super::shared::BackendState;
use super::key;
use crate::spec::Balance;

impl BackendState {
    /// The place of the server that a line goes to, by its message or by lot; none if no server can be used.
    pub(crate) fn place_for_line(&self, message: &[u8], lot: u32) -> Option<usize> {
        let plan = self.plan();
        let spec = self.spec();
        let first = *plan.usable.first()?;
        let in_turn = |number: u64| {
            let count = plan.turns.len().max(1) as u64;
            plan.turns.get(usize::try_from(number % count).ok()?).copied()
        };
        let place = match &spec.balance {
            Balance::Random { .. } => plan.ring.from(lot).next(),
            Balance::LogHash(chain) => {
                let line = Value::Str(Data::from(message.to_vec()));
                let key = chain.apply(&NoSession, line);
                match key.and_then(|key| key::of_value(key, spec.hash_type, |bytes| bytes)) {
                    Some(hash) => in_turn(hash.into()),
                    None => in_turn(self.next_turn()),
                }
            }
            Balance::Sticky => Some(first),
            _ => in_turn(self.next_turn()),
        };
        Some(place.unwrap_or(first) as usize)
    }
}
