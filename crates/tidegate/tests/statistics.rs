//! The page of statistics in the running program.

mod support;

use std::io::{Read, Write};

use support::Result;
use support::site::{Site, rest};

const DEFAULTS: &str = "\
defaults
    mode http
    timeout connect 5s
    timeout client 15s
    timeout server 15s
";

fn site(name: &str, lines: &str) -> Result<Site> {
    let config = format!(
        "global\n    node machine\n    description Words & such\n{DEFAULTS}\
         frontend f\n    bind 127.0.0.1:8080\n{lines}    default_backend app\n\
         backend app\n    server one ipv4@localhost:1 weight 10\n    server two ipv4@localhost:1\n    \
         server out ipv4@localhost:1 disabled\n\
         backend other\n    server one ipv4@localhost:1\n"
    );
    Site::start(name, &[("site.cfg", &config)])
}

/// Asks in a way that needs no chunks.
fn get(site: &Site, target: &str) -> Result<String> {
    site.ask(&format!("GET {target} HTTP/1.0\r\nhost: x\r\n\r\n"))
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

/// What stands in a column of a row.
fn column(csv: &str, row: &str, name: &str) -> Result<String> {
    let header = csv.lines().next().ok_or("there is no header")?;
    let at = header
        .trim_start_matches("# ")
        .split(',')
        .position(|column| column == name);
    let row = csv
        .lines()
        .find(|line| line.starts_with(row))
        .ok_or(format!("{row}: {csv}"))?;
    Ok(row
        .split(',')
        .nth(at.ok_or("there is no such column")?)
        .unwrap_or_default()
        .to_owned())
}

fn post(site: &Site, target: &str, headers: &str, form: &str) -> Result<String> {
    site.ask(&format!(
        "POST {target} HTTP/1.1\r\nhost: x\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n{form}",
        form.len()
    ))
}

#[test]
fn figures_are_told_in_every_form() -> Result<()> {
    let site = site("statistics-forms", "    stats uri /stats\n    stats refresh 7s\n")?;
    let page = get(&site, "/stats")?;
    assert_eq!(status(&page), "200", "{page}");
    for held in [
        "\r\ncontent-type: text/html; charset=utf-8\r\n",
        "\r\nrefresh: 7\r\n",
        "<h2>app</h2>",
        "<h2>other</h2>",
        ">no check</td>",
        ">MAINT</td>",
        "href=\"/stats;csv\"",
        "href=\"/stats;norefresh\"",
        "</html>",
    ] {
        assert!(page.contains(held), "{held}\n{page}");
    }
    // What isn't asked for isn't told.
    for absent in [
        "machine",
        "Words",
        env!("CARGO_PKG_VERSION"),
        "<form",
        "127.0.0.1",
    ] {
        assert!(!body(&page).contains(absent), "{absent}\n{page}");
    }
    let still = get(&site, "/stats;norefresh;up")?;
    assert!(
        !still.contains("\r\nrefresh:") && !body(&still).contains("MAINT"),
        "{still}"
    );
    let csv = get(&site, "/stats;csv")?;
    assert!(csv.contains("\r\ncontent-type: text/plain"), "{csv}");
    assert_eq!(column(body(&csv), "app,one,", "weight")?, "10");
    assert_eq!(column(body(&csv), "app,out,", "status")?, "MAINT");
    assert_eq!(column(body(&csv), "f,FRONTEND,", "status")?, "OPEN");
    let json = get(&site, "/stats;json")?;
    let rows: serde_json::Value = serde_json::from_str(body(&json).trim())?;
    assert_eq!(rows.as_array().map(Vec::len), Some(7), "{json}");
    let typed = get(&site, "/stats;typed")?;
    assert!(body(&typed).contains(".svname.1:KNSV:str:two\n"), "{typed}");
    Ok(())
}

#[test]
fn the_lines_say_what_is_shown() -> Result<()> {
    let site = site(
        "statistics-shown",
        "    stats enable\n    stats uri /s?page\n    stats scope .\n    stats scope app\n    stats show-node\n    \
         stats show-desc\n    stats show-version\n    stats show-legends\n",
    )?;
    let page = get(&site, "/s?page")?;
    for held in [
        "on machine",
        "Words &amp; such",
        env!("CARGO_PKG_VERSION"),
        "127.0.0.1:1</small>",
        "balance random",
        "<h2>f</h2>",
    ] {
        assert!(body(&page).contains(held), "{held}\n{page}");
    }
    assert!(!body(&page).contains("<h2>other</h2>"), "{page}");
    let csv = get(&site, "/s?page;csv;scope=ap")?;
    assert!(
        body(&csv).contains("\napp,one,") && !body(&csv).contains("\nf,"),
        "{csv}"
    );
    assert!(!body(&csv).contains("\nother,"), "{csv}");
    // Other targets are for servers.
    assert_eq!(status(&get(&site, "/s")?), "503");
    Ok(())
}

#[test]
fn names_are_no_markup() -> Result<()> {
    let config = format!(
        "{DEFAULTS}frontend f\n    bind 127.0.0.1:8080\n    stats uri \"/<s>\\\"\"\n    stats show-desc <b>bold</b>\n    stats show-node <i>\n"
    );
    let site = Site::start("statistics-escaped", &[("site.cfg", &config)])?;
    let page = get(&site, "/<s>\";st=DONE;scope=%22%3E%3Cscript%3E")?;
    if status(&page) == "200" {
        for absent in ["<b>", "<i>", "<s>", "<script>"] {
            assert!(!body(&page).contains(absent), "{absent}\n{page}");
        }
        assert!(body(&page).contains("&lt;b&gt;bold&lt;/b&gt;"), "{page}");
    }
    Ok(())
}

#[test]
fn servers_are_changed_by_whoever_may() -> Result<()> {
    let site = site(
        "statistics-admin",
        "    stats uri /stats\n    stats admin if { req.hdr(me) -m str admin }\n    stats scope app\n",
    )?;
    let admin = "me: admin\r\n";
    let form = site.ask("GET /stats HTTP/1.1\r\nhost: x\r\nme: admin\r\nconnection: close\r\n\r\n")?;
    assert!(
        form.contains("<input type=\"hidden\" name=\"b\" value=\"#2\">"),
        "{form}"
    );
    assert!(form.contains("name=\"s\" value=\"two\""), "{form}");
    assert!(!get(&site, "/stats")?.contains("<form"));
    for (headers, form, outcome) in [
        ("", "s=one&action=maint&b=app", "DENY"),
        (
            "me: admin\r\norigin: http://elsewhere\r\n",
            "s=one&action=maint&b=app",
            "DENY",
        ),
        (admin, "s=one&action=maint&b=other", "DENY"),
        (admin, "s=one&b=app", "NONE"),
        (admin, "action=maint&b=app", "NONE"),
        (admin, "s=one&action=nonsense&b=app", "UNKN"),
        (admin, "s=one&action=maint&b=nowhere", "UNKN"),
        (admin, "s=two&s=nobody&action=drain&b=%232", "PART"),
        (
            "me: admin\r\norigin: http://x\r\n",
            "s=one&action=maint&b=app",
            "DONE",
        ),
        (admin, "s=out&action=ready&b=app", "DONE"),
        (admin, "s=out&action=shutdown&b=app", "DONE"),
        (admin, "s=out&action=hdown&b=app", "UNKN"),
    ] {
        let answer = post(&site, "/stats;norefresh;scope=p", headers, form)?;
        assert_eq!(status(&answer), "303", "{form} {answer}");
        let to = format!("\r\nlocation: /stats;norefresh;scope=p;st={outcome}\r\n");
        assert!(answer.contains(&to), "{form} {answer}");
    }
    let csv = get(&site, "/stats;csv")?;
    for (server, state) in [("one", "MAINT"), ("two", "DRAIN"), ("out", "no check")] {
        assert_eq!(
            column(body(&csv), &format!("app,{server},"), "status")?,
            state,
            "{csv}"
        );
    }
    assert!(get(&site, "/stats;st=DONE")?.contains("role=\"status\">The servers were changed."));
    let long = format!("s={}", "x".repeat(20_000));
    assert!(post(&site, "/stats", admin, &long)?.contains(";st=EXCD\r\n"));
    // What neither gets nor posts anything is no request for the page, and there is no server here.
    for method in ["PUT", "OPTIONS", "DELETE"] {
        let request = format!("{method} /stats HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        assert_eq!(status(&site.ask(&request)?), "503", "{method}");
    }
    Ok(())
}

#[test]
fn users_and_rules_say_who_may_see_it() -> Result<()> {
    let config = format!(
        "{DEFAULTS}    stats uri /inherited\n\
         frontend f\n    bind 127.0.0.1:8080\n    use_backend users if {{ path_beg /users }}\n    use_backend rules if {{ path_beg /rules }}\n    default_backend inherits\n\
         userlist people\n    user jo insecure-password secret\n\
         backend inherits\n\
         backend users\n    stats uri /users\n    stats realm My\\ page\n    stats auth jo:secret\n    stats auth bo:a:b\n\
         backend rules\n    stats uri /rules\n    stats http-request allow if {{ req.hdr(let) in }}\n    \
         stats http-request auth realm Ours unless {{ http_auth(people) }}\n    stats http-request deny if {{ req.hdr(keep) out }}\n"
    );
    let site = Site::start("statistics-access", &[("site.cfg", &config)])?;
    let ask = |path: &str, headers: &str| {
        site.ask(&format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\n{headers}connection: close\r\n\r\n"
        ))
    };
    let (jo, bo, wrong) = (
        "authorization: Basic am86c2VjcmV0\r\n",
        "authorization: Basic Ym86YTpi\r\n",
        "authorization: Basic am86d3Jvbmc=\r\n",
    );
    let refused = ask("/users", "")?;
    assert!(
        refused.contains("\r\nwww-authenticate: Basic realm=\"My page\"\r\n"),
        "{refused}"
    );
    for (path, headers, wanted) in [
        ("/users", "", "401"),
        ("/users", wrong, "401"),
        ("/users", jo, "200"),
        ("/users;csv", bo, "200"),
        // The lines of its own replace those of the defaults.
        ("/users/inherited", jo, "200"),
        ("/rules", "", "401"),
        ("/rules", jo, "200"),
        (
            "/rules",
            "authorization: Basic am86c2VjcmV0\r\nkeep: out\r\n",
            "403",
        ),
        ("/rules", "let: in\r\n", "200"),
        ("/inherited", "", "200"),
    ] {
        let answer = ask(path, headers)?;
        assert_eq!(status(&answer), wanted, "{path} {headers} {answer}");
    }
    Ok(())
}

#[test]
fn rules_hold_for_the_page() -> Result<()> {
    let config = format!(
        "{DEFAULTS}frontend f\n    bind 127.0.0.1:8080\n    http-after-response set-header x-front %[status]\n    default_backend b\n\
         backend b\n    stats uri /stats\n    http-request deny if {{ query no }}\n    http-after-response set-status 234 if {{ status 200 }}\n    \
         http-after-response del-header content-type\n"
    );
    let site = Site::start("statistics-rules", &[("site.cfg", &config)])?;
    assert_eq!(status(&get(&site, "/stats?no")?), "403");
    let page = get(&site, "/stats?yes")?;
    assert!(
        status(&page) == "234" && page.contains("\r\nx-front: 234\r\n"),
        "{page}"
    );
    assert!(!page.contains("\r\ncontent-type"), "{page}");
    let mut head = site.connect(0)?;
    head.write_all(b"HEAD /stats HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
    let answer = rest(head)?;
    assert!(
        answer.starts_with("HTTP/1.1 234 ") && body(&answer).is_empty(),
        "{answer}"
    );
    Ok(())
}

#[test]
fn a_long_page_comes_whole_and_lets_others_through() -> Result<()> {
    let config = format!(
        "global\n    nbthread 1\n{DEFAULTS}frontend f\n    bind 127.0.0.1:8080\n    stats uri /stats\n    \
         http-request return status 200 if {{ path /other }}\n\
         backend many\n    server-template s 1-3000 ipv4@localhost:1\n"
    );
    let site = Site::start("statistics-long", &[("site.cfg", &config)])?;
    let mut slow = site.begin("/stats")?;
    let mut first = [0; 15];
    slow.read_exact(&mut first)?;
    assert_eq!(&first, b"HTTP/1.1 200 OK");
    // Nobody reads on, and the only worker serves others.
    assert_eq!(status(&get(&site, "/other")?), "200");
    let page = rest(slow)?;
    assert!(
        page.contains(">s3000</td>") && page.contains("</html>"),
        "{}",
        page.len()
    );
    Ok(())
}

#[test]
fn pages_are_for_http() -> Result<()> {
    let config = "defaults\n    mode tcp\n    timeout client 5s\n    timeout server 5s\n    timeout connect 5s\n\
                  frontend f\n    bind 127.0.0.1:8080\n    stats uri /stats\n    default_backend b\n\
                  backend b\n    server s ipv4@localhost:1\n";
    let site = Site::start("statistics-tcp", &[("site.cfg", config)])?;
    site.logged("`stats` is ignored: frontend `f` is in TCP mode")
}
