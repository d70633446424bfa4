//! The files that say what a command answers: `$ ` before the command, then the answer, then an empty line.

use super::Result;

/// One command and its expected answer.
#[derive(Debug, PartialEq)]
pub(crate) struct Step {
    /// The command line, without its `$ `.
    pub(crate) command: String,
    /// The lines of the answer.
    pub(crate) expected: Vec<String>,
}

/// Reads the steps of a transcript. Lines before the first command are comments.
pub(crate) fn parse(text: &str) -> Result<Vec<Step>> {
    let mut steps: Vec<Step> = Vec::new();
    for line in text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            steps.push(Step {
                command: command.trim().to_owned(),
                expected: Vec::new(),
            });
        } else if let Some(step) = steps.last_mut() {
            step.expected.push(line.to_owned());
        } else if !line.is_empty() && !line.starts_with('#') {
            return Err(format!("expect.txt: a `$ ` line expected, not `{line}`").into());
        }
    }
    for step in &mut steps {
        while step.expected.last().is_some_and(String::is_empty) {
            step.expected.pop();
        }
    }
    Ok(steps)
}

/// Whether a line of output is one that a reader is meant to run.
pub(crate) fn is_command(line: &str) -> bool {
    line.starts_with("curl ") || line.contains(" | curl ")
}

impl Step {
    /// What differs between `answer` and what was expected, if anything.
    ///
    /// An expected answer that begins with a status line has headers up to its first empty line: each of them must be in
    /// the answer, in any order, and others may be there too. All else must be the same, line by line.
    pub(crate) fn compare(&self, answer: &str) -> Option<String> {
        // An empty line at the end can't be told from the one before the next command.
        let lines: Vec<&str> = answer.trim_end_matches('\n').lines().collect();
        let expected: Vec<&str> = self.expected.iter().map(String::as_str).collect();
        let same = if expected.first().is_some_and(|line| line.starts_with("HTTP/")) {
            let (expected_head, expected_body) = split(&expected);
            let (head, body) = split(&lines);
            alike(expected_head.first(), head.first())
                && expected_head
                    .iter()
                    .all(|expected| head.iter().any(|line| line_matches(expected, line)))
                && all_match(expected_body, body)
        } else {
            all_match(&expected, &lines)
        };
        (!same).then(|| {
            format!(
                "{}\n--- expected\n{}\n--- answered\n{answer}",
                self.command,
                self.expected.join("\n")
            )
        })
    }
}

fn alike(expected: Option<&&str>, line: Option<&&str>) -> bool {
    matches!((expected, line), (Some(expected), Some(line)) if line_matches(expected, line))
}

/// The head and the body of an answer with headers.
fn split<'a, 'b>(lines: &'b [&'a str]) -> (&'b [&'a str], &'b [&'a str]) {
    let end = lines
        .iter()
        .position(|line| line.is_empty())
        .unwrap_or(lines.len());
    (
        lines.get(..end).unwrap_or_default(),
        lines.get(end + 1..).unwrap_or_default(),
    )
}

fn all_match(expected: &[&str], lines: &[&str]) -> bool {
    expected.len() == lines.len()
        && expected
            .iter()
            .zip(lines)
            .all(|(expected, line)| line_matches(expected, line))
}

/// Whether a line is as expected, where `[..]` stands for any text.
fn line_matches(expected: &str, line: &str) -> bool {
    match expected.split_once("[..]") {
        None => expected == line,
        Some((before, after)) => line.strip_prefix(before).is_some_and(|rest| {
            (0..=rest.len()).any(|skip| rest.get(skip..).is_some_and(|rest| line_matches(after, rest)))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(expected: &str) -> Step {
        let mut steps = parse(&format!("$ curl x\n{expected}")).unwrap();
        steps.remove(0)
    }

    #[test]
    fn a_transcript_is_read_step_by_step() {
        let steps = parse("# why\n\n$ curl a\none\n\ntwo\n\n$ curl b\n").unwrap();
        assert_eq!(steps.len(), 2);
        assert_eq!(steps[0].command, "curl a");
        assert_eq!(steps[0].expected, ["one", "", "two"]);
        assert_eq!(steps[1].expected, Vec::<String>::new());
        assert!(parse("text\n$ curl a\n").is_err());
    }

    #[test]
    fn answers_are_compared_line_by_line() {
        assert_eq!(step("a\nb").compare("a\nb\n"), None);
        assert!(step("a\nb").compare("a\n").is_some());
        assert!(step("a").compare("a\nb\n").is_some());
        assert_eq!(step("ran [..] times").compare("ran 12 times\n"), None);
        assert!(step("ran [..] times").compare("ran 12 time\n").is_some());
    }

    #[test]
    fn headers_may_come_in_any_order_but_not_be_missing() {
        let step = step("HTTP/1.1 200 OK\nb: 2\na: 1\n\nbody");
        assert_eq!(
            step.compare("HTTP/1.1 200 OK\r\na: 1\r\nc: 3\r\nb: 2\r\n\r\nbody\n"),
            None
        );
        assert!(step.compare("HTTP/1.1 200 OK\r\na: 1\r\n\r\nbody\n").is_some());
        assert!(
            step.compare("HTTP/1.1 500 No\r\na: 1\r\nb: 2\r\n\r\nbody\n")
                .is_some()
        );
        assert!(
            step.compare("HTTP/1.1 200 OK\r\na: 1\r\nb: 2\r\n\r\nother\n")
                .is_some()
        );
    }
}
