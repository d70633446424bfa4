//! Servers that have names, followed by `resolvers` sections while the program runs.

mod support;

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
    site.logged("b/s changed its IP to 127.0.1.2 by dns")?;
    dns.remove("app.example")?;
    site.logged("Server b/s is going DOWN for maintenance (No IP for server ).")?;
    assert!(site.get("/")?.starts_with("HTTP/1.1 503 "));
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
