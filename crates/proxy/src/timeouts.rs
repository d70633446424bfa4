//! Timeouts that cost nothing unless they strike.
//!
//! A session arms and disarms its timers several times per request. Here that is a store to a cell: a timer stays filed
//! under the earliest moment it was ever armed for, and is looked at again only then. One task per worker sleeps until
//! the first of those moments; nothing sleeps when nothing is armed. Timers strike up to [`TICK_MS`] late, never early.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::event::Event;

/// Moments are rounded up to multiples of this.
pub(crate) const TICK_MS: u64 = 4;

const NEVER: u64 = u64::MAX;

/// Entries of timers that are gone, kept for the next ones.
const SPARE_MAX: usize = 16 * 1024;

/// The timers of one worker.
pub(crate) struct Wheel {
    epoch: Instant,
    filed: RefCell<BTreeMap<u64, Vec<Rc<Entry>>>>,
    /// What timers left that are gone. It may be filed for as long as they could have waited, and would pile up with each short
    /// request: so the next timer has it, where it is filed.
    spare: RefCell<Vec<Rc<Entry>>>,
    /// What the driver sleeps for; `NEVER` while it has nothing to wait for.
    sleeping_until: Cell<u64>,
    earlier: Event,
}

struct Entry {
    deadline: Cell<u64>,
    filed_at: Cell<u64>,
    waker: RefCell<Option<Waker>>,
}

impl Wheel {
    pub(crate) fn new() -> Rc<Self> {
        Rc::new(Wheel {
            epoch: Instant::now(),
            filed: RefCell::default(),
            spare: RefCell::default(),
            sleeping_until: Cell::new(NEVER),
            earlier: Event::default(),
        })
    }

    /// Milliseconds since the worker started.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(NEVER)
    }

    /// A timer that is not armed.
    pub(crate) fn timer(self: &Rc<Self>) -> Timer {
        Timer {
            wheel: self.clone(),
            entry: OnceCell::new(),
        }
    }

    /// Wakes what is due, as long as the worker lives.
    pub(crate) async fn drive(self: Rc<Self>) {
        let mut sleep = pin!(tokio::time::sleep(Duration::ZERO));
        loop {
            self.strike(self.now_ms());
            let next = self.filed.borrow().keys().next().copied().unwrap_or(NEVER);
            self.sleeping_until.set(next);
            if next != NEVER {
                let wait = Duration::from_millis(next.saturating_sub(self.now_ms()));
                sleep.as_mut().reset(tokio::time::Instant::now() + wait);
            }
            poll_fn(|cx| {
                if self.sleeping_until.get() != next {
                    return Poll::Ready(());
                }
                self.earlier.register(cx);
                if next == NEVER {
                    Poll::Pending
                } else {
                    sleep.as_mut().poll(cx)
                }
            })
            .await;
        }
    }

    /// Wakes every timer whose deadline has come and files the others where they belong now.
    fn strike(&self, now: u64) {
        loop {
            let due = {
                let mut filed = self.filed.borrow_mut();
                match filed.first_entry() {
                    Some(first) if *first.key() <= now => first.remove_entry(),
                    _ => return,
                }
            };
            for entry in due.1 {
                if entry.filed_at.get() != due.0 {
                    continue;
                }
                entry.filed_at.set(NEVER);
                match entry.deadline.get() {
                    NEVER => {}
                    deadline if deadline <= now => {
                        let waker = entry.waker.borrow_mut().take();
                        if let Some(waker) = waker {
                            waker.wake();
                        }
                    }
                    deadline => self.file(entry, deadline),
                }
            }
        }
    }

    /// Wakes everything that waits for a timer, as a worker does when it is about to stop.
    pub(crate) fn wake_all(&self) {
        for entry in self.filed.borrow().values().flatten() {
            if let Some(waker) = &*entry.waker.borrow() {
                waker.wake_by_ref();
            }
        }
    }

    /// An entry that no timer has.
    fn entry(&self) -> Rc<Entry> {
        self.spare.borrow_mut().pop().unwrap_or_else(|| {
            Rc::new(Entry {
                deadline: Cell::new(NEVER),
                filed_at: Cell::new(NEVER),
                waker: RefCell::new(None),
            })
        })
    }

    /// Takes an entry back that is not armed.
    fn take_back(&self, entry: Rc<Entry>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE_MAX {
            spare.push(entry);
        }
    }

    fn file(&self, entry: Rc<Entry>, deadline: u64) {
        let at = deadline.div_ceil(TICK_MS).saturating_mul(TICK_MS);
        entry.filed_at.set(at);
        self.filed.borrow_mut().entry(at).or_default().push(entry);
        if at < self.sleeping_until.get() {
            self.sleeping_until.set(at);
            self.earlier.notify();
        }
    }
}

/// One timer of a session; reused for one wait after the other.
pub(crate) struct Timer {
    wheel: Rc<Wheel>,
    /// None until it is armed for the first time.
    entry: OnceCell<Rc<Entry>>,
}

/// The time is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Elapsed;

impl Timer {
    /// Takes what is filed of it away, for another wait than this one's; what is left was never armed.
    pub(crate) fn take(&mut self) -> Timer {
        self.disarm();
        Timer {
            wheel: self.wheel.clone(),
            entry: std::mem::take(&mut self.entry),
        }
    }

    /// Milliseconds since the worker started.
    pub(crate) fn now_ms(&self) -> u64 {
        self.wheel.now_ms()
    }

    /// Strikes `after` from now; never, if there is no limit.
    pub(crate) fn arm(&self, after: Option<Duration>) {
        match after {
            Some(after) => {
                let after = u64::try_from(after.as_millis()).unwrap_or(NEVER);
                self.arm_at(self.now_ms().saturating_add(after));
            }
            None => self.disarm(),
        }
    }

    /// Strikes `after` that moment.
    pub(crate) fn arm_from(&self, since: Instant, after: Duration) {
        let at = since.saturating_duration_since(self.wheel.epoch) + after;
        self.arm_at(u64::try_from(at.as_millis()).unwrap_or(NEVER).saturating_add(1));
    }

    /// Strikes at this moment.
    pub(crate) fn arm_at(&self, deadline_ms: u64) {
        let entry = self.entry.get_or_init(|| self.wheel.entry());
        entry.deadline.set(deadline_ms);
    }

    /// Does not strike.
    pub(crate) fn disarm(&self) {
        if let Some(entry) = self.entry.get() {
            entry.deadline.set(NEVER);
        }
    }

    /// Whether the deadline has passed; if not, the task of `cx` is woken when it does.
    pub(crate) fn poll_elapsed(&self, cx: &Context<'_>) -> Poll<Elapsed> {
        let armed = self.entry.get().filter(|entry| entry.deadline.get() != NEVER);
        let Some(entry) = armed else {
            return Poll::Pending;
        };
        let deadline = entry.deadline.get();
        // A timer that is filed no later than its deadline is struck in time: until then there is no need to ask the clock.
        let filed = entry.filed_at.get() <= deadline.saturating_add(TICK_MS);
        if !filed && deadline <= self.now_ms() {
            return Poll::Ready(Elapsed);
        }
        {
            let mut waker = entry.waker.borrow_mut();
            if !waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
                *waker = Some(cx.waker().clone());
            }
        }
        if !filed {
            self.wheel.file(entry.clone(), deadline);
        }
        Poll::Pending
    }

    /// Runs `future` for at most `limit`.
    pub(crate) async fn limit<F: Future>(
        &self,
        limit: Option<Duration>,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        let mut future = pin!(future);
        let mut armed = false;
        let result = poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Ok(output));
            }
            // The clock is read only for what does not finish at once.
            if !armed {
                self.arm(limit);
                armed = true;
            }
            self.poll_elapsed(cx).map(Err)
        })
        .await;
        self.disarm();
        result
    }

    /// Waits.
    pub(crate) async fn sleep(&self, time: Duration) {
        let _ = self.limit(Some(time), std::future::pending::<()>()).await;
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        // The entry may stay filed for a while; it must not keep the session's task alive.
        if let Some(entry) = self.entry.take() {
            entry.deadline.set(NEVER);
            let waker = entry.waker.borrow_mut().take();
            self.wheel.take_back(entry);
            drop(waker);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn polled(timer: &Timer) -> Poll<Elapsed> {
        timer.poll_elapsed(&Context::from_waker(Waker::noop()))
    }

    #[test]
    fn rearming_for_later_does_not_file_again() {
        let wheel = Wheel::new();
        let timer = wheel.timer();
        timer.arm(Some(Duration::from_secs(10)));
        assert!(polled(&timer).is_pending());
        for _ in 0..100 {
            timer.arm(Some(Duration::from_secs(20)));
            assert!(polled(&timer).is_pending());
        }
        assert_eq!(wheel.filed.borrow().values().map(Vec::len).sum::<usize>(), 1);
        wheel.strike(10_500);
        assert_eq!(wheel.filed.borrow().len(), 1, "filed anew for its later deadline");
        timer.disarm();
        wheel.strike(30_000);
        assert!(wheel.filed.borrow().is_empty());
    }

    #[test]
    fn timers_that_come_and_go_file_no_more_than_there_were_at_once() {
        let wheel = Wheel::new();
        for _ in 0..100 {
            let timers = [wheel.timer(), wheel.timer()];
            for timer in &timers {
                timer.arm(Some(Duration::from_secs(10)));
                assert!(polled(timer).is_pending());
            }
        }
        assert_eq!(wheel.filed.borrow().values().map(Vec::len).sum::<usize>(), 2);
        // One that has what another left strikes when it is to, and not when that one was.
        let soon = wheel.timer();
        soon.arm(Some(Duration::ZERO));
        assert_eq!(polled(&soon), Poll::Ready(Elapsed));
        soon.arm(Some(Duration::from_secs(5)));
        assert!(polled(&soon).is_pending());
        wheel.strike(6_000);
        let entry = soon.entry.get().unwrap();
        assert!(entry.waker.borrow().is_none(), "it was struck");
    }

    #[test]
    fn a_limit_cuts_what_takes_longer_and_lets_the_rest_pass() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build_local(Default::default());
        runtime.unwrap().block_on(async {
            let wheel = Wheel::new();
            tokio::task::spawn_local(wheel.clone().drive());
            let timer = wheel.timer();
            assert_eq!(
                timer.limit(Some(Duration::from_secs(60)), async { 7 }).await,
                Ok(7)
            );
            let never = std::future::pending::<()>();
            assert_eq!(
                timer.limit(Some(Duration::from_millis(20)), never).await,
                Err(Elapsed)
            );
            assert!(wheel.now_ms() >= 20);
            let slow = tokio::time::sleep(Duration::from_millis(10));
            assert_eq!(timer.limit(None, slow).await, Ok(()));
        });
    }
}
