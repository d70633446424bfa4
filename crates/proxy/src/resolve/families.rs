//! Which families of addresses names may lead to.

use std::net::{IpAddr, Ipv6Addr, UdpSocket};

use super::message::Answer;

/// `dns-accept-family`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Families {
    /// IPv4.
    pub v4: bool,
    /// IPv6.
    pub v6: bool,
    /// IPv6 while there is a way to the addresses of others.
    pub v6_if_routed: bool,
}

impl Families {
    /// Both.
    pub const ALL: Families = Families {
        v4: true,
        v6: true,
        v6_if_routed: false,
    };

    /// Those of this moment.
    pub(super) fn now(self) -> Families {
        Families {
            v6: self.v6 || self.v6_if_routed && v6_is_routed(),
            v6_if_routed: false,
            ..self
        }
    }

    /// Those of them that a name may lead to which has to be of one family: IPv6 or, if false, IPv4.
    pub(super) fn only(self, v6: Option<bool>) -> Families {
        Families {
            v4: self.v4 && v6 != Some(true),
            v6: self.v6 && v6 != Some(false),
            ..self
        }
    }

    /// Takes addresses of other families out of an answer.
    pub(super) fn keep(self, answer: &mut Answer) {
        answer.addresses.retain(|address| self.has(*address));
        for host in &mut answer.hosts {
            host.address = host.address.filter(|address| self.has(*address));
        }
    }

    fn has(self, address: IpAddr) -> bool {
        if address.is_ipv4() { self.v4 } else { self.v6 }
    }
}

/// Whether the system knows a way to an address that nobody has. Nothing is sent for that.
fn v6_is_routed() -> bool {
    let somewhere = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
    let socket = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 0));
    socket.is_ok_and(|socket| socket.connect((somewhere, 53)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resolve::message::Host;

    #[test]
    fn a_name_may_be_of_one_family_only() {
        let both = Families::ALL;
        assert_eq!(both.only(None), both);
        assert!(both.only(Some(false)).v4 && !both.only(Some(false)).v6);
        assert!(both.only(Some(true)).v6 && !both.only(Some(true)).v4);
    }

    #[test]
    fn addresses_of_other_families_are_taken_out() {
        let addresses = || ["192.0.2.1", "2001:db8::1"].map(|text| text.parse::<IpAddr>().unwrap());
        let kept = |v4, v6| {
            let mut answer = Answer {
                addresses: addresses().into(),
                hosts: addresses()
                    .map(|address| Host {
                        name: "h".into(),
                        port: 1,
                        weight: 1,
                        address: Some(address),
                    })
                    .into(),
            };
            Families {
                v4,
                v6,
                v6_if_routed: false,
            }
            .keep(&mut answer);
            let told: Vec<IpAddr> = answer.hosts.iter().filter_map(|host| host.address).collect();
            assert_eq!((told, answer.hosts.len()), (answer.addresses.clone(), 2));
            answer.addresses
        };
        let [v4, v6] = addresses();
        assert_eq!(kept(true, true), [v4, v6]);
        assert_eq!(kept(true, false), [v4]);
        assert_eq!(kept(false, true), [v6]);
    }
}
