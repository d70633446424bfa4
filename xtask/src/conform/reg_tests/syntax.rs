//! Tests as Debian's `varnishtest` understands them. It is older than what HAProxy's are written for; what it spells
//! differently is spelt its way in a copy, and means the same.

use std::io;
use std::path::{Path, PathBuf};

/// What is written in newer tests, and how it was spelt before: a header that isn't there, the process that starts
/// another for the traffic.
const SPELLINGS: [(&str, &str); 2] = [("\"<undef>\"", "<undef>"), (" -Ws ", " -W ")];

/// A test's text as the older program has it; none if nothing differs.
pub(super) fn older(text: &str) -> Option<String> {
    let spelt = SPELLINGS
        .iter()
        .fold(text.to_owned(), |text, (new, old)| text.replace(new, old));
    (spelt != text).then_some(spelt)
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
        assert_eq!(
            older(text).unwrap(),
            "expect resp.http.a == <undef>\nhaproxy h1 -W -S -conf {\n"
        );
        assert_eq!(older("expect resp.http.a == <undef>\n"), None);
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
