//! A name server that a test plays itself.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

use simple_dns::rdata::{A, RData, SRV};
use simple_dns::{CLASS, Name, Packet, QTYPE, RCODE, ResourceRecord, TYPE};

use super::Result;

/// What a name has: addresses, or hosts with ports and weights.
#[derive(Clone)]
pub(crate) enum Records {
    Addresses(Vec<Ipv4Addr>),
    Hosts(Vec<(&'static str, u16, u16)>),
}

/// A name server of the test's own.
pub(crate) struct NameServer {
    pub(crate) address: SocketAddr,
    zone: Arc<Mutex<HashMap<String, Records>>>,
    asked: Arc<Mutex<Vec<(String, QTYPE)>>>,
}

impl NameServer {
    pub(crate) fn start() -> Result<NameServer> {
        // The helper gives every `127.0.0.1:PORT` of a file another port: so this is elsewhere on the loopback.
        let socket = UdpSocket::bind("127.0.9.1:0")?;
        let address = socket.local_addr()?;
        let zone = Arc::<Mutex<HashMap<String, Records>>>::default();
        let records = zone.clone();
        let asked = Arc::<Mutex<Vec<(String, QTYPE)>>>::default();
        let keep = asked.clone();
        std::thread::spawn(move || {
            let mut bytes = [0; 1500];
            while let Ok((length, peer)) = socket.recv_from(&mut bytes) {
                let query = bytes.get(..length).and_then(|bytes| Packet::parse(bytes).ok());
                let questions = query.iter().flat_map(|query| &query.questions);
                if let Ok(mut kept) = keep.lock() {
                    kept.extend(questions.map(|asked| (asked.qname.to_string(), asked.qtype)));
                }
                if let Some(reply) = bytes.get(..length).and_then(|bytes| reply(bytes, &records)) {
                    let _ = socket.send_to(&reply, peer);
                }
            }
        });
        Ok(NameServer { address, zone, asked })
    }

    /// What has been asked of a name so far.
    pub(crate) fn asked(&self, name: &str) -> Result<Vec<QTYPE>> {
        let asked = self.asked.lock().map_err(|_| "poisoned")?;
        let of_name = asked.iter().filter(|(asked, _)| asked == name);
        Ok(of_name.map(|(_, record)| *record).collect())
    }

    pub(crate) fn set(&self, name: &str, records: Records) -> Result<()> {
        self.zone
            .lock()
            .map_err(|_| "poisoned")?
            .insert(name.to_owned(), records);
        Ok(())
    }

    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        self.zone.lock().map_err(|_| "poisoned")?.remove(name);
        Ok(())
    }

    /// The lines of a section that asks it, again and again.
    pub(crate) fn section(&self) -> String {
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
