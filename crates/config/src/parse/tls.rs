//! Arguments of TLS that `bind`, `server` and their defaults have in common.

use super::args::{Args, Parsed, bad_argument};
use crate::model::{TlsSettings, TlsVerify, TlsVersion};
use crate::source::Spanned;

/// The names of versions.
const VERSIONS: [(&str, TlsVersion); 5] = [
    ("SSLv3", TlsVersion::Ssl3),
    ("TLSv1.0", TlsVersion::Tls10),
    ("TLSv1.1", TlsVersion::Tls11),
    ("TLSv1.2", TlsVersion::Tls12),
    ("TLSv1.3", TlsVersion::Tls13),
];

/// Why older versions cannot be asked for.
pub(crate) const TOO_OLD: &str =
    "the versions before TLS 1.2 are broken, and the TLS library does not speak them";

/// `alpn <protocols>`.
pub(crate) fn alpn(tls: &mut TlsSettings, args: &mut Args<'_>) -> Parsed<()> {
    tls.alpn = Some(protocols(args)?);
    Ok(())
}

/// Names of protocols, the preferred one first.
pub(crate) fn protocols(args: &mut Args<'_>) -> Parsed<Vec<Vec<u8>>> {
    let word = args.expect("protocols such as `h2,http/1.1`")?;
    let names = word.bytes().split(|byte| *byte == b',');
    let names: Vec<Vec<u8>> = names.map(<[u8]>::to_vec).collect();
    if names.iter().any(|name| name.is_empty() || name.len() > 255) {
        return bad_argument(word, "the name of a protocol has 1 to 255 bytes");
    }
    Ok(names)
}

/// `ssl-min-ver <version>`.
pub(crate) fn version_min(tls: &mut TlsSettings, args: &mut Args<'_>) -> Parsed<()> {
    tls.version_min = Some(version(args)?);
    Ok(())
}

/// `ssl-max-ver <version>`.
pub(crate) fn version_max(tls: &mut TlsSettings, args: &mut Args<'_>) -> Parsed<()> {
    let version = version(args)?;
    if version.value < TlsVersion::Tls12 {
        let message = "no version is left that can be spoken: TLS 1.2 and 1.3 are";
        return Err(Box::new(
            crate::diag::Diagnostic::error(crate::diag::code::BAD_ARGUMENT, version.span, message)
                .note(TOO_OLD),
        ));
    }
    tls.version_max = Some(version);
    Ok(())
}

fn version(args: &mut Args<'_>) -> Parsed<Spanned<TlsVersion>> {
    let version = args.one_of("a version of TLS", &VERSIONS)?;
    Ok(Spanned::new(version, args.last()))
}

/// `force-tlsv12` or `force-tlsv13`.
pub(crate) fn only(tls: &mut TlsSettings, args: &Args<'_>, version: TlsVersion) {
    tls.version_min = Some(Spanned::new(version, args.last()));
    tls.version_max = tls.version_min.clone();
}

/// `verify none|optional|required` of clients.
pub(crate) fn verify_client(tls: &mut TlsSettings, args: &mut Args<'_>) -> Parsed<()> {
    let names = [
        ("none", TlsVerify::None),
        ("optional", TlsVerify::Optional),
        ("required", TlsVerify::Required),
    ];
    tls.verify = Some(args.one_of("a way to verify", &names)?);
    Ok(())
}

/// A word that isn't empty.
pub(crate) fn word(args: &mut Args<'_>, what: &str) -> Parsed<Option<Spanned<String>>> {
    let word = args.expect(what)?;
    if word.bytes().is_empty() {
        return bad_argument(word, format!("{what} is expected, and this is empty"));
    }
    Ok(Some(Spanned::new(word.text()?.to_owned(), word.span())))
}
