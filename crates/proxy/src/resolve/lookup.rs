//! One resolution of a name: which record is asked for next, and when to give up.

use super::families::Families;
use super::message::{Answer, Fault, Record};

/// A resolution under way.
#[derive(Debug)]
pub(super) struct Lookup {
    preferred: Record,
    /// What is asked for where there is none of these.
    other: Record,
    record: Record,
    rounds_left: u32,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Ask for this.
    Ask(Record),
    /// It is over.
    Done(Result<Answer, Fault>),
}

impl Lookup {
    /// The resolution of a host's name, or of a service's.
    pub(super) fn new(is_service: bool, prefer_v4: bool, families: Families, retries: u32) -> Lookup {
        let (preferred, other) = match (families.v4, families.v6) {
            _ if is_service => (Record::Srv, Record::Srv),
            (true, false) => (Record::A, Record::A),
            (false, true) => (Record::Aaaa, Record::Aaaa),
            _ if prefer_v4 => (Record::A, Record::Aaaa),
            _ => (Record::Aaaa, Record::A),
        };
        Lookup {
            preferred,
            other,
            record: preferred,
            rounds_left: retries.max(1),
        }
    }

    /// The record to ask for.
    pub(super) fn record(&self) -> Record {
        self.record
    }

    /// Takes in what came of asking. A fault other than silence makes the other family's record be asked for, and then the
    /// whole be tried again; silence makes the same be asked again.
    pub(super) fn heard(&mut self, result: Result<Answer, Fault>) -> Next {
        let fault = match result {
            Ok(answer) => return Next::Done(Ok(answer)),
            Err(fault) => fault,
        };
        if fault != Fault::Timeout && self.record == self.preferred && self.other != self.preferred {
            self.record = self.other;
            return Next::Ask(self.other);
        }
        self.rounds_left -= 1;
        if self.rounds_left == 0 {
            return Next::Done(Err(fault));
        }
        if fault != Fault::Timeout {
            self.record = self.preferred;
        }
        Next::Ask(self.record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The records that are asked for when `faults` come, one after the other, and how it ends.
    fn asked(mut lookup: Lookup, faults: &[Fault]) -> (Vec<Record>, Option<Fault>) {
        let mut records = vec![lookup.record()];
        for fault in faults {
            match lookup.heard(Err(*fault)) {
                Next::Ask(record) => records.push(record),
                Next::Done(result) => return (records, result.err()),
            }
        }
        (records, None)
    }

    #[test]
    fn the_other_family_is_asked_for_before_all_is_tried_again() {
        use Record::{A, Aaaa};
        let faults = [Fault::NoName; 9];
        assert_eq!(
            asked(Lookup::new(false, false, Families::ALL, 2), &faults),
            (vec![Aaaa, A, Aaaa, A], Some(Fault::NoName))
        );
        assert_eq!(
            asked(Lookup::new(false, true, Families::ALL, 1), &faults),
            (vec![A, Aaaa], Some(Fault::NoName))
        );
    }

    #[test]
    fn after_silence_the_same_is_asked_again() {
        let silence = [Fault::Timeout; 9];
        assert_eq!(
            asked(Lookup::new(false, true, Families::ALL, 3), &silence),
            (vec![Record::A; 3], Some(Fault::Timeout))
        );
    }

    #[test]
    fn what_is_not_accepted_is_not_asked_for() {
        let faults = [Fault::NoName; 9];
        for (v4, v6, record) in [(true, false, Record::A), (false, true, Record::Aaaa)] {
            let families = Families {
                v4,
                v6,
                v6_if_routed: false,
            };
            for prefer_v4 in [true, false] {
                let lookup = Lookup::new(false, prefer_v4, families, 2);
                assert_eq!(asked(lookup, &faults), (vec![record; 2], Some(Fault::NoName)));
            }
        }
    }

    #[test]
    fn services_have_one_record() {
        let faults = [Fault::Refused; 9];
        assert_eq!(
            asked(Lookup::new(true, false, Families::ALL, 2), &faults),
            (vec![Record::Srv; 2], Some(Fault::Refused))
        );
    }

    #[test]
    fn the_first_good_answer_ends_it() {
        let mut lookup = Lookup::new(false, false, Families::ALL, 3);
        let answer = Answer {
            addresses: vec!["::1".parse().unwrap()],
            ..Answer::default()
        };
        assert_eq!(lookup.heard(Ok(answer.clone())), Next::Done(Ok(answer)));
    }
}
