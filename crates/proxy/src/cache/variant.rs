//! Variants of a response: what `vary` says, and which requests one of them is for.

use tidegate_sample::head::names::{ACCEPT_ENCODING, CONTENT_ENCODING, ORIGIN, REFERER, VARY};
use tidegate_sample::head::{AsName, Headers, KnownName};
use xxhash_rust::xxh3::xxh3_128_with_seed;

/// The codings of the registry of HTTP, each a bit by its place.
const CODINGS: [&str; 12] = [
    "identity",
    "gzip",
    "deflate",
    "br",
    "zstd",
    "compress",
    "aes128gcm",
    "dcb",
    "dcz",
    "exi",
    "pack200-gzip",
    "x-gzip",
];
const IDENTITY: u16 = 1;
const ALL: u16 = (1 << CODINGS.len()) - 1;

/// A set of codings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Codings(u16);

impl Codings {
    fn one(name: &str) -> Option<u16> {
        // An old name of the same.
        let name = if name.eq_ignore_ascii_case("x-compress") {
            "compress"
        } else {
            name
        };
        let at = CODINGS
            .iter()
            .position(|known| known.eq_ignore_ascii_case(name))?;
        Some(1 << at)
    }

    /// Those that a request accepts.
    fn accepted(headers: &Headers) -> Codings {
        if !headers.contains(ACCEPT_ENCODING) {
            return Codings(ALL);
        }
        let (mut accepted, mut refused, mut others) = (0, 0, false);
        for value in headers.get_all(ACCEPT_ENCODING) {
            for item in value.to_str().unwrap_or_default().split(',') {
                let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
                let quality = parameters.trim().strip_prefix("q=").map(str::trim);
                let is_refused = quality.is_some_and(|q| q.parse::<f32>().is_ok_and(|q| q <= 0.0));
                let name = name.trim();
                let bit = match name {
                    "*" => None,
                    name => Some(Codings::one(name).unwrap_or(0)),
                };
                match (bit, is_refused) {
                    (Some(bit), true) => refused |= bit,
                    (Some(bit), false) => accepted |= bit,
                    (None, true) => refused |= IDENTITY,
                    (None, false) => others = true,
                }
            }
        }
        if others {
            return Codings(ALL & !(refused & !accepted));
        }
        // As it is needs nobody's consent.
        let plain = IDENTITY & !(refused & !accepted);
        Codings(accepted | plain)
    }

    /// Those of a response; none if it has one that nobody knows.
    fn used(headers: &Headers) -> Option<Codings> {
        let mut used = 0;
        for value in headers.get_all(CONTENT_ENCODING) {
            for name in value.to_str().ok()?.split(',') {
                used |= Codings::one(name.trim())?;
            }
        }
        Some(Codings(if used == 0 { IDENTITY } else { used }))
    }

    fn are_among(self, accepted: Codings) -> bool {
        self.0 & !accepted.0 == 0
    }
}

/// What of a request tells which variants are for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    accepted: Codings,
    referer: u128,
    origin: u128,
}

impl Wanted {
    pub(super) fn of(headers: &Headers, seed: u64) -> Wanted {
        Wanted {
            accepted: Codings::accepted(headers),
            referer: digest(headers, REFERER, seed),
            origin: digest(headers, ORIGIN, seed),
        }
    }
}

/// A field's values, however long, as a number that nobody can aim at; 0 if there is no such field.
fn digest(headers: &Headers, name: KnownName, seed: u64) -> u128 {
    let mut values = headers.get_all(name);
    let Some(first) = values.next() else { return 0 };
    let Some(second) = values.next() else {
        return xxh3_128_with_seed(first.as_bytes(), seed);
    };
    let mut all = [first.as_bytes(), b"\n", second.as_bytes()].concat();
    for value in values {
        all.push(b'\n');
        all.extend_from_slice(value.as_bytes());
    }
    xxh3_128_with_seed(&all, seed)
}

/// Which requests a response is for; everybody, where nothing is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Variant {
    codings: Option<Codings>,
    referer: Option<u128>,
    origin: Option<u128>,
}

/// Why a response has no variant that could be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unmanaged;

impl Variant {
    /// Whom a response to this request is for.
    ///
    /// # Errors
    /// `vary` names a field that is not among those that are looked at, or the body is coded in a way that nobody knows.
    pub(super) fn of(response: &Headers, wanted: &Wanted) -> Result<Variant, Unmanaged> {
        let mut variant = Variant::default();
        for value in response.get_all(VARY) {
            for name in value.to_str().map_err(|_| Unmanaged)?.split(',') {
                match name.trim().as_name() {
                    name if name == ACCEPT_ENCODING => {
                        variant.codings = Some(Codings::used(response).ok_or(Unmanaged)?);
                    }
                    name if name == REFERER => variant.referer = Some(wanted.referer),
                    name if name == ORIGIN => variant.origin = Some(wanted.origin),
                    _ => return Err(Unmanaged),
                }
            }
        }
        Ok(variant)
    }

    /// Whether it may be sent to whoever wants this.
    pub(super) fn suits(&self, wanted: &Wanted) -> bool {
        self.codings.is_none_or(|used| used.are_among(wanted.accepted))
            && self.referer.is_none_or(|referer| referer == wanted.referer)
            && self.origin.is_none_or(|origin| origin == wanted.origin)
    }

    /// The secondary key, as `show cache` prints it.
    pub(super) fn number(&self) -> u64 {
        let codings = self.codings.map_or(0, |codings| u64::from(codings.0));
        let low = |digest: Option<u128>| digest.map_or(0, |digest| (digest & 0xff_ffff) as u64);
        codings << 48 | low(self.referer) << 24 | low(self.origin)
    }

    pub(super) fn is_for_everybody(&self) -> bool {
        *self == Variant::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderName, HeaderValue};

    fn headers(fields: &[(&'static str, &str)]) -> Headers {
        let field = |(name, value): &(&'static str, &str)| {
            (
                HeaderName::from_static(name),
                HeaderValue::from_str(value).unwrap(),
            )
        };
        fields.iter().map(field).collect()
    }

    fn accepts(accepted: Option<&str>, used: &str) -> bool {
        let request = accepted.map_or(Headers::new(), |a| headers(&[("accept-encoding", a)]));
        let mut response = vec![("vary", "accept-encoding")];
        if !used.is_empty() {
            response.push(("content-encoding", used));
        }
        let wanted = Wanted::of(&request, 1);
        Variant::of(&headers(&response), &wanted).unwrap().suits(&wanted)
    }

    #[test]
    fn a_coding_goes_to_those_who_accept_it() {
        assert!(accepts(None, "gzip") && accepts(Some("*"), "br"));
        assert!(accepts(Some("GZIP ; q=0.8"), "gzip"));
        assert!(!accepts(Some("gzip;q=0, deflate"), "gzip"));
        assert!(!accepts(Some("first"), "gzip") && accepts(Some("first"), ""));
        assert!(!accepts(Some(""), "gzip") && accepts(Some(""), ""));
        assert!(!accepts(Some("deflate, identity;q=0"), ""));
        assert!(accepts(Some("gzip;q=0, deflate, *;q=0.1"), "br"));
        assert!(!accepts(Some("gzip;q=0, deflate, *;q=0"), "br"));
        assert!(!accepts(Some("*;q=0"), "") && accepts(Some("*;q=0, identity"), ""));
        assert!(accepts(Some("deflate, gzip"), "deflate, gzip"));
        assert!(!accepts(Some("deflate"), "deflate, gzip"));
    }

    #[test]
    fn only_what_is_looked_at_can_vary() {
        let request = headers(&[("referer", "a"), ("origin", "b")]);
        let wanted = Wanted::of(&request, 1);
        let of = |vary: &str| Variant::of(&headers(&[("vary", vary)]), &wanted);
        assert_eq!(of("*"), Err(Unmanaged));
        assert_eq!(of(""), Err(Unmanaged));
        assert_eq!(of("origin, user-agent"), Err(Unmanaged));
        let unknown = headers(&[("vary", "accept-encoding"), ("content-encoding", "rot13")]);
        assert_eq!(Variant::of(&unknown, &wanted), Err(Unmanaged));
        let variant = of("Referer, ORIGIN").unwrap();
        assert!(variant.suits(&wanted) && !variant.is_for_everybody());
        assert_ne!(variant.number(), 0);
        let other = |fields: &[(&'static str, &str)]| Wanted::of(&headers(fields), 1);
        assert!(!variant.suits(&other(&[("referer", "a")])));
        assert!(!variant.suits(&other(&[("referer", "a"), ("origin", "c")])));
        assert!(!variant.suits(&other(&[("referer", "a"), ("referer", "a"), ("origin", "b")])));
        assert!(Variant::of(&Headers::new(), &wanted).unwrap().is_for_everybody());
        // A field without a value is another one than no field.
        let empty = other(&[("referer", ""), ("origin", "b")]);
        let missing = other(&[("origin", "b")]);
        let of_empty = Variant::of(&headers(&[("vary", "referer")]), &empty).unwrap();
        assert!(of_empty.suits(&empty) && !of_empty.suits(&missing));
    }
}
