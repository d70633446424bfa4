//! `option forwarded`: the header of RFC 7239.

use tidegate_sample::{Expr, Place};

use super::ProxyCx;
use crate::diag::{Diagnostic, code};
use crate::model::{Forwarded, ForwardedPart};
use crate::parse::args::{Args, Parsed};
use crate::parse::sampled;

/// Reads the arguments; without any, the header tells the protocol and the client.
pub(super) fn forwarded(cx: &mut ProxyCx<'_>, args: &mut Args<'_>, on: bool) -> Parsed<()> {
    if !on {
        cx.proxy.forwarded = None;
        return Ok(());
    }
    let scope = cx.scope(Place::BackendHttpRequest);
    let mut header = Forwarded::default();
    let proto = || Some(Expr::parse("ssl_fc", &scope).ok());
    if args.peek().is_none() {
        header.proto = proto();
        header.client = Some(ForwardedPart::Own);
    }
    while let Some(word) = args.peek() {
        let written = word.lossy();
        let (name, is_sampled) = match written.strip_suffix("-expr") {
            Some(name) => (name, true),
            None => (&*written, false),
        };
        let part = match (name, is_sampled) {
            ("proto", false) => {
                args.next();
                header.proto = proto();
                continue;
            }
            ("host", _) => &mut header.host,
            ("by", _) => &mut header.by,
            ("by_port", _) => &mut header.by_port,
            ("for", _) => &mut header.client,
            ("for_port", _) => &mut header.client_port,
            _ => break,
        };
        args.next();
        *part = Some(if is_sampled {
            ForwardedPart::Sampled(sampled::expression(args.expect("an expression")?, &scope)?)
        } else {
            ForwardedPart::Own
        });
    }
    for (port, node, name) in [
        (&header.by_port, &header.by, "by"),
        (&header.client_port, &header.client, "for"),
    ] {
        if port.is_some() && node.is_none() {
            let message = format!("`{name}_port` has no effect without `{name}`");
            cx.diagnostics
                .push(Diagnostic::warning(code::NO_EFFECT, args.last(), message));
        }
    }
    cx.proxy.forwarded = Some(header);
    Ok(())
}
