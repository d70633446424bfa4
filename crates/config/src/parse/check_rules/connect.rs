//! `connect`

use super::RuleArgs;
use crate::model::{CheckConnect, CheckPort};
use crate::parse::args::{Parsed, bad_argument};
use crate::parse::keyword::unsupported;
use crate::parse::sampled;
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
                connect.address = Some(address(rule.args.expect("an address")?)?);
            }
            "alpn" | "via-socks4" | "proto" => {
                return Err(Box::new(unsupported(word, "connect ")));
            }
            _ => break,
        }
    }
    Ok(connect)
}

/// An IP address.
pub(crate) fn address(word: &Word) -> Parsed<std::net::IpAddr> {
    let text = word.text()?;
    let text = text
        .strip_prefix("ipv4@")
        .or_else(|| text.strip_prefix("ipv6@"))
        .unwrap_or(text);
    match text.parse() {
        Ok(address) => Ok(address),
        Err(_) => bad_argument(word, format!("`{text}` is not an IP address")),
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
