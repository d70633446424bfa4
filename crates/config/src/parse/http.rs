//! The arguments of rules that make a reply.

use tidegate_sample::Scope;

use super::args::{Args, Parsed, bad_argument, fault};
use super::errors::{self, ErrorSets};
use super::sampled;
use crate::diag::{Diagnostic, Diagnostics, code};
use crate::model::{
    HttpReply, RedirectCookie, RedirectKind, RedirectRule, ReplyBody, ReplyContent, ReplyHeader,
};
use crate::source::Span;
use crate::text::Word;

/// The name of a header. HAProxy takes any text; a name that no message can hold would only fail later.
pub(crate) fn header_name(word: &Word) -> Parsed<String> {
    if word.bytes().is_empty() {
        return bad_argument(word, "the name of a header is empty");
    }
    match word.bytes().iter().position(|byte| !is_token(*byte)) {
        None => Ok(word.text()?.to_owned()),
        Some(at) => {
            let part = word.part(at, at + 1);
            let message = format!("`{}` can't be in the name of a header", part.lossy());
            let is_colon = part.is(":") && at + 1 == word.bytes().len();
            fault(code::BAD_NAME, &part, message).map_err(|diagnostic: Box<Diagnostic>| {
                Box::new(match is_colon {
                    true => diagnostic.help("write the name without the colon"),
                    false => *diagnostic,
                })
            })
        }
    }
}

/// Whether a name of a header may hold this.
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The reply of which nothing is said, and its status.
#[derive(Clone, Copy)]
pub(crate) enum DefaultReply {
    /// The page of the status, of which `deny_status` may tell another.
    Page(u16),
    /// An empty reply.
    Nothing(u16),
}

/// The arguments of `return`, `deny`, `tarpit` and `http-error`.
pub(crate) fn reply(
    args: &mut Args<'_>,
    scope: &Scope<'_>,
    default: DefaultReply,
    sets: &ErrorSets,
    warnings: &mut Diagnostics,
) -> Parsed<HttpReply> {
    let (DefaultReply::Page(status) | DefaultReply::Nothing(status)) = default;
    let mut reply = HttpReply {
        status,
        content: ReplyContent::Nothing,
        headers: Vec::new(),
    };
    let mut content_type: Option<(String, Span)> = None;
    let mut body: Option<(ReplyBody, Span)> = None;
    let mut page: Option<(ReplyContent, &Word)> = None;
    let mut status_word = None;
    let mut has_status = false;
    let mut section = None;
    while let Some(word) = args.peek() {
        match &*word.lossy() {
            "status" | "deny_status" if status_word.is_none() => {
                args.next();
                has_status = word.is("status");
                status_word = args.peek();
                reply.status = args.integer(200, 599)?;
            }
            "content-type" if content_type.is_none() => {
                args.next();
                let value = args.expect("a content type such as `text/plain`")?;
                content_type = Some((value.text()?.to_owned(), value.span()));
            }
            "string" | "lf-string" if body.is_none() && page.is_none() => {
                args.next();
                let value = args.expect("a string")?;
                let content = if word.is("string") {
                    ReplyBody::Bytes(value.bytes().to_vec())
                } else {
                    ReplyBody::Format(sampled::log_format(value, scope)?)
                };
                body = Some((content, word.span()));
            }
            "file" | "lf-file" if body.is_none() && page.is_none() => {
                args.next();
                body = Some((
                    file(args.expect("a file")?, word.is("lf-file"), scope)?,
                    word.span(),
                ));
            }
            "hdr" => {
                args.next();
                let name = header_name(args.expect("the name of a header")?)?;
                let value = sampled::log_format(args.expect("the value of the header")?, scope)?;
                reply.headers.push(ReplyHeader { name, value });
            }
            "default-errorfiles" if body.is_none() && page.is_none() => {
                args.next();
                page = Some((ReplyContent::Page, word));
            }
            "errorfile" if body.is_none() && page.is_none() => {
                args.next();
                let file = errors::file_page(args.expect("a file")?, scope.files)?;
                page = Some((ReplyContent::File(file), word));
            }
            "errorfiles" if body.is_none() && page.is_none() => {
                args.next();
                let name = args.expect("the name of an `http-errors` section")?;
                errors::set(name, sets)?;
                section = Some(name);
                page = Some((ReplyContent::Nothing, word));
            }
            _ => break,
        }
    }
    if let Some((content, word)) = page {
        let ignored = content_type.map(|(_, span)| span);
        let ignored = ignored.or((!reply.headers.is_empty()).then(|| word.span()));
        if let Some(span) = ignored {
            let message = format!("only the status counts beside `{}`", word.lossy());
            warnings.push(Diagnostic::warning(code::NO_EFFECT, span, message));
        }
        reply.headers.clear();
        reply.content = content;
        if let Some(name) = section {
            match errors::set(name, sets)?.get(&reply.status) {
                Some(page) => reply.content = ReplyContent::File(page.clone()),
                None => warnings.push(errors::no_such_page(word, name, reply.status)),
            }
        }
        return with_page(reply, status_word);
    }
    let is_bare = !has_status && reply.headers.is_empty();
    reply.content = match (body, content_type) {
        (Some((body, _)), Some((content_type, _))) => ReplyContent::Body {
            content_type: Some(content_type),
            body,
        },
        (Some((ReplyBody::Bytes(bytes), _)), None) if bytes.is_empty() => ReplyContent::Nothing,
        (Some((_, span)), None) => {
            let message = "a reply with a body needs a content type";
            return Err(Box::new(
                Diagnostic::error(code::MISSING_ARGUMENT, span, message)
                    .help("add `content-type <type>`, such as `content-type text/plain`"),
            ));
        }
        (None, Some((_, span))) => {
            let message = "the content type has no effect: the reply has no body";
            warnings.push(Diagnostic::warning(code::NO_EFFECT, span, message));
            ReplyContent::Nothing
        }
        // `deny deny_status 404` is a refusal with the page of that status; all other replies are what they say.
        (None, None) if is_bare && matches!(default, DefaultReply::Page(_)) => {
            reply.content = ReplyContent::Page;
            return with_page(reply, status_word);
        }
        (None, None) => ReplyContent::Nothing,
    };
    Ok(reply)
}

/// A reply that is the page of its status, or a file's in place of that.
fn with_page(reply: HttpReply, written: Option<&Word>) -> Parsed<HttpReply> {
    match written {
        Some(word) if !errors::STATUSES.contains(&reply.status) => Err(errors::no_page(word)),
        _ => Ok(reply),
    }
}

/// A body that is read from a file at start.
fn file(word: &Word, is_format: bool, scope: &Scope<'_>) -> Parsed<ReplyBody> {
    let path = word.text()?;
    let bytes = scope.files.read(path).map_err(|error| {
        let message = format!("can't read `{path}`: {error}");
        Box::new(Diagnostic::error(code::FILE_UNREADABLE, word.span(), message))
    })?;
    if !is_format {
        return Ok(ReplyBody::Bytes(bytes));
    }
    let Ok(text) = std::str::from_utf8(&bytes) else {
        return fault(code::NOT_UTF8, word, format!("`{path}` isn't valid UTF-8"));
    };
    match crate::model::LogFormat::parse(text, scope) {
        Ok(format) => Ok(ReplyBody::Format(format)),
        Err(error) => {
            let line = text.get(..error.span.start).unwrap_or(text).matches('\n').count() + 1;
            let message = format!("in line {line} of `{path}`: {}", error.message);
            fault(code::BAD_LOG_FORMAT, word, message)
        }
    }
}

/// The arguments of `redirect`.
pub(crate) fn redirect(args: &mut Args<'_>, scope: &Scope<'_>) -> Parsed<RedirectRule> {
    let start = args.last();
    let mut kind = None;
    let mut rule_status = 302;
    let (mut drop_query, mut keep_query, mut append_slash) = (false, false, false);
    let (mut ignore_empty, mut set_cookie) = (false, None);
    while let Some(word) = args.peek().filter(|word| !word.is("if") && !word.is("unless")) {
        args.next();
        match &*word.lossy() {
            "location" => kind = Some(RedirectKind::Location(target(args, scope)?)),
            "prefix" => kind = Some(RedirectKind::Prefix(target(args, scope)?)),
            "scheme" => kind = Some(RedirectKind::Scheme(target(args, scope)?)),
            "code" => {
                let names = [
                    ("301", 301),
                    ("302", 302),
                    ("303", 303),
                    ("307", 307),
                    ("308", 308),
                ];
                rule_status = args.one_of("a status of a redirection", &names)?;
            }
            "drop-query" => drop_query = true,
            "append-slash" => append_slash = true,
            "ignore-empty" => ignore_empty = true,
            "set-cookie" => set_cookie = Some(RedirectCookie::Set(args.text("a cookie")?.to_owned())),
            "clear-cookie" => set_cookie = Some(RedirectCookie::Clear(args.text("a cookie")?.to_owned())),
            "set-cookie-fmt" => {
                let format = sampled::log_format(args.expect("a cookie")?, scope)?;
                set_cookie = Some(RedirectCookie::Format(format));
            }
            "keep-query" => keep_query = true,
            written => {
                const WORDS: [&str; 11] = [
                    "location",
                    "prefix",
                    "scheme",
                    "code",
                    "drop-query",
                    "append-slash",
                    "ignore-empty",
                    "keep-query",
                    "set-cookie",
                    "set-cookie-fmt",
                    "clear-cookie",
                ];
                let message = format!("`redirect` doesn't take this argument: `{written}`");
                return Err(Box::new(
                    Diagnostic::error(code::BAD_ARGUMENT, word.span(), message)
                        .suggest(written, WORDS)
                        .help("write where to with `location`, `prefix` or `scheme`"),
                ));
            }
        }
    }
    let Some(kind) = kind else {
        return Err(Box::new(
            Diagnostic::error(
                code::MISSING_ARGUMENT,
                start,
                "a redirection needs a place to go to",
            )
            .help("write it with `location`, `prefix` or `scheme`"),
        ));
    };
    Ok(RedirectRule {
        kind,
        status: rule_status,
        drop_query,
        append_slash,
        keep_query,
        ignore_empty,
        set_cookie,
    })
}

fn target(args: &mut Args<'_>, scope: &Scope<'_>) -> Parsed<crate::model::LogFormat> {
    sampled::log_format(args.expect("a location")?, scope)
}
