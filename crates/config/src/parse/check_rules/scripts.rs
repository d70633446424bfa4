//! Checks that speak a protocol of their own: scripts of `tcp-check` rules.
//!
//! A rule that waits for a whole answer comes first, since no other can tell that no more is to come; those behind it judge
//! what is there.

use std::fmt::Write as _;

use tidegate_sample::Scope;

use super::{Checks, Kind, Speaks};
use crate::diag::Diagnostic;
use crate::model::CheckStep;
use crate::parse::args::{Args, Parsed, bad_argument};
use crate::source::Span;
use crate::text::Word;

type Lines = Vec<Vec<String>>;

/// Why agents of SPOE aren't checked.
pub(crate) const SPOE: &str = "SPOE is not spoken; its agents can be checked by `option tcp-check`";

impl Checks {
    /// The section has one of these options: its checks do what the script says.
    pub(crate) fn follow(&mut self, script: Lines, span: Span, scope: &Scope<'_>) -> Parsed<()> {
        self.kind = Some(Kind::Script(steps(script, span, scope)?));
        Ok(())
    }
}

/// `option redis-check`
pub(crate) fn redis() -> Lines {
    vec![
        send(b"*1\r\n$4\r\nPING\r\n"),
        wait(["rstring", r"\n"], "no line came"),
        judge(
            &["string", "+PONG\r\n"],
            "L7STS",
            "%[res.payload(0,0),cut_crlf]",
            &["on-success", "Redis server is ok"],
        ),
    ]
}

/// `option ssl-hello-chk`: a greeting of SSL 3.0. Whoever knows that only by name refuses it by an alert, which shows as
/// well that TLS is spoken.
pub(crate) fn tls_hello() -> Lines {
    const SUITES: [u8; 14] = [0, 0x39, 0, 0x35, 0, 0x33, 0, 0x2f, 0, 0x0a, 0, 5, 0, 4];
    let mut hello = vec![3, 0];
    hello.extend([0x54; 32]);
    // No session to go on with, the suites, and no compression.
    hello.extend([0, 0, SUITES.len() as u8]);
    hello.extend(SUITES);
    hello.extend([1, 0]);
    let length = hello.len() as u8;
    let mut message = vec![0x16, 3, 0, 0, length + 4, 1, 0, 0, length];
    message.extend(hello);
    let status = [
        "ok-status",
        "L6OK",
        "error-status",
        "L6RSP",
        "tout-status",
        "L6TOUT",
    ];
    let options = [&["expect", "min-recv", "1"][..], &status].concat();
    vec![send(&message), line(&options, &["rbinary", "^1[56]"])]
}

/// `option smtpchk [<hello> <domain>]`
pub(crate) fn smtp(args: &mut Args<'_>) -> Parsed<Lines> {
    const TEXT: &str = "%[res.payload(4,0),ltrim(' '),cut_crlf]";
    let mut hello = String::from("HELO localhost");
    if let Some(word) = args.next() {
        let command = if word.is("EHLO") { "EHLO" } else { "HELO" };
        let domain = args.expect("the name of a domain")?;
        if !domain.bytes().iter().all(u8::is_ascii_graphic) {
            return bad_argument(
                domain,
                "the name of a domain has no blanks and no control characters",
            );
        }
        hello = format!("{command} {}", domain.text()?);
    }
    let code = ["status-code", "res.payload(0,3),ltrim(' ')"];
    let good = |more: &[&str]| judge(&["rstring", "^2"], "L7STS", TEXT, &[&code, more].concat());
    let whole = || {
        let lines = r"^([0-9]{3}-[^\n]*\n)*[0-9]{3}[ \r][^\n]*\n";
        wait(["rstring", lines], "%[res.payload(0,0),cut_crlf]")
    };
    Ok(vec![
        wait(["rstring", r"\n"], "no line came"),
        judge(
            &["rstring", "^[0-9]{3}[ \r-]"],
            "L7RSP",
            "%[res.payload(0,0),cut_crlf]",
            &[],
        ),
        good(&[]),
        send(format!("{hello}\r\n").as_bytes()),
        whole(),
        good(&[]),
        send(b"QUIT\r\n"),
        whole(),
        good(&["on-success", TEXT]),
    ])
}

/// `option pgsql-check user <username>`
pub(crate) fn postgresql(args: &mut Args<'_>) -> Parsed<Lines> {
    let user = user(args)?;
    // The length, version 3.0, and the parameter `user`.
    let mut start = vec![0, 3, 0, 0];
    start.extend(b"user\0");
    start.extend(user.as_bytes());
    start.extend([0, 0]);
    let mut message = (start.len() as u32 + 4).to_be_bytes().to_vec();
    message.extend(start);
    Ok(vec![
        send(&message),
        least(9),
        judge(
            &["!", "rstring", "^E"],
            "L7RSP",
            "%[res.payload(6,0),regsub([^[:print:]].*,)]",
            &[],
        ),
        judge(
            &[
                "rbinary",
                "^52000000[0-9A-F]{2}000000(00|02|03|04|05|06|07|09|0A)",
            ],
            "L7STS",
            "PostgreSQL unknown error",
            &["on-success", "PostgreSQL server is ok"],
        ),
    ])
}

/// `option ldap-check`
pub(crate) fn ldap() -> Lines {
    const LENGTH: &str = "([0-7][0-9A-F]|84[0-9A-F]{8})";
    // A simple bind by nobody, of version 3.
    const BIND: [u8; 14] = [0x30, 0x0c, 2, 1, 1, 0x60, 7, 2, 1, 3, 4, 0, 0x80, 0];
    let answer = |kind: &str, code: &str| format!("^30{LENGTH}0201[0-9A-F]{{2}}{kind}{LENGTH}0A01{code}");
    let whole = answer("[0-9A-F]{2}", "[0-9A-F]{2}");
    let whole = wait(["rbinary", &whole], "Not LDAPv3 protocol");
    let code = r#"res.payload(0,0),hex,regsub("^.*?0A01(..).*$","\1"),hex2i"#;
    vec![
        send(&BIND),
        whole,
        judge(
            &["rbinary", &answer("61", "")],
            "L7RSP",
            "Not LDAPv3 protocol",
            &[],
        ),
        judge(
            &["rbinary", &answer("61", "00")],
            "L7STS",
            "See RFC: http://tools.ietf.org/html/rfc4511#section-4.1.9",
            &["on-success", "Success", "status-code", code],
        ),
    ]
}

/// `option mysql-check [user <username> [{ post-41 | pre-41 | post-80 }]]`
pub(crate) fn mysql(args: &mut Args<'_>) -> Parsed<Lines> {
    const ERROR: &str = "%[res.payload(7,0)]";
    let code = ["status-code", "res.payload(5,2),le2dec(,2)"];
    let refused = || judge(&["!", "rbinary", "^[0-9A-F]{8}FF"], "L7STS", ERROR, &code);
    let shown = ["on-success", "%[var(check.mysql_version)]"];
    let well = judge(&["rstring", "(?s)^."], "L7RSP", "no answer", &shown);
    let greeting = "^[0-9A-F]{6}00(0A([0-9A-F]{2})*?00|FF)";
    let greeting = wait(["rbinary", greeting], "MySQL server sent no greeting");
    let version = "res.payload(5,0),regsub([^[:print:]].*,)";
    let version = ["set-var(check.mysql_version)", version]
        .map(String::from)
        .to_vec();
    if args.peek().is_none() {
        return Ok(vec![greeting, version, refused(), well]);
    }
    let user = user(args)?;
    let client = args.next();
    let mut login: Vec<u8> = match client {
        Some(word) if word.is("pre-41") => vec![0, 0x80, 0, 0, 1],
        Some(word) if word.is("post-80") => vec![0, 0x82, 8, 0, 0, 0x80, 0, 1, 0x21],
        Some(word) if !word.is("post-41") => {
            return bad_argument(word, "clients are `post-41`, `pre-41` or `post-80`");
        }
        _ => vec![0, 0x82, 0, 0, 0, 0x80, 0, 1, 0x21],
    };
    if login.len() > 5 {
        login.extend([0; 23]);
    }
    login.extend(user.as_bytes());
    login.extend([0, 0]);
    if client.is_some_and(|word| word.is("post-80")) {
        login.extend(b"mysql_native_password\0");
    }
    let mut message = (login.len() as u32).to_le_bytes().to_vec();
    if let Some(number) = message.last_mut() {
        *number = 1;
    }
    message.extend(login);
    // QUIT
    message.extend([1, 0, 0, 0, 1]);
    Ok(vec![
        greeting,
        version,
        refused(),
        send(&message),
        least(5),
        refused(),
        well,
    ])
}

fn user(args: &mut Args<'_>) -> Parsed<String> {
    if !args.take("user") {
        return Err(args.missing("`user <username>`"));
    }
    let word = args.expect("the name of a user")?;
    let text = word.text()?;
    if text.is_empty() || text.len() > 127 || text.bytes().any(|byte| byte == 0) {
        return bad_argument(word, "the name of a user has 1 to 127 characters");
    }
    Ok(text.to_owned())
}

fn send(bytes: &[u8]) -> Vec<String> {
    let hex = bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    vec!["send-binary".into(), hex]
}

/// Waits until what came matches; if it never does, that is no answer.
fn wait(wanted: [&str; 2], on_end: &str) -> Vec<String> {
    line(&["expect", "error-status", "L7RSP", "on-error", on_end], &wanted)
}

/// Waits for that many bytes.
fn least(bytes: usize) -> Vec<String> {
    let bytes = bytes.to_string();
    let text = "the answer is too short";
    let options = [
        "expect",
        "min-recv",
        &bytes,
        "error-status",
        "L7RSP",
        "on-error",
        text,
    ];
    line(&options, &["rstring", "(?s)^."])
}

/// Judges what is there.
fn judge(wanted: &[&str], status: &str, otherwise: &str, more: &[&str]) -> Vec<String> {
    let options = [
        "expect",
        "min-recv",
        "0",
        "error-status",
        status,
        "on-error",
        otherwise,
    ];
    line(&[&options, more].concat(), wanted)
}

fn line(options: &[&str], wanted: &[&str]) -> Vec<String> {
    options.iter().chain(wanted).copied().map(String::from).collect()
}

/// The steps that rules of `tcp-check` make.
pub(crate) fn steps(script: Lines, span: Span, scope: &Scope<'_>) -> Result<Vec<CheckStep>, Box<Diagnostic>> {
    let mut checks = Checks::default();
    for line in script {
        let keyword = Word::unwritten(b"tcp-check", span);
        let written = line.iter().map(|word| Word::unwritten(word.as_bytes(), span));
        let words: Vec<Word> = std::iter::once(keyword.clone()).chain(written).collect();
        checks.rule(Speaks::Tcp, &mut Args::of_statement(&keyword, &words), scope)?;
    }
    Ok(checks.tcp.steps)
}
