//! Names that fields usually have.

use std::fmt;

/// A well-known name: comparing it is comparing a number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KnownName(u8);

impl KnownName {
    /// Any other name.
    pub(super) const OTHER: KnownName = KnownName(0);

    /// The number of a name, in whatever case it is written; [`OTHER`](Self::OTHER) if it is not well known.
    pub(super) fn of(name: &[u8]) -> KnownName {
        let Some(mut slot) = slot(name) else {
            return KnownName::OTHER;
        };
        loop {
            let number = SLOTS.get(slot).copied().unwrap_or_default();
            let Some(written) = WRITTEN.get(usize::from(number)) else {
                return KnownName::OTHER;
            };
            if number == 0 || is_written(name, written) {
                return KnownName(number);
            }
            slot = (slot + 1) % SLOTS_LEN;
        }
    }

    /// The number: from 1 to [`KNOWN_NAMES`], as others may keep what they know of names.
    #[must_use]
    pub const fn number(self) -> usize {
        self.0 as usize
    }

    pub(super) fn is_other(self) -> bool {
        self.0 == 0
    }

    /// The name, in lower case.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        WRITTEN.get(usize::from(self.0)).map_or("", |written| written[0])
    }
}

impl fmt::Debug for KnownName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Nearly all write names in one of two ways, which are compared faster than letter by letter.
fn is_written(name: &[u8], [lower, title]: &[&str; 2]) -> bool {
    name == title.as_bytes() || name == lower.as_bytes() || name.eq_ignore_ascii_case(lower.as_bytes())
}

const SLOTS_LEN: usize = 256;

/// Where the search for a name begins.
const fn slot(name: &[u8]) -> Option<usize> {
    let len = name.len();
    let (Some(first), Some(last)) = (name.first(), name.last()) else {
        return None;
    };
    let middle = match name.split_at_checked(len / 2) {
        Some((_, [middle, ..])) => *middle,
        _ => 0,
    };
    let letters = (*first | 0x20) as usize * 7 + (*last | 0x20) as usize * 31 + (middle | 0x20) as usize * 3;
    Some((letters + len * 11) % SLOTS_LEN)
}

/// The numbers of names by [`slot`], with those of others behind those that were there first.
static SLOTS: [u8; SLOTS_LEN] = slots();

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn slots() -> [u8; SLOTS_LEN] {
    let mut slots = [0; SLOTS_LEN];
    let mut number = 1;
    while number < WRITTEN.len() {
        if let Some(mut slot) = slot(WRITTEN[number][0].as_bytes()) {
            while slots[slot] != 0 {
                slot = (slot + 1) % SLOTS_LEN;
            }
            slots[slot] = number as u8;
        }
        number += 1;
    }
    slots
}

macro_rules! names {
    ($($name:ident $lower:literal $title:literal)*) => {
        #[expect(non_camel_case_types, clippy::upper_case_acronyms, reason = "constants have these names")]
        #[repr(u8)]
        enum Number {
            #[expect(dead_code, reason = "no name has this number")]
            OTHER,
            $($name,)*
        }
        $(
            #[doc = concat!("`", $lower, "`")]
            pub const $name: KnownName = KnownName(Number::$name as u8);
        )*
        /// How many names are well known.
        pub const KNOWN_NAMES: usize = WRITTEN.len() - 1;
        static WRITTEN: &[[&str; 2]] = &[["", ""], $([$lower, $title],)*];
    };
}

names! {
    ACCEPT "accept" "Accept"
    ACCEPT_CHARSET "accept-charset" "Accept-Charset"
    ACCEPT_ENCODING "accept-encoding" "Accept-Encoding"
    ACCEPT_LANGUAGE "accept-language" "Accept-Language"
    ACCEPT_RANGES "accept-ranges" "Accept-Ranges"
    ACCESS_CONTROL_ALLOW_CREDENTIALS "access-control-allow-credentials" "Access-Control-Allow-Credentials"
    ACCESS_CONTROL_ALLOW_HEADERS "access-control-allow-headers" "Access-Control-Allow-Headers"
    ACCESS_CONTROL_ALLOW_METHODS "access-control-allow-methods" "Access-Control-Allow-Methods"
    ACCESS_CONTROL_ALLOW_ORIGIN "access-control-allow-origin" "Access-Control-Allow-Origin"
    ACCESS_CONTROL_EXPOSE_HEADERS "access-control-expose-headers" "Access-Control-Expose-Headers"
    ACCESS_CONTROL_MAX_AGE "access-control-max-age" "Access-Control-Max-Age"
    ACCESS_CONTROL_REQUEST_HEADERS "access-control-request-headers" "Access-Control-Request-Headers"
    ACCESS_CONTROL_REQUEST_METHOD "access-control-request-method" "Access-Control-Request-Method"
    AGE "age" "Age"
    ALLOW "allow" "Allow"
    ALT_SVC "alt-svc" "Alt-Svc"
    AUTHORIZATION "authorization" "Authorization"
    CACHE_CONTROL "cache-control" "Cache-Control"
    CONNECTION "connection" "Connection"
    CONTENT_DISPOSITION "content-disposition" "Content-Disposition"
    CONTENT_ENCODING "content-encoding" "Content-Encoding"
    CONTENT_LANGUAGE "content-language" "Content-Language"
    CONTENT_LENGTH "content-length" "Content-Length"
    CONTENT_LOCATION "content-location" "Content-Location"
    CONTENT_RANGE "content-range" "Content-Range"
    CONTENT_SECURITY_POLICY "content-security-policy" "Content-Security-Policy"
    CONTENT_TYPE "content-type" "Content-Type"
    COOKIE "cookie" "Cookie"
    DATE "date" "Date"
    DNT "dnt" "DNT"
    ETAG "etag" "ETag"
    EXPECT "expect" "Expect"
    EXPIRES "expires" "Expires"
    FORWARDED "forwarded" "Forwarded"
    FROM "from" "From"
    HOST "host" "Host"
    IF_MATCH "if-match" "If-Match"
    IF_MODIFIED_SINCE "if-modified-since" "If-Modified-Since"
    IF_NONE_MATCH "if-none-match" "If-None-Match"
    IF_RANGE "if-range" "If-Range"
    IF_UNMODIFIED_SINCE "if-unmodified-since" "If-Unmodified-Since"
    KEEP_ALIVE "keep-alive" "Keep-Alive"
    LAST_MODIFIED "last-modified" "Last-Modified"
    LINK "link" "Link"
    LOCATION "location" "Location"
    MAX_FORWARDS "max-forwards" "Max-Forwards"
    ORIGIN "origin" "Origin"
    PRAGMA "pragma" "Pragma"
    PROXY_AUTHENTICATE "proxy-authenticate" "Proxy-Authenticate"
    PROXY_AUTHORIZATION "proxy-authorization" "Proxy-Authorization"
    PROXY_CONNECTION "proxy-connection" "Proxy-Connection"
    RANGE "range" "Range"
    REFERER "referer" "Referer"
    REFERRER_POLICY "referrer-policy" "Referrer-Policy"
    REFRESH "refresh" "Refresh"
    RETRY_AFTER "retry-after" "Retry-After"
    SEC_CH_UA "sec-ch-ua" "Sec-CH-UA"
    SEC_CH_UA_MOBILE "sec-ch-ua-mobile" "Sec-CH-UA-Mobile"
    SEC_CH_UA_PLATFORM "sec-ch-ua-platform" "Sec-CH-UA-Platform"
    SEC_FETCH_DEST "sec-fetch-dest" "Sec-Fetch-Dest"
    SEC_FETCH_MODE "sec-fetch-mode" "Sec-Fetch-Mode"
    SEC_FETCH_SITE "sec-fetch-site" "Sec-Fetch-Site"
    SEC_FETCH_USER "sec-fetch-user" "Sec-Fetch-User"
    SEC_WEBSOCKET_ACCEPT "sec-websocket-accept" "Sec-WebSocket-Accept"
    SEC_WEBSOCKET_EXTENSIONS "sec-websocket-extensions" "Sec-WebSocket-Extensions"
    SEC_WEBSOCKET_KEY "sec-websocket-key" "Sec-WebSocket-Key"
    SEC_WEBSOCKET_PROTOCOL "sec-websocket-protocol" "Sec-WebSocket-Protocol"
    SEC_WEBSOCKET_VERSION "sec-websocket-version" "Sec-WebSocket-Version"
    SERVER "server" "Server"
    SET_COOKIE "set-cookie" "Set-Cookie"
    STRICT_TRANSPORT_SECURITY "strict-transport-security" "Strict-Transport-Security"
    TE "te" "TE"
    TRAILER "trailer" "Trailer"
    TRANSFER_ENCODING "transfer-encoding" "Transfer-Encoding"
    UPGRADE "upgrade" "Upgrade"
    UPGRADE_INSECURE_REQUESTS "upgrade-insecure-requests" "Upgrade-Insecure-Requests"
    USER_AGENT "user-agent" "User-Agent"
    VARY "vary" "Vary"
    VIA "via" "Via"
    WARNING "warning" "Warning"
    WWW_AUTHENTICATE "www-authenticate" "WWW-Authenticate"
    X_CONTENT_TYPE_OPTIONS "x-content-type-options" "X-Content-Type-Options"
    X_FORWARDED_FOR "x-forwarded-for" "X-Forwarded-For"
    X_FORWARDED_HOST "x-forwarded-host" "X-Forwarded-Host"
    X_FORWARDED_PORT "x-forwarded-port" "X-Forwarded-Port"
    X_FORWARDED_PROTO "x-forwarded-proto" "X-Forwarded-Proto"
    X_FRAME_OPTIONS "x-frame-options" "X-Frame-Options"
    X_ORIGINAL_TO "x-original-to" "X-Original-To"
    X_REAL_IP "x-real-ip" "X-Real-IP"
    X_REQUEST_ID "x-request-id" "X-Request-Id"
    X_REQUESTED_WITH "x-requested-with" "X-Requested-With"
    X_XSS_PROTECTION "x-xss-protection" "X-XSS-Protection"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_in_every_case() {
        for (number, [lower, title]) in WRITTEN.iter().enumerate().skip(1) {
            assert!(title.eq_ignore_ascii_case(lower) && *lower == lower.to_ascii_lowercase());
            for written in [lower.to_string(), title.to_string(), lower.to_uppercase()] {
                let known = KnownName::of(written.as_bytes());
                assert_eq!(
                    (usize::from(known.0), known.as_str()),
                    (number, *lower),
                    "{written}"
                );
            }
        }
    }

    #[test]
    fn no_other_name_is_found() {
        for [lower, _] in WRITTEN {
            for other in [
                format!("{lower}x"),
                format!("x{lower}"),
                lower.replace('e', "\u{45}\r"),
            ] {
                let known = KnownName::of(other.as_bytes());
                assert!(known.is_other() || known.as_str() == other, "{other}");
            }
        }
        assert!(KnownName::of(b"").is_other() && KnownName::of(b"hos\x54").as_str() == "host");
        assert!(KnownName::of(b"host\0").is_other());
    }

    #[test]
    fn names_are_near_to_where_they_are_looked_for() {
        let away = |(at, number): (usize, &u8)| match WRITTEN[usize::from(*number)][0] {
            "" => 0,
            name => (at + SLOTS_LEN - slot(name.as_bytes()).unwrap()) % SLOTS_LEN,
        };
        let farthest = SLOTS.iter().enumerate().map(away).max();
        assert!(farthest <= Some(4), "{farthest:?}");
    }
}
