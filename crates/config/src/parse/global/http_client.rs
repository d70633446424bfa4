//! The settings of the HTTP client of scripts.

use std::path::PathBuf;

use super::table::Parse;
use crate::parse::keyword::{Keyword, Sections, served};
use crate::source::Spanned;
use crate::units::TimeUnit;

const G: Sections = Sections::GLOBAL;

/// The keywords.
#[rustfmt::skip]
pub(super) const ROWS: &[Keyword<Parse>] = &[
    served("httpclient.resolvers.disabled", G, "{ on | off }", "the HTTP client resolves no names", |cx, args| {
        cx.global.http_client.resolvers_disabled = args.on_off()?;
        Ok(())
    }),
    served("httpclient.resolvers.id", G, "<name>", "the `resolvers` section that the HTTP client asks", |cx, args| {
        cx.global.http_client.resolvers = Some(args.spanned("the name of a `resolvers` section")?);
        Ok(())
    }),
    served("httpclient.resolvers.prefer", G, "{ ipv4 | ipv6 }", "the addresses that the HTTP client prefers", |cx, args| {
        cx.global.http_client.prefer_v4 = args.one_of("a family of addresses", &[("ipv4", true), ("ipv6", false)])?;
        Ok(())
    }),
    served("httpclient.retries", G, "<number>", "further attempts of the HTTP client to connect", |cx, args| {
        cx.global.http_client.retries = args.integer(0, 0x7fff_ffff)?;
        Ok(())
    }),
    served("httpclient.ssl.ca-file", G, "<file>", "authorities that vouch for servers; `@system-ca` for the system's", |cx, args| {
        let file = args.spanned("a file")?;
        let named = |file: Spanned<String>| Spanned::new(PathBuf::from(file.value), file.span);
        cx.global.http_client.ca_file = Some(file).filter(|file| file.value != "@system-ca").map(named);
        Ok(())
    }),
    served("httpclient.ssl.verify", G, "{ none | required }", "whether the HTTP client verifies certificates", |cx, args| {
        cx.global.http_client.verify = args.one_of("`none` or `required`", &[("none", false), ("required", true)])?;
        Ok(())
    }),
    served("httpclient.timeout.connect", G, "<time>", "longest time of an attempt to connect", |cx, args| {
        cx.global.http_client.connect_timeout = args.time(TimeUnit::Milliseconds)?;
        Ok(())
    }),
];
