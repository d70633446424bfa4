//! Which server a request belongs to: `cookie`, `use-server`, `force-persist`, `ignore-persist`.

use std::rc::Rc;

use tidegate_sample::Place;

use super::ProxyCx;
use crate::diag::{Diagnostic, code};
use crate::model::{Condition, Cookie, CookieMode, ServerTarget, UseServer};
use crate::parse::args::{Args, Parsed, bad_argument};
use crate::parse::{rules, sampled};
use crate::text::Word;
use crate::units::TimeUnit;

/// `cookie`.
pub(super) fn cookie(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let word = args.expect("the name of a cookie")?;
    let name = word.text()?.to_owned();
    let is_token = |byte: u8| byte.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return bad_argument(word, format!("`{name}` is no name of a cookie"));
    }
    let mut cookie = Cookie {
        name,
        mode: CookieMode::Passive,
        indirect: false,
        nocache: false,
        postonly: false,
        preserve: false,
        dynamic: false,
        attributes: String::new(),
        idle_max: None,
        life_max: None,
    };
    let (mut domains, mut others) = (String::new(), String::new());
    let (mut http_only, mut secure) = ("", "");
    while let Some(word) = args.next() {
        match word.text()? {
            "rewrite" => mode(&mut cookie, CookieMode::Rewrite, word)?,
            "insert" => mode(&mut cookie, CookieMode::Insert, word)?,
            "prefix" => mode(&mut cookie, CookieMode::Prefix, word)?,
            "indirect" => cookie.indirect = true,
            "nocache" => cookie.nocache = true,
            "postonly" => cookie.postonly = true,
            "preserve" => cookie.preserve = true,
            "httponly" => http_only = "; HttpOnly",
            "secure" => secure = "; Secure",
            "domain" => attribute(&mut domains, "domain=", args)?,
            "attr" => attribute(&mut others, "", args)?,
            "maxidle" => cookie.idle_max = Some(args.time(TimeUnit::Seconds)?),
            "maxlife" => cookie.life_max = Some(args.time(TimeUnit::Seconds)?),
            "dynamic" => cookie.dynamic = true,
            other => {
                let known = [
                    "rewrite", "insert", "prefix", "indirect", "nocache", "postonly", "preserve", "httponly",
                    "secure", "domain", "attr", "maxidle", "maxlife", "dynamic",
                ];
                let message = format!("`{other}` is no option of `cookie`");
                return Err(Box::new(
                    Diagnostic::error(code::BAD_ARGUMENT, word.span(), message).suggest(other, known),
                ));
            }
        }
    }
    // In HAProxy's order, whatever that of the words is.
    cookie.attributes = [&*domains, http_only, secure, &*others].concat();
    let dated = cookie.idle_max.is_some() || cookie.life_max.is_some();
    if dated && cookie.mode != CookieMode::Insert {
        return bad_argument(word, "`maxidle` and `maxlife` go with `insert` only");
    }
    if cookie.indirect && cookie.mode == CookieMode::Rewrite {
        return bad_argument(word, "`rewrite` and `indirect` exclude each other");
    }
    if cookie.preserve && cookie.mode != CookieMode::Insert && !cookie.indirect {
        return bad_argument(word, "`preserve` goes with `insert` or `indirect` only");
    }
    cx.proxy.persistence.cookie = Some(cookie);
    Ok(())
}

fn mode(cookie: &mut Cookie, mode: CookieMode, word: &Word) -> Parsed<()> {
    if cookie.mode != CookieMode::Passive && cookie.mode != mode {
        return bad_argument(word, "`rewrite`, `insert` and `prefix` exclude each other");
    }
    cookie.mode = mode;
    Ok(())
}

fn attribute(attributes: &mut String, before: &str, args: &mut Args<'_>) -> Parsed<()> {
    let word = args.expect("a value")?;
    let text = word.text()?;
    if text.is_empty() || text.bytes().any(|byte| byte == b';' || byte.is_ascii_control()) {
        return bad_argument(word, "an attribute has no `;` and no control characters");
    }
    attributes.push_str("; ");
    attributes.push_str(before);
    attributes.push_str(text);
    Ok(())
}

/// `force-persist`.
pub(super) fn force(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let condition = condition(cx, args)?;
    cx.proxy.persistence.force.push(condition);
    Ok(())
}

/// `ignore-persist`.
pub(super) fn ignore(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let condition = condition(cx, args)?;
    cx.proxy.persistence.ignore.push(condition);
    Ok(())
}

/// `use-server`.
pub(super) fn use_server(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let word = args.expect("the name of a server")?;
    let acls = Rc::clone(&cx.acls);
    let target = if word.bytes().contains(&b'%') {
        let scope = cx.scope(Place::ServerChoice).with_acls(&acls);
        ServerTarget::Format(sampled::log_format(word, &scope)?)
    } else {
        ServerTarget::Name(crate::Spanned::new(word.text()?.to_owned(), word.span()))
    };
    let condition = condition(cx, args)?;
    cx.proxy
        .persistence
        .use_servers
        .push(UseServer { target, condition });
    Ok(())
}

/// A condition, which must be there.
fn condition(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<Condition> {
    let acls = Rc::clone(&cx.acls);
    let scope = cx.scope(Place::ServerChoice).with_acls(&acls);
    match rules::condition(cx, args, &scope)? {
        Some(condition) => Ok(condition),
        None => Err(args.missing("`if` or `unless` and a condition")),
    }
}
