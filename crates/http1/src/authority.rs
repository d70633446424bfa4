//! Authorities of requests, and the ports in them that go without saying.

use http::Uri;
use http::uri::Authority;
use tidegate_sample::head::{self, usual_port, without_user};

/// The authority of a target without its port, if that is the one of the scheme, or none at all.
pub(super) fn without_usual_port(uri: &Uri) -> Option<Authority> {
    let authority = uri.authority()?.as_str().as_bytes();
    let bare = head::without_usual_port(uri.scheme_str()?, authority)?;
    Authority::try_from(bare).ok()
}

/// A `host` field without its port, if that is the one that `uri` has and goes without saying there.
pub(super) fn host_without_usual_port<'h>(uri: &Uri, host: &'h str) -> Option<&'h str> {
    let (_, port) = uri.authority()?.as_str().rsplit_once(':')?;
    let is_usual = match uri.scheme_str() {
        Some(scheme) => usual_port(scheme) == Some(port),
        None => matches!(port, "80" | "443"),
    };
    host.strip_suffix(port)?.strip_suffix(':').filter(|_| is_usual)
}

/// Whether a `host` field and the authority of the target contradict each other.
pub(super) fn contradict(uri: &Uri, host: &[u8]) -> bool {
    let Some(authority) = uri.authority() else {
        return false;
    };
    let authority = without_user(authority.as_str());
    let usual: &[&str] = match uri.scheme_str() {
        Some("https") => &["443", ""],
        Some(_) => &["80", ""],
        // What is asked for by CONNECT has a port of its own.
        None => match authority.rsplit_once(':') {
            Some((_, "443")) => &["443", ""],
            _ => &["80", ""],
        },
    };
    let bare = |host: &str| match host.rsplit_once(':') {
        Some((name, port)) if usual.contains(&port) => name.to_ascii_lowercase(),
        _ => host.to_ascii_lowercase(),
    };
    std::str::from_utf8(host).map_or(true, |host| bare(host) != bare(authority))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_that_go_without_saying_are_taken_away() {
        let bare = |uri: &str| without_usual_port(&uri.parse().unwrap()).map(|bare| bare.to_string());
        assert_eq!(bare("http://u:p@h:80/a").as_deref(), Some("u:p@h"));
        assert_eq!(bare("https://h:443/").as_deref(), Some("h"));
        assert_eq!(bare("http://[::1]:80/").as_deref(), Some("[::1]"));
        for kept in [
            "http://h/",
            "http://h:8080/",
            "https://h:80/",
            "http://[::1]/",
            "h:80",
            "/",
        ] {
            assert_eq!(bare(kept), None, "{kept}");
        }
        let host = |uri: &str, host| host_without_usual_port(&uri.parse().unwrap(), host).map(str::to_owned);
        assert_eq!(host("http://h:80/", "h:80").as_deref(), Some("h"));
        assert_eq!(host("h:443", "h:443").as_deref(), Some("h"));
        for (uri, kept) in [("http://h/", "h:80"), ("http://h:80/", "h"), ("h:8443", "h:8443")] {
            assert_eq!(host(uri, kept), None, "{uri}");
        }
    }

    #[test]
    fn hosts_and_authorities_that_mean_the_same_do_not_contradict_each_other() {
        let contradicts = |uri: &str, host: &str| contradict(&uri.parse().unwrap(), host.as_bytes());
        for (uri, host) in [
            ("http://h:80/", "h"),
            ("http://u@H/", "h:80"),
            ("https://h/", "h:443"),
            ("h:443", "h"),
            ("h:443", "h:"),
            ("/", "any"),
        ] {
            assert!(!contradicts(uri, host), "{uri} {host}");
        }
        for (uri, host) in [
            ("http://a/", "b"),
            ("http://h:80/", "h:81"),
            ("https://h:80/", "h"),
            ("h:80", "h:443"),
            ("h:8080", "h"),
        ] {
            assert!(contradicts(uri, host), "{uri} {host}");
        }
    }
}
