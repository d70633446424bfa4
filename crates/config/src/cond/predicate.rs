//! The predicates of expressions.

use std::ops::Range;

use super::version::{Version, is_integer, is_version};
use super::{Argument, CondFault, Facts};
use crate::diag::closest;

/// The predicates: name, number of arguments, what it tells.
pub const PREDICATES: &[(&str, usize, &str)] = &[
    ("defined", 1, "whether an environment variable exists"),
    ("feature", 1, "whether a feature is built in"),
    ("streq", 2, "whether two strings are equal"),
    ("strneq", 2, "whether two strings differ"),
    ("strstr", 2, "whether the second string is found in the first"),
    (
        "version_atleast",
        1,
        "whether the language is of this version or later",
    ),
    (
        "version_before",
        1,
        "whether the language is older than this version",
    ),
    ("enabled", 1, "whether an option is enabled at run time"),
    (
        "openssl_version_atleast",
        1,
        "whether OpenSSL is of this version or later; never, it isn't used",
    ),
    (
        "openssl_version_before",
        1,
        "whether OpenSSL is older than this version; never, it isn't used",
    ),
    (
        "ssllib_name_startswith",
        1,
        "whether the TLS library's name begins with this",
    ),
    (
        "awslc_api_atleast",
        1,
        "whether AWS-LC's API is of this version or later; never, it isn't used",
    ),
    (
        "fips_mode",
        0,
        "whether the TLS library runs in FIPS mode; never, it doesn't",
    ),
    (
        "awslc_api_before",
        1,
        "whether AWS-LC's API is older than this version; never, it isn't used",
    ),
];

/// What a predicate tells of its arguments, which are as many as it takes.
pub(super) fn call(name: &str, arguments: &[Argument], facts: &Facts<'_>) -> Result<bool, CondFault> {
    let nothing = (0..0, Vec::new());
    let (at, first) = arguments.first().unwrap_or(&nothing);
    let (_, second) = arguments.get(1).unwrap_or(&nothing);
    Ok(match name {
        "defined" => facts.environment.get(first).is_some(),
        "feature" => facts
            .features
            .iter()
            .any(|feature| feature.as_bytes() == first.as_slice()),
        "streq" => first == second,
        "strneq" => first != second,
        "strstr" => second.is_empty() || first.windows(second.len()).any(|part| part == second.as_slice()),
        "version_atleast" | "version_before" => {
            let wanted = Version::parse(first)
                .ok_or_else(|| no_version(at, first, "such as `2.8`, `3.0.5` or `3.2-dev7`"))?;
            let ours = Version::parse(facts.version.as_bytes());
            (ours >= Some(wanted)) == (name == "version_atleast")
        }
        "ssllib_name_startswith" => !first.is_empty() && b"rustls".starts_with(first.as_slice()),
        "enabled" => enabled(at, first)?,
        // the library asked about isn't there, so no version of it is
        "openssl_version_atleast" | "openssl_version_before" if !is_version(first) => {
            return Err(no_version(at, first, "such as `1.1.1`, `1.1.1w` or `3.0.13`"));
        }
        "awslc_api_atleast" | "awslc_api_before" if !is_integer(first) => {
            return Err(no_version(at, first, "an integer such as `35`"));
        }
        _ => false,
    })
}

fn no_version(at: &Range<usize>, written: &[u8], form: &str) -> CondFault {
    let written = String::from_utf8_lossy(written);
    let mut fault = CondFault::at(at.clone(), format!("`{written}` is not a version"));
    fault.help = Some(format!("a version is {form}"));
    fault
}

fn enabled(at: &Range<usize>, written: &[u8]) -> Result<bool, CondFault> {
    let found = OPTIONS.iter().find(|(name, _)| name.as_bytes() == written);
    found.map(|(_, enabled)| *enabled).ok_or_else(|| {
        let written = String::from_utf8_lossy(written);
        let mut fault = CondFault::at(at.clone(), format!("unknown option `{written}`"));
        let names = OPTIONS.iter().map(|(name, _)| *name);
        fault.help = Some(match closest(&written, names.clone()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("the options are {}", names.collect::<Vec<_>>().join(", ")),
        });
        fault
    })
}

/// The options that `enabled` asks about, and whether they are what is done here.
const OPTIONS: [(&str, bool); 9] = [
    ("POLL", false),
    ("EPOLL", cfg!(target_os = "linux")),
    ("KQUEUE", false),
    ("EVPORTS", false),
    ("SPLICE", cfg!(target_os = "linux")),
    ("GETADDRINFO", true),
    ("REUSEPORT", true),
    ("FAST-FORWARD", cfg!(target_os = "linux")),
    ("SERVER-SSL-VERIFY-NONE", false),
];
