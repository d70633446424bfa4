//! Regular expressions of the configuration that match something other than samples.

use crate::arg;
use crate::convert::regsub;

/// A compiled regular expression.
#[derive(Clone, Debug)]
pub struct Regex(pcre2::bytes::Regex);

impl Regex {
    /// Compiles one that tells upper from lower case.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(text: &str) -> Result<Regex, String> {
        arg::regex(text, false).map(Regex)
    }

    /// Compiles one that doesn't, as names of headers want it.
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse_ignoring_case(text: &str) -> Result<Regex, String> {
        arg::regex(text, true).map(Regex)
    }

    /// Whether it matches somewhere in `subject`. One that takes too long to match doesn't.
    #[must_use]
    pub fn is_match(&self, subject: &[u8]) -> bool {
        self.0.is_match(subject).unwrap_or(false)
    }

    /// What stands in place of a `subject` that it matches somewhere: `replacement`, where `\0` to `\9` are the groups.
    /// None if it doesn't match, or takes too long to.
    #[must_use]
    pub fn replaced(&self, subject: &[u8], replacement: &[u8]) -> Option<Vec<u8>> {
        let mut groups = self.0.capture_locations();
        self.0.captures_read(&mut groups, subject).ok()??;
        let mut result = Vec::new();
        regsub::expand(replacement, &mut result, |group| {
            groups.get(group).and_then(|(start, end)| subject.get(start..end))
        });
        Some(result)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_stands_for_the_whole_subject() {
        let regex = Regex::parse("b(.*)d").unwrap();
        assert_eq!(regex.replaced(b"abccde", br"<\1\0\2\x41>").unwrap(), b"<ccbccdA>");
        assert_eq!(regex.replaced(b"abc", b"x"), None);
    }

    #[test]
    fn it_matches_anywhere_and_tells_cases_apart() {
        let regex = Regex::parse("-b(c|d)").unwrap();
        assert!(regex.is_match(b"a-bcx") && regex.is_match(b"-bd"));
        assert!(!regex.is_match(b"a-Bc"));
        assert!(Regex::parse("(").is_err());
        assert!(
            Regex::parse_ignoring_case("^x-(Id|NO)$")
                .unwrap()
                .is_match(b"X-no")
        );
    }
}
