//! Running the cases on one program: it is started, and whatever a case waits for is made to happen.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use super::ground::{Files, Ground};
use crate::Result;
use crate::process::Process;

/// Longest wait for an answer, and for a case that runs by itself.
const LIMIT: Duration = Duration::from_secs(6);

/// A case, and what came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) entry: String,
    pub(super) place: String,
    /// What the documentation lets it say; empty where the reference says it.
    pub(super) expected: String,
    /// What it said, line by line.
    pub(super) said: Vec<String>,
    /// What whoever caused it to run got.
    pub(super) got: String,
    pub(super) ended: bool,
}

/// Cases by their names.
pub(super) type Cases = BTreeMap<String, Case>;

/// The body of every request, and what follows a stream's first line.
const LINES: &str = "first\nsecond\nend";

pub(super) fn run(ground: &Ground, program: &Path, directory: &Path) -> Result<Cases> {
    std::fs::create_dir_all(directory)?;
    let files = ground.write(directory)?;
    let command: Vec<String> = [program, Path::new("-db"), Path::new("-f"), &files.configuration]
        .map(|word| word.to_string_lossy().into_owned())
        .to_vec();
    let process = Process::start(&command, 0, &files.output, ground.http)?;
    let of_program = |what: &str, error: &dyn std::fmt::Display| {
        format!("{}: {what}: {error}: {}", program.display(), process.log())
    };
    let planned = read(&files)?;
    over_api(
        &files,
        "set table table key key data.gpc0 5 data.http_req_cnt 7\n",
    )?;
    let mut answers = BTreeMap::new();
    for (id, case) in &planned {
        let answer = cause(ground, &files, id, &case.place).map_err(|error| of_program(id, &*error))?;
        answers.insert(id.clone(), answer);
    }
    over_api(&files, "set server back/moved state maint\n")?;
    over_api(&files, "set server back/moved state ready\n")?;
    let mut cases = settled(&files)?;
    for (id, answer) in answers {
        if let Some(case) = cases.get_mut(&id) {
            case.got = answer;
        }
    }
    Ok(cases)
}

/// Lets a case run, unless it does so by itself, and gives what came back.
fn cause(ground: &Ground, files: &Files, id: &str, place: &str) -> Result<String> {
    match place {
        "request" | "response" | "service" | "fetch" | "converter" | "head" | "answer-head" | "body"
        | "longer" => {
            let address = match place {
                "head" | "answer-head" | "body" | "longer" => ground.filtered,
                _ => ground.http,
            };
            let request = format!(
                "POST /{place}/{id}?a=1&b=2 HTTP/1.1\r\nhost: example.org\r\nx-one: one\r\nx-two: a\r\nx-two: b\r\nx-list: a, b1, b2\r\n\
                 cookie: c=1\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{LINES}",
                LINES.len()
            );
            Ok(head_and_body(&exchange(address, &request, false)?))
        }
        "stream" | "answer" => exchange(ground.stream, &format!("{id}\n{LINES}"), true),
        "passing" => exchange(ground.passing, &format!("{id}\n{LINES}"), true),
        "tcp-service" => exchange(ground.tcp, &format!("{id}\n{LINES}"), true),
        "command" => over_api(files, &format!("case {id}\n")),
        // They run by themselves.
        _ => Ok(String::new()),
    }
}

/// Sends something and gives all that comes back.
fn exchange(address: SocketAddr, text: &str, ends: bool) -> Result<String> {
    let mut connection = TcpStream::connect(address)?;
    connection.set_read_timeout(Some(LIMIT))?;
    connection.write_all(text.as_bytes())?;
    if ends {
        connection.shutdown(Shutdown::Write)?;
    }
    rest(connection)
}

fn over_api(files: &Files, line: &str) -> Result<String> {
    let mut connection = api(files)?;
    connection.set_read_timeout(Some(LIMIT))?;
    connection.write_all(line.as_bytes())?;
    rest(connection)
}

/// A connection to the API, which may open a little later than what clients connect to.
fn api(files: &Files) -> Result<UnixStream> {
    let start = Instant::now();
    loop {
        match UnixStream::connect(&files.api) {
            Err(_) if start.elapsed() < LIMIT => std::thread::sleep(Duration::from_millis(20)),
            connected => return Ok(connected?),
        }
    }
}

fn rest(mut connection: impl Read) -> Result<String> {
    let mut answer = Vec::new();
    match connection.read_to_end(&mut answer) {
        Ok(_) => Ok(String::from_utf8_lossy(&answer).into_owned()),
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok("(reset)".to_owned()),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok("(no end)".to_owned()),
        Err(error) => Err(error.into()),
    }
}

/// A response without what is a program's own affair: how its body is framed, pages of its own.
fn head_and_body(answer: &str) -> String {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else {
        return answer.to_owned();
    };
    let mut lines = head.lines();
    let status = lines.next().unwrap_or_default();
    let is_framing = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default().to_lowercase();
        let framing = [
            "transfer-encoding",
            "content-length",
            "connection",
            "cache-control",
        ];
        framing.contains(&name.as_str())
    };
    let mut kept: Vec<&str> = lines.filter(|line| !is_framing(line)).collect();
    kept.sort_unstable();
    let body = if head.to_lowercase().contains("transfer-encoding: chunked") {
        unchunked(body)
    } else {
        body.to_owned()
    };
    let body =
        if body.to_lowercase().starts_with("<html>") || body.to_lowercase().starts_with("<!doctype html>") {
            "(a page of errors)".to_owned()
        } else if body.len() > 2000 {
            format!("({} bytes)", body.len())
        } else {
            body
        };
    format!("{status}\n{}\n\n{body}", kept.join("\n"))
}

fn unchunked(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, behind)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let (Some(piece), Some(next)) = (behind.get(..size), behind.get(size + 2..)) else {
            return body + "(cut off)";
        };
        if size == 0 {
            return body;
        }
        body.push_str(piece);
        rest = next;
    }
    body + "(cut off)"
}

/// Waits for the cases that run by themselves, and reads what all said.
fn settled(files: &Files) -> Result<Cases> {
    let start = Instant::now();
    loop {
        let cases = read(files)?;
        let over = |case: &Case| match case.place.as_str() {
            "task" | "init" | "load" => case.ended,
            "event" => case.ended && !case.said.is_empty(),
            _ => true,
        };
        if cases.values().all(over) || start.elapsed() > LIMIT {
            return Ok(cases);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What the cases wrote so far.
fn read(files: &Files) -> Result<Cases> {
    let mut cases = Cases::new();
    let text = std::fs::read(&files.said)?;
    for line in String::from_utf8_lossy(&text).lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        match fields.as_slice() {
            ["plan", id, entry, place, expected] => {
                let case = cases.entry((*id).to_owned()).or_default();
                case.entry = (*entry).to_owned();
                case.place = (*place).to_owned();
                case.expected = unescaped(expected);
            }
            ["say", id, said] => cases
                .entry((*id).to_owned())
                .or_default()
                .said
                .push((*said).to_owned()),
            ["end", id] => cases.entry((*id).to_owned()).or_default().ended = true,
            _ => return Err(format!("not a line of a case: {line}").into()),
        }
    }
    Ok(cases)
}

/// What the scripts escaped, but for the ends of lines: what was expected has several.
fn unescaped(text: &str) -> String {
    let mut plain = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, characters.clone().next()) {
            ('\\', Some(escaped)) => {
                plain.push(if escaped == 'n' { '\n' } else { escaped });
                characters.next();
            }
            _ => plain.push(character),
        }
    }
    plain
}

impl Case {
    /// The entry is not there.
    pub(super) fn is_absent(&self) -> bool {
        self.said.iter().any(|line| line == "absent")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_got_is_told_without_framing() {
        let answer = "HTTP/1.1 200 OK\r\nx-b: 1\r\ntransfer-encoding: chunked\r\nx-a: 2\r\n\r\n3\r\none\r\n4\r\n two\r\n0\r\n\r\n";
        assert_eq!(
            head_and_body(answer),
            "HTTP/1.1 200 OK\nx-a: 2\nx-b: 1\n\none two"
        );
        assert_eq!(unescaped(r"'a\\n'\nb"), "'a\\n'\nb");
        assert_eq!(unchunked("5\r\non"), "(cut off)");
        assert_eq!(head_and_body(""), "");
    }
}
