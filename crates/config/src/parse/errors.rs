//! Pages in place of those that are built in: `errorfile`, `errorloc`, `http-error` and their kin.

use std::collections::BTreeMap;
use std::sync::Arc;

use tidegate_sample::Files;

use super::args::{Args, Parsed, bad_argument, fault};
use super::http;
use super::proxy::ProxyCx;
use crate::diag::{Diagnostic, code};
use crate::model::{ErrorPage, FilePage, FileResponse, ReplyContent};
use crate::text::Word;

/// The statuses that HAProxy has pages for.
pub(crate) const STATUSES: [u16; 19] = [
    200, 400, 401, 403, 404, 405, 407, 408, 410, 413, 414, 425, 429, 431, 500, 501, 502, 503, 504,
];

/// The pages of one `http-errors` section, by their statuses.
pub(crate) type ErrorSet = BTreeMap<u16, FilePage>;

/// All `http-errors` sections, by their names.
pub(crate) type ErrorSets = BTreeMap<String, ErrorSet>;

/// The next word as a status that has a page.
pub(crate) fn status(args: &mut Args<'_>) -> Parsed<u16> {
    let word = args.expect("a status such as `503`")?;
    let known = word
        .text()?
        .parse()
        .ok()
        .filter(|status| STATUSES.contains(status));
    match known {
        Some(status) => Ok(status),
        None => Err(no_page(word)),
    }
}

/// A status that there is no page for.
pub(crate) fn no_page(word: &Word) -> Box<Diagnostic> {
    let known = STATUSES.map(|status| status.to_string()).join(", ");
    let message = format!("`{}` is not a status that has an error page", word.lossy());
    Box::new(Diagnostic::error(code::BAD_ARGUMENT, word.span(), message).help(format!("one of {known}")))
}

/// `errorfile <status> <file>`
pub(crate) fn errorfile(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let status = status(args)?;
    let page = file_page(args.expect("a file")?, cx.files)?;
    cx.proxy.error_pages.insert(status, ErrorPage::File(page));
    Ok(())
}

/// `errorfiles <name> [<status>...]`
pub(crate) fn errorfiles(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let word = args.expect("the name of an `http-errors` section")?;
    let set = set(word, cx.http_errors)?;
    if args.peek().is_none() {
        for (status, page) in set {
            cx.proxy
                .error_pages
                .insert(*status, ErrorPage::File(page.clone()));
        }
    }
    while let Some(written) = args.peek() {
        let status = status(args)?;
        match set.get(&status) {
            Some(page) => {
                cx.proxy.error_pages.insert(status, ErrorPage::File(page.clone()));
            }
            None => cx.diagnostics.push(no_such_page(written, word, status)),
        }
    }
    Ok(())
}

/// The pages of the section that a word names.
pub(crate) fn set<'s>(word: &Word, sets: &'s ErrorSets) -> Parsed<&'s ErrorSet> {
    let name = word.text()?;
    sets.get(name).ok_or_else(|| {
        let message = format!("there is no section `http-errors {name}`");
        Box::new(
            Diagnostic::error(code::BAD_ARGUMENT, word.span(), message)
                .suggest(name, sets.keys().map(String::as_str)),
        )
    })
}

/// A page that a section doesn't have: what stands there goes on to be used.
pub(crate) fn no_such_page(at: &Word, section: &Word, status: u16) -> Diagnostic {
    let message = format!("`http-errors {}` has no page for {status}", section.lossy());
    Diagnostic::warning(code::NO_EFFECT, at.span(), message)
}

/// `errorloc <status> <url>`, answered with a redirection of this status.
pub(crate) fn errorloc(cx: &mut ProxyCx<'_>, args: &mut Args<'_>, redirection: u16) -> Parsed<()> {
    let status = status(args)?;
    let word = args.expect("a URL")?;
    let location = word.text()?;
    if location.is_empty() || location.chars().any(|c| c.is_control() || c == ' ') {
        return bad_argument(word, format!("`{location}` can't be sent as a location"));
    }
    let response = FileResponse {
        status: redirection,
        reason: String::new(),
        headers: vec![
            (String::from("cache-control"), b"no-cache".to_vec()),
            (String::from("location"), location.as_bytes().to_vec()),
        ],
        body: Vec::new(),
    };
    let page = FilePage::Response(Arc::new(response));
    cx.proxy.error_pages.insert(status, ErrorPage::File(page));
    Ok(())
}

/// `http-error status <status> ...`
pub(crate) fn http_error(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let start = args.last();
    let word = args.rest().iter().position(|word| word.is("status"));
    let written = word.and_then(|at| args.rest().get(at + 1));
    // It may be needed at any moment, with or without a request: what isn't there then gives nothing.
    let scope = cx.acl_scope();
    let reply = http::reply(
        args,
        &scope,
        http::DefaultReply::Nothing(0),
        cx.http_errors,
        cx.diagnostics,
    )?;
    let Some(written) = written else {
        let message = "`http-error` needs the status whose page it replaces";
        return Err(Box::new(
            Diagnostic::error(code::MISSING_ARGUMENT, start, message)
                .help("write `http-error status <status>`"),
        ));
    };
    if !STATUSES.contains(&reply.status) {
        return Err(no_page(written));
    }
    let status = reply.status;
    match reply.content {
        ReplyContent::Page => {
            cx.proxy.error_pages.remove(&status);
        }
        ReplyContent::File(page) => {
            cx.proxy.error_pages.insert(status, ErrorPage::File(page));
        }
        _ => {
            cx.proxy.error_pages.insert(status, ErrorPage::Reply(reply));
        }
    }
    Ok(())
}

/// What a file says that holds a whole response.
pub(crate) fn file_page(word: &Word, files: &dyn Files) -> Parsed<FilePage> {
    let path = word.text()?;
    let bytes = files.read(path).map_err(|error| {
        let message = format!("can't read `{path}`: {error}");
        Box::new(Diagnostic::error(code::FILE_UNREADABLE, word.span(), message))
    })?;
    if bytes.is_empty() {
        return Ok(FilePage::Silence);
    }
    match response(&bytes) {
        Ok(response) => Ok(FilePage::Response(Arc::new(response))),
        Err(why) => fault(
            code::BAD_ARGUMENT,
            word,
            format!("`{path}` holds no response: {why}"),
        ),
    }
}

/// Reads a whole response; lines end with a line feed, or with a carriage return and a line feed.
fn response(bytes: &[u8]) -> Result<FileResponse, String> {
    let mut rest = bytes;
    let mut number = 0;
    let mut line = || {
        let end = rest.iter().position(|byte| *byte == b'\n')?;
        let (line, after) = rest.split_at_checked(end)?;
        rest = after.get(1..).unwrap_or_default();
        number += 1;
        Some((number, line.strip_suffix(b"\r").unwrap_or(line)))
    };
    let (_, first) = line().ok_or("it has no status line")?;
    let (status, reason) = status_line(first).ok_or("the first line is no status line")?;
    let mut headers = Vec::new();
    let mut length = None;
    loop {
        let (number, line) = line().ok_or("its headers aren't ended by an empty line")?;
        if line.is_empty() {
            break;
        }
        let (name, value) = header(line).ok_or_else(|| format!("line {number} is no header"))?;
        match name.as_str() {
            "content-length" => {
                let text = std::str::from_utf8(&value).ok();
                let stated = text.and_then(|text| text.parse::<usize>().ok());
                length = Some(stated.ok_or_else(|| format!("the length in line {number} is no number"))?);
            }
            // These are for each connection to say.
            "connection" | "keep-alive" | "transfer-encoding" => {}
            _ => headers.push((name, value)),
        }
    }
    let body = rest.to_vec();
    match length {
        Some(stated) if stated != body.len() => Err(format!(
            "its `content-length` says {stated} and its body has {} bytes",
            body.len()
        )),
        _ => Ok(FileResponse {
            status,
            reason,
            headers,
            body,
        }),
    }
}

fn status_line(line: &[u8]) -> Option<(u16, String)> {
    let line = std::str::from_utf8(line).ok()?;
    let (version, rest) = line.split_once(' ')?;
    if !matches!(version, "HTTP/1.0" | "HTTP/1.1") {
        return None;
    }
    let (status, reason) = rest.split_once(' ').unwrap_or((rest, ""));
    let status = status
        .parse()
        .ok()
        .filter(|status| (200..=599).contains(status))?;
    let is_text = reason
        .bytes()
        .all(|byte| byte == b'\t' || (b' '..0x7f).contains(&byte));
    is_text.then(|| (status, reason.to_owned()))
}

fn header(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let (name, value) = line.split_at_checked(colon)?;
    let value = value.get(1..)?.trim_ascii();
    let name = std::str::from_utf8(name).ok()?;
    let is_name = !name.is_empty() && name.bytes().all(http::is_token);
    let is_value = value
        .iter()
        .all(|byte| *byte == b'\t' || (*byte >= b' ' && *byte != 0x7f));
    (is_name && is_value).then(|| (name.to_ascii_lowercase(), value.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_a_whole_response() {
        let read = response(b"HTTP/1.0 503 Not now\r\nX-A: b \r\nConnection: close\r\n\r\nbody\n").unwrap();
        assert_eq!((read.status, read.reason.as_str()), (503, "Not now"));
        assert_eq!(read.headers, [(String::from("x-a"), b"b".to_vec())]);
        assert_eq!(read.body, b"body\n");
        assert_eq!(response(b"HTTP/1.1 200\n\n").unwrap().status, 200);
        assert!(response(b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok").is_ok());
    }

    #[test]
    fn what_is_no_response_is_told() {
        for (file, why) in [
            (&b"junk"[..], "it has no status line"),
            (b"junk\n\n", "the first line is no status line"),
            (b"HTTP/1.1 99 x\n\n", "the first line is no status line"),
            (
                b"HTTP/1.1 200 OK\nX: y\n",
                "its headers aren't ended by an empty line",
            ),
            (b"HTTP/1.1 200 OK\nX: y\nno header\n\n", "line 3 is no header"),
            (
                b"HTTP/1.1 200 OK\nContent-Length: x\n\n",
                "the length in line 2 is no number",
            ),
            (
                b"HTTP/1.1 200 OK\nContent-Length: 3\n\nok",
                "its `content-length` says 3 and its body has 2 bytes",
            ),
        ] {
            assert_eq!(response(file).unwrap_err(), why);
        }
    }
}
