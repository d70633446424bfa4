//! What the fuzz targets share: making a case of bytes, and what has to hold for it.

use std::io::IoSlice;
use std::path::PathBuf;
use std::task::{Context, Poll, Waker};

use tidegate_config::{
    Code, Diagnostic, Draft, Environment, MemoryFiles, Options, Sources, Span, Style, Tree, format, render,
};
use tidegate_http2::hpack::{Decoder, Encoder, Name, Then};
use tidegate_http2::{Connection, Outcome, PREFACE, Reason, Received, Role, Settings};
use tidegate_proxy::http1::hearing::{requests, responses};
use tidegate_sample::head::FieldName;
use tidegate_sample::{
    Acl, Expr, LogFormat, NoExternals, NoSession, ParseError, Scope, Value, convert, logformat,
};

/// Reads the bytes as a configuration: it is a model or has errors, the tree loses nothing, and what `tidegate fmt`
/// makes of it stays as it is.
pub fn language(text: &[u8]) {
    let files = MemoryFiles::default().with("t.cfg", text.to_vec());
    let environment: Environment = [("A", "one two"), ("B", "")].into_iter().collect();
    let options = Options {
        environment,
        ..Options::default()
    };
    let loaded = Draft::read(&[PathBuf::from("t.cfg")], &files, options).finish(&NoExternals, &files);
    assert_eq!(loaded.config.is_none(), loaded.diagnostics.has_errors());
    let mut shown: Vec<Code> = Vec::new();
    for diagnostic in loaded.diagnostics.iter() {
        spans(diagnostic).for_each(|span| within(span, &loaded.sources));
        // Drawing costs more than reading, and a case may have a hundred faults of a kind: one of each is drawn.
        if !shown.contains(&diagnostic.code) {
            shown.push(diagnostic.code);
            render(diagnostic, &loaded.sources, Style::Plain);
        }
    }

    let mut sources = Sources::default();
    let file = sources.add("t.cfg", text.to_vec());
    assert_eq!(Tree::parse(file, text).print(text), text);
    if let Ok(once) = format(file, &sources) {
        let file = sources.add("once.cfg", once.clone());
        assert_eq!(format(file, &sources).ok(), Some(once));
    }
}

/// All that a diagnostic points at.
fn spans(diagnostic: &Diagnostic) -> impl Iterator<Item = Span> {
    let labels = diagnostic.primary.iter().chain(&diagnostic.related);
    labels.map(|label| label.span)
}

/// A span is in its file.
fn within(span: Span, sources: &Sources) {
    let text = sources.get(span.file).and_then(|source| {
        let range = span.start as usize..span.end as usize;
        source.text().get(range)
    });
    assert!(text.is_some(), "{span:?} is not in its file");
}

/// Reads the bytes as requests and as responses: however they are cut, they mean the same. The first byte says how strictly
/// they are read, and where they are cut.
pub fn http1(case: &[u8]) {
    let Some((first, bytes)) = case.split_first() else {
        return;
    };
    let lenient = first & 1 == 1;
    let pieces = || bytes.chunks(usize::from(first >> 1).max(1));
    assert_eq!(requests(pieces(), lenient), requests([bytes], lenient));
    assert_eq!(responses(pieces(), lenient), responses([bytes], lenient));
}

/// Hears the bytes as what a client of HTTP/2 sends behind its preface: however they are cut, the same requests and bodies come of
/// them, they end the connection for the same reason or not at all, and what is to be said to them stays small. The first byte says
/// where they are cut.
pub fn http2(case: &[u8]) {
    let Some((first, bytes)) = case.split_first() else {
        return;
    };
    let cut = heard(bytes.chunks(usize::from(*first).max(1)));
    let whole = heard([bytes].into_iter());
    // When a flood ends depends on what was answered meanwhile.
    let is_flood = |ended| ended == Some(Outcome::Refused(Reason::ENHANCE_YOUR_CALM));
    assert!(
        cut == whole || is_flood(cut.1) || is_flood(whole.1),
        "{cut:?} {whole:?}"
    );
}

/// What comes of frames, and how it ended.
fn heard<'b>(pieces: impl Iterator<Item = &'b [u8]>) -> (Vec<String>, Option<Outcome>) {
    let settings = Settings {
        streams_max: 4,
        ..Settings::default()
    };
    let mut server = Connection::new(Role::Server, settings);
    let (mut keys, mut all) = (Vec::new(), Vec::new());
    for piece in [PREFACE].into_iter().chain(pieces) {
        server.buffer().extend_from_slice(piece);
        while let Some((key, request)) = server.read() {
            all.push(format!("{:?} {:?}", key.id(), request));
            keys.push(key);
        }
        assert!(server.active() <= 4);
        let mut slices = [IoSlice::new(&[]); 8];
        while server.has_output() {
            let count = server.slices(&mut slices);
            let length = slices.iter().take(count).map(|slice| slice.len()).sum();
            // Each frame is answered by two at the most.
            assert!(length <= 64 + 5 * piece.len());
            slices = [IoSlice::new(&[]); 8];
            server.wrote(length);
        }
    }
    let cx = Context::from_waker(Waker::noop());
    for key in keys {
        let mut body = 0;
        while let Poll::Ready(Received::Data(data)) = server.poll_received(key, &cx) {
            body += data.len();
        }
        all.push(format!("{} {body}", key.id()));
        server.let_go(key);
    }
    assert_eq!(server.active(), 0);
    (all, server.outcome())
}

/// Reads the bytes as the blocks of a connection: what they say has bounds, is the same to whoever doesn't want all of it, and comes back when
/// it is written again. The first two bytes say how large the table is and where it is stopped; each block has a byte before it that says how
/// long it is.
pub fn hpack(case: &[u8]) {
    let [table, stop, blocks @ ..] = case else {
        return;
    };
    let (table, stop) = (16 * usize::from(*table), usize::from(*stop));
    let (mut all, mut some) = (Decoder::new(table), Decoder::new(table));
    let (mut encoder, mut back) = (Encoder::new(), Decoder::new(table));
    encoder.set_table_bytes_max(table);
    let mut rest = blocks;
    while let Some((len, behind)) = rest.split_first() {
        let (block, behind) = behind.split_at(behind.len().min((*len).into()));
        rest = behind;
        let (mut fields, mut text) = (Vec::new(), Vec::new());
        let result = all.decode(block, &mut text, |field| {
            // The longest value of the standard's own has 13 bytes.
            assert!(field.value.len() <= 13 + table + 2 * block.len());
            fields.push((field.name.as_bytes().to_vec(), field.value.to_vec(), field.is_fit));
            Then::Keep
        });
        assert!(text.len() <= fields.len() * (13 + table + 2 * block.len()));

        let mut taken = 0;
        let stopped = some.decode(block, &mut Vec::new(), |field| {
            let (name, value, _) = &fields[taken];
            assert_eq!((field.name.as_bytes(), field.value), (&name[..], &value[..]));
            taken += 1;
            if taken > stop { Then::Stop } else { Then::Forget }
        });
        assert_eq!((stopped, taken), (result, fields.len().min(stop + 1)));

        let mut written = Vec::new();
        let mut again = encoder.block(&mut written);
        for (name, value, _) in &fields {
            again.field(FieldName::of(name), value);
        }
        let mut fields = fields.iter();
        let understood = back.decode(&written, &mut Vec::new(), |field| {
            let (name, value, is_fit) = fields.next().unwrap();
            // Names with a colon are written like others, and well-known ones in lower case.
            assert!(field.name.as_bytes().eq_ignore_ascii_case(name));
            assert_eq!(field.value, &value[..]);
            assert!(field.is_fit == *is_fit || matches!(field.name, Name::Invalid(_)));
            Then::Forget
        });
        assert!(understood.is_ok() && fields.next().is_none());
        if result.is_err() {
            return;
        }
    }
}

/// Parses the text as a log-format string of either style and evaluates it for no session.
pub fn log_format(text: &str) {
    for style in [logformat::Style::Log, logformat::Style::Text] {
        match LogFormat::parse_as(style, text, &Scope::anywhere()) {
            Ok(format) => {
                format.eval(&NoSession);
            }
            Err(error) => inside(&error, text),
        }
    }
}

/// Parses the text as an expression and evaluates it for no session.
pub fn expression(text: &str) {
    match Expr::parse(text, &Scope::anywhere()) {
        Ok(expr) => {
            expr.eval(&NoSession);
        }
        Err(error) => inside(&error, text),
    }
}

/// Matches a value against patterns: the case is lines, of which the first are words of an `acl` line.
pub fn matchers(case: &[u8]) {
    let mut lines = case.splitn(6, |byte| *byte == b'\n');
    let subject = fetch_of(lines.next().unwrap_or_default());
    let words: Vec<String> = lines
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    let words: Vec<&str> = std::iter::once(subject.as_str())
        .chain(words.iter().map(String::as_str))
        .collect();
    if let Ok((acl, _)) = Acl::parse(&words, &Scope::anywhere()) {
        acl.test(&NoSession);
    }
}

/// Runs one of the converters that `family` takes: the first line says which and has its arguments, separated by
/// commas, and what follows is the input.
pub fn converters(case: &[u8], family: fn(&str) -> bool) {
    let Some((&which, case)) = case.split_first() else {
        return;
    };
    let names: Vec<&str> = convert::all()
        .map(|row| row.name)
        .filter(|name| family(name))
        .collect();
    let Some(name) = names.get(usize::from(which) % names.len().max(1)) else {
        return;
    };
    let (arguments, input) = match case.iter().position(|byte| *byte == b'\n') {
        Some(at) => (&case[..at], &case[at + 1..]),
        None => (case, &case[..0]),
    };
    let arguments = match arguments {
        [] => String::new(),
        arguments => format!("({})", String::from_utf8_lossy(arguments)),
    };
    let Ok(expr) = Expr::parse(
        &format!("{},{name}{arguments}", fetch_of(input)),
        &Scope::anywhere(),
    ) else {
        return;
    };
    // What was converted can be converted on, to any type.
    if let Some(value) = expr.eval(&NoSession) {
        let _: Option<Value> = tidegate_sample::cast(value, tidegate_sample::Type::Str);
    }
}

/// A fetch that gives these bytes.
fn fetch_of(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "str()".to_owned();
    }
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("bin({hex})")
}

/// An error points into the text.
fn inside(error: &ParseError, text: &str) {
    assert!(
        text.get(error.span.clone()).is_some(),
        "{:?} is not in {text:?}",
        error.span
    );
}

/// The families of converters, by their names.
pub mod family {
    /// Looking up in a file.
    pub fn maps(name: &str) -> bool {
        name.starts_with("map")
    }

    /// Headers of network packets.
    pub fn packets(name: &str) -> bool {
        ["eth.", "ip.", "tcp."]
            .iter()
            .any(|start| name.starts_with(start))
    }

    /// JSON, tokens, ciphers, certificates.
    pub fn tokens(name: &str) -> bool {
        ["json", "jwt", "aes", "x509", "hmac", "digest"]
            .iter()
            .any(|start| name.starts_with(start))
    }

    /// Messages of other protocols.
    pub fn messages(name: &str) -> bool {
        ["mqtt", "fix", "protobuf", "ungrpc", "rfc7239", "language"]
            .iter()
            .any(|start| name.starts_with(start))
    }

    /// All others: texts, numbers, dates, encodings, hashes.
    pub fn texts(name: &str) -> bool {
        !(maps(name) || packets(name) || tokens(name) || messages(name))
    }
}
