//! `tidegate explain`: each page's wrong example has the fault that the page is about, and the right one has not.

mod support;

use std::path::PathBuf;
use std::process::{Command, Output};

use support::Result;
use support::program::binary;
use tidegate_config::{CODES, Code};

/// A directory with the files of an example.
struct Place(PathBuf);

impl Place {
    fn of(code: Code, name: &str) -> Result<Place> {
        let place =
            Place(std::env::temp_dir().join(format!("tidegate-{code}-{name}-{}", std::process::id())));
        std::fs::create_dir_all(place.0.join("conf.d"))?;
        for (name, text) in code.page().files() {
            let path = place.0.join(name);
            std::fs::create_dir_all(path.parent().unwrap_or(&place.0))?;
            std::fs::write(path, text)?;
        }
        Ok(place)
    }

    /// Checks the example; its marks stand for what can't be shown.
    fn check(&self, example: &str) -> Result<Output> {
        let mut command = Command::new(binary());
        match example.strip_prefix("$ tidegate ") {
            Some(arguments) => {
                std::fs::write(self.0.join("site.cfg"), "global\n")?;
                std::fs::File::create(self.0.join("access.log"))?.set_len(300 << 20)?;
                command.args(arguments.split_whitespace());
            }
            None => {
                std::fs::write(self.0.join("site.cfg"), bytes(example))?;
                command.args(["-c", "-f", "site.cfg"]);
            }
        }
        let many = "word ".repeat(5000);
        Ok(command
            .current_dir(&self.0)
            .env("NO_COLOR", "1")
            .env("HOME", "/")
            .env("MANY", many)
            .output()?)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn bytes(example: &str) -> Vec<u8> {
    let text = example.split('␃').next().unwrap_or_default().replace('␀', "\0");
    let mut out = Vec::new();
    for (at, part) in text.split('\u{fffd}').enumerate() {
        if at > 0 {
            out.push(0xff);
        }
        out.extend_from_slice(part.as_bytes());
    }
    out
}

#[test]
fn examples_are_what_their_pages_say() -> Result<()> {
    let mut wrong = Vec::new();
    for code in CODES {
        let page = code.page();
        let tag = format!("[{code}]");
        let place = Place::of(*code, "wrong")?;
        let said = String::from_utf8_lossy(&place.check(page.wrong)?.stderr).into_owned();
        if !said.contains(&tag) {
            wrong.push(format!("{code}: the wrong example hasn't the fault:\n{said}"));
        }
        let others: Vec<&str> = said
            .lines()
            .filter(|line| line.starts_with("error[") && !line.contains(&tag))
            .collect();
        if !others.is_empty() {
            wrong.push(format!("{code}: the wrong example has other faults: {others:?}"));
        }
        let place = Place::of(*code, "right")?;
        let output = place.check(page.right)?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // 2: valid, and listens nowhere
        if !matches!(output.status.code(), Some(0 | 2)) || !said.is_empty() {
            wrong.push(format!("{code}: the right example has a fault:\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
    Ok(())
}

fn explain(args: &[&str]) -> Result<(Option<i32>, String, String)> {
    let output = Command::new(binary())
        .arg("explain")
        .args(args)
        .env("NO_COLOR", "1")
        .output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok((output.status.code(), text(&output.stdout), text(&output.stderr)))
}

#[test]
fn a_code_has_a_page_with_both_examples() -> Result<()> {
    let (status, page, _) = explain(&["tg0108"])?;
    assert_eq!(status, Some(0));
    assert_eq!(
        page,
        "TG0108: a number, time or size isn't valid or is out of range\n\n\
         A number isn't one, is out of range, or has an unknown unit. Times have `us`, `ms`, `s`, `m`, `h` or `d`, and are\n\
         milliseconds without a unit; sizes have `k`, `m` or `g`. There are no fractions.\n\n\
         Wrong:\n\n    defaults\n        timeout client 1.5s\n\n\
         Right:\n\n    defaults\n        timeout client 1500ms\n\n\
         In HAProxy's manual: section 2.5\n"
    );
    Ok(())
}

#[test]
fn without_a_code_all_are_listed() -> Result<()> {
    let (status, list, _) = explain(&[])?;
    assert_eq!((status, list.lines().count()), (Some(0), CODES.len()));
    assert!(
        list.starts_with("TG0001  a file or directory can't be read\n"),
        "{list}"
    );
    Ok(())
}

#[test]
fn an_unknown_code_is_an_error_with_a_suggestion() -> Result<()> {
    assert_eq!(
        explain(&["TG0109x"])?,
        (
            Some(1),
            String::new(),
            "error: there is no code `TG0109x`; did you mean `TG0109`?\n".into()
        )
    );
    let (status, _, said) = explain(&["everything"])?;
    assert_eq!(status, Some(1));
    assert!(said.contains("`tidegate explain` lists all"), "{said}");
    let (status, _, said) = explain(&["TG0001", "TG0002"])?;
    assert_eq!(status, Some(1));
    assert!(said.contains("takes one code"), "{said}");
    Ok(())
}
