//! TLS in the `global` section.

use super::GlobalCx;
use super::table::Parse;
use crate::model::{TlsExtraFiles, TlsVerify};
use crate::parse::args::{Args, Parsed, bad_argument};
use crate::parse::keyword::{Keyword, Sections, left_out, no_effect, served};
use crate::parse::{bind, tls};

const G: Sections = Sections::GLOBAL;

/// The keywords.
#[rustfmt::skip]
pub(super) const ROWS: &[Keyword<Parse>] = &[
    served("ca-base", G, "<directory>", "where files of authorities are", |cx, args| {
        cx.global.tls.ca_base = tls::word(args, "a directory")?.map(|word| word.value);
        Ok(())
    }),
    served("crt-base", G, "<directory>", "where files of certificates are", |cx, args| {
        cx.global.tls.crt_base = tls::word(args, "a directory")?.map(|word| word.value);
        Ok(())
    }),
    served("ssl-default-bind-options", G, "<option>...", "what the TLS of `bind` lines begins with", bind_options),
    served("ssl-default-bind-ciphers", G, "<ciphers>", "ciphers of TLS 1.2 with clients", |cx, args| {
        cx.global.tls.bind.tls.settings.ciphers = tls::word(args, "a list of ciphers")?;
        Ok(())
    }),
    served("ssl-default-bind-ciphersuites", G, "<suites>", "cipher suites of TLS 1.3 with clients", |cx, args| {
        cx.global.tls.bind.tls.settings.ciphersuites = tls::word(args, "a list of cipher suites")?;
        Ok(())
    }),
    served("ssl-default-bind-curves", G, "<curves>", "curves for the exchange of keys with clients", |cx, args| {
        cx.global.tls.bind.tls.settings.curves = tls::word(args, "a list of curves")?;
        Ok(())
    }),
    served("ssl-default-server-options", G, "<option>...", "what the TLS of `server` lines begins with", server_options),
    served("ssl-default-server-ciphers", G, "<ciphers>", "ciphers of TLS 1.2 with servers", |cx, args| {
        cx.global.tls.server.ciphers = tls::word(args, "a list of ciphers")?;
        Ok(())
    }),
    served("ssl-default-server-ciphersuites", G, "<suites>", "cipher suites of TLS 1.3 with servers", |cx, args| {
        cx.global.tls.server.ciphersuites = tls::word(args, "a list of cipher suites")?;
        Ok(())
    }),
    served("ssl-default-server-curves", G, "<curves>", "curves for the exchange of keys with servers", |cx, args| {
        cx.global.tls.server.curves = tls::word(args, "a list of curves")?;
        Ok(())
    }),
    served("ssl-server-verify", G, "none|required", "whether servers are verified where their lines don't say", |cx, args| {
        let names = [("none", TlsVerify::None), ("required", TlsVerify::Required)];
        cx.global.tls.server_verify = args.one_of("a way to verify", &names)?;
        Ok(())
    }),
    served("ssl-load-extra-files", G, "none|all|bundle|sctl|ocsp|issuer|key...", "files beside certificates that are looked for", extra_files),
    served("jwt.decrypt_alg_list", G, "<algorithm>[:<algorithm>...]", "how the keys of encrypted tokens may come with them", |cx, args| {
        token_algorithms(args, |list| cx.global.tls.tokens.allow_algorithms(list))
    }),
    served("jwt.decrypt_enc_list", G, "<algorithm>[:<algorithm>...]", "what encrypted tokens may be encrypted with", |cx, args| {
        token_algorithms(args, |list| cx.global.tls.tokens.allow_encryptions(list))
    }),
    served("tune.ssl.keylog", G, "on|off", "secrets of connections can be fetched", |cx, args| {
        cx.global.tls.secrets = args.on_off()?;
        Ok(())
    }),
    served("tune.ssl.cachesize", G, "<number>", "sessions that are kept for clients without tickets, for each listener", |cx, args| {
        cx.global.tls.sessions_max = Some(args.integer(0, 0x7fff_ffff)?);
        Ok(())
    }),
    served("tune.ssl.capture-buffer-size", G, "<number>", "bytes that are kept of what clients say first", |cx, args| {
        cx.global.tls.capture_bytes = args.integer(0, 16_384)?;
        Ok(())
    }),
    served("tune.ssl.capture-cipherlist-size", G, "<number>", "the same by its former name", |cx, args| {
        cx.global.tls.capture_bytes = args.integer(0, 16_384)?;
        Ok(())
    }),
    served("key-base", G, "<directory>", "where keys of `crt-store` sections are", |cx, args| {
        cx.global.tls.key_base = tls::word(args, "a directory")?.map(|word| word.value);
        Ok(())
    }),
    served("issuers-chain-path", G, "<directory>", "certificates that complete the chains of others", |cx, args| {
        cx.global.tls.issuers = tls::word(args, "a directory")?;
        Ok(())
    }),
    served("ssl-skip-self-issued-ca", G, "", "certificates of authorities that vouch for themselves are not sent", |cx, _| {
        cx.global.tls.skip_self_issued = true;
        Ok(())
    }),
    served("ssl-load-extra-del-ext", G, "", "such files are named without the certificate's `.crt`", |cx, _| {
        cx.global.tls.extra.replaces_extension = true;
        Ok(())
    }),
    served("ssl-default-bind-client-sigalgs", G, "<algorithms>", "what clients sign with", |cx, args| {
        cx.global.tls.bind.tls.settings.client_signatures = tls::word(args, "a list of signature algorithms")?;
        Ok(())
    }),
    served("ssl-default-bind-sigalgs", G, "<algorithms>", "what is signed with for clients", |cx, args| {
        cx.global.tls.bind.tls.settings.signatures = tls::word(args, "a list of signature algorithms")?;
        Ok(())
    }),
    served("ssl-default-server-client-sigalgs", G, "<algorithms>", "what is signed with for servers", |cx, args| {
        cx.global.tls.server.client_signatures = tls::word(args, "a list of signature algorithms")?;
        Ok(())
    }),
    served("ssl-default-server-sigalgs", G, "<algorithms>", "what servers sign with", |cx, args| {
        cx.global.tls.server.signatures = tls::word(args, "a list of signature algorithms")?;
        Ok(())
    }),
    left_out("ssl-passphrase-cmd", G, "keys have to be stored without a passphrase"),
    no_effect("ssl-dh-param-file", G, "keys are exchanged on elliptic curves only"),
    no_effect("tune.ssl.default-dh-param", G, "keys are exchanged on elliptic curves only"),
    no_effect("ssl-security-level", G, "there is nothing weak to be forbidden"),
    no_effect("tune.ssl.force-private-cache", G, "sessions are those of a listener already"),
    no_effect("tune.ssl.lifetime", G, "tickets are good for 12 hours at most, and kept sessions until there is no room"),
    no_effect("tune.ssl.maxrecord", G, "records are as long as what is sent at once"),
    no_effect("tune.ssl.hard-maxrecord", G, "records are as long as what is sent at once"),
    no_effect("tune.ssl.certificate-compression", G, "certificates are never compressed"),
    no_effect("tune.ssl.keyupdate-rate-limit", G, "the TLS library has a limit of its own"),
    no_effect("tune.ssl.ssl-ctx-cache-size", G, "no certificates are made while running"),
    no_effect("noktls", G, "encryption is not left to the kernel"),
];

fn bind_options(cx: &mut GlobalCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let mut rest = args.clone();
    args.take_rest();
    bind::parameters_into(&mut cx.global.tls.bind, &mut rest, cx.diagnostics);
    Ok(())
}

fn server_options(cx: &mut GlobalCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    // The options of both sides are alike.
    let mut rest = args.clone();
    args.take_rest();
    let mut options = crate::model::BindOptions::default();
    bind::parameters_into(&mut options, &mut rest, cx.diagnostics);
    let known = std::mem::take(&mut cx.global.tls.server);
    cx.global.tls.server = options.tls.settings.or(&known);
    Ok(())
}

fn extra_files(cx: &mut GlobalCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    type Choose = fn(&mut TlsExtraFiles);
    const NAMES: [(&str, Choose); 7] = [
        ("none", |_| ()),
        ("all", |files| {
            *files = TlsExtraFiles {
                bundle: true,
                ocsp: true,
                key: true,
                issuer: true,
                ..*files
            }
        }),
        ("bundle", |files| files.bundle = true),
        ("ocsp", |files| files.ocsp = true),
        ("key", |files| files.key = true),
        ("issuer", |files| files.issuer = true),
        // Timestamps of certificates are not sent.
        ("sctl", |_| ()),
    ];
    let mut files = TlsExtraFiles {
        bundle: false,
        ocsp: false,
        key: false,
        issuer: false,
        replaces_extension: cx.global.tls.extra.replaces_extension,
    };
    args.one_of("a kind of file", &NAMES)?(&mut files);
    while args.peek().is_some() {
        args.one_of("a kind of file", &NAMES)?(&mut files);
    }
    cx.global.tls.extra = files;
    Ok(())
}

fn token_algorithms(args: &mut Args<'_>, allow: impl FnOnce(&str) -> Result<(), String>) -> Parsed<()> {
    let word = args.expect("a list of algorithms")?;
    allow(word.text()?).or_else(|why| bad_argument(word, why))
}
