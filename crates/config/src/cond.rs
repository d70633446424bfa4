//! The expressions of conditional blocks (`.if`) and of the `-cc` flag.

use std::ops::Range;

use crate::diag::closest;
use crate::text::Environment;

/// What an expression may ask about.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'f> {
    /// The environment variables.
    pub environment: &'f Environment,
    /// The version of HAProxy's language that is spoken, such as `3.2.0`.
    pub version: &'f str,
    /// Names for `feature(NAME)`.
    pub features: &'f [String],
}

/// Why an expression can't be evaluated, and which bytes of it are at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CondFault {
    /// The bytes at fault.
    pub at: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<String>,
}

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
        "awslc_api_before",
        1,
        "whether AWS-LC's API is older than this version; never, it isn't used",
    ),
];

/// Evaluates an expression. Both sides of `&&` and `||` are always checked.
///
/// # Errors
/// The expression isn't valid.
pub fn evaluate(text: &[u8], facts: &Facts<'_>) -> Result<bool, CondFault> {
    let mut parser = Parser {
        text,
        at: 0,
        depth: 0,
        facts,
    };
    parser.blanks();
    if parser.at == text.len() {
        // HAProxy takes an empty expression for false
        return Ok(false);
    }
    let value = parser.any_of()?;
    parser.blanks();
    if parser.at < text.len() {
        let rest = String::from_utf8_lossy(text.get(parser.at..).unwrap_or_default()).into_owned();
        return Err(parser.fault(
            parser.at..text.len(),
            format!("`{rest}` is left over after the expression"),
        ));
    }
    Ok(value)
}

/// An argument of a predicate: where it is, and its value.
type Argument = (Range<usize>, Vec<u8>);

/// Parentheses and negations may be nested this deep.
const DEPTH_MAX: usize = 64;

struct Parser<'p> {
    text: &'p [u8],
    at: usize,
    depth: usize,
    facts: &'p Facts<'p>,
}

impl Parser<'_> {
    fn any_of(&mut self) -> Result<bool, CondFault> {
        let mut value = self.all_of()?;
        while self.take(b"||") {
            value |= self.all_of()?;
        }
        Ok(value)
    }

    fn all_of(&mut self) -> Result<bool, CondFault> {
        let mut value = self.term()?;
        while self.take(b"&&") {
            value &= self.term()?;
        }
        Ok(value)
    }

    fn term(&mut self) -> Result<bool, CondFault> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(self.fault(self.at..self.at + 1, "nested too deep"));
        }
        let value = if self.take(b"!") {
            !self.term()?
        } else if self.take(b"(") {
            let open = self.at - 1;
            let value = self.any_of()?;
            if !self.take(b")") {
                return Err(self.fault(open..open + 1, "this parenthesis is never closed"));
            }
            value
        } else {
            self.predicate()?
        };
        self.depth -= 1;
        Ok(value)
    }

    fn predicate(&mut self) -> Result<bool, CondFault> {
        self.blanks();
        let start = self.at;
        while self
            .peek()
            .is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'+'))
        {
            self.at += 1;
        }
        let word = String::from_utf8_lossy(self.text.get(start..self.at).unwrap_or_default()).into_owned();
        if let Ok(number) = word.parse::<i128>() {
            return Ok(number != 0);
        }
        match word.as_str() {
            "true" => return Ok(true),
            "false" => return Ok(false),
            _ => {}
        }
        let Some((name, count, _)) = PREDICATES.iter().find(|(name, ..)| *name == word) else {
            return Err(self.unknown(start, &word));
        };
        let arguments = self.arguments()?;
        if arguments.len() < *count {
            let plural = if *count == 1 { "" } else { "s" };
            let message = format!("`{name}` takes {count} argument{plural}, got {}", arguments.len());
            return Err(self.fault(start..self.at, message));
        }
        if let Some((extra, _)) = arguments.get(*count) {
            return Err(self.fault(
                extra.clone(),
                format!("`{name}` takes no more than {count} arguments"),
            ));
        }
        self.call(name, &arguments)
    }

    fn unknown(&self, start: usize, word: &str) -> CondFault {
        if word.is_empty() {
            let mut fault = self.fault(
                start..(start + 1).min(self.text.len()),
                "an expression is missing here",
            );
            fault.help = Some(String::from(
                "write an integer, or a predicate such as `defined(NAME)`",
            ));
            return fault;
        }
        let mut fault = self.fault(start..self.at, format!("unknown predicate `{word}`"));
        let names = PREDICATES.iter().map(|(name, ..)| *name);
        fault.help = Some(match closest(word, names.clone()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => format!("the predicates are {}", names.collect::<Vec<_>>().join(", ")),
        });
        fault
    }

    /// `(a, b)`; without parentheses there is no argument.
    fn arguments(&mut self) -> Result<Vec<Argument>, CondFault> {
        let mut arguments = Vec::new();
        if self.peek() != Some(b'(') {
            return Ok(vec![(self.at..self.at, Vec::new())]);
        }
        let open = self.at;
        self.at += 1;
        let mut start = self.at;
        let mut value = Vec::new();
        let mut quote = None;
        loop {
            let Some(byte) = self.peek() else {
                return Err(self.fault(open..open + 1, "this parenthesis is never closed"));
            };
            match (quote, byte) {
                (None, b',' | b')') => {
                    arguments.push((start..self.at, std::mem::take(&mut value)));
                    self.at += 1;
                    start = self.at;
                    if byte == b')' {
                        return Ok(arguments);
                    }
                    continue;
                }
                (None, b'\'' | b'"') => quote = Some(byte),
                (Some(open), byte) if open == byte => quote = None,
                (None | Some(b'"'), b'\\') if self.text.get(self.at + 1).is_some() => {
                    self.at += 1;
                    value.extend(self.peek());
                }
                _ => value.push(byte),
            }
            self.at += 1;
        }
    }

    fn call(&self, name: &str, arguments: &[Argument]) -> Result<bool, CondFault> {
        let nothing = (0..0, Vec::new());
        let (at, first) = arguments.first().unwrap_or(&nothing);
        let (_, second) = arguments.get(1).unwrap_or(&nothing);
        Ok(match name {
            "defined" => self.facts.environment.get(first).is_some(),
            "feature" => self
                .facts
                .features
                .iter()
                .any(|feature| feature.as_bytes() == first.as_slice()),
            "streq" => first == second,
            "strneq" => first != second,
            "strstr" => {
                second.is_empty() || first.windows(second.len()).any(|part| part == second.as_slice())
            }
            "version_atleast" | "version_before" => {
                let wanted = Version::parse(first).ok_or_else(|| {
                    let written = String::from_utf8_lossy(first);
                    let mut fault = self.fault(at.clone(), format!("`{written}` is not a version"));
                    fault.help = Some(String::from("a version is such as `2.8`, `3.0.5` or `3.2-dev7`"));
                    fault
                })?;
                let ours = Version::parse(self.facts.version.as_bytes());
                (ours >= Some(wanted)) == (name == "version_atleast")
            }
            "ssllib_name_startswith" => !first.is_empty() && b"rustls".starts_with(first.as_slice()),
            // asks about event pollers and splicing, which there is nothing alike here
            "enabled" => false,
            // the library asked about isn't there, so no version of it is
            _ => false,
        })
    }

    fn take(&mut self, symbol: &[u8]) -> bool {
        self.blanks();
        let found = self
            .text
            .get(self.at..)
            .is_some_and(|rest| rest.starts_with(symbol));
        if found {
            self.at += symbol.len();
        }
        found
    }

    fn blanks(&mut self) {
        while self.peek().is_some_and(|byte| matches!(byte, b' ' | b'\t')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn fault(&self, at: Range<usize>, message: impl Into<String>) -> CondFault {
        CondFault {
            at,
            message: message.into(),
            help: None,
        }
    }
}

/// Versions in their order: development versions come before the release.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    major: u32,
    minor: u32,
    released: bool,
    patch: u32,
}

impl Version {
    fn parse(text: &[u8]) -> Option<Version> {
        let text = std::str::from_utf8(text).ok()?;
        let (numbers, development) = match text.split_once("-dev") {
            Some((numbers, development)) => (numbers, Some(development)),
            None => (text.split('-').next().unwrap_or_default(), None),
        };
        let mut parts = numbers.split('.');
        let major = parts.next()?.parse().ok()?;
        let minor = parts.next().map_or(Some(0), |part| part.parse().ok())?;
        let patch = parts.next().map_or(Some(0), |part| part.parse().ok())?;
        let Some(development) = development else {
            return Some(Version {
                major,
                minor,
                released: true,
                patch,
            });
        };
        let digits: String = development.chars().take_while(char::is_ascii_digit).collect();
        Some(Version {
            major,
            minor,
            released: false,
            patch: digits.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eval(text: &str) -> Result<bool, CondFault> {
        let environment: Environment = [("HOME", "/root"), ("EMPTY", "")].into_iter().collect();
        let features = vec![String::from("LUA")];
        evaluate(
            text.as_bytes(),
            &Facts {
                environment: &environment,
                version: "3.2.1",
                features: &features,
            },
        )
    }

    #[test]
    fn predicates_and_operators() {
        for (text, value) in [
            ("", false),
            ("0", false),
            ("5", true),
            ("-1", true),
            ("true", true),
            ("!true", false),
            ("!!1", true),
            ("! 1", false),
            ("1 && 0", false),
            ("1||0&&0", true),
            ("0&&0||1", true),
            ("(1 || 0) && 0", false),
            ("defined(HOME)", true),
            ("defined(EMPTY)", true),
            ("defined(NOPE)", false),
            ("defined", false),
            ("feature(LUA)", true),
            ("feature(QUIC)", false),
            ("streq(a b,a b)", true),
            ("streq(\"a,b\",'a,b')", true),
            ("streq(a\\,b,\"a,b\")", true),
            ("streq( a,a)", false),
            ("strneq(a,b)", true),
            ("strstr(abc,bc)", true),
            ("strstr(abc,cb)", false),
            ("version_atleast(3.2)", true),
            ("version_atleast(3.2-dev5)", true),
            ("version_atleast(3.2.2)", false),
            ("version_atleast(3.10)", false),
            ("version_before(3.2.2)", true),
            ("version_before(3.2)", false),
            ("openssl_version_atleast(1.0)", false),
            ("enabled(SPLICE)", false),
            ("!defined(NOPE) && streq(a,a)", true),
        ] {
            assert_eq!(eval(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn faults_name_the_bytes() {
        for (text, at, message) in [
            ("foo", 0..3, "unknown predicate `foo`"),
            ("1 &&", 4..4, "an expression is missing here"),
            ("1 2", 2..3, "`2` is left over after the expression"),
            ("(1", 0..1, "this parenthesis is never closed"),
            ("defined(X", 7..8, "this parenthesis is never closed"),
            ("streq(a)", 0..8, "`streq` takes 2 arguments, got 1"),
            ("feature(A,b)", 10..11, "`feature` takes no more than 1 arguments"),
            ("0 && bar", 5..8, "unknown predicate `bar`"),
            ("version_atleast(x)", 16..17, "`x` is not a version"),
        ] {
            let fault = eval(text).unwrap_err();
            assert_eq!((fault.at, fault.message.as_str()), (at, message), "{text}");
        }
        assert_eq!(
            eval("defned(A)").unwrap_err().help.unwrap(),
            "did you mean `defined`?"
        );
        assert!(eval(&"(".repeat(100_000)).unwrap_err().message.contains("nested"));
    }
}
