//! Users and their passwords, in the running program.

mod support;

use std::io::{ErrorKind, Write};

use base64::Engine;
use support::Result;
use support::site::{Site, rest};

const DEFAULTS: &str = "\
global
    nbthread 1
defaults
    mode http
    timeout connect 5s
    timeout client 60s
    timeout server 15s
";

fn request(path: &str, user: &str) -> String {
    let credentials = base64::engine::general_purpose::STANDARD.encode(user);
    format!(
        "GET {path} HTTP/1.1\r\nhost: x\r\nauthorization: Basic {credentials}\r\nconnection: close\r\n\r\n"
    )
}

#[test]
fn users_are_known_by_their_passwords_and_groups() -> Result<()> {
    let config = format!(
        "{DEFAULTS}\
userlist people
    group staff users joe,ann
    group guests
    user joe password $5$rounds=1000$salt$CCvcOM6b7TEJDPb37Aec/9UpOg4QhPNAxPpL9ZzjTB7
    user ann password '$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW'
    user bob insecure-password 'a b:c' groups guests
    user old password $1$saltsalt$9xy1btjgzLYfb7hivXtC//
    user nobody
frontend web
    bind 127.0.0.1:8080
    acl staff http_auth_group(people) staff other
    http-request return status 200 content-type text/plain lf-string %[http_auth(people)],%[http_auth_group(people)] if {{ path /info }}
    http-request return status 200 content-type text/plain string name if {{ path /name }} {{ http_auth_group(people) -m str bob }}
    http-request auth realm 'the \"inner\" office' if {{ path_beg /inner }} !staff
    http-request auth unless {{ http_auth(people) }}
    http-request return status 200 content-type text/plain string in
"
    );
    let site = Site::start("userlists", &[("site.cfg", &config)])?;
    let ask = |path: &str, user: &str| -> Result<String> { site.ask(&request(path, user)) };
    for (user, info, open, inner) in [
        ("joe:secret", "1,joe", "200", "200"),
        ("ann:secret", "1,ann", "200", "200"),
        ("bob:a b:c", "1,bob", "200", "401"),
        ("old:secret", "1,old", "200", "401"),
        ("joe:Secret", "0,", "401", "401"),
        ("bob:a b", "0,", "401", "401"),
        ("nobody:", "0,", "401", "401"),
        ("unknown:secret", "0,", "401", "401"),
    ] {
        // The second time the password is remembered, if it was right.
        for _ in 0..2 {
            let answer = ask("/info", user)?;
            assert_eq!(
                answer.split_once("\r\n\r\n").unwrap_or_default().1,
                info,
                "{user}"
            );
            assert!(
                ask("/", user)?.starts_with(&format!("HTTP/1.1 {open} ")),
                "{user}"
            );
            assert!(
                ask("/inner", user)?.starts_with(&format!("HTTP/1.1 {inner} ")),
                "{user}"
            );
        }
    }
    assert!(ask("/name", "bob:a b:c")?.ends_with("name"));
    assert!(ask("/name", "joe:secret")?.ends_with("in"));
    assert!(
        site.get("/info")?.ends_with("\r\n\r\n,"),
        "no credentials, no sample"
    );
    let refused = site.get("/")?;
    assert!(
        refused.contains("www-authenticate: Basic realm=\"web\"\r\n"),
        "{refused}"
    );
    let refused = site.get("/inner")?;
    let realm = "www-authenticate: Basic realm=\"the \\\"inner\\\" office\"\r\n";
    assert!(refused.contains(realm), "{refused}");
    Ok(())
}

#[test]
fn others_are_served_while_a_password_is_hashed() -> Result<()> {
    // Never right, so never remembered; the tests' own build takes seconds for it.
    let config = format!(
        "{DEFAULTS}\
userlist people
    user joe password $5$rounds=400000$salt$CCvcOM6b7TEJDPb37Aec/9UpOg4QhPNAxPpL9ZzjTB7
frontend web
    bind 127.0.0.1:8080
    http-request return status 200 content-type text/plain string open if {{ path /open }}
    http-request auth unless {{ http_auth(people) }}
"
    );
    let site = Site::start("userlists-busy", &[("site.cfg", &config)])?;
    let mut slow = site.connect(0)?;
    slow.write_all(request("/", "joe:secret").as_bytes())?;
    // Those that come after it are served before it, on the same thread.
    for _ in 0..3 {
        assert!(site.get("/open")?.ends_with("open"));
    }
    slow.set_nonblocking(true)?;
    let early = slow.peek(&mut [0]).map_err(|error| error.kind());
    assert_eq!(early, Err(ErrorKind::WouldBlock), "the hash was made at once");
    slow.set_nonblocking(false)?;
    assert!(rest(slow)?.starts_with("HTTP/1.1 401 "));
    Ok(())
}
