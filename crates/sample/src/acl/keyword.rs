//! ACL keywords: names that stand for a fetch and a match method.

use super::method::MatchMethod;

/// A keyword that is in no family.
struct Keyword {
    name: &'static str,
    fetch: &'static str,
    method: MatchMethod,
}

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
        name: "req_ver",
        fetch: "req.ver",
        method: MatchMethod::Str,
    },
    Keyword {
        name: "resp_ver",
        fetch: "res.ver",
        method: MatchMethod::Str,
    },
];

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
            .find(|keyword| keyword.name == name)
            .map(|keyword| (keyword.fetch, keyword.method))
    })
}

/// All ACL keywords, as names with the fetch and the method that each stands for.
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
