//! What rules do to a request, in the running program.

mod support;

use std::io::{BufReader, Read, Write};

use support::Result;
use support::origin::{head, named, origin, server};
use support::site::Site;

#[test]
fn variables_are_set_where_their_conditions_hold() -> Result<()> {
    let config = "\
defaults
    mode http
    timeout connect 5s
    timeout client 15s
    timeout server 15s
frontend f
    bind 127.0.0.1:8080
    http-request set-var(txn.once,ifnotexists) str(first)
    http-request set-var(txn.once,ifnotexists) str(second)
    http-request set-var(txn.none,ifexists) str(x)
    http-request set-var(txn.most) int(5)
    http-request set-var(txn.most,iflt) int(3)
    http-request set-var(txn.most,ifset,iflt) int(9)
    http-request set-var-fmt(txn.text) x
    http-request set-var-fmt(txn.text,ifnotempty) \"%[str()]\"
    http-request return content-type text/plain lf-string \"%[var(txn.once)],%[var(txn.none)],%[var(txn.most)],%[var(txn.text)]\"
";
    let site = Site::start("rules-variables", &[("site.cfg", config)])?;
    let answer = site.get("/")?;
    assert!(answer.ends_with("\r\n\r\nfirst,,9,x"), "{answer}");
    Ok(())
}

#[test]
fn headers_are_taken_away_by_what_their_names_match() -> Result<()> {
    let config = "\
defaults
    mode http
    timeout connect 5s
    timeout client 15s
    timeout server 15s
frontend f
    bind 127.0.0.1:8080
    http-request del-header A-One -m str
    http-request del-header B- -m beg
    http-request del-header -End -m end
    http-request del-header Midst -m sub
    http-request del-header ^d-[0-9]+$ -m reg
    http-request del-header ^E -m reg
    http-request return content-type text/plain lf-string \"%[req.hdr_names]\"
";
    let site = Site::start("rules-headers", &[("site.cfg", config)])?;
    let answer = site.ask(
        "GET / HTTP/1.1\r\na-one: 1\r\na-two: 1\r\nB-x: 1\r\nc-end: 1\r\nc-midst-c: 1\r\nd-12: 1\r\nd-x: 1\r\n\
         e: 1\r\nhost: x\r\nconnection: close\r\n\r\n",
    )?;
    let names = answer.rsplit("\r\n").next().unwrap_or_default();
    let mut names: Vec<&str> = names.split(',').collect();
    names.sort_unstable();
    assert_eq!(names, ["a-two", "d-x", "e", "host"], "{answer}");
    Ok(())
}

#[test]
fn converters_see_how_the_session_went() -> Result<()> {
    let script = "core.register_service('answer', 'http', function(applet)
        applet:set_status(200)
        applet:start_response()
        applet:send('served')
    end)";
    let origin = origin(|stream| {
        head(&mut BufReader::new(&stream))?;
        (&stream).write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok")?;
        Ok(())
    })?;
    let config = format!(
        "global
    lua-load site/script.lua
defaults
    mode http
    timeout connect 5s
    timeout client 15s
    timeout server 15s
frontend f
    bind 127.0.0.1:8080
    log stdout format raw daemon
    log-format \"%HP forwarded=%[int(1),when(forwarded)] toapplet=%[int(1),when(toapplet)] processed=%[int(1),when(processed)] error=%[int(1),when(error)] stopping=%[int(1),when(stopping)]\"
    http-request set-var(txn.x) path,debug(seen,stdout)
    http-request return content-type text/plain lf-string \"%[str(f),fe_exists]%[str(b),fe_exists]%[str(b),nbsrv]%[str(b/s),srv_is_up]%[str(b/s),srv_queue]%[str(x),nbsrv]\" if {{ path /exists }}
    http-request return status 503 if {{ path /error }}
    http-request use-service lua.answer if {{ path /service }}
    default_backend b
backend b
    server s {}
",
        server(origin)
    );
    let site = Site::start("rules-sessions", &[("site.cfg", &config), ("script.lua", script)])?;
    let answer = site.get("/exists")?;
    assert!(answer.ends_with("\r\n10110"), "{answer} {}", site.output());
    site.logged("[debug] seen: type=str </exists>")?;
    site.logged("/exists forwarded=- toapplet=- processed=- error=- stopping=-")?;
    site.get("/error")?;
    site.logged("/error forwarded=- toapplet=- processed=- error=1 stopping=-")?;
    assert!(site.get("/service")?.contains("served"));
    site.logged("/service forwarded=- toapplet=1 processed=1 error=- stopping=-")?;
    assert!(site.get("/server")?.ends_with("ok"));
    site.logged("/server forwarded=1 toapplet=- processed=1 error=- stopping=-")?;
    Ok(())
}

#[test]
fn texts_of_the_configuration_are_bytes() -> Result<()> {
    let config = "\
defaults
    mode http
    timeout client 15s
frontend f
    bind 127.0.0.1:8080
    acl latin req.hdr(x) -m str caf\\xE9
    http-request set-var(txn.a) str(\\xE9)
    http-request return content-type text/plain lf-string \"<\\xE8>%[str(-\\xE9),hex] %[var(txn.a),hex] %[acl(latin)]\"
";
    let site = Site::start("rules-bytes", &[("site.cfg", config)])?;
    let mut stream = site.connect(0)?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx: caf\xe9\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    assert!(
        answer.ends_with(b"\r\n\r\n<\xe8>2DE9 E9 1"),
        "{}",
        answer.escape_ascii()
    );
    Ok(())
}

#[test]
fn blanks_around_a_value_are_not_part_of_it() -> Result<()> {
    let config = "\
defaults
    mode http
    timeout client 15s
frontend f
    bind 127.0.0.1:8080
    http-request set-header a \" x y\t \"
    http-request add-header b \" \"
    http-request return content-type text/plain lf-string \"<%[req.fhdr(a)]> <%[req.hdr(a)]> <%[req.fhdr(b)]>\"
";
    let site = Site::start("rules-blanks", &[("site.cfg", config)])?;
    let answer = site.get("/")?;
    assert!(answer.ends_with("\r\n\r\n<x y> <x y> <>"), "{answer}");
    Ok(())
}

#[test]
fn what_answers_in_place_of_a_response_is_seen_by_no_other_rule() -> Result<()> {
    let config = format!(
        "defaults\n    mode http\n    timeout connect 5s\n    timeout client 15s\n    timeout server 15s\n\
         frontend f\n    bind 127.0.0.1:8080\n    http-response set-header x-frontend 1\n    \
         http-after-response set-header x-after 1\n    default_backend b\n\
         backend b\n    http-request set-var(txn.path) path\n    \
         http-request use-service prometheus-exporter if {{ path /service }}\n    stats uri /stats\n    \
         http-response return status 298 if {{ var(txn.path) -m str /return }}\n    \
         http-response deny if {{ var(txn.path) -m str /deny }}\n    \
         http-response set-header x-backend 1\n    server o {}\n",
        server(named("origin")?)
    );
    let site = Site::start("rules-in-place", &[("site.cfg", &config)])?;
    // The status, and whether the rules of the backend and of the frontend saw the response.
    for (path, status, seen) in [
        ("/", "200", [true, true]),
        ("/service", "200", [true, true]),
        ("/stats", "200", [false, false]),
        ("/return", "298", [false, false]),
        ("/deny", "502", [false, false]),
    ] {
        let answer = site.get(path)?;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{path}: {answer}"
        );
        let has = |name: &str| answer.contains(&format!("\r\n{name}: 1\r\n"));
        assert_eq!([has("x-backend"), has("x-frontend")], seen, "{path}: {answer}");
        assert!(has("x-after"), "{path}: {answer}");
    }
    Ok(())
}
