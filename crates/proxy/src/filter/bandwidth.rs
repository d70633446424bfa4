//! `filter bwlim-in` and `bwlim-out`: how fast bodies and streams pass, for those that a rule limits.

use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tidegate_sample::stick::{DataType, Key, Table};
use tidegate_sample::{Amount, Expr, ExternalRunner, Way};
use tokio::time::{Instant, Sleep};

use super::throttle::Window;
use super::{DataFilter, Filter, FilterSpec, Passage};
use crate::clock::ticks;
use crate::ext::{Failure, Run};
use crate::txn::Txn;

/// A `filter bwlim-in` or `filter bwlim-out` line.
#[derive(Debug)]
pub struct BandwidthSpec {
    /// Its name.
    pub name: String,
    /// Which way it limits: what the client sends, or what it is sent.
    pub way: Way,
    /// `limit`, `default-limit`: bytes in a period.
    pub limit: u64,
    /// Who shares them.
    pub sharing: Sharing,
    /// `min-size`: no fewer bytes pass at a time, but at the end.
    pub bytes_min: u64,
}

/// Who shares the bytes of a period.
#[derive(Debug)]
pub enum Sharing {
    /// Nobody: each stream has as many. `default-period`, in milliseconds.
    Stream(u64),
    /// Those with the same key in a table, whose rate of bytes has the period.
    Table(Expr, Arc<Table>),
}

impl BandwidthSpec {
    /// The rate of a table that it reads and counts in.
    fn rate(&self) -> DataType {
        match self.way {
            Way::Request => DataType::BytesInRate,
            Way::Response => DataType::BytesOutRate,
        }
    }
}

/// `set-bandwidth-limit`.
pub struct BandwidthLimit {
    /// The filter.
    pub filter: Arc<BandwidthSpec>,
    /// `limit`.
    pub limit: Option<Amount>,
    /// `period`, in milliseconds.
    pub period: Option<Amount>,
}

/// What limits a transaction, once rules said so.
#[derive(Default)]
pub(crate) struct Bandwidths(RefCell<Vec<(Arc<BandwidthSpec>, Throttle)>>);

/// `set-bandwidth-limit`: limits the transaction from here on, in place of what this filter did before.
pub(crate) async fn limit(to: &BandwidthLimit, txn: &Rc<Txn>, runner: &dyn ExternalRunner) {
    let spec = &to.filter;
    let throttle = match &spec.sharing {
        Sharing::Stream(period_ms) => {
            let limit = positive(to.limit.as_ref(), txn, runner).await;
            let period = positive(to.period.as_ref(), txn, runner).await;
            let window = Window::new(limit.unwrap_or(spec.limit), period.unwrap_or(*period_ms));
            Some(Throttle::Own(window))
        }
        Sharing::Table(key, table) => {
            let value = match key.suspends() {
                true => key.eval_async(&**txn, runner).await,
                false => key.eval(&**txn),
            };
            let key = value.and_then(|value| table.spec().key.key(value));
            key.map(|key| Throttle::Shared(spec.clone(), table.clone(), key))
        }
    };
    let mut limits = txn.bandwidths.0.borrow_mut();
    limits.retain(|(known, _)| !Arc::ptr_eq(known, spec));
    limits.extend(throttle.map(|throttle| (spec.clone(), throttle)));
}

async fn positive(amount: Option<&Amount>, txn: &Rc<Txn>, runner: &dyn ExternalRunner) -> Option<u64> {
    let number = amount?.eval(&**txn, runner).await?;
    u64::try_from(number).ok().filter(|number| *number > 0)
}

impl Bandwidths {
    fn limiter(&self, spec: &Arc<BandwidthSpec>) -> Option<Limiter> {
        let limits = self.0.borrow();
        let (_, throttle) = limits.iter().find(|(known, _)| Arc::ptr_eq(known, spec))?;
        Some(Limiter {
            throttle: throttle.clone(),
            bytes_min: spec.bytes_min,
            sleep: None,
        })
    }

    /// What limits a stream of TCP on one way, in the order of the filters.
    pub(crate) fn limiters<'a>(
        &self,
        filters: impl Iterator<Item = &'a FilterSpec>,
        way: Way,
    ) -> Vec<Limiter> {
        if self.0.borrow().is_empty() {
            return Vec::new();
        }
        let specs = filters.filter_map(|filter| match filter {
            FilterSpec::Bandwidth(spec) if spec.way == way => Some(spec),
            _ => None,
        });
        specs.filter_map(|spec| self.limiter(spec)).collect()
    }
}

/// Who counts.
#[derive(Clone)]
enum Throttle {
    Own(Window),
    Shared(Arc<BandwidthSpec>, Arc<Table>, Key),
}

impl Throttle {
    fn limit(&self) -> u64 {
        match self {
            Throttle::Own(window) => window.limit(),
            Throttle::Shared(spec, ..) => spec.limit.max(1),
        }
    }

    fn free(&mut self, now: u64) -> u64 {
        match self {
            Throttle::Own(window) => window.free(now),
            // Where there is no entry, nothing has passed.
            Throttle::Shared(spec, table, key) => {
                let rate = table.look_up(key, now, |entry| entry.get(spec.rate(), now));
                spec.limit.saturating_sub(rate.flatten().unwrap_or(0))
            }
        }
    }

    fn take(&mut self, bytes: u64, now: u64) {
        match self {
            Throttle::Own(window) => window.take(bytes, now),
            Throttle::Shared(spec, table, key) => {
                table.update(key, now, |entry| {
                    entry.touch(now);
                    entry.add(spec.rate(), bytes, now)
                });
            }
        }
    }

    fn wait(&mut self, bytes: u64, free: u64, now: u64) -> u64 {
        match self {
            Throttle::Own(window) => window.wait(bytes, now),
            // Others may take what gets free meanwhile: it is looked at again when about as much has.
            Throttle::Shared(spec, table, _) => {
                let period = table.column(spec.rate()).map_or(1, |column| column.period_ms);
                let missing = bytes.saturating_sub(free);
                (missing.saturating_mul(period.into()) / spec.limit.max(1)).clamp(1, period.max(1).into())
            }
        }
    }
}

/// Lets bytes pass when they may.
pub(crate) struct Limiter {
    throttle: Throttle,
    bytes_min: u64,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Limiter {
    /// How many of the bytes that there are may pass now; at least one, once it is ready.
    pub(crate) fn poll_free(&mut self, cx: &mut Context<'_>, there: u64) -> Poll<u64> {
        loop {
            let now = ticks();
            let needed = self.bytes_min.max(1).min(there.max(1)).min(self.throttle.limit());
            let free = self.throttle.free(now);
            if free >= needed {
                self.sleep = None;
                return Poll::Ready(free.min(there));
            }
            let wait = Duration::from_millis(self.throttle.wait(needed, free, now));
            let sleep = self
                .sleep
                .get_or_insert_with(|| Box::pin(tokio::time::sleep(wait)));
            if sleep.is_elapsed() {
                sleep.as_mut().reset(Instant::now() + wait);
            }
            ready!(sleep.as_mut().poll(cx));
        }
    }

    /// So many have passed.
    pub(crate) fn took(&mut self, bytes: u64) {
        self.throttle.take(bytes, ticks());
    }
}

/// The filter of a line.
pub(crate) struct Limiting(pub(crate) Arc<BandwidthSpec>);

impl Filter for Limiting {
    fn message<'a>(
        &'a self,
        txn: &'a Rc<Txn>,
        way: Way,
        has_body: bool,
    ) -> Run<'a, Option<Box<dyn DataFilter>>> {
        let limiter = match has_body && way == self.0.way {
            true => txn.bandwidths.limiter(&self.0),
            false => None,
        };
        Run::ready(limiter.map(|limiter| Box::new(limiter) as Box<dyn DataFilter>))
    }
}

impl DataFilter for Limiter {
    fn poll_data(
        &mut self,
        cx: &mut Context<'_>,
        _: &Rc<Txn>,
        passage: Passage<'_>,
    ) -> Poll<Result<(), Failure>> {
        while let Some(piece) = passage.input.front_mut() {
            let there = piece.len();
            let free = ready!(self.poll_free(cx, there as u64));
            let part = piece.split_to(usize::try_from(free).unwrap_or(there).min(there));
            if piece.is_empty() {
                passage.input.pop_front();
            }
            self.took(part.len() as u64);
            passage.output.push_back(part);
        }
        Poll::Ready(Ok(()))
    }

    fn keeps_length(&self) -> bool {
        true
    }
}
