//! Changes of a server in the words of whoever asks for them: operators on the runtime API, and scripts.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use super::news::Reason;
use super::standing::Cause;
use super::state::{Operational, ServerState, WEIGHT_MAX};
use crate::check::shared::Wanted;
use crate::spec::ServerAddress;

impl ServerState {
    /// Sets the weight: a number, or a percentage of the one of the configuration.
    ///
    /// # Errors
    /// A sentence for whoever asked.
    pub fn change_weight(&self, text: &str, now: Instant) -> Result<(), String> {
        if text.is_empty() {
            return Err("Require <weight> or <weight%>.".into());
        }
        let (digits, rest) = number(text);
        let Some(wanted) = digits else {
            return Err("Empty weight string empty or preceded by garbage".into());
        };
        let weight = match rest {
            "%" => {
                let percent = u64::try_from(wanted).map_err(|_| "Relative weight must be positive.")?;
                let weight = u64::from(self.initial_weight()).saturating_mul(percent) / 100;
                u32::try_from(weight).unwrap_or(WEIGHT_MAX).min(WEIGHT_MAX)
            }
            "" => {
                let weight = u32::try_from(wanted).ok().filter(|weight| *weight <= WEIGHT_MAX);
                weight.ok_or("Absolute weight can only be between 0 and 256 inclusive.")?
            }
            _ => return Err("Trailing garbage in weight string".into()),
        };
        self.set_weight(weight, now).map_err(|fixed| fixed.to_string())
    }

    /// Sets how much it takes at a time.
    ///
    /// # Errors
    /// A sentence for whoever asked.
    pub fn change_maxconn(&self, text: &str) -> Result<(), String> {
        if text.is_empty() {
            return Err("Require <maxconn>.".into());
        }
        match number(text) {
            (None, _) => Err("maxconn string empty or preceded by garbage".into()),
            (Some(limit), "") => {
                let limit =
                    u32::try_from(limit).map_err(|_| format!("`{text}` is no number of connections."))?;
                self.set_maxconn(limit);
                Ok(())
            }
            (Some(_), _) => Err("Trailing garbage in maxconn string".into()),
        }
    }

    /// Moves it to another address, and another port if one is given. Tells what was changed, and that `by` did.
    ///
    /// # Errors
    /// A sentence for whoever asked.
    pub fn change_address(&self, ip: &str, port: Option<&str>, by: &str) -> Result<String, String> {
        let wanted: IpAddr = ip.parse().map_err(|_| format!("Invalid addr '{ip}' by '{by}'"))?;
        let ServerAddress::Tcp(before) = self.address() else {
            return Err("The server is at no IP address that could be changed.".into());
        };
        let port = match port {
            None => None,
            Some(text) => {
                let port: Option<u16> = text.parse().ok().filter(|port| *port > 0);
                Some(port.ok_or_else(|| format!("`{text}` is no port that a server can have."))?)
            }
        };
        let mut changes = Vec::new();
        if wanted == before.ip() {
            changes.push(String::from("no need to change the addr"));
        } else {
            changes.push(format!("IP changed from '{}' to '{wanted}'", before.ip()));
        }
        match port {
            Some(port) if port != before.port() => {
                changes.push(format!("port changed from '{}' to '{port}'", before.port()));
            }
            Some(_) => changes.push(String::from("no need to change the port")),
            None => {}
        }
        let port = port.unwrap_or(before.port());
        self.set_address(ServerAddress::Tcp(SocketAddr::new(wanted, port)));
        Ok(format!("{} by '{by}'", changes.join(", ")))
    }

    /// Says how its health is to be taken; `by` tells who did (`changed from CLI`). Whoever checks the server goes on from there.
    pub fn change_health(&self, health: Operational, by: &'static str, now: Instant) {
        if self.spec().track.is_some() {
            // It is what that one is.
            return;
        }
        let up = health != Operational::Stopped;
        if up {
            // Until its agent says so again.
            self.checks().agent_says(false);
        }
        // It is so before whoever checks it hears of it.
        self.become_by_operator(health, by, now);
        if let Some(check) = &self.spec().check {
            let (rise, fall) = (check.pace.rise, check.pace.fall);
            self.checks().moved(up, if up { (fall, fall) } else { (0, rise) });
            self.checks().want(match health {
                Operational::Stopped => Wanted::Down,
                Operational::Stopping => Wanted::Stopping,
                Operational::Starting | Operational::Running => Wanted::Up,
            });
        }
    }

    /// Says what its agent would say of its health; `by` tells who did.
    pub fn change_agent_health(&self, up: bool, by: &'static str, now: Instant) {
        self.checks().agent_says(!up);
        let health = if up {
            Operational::Running
        } else {
            Operational::Stopped
        };
        self.become_by_operator(health, by, now);
    }

    fn become_by_operator(&self, health: Operational, by: &'static str, now: Instant) {
        let reason = Reason {
            check: None,
            cause: by,
            by: Cause::Operator,
        };
        self.set_operational_because(health, now, reason);
    }
}

/// The number that a text begins with, and what is behind it.
fn number(text: &str) -> (Option<i64>, &str) {
    let text = text.trim_start();
    let digits = text
        .char_indices()
        .find(|(at, c)| !(c.is_ascii_digit() || *at == 0 && matches!(c, '-' | '+')));
    let (digits, rest) = text.split_at(digits.map_or(text.len(), |(at, _)| at));
    (digits.parse().ok(), rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::ServerSpec;
    use crate::upstream::state::Changes;

    fn server(weight: u32) -> ServerState {
        let mut spec = ServerSpec::tcp("s", "127.0.0.1:1".parse().unwrap());
        spec.weight = weight;
        ServerState::new(&spec, 0, false, &Changes::new(Instant::now(), 1))
    }

    #[test]
    fn weights_are_absolute_or_relative() {
        let s = server(5);
        for (text, weight) in [
            ("7", 7),
            ("150%", 7),
            ("0%", 0),
            ("5000%", 250),
            ("256", 256),
            (" 5", 5),
        ] {
            assert_eq!(s.change_weight(text, Instant::now()), Ok(()), "{text}");
            assert_eq!(s.weight(), weight, "{text}");
        }
        for (text, why) in [
            ("", "Require <weight> or <weight%>."),
            ("%", "Empty weight string empty or preceded by garbage"),
            ("5x", "Trailing garbage in weight string"),
            ("-1", "Absolute weight can only be between 0 and 256 inclusive."),
            ("257", "Absolute weight can only be between 0 and 256 inclusive."),
            ("-5%", "Relative weight must be positive."),
        ] {
            assert_eq!(
                s.change_weight(text, Instant::now()),
                Err(why.to_owned()),
                "{text}"
            );
        }
    }

    #[test]
    fn limits_are_numbers() {
        let s = server(1);
        assert_eq!(s.change_maxconn("9"), Ok(()));
        assert_eq!(s.maxconn(), 9);
        for text in ["", "x", "5x", "-1", "5000000000"] {
            assert!(s.change_maxconn(text).is_err(), "{text}");
        }
        assert_eq!(s.maxconn(), 9);
    }

    #[test]
    fn an_address_changes_with_or_without_its_port() {
        let s = server(1);
        assert_eq!(
            s.change_address("127.0.0.9", None, "me").unwrap(),
            "IP changed from '127.0.0.1' to '127.0.0.9' by 'me'"
        );
        assert_eq!(
            s.change_address("127.0.0.9", Some("77"), "me").unwrap(),
            "no need to change the addr, port changed from '1' to '77' by 'me'"
        );
        assert_eq!(
            s.change_address("nope", None, "me").unwrap_err(),
            "Invalid addr 'nope' by 'me'"
        );
        assert!(s.change_address("127.0.0.1", Some("0"), "me").is_err());
        assert_eq!(s.address(), ServerAddress::Tcp("127.0.0.9:77".parse().unwrap()));
    }
}
