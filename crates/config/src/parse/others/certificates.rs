//! `crt-store`: certificates that are loaded by name.

use super::forms::{line, text};
use super::{Header, Made, Other, OtherCx};
use crate::Spanned;
use crate::model::CertificateLoad;
use crate::parse::args::{Args, Parsed, bad_argument};
use crate::parse::certificates::{Loading, parameter};
use crate::parse::keyword::Status;
use crate::text::Word;

pub(super) const CRT_STORE: Other = Other {
    name: "crt-store",
    arguments: "[<name>]",
    doc: "a store of certificates",
    status: Status::Served(()),
    header: Header::MaybeName,
    rows: &[
        line("crt-base", "<directory>", "where certificates are", |cx, args| {
            cx.state.certificates.crt_base = Some(base(cx, args)?);
            Ok(())
        }),
        line("key-base", "<directory>", "where keys are", |cx, args| {
            cx.state.certificates.key_base = Some(base(cx, args)?);
            Ok(())
        }),
        line(
            "load",
            "crt <file> [key <file>] [ocsp <file>] [issuer <file>] [sctl <file>] [alias <name>] [jwt on|off]",
            "load a certificate",
            load,
        ),
    ],
    end: |cx| {
        let loads = std::mem::take(&mut cx.state.certificates.loads);
        cx.state.made = Some(Made::Certificates(loads));
    },
};

/// What a section loads, and where its files are.
#[derive(Debug, Default)]
pub(super) struct Loads {
    crt_base: Option<String>,
    key_base: Option<String>,
    loads: Vec<CertificateLoad>,
}

/// A directory, for the loads that follow.
fn base(cx: &OtherCx<'_>, args: &mut Args<'_>) -> Parsed<String> {
    let word = text(args, "a directory")?;
    if !cx.state.certificates.loads.is_empty() {
        return bad_argument(
            word,
            format!("`{}` has to stand before the `load` lines", args.name()),
        );
    }
    Ok(word.text()?.to_owned())
}

fn load(cx: &mut OtherCx<'_>, args: &mut Args<'_>) -> Parsed<()> {
    let mut certificate: Option<&Word> = None;
    let mut alias: Option<&Word> = None;
    let mut loading = Loading::default();
    while let Some(word) = args.next() {
        match word.bytes() {
            b"crt" => certificate = Some(text(args, "a file")?),
            b"alias" => {
                let word = text(args, "a name")?;
                if word.bytes().contains(&b'/') {
                    return bad_argument(word, "an alias has no `/` in it");
                }
                alias = Some(word);
            }
            _ => parameter(&mut loading, word, args, &["crt", "alias"], cx.diagnostics)?,
        }
    }
    let Some(certificate) = certificate else {
        return Err(args.missing("`crt <file>`"));
    };
    let store = &cx.state.certificates;
    let within = |base: &Option<String>, path: &str| match base {
        Some(base) if !path.starts_with('/') => format!("{}/{path}", base.trim_end_matches('/')),
        _ => path.to_owned(),
    };
    let mut files = loading.files;
    if let Some(key) = &mut files.key {
        key.value = within(&store.key_base, &key.value);
    }
    for other in [&mut files.ocsp, &mut files.issuer].into_iter().flatten() {
        other.value = within(&store.crt_base, &other.value);
    }
    let named = alias.unwrap_or(certificate);
    let file = within(&store.crt_base, certificate.text()?);
    let name = match (cx.state.name.as_str(), alias) {
        ("", None) => file.clone(),
        // A whole path has its slash already.
        (store, _) if named.bytes().starts_with(b"/") => format!("@{store}{}", named.text()?),
        (store, _) => format!("@{store}/{}", named.text()?),
    };
    cx.declare("certificate", named)?;
    cx.state.certificates.loads.push(CertificateLoad {
        name: Spanned::new(name, named.span()),
        file,
        files,
    });
    Ok(())
}
