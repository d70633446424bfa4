//! One resolution of a name: which record is asked for next, and when to give up.

use super::message::{Answer, Fault, Record};

/// A resolution under way.
#[derive(Debug)]
pub(super) struct Lookup {
    preferred: Record,
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
    pub(super) fn new(is_service: bool, prefer_v4: bool, retries: u32) -> Lookup {
        let preferred = match (is_service, prefer_v4) {
            (true, _) => Record::Srv,
            (false, true) => Record::A,
            (false, false) => Record::Aaaa,
        };
        Lookup {
            preferred,
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
        let other = match self.preferred {
            Record::A => Record::Aaaa,
            Record::Aaaa => Record::A,
            Record::Srv => Record::Srv,
        };
        if fault != Fault::Timeout && self.record == self.preferred && other != self.preferred {
            self.record = other;
            return Next::Ask(other);
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
            asked(Lookup::new(false, false, 2), &faults),
            (vec![Aaaa, A, Aaaa, A], Some(Fault::NoName))
        );
        assert_eq!(
            asked(Lookup::new(false, true, 1), &faults),
            (vec![A, Aaaa], Some(Fault::NoName))
        );
    }

    #[test]
    fn after_silence_the_same_is_asked_again() {
        let silence = [Fault::Timeout; 9];
        assert_eq!(
            asked(Lookup::new(false, true, 3), &silence),
            (vec![Record::A; 3], Some(Fault::Timeout))
        );
    }

    #[test]
    fn services_have_one_record() {
        let faults = [Fault::Refused; 9];
        assert_eq!(
            asked(Lookup::new(true, false, 2), &faults),
            (vec![Record::Srv; 2], Some(Fault::Refused))
        );
    }

    #[test]
    fn the_first_good_answer_ends_it() {
        let mut lookup = Lookup::new(false, false, 3);
        let answer = Answer {
            addresses: vec!["::1".parse().unwrap()],
            ..Answer::default()
        };
        assert_eq!(lookup.heard(Ok(answer.clone())), Next::Done(Ok(answer)));
    }
}
