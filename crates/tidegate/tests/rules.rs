//! What rules do to a request, in the running program.

mod support;

use support::Result;
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
    assert_eq!(names, ["a-two", "connection", "d-x", "e", "host"], "{answer}");
    Ok(())
}
