//! Maps and files of patterns, in the running program.

mod support;

use support::Result;
use support::site::Site;

const DEFAULTS: &str = "\
global
    nbthread 2
defaults
    mode http
    timeout connect 5s
    timeout client 15s
    timeout server 15s
";

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

#[test]
fn what_a_map_says_goes_into_headers_and_answers() -> Result<()> {
    let config = format!(
        "{DEFAULTS}\
frontend f
    bind 127.0.0.1:8080
    acl closed path -i -f site/closed.lst
    acl local src -M -f site/countries.map
    http-request deny if closed
    http-request set-header x-country %[src,map_ip(site/countries.map,nowhere)]
    http-request set-header x-tenant %[path,map_beg(site/paths.map,none)]
    http-request set-header x-user %[path,map_regm(site/users.map)]
    http-request set-header x-local yes if local
    http-request return content-type text/plain lf-string \"%[req.hdr(x-country)];%[req.hdr(x-tenant)];%[req.hdr(x-user)];%[req.hdr(x-local)]\"
"
    );
    let site = Site::start(
        "maps-files",
        &[
            ("site.cfg", &config),
            ("closed.lst", "# closed for now\n/Private\n\n  /other\n"),
            (
                "countries.map",
                "127.0.0.0/8\tHome country\n0.0.0.0/0 elsewhere\n",
            ),
            ("paths.map", "/a tenant-a\n/a/b tenant-b\n"),
            ("users.map", "^/a/b/([a-z]+) user-\\1\n"),
        ],
    )?;
    assert_eq!(
        body(&site.get("/a/b/carla")?),
        "Home country;tenant-b;user-carla;yes"
    );
    assert_eq!(body(&site.get("/a")?), "Home country;tenant-a;;yes");
    assert_eq!(body(&site.get("/")?), "Home country;none;;yes");
    for path in ["/private", "/OTHER"] {
        assert!(site.get(path)?.starts_with("HTTP/1.1 403 "), "{path}");
    }
    Ok(())
}

#[test]
fn rules_change_lists_for_all_threads() -> Result<()> {
    let config = format!(
        "{DEFAULTS}\
frontend f
    bind 127.0.0.1:8080
    http-request set-map(virt@seen) %[url_param(k)] %[url_param(v)] if {{ path /set }}
    http-request del-map(virt@seen) %[url_param(k)] if {{ path /del }}
    http-request add-acl(opt@nowhere.lst) %[url_param(k)] if {{ path /add }}
    http-request del-acl(opt@nowhere.lst) %[url_param(k)] if {{ path /forget }}
    http-request set-header x-known yes if {{ url_param(k) -f opt@nowhere.lst }}
    http-request return content-type text/plain lf-string \"%[url_param(k),map(virt@seen,-)]%[req.hdr(x-known)]\"
"
    );
    let site = Site::start("maps-rules", &[("site.cfg", &config)])?;
    // Each request is on a connection of its own, and so on either thread.
    for round in 0..8 {
        assert_eq!(body(&site.get("/?k=a")?), "-");
        assert_eq!(
            body(&site.get(&format!("/set?k=a&v={round}"))?),
            round.to_string()
        );
        assert_eq!(body(&site.get("/set?k=b&v=x")?), "x");
        assert_eq!(body(&site.get("/?k=a")?), round.to_string());
        assert_eq!(body(&site.get("/add?k=a")?), format!("{round}yes"));
        assert_eq!(body(&site.get("/add?k=a")?), format!("{round}yes"));
        assert_eq!(body(&site.get("/del?k=a")?), "-yes");
        assert_eq!(body(&site.get("/?k=a")?), "-yes");
        assert_eq!(body(&site.get("/forget?k=a")?), "-", "it was added once");
    }
    Ok(())
}
