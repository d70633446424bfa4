//! Where the two programs differ, and why; and what cannot be compared.

use super::What;

/// Cases that differ for a reason.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Difference {
    pub(crate) what: What,
    /// The expression as the case writes it; a star at its end stands for any rest.
    pub(crate) expression: &'static str,
    /// The input's label, with a star in the same way.
    pub(crate) input: &'static str,
    pub(crate) reason: &'static str,
}

impl Difference {
    pub(crate) fn covers(&self, what: What, expression: &str, input: &str) -> bool {
        self.what == what && fits(self.expression, expression) && fits(self.input, input)
    }
}

fn fits(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => text.starts_with(start),
        None => text == pattern,
    }
}

pub(crate) const DIFFERENCES: &[Difference] = &[];

/// Names that no case is about, and why.
pub(crate) const NOT_COMPARED: &[(What, &str, &str)] = &[];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_rest() {
        let difference = |expression, input| Difference {
            what: What::Fetch,
            expression,
            input,
            reason: "",
        };
        assert!(difference("path*", "GET*").covers(What::Fetch, "pathq", "GET /"));
        assert!(difference("path", "*").covers(What::Fetch, "path", ""));
        assert!(!difference("path", "*").covers(What::Fetch, "pathq", ""));
        assert!(!difference("path", "*").covers(What::Converter, "path", ""));
        assert!(!difference("path", "a").covers(What::Fetch, "path", "b"));
    }
}
