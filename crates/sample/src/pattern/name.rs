//! Names of lists: of a file, of a file that may be missing, or of nothing but a list.

/// Where a list's entries come from, and the name by which it is shared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListName<'a> {
    /// The name without `file@` and `opt@`, with `virt@`: lists of one name are one list.
    pub name: &'a str,
    /// Where its entries come from.
    pub origin: Origin,
}

/// Where a list's entries come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A file that must exist: no prefix, or `file@`.
    File,
    /// A file that may be missing: `opt@`.
    OptionalFile,
    /// No file at all, the list begins empty: `virt@`.
    Virtual,
}

impl<'a> ListName<'a> {
    /// Reads a name as it stands in the configuration.
    #[must_use]
    pub fn parse(text: &'a str) -> ListName<'a> {
        if let Some(name) = text.strip_prefix("file@") {
            ListName {
                name,
                origin: Origin::File,
            }
        } else if let Some(name) = text.strip_prefix("opt@") {
            ListName {
                name,
                origin: Origin::OptionalFile,
            }
        } else if text.starts_with("virt@") {
            ListName {
                name: text,
                origin: Origin::Virtual,
            }
        } else {
            ListName {
                name: text,
                origin: Origin::File,
            }
        }
    }

    /// Whether nothing is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.name.is_empty() || self.name == "virt@"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        let parsed = |text| {
            let name = ListName::parse(text);
            (name.name, name.origin)
        };
        assert_eq!(parsed("a.map"), ("a.map", Origin::File));
        assert_eq!(parsed("file@a.map"), ("a.map", Origin::File));
        assert_eq!(parsed("opt@a.map"), ("a.map", Origin::OptionalFile));
        assert_eq!(parsed("virt@a"), ("virt@a", Origin::Virtual));
        assert_eq!(parsed("file@./virt@a"), ("./virt@a", Origin::File));
        assert!(ListName::parse("virt@").is_empty() && ListName::parse("opt@").is_empty());
    }
}
