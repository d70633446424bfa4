//! TLS with clients, over real sockets.

mod support;

use std::io::{Read, Write};
use std::process::Command;

use rustls::version::{TLS12, TLS13};
use support::Result;
use support::origin::{head, origin, server};
use support::place::Place;
use support::program::binary;
use support::site::Site;
use support::tls::{Authority, connect, get, shown};

const DEFAULTS: &str = "\
defaults
    mode http
    timeout connect 5s
    timeout client 15s
    timeout server 15s
";

const SAY: &str = "    http-request return status 200 content-type text/plain string served\n";

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

#[test]
fn clients_are_served_in_both_versions() -> Result<()> {
    let ca = Authority::new("root")?;
    let own = ca.issue(&["a.test"])?;
    let config = format!("{DEFAULTS}listen site\n    bind 127.0.0.1:8443 ssl crt site/a.pem\n{SAY}");
    let site = Site::start("tls-versions", &[("site.cfg", &config), ("a.pem", &own.pem())])?;
    for version in [&TLS12, &TLS13] {
        let mut config = ca.client_of(&[version], None)?;
        config.alpn_protocols = vec![b"nonsense".to_vec(), b"http/1.1".to_vec()];
        let client = connect(&config, site.connect(0)?, "a.test")?;
        assert_eq!(client.conn.alpn_protocol(), Some(&b"http/1.1"[..]));
        // The end is announced: rustls takes anything else for an error.
        assert_eq!(body(&get(client, "/", "a.test")?), "served");
    }
    Ok(())
}

/// What a line lets clients use, each in the words that there are for it.
#[test]
fn versions_and_ciphers_are_those_that_a_line_allows() -> Result<()> {
    let ca = Authority::new("root")?;
    let own = ca.issue(&["a.test"])?;
    // What it says, and what comes of a client of each version.
    const LINES: [(&str, &str, &str); 10] = [
        ("ssl-max-ver TLSv1.2", "TLSv1.2", "-"),
        ("ssl-min-ver TLSv1.3", "-", "TLSv1.3"),
        ("force-tlsv12", "TLSv1.2", "-"),
        ("force-tlsv13", "-", "TLSv1.3"),
        ("no-tlsv12", "-", "TLSv1.3"),
        ("no-tlsv13 no-sslv3 no-tlsv10 no-tlsv11", "TLSv1.2", "-"),
        (
            "ciphers ECDHE-ECDSA-AES128-GCM-SHA256",
            "TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256",
            "TLSv1.3",
        ),
        (
            "ciphersuites TLS_CHACHA20_POLY1305_SHA256",
            "TLSv1.2",
            "TLSv1.3 TLS_CHACHA20_POLY1305_SHA256",
        ),
        (
            "curves P-384",
            "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384 secp384r1",
            "TLSv1.3 TLS_AES_256_GCM_SHA384 secp384r1",
        ),
        ("sigalgs RSA+SHA256", "-", "-"),
    ];
    let binds: String = LINES
        .iter()
        .enumerate()
        .map(|(at, (words, ..))| format!("    bind 127.0.0.1:{} ssl crt site/a.pem {words}\n", 8443 + at))
        .collect();
    let config = format!(
        "{DEFAULTS}listen site\n{binds}    http-request return status 200 content-type text/plain \
         lf-string \"%sslv %sslc %[ssl_fc_curve]\"\n"
    );
    let site = Site::start("tls-allowed", &[("site.cfg", &config), ("a.pem", &own.pem())])?;
    for (at, (words, older, newer)) in LINES.into_iter().enumerate() {
        for (version, wanted) in [(&TLS12, older), (&TLS13, newer)] {
            let config = ca.client_of(&[version], None)?;
            let answer =
                connect(&config, site.connect(at)?, "a.test").and_then(|client| get(client, "/", "a.test"));
            match answer {
                Ok(answer) => assert!(body(&answer).starts_with(wanted), "{words}: {}", body(&answer)),
                Err(why) => assert_eq!(wanted, "-", "{words}: {why}"),
            }
        }
    }
    Ok(())
}

#[test]
fn the_certificate_is_the_one_that_the_client_asks_for() -> Result<()> {
    let ca = Authority::new("root")?;
    let (first, wild, exact) = (
        ca.issue(&["first.test"])?,
        ca.issue(&["*.d.test"])?,
        ca.issue(&["x.d.test"])?,
    );
    let config = format!(
        "{DEFAULTS}listen site\n    bind 127.0.0.1:8443 ssl crt site/first.pem crt site/wild.pem crt site/exact.pem\n    \
         bind 127.0.0.1:8444 ssl crt site/wild.pem strict-sni\n{SAY}"
    );
    let files = [
        ("site.cfg", config.as_str()),
        ("first.pem", &first.pem()),
        // The key may be in a file of its own.
        ("wild.pem", &wild.certificate()),
        ("wild.pem.key", &wild.key()),
        ("exact.pem", &exact.pem()),
    ];
    let site = Site::start("tls-sni", &files)?;
    let client = ca.client()?;
    for (name, own) in [("first.test", &first), ("y.d.test", &wild), ("x.d.test", &exact)] {
        let connected = connect(&client, site.connect(0)?, name)?;
        assert_eq!(shown(&connected), own.chain[0].to_vec(), "{name}");
    }
    // Whoever asks for another name gets the first, and is the one to mind.
    let refused = connect(&client, site.connect(0)?, "other.test")
        .map(drop)
        .unwrap_err();
    assert!(refused.to_string().contains("not valid for name"), "{refused}");
    connect(&client, site.connect(1)?, "y.d.test")?;
    let refused = connect(&client, site.connect(1)?, "other.test")
        .map(drop)
        .unwrap_err();
    assert!(refused.to_string().contains("fatal alert"), "{refused}");
    Ok(())
}

#[test]
fn bodies_of_any_size_pass_both_ways() -> Result<()> {
    const BYTES: usize = 3 << 20;
    let ca = Authority::new("root")?;
    let own = ca.issue(&["a.test"])?;
    let origin = origin(|mut stream| {
        let mut reader = std::io::BufReader::new(stream.try_clone()?);
        head(&mut reader)?;
        let mut body = vec![0; BYTES];
        reader.read_exact(&mut body)?;
        write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {BYTES}\r\n\r\n")?;
        body.reverse();
        Ok(stream.write_all(&body)?)
    })?;
    let config = format!(
        "{DEFAULTS}listen site\n    bind 127.0.0.1:8443 ssl crt site/a.pem\n    server s {}\n",
        server(origin)
    );
    let site = Site::start("tls-bodies", &[("site.cfg", &config), ("a.pem", &own.pem())])?;
    let mut client = connect(&ca.client()?, site.connect(0)?, "a.test")?;
    let sent: Vec<u8> = (0..BYTES).map(|at| (at * 7 / 3) as u8).collect();
    write!(
        client,
        "POST / HTTP/1.1\r\nhost: a.test\r\nconnection: close\r\ncontent-length: {BYTES}\r\n\r\n"
    )?;
    client.write_all(&sent)?;
    let mut answer = Vec::new();
    client.read_to_end(&mut answer)?;
    let got = &answer[answer.len() - BYTES..];
    assert!(got.iter().rev().eq(sent.iter()));
    Ok(())
}

#[test]
fn a_stream_of_tcp_passes_each_sides_end_on() -> Result<()> {
    let ca = Authority::new("root")?;
    let own = ca.issue(&["a.test"])?;
    let origin = origin(|mut stream| {
        let mut all = Vec::new();
        stream.read_to_end(&mut all)?;
        // More than what the way back holds, so that some of it has to wait.
        let many = vec![b'x'; 16 << 20];
        stream.write_all(&many)?;
        Ok(stream.write_all(&all)?)
    })?;
    let config = format!(
        "{DEFAULTS}listen site\n    mode tcp\n    bind 127.0.0.1:8443 ssl crt site/a.pem\n    server s {}\n",
        server(origin)
    );
    let site = Site::start("tls-tcp", &[("site.cfg", &config), ("a.pem", &own.pem())])?;
    let mut client = connect(&ca.client()?, site.connect(0)?, "a.test")?;
    client.write_all(b"that was all")?;
    client.conn.send_close_notify();
    client.conn.complete_io(&mut client.sock)?;
    let mut answer = Vec::new();
    client.read_to_end(&mut answer)?;
    assert_eq!(answer.len(), (16 << 20) + 12);
    assert!(answer.ends_with(b"that was all"));
    Ok(())
}

#[test]
fn what_is_no_handshake_is_logged_and_disturbs_nobody() -> Result<()> {
    let ca = Authority::new("root")?;
    let own = ca.issue(&["a.test"])?;
    let config = format!(
        "global\n    log stdout format raw local0\n{DEFAULTS}    log global\n    timeout client-hs 200ms\n\
         listen site\n    bind 127.0.0.1:8443 name secure ssl crt site/a.pem\n{SAY}"
    );
    let site = Site::start("tls-garbage", &[("site.cfg", &config), ("a.pem", &own.pem())])?;
    let silent = site.connect(0)?;
    let mut garbage = site.connect(0)?;
    garbage.write_all(b"GET / HTTP/1.1\r\nhost: a.test\r\n\r\n")?;
    let mut rest = Vec::new();
    garbage.read_to_end(&mut rest)?;
    assert_eq!(rest.first(), Some(&21), "an alert: {rest:?}");
    site.logged_line(&["127.0.0.1:", "] site/secure: SSL handshake failure"])?;
    site.logged_line(&["] site/secure: Timeout during SSL handshake"])?;
    drop(silent);
    drop(site.connect(0)?);
    site.logged_line(&["] site/secure: Connection closed during SSL handshake"])?;
    let mut broken = site.connect(0)?;
    broken.write_all(&[22, 3, 1, 2, 0, 1])?;
    drop(broken);
    site.logged_line(&["] site/secure: Connection error during SSL handshake"])?;
    // A client that trusts nobody whom we know breaks off too.
    let other = Authority::new("other")?.client()?;
    assert!(connect(&other, site.connect(0)?, "a.test").is_err());
    let client = connect(&ca.client()?, site.connect(0)?, "a.test")?;
    assert_eq!(body(&get(client, "/", "a.test")?), "served");
    Ok(())
}

#[test]
fn each_fault_of_a_certificate_is_told_with_its_file() -> Result<()> {
    let ca = Authority::new("root")?;
    let (own, other) = (ca.issue(&["a.test"])?, ca.issue(&["b.test"])?);
    let old = ca.issue_with(&["old.test"], |params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 1, 1);
    })?;
    let place = Place::new("tls-faults")?;
    let mismatch = place.file("mismatch.pem", &(own.certificate() + &other.key()))?;
    let keyless = place.file("keyless.pem", &own.certificate())?;
    let empty = place.file("empty.pem", "nothing\n")?;
    let expired = place.file("expired.pem", &old.pem())?;
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let encrypted = place.file("encrypted.pem", &(own.certificate() + encrypted))?;
    let missing = place.0.join("missing.pem").display().to_string();
    let crts =
        [&mismatch, &keyless, &empty, &expired, &encrypted, &missing].map(|path| format!("crt {path}"));
    let config = format!(
        "{DEFAULTS}listen site\n    bind 127.0.0.1:1 ssl {}\n{SAY}",
        crts.join(" ")
    );
    let config = place.file("site.cfg", &config)?;
    let output = Command::new(binary()).args(["-c", "-f", &config]).output()?;
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    for wanted in [
        format!("`{mismatch}` can't be used: its private key is not that of its certificate"),
        format!("`{keyless}` can't be used: there is no private key"),
        format!("`{empty}` can't be used: there is no certificate"),
        format!("the certificate of `{expired}` has expired"),
        format!("`{encrypted}` can't be used: its private key is encrypted"),
        format!("`{missing}` can't be read"),
    ] {
        assert!(said.contains(&wanted), "no `{wanted}` in\n{said}");
    }
    Ok(())
}

#[test]
fn fetches_tell_of_both_sides() -> Result<()> {
    let ca = Authority::new("root")?;
    let own = ca.issue(&["a.test"])?;
    let mine = ca.issue_with(&["me.test", "also.test"], |params| {
        params.serial_number = Some(0x1234_u64.into());
        params
            .distinguished_name
            .push(rcgen::DnType::OrganizationName, "Acme, Inc.");
    })?;
    let answers = [
        (
            "fc",
            "%[ssl_fc],%[ssl_fc_protocol],%[ssl_fc_cipher],%[ssl_fc_use_keysize],%[ssl_fc_alpn],%[ssl_fc_sni],%[ssl_fc_crtname],%sslv,%sslc,%ft",
        ),
        ("curve", "%[ssl_fc_curve]"),
        (
            "random",
            "%[ssl_fc_client_random,hex,length],%[ssl_fc_server_random,hex,length]",
        ),
        (
            "cert",
            "%[ssl_c_used],%[ssl_fc_has_crt],%[ssl_c_verify],%[ssl_c_s_dn(CN)],%[ssl_c_s_dn],%[ssl_c_s_dn(,0,rfc2253)],%[ssl_c_i_dn(CN)],%[ssl_c_r_dn(CN)],%[ssl_c_serial,hex],%[ssl_c_san],%[ssl_c_version],%[ssl_c_key_alg],%[ssl_c_sig_alg]",
        ),
        ("own", "%[ssl_f_s_dn(CN)],%[ssl_f_sha1,hex,length]"),
        ("none", "%[ssl_c_used],%[ssl_c_der,length]"),
    ];
    let rules: String = answers
        .iter()
        .map(|(path, format)| {
            format!("    http-request return status 200 content-type text/plain lf-string \"{format}\" if {{ path /{path} }}\n")
        })
        .collect();
    let config = format!(
        "{DEFAULTS}frontend site\n    bind 127.0.0.1:8443 ssl crt site/a.pem verify optional ca-file site/ca.pem alpn http/1.1\n\
         {rules}    http-request return status 200 content-type text/plain string yes if {{ ssl_fc_sni_end .test }}\n"
    );
    let site = Site::start(
        "tls-fetches",
        &[
            ("site.cfg", &config),
            ("a.pem", &own.pem()),
            ("ca.pem", &ca.pem()),
        ],
    )?;
    let mut with = ca.client_of(&[&TLS13], Some(&mine))?;
    with.alpn_protocols = vec![b"http/1.1".to_vec()];
    // A session that goes on shows no certificate again.
    with.resumption = rustls::client::Resumption::disabled();
    let ask = |path: &str| -> Result<String> {
        let client = connect(&with, site.connect(0)?, "a.test")?;
        Ok(body(&get(client, path, "a.test")?).to_owned())
    };
    assert_eq!(
        ask("/fc")?,
        "1,TLSv1.3,TLS_AES_256_GCM_SHA384,256,http/1.1,a.test,site/a.pem,TLSv1.3,TLS_AES_256_GCM_SHA384,site~"
    );
    assert_eq!(ask("/curve")?, "X25519");
    assert_eq!(ask("/random")?, "64,64");
    assert_eq!(
        ask("/cert")?,
        "1,1,0,me.test,/CN=me.test/O=Acme, Inc.,O=Acme\\, Inc.,CN=me.test,root,root,1234,\
         DNS:me.test, DNS:also.test,3,id-ecPublicKey,ecdsa-with-SHA256"
    );
    assert_eq!(ask("/own")?, "a.test,40");
    assert_eq!(ask("/other")?, "yes");
    let without = connect(&ca.client()?, site.connect(0)?, "a.test")?;
    assert_eq!(body(&get(without, "/none", "a.test")?), "0,");
    Ok(())
}

#[test]
fn clients_are_verified_as_far_as_is_asked_for() -> Result<()> {
    let (ca, other) = (Authority::new("root")?, Authority::new("other")?);
    let own = ca.issue(&["a.test"])?;
    let (good, bad) = (ca.issue(&["me"])?, other.issue(&["stranger"])?);
    let revoked = ca.issue_with(&["gone"], |params| params.serial_number = Some(7_u64.into()))?;
    let say = "    http-request return status 200 content-type text/plain lf-string \"%[ssl_c_verify] %[ssl_c_s_dn(CN)]\"\n";
    let bind = |port: u16, more: &str| {
        format!(
            "    bind 127.0.0.1:{port} ssl crt site/a.pem ca-file site/ca.pem crl-file site/ca.crl {more}\n"
        )
    };
    let config = format!(
        "global\n    log stdout format raw local0\n{DEFAULTS}    log global\nfrontend site\n{}{}{}{say}",
        bind(8443, "verify required"),
        bind(8444, "verify optional"),
        bind(8445, "verify optional crt-ignore-err all"),
    );
    let files = [
        ("site.cfg", config.as_str()),
        ("a.pem", &own.pem()),
        ("ca.pem", &ca.pem()),
        ("ca.crl", &ca.revoke(&[7])?),
    ];
    let site = Site::start("tls-clients", &files)?;
    let ask = |bind: usize, with: Option<&support::tls::Issued>| -> Result<String> {
        let config = ca.client_of(&[&TLS13, &TLS12], with)?;
        let client = connect(&config, site.connect(bind)?, "a.test")?;
        Ok(body(&get(client, "/", "a.test")?).to_owned())
    };
    assert_eq!(ask(0, Some(&good))?, "0 me");
    assert!(ask(0, None).is_err());
    assert!(ask(0, Some(&bad)).is_err());
    site.logged("SSL client certificate not trusted")?;
    assert!(ask(0, Some(&revoked)).is_err());
    assert_eq!(ask(1, None)?, "0 ");
    assert!(ask(1, Some(&bad)).is_err());
    assert_eq!(ask(2, Some(&bad))?, "20 stranger");
    assert_eq!(ask(2, Some(&revoked))?, "23 gone");
    Ok(())
}

#[test]
fn a_session_that_goes_on_forgets_no_fault() -> Result<()> {
    let (ca, other) = (Authority::new("root")?, Authority::new("other")?);
    let own = ca.issue(&["a.test"])?;
    let bad = other.issue(&["stranger"])?;
    let config = format!(
        "{DEFAULTS}frontend site\n    \
         bind 127.0.0.1:8443 ssl crt site/a.pem ca-file site/ca.pem verify required crt-ignore-err all\n    \
         http-request return status 200 content-type text/plain lf-string \
         \"%[ssl_fc_is_resumed] %[ssl_c_used] %[ssl_c_verify]\"\n"
    );
    let files = [
        ("site.cfg", config.as_str()),
        ("a.pem", &own.pem()),
        ("ca.pem", &ca.pem()),
    ];
    let site = Site::start("tls-forgiven", &files)?;
    for version in [&TLS13, &TLS12] {
        let client = ca.client_of(&[version], Some(&bad))?;
        let ask = || -> Result<String> {
            let stream = connect(&client, site.connect(0)?, "a.test")?;
            Ok(body(&get(stream, "/", "a.test")?).to_owned())
        };
        assert_eq!(ask()?, "0 1 20");
        assert_eq!(ask()?, "1 1 20", "{version:?}");
    }
    Ok(())
}

#[test]
fn the_global_section_tells_what_lines_begin_with() -> Result<()> {
    let ca = Authority::new("root")?;
    let own = ca.issue(&["a.test"])?;
    let say = "    http-request return status 200 content-type text/plain lf-string \"%[ssl_fc_cipher] %[ssl_fc_protocol_hello_id] \
        %[ssl_fc_cipherlist_bin,hex] %[ssl_fc_eclist_bin,hex] %[ssl_fc_sigalgs_bin,hex]\"\n";
    let config = format!(
        "global\n    crt-base site\n    ssl-default-bind-options ssl-min-ver TLSv1.3\n    \
         ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256\n    tune.ssl.capture-buffer-size 128\n    \
         ssl-server-verify none\n{DEFAULTS}listen site\n    bind 127.0.0.1:8443 ssl crt a.pem mss 1200 tcp-ut 30s\n    \
         bind 127.0.0.1:8444 ssl crt a.pem ssl-min-ver TLSv1.2\n    server s 127.0.0.1:9999 ssl\n{say}"
    );
    let site = Site::start("tls-global", &[("site.cfg", &config), ("a.pem", &own.pem())])?;
    let client = connect(&ca.client()?, site.connect(0)?, "a.test")?;
    let answer = get(client, "/", "a.test")?;
    let said: Vec<&str> = body(&answer).split(' ').collect();
    assert_eq!(said[..2], ["TLS_AES_128_GCM_SHA256", "771"], "{answer}");
    // The message is longer than what is kept of it, since it has keys in it.
    assert!(
        said.len() == 5
            && said[2..]
                .iter()
                .all(|list| list.len() >= 4 && list.len() % 4 == 0),
        "its lists were kept: {answer}"
    );
    let old = ca.client_of(&[&TLS12], None)?;
    assert!(connect(&old, site.connect(0)?, "a.test").is_err());
    connect(&old, site.connect(1)?, "a.test")?;
    Ok(())
}

#[test]
fn the_log_line_of_https_tells_of_tls() -> Result<()> {
    let ca = Authority::new("root")?;
    let own = ca.issue(&["a.test"])?;
    let config = format!(
        "global\n    log stdout format raw local0\n{DEFAULTS}    log global\n    option httpslog\n\
         frontend site\n    bind 127.0.0.1:8443 ssl crt site/a.pem\n    \
         http-request return status 200 content-type text/plain string yes\n"
    );
    let site = Site::start("tls-httpslog", &[("site.cfg", &config), ("a.pem", &own.pem())])?;
    let client = connect(&ca.client()?, site.connect(0)?, "a.test")?;
    assert!(get(client, "/", "a.test")?.ends_with("yes"));
    site.logged("\"GET / HTTP/1.1\" 0/0000000000000000/0/0/0 a.test/TLSv1.3/TLS_AES_256_GCM_SHA384")?;
    Ok(())
}
