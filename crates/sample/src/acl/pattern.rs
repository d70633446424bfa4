//! Patterns: what a value is matched with, compiled for their match method.

use super::method::MatchMethod;
use crate::arg;
use crate::cast::{cast, embedded_ipv4, leading_int};
use crate::value::Value;
use pcre2::bytes::Regex;
use std::collections::HashSet;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::ops::RangeInclusive;

/// From this many on, exact texts are looked up in a hash set instead of one by one.
const SET_MIN: usize = 8;

/// The patterns of one ACL line.
#[derive(Debug)]
pub(super) struct Patterns {
    method: MatchMethod,
    ignore_case: bool,
    kind: Kind,
}

enum Kind {
    None,
    Ranges(Box<[RangeInclusive<i64>]>),
    Nets {
        v4: Box<[(u32, u32)]>,
        v6: Box<[(u128, u128)]>,
    },
    Texts(Box<[Box<[u8]>]>),
    TextSet(HashSet<Box<[u8]>>),
    Regexes(Box<[Regex]>),
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::None => "None",
            Kind::Ranges(_) => "Ranges",
            Kind::Nets { .. } => "Nets",
            Kind::Texts(_) => "Texts",
            Kind::TextSet(_) => "TextSet",
            Kind::Regexes(_) => "Regexes",
        })
    }
}

impl Patterns {
    /// Whether nothing can match: no pattern, and a method that needs one.
    pub(super) fn never_match(&self) -> bool {
        matches!(self.kind, Kind::None) && !matches!(self.method, MatchMethod::Found | MatchMethod::Bool)
    }

    /// Whether a value matches.
    pub(super) fn matches(&self, value: Value) -> bool {
        let Some(value) = cast(value, self.method.input()) else {
            return false;
        };
        match (&self.kind, &value) {
            (_, Value::Bool(value)) if self.method == MatchMethod::Bool => *value,
            _ if self.method == MatchMethod::Found => true,
            (Kind::Ranges(ranges), Value::Int(int)) => ranges.iter().any(|range| range.contains(int)),
            (Kind::Ranges(ranges), Value::Str(text)) => {
                i64::try_from(text.len()).is_ok_and(|len| ranges.iter().any(|range| range.contains(&len)))
            }
            (Kind::Nets { v4, v6 }, Value::Ipv4(ip)) => in_v4(v4, *ip) || in_v6(v6, ip.to_ipv6_mapped()),
            (Kind::Nets { v4, v6 }, Value::Ipv6(ip)) => {
                in_v6(v6, *ip) || embedded_ipv4(*ip).is_some_and(|ip| in_v4(v4, ip))
            }
            (Kind::TextSet(set), Value::Str(text) | Value::Bin(text)) => {
                if self.ignore_case {
                    set.contains(text.to_ascii_lowercase().as_slice())
                } else {
                    set.contains(text.as_slice())
                }
            }
            (Kind::Texts(patterns), Value::Str(text) | Value::Bin(text)) => {
                patterns.iter().any(|pattern| self.text_matches(text, pattern))
            }
            (Kind::Regexes(regexes), Value::Str(text)) => {
                regexes.iter().any(|regex| regex.is_match(text).unwrap_or(false))
            }
            _ => false,
        }
    }

    fn text_matches(&self, text: &[u8], pattern: &[u8]) -> bool {
        let same = |part: &[u8]| {
            if self.ignore_case {
                part.eq_ignore_ascii_case(pattern)
            } else {
                part == pattern
            }
        };
        match self.method {
            MatchMethod::Beg => text.get(..pattern.len()).is_some_and(same),
            MatchMethod::End => text
                .len()
                .checked_sub(pattern.len())
                .and_then(|at| text.get(at..))
                .is_some_and(same),
            MatchMethod::Sub => pattern.is_empty() || text.windows(pattern.len()).any(same),
            MatchMethod::Dir => in_parts(text, pattern, b"/?", same),
            MatchMethod::Dom => in_parts(text, pattern, b"/?.:", same),
            _ => same(text),
        }
    }
}

/// Whether `pattern` (without delimiters at its ends) is in `text` with a delimiter or an end on both sides.
fn in_parts(text: &[u8], pattern: &[u8], delimiters: &[u8], same: impl Fn(&[u8]) -> bool) -> bool {
    if pattern.is_empty() {
        return false;
    }
    let is_edge = |byte: Option<&u8>| byte.is_none_or(|byte| delimiters.contains(byte));
    text.windows(pattern.len()).enumerate().any(|(at, part)| {
        same(part) && (at == 0 || is_edge(text.get(at - 1))) && is_edge(text.get(at + pattern.len()))
    })
}

fn in_v4(nets: &[(u32, u32)], ip: Ipv4Addr) -> bool {
    let ip = u32::from(ip);
    nets.iter().any(|(net, mask)| ip & mask == *net)
}

fn in_v6(nets: &[(u128, u128)], ip: Ipv6Addr) -> bool {
    let ip = u128::from(ip);
    nets.iter().any(|(net, mask)| ip & mask == *net)
}

/// Takes patterns one by one as their words come, then compiles them.
pub(super) struct Builder {
    method: MatchMethod,
    ignore_case: bool,
    operator: Option<Operator>,
    ranges: Vec<RangeInclusive<i64>>,
    v4: Vec<(u32, u32)>,
    v6: Vec<(u128, u128)>,
    texts: Vec<Box<[u8]>>,
    regexes: Vec<Regex>,
}

#[derive(Clone, Copy)]
enum Operator {
    Eq,
    Ge,
    Gt,
    Le,
    Lt,
}

impl Builder {
    pub(super) fn new(method: MatchMethod, ignore_case: bool) -> Builder {
        Builder {
            method,
            ignore_case,
            operator: None,
            ranges: Vec::new(),
            v4: Vec::new(),
            v6: Vec::new(),
            texts: Vec::new(),
            regexes: Vec::new(),
        }
    }

    /// Adds a pattern from the configuration, where integers may have operators before them.
    pub(super) fn word(&mut self, word: &str) -> Result<(), String> {
        if matches!(self.method, MatchMethod::Int | MatchMethod::Len) {
            let operator = match word {
                "eq" => Some(Operator::Eq),
                "ge" => Some(Operator::Ge),
                "gt" => Some(Operator::Gt),
                "le" => Some(Operator::Le),
                "lt" => Some(Operator::Lt),
                _ => None,
            };
            if operator.is_some() {
                self.operator = operator;
                return Ok(());
            }
        }
        self.pattern(word)
    }

    /// Adds a pattern.
    pub(super) fn pattern(&mut self, text: &str) -> Result<(), String> {
        match self.method {
            // Neither has anything to compare with; what is given is not looked at, as in HAProxy.
            MatchMethod::Found | MatchMethod::Bool => {}
            MatchMethod::Int | MatchMethod::Len => self.ranges.push(range(text, self.operator)?),
            MatchMethod::Ip => self.net(text)?,
            MatchMethod::Bin => self.texts.push(arg::unhex(text)?.into()),
            MatchMethod::Reg => {
                let regex = arg::regex(text, self.ignore_case)
                    .map_err(|why| format!("`{text}` is not a valid regular expression: {why}"))?;
                self.regexes.push(regex);
            }
            MatchMethod::Dir => self.texts.push(trimmed(text, b"/?").into()),
            MatchMethod::Dom => self.texts.push(trimmed(text, b"/?.:").into()),
            MatchMethod::Str | MatchMethod::Sub | MatchMethod::Beg | MatchMethod::End => {
                self.texts.push(text.as_bytes().into());
            }
        }
        Ok(())
    }

    fn net(&mut self, text: &str) -> Result<(), String> {
        let wrong = || format!("`{text}` is not a valid IPv4 or IPv6 address or network");
        let (address, mask) = match text.split_once('/') {
            Some((address, mask)) => (address, Some(mask)),
            None => (text, None),
        };
        if let Ok(ip) = address.parse::<Ipv4Addr>() {
            let mask = mask.map_or(Some(u32::MAX), arg::mask4).ok_or_else(wrong)?;
            self.v4.push((u32::from(ip) & mask, mask));
        } else if let Ok(ip) = address.parse::<Ipv6Addr>() {
            let mask = match mask {
                None => u128::MAX,
                Some(bits) => bits
                    .parse::<u32>()
                    .ok()
                    .and_then(|_| arg::mask6(bits))
                    .ok_or_else(wrong)?,
            };
            self.v6.push((u128::from(ip) & mask, mask));
        } else {
            return Err(wrong());
        }
        Ok(())
    }

    pub(super) fn build(mut self) -> Patterns {
        let kind = if !self.ranges.is_empty() {
            Kind::Ranges(self.ranges.into())
        } else if !self.v4.is_empty() || !self.v6.is_empty() {
            Kind::Nets {
                v4: self.v4.into(),
                v6: self.v6.into(),
            }
        } else if !self.regexes.is_empty() {
            Kind::Regexes(self.regexes.into())
        } else if self.texts.is_empty() {
            Kind::None
        } else if self.method == MatchMethod::Str && self.texts.len() >= SET_MIN {
            if self.ignore_case {
                self.texts.iter_mut().for_each(|text| text.make_ascii_lowercase());
            }
            Kind::TextSet(self.texts.into_iter().collect())
        } else {
            Kind::Texts(self.texts.into())
        };
        Patterns {
            method: self.method,
            ignore_case: self.ignore_case,
            kind,
        }
    }
}

/// `text` without the delimiters at its ends.
fn trimmed<'a>(text: &'a str, delimiters: &[u8]) -> &'a [u8] {
    let is_edge = |c: char| u8::try_from(c).is_ok_and(|byte| delimiters.contains(&byte));
    text.trim_matches(is_edge).as_bytes()
}

/// `5`, `5:7`, `5:`, `:7`, or a number after an operator.
fn range(text: &str, operator: Option<Operator>) -> Result<RangeInclusive<i64>, String> {
    let number = |text: &str| {
        let (int, used) = leading_int(text.as_bytes());
        (used == text.len() && text.ends_with(|c: char| c.is_ascii_digit())).then_some(int)
    };
    if let Some((low, high)) = text.split_once(':') {
        let bound = |text: &str, open| if text.is_empty() { Some(open) } else { number(text) };
        let range = match (bound(low, i64::MIN), bound(high, i64::MAX)) {
            (Some(low), Some(high)) if low <= high && text.len() > 1 => low..=high,
            _ => return Err(format!("`{text}` is not a valid range of numbers")),
        };
        return match operator {
            None | Some(Operator::Eq) => Ok(range),
            Some(_) => Err(format!("`{text}` is a range, which takes no operator but `eq`")),
        };
    }
    let Some(int) = number(text) else {
        return Err(format!("`{text}` is not a number"));
    };
    Ok(match operator {
        None | Some(Operator::Eq) => int..=int,
        Some(Operator::Ge) => int..=i64::MAX,
        Some(Operator::Le) => i64::MIN..=int,
        // Nothing is past the last integer: a range that is empty.
        Some(Operator::Gt) => int.checked_add(1).map_or(EMPTY, |low| low..=i64::MAX),
        Some(Operator::Lt) => int.checked_sub(1).map_or(EMPTY, |high| i64::MIN..=high),
    })
}

#[expect(
    clippy::reversed_empty_ranges,
    reason = "a range that contains nothing is what is meant"
)]
const EMPTY: RangeInclusive<i64> = 1..=0;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn matches(method: MatchMethod, ignore_case: bool, patterns: &[&str], value: impl Into<Value>) -> bool {
        let mut builder = Builder::new(method, ignore_case);
        for pattern in patterns {
            builder.word(pattern).unwrap();
        }
        builder.build().matches(value.into())
    }

    fn text(method: MatchMethod, pattern: &str, value: &str) -> bool {
        matches(method, false, &[pattern], Value::str(value))
    }

    #[test]
    fn text_methods() {
        use MatchMethod::*;
        assert!(text(Str, "a", "a") && !text(Str, "a", "A") && !text(Str, "a", "ab"));
        assert!(text(Beg, "/a", "/ab") && !text(Beg, "/ab", "/a"));
        assert!(text(End, ".js", "/x.js") && !text(End, ".js", "/x.jsx") && !text(End, "long", "g"));
        assert!(text(Sub, "bc", "abcd") && !text(Sub, "bd", "abcd") && text(Sub, "", "x"));
        assert!(text(Reg, "^/a[0-9]+$", "/a12") && !text(Reg, "^/a[0-9]+$", "/a"));
        assert!(matches(Str, true, &["HeLLo"], Value::str("hEllO")));
        assert!(matches(Reg, true, &["^HE"], Value::str("hello")));
        assert!(matches(Beg, true, &["/API"], Value::str("/api/x")));
    }

    #[test]
    fn parts_are_whole_and_delimited() {
        use MatchMethod::*;
        assert!(text(Dir, "img", "/static/img/a.png"));
        assert!(text(Dir, "/static/img/", "/static/img/a.png"));
        assert!(text(Dir, "a.png", "/static/img/a.png?x"));
        assert!(!text(Dir, "im", "/static/img/a.png"));
        assert!(text(Dom, "example", "www.example.com:80") && text(Dom, "com", "www.example.com:80"));
        assert!(!text(Dom, "exam", "www.example.com") && !text(Dir, "example", "www.example.com"));
    }

    #[test]
    fn many_texts_match_as_few_do() {
        let words: Vec<String> = (0..100).map(|i| format!("Word{i}")).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        assert!(matches(MatchMethod::Str, false, &words, Value::str("Word42")));
        assert!(!matches(MatchMethod::Str, false, &words, Value::str("word42")));
        assert!(matches(MatchMethod::Str, true, &words, Value::str("wORD42")));
        assert!(!matches(MatchMethod::Str, true, &words, Value::str("word100")));
    }

    #[test]
    fn integers_ranges_and_operators() {
        let int = |patterns: &[&str], value: i64| matches(MatchMethod::Int, false, patterns, value);
        assert!(int(&["5"], 5) && !int(&["5"], 6) && int(&["1", "6"], 6));
        assert!(int(&["3:7"], 3) && int(&["3:7"], 7) && !int(&["3:7"], 8));
        assert!(int(&[":3"], -9) && !int(&[":3"], 4) && int(&["3:"], 4));
        assert!(
            int(&["ge", "3"], 3) && !int(&["gt", "3"], 3) && int(&["lt", "3"], 2) && !int(&["le", "3"], 4)
        );
        assert!(!int(&["gt", "9223372036854775807"], i64::MAX));
        // An operator holds until the next one.
        assert!(int(&["gt", "100", "5"], 6) && int(&["gt", "100", "eq", "5"], 5));
        assert!(matches(MatchMethod::Len, false, &["3"], Value::str("abc")));
        for wrong in ["5abc", "5.5", "3:x", ":", "7:3", "", "foo", "-", "+"] {
            assert!(
                Builder::new(MatchMethod::Int, false).word(wrong).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn networks_of_both_kinds() {
        let ip = |patterns: &[&str], value: &str| {
            matches(MatchMethod::Ip, false, patterns, value.parse::<IpAddr>().unwrap())
        };
        assert!(ip(&["10.0.0.0/8"], "10.9.8.7") && !ip(&["10.0.0.0/8"], "11.0.0.1"));
        assert!(ip(&["10.1.0.0/255.255.0.0"], "10.1.2.3") && ip(&["0.0.0.0/0"], "9.9.9.9"));
        assert!(ip(&["10.9.9.9/8"], "10.1.1.1"));
        assert!(ip(&["2001:db8::/32"], "2001:db8::1") && !ip(&["2001:db8::/32"], "2001:db9::1"));
        assert!(ip(&["10.0.0.1"], "::ffff:10.0.0.1") && ip(&["::ffff:10.0.0.1"], "10.0.0.1"));
        assert!(ip(&["::1", "127.0.0.1/8"], "127.5.5.5"));
        for wrong in ["10.0.0.0/33", "::1/129", "localhost", "10.0.0.0/", "1.2"] {
            assert!(
                Builder::new(MatchMethod::Ip, false).word(wrong).is_err(),
                "{wrong}"
            );
        }
    }

    #[test]
    fn bytes_are_given_in_hexadecimal() {
        assert!(matches(
            MatchMethod::Bin,
            false,
            &["0aFf"],
            Value::bin(&[0x0a, 0xff][..])
        ));
        assert!(Builder::new(MatchMethod::Bin, false).word("0af").is_err());
    }
}
