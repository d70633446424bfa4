//! What an agent says of its server.
//!
//! One line of words, separated by spaces, tabs or commas, in any order. What an agent doesn't mention stays as it is.

use std::fmt;

/// An agent's answer. `None` for what it didn't mention.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// The weight to use from now on.
    pub weight: Option<Weight>,
    /// `maxconn:N`.
    pub maxconn: Option<u32>,
    /// `ready`, `drain`, `maint`.
    pub admin: Option<Admin>,
    /// `up`, `down` and its kin.
    pub operational: Option<Operational>,
}

/// A weight, as agents and the runtime API give it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weight {
    /// 0 to 256.
    Absolute(u32),
    /// A part of the weight that the configuration gave.
    Percent(u32),
}

/// An administrative state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admin {
    /// Clients are taken.
    Ready,
    /// Those only that belong to the server.
    Drain,
    /// None, and no checks are made.
    Maint,
}

/// An operational state, as the agent sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operational {
    /// It works, as far as the agent knows.
    Up,
    /// It doesn't.
    Down {
        /// `down`, `fail`, `failed` or `stopped`, as logs show it.
        word: &'static str,
        /// What followed `#`.
        why: Option<String>,
    },
}

/// Why an answer was of no use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// There was no word in it.
    Empty,
    /// This word means nothing.
    Unknown(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::Empty => f.write_str("the agent said nothing"),
            Fault::Unknown(word) => write!(f, "the agent said `{word}`, which means nothing"),
        }
    }
}

impl std::error::Error for Fault {}

/// The first line of `bytes`; `None` while its end has not come.
#[must_use]
pub fn line(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
    bytes.get(..end)
}

/// Reads an agent's line. A later word wins over an earlier one of its kind.
///
/// # Errors
/// The line is empty or has a word that means nothing. Nothing of it is to be used then.
pub fn parse(line: &[u8]) -> Result<Answer, Fault> {
    let line = String::from_utf8_lossy(line);
    // A description goes to the end of the line, whatever is in it.
    let (words, description) = match line.split_once('#') {
        Some((words, description)) => (words, Some(description.trim())),
        None => (&*line, None),
    };
    let mut answer = Answer::default();
    let mut any = false;
    for word in words.split([' ', '\t', ',']).filter(|word| !word.is_empty()) {
        any = true;
        read(word, description, &mut answer)?;
    }
    if any { Ok(answer) } else { Err(Fault::Empty) }
}

fn read(word: &str, description: Option<&str>, answer: &mut Answer) -> Result<(), Fault> {
    let lower = word.to_ascii_lowercase();
    let down = |word| Operational::Down {
        word,
        why: description.filter(|why| !why.is_empty()).map(str::to_owned),
    };
    match &*lower {
        "up" => answer.operational = Some(Operational::Up),
        "down" => answer.operational = Some(down("down")),
        "fail" => answer.operational = Some(down("fail")),
        "failed" => answer.operational = Some(down("failed")),
        "stopped" => answer.operational = Some(down("stopped")),
        "ready" => answer.admin = Some(Admin::Ready),
        "drain" => answer.admin = Some(Admin::Drain),
        "maint" => answer.admin = Some(Admin::Maint),
        _ => {
            let unknown = || Fault::Unknown(word.to_owned());
            if let Some(most) = lower.strip_prefix("maxconn:") {
                answer.maxconn = Some(most.parse().map_err(|_| unknown())?);
            } else if let Some(weight) = lower.strip_prefix("weight:") {
                answer.weight = Some(Weight::parse(weight).ok_or_else(unknown)?);
            } else if lower.ends_with('%') {
                answer.weight = Some(Weight::parse(&lower).ok_or_else(unknown)?);
            } else {
                return Err(unknown());
            }
        }
    }
    Ok(())
}

impl Weight {
    /// Reads `N` (0 to 256) or `N%`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Weight> {
        match text.strip_suffix('%') {
            Some(percent) => percent.parse().ok().map(Weight::Percent),
            None => text
                .parse()
                .ok()
                .filter(|weight| *weight <= 256)
                .map(Weight::Absolute),
        }
    }

    /// The weight that it comes to for a server whose own is `initial`.
    #[must_use]
    pub fn of(self, initial: u32) -> u32 {
        match self {
            Weight::Absolute(weight) => weight,
            Weight::Percent(percent) => initial.saturating_mul(percent).div_ceil(100).min(256),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_ends_with_either_end_of_line() {
        assert_eq!(line(b"up 75%\r\nmore"), Some(&b"up 75%"[..]));
        assert_eq!(line(b"up\n"), Some(&b"up"[..]));
        assert_eq!(line(b"up 75"), None);
    }

    #[test]
    fn words_come_in_any_order() {
        let answer = parse(b"maxconn:30, 75%\tREADY up").unwrap();
        assert_eq!(answer.maxconn, Some(30));
        assert_eq!(answer.weight, Some(Weight::Percent(75)));
        assert_eq!(answer.admin, Some(Admin::Ready));
        assert_eq!(answer.operational, Some(Operational::Up));
    }

    #[test]
    fn what_is_not_mentioned_stays() {
        assert_eq!(
            parse(b"drain").unwrap(),
            Answer {
                admin: Some(Admin::Drain),
                ..Answer::default()
            }
        );
    }

    #[test]
    fn the_word_and_the_reason_of_a_failure_are_kept() {
        let answer = parse(b"fail#disk is full, again").unwrap();
        let why = Some("disk is full, again".to_owned());
        assert_eq!(answer.operational, Some(Operational::Down { word: "fail", why }));
        let stopped = parse(b"stopped 10%").unwrap();
        assert_eq!(
            stopped.operational,
            Some(Operational::Down {
                word: "stopped",
                why: None
            })
        );
        assert_eq!(stopped.weight, Some(Weight::Percent(10)));
    }

    #[test]
    fn nothing_of_a_wrong_line_is_used() {
        assert_eq!(parse(b" ,\t"), Err(Fault::Empty));
        for wrong in [
            "up sideways",
            "weight:300",
            "weight:-1",
            "x%",
            "maxconn:",
            "maxconn:a",
        ] {
            assert!(
                matches!(parse(wrong.as_bytes()), Err(Fault::Unknown(_))),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_part_of_a_weight_is_never_rounded_to_nothing() {
        assert_eq!(Weight::Percent(50).of(1), 1);
        assert_eq!(Weight::Percent(0).of(100), 0);
        assert_eq!(Weight::Percent(150).of(100), 150);
        assert_eq!(Weight::Percent(1000).of(100), 256);
        assert_eq!(Weight::Absolute(7).of(100), 7);
    }

    proptest! {
        #[test]
        fn no_line_is_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some(line) = line(&bytes) {
                let _ = parse(line);
            }
        }
    }
}
