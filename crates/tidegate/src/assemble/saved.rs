//! What servers were before a reload, from files that `show servers state` has written.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tidegate_config::model::{Proxy, SavedStates};
use tidegate_config::{Diagnostic, Span, code};
use tidegate_proxy::Operational;
use tidegate_proxy::spec::SavedServer;

use super::Assembly;

/// The version that the files are of.
const VERSION: &str = "1";

/// An operator took the server out of service, or lets it run dry.
const FORCED_MAINT: u8 = 0x01;
const FORCED_DRAIN: u8 = 0x08;

/// Where the files are, and what was read.
#[derive(Default)]
pub(super) struct SavedFiles {
    /// `server-state-base`
    base: Option<PathBuf>,
    /// `server-state-file`
    file: Option<PathBuf>,
    read: BTreeMap<PathBuf, Arc<Lines>>,
}

/// The lines of a file, by the names of backends and servers.
type Lines = BTreeMap<(String, String), Line>;

/// One server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Its address, if it was one of IP.
    pub(super) ip: Option<IpAddr>,
    /// Its port.
    pub(super) port: Option<u16>,
    /// The name that the address was that of.
    pub(super) name: Option<String>,
    operational: Operational,
    admin: u8,
    weight: u32,
    initial_weight: u32,
    since: Duration,
    health: u32,
}

impl Line {
    /// What it makes of a server that has this weight in the configuration, and whose health is looked after or not.
    pub(super) fn server(&self, weight: u32, is_checked: bool) -> SavedServer {
        SavedServer {
            operational: match is_checked {
                true => self.operational,
                // Nobody would find out that it is up again.
                false => Operational::Running,
            },
            maint: self.admin & FORCED_MAINT != 0,
            drain: self.admin & FORCED_DRAIN != 0,
            // A weight that was changed in the configuration is the newer one.
            weight: (self.initial_weight == weight).then_some(self.weight),
            since: self.since,
            health: self.health,
        }
    }
}

impl SavedFiles {
    pub(super) fn new(base: Option<PathBuf>, file: Option<PathBuf>) -> SavedFiles {
        SavedFiles {
            base,
            file,
            read: BTreeMap::new(),
        }
    }

    fn at(&self, path: &Path) -> PathBuf {
        match &self.base {
            Some(base) => base.join(path),
            None => path.to_owned(),
        }
    }
}

impl Assembly {
    /// What a backend's servers were, by their names.
    pub(super) fn saved(&mut self, proxy: &Proxy) -> BTreeMap<String, Line> {
        let own = PathBuf::from(match &proxy.upstream.saved_file {
            Some(file) => file,
            None => &proxy.name.value,
        });
        let path = match proxy.upstream.saved {
            SavedStates::None => return BTreeMap::new(),
            SavedStates::Local => Some(own),
            SavedStates::Global => self.saved_files.file.clone(),
        };
        let Some(path) = path else {
            let message = "`load-server-state-from-file global` has no effect without a `server-state-file`";
            let warning = Diagnostic::warning(code::NO_EFFECT, proxy.name.span, message);
            self.faults.push(warning);
            return BTreeMap::new();
        };
        let path = self.saved_files.at(&path);
        let lines = match self.saved_files.read.get(&path) {
            Some(lines) => lines.clone(),
            None => {
                let lines = Arc::new(self.read_saved(&path, proxy.name.span));
                self.saved_files.read.insert(path, lines.clone());
                lines
            }
        };
        let ours = lines
            .iter()
            .filter(|((backend, _), _)| *backend == proxy.name.value);
        ours.map(|((_, server), line)| (server.clone(), line.clone()))
            .collect()
    }

    /// A file that can't be read is like one that says nothing: the first start has none.
    fn read_saved(&mut self, path: &Path, span: Span) -> Lines {
        let mut warn = |why: String| {
            let message = format!("the state of servers in `{}` is not used: {why}", path.display());
            self.faults
                .push(Diagnostic::warning(code::FILE_UNREADABLE, span, message));
        };
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(why) => {
                warn(why.to_string());
                return Lines::new();
            }
        };
        match parse(&text) {
            Ok((lines, skipped)) => {
                for number in skipped {
                    warn(format!("line {number} is not understood"));
                }
                lines
            }
            Err(why) => {
                warn(why);
                Lines::new()
            }
        }
    }
}

/// Reads a file, and tells the lines that aren't understood.
fn parse(text: &str) -> Result<(Lines, Vec<usize>), String> {
    let mut lines = text.lines();
    let version = lines.next().unwrap_or_default().trim();
    if version != VERSION {
        return Err(format!("its version is `{version}`, and not {VERSION}"));
    }
    let (mut servers, mut skipped) = (Lines::new(), Vec::new());
    for (at, line) in lines.enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        match server(line) {
            Some((name, server)) => drop(servers.insert(name, server)),
            None => skipped.push(at + 2),
        }
    }
    Ok((servers, skipped))
}

fn server(line: &str) -> Option<((String, String), Line)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let word = |at: usize| words.get(at).copied();
    let number = |at: usize| word(at)?.parse::<u32>().ok();
    let name = (word(1)?.to_owned(), word(3)?.to_owned());
    let server = Line {
        ip: word(4)?.parse().ok(),
        operational: match number(5)? {
            0 => Operational::Stopped,
            1 | 2 => Operational::Running,
            3 => Operational::Stopping,
            _ => return None,
        },
        admin: word(6)?.parse().ok()?,
        weight: number(7).filter(|weight| *weight <= 256)?,
        initial_weight: number(8)?,
        since: Duration::from_secs(number(9)?.into()),
        health: number(12)?,
        // Older files end before these.
        name: word(17).filter(|name| *name != "-").map(str::to_owned),
        port: word(18)
            .and_then(|port| port.parse().ok())
            .filter(|port| *port > 0),
    };
    Some((name, server))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "1\n# be_id be_name srv_id\n";

    #[test]
    fn a_line_tells_what_a_server_was() {
        let text =
            format!("{HEAD}3 app 1 s1 192.0.2.9 3 8 5 10 100 6 3 4 6 0 0 0 one.example 8080 - 0 0 - - 0\n");
        let (lines, skipped) = parse(&text).unwrap();
        assert!(skipped.is_empty());
        let line = &lines[&("app".to_owned(), "s1".to_owned())];
        assert_eq!(line.ip, Some([192, 0, 2, 9].into()));
        assert_eq!(
            (line.port, line.name.as_deref()),
            (Some(8080), Some("one.example"))
        );
        let saved = line.server(10, true);
        assert_eq!(saved.operational, Operational::Stopping);
        assert_eq!((saved.maint, saved.drain, saved.weight), (false, true, Some(5)));
        assert_eq!((saved.since, saved.health), (Duration::from_secs(100), 4));
        // The configuration has another weight by now, and nobody looks after the server any more.
        let saved = line.server(11, false);
        assert_eq!((saved.weight, saved.operational), (None, Operational::Running));
    }

    #[test]
    fn the_short_lines_of_the_manual_are_understood() {
        let text = "1\n1 bk 1 s1 127.0.0.1 2 0 11 11 4 6 3 4 6 0 0\n";
        let (lines, skipped) = parse(text).unwrap();
        assert!(skipped.is_empty());
        assert_eq!(lines[&("bk".to_owned(), "s1".to_owned())].port, None);
    }

    #[test]
    fn what_is_not_understood_is_told() {
        let text = format!("{HEAD}\nnonsense\n1 b 1 s 127.0.0.1 9 0 1 1 0 1 0 0 0 0\n");
        let (lines, skipped) = parse(&text).unwrap();
        assert!(lines.is_empty());
        assert_eq!(skipped, [4, 5]);
        assert!(parse("2\n").is_err() && parse("").is_err());
    }
}
