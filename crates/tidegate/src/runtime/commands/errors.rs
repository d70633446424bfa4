//! The command that shows messages which were no HTTP.

use std::fmt::Write as _;
use std::net::SocketAddr;

use tidegate_config::model::AccessLevel::Operator;
use tidegate_proxy::Violation;
use tidegate_sample::date::log_millis;
use tidegate_sample::{Named, Way};

use crate::runtime::command::{Answer, Call, Command, Refusal, served};

#[rustfmt::skip]
pub(super) const COMMANDS: &[Command] = &[
    served("show errors", "[<proxy>] [request|response]", Operator, "show the last request of each frontend and response of each backend that was no HTTP", errors),
];

/// The width of a line behind its place.
const WIDTH: usize = 70;

fn errors(call: &mut Call<'_>) -> Result<Answer, Refusal> {
    let plane = call.plane()?;
    let wanted = call.text(0).filter(|proxy| proxy != "-1");
    let number = wanted
        .as_deref()
        .and_then(|text| text.trim_start_matches('#').parse().ok());
    let is_wanted = |name: &str, id: u32| wanted.as_deref() == Some(name) || number == Some(id);
    if wanted.is_some()
        && !plane
            .frontends()
            .any(|frontend| is_wanted(&frontend.name, frontend.id))
        && !plane
            .backends()
            .any(|(backend, _)| is_wanted(&backend.name, backend.id))
    {
        return Err(Refusal::error("No such proxy."));
    }
    let way = match call.text(1).as_deref() {
        None => None,
        Some("request") => Some(Way::Request),
        Some("response") => Some(Way::Response),
        Some(_) => return Err(Refusal::error("Expects either 'request' or 'response'.")),
    };
    let mut out = format!(
        "Total events captured on [{}] : {}\n",
        String::from_utf8_lossy(&log_millis(std::time::SystemTime::now())),
        plane.violations_total()
    );
    for (number, violation) in plane.violations() {
        let proxy = violation.proxy();
        let name = String::from_utf8_lossy(&proxy.name);
        if (wanted.is_none() || is_wanted(&name, proxy.id)) && way.is_none_or(|way| way == violation.way) {
            describe(&mut out, number, &violation);
        }
    }
    Ok(out.into())
}

/// An empty line would end the answer: those between parts have a space.
fn describe(out: &mut String, number: u64, violation: &Violation) {
    let proxy = called(Some(violation.proxy()));
    let (kind, message, other) = match violation.way {
        Way::Request => ("frontend", "request", ("backend", violation.backend.as_ref())),
        Way::Response => ("backend", "response", ("frontend", Some(&violation.frontend))),
    };
    let source = violation
        .source
        .as_ref()
        .map_or_else(|| "unix".to_owned(), SocketAddr::to_string);
    // Writing to a text can't fail.
    let _ = write!(
        out,
        " \n[{}] {kind} {proxy}: invalid {message}\n  {} {}, server {}, event #{number}, src {source}\n  \
         {message} length {} bytes, error at position {}:\n  \n",
        String::from_utf8_lossy(&log_millis(violation.at)),
        other.0,
        called(other.1),
        called(violation.server.as_ref()),
        violation.bytes.len(),
        violation.position,
    );
    dump(out, &violation.bytes);
}

fn called(named: Option<&Named>) -> String {
    match named {
        Some(named) => format!("{} (#{})", String::from_utf8_lossy(&named.name), named.id),
        None => "<NONE> (#-1)".to_owned(),
    }
}

/// A line for each line, and more for long ones, each with its place before it.
fn dump(out: &mut String, bytes: &[u8]) {
    let mut line = String::new();
    let (mut place, mut begins) = (0, true);
    let flush = |line: &mut String, place: usize, begins: bool| {
        let mark = if begins { ' ' } else { '+' };
        let text = format!("  {place:05}{mark} {line}\n");
        line.clear();
        text
    };
    for (at, byte) in bytes.iter().enumerate() {
        let encoded = encoded(*byte);
        if line.len() + encoded.len() > WIDTH {
            out.push_str(&flush(&mut line, place, begins));
            (place, begins) = (at, false);
        }
        line.push_str(&encoded);
        if *byte == b'\n' {
            out.push_str(&flush(&mut line, place, begins));
            (place, begins) = (at + 1, true);
        }
    }
    if !line.is_empty() {
        out.push_str(&flush(&mut line, place, begins));
    }
}

fn encoded(byte: u8) -> String {
    match byte {
        b'\t' => "\\t".to_owned(),
        b'\n' => "\\n".to_owned(),
        b'\r' => "\\r".to_owned(),
        0x1b => "\\e".to_owned(),
        b'\\' => "\\\\".to_owned(),
        b' '..=b'~' => char::from(byte).to_string(),
        _ => format!("\\x{byte:02X}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_is_shown_line_by_line() {
        let mut out = String::new();
        let long = format!("A\t\x1b\\\x01\r\n{}\n\u{e9}", "b".repeat(71));
        dump(&mut out, long.as_bytes());
        let expected = format!(
            "  00000  A\\t\\e\\\\\\x01\\r\\n\n  00007  {}\n  00077+ b\\n\n  00079  \\xC3\\xA9\n",
            "b".repeat(70)
        );
        assert_eq!(out, expected);
    }
}
