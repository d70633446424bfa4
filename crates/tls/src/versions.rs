//! Versions of the protocol.

use rustls::SupportedProtocolVersion;
use rustls::version::{TLS12, TLS13};

/// A version that configurations name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// SSL 3.0, spoken by nobody here.
    Ssl3,
    /// TLS 1.0, spoken by nobody here.
    Tls10,
    /// TLS 1.1, spoken by nobody here.
    Tls11,
    /// TLS 1.2.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl Version {
    /// The name in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Version::Ssl3 => "SSLv3",
            Version::Tls10 => "TLSv1.0",
            Version::Tls11 => "TLSv1.1",
            Version::Tls12 => "TLSv1.2",
            Version::Tls13 => "TLSv1.3",
        }
    }
}

/// The versions that are spoken: 1.2, 1.3 or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    tls12: bool,
    tls13: bool,
}

impl Default for Versions {
    fn default() -> Self {
        Versions {
            tls12: true,
            tls13: true,
        }
    }
}

impl Versions {
    /// Those from `min` to `max` that are not among `without`; `None` if none is left.
    pub fn new(min: Option<Version>, max: Option<Version>, without: &[Version]) -> Option<Versions> {
        let spoken = |version| {
            min.is_none_or(|min| min <= version)
                && max.is_none_or(|max| version <= max)
                && !without.contains(&version)
        };
        let versions = Versions {
            tls12: spoken(Version::Tls12),
            tls13: spoken(Version::Tls13),
        };
        (versions.tls12 || versions.tls13).then_some(versions)
    }

    /// Whether this version is spoken.
    pub fn has(self, version: Version) -> bool {
        match version {
            Version::Tls12 => self.tls12,
            Version::Tls13 => self.tls13,
            Version::Ssl3 | Version::Tls10 | Version::Tls11 => false,
        }
    }

    pub(crate) fn list(self) -> Vec<&'static SupportedProtocolVersion> {
        let both = [(self.tls13, &TLS13), (self.tls12, &TLS12)];
        both.into_iter()
            .filter(|(spoken, _)| *spoken)
            .map(|(_, version)| version)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_and_exceptions_leave_what_is_spoken() {
        let both = Versions::default();
        assert_eq!(Versions::new(Some(Version::Tls10), None, &[]), Some(both));
        let only12 = Versions::new(None, Some(Version::Tls12), &[]).unwrap();
        assert!(only12.has(Version::Tls12) && !only12.has(Version::Tls13));
        let only13 = Versions::new(None, None, &[Version::Tls12, Version::Ssl3]).unwrap();
        assert!(only13.has(Version::Tls13) && !only13.has(Version::Tls12));
        assert_eq!(Versions::new(None, Some(Version::Tls11), &[]), None);
        assert_eq!(
            Versions::new(Some(Version::Tls13), Some(Version::Tls12), &[]),
            None
        );
    }
}
