//! Figures with their types and tags, as HAProxy's manual describes its "typed output format".

use std::fmt;

/// A figure.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Typed {
    U32(u32),
    U64(u64),
    S32(i32),
    Float(f64),
    Text(String),
}

impl Typed {
    /// The types' names, with what their values are in JSON.
    pub(crate) const KINDS: [(&str, &str); 5] = [
        ("u32", "integer"),
        ("u64", "integer"),
        ("s32", "integer"),
        ("flt", "number"),
        ("str", "string"),
    ];

    /// A text.
    pub(crate) fn text(text: &str) -> Typed {
        Typed::Text(text.to_owned())
    }

    /// A count that is shown as one of 32 bits, whatever it is kept in.
    pub(crate) fn u32(count: impl TryInto<u32>) -> Typed {
        Typed::U32(count.try_into().unwrap_or(u32::MAX))
    }

    /// The type's name.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Typed::U32(_) => "u32",
            Typed::U64(_) => "u64",
            Typed::S32(_) => "s32",
            Typed::Float(_) => "flt",
            Typed::Text(_) => "str",
        }
    }

    /// The value, if it is a number.
    pub(crate) fn number(&self) -> Option<f64> {
        match self {
            Typed::U32(value) => Some(f64::from(*value)),
            Typed::U64(value) => Some(*value as f64),
            Typed::S32(value) => Some(f64::from(*value)),
            Typed::Float(value) => Some(*value),
            Typed::Text(_) => None,
        }
    }

    /// The value as JSON, with its type.
    pub(crate) fn json(&self) -> String {
        let value = match self {
            Typed::Text(text) => json_text(text),
            figure => figure.to_string(),
        };
        format!("{{\"type\":\"{}\",\"value\":{value}}}", self.kind())
    }
}

impl fmt::Display for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Typed::U32(value) => value.fmt(f),
            Typed::U64(value) => value.fmt(f),
            Typed::S32(value) => value.fmt(f),
            Typed::Float(value) => write!(f, "{value:.6}"),
            Typed::Text(text) => f.write_str(text),
        }
    }
}

/// A text in JSON.
pub(crate) fn json_text(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Where a figure comes from, what it is, and what it is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tags(pub(crate) Origin, pub(crate) Nature, pub(crate) Scope);

/// Where a figure comes from.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Origin {
    Metric,
    Status,
    Key,
    Config,
    Product,
}

/// What a figure is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Nature {
    Gauge,
    Limit,
    Max,
    Average,
    Age,
    Rate,
    Counter,
    Duration,
    Name,
    Output,
}

/// What a figure is about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scope {
    Process,
    Service,
}

impl Origin {
    const ALL: [Origin; 5] = [
        Origin::Metric,
        Origin::Status,
        Origin::Key,
        Origin::Config,
        Origin::Product,
    ];
}

impl Nature {
    const ALL: [Nature; 10] = [
        Nature::Gauge,
        Nature::Limit,
        Nature::Max,
        Nature::Average,
        Nature::Age,
        Nature::Rate,
        Nature::Counter,
        Nature::Duration,
        Nature::Name,
        Nature::Output,
    ];
}

impl Scope {
    const ALL: [Scope; 2] = [Scope::Process, Scope::Service];
}

impl Tags {
    /// All that tags may be in JSON: origins, natures and scopes.
    pub(crate) fn names() -> [Vec<&'static str>; 3] {
        let (nature, scope) = (Nature::Gauge, Scope::Process);
        [
            Origin::ALL
                .map(|origin| Tags(origin, nature, scope).words()[0].1)
                .to_vec(),
            Nature::ALL
                .map(|nature| Tags(Origin::Metric, nature, scope).words()[1].1)
                .to_vec(),
            Scope::ALL
                .map(|scope| Tags(Origin::Metric, nature, scope).words()[2].1)
                .to_vec(),
        ]
    }

    fn words(self) -> [(char, &'static str); 3] {
        let Tags(origin, nature, scope) = self;
        [
            match origin {
                Origin::Metric => ('M', "Metric"),
                Origin::Status => ('S', "Status"),
                Origin::Key => ('K', "Key"),
                Origin::Config => ('C', "Config"),
                Origin::Product => ('P', "Product"),
            },
            match nature {
                Nature::Gauge => ('G', "Gauge"),
                Nature::Limit => ('L', "Limit"),
                Nature::Max => ('M', "Max"),
                Nature::Average => ('a', "Average"),
                Nature::Age => ('A', "Age"),
                Nature::Rate => ('R', "Rate"),
                Nature::Counter => ('C', "Counter"),
                Nature::Duration => ('D', "Duration"),
                Nature::Name => ('N', "Name"),
                Nature::Output => ('O', "Output"),
            },
            match scope {
                Scope::Process => ('P', "Process"),
                Scope::Service => ('S', "Service"),
            },
        ]
    }

    /// The tags as a member of a JSON object.
    pub(crate) fn json(self) -> String {
        let [(_, origin), (_, nature), (_, scope)] = self.words();
        format!("\"tags\":{{\"origin\":\"{origin}\",\"nature\":\"{nature}\",\"scope\":\"{scope}\"}}")
    }
}

impl fmt::Display for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (letter, _) in self.words() {
            write!(f, "{letter}")?;
        }
        // Volatile: no figure outlives the process.
        write!(f, "V")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_have_types() {
        assert_eq!(Typed::u32(u64::MAX), Typed::U32(u32::MAX));
        assert_eq!(Typed::Float(1.5).to_string(), "1.500000");
        assert_eq!(Typed::text("a\"b").json(), r#"{"type":"str","value":"a\"b"}"#);
        assert_eq!(Typed::S32(-1).json(), r#"{"type":"s32","value":-1}"#);
        let tags = Tags(Origin::Metric, Nature::Rate, Scope::Service);
        assert_eq!(tags.to_string(), "MRSV");
        assert_eq!(
            tags.json(),
            r#""tags":{"origin":"Metric","nature":"Rate","scope":"Service"}"#
        );
    }
}
