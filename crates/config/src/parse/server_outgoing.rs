//! What `server` lines say of the connections to a server: TLS, the PROXY protocol, the address to connect from.

use super::address::source_address;
use super::args::{Args, Parsed, bad_argument};
use super::keyword::{Keyword, Sections, left_out, no_effect, served};
use super::server::ServerSettings;
use super::tls;
use crate::model::{Outgoing, PresentedAs, ProxyOptions, SendProxy, SourceAddress, TlsVerify, TlsVersion};
use crate::units::TimeUnit;

type Parse = fn(&mut ServerSettings, &mut Args<'_>) -> Parsed<()>;

const B: Sections = Sections::BACKENDS;

/// The parameters.
#[rustfmt::skip]
pub(super) const ROWS: &[Keyword<Parse>] = &[
    served("ssl", B, "", "speak TLS with the server", |server, _| {
        let outgoing = &mut server.outgoing;
        (outgoing.ssl, outgoing.ssl_known, outgoing.ssl_refused) = (true, true, false);
        Ok(())
    }),
    served("no-ssl", B, "", "don't speak TLS", |server, _| {
        (server.outgoing.ssl, server.outgoing.ssl_refused) = (false, true);
        Ok(())
    }),
    served("verify", B, "none|required", "whether the server's certificate is verified; `required` without a word", |server, args| {
        let names = [("none", TlsVerify::None), ("required", TlsVerify::Required)];
        server.outgoing.tls.verify = Some(args.one_of("a way to verify", &names)?);
        Ok(())
    }),
    served("verifyhost", B, "<hostname>", "the name that the certificate has to have where no SNI is sent", |server, args| {
        server.outgoing.verify_host = tls::word(args, "the name of a host")?;
        Ok(())
    }),
    served("no-verifyhost", B, "", "no such name", |server, _| {
        server.outgoing.verify_host = None;
        Ok(())
    }),
    served("ca-file", B, "<file>", "authorities that vouch for the server; `@system-ca` for the system's", |server, args| {
        server.outgoing.tls.ca_file = tls::word(args, "a file")?;
        Ok(())
    }),
    served("crl-file", B, "<file>", "certificates of servers that were revoked", |server, args| {
        server.outgoing.tls.crl_file = tls::word(args, "a file")?;
        Ok(())
    }),
    served("crt", B, "<cert>", "the certificate that the server is shown", |server, args| {
        server.outgoing.certificate = tls::word(args, "a file")?;
        Ok(())
    }),
    served("sni", B, "<expression>", "the name that the server is asked for", |server, args| {
        server.outgoing.sni_written = Some(args.expect("an expression")?.clone());
        Ok(())
    }),
    served("sni-auto", B, "", "without `sni`, that is the request's host, as without a word", |server, _| {
        server.outgoing.sni_auto = true;
        Ok(())
    }),
    served("no-sni-auto", B, "", "without `sni`, the server is asked for no name", |server, _| {
        server.outgoing.sni_auto = false;
        Ok(())
    }),
    served("alpn", B, "<protocols>", "protocols to agree on with the server, the preferred one first", |server, args| {
        tls::alpn(&mut server.outgoing.tls, args)
    }),
    served("ciphers", B, "<ciphers>", "ciphers of TLS 1.2, as OpenSSL writes them", |server, args| {
        server.outgoing.tls.ciphers = tls::word(args, "a list of ciphers")?;
        Ok(())
    }),
    served("ciphersuites", B, "<suites>", "cipher suites of TLS 1.3", |server, args| {
        server.outgoing.tls.ciphersuites = tls::word(args, "a list of cipher suites")?;
        Ok(())
    }),
    served("curves", B, "<curves>", "curves for the exchange of keys", |server, args| {
        server.outgoing.tls.curves = tls::word(args, "a list of curves")?;
        Ok(())
    }),
    served("ssl-min-ver", B, "<version>", "the oldest version of TLS", |server, args| {
        tls::version_min(&mut server.outgoing.tls, args)
    }),
    served("ssl-max-ver", B, "<version>", "the newest version of TLS", |server, args| {
        tls::version_max(&mut server.outgoing.tls, args)
    }),
    served("force-tlsv12", B, "", "TLS 1.2 only", |server, args| {
        tls::only(&mut server.outgoing.tls, args, TlsVersion::Tls12);
        Ok(())
    }),
    served("force-tlsv13", B, "", "TLS 1.3 only", |server, args| {
        tls::only(&mut server.outgoing.tls, args, TlsVersion::Tls13);
        Ok(())
    }),
    served("no-sslv3", B, "", "no SSL 3.0, as without a word", |_, _| Ok(())),
    served("no-tlsv10", B, "", "no TLS 1.0, as without a word", |_, _| Ok(())),
    served("no-tlsv11", B, "", "no TLS 1.1, as without a word", |_, _| Ok(())),
    served("no-tlsv12", B, "", "no TLS 1.2", |server, _| {
        server.outgoing.tls.versions_without.push(TlsVersion::Tls12);
        Ok(())
    }),
    served("no-tlsv13", B, "", "no TLS 1.3", |server, _| {
        server.outgoing.tls.versions_without.push(TlsVersion::Tls13);
        Ok(())
    }),
    served("ssl-reuse", B, "", "sessions of TLS go on, as without a word", |server, _| {
        server.outgoing.resume = true;
        Ok(())
    }),
    served("no-ssl-reuse", B, "", "sessions of TLS don't go on", |server, _| {
        server.outgoing.resume = false;
        Ok(())
    }),
    served("tls-tickets", B, "", "sessions of TLS 1.2 go on by tickets, as without a word", |server, _| {
        server.outgoing.tls.tickets = Some(true);
        Ok(())
    }),
    served("no-tls-tickets", B, "", "sessions of TLS 1.2 don't go on by tickets", |server, _| {
        server.outgoing.tls.tickets = Some(false);
        Ok(())
    }),
    served("send-proxy", B, "", "begin with a PROXY header", |server, _| {
        server.outgoing.proxy = Some(SendProxy::of(false, ProxyOptions::default()));
        Ok(())
    }),
    served("send-proxy-v2", B, "", "begin with a PROXY header of version 2", |server, _| {
        server.outgoing.proxy = Some(SendProxy::of(true, ProxyOptions::default()));
        Ok(())
    }),
    served("send-proxy-v2-ssl", B, "", "begin with one that tells of the client's TLS", |server, _| {
        let options = ProxyOptions { ssl: true, ..ProxyOptions::default() };
        server.outgoing.proxy = Some(SendProxy::of(true, options));
        Ok(())
    }),
    served("send-proxy-v2-ssl-cn", B, "", "begin with one that names the client's certificate too", |server, _| {
        let options = ProxyOptions { ssl: true, common_name: true, ..ProxyOptions::default() };
        server.outgoing.proxy = Some(SendProxy::of(true, options));
        Ok(())
    }),
    served("no-send-proxy", B, "", "no PROXY header", no_proxy),
    served("no-send-proxy-v2", B, "", "no PROXY header", no_proxy),
    served("no-send-proxy-v2-ssl", B, "", "no PROXY header", no_proxy),
    served("no-send-proxy-v2-ssl-cn", B, "", "no PROXY header", no_proxy),
    served("proxy-v2-options", B, "<option>[,<option>]...", "what a PROXY header of version 2 tells beside the addresses", proxy_options),
    served("source", B, "<addr>[:<port>[-<port>]] [usesrc { <addr>[:<port>] | client | clientip | hdr_ip(<hdr>[,<occ>]) }] \
        [interface <name>]", "the address to connect from", |server, args| {
        server.outgoing.source = Some(source(args)?);
        Ok(())
    }),
    served("tcp-ut", B, "<time>", "how long sent bytes may stay unacknowledged", |server, args| {
        server.outgoing.user_timeout = Some(args.time(TimeUnit::Milliseconds)?);
        Ok(())
    }),
    no_effect("allow-0rtt", B, "early data are never sent"),
    no_effect("no-tfo", B, "connections are opened in full before anything is sent, as without a word"),
    no_effect("tfo", B, "connections are opened in full first, so that a server that speaks first is heard, and one that can't be reached is known as such"),
    no_effect("ktls", B, "encryption is not left to the kernel"),
    no_effect("no-renegotiate", B, "the TLS library never renegotiates"),
    left_out("renegotiate", B, "the TLS library never renegotiates"),
    left_out("force-sslv3", B, tls::TOO_OLD),
    left_out("force-tlsv10", B, tls::TOO_OLD),
    left_out("force-tlsv11", B, tls::TOO_OLD),
    served("sigalgs", B, "<algorithms>", "what the server signs with", |server, args| {
        server.outgoing.tls.signatures = tls::word(args, "a list of signature algorithms")?;
        Ok(())
    }),
    served("client-sigalgs", B, "<algorithms>", "what is signed with here", |server, args| {
        server.outgoing.tls.client_signatures = tls::word(args, "a list of signature algorithms")?;
        Ok(())
    }),
    left_out("npn", B, "ALPN has taken the place of NPN"),
    left_out("namespace", B, "entering a network namespace takes unsafe code"),
];

/// The part of `set-proxy-v2-tlv-fmt(<id>)` before its number.
pub(super) const TLV: &str = "set-proxy-v2-tlv-fmt(";

impl SendProxy {
    fn of(binary: bool, options: ProxyOptions) -> SendProxy {
        SendProxy {
            binary,
            options,
            tlvs: Vec::new(),
        }
    }
}

impl Outgoing {
    /// Takes in `set-proxy-v2-tlv-fmt(<id>) <fmt>`, if the next word is one.
    pub(super) fn tlv(&mut self, args: &mut Args<'_>) -> Option<Parsed<()>> {
        let word = args.peek()?;
        let text = word.lossy();
        let number = text.strip_prefix(TLV)?.strip_suffix(')')?;
        let id = match number.strip_prefix("0x") {
            Some(hex) => u8::from_str_radix(hex, 16).ok(),
            None => number.parse().ok(),
        };
        args.next();
        let Some(id) = id else {
            return Some(bad_argument(
                word,
                format!("`{number}` is not the type of a TLV: 0 to 255"),
            ));
        };
        args.named(word);
        // At the end of a line nothing may follow: such a TLV is sent without a value.
        self.tlvs_written.push((id, args.next().cloned()));
        Some(Ok(()))
    }
}

/// The arguments of `source`.
pub(super) fn source(args: &mut Args<'_>) -> Parsed<SourceAddress> {
    let mut source = source_address(args.expect("an address")?)?;
    loop {
        if args.take("interface") {
            source.interface = Some(args.text("the name of an interface")?.to_owned());
        } else if args.take("usesrc") {
            let word = args.expect("an address, `client`, `clientip` or `hdr_ip(<name>)`")?;
            source.presented_written = None;
            source.presented_as = match word.text()? {
                "client" => Some(PresentedAs::Client),
                "clientip" => Some(PresentedAs::ClientIp),
                text if text.starts_with("hdr_ip(") => {
                    source.presented_written = Some(word.clone());
                    None
                }
                _ => {
                    let fixed = source_address(word)?;
                    Some(PresentedAs::Fixed((fixed.ip, fixed.first_port).into()))
                }
            };
        } else {
            return Ok(source);
        }
    }
}

fn no_proxy(server: &mut ServerSettings, _: &mut Args<'_>) -> Parsed<()> {
    server.outgoing.proxy = None;
    Ok(())
}

fn proxy_options(server: &mut ServerSettings, args: &mut Args<'_>) -> Parsed<()> {
    type Field = fn(&mut ProxyOptions) -> &mut bool;
    const NAMES: [(&str, Field); 8] = [
        ("ssl", |options| &mut options.ssl),
        ("cert-cn", |options| &mut options.common_name),
        ("ssl-cipher", |options| &mut options.cipher),
        ("cert-sig", |options| &mut options.signature),
        ("cert-key", |options| &mut options.key),
        ("authority", |options| &mut options.authority),
        ("crc32c", |options| &mut options.checksum),
        ("unique-id", |options| &mut options.unique_id),
    ];
    let word = args.expect("options such as `ssl,crc32c`")?;
    let mut start = 0;
    for part in word.bytes().split(|byte| *byte == b',') {
        let option = word.part(start, start + part.len());
        start += part.len() + 1;
        let field = super::args::pick(&option, "an option of the PROXY protocol", &NAMES)?;
        *field(&mut server.outgoing.proxy_options) = true;
    }
    let options = &mut server.outgoing.proxy_options;
    // Each of these tells more of the client's TLS.
    options.ssl |= options.common_name || options.cipher || options.signature || options.key;
    Ok(())
}
