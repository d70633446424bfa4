//! Tests as Debian's `varnishtest` understands them. It is older than what HAProxy's are written for; what it spells
//! differently is spelt its way in a copy, and means the same.

use std::io;
use std::path::{Path, PathBuf};

/// What is written in newer tests, and how it was spelt before: a header that isn't there, the process that starts
/// another for the traffic.
const SPELLINGS: [(&str, &str); 2] = [("\"<undef>\"", "<undef>"), (" -Ws ", " -W ")];

/// Files inside each other, at most.
const DEPTH_MAX: usize = 8;

/// The text of a test in a directory as the older program has it; none if nothing differs.
///
/// # Errors
/// A file that it includes can't be read.
pub(super) fn older(text: &str, directory: &Path) -> io::Result<Option<String>> {
    let whole = included(text, directory, 0)?;
    let spelt = SPELLINGS
        .iter()
        .fold(whole, |text, (new, old)| text.replace(new, old));
    Ok((spelt != text).then_some(spelt))
}

/// A test without the lines that say what it needs of the program.
pub(super) fn unconditional(text: &str) -> String {
    let lines = text.split_inclusive('\n');
    lines
        .filter(|line| !(line.starts_with("feature cmd ") && line.contains(" -cc ")))
        .collect()
}

/// A text with those in the places of the lines that include them.
fn included(text: &str, directory: &Path, depth: usize) -> io::Result<String> {
    let mut whole = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let Some(file) = line.strip_prefix("include ") else {
            whole.push_str(line);
            continue;
        };
        if depth >= DEPTH_MAX {
            return Err(io::Error::other("files include each other without an end"));
        }
        let file = file.trim().trim_matches('"');
        let file = file.replace("${testdir}", &directory.to_string_lossy());
        let of_file = std::fs::read(&file).map_err(|why| io::Error::other(format!("{file}: {why}")))?;
        let of_file = String::from_utf8_lossy(&of_file);
        whole.push_str(&included(&of_file, directory, depth + 1)?);
        whole.push('\n');
    }
    Ok(whole)
}

/// A directory like the test's own, with another text in its place. It is removed when this is dropped.
pub(super) struct Copied {
    directory: PathBuf,
    pub(super) test: PathBuf,
}

impl Copied {
    pub(super) fn new(original: &Path, text: &str) -> io::Result<Copied> {
        let name = original.file_name().unwrap_or_default();
        let (from, stem) = (
            original.parent().unwrap_or(original),
            original.file_stem().unwrap_or_default(),
        );
        let place = format!("tidegate-reg-tests-{}/{}", std::process::id(), from.display()).replace('/', "-");
        let directory = std::env::temp_dir().join(place + "-" + &stem.to_string_lossy());
        std::fs::create_dir_all(&directory)?;
        let copied = Copied {
            test: directory.join(name),
            directory,
        };
        std::fs::write(&copied.test, text)?;
        for beside in std::fs::read_dir(from)? {
            let beside = beside?;
            if beside.file_name() != name {
                std::os::unix::fs::symlink(beside.path(), copied.directory.join(beside.file_name()))?;
            }
        }
        Ok(copied)
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        // Only its own: links are removed, not what they lead to.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_newer_tests_spell_differently_is_spelt_as_before() {
        let text = "expect resp.http.a == \"<undef>\"\nhaproxy h1 -Ws -S -conf {\n";
        let older = |text| older(text, Path::new("/")).unwrap();
        assert_eq!(
            older(text).unwrap(),
            "expect resp.http.a == <undef>\nhaproxy h1 -W -S -conf {\n"
        );
        assert_eq!(older("expect resp.http.a == <undef>\n"), None);
    }

    #[test]
    fn what_a_test_needs_can_be_left_out() {
        let text =
            "feature cmd \"$HAPROXY_PROGRAM -cc 'feature(X)'\"\nfeature cmd \"true\"\nclient c1 {\n}\n";
        assert_eq!(unconditional(text), "feature cmd \"true\"\nclient c1 {\n}\n");
    }

    #[test]
    fn what_is_included_stands_in_its_place() {
        let place = std::env::temp_dir().join(format!("tidegate-includes-{}", std::process::id()));
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join("a.vtci"), "a\ninclude ${testdir}/b.vtci\n").unwrap();
        std::fs::write(place.join("b.vtci"), "b").unwrap();
        std::fs::write(place.join("c.vtci"), "include ${testdir}/c.vtci\n").unwrap();
        let older = |text| older(text, &place);
        let text = "setenv A b\ninclude ${testdir}/a.vtci\nclient c1 {\n    include\n}\n";
        let whole = older(text).unwrap().unwrap();
        assert_eq!(whole, "setenv A b\na\nb\n\nclient c1 {\n    include\n}\n");
        assert!(older("include ${testdir}/nope.vtci").is_err());
        assert!(older("include ${testdir}/c.vtci").is_err());
        std::fs::remove_dir_all(&place).unwrap();
    }

    #[test]
    fn a_copy_has_the_same_neighbours_and_goes_away() {
        let place = std::env::temp_dir().join(format!("tidegate-syntax-{}", std::process::id()));
        std::fs::create_dir_all(&place).unwrap();
        std::fs::write(place.join("a.vtc"), "new").unwrap();
        std::fs::write(place.join("a.lua"), "script").unwrap();
        let copied = Copied::new(&place.join("a.vtc"), "old").unwrap();
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        assert_eq!(read(&copied.test), "old");
        assert_eq!(read(&copied.test.with_file_name("a.lua")), "script");
        let directory = copied.directory.clone();
        drop(copied);
        assert!(!directory.exists());
        assert_eq!(read(&place.join("a.lua")), "script");
        std::fs::remove_dir_all(&place).unwrap();
    }
}
