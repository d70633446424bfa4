//! TLS with servers, and the PROXY protocol on both sides, over real sockets.

mod support;

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use support::Result;
use support::origin::{head, origin, server};
use support::place::Place;
use support::program::binary;
use support::site::{Site, rest};
use support::tls::{Authority, Issued, accept, connect, get, self_signed};

const DEFAULTS: &str = "\
defaults
    mode http
    timeout connect 5s
    timeout client 15s
    timeout server 15s
    retries 0
";

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// A server that tells each request's number on its connection, the SNI, and whether the session went on.
fn telling(own: &Issued) -> Result<std::net::SocketAddr> {
    let config = Arc::new(own.server(&[])?);
    origin(move |stream| {
        let mut tls = accept(&config, stream)?;
        let name = tls.conn.server_name().unwrap_or("-").to_owned();
        for number in 1.. {
            let request = head(&mut BufReader::with_capacity(1, &mut tls))?;
            let host = request
                .lines()
                .find_map(|line| line.strip_prefix("host: "))
                .unwrap_or_default();
            let body = format!("{host} {name} {number}");
            let length = body.len();
            write!(tls, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}")?;
            tls.flush()?;
        }
        Ok(())
    })
}

fn ask(site: &Site, bind: usize, host: &str) -> Result<String> {
    let mut stream = site.connect(bind)?;
    write!(
        stream,
        "GET / HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n"
    )?;
    rest(stream)
}

#[test]
fn servers_are_verified_by_the_name_that_is_asked_for() -> Result<()> {
    let (ca, other) = (Authority::new("root")?, Authority::new("other")?);
    let address = server(telling(&ca.issue(&["a.test", "b.test"])?)?);
    let mut config = String::from(DEFAULTS);
    for (at, parameters) in [
        "ssl ca-file site/ca.pem",
        "ssl ca-file site/other.pem",
        "ssl verify none sni str(fixed.test)",
        "ssl ca-file site/ca.pem no-sni-auto",
        "ssl ca-file site/ca.pem no-sni-auto verifyhost b.test",
        "ssl ca-file site/ca.pem no-sni-auto verifyhost c.test",
    ]
    .iter()
    .enumerate()
    {
        config += &format!(
            "listen l{at}\n    bind 127.0.0.1:{}\n    server s {address} {parameters}\n",
            8080 + at
        );
    }
    let site = Site::start(
        "tls-verified",
        &[
            ("site.cfg", &config),
            ("ca.pem", &ca.pem()),
            ("other.pem", &other.pem()),
        ],
    )?;
    assert_eq!(body(&ask(&site, 0, "a.test:8080")?), "a.test:8080 a.test 1");
    // Another host is asked for on a connection of its own, though there is an idle one.
    assert_eq!(body(&ask(&site, 0, "b.test")?), "b.test b.test 1");
    assert!(
        ask(&site, 0, "c.test")?.starts_with("HTTP/1.1 503"),
        "a name that the certificate has not"
    );
    assert!(
        ask(&site, 1, "a.test")?.starts_with("HTTP/1.1 503"),
        "an authority that is not trusted"
    );
    assert_eq!(body(&ask(&site, 2, "a.test")?), "a.test fixed.test 1");
    assert_eq!(body(&ask(&site, 3, "c.test")?), "c.test - 1");
    assert_eq!(body(&ask(&site, 4, "c.test")?), "c.test - 1");
    assert!(ask(&site, 5, "a.test")?.starts_with("HTTP/1.1 503"));
    Ok(())
}

#[test]
fn a_certificate_that_is_trusted_itself_needs_nobody_else() -> Result<()> {
    let (own, other) = (self_signed(&["a.test"])?, self_signed(&["a.test"])?);
    let address = server(telling(&own)?);
    let site = Site::start(
        "tls-self-signed",
        &[
            (
                "site.cfg",
                &format!(
                    "{DEFAULTS}listen l0\n    bind 127.0.0.1:8080\n    server s {address} ssl ca-file site/own.pem\n\
                     listen l1\n    bind 127.0.0.1:8081\n    server s {address} ssl ca-file site/other.pem\n"
                ),
            ),
            ("own.pem", &own.pem()),
            ("other.pem", &other.pem()),
        ],
    )?;
    assert_eq!(body(&ask(&site, 0, "a.test")?), "a.test a.test 1");
    assert!(
        ask(&site, 0, "b.test")?.starts_with("HTTP/1.1 503"),
        "another name"
    );
    assert!(
        ask(&site, 1, "a.test")?.starts_with("HTTP/1.1 503"),
        "another certificate"
    );
    Ok(())
}

#[test]
fn connections_are_kept_for_requests_of_their_name_only() -> Result<()> {
    let ca = Authority::new("root")?;
    let address = server(telling(&ca.issue(&["a.test", "b.test"])?)?);
    let config = format!(
        "global\n    nbthread 1\n{DEFAULTS}    http-reuse always\nlisten site\n    bind 127.0.0.1:8080\n    \
         server s {address} ssl ca-file site/ca.pem\n"
    );
    let site = Site::start("tls-kept", &[("site.cfg", &config), ("ca.pem", &ca.pem())])?;
    for (host, wanted) in [
        ("a.test", "a.test a.test 1"),
        ("b.test", "b.test b.test 1"),
        ("a.test", "a.test a.test 2"),
        ("b.test", "b.test b.test 2"),
        ("a.test", "a.test a.test 3"),
    ] {
        assert_eq!(body(&ask(&site, 0, host)?), wanted);
    }
    Ok(())
}

#[test]
fn a_body_that_ends_without_a_word_is_cut_short() -> Result<()> {
    let ca = Authority::new("root")?;
    let own = Arc::new(ca.issue(&["a.test"])?.server(&[])?);
    let address = server(origin(move |stream| {
        let mut tls = accept(&own, stream)?;
        let request = head(&mut BufReader::with_capacity(1, &mut tls))?;
        write!(tls, "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall of it")?;
        tls.flush()?;
        if request.starts_with("GET /told ") {
            tls.conn.send_close_notify();
            tls.conn.complete_io(&mut tls.sock)?;
        }
        Ok(tls.sock.shutdown(std::net::Shutdown::Write)?)
    })?);
    let config = format!(
        "global\n    log stdout format raw local0\n{DEFAULTS}    log global\n    log-format \"%HU %ts\"\n\
         listen site\n    bind 127.0.0.1:8080\n    server s {address} ssl ca-file site/ca.pem\n"
    );
    let site = Site::start("tls-cut", &[("site.cfg", &config), ("ca.pem", &ca.pem())])?;
    for path in ["/told", "/untold"] {
        let mut stream = site.connect(0)?;
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\n\r\n"
        )?;
        let _ = rest(stream)?;
    }
    site.logged_line(&["/told --"])?;
    site.logged_line(&["/untold SD"])
}

#[test]
fn a_server_without_means_to_verify_it_is_refused() -> Result<()> {
    let place = Place::new("tls-unverified")?;
    let config = format!("{DEFAULTS}listen site\n    bind 127.0.0.1:1\n    server s 127.0.0.1:2 ssl\n");
    let config = place.file("site.cfg", &config)?;
    let output = Command::new(binary()).args(["-c", "-f", &config]).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("can't be verified without a `ca-file`"), "{said}");
    assert!(said.contains("ca-file @system-ca"), "{said}");
    Ok(())
}

/// A server that answers with all that came before the request.
fn echoing() -> Result<std::net::SocketAddr> {
    origin(|mut stream| {
        let mut all = Vec::new();
        while !all.ends_with(b"\r\n\r\n") || !all.windows(4).any(|window| window == b"GET ") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            all.extend(byte);
        }
        let request = all
            .windows(4)
            .position(|window| window == b"GET ")
            .unwrap_or_default();
        let hex: String = all
            .iter()
            .take(request)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let body = hex;
        let length = body.len();
        Ok(write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}"
        )?)
    })
}

#[test]
fn a_header_goes_from_one_side_to_the_other() -> Result<()> {
    let address = server(echoing()?);
    let config = format!(
        "{DEFAULTS}listen first\n    bind 127.0.0.1:8080 accept-proxy\n    server s {address} send-proxy\n\
         listen second\n    bind 127.0.0.1:8081 accept-proxy\n    \
         server s {address} send-proxy-v2 proxy-v2-options crc32c set-proxy-v2-tlv-fmt(0xE0) %[fc_pp_tlv(0xE1)]\n"
    );
    let site = Site::start("proxy-through", &[("site.cfg", &config)])?;
    let ask = |bind: usize, begin: &[u8]| -> Result<String> {
        let mut stream = site.connect(bind)?;
        stream.write_all(begin)?;
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")?;
        rest(stream)
    };
    let line = b"PROXY TCP4 192.0.2.1 198.51.100.7 1234 443\r\n";
    let sent: String = line.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(body(&ask(0, line)?), sent);
    let mut binary =
        b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x12\xc0\0\x02\x01\xc6\x33\x64\x07\x04\xd2\x01\xbb".to_vec();
    binary.extend(b"\xe1\0\x03own");
    let answer = ask(1, &binary)?;
    let sent = body(&answer);
    assert!(sent.starts_with("0d0a0d0a000d0a515549540a2111001"), "{sent}");
    assert!(sent.contains("c0000201c633640704d201bb030004"), "{sent}");
    assert!(sent.ends_with("e000036f776e"), "{sent}");
    Ok(())
}

/// What a header of version 2 tells, by type; what is nested goes by two types.
fn tlvs(hex: &str) -> Result<std::collections::BTreeMap<(u8, u8), Vec<u8>>> {
    fn split(mut bytes: &[u8]) -> Result<Vec<(u8, Vec<u8>)>> {
        let mut all = Vec::new();
        while let [kind, high, low, rest @ ..] = bytes {
            let length = usize::from(*high) << 8 | usize::from(*low);
            let (value, rest) = rest.split_at_checked(length).ok_or("a TLV is cut")?;
            all.push((*kind, value.to_vec()));
            bytes = rest;
        }
        Ok(all)
    }
    let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2).unwrap_or_default(), 16);
    let bytes = (0..hex.len())
        .step_by(2)
        .map(byte)
        .collect::<Result<Vec<u8>, _>>()?;
    // Behind the signature, the two lengths and the addresses of IPv4.
    let mut all = std::collections::BTreeMap::new();
    for (kind, value) in split(bytes.get(28..).ok_or("no header of version 2")?)? {
        if kind == 0x20 {
            let (client, nested) = value.split_at_checked(5).ok_or("too little of TLS")?;
            all.insert((kind, 0), client.to_vec());
            all.extend(
                split(nested)?
                    .into_iter()
                    .map(|(inner, value)| ((kind, inner), value)),
            );
        } else {
            all.insert((kind, 0), value);
        }
    }
    Ok(all)
}

/// `proxy-v2-options`, one by one: the server is told that, and no more.
#[test]
fn a_header_of_version_2_tells_what_its_options_say() -> Result<()> {
    let ca = Authority::new("root")?;
    let (own, mine) = (ca.issue(&["a.test"])?, ca.issue(&["me.test"])?);
    let address = server(echoing()?);
    const LINES: [(&str, &[(u8, u8)]); 11] = [
        ("send-proxy-v2", &[]),
        ("send-proxy-v2-ssl", &[(0x20, 0), (0x20, 0x21)]),
        ("send-proxy-v2-ssl-cn", &[(0x20, 0), (0x20, 0x21), (0x20, 0x22)]),
        ("send-proxy-v2 proxy-v2-options ssl", &[(0x20, 0), (0x20, 0x21)]),
        (
            "send-proxy-v2 proxy-v2-options cert-cn",
            &[(0x20, 0), (0x20, 0x21), (0x20, 0x22)],
        ),
        (
            "send-proxy-v2 proxy-v2-options ssl-cipher",
            &[(0x20, 0), (0x20, 0x21), (0x20, 0x23)],
        ),
        (
            "send-proxy-v2 proxy-v2-options cert-sig",
            &[(0x20, 0), (0x20, 0x21), (0x20, 0x24)],
        ),
        (
            "send-proxy-v2 proxy-v2-options cert-key",
            &[(0x20, 0), (0x20, 0x21), (0x20, 0x25)],
        ),
        ("send-proxy-v2 proxy-v2-options authority", &[(0x02, 0)]),
        ("send-proxy-v2 proxy-v2-options crc32c", &[(0x03, 0)]),
        ("send-proxy-v2 proxy-v2-options unique-id", &[(0x05, 0)]),
    ];
    let sections: String = LINES
        .iter()
        .enumerate()
        .map(|(at, (words, _))| {
            format!(
                "listen l{at}\n    bind 127.0.0.1:{} ssl crt site/a.pem ca-file site/ca.pem verify optional\n    \
                 unique-id-format id-%[src_port]\n    server s {address} {words}\n",
                8443 + at
            )
        })
        .collect();
    let config = format!("{DEFAULTS}{sections}");
    let files = [
        ("site.cfg", config.as_str()),
        ("a.pem", &own.pem()),
        ("ca.pem", &ca.pem()),
    ];
    let site = Site::start("proxy-options", &files)?;
    let client = ca.client_of(&[&rustls::version::TLS13], Some(&mine))?;
    for (at, (words, wanted)) in LINES.iter().enumerate() {
        let stream = site.connect(at)?;
        let port = stream.local_addr()?.port();
        let answer = get(connect(&client, stream, "a.test")?, "/", "a.test")?;
        let told = tlvs(body(&answer)).map_err(|why| format!("{words}: {why}: {answer}"))?;
        assert_eq!(&told.keys().copied().collect::<Vec<_>>(), wanted, "{words}");
        for (kind, value) in told {
            let expected: &[u8] = match kind {
                // TLS, with a certificate that was shown on this connection and is good.
                (0x20, 0) => &[7, 0, 0, 0, 0],
                (0x20, 0x21) => b"TLSv1.3",
                (0x20, 0x22) => b"me.test",
                (0x20, 0x23) => b"TLS_AES_256_GCM_SHA384",
                (0x20, 0x24) => b"ecdsa-with-SHA256",
                (0x20, 0x25) => b"EC256",
                (0x02, 0) => b"a.test",
                (0x05, 0) => &format!("id-{port}").into_bytes(),
                // Its own place counts as zeros, which the unit tests see to.
                _ => {
                    assert_eq!(value.len(), 4, "{words}");
                    continue;
                }
            };
            assert_eq!(value, expected, "{words}: {}", String::from_utf8_lossy(&value));
        }
    }
    Ok(())
}

/// What NetScaler puts before a connection: the headers of IP and TCP that a client sent.
#[test]
fn a_header_of_netscaler_tells_who_the_client_is() -> Result<()> {
    let config = "global\n    log stdout format raw local0\ndefaults all\n    mode http\n    log global\n    timeout client 2s\n    \
         timeout connect 5s\n    timeout server 5s\n    http-request return status 200 content-type text/plain lf-string \"%[src]:%[src_port] %[dst]:%[dst_port] %[fc_src]\"\n\
         frontend line\n    bind 127.0.0.1:8080 name n accept-netscaler-cip 2135247942\n\
         frontend rule\n    bind 127.0.0.1:8081\n    \
         tcp-request connection expect-netscaler-cip layer4 if { src 127.0.0.0/8 }\n";
    let site = Site::start("netscaler", &[("site.cfg", config)])?;
    let ask = |bind: usize, begin: &[u8]| -> Result<String> {
        let mut stream = site.connect(bind)?;
        stream.write_all(begin)?;
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        rest(stream)
    };
    let mut sent = vec![
        0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 192, 0, 2, 1, 198, 51, 100, 2, 0x30, 0x39, 0, 80,
    ];
    sent.resize(40, 0);
    let legacy = |magic: u32, sent: &[u8]| [&magic.to_be_bytes()[..], &[0, 0, 0, 40], sent].concat();
    let standard = [
        &2_135_247_942_u32.to_be_bytes()[..],
        &[0, 0, 0, 52, 0, 1, 0, 40],
        &sent,
    ]
    .concat();
    let told = "192.0.2.1:12345 198.51.100.2:80 127.0.0.1";
    assert_eq!(body(&ask(0, &legacy(2_135_247_942, &sent))?), told);
    assert_eq!(body(&ask(0, &standard)?), told);
    // A rule can't name a number.
    assert_eq!(body(&ask(1, &legacy(0, &sent))?), told);
    assert_eq!(ask(1, &legacy(2_135_247_942, &sent))?, "");
    assert_eq!(ask(0, b"")?, "");
    site.logged_line(&[
        "127.0.0.1:",
        "] line/n: Received an invalid NetScaler Client IP magic number",
    ])?;
    if let Some(protocol) = sent.get_mut(9) {
        *protocol = 17;
    }
    assert_eq!(ask(0, &legacy(2_135_247_942, &sent))?, "");
    site.logged_line(&["] line/n: Received an unhandled protocol in the NetScaler Client IP header"])?;
    drop(site.connect(0)?);
    site.logged_line(&["] line/n: Connection closed while waiting for NetScaler Client IP header"])?;
    let mut cut = site.connect(0)?;
    cut.write_all(&standard[..20])?;
    assert_eq!(rest(cut)?, "");
    site.logged_line(&["] line/n: Timeout while waiting for a NetScaler Client IP header"])?;
    Ok(())
}

#[test]
fn what_is_no_header_is_logged_and_closed() -> Result<()> {
    let config = format!(
        "global\n    log stdout format raw local0\n{DEFAULTS}    log global\n    timeout client 300ms\n\
         listen site\n    bind 127.0.0.1:8080 name p accept-proxy\n    \
         http-request return status 200 content-type text/plain lf-string \"%[src]:%[src_port] %[fc_rcvd_proxy] %[fc_src]\"\n\
         listen other\n    bind 127.0.0.1:8081\n    \
         tcp-request connection expect-proxy layer4 if {{ src 127.0.0.0/8 }}\n    \
         tcp-request connection reject if {{ src 192.0.2.0/24 }}\n    \
         tcp-request session reject if {{ src 192.0.2.9 }}\n    \
         http-request return status 200 content-type text/plain lf-string \"%[src]\"\n"
    );
    let site = Site::start("proxy-faults", &[("site.cfg", &config)])?;
    let ask = |bind: usize, begin: &str| -> Result<String> {
        let mut stream = site.connect(bind)?;
        stream.write_all(begin.as_bytes())?;
        let _ = stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        rest(stream)
    };
    assert_eq!(
        body(&ask(0, "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n")?),
        // Who connected is told by no header.
        "192.0.2.1:1 1 127.0.0.1"
    );
    assert!(body(&ask(0, "PROXY UNKNOWN\r\n")?).starts_with("127.0.0.1:"));
    // Rules on the mere connection see who really connected.
    assert_eq!(
        body(&ask(1, "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n")?),
        "192.0.2.1"
    );
    assert_eq!(ask(1, "PROXY TCP4 192.0.2.9 192.0.2.2 1 2\r\n")?, "");
    assert_eq!(ask(0, "")?, "");
    site.logged_line(&["] site/p: Received something which does not look like a PROXY protocol header"])?;
    assert_eq!(ask(0, "PROXY TCP4 192.0.2.1 192.0.2.2 1 99999\r\n")?, "");
    site.logged_line(&["] site/p: Received an invalid PROXY protocol header"])?;
    assert_eq!(ask(0, "PROXY TCP9 192.0.2.1 192.0.2.2 1 2\r\n")?, "");
    site.logged_line(&["] site/p: Received an unhandled protocol in the PROXY protocol header"])?;
    drop(site.connect(0)?);
    site.logged_line(&["] site/p: Connection closed while waiting for PROXY protocol header"])?;
    let mut cut = site.connect(0)?;
    cut.write_all(b"PROXY TC")?;
    cut.shutdown(std::net::Shutdown::Write)?;
    site.logged_line(&["] site/p: Truncated PROXY protocol header received"])?;
    let mut slow = site.connect(0)?;
    slow.write_all(b"PROXY TCP4 192.0")?;
    site.logged_line(&["] site/p: Timeout while waiting for PROXY protocol header"])?;
    // In pieces it is one all the same.
    let mut pieces = site.connect(0)?;
    pieces.set_nodelay(true)?;
    for piece in [
        "PROX",
        "Y TCP4 192.0.2.1 19",
        "2.0.2.2 1 2\r",
        "\nGET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n",
    ] {
        pieces.write_all(piece.as_bytes())?;
        std::thread::yield_now();
    }
    assert_eq!(body(&rest(pieces)?), "192.0.2.1:1 1 127.0.0.1");
    Ok(())
}

#[test]
fn a_header_comes_before_tls() -> Result<()> {
    let ca = Authority::new("root")?;
    let own = ca.issue(&["a.test"])?;
    let config = format!(
        "{DEFAULTS}listen site\n    bind 127.0.0.1:8443 accept-proxy ssl crt site/a.pem\n    \
         http-request return status 200 content-type text/plain lf-string %[src]\n"
    );
    let site = Site::start("proxy-tls", &[("site.cfg", &config), ("a.pem", &own.pem())])?;
    let mut stream: TcpStream = site.connect(0)?;
    stream.write_all(b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n")?;
    let client = connect(&ca.client()?, stream, "a.test")?;
    assert_eq!(body(&get(client, "/", "a.test")?), "192.0.2.1");
    Ok(())
}

#[test]
fn keys_are_exchanged_in_the_group_that_both_sides_chose() -> Result<()> {
    let ca = Authority::new("root")?;
    let own = ca.issue(&["a.test"])?;
    // A server line for each group, to the only frontend that has them all.
    let groups = [
        "P-521",
        "X25519MLKEM768",
        "SecP256r1MLKEM768",
        "MLKEM1024",
        "X448:secp384r1",
    ];
    let servers: String = groups
        .iter()
        .enumerate()
        .map(|(index, group)| {
            format!(
                "backend b{index}\n    server s 127.0.0.1:8443 ssl verify none curves {group}\n\
                 frontend f{index}\n    bind 127.0.0.1:900{index}\n    default_backend b{index}\n"
            )
        })
        .collect();
    let config = format!(
        "{DEFAULTS}{servers}frontend site\n    \
         bind 127.0.0.1:8443 ssl crt site/a.pem curves MLKEM1024:X25519MLKEM768:SecP256r1MLKEM768:P-521:P-384\n    \
         http-request return status 200 content-type text/plain lf-string %[ssl_fc_curve]\n"
    );
    let site = Site::start("tls-groups", &[("site.cfg", &config), ("a.pem", &own.pem())])?;
    let told: Vec<String> = (0..groups.len())
        .map(|bind| Ok(body(&ask(&site, bind, "a.test")?).to_owned()))
        .collect::<Result<_>>()?;
    assert_eq!(
        told,
        [
            "secp521r1",
            "X25519MLKEM768",
            "SecP256r1MLKEM768",
            "MLKEM1024",
            "secp384r1"
        ]
    );
    Ok(())
}

#[test]
fn what_is_revoked_and_what_is_old_counts_without_a_name_too() -> Result<()> {
    let ca = Authority::new("root")?;
    let with_serial = |serial: u64| {
        ca.issue_with(&["a.test"], move |params| {
            params.serial_number = Some(serial.into())
        })
    };
    let (good, revoked) = (
        server(telling(&with_serial(6)?)?),
        server(telling(&with_serial(7)?)?),
    );
    // Of the first version of X.509, from an authority of its own.
    let der = |bytes: &[u8]| CertificateDer::from(bytes.to_vec());
    let old = Issued {
        chain: vec![der(include_bytes!("../../tls/src/testing/old.der"))],
        key: PrivateKeyDer::try_from(include_bytes!("../../tls/src/testing/old_key.der").to_vec())?,
    };
    let of_old = Issued {
        chain: vec![der(include_bytes!("../../tls/src/testing/ca.der"))],
        key: PrivateKeyDer::try_from(include_bytes!("../../tls/src/testing/old_key.der").to_vec())?,
    };
    let mut config = String::from(DEFAULTS);
    for (at, (address, parameters)) in [
        (&*good, "ca-file site/ca.pem crl-file site/ca.crl no-sni-auto"),
        (&*revoked, "ca-file site/ca.pem crl-file site/ca.crl no-sni-auto"),
        (&*revoked, "ca-file site/ca.pem no-sni-auto"),
        ("127.0.0.1:8443", "ca-file site/of_old.pem no-sni-auto"),
        ("127.0.0.1:8443", "ca-file site/ca.pem no-sni-auto"),
        ("127.0.0.1:8443", "ca-file site/of_old.pem sni str(a.test)"),
    ]
    .into_iter()
    .enumerate()
    {
        config += &format!(
            "listen l{at}\n    bind 127.0.0.1:{}\n    server s {address} ssl {parameters}\n",
            8080 + at
        );
    }
    config +=
        "frontend old\n    bind 127.0.0.1:8443 ssl crt site/old.pem\n    http-request return status 200\n";
    let site = Site::start(
        "tls-nameless",
        &[
            ("site.cfg", &config),
            ("ca.pem", &ca.pem()),
            ("ca.crl", &ca.revoke(&[7])?),
            ("old.pem", &old.pem().replace("PRIVATE KEY", "EC PRIVATE KEY")),
            ("of_old.pem", &of_old.certificate()),
        ],
    )?;
    let statuses: Vec<String> = (0..6)
        .map(|bind| {
            Ok(ask(&site, bind, "a.test")?
                .get(9..12)
                .unwrap_or_default()
                .to_owned())
        })
        .collect::<Result<_>>()?;
    assert_eq!(statuses, ["200", "503", "200", "200", "503", "503"]);
    Ok(())
}
