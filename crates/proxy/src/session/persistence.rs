//! Persistence: the server that a request belongs to, by `use-server` and by its cookie, and the cookie's way to the server
//! and back.

use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use http::{HeaderValue, Method};
use tidegate_sample::head::names::{CACHE_CONTROL, COOKIE, SET_COOKIE};
use tidegate_sample::head::{Change, FieldValue, Headers};
use tidegate_sample::{Condition, Expr, ExternalRunner, Type, Value, cast};

use crate::spec::{CookieMode, CookieSpec};
use crate::txn::Txn;
use crate::upstream::Server;
use crate::worker::Backend;

/// Between a server's cookie and the rest of the value, with `prefix`.
const DELIMITER: u8 = b'~';
/// Between a server's cookie and its dates.
const DATE_DELIMITER: u8 = b'|';
/// Dates that far ahead are taken for mistakes.
const FUTURE_MAX_S: u64 = 24 * 3600;

/// What a request's cookie said.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// The place of the server that it belongs to.
    place: Option<usize>,
    /// The letter for the log: valid, down, invalid and so on.
    state: u8,
    /// When the client first had it, seconds of the epoch.
    first_s: Option<u64>,
    /// It has dates, and they need not be renewed yet.
    fresh: bool,
}

impl Seen {
    /// The server that it belongs to failed it.
    pub(crate) fn without_server(self) -> Seen {
        match self.state {
            b'V' => Seen {
                place: None,
                state: b'D',
                ..self
            },
            _ => self,
        }
    }
}

/// What persistence says of a request.
#[derive(Default)]
pub(crate) struct Belongs {
    /// The server.
    pub(crate) server: Option<Rc<Server>>,
    /// Nothing that clients had counts.
    pub(crate) ignored: bool,
}

/// The server that a request belongs to, if it can be used or must be.
pub(crate) async fn server_of(backend: &Backend, txn: &Rc<Txn>, runner: &dyn ExternalRunner) -> Belongs {
    let spec = &backend.spec.persistence;
    let forced = any(&spec.force, txn, runner).await;
    let ignored = any(&spec.ignore, txn, runner).await;
    let usable = |server: &Rc<Server>| server.state.is_up() || spec.persist || forced;
    let mut belongs = Belongs {
        server: None,
        ignored,
    };
    for rule in &spec.use_servers {
        if !rule.condition.eval_async(&**txn, runner).await {
            continue;
        }
        let name = rule.name.eval(txn, runner).await;
        let servers = backend.balancer.servers();
        let server = servers.iter().find(|server| *server.named.name == *name);
        match server {
            Some(server) if usable(server) => {
                belongs.server = Some(server.clone());
                break;
            }
            // A server that is down is passed over; a name that there is not ends the search, as its condition held.
            Some(_) => {}
            None => break,
        }
    }
    if let (Some(expr), None, false) = (&spec.rdp_cookie, &belongs.server, ignored) {
        belongs.server = named_by_rdp(expr, backend, txn, &usable);
    }
    if let Some(cookie) = &spec.cookie {
        let mut seen = look_up(cookie, backend, txn, SystemTime::now(), &usable);
        if ignored || belongs.server.is_some() {
            if seen.state != b'N' {
                seen.state = b'U';
            }
        } else if let Some(place) = seen.place.filter(|_| seen.state == b'V') {
            belongs.server = backend.balancer.servers().at(place).cloned();
        }
        txn.usage.cookie.set(seen);
        txn.facts.borrow_mut().cookie_state = Some([seen.state, b'N']);
    }
    txn.usage.is_bound.set(forced && belongs.server.is_some());
    belongs
}

/// The server that a cookie of RDP names by its address and port.
fn named_by_rdp(
    expr: &Expr,
    backend: &Backend,
    txn: &Txn,
    usable: &dyn Fn(&Rc<Server>) -> bool,
) -> Option<Rc<Server>> {
    let Some(Value::Str(text)) = cast(expr.eval(txn)?, Type::Str) else {
        return None;
    };
    let address = rdp_address(std::str::from_utf8(&text).ok()?)?;
    let servers = backend.balancer.servers();
    let mut servers = servers.iter();
    let found = servers.find(|server| server.socket_for(None) == Some(address) && usable(server));
    found.cloned()
}

/// `<address>.<port>.<reserved>`: both are numbers whose bytes come in the other order.
fn rdp_address(text: &str) -> Option<SocketAddr> {
    let mut parts = text.split('.');
    let ip: u32 = parts.next()?.parse().ok()?;
    let port: u16 = parts.next()?.parse().ok()?;
    parts.next()?;
    Some((Ipv4Addr::from(ip.to_le_bytes()), port.swap_bytes()).into())
}

async fn any(conditions: &[Condition], txn: &Rc<Txn>, runner: &dyn ExternalRunner) -> bool {
    for condition in conditions {
        if condition.eval_async(&**txn, runner).await {
            return true;
        }
    }
    false
}

/// What the request's cookie says.
fn look_up(
    spec: &CookieSpec,
    backend: &Backend,
    txn: &Txn,
    now: SystemTime,
    usable: &dyn Fn(&Rc<Server>) -> bool,
) -> Seen {
    let mut seen = Seen {
        state: b'N',
        ..Seen::default()
    };
    let head = txn.request_head();
    let Some(value) = head.as_ref().and_then(|head| find(&head.headers, &spec.name)) else {
        return seen;
    };
    let value = if spec.mode == CookieMode::Prefix {
        // Without a delimiter all of it is taken for the server's.
        let at = value.iter().position(|byte| *byte == DELIMITER);
        at.and_then(|at| value.get(..at)).unwrap_or(value)
    } else {
        value
    };
    let mut parts = value.split(|byte| *byte == DATE_DELIMITER);
    let id = parts.next().unwrap_or_default();
    let now_s = seconds(now);
    if spec.idle_max.is_some() || spec.life_max.is_some() {
        let last = parts.next().and_then(date);
        seen.first_s = parts.next().and_then(date);
        let too_old = |at: Option<u64>, most: Option<Duration>| match (at, most) {
            (Some(at), Some(most)) => at > now_s + FUTURE_MAX_S || at + most.as_secs() < now_s,
            _ => false,
        };
        if too_old(last, spec.idle_max) {
            seen.state = b'E';
            return seen;
        }
        if too_old(seen.first_s, spec.life_max) {
            seen.state = b'O';
            seen.first_s = None;
            return seen;
        }
        // A cookie with all dates that it needs is renewed only when some of its time has passed.
        let renew = spec.idle_max.map_or(0, |most| most.as_secs() / 4);
        let idle_is_fresh = spec.idle_max.is_none() || last.is_some_and(|last| last + renew >= now_s);
        seen.fresh = idle_is_fresh && (spec.life_max.is_none() || seen.first_s.is_some());
    } else {
        // Dates that nobody asks for any more go.
        seen.fresh = parts.next().is_none_or(<[u8]>::is_empty);
    }
    seen.state = b'I';
    for server in backend.balancer.servers().iter() {
        if server.cookie().is_some_and(|cookie| cookie.as_bytes() == id) && !id.is_empty() {
            if usable(server) {
                (seen.place, seen.state) = (Some(server.place), b'V');
                break;
            }
            seen.state = b'D';
        }
    }
    seen
}

/// The value of a cookie of a request.
fn find<'h>(headers: &'h Headers, name: &str) -> Option<&'h [u8]> {
    let mut all = headers.get_all(COOKIE).flat_map(|field| pairs(field.as_bytes()));
    all.find(|(of, value)| *of == name.as_bytes() && !value.is_empty())
        .map(|(_, value)| value)
}

/// The names and values of a `cookie` field.
fn pairs<'f>(field: &'f [u8]) -> impl Iterator<Item = (&'f [u8], &'f [u8])> {
    field.split(|byte| *byte == b';').filter_map(|pair| {
        let pair = pair.trim_ascii();
        let at = pair.iter().position(|byte| *byte == b'=')?;
        let part = |part: Option<&'f [u8]>| part.unwrap_or_default().trim_ascii();
        // Quotes are a part of the value.
        Some((part(pair.get(..at)), part(pair.get(at + 1..))))
    })
}

/// The cookie on the way to the server: gone with `insert indirect`, its prefix gone with `prefix`.
pub(crate) fn to_server(spec: &CookieSpec, headers: &mut Headers) {
    let strips = spec.mode == CookieMode::Insert && spec.indirect || spec.mode == CookieMode::Prefix;
    if !strips || find(headers, &spec.name).is_none() {
        return;
    }
    headers.change(COOKIE, |field| {
        let mut kept: Vec<Vec<u8>> = Vec::new();
        for pair in field.as_bytes().split(|byte| *byte == b';') {
            let pair = pair.trim_ascii();
            let own = pairs(pair)
                .next()
                .filter(|(name, _)| *name == spec.name.as_bytes());
            match own {
                None if pair.is_empty() => {}
                None => kept.push(pair.to_vec()),
                Some(_) if spec.mode == CookieMode::Insert => {}
                Some((name, value)) => {
                    let rest = value
                        .iter()
                        .position(|byte| *byte == DELIMITER)
                        .map_or(0, |at| at + 1);
                    kept.push([name, b"=", value.get(rest..).unwrap_or_default()].concat());
                }
            }
        }
        match HeaderValue::from_bytes(&kept.join(&b"; "[..])) {
            Ok(value) if !kept.is_empty() => Change::To(value),
            _ => Change::Remove,
        }
    });
}

/// The cookie on the way to the client.
pub(crate) fn to_client(spec: &CookieSpec, server: &Server, txn: &Txn, headers: &mut Headers) {
    let seen = txn.usage.cookie.get();
    let id = server.cookie();
    let id = id.as_deref();
    let mut state = from_server(spec, id, headers);
    let has_it = seen.state == b'V' && seen.place == Some(server.place);
    let is_post = txn.request_head().is_some_and(|head| head.method == Method::POST);
    if let (CookieMode::Insert, Some(id)) = (spec.mode, id)
        && state != b'P'
        && (!spec.postonly || is_post)
        && !(has_it && seen.fresh)
    {
        let now_s = seconds(SystemTime::now());
        let mut value = id.to_owned();
        if spec.idle_max.is_some() || spec.life_max.is_some() {
            value.push(char::from(DATE_DELIMITER));
            value.push_str(&dated(now_s));
        }
        if spec.life_max.is_some() {
            value.push(char::from(DATE_DELIMITER));
            value.push_str(&dated(seen.first_s.filter(|_| has_it).unwrap_or(now_s)));
        }
        let field = format!("{}={value}; path=/{}", spec.name, spec.attributes);
        if let Ok(field) = HeaderValue::from_str(&field) {
            headers.append(SET_COOKIE, field);
            state = if has_it { b'U' } else { b'I' };
            if spec.nocache {
                headers.append(CACHE_CONTROL, HeaderValue::from_static("private"));
            }
        }
    }
    txn.facts.borrow_mut().cookie_state = Some([seen.state, state]);
}

/// What becomes of the cookie that the server sets itself; the letter for the log.
fn from_server(spec: &CookieSpec, id: Option<&str>, headers: &mut Headers) -> u8 {
    let is_own = |field: FieldValue<'_>| {
        let first = field.as_bytes().split(|byte| *byte == b';').next();
        first.and_then(|pair| pairs(pair).next().map(|(name, _)| name == spec.name.as_bytes())) == Some(true)
    };
    if !headers.get_all(SET_COOKIE).any(is_own) {
        return b'N';
    }
    if spec.mode == CookieMode::Passive && !spec.indirect || spec.preserve {
        return b'P';
    }
    let removes = spec.mode == CookieMode::Insert || spec.indirect && spec.mode == CookieMode::Passive;
    let mut state = if removes { b'D' } else { b'P' };
    headers.change(SET_COOKIE, |field| {
        if !is_own(field) {
            return Change::Keep;
        }
        if removes {
            return Change::Remove;
        }
        let bytes = field.as_bytes();
        let end = bytes.iter().position(|byte| *byte == b';').unwrap_or(bytes.len());
        let (pair, attributes) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
        let value = pairs(pair).next().map_or(&b""[..], |(_, value)| value);
        let new = match (spec.mode, id) {
            (CookieMode::Rewrite, Some(id)) => {
                [spec.name.as_bytes(), b"=", id.as_bytes(), attributes].concat()
            }
            (CookieMode::Prefix, Some(id)) => {
                let prefix = [id.as_bytes(), &[DELIMITER]].concat();
                [spec.name.as_bytes(), b"=", &prefix, value, attributes].concat()
            }
            _ => bytes.to_vec(),
        };
        let Ok(value) = HeaderValue::from_bytes(&new) else {
            return Change::Remove;
        };
        if id.is_some() {
            state = b'R';
        }
        Change::To(value)
    });
    state
}

fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}

/// A date in a cookie: seconds of the epoch in base 36.
fn dated(mut seconds: u64) -> String {
    let mut digits = Vec::new();
    while seconds > 0 || digits.is_empty() {
        digits.push(char::from_digit((seconds % 36) as u32, 36).unwrap_or('0'));
        seconds /= 36;
    }
    digits.iter().rev().collect()
}

fn date(text: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(text).ok()?, 36).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidegate_sample::head::KnownName;

    #[test]
    fn a_cookie_of_rdp_names_an_address() {
        let address = |text| rdp_address(text).map(|address| address.to_string());
        assert_eq!(address("16777343.15629.0000").as_deref(), Some("127.0.0.1:3389"));
        assert_eq!(address("16777343.15629"), None);
        assert_eq!(address("name.15629.0000"), None);
    }

    fn spec(mode: CookieMode, indirect: bool) -> CookieSpec {
        CookieSpec {
            name: "S".into(),
            mode,
            indirect,
            nocache: false,
            postonly: false,
            preserve: false,
            attributes: String::new(),
            idle_max: None,
            life_max: None,
        }
    }

    fn fields(of: KnownName, values: &[&str]) -> Headers {
        let mut headers = Headers::new();
        for value in values {
            headers.append(of, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn texts(headers: &Headers, of: KnownName) -> Vec<&str> {
        headers.get_all(of).map(|value| value.to_str().unwrap()).collect()
    }

    #[test]
    fn servers_see_what_they_are_to_see() {
        let sent = |mode, indirect, values: &[&str]| {
            let mut headers = fields(COOKIE, values);
            to_server(&spec(mode, indirect), &mut headers);
            texts(&headers, COOKIE).join(" + ")
        };
        assert_eq!(sent(CookieMode::Insert, true, &["a=1; S=x; b=2"]), "a=1; b=2");
        assert_eq!(sent(CookieMode::Insert, true, &["S=x", "c=3"]), "c=3");
        assert_eq!(sent(CookieMode::Insert, false, &["S=x"]), "S=x");
        assert_eq!(sent(CookieMode::Prefix, false, &["S=x~own; b=2"]), "S=own; b=2");
        assert_eq!(sent(CookieMode::Prefix, false, &["S=own"]), "S=own");
    }

    #[test]
    fn the_first_cookie_that_has_a_value_counts() {
        let found = |values: &[&str]| {
            let headers = fields(COOKIE, values);
            find(&headers, "S").map(|value| String::from_utf8_lossy(value).into_owned())
        };
        assert_eq!(found(&["S=; S=x", "S=y"]).as_deref(), Some("x"));
        assert_eq!(found(&["S=\"x\""]).as_deref(), Some("\"x\""));
        assert_eq!(found(&["S="]), None);
    }

    #[test]
    fn what_servers_set_is_changed_as_asked() {
        let sets = |mode, values: &[&str]| {
            let mut headers = fields(SET_COOKIE, values);
            let state = from_server(&spec(mode, false), Some("x"), &mut headers);
            (char::from(state), texts(&headers, SET_COOKIE).join(" + "))
        };
        let other = ["a=1; path=/", "S=own; path=/a"];
        assert_eq!(
            sets(CookieMode::Rewrite, &other),
            ('R', "a=1; path=/ + S=x; path=/a".into())
        );
        assert_eq!(
            sets(CookieMode::Prefix, &other),
            ('R', "a=1; path=/ + S=x~own; path=/a".into())
        );
        assert_eq!(sets(CookieMode::Insert, &other), ('D', "a=1; path=/".into()));
        assert_eq!(sets(CookieMode::Passive, &other), ('P', other.join(" + ")));
        assert_eq!(sets(CookieMode::Rewrite, &["a=1"]), ('N', "a=1".into()));
    }

    #[test]
    fn dates_come_back() {
        for at in [0, 35, 36, 1_795_000_000, u64::MAX] {
            assert_eq!(date(dated(at).as_bytes()), Some(at));
        }
        assert_eq!(date(b"-"), None);
    }
}
