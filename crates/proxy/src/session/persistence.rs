//! Persistence: the server that a request belongs to, by `use-server` and by its cookie, and the cookie's way to the server
//! and back.

mod dates;

use std::net::{Ipv4Addr, SocketAddr};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use http::{HeaderValue, Method};
use tidegate_sample::cookies::pieces;
use tidegate_sample::head::names::{CACHE_CONTROL, COOKIE, SET_COOKIE};
use tidegate_sample::head::{Change, FieldValue, Headers, response};
use tidegate_sample::{Condition, Expr, ExternalRunner, Type, Value, cast};

use self::dates::{date, dated};
use crate::cache;
use crate::spec::{CookieMode, CookieSpec};
use crate::txn::Txn;
use crate::upstream::Server;
use crate::worker::Backend;

/// Between a server's cookie and the rest of the value, with `prefix`.
const DELIMITER: u8 = b'~';
/// Between a server's cookie and its dates.
const DATE_DELIMITER: u8 = b'|';
/// No value, and a date that has passed: what makes a browser forget a cookie.
const FORGOTTEN: &str = "; Expires=Thu, 01-Jan-1970 00:00:01 GMT";
/// Dates that far ahead are taken for mistakes.
const FUTURE_MAX_S: u64 = 24 * 3600;

/// What a request's cookie said.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    /// The place of the server that it belongs to and may go to.
    place: Option<usize>,
    /// The letter for the log: valid, down, invalid and so on.
    state: u8,
    /// When the client first had it, seconds of the epoch.
    first_s: Option<u64>,
    /// It has the dates that are asked for, and they need not be renewed yet.
    fresh: bool,
    /// `ignore-persist`: the response's cookies are left alone.
    ignored: bool,
    /// A rule chose the server: the client is not bound to it.
    assigned: bool,
}

impl Seen {
    /// The server that it belongs to failed it.
    pub(crate) fn without_server(self) -> Seen {
        match self.place {
            Some(_) => Seen {
                place: None,
                state: b'D',
                ..self
            },
            None => self,
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
    let mut assigned = false;
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
                assigned = true;
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
        (seen.ignored, seen.assigned) = (ignored, assigned);
        if ignored || belongs.server.is_some() {
            seen.place = None;
            if seen.state != b'N' {
                seen.state = b'U';
            }
        } else if let Some(place) = seen.place {
            belongs.server = backend.balancer.servers().at(place).cloned();
        }
        txn.usage.cookie.set(seen);
        tell(cookie, txn, [seen.state, b'N']);
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
    for value in head.iter().flat_map(|head| values(&head.headers, &spec.name)) {
        // A browser may have several of the name: the first that leads to a server counts, else the last.
        seen = judged(spec, backend, value, seconds(now), usable);
        if seen.place.is_some() {
            break;
        }
    }
    seen
}

/// What one cookie says.
fn judged(
    spec: &CookieSpec,
    backend: &Backend,
    value: &[u8],
    now_s: u64,
    usable: &dyn Fn(&Rc<Server>) -> bool,
) -> Seen {
    let mut seen = Seen {
        state: b'I',
        ..Seen::default()
    };
    let delimiter = match spec.mode {
        CookieMode::Prefix => DELIMITER,
        _ => DATE_DELIMITER,
    };
    let mut parts = value.split(|byte| *byte == delimiter);
    let id = parts.next().unwrap_or_default();
    let (last, first) = (parts.next().and_then(date), parts.next().and_then(date));
    let too_old = |at: Option<u64>, most: Option<Duration>| match (at, most) {
        (Some(at), Some(most)) => at > now_s + FUTURE_MAX_S || at + most.as_secs() < now_s,
        _ => false,
    };
    if too_old(first, spec.life_max) {
        seen.state = b'O';
        return seen;
    }
    if too_old(last, spec.idle_max) {
        seen.state = b'E';
        return seen;
    }
    seen.first_s = first;
    seen.fresh = match (spec.idle_max, spec.life_max) {
        (None, None) => last.is_none() && first.is_none(),
        (_, life) => last.is_some_and(|last| last >= now_s) && life.is_some() == first.is_some(),
    };
    for server in backend.balancer.servers().iter() {
        if server.cookie().is_some_and(|cookie| cookie.as_bytes() == id) && !id.is_empty() {
            // One that is down may have to be used all the same.
            seen.state = if server.state.is_up() { b'V' } else { b'D' };
            if usable(server) {
                seen.place = Some(server.place);
                break;
            }
        }
    }
    seen
}

/// The values of the cookies of that name of a request; they may be empty.
fn values<'h>(headers: &'h Headers, name: &str) -> impl Iterator<Item = &'h [u8]> {
    let all = headers.get_all(COOKIE).flat_map(|field| pairs(field.as_bytes()));
    all.filter(move |(of, _)| *of == name.as_bytes())
        .map(|(_, value)| value)
}

/// The names and values of a `cookie` field.
fn pairs(field: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    pieces(field).filter_map(|piece| pair(field.get(piece)?))
}

/// The name and the value of a cookie. Quotes are a part of the value.
fn pair(cookie: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = cookie.iter().position(|byte| *byte == b'=')?;
    let (name, value) = cookie.split_at_checked(at)?;
    Some((name.trim_ascii(), value.get(1..)?.trim_ascii()))
}

/// The cookie on the way to the server: gone with `insert indirect`, its prefix gone with `prefix`.
pub(crate) fn to_server(spec: &CookieSpec, headers: &mut Headers) {
    let strips = spec.mode == CookieMode::Insert && spec.indirect || spec.mode == CookieMode::Prefix;
    if !strips || values(headers, &spec.name).next().is_none() {
        return;
    }
    headers.change(COOKIE, |field| {
        if spec.mode == CookieMode::Prefix && !field.as_bytes().contains(&DELIMITER) {
            return Change::Keep;
        }
        let bytes = field.as_bytes();
        let mut kept: Vec<u8> = Vec::new();
        let mut is_last_gone = false;
        let mut is_any_left = false;
        for piece in pieces(bytes) {
            let cookie = bytes.get(piece.clone()).unwrap_or_default();
            if is_attribute(cookie) {
                // What is said of a cookie goes with it.
                if !is_last_gone {
                    kept.extend_from_slice(cookie);
                    kept.extend(bytes.get(piece.end));
                }
                continue;
            }
            let own = pair(cookie).filter(|(name, _)| *name == spec.name.as_bytes());
            is_last_gone = own.is_some() && spec.mode == CookieMode::Insert;
            match own {
                // What delimits it goes with it.
                Some(_) if is_last_gone => continue,
                Some((name, value)) => {
                    let own = value.iter().position(|byte| *byte == DELIMITER);
                    let value = value.get(own.map_or(0, |at| at + 1)..).unwrap_or_default();
                    let blanks = cookie.len() - cookie.trim_ascii_start().len();
                    kept.extend_from_slice(cookie.get(..blanks).unwrap_or_default());
                    kept.extend_from_slice(&[name, b"=", value].concat());
                }
                None => kept.extend_from_slice(cookie),
            }
            is_any_left = true;
            kept.extend(bytes.get(piece.end));
        }
        if is_last_gone {
            kept.pop();
        }
        match HeaderValue::from_bytes(kept.trim_ascii()) {
            Ok(value) if is_any_left && !value.is_empty() => Change::To(value),
            _ => Change::Remove,
        }
    });
}

/// `$Path` and the like: what clients of old say of the cookie before it, or, as `$Version`, of all.
fn is_attribute(cookie: &[u8]) -> bool {
    cookie.trim_ascii_start().starts_with(b"$")
}

/// The cookie on the way to the client.
pub(crate) fn to_client(spec: &CookieSpec, server: &Server, txn: &Txn, head: &mut response::Parts) {
    let seen = txn.usage.cookie.get();
    if seen.ignored {
        return;
    }
    let id = server.cookie();
    let id = id.as_deref();
    let has_it = seen.place == Some(server.place);
    let mut state = from_server(spec, id, has_it, &mut head.headers);
    let method = txn.request_head().map(|head| head.method.clone());
    let is_post = method == Some(Method::POST);
    if spec.mode == CookieMode::Insert
        && state != b'P'
        && !seen.assigned
        && (!spec.postonly || is_post)
        && !(has_it && seen.fresh)
    {
        let value = match id {
            Some(id) => value_of(spec, id, seen.first_s.filter(|_| has_it)),
            // Clients of a server without a cookie are to have none.
            None => FORGOTTEN.to_owned(),
        };
        let field = format!("{}={value}; path=/{}", spec.name, spec.attributes);
        if let Ok(field) = HeaderValue::from_str(&field) {
            state = if has_it { b'U' } else { b'I' };
            let kept = spec.nocache && method.is_some_and(|method| cache::may_be_kept(&method, head));
            head.headers.append(SET_COOKIE, field);
            if kept {
                head.headers
                    .append(CACHE_CONTROL, HeaderValue::from_static("private"));
            }
        }
    }
    tell(spec, txn, [seen.state, state]);
}

/// A server's cookie with the dates that are asked for; `first_s` is when the client had it first, if it did.
fn value_of(spec: &CookieSpec, id: &str, first_s: Option<u64>) -> String {
    let now_s = seconds(SystemTime::now());
    let mut value = id.to_owned();
    if spec.idle_max.is_some() || spec.life_max.is_some() {
        value.push(char::from(DATE_DELIMITER));
        value.push_str(&dated(now_s));
    }
    if spec.life_max.is_some() {
        value.push(char::from(DATE_DELIMITER));
        value.push_str(&dated(first_s.unwrap_or(now_s)));
    }
    value
}

/// What the log says of the cookie. Of one that is only read it says nothing.
fn tell(spec: &CookieSpec, txn: &Txn, letters: [u8; 2]) {
    if spec.mode != CookieMode::Passive || spec.indirect {
        txn.facts.borrow_mut().cookie_state = Some(letters);
    }
}

/// What becomes of the cookie that the server sets itself; the letter for the log.
fn from_server(spec: &CookieSpec, id: Option<&str>, has_it: bool, headers: &mut Headers) -> u8 {
    let is_own = |field: FieldValue<'_>| {
        let first = field.as_bytes().split(|byte| *byte == b';').next();
        first
            .and_then(pair)
            .is_some_and(|(name, _)| name == spec.name.as_bytes())
    };
    if !headers.get_all(SET_COOKIE).any(is_own) {
        return b'N';
    }
    let removes = spec.mode == CookieMode::Insert || spec.indirect && has_it;
    if spec.mode == CookieMode::Passive && !removes || spec.preserve {
        return b'P';
    }
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
        let (cookie, attributes) = bytes.split_at_checked(end).unwrap_or((bytes, &[]));
        let value = pair(cookie).map_or(&b""[..], |(_, value)| value);
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
        assert_eq!(sent(CookieMode::Prefix, false, &["a;S=own;c"]), "a;S=own;c");
        assert_eq!(sent(CookieMode::Insert, true, &["S=;c=3"]), "c=3");
        assert_eq!(sent(CookieMode::Insert, true, &["a=1,2; S=x ,c=3"]), "a=1,2;c=3");
        let old = "$Version=1; a=1; $Path=/; S=x; $Path=\"/\"; $Domain=x";
        assert_eq!(sent(CookieMode::Insert, true, &[old]), "$Version=1; a=1; $Path=/");
        assert_eq!(sent(CookieMode::Insert, true, &["S=x;$Path=/;b=2"]), "b=2");
        assert_eq!(sent(CookieMode::Insert, true, &["$Version=1; S=x; $Path=/"]), "");
        assert_eq!(
            sent(CookieMode::Prefix, false, &["$Version=1; S=x~y; $Path=/"]),
            "$Version=1; S=y; $Path=/"
        );
        assert_eq!(
            sent(CookieMode::Insert, true, &["a=\"; S=x\"; S=x"]),
            "a=\"; S=x\""
        );
        assert_eq!(
            sent(CookieMode::Prefix, false, &["a=1,2, S=x~own"]),
            "a=1,2, S=own"
        );
    }

    #[test]
    fn what_servers_set_is_changed_as_asked() {
        let sets = |mode, values: &[&str]| {
            let mut headers = fields(SET_COOKIE, values);
            let state = from_server(&spec(mode, false), Some("x"), true, &mut headers);
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
}
