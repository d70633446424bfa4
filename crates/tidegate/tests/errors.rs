//! Error pages, and replies of rules, in the running program.

mod support;

use std::io::Write;

use support::Result;
use support::site::{Site, rest};

const DEFAULTS: &str = "\
defaults
    mode http
    timeout connect 5s
    timeout client 15s
    timeout server 15s
";

fn head(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or(answer, |(head, _)| head)
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

#[test]
fn each_proxy_has_pages_of_its_own() -> Result<()> {
    let config = format!(
        "http-errors site
    errorfile 413 site/own.http
    errorfile 425 site/sorry.http
    errorfile 404 site/sorry.http
{DEFAULTS}\
    errorfile 404 site/shared.http
frontend f
    bind 127.0.0.1:8080
    errorfile 503 site/sorry.http
    errorfile 403 /dev/null
    errorloc 405 /not-allowed
    errorloc303 410 http://other/gone
    http-error status 429 content-type text/plain lf-string \"slow down, %[src]; %[path]\" hdr x-why %[src]
    http-error status 404 default-errorfiles
    errorfiles site 413
    timeout tarpit 10ms
    http-request deny deny_status 413 if {{ path /413 }}
    http-request deny deny_status 425 errorfiles site if {{ path /425 }}
    errorfile 500 site/sorry.http
    http-error status 500
    http-request deny if {{ path /403 }}
    http-request deny deny_status 404 if {{ path /404 }}
    http-request deny status 404 if {{ path /empty }}
    http-request tarpit status 418 if {{ path /tea }}
    http-request deny deny_status 405 if {{ path /405 }}
    http-request deny deny_status 410 if {{ path /410 }}
    http-request deny deny_status 429 if {{ path /429 }}
    http-request deny deny_status 500 if {{ path /500 }}
    http-request return status 503 if {{ path /bare }}
    http-request return status 503 default-errorfiles if {{ path /page }}
    http-request return status 200 errorfile site/sorry.http if {{ path /file }}
    http-request deny hdr x-a b if {{ path /hdr }}
    http-after-response set-header x-after %[status]
    use_backend own if {{ path /own }}
    use_backend none if {{ path /none }}
backend own
    errorfile 503 site/own.http
backend none
"
    );
    let sorry = "HTTP/1.0 503 Sorry\nX-Page: sorry\nContent-Length: 6\n\nsorry\n";
    let own = "HTTP/1.1 200 OK\r\nX-Page: own\r\n\r\nown";
    let site = Site::start(
        "errors-pages",
        &[
            ("site.cfg", &config),
            ("sorry.http", sorry),
            ("own.http", own),
            ("shared.http", "HTTP/1.1 404 Shared\n\nshared"),
        ],
    )?;
    for path in ["/none", "/page", "/file"] {
        let answer = site.get(path)?;
        assert!(answer.starts_with("HTTP/1.1 503 Sorry\r\n"), "{path} {answer}");
        assert!(
            answer.contains("\r\nx-page: sorry\r\n") && body(&answer) == "sorry\n",
            "{path} {answer}"
        );
        assert!(answer.contains("\r\nx-after: 503"), "{path} {answer}");
    }
    assert_eq!(body(&site.get("/413")?), "own");
    assert_eq!(body(&site.get("/425")?), "sorry\n");
    let answer = site.get("/own")?;
    assert!(
        answer.starts_with("HTTP/1.1 200 OK\r\n") && body(&answer) == "own",
        "{answer}"
    );
    assert_eq!(site.get("/403")?, "");
    // What comes from `defaults` is taken away again.
    let answer = site.get("/404")?;
    assert!(
        answer.starts_with("HTTP/1.1 404 Not Found\r\n") && answer.contains("<html>"),
        "{answer}"
    );
    // `status` makes a reply of its own, as with `return`, where `deny_status` chooses a page.
    for (path, start) in [("/empty", "HTTP/1.1 404 "), ("/tea", "HTTP/1.1 418 ")] {
        let answer = site.get(path)?;
        assert!(answer.starts_with(start) && body(&answer).is_empty(), "{answer}");
        assert!(!answer.contains("cache-control"), "{answer}");
    }
    let answer = site.get("/405")?;
    assert!(answer.starts_with("HTTP/1.1 302 Found\r\n"), "{answer}");
    assert!(
        answer.contains("\r\nlocation: /not-allowed\r\n") && body(&answer).is_empty(),
        "{answer}"
    );
    let answer = site.get("/410")?;
    assert!(answer.starts_with("HTTP/1.1 303 See Other\r\n"), "{answer}");
    assert!(answer.contains("\r\nlocation: http://other/gone\r\n"), "{answer}");
    let answer = site.get("/429")?;
    assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
    assert!(body(&answer) == "slow down, 127.0.0.1; /429", "{answer}");
    assert!(answer.contains("\r\nx-why: 127.0.0.1\r\n"), "{answer}");
    let answer = site.get("/500")?;
    assert!(
        answer.starts_with("HTTP/1.1 500 ") && body(&answer).is_empty(),
        "{answer}"
    );
    let answer = site.get("/bare")?;
    assert!(
        answer.starts_with("HTTP/1.1 503 Service Unavailable\r\n") && body(&answer).is_empty(),
        "{answer}"
    );
    let answer = site.get("/hdr")?;
    assert!(
        answer.starts_with("HTTP/1.1 403 ") && answer.contains("\r\nx-a: b\r\n"),
        "{answer}"
    );
    assert!(body(&answer).is_empty(), "{answer}");
    Ok(())
}

#[test]
fn a_request_that_can_not_be_read_gets_the_frontends_page() -> Result<()> {
    let config = "\
defaults
    mode http
    timeout connect 5s
    timeout client 15s
    timeout http-request 300ms
frontend f
    bind 127.0.0.1:8080
    errorfile 400 site/bad.http
    http-error status 408 content-type text/plain lf-string \"late, %[src]\"
frontend g
    bind 127.0.0.1:8081
    errorfile 408 /dev/null
";
    let site = Site::start(
        "errors-unreadable",
        &[
            ("site.cfg", config),
            ("bad.http", "HTTP/1.1 418 Bad\nX: y\n\nbad"),
        ],
    )?;
    let answer = site.ask("GET / HTTP/1.1\r\nhost: x\r\nno header\r\n\r\n")?;
    assert!(answer.starts_with("HTTP/1.1 418 Bad\r\n"), "{answer}");
    assert!(
        head(&answer).contains("\r\nx: y") && body(&answer) == "bad",
        "{answer}"
    );
    let mut slow = site.connect(0)?;
    slow.write_all(b"GET / HT")?;
    let answer = rest(slow)?;
    assert!(
        answer.starts_with("HTTP/1.1 408 ") && body(&answer) == "late, 127.0.0.1",
        "{answer}"
    );
    let mut slow = site.connect(1)?;
    slow.write_all(b"GET / HT")?;
    assert_eq!(rest(slow)?, "");
    Ok(())
}

#[test]
fn redirections_keep_queries_and_set_cookies() -> Result<()> {
    let config = format!(
        "{DEFAULTS}\
frontend f
    bind 127.0.0.1:8080
    http-request redirect location /new keep-query code 308 if {{ path /keep }}
    http-request redirect location /new?x=1 keep-query set-cookie-fmt \"seen=%[path]\" if {{ path /more }}
    http-request redirect location %[str()] ignore-empty if {{ path /empty }}
    http-request return status 204 if {{ path /empty }}
    http-response redirect location /elsewhere if TRUE
    http-request return content-type text/plain string x
"
    );
    let site = Site::start("errors-redirect", &[("site.cfg", &config)])?;
    let answer = site.get("/keep?a=b")?;
    assert!(
        answer.starts_with("HTTP/1.1 308 ") && answer.contains("\r\nlocation: /new?a=b\r\n"),
        "{answer}"
    );
    assert!(site.get("/keep")?.contains("\r\nlocation: /new\r\n"));
    let answer = site.get("/more?a=b")?;
    assert!(answer.contains("\r\nlocation: /new?x=1&a=b\r\n"), "{answer}");
    assert!(answer.contains("\r\nset-cookie: seen=/more\r\n"), "{answer}");
    assert!(site.get("/empty")?.starts_with("HTTP/1.1 204 "));
    Ok(())
}

#[test]
fn the_monitor_tells_how_the_proxy_is() -> Result<()> {
    let config = format!(
        "{DEFAULTS}\
frontend f
    bind 127.0.0.1:8080
    log stdout format raw daemon
    log-format \"%HP %ST\"
    monitor-uri /alive
    monitor fail if {{ method DELETE }}
    errorfile 200 site/alive.http
    http-request deny
"
    );
    let site = Site::start(
        "errors-monitor",
        &[("site.cfg", &config), ("alive.http", "HTTP/1.0 200 OK\n\nwell")],
    )?;
    assert_eq!(body(&site.get("/alive")?), "well");
    let answer = site.ask("DELETE /alive HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(site.get("/dead")?.starts_with("HTTP/1.1 403 "));
    site.logged("/dead 403")?;
    assert!(!site.output().contains("/alive"), "{}", site.output());
    Ok(())
}
