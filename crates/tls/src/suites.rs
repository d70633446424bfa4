//! Cipher suites and curves by the names that OpenSSL has for them.

use crate::p521::SECP521R1;
use rustls::crypto::SupportedKxGroup;
use rustls::crypto::aws_lc_rs::{ALL_CIPHER_SUITES, kx_group};
use rustls::{CipherSuite, SupportedCipherSuite};

/// A suite of TLS 1.2, with the words that a cipher string may choose it by.
struct Named {
    suite: CipherSuite,
    name: &'static str,
    words: &'static [&'static str],
}

/// In the order in which they are preferred when nobody says.
const TLS12: [Named; 6] = [
    Named {
        suite: CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        name: "ECDHE-ECDSA-AES256-GCM-SHA384",
        words: &["aECDSA", "ECDSA", "AES256", "AES", "AESGCM", "SHA384"],
    },
    Named {
        suite: CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        name: "ECDHE-RSA-AES256-GCM-SHA384",
        words: &["aRSA", "RSA", "AES256", "AES", "AESGCM", "SHA384"],
    },
    Named {
        suite: CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        name: "ECDHE-ECDSA-CHACHA20-POLY1305",
        words: &["aECDSA", "ECDSA", "CHACHA20", "SHA256"],
    },
    Named {
        suite: CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        name: "ECDHE-RSA-CHACHA20-POLY1305",
        words: &["aRSA", "RSA", "CHACHA20", "SHA256"],
    },
    Named {
        suite: CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        name: "ECDHE-ECDSA-AES128-GCM-SHA256",
        words: &["aECDSA", "ECDSA", "AES128", "AES", "AESGCM", "SHA256"],
    },
    Named {
        suite: CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        name: "ECDHE-RSA-AES128-GCM-SHA256",
        words: &["aRSA", "RSA", "AES128", "AES", "AESGCM", "SHA256"],
    },
];

/// What all of them are. `PROFILE=SYSTEM` is how Red Hat's configuration asks for what the system thinks is good.
const COMMON: [&str; 12] = [
    "ALL",
    "PROFILE=SYSTEM",
    "DEFAULT",
    "HIGH",
    "SECURE128",
    "ECDHE",
    "EECDH",
    "kECDHE",
    "kEECDH",
    "AEAD",
    "TLSv1.2",
    "FIPS",
];

const TLS13: [(CipherSuite, &str); 3] = [
    (CipherSuite::TLS13_AES_256_GCM_SHA384, "TLS_AES_256_GCM_SHA384"),
    (
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
        "TLS_CHACHA20_POLY1305_SHA256",
    ),
    (CipherSuite::TLS13_AES_128_GCM_SHA256, "TLS_AES_128_GCM_SHA256"),
];

/// Cipher suites in the order of preference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suites {
    suites: Vec<CipherSuite>,
    /// Names that are OpenSSL's or nobody's, and chose nothing.
    pub unknown: Vec<String>,
}

impl Suites {
    /// Reads a `ciphers` string: what OpenSSL's `ciphers(1)` describes, of the suites that rustls has. `None` if none is
    /// left.
    pub fn tls12(text: &str) -> Result<Suites, Vec<String>> {
        let mut chosen: Vec<&Named> = Vec::new();
        let mut banned: Vec<CipherSuite> = Vec::new();
        let mut unknown = Vec::new();
        let parts = text.split([':', ',', ' ']).filter(|part| !part.is_empty());
        for part in parts {
            if part.starts_with('@') {
                // The order by strength is the order that there is, and there is no security level.
                continue;
            }
            let (sign, words) = match part.as_bytes().first() {
                Some(sign @ (b'!' | b'-' | b'+')) => (Some(*sign), part.get(1..).unwrap_or_default()),
                _ => (None, part),
            };
            let matching = || TLS12.iter().filter(|named| named.is(words));
            match sign {
                None => {
                    if matching().next().is_none() {
                        unknown.push(part.to_owned());
                    }
                    for named in matching() {
                        let known = chosen.iter().any(|other| other.suite == named.suite);
                        if !known && !banned.contains(&named.suite) {
                            chosen.push(named);
                        }
                    }
                }
                Some(b'+') => {
                    let (last, first): (Vec<_>, Vec<_>) = chosen.iter().partition(|named| named.is(words));
                    chosen = first.into_iter().chain(last).collect();
                }
                Some(sign) => {
                    if sign == b'!' {
                        banned.extend(matching().map(|named| named.suite));
                    }
                    chosen.retain(|named| !named.is(words));
                }
            }
        }
        let suites: Vec<_> = chosen.iter().map(|named| named.suite).collect();
        if suites.is_empty() {
            return Err(unknown);
        }
        Ok(Suites { suites, unknown })
    }

    /// Reads a `ciphersuites` string: names of TLS 1.3's suites with colons between them.
    pub fn tls13(text: &str) -> Result<Suites, Vec<String>> {
        let (suites, unknown) = named(text, &TLS13);
        if suites.is_empty() {
            return Err(unknown);
        }
        Ok(Suites { suites, unknown })
    }

    /// The names of all suites of TLS 1.2 that there are.
    pub fn known_tls12() -> impl Iterator<Item = &'static str> {
        TLS12.iter().map(|named| named.name)
    }

    /// The names of all suites of TLS 1.3 that there are.
    pub fn known_tls13() -> impl Iterator<Item = &'static str> {
        TLS13.iter().map(|(_, name)| *name)
    }

    /// The suites that were chosen for both versions; all there are for one that has no choice.
    pub(crate) fn list(tls12: Option<&Suites>, tls13: Option<&Suites>) -> Vec<SupportedCipherSuite> {
        let all12 = || TLS12.iter().map(|named| named.suite).collect();
        let all13 = || TLS13.iter().map(|(suite, _)| *suite).collect();
        let tls13: Vec<CipherSuite> = tls13.map_or_else(all13, |chosen| chosen.suites.clone());
        let tls12: Vec<CipherSuite> = tls12.map_or_else(all12, |chosen| chosen.suites.clone());
        let find = |suite| ALL_CIPHER_SUITES.iter().find(|known| known.suite() == suite);
        tls13.into_iter().chain(tls12).filter_map(find).copied().collect()
    }
}

impl Named {
    /// Whether all of some words, with `+` between them, are said of it.
    fn is(&self, words: &str) -> bool {
        let said = |word: &str| self.name == word || self.words.contains(&word) || COMMON.contains(&word);
        words.split('+').all(said)
    }
}

/// What OpenSSL calls a suite.
pub fn cipher_name(suite: CipherSuite) -> &'static str {
    let tls12 = TLS12.iter().map(|named| (named.suite, named.name));
    let found = TLS13.into_iter().chain(tls12).find(|(known, _)| *known == suite);
    found.map_or("(NONE)", |(_, name)| name)
}

/// Groups for the exchange of keys, in the order of preference.
#[derive(Clone, Debug)]
pub struct Curves {
    groups: Vec<&'static dyn SupportedKxGroup>,
    /// Names that rustls has no group for.
    pub unknown: Vec<String>,
}

impl Curves {
    /// Reads names with colons between them.
    pub fn parse(text: &str) -> Result<Curves, Vec<String>> {
        let known: [(&'static dyn SupportedKxGroup, &str); 13] = [
            (kx_group::X25519, "X25519"),
            (kx_group::X25519, "x25519"),
            (kx_group::SECP256R1, "P-256"),
            (kx_group::SECP256R1, "prime256v1"),
            (kx_group::SECP256R1, "secp256r1"),
            (kx_group::SECP384R1, "P-384"),
            (kx_group::SECP384R1, "secp384r1"),
            (SECP521R1, "P-521"),
            (SECP521R1, "secp521r1"),
            (kx_group::X25519MLKEM768, "X25519MLKEM768"),
            (kx_group::SECP256R1MLKEM768, "SecP256r1MLKEM768"),
            (kx_group::MLKEM768, "MLKEM768"),
            (kx_group::MLKEM1024, "MLKEM1024"),
        ];
        let (groups, unknown) = named(text, &known);
        if groups.is_empty() {
            return Err(unknown);
        }
        Ok(Curves { groups, unknown })
    }

    pub(crate) fn list(&self) -> Vec<&'static dyn SupportedKxGroup> {
        self.groups.clone()
    }
}

/// The items of a list with colons, and the names of which there is none.
fn named<T: Copy>(text: &str, known: &[(T, &str)]) -> (Vec<T>, Vec<String>) {
    let mut found = Vec::new();
    let mut unknown = Vec::new();
    for name in text.split(':').filter(|name| !name.is_empty()) {
        match known.iter().find(|(_, known)| *known == name) {
            Some((item, _)) => found.push(*item),
            None => unknown.push(name.to_owned()),
        }
    }
    (found, unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<&'static str> {
        let suites = Suites::tls12(text).unwrap();
        suites.suites.iter().map(|suite| cipher_name(*suite)).collect()
    }

    #[test]
    fn a_cipher_string_is_read_as_openssl_reads_it() {
        assert_eq!(
            names("ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-AES256-GCM-SHA384"),
            ["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"]
        );
        assert_eq!(names("HIGH:!aNULL:!MD5").len(), 6);
        assert_eq!(names("PROFILE=SYSTEM").len(), 6);
        assert_eq!(names("EECDH+CHACHA20:!ECDSA"), ["ECDHE-RSA-CHACHA20-POLY1305"]);
        assert_eq!(names("ALL:-AES:@STRENGTH").len(), 2);
        assert_eq!(names("aRSA:+AES256").last(), Some(&"ECDHE-RSA-AES256-GCM-SHA384"));
        // What was forbidden once does not come back.
        assert_eq!(names("!CHACHA20:ALL").len(), 4);
    }

    #[test]
    fn what_rustls_lacks_is_told() {
        let suites = Suites::tls12("DHE-RSA-AES128-SHA:ECDHE-RSA-AES128-GCM-SHA256:nonsense").unwrap();
        assert_eq!(suites.unknown, ["DHE-RSA-AES128-SHA", "nonsense"]);
        assert_eq!(Suites::tls12("RC4-MD5"), Err(vec!["RC4-MD5".to_owned()]));
        assert_eq!(Suites::tls12("ALL:!ALL"), Err(Vec::new()));
        assert!(Suites::tls13("TLS_AES_128_CCM_SHA256").is_err());
        assert_eq!(Curves::parse("X448:P-521").unwrap().unknown, ["X448"]);
        assert!(Curves::parse("X448").is_err());
    }

    #[test]
    fn one_choice_leaves_the_other_version_alone() {
        let tls13 = Suites::tls13("TLS_AES_128_GCM_SHA256").unwrap();
        let list = Suites::list(None, Some(&tls13));
        assert_eq!(list.len(), 1 + 6);
        assert_eq!(cipher_name(list[0].suite()), "TLS_AES_128_GCM_SHA256");
    }

    #[test]
    fn every_suite_of_the_provider_has_a_name() {
        for suite in ALL_CIPHER_SUITES {
            assert_ne!(cipher_name(suite.suite()), "(NONE)", "{suite:?}");
        }
    }
}
