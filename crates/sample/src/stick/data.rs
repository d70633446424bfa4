//! What a table keeps for each key.

use super::count::{Count, Counts};

/// How a kind of data is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A number of 32 bits.
    Number,
    /// A number of 64 bits.
    Large,
    /// How often in a period.
    Rate,
    /// The number of the server, which is set by rules on persistence.
    ServerId,
    /// The name or address of the server.
    ServerKey,
}

macro_rules! kinds {
    ($($variant:ident $name:literal $form:ident $array:literal $doc:literal,)*) => {
        /// A kind of data, in the order in which entries show theirs.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum DataType { $(#[doc = $doc] $variant,)* }

        impl DataType {
            /// All of them.
            pub const ALL: &'static [DataType] = &[$(DataType::$variant,)*];

            /// The name in the configuration.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(DataType::$variant => $name,)* }
            }

            /// How it is counted.
            #[must_use]
            pub const fn form(self) -> Form {
                match self { $(DataType::$variant => Form::$form,)* }
            }

            /// Whether there is a number of them.
            #[must_use]
            pub const fn is_array(self) -> bool {
                match self { $(DataType::$variant => $array,)* }
            }
        }
    };
}

kinds! {
    ServerId "server_id" ServerId false "The number of a server.",
    Gpt0 "gpt0" Number false "A tag.",
    Gpc0 "gpc0" Number false "A counter for any purpose.",
    Gpc0Rate "gpc0_rate" Rate false "How often `gpc0` was incremented.",
    ConnCnt "conn_cnt" Number false "Connections.",
    ConnRate "conn_rate" Rate false "Connections in a period.",
    ConnCur "conn_cur" Number false "Connections that are open.",
    SessCnt "sess_cnt" Number false "Sessions: connections that were let in.",
    SessRate "sess_rate" Rate false "Sessions in a period.",
    HttpReqCnt "http_req_cnt" Number false "HTTP requests.",
    HttpReqRate "http_req_rate" Rate false "HTTP requests in a period.",
    HttpErrCnt "http_err_cnt" Number false "HTTP requests with an error of the client's.",
    HttpErrRate "http_err_rate" Rate false "Errors of clients in a period.",
    BytesInCnt "bytes_in_cnt" Large false "Bytes from clients.",
    BytesInRate "bytes_in_rate" Rate false "Bytes from clients in a period.",
    BytesOutCnt "bytes_out_cnt" Large false "Bytes to clients.",
    BytesOutRate "bytes_out_rate" Rate false "Bytes to clients in a period.",
    Gpc1 "gpc1" Number false "Another counter for any purpose.",
    Gpc1Rate "gpc1_rate" Rate false "How often `gpc1` was incremented.",
    ServerKey "server_key" ServerKey false "The name or address of a server.",
    HttpFailCnt "http_fail_cnt" Number false "Responses with an error of a server's.",
    HttpFailRate "http_fail_rate" Rate false "Errors of servers in a period.",
    Gpt "gpt" Number true "Tags.",
    Gpc "gpc" Number true "Counters for any purpose.",
    GpcRate "gpc_rate" Rate true "How often the counters were incremented.",
    GlitchCnt "glitch_cnt" Number false "Odd things that clients did to the protocol.",
    GlitchRate "glitch_rate" Rate false "Odd things in a period.",
}

/// Most elements of an array.
pub const ARRAY_MAX: u32 = 100;

impl DataType {
    /// The kind of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<DataType> {
        DataType::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// The element of an array that stands for this where the table has the array.
    pub(super) const fn in_array(self) -> Option<Cell> {
        let (kind, index) = match self {
            DataType::Gpc0 => (DataType::Gpc, 0),
            DataType::Gpc1 => (DataType::Gpc, 1),
            DataType::Gpc0Rate => (DataType::GpcRate, 0),
            DataType::Gpc1Rate => (DataType::GpcRate, 1),
            DataType::Gpt0 => (DataType::Gpt, 0),
            _ => return None,
        };
        Some(Cell { kind, index })
    }
}

/// One value of an entry: a kind of data and, for an array, which element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cell {
    /// The kind.
    pub kind: DataType,
    /// The element; 0 for what is no array.
    pub index: u32,
}

impl From<DataType> for Cell {
    fn from(kind: DataType) -> Cell {
        Cell { kind, index: 0 }
    }
}

/// A kind of data that a table keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// The kind.
    pub kind: DataType,
    /// How many there are: 1, or the length of the array.
    pub length: u32,
    /// The period of a rate, milliseconds; 0 for others.
    pub period_ms: u32,
}

impl Column {
    /// A column of one value that is no rate.
    #[must_use]
    pub fn single(kind: DataType) -> Column {
        Column {
            kind,
            length: 1,
            period_ms: 0,
        }
    }

    /// A rate over a period.
    #[must_use]
    pub fn rate(kind: DataType, period_ms: u32) -> Column {
        Column {
            kind,
            length: 1,
            period_ms,
        }
    }
}

/// Where the values of each kind are among those of an entry.
#[derive(Debug, Default)]
pub(super) struct Layout {
    places: [Option<Place>; DataType::ALL.len()],
    counted: [Counted; Count::ALL.len()],
    counts: Counts,
    /// Where it is kept how many connections are open.
    open: Option<usize>,
    slots: usize,
}

/// Where it is kept how often something happens: at once and in a period.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counted {
    pub(super) total: Option<usize>,
    pub(super) rate: Option<Place>,
}

/// The values of a column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) slot: usize,
    pub(super) column: Column,
}

impl Layout {
    pub(super) fn new(columns: &[Column]) -> Layout {
        let mut layout = Layout::default();
        for column in columns {
            let slot = layout.slots;
            let each = match column.kind.form() {
                Form::ServerId | Form::ServerKey => continue,
                Form::Number | Form::Large => 1,
                Form::Rate => 2,
            };
            if let Some(place) = layout.places.get_mut(column.kind as usize)
                && place.is_none()
            {
                *place = Some(Place {
                    slot,
                    column: *column,
                });
                layout.slots += each * column.length as usize;
            }
        }
        layout.open = layout.find(DataType::ConnCur.into()).map(|place| place.slot);
        layout.counted = Count::ALL.map(|what| {
            let [total, rate] = what.kinds();
            Counted {
                total: layout.find(total.into()).map(|place| place.slot),
                rate: layout.find(rate.into()),
            }
        });
        let all = Count::ALL.into_iter();
        layout.counts = all.filter(|what| layout.counted(*what).is_some()).collect();
        layout
    }

    /// How many words an entry has.
    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    /// What is counted of all that may happen.
    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// Where something that happens is counted; nothing if it isn't.
    pub(super) fn counted(&self, what: Count) -> Option<&Counted> {
        let counted = self.counted.get(what as usize)?;
        (counted.total.is_some() || counted.rate.is_some()).then_some(counted)
    }

    /// Where it is kept how many connections are open.
    pub(super) fn open(&self) -> Option<usize> {
        self.open
    }

    pub(super) fn column(&self, kind: DataType) -> Option<Column> {
        self.place(kind).map(|place| place.column)
    }

    /// Where a value is. One of the names without an array may stand for an element of the array.
    pub(super) fn find(&self, cell: Cell) -> Option<Place> {
        let (place, index) = match (self.place(cell.kind), cell.kind.in_array()) {
            (Some(place), _) => (place, cell.index),
            (None, Some(element)) => (self.place(element.kind)?, element.index),
            (None, None) => return None,
        };
        if index >= place.column.length {
            return None;
        }
        let each = if place.column.kind.form() == Form::Rate {
            2
        } else {
            1
        };
        Some(Place {
            slot: place.slot + each * index as usize,
            ..place
        })
    }

    fn place(&self, kind: DataType) -> Option<Place> {
        self.places.get(kind as usize).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_places_of_their_own() {
        let array = |kind, length, period_ms| Column {
            kind,
            length,
            period_ms,
        };
        let layout = Layout::new(&[
            Column::single(DataType::ConnCnt),
            Column::rate(DataType::ConnRate, 10),
            array(DataType::GpcRate, 3, 20),
            array(DataType::Gpc, 2, 0),
            Column::single(DataType::Gpt0),
        ]);
        assert_eq!(layout.slots(), 1 + 2 + 6 + 2 + 1);
        let slot = |kind, index| layout.find(Cell { kind, index }).map(|place| place.slot);
        assert_eq!(slot(DataType::ConnCnt, 0), Some(0));
        assert_eq!(slot(DataType::ConnRate, 0), Some(1));
        assert_eq!(slot(DataType::GpcRate, 2), Some(7));
        assert_eq!(slot(DataType::GpcRate, 3), None);
        assert_eq!(slot(DataType::Gpc1Rate, 0), Some(5));
        assert_eq!(slot(DataType::Gpc1, 0), Some(10));
        assert_eq!(slot(DataType::Gpt0, 0), Some(11));
        assert_eq!(slot(DataType::Gpt, 0), None);
        assert_eq!(slot(DataType::BytesInCnt, 0), None);
    }

    #[test]
    fn kinds_are_found_by_their_names() {
        for kind in DataType::ALL {
            assert_eq!(DataType::find(kind.name()), Some(*kind));
        }
        assert_eq!(DataType::find("gpc2"), None);
    }
}
