//! Servers that have names, followed by `resolvers` sections while the program runs.

mod support;

use std::collections::HashMap;
use std::io::{BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

use simple_dns::rdata::{A, RData, SRV};
use simple_dns::{CLASS, Name, Packet, QTYPE, RCODE, ResourceRecord, TYPE};

use support::Result;
use support::origin::{head, origin_at};
use support::site::Site;

/// What a name has: addresses, or hosts with ports and weights.
#[derive(Clone)]
enum Records {
    Addresses(Vec<Ipv4Addr>),
    Hosts(Vec<(&'static str, u16, u16)>),
}

/// A name server of the test's own.
struct NameServer {
    address: SocketAddr,
    zone: Arc<Mutex<HashMap<String, Records>>>,
}

impl NameServer {
    fn start() -> Result<NameServer> {
        // The helper gives every `127.0.0.1:PORT` of a file another port: so this is elsewhere on the loopback.
        let socket = UdpSocket::bind("127.0.9.1:0")?;
        let address = socket.local_addr()?;
        let zone = Arc::<Mutex<HashMap<String, Records>>>::default();
        let records = zone.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 1500];
            while let Ok((length, peer)) = socket.recv_from(&mut bytes) {
                if let Some(reply) = bytes.get(..length).and_then(|bytes| reply(bytes, &records)) {
                    let _ = socket.send_to(&reply, peer);
                }
            }
        });
        Ok(NameServer { address, zone })
    }

    fn set(&self, name: &str, records: Records) -> Result<()> {
        self.zone
            .lock()
            .map_err(|_| "poisoned")?
            .insert(name.to_owned(), records);
        Ok(())
    }

    fn remove(&self, name: &str) -> Result<()> {
        self.zone.lock().map_err(|_| "poisoned")?.remove(name);
        Ok(())
    }

    /// The lines of a section that asks it, again and again.
    fn section(&self) -> String {
        format!(
            "resolvers dns\n    nameserver one {}\n    timeout resolve 50ms\n    timeout retry 2s\n    hold nx 0\n    hold obsolete 0\n",
            self.address
        )
    }
}

fn reply(bytes: &[u8], zone: &Mutex<HashMap<String, Records>>) -> Option<Vec<u8>> {
    let query = Packet::parse(bytes).ok()?;
    let question = query.questions.first()?.clone();
    let records = zone.lock().ok()?.get(&question.qname.to_string()).cloned();
    let mut reply = Packet::new_reply(query.id());
    match (records, question.qtype) {
        (None, _) => *reply.rcode_mut() = RCODE::NameError,
        (Some(Records::Addresses(addresses)), QTYPE::TYPE(TYPE::A)) => {
            for address in addresses {
                let data = RData::A(A {
                    address: address.into(),
                });
                reply
                    .answers
                    .push(ResourceRecord::new(question.qname.clone(), CLASS::IN, 1, data));
            }
        }
        (Some(Records::Hosts(hosts)), QTYPE::TYPE(TYPE::SRV)) => {
            for (target, port, weight) in hosts {
                let target = Name::new(target).ok()?;
                let data = RData::SRV(SRV {
                    priority: 0,
                    weight,
                    port,
                    target,
                });
                reply
                    .answers
                    .push(ResourceRecord::new(question.qname.clone(), CLASS::IN, 1, data));
            }
        }
        _ => {}
    }
    reply.questions.push(question);
    reply.build_bytes_vec().ok()
}

/// An origin at an address of its own on the loopback, which answers with its name.
fn origin(ip: Ipv4Addr, port: u16, name: &'static str) -> Result<u16> {
    let address = origin_at((ip, port).into(), move |stream| {
        let mut from = BufReader::new(stream.try_clone()?);
        let mut to = stream;
        head(&mut from)?;
        let length = name.len();
        let answer =
            format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{name}");
        Ok(to.write_all(answer.as_bytes())?)
    })?;
    Ok(address.port())
}

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
    let port = origin(one, 0, "one")?;
    origin(two, port, "two")?;
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
    let port = origin(one, 0, "one")?;
    origin(two, port, "two")?;
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
    let (one, two) = (origin(ip, 0, "one")?, origin(ip, 0, "two")?);
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
