//! Running one test, and what came of it.

use std::fmt;
use std::path::Path;
use std::process::Command;

use super::Options;
use super::syntax::{self, Copied};

/// What came of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed,
    /// It doesn't apply, for this reason of its own.
    Skipped(String),
    /// It failed, first for this reason.
    Failed(String),
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Outcome::Passed => write!(f, "passed"),
            Outcome::Skipped(why) => write!(f, "skipped: {why}"),
            Outcome::Failed(why) => write!(f, "failed: {why}"),
        }
    }
}

/// The status of a test that doesn't apply.
const SKIPPED: i32 = 77;

/// Runs a test on a program.
pub(super) fn of(file: &Path, program: &Path, options: &Options) -> Outcome {
    let text = match std::fs::read(file) {
        Ok(text) => String::from_utf8_lossy(&text).into_owned(),
        Err(error) => return Outcome::Failed(error.to_string()),
    };
    let changed = options.regardless.then(|| syntax::unconditional(&text));
    let text = changed.clone().unwrap_or(text);
    if let Some(why) = not_for_us(&text) {
        return Outcome::Skipped(why);
    }
    let directory = file.parent().unwrap_or(file);
    let older = syntax::older(&text, directory);
    let copied =
        match older.and_then(|older| older.or(changed).map(|text| Copied::new(file, &text)).transpose()) {
            Ok(copied) => copied,
            Err(error) => return Outcome::Failed(error.to_string()),
        };
    let run = Command::new(&options.varnishtest)
        .args(["-v", "-t"])
        .arg(options.limit_seconds.to_string())
        .arg(copied.as_ref().map_or(file, |copied| &copied.test))
        .env("HAPROXY_PROGRAM", program)
        .output();
    let output = match run {
        Ok(output) => output,
        Err(error) => return Outcome::Failed(error.to_string()),
    };
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let said = match copied.as_ref().and_then(|copied| copied.test.parent()) {
        Some(copy) => said.replace(&*copy.to_string_lossy(), &directory.to_string_lossy()),
        None => said,
    };
    let said = without_place(&said, &options.path);
    match output.status.code() {
        Some(0) => Outcome::Passed,
        _ if options.shows => {
            println!("{said}");
            Outcome::Failed(why_failed(&said))
        }
        Some(SKIPPED) => Outcome::Skipped(why_skipped(&said)),
        _ => Outcome::Failed(why_failed(&said)),
    }
}

/// What was said, without where the checkout lies: the table is for others too.
fn without_place(said: &str, checkout: &Path) -> String {
    let place = checkout.display().to_string();
    said.replace(&format!("/{place}"), "reg-tests")
        .replace(&place, "reg-tests")
}

/// The conditions that stand in comments, for the program that runs HAProxy's tests rather than for `varnishtest`.
fn not_for_us(text: &str) -> Option<String> {
    let value = |name: &str| {
        let mut lines = text
            .lines()
            .filter_map(|line| line.strip_prefix('#')?.strip_prefix(name)?.strip_prefix('='));
        lines.next().map(str::trim)
    };
    if value("REGTEST_TYPE") == Some("broken") {
        return Some("the test says itself that it is broken".into());
    }
    let targets = value("EXCLUDE_TARGETS").unwrap_or_default();
    let here = format!("{}-glibc", std::env::consts::OS);
    let excluded = targets.split(',').any(|target| target.trim() == here);
    excluded.then(|| format!("not for {here}"))
}

/// The condition that didn't hold: the last command that was run.
fn why_skipped(said: &str) -> String {
    let before = said.lines().take_while(|line| !line.contains("lacking feature"));
    let condition = before.filter_map(|line| line.split_once("=== feature ")).last();
    match condition {
        Some((_, condition)) => {
            let condition = condition.trim_start_matches("cmd ").trim_matches('"');
            format!(
                "needs {}",
                condition
                    .replace("$HAPROXY_PROGRAM $HAPROXY_ARGS ", "")
                    .replace("$HAPROXY_PROGRAM ", "")
            )
        }
        None => "for a reason of its own".into(),
    }
}

/// The first line that tells what is wrong: a fault in a configuration, a panic, or what was not as expected. A test may
/// have configurations that are meant to be refused: where one program is at fault, its own faults count.
fn why_failed(said: &str) -> String {
    let fatal = said.lines().find_map(|line| line.strip_prefix("----"));
    let culprit = fatal
        .and_then(|fatal| fatal.split_whitespace().next())
        .filter(|name| name.starts_with('h'));
    let mut faults = faults(said, culprit);
    if faults.is_empty() {
        faults = self::faults(said, None);
    }
    if let Some((first, rest)) = faults.split_first() {
        return match rest.len() {
            0 => first.clone(),
            1 => format!("{first}; and one more fault"),
            more => format!("{first}; and {more} more faults"),
        };
    }
    match fatal {
        Some(fatal) => fatal.split_whitespace().collect::<Vec<_>>().join(" "),
        None if said.contains("TIMED OUT") => "it did not end in time".into(),
        None => "without a word".into(),
    }
}

/// The faults that programs told of, or one of them.
fn faults(said: &str, of: Option<&str>) -> Vec<String> {
    let mut faults: Vec<String> = Vec::new();
    for line in said.lines() {
        let Some((head, text)) = line.split_once("debug|") else {
            continue;
        };
        if of.is_some_and(|name| head.split_whitespace().nth(1) != Some(name)) {
            continue;
        }
        let text = text.trim();
        let fault = match text.split_once("]: ") {
            Some((head, message)) if head.starts_with("error[") => message,
            _ => match text.strip_prefix("error: ") {
                Some(message) => message,
                None if text.contains("panicked at") => text,
                None => continue,
            },
        };
        if !faults.iter().any(|known| known == fault) {
            faults.push(fault.to_owned());
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_of_a_configuration_come_first() {
        let said = "***  h1    debug|error[TG0102]: `x` is not supported yet\n***  h1    debug| --> cfg:7:9\n\
                    ***  h1    debug|error[TG0102]: `y` is not supported yet\n---- c1    HTTP rx timeout\n";
        assert_eq!(why_failed(said), "`x` is not supported yet; and one more fault");
        assert_eq!(
            why_failed("***  h1    debug|error: cannot listen:\n"),
            "cannot listen:"
        );
    }

    #[test]
    fn the_place_of_the_checkout_is_left_out() {
        let said = "cannot read `//home/me/reg-tests/lua/a.lua`, /home/me/reg-tests/lua/b.lua";
        assert_eq!(
            without_place(said, Path::new("/home/me/reg-tests")),
            "cannot read `reg-tests/lua/a.lua`, reg-tests/lua/b.lua"
        );
    }

    #[test]
    fn else_it_is_what_was_not_as_expected() {
        let said = "***  c1 rxresp\n---- c1    EXPECT resp.status (503) == \"200\" failed\n---- c1 more\n";
        assert_eq!(why_failed(said), "c1 EXPECT resp.status (503) == \"200\" failed");
        assert_eq!(
            why_failed("#    top  TEST x TIMED OUT (kill -9)\n"),
            "it did not end in time"
        );
    }

    #[test]
    fn conditions_are_honoured() {
        assert_eq!(not_for_us("#REGTEST_TYPE=slow\n"), None);
        assert!(not_for_us("# x\n#REGTEST_TYPE=broken\n").is_some());
        assert_eq!(not_for_us("#EXCLUDE_TARGETS=freebsd,osx\n"), None);
        let here = format!("#EXCLUDE_TARGETS=osx,{}-glibc\n", std::env::consts::OS);
        assert!(not_for_us(&here).is_some());
        let said = "**   top   === feature cmd \"true\"\n**   top   === feature cmd \"$HAPROXY_PROGRAM -cc 'feature(X)'\"\n\
                    *    top   SKIPPING test, lacking feature: cmd\n**   top   === feature other\n";
        assert_eq!(why_skipped(said), "needs -cc 'feature(X)'");
    }
}
