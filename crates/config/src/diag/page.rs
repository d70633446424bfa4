//! What there is to say about a code: `tidegate explain`.

/// The page of a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// What it means, as lines of prose.
    pub about: &'static str,
    /// A configuration that has the fault, or the command that does.
    pub wrong: &'static str,
    /// The same, put right.
    pub right: &'static str,
    /// The section of HAProxy's manual that tells more.
    pub manual: &'static str,
    text: &'static str,
}

impl Page {
    /// Cuts a page's text at its lines that begin with dashes.
    pub(super) fn of(text: &'static str) -> Page {
        Page {
            about: text.split_once(MARK).map_or(text, |(about, _)| about).trim_end(),
            wrong: part(text, "wrong"),
            right: part(text, "right"),
            manual: part(text, "manual").trim_end(),
            text,
        }
    }

    /// The names and contents of the files that the examples need.
    pub fn files(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        parts(self.text).filter_map(|(title, body)| Some((title.strip_prefix("file ")?, body)))
    }
}

const MARK: &str = "--- ";

fn parts(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    text.split(MARK).skip(1).filter_map(|part| part.split_once('\n'))
}

fn part(text: &'static str, title: &str) -> &'static str {
    parts(text)
        .find(|(known, _)| *known == title)
        .map_or("", |(_, body)| body)
}

#[cfg(test)]
mod tests {
    use super::super::CODES;

    #[test]
    fn every_page_has_all_its_parts() {
        for code in CODES {
            let page = code.page();
            for (what, part) in [
                ("about", page.about),
                ("wrong", page.wrong),
                ("right", page.right),
                ("manual", page.manual),
            ] {
                assert!(!part.trim().is_empty(), "{code} has no {what}");
            }
            assert_ne!(page.wrong, page.right, "{code}");
        }
    }
}
