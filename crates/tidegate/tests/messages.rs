//! What rules make of messages in the running program: headers, variables, and answers without a server.

mod support;

use std::io::{BufReader, Read, Write};

use support::Result;
use support::origin::{head, origin, server};
use support::site::Site;

const DEFAULTS: &str = "\
defaults
    mode http
    timeout connect 5s
    timeout client 15s
    timeout server 15s
";

/// The lines of a head that begin with `x-`, sorted.
fn marks(head: &str) -> Vec<&str> {
    let mut marks: Vec<&str> = head.lines().filter(|line| line.starts_with("x-")).collect();
    marks.sort_unstable();
    marks
}

#[test]
fn headers_and_variables_are_changed_on_both_ways() -> Result<()> {
    // The body of its answer is the head that reached it.
    let origin = origin(|stream| {
        let seen = head(&mut BufReader::new(stream.try_clone()?))?;
        let mut to = stream;
        write!(
            to,
            "HTTP/1.1 200 OK\r\nx-gone: 1\r\nx-kept: 1\r\nx-set: old\r\nx-set: older\r\ncontent-length: {}\r\n\r\n{seen}",
            seen.len()
        )?;
        Ok(())
    })?;
    let config = format!(
        "{DEFAULTS}listen site\n    bind 127.0.0.1:8080\n    \
         http-request set-var(txn.path) path,upper\n    \
         http-request set-var-fmt(txn.both) \"%[method] %[var(txn.path)]\"\n    \
         http-request unset-var(txn.path)\n    \
         http-request add-header x-added one\n    \
         http-request add-header x-added \"%[var(txn.both)]\"\n    \
         http-request set-header x-set \"<%[var(txn.path)]>\"\n    \
         http-request del-header x-gone\n    \
         http-request set-header x-never 1 if {{ path /other }}\n    \
         http-response set-var(res.was) res.hdr(x-gone)\n    \
         http-response del-header x-gone\n    \
         http-response set-header x-set \"%[var(txn.both)]\"\n    \
         http-response add-header x-added \"%[var(res.was)]\"\n    \
         http-response add-header x-added %[status]\n    \
         http-response set-status 203\n    \
         http-after-response set-header x-after last\n    \
         server o {}\n",
        server(origin)
    );
    let site = Site::start("messages", &[("site.cfg", &config)])?;
    let answer = site.ask(
        "GET /p HTTP/1.1\r\nhost: x\r\nx-gone: 1\r\nx-kept: 1\r\nx-set: a\r\nx-set: b\r\nconnection: close\r\n\r\n",
    )?;
    let (response, request) = answer.split_once("\r\n\r\n").ok_or("no body")?;
    assert_eq!(
        marks(request),
        ["x-added: GET /P", "x-added: one", "x-kept: 1", "x-set: <>"]
    );
    assert!(response.starts_with("HTTP/1.1 203 "), "{response}");
    assert_eq!(
        marks(response),
        [
            "x-added: 1",
            "x-added: 200",
            "x-after: last",
            "x-kept: 1",
            "x-set: GET /P"
        ]
    );
    Ok(())
}

/// Only that a client waits to be told to go on is nothing to a server once it was told.
#[test]
fn what_a_client_expects_reaches_the_server() -> Result<()> {
    let origin = origin(|stream| {
        let seen = head(&mut BufReader::new(stream.try_clone()?))?;
        let mut to = stream;
        write!(
            to,
            "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{seen}",
            seen.len()
        )?;
        Ok(())
    })?;
    let config = format!(
        "{DEFAULTS}listen site\n    bind 127.0.0.1:8080\n    http-request wait-for-body time 10s\n    server o {}\n",
        server(origin)
    );
    let site = Site::start("expected", &[("site.cfg", &config)])?;
    for (expected, passes) in [("x-odd", true), ("100-Continue", false)] {
        let answer = site.ask(&format!(
            "POST / HTTP/1.1\r\nhost: x\r\nexpect: {expected}\r\ncontent-length: 3\r\nconnection: close\r\n\r\nabc"
        ))?;
        assert_eq!(
            answer.contains(&format!("\r\nexpect: {expected}\r\n")),
            passes,
            "{answer}"
        );
    }
    Ok(())
}

#[test]
fn rules_answer_in_a_servers_place() -> Result<()> {
    let config = format!(
        "{DEFAULTS}frontend site\n    bind 127.0.0.1:8080\n    \
         http-request deny if {{ path /deny }}\n    \
         http-request deny deny_status 429 if {{ path /status }}\n    \
         http-request deny status 418 content-type text/x string tea hdr x-a \"%[path]\" hdr x-b two if {{ path /body }}\n    \
         http-request return status 201 content-type text/plain string as-it-%[is] if {{ path /string }}\n    \
         http-request return content-type \"text/html; charset=utf-8\" lf-string \"%[path] %[method]\" if {{ path /format }}\n    \
         http-request return status 204 hdr x-a \"<%[url_param(a)]>\" hdr x-a more if {{ path /headers }}\n    \
         http-request return status 200 content-type text/plain file site/page.txt if {{ path /file }}\n    \
         http-request return status 200 content-type text/plain lf-file site/page.txt if {{ path /lf-file }}\n    \
         http-request redirect location /there code 307 if {{ path /redirect }}\n    \
         http-request reject if {{ path /reject }}\n"
    );
    let page = "%[path] in a file\n";
    let site = Site::start("answers", &[("site.cfg", &config), ("page.txt", page)])?;
    for (path, status, lines, wanted) in [
        (
            "/string",
            201,
            &["content-type: text/plain", "content-length: 11"][..],
            "as-it-%[is]",
        ),
        (
            "/format",
            200,
            &["content-type: text/html; charset=utf-8"],
            "/format GET",
        ),
        (
            "/body",
            418,
            &["content-type: text/x", "x-a: /body", "x-b: two"],
            "tea",
        ),
        ("/headers?a=1", 204, &["x-a: <1>", "x-a: more"], ""),
        ("/file", 200, &["content-type: text/plain"], page),
        (
            "/lf-file",
            200,
            &["content-type: text/plain"],
            "/lf-file in a file\n",
        ),
        ("/redirect", 307, &["location: /there"], ""),
    ] {
        let answer = site.get(path)?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("no head")?;
        assert!(
            head.starts_with(&format!("HTTP/1.1 {status} ")),
            "{path}: {answer}"
        );
        for line in lines {
            assert!(
                head.lines().any(|found| found == *line),
                "{path}: no `{line}` in {answer}"
            );
        }
        assert_eq!(body, wanted, "{path}");
    }
    for (path, status) in [("/deny", 403), ("/status", 429)] {
        let answer = site.get(path)?;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{path}: {answer}"
        );
        assert!(answer.contains("<html>"), "{path}: {answer}");
    }
    assert_eq!(site.get("/reject")?, "");
    // Nothing answered, and there is no server.
    assert!(site.get("/")?.starts_with("HTTP/1.1 503 "));
    Ok(())
}

#[test]
fn http_1_is_read_and_written_as_told() -> Result<()> {
    let origin = origin(|stream| {
        let seen = head(&mut BufReader::new(stream.try_clone()?))?;
        let mut to = stream;
        write!(
            to,
            "HTTP/1.1 200 OK\r\nb d: 1\r\nx-a: 1\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{seen}",
            seen.len()
        )?;
        Ok(())
    })?;
    let config = format!(
        "global\n    h1-case-adjust x-a X-A\n    h1-case-adjust host HoSt\n{DEFAULTS}\
         listen site\n    bind 127.0.0.1:8080\n    \
         option accept-unsafe-violations-in-http-request\n    \
         option accept-unsafe-violations-in-http-response\n    \
         option h1-case-adjust-bogus-client\n    \
         option h1-case-adjust-bogus-server\n    \
         http-request early-hint link \"<%[path]>\"\n    \
         http-request early-hint x-a 1\n    \
         server o {}\n",
        server(origin)
    );
    let site = Site::start("messages-http1", &[("site.cfg", &config)])?;
    let answer = site.ask("GET /a#f HTTP/1.1\r\nhost: h\r\nc d: 1\r\nx-b: 1\r\nconnection: close\r\n\r\n")?;
    let hint = "HTTP/1.1 103 Early Hints\r\nlink: </a#f>\r\nX-A: 1\r\n\r\n";
    let rest = answer.strip_prefix(hint).ok_or_else(|| answer.clone())?;
    assert!(rest.starts_with("HTTP/1.1 200 OK\r\nX-A: 1\r\n"), "{rest}");
    let seen = rest.split("\r\n\r\n").nth(1);
    assert_eq!(seen, Some("GET /a#f HTTP/1.1\r\nHoSt: h\r\nx-b: 1"));
    Ok(())
}

/// A client sees of which version its server is, and how such a response ends.
#[test]
fn a_server_of_http_1_0_answers_as_such() -> Result<()> {
    let origin = origin(|mut stream| {
        let seen = head(&mut BufReader::new(stream.try_clone()?))?;
        let measured = seen.contains("/measured");
        let length = if measured { "content-length: 2\r\n" } else { "" };
        write!(stream, "HTTP/1.0 200 Fine\r\n{length}\r\nhi")?;
        Ok(())
    })?;
    let config = format!(
        "{DEFAULTS}listen site\n    bind 127.0.0.1:8080\n    server o {}\n",
        server(origin)
    );
    let site = Site::start("messages-old", &[("site.cfg", &config)])?;
    let mut client = site.connect(0)?;
    let mut answers = BufReader::new(client.try_clone()?);
    write!(client, "GET /measured HTTP/1.1\r\nhost: h\r\n\r\n")?;
    let first = head(&mut answers)?;
    assert_eq!(
        first.trim_end(),
        "HTTP/1.0 200 Fine\r\ncontent-length: 2\r\nconnection: keep-alive"
    );
    let mut body = [0; 2];
    answers.read_exact(&mut body)?;
    write!(client, "GET /endless HTTP/1.1\r\nhost: h\r\n\r\n")?;
    let mut rest = String::new();
    answers.read_to_string(&mut rest)?;
    assert_eq!(rest, "HTTP/1.0 200 Fine\r\n\r\nhi");
    Ok(())
}
