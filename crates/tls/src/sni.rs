//! Which certificate a client gets, by the name that it asks for.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{CipherSuite, SignatureAlgorithm, SignatureScheme};

use crate::identity::Identity;

/// The certificates of a listener. Exact names come before wildcards, and those before the default.
#[derive(Debug, Default)]
pub(crate) struct Table {
    entries: Vec<Entry>,
    exact: HashMap<String, Vec<usize>>,
    /// By what follows `*.`.
    wildcards: HashMap<String, Vec<usize>>,
    defaults: Vec<usize>,
    strict: bool,
}

/// A certificate with what is special about it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) identity: Arc<Identity>,
    /// The settings that handshakes with it are made with.
    pub(crate) settings: usize,
    /// Names that its wildcards leave out.
    except: Vec<String>,
}

impl Table {
    pub(crate) fn new(strict: bool) -> Table {
        Table {
            strict,
            ..Table::default()
        }
    }

    /// Adds a certificate: by its own names, or by `filters` if there are any.
    pub(crate) fn add(
        &mut self,
        identity: Arc<Identity>,
        settings: usize,
        filters: &[String],
        default: bool,
    ) {
        let at = self.entries.len();
        let own = if filters.is_empty() {
            identity.names.as_slice()
        } else {
            filters
        };
        let mut except = Vec::new();
        // The first certificate stands in where nobody was named for that.
        let mut is_default = default || at == 0;
        for name in own {
            let name = name.to_ascii_lowercase();
            if let Some(left_out) = name.strip_prefix('!') {
                except.push(left_out.to_owned());
            } else if name == "*" {
                is_default = true;
            } else if let Some(domain) = name.strip_prefix("*.") {
                self.wildcards.entry(domain.to_owned()).or_default().push(at);
            } else {
                self.exact.entry(name).or_default().push(at);
            }
        }
        if is_default {
            self.defaults.push(at);
        }
        self.entries.push(Entry {
            identity,
            settings,
            except,
        });
    }

    /// The certificate for a client that asks for this name and understands these signatures.
    pub(crate) fn choose(&self, name: Option<&str>, schemes: &[SignatureScheme]) -> Option<&Entry> {
        if let Some(name) = name {
            let exact = self.exact.get(name).map(Vec::as_slice).unwrap_or_default();
            let domain = name
                .split_once('.')
                .and_then(|(_, domain)| self.wildcards.get(domain));
            let wildcards = domain.map(Vec::as_slice).unwrap_or_default();
            let included = |entry: &Entry| !entry.except.iter().any(|except| except == name);
            let best = self.best(exact, schemes, |_| true);
            // One that the client can verify is found by a wildcard sooner than one that it can't by its whole name.
            let best = best.or_else(|| self.best(wildcards, schemes, included));
            let first = || self.first(exact, |_| true);
            if let Some(entry) = best.or_else(first).or_else(|| self.first(wildcards, included)) {
                return Some(entry);
            }
        }
        if self.strict {
            return None;
        }
        self.best(&self.defaults, schemes, |_| true)
            .or_else(|| self.first(&self.defaults, |_| true))
    }

    /// The first that the client can verify, one of elliptic curves if there is any.
    fn best(
        &self,
        of: &[usize],
        schemes: &[SignatureScheme],
        allowed: impl Fn(&Entry) -> bool,
    ) -> Option<&Entry> {
        let entries = || {
            of.iter()
                .filter_map(|at| self.entries.get(*at))
                .filter(|entry| allowed(entry))
        };
        let fits = |entry: &&Entry| entry.identity.key.key.choose_scheme(schemes).is_some();
        let is_ec = |entry: &&Entry| entry.identity.algorithm() != SignatureAlgorithm::RSA;
        entries()
            .filter(is_ec)
            .find(fits)
            .or_else(|| entries().find(fits))
    }

    fn first(&self, of: &[usize], allowed: impl Fn(&Entry) -> bool) -> Option<&Entry> {
        of.iter()
            .filter_map(|at| self.entries.get(*at))
            .find(|entry| allowed(entry))
    }

    /// Whether there is a certificate at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl ResolvesServerCert for Table {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = usable(hello.signature_schemes(), hello.cipher_suites());
        let entry = self.choose(hello.server_name(), &schemes)?;
        crate::notes::identity(&entry.identity);
        Some(entry.identity.current().clone())
    }
}

/// The signatures that a client understands and has a cipher for: up to TLS 1.2 a cipher says what kind of key it is with.
pub(crate) fn usable<'s>(
    schemes: &'s [SignatureScheme],
    ciphers: &[CipherSuite],
) -> Cow<'s, [SignatureScheme]> {
    let has = |wanted: &str| {
        let mut names = ciphers.iter().filter_map(CipherSuite::as_str);
        names.any(|name| name.contains(wanted))
    };
    let has_newer = || {
        let mut numbers = ciphers.iter().map(|cipher| u16::from(*cipher));
        // Those of TLS 1.3.
        numbers.any(|number| number >> 8 == 0x13)
    };
    let (rsa, ec) = (has("_RSA_"), has("_ECDSA_"));
    if rsa && ec || has_newer() {
        return Cow::Borrowed(schemes);
    }
    let is_rsa = |scheme: &SignatureScheme| scheme.as_str().is_some_and(|name| name.starts_with("RSA_"));
    let fits = |scheme: &&SignatureScheme| if is_rsa(scheme) { rsa } else { ec };
    Cow::Owned(schemes.iter().filter(fits).copied().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Kind, identity};

    const ALL: &[SignatureScheme] = &[
        SignatureScheme::RSA_PSS_SHA256,
        SignatureScheme::ECDSA_NISTP256_SHA256,
    ];

    fn asked(table: &Table, name: &str) -> Option<String> {
        let name = Some(name).filter(|name| !name.is_empty());
        table
            .choose(name, ALL)
            .map(|entry| entry.identity.name.to_string())
    }

    #[test]
    fn exact_names_come_before_wildcards_and_those_before_the_default() {
        let mut table = Table::new(false);
        table.add(identity("first", &["first.test"], Kind::Ec), 0, &[], false);
        table.add(identity("wild", &["*.wild.test"], Kind::Ec), 0, &[], false);
        table.add(
            identity("exact", &["a.wild.test", "B.Wild.Test"], Kind::Ec),
            0,
            &[],
            false,
        );
        assert_eq!(asked(&table, "a.wild.test").as_deref(), Some("exact"));
        assert_eq!(asked(&table, "b.wild.test").as_deref(), Some("exact"));
        assert_eq!(asked(&table, "c.wild.test").as_deref(), Some("wild"));
        for other in ["c.c.wild.test", "wild.test", "nobody", ""] {
            assert_eq!(asked(&table, other).as_deref(), Some("first"), "{other}");
        }
    }

    #[test]
    fn filters_replace_the_names_and_leave_some_out() {
        let mut table = Table::new(false);
        let filters = |filters: &[&str]| filters.iter().map(ToString::to_string).collect::<Vec<_>>();
        table.add(
            identity("plain", &["own.test"], Kind::Ec),
            0,
            &filters(&["other.test"]),
            false,
        );
        table.add(
            identity("wild", &["x.test"], Kind::Ec),
            0,
            &filters(&["*.d.test", "!no.d.test"]),
            false,
        );
        table.add(
            identity("star", &["y.test"], Kind::Ec),
            0,
            &filters(&["*"]),
            false,
        );
        assert_eq!(asked(&table, "other.test").as_deref(), Some("plain"));
        assert_eq!(asked(&table, "yes.d.test").as_deref(), Some("wild"));
        for other in ["own.test", "no.d.test", "x.test"] {
            assert_eq!(asked(&table, other).as_deref(), Some("plain"), "{other}");
        }
    }

    #[test]
    fn strict_means_no_default() {
        let mut table = Table::new(true);
        table.add(identity("a", &["a.test"], Kind::Ec), 0, &[], true);
        assert_eq!(asked(&table, "a.test").as_deref(), Some("a"));
        assert_eq!(asked(&table, "b.test"), None);
        assert_eq!(asked(&table, ""), None);
    }

    #[test]
    fn a_wildcard_whose_key_the_client_understands_comes_before_a_name_whose_key_it_does_not() {
        let mut table = Table::new(true);
        let left_out = [
            "*.a.test".to_owned(),
            "*.b.test".to_owned(),
            "!x.b.test".to_owned(),
        ];
        table.add(identity("rsa", &["unused.test"], Kind::Rsa), 0, &left_out, false);
        table.add(identity("ec", &["x.a.test", "x.b.test"], Kind::Ec), 0, &[], false);
        let choose = |name, scheme| {
            let entry = table.choose(Some(name), &[scheme]).unwrap();
            entry.identity.name.to_string()
        };
        assert_eq!(choose("x.a.test", SignatureScheme::ECDSA_NISTP256_SHA256), "ec");
        assert_eq!(choose("x.a.test", SignatureScheme::RSA_PSS_SHA256), "rsa");
        // It can't be verified, which is for the client to say.
        assert_eq!(choose("x.b.test", SignatureScheme::RSA_PSS_SHA256), "ec");
    }

    #[test]
    fn ciphers_say_what_kinds_of_keys_they_are_with() {
        let with = |ciphers: &[CipherSuite]| usable(ALL, ciphers).into_owned();
        let [rsa, ec, newer] = [
            CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            CipherSuite::TLS13_AES_128_GCM_SHA256,
        ];
        assert_eq!(with(&[rsa]), [SignatureScheme::RSA_PSS_SHA256]);
        assert_eq!(with(&[ec]), [SignatureScheme::ECDSA_NISTP256_SHA256]);
        assert_eq!(with(&[rsa, ec]), ALL);
        assert_eq!(with(&[newer, rsa]), ALL);
    }

    #[test]
    fn the_kind_of_key_is_what_the_client_understands() {
        let mut table = Table::new(false);
        table.add(identity("rsa", &["a.test"], Kind::Rsa), 0, &[], false);
        table.add(identity("ec", &["a.test"], Kind::Ec), 0, &[], true);
        let choose = |schemes| {
            table
                .choose(Some("a.test"), schemes)
                .unwrap()
                .identity
                .name
                .to_string()
        };
        assert_eq!(choose(ALL), "ec");
        assert_eq!(choose(&[SignatureScheme::RSA_PSS_SHA256]), "rsa");
        assert_eq!(
            choose(&[SignatureScheme::ED25519]),
            "rsa",
            "the first, when none will do"
        );
    }
}
