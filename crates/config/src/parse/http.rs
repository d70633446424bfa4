//! The arguments of rules that make a reply.

use tidegate_sample::Scope;

use super::args::{Args, Parsed, bad_argument, fault};
use super::keyword::unsupported;
use super::sampled;
use crate::diag::{Diagnostic, Diagnostics, code};
use crate::model::{
    HttpReply, RedirectCookie, RedirectKind, RedirectRule, ReplyBody, ReplyContent, ReplyHeader,
};
use crate::source::Span;
use crate::text::Word;

/// The name of a header. HAProxy takes any text; a name that no message can hold would only fail later.
pub(crate) fn header_name(word: &Word) -> Parsed<String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if word.bytes().is_empty() {
        return bad_argument(word, "the name of a header is empty");
    }
    match word.bytes().iter().position(|byte| !token(*byte)) {
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

/// The arguments of `return`, `deny` and `tarpit`.
pub(crate) fn reply(
    args: &mut Args<'_>,
    scope: &Scope<'_>,
    default_status: u16,
    warnings: &mut Diagnostics,
) -> Parsed<HttpReply> {
    let mut reply = HttpReply {
        status: default_status,
        content: ReplyContent::Default,
        headers: Vec::new(),
    };
    let mut content_type: Option<(String, Span)> = None;
    let mut body: Option<(ReplyBody, Span)> = None;
    let mut has_status = false;
    while let Some(word) = args.peek() {
        match &*word.lossy() {
            "status" | "deny_status" if !has_status => {
                args.next();
                reply.status = args.integer(200, 599)?;
                has_status = true;
            }
            "content-type" if content_type.is_none() => {
                args.next();
                let value = args.expect("a content type such as `text/plain`")?;
                content_type = Some((value.text()?.to_owned(), value.span()));
            }
            "string" | "lf-string" if body.is_none() => {
                args.next();
                let value = args.expect("a string")?;
                let content = if word.is("string") {
                    ReplyBody::Bytes(value.bytes().to_vec())
                } else {
                    ReplyBody::Format(sampled::log_format(value, scope)?)
                };
                body = Some((content, word.span()));
            }
            "file" | "lf-file" if body.is_none() => {
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
            "default-errorfiles" => {
                args.next();
            }
            "errorfile" | "errorfiles" => return Err(Box::new(unsupported(word, ""))),
            _ => break,
        }
    }
    reply.content = match (body, content_type) {
        (Some((body, _)), Some((content_type, _))) => ReplyContent::Body {
            content_type: Some(content_type),
            body,
        },
        (Some((ReplyBody::Bytes(bytes), _)), None) if bytes.is_empty() => ReplyContent::Body {
            content_type: None,
            body: ReplyBody::Bytes(bytes),
        },
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
            ReplyContent::Default
        }
        (None, None) => ReplyContent::Default,
    };
    Ok(reply)
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
    let (mut drop_query, mut append_slash, mut ignore_empty, mut set_cookie) = (false, false, false, None);
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
            "keep-query" | "set-cookie-fmt" => return Err(Box::new(unsupported(word, "redirect "))),
            written => {
                const WORDS: [&str; 9] = [
                    "location",
                    "prefix",
                    "scheme",
                    "code",
                    "drop-query",
                    "append-slash",
                    "ignore-empty",
                    "set-cookie",
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
        ignore_empty,
        set_cookie,
    })
}

fn target(args: &mut Args<'_>, scope: &Scope<'_>) -> Parsed<crate::model::LogFormat> {
    sampled::log_format(args.expect("a location")?, scope)
}
