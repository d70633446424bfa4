//! Authorities: ports in them that go without saying, and what is left without users.

/// The port that is meant where what this scheme asks for names none.
#[must_use]
pub fn usual_port(scheme: &str) -> Option<&'static str> {
    match scheme {
        "http" => Some("80"),
        "https" => Some("443"),
        _ => None,
    }
}

/// An authority without its port, if that is the one of the scheme, or none at all; nothing if there is nothing to leave out.
#[must_use]
pub fn without_usual_port<'a>(scheme: &str, authority: &'a [u8]) -> Option<&'a [u8]> {
    let usual = usual_port(scheme)?.as_bytes();
    authority
        .strip_suffix(usual)
        .unwrap_or(authority)
        .strip_suffix(b":")
}

/// Host and port of an authority.
#[must_use]
pub fn without_user(authority: &str) -> &str {
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_what_follows_its_user() {
        assert_eq!(without_user("u:p@h:80"), "h:80");
        assert_eq!(without_user("u@v@h"), "h");
        assert_eq!(without_user("h"), "h");
    }

    #[test]
    fn a_port_is_left_out_where_it_goes_without_saying() {
        let bare = |scheme, authority: &'static str| without_usual_port(scheme, authority.as_bytes());
        assert_eq!(bare("http", "u:p@h:80"), Some(&b"u:p@h"[..]));
        assert_eq!(bare("https", "[::1]:443"), Some(&b"[::1]"[..]));
        assert_eq!(bare("http", "h:"), Some(&b"h"[..]));
        for (scheme, kept) in [
            ("http", "h"),
            ("http", "h80"),
            ("https", "h:80"),
            ("http", "[::1]"),
            ("ftp", "h:80"),
        ] {
            assert_eq!(bare(scheme, kept), None, "{kept}");
        }
    }
}
