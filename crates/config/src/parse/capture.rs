//! `capture` and `declare capture` lines.

use super::args::{Args, Parsed};
use super::http::header_name;
use super::proxy::ProxyCx;
use crate::model::{CaptureSlot, CookieCapture};

/// Longest text that a slot may be declared for.
const BYTES_MAX: u64 = 1 << 20;

/// `capture cookie`, `capture request header` and `capture response header`.
pub(crate) fn capture(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    #[derive(Clone, Copy)]
    enum Of {
        Cookie,
        Request,
        Response,
    }
    let kinds = [
        ("cookie", Of::Cookie),
        ("request", Of::Request),
        ("response", Of::Response),
    ];
    let word = args.peek();
    let of = args.one_of("something to capture", &kinds)?;
    if let Some(word) = word {
        args.named(word);
    }
    if let Of::Cookie = of {
        let prefix = args.text("the beginning of a cookie's name")?.to_owned();
        let bytes_max = length(args, 0)?.min(cx.global.tune.cookie_bytes);
        cx.proxy.captures.cookie = Some(CookieCapture { prefix, bytes_max });
        return Ok(());
    }
    args.one_of("`header`", &[("header", ())])?;
    let header = Some(header_name(args.expect("the name of a header")?)?);
    let bytes_max = length(args, 0)?;
    let slot = CaptureSlot { header, bytes_max };
    match of {
        Of::Response => cx.proxy.captures.response.push(slot),
        Of::Request | Of::Cookie => cx.proxy.captures.request.push(slot),
    }
    Ok(())
}

/// `declare capture`.
pub(crate) fn declare(cx: &mut ProxyCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    args.one_of("`capture`", &[("capture", ())])?;
    let is_response = args.one_of(
        "`request` or `response`",
        &[("request", false), ("response", true)],
    )?;
    let slot = CaptureSlot {
        header: None,
        bytes_max: length(args, 1)?,
    };
    if is_response {
        cx.proxy.captures.response.push(slot);
    } else {
        cx.proxy.captures.request.push(slot);
    }
    Ok(())
}

/// `len <length>`: what lines name may be kept without a letter of it, and a slot for others' use is of some length.
pub(crate) fn length(args: &mut Args<'_>, least: u64) -> Parsed<u32> {
    if !args.take("len") {
        return Err(args.missing("`len <length>`"));
    }
    args.integer(least, BYTES_MAX)
}
