//! Whether what came is what was expected.

use tidegate_sample::head::{Headers, response};
use tidegate_sample::logformat::LogFormat;

use super::message::Response;
use super::session::CheckSession;
use super::status::Status;
use super::step::{Expect, HeaderPattern, Pattern, TextMatch};
use crate::rules::Text;

/// What a look at what came tells.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// More has to come.
    More,
    /// It is there.
    Met(Answer),
    /// It isn't, and won't be.
    Unmet(Answer),
    /// The server stops softly, with this status.
    Conditional(i64),
}

/// What came, for logs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// How the check ends if this isn't what was wanted.
    pub(super) status: Status,
    /// The status of HTTP.
    pub(super) code: Option<i64>,
    /// What is wrong with it.
    pub(super) why: String,
    /// No byte came.
    pub(super) is_empty: bool,
}

/// Looks at bytes of a TCP check.
pub(super) fn bytes(wanted: &Expect, received: &[u8], ended: bool, session: &CheckSession) -> Seen {
    let answer = |why: String| Answer {
        status: Status::L7Response,
        code: None,
        why,
        is_empty: received.is_empty(),
    };
    if ended && received.is_empty() {
        return Seen::Unmet(answer("TCPCHK got an empty response".to_owned()));
    }
    let enough = needed(wanted, session);
    if !ended && received.len() < enough {
        return Seen::More;
    }
    let found = holds(&wanted.pattern, received, session);
    if !found && !ended && wanted.received_min.is_none() {
        return Seen::More;
    }
    if found != wanted.negated {
        return Seen::Met(Answer::default());
    }
    let what = content(&wanted.pattern);
    Seen::Unmet(answer(if wanted.negated {
        format!("TCPCHK matched unwanted content {what}")
    } else {
        format!("TCPCHK did not match content {what}")
    }))
}

/// Looks at a response.
pub(super) fn response(wanted: &Expect, response: &Response, full: bool, session: &CheckSession) -> Seen {
    let code = Some(i64::from(response.status.as_u16()));
    let (found, conclusive) = match &wanted.pattern {
        Pattern::Status(ranges) => {
            let status = response.status.as_u16();
            (
                ranges.iter().any(|(from, to)| (*from..=*to).contains(&status)),
                true,
            )
        }
        Pattern::StatusRegex(regex) => (regex.is_match(response.status.as_str().as_bytes()), true),
        Pattern::Header(pattern) => (has_header(pattern, &response.headers, session), true),
        body => {
            let enough = response.body.len() >= needed(wanted, session);
            let found = enough && holds(body, &response.body, session);
            let decided = enough && wanted.received_min.is_some();
            (found, response.complete || full || decided || found)
        }
    };
    if !conclusive {
        return Seen::More;
    }
    let of_head = wanted.pattern.is_of_head();
    let answer = Answer {
        status: if of_head {
            Status::L7Status
        } else {
            Status::L7Response
        },
        code: if of_head { code } else { None },
        is_empty: false,
        why: if of_head {
            response.reason.clone()
        } else if wanted.negated {
            "HTTP check matched unwanted content".to_owned()
        } else {
            "HTTP content check did not match".to_owned()
        },
    };
    if found == wanted.negated {
        Seen::Unmet(answer)
    } else {
        Seen::Met(Answer { code, ..answer })
    }
}

/// Lets expressions see the response.
pub(super) fn remember(session: &CheckSession, response: &Response) {
    if session.response.borrow().is_none() {
        *session.response.borrow_mut() = Some(response::Parts {
            status: response.status,
            reason: None,
            version: response.version,
            headers: response.headers.clone(),
        });
    }
}

/// What is expected, as logs say it: `string 'PONG'`.
pub(super) fn described(wanted: &Expect) -> String {
    let not = if wanted.negated { "! " } else { "" };
    let kind = match &wanted.pattern {
        Pattern::Bytes {
            bytes: Text::Literal(bytes),
            binary,
        } => {
            let kind = if *binary { "binary" } else { "string" };
            return format!("{not}{kind} '{}'", bytes.escape_ascii());
        }
        Pattern::Bytes { .. } => "log-format string",
        Pattern::Hex(_) => "log-format binary",
        Pattern::Regex(_) => "regex",
        Pattern::HexRegex(_) => "binary regex",
        Pattern::Status(_) => "HTTP status codes",
        Pattern::StatusRegex(_) => "HTTP status regex",
        Pattern::Header(_) => "HTTP header pattern",
    };
    format!("{not}{kind}")
}

/// The bytes that a log-format string gives in hexadecimal.
pub(super) fn unhex(format: &LogFormat, session: &CheckSession) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    format.eval_into(&mut text, session);
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut bytes = Vec::with_capacity(text.len() / 2);
    for pair in text.chunks(2) {
        let [high, low] = pair else { return None };
        bytes.push(digit(*high)? << 4 | digit(*low)?);
    }
    Some(bytes)
}

/// How much has to be there before it makes sense to look.
fn needed(wanted: &Expect, session: &CheckSession) -> usize {
    let least = wanted.received_min.unwrap_or(0);
    match &wanted.pattern {
        Pattern::Bytes { bytes, .. } => {
            let length = bytes.eval_for(session).len();
            if wanted.received_min.is_some() {
                least.min(length)
            } else {
                length
            }
        }
        _ => least,
    }
}

fn holds(pattern: &Pattern, subject: &[u8], session: &CheckSession) -> bool {
    match pattern {
        Pattern::Bytes { bytes, .. } => contains(subject, &bytes.eval_for(session)),
        Pattern::Hex(format) => unhex(format, session).is_some_and(|bytes| contains(subject, &bytes)),
        Pattern::Regex(regex) => regex.is_match(subject),
        Pattern::HexRegex(regex) => {
            let hex: String = subject.iter().map(|byte| format!("{byte:02X}")).collect();
            regex.is_match(hex.as_bytes())
        }
        Pattern::Status(_) | Pattern::StatusRegex(_) | Pattern::Header(_) => false,
    }
}

fn content(pattern: &Pattern) -> String {
    match pattern {
        Pattern::Bytes {
            bytes: Text::Literal(bytes),
            binary: false,
        } => format!("'{}'", String::from_utf8_lossy(bytes)),
        Pattern::Bytes { binary: false, .. } => "(log-format string)".to_owned(),
        Pattern::Hex(_) => "(log-format binary)".to_owned(),
        Pattern::Bytes { .. } => "(binary)".to_owned(),
        Pattern::HexRegex(_) => "(binary regex)".to_owned(),
        _ => "(regex)".to_owned(),
    }
}

fn contains(subject: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || subject.windows(wanted.len()).any(|window| window == wanted)
}

fn has_header(pattern: &HeaderPattern, headers: &Headers, session: &CheckSession) -> bool {
    headers.iter().any(|(name, value)| {
        if !matches(&pattern.name, name.as_str().as_bytes(), true, session) {
            return false;
        }
        let Some(wanted) = &pattern.value else { return true };
        if pattern.whole {
            return matches(wanted, value.as_bytes(), false, session);
        }
        value
            .as_bytes()
            .split(|byte| *byte == b',')
            .any(|part| matches(wanted, part.trim_ascii(), false, session))
    })
}

fn matches(wanted: &TextMatch, subject: &[u8], ignore_case: bool, session: &CheckSession) -> bool {
    let fold = |bytes: &[u8]| {
        if ignore_case {
            bytes.to_ascii_lowercase()
        } else {
            bytes.to_vec()
        }
    };
    let text = |text: &crate::rules::Text| fold(&text.eval_for(session));
    let subject = fold(subject);
    match wanted {
        TextMatch::Exact(wanted) => subject == text(wanted),
        TextMatch::Prefix(wanted) => subject.starts_with(&text(wanted)),
        TextMatch::Suffix(wanted) => subject.ends_with(&text(wanted)),
        TextMatch::Contains(wanted) => contains(&subject, &text(wanted)),
        TextMatch::Regex(regex) => regex.is_match(&subject),
    }
}
