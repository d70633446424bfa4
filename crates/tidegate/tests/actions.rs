//! The actions of rules, in the running program.

mod support;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;

use support::Result;
use support::origin::{head, origin, server};
use support::site::{Site, rest};

const DEFAULTS: &str = "\
defaults
    mode http
    timeout connect 5s
    timeout client 15s
    timeout server 15s
";

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

/// A server that answers with the head of the request that it got.
fn echo() -> Result<SocketAddr> {
    origin(|stream| {
        let head = head(&mut BufReader::new(&stream))?;
        let answer = format!(
            "HTTP/1.1 200 OK\r\nx-a: one, two\r\nx-b: 1\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{head}",
            head.len()
        );
        (&stream).write_all(answer.as_bytes())?;
        Ok(())
    })
}

#[test]
fn targets_are_replaced_and_normalized() -> Result<()> {
    let config = format!(
        "{DEFAULTS}\
frontend f
    bind 127.0.0.1:8080
    http-request replace-path ^/foo/(.*) /\\1 if {{ path_beg /foo/ }}
    http-request replace-pathq '^([^?]*)(\\?(.*))?$' \\1/foo\\2 if {{ path_beg /suffix }}
    http-request replace-uri ^/old(.*) /new\\1 if {{ path_beg /old }}
    http-request normalize-uri path-merge-slashes if {{ path_beg /n }}
    http-request normalize-uri path-strip-dotdot full if {{ path_beg /n }}
    http-request normalize-uri query-sort-by-name if {{ path_beg /n }}
    http-request normalize-uri percent-decode-unreserved strict if {{ path_beg /s }}
    http-request return content-type text/plain lf-string %[url]
"
    );
    let site = Site::start("actions-targets", &[("site.cfg", &config)])?;
    for (from, to) in [
        ("/foo/bar?q=1", "/bar?q=1"),
        ("/suffix?q=1", "/suffix/foo?q=1"),
        ("/suffix", "/suffix/foo"),
        ("/older", "/newer"),
        ("/n//a/../b?b=2&a=1", "/n/b?a=1&b=2"),
        ("/s%61", "/sa"),
    ] {
        assert_eq!(body(&site.get(from)?), to, "{from}");
    }
    assert_eq!(status(&site.get("/s%6")?), "400");
    Ok(())
}

#[test]
fn headers_are_replaced_on_both_ways() -> Result<()> {
    let config = format!(
        "{DEFAULTS}\
frontend f
    bind 127.0.0.1:8080
    http-request set-header x-in \"192.168.10.1, 192.168.13.24, 10.0.0.37\"
    http-request replace-value x-in ^192\\.168\\.(.*)$ 172.16.\\1
    http-request set-header x-cookie \"foo=foobar; expires=now\"
    http-request replace-header x-cookie foo=([^;]*);(.*) foo=\\1;ip=%[src];\\2
    http-request set-var(txn.old) req.hdrs_bin
    http-request del-header x-in
    http-request add-headers-bin var(txn.old) prefix X-In
    http-response replace-value x-a ^two$ three
    http-response replace-header x-b (.*) <\\1>
    http-after-response replace-header x-b <(.*)> \\1-%[status]
    default_backend b
backend b
    server s {}
",
        server(echo()?)
    );
    let site = Site::start("actions-headers", &[("site.cfg", &config)])?;
    let answer = site.get("/")?;
    assert!(answer.contains("\r\nx-a: one, three\r\n"), "{answer}");
    assert!(answer.contains("\r\nx-b: 1-200\r\n"), "{answer}");
    let seen = body(&answer);
    assert!(
        seen.contains("x-in: 172.16.10.1, 172.16.13.24, 10.0.0.37\r\n"),
        "{answer}"
    );
    assert!(
        seen.contains("x-cookie: foo=foobar;ip=127.0.0.1; expires=now\r\n"),
        "{answer}"
    );
    Ok(())
}

/// Several fields at once, as `req.hdrs_bin` and `res.hdrs_bin` tell of them: set again, or taken away by their names.
#[test]
fn fields_are_set_and_taken_away_by_the_list() -> Result<()> {
    let config = format!(
        "{DEFAULTS}\
frontend f
    bind 127.0.0.1:8080
    http-request set-var(txn.came) req.hdrs_bin
    http-request set-header x-one changed
    http-request set-header x-two changed
    http-request set-headers-bin var(txn.came) prefix x-o
    # A name is a length and its letters.
    http-request set-var(txn.names) bin(06782d676f6e65)
    http-request del-headers-bin var(txn.names)
    http-response set-var(txn.sent) res.hdrs_bin
    http-response del-header x-a
    http-after-response set-headers-bin var(txn.sent) prefix x-a
    http-after-response set-var(txn.all) bin(03782d62)
    http-after-response del-headers-bin var(txn.all)
    default_backend b
backend b
    server s {}
",
        server(echo()?)
    );
    let site = Site::start("actions-lists", &[("site.cfg", &config)])?;
    let answer = site
        .ask("GET / HTTP/1.1\r\nhost: x\r\nx-one: 1\r\nx-two: 2\r\nx-gone: 3\r\nconnection: close\r\n\r\n")?;
    let seen = body(&answer);
    assert!(seen.contains("x-one: 1\r\n"), "{answer}");
    assert!(seen.contains("x-two: changed\r\n"), "{answer}");
    assert!(!seen.contains("x-gone"), "{answer}");
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    assert!(head.contains("\r\nx-a: "), "{answer}");
    assert!(!head.contains("\r\nx-b: "), "{answer}");
    Ok(())
}

#[test]
fn a_rewrite_has_to_succeed_where_the_mode_is_strict() -> Result<()> {
    let config = format!(
        "global
    tune.bufsize 8192
{DEFAULTS}\
frontend f
    bind 127.0.0.1:8080
    log stdout format raw daemon
    http-request strict-mode off if {{ path /lax }}
    http-request set-header x-long \"%[str(aaaaaaaaaaaaaaaa),concat(bbbbbbbbbbbbbbbb)]%[req.fhdr(x-long)]%[req.fhdr(x-long)]\"
    http-request return content-type text/plain lf-string \"%[req.fhdr(x-long),length]\"
"
    );
    let site = Site::start("actions-strict", &[("site.cfg", &config)])?;
    let long = "a".repeat(4500);
    let ask = |path: &str| {
        site.ask(&format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nx-long: {long}\r\nconnection: close\r\n\r\n"
        ))
    };
    assert_eq!(status(&ask("/strict")?), "500");
    site.logged("the header section would be larger than the buffer")?;
    let answer = ask("/lax")?;
    assert_eq!(body(&answer), "4500", "{answer} {}", site.output());
    assert_eq!(body(&site.get("/strict")?), "32");
    Ok(())
}

#[test]
fn addresses_ports_and_timeouts_are_as_rules_set_them() -> Result<()> {
    let config = format!(
        "{DEFAULTS}\
listen f
    bind 127.0.0.1:8080
    tcp-request session set-src str(192.0.2.1)
    tcp-request session set-src-port int(1234)
    http-request set-dst str(192.0.2.2)
    http-request set-dst-port int(5678)
    http-request set-timeout server 3s
    http-request set-timeout client int(4),mul(1000)
    http-request set-timeout tunnel str(x)
    http-request set-timeout tarpit 2s
    http-request set-retries 7
    http-request set-priority-class int(-3000)
    http-request set-priority-offset int(12)
    http-request set-fc-tos 0x20
    http-request set-fc-mark 1 if {{ path /mark }}
    http-request set-nice -5
    http-after-response set-header x-addresses %[src]:%[src_port],%[dst]:%[dst_port]
    http-after-response set-header x-timeouts \"%[be_server_timeout] %[cur_server_timeout] %[cur_client_timeout] %[cur_tunnel_timeout] %[cur_tarpit_timeout]\"
    http-after-response set-header x-others \"%[be_max_retries] %[cur_max_retries] %[prio_class] %[prio_offset]\"
    use_backend %[path,field(2,/)] if {{ path_beg /b }}
    server s {0}
backend b2
    server s {0}
",
        server(echo()?)
    );
    let site = Site::start("actions-tune", &[("site.cfg", &config)])?;
    let answer = site.get("/x")?;
    for line in [
        "x-addresses: 192.0.2.1:1234,192.0.2.2:5678",
        "x-timeouts: 15000 3000 4000 0 2000",
        "x-others: 3 7 -2047 12",
    ] {
        assert!(answer.contains(&format!("\r\n{line}\r\n")), "{line}\n{answer}");
    }
    // In another backend its own values hold again; the client's and the tarpit's stay.
    let answer = site.get("/b2")?;
    for line in ["x-timeouts: 15000 15000 4000 0 2000", "x-others: 3 3 -2047 12"] {
        assert!(answer.contains(&format!("\r\n{line}\r\n")), "{line}\n{answer}");
    }
    Ok(())
}

#[test]
fn a_server_without_address_is_where_rules_say() -> Result<()> {
    let origin = echo()?;
    let config = format!(
        "{DEFAULTS}\
frontend f
    bind 127.0.0.1:8080
    http-request set-dst str(127.0.0.1)
    http-request set-bc-tos 16
    default_backend b
backend b
    server s 0.0.0.0:{}
",
        origin.port()
    );
    let site = Site::start("actions-dst", &[("site.cfg", &config)])?;
    for path in ["/one", "/two"] {
        let answer = site.get(path)?;
        assert!(
            body(&answer).starts_with(&format!("GET {path} HTTP/1.1")),
            "{answer}"
        );
    }
    Ok(())
}

#[test]
fn backends_are_named_by_what_requests_hold() -> Result<()> {
    let config = format!(
        "{DEFAULTS}\
frontend f
    bind 127.0.0.1:8080
    use_backend be_%[req.hdr(host),lower] if {{ path /by-host }}
    use_backend never
    default_backend other
backend be_x
    http-request return content-type text/plain string by-host
backend never
    http-request return content-type text/plain string never
backend other
    http-request return content-type text/plain string other
"
    );
    let site = Site::start("actions-backends", &[("site.cfg", &config)])?;
    assert_eq!(body(&site.get("/by-host")?), "by-host");
    assert_eq!(body(&site.get("/")?), "never");
    // A name that is no backend's ends the search.
    let answer = site.ask("GET /by-host HTTP/1.1\r\nhost: y\r\nconnection: close\r\n\r\n")?;
    assert_eq!(body(&answer), "other");
    Ok(())
}

#[test]
fn a_dropped_client_gets_no_answer() -> Result<()> {
    let config = format!(
        "{DEFAULTS}\
frontend f
    bind 127.0.0.1:8080
    http-request silent-drop if {{ path /drop }}
    http-request silent-drop rst-ttl 3 if {{ path /ttl }}
    http-request return content-type text/plain lf-string %[path]
    http-after-response set-header x-seen yes
frontend g
    bind 127.0.0.1:8081
    mode tcp
    tcp-request connection silent-drop if TRUE
"
    );
    let site = Site::start("actions-drop", &[("site.cfg", &config)])?;
    for path in ["/drop", "/ttl"] {
        assert_eq!(site.get(path)?, "", "{path}");
    }
    assert_eq!(rest(site.connect(1)?)?, "");
    assert_eq!(body(&site.get("/stays")?), "/stays");
    Ok(())
}

#[test]
fn bodies_are_waited_for_on_both_ways() -> Result<()> {
    let slow = origin(|stream| {
        head(&mut BufReader::new(&stream))?;
        (&stream).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nabc")?;
        // The rest comes when the client has gone.
        let _ = (&stream).read(&mut [0; 1]);
        Ok(())
    })?;
    let config = format!(
        "{DEFAULTS}\
frontend f
    bind 127.0.0.1:8080
    http-request wait-for-body time 10s at-least 3 if {{ path /some }}
    http-request wait-for-body time 50ms if {{ path /all }}
    http-request return content-type text/plain lf-string %[req.body] if METH_POST
    http-response wait-for-body time 10s at-least 2 if {{ capture.req.uri -m beg /some-response }}
    http-response wait-for-body time 50ms unless {{ capture.req.uri -m beg /some-response }}
    http-response return content-type text/plain lf-string \"<%[res.body]>\"
    default_backend b
backend b
    server s {}
",
        server(slow)
    );
    let site = Site::start("actions-bodies", &[("site.cfg", &config)])?;
    let post = |path: &str| {
        site.ask(&format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\nconnection: close\r\n\r\nabcd"
        ))
    };
    assert_eq!(body(&post("/some")?), "abcd");
    assert_eq!(status(&post("/all")?), "408");
    assert_eq!(body(&site.get("/some-response")?), "<abc>");
    assert_eq!(status(&site.get("/all-of-it")?), "504");
    Ok(())
}

/// A body that `tune.bufsize` has no room for is whole all the same where a rule asks for more room.
#[test]
fn a_large_buffer_holds_what_the_usual_one_does_not() -> Result<()> {
    const HALF: usize = 20_000;
    let half = "x".repeat(HALF);
    let said = half.clone();
    let halves = origin(move |stream| {
        let asked = head(&mut BufReader::new(&stream))?;
        (&stream).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 40000\r\nconnection: close\r\n\r\n")?;
        (&stream).write_all(said.as_bytes())?;
        if asked.contains(" /large ") {
            (&stream).write_all(said.as_bytes())?;
        }
        // The rest comes when nobody waits for it any more.
        let _ = (&stream).read(&mut [0; 1]);
        Ok(())
    })?;
    let config = format!(
        "global\n    tune.bufsize.large 50000\n{DEFAULTS}\
frontend f
    bind 127.0.0.1:8080
    http-request wait-for-body time 10s use-large-buffer if {{ path /large }}
    http-request wait-for-body time 10s if {{ path /usual }}
    http-request return content-type text/plain lf-string \"%[req.body,length]\\n\" if METH_POST
    http-response wait-for-body time 10s use-large-buffer if {{ capture.req.uri /large }}
    http-response wait-for-body time 10s if {{ capture.req.uri /usual }}
    http-response return content-type text/plain lf-string %[res.body,length]
    default_backend b
backend b
    server s {}
",
        server(halves)
    );
    let site = Site::start("actions-large", &[("site.cfg", &config)])?;
    let post = |path: &str, whole: bool| -> Result<usize> {
        let mut stream = site.connect(0)?;
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 40000\r\nconnection: close\r\n\r\n{half}"
        )?;
        if whole {
            stream.write_all(half.as_bytes())?;
        }
        // The connection ends with the answer, as the rest of the body is not wanted.
        let mut answer = BufReader::new(stream);
        head(&mut answer)?;
        let mut length = String::new();
        answer.read_line(&mut length)?;
        Ok(length.trim().parse()?)
    };
    assert_eq!(post("/large", true)?, 2 * HALF);
    assert!((16_384..=HALF).contains(&post("/usual", false)?));
    let get = |path: &str| -> Result<usize> { Ok(body(&site.get(path)?).parse()?) };
    assert_eq!(get("/large")?, 2 * HALF);
    assert!((16_384..=HALF).contains(&get("/usual")?));
    Ok(())
}

#[test]
fn a_client_is_told_of_once_more_unless_both_sides_think_it_needless() -> Result<()> {
    let config = format!(
        "{DEFAULTS}\
frontend f
    bind 127.0.0.1:8080
    option forwardfor if-none
    use_backend %[path,field(2,/)]
backend same
    option forwardfor if-none
    server s {0}
backend other
    option forwardfor
    server s {0}
backend none
    server s {0}
",
        server(echo()?)
    );
    let site = Site::start("actions-if-none", &[("site.cfg", &config)])?;
    for (path, told) in [("/same", 1), ("/other", 2), ("/none", 1)] {
        let answer = site.ask(&format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 192.0.2.9\r\nconnection: close\r\n\r\n"
        ))?;
        let seen = body(&answer).to_ascii_lowercase();
        assert_eq!(seen.matches("x-forwarded-for: ").count(), told, "{path} {answer}");
    }
    Ok(())
}

#[test]
fn servers_are_told_of_clients_and_of_themselves() -> Result<()> {
    let config = format!(
        "{DEFAULTS}\
frontend f
    bind 127.0.0.1:8080
    option forwardfor header X-Front
    option originalto
    option http-restrict-req-hdr-names delete
    http-request set-src str(192.0.2.7)
    use_backend strict if {{ path /strict }}
    default_backend b
backend b
    option forwardfor header X-Back
    option originalto header X-Dst except 127.0.0.0/8
    option forwarded proto for by-expr str(_me)
    http-send-name-header X-Server
    server first {0}
backend strict
    option http-restrict-req-hdr-names reject
    http-request set-header x_odd 1
    server s {0}
",
        server(echo()?)
    );
    let site = Site::start("actions-told", &[("site.cfg", &config)])?;
    let answer =
        site.ask("GET / HTTP/1.1\r\nhost: x\r\nx_a: 1\r\nx-server: me\r\nconnection: close\r\n\r\n")?;
    let seen = body(&answer).to_ascii_lowercase();
    assert!(
        seen.contains("x-back: 192.0.2.7\r\n") && !seen.contains("x-front"),
        "{answer}"
    );
    assert!(
        !seen.contains("x-dst") && !seen.contains("x-original-to"),
        "{answer}"
    );
    assert!(
        seen.contains("forwarded: proto=http;by=_me;for=192.0.2.7\r\n"),
        "{answer}"
    );
    assert!(
        seen.contains("x-server: first\r\n") && !seen.contains("x-server: me"),
        "{answer}"
    );
    assert!(!seen.contains("x_a"), "{answer}");
    assert_eq!(status(&site.get("/strict")?), "403");
    Ok(())
}
