//! Certificates by name: stores and lists of the configuration, and changes while the program runs.

mod support;

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;

use rustls::HandshakeKind;
use rustls::pki_types::PrivateKeyDer;
use support::Result;
use support::program::binary;
use support::runtime::{PATIENCE, exchange};
use support::site::Site;
use support::tls::{Authority, Issued, connect, get, shown};

const DEFAULTS: &str = "\
defaults
    mode http
    timeout connect 5s
    timeout client 15s
    timeout server 15s
";

const SAY: &str =
    "    http-request return status 200 content-type text/plain lf-string \"%[ssl_fc_crtname]\"\n";

/// A site with a runtime API.
struct Served {
    site: Site,
    socket: PathBuf,
}

impl Served {
    fn start(name: &str, rest: &str, files: &[(&str, &str)]) -> Result<Served> {
        let socket = std::env::temp_dir().join(format!("tidegate-crt-{name}-{}.sock", std::process::id()));
        let config = format!(
            "global\n    nbthread 2\n    stats socket {} level admin\n{DEFAULTS}{rest}",
            socket.display()
        );
        let mut all = vec![("site.cfg", config.as_str())];
        all.extend(files);
        let site = Site::start(&format!("crt-{name}"), &all)?;
        Ok(Served { site, socket })
    }

    fn ask(&self, line: &str) -> Result<String> {
        let stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        exchange(stream, &format!("{line}\n"))
    }

    fn put(&self, command: &str, payload: &str) -> Result<String> {
        self.ask(&format!("{command} <<\n{}\n", payload.trim_end()))
    }

    fn says(&self, line: &str, wanted: &str) -> Result<()> {
        let answer = self.ask(line)?;
        assert!(answer.contains(wanted), "`{line}` said: {answer}");
        Ok(())
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}

fn is_shown(site: &Site, ca: &Authority, bind: usize, name: &str, own: &Issued) -> Result<()> {
    let client = connect(&ca.client()?, site.connect(bind)?, name)?;
    assert_eq!(shown(&client), own.leaf(), "{name}");
    Ok(())
}

#[test]
fn stores_name_certificates_and_their_files() -> Result<()> {
    let ca = Authority::new("root")?;
    let (one, two, three) = (
        ca.issue(&["one.test"])?,
        ca.issue(&["two.test"])?,
        ca.issue(&["three.test"])?,
    );
    let config = format!(
        "crt-store\n    load crt site/one.crt key site/secret.pem\ncrt-store web\n    crt-base site\n    key-base site/keys\n    \
         load crt two.crt key two.pem alias second\n    load crt three.pem\n{DEFAULTS}listen site\n    bind 127.0.0.1:8443 ssl crt \
         site/one.crt crt @web/second crt @web/three.pem\n{SAY}"
    );
    let site = Site::start(
        "crt-store",
        &[
            ("site.cfg", &config),
            ("one.crt", &one.certificate()),
            ("secret.pem", &one.key()),
            ("two.crt", &two.certificate()),
            ("three.pem", &three.pem()),
        ],
    );
    // `keys/two.pem` is not there yet: that is told, with the place.
    let fault = site.map(drop).unwrap_err().to_string();
    assert!(fault.contains("`site/keys/two.pem` can't be read"), "{fault}");
    let config = config.replace("key-base site/keys", "key-base site");
    let site = Site::start(
        "crt-store-whole",
        &[
            ("site.cfg", &config),
            ("one.crt", &one.certificate()),
            ("secret.pem", &one.key()),
            ("two.crt", &two.certificate()),
            ("two.pem", &two.key()),
            ("three.pem", &three.pem()),
        ],
    )?;
    for (name, own, called) in [
        ("one.test", &one, "site/one.crt"),
        ("two.test", &two, "@web/second"),
        ("three.test", &three, "@web/three.pem"),
    ] {
        is_shown(&site, &ca, 0, name, own)?;
        let client = connect(&ca.client()?, site.connect(0)?, name)?;
        assert!(get(client, "/", name)?.ends_with(called), "{called}");
    }
    Ok(())
}

#[test]
fn lists_say_more_of_each_certificate() -> Result<()> {
    let ca = Authority::new("root")?;
    let (first, wild, exact) = (
        ca.issue(&["first.test"])?,
        ca.issue(&["wild.test"])?,
        ca.issue(&["exact.test"])?,
    );
    let list = "# a comment\n\nfirst.pem\nwild.pem [alpn http/1.1] *.d.test !no.d.test\nexact.crt [key exact.pem verify none] \
                x.d.test\n";
    let config = format!(
        "global\n    crt-base site\n{DEFAULTS}listen one\n    bind 127.0.0.1:8443 ssl crt-list site/site.list\n{SAY}listen \
         two\n    bind 127.0.0.1:8444 ssl\n    ssl-f-use crt first.pem\n    ssl-f-use crt wild.pem alpn http/1.1\n{SAY}"
    );
    let site = Site::start(
        "crt-list",
        &[
            ("site.cfg", &config),
            ("site.list", list),
            ("first.pem", &first.pem()),
            ("wild.pem", &wild.pem()),
            ("exact.crt", &exact.certificate()),
            ("exact.pem", &exact.key()),
        ],
    )?;
    let mut client = ca.client()?;
    client.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let mut trusting = client.clone();
    trusting
        .dangerous()
        .set_certificate_verifier(tidegate_tls::anyone());
    for (name, own, alpn) in [
        ("y.d.test", &wild, "http/1.1"),
        ("x.d.test", &exact, "h2"),
        ("no.d.test", &first, "h2"),
        ("wild.test", &first, "h2"),
    ] {
        let connected = connect(&trusting, site.connect(0)?, name)?;
        assert_eq!(shown(&connected), own.leaf(), "{name}");
        assert_eq!(connected.conn.alpn_protocol(), Some(alpn.as_bytes()), "{name}");
    }
    // Those of the frontend are all its lines'.
    let connected = connect(&client, site.connect(1)?, "wild.test")?;
    assert_eq!(connected.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
    Ok(())
}

fn checked(name: &str, files: &[(&str, &str)]) -> Result<String> {
    let root = std::env::temp_dir().join(format!("tidegate-crt-check-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&root)?;
    for (file, text) in files {
        std::fs::write(root.join(file), text)?;
    }
    let output = Command::new(binary())
        .args(["-c", "-f", "site.cfg"])
        .current_dir(&root)
        .output()?;
    std::fs::remove_dir_all(&root)?;
    assert!(!output.status.success(), "it is refused");
    Ok(String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn faults_of_lists_are_told_by_file_line_and_column() -> Result<()> {
    let ca = Authority::new("root")?;
    let own = ca.issue(&["a.test"])?.pem();
    let config = format!("{DEFAULTS}listen site\n    bind :8443 ssl crt-list site.list\n{SAY}");
    let list = "a.pem\na.pem [cihpers x] a.test\na.pem [alpn h2 a.test\nnone.pem\na.pem a*b.test\n";
    let said = checked(
        "list",
        &[("site.cfg", &config), ("site.list", list), ("a.pem", &own)],
    )?;
    for wanted in [
        "site.list:2:8",
        "site.list:3:7",
        "site.list:5:7",
        "the file is used here",
    ] {
        assert!(said.contains(wanted), "{wanted} is not in\n{said}");
    }
    let list = "a.pem\nnone.pem\n";
    let said = checked(
        "list-file",
        &[("site.cfg", &config), ("site.list", list), ("a.pem", &own)],
    )?;
    assert!(
        said.contains("site.list:2:1") && said.contains("`none.pem` can't be read"),
        "{said}"
    );
    Ok(())
}

#[test]
fn a_certificate_of_a_store_is_not_used_before_it() -> Result<()> {
    let own = Authority::new("root")?.issue(&["a.test"])?.pem();
    let config =
        format!("{DEFAULTS}listen site\n    bind :8443 ssl crt a.pem\n{SAY}crt-store\n    load crt a.pem\n");
    let said = checked("order", &[("site.cfg", &config), ("a.pem", &own)])?;
    assert!(
        said.contains("loaded by a `crt-store` section further down"),
        "{said}"
    );
    Ok(())
}

#[test]
fn a_committed_certificate_is_shown_from_then_on() -> Result<()> {
    let ca = Authority::new("root")?;
    let (old, new) = (ca.issue(&["a.test"])?, ca.issue(&["a.test"])?);
    let rest = format!("listen site\n    bind 127.0.0.1:8443 ssl crt site/a.pem\n{SAY}");
    let served = Served::start("commit", &rest, &[("a.pem", &old.pem())])?;
    let site = &served.site;
    let mut kept = connect(&ca.client()?, site.connect(0)?, "a.test")?;
    is_shown(site, &ca, 0, "a.test", &old)?;
    let said = served.put("set ssl cert site/a.pem", &new.pem())?;
    assert!(
        said.contains("Transaction created for certificate site/a.pem!"),
        "{said}"
    );
    is_shown(site, &ca, 0, "a.test", &old)?;
    served.says(
        "show ssl cert",
        "# transaction\n*site/a.pem\n# filename\nsite/a.pem",
    )?;
    served.says("show ssl cert *site/a.pem", "Status: Unused\n")?;
    served.says(
        "commit ssl cert other.pem",
        "The ongoing transaction is about 'site/a.pem'",
    )?;
    served.says("commit ssl cert site/a.pem", "Success!")?;
    is_shown(site, &ca, 0, "a.test", &new)?;
    served.says("show ssl cert site/a.pem", "Status: Used\n")?;
    served.says("commit ssl cert site/a.pem", "No ongoing transaction!")?;
    // The connection that was open goes on.
    kept.write_all(b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n")?;
    let mut answer = [0; 12];
    kept.read_exact(&mut answer)?;
    assert_eq!(&answer, b"HTTP/1.1 200");
    // What doesn't fit together changes nothing.
    served.put("set ssl cert site/a.pem.key", &old.key())?;
    served.says("commit ssl cert site/a.pem", "Can't commit site/a.pem!")?;
    served.says(
        "abort ssl cert site/a.pem",
        "Transaction aborted for certificate 'site/a.pem'!",
    )?;
    is_shown(site, &ca, 0, "a.test", &new)
}

#[test]
fn lists_change_while_they_are_used() -> Result<()> {
    let ca = Authority::new("root")?;
    let (first, more) = (ca.issue(&["a.test"])?, ca.issue(&["b.test"])?);
    let rest = format!("listen site\n    bind 127.0.0.1:8443 ssl strict-sni crt-list site/site.list\n{SAY}");
    let files = [("site.list", "site/a.pem\n"), ("a.pem", &first.pem())];
    let served = Served::start("list", &rest, &files)?;
    let site = &served.site;
    assert!(connect(&ca.client()?, site.connect(0)?, "b.test").is_err());
    served.says(
        "add ssl crt-list site/site.list b.pem",
        "certificate 'b.pem' does not exist!",
    )?;
    served.says("new ssl cert b.pem", "New empty certificate store 'b.pem'!")?;
    served.says("show ssl cert b.pem", "Status: Empty")?;
    served.put("set ssl cert b.pem", &more.pem())?;
    served.says("commit ssl cert b.pem", "Success!")?;
    served.says("show ssl cert b.pem", "Status: Unused")?;
    served.says("add ssl crt-list site/site.list b.pem", "Success!")?;
    is_shown(site, &ca, 0, "b.test", &more)?;
    served.put(
        "add ssl crt-list site/site.list",
        "b.pem [alpn h2 ssl-min-ver TLSv1.3] c.test",
    )?;
    served.says(
        "show ssl crt-list -n site/site.list",
        "# site/site.list\nsite/a.pem:1\nb.pem:2\nb.pem:3 [alpn h2 ssl-min-ver TLSv1.3] c.test\n",
    )?;
    served.says("show ssl sni -f site", "\tc.test\t-\tecdsa\tb.pem\t")?;
    served.says("del ssl cert b.pem", "in use, can't be deleted!")?;
    served.says("del ssl crt-list site/site.list b.pem", "specify a line number")?;
    served.says("del ssl crt-list site/site.list b.pem:3", "Entry 'b.pem' deleted")?;
    served.says("del ssl crt-list site/site.list b.pem", "Entry 'b.pem' deleted")?;
    assert!(connect(&ca.client()?, site.connect(0)?, "b.test").is_err());
    served.says("del ssl cert b.pem", "Certificate 'b.pem' deleted!")?;
    let said = served.put(
        "add ssl crt-list site/site.list",
        "site/a.pem [ca-file x.pem] a.test",
    )?;
    assert!(said.contains("unable to load x.pem"), "{said}");
    let said = served.put("add ssl crt-list site/site.list", "site/a.pem [cihpers x]")?;
    assert!(said.contains("did you mean `ciphers`?"), "{said}");
    Ok(())
}

#[test]
fn authorities_and_what_they_revoke_change_too() -> Result<()> {
    let (ca, other) = (Authority::new("root")?, Authority::new("other")?);
    let own = ca.issue(&["a.test"])?;
    let serial = |params: &mut rcgen::CertificateParams| params.serial_number = Some(77.into());
    let client = other.issue_with(&["client"], serial)?;
    let rest = format!(
        "listen site\n    bind 127.0.0.1:8443 ssl crt site/a.pem ca-file site/ca.pem verify required crl-file site/crl.pem\n{SAY}"
    );
    let files = [
        ("a.pem", own.pem()),
        ("ca.pem", ca.pem()),
        ("crl.pem", ca.revoke(&[])?),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let served = Served::start("ca", &rest, &files)?;
    let config = ca.client_of(&[&rustls::version::TLS12], Some(&client))?;
    let connects = || connect(&config, served.site.connect(0)?, "a.test").map(drop);
    assert!(connects().is_err(), "nobody vouches for it");
    let said = served.put("set ssl ca-file site/ca.pem", &other.pem())?;
    assert!(said.contains("transaction created for CA site/ca.pem!"), "{said}");
    served.says("show ssl ca-file", "*site/ca.pem - 1 certificate(s)")?;
    served.says("commit ssl ca-file site/ca.pem", "Success!")?;
    served.says("show ssl ca-file site/ca.pem:1", "Subject: /CN=other")?;
    assert!(connects().is_err(), "nobody knows whether it was revoked");
    served.put("set ssl crl-file site/crl.pem", &other.revoke(&[5])?)?;
    served.says("commit ssl crl-file site/crl.pem", "Success!")?;
    connects()?;
    served.put("set ssl crl-file site/crl.pem", &other.revoke(&[5, 77])?)?;
    served.says("commit ssl crl-file site/crl.pem", "Success!")?;
    served.says("show ssl crl-file site/crl.pem", "Serial Number: 4D")?;
    assert!(connects().is_err(), "it is revoked");
    served.says("del ssl ca-file site/ca.pem", "in use, can't be deleted!")?;
    served.says("new ssl ca-file more.pem", "New CA file created 'more.pem'!")?;
    served.says("del ssl ca-file more.pem", "CA file 'more.pem' deleted!")
}

#[test]
fn a_servers_certificate_changes_too() -> Result<()> {
    let ca = Authority::new("root")?;
    let own = ca.issue(&["a.test"])?;
    let (old, new) = (ca.issue(&["old.client"])?, ca.issue(&["new.client"])?);
    let rest = "listen plain\n    bind 127.0.0.1:8080\n    http-reuse never\n    server s 127.0.0.1:8443 ssl ca-file site/ca.pem crt \
         site/client.pem sni str(a.test)\nlisten site\n    bind 127.0.0.1:8443 ssl crt site/a.pem ca-file site/ca.pem verify \
         required\n    http-request return status 200 content-type text/plain lf-string \"%[ssl_c_s_dn(CN)]\"\n";
    let files = [
        ("a.pem", own.pem()),
        ("ca.pem", ca.pem()),
        ("client.pem", old.pem()),
    ];
    let files: Vec<(&str, &str)> = files.iter().map(|(name, text)| (*name, text.as_str())).collect();
    let served = Served::start("server", rest, &files)?;
    assert!(served.site.get("/")?.ends_with("old.client"));
    served.put("set ssl cert site/client.pem", &new.pem())?;
    served.says("commit ssl cert site/client.pem", "Success!")?;
    assert!(served.site.get("/")?.ends_with("new.client"));
    Ok(())
}

#[test]
fn listeners_with_the_same_keys_take_each_others_tickets() -> Result<()> {
    let ca = Authority::new("root")?;
    let own = ca.issue(&["a.test"])?;
    let keys: String = ["A", "B", "C"].map(|letter| letter.repeat(64) + "\n").concat();
    let rest = format!(
        "listen one\n    bind 127.0.0.1:8443 ssl crt site/a.pem tls-ticket-keys site/keys\n{SAY}listen two\n    bind \
         127.0.0.1:8444 ssl crt site/a.pem tls-ticket-keys site/keys\n{SAY}listen three\n    bind 127.0.0.1:8445 ssl crt \
         site/a.pem\n{SAY}"
    );
    let served = Served::start("keys", &rest, &[("a.pem", &own.pem()), ("keys", &keys)])?;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let client = ca.client_of(&[version], None)?;
        let kind = |bind: usize| -> Result<Option<HandshakeKind>> {
            let connected = connect(&client, served.site.connect(bind)?, "a.test")?;
            let kind = connected.conn.handshake_kind();
            // The ticket of TLS 1.3 comes behind the handshake.
            get(connected, "/", "a.test")?;
            Ok(kind)
        };
        assert_eq!(kind(0)?, Some(HandshakeKind::Full));
        assert_eq!(kind(1)?, Some(HandshakeKind::Resumed));
        assert_eq!(kind(2)?, Some(HandshakeKind::Full), "it has keys of its own");
    }
    served.says("show tls-keys", "0 (site/keys)")?;
    served.says("show tls-keys *", &format!("0.2 {}", "C".repeat(64)))?;
    served.says(
        &format!("set ssl tls-key #0 {}", "D".repeat(64)),
        "TLS ticket key updated!",
    )?;
    served.says("show tls-keys site/keys", &format!("0.2 {}", "D".repeat(64)))
}

#[test]
fn handshakes_and_bytes_of_the_process_are_counted() -> Result<()> {
    let ca = Authority::new("root")?;
    let own = ca.issue(&["a.test"])?;
    let rest = format!(
        "listen kept\n    bind 127.0.0.1:8443 ssl crt site/a.pem no-tls-tickets\n{SAY}listen over\n    bind \
         127.0.0.1:8444\n    server s 127.0.0.1:8443 ssl verify none\nlisten zip\n    bind 127.0.0.1:8445\n    filter \
         compression\n    compression algo gzip\n    compression type text/plain\n    server s 127.0.0.1:8446\nfrontend text\n    bind 127.0.0.1:8446\n    http-request return status 200 \
         content-type text/plain string \"{}\"\n",
        "long ".repeat(400)
    );
    let served = Served::start("counted", &rest, &[("a.pem", &own.pem())])?;
    let figure = |name: &str| -> Result<u64> {
        let info = served.ask("show info")?;
        let line = info
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        Ok(line.ok_or("no such figure")?.parse()?)
    };
    let wait = |name: &str, good: fn(u64) -> bool| -> Result<()> {
        let start = std::time::Instant::now();
        while !good(figure(name)?) {
            assert!(start.elapsed() < PATIENCE, "{name}: {}", figure(name)?);
        }
        Ok(())
    };
    // Whoever looked whether the ports are open has shaken no hands.
    wait("CumSslConns", |came| came > 0)?;
    wait("CurrSslConns", |now| now == 0)?;
    let came = figure("CumSslConns")?;
    let client = ca.client_of(&[&rustls::version::TLS12], None)?;
    let held = connect(&client, served.site.connect(0)?, "a.test")?;
    assert_eq!(figure("CurrSslConns")?, 1);
    get(held, "/", "a.test")?;
    get(
        connect(&client, served.site.connect(0)?, "a.test")?,
        "/",
        "a.test",
    )?;
    wait("CurrSslConns", |now| now == 0)?;
    assert_eq!(figure("SslCacheLookups")? - figure("SslCacheMisses")?, 1);
    assert_eq!(figure("CumSslConns")? - came, 2);
    let keys = (figure("SslFrontendMaxKeyRate")?, figure("SslBackendMaxKeyRate")?);
    assert_eq!(keys, (1, 0));
    assert!(figure("MaxSslRate")? >= 1);
    // What is told is of the last second or two.
    let start = std::time::Instant::now();
    while figure("SslFrontendSessionReuse_pct")? == 0 {
        assert!(start.elapsed() < PATIENCE);
        connect(&client, served.site.connect(0)?, "a.test")?;
    }
    let came = figure("CumSslConns")?;
    let mut plain = served.site.connect(1)?;
    plain.write_all(b"GET / HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n")?;
    plain.read_to_end(&mut Vec::new())?;
    assert_eq!(figure("CumSslConns")? - came, 2, "both ends of one more are ours");
    assert_eq!(figure("SslBackendMaxKeyRate")?, 1);
    assert!(figure("MaxConnRate")? >= 1 && figure("MaxSessRate")? >= 1);
    let before = figure("TotalBytesOut")?;
    let mut zip = served.site.connect(2)?;
    zip.write_all(b"GET / HTTP/1.1\r\nhost: x\r\naccept-encoding: gzip\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    zip.read_to_end(&mut answer)?;
    let sent = figure("TotalBytesOut")? - before;
    assert!(sent > 2000 + answer.len() as u64, "both sides count: {sent}");
    wait("CompressBpsIn", |bytes| bytes > 1000)?;
    wait("BytesOutRate", |bytes| bytes == 0)?;
    // Four listeners, the socket, and whoever asks.
    let start = std::time::Instant::now();
    while figure("Jobs")? != figure("CurrConns")? + 6 {
        assert!(start.elapsed() < PATIENCE, "{}", served.ask("show info")?);
    }
    served.ask("clear counters all")?;
    assert_eq!(figure("MaxSslRate")?, 0);
    Ok(())
}

/// A certificate for a key that the JSON Web Tokens of another crate's tests are encrypted for.
fn holder(key: &str) -> Result<String> {
    use base64::Engine;
    let keys = include_str!("../../sample/tests/data/jwt/private_keys.tsv");
    let line = keys
        .lines()
        .find(|line| line.starts_with(key))
        .unwrap_or_default();
    let der = line.split('\t').nth(2).unwrap_or_default();
    let der = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(der);
    let own = rcgen::KeyPair::try_from(der.map_err(|why| why.to_string())?)?;
    let certificate = rcgen::CertificateParams::new(vec!["tokens.test".to_owned()])?.self_signed(&own)?;
    let issued = Issued {
        chain: vec![certificate.der().clone()],
        key: PrivateKeyDer::Pkcs8(own.serialize_der().into()),
    };
    Ok(issued.pem())
}

#[test]
fn tokens_are_decrypted_and_verified_with_certificates() -> Result<()> {
    let tokens = include_str!("../../sample/tests/data/jwt/private.tsv");
    let token = |start: &str| {
        let line = tokens
            .lines()
            .find(|line| line.starts_with(start))
            .unwrap_or_default();
        let columns: Vec<&str> = line.split('\t').collect();
        (columns[3].to_owned(), columns[4].to_owned())
    };
    let signed = include_str!("../../sample/tests/data/jwt/tokens.tsv").lines();
    let signed = signed.filter_map(|line| line.strip_prefix("ES256\t")).next();
    let signed = signed.unwrap_or_default();
    let verifying = include_str!("../../sample/tests/data/jwt/ec256.crt");
    let answers: String = [
        ("/named", r#"jwt_decrypt_cert(\"@keys/curve\")"#),
        ("/variable", "jwt_decrypt_cert(txn.cert)"),
        ("/verified", r#"jwt_verify_cert(ES256,\"site/verifying.crt\")"#),
    ]
    .iter()
    .map(|(path, converter)| {
        format!(
            "    http-request return status 200 content-type text/plain \
             lf-string \"%[http_auth_bearer,{converter}]\" if {{ path {path} }}\n"
        )
    })
    .collect();
    let config = format!(
        "global\n    jwt.decrypt_alg_list ALL:!RSA-OAEP-256\n\
         crt-store keys\n    load crt site/curve.pem alias curve jwt on\n    load crt site/rsa.pem jwt on\n\
         frontend site\n    bind 127.0.0.1:8080\n    http-request set-var(txn.cert) req.hdr(x-cert)\n{answers}"
    );
    let (curve, rsa) = (holder("rfc7520-5.5")?, holder("rfc7516-a1")?);
    let served = Served::start(
        "tokens",
        &config,
        &[
            ("curve.pem", &curve),
            ("rsa.pem", &rsa),
            ("verifying.crt", verifying),
        ],
    )?;
    let ask = |path: &str, cert: &str, token: &str| -> Result<String> {
        let mut stream = served.site.connect(0)?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {token}\r\nx-cert: {cert}\r\nconnection: close\r\n\r\n"
        )?;
        let answer = support::site::rest(stream)?;
        let body = answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
        body.ok_or_else(|| format!("no answer: {answer}").into())
    };
    let (agreed, content) = token("ECDH-ES\tA128CBC-HS256\trfc7520-5.5");
    assert_eq!(ask("/named", "", &agreed)?, content);
    assert_eq!(ask("/variable", "@keys/curve", &agreed)?, content);
    assert_eq!(ask("/variable", "@keys/site/rsa.pem", &agreed)?, "");
    let (old, content_of_old) = token("RSA1_5\tA256GCM\trfc7516-a1");
    assert_eq!(ask("/variable", "@keys/site/rsa.pem", &old)?, content_of_old);
    assert_eq!(ask("/variable", "site/rsa.pem", &old)?, "", "not its name");
    let (banned, _) = token("RSA-OAEP-256\tA256GCM\trfc7516-a1");
    assert_eq!(ask("/variable", "@keys/site/rsa.pem", &banned)?, "");

    served.ask("del ssl jwt @keys/curve")?;
    assert_eq!(ask("/named", "", &agreed)?, "");
    served.ask("add ssl jwt @keys/curve")?;
    assert_eq!(ask("/named", "", &agreed)?, content);

    // A certificate that a converter names without a store is one as well, with a private key or without.
    assert_eq!(ask("/verified", "", signed)?, "1");
    served.put("set ssl cert site/verifying.crt", &curve)?;
    served.says("commit ssl cert site/verifying.crt", "Success!")?;
    assert_eq!(ask("/verified", "", signed)?, "0");
    served.ask("del ssl jwt site/verifying.crt")?;
    assert_eq!(ask("/verified", "", signed)?, "-7");
    Ok(())
}

const CERT_CACHE: &str = r#"
local early = select(2, pcall(CertCache.set, { filename = "site/a.pem", crt = "x" }))
local file = io.open("site/init.pem")
local pem = file:read("a")
file:close()
core.register_init(function() CertCache.set{ filename = "site/b.pem", crt = pem } end)
core.register_service("set", "http", function(applet)
    local fields = {}
    for name, value in applet.qs:gmatch("(%w+)=([^&]*)") do fields[name] = value end
    local body = applet:receive()
    if body ~= "" then fields[applet.headers["x-field"][0]] = body end
    local ok, problem = pcall(CertCache.set, fields)
    local text = ok and "done" or problem
    if applet.path == "/early" then text = early end
    applet:set_status(200)
    applet:add_header("content-length", tostring(#text))
    applet:start_response()
    applet:send(text)
end)
"#;

#[test]
fn scripts_change_certificates_before_and_while_they_serve() -> Result<()> {
    let ca = Authority::new("root")?;
    let [a, a_new, b, b_new] = ["a.test", "a.test", "b.test", "b.test"].map(|name| ca.issue(&[name]));
    let (a, a_new, b, b_new) = (a?, a_new?, b?, b_new?);
    let config = format!(
        "global\n    lua-load site/script.lua\n{DEFAULTS}listen site\n    bind 127.0.0.1:8443 ssl crt site/a.pem crt \
         site/b.pem\n{SAY}frontend door\n    bind 127.0.0.1:8080\n    http-request use-service lua.set\n"
    );
    let site = Site::start(
        "crt-cache",
        &[
            ("site.cfg", &config),
            ("script.lua", CERT_CACHE),
            ("a.pem", &a.pem()),
            ("b.pem", &b.pem()),
            ("init.pem", &b_new.pem()),
        ],
    )?;
    let set = |target: &str, field: &str, body: &str| -> Result<String> {
        let mut stream = site.connect(1)?;
        write!(
            stream,
            "POST {target} HTTP/1.1\r\nhost: x\r\nx-field: {field}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer.split_once("\r\n\r\n").ok_or("no head")?.1.to_owned())
    };
    is_shown(&site, &ca, 0, "a.test", &a)?;
    is_shown(&site, &ca, 0, "b.test", &b_new)?;
    for (target, field, body, wanted) in [
        (
            "/early",
            "crt",
            "",
            "certificates are not known before init functions run",
        ),
        ("/?filename=site/a.pem", "crt", "", "nothing to be set"),
        ("/", "crt", "x", "the field `filename` is missing"),
        ("/?filename=site/a.pem", "color", "x", "unknown field `color`"),
        (
            "/?filename=site/c.pem",
            "crt",
            "x",
            "not referenced by the configuration",
        ),
        ("/?filename=site/a.pem", "crt", "x", "Can't update site/a.pem!"),
        // The key of another one.
        (
            "/?filename=site/a.pem",
            "key",
            &b.key(),
            "Can't commit site/a.pem!",
        ),
    ] {
        let said = set(target, field, body)?;
        assert!(said.contains(wanted), "{target} {field}: {said}");
        is_shown(&site, &ca, 0, "a.test", &a)?;
    }
    // What failed left nothing behind.
    assert_eq!(set("/?filename=site/a.pem", "crt", &a_new.pem())?, "done");
    is_shown(&site, &ca, 0, "a.test", &a_new)
}
