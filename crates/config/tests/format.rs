//! What `tidegate fmt` prints: it means the same, and printing it again changes nothing.

use std::path::PathBuf;

use proptest::prelude::*;
use tidegate_config::{Draft, Loaded, MemoryFiles, Options, Sources, format};
use tidegate_sample::NoExternals;

fn formatted(text: &[u8]) -> Option<Vec<u8>> {
    let mut sources = Sources::default();
    let file = sources.add("t.cfg", text.to_vec());
    format(file, &sources).ok()
}

fn read(text: &[u8]) -> Loaded {
    let files = MemoryFiles::default().with("t.cfg", text);
    Draft::read(&[PathBuf::from("t.cfg")], &files, Options::default()).finish(&NoExternals, &files)
}

/// What a text means, without the places at which it says so: the whole model, or all faults.
fn meaning(text: &[u8]) -> String {
    let loaded = read(text);
    match &loaded.config {
        Some(config) => without_places(&format!("{:?} {:?}", config.global, config.proxies)),
        None => {
            let mut faults: Vec<String> = loaded
                .diagnostics
                .iter()
                .map(|fault| format!("{} {}", fault.code, fault.message))
                .collect();
            faults.sort();
            faults.join("\n")
        }
    }
}

/// Spans are shown as `0:12..15`.
fn without_places(text: &str) -> String {
    let is_place =
        |word: &str| word.contains("..") && word.bytes().all(|b| b.is_ascii_digit() || b":.".contains(&b));
    let cut = |c: char| !(c.is_ascii_digit() || c == ':' || c == '.');
    text.split_inclusive(cut)
        .map(|part| {
            let word = part.trim_end_matches(cut);
            if is_place(word) {
                part.replacen(word, "PLACE", 1)
            } else {
                part.to_owned()
            }
        })
        .collect()
}

/// Lines of a valid configuration.
const LINES: [&str; 24] = [
    "global",
    "setenv NAME \"a  b\"",
    "log-tag 'x # y'",
    "zero-warning",
    "defaults",
    "mode http",
    "timeout client 5s",
    "timeout server 5s",
    "timeout connect 5s",
    "frontend web",
    "bind 127.0.0.1:8080,127.0.0.1:8081 name \"two words\"",
    "acl api path_beg /api \\ x",
    ".if streq(\"$NAME\",\"a  b\") || 0",
    "http-request set-header x-name \"${NAME}  %[path]\\\"#\" if api",
    ".else",
    "http-request deny unless api",
    ".endif",
    "default_backend app",
    ".if defined(NOPE)",
    "backend nope",
    ".endif",
    "backend app",
    "server one 192.0.2.1:80 weight 10",
    "server two 192.0.2.2:80",
];

fn blank() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", " ", "    ", "\t", " \t "]).prop_map(String::from)
}

fn between_lines() -> impl Strategy<Value = String> {
    let comments = vec![
        "",
        "",
        "\n",
        "\n\n\n",
        "# c\n",
        "  # c  \n",
        "\n# c\n\n",
        "#\n#x\n",
    ];
    prop::sample::select(comments).prop_map(String::from)
}

/// The same configuration, with other blanks, empty lines and comments.
fn spoiled() -> impl Strategy<Value = String> {
    let line = (blank(), blank(), prop::option::of(Just("# c")), between_lines());
    (prop::collection::vec(line, LINES.len()), prop::bool::ANY).prop_map(|(lines, crlf)| {
        let mut text = String::new();
        for (line, (before, after, comment, between)) in LINES.iter().zip(lines) {
            text.push_str(&format!(
                "{between}{before}{line}{after}{}\n",
                comment.unwrap_or_default()
            ));
        }
        if crlf { text.replace('\n', "\r\n") } else { text }
    })
}

/// Pieces of lines that are right, wrong, and broken.
fn soup() -> impl Strategy<Value = Vec<u8>> {
    let pieces = vec![
        "\n",
        "\n",
        "\n\n",
        "\r\n",
        "\n  ",
        " ",
        "\t",
        "\r",
        "\\",
        "\"",
        "'",
        "#",
        "# c",
        "\\\r",
        "global",
        "defaults",
        "frontend a",
        "listen b",
        "globl",
        "peers p",
        "cache",
        "timeout client 5s",
        "mode http",
        "bind :80",
        "servr",
        "\"global\"",
        ".if 1",
        ".if",
        ".elif 0",
        ".else",
        ".endif",
        ".notice x",
        ".alert x",
        ".foo",
        "\"${X}\"",
        "é",
    ];
    prop::collection::vec(prop::sample::select(pieces), 0..40).prop_map(|pieces| pieces.concat().into_bytes())
}

#[test]
fn the_lines_are_a_valid_configuration() {
    let loaded = read(format!("{}\n", LINES.join("\n")).as_bytes());
    assert!(loaded.config.is_some(), "{:?}", loaded.diagnostics);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_means_the_same(text in spoiled()) {
        let printed = formatted(text.as_bytes()).unwrap();
        prop_assert_eq!(meaning(&printed), meaning(text.as_bytes()), "{}", String::from_utf8_lossy(&printed));
    }

    #[test]
    fn all_ways_to_write_a_configuration_are_printed_alike(one in spoiled()) {
        let bare = |text: &[u8]| -> Vec<String> {
            let text = String::from_utf8(text.to_vec()).unwrap();
            let lines = text.lines().map(|line| line.split(" #").next().unwrap_or_default().to_owned());
            lines.filter(|line| !line.trim().is_empty() && !line.trim().starts_with('#')).collect()
        };
        let printed = bare(&formatted(one.as_bytes()).unwrap());
        let usual = bare(&formatted(format!("{}\n", LINES.join("\n")).as_bytes()).unwrap());
        prop_assert_eq!(printed, usual);
    }

    #[test]
    fn printing_again_changes_nothing(text in soup()) {
        let once = formatted(&text).unwrap();
        let again = formatted(&once).unwrap();
        prop_assert_eq!(String::from_utf8_lossy(&again), String::from_utf8_lossy(&once));
    }

    #[test]
    fn faults_stay_the_same(text in soup()) {
        // a file that isn't ended is said to be cut off; printing ends it
        let mut text = text;
        text.push(b'\n');
        let is_about_sections = |meaning: &str| meaning.contains("TG0100");
        let (before, after) = (meaning(&text), meaning(&formatted(&text).unwrap()));
        // what was probably meant for a section depends on where the word stands
        if !is_about_sections(&before) && !is_about_sections(&after) {
            prop_assert_eq!(after, before);
        }
    }

    #[test]
    fn any_bytes_are_printed_or_refused(text in prop::collection::vec(any::<u8>(), 0..300)) {
        match formatted(&text) {
            None => prop_assert!(text.contains(&0)),
            Some(once) => prop_assert_eq!(formatted(&once).unwrap(), once),
        }
    }
}
