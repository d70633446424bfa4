//! Questions to name servers and their answers, as bytes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use simple_dns::rdata::{OPT, RData};
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};

/// The type of record that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// An IPv4 address.
    A,
    /// An IPv6 address.
    Aaaa,
    /// A service's hosts.
    Srv,
}

/// What a good answer says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    /// Addresses of the name.
    pub(super) addresses: Vec<IpAddr>,
    /// Hosts of the service.
    pub(super) hosts: Vec<Host>,
}

/// A host of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) port: u16,
    pub(super) weight: u16,
    /// Its address, if the answer told it too.
    pub(super) address: Option<IpAddr>,
}

/// Why an answer is no good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// There is no such name, or it has no such record.
    NoName,
    /// The name server refused.
    Refused,
    /// None came in time.
    Timeout,
    /// Anything else.
    Other,
}

/// A question's bytes. None if the name can't be asked for.
pub(super) fn question(id: u16, name: &str, record: Record, answer_bytes_max: u16) -> Option<Vec<u8>> {
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let kind = match record {
        Record::A => TYPE::A,
        Record::Aaaa => TYPE::AAAA,
        Record::Srv => TYPE::SRV,
    };
    let name = Name::new(name.trim_end_matches('.')).ok()?;
    packet.questions.push(Question::new(
        name,
        QTYPE::TYPE(kind),
        QCLASS::CLASS(CLASS::IN),
        false,
    ));
    *packet.opt_mut() = Some(OPT {
        opt_codes: Vec::new(),
        udp_packet_size: answer_bytes_max,
        version: 0,
    });
    packet.build_bytes_vec().ok()
}

/// Reads what answers a question. `None` for what doesn't answer this one: it is passed over.
pub(super) fn answer(bytes: &[u8], id: u16, name: &str, record: Record) -> Option<Result<Answer, Fault>> {
    let packet = Packet::parse(bytes).ok()?;
    if packet.id() != id || !packet.has_flags(PacketFlag::RESPONSE) {
        return None;
    }
    let asked = Name::new(name.trim_end_matches('.')).ok()?;
    // The question comes back with the answer; one for something else is somebody's guess.
    if packet
        .questions
        .first()
        .is_some_and(|question| question.qname != asked)
    {
        return None;
    }
    Some(match packet.rcode() {
        RCODE::NoError if packet.has_flags(PacketFlag::TRUNCATION) => Err(Fault::Other),
        RCODE::NoError => read(&packet, record),
        RCODE::NameError => Err(Fault::NoName),
        RCODE::Refused => Err(Fault::Refused),
        _ => Err(Fault::Other),
    })
}

fn read(packet: &Packet<'_>, record: Record) -> Result<Answer, Fault> {
    let mut found = Answer::default();
    // Aliases lead from record to record; all addresses of an answer belong to the name.
    for answer in &packet.answers {
        match (&answer.rdata, record) {
            (RData::A(a), Record::A) => found.addresses.push(Ipv4Addr::from(a.address).into()),
            (RData::AAAA(a), Record::Aaaa) => found.addresses.push(Ipv6Addr::from(a.address).into()),
            (RData::SRV(srv), Record::Srv) => found.hosts.push(Host {
                name: srv.target.to_string(),
                port: srv.port,
                weight: srv.weight,
                address: told_too(packet, &srv.target),
            }),
            _ => {}
        }
    }
    if found == Answer::default() {
        return Err(Fault::NoName);
    }
    Ok(found)
}

/// The address of a host that the answer brought along.
fn told_too(packet: &Packet<'_>, host: &Name<'_>) -> Option<IpAddr> {
    let mut of_host = packet.additional_records.iter().filter(|more| more.name == *host);
    of_host.find_map(|more| match &more.rdata {
        RData::A(a) => Some(Ipv4Addr::from(a.address).into()),
        RData::AAAA(a) => Some(Ipv6Addr::from(a.address).into()),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use simple_dns::ResourceRecord;
    use simple_dns::rdata::{A, SRV};

    fn reply(id: u16, name: &'static str, change: impl FnOnce(&mut Packet<'static>)) -> Vec<u8> {
        let mut packet = Packet::new_reply(id);
        let asked = Name::new(name).unwrap();
        packet.questions.push(Question::new(
            asked,
            QTYPE::TYPE(TYPE::A),
            QCLASS::CLASS(CLASS::IN),
            false,
        ));
        change(&mut packet);
        packet.build_bytes_vec_compressed().unwrap()
    }

    fn a(name: &'static str, address: [u8; 4]) -> ResourceRecord<'static> {
        let address = u32::from(Ipv4Addr::from(address));
        ResourceRecord::new(Name::new(name).unwrap(), CLASS::IN, 60, RData::A(A { address }))
    }

    #[test]
    fn a_question_asks_one_thing_and_says_how_much_may_be_answered() {
        let bytes = question(7, "www.example.", Record::Aaaa, 4096).unwrap();
        let packet = Packet::parse(&bytes).unwrap();
        assert_eq!((packet.id(), packet.questions.len()), (7, 1));
        assert_eq!(packet.questions[0].qname.to_string(), "www.example");
        assert_eq!(packet.opt().unwrap().udp_packet_size, 4096);
        assert!(question(7, &"x".repeat(300), Record::A, 512).is_none());
    }

    #[test]
    fn addresses_behind_an_alias_belong_to_the_name() {
        let bytes = reply(7, "www.example", |packet| {
            packet.answers.push(a("other.example", [192, 0, 2, 1]));
            packet.answers.push(a("other.example", [192, 0, 2, 2]));
        });
        let answer = answer(&bytes, 7, "www.example", Record::A).unwrap().unwrap();
        assert_eq!(
            answer.addresses,
            ["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse::<IpAddr>().unwrap())
        );
    }

    #[test]
    fn hosts_of_a_service_come_with_what_the_answer_tells_of_them() {
        let bytes = reply(7, "_http._tcp.example", |packet| {
            for (target, port) in [("one.example", 8001), ("two.example", 8002)] {
                let srv = SRV {
                    priority: 0,
                    weight: 10,
                    port,
                    target: Name::new(target).unwrap(),
                };
                let name = Name::new("_http._tcp.example").unwrap();
                packet
                    .answers
                    .push(ResourceRecord::new(name, CLASS::IN, 60, RData::SRV(srv)));
            }
            packet.additional_records.push(a("two.example", [192, 0, 2, 2]));
        });
        let hosts = answer(&bytes, 7, "_http._tcp.example", Record::Srv)
            .unwrap()
            .unwrap()
            .hosts;
        let told: Vec<_> = hosts
            .iter()
            .map(|host| (&*host.name, host.port, host.address.is_some()))
            .collect();
        assert_eq!(told, [("one.example", 8001, false), ("two.example", 8002, true)]);
    }

    #[test]
    fn what_answers_something_else_is_passed_over() {
        let bytes = reply(7, "www.example", |packet| {
            packet.answers.push(a("www.example", [192, 0, 2, 1]))
        });
        assert!(answer(&bytes, 8, "www.example", Record::A).is_none());
        assert!(answer(&bytes, 7, "mail.example", Record::A).is_none());
        assert!(
            answer(
                &question(7, "www.example", Record::A, 512).unwrap(),
                7,
                "www.example",
                Record::A
            )
            .is_none()
        );
        assert!(answer(&bytes, 7, "WWW.example", Record::A).is_some());
    }

    #[test]
    fn a_fault_is_told_from_another() {
        let of = |code| {
            let bytes = reply(7, "www.example", |packet| *packet.rcode_mut() = code);
            answer(&bytes, 7, "www.example", Record::A).unwrap().unwrap_err()
        };
        assert_eq!(of(RCODE::NameError), Fault::NoName);
        assert_eq!(of(RCODE::Refused), Fault::Refused);
        assert_eq!(of(RCODE::ServerFailure), Fault::Other);
        assert_eq!(of(RCODE::NoError), Fault::NoName, "no record of the type");
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = answer(&bytes, 7, "www.example", Record::A);
        }

        #[test]
        fn no_damage_is_too_strange(at in 0usize..60, byte: u8) {
            let mut bytes = reply(7, "www.example", |packet| packet.answers.push(a("www.example", [192, 0, 2, 1])));
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            let _ = answer(&bytes, 7, "www.example", Record::A);
        }
    }
}
