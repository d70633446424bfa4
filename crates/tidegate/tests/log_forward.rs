//! `log-forward`: the log lines of others, on their way through.

mod support;

use std::io::Write;
use std::net::{TcpStream, UdpSocket};

use support::Result;
use support::site::{Site, rest};
use support::syslog::Syslog;

const OLD: &str = "<34>Oct 11 22:14:15 box su[123]: hello";

/// The address of the first `dgram-bind` line of a site.
fn datagrams(site: &Site) -> Result<String> {
    let config = std::fs::read_to_string(site.directory().join("site.cfg"))?;
    let mut lines = config
        .lines()
        .filter_map(|line| line.trim().strip_prefix("dgram-bind "));
    Ok(lines.next().ok_or("no `dgram-bind`")?.to_owned())
}

#[test]
fn datagrams_keep_their_form_or_get_another() -> Result<()> {
    let (kept, new, errors) = (Syslog::new()?, Syslog::new()?, Syslog::new()?);
    let config = format!(
        "global\n    nbthread 1\nlog-forward relay\n    dgram-bind 127.0.0.1:8080\n    bind 127.0.0.1:8081\n    \
         log {} local0\n    log {} format rfc5424 local0\n    log {} format short local0 err\n",
        kept.address()?,
        new.address()?,
        errors.address()?
    );
    let site = Site::start("forward-datagrams", &[("site.cfg", &config)])?;
    let sender = UdpSocket::bind("127.0.0.1:0")?;
    let to = datagrams(&site)?;
    sender.send_to(OLD.as_bytes(), &to)?;
    assert_eq!(kept.line()?, OLD);
    let line = new.line()?;
    let (year, said) = line.split_once("-10-11T").ok_or(line.clone())?;
    assert!(year.starts_with("<34>1 20"), "{line}");
    assert_eq!(said, "22:14:15-00:00 box su 123 - - hello");
    assert_eq!(errors.line()?, "<2>hello");
    sender.send_to(b"<14>no host here\n", &to)?;
    assert_eq!(kept.line()?, "<14>no host here");
    // The host that is not told is the sender.
    let line = new.line()?;
    assert!(
        line.starts_with("<14>1 ") && line.ends_with(" 127.0.0.1 - - - - no host here"),
        "{line}"
    );
    // Which was of no use to whoever wants errors only.
    sender.send_to(b"<11>an error", &to)?;
    assert_eq!(errors.line()?, "<3>an error");
    Ok(())
}

#[test]
fn streams_hold_lines_of_both_framings() -> Result<()> {
    let syslog = Syslog::new()?;
    let config = |option: &str| -> Result<String> {
        Ok(format!(
            "global\n    nbthread 1\nlog-forward relay\n    bind 127.0.0.1:8080\n    timeout client 10s\n    {option}\n    \
             log {} format raw local0\n",
            syslog.address()?
        ))
    };
    let site = Site::start("forward-streams", &[("site.cfg", &config("maxconn 5")?)])?;
    let mut stream: TcpStream = site.connect(0)?;
    stream.write_all(b"9 <13>count<13>ended\n<13>too\r\n9 <13")?;
    for wanted in ["count", "ended", "too"] {
        assert_eq!(syslog.line()?, wanted);
    }
    stream.write_all(b">parts12x")?;
    assert_eq!(syslog.line()?, "parts");
    // What can't be a length ends the stream.
    assert_eq!(rest(stream)?, "");
    drop(site);
    let site = Site::start(
        "forward-lines",
        &[("site.cfg", &config("option assume-rfc6587-ntf")?)],
    )?;
    let mut stream: TcpStream = site.connect(0)?;
    stream.write_all(b"5 <13>a\n")?;
    assert_eq!(syslog.line()?, "5 <13>a");
    Ok(())
}

#[test]
fn silent_streams_make_room_and_samples_share_lines() -> Result<()> {
    let (odd, even) = (Syslog::new()?, Syslog::new()?);
    let config = format!(
        "global\n    nbthread 1\nlog-forward relay\n    bind 127.0.0.1:8080\n    maxconn 1\n    timeout client 50ms\n    \
         option dont-parse-log\n    log {} sample 1:2 format raw local0\n    log {} sample 2:2 format raw local0\n",
        odd.address()?,
        even.address()?
    );
    let site = Site::start("forward-silence", &[("site.cfg", &config)])?;
    let _silent: TcpStream = site.connect(0)?;
    let mut stream: TcpStream = site.connect(0)?;
    stream.write_all(b"<1>one\n<2>two\n<3>three\n")?;
    assert_eq!(odd.line()?, "<1>one");
    assert_eq!(even.line()?, "<2>two");
    assert_eq!(odd.line()?, "<3>three");
    Ok(())
}

#[test]
fn streams_of_tls_come_in_and_leave_by_rings() -> Result<()> {
    let syslog = Syslog::new()?;
    let issued = support::tls::self_signed(&["collector.test"])?;
    let pem = issued.pem();
    let config = format!(
        "global\n    nbthread 1\nring secure\n    format raw\n    \
         server far 127.0.0.1:8081 ssl ca-file site/site.pem sni str(collector.test)\n\
         log-forward outer\n    bind 127.0.0.1:8080\n    log ring@secure local0\n\
         log-forward inner\n    bind 127.0.0.1:8081 ssl crt site/site.pem\n    log {} format raw local0\n",
        syslog.address()?
    );
    let site = Site::start("forward-tls", &[("site.cfg", &config), ("site.pem", &pem)])?;
    let mut stream = site.connect(0)?;
    stream.write_all(b"<13>one\n<13>two\n")?;
    for wanted in ["one", "two"] {
        assert_eq!(syslog.line()?, wanted);
    }
    // Whoever speaks in the clear is not heard, and holds nobody else up.
    let mut plain = site.connect(1)?;
    plain.write_all(b"<13>in the clear\n")?;
    stream.write_all(b"<13>three\n")?;
    assert_eq!(syslog.line()?, "three");
    Ok(())
}
