//! Authorities of requests, and the ports in them that go without saying.

use http::uri::Authority;
use tidegate_sample::head::{self, Target, usual_port, without_user};

/// Takes the port from the authority of a target, if it is the one of the scheme, or none at all; whether that was so.
pub(super) fn drop_usual_port(target: &mut Target) -> bool {
    let Some((Some(scheme), authority)) = target.scheme_and_authority() else {
        return false;
    };
    let Some(bare) = head::without_usual_port(scheme, authority.as_bytes()) else {
        return false;
    };
    match Authority::try_from(bare) {
        // What is left of a URI is one.
        Ok(bare) => target.set_authority(bare).is_ok(),
        Err(_) => {
            target.drop_hostless_port();
            true
        }
    }
}

/// A `host` field without its port, if that goes without saying in the target: where that has a scheme, `drop_usual_port` took its own.
pub(super) fn host_without_usual_port<'h>(target: &Target, host: &'h str) -> Option<&'h str> {
    let (name, port) = host.rsplit_once(':')?;
    let goes = match target.scheme_and_authority()? {
        (Some(scheme), _) => port.is_empty() || usual_port(scheme) == Some(port),
        (None, authority) => matches!(port, "80" | "443") && authority.rsplit_once(':')?.1 == port,
    };
    goes.then_some(name)
}

/// Whether a `host` field and the authority of the target contradict each other.
pub(super) fn contradict(target: &Target, host: &[u8]) -> bool {
    let Some((scheme, authority)) = target.scheme_and_authority() else {
        return false;
    };
    let authority = without_user(authority);
    let usual: &[&str] = match scheme {
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
    use bytes::Bytes;

    use super::*;

    fn target(text: &str) -> Target {
        Target::parse(&Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    #[test]
    fn ports_that_go_without_saying_are_taken_away() {
        for (text, bare) in [
            ("http://u:p@h:80/a", "http://u:p@h/a"),
            ("https://h:443/", "https://h/"),
            ("http://h:/", "http://h/"),
            ("http://[::1]:80/", "http://[::1]/"),
            ("https://:443/", "https:///"),
            ("http://:", "http:///"),
        ] {
            let mut target = target(text);
            assert!(drop_usual_port(&mut target), "{text}");
            assert_eq!(target.to_string(), bare);
        }
        for kept in [
            "http://h/",
            "http://h:8080/",
            "https://h:80/",
            "http://[::1]/",
            "http://:8080/",
            "h:80",
            "/",
        ] {
            let mut target = target(kept);
            assert!(!drop_usual_port(&mut target), "{kept}");
            assert_eq!(target.to_string(), kept);
        }
        for (text, host, bare) in [
            ("http://h/", "h:80", Some("h")),
            ("http://h/", "h:", Some("h")),
            ("https:///", ":443", Some("")),
            ("h:443", "h:443", Some("h")),
            ("http://h/", "h", None),
            ("http://h:81/", "h:81", None),
            ("h:443", "h:", None),
            ("h:8443", "h:8443", None),
            ("/", "h:80", None),
        ] {
            assert_eq!(
                host_without_usual_port(&target(text), host),
                bare,
                "{text} {host}"
            );
        }
    }

    #[test]
    fn hosts_and_authorities_that_mean_the_same_do_not_contradict_each_other() {
        let contradicts = |uri: &str, host: &str| contradict(&target(uri), host.as_bytes());
        for (uri, host) in [
            ("http://h:80/", "h"),
            ("http://u@H/", "h:80"),
            ("https://h/", "h:443"),
            ("h:443", "h"),
            ("h:443", "h:"),
            ("http://:", ":80"),
            ("http:///", ""),
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
            ("http://:", "h"),
        ] {
            assert!(contradicts(uri, host), "{uri} {host}");
        }
    }
}
