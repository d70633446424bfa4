//! Stick tables in the running program: what is counted when, and persistence. The figures are those of the haproxy package
//! (2.6) for the same configuration and requests.

mod support;

use std::collections::BTreeSet;
use std::io::{Read, Write};

use support::Result;
use support::site::{Site, rest};

const DEFAULTS: &str = "\
global
    nbthread 2
defaults
    mode http
    option http-ignore-probes
    timeout client 10s
    timeout server 10s
    timeout connect 5s
";

/// Two servers that say their names, and what path makes of them.
const ORIGINS: &str = "\
frontend one
    bind 127.0.0.1:8091
    http-request return status 404 if { path /missing }
    http-request return status 500 if { path /broken }
    http-request return status 501 if { path /unable }
    http-request return content-type text/plain string one hdr session from-one
frontend two
    bind 127.0.0.1:8092
    http-request return content-type text/plain string two hdr session from-two
";

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// A rule that answers a path with what expressions give.
fn tell(path: &str, expressions: &str) -> String {
    let values: Vec<String> = expressions
        .split_whitespace()
        .map(|expression| format!("%[{expression}]"))
        .collect();
    format!(
        "    http-request return content-type text/plain lf-string \"{}\" if {{ path {path} }}\n",
        values.join(" ")
    )
}

fn asked(site: &Site, path: &str, headers: &str) -> Result<String> {
    let answer = site.ask(&format!(
        "GET {path} HTTP/1.1\r\nhost: x\r\n{headers}connection: close\r\n\r\n"
    ))?;
    Ok(body(&answer).to_string())
}

#[test]
fn each_event_is_counted_when_it_happens() -> Result<()> {
    let counts = [
        "conn_cnt",
        "conn_cur",
        "sess_cnt",
        "http_req_cnt",
        "http_err_cnt",
        "http_fail_cnt",
        "trackers",
    ];
    let converters: Vec<String> = counts
        .iter()
        .map(|what| format!("str(k),table_{what}(keys)"))
        .collect();
    let config = format!(
        "{DEFAULTS}frontend f\n    bind 127.0.0.1:8080\n{}\
         \x20   http-request track-sc0 req.hdr(k) table keys if {{ req.hdr(k) -m found }}\n\
         \x20   http-request deny if {{ path /denied }}\n    http-request return status 404 if {{ path /not-here }}\n\
         \x20   default_backend b\n\
         backend b\n    server one 127.0.0.1:8091\n\
         backend keys\n    stick-table type string size 10 expire 1m store \
         conn_cnt,conn_cur,sess_cnt,http_req_cnt,http_err_cnt,http_fail_cnt,bytes_in_cnt,bytes_out_cnt\n{ORIGINS}",
        tell("/see", &converters.join(" "))
    );
    let site = Site::start("stick-events", &[("site.cfg", &config)])?;
    assert_eq!(asked(&site, "/see", "")?, "0 0 0 0 0 0 0");
    asked(&site, "/", "k: k\r\n")?;
    site.until("/see", "1 0 0 1 0 0 0")?;
    for (path, seen) in [
        ("/denied", "2 0 0 2 1 0 0"),
        ("/not-here", "3 0 0 3 1 0 0"),
        ("/missing", "4 0 0 4 2 0 0"),
        ("/broken", "5 0 0 5 2 1 0"),
        ("/unable", "6 0 0 6 2 1 0"),
    ] {
        asked(&site, path, "k: k\r\n")?;
        site.until("/see", seen)?;
    }
    // Each request on a kept connection is tracked for itself.
    let mut kept = site.connect(0)?;
    let request = "GET / HTTP/1.1\r\nhost: x\r\nk: k\r\n\r\n";
    kept.write_all(format!("{request}{request}").as_bytes())?;
    site.until("/see", "8 0 0 8 2 1 0")
}

#[test]
fn the_configuration_says_which_statuses_are_errors() -> Result<()> {
    let config = format!(
        "global\n    http-err-codes 410 +404-405 -405\n    http-fail-codes -500-599 +404\n\
         {DEFAULTS}frontend f\n    bind 127.0.0.1:8080\n{}    http-request track-sc0 int(1) table keys\n    default_backend b\n\
         backend b\n    server one 127.0.0.1:8091\n\
         backend keys\n    stick-table type integer size 10 store http_err_cnt,http_fail_cnt\n{ORIGINS}",
        tell(
            "/see",
            "int(1),table_http_err_cnt(keys) int(1),table_http_fail_cnt(keys)"
        )
    );
    let site = Site::start("stick-statuses", &[("site.cfg", &config)])?;
    asked(&site, "/broken", "")?;
    site.until("/see", "0 0")?;
    asked(&site, "/missing", "")?;
    site.until("/see", "1 1")
}

#[test]
fn a_connection_is_tracked_from_the_rule_on_that_says_so() -> Result<()> {
    let counts = |table: &str| {
        ["conn_cnt", "conn_cur", "sess_cnt", "http_req_cnt", "http_err_cnt"]
            .map(|what| format!("src,table_{what}({table})"))
            .join(" ")
    };
    let table = "    stick-table type ip size 10 expire 1m store conn_cnt,conn_cur,sess_cnt,http_req_cnt,http_err_cnt\n";
    let config = format!(
        "{DEFAULTS}frontend f\n    bind 127.0.0.1:8080\n\
         \x20   tcp-request connection track-sc0 src table a\n    tcp-request session track-sc1 src table b\n\
         \x20   tcp-request content track-sc2 src table c\n    http-request track-sc0 src table d\n\
         \x20   http-request deny if {{ path /denied }}\n    http-request return status 200\n\
         frontend see\n    bind 127.0.0.1:8081\n{}{}{}{}\
         backend a\n{table}backend b\n{table}backend c\n{table}backend d\n{table}",
        tell("/a", &counts("a")),
        tell("/b", &counts("b")),
        tell("/c", &counts("c")),
        tell("/d", &format!("{} table_cnt(d)", counts("d"))),
    );
    let site = Site::start("stick-levels", &[("site.cfg", &config)])?;
    let see = |path: &str| -> Result<String> {
        let mut stream = site.connect(1)?;
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes())?;
        Ok(body(&rest(stream)?).to_string())
    };
    let until = |path: &str, wanted: &str| -> Result<()> {
        for _ in 0..2000 {
            if see(path)? == wanted {
                return Ok(());
            }
            std::thread::yield_now();
        }
        Err(format!("{path} says {}, not {wanted}", see(path)?).into())
    };
    // Whether the program is there was asked by a connection too.
    let mut kept = site.connect(0)?;
    let mut answer = [0; 1];
    kept.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")?;
    kept.read_exact(&mut answer)?;
    for (path, wanted) in [("/a", "2 1 2 1 0"), ("/b", "2 1 2 1 0"), ("/d", "0 0 0 0 0 0")] {
        until(path, wanted)?;
    }
    // What content rules track is over with each request.
    until("/c", "1 0 0 1 0")?;
    kept.write_all(b"GET /denied HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
    rest(kept)?;
    let malformed = site.ask("NONSENSE\r\n\r\n")?;
    assert!(malformed.starts_with("HTTP/1.1 400 "), "{malformed}");
    for path in ["/a", "/b"] {
        until(path, "3 0 3 3 2")?;
    }
    until("/c", "2 0 0 2 1")
}

#[test]
fn bytes_are_counted_as_they_flow() -> Result<()> {
    let figures = "src,table_bytes_in_rate(t) src,table_bytes_out_rate(t) src,table_conn_cur(t)";
    let config = format!(
        "{DEFAULTS}frontend see\n    bind 127.0.0.1:8080\n{}\
         listen f\n    bind 127.0.0.1:8081\n    mode tcp\n    tcp-request content track-sc0 src table t\n\
         \x20   server echo 127.0.0.1:8082\n\
         frontend echo\n    bind 127.0.0.1:8082\n    mode http\n    http-request return content-type text/plain string {}\n\
         backend t\n    stick-table type ip size 10 expire 1m store bytes_in_rate(1h),bytes_out_rate(1h),conn_cur\n",
        tell("/", figures),
        "x".repeat(100)
    );
    let site = Site::start("stick-bytes", &[("site.cfg", &config)])?;
    let mut stream = site.connect(1)?;
    let request = "GET / HTTP/1.1\r\nhost: abc\r\n\r\n";
    let mut exchange = || -> Result<usize> {
        stream.write_all(request.as_bytes())?;
        let (mut seen, mut buffer) = (Vec::new(), [0; 1024]);
        while !seen.ends_with(&[b'x'; 100]) {
            let read = stream.read(&mut buffer)?;
            seen.extend_from_slice(buffer.get(..read).unwrap_or_default());
        }
        Ok(seen.len())
    };
    let answer = exchange()?;
    site.until("/", &format!("{} {answer} 1", request.len()))?;
    exchange()?;
    site.until("/", &format!("{} {} 1", 2 * request.len(), 2 * answer))?;
    drop(stream);
    site.until("/", &format!("{} {} 0", 2 * request.len(), 2 * answer))
}

#[test]
fn rules_change_what_they_track() -> Result<()> {
    let config = format!(
        "{DEFAULTS}frontend f\n    bind 127.0.0.1:8080\n\
         \x20   http-request track-sc0 str(k) table arrays\n    http-request track-sc1 str(k) table plain\n\
         \x20   http-request sc-inc-gpc(2,0)\n    http-request sc-inc-gpc0(0)\n    http-request sc-inc-gpc1(1)\n\
         \x20   http-request sc-add-gpc(1,0) 5\n    http-request sc-add-gpc(1,0) url_param(n)\n\
         \x20   http-request sc-set-gpt(1,0) url_param(n),mul(2)\n    http-request sc-set-gpt0(1) 9\n\
         \x20   http-request sc-inc-gpc(9,0)\n    http-request sc-inc-gpc0(2)\n{}\
         \x20   http-request return status 200\n    http-after-response sc-inc-gpc0(1)\n\
         backend arrays\n    stick-table type string size 10 store gpc(3),gpt(2),gpc_rate(3,1h)\n\
         backend plain\n    stick-table type string size 10 store gpc0,gpc1,gpt0,gpc0_rate(1h)\n",
        tell(
            "/see",
            "sc_get_gpc(0,0) sc_get_gpc(1,0) sc_get_gpc(2,0) sc_gpc_rate(1,0) sc0_gpc0_rate sc_get_gpt(0,0) sc_get_gpt(1,0) \
             sc1_get_gpc0 sc1_get_gpc1 sc1_get_gpt0 sc1_gpc0_rate"
        ),
    );
    let site = Site::start("stick-changes", &[("site.cfg", &config)])?;
    assert_eq!(asked(&site, "/see?n=3", "")?, "1 8 1 8 1 0 6 0 1 9 0");
    asked(&site, "/?n=-1", "")?;
    // What is no number of 32 bits is none: the tag stays at what it was, and nothing is added.
    assert_eq!(asked(&site, "/see?n=-1", "")?, "3 18 3 18 3 0 6 2 3 9 2");
    Ok(())
}

#[test]
fn clients_are_refused_by_what_they_did() -> Result<()> {
    let config = format!(
        "{DEFAULTS}listen f\n    bind 127.0.0.1:8080\n    http-request track-sc0 src table rates\n\
         \x20   http-request deny if {{ src_conn_rate(rates) gt 3 }}\n    http-request return status 200\n\
         backend rates\n    stick-table type ip size 1m expire 1m store conn_rate(1m)\n"
    );
    let site = Site::start("stick-rate", &[("site.cfg", &config)])?;
    for _ in 0..3 {
        let answer = site.get("/")?;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    }
    let answer = site.get("/")?;
    assert!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    Ok(())
}

#[test]
fn entries_are_forgotten_and_make_room() -> Result<()> {
    let config = format!(
        "{DEFAULTS}frontend f\n    bind 127.0.0.1:8080\n\
         \x20   http-request track-sc0 url_param(k) table small if {{ url_param(k) -m found }}\n\
         \x20   http-request track-sc1 url_param(k) table short if {{ url_param(k) -m found }}\n\
         \x20   http-request track-sc2 url_param(k) table full if {{ url_param(k) -m found }}\n{}{}{}\
         backend small\n    stick-table type string size 2\n\
         backend full\n    stick-table type string size 2 expire 1h nopurge\n\
         backend short\n    stick-table type string size 2 expire 100ms\n",
        tell(
            "/small",
            "table_cnt(small) table_avl(small) str(c),in_table(small)"
        ) + &tell(
            "/free",
            "str(a),table_trackers(small) str(b),table_trackers(small)"
        ),
        tell(
            "/full",
            "table_cnt(full) str(a),in_table(full) str(c),in_table(full) sc2_tracked"
        ),
        tell("/short", "table_cnt(short) table_avl(short)"),
    );
    let site = Site::start("stick-room", &[("site.cfg", &config)])?;
    for key in ["a", "b", "c"] {
        asked(&site, &format!("/small?k={key}"), "")?;
        site.until("/free", "0 0")?;
    }
    site.until("/short", "0 2")?;
    assert_eq!(asked(&site, "/small", "")?, "2 0 1");
    assert_eq!(asked(&site, "/full?k=c", "")?, "2 1 0 0");
    assert_eq!(asked(&site, "/full?k=a", "")?, "2 1 0 1");
    Ok(())
}

#[test]
fn clients_stay_with_their_server() -> Result<()> {
    let config = format!(
        "{DEFAULTS}frontend f\n    bind 127.0.0.1:8080\n{}\
         \x20   use_backend other if {{ path /other }}\n    default_backend b\n\
         backend b\n    stick-table type string len 10 size 100 expire 1m\n    stick on req.hdr(k) if {{ req.hdr(k) -m found }}\n\
         \x20   server first 127.0.0.1:8091\n    server second 127.0.0.1:8092\n\
         backend other\n    stick match req.hdr(k) table b\n    server x 127.0.0.1:8092 id 1\n    \
         server second 127.0.0.1:8091 id 2\n{ORIGINS}",
        tell(
            "/see",
            "str(alice),table_server_id(b) str(bob),table_server_id(b) table_cnt(b)"
        ),
    );
    let site = Site::start("stick-on", &[("site.cfg", &config)])?;
    let alice = asked(&site, "/", "k: alice\r\n")?;
    let mut bob = asked(&site, "/", "k: bob\r\n")?;
    // Workers take turns of their own: a new client may get the same server, the next one does not.
    for number in 0.. {
        if bob != alice || number == 20 {
            break;
        }
        bob = asked(&site, "/", &format!("k: bob{number}\r\n"))?;
    }
    for _ in 0..6 {
        assert_eq!(asked(&site, "/", "k: alice\r\n")?, alice);
    }
    // Keys are cut after ten bytes.
    let long = asked(&site, "/", "k: long-name-1\r\n")?;
    for _ in 0..4 {
        assert_eq!(asked(&site, "/", "k: long-name-2\r\n")?, long);
    }
    let seen = asked(&site, "/see", "")?;
    assert!(
        seen.starts_with(if alice == "one" { "1 " } else { "2 " }),
        "{seen}"
    );
    // Another backend finds the server by the name that it has there; the other name goes by its number.
    let there = asked(&site, "/other", "k: alice\r\n")?;
    assert_eq!(there, if alice == "one" { "two" } else { "one" });
    Ok(())
}

#[test]
fn servers_are_learned_from_responses() -> Result<()> {
    let config = format!(
        "{DEFAULTS}listen f\n    bind 127.0.0.1:8080\n    stick-table type string len 20 size 100 expire 1m srvkey addr\n\
         \x20   stick match req.hdr(session)\n    stick store-response res.hdr(session)\n\
         \x20   server first 127.0.0.1:8091\n    server second 127.0.0.1:8092\n{ORIGINS}"
    );
    let site = Site::start("stick-response", &[("site.cfg", &config)])?;
    // Workers take turns of their own: both servers have to have answered.
    let mut answered = BTreeSet::new();
    for _ in 0..40 {
        answered.insert(asked(&site, "/", "")?);
        if answered.len() == 2 {
            break;
        }
    }
    for _ in 0..4 {
        assert_eq!(asked(&site, "/", "session: from-one\r\n")?, "one");
        assert_eq!(asked(&site, "/", "session: from-two\r\n")?, "two");
    }
    Ok(())
}

#[test]
fn the_server_that_served_is_the_one_that_is_stored() -> Result<()> {
    let config = format!(
        "{DEFAULTS}frontend f\n    bind 127.0.0.1:8080\n{}    default_backend b\n\
         backend b\n    balance first\n    option redispatch\n    retries 1\n    timeout connect 200ms\n\
         \x20   stick-table type string size 100 expire 1m\n    stick store-request str(request)\n\
         \x20   stick on str(both) if {{ path / }}\n    stick match str(request)\n\
         \x20   server gone 127.0.0.1:8099\n    server kept 127.0.0.1:8091 non-stick\n{ORIGINS}\
         backend c\n    balance first\n    stick-table type string size 100 expire 1m\n    stick on str(k)\n\
         \x20   server off 127.0.0.1:8092 disabled\n    server on 127.0.0.1:8091\n",
        tell(
            "/see",
            "str(request),table_server_id(b) str(both),table_server_id(b) table_cnt(b)"
        ),
    );
    let site = Site::start("stick-redispatch", &[("site.cfg", &config)])?;
    assert_eq!(asked(&site, "/", "")?, "one");
    // The one that served is not to be kept, and the one that was tried did not serve.
    assert_eq!(asked(&site, "/see", "")?, "0 0 0");
    Ok(())
}

#[test]
fn streams_stay_with_their_server_too() -> Result<()> {
    let config = format!(
        "{DEFAULTS}frontend see\n    bind 127.0.0.1:8080\n{}\
         listen f\n    bind 127.0.0.1:8081\n    mode tcp\n    stick-table type ip size 100 expire 1m\n    stick on src\n\
         \x20   server first 127.0.0.1:8091\n    server second 127.0.0.1:8092\n{ORIGINS}",
        tell("/", "src,table_server_id(f)"),
    );
    let site = Site::start("stick-tcp", &[("site.cfg", &config)])?;
    let served = || -> Result<String> {
        let mut stream = site.connect(1)?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        Ok(body(&rest(stream)?).to_string())
    };
    // The connection that was made to see whether the program listens is one of this client's too, and may be stored last.
    let mut last = served()?;
    let mut same = 0;
    for _ in 0..12 {
        let now = served()?;
        same = if now == last { same + 1 } else { 0 };
        last = now;
    }
    assert!(same >= 6, "streams still change their server");
    site.until("/", if last == "one" { "1" } else { "2" })
}

#[test]
fn scripts_ask_tables_by_name() -> Result<()> {
    let script = "core.register_service('see', 'http', function(applet)\n\
                  local text = applet.sf:sc0_get_gpc0() .. ' ' .. applet.f:src_get_gpc0('other') .. ' '\n\
                  .. applet.c:table_gpc0('k', 'keys') .. ' ' .. applet.f:table_cnt('keys')\n\
                  applet:set_status(200)\n\
                  applet:add_header('content-length', tostring(#text))\n\
                  applet:start_response()\n\
                  applet:send(text)\n\
                  end)\n";
    let config = format!(
        "{}frontend f\n    bind 127.0.0.1:8080\n    http-request track-sc0 str(k) table keys\n\
         \x20   http-request sc-inc-gpc0(0)\n    http-request use-service lua.see\n\
         backend keys\n    stick-table type string size 10 store gpc0\n\
         backend other\n    stick-table type ip size 10 store gpc0\n",
        DEFAULTS.replace("global\n", "global\n    lua-load site/site.lua\n")
    );
    let site = Site::start("stick-lua", &[("site.cfg", &config), ("site.lua", script)])?;
    assert_eq!(asked(&site, "/", "")?, "1 0 1 1");
    assert_eq!(asked(&site, "/", "")?, "2 0 2 1");
    Ok(())
}
