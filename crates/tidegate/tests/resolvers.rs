//! Servers that have names, followed by `resolvers` sections while the program runs.

mod support;

use std::io::Write;
use std::net::Ipv4Addr;

use support::Result;
use support::name_server::{NameServer, Records};
use support::origin::telling;
use support::site::Site;

const LOGS: &str = "global\n    nbthread 2\n    log stdout format raw local0\n";
const DEFAULTS: &str = "defaults\n    mode http\n    log global\n    timeout connect 5s\n    timeout client 15s\n    timeout server 15s\n    \
                        retries 0\n    default-server init-addr none resolvers dns resolve-prefer ipv4\n\
                        frontend site\n    bind 127.0.0.1:8080\n    default_backend b\nbackend b\n";

fn site(name: &str, dns: &NameServer, servers: &str) -> Result<Site> {
    let config = format!("{LOGS}{}{DEFAULTS}{servers}", dns.section());
    Site::start(name, &[("site.cfg", &config)])
}

#[test]
fn a_server_goes_where_its_name_leads() -> Result<()> {
    let dns = NameServer::start()?;
    let (one, two) = (Ipv4Addr::new(127, 0, 1, 1), Ipv4Addr::new(127, 0, 1, 2));
    let port = telling(one, 0, "one")?;
    telling(two, port, "two")?;
    let site = site(
        "resolvers-moves",
        &dns,
        &format!("    server s app.example:{port}\n"),
    )?;
    let answer = site.get("/")?;
    assert!(
        answer.starts_with("HTTP/1.1 503 "),
        "there is no address yet: {answer}"
    );
    dns.set("app.example", Records::Addresses(vec![one]))?;
    site.until("/", "one")?;
    site.logged("Server b/s administratively READY thanks to valid DNS answer.")?;
    dns.set("app.example", Records::Addresses(vec![two]))?;
    site.until("/", "two")?;
    site.logged("b/s changed its IP from 127.0.1.1 to 127.0.1.2 by dns")?;
    dns.remove("app.example")?;
    site.logged("Server b/s is going DOWN for maintenance (No IP for server ).")?;
    assert!(site.get("/")?.starts_with("HTTP/1.1 503 "));
    Ok(())
}

#[test]
fn a_server_without_an_address_at_first_is_warned_of_and_shown_without_one() -> Result<()> {
    let dns = NameServer::start()?;
    // A label of more than 63 letters is looked up by nobody.
    let name = "n".repeat(64);
    let rest = format!(
        "{}backend b\n    server s {name}:80 init-addr libc,none resolvers dns\n    server t {name}:81 init-addr none resolvers dns\n",
        dns.section()
    );
    let runtime = support::runtime::Runtime::start("resolvers-nowhere", "level admin", "", &rest)?;
    runtime.site.logged("cannot resolve `nnn")?;
    let warned = runtime
        .site
        .output()
        .matches("warning[TG0109]: cannot resolve `nnn")
        .count();
    assert_eq!(warned, 1, "{}", runtime.site.output());
    let shown = runtime.ask("show servers state b\n")?;
    for (server, port) in [("s", 80), ("t", 81)] {
        let line = shown
            .lines()
            .find(|line| line.contains(&format!(" {server} - 0 32 ")));
        let line = line.ok_or_else(|| shown.clone())?;
        assert!(line.contains(&format!(" {name} {port} ")), "{line}");
    }
    Ok(())
}

#[test]
fn a_server_that_names_a_family_takes_no_other() -> Result<()> {
    let dns = NameServer::start()?;
    let one = Ipv4Addr::new(127, 0, 1, 3);
    let port = telling(one, 0, "one")?;
    for name in ["any.example", "same.example", "strict.example"] {
        dns.set(name, Records::Addresses(vec![one]))?;
    }
    let site = site(
        "resolvers-family",
        &dns,
        &format!(
            "    use-server strict if {{ path /strict }}\n    server any any.example:{port}\n    \
             server same ipv4@same.example:{port}\n    server strict ipv6@strict.example:{port}\n"
        ),
    )?;
    site.logged("Server b/any administratively READY")?;
    site.logged("Server b/same administratively READY")?;
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(15);
    while dns.asked("strict.example")?.len() < 3 && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let asked = dns.asked("strict.example")?;
    let is_v6 = |record: &simple_dns::QTYPE| *record == simple_dns::QTYPE::TYPE(simple_dns::TYPE::AAAA);
    assert!(asked.len() >= 3 && asked.iter().all(is_v6), "{asked:?}");
    assert!(!site.output().contains("Server b/strict administratively READY"));
    Ok(())
}

#[test]
fn servers_of_one_name_share_its_addresses_out() -> Result<()> {
    let dns = NameServer::start()?;
    let (one, two) = (Ipv4Addr::new(127, 0, 2, 1), Ipv4Addr::new(127, 0, 2, 2));
    let port = telling(one, 0, "one")?;
    telling(two, port, "two")?;
    dns.set("app.example", Records::Addresses(vec![one, two]))?;
    let site = site(
        "resolvers-shared",
        &dns,
        &format!("    balance roundrobin\n    server-template s 3 app.example:{port}\n"),
    )?;
    site.until("/", "one")?;
    site.until("/", "two")?;
    // The third has nothing: what the other two have isn't given twice.
    dns.set("app.example", Records::Addresses(vec![two]))?;
    site.logged("is going DOWN for maintenance")?;
    for _ in 0..4 {
        assert!(site.get("/")?.ends_with("two"));
    }
    Ok(())
}

#[test]
fn the_records_of_a_service_tell_hosts_and_ports() -> Result<()> {
    let dns = NameServer::start()?;
    let ip = Ipv4Addr::new(127, 0, 3, 1);
    let (one, two) = (telling(ip, 0, "one")?, telling(ip, 0, "two")?);
    dns.set("host.example", Records::Addresses(vec![ip]))?;
    dns.set(
        "_http._tcp.app.example",
        Records::Hosts(vec![("host.example", one, 0)]),
    )?;
    let site = site(
        "resolvers-service",
        &dns,
        "    server-template s 2 _http._tcp.app.example\n",
    )?;
    site.until("/", "one")?;
    dns.set(
        "_http._tcp.app.example",
        Records::Hosts(vec![("host.example", two, 0)]),
    )?;
    site.until("/", "two")?;
    Ok(())
}

#[test]
fn a_request_goes_to_the_host_that_it_names() -> Result<()> {
    let dns = NameServer::start()?;
    let one = telling([127, 0, 9, 21].into(), 0, "one")?;
    telling([127, 0, 9, 22].into(), one, "two")?;
    dns.set("one.test", Records::Addresses(vec![[127, 0, 9, 21].into()]))?;
    dns.set("two.test", Records::Addresses(vec![[127, 0, 9, 22].into()]))?;
    let config = format!(
        "global\n    nbthread 1\ndefaults\n    mode http\n    timeout connect 5s\n    timeout client 15s\n    timeout server 15s\n{}\
         frontend site\n    bind 127.0.0.1:8080\n    \
         http-request do-resolve(txn.ip,dns,ipv4) url_param(host)\n    \
         http-request return status 404 content-type text/plain string nowhere unless {{ var(txn.ip) -m found }}\n    \
         default_backend any\n\
         backend any\n    http-request set-dst var(txn.ip)\n    http-request set-dst-port int({one})\n    server clear 0.0.0.0:0\n\
         listen tcp\n    mode tcp\n    bind 127.0.0.1:8081\n    tcp-request inspect-delay 5s\n    \
         tcp-request content do-resolve(txn.ip,dns,ipv4) str(two.test)\n    tcp-request content set-dst var(txn.ip)\n    \
         tcp-request content set-dst-port int({one})\n    server clear 0.0.0.0:0\n",
        dns.section()
    );
    let site = Site::start("do-resolve", &[("site.cfg", &config)])?;
    site.until("/?host=one.test", "one")?;
    site.until("/?host=two.test.", "two")?;
    site.until("/?host=127.0.9.22", "two")?;
    site.until("/?host=none.test", "nowhere")?;
    site.until("/?host=", "nowhere")?;
    let mut stream = site.connect(1)?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
    let answer = support::site::rest(stream)?;
    assert!(answer.ends_with("two"), "{answer}");
    Ok(())
}

#[test]
fn what_was_asked_is_counted() -> Result<()> {
    let dns = NameServer::start()?;
    dns.set("one.test", Records::Addresses(vec![[127, 0, 9, 31].into()]))?;
    let rest = format!(
        "{}backend b\n    server one one.test:80 resolvers dns resolve-prefer ipv4 init-addr none\n    \
         server none none.test:80 resolvers dns resolve-prefer ipv4 init-addr none\n",
        dns.section()
    );
    let runtime = support::runtime::Runtime::start("resolvers", "level admin", "", &rest)?;
    let start = std::time::Instant::now();
    loop {
        let shown = runtime.ask("show resolvers dns\n")?;
        assert!(
            shown.starts_with("Resolvers section dns\n nameserver one:\n  sent:        "),
            "{shown}"
        );
        let figure = |name: &str| {
            let line = shown.lines().find_map(|line| line.trim().strip_prefix(name));
            line.and_then(|figure| figure.trim().parse::<u64>().ok())
        };
        let (sent, valid, nx) = (figure("sent:"), figure("valid:"), figure("nx:"));
        if valid > Some(1) && nx > Some(1) && sent >= Some(4) {
            break;
        }
        if start.elapsed() > support::runtime::PATIENCE {
            return Err(shown.into());
        }
    }
    let all = runtime.ask("show resolvers\n")?;
    assert!(
        all.contains("Resolvers section default\n") && all.contains("Resolvers section dns\n"),
        "{all}"
    );
    let table = runtime.ask("show stat domain resolvers\n")?;
    let mut rows = table.lines();
    let header: Vec<&str> = rows.next().unwrap_or_default().split(',').collect();
    assert_eq!(header[..5], ["# id", "pid", "sent", "send_error", "valid"]);
    let row: Vec<&str> = { rows.find(|row| row.contains(",dns,")) }
        .ok_or("no row")?
        .split(',')
        .collect();
    assert_eq!(row.len(), header.len(), "{table}");
    let at = header.iter().position(|name| *name == "nx").ok_or("no column")?;
    assert!(
        row[2].parse::<u64>()? > 0 && row[at].parse::<u64>()? > 0,
        "{table}"
    );
    // What doesn't happen here has no value, rather than 0.
    let at = header
        .iter()
        .position(|name| *name == "too_big")
        .ok_or("no column")?;
    assert_eq!(row[at], "");
    let typed = runtime.ask("show stat domain resolvers typed\n")?;
    assert!(
        typed.contains("N.1.pid:CGPV:str:dns\nN.2.sent:MGPV:u64:"),
        "{typed}"
    );
    let json: serde_json::Value = serde_json::from_str(&runtime.ask("show stat domain resolvers json\n")?)?;
    assert_eq!(json[0][0]["field"]["name"], "id");
    let unknown = runtime.ask("show stat domain x\n")?;
    assert!(unknown.starts_with("Invalid statistics domain"), "{unknown}");
    let unknown = runtime.ask("show resolvers x\n")?;
    assert!(unknown.contains("Can't find that resolvers section"), "{unknown}");
    Ok(())
}
