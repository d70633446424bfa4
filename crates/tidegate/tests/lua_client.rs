//! The HTTP client of scripts beside the proxy itself: what servers may answer is the same for both.

mod support;

use std::io::{BufReader, Write as _};
use std::net::TcpStream;
use std::sync::Arc;

use support::Result;
use support::origin::{head, origin, server};
use support::runtime::Runtime;
use support::scripted;
use support::tls::{Authority, Issued, accept};

const SCRIPT: &str = r#"
core.register_service("ask", "http", function(applet)
    local answer = core.httpclient():get({ url = "http://SERVER" .. applet.path:sub(5), timeout = 10000 })
    local told = answer.status == 0 and "refused: " .. answer.error or answer.status .. " " .. answer.body
    applet:set_status(200)
    applet:add_header("content-length", #told)
    applet:start_response()
    applet:send(told)
end)
"#;

/// Answers of servers that both take, with what comes of each: its status and body.
const TAKEN: &[(&str, &str)] = &[
    ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nab", "200 ab"),
    (
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 2\r\n\r\nab",
        "200 ab",
    ),
    ("HTTP/1.1 200 OK\r\ncontent-length: 2, 02\r\n\r\nab", "200 ab"),
    ("HTTP/1.1 404 \r\ncontent-length: 0\r\n\r\n", "404 "),
    (
        "HTTP/1.1 200 OK\r\na: b\r\n c\r\ncontent-length: 1\r\n\r\nx",
        "200 x",
    ),
    (
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n1;a=\"b\"\r\nc\r\n0\r\nx: y\r\n\r\n",
        "200 abc",
    ),
    (
        "HTTP/1.1 200 OK\r\ncontent-length: 9\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
        "200 ab",
    ),
    (
        "HTTP/1.1 103 Early\r\nlink: x\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx",
        "200 x",
    ),
    ("HTTP/1.0 200 OK\r\n\r\nall there is", "200 all there is"),
    ("HTTP/1.1 204 No Content\r\n\r\n", "204 "),
];

/// Answers that neither takes.
const REFUSED: &[&str] = &[
    "this is not HTTP\r\n\r\n",
    "HTTP/2.0 200 OK\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 20 OK\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nab",
    "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\nabc",
    "HTTP/1.1 200 OK\r\ncontent-length: 2, 3\r\n\r\nabc",
    "HTTP/1.1 200 OK\r\ncontent-length: 99999999999999999999\r\n\r\nab",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\nab",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\na b: c\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\n: c\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\na : c\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\n a: b\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\na: b\0c\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\na: b\rc\r\ncontent-length: 0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ncontent-le",
];

/// Answers whose bodies break off.
const CUT: &[&str] = &[
    "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nab",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nab\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n+2\r\nab\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0x2\r\nab\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n11111111111111111\r\nab\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\nab\n0\n\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nabc\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2;a\rb\r\nab\r\n0\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\nx y: z\r\n\r\n",
    "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n",
];

/// Answers with the one of the list whose number is the target, then closes.
fn answer(mut stream: TcpStream) -> Result<()> {
    let request = head(&mut BufReader::new(stream.try_clone()?))?;
    let target = request.split(' ').nth(1).ok_or("no target")?;
    let (list, number) = target.trim_start_matches('/').split_once('/').ok_or("no list")?;
    let number: usize = number.parse()?;
    let answer = match list {
        "taken" => TAKEN.get(number).map(|(answer, _)| *answer),
        "refused" => REFUSED.get(number).copied(),
        "large" => Some("HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx: "),
        _ => CUT.get(number).copied(),
    };
    stream.write_all(answer.ok_or("no such answer")?.as_bytes())?;
    if list == "large" {
        let value = vec![b'x'; number];
        stream.write_all(&value)?;
        stream.write_all(b"\r\n\r\n")?;
    }
    Ok(())
}

fn site(name: &str) -> Result<Runtime> {
    let origin = origin(answer)?;
    let script = SCRIPT.replace("SERVER", &origin.to_string().replace("127.0.0.1", "localhost"));
    let rest = format!(
        "    retries 0\nfrontend web\n    bind 127.0.0.1:8080\n    http-request use-service lua.ask if {{ path_beg /ask/ }}\n    default_backend back\n\
         backend back\n    server one {}\n",
        server(origin)
    );
    scripted::start(name, &script, &rest)
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

#[test]
fn the_same_answers_are_taken_and_refused() -> Result<()> {
    let site = site("lua-client-same")?;
    for (number, (answer, wanted)) in TAKEN.iter().enumerate() {
        let (status, _) = wanted.split_once(' ').ok_or("no status")?;
        let proxied = site.site.get(&format!("/taken/{number}"))?;
        let last = proxied
            .rfind("HTTP/1.")
            .and_then(|at| proxied.get(at + "HTTP/1.1 ".len()..));
        assert!(
            last.is_some_and(|last| last.starts_with(status)),
            "{answer:?}: {proxied}"
        );
        let asked = site.site.get(&format!("/ask/taken/{number}"))?;
        assert_eq!(body(&asked), *wanted, "{answer:?}");
    }
    for (number, answer) in REFUSED.iter().enumerate() {
        let proxied = site.site.get(&format!("/refused/{number}"))?;
        assert!(proxied.starts_with("HTTP/1.1 502 "), "{answer:?}: {proxied}");
        let asked = site.site.get(&format!("/ask/refused/{number}"))?;
        assert!(body(&asked).starts_with("refused: "), "{answer:?}: {asked}");
    }
    for (number, answer) in CUT.iter().enumerate() {
        let proxied = site.site.get(&format!("/cut/{number}"))?;
        // The head may have been passed on before the fault came.
        let cut = proxied.starts_with("HTTP/1.1 200 ") && !proxied.ends_with("\r\n0\r\n\r\n");
        assert!(
            cut || proxied.starts_with("HTTP/1.1 502 "),
            "{answer:?}: {proxied}"
        );
        let asked = site.site.get(&format!("/ask/cut/{number}"))?;
        assert!(body(&asked).starts_with("refused: "), "{answer:?}: {asked}");
    }
    Ok(())
}

#[test]
fn heads_have_the_same_limits() -> Result<()> {
    let site = site("lua-client-large")?;
    for (length, proxied, asked) in [
        (15_000, "HTTP/1.1 200 ", "200 "),
        (17_000, "HTTP/1.1 502 ", "refused: "),
    ] {
        let answer = site.site.get(&format!("/large/{length}"))?;
        assert!(answer.starts_with(proxied), "{length}: {}", answer.len());
        let answer = site.site.get(&format!("/ask/large/{length}"))?;
        assert!(body(&answer).starts_with(asked), "{length}: {}", body(&answer));
    }
    Ok(())
}

/// A server of TLS that tells the name that it was asked by, and the number of the request on its connection. Asked for
/// `/cut` it ends without saying so.
fn secret(own: &Issued) -> Result<std::net::SocketAddr> {
    let config = Arc::new(own.server(&[])?);
    origin(move |stream| {
        let mut tls = accept(&config, stream)?;
        for number in 1.. {
            let request = head(&mut BufReader::with_capacity(1, &mut tls))?;
            if request.starts_with("GET /cut ") {
                tls.write_all(b"HTTP/1.1 200 OK\r\n\r\nnot all")?;
                tls.flush()?;
                return Ok(());
            }
            let told = format!("{} {number}", tls.conn.server_name().unwrap_or("-"));
            let length = told.len();
            write!(tls, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{told}")?;
            tls.flush()?;
        }
        Ok(())
    })
}

const OVER_TLS: &str = r#"
core.register_service("ask", "http", function(applet)
    local tls = applet.qs == "ca" and { ca = "site/authority.pem" } or nil
    local answer = core.httpclient():get({ url = "https://localhost:PORT" .. applet.path, tls = tls, timeout = 10000 })
    local told = answer.status == 0 and "refused: " .. answer.error or answer.status .. " " .. answer.body
    applet:set_status(200)
    applet:add_header("content-length", #told)
    applet:start_response()
    applet:send(told)
end)
"#;

#[test]
fn servers_of_tls_are_verified_unless_the_configuration_says_otherwise() -> Result<()> {
    let authority = Authority::new("lua-client")?;
    let address = secret(&authority.issue(&["localhost"])?)?;
    let script = OVER_TLS.replace("PORT", &address.port().to_string());
    let rest = "frontend web\n    bind 127.0.0.1:8080\n    http-request use-service lua.ask\n";
    let files = [("authority.pem", authority.pem())];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    let ask = |site: &Runtime, path: &str| {
        Ok::<_, Box<dyn std::error::Error>>(body(&site.site.get(path)?).to_owned())
    };
    let start = |name: &str, global: &str| {
        let global = format!("    nbthread 1\n    httpclient.retries 0\n{global}");
        scripted::start_with(name, &script, &global, rest, &files)
    };

    let site = start("lua-client-verify", "")?;
    let refused = ask(&site, "/")?;
    assert!(
        refused.starts_with("refused: invalid peer certificate"),
        "{refused}"
    );
    // Connections are kept, for those alone who verify in the same way.
    assert_eq!(ask(&site, "/?ca")?, "200 localhost 1");
    assert_eq!(ask(&site, "/?ca")?, "200 localhost 2");
    assert!(ask(&site, "/")?.starts_with("refused: invalid peer certificate"));
    // What ends without a word may have been cut off by anybody.
    let cut = ask(&site, "/cut?ca")?;
    assert!(cut.starts_with("refused: "), "{cut}");

    let site = start("lua-client-anyone", "    httpclient.ssl.verify none\n")?;
    assert_eq!(ask(&site, "/")?, "200 localhost 1");
    let site = start("lua-client-ca", "    httpclient.ssl.ca-file site/authority.pem\n")?;
    assert_eq!(ask(&site, "/")?, "200 localhost 1");
    Ok(())
}
