//! The clock of the stick tables.

use std::cell::Cell;
use std::sync::LazyLock;
use std::time::Instant;

static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Milliseconds since the process began to count them. It never goes back, and is the same for all threads.
pub fn ticks() -> u64 {
    ticks_at(Instant::now())
}

fn ticks_at(at: Instant) -> u64 {
    let since = at.saturating_duration_since(*START);
    // An hour ahead, so that no moment is 0, which tables take for none.
    3_600_000 + since.as_secs().saturating_mul(1000) + u64::from(since.subsec_millis())
}

thread_local! {
    static TURN: Cell<Time> = const { Cell::new(Time::Unbound) };
}

/// What is known of the time of a session's turn.
#[derive(Clone, Copy)]
enum Time {
    /// It is nobody's turn.
    Unbound,
    /// Nobody asked yet.
    Unread,
    Read(Instant),
    Ticks(u64),
}

/// A session's turn, until this is dropped: from when its task is woken to when it waits again. Its stick tables see one moment,
/// the one that it [read](now) last.
pub(crate) struct Turn(());

impl Turn {
    pub(crate) fn begin() -> Turn {
        TURN.set(Time::Unread);
        Turn(())
    }

    /// What comes now may have taken its time: the moment is read anew.
    pub(crate) fn refresh() {
        if !matches!(TURN.get(), Time::Unbound) {
            TURN.set(Time::Unread);
        }
    }

    /// As [`ticks`], but during a turn it may be that of a moment which was read in it.
    pub(crate) fn ticks() -> u64 {
        let read = match TURN.get() {
            Time::Ticks(ticks) => return ticks,
            Time::Unbound => return ticks(),
            Time::Unread => ticks(),
            Time::Read(at) => ticks_at(at),
        };
        TURN.set(Time::Ticks(read));
        read
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        TURN.set(Time::Unbound);
    }
}

/// Now, and until it is read again that is the moment of the turn.
pub(crate) fn now() -> Instant {
    let now = Instant::now();
    if !matches!(TURN.get(), Time::Unbound) {
        TURN.set(Time::Read(now));
    }
    now
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn pass(ms: u64) {
        let until = Instant::now() + Duration::from_millis(ms);
        while Instant::now() < until {}
    }

    #[test]
    fn a_turn_sees_one_moment_until_the_clock_is_read_again() {
        let before = ticks();
        let turn = Turn::begin();
        let first = Turn::ticks();
        assert!(first >= before);
        pass(3);
        assert_eq!(Turn::ticks(), first);
        let at = now();
        assert_eq!(Turn::ticks(), ticks_at(at));
        assert!(Turn::ticks() >= first + 3);
        let second = Turn::ticks();
        pass(3);
        Turn::refresh();
        assert!(Turn::ticks() >= second + 3);
        drop(turn);
        let after = Turn::ticks();
        pass(3);
        assert!(
            Turn::ticks() >= after + 3,
            "nobody's turn has a moment of its own"
        );
    }
}
