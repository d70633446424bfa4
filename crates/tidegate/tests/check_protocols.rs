//! Health checks that speak the protocols of mail, databases and directories.

mod support;

use std::io::{Read, Write};
use std::net::SocketAddr;

use support::Result;
use support::origin::origin;
use support::runtime::Runtime;

/// What a server hears and says, in turn.
enum Turn {
    Hears(Vec<u8>),
    Says(Vec<u8>),
}

use Turn::{Hears, Says};

/// A server that says its part as long as it hears what it waits for, and leaves the connection open.
fn speaker(turns: Vec<Turn>) -> Result<SocketAddr> {
    origin(move |mut stream| {
        for turn in &turns {
            match turn {
                Says(text) => stream.write_all(text)?,
                Hears(text) => {
                    let mut heard = vec![0; text.len()];
                    stream.read_exact(&mut heard)?;
                    if heard != *text {
                        let answer = format!("heard {heard:02x?}\r\n");
                        stream.write_all(answer.as_bytes())?;
                        return Ok(());
                    }
                }
            }
        }
        let _ = stream.read(&mut [0; 16]);
        Ok(())
    })
}

fn hears(text: &str) -> Turn {
    Hears(text.as_bytes().to_vec())
}

fn says(text: &str) -> Turn {
    Says(text.as_bytes().to_vec())
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|digit| digit.to_digit(16)).collect();
    let number = |pair: &[u32]| pair.iter().fold(0, |number, digit| number * 16 + digit);
    let byte = |pair: &[u32]| u8::try_from(number(pair)).unwrap_or_default();
    digits.chunks_exact(2).map(byte).collect()
}

/// What `show stat` says of a server that is checked so, once it has been: the kind of the check's end, its code, and what
/// it was told.
fn checked(name: &str, option: &str, turns: Vec<Turn>) -> Result<(String, String, String)> {
    let server = speaker(turns)?;
    let port = support::origin::server(server);
    let rest = format!(
        "backend app\n    mode tcp\n    timeout check 5s\n    option {option}\n    server a {port} check inter 10s rise 1 fall 1\n"
    );
    let runtime = Runtime::start(name, "level admin", "", &rest)?;
    let stat = runtime.until("show stat app 4 -1\n", ",L7")?;
    let names: Vec<&str> = stat.lines().next().ok_or("no head")?.split(',').collect();
    let line = stat
        .lines()
        .find(|line| line.starts_with("app,a,"))
        .ok_or("no server")?;
    let values: Vec<&str> = line.split(',').collect();
    let value = |wanted: &str| {
        let at = names.iter().position(|name| *name == wanted);
        at.and_then(|at| values.get(at)).unwrap_or(&"").to_string()
    };
    Ok((value("check_status"), value("check_code"), value("last_chk")))
}

fn found(status: &str, code: &str, info: &str) -> (String, String, String) {
    (status.into(), code.into(), info.into())
}

#[test]
fn redis_answers_a_ping() -> Result<()> {
    let ping = || hears("*1\r\n$4\r\nPING\r\n");
    assert_eq!(
        checked("redis-ok", "redis-check", vec![ping(), says("+PONG\r\n")])?,
        found("L7OK", "0", "Redis server is ok")
    );
    assert_eq!(
        checked(
            "redis-bad",
            "redis-check",
            vec![ping(), says("-Error message\r\n")]
        )?,
        found("L7STS", "0", "-Error message")
    );
    Ok(())
}

#[test]
fn mail_is_greeted() -> Result<()> {
    let good = vec![
        says("220 mail\r\n"),
        hears("EHLO example.com\r\n"),
        says("250-mail\r\n250-SIZE\r\n"),
        says("250 HELP\r\n"),
        hears("QUIT\r\n"),
        says("221 mail closing\r\n"),
    ];
    assert_eq!(
        checked("smtp-ok", "smtpchk EHLO example.com", good)?,
        found("L7OK", "221", "mail closing")
    );
    assert_eq!(
        checked("smtp-later", "smtpchk", vec![says("421 Try again later\r\n")])?,
        found("L7STS", "421", "Try again later")
    );
    assert_eq!(
        checked("smtp-none", "smtpchk", vec![says("I'm no server of mail\r\n")])?,
        found("L7RSP", "", "I'm no server of mail")
    );
    let refused = vec![
        says("220 mail\r\n"),
        hears("HELO localhost\r\n"),
        says("512 DNS error\r\n"),
    ];
    assert_eq!(
        checked("smtp-no", "smtpchk", refused)?,
        found("L7STS", "512", "DNS error")
    );
    Ok(())
}

#[test]
fn postgresql_asks_who_it_is() -> Result<()> {
    let start = || Hears(hex("00000017000300007573657200706f7374677265730000"));
    let option = "pgsql-check user postgres";
    for (name, answer, wanted) in [
        (
            "pg-ok",
            "520000000800000000",
            found("L7OK", "0", "PostgreSQL server is ok"),
        ),
        (
            "pg-sasl",
            "52000000170000000A534352414D2D5348412D3235360000",
            found("L7OK", "0", "PostgreSQL server is ok"),
        ),
        (
            "pg-fatal",
            "450000000B53464154414C00",
            found("L7RSP", "", "FATAL"),
        ),
        (
            "pg-other",
            "4e6f7420612053514c20616e73776572",
            found("L7STS", "0", "PostgreSQL unknown error"),
        ),
    ] {
        assert_eq!(
            checked(name, option, vec![start(), Says(hex(answer))])?,
            wanted,
            "{name}"
        );
    }
    Ok(())
}

#[test]
fn directories_let_nobody_bind() -> Result<()> {
    let bind = || Hears(hex("300C020101600702010304008000"));
    let first = || Says(hex("308400000010020101618400000007"));
    for (name, answer, wanted) in [
        (
            "ldap-ok",
            vec![Says(hex("300C02010161070A010004000400"))],
            found("L7OK", "0", "Success"),
        ),
        (
            "ldap-long",
            vec![first(), Says(hex("0A010004000400"))],
            found("L7OK", "0", "Success"),
        ),
        (
            "ldap-other",
            vec![Says(hex("300C02010160070A010004000400"))],
            found("L7RSP", "", "Not LDAPv3 protocol"),
        ),
        (
            "ldap-no",
            vec![Says(hex("300C02010161070A010104000400"))],
            found(
                "L7STS",
                "1",
                "See RFC: http://tools.ietf.org/html/rfc4511#section-4.1.9",
            ),
        ),
    ] {
        let turns: Vec<Turn> = std::iter::once(bind()).chain(answer).collect();
        assert_eq!(checked(name, "ldap-check", turns)?, wanted, "{name}");
    }
    Ok(())
}

#[test]
fn mysql_takes_a_login() -> Result<()> {
    let greeting = || Says(hex("0E0000000A382E302E3139000A00000000FF"));
    let ok = || Says(hex("0700000200000002000000"));
    let old = || Hears(hex("0B00000100800000017573657200000100000001"));
    let new = || {
        Hears(hex(
            "2600000100820000008000012100000000000000000000000000000000000000000000007573657200000100000001",
        ))
    };
    let refused = || Says(hex("0B000002FFE3046E6F207468616E6B73"));
    for (name, option, turns, wanted) in [
        ("my-none", "", vec![greeting()], found("L7OK", "0", "8.0.19")),
        (
            "my-old",
            "user user pre-41",
            vec![greeting(), old(), ok()],
            found("L7OK", "0", "8.0.19"),
        ),
        (
            "my-new",
            "user user",
            vec![greeting(), new(), ok()],
            found("L7OK", "0", "8.0.19"),
        ),
        (
            "my-refused",
            "user user post-41",
            vec![greeting(), new(), refused()],
            found("L7STS", "1251", "no thanks"),
        ),
    ] {
        assert_eq!(
            checked(name, &format!("mysql-check {option}"), turns)?,
            wanted,
            "{name}"
        );
    }
    Ok(())
}
