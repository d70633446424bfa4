//! `tidegate explain`: what a diagnostic's code means.

use tidegate_config::{CODES, Code, closest};

use crate::program::Exit;
use crate::report::Report;

/// Tells about a code, or lists all.
pub(crate) fn run(code: Option<&str>, report: Report) -> Exit {
    let Some(written) = code else {
        let lines: Vec<String> = CODES
            .iter()
            .map(|code| format!("{code}  {}", code.meaning()))
            .collect();
        report.answer(&lines.join("\n"));
        return Exit::Success;
    };
    let name = written.to_ascii_uppercase();
    match CODES.iter().find(|code| code.name() == name) {
        Some(code) => {
            report.answer(&page(*code));
            Exit::Success
        }
        None => {
            let mut why = format!("there is no code `{written}`");
            match closest(&name, CODES.iter().map(|code| code.name())) {
                Some(name) => why.push_str(&format!("; did you mean `{name}`?")),
                None => why.push_str("; `tidegate explain` lists all"),
            }
            report.error(&why);
            Exit::Failure
        }
    }
}

fn page(code: Code) -> String {
    let page = code.page();
    format!(
        "{code}: {}\n\n{}\n\nWrong:\n\n{}\nRight:\n\n{}\nIn HAProxy's manual: section {}",
        code.meaning(),
        page.about,
        indented(page.wrong),
        indented(page.right),
        page.manual
    )
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}
