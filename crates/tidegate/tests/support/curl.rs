//! The few `curl` command lines that our examples use, run without curl.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use super::Result;

/// Long enough for the slowest machine: a wait that reaches it is a failure.
const PATIENCE: Duration = Duration::from_secs(20);

/// One command line, understood.
#[derive(Debug, PartialEq)]
pub(crate) enum Curl {
    /// `curl [-i] [-X METHOD] [-H HEADER]… [-d BODY] http://ADDRESS/PATH`
    Http {
        address: SocketAddr,
        head: bool,
        request: String,
    },
    /// `echo TEXT | curl telnet://ADDRESS`
    Telnet { address: SocketAddr, text: String },
}

impl Curl {
    /// Understands a command line; an option that is not listed above is an error.
    pub(crate) fn parse(line: &str) -> Result<Self> {
        let (input, command) = match line.split_once(" | ") {
            Some((input, command)) => (Some(input), command),
            None => (None, line),
        };
        let mut words = words(command)?.into_iter();
        if words.next().as_deref() != Some("curl") {
            return Err(format!("`{line}` is no curl command").into());
        }
        let (mut head, mut method, mut headers, mut body, mut url) = (false, None, Vec::new(), None, None);
        while let Some(word) = words.next() {
            let mut value = || {
                words
                    .next()
                    .ok_or_else(|| format!("`{word}` needs a value in `{line}`"))
            };
            match word.as_str() {
                "-i" => head = true,
                "-X" => method = Some(value()?),
                "-H" => headers.push(value()?),
                "-d" => body = Some(value()?),
                _ if word.starts_with('-') => {
                    return Err(format!("`{word}` is not understood in `{line}`").into());
                }
                _ => url = Some(word),
            }
        }
        let url = url.ok_or_else(|| format!("no URL in `{line}`"))?;
        if let Some(address) = url.strip_prefix("telnet://") {
            let text = input
                .and_then(|input| input.strip_prefix("echo "))
                .ok_or("telnet needs `echo TEXT |`")?;
            return Ok(Self::Telnet {
                address: address.parse()?,
                text: format!("{text}\n"),
            });
        }
        let rest = url
            .strip_prefix("http://")
            .ok_or_else(|| format!("`{url}` is not an http URL"))?;
        let slash = rest.find('/').unwrap_or(rest.len());
        let (address, path) = rest.split_at(slash);
        let path = if path.is_empty() { "/" } else { path };
        let method = method.unwrap_or_else(|| if body.is_some() { "POST" } else { "GET" }.to_owned());
        let mut request = format!("{method} {path} HTTP/1.1\r\n");
        if !headers.iter().any(|header| header.starts_with("host:")) {
            write!(request, "host: {address}\r\n")?;
        }
        request.push_str("connection: close\r\n");
        for header in headers {
            write!(request, "{header}\r\n")?;
        }
        if let Some(body) = body {
            let length = body.len();
            write!(
                request,
                "content-type: application/x-www-form-urlencoded\r\ncontent-length: {length}\r\n\r\n{body}"
            )?;
        } else {
            request.push_str("\r\n");
        }
        Ok(Self::Http {
            address: address.parse()?,
            head,
            request,
        })
    }

    /// Where the command connects to.
    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Http { address, .. } | Self::Telnet { address, .. } => *address,
        }
    }

    /// Runs the command and returns what it would print.
    pub(crate) fn run(&self) -> Result<String> {
        match self {
            Self::Http {
                address,
                head,
                request,
            } => {
                let answer = exchange(*address, request.as_bytes(), false)?;
                let (headers, body) = http_parts(&answer)?;
                Ok(if *head {
                    format!("{headers}\r\n\r\n{body}")
                } else {
                    body
                })
            }
            Self::Telnet { address, text } => {
                Ok(String::from_utf8(exchange(*address, text.as_bytes(), true)?)?)
            }
        }
    }
}

/// Sends `bytes` and returns all that comes back until the other side closes.
pub(crate) fn exchange(address: SocketAddr, bytes: &[u8], then_close: bool) -> Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(bytes)?;
    if then_close {
        stream.shutdown(Shutdown::Write)?;
    }
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

/// The head and the whole body of an HTTP/1.1 answer. A body cut short is an error.
pub(crate) fn http_parts(answer: &[u8]) -> Result<(String, String)> {
    let text = String::from_utf8(answer.to_vec())?;
    let (head, body) = text
        .split_once("\r\n\r\n")
        .ok_or_else(|| format!("no HTTP answer: `{text}`"))?;
    let header = |name: &str| {
        head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    };
    let body = if header("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        unchunked(body)?
    } else if let Some(length) = header("content-length") {
        if body.len() != length.parse::<usize>()? {
            return Err(format!("{} bytes of body, but content-length: {length}", body.len()).into());
        }
        body.to_owned()
    } else {
        body.to_owned()
    };
    Ok((head.to_owned(), body))
}

fn unchunked(mut rest: &str) -> Result<String> {
    let mut body = String::new();
    loop {
        let (size, after) = rest.split_once("\r\n").ok_or("a chunk without its size")?;
        let size = usize::from_str_radix(size.split(';').next().unwrap_or(size).trim(), 16)?;
        if size == 0 {
            return Ok(body);
        }
        body.push_str(after.get(..size).ok_or("a chunk cut short")?);
        rest = after
            .get(size..)
            .and_then(|after| after.strip_prefix("\r\n"))
            .ok_or("a chunk without its end")?;
    }
}

/// Splits a line as a shell would, single quotes being the only quotes.
fn words(line: &str) -> Result<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quoted = false;
    for letter in line.chars() {
        match letter {
            '\'' => {
                quoted = !quoted;
                word.get_or_insert_default();
            }
            ' ' if !quoted => words.extend(word.take()),
            _ => word.get_or_insert_default().push(letter),
        }
    }
    words.extend(word);
    if quoted {
        Err(format!("an open quote in `{line}`").into())
    } else {
        Ok(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_made_of_the_command_line() {
        let curl = Curl::parse("curl -i -H 'x-a: b c' -d 'two words' 'http://127.0.0.1:81/p?q=1'").unwrap();
        let Curl::Http {
            address,
            head,
            request,
        } = curl
        else {
            panic!("not http")
        };
        assert_eq!(address, "127.0.0.1:81".parse().unwrap());
        assert!(head);
        assert_eq!(
            request,
            "POST /p?q=1 HTTP/1.1\r\nhost: 127.0.0.1:81\r\nconnection: close\r\nx-a: b c\r\n\
             content-type: application/x-www-form-urlencoded\r\ncontent-length: 9\r\n\r\ntwo words"
        );
    }

    #[test]
    fn telnet_sends_what_echo_prints() {
        let curl = Curl::parse("echo ahoy | curl telnet://127.0.0.1:82").unwrap();
        assert_eq!(
            curl,
            Curl::Telnet {
                address: "127.0.0.1:82".parse().unwrap(),
                text: "ahoy\n".to_owned()
            }
        );
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        for line in [
            "wget http://127.0.0.1:1/",
            "curl -Z http://127.0.0.1:1/",
            "curl",
            "curl -H 'a http://127.0.0.1:1/",
        ] {
            assert!(Curl::parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_body_is_whole_or_an_error() {
        let chunked =
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
        assert_eq!(http_parts(chunked).unwrap().1, "abcde");
        assert!(http_parts(&chunked[..chunked.len() - 12]).is_err());
        assert_eq!(
            http_parts(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab")
                .unwrap()
                .1,
            "ab"
        );
        assert!(http_parts(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab").is_err());
        assert!(http_parts(b"").is_err());
    }
}
