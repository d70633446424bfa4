//! Regular expressions of the configuration that match something other than samples.

use crate::arg;

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

    /// Whether it matches somewhere in `subject`. One that takes too long to match doesn't.
    #[must_use]
    pub fn is_match(&self, subject: &[u8]) -> bool {
        self.0.is_match(subject).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_matches_anywhere_and_tells_cases_apart() {
        let regex = Regex::parse("-b(c|d)").unwrap();
        assert!(regex.is_match(b"a-bcx") && regex.is_match(b"-bd"));
        assert!(!regex.is_match(b"a-Bc"));
        assert!(Regex::parse("(").is_err());
    }
}
