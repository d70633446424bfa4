//! What happens to those who are tracked.

use super::data::DataType;

/// Something that happens and is counted, at once and in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// A connection came.
    Connection,
    /// A connection was let in.
    Session,
    /// An HTTP request began.
    Request,
    /// A request was in error.
    Error,
    /// A response was in error.
    Failure,
    /// Bytes came from the client.
    BytesIn,
    /// Bytes went to the client.
    BytesOut,
    /// The client did something odd to the protocol.
    Glitch,
}

impl Count {
    pub(super) const ALL: [Count; 8] = [
        Count::Connection,
        Count::Session,
        Count::Request,
        Count::Error,
        Count::Failure,
        Count::BytesIn,
        Count::BytesOut,
        Count::Glitch,
    ];

    /// What counts it: at once, and in a period.
    pub(super) fn kinds(self) -> [DataType; 2] {
        match self {
            Count::Connection => [DataType::ConnCnt, DataType::ConnRate],
            Count::Session => [DataType::SessCnt, DataType::SessRate],
            Count::Request => [DataType::HttpReqCnt, DataType::HttpReqRate],
            Count::Error => [DataType::HttpErrCnt, DataType::HttpErrRate],
            Count::Failure => [DataType::HttpFailCnt, DataType::HttpFailRate],
            Count::BytesIn => [DataType::BytesInCnt, DataType::BytesInRate],
            Count::BytesOut => [DataType::BytesOutCnt, DataType::BytesOutRate],
            Count::Glitch => [DataType::GlitchCnt, DataType::GlitchRate],
        }
    }
}

/// Some of what may happen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts(u8);

impl Counts {
    /// Whether this is one of them.
    #[must_use]
    pub fn contains(self, what: Count) -> bool {
        self.0 & (1 << what as u8) != 0
    }

    /// These, and those.
    #[must_use]
    pub fn and(self, those: Counts) -> Counts {
        Counts(self.0 | those.0)
    }
}

impl FromIterator<Count> for Counts {
    fn from_iter<I: IntoIterator<Item = Count>>(counts: I) -> Counts {
        Counts(counts.into_iter().fold(0, |all, what| all | 1 << what as u8))
    }
}
