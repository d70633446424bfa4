//! What names are known as.

use tidegate_sample::head::{FieldName, KnownName};

use super::{Name, Pseudo};

/// What is kept of a name: whatever has to be found out about it is found out once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Pseudo(Pseudo),
    Known(KnownName),
    /// A name that its text tells.
    Other,
    /// No name, and its text tells what else.
    Invalid,
}

impl Kind {
    /// What a text is.
    pub(super) fn of(text: &[u8]) -> Kind {
        if let [b':', ..] = text {
            return Pseudo::of(text).map_or(Kind::Invalid, Kind::Pseudo);
        }
        match FieldName::of(text).known() {
            Some(known) if known.as_str().as_bytes() == text => Kind::Known(known),
            _ if text.is_empty() || !text.iter().all(is_of_name) => Kind::Invalid,
            _ => Kind::Other,
        }
    }

    /// What a name is that is one for sure.
    pub(super) fn of_name(name: FieldName<'_>) -> Kind {
        name.known().map_or(Kind::Other, Kind::Known)
    }

    /// Whether only its text tells the name.
    pub(super) fn has_text(self) -> bool {
        matches!(self, Kind::Other | Kind::Invalid)
    }

    /// The name, given its text if it [has](Self::has_text) one.
    pub(super) fn name(self, text: &[u8]) -> Name<'_> {
        match self {
            Kind::Pseudo(pseudo) => Name::Pseudo(pseudo),
            Kind::Known(known) => Name::Field(known.into()),
            Kind::Other => Name::Field(FieldName::not_known(text)),
            Kind::Invalid => Name::Invalid(text),
        }
    }
}

/// Whether names of fields may have this byte: those of tokens, without capital letters.
fn is_of_name(byte: &u8) -> bool {
    IN_NAMES.get(usize::from(*byte)).copied().unwrap_or_default()
}

static IN_NAMES: [bool; 256] = in_names();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn in_names() -> [bool; 256] {
    let mut set = [false; 256];
    let bytes = b"!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz";
    let mut at = 0;
    while at < bytes.len() {
        set[bytes[at] as usize] = true;
        at += 1;
    }
    set
}

#[cfg(test)]
mod tests {
    use tidegate_sample::head::names;

    use super::*;

    #[test]
    fn names_are_small_tokens_or_one_of_six_with_a_colon() {
        assert_eq!(Kind::of(b"host"), Kind::Known(names::HOST));
        assert_eq!(Kind::of(b"x-any_thing.1~"), Kind::Other);
        assert_eq!(Kind::of(b":path"), Kind::Pseudo(Pseudo::Path));
        assert_eq!(Kind::of(b":protocol"), Kind::Pseudo(Pseudo::Protocol));
        for bad in [
            &b""[..],
            b"Host",
            b"x-Y",
            b"a b",
            b"a:",
            b":",
            b":paths",
            b":Path",
            b"a\0",
            b"\xc3\xa4",
            b"a\x7f",
            b"(a)",
        ] {
            assert_eq!(Kind::of(bad), Kind::Invalid, "{}", bad.escape_ascii());
        }
    }
}
