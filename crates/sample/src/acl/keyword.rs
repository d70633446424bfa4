//! ACL keywords: names that stand for a fetch and a match method.

use crate::pattern::MatchMethod;

/// A keyword that is in no family.
struct Keyword {
    name: &'static str,
    fetch: &'static str,
    method: MatchMethod,
}

/// The keyword whose patterns are groups, one of which the user has to be in.
pub(super) const GROUPS: &str = "http_auth_group";

/// Families with all of the suffixes: the keyword's stem and the fetch.
const FAMILIES: &[(&str, &str)] = &[
    ("base", "base"),
    ("cook", "req.cook"),
    ("hdr", "req.hdr"),
    ("path", "path"),
    ("scook", "res.cook"),
    ("shdr", "res.hdr"),
    ("url", "url"),
    ("urlp", "urlp"),
];

const SUFFIXES: &[(&str, MatchMethod)] = &[
    ("", MatchMethod::Str),
    ("_beg", MatchMethod::Beg),
    ("_dir", MatchMethod::Dir),
    ("_dom", MatchMethod::Dom),
    ("_end", MatchMethod::End),
    ("_len", MatchMethod::Len),
    ("_reg", MatchMethod::Reg),
    ("_sub", MatchMethod::Sub),
];

const SINGLE: &[Keyword] = &[
    Keyword {
        name: GROUPS,
        fetch: "http_auth_group",
        method: MatchMethod::Str,
    },
    Keyword {
        name: "method",
        fetch: "method",
        method: MatchMethod::Str,
    },
    Keyword {
        name: "payload",
        fetch: "req.payload",
        method: MatchMethod::Bin,
    },
    Keyword {
        name: "payload_lv",
        fetch: "req.payload_lv",
        method: MatchMethod::Bin,
    },
    Keyword {
        name: "req.ssl_ver",
        fetch: "req.ssl_ver",
        method: MatchMethod::Int,
    },
    Keyword {
        name: "req_rdp_cookie",
        fetch: "req.rdp_cookie",
        method: MatchMethod::Str,
    },
    Keyword {
        name: "req_rdp_cookie_cnt",
        fetch: "req.rdp_cookie_cnt",
        method: MatchMethod::Int,
    },
    Keyword {
        name: "req_ssl_sni",
        fetch: "req.ssl_sni",
        method: MatchMethod::Str,
    },
    Keyword {
        name: "req_ssl_ver",
        fetch: "req.ssl_ver",
        method: MatchMethod::Int,
    },
    Keyword {
        name: "req_ver",
        fetch: "req.ver",
        method: MatchMethod::Str,
    },
    Keyword {
        name: "resp_ver",
        fetch: "res.ver",
        method: MatchMethod::Str,
    },
    Keyword {
        name: "ssl_fc_sni_end",
        fetch: "ssl_fc_sni",
        method: MatchMethod::End,
    },
    Keyword {
        name: "ssl_fc_sni_reg",
        fetch: "ssl_fc_sni",
        method: MatchMethod::Reg,
    },
];

/// Keywords that stand for a fetch which is not served.
const UNSERVED: &[Keyword] = &[];

/// What the ACL keyword `name` stands for: a fetch and a match method.
pub(super) fn find(name: &str) -> Option<(&'static str, MatchMethod)> {
    let family = FAMILIES.iter().find_map(|(stem, fetch)| {
        let suffix = name.strip_prefix(stem)?;
        let (_, method) = SUFFIXES.iter().find(|(known, _)| *known == suffix)?;
        Some((*fetch, *method))
    });
    family.or_else(|| {
        SINGLE
            .iter()
            // Parsing the fetch says why it is not served.
            .chain(UNSERVED)
            .find(|keyword| keyword.name == name)
            .map(|keyword| (keyword.fetch, keyword.method))
    })
}

/// Whether the patterns of the keyword are versions, as `3.1`, unless `-m` says otherwise.
pub(super) fn takes_versions(name: &str) -> bool {
    matches!(name, "req.ssl_ver" | "req_ssl_ver")
}

/// The ACL keywords of HAProxy's whose fetch is not served, with that fetch and the method.
pub fn unserved_keywords() -> impl Iterator<Item = (&'static str, &'static str, MatchMethod)> {
    UNSERVED
        .iter()
        .map(|keyword| (keyword.name, keyword.fetch, keyword.method))
}

/// All ACL keywords that are served, as names with the fetch and the method that each stands for.
pub fn keywords() -> impl Iterator<Item = (String, &'static str, MatchMethod)> {
    let families = FAMILIES.iter().flat_map(|(stem, fetch)| {
        SUFFIXES
            .iter()
            .map(move |(suffix, method)| (format!("{stem}{suffix}"), *fetch, *method))
    });
    families.chain(
        SINGLE
            .iter()
            .map(|keyword| (keyword.name.to_string(), keyword.fetch, keyword.method)),
    )
}
