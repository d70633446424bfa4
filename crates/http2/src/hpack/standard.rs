//! The fields that every block can refer to (RFC 7541, appendix A).

use tidegate_sample::head::{KnownName, names};

use super::Pseudo;
use super::kind::Kind;

/// How many there are; the entries of a connection are numbered from there on.
pub(super) const LEN: usize = 61;

/// A field of the standard's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standard {
    pub(super) kind: Kind,
    pub(super) value: &'static str,
}

/// The field with this index, which counts from 1.
pub(super) fn field(index: usize) -> Option<&'static Standard> {
    FIELDS.get(index.checked_sub(1)?)
}

/// The first index of a name; 0 if there is none.
pub(super) fn index_of(known: KnownName) -> u8 {
    INDEXES.get(known.number()).copied().unwrap_or_default()
}

/// The index of a pseudo-header field of this value, if there is one, or else the first of the name.
pub(super) fn index_of_pseudo(name: Pseudo, value: &[u8]) -> Result<u8, u8> {
    match (name, value) {
        (Pseudo::Authority, _) => Err(1),
        (Pseudo::Method, b"GET") => Ok(2),
        (Pseudo::Method, b"POST") => Ok(3),
        (Pseudo::Method, _) => Err(2),
        (Pseudo::Path, b"/") => Ok(4),
        (Pseudo::Path, b"/index.html") => Ok(5),
        (Pseudo::Path, _) => Err(4),
        (Pseudo::Protocol, _) => Err(0),
        (Pseudo::Scheme, b"http") => Ok(6),
        (Pseudo::Scheme, b"https") => Ok(7),
        (Pseudo::Scheme, _) => Err(6),
        (Pseudo::Status, b"200") => Ok(8),
        (Pseudo::Status, b"204") => Ok(9),
        (Pseudo::Status, b"206") => Ok(10),
        (Pseudo::Status, b"304") => Ok(11),
        (Pseudo::Status, b"400") => Ok(12),
        (Pseudo::Status, b"404") => Ok(13),
        (Pseudo::Status, b"500") => Ok(14),
        (Pseudo::Status, _) => Err(8),
    }
}

static INDEXES: [u8; names::KNOWN_NAMES + 1] = indexes();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn indexes() -> [u8; names::KNOWN_NAMES + 1] {
    let mut indexes = [0; names::KNOWN_NAMES + 1];
    let mut at = FIELDS.len();
    while at > 0 {
        if let Kind::Known(known) = FIELDS[at - 1].kind {
            indexes[known.number()] = at as u8;
        }
        at -= 1;
    }
    indexes
}

const fn pseudo(name: Pseudo, value: &'static str) -> Standard {
    let kind = Kind::Pseudo(name);
    Standard { kind, value }
}

const fn known(name: KnownName, value: &'static str) -> Standard {
    let kind = Kind::Known(name);
    Standard { kind, value }
}

#[rustfmt::skip]
static FIELDS: [Standard; LEN] = [
    pseudo(Pseudo::Authority, ""),
    pseudo(Pseudo::Method, "GET"),
    pseudo(Pseudo::Method, "POST"),
    pseudo(Pseudo::Path, "/"),
    pseudo(Pseudo::Path, "/index.html"),
    pseudo(Pseudo::Scheme, "http"),
    pseudo(Pseudo::Scheme, "https"),
    pseudo(Pseudo::Status, "200"),
    pseudo(Pseudo::Status, "204"),
    pseudo(Pseudo::Status, "206"),
    pseudo(Pseudo::Status, "304"),
    pseudo(Pseudo::Status, "400"),
    pseudo(Pseudo::Status, "404"),
    pseudo(Pseudo::Status, "500"),
    known(names::ACCEPT_CHARSET, ""),
    known(names::ACCEPT_ENCODING, "gzip, deflate"),
    known(names::ACCEPT_LANGUAGE, ""),
    known(names::ACCEPT_RANGES, ""),
    known(names::ACCEPT, ""),
    known(names::ACCESS_CONTROL_ALLOW_ORIGIN, ""),
    known(names::AGE, ""),
    known(names::ALLOW, ""),
    known(names::AUTHORIZATION, ""),
    known(names::CACHE_CONTROL, ""),
    known(names::CONTENT_DISPOSITION, ""),
    known(names::CONTENT_ENCODING, ""),
    known(names::CONTENT_LANGUAGE, ""),
    known(names::CONTENT_LENGTH, ""),
    known(names::CONTENT_LOCATION, ""),
    known(names::CONTENT_RANGE, ""),
    known(names::CONTENT_TYPE, ""),
    known(names::COOKIE, ""),
    known(names::DATE, ""),
    known(names::ETAG, ""),
    known(names::EXPECT, ""),
    known(names::EXPIRES, ""),
    known(names::FROM, ""),
    known(names::HOST, ""),
    known(names::IF_MATCH, ""),
    known(names::IF_MODIFIED_SINCE, ""),
    known(names::IF_NONE_MATCH, ""),
    known(names::IF_RANGE, ""),
    known(names::IF_UNMODIFIED_SINCE, ""),
    known(names::LAST_MODIFIED, ""),
    known(names::LINK, ""),
    known(names::LOCATION, ""),
    known(names::MAX_FORWARDS, ""),
    known(names::PROXY_AUTHENTICATE, ""),
    known(names::PROXY_AUTHORIZATION, ""),
    known(names::RANGE, ""),
    known(names::REFERER, ""),
    known(names::REFRESH, ""),
    known(names::RETRY_AFTER, ""),
    known(names::SERVER, ""),
    known(names::SET_COOKIE, ""),
    known(names::STRICT_TRANSPORT_SECURITY, ""),
    known(names::TRANSFER_ENCODING, ""),
    known(names::USER_AGENT, ""),
    known(names::VARY, ""),
    known(names::VIA, ""),
    known(names::WWW_AUTHENTICATE, ""),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_by_what_they_are() {
        for index in 1..=LEN {
            let Standard { kind, value } = *field(index).unwrap();
            match kind {
                Kind::Pseudo(name) if name != Pseudo::Authority => {
                    assert_eq!(index_of_pseudo(name, value.as_bytes()), Ok(index as u8));
                    let first = (1..=LEN).find(|index| field(*index).unwrap().kind == kind);
                    assert_eq!(index_of_pseudo(name, b"x").unwrap_err() as usize, first.unwrap());
                }
                Kind::Pseudo(name) => assert_eq!(index_of_pseudo(name, b"a"), Err(1)),
                Kind::Known(name) => assert_eq!(index_of(name) as usize, index, "{name:?}"),
                Kind::Other | Kind::Invalid => panic!("{index}"),
            }
        }
        assert!(field(0).is_none() && field(LEN + 1).is_none());
        assert_eq!(index_of(names::X_FORWARDED_FOR), 0);
    }
}
