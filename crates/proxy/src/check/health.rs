//! When a server counts as up: what its checks' results add up to.
//!
//! ```text
//!      0 ............ rise-1 | rise ............ rise+fall-1
//!      down      going up    | up, going down             up
//! ```
//!
//! A good check of a server that is down moves it one to the right, up to `rise`, where it is up and jumps to the end. A
//! bad check of one that is up moves it one to the left; left of `rise` it is down and falls to 0.

use std::time::Duration;

/// `rise`, `fall` and the times between checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// `rise`: good checks in a row until a server is up.
    pub rise: u32,
    /// `fall`: bad checks in a row until a server is down.
    pub fall: u32,
    /// `inter`: time between checks.
    pub inter: Duration,
    /// `fastinter`: the same while the state is about to change, or not known yet; falls back to `inter`.
    pub fast_inter: Option<Duration>,
    /// `downinter`: the same while the server is down; falls back to `inter`.
    pub down_inter: Option<Duration>,
}

impl Default for Pace {
    fn default() -> Self {
        Pace {
            rise: 2,
            fall: 3,
            inter: Duration::from_secs(2),
            fast_inter: None,
            down_inter: None,
        }
    }
}

/// `init-state`: what a server is taken for before its first check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InitialState {
    /// Up, and down after `fall` bad checks.
    FullyUp,
    /// Up, and down after one bad check.
    #[default]
    Up,
    /// Down, and up after one good check.
    Down,
    /// Down, and up after `rise` good checks.
    FullyDown,
}

impl InitialState {
    /// Whether the server takes clients before it is checked.
    #[must_use]
    pub fn is_up(self) -> bool {
        matches!(self, InitialState::FullyUp | InitialState::Up)
    }
}

/// What one check says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Result {
    /// All is well.
    Passed,
    /// The server wants no new clients (`disable-on-404`): it keeps those that it has.
    Conditional,
    /// It isn't well.
    Failed,
}

/// What a server turned into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It takes clients again.
    Up,
    /// It takes none.
    Down,
    /// It takes those only that belong to it.
    Stopping,
}

/// The health of one server.
#[derive(Clone, Debug)]
pub struct Health {
    rise: u32,
    fall: u32,
    level: u32,
    stopping: bool,
    checked: bool,
}

impl Health {
    /// The health of a server before its first check.
    #[must_use]
    pub fn new(pace: &Pace, initial: InitialState) -> Health {
        let (rise, fall) = (pace.rise.max(1), pace.fall.max(1));
        let level = match initial {
            InitialState::FullyUp => rise.saturating_add(fall) - 1,
            InitialState::Up => rise,
            InitialState::Down => rise - 1,
            InitialState::FullyDown => 0,
        };
        Health {
            rise,
            fall,
            level,
            stopping: false,
            checked: false,
        }
    }

    /// The health of a server that was checked before a reload: up as it was then, and as far on its way as `level`.
    #[must_use]
    pub fn restored(pace: &Pace, is_up: bool, stopping: bool, level: u32) -> Health {
        let (rise, fall) = (pace.rise.max(1), pace.fall.max(1));
        let whole = rise.saturating_add(fall) - 1;
        Health {
            rise,
            fall,
            level: match is_up {
                true => level.clamp(rise, whole),
                false => level.min(rise - 1),
            },
            stopping: is_up && stopping,
            checked: false,
        }
    }

    /// Whether the server is up.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.level >= self.rise
    }

    /// Whether it wants no new clients.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stopping
    }

    /// Whether there was a check yet.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        self.checked
    }

    /// How far it is towards the next change, and how far it has to go, as `2/3` in logs: of the bad checks that take it
    /// down while it is up, of the good ones that bring it up while it is down.
    #[must_use]
    pub fn progress(&self) -> (u32, u32) {
        if self.is_up() {
            (self.level - self.rise + 1, self.fall)
        } else {
            (self.level, self.rise)
        }
    }

    /// Takes a result in, and tells what it changed.
    pub fn note(&mut self, result: Result) -> Option<Change> {
        self.checked = true;
        match result {
            Result::Passed => {
                let was_stopping = std::mem::take(&mut self.stopping);
                self.good()
                    .or_else(|| (was_stopping && self.is_up()).then_some(Change::Up))
            }
            Result::Conditional if self.is_up() => {
                // A server that is down stays so: only one that runs can be stopped softly.
                self.good();
                let before = std::mem::replace(&mut self.stopping, true);
                (!before).then_some(Change::Stopping)
            }
            Result::Conditional => None,
            Result::Failed => self.bad(),
        }
    }

    /// Puts a server a step before its end: one more bad check takes it down.
    pub fn weaken(&mut self) {
        if self.is_up() {
            self.level = self.rise;
        }
    }

    /// Leaves no more to lose than two bad checks: the next but one takes it down.
    pub fn shake(&mut self) {
        self.level = self.level.min(self.rise + 1);
    }

    /// Takes a server down whatever its checks said (`on-error mark-down`, an operator).
    pub fn fail_at_once(&mut self) -> Option<Change> {
        let was_up = self.is_up();
        self.level = 0;
        self.stopping = false;
        was_up.then_some(Change::Down)
    }

    /// Brings a server up whatever its checks said (an operator).
    pub fn pass_at_once(&mut self) -> Option<Change> {
        let was_up = self.is_up();
        self.level = self.whole();
        (!was_up).then_some(Change::Up)
    }

    /// How long to wait until the next check.
    #[must_use]
    pub fn pause(&self, pace: &Pace) -> Duration {
        let between = if !self.checked || (self.level != 0 && self.level != self.whole()) {
            pace.fast_inter
        } else if self.level == 0 {
            pace.down_inter
        } else {
            None
        };
        between.unwrap_or(pace.inter)
    }

    fn whole(&self) -> u32 {
        self.rise.saturating_add(self.fall) - 1
    }

    fn good(&mut self) -> Option<Change> {
        let was_up = self.is_up();
        self.level = self.level.saturating_add(1);
        if self.level >= self.rise {
            self.level = self.whole();
        }
        (!was_up && self.is_up()).then_some(Change::Up)
    }

    fn bad(&mut self) -> Option<Change> {
        if self.level > self.rise {
            self.level -= 1;
            return None;
        }
        let was_up = self.is_up();
        self.level = 0;
        self.stopping = false;
        was_up.then_some(Change::Down)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_leaves_a_server_where_it_was() {
        let pace = Pace {
            rise: 2,
            fall: 3,
            ..Pace::default()
        };
        let restored = |is_up, level| Health::restored(&pace, is_up, false, level);
        assert_eq!(restored(true, 3).progress(), (2, 3));
        // The pace may have changed meanwhile.
        assert_eq!(restored(true, 1).progress(), (1, 3));
        assert_eq!(restored(true, 9).progress(), (3, 3));
        assert_eq!(restored(false, 1).progress(), (1, 2));
        assert!(!restored(false, 9).is_up());
        assert!(Health::restored(&pace, true, true, 4).is_stopping());
        assert!(!Health::restored(&pace, false, true, 0).is_stopping());
    }

    fn pace() -> Pace {
        Pace {
            fast_inter: Some(Duration::from_millis(100)),
            down_inter: Some(Duration::from_secs(10)),
            ..Pace::default()
        }
    }

    /// What a row of checks, `+`, `-` and `4`, makes of a server: `U`, `D` and `S` where it changes, `.` where not.
    fn changes(initial: InitialState, checks: &str) -> String {
        let mut health = Health::new(&pace(), initial);
        checks
            .chars()
            .map(|check| {
                let result = match check {
                    '+' => Result::Passed,
                    '4' => Result::Conditional,
                    _ => Result::Failed,
                };
                match health.note(result) {
                    None => '.',
                    Some(Change::Up) => 'U',
                    Some(Change::Down) => 'D',
                    Some(Change::Stopping) => 'S',
                }
            })
            .collect()
    }

    #[test]
    fn it_takes_a_row_of_good_checks_to_come_up_and_of_bad_ones_to_go_down() {
        assert_eq!(changes(InitialState::FullyUp, "--+---++"), ".....D.U");
        assert_eq!(changes(InitialState::FullyDown, "+-+-++"), ".....U");
    }

    #[test]
    fn the_first_check_decides_unless_the_initial_state_says_otherwise() {
        assert_eq!(changes(InitialState::Up, "-"), "D");
        assert_eq!(changes(InitialState::Up, "+--"), "...");
        assert_eq!(changes(InitialState::Down, "+"), "U");
        assert_eq!(changes(InitialState::FullyDown, "+"), ".");
    }

    #[test]
    fn a_server_that_runs_can_stop_softly_and_come_back_at_once() {
        assert_eq!(changes(InitialState::Up, "+44+"), ".S.U");
        assert_eq!(changes(InitialState::FullyDown, "44++"), "...U");
        assert_eq!(changes(InitialState::Up, "+4---++"), ".S..D.U");
    }

    #[test]
    fn the_pause_depends_on_what_is_going_on() {
        let (pace, ms) = (pace(), Duration::from_millis);
        let mut health = Health::new(&pace, InitialState::FullyUp);
        assert_eq!(health.pause(&pace), ms(100), "unchecked");
        health.note(Result::Passed);
        assert_eq!(health.pause(&pace), ms(2000), "up");
        health.note(Result::Failed);
        assert_eq!(health.pause(&pace), ms(100), "going down");
        health.note(Result::Failed);
        health.note(Result::Failed);
        assert_eq!(health.pause(&pace), ms(10_000), "down");
        health.note(Result::Passed);
        assert_eq!(health.pause(&pace), ms(100), "going up");
        assert_eq!(
            Health::new(&Pace::default(), InitialState::Up).pause(&Pace::default()),
            ms(2000)
        );
    }

    #[test]
    fn progress_is_counted_towards_the_next_change() {
        let mut health = Health::new(&pace(), InitialState::FullyUp);
        assert_eq!(health.progress(), (3, 3));
        health.note(Result::Failed);
        assert_eq!(health.progress(), (2, 3));
        health.note(Result::Failed);
        health.note(Result::Failed);
        assert_eq!(health.progress(), (0, 2));
        health.note(Result::Passed);
        assert_eq!(health.progress(), (1, 2));
    }

    #[test]
    fn errors_in_traffic_and_operators_need_no_check() {
        let mut health = Health::new(&pace(), InitialState::FullyUp);
        health.weaken();
        assert_eq!(health.note(Result::Failed), Some(Change::Down));
        assert_eq!(health.pass_at_once(), Some(Change::Up));
        assert_eq!(health.pass_at_once(), None);
        assert_eq!(health.fail_at_once(), Some(Change::Down));
        assert_eq!(health.fail_at_once(), None);
    }
}
