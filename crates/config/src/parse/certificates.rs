//! What is said of single certificates: parameters of `load` lines, `crt-list` files and `ssl-f-use` lines.

use std::collections::BTreeMap;
use std::path::Path;

use super::args::{Args, Parsed, bad_argument};
use super::bind;
use super::keyword::unknown;
use super::reader::ReaderFiles;
use super::tls;
use crate::diag::{Diagnostic, Diagnostics, Style, code};
use crate::model::{
    Bind, BindCertificate, BindOptions, CertificateFiles, CertificateLine, CertificateList, TlsSettings,
};
use crate::source::{FileId, Sources, Span, Spanned, to_u32};
use crate::text::Word;

/// What the parameters of a certificate say so far.
#[derive(Debug, Default)]
pub(crate) struct Loading {
    pub(crate) files: CertificateFiles,
}

/// The parameters that say how a certificate is loaded, beside `crt` and `alias`.
const PARAMETERS: [&str; 12] = [
    "key",
    "ocsp",
    "issuer",
    "sctl",
    "jwt",
    "ocsp-update",
    "acme",
    "domains",
    "ips",
    "generate-dummy",
    "keytype",
    "bits",
];

/// The parameters of `bind` that a certificate may have for itself.
const OF_BIND: [&str; 18] = [
    "allow-0rtt",
    "alpn",
    "ca-file",
    "ca-verify-file",
    "ciphers",
    "ciphersuites",
    "client-sigalgs",
    "crl-file",
    "curves",
    "ecdhe",
    "ktls",
    "no-alpn",
    "no-ca-names",
    "npn",
    "sigalgs",
    "ssl-max-ver",
    "ssl-min-ver",
    "verify",
];

/// Takes in a parameter of `load` that isn't about the certificate's own file or name. `others` are also known.
pub(crate) fn parameter(
    loading: &mut Loading,
    word: &Word,
    args: &mut Args<'_>,
    others: &[&'static str],
    diagnostics: &mut Diagnostics,
) -> Parsed<()> {
    let files = &mut loading.files;
    match word.bytes() {
        b"key" => files.key = tls::word(args, "a file")?,
        b"ocsp" => files.ocsp = tls::word(args, "a file")?,
        b"issuer" => files.issuer = tls::word(args, "a file")?,
        b"jwt" => files.jwt = args.on_off()?,
        b"sctl" => {
            tls::word(args, "a file")?;
            let message = "`sctl` has no effect";
            diagnostics.push(
                Diagnostic::notice(code::NO_EFFECT, word.span(), message)
                    .note("the TLS library sends no timestamps of certificates"),
            );
        }
        b"ocsp-update" => {
            let on = args.on_off()?;
            if on {
                diagnostics.push(left_out(word, bind::OCSP_UPDATE));
            }
        }
        b"generate-dummy" => {
            let on = args.on_off()?;
            if on {
                diagnostics.push(left_out(word, "certificates come from files only"));
            }
        }
        b"acme" => {
            tls::word(args, "the name of a section")?;
            diagnostics.push(left_out(word, "ACME is left out"));
        }
        // These say more of what is made or asked for elsewhere.
        b"domains" | b"ips" | b"keytype" | b"bits" | b"curves" => {
            tls::word(args, "a value")?;
        }
        _ => {
            let names = PARAMETERS.iter().chain(others).copied();
            return Err(Box::new(unknown(word, "load ", "", names)));
        }
    }
    Ok(())
}

fn left_out(word: &Word, reason: &'static str) -> Diagnostic {
    let message = format!("`{}` is not supported", word.lossy());
    Diagnostic::error(code::LEFT_OUT, word.span(), message).note(reason)
}

/// The settings of a certificate: parameters of `bind`, and of `load` where they name its files. The words are read up
/// to their end.
fn settings(
    args: &mut Args<'_>,
    certificate: &mut Option<Spanned<String>>,
    diagnostics: &mut Diagnostics,
) -> Parsed<(BindOptions, CertificateFiles)> {
    let mut options = BindOptions::default();
    let mut loading = Loading::default();
    while let Some(word) = args.next() {
        let text = word.lossy();
        if text == "crt" && certificate.is_none() {
            *certificate = tls::word(args, "a file")?;
        } else if OF_BIND.contains(&&*text) {
            bind::parameter(&mut options, word, args, diagnostics)?;
        } else {
            parameter(&mut loading, word, args, &OF_BIND, diagnostics)?;
        }
    }
    Ok((options, loading.files))
}

/// `ssl-f-use [<param>...]`
pub(crate) fn line_of_frontend(
    args: &mut Args<'_>,
    diagnostics: &mut Diagnostics,
) -> Parsed<CertificateLine> {
    let words = args.rest();
    let written = words.iter().map(Word::lossy).collect::<Vec<_>>().join(" ");
    let mut certificate = None;
    let (options, files) = settings(args, &mut certificate, diagnostics)?;
    let Some(certificate) = certificate else {
        return Err(args.missing("`crt <file>`"));
    };
    Ok(CertificateLine {
        certificate,
        line: 0,
        written: without_certificate(&written),
        settings: options.tls.settings,
        files,
        filters: Vec::new(),
    })
}

/// The settings of an `ssl-f-use` line as a list would have them.
fn without_certificate(written: &str) -> String {
    let words: Vec<&str> = written.split(' ').collect();
    match words.iter().position(|word| *word == "crt") {
        Some(at) => {
            let kept = words
                .iter()
                .enumerate()
                .filter(|(index, _)| *index != at && *index != at + 1)
                .map(|(_, word)| *word);
            kept.collect::<Vec<_>>().join(" ")
        }
        None => written.to_owned(),
    }
}

/// Reads the `crt-list` files that the proxies name, each of them once.
pub(crate) fn lists<'b>(
    binds: impl Iterator<Item = &'b Bind>,
    files: &ReaderFiles<'_>,
    sources: &mut Sources,
    diagnostics: &mut Diagnostics,
) -> BTreeMap<String, CertificateList> {
    let mut lists = BTreeMap::new();
    for named in binds.flat_map(|bind| bind.options.tls.certificates.iter()) {
        let BindCertificate::List(path) = &named.value else {
            continue;
        };
        if lists.contains_key(path) {
            continue;
        }
        match files.reader.read(Path::new(path)) {
            Ok(text) => {
                let file = sources.add(path.as_str(), text.clone());
                let mut found = Diagnostics::default();
                let list = list(&text, file, &mut found);
                found
                    .replace_each(|diagnostic| vec![diagnostic.related(named.span, "the file is used here")]);
                diagnostics.append(found);
                lists.insert(path.clone(), list);
            }
            Err(why) => {
                let message = format!("`{path}` can't be read: {why}");
                diagnostics.push(Diagnostic::error(code::NO_FILE, named.span, message));
                lists.insert(path.clone(), CertificateList::default());
            }
        }
    }
    lists
}

/// Reads one line of a `crt-list`, as the runtime API takes them.
///
/// # Errors
/// What is wrong in it, or that it isn't one line.
pub fn certificate_line(text: &[u8]) -> Result<CertificateLine, String> {
    let mut sources = Sources::default();
    let mut diagnostics = Diagnostics::default();
    let file = sources.add("payload", text.to_vec());
    let list = list(text, file, &mut diagnostics);
    if diagnostics.has_errors() {
        return Err(diagnostics.render(&sources, Style::Plain));
    }
    let mut lines = list.lines.into_iter();
    match (lines.next(), lines.next()) {
        (Some(line), None) => Ok(line),
        (None, _) => Err("there is no line with a certificate".to_owned()),
        (Some(_), Some(_)) => Err("only one line can be added at a time".to_owned()),
    }
}

/// Reads lines of a `crt-list`. What is wrong in them is reported; lines without mistakes are kept.
fn list(text: &[u8], file: FileId, diagnostics: &mut Diagnostics) -> CertificateList {
    let mut list = CertificateList::default();
    let mut start = 0;
    for (at, line) in text.split(|byte| *byte == b'\n').enumerate() {
        let words = words(line, file, start);
        start += line.len() + 1;
        let Some((certificate, rest)) = words.split_first() else {
            continue;
        };
        if certificate.bytes().starts_with(b"#") {
            continue;
        }
        match list_line(certificate, rest, to_u32(at + 1), diagnostics) {
            Ok(line) => list.lines.push(line),
            Err(diagnostic) => diagnostics.push(*diagnostic),
        }
    }
    list
}

/// The words of a line; brackets are words of their own. Nothing is quoted in these files.
fn words(line: &[u8], file: FileId, start: usize) -> Vec<Word> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let span = |from: usize, to: usize| Span {
        file,
        start: to_u32(from),
        end: to_u32(to),
    };
    let end = |word: &mut Option<Word>, words: &mut Vec<Word>, at: usize| {
        if let Some(mut word) = word.take() {
            let from = word.span().start as usize;
            word.set_span(span(from, at));
            words.push(word);
        }
    };
    for (offset, byte) in line.iter().enumerate() {
        let at = start + offset;
        match byte {
            b' ' | b'\t' | b'\r' => end(&mut word, &mut words, at),
            b'[' | b']' => {
                end(&mut word, &mut words, at);
                word = Some(Word::empty(span(at, at + 1)));
                if let Some(word) = &mut word {
                    word.push(*byte, to_u32(at), to_u32(at + 1), true);
                }
                end(&mut word, &mut words, at + 1);
            }
            byte => {
                let word = word.get_or_insert_with(|| Word::empty(span(at, at + 1)));
                word.push(*byte, to_u32(at), to_u32(at + 1), true);
            }
        }
    }
    end(&mut word, &mut words, start + line.len());
    words
}

fn list_line(
    certificate: &Word,
    rest: &[Word],
    line: u32,
    diagnostics: &mut Diagnostics,
) -> Parsed<CertificateLine> {
    if certificate.is("[") || certificate.is("]") {
        return bad_argument(
            certificate,
            "a line begins with a certificate, and this is a bracket",
        );
    }
    let mut made = CertificateLine {
        certificate: Spanned::new(certificate.text()?.to_owned(), certificate.span()),
        line,
        written: String::new(),
        settings: TlsSettings::default(),
        files: CertificateFiles::default(),
        filters: Vec::new(),
    };
    let mut filters = rest;
    if let Some((open, inside)) = rest.split_first().filter(|(open, _)| open.is("[")) {
        let Some(close) = inside.iter().position(|word| word.is("]")) else {
            let message = "this bracket is never closed";
            return Err(Box::new(
                Diagnostic::error(code::MISSING_ARGUMENT, open.span(), message)
                    .help("settings stand between `[` and `]` behind the certificate, before any names"),
            ));
        };
        let inside = inside.get(..close).unwrap_or_default();
        let behind = rest.get(..=close).unwrap_or_default();
        made.written = inside.iter().map(Word::lossy).collect::<Vec<_>>().join(" ");
        let mut args = Args::of_statement(certificate, behind);
        let mut named = Some(made.certificate.clone());
        let (options, files) = settings(&mut args, &mut named, diagnostics)?;
        made.settings = options.tls.settings;
        made.files = files;
        filters = rest.get(close + 2..).unwrap_or_default();
    }
    for filter in filters {
        if filter.is("[") || filter.is("]") {
            return bad_argument(
                filter,
                "a bracket stands right behind the certificate only, before any names",
            );
        }
        let name = filter.text()?;
        let domain = name.strip_prefix('!').unwrap_or(name);
        let rest = domain.strip_prefix('*').unwrap_or(domain);
        if domain.is_empty()
            || rest.contains('*')
            || (rest.len() < domain.len() && !rest.is_empty() && !rest.starts_with('.'))
        {
            return bad_argument(
                filter,
                format!("`{name}` is no name of a host, nor `*.` and a domain"),
            );
        }
        made.filters.push(name.to_owned());
    }
    let wildcard = made.filters.iter().any(|name| name.starts_with('*'));
    if let Some(at) = made
        .filters
        .iter()
        .position(|name| name.starts_with('!') && name != "!*")
        && !wildcard
        && let Some(word) = filters.get(at)
    {
        let message = format!("`{}` leaves nothing out: this line has no wildcard", word.lossy());
        diagnostics.push(Diagnostic::notice(code::NO_EFFECT, word.span(), message));
    }
    Ok(made)
}
