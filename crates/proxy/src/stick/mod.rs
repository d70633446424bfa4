//! Stick tables at work: what sessions track and count, and persistence.

mod counters;
mod persistence;
mod rules;

pub(crate) use counters::Counters;
pub(crate) use persistence::{Chosen, preferred, store_response};
pub(crate) use rules::{change, track, track_at_once};
