//! `connect`

use super::{RuleArgs, Speaks};
use crate::model::{CheckConnect, CheckPort, HttpProto};
use crate::parse::address::check_address;
use crate::parse::args::{Parsed, bad_argument};
use crate::parse::sampled;
use crate::parse::tls::protocols;
use crate::text::Word;

pub(super) fn connect(rule: &mut RuleArgs<'_, '_, '_>) -> Parsed<CheckConnect> {
    let mut connect = CheckConnect::default();
    while let Some(word) = rule.args.peek() {
        if rule.comment()? {
            continue;
        }
        match &*word.lossy() {
            "default" => {
                rule.args.next();
                connect.defaults = true;
            }
            "linger" => {
                rule.args.next();
                connect.linger = true;
            }
            "ssl" => {
                rule.args.next();
                connect.tls = true;
            }
            "sni" => {
                rule.args.next();
                connect.sni = Some(rule.args.text("a name")?.to_owned());
            }
            "send-proxy" => {
                rule.args.next();
                connect.send_proxy = true;
            }
            "port" => {
                rule.args.next();
                let word = rule.args.expect("a port or an expression")?;
                connect.port = Some(port(rule, word)?);
            }
            "addr" => {
                rule.args.next();
                let (ip, port) = check_address(rule.args.expect("an address")?)?;
                connect.address = Some(ip);
                connect.address_port = port;
            }
            "alpn" => {
                rule.args.next();
                connect.alpn = Some(protocols(rule.args)?);
            }
            "via-socks4" => {
                rule.args.next();
                connect.via_socks = true;
            }
            "proto" => {
                rule.args.next();
                connect.proto = proto(rule)?;
            }
            _ => break,
        }
    }
    Ok(connect)
}

/// What is spoken: checks of TCP speak nothing.
fn proto(rule: &mut RuleArgs<'_, '_, '_>) -> Parsed<Option<HttpProto>> {
    match rule.speaks {
        Speaks::Http => {
            let names = [("h1", HttpProto::Http1), ("h2", HttpProto::Http2)];
            rule.args.one_of("`h1` or `h2`", &names).map(Some)
        }
        Speaks::Tcp => rule.args.one_of("`none`", &[("none", None)]),
    }
}

fn port(rule: &RuleArgs<'_, '_, '_>, word: &Word) -> Parsed<CheckPort> {
    let text = word.text()?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(CheckPort::Computed(sampled::expression(word, rule.scope)?));
    }
    match text.parse() {
        Ok(port) if port > 0 => Ok(CheckPort::Fixed(port)),
        _ => bad_argument(word, format!("`{text}` is no port: ports are 1 to 65535")),
    }
}
