//! Requests that scripts send, against a server on the loopback.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use common::{Site, http, out, run, script};
use tidegate_proxy::ext::ActionOutcome;

/// A server that tells what it got, and on which of its connections.
fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            std::thread::spawn(move || {
                let reader = stream.try_clone().unwrap();
                serve(reader, stream, number + 1)
            });
        }
    });
    address
}

fn serve(reader: impl Read, mut writer: impl Write, number: usize) -> Option<()> {
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        let (mut headers, mut length, mut chunked) = (Vec::new(), 0, false);
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).ok()?;
            let header = header.trim().to_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length: ") {
                length = value.parse().unwrap();
            }
            chunked |= header == "transfer-encoding: chunked";
            headers.push(header);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        while chunked {
            let mut size = String::new();
            reader.read_line(&mut size).ok()?;
            let size = usize::from_str_radix(size.trim(), 16).unwrap();
            let mut piece = vec![0; size + 2];
            reader.read_exact(&mut piece).ok()?;
            body.extend_from_slice(&piece[..size]);
            body.push(b'+');
            chunked = size > 0;
        }
        headers.sort();
        let path = line.split(' ').nth(1).unwrap().to_owned();
        let told = format!(
            "{} {} {}",
            line.trim(),
            headers.join("|"),
            String::from_utf8_lossy(&body)
        );
        let answer = match path.as_str() {
            "/pieces" => {
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\none\r\n3\r\ntwo\r\n0\r\n\r\n"
                    .to_owned()
            }
            "/cut" => "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort".to_owned(),
            "/noise" => "this is not HTTP\r\n\r\n".to_owned(),
            "/number" => format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}"),
            "/silent" => {
                std::thread::sleep(Duration::from_secs(5));
                return None;
            }
            _ if line.starts_with("HEAD ") => "HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n".to_owned(),
            _ => format!(
                "HTTP/1.1 201 Fine\r\nX-Two: a\r\nX-Two: b\r\ncontent-length: {}\r\n\r\n{told}",
                told.len()
            ),
        };
        writer.write_all(answer.as_bytes()).ok()?;
        if matches!(path.as_str(), "/cut" | "/noise") {
            return None;
        }
    }
}

/// Runs the lines beside a client `c` and the server's address in `at`.
fn shown(lines: &str) -> String {
    let address = server();
    let site = Site::new(&script(&format!(
        "local c, at = core.httpclient(), 'http://{address}'\nlocal function clean(text) return (tostring(text):gsub('127.0.0.1:%d+', 'AT')) end\n\
         local function refuse(...) out((tostring(select(2, pcall(...))):gsub('^[^:]+:%d+: ', ''))) end\n{lines}"
    )));
    let txn = http("/");
    match run(site.act("eval", &txn)) {
        ActionOutcome::Continue => out(&txn),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_response_has_status_reason_headers_and_body() {
    assert_eq!(
        shown(
            "local r = c:get{ url = at .. '/a?b=c', headers = { ['X-A'] = { '1', '2' }, ['x-b'] = '3' } }
             out(r.status, math.type(r.status), r.reason, r.headers['x-two'][0], r.headers['x-two'][1], r.error)
             out(clean(r.body))
             out(clean(c:post{ url = at, body = 'hello', headers = { ['content-type'] = { [0] = 'a/b' }, host = 'else' } }.body))
             r = c:head{ url = at .. '/x' } out(r.status, r.body, r.headers['content-length'][0])
             for _, method in ipairs{ 'put', 'delete', 'patch', 'options' } do
                 out(c[method](c, { url = at, body = method == 'put' and 'x' or nil }).body:match('^%u+'))
             end
             out(c:request{ url = at, method = 'PROPFIND' }.body:match('^%u+'))"
        ),
        "201,integer,Fine,a,b,nil|\
         GET /a?b=c HTTP/1.1 accept: */*|host: AT|user-agent: tidegate|x-a: 1|x-a: 2|x-b: 3 |\
         POST / HTTP/1.1 accept: */*|content-length: 5|content-type: a/b|host: else|user-agent: tidegate hello|\
         200,,99|PUT|DELETE|PATCH|OPTIONS|PROPFIND"
    );
}

#[test]
fn numbers_are_texts_in_headers_and_no_timeout_is_a_timeout_of_0() {
    assert_eq!(
        shown(
            "local r = c:post{ url = at, body = 12, timeout = 0, headers = { ['content-length'] = 2, n = 5, ['x-n'] = { 1.5, [0] = 0 } } }
             out(r.status, clean(r.body))
             try(function() c:get{ url = at, headers = { a = true } } end) try(function() c:get{ url = at, headers = { a = { {} } } } end)"
        ),
        "201,POST / HTTP/1.1 accept: */*|content-length: 2|host: AT|n: 5|user-agent: tidegate|x-n: 0|x-n: 1.5 12|\
         get: header `a` is a boolean|get: header `a` is a table"
    );
}

#[test]
fn a_function_gives_the_body_piece_by_piece_and_may_wait() {
    assert_eq!(
        shown(
            "local n = 0
             local r = c:post{ url = at, body = function() n = n + 1 core.msleep(1) if n < 4 then return 'p' .. n end end }
             out(r.status, r.body:match('transfer%-encoding: chunked'), r.body:match('p1.*'))
             try(function() c:post{ url = at, body = function() error('no more', 0) end } end)
             r = c:post{ url = 'http://127.0.0.1:1', body = function() return 'x' end } out(r.status)"
        ),
        "201,transfer-encoding: chunked,p1+p2+p3++|no more|0"
    );
}

/// A server that answers at once with this status, and with how much of the body came once it is over.
fn early(status: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while reader.read_line(&mut line).unwrap() > 2 {
                line.clear();
            }
            if !status.starts_with('2') {
                let head = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
                stream.write_all(head.as_bytes()).unwrap();
                // A server that closes now would reset the connection.
                let _ = std::io::copy(&mut reader, &mut std::io::sink());
                continue;
            }
            let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).unwrap();
            let mut body = Vec::new();
            while !body.ends_with(b"\r\n0\r\n\r\n") {
                let mut piece = [0; 4096];
                let count = reader.read(&mut piece).unwrap();
                assert!(count > 0, "the body ended early");
                body.extend_from_slice(&piece[..count]);
                // As much goes back.
                stream.write_all(&piece[..count]).unwrap();
            }
        }
    });
    address
}

#[test]
fn a_server_may_answer_while_the_body_is_on_its_way() {
    let (good, bad) = (early("200 OK"), early("413 Too Much"));
    let pieces = "local function pieces() local n = 0 return function() n = n + 1 core.msleep(1) if n <= 20 then return ('x'):rep(20000) end end end";
    assert_eq!(
        shown(&format!(
            "{pieces}
             local r = c:post{{ url = 'http://{good}', body = pieces() }} out(r.status, select(2, r.body:gsub('x', '')), r.error)
             r = c:post{{ url = 'http://{good}', body = pieces(), stream = true }}
             local n = 0 for piece in r.receive, r do n = n + select(2, piece:gsub('x', '')) end out(r.status, n)
             r = c:post{{ url = 'http://{bad}', body = pieces() }} out(r.status, r.error)"
        )),
        "200,400000,nil|200,400000|413,nil"
    );
}

#[test]
fn a_server_may_refuse_a_body_that_it_does_not_read() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream
            .write_all(b"HTTP/1.1 413 Too Much\r\ncontent-length: 3\r\n\r\nbig")
            .unwrap();
        stream
    });
    assert_eq!(
        shown(&format!(
            "local r = c:post{{ url = 'http://{address}', body = ('x'):rep(1 << 24) }} out(r.status, r.body, r.error)"
        )),
        "413,big,nil"
    );
    drop(server.join());
}

#[test]
fn an_error_names_the_line_of_the_script() {
    let said =
        shown("out(select(2, pcall(function()\nc:get{}\nend)))\nout(debug.getinfo(1, 'l').currentline)");
    let (message, line) = said.split_once('|').unwrap();
    let line: u32 = line.parse().unwrap();
    assert!(
        message.contains(&format!(":{}: get: 'url' field is missing", line - 2)),
        "{message}"
    );
    assert!(!message.contains("host"), "{message}");
}

#[test]
fn a_script_may_read_a_body_piece_by_piece() {
    assert_eq!(
        shown(
            "local r = c:get{ url = at .. '/pieces', stream = true }
             out(r.status, r.body)
             local all = '' for piece in r.receive, r do all = all .. piece end
             out(all, r:receive())
             out(c:get{ url = at .. '/pieces' }.body)
             r = c:get{ url = at .. '/cut', stream = true } out(r:receive()) local p, why = r:receive() out(p, why ~= nil)"
        ),
        "200,nil|onetwo,nil,nil|onetwo|short,nil|nil,true"
    );
}

#[test]
fn what_fails_has_status_0_and_says_why() {
    assert_eq!(
        shown(
            "local function fails(request)
                 local r = c:get(request) out(r.status, r.reason, r.body, next(r.headers), type(r.error))
             end
             fails{ url = 'http://127.0.0.1:1/' } fails{ url = at .. '/noise' } fails{ url = at .. '/cut' }
             fails{ url = 'http://name.invalid/' } fails{ url = (at:gsub('http', 'https')) }
             out(c:get{ url = at .. '/silent', timeout = 20 }.error)"
        ),
        "0,,,nil,string|0,,,nil,string|0,,,nil,string|0,,,nil,string|0,,,nil,string|timeout"
    );
}

#[test]
fn connections_are_kept_for_the_next_request() {
    assert_eq!(
        shown(
            "local function number() return core.httpclient():get{ url = at .. '/number' }.body end
             out(number(), number(), number())
             c:get{ url = at .. '/cut' } out(number())
             local r = c:get{ url = at .. '/pieces', stream = true } r:receive() out(number())"
        ),
        "1,1,1|2|3",
        "one that broke, and one whose response is not read, are not used again"
    );
}

#[test]
fn a_unix_socket_may_be_the_destination() {
    let path = std::env::temp_dir().join(format!("tidegate-httpclient-{}.sock", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        serve(stream.try_clone().unwrap(), stream, 1)
    });
    let place = path.display();
    assert_eq!(
        shown(&format!(
            "out((c:get{{ url = 'http://example.org/x', dst = 'unix@{place}' }}.body:match('host: [%w.]+')))
             out(clean(c:get{{ url = 'http://example.org/x', dst = at:sub(8) }}.body:match('host: [%w.]+')))"
        )),
        "host: example.org|host: example.org"
    );
    let _ = std::fs::remove_file(&path);
}

#[test]
fn what_can_not_be_sent_is_refused() {
    assert_eq!(
        shown(
            "refuse(c.get, c, {}) refuse(c.get, c, { url = 5 }) refuse(c.get, c, { url = 'nope' }) refuse(c.get, c, { url = 'ftp://a' })
             refuse(c.get, c, { url = at, foo = 1 }) refuse(c.get, c, { url = at, headers = { ['a b'] = 'x' } })
             refuse(c.get, c, { url = at, headers = { a = 'x\\r\\ny: z' } }) refuse(c.get, c, { url = at, headers = { a = {}, b = true } })
             refuse(c.get, c) refuse(c.get, {}, { url = at }) refuse(c.request, c, { url = at }) refuse(c.request, c, { url = at, method = 'A B' })"
        ),
        "get: 'url' field is missing|get: invalid url '5'|get: invalid url 'nope'|get: invalid url 'ftp://a'|\
         get: 'foo' invalid parameter name|get: invalid header name `a b`|\
         get: the value of `a` has characters that can't be sent|get: header `b` is a boolean|\
         bad argument #2 to 'get' (table expected, got nil)|bad argument #1 to 'get' (HTTPClient expected, got table)|\
         request: 'method' field is missing|request: invalid method"
    );
}

#[test]
fn a_response_ends_with_the_run_that_asked_for_it() {
    let address = server();
    let text = format!(
        "core.register_action('keep', {{ 'http-req' }}, function(txn)
            kept = core.httpclient():get{{ url = 'http://{address}/pieces', stream = true }}
        end)
        core.register_action('use', {{ 'http-req' }}, function(txn) txn:set_var('txn.out', select(2, pcall(kept.receive, kept))) end)"
    );
    let site = Site::new(&text);
    run(async {
        let first = http("/");
        site.act("keep", &first).await;
        drop(first);
        let second = http("/");
        site.act("use", &second).await;
        let told = out(&second);
        assert!(
            told.ends_with("HTTPClient object is no longer usable"),
            "nobody reads another's response: {told}"
        );
    });
}
