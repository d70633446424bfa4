//! The configuration that both programs run, and which of its lines a program refuses.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use super::cases::{Group, Phase, TABLES};
use crate::Result;

/// What stands for a variable that was not set: no sample's value.
pub(crate) const ABSENT: &str = "<absent>";

/// What comes before the results, in a header and in a log line.
pub(crate) const MARK: &str = "conform|";

/// An expression's group and its index there.
pub(crate) type Place = (usize, usize);

/// The addresses of a run.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    /// Where requests go.
    pub(crate) http: SocketAddr,
    /// Where bytes that are no HTTP go, by group.
    pub(crate) content: BTreeMap<usize, SocketAddr>,
    /// The server that answers what it is asked to.
    pub(crate) origin: SocketAddr,
    /// Where log lines go.
    pub(crate) log: SocketAddr,
}

/// A configuration, and the place of the expression on each line that has one.
pub(crate) struct Configuration {
    pub(crate) text: String,
    places: BTreeMap<usize, Place>,
}

/// Variables that expressions may use.
const VARIABLES: [(&str, &str); 4] = [
    ("txn.ref", "str(ref)"),
    ("txn.int", "int(7)"),
    ("txn.key", "str(a2V5)"),
    ("sess.ref", "str(session)"),
];

impl Configuration {
    /// Writes it, with a comment in the place of expressions that are refused.
    pub(crate) fn new(groups: &[Group], refused: &BTreeSet<Place>, site: &Site) -> Self {
        let mut this = Self {
            text: String::new(),
            places: BTreeMap::new(),
        };
        this.line("global");
        // All results of an input are one header.
        this.line("  tune.bufsize 262144");
        // The users of the requests' credentials.
        this.line("userlist people");
        this.line("  group staff users user");
        this.line("  user user insecure-password pa:ss");
        this.line("  user u password '$5$rounds=1000$salt$AEHi6GWX1cJDbhe1NOXgbXpmQ82sM2UxHVKd5xXJvWB'");
        this.line("defaults");
        this.line("  mode http");
        this.line("  timeout client 5s");
        this.line("  timeout server 5s");
        this.line("  timeout connect 5s");
        this.line("frontend conform");
        this.line(&format!("  bind {} name listener", site.http));
        this.line("  option http-buffer-request");
        for group in groups.iter().filter(|group| group.phase != Phase::Content) {
            this.line(&format!(
                "  use_backend {0} if {{ req.hdr(x-group) {0} }}",
                group.name
            ));
        }
        for (index, group) in groups.iter().enumerate() {
            match group.phase {
                Phase::Request => this.backend(index, group, refused, "http-request"),
                Phase::Response => {
                    this.backend(index, group, refused, "http-response");
                    this.line(&format!("  server origin {}", site.origin));
                }
                Phase::Content => this.frontend(index, group, refused, site),
            }
        }
        // Nobody asks for it: what is counted there stays what it is.
        this.line("backend idle");
        this.line("  server one 127.0.0.1:9 weight 7");
        this.line("  server off 127.0.0.1:9 disabled");
        for (name, table) in TABLES {
            this.line(&format!("backend {name}"));
            this.line(&format!("  stick-table {table}"));
        }
        this
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }

    fn backend(&mut self, index: usize, group: &Group, refused: &BTreeSet<Place>, rules: &str) {
        self.line(&format!("backend {}", group.name));
        self.rules(index, group, refused, rules, "");
        let results = results(group);
        self.line(&format!(
            "  {rules} return status 200 content-type text/plain string done hdr x-conform \"{results}\""
        ));
    }

    fn frontend(&mut self, index: usize, group: &Group, refused: &BTreeSet<Place>, site: &Site) {
        let Some(address) = site.content.get(&index) else {
            return;
        };
        self.line(&format!("frontend {}", group.name));
        self.line("  mode tcp");
        self.line(&format!("  bind {address} name listener"));
        self.line(&format!("  log {} len 60000 local0", site.log));
        self.line(&format!("  log-format \"{}\"", results(group)));
        self.line("  tcp-request inspect-delay 100ms");
        // Once there is nothing more to wait for, each expression has its last word.
        self.rules(index, group, refused, "tcp-request content", " if WAIT_END");
        self.line("  tcp-request content reject");
    }

    fn rules(
        &mut self,
        index: usize,
        group: &Group,
        refused: &BTreeSet<Place>,
        rules: &str,
        condition: &str,
    ) {
        for (name, value) in VARIABLES {
            self.line(&format!("  {rules} set-var({name}) {value}{condition}"));
        }
        let maps = crate::root().join("xtask/conform").display().to_string();
        for action in group.before {
            self.line(&format!("  {rules} {action}{condition}"));
        }
        for (at, expression) in group.expressions.iter().enumerate() {
            if refused.contains(&(index, at)) {
                self.line("  # refused");
                continue;
            }
            self.line(&format!(
                "  {rules} set-var(txn.r{at}) {}{condition}",
                expression.whole.replace("@conform", &maps)
            ));
            self.places.insert(self.text.lines().count(), (index, at));
        }
    }
}

/// The log-format of all results of a group.
fn results(group: &Group) -> String {
    let mut text = MARK.to_owned();
    for at in 0..group.expressions.len() {
        // It fails for nobody: a String takes everything.
        let _ = write!(text, "%[var(txn.r{at},{ABSENT}),hex]|");
    }
    text
}

/// The expressions that a program refuses. It may name one only, so it is asked until it is content.
pub(crate) fn refused(
    program: &Path,
    groups: &[Group],
    site: &Site,
    directory: &Path,
) -> Result<BTreeSet<Place>> {
    let path = directory.join("conform.cfg");
    let mut refused = BTreeSet::new();
    loop {
        let configuration = Configuration::new(groups, &refused, site);
        std::fs::write(&path, &configuration.text)?;
        let output = Command::new(program).arg("-c").arg("-f").arg(&path).output()?;
        if output.status.success() {
            return Ok(refused);
        }
        let messages = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        let before = refused.len();
        let lines = lines_at_fault(&messages, &path.to_string_lossy());
        refused.extend(lines.iter().filter_map(|line| configuration.places.get(line)));
        if refused.len() == before {
            return Err(format!(
                "{} refuses the configuration itself: {messages}",
                program.display()
            )
            .into());
        }
    }
}

/// The lines that the errors among a program's messages are about, warnings left out.
fn lines_at_fault(messages: &str, path: &str) -> Vec<usize> {
    let mut lines = Vec::new();
    let mut warning = false;
    for message in messages.lines() {
        // The one says in its first line what it is and in the second where; the other says all in one.
        if message.starts_with("[WARNING]") || message.starts_with("warning") || message.starts_with("notice")
        {
            warning = true;
        } else if message.starts_with("[ALERT]") || message.starts_with("error") {
            warning = false;
        }
        let Some((_, after)) = message.split_once(&format!("{path}:")) else {
            continue;
        };
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        if let (false, Ok(line)) = (warning, digits.parse()) {
            lines.push(line);
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::cases::{Expression, What};
    use super::*;

    fn group(name: &str, phase: Phase, expressions: &[&str]) -> Group {
        let expression = |text: &&str| Expression {
            what: What::Fetch,
            subject: (*text).to_owned(),
            shown: (*text).to_owned(),
            whole: (*text).to_owned(),
        };
        Group {
            name: name.to_owned(),
            phase,
            before: &[],
            expressions: expressions.iter().map(expression).collect(),
            inputs: Vec::new(),
        }
    }

    fn site() -> Site {
        let address = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        Site {
            http: address(1),
            content: BTreeMap::from([(1, address(2))]),
            origin: address(3),
            log: address(4),
        }
    }

    #[test]
    fn each_expression_is_found_on_its_line() {
        let groups = [
            group("g0", Phase::Request, &["path", "query"]),
            group("g1", Phase::Content, &["req.len"]),
        ];
        let refused = BTreeSet::from([(0, 0)]);
        let configuration = Configuration::new(&groups, &refused, &site());
        let found: Vec<(&str, Place)> = configuration
            .places
            .iter()
            .map(|(line, place)| (configuration.text.lines().nth(line - 1).unwrap().trim(), *place))
            .collect();
        assert_eq!(
            found,
            [
                ("http-request set-var(txn.r1) query", (0, 1)),
                ("tcp-request content set-var(txn.r0) req.len if WAIT_END", (1, 0)),
            ]
        );
        assert!(!configuration.text.contains("set-var(txn.r0) path"));
        // What was refused keeps its place among the results.
        assert!(
            configuration
                .text
                .contains("\"conform|%[var(txn.r0,<absent>),hex]|%[var(txn.r1,<absent>),hex]|\"")
        );
        assert!(
            configuration
                .text
                .contains("use_backend g0 if { req.hdr(x-group) g0 }")
        );
        assert!(!configuration.text.contains("use_backend g1"));
    }

    #[test]
    fn errors_of_both_programs_are_read_and_warnings_are_not() {
        let one = "[NOTICE]   (1) : version\n[WARNING]  (1) : config : parsing [/d/c.cfg:7] : hm\n\
                   [ALERT]    (1) : config : parsing [/d/c.cfg:15] : error detected\n";
        assert_eq!(lines_at_fault(one, "/d/c.cfg"), [15]);
        let other = "warning[TG1]: hm\n  --> /d/c.cfg:7:1\nerror[TG2]: no\n  --> /d/c.cfg:20:53\n   |\n20 | x\n\
                     error[TG2]: no\n  --> /d/c.cfg:21:2\n1 error";
        assert_eq!(lines_at_fault(other, "/d/c.cfg"), [20, 21]);
        assert_eq!(lines_at_fault("error: nothing of a place", "/d/c.cfg"), [0; 0]);
    }
}
