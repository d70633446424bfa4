//! The expressions of conditional blocks (`.if`) and of the `-cc` flag.

mod predicate;
mod version;

use std::ops::Range;

use crate::diag::closest;
use crate::text::Environment;

pub use predicate::PREDICATES;

/// What an expression may ask about.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'f> {
    /// The environment variables.
    pub environment: &'f Environment,
    /// The version of HAProxy's language that is spoken, such as `3.2.0`.
    pub version: &'f str,
    /// Names for `feature(NAME)`.
    pub features: &'f [String],
    /// Whether `.diag` messages are shown.
    pub diagnostic: bool,
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

impl CondFault {
    fn at(at: Range<usize>, message: impl Into<String>) -> CondFault {
        CondFault {
            at,
            message: message.into(),
            help: None,
        }
    }
}

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
        let message = format!("`{rest}` is left over after the expression");
        let mut fault = parser.fault(parser.at..text.len(), message);
        let operators = ["&", "|", "and", "or"];
        if operators.contains(&rest.split(' ').next().unwrap_or_default()) {
            fault.help = Some(String::from("the operators are `&&`, `||` and `!`"));
        }
        return Err(fault);
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
        let Some((name, count, _)) = PREDICATES.iter().find(|(name, ..)| *name == word) else {
            return Err(self.unknown(start, &word));
        };
        let mut arguments = self.arguments()?;
        if *count == 0 && arguments.iter().all(|(_, value)| value.is_empty()) {
            arguments.clear();
        }
        if arguments.len() < *count {
            let plural = if *count == 1 { "" } else { "s" };
            let message = format!("`{name}` takes {count} argument{plural}, got {}", arguments.len());
            return Err(self.fault(start..self.at, message));
        }
        if let Some((extra, _)) = arguments.get(*count) {
            let message = match count {
                0 => format!("`{name}` takes no argument"),
                1 => format!("`{name}` takes no more than 1 argument"),
                _ => format!("`{name}` takes no more than {count} arguments"),
            };
            return Err(self.fault(extra.clone(), message));
        }
        predicate::call(name, &arguments, self.facts)
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
        if let Some(number) = ["false", "true"].iter().position(|name| *name == word) {
            fault.help = Some(format!("write `{number}`"));
            return fault;
        }
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
                (None | Some(b'"'), b'\\') => {
                    match self.text.get(self.at + 1).and_then(|next| escaped(*next)) {
                        Some(meant) => {
                            self.at += 1;
                            value.push(meant);
                        }
                        // anything else needs no escape, and a comma or parenthesis has none: it is quoted
                        None => value.push(byte),
                    }
                }
                _ => value.push(byte),
            }
            self.at += 1;
        }
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
        CondFault::at(at, message)
    }
}

/// What a byte after a backslash stands for.
fn escaped(byte: u8) -> Option<u8> {
    match byte {
        b'n' => Some(b'\n'),
        b'r' => Some(b'\r'),
        b't' => Some(b'\t'),
        b' ' | b'\\' | b'\'' | b'"' => Some(byte),
        _ => None,
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
                diagnostic: false,
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
            ("!1", false),
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
            ("streq(a\\b,'a\\b')", true),
            ("streq(a\\\\b,'a\\b')", true),
            ("streq(a\\ b,'a b')", true),
            ("streq(a\\tb,\"a\tb\")", true),
            ("streq(a\\\"b,'a\"b')", true),
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
            ("openssl_version_before(1.1.1w)", false),
            ("awslc_api_atleast(35)", false),
            ("fips_mode()", false),
            ("fips_mode", false),
            ("ssllib_name_startswith(OpenSSL)", false),
            ("ssllib_name_startswith(rust)", true),
            ("enabled(SPLICE)", cfg!(target_os = "linux")),
            ("enabled(GETADDRINFO)", true),
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
            ("feature(A,b)", 10..11, "`feature` takes no more than 1 argument"),
            ("streq(a\\,b,c)", 11..12, "`streq` takes no more than 2 arguments"),
            ("fips_mode(1)", 10..11, "`fips_mode` takes no argument"),
            ("true", 0..4, "unknown predicate `true`"),
            ("enabled(EPOL)", 8..12, "unknown option `EPOL`"),
            ("openssl_version_atleast(new)", 24..27, "`new` is not a version"),
            ("awslc_api_before(1.2)", 17..20, "`1.2` is not a version"),
            ("0 && bar", 5..8, "unknown predicate `bar`"),
            ("version_atleast(x)", 16..17, "`x` is not a version"),
        ] {
            let fault = eval(text).unwrap_err();
            assert_eq!((fault.at, fault.message.as_str()), (at, message), "{text}");
        }
        assert_eq!(eval("true").unwrap_err().help.unwrap(), "write `1`");
        assert_eq!(
            eval("defned(A)").unwrap_err().help.unwrap(),
            "did you mean `defined`?"
        );
        assert!(eval(&"(".repeat(100_000)).unwrap_err().message.contains("nested"));
    }

    #[test]
    fn each_option_of_the_manual_can_be_asked_about() {
        let on = |name: &str| eval(&format!("enabled({name})")).unwrap();
        let names =
            "POLL EPOLL KQUEUE EVPORTS SPLICE GETADDRINFO REUSEPORT FAST-FORWARD SERVER-SSL-VERIFY-NONE";
        let enabled: Vec<&str> = names.split(' ').filter(|name| on(name)).collect();
        let wanted: &[&str] = if cfg!(target_os = "linux") {
            &["EPOLL", "SPLICE", "GETADDRINFO", "REUSEPORT", "FAST-FORWARD"]
        } else {
            &["GETADDRINFO", "REUSEPORT"]
        };
        assert_eq!(enabled, wanted);
    }
}
