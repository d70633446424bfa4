//! `expect`

use tidegate_sample::Regex;

use super::{RuleArgs, Speaks, hexadecimal};
use crate::diag::{Diagnostic, code};
use crate::model::{CheckExpect, CheckMatch, CheckPattern, CheckText, ReplyBody};
use crate::parse::args::{Parsed, bad_argument, fault, pick};
use crate::parse::sampled;
use crate::text::Word;

const OK: [(&str, &str); 4] = [
    ("L7OK", "L7OK"),
    ("L7OKC", "L7OKC"),
    ("L6OK", "L6OK"),
    ("L4OK", "L4OK"),
];
const ERROR: [(&str, &str); 5] = [
    ("L7OKC", "L7OKC"),
    ("L7RSP", "L7RSP"),
    ("L7STS", "L7STS"),
    ("L6RSP", "L6RSP"),
    ("L4CON", "L4CON"),
];
const TIMEOUT: [(&str, &str); 3] = [("L7TOUT", "L7TOUT"), ("L6TOUT", "L6TOUT"), ("L4TOUT", "L4TOUT")];

impl CheckExpect {
    /// An expectation with everything else at its default.
    pub(crate) fn new(pattern: CheckPattern) -> CheckExpect {
        CheckExpect {
            pattern,
            negated: false,
            received_min: None,
            ok_status: None,
            error_status: None,
            timeout_status: None,
            on_success: None,
            on_error: None,
            status_code: None,
        }
    }
}

pub(super) fn expect(rule: &mut RuleArgs<'_, '_, '_>) -> Parsed<CheckExpect> {
    let mut wanted = CheckExpect::new(CheckPattern::Bytes(Vec::new()));
    loop {
        if rule.comment()? {
            continue;
        }
        let word = rule.args.expect("what is expected, such as `string <text>`")?;
        match &*word.lossy() {
            "min-recv" => {
                let unlimited = rule.args.take("-1");
                wanted.received_min = if unlimited {
                    None
                } else {
                    Some(rule.args.integer(0, 0x7fff_ffff)?)
                };
            }
            "ok-status" => wanted.ok_status = Some(rule.args.one_of("a status of a check that passed", &OK)?),
            "error-status" => {
                wanted.error_status = Some(rule.args.one_of("a status of a check that failed", &ERROR)?);
            }
            "tout-status" => {
                wanted.timeout_status = Some(
                    rule.args
                        .one_of("a status of a check that took too long", &TIMEOUT)?,
                );
            }
            "on-success" => wanted.on_success = Some(rule.format()?),
            "on-error" => wanted.on_error = Some(rule.format()?),
            "status-code" => {
                let word = rule.args.expect("an expression")?;
                wanted.status_code = Some(sampled::expression(word, rule.scope)?);
            }
            "!" => wanted.negated = !wanted.negated,
            _ => {
                let word = &match word.bytes() {
                    [b'!', rest @ ..] if !rest.is_empty() => {
                        wanted.negated = !wanted.negated;
                        word.part(1, word.bytes().len())
                    }
                    _ => word.clone(),
                };
                wanted.pattern = pattern(rule, word)?;
                break;
            }
        }
    }
    while rule.comment()? {}
    Ok(wanted)
}

type Parse = fn(&mut RuleArgs<'_, '_, '_>) -> Parsed<CheckPattern>;

const BOTH: [(&str, Parse); 3] = [
    ("string", |rule| {
        let word = rule.args.expect("a text")?;
        match word.bytes().is_empty() {
            true => bad_argument(word, "the text that is expected is empty"),
            false => Ok(CheckPattern::Bytes(word.bytes().to_vec())),
        }
    }),
    ("string-lf", |rule| rule.format().map(CheckPattern::Format)),
    ("rstring", |rule| {
        regex(rule.args.expect("a regular expression")?).map(CheckPattern::Regex)
    }),
];
const OF_TCP: [(&str, Parse); 3] = [
    ("binary", |rule| {
        hexadecimal(rule.args.expect("hexadecimal digits")?).map(CheckPattern::Binary)
    }),
    ("binary-lf", |rule| rule.format().map(CheckPattern::HexFormat)),
    ("rbinary", |rule| {
        regex(rule.args.expect("a regular expression")?).map(CheckPattern::HexRegex)
    }),
];
const OF_HTTP: [(&str, Parse); 4] = [
    ("status", |rule| {
        statuses(rule.args.expect("statuses such as `200-399`")?).map(CheckPattern::Status)
    }),
    ("rstatus", |rule| {
        regex(rule.args.expect("a regular expression")?).map(CheckPattern::StatusRegex)
    }),
    ("hdr", |rule| header(rule, false)),
    ("fhdr", |rule| header(rule, true)),
];

fn pattern(rule: &mut RuleArgs<'_, '_, '_>, word: &Word) -> Parsed<CheckPattern> {
    let own: &[(&'static str, Parse)] = match rule.speaks {
        Speaks::Http => &OF_HTTP,
        Speaks::Tcp => &OF_TCP,
    };
    let names: Vec<(&'static str, Parse)> = BOTH.iter().chain(own).copied().collect();
    pick(word, "something that can be expected", &names)?(rule)
}

fn regex(word: &Word) -> Parsed<Regex> {
    compiled(word, Regex::parse)
}

fn compiled(word: &Word, parse: fn(&str) -> Result<Regex, String>) -> Parsed<Regex> {
    parse(word.text()?).or_else(|why| bad_argument(word, format!("not a regular expression: {why}")))
}

/// `200,300-310`
fn statuses(word: &Word) -> Parsed<Vec<(u16, u16)>> {
    let mut ranges = Vec::new();
    let mut from = 0;
    for part in word.bytes().split(|byte| *byte == b',') {
        let written = word.part(from, from + part.len());
        from += part.len() + 1;
        let text = written.lossy().into_owned();
        let (first, last) = text.split_once('-').unwrap_or((&text, &text));
        let number = |text: &str| {
            text.parse::<u16>()
                .ok()
                .filter(|status| (100..=999).contains(status))
        };
        match number(first).zip(number(last)) {
            Some((first, last)) if first <= last => ranges.push((first, last)),
            _ if text.is_empty() => {
                let message = "a status is missing between the commas";
                return Err(Box::new(Diagnostic::error(
                    code::BAD_NUMBER,
                    word.span(),
                    message,
                )));
            }
            _ => {
                return fault(
                    code::BAD_NUMBER,
                    &written,
                    format!("`{text}` is no status, nor a range of them"),
                );
            }
        }
    }
    Ok(ranges)
}

fn header(rule: &mut RuleArgs<'_, '_, '_>, whole: bool) -> Parsed<CheckPattern> {
    let names = [("name", false), ("name-lf", true)];
    let computed = rule.args.one_of("`name` or `name-lf`", &names)?;
    let name = text(rule, computed, Regex::parse_ignoring_case, "the name of a header")?;
    let value = match rule.args.peek() {
        Some(word) if word.is("value") || word.is("value-lf") => {
            rule.args.next();
            Some(text(rule, word.is("value-lf"), Regex::parse, "a value")?)
        }
        _ => None,
    };
    Ok(CheckPattern::Header { name, value, whole })
}

/// `[-m METHOD] TEXT`
fn text(
    rule: &mut RuleArgs<'_, '_, '_>,
    computed: bool,
    parse: fn(&str) -> Result<Regex, String>,
    what: &str,
) -> Parsed<CheckText> {
    const METHODS: [(&str, u8); 5] = [("str", 0), ("beg", 1), ("end", 2), ("sub", 3), ("reg", 4)];
    let flag = rule.args.peek();
    let method = if rule.args.take("-m") {
        rule.args.one_of("a method to match texts", &METHODS)?
    } else {
        0
    };
    if method == 4 && computed {
        let message = "a text that is computed can't be a regular expression";
        let span = flag.map_or_else(|| rule.args.last(), Word::span);
        return Err(Box::new(Diagnostic::error(code::BAD_ARGUMENT, span, message)));
    }
    if computed {
        return Ok(CheckText {
            method: by_number(method),
            text: ReplyBody::Format(rule.format()?),
        });
    }
    let word = rule.args.expect(what)?;
    let method = if method == 4 {
        CheckMatch::Regex(compiled(word, parse)?)
    } else {
        by_number(method)
    };
    Ok(CheckText {
        method,
        text: ReplyBody::Bytes(word.bytes().to_vec()),
    })
}

fn by_number(method: u8) -> CheckMatch {
    match method {
        1 => CheckMatch::Prefix,
        2 => CheckMatch::Suffix,
        3 => CheckMatch::Contains,
        _ => CheckMatch::Exact,
    }
}
