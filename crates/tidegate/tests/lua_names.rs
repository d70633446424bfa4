//! Names in sockets and in the HTTP client of scripts: who is asked, and what is told when nobody knows.

mod support;

use std::net::Ipv4Addr;

use support::Result;
use support::name_server::{NameServer, Records};
use support::origin::telling;
use support::site::Site;

const SCRIPT: &str = r#"
core.register_action("socket", { "http-req" }, function(txn)
    local socket = core.tcp()
    socket:settimeout(5)
    local connected, why = socket:connect(txn.sf:req_hdr("name"), tonumber(txn.sf:req_hdr("port")))
    if connected then
        socket:send("GET / HTTP/1.0\r\n\r\n")
        local all = socket:receive("*a")
        txn:set_var("txn.told", all:match("\r\n\r\n(.*)"))
        socket:close()
    else
        txn:set_var("txn.told", why)
    end
end)
core.register_action("client", { "http-req" }, function(txn)
    local url = "http://" .. txn.sf:req_hdr("name") .. ":" .. txn.sf:req_hdr("port") .. "/"
    local answer = core.httpclient():get({ url = url, timeout = 5000 })
    txn:set_var("txn.told", answer.status == 0 and answer.error or answer.body)
end)
"#;

const FRONTEND: &str = "defaults
    mode http
    timeout client 10s
frontend web
    bind 127.0.0.1:8080
    http-request lua.socket if { path /socket }
    http-request lua.client if { path /client }
    http-request return status 200 content-type text/plain lf-string \"%[var(txn.told)]\"
";

/// The program with these lines in `global`, and these sections.
fn site(name: &str, global: &str, sections: &str) -> Result<Site> {
    let config = format!("global\n    lua-load site/names.lua\n{global}\n{sections}{FRONTEND}");
    Site::start(name, &[("site.cfg", &config), ("names.lua", SCRIPT)])
}

fn told(site: &Site, way: &str, name: &str, port: u16) -> Result<String> {
    let request =
        format!("GET {way} HTTP/1.1\r\nhost: x\r\nname: {name}\r\nport: {port}\r\nconnection: close\r\n\r\n");
    let answer = site.ask(&request)?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or("no body")?;
    Ok(body.to_owned())
}

/// A name server that knows `app.example`, and the port of what listens there.
fn zone(host: [u8; 4]) -> Result<(NameServer, u16)> {
    let (dns, ip) = (NameServer::start()?, Ipv4Addr::from(host));
    let port = telling(ip, 0, "by name")?;
    dns.set("app.example", Records::Addresses(vec![ip]))?;
    Ok((dns, port))
}

/// The section of that name server, under this name.
fn section(dns: &NameServer, name: &str) -> String {
    dns.section()
        .replace("resolvers dns", &format!("resolvers {name}"))
}

#[test]
fn the_section_named_default_is_asked_by_both() -> Result<()> {
    let (dns, port) = zone([127, 0, 9, 11])?;
    let site = site("names-default", "", &section(&dns, "default"))?;
    assert_eq!(told(&site, "/socket", "app.example", port)?, "by name");
    assert_eq!(told(&site, "/client", "App.Example", port)?, "by name");
    Ok(())
}

#[test]
fn what_the_default_section_does_not_know_the_system_is_asked_for() -> Result<()> {
    let (dns, _) = zone([127, 0, 9, 12])?;
    let port = telling(Ipv4Addr::LOCALHOST, 0, "by the system")?;
    let site = site("names-system", "", &section(&dns, "default"))?;
    assert_eq!(told(&site, "/socket", "localhost", port)?, "by the system");
    assert_eq!(told(&site, "/client", "localhost", port)?, "by the system");
    let why = told(&site, "/socket", "nowhere.example", port)?;
    assert_eq!(
        why,
        "cannot resolve `nowhere.example` (resolvers default): there is no such name"
    );
    Ok(())
}

#[test]
fn the_client_asks_the_section_that_it_is_told_and_nobody_else() -> Result<()> {
    let (dns, port) = zone([127, 0, 9, 13])?;
    let global = "    httpclient.resolvers.id dns\n    httpclient.resolvers.prefer ipv4";
    let site = site("names-id", global, &dns.section())?;
    assert_eq!(told(&site, "/client", "app.example", port)?, "by name");
    let why = told(&site, "/client", "localhost", port)?;
    assert_eq!(
        why,
        "cannot resolve `localhost` (resolvers dns): there is no such name"
    );
    Ok(())
}

#[test]
fn a_family_that_is_not_accepted_is_not_asked_for() -> Result<()> {
    let (dns, port) = zone([127, 0, 9, 16])?;
    for (families, wanted) in [
        ("ipv4", "by name"),
        ("ipv4,ipv6", "by name"),
        (
            "ipv6",
            "cannot resolve `app.example` (resolvers dns): there is no such name",
        ),
    ] {
        let global = format!("    httpclient.resolvers.id dns\n    dns-accept-family {families}");
        let site = site("names-family", &global, &dns.section())?;
        assert_eq!(told(&site, "/client", "app.example", port)?, wanted, "{families}");
    }
    Ok(())
}

#[test]
fn a_client_without_resolvers_knows_addresses_only() -> Result<()> {
    let (dns, port) = zone([127, 0, 9, 14])?;
    let site = site(
        "names-disabled",
        "    httpclient.resolvers.disabled on",
        &section(&dns, "default"),
    )?;
    let why = told(&site, "/client", "app.example", port)?;
    assert_eq!(
        why,
        "cannot resolve `app.example` (`httpclient.resolvers.disabled`): names are not resolved"
    );
    assert_eq!(told(&site, "/client", "127.0.9.14", port)?, "by name");
    assert_eq!(told(&site, "/socket", "app.example", port)?, "by name");
    Ok(())
}

#[test]
fn others_are_served_while_a_name_server_is_silent() -> Result<()> {
    // Bound, and never read.
    let silent = std::net::UdpSocket::bind("127.0.9.15:0")?;
    let (dns, _) = zone([127, 0, 9, 15])?;
    let section =
        section(&dns, "default").replace(&dns.address.to_string(), &silent.local_addr()?.to_string());
    let site = site("names-silent", "    nbthread 1", &section)?;
    let mut waiting = site.connect(0)?;
    std::io::Write::write_all(
        &mut waiting,
        b"GET /socket HTTP/1.1\r\nhost: x\r\nname: app.example\r\nport: 1\r\nconnection: close\r\n\r\n",
    )?;
    let mut question = [0; 512];
    silent.recv(&mut question)?;
    assert!(site.get("/other")?.starts_with("HTTP/1.1 200 "));
    drop(waiting);
    Ok(())
}
