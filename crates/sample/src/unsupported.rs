//! Names that HAProxy has and that are left out on purpose: using one says so, instead of that it is unknown.

/// The converters that are not served, by the reason.
const CONVERTERS: &[(&str, &str)] = &[(
    "the hash is documented nowhere but in HAProxy's source, which this project does not read",
    "wt6",
)];

/// All converters of HAProxy's that are not served, with the reason.
pub fn unserved() -> impl Iterator<Item = (&'static str, &'static str)> {
    CONVERTERS
        .iter()
        .flat_map(|(why, names)| names.split_ascii_whitespace().map(|name| (name, *why)))
}

/// Why the converter of this name is not served, if HAProxy has it.
pub(crate) fn converter_reason(name: &str) -> Option<&'static str> {
    unserved().find(|(known, _)| *known == name).map(|(_, why)| why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_supported_is_not_listed() {
        for row in crate::convert::all() {
            assert!(converter_reason(row.name).is_none(), "{}", row.name);
        }
        assert!(converter_reason("wt6").is_some());
        assert!(converter_reason("table").is_none());
    }
}
