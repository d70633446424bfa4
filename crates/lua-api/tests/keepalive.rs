//! Connections of scripts that the worker keeps.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::sync::Arc;

use common::{Site, http, out, run, script};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/localhost.pem");
const KEY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/localhost.key");

/// Tells the number of a connection for each byte that comes.
fn tell(mut stream: impl Read + Write, number: usize) {
    let mut byte = [0];
    while stream.read(&mut byte).is_ok_and(|n| n > 0) {
        if byte == *b"!" {
            return;
        }
        let _ = stream.write_all(format!("{number}\n").as_bytes());
        let _ = stream.flush();
    }
}

/// The same over TLS.
fn tell_over_tls(stream: impl Read + Write, number: usize) {
    let certificate = CertificateDer::from_pem_file(CERTIFICATE).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], PrivateKeyDer::from_pem_file(KEY).unwrap())
        .unwrap();
    let session = rustls::ServerConnection::new(Arc::new(config)).unwrap();
    tell(rustls::StreamOwned::new(session, stream), number);
}

/// A server at a Unix socket, of which `tell` serves each connection.
fn unix(tell: fn(std::os::unix::net::UnixStream, usize)) -> String {
    let path = common::directory_with(&[("x", "")]).join("kept.sock");
    let listener = UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            std::thread::spawn(move || tell(stream, number + 1));
        }
    });
    path.display().to_string()
}

/// Each connection tells its number for each byte that it gets.
fn server() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            stream.set_nodelay(true).unwrap();
            std::thread::spawn(move || tell(stream, number + 1));
        }
    });
    address
}

#[test]
fn a_connection_that_was_given_back_is_used_again() {
    let address = server();
    let site = Site::new(&script(&format!(
        "local function use(finish)
             local s = core.tcp()
             local ok, why = s:connect('{address}')
             if not ok then return why end
             s:send('x')
             local line = s:receive('*l')
             if finish then return line, finish(s) end
             s:close()
             return line
         end
         local function keep(s) return s:setkeepalive() end
         out(use(keep)) out(use(keep)) out(use()) out(use(keep))
         out(use(function(s) s:send('xx') s:receive('*l') core.msleep(5) return s:setkeepalive() end))
         out(use(function(s) s:setkeepalive(1) core.msleep(5) end)) out(use(keep))
         out(use(function(s) return s:setkeepalive(60000, 0) end)) out(use(keep))
         local s = core.tcp() s:connect('{address}') s:send('!') out((s:receive('*l'))) out(s:setkeepalive()) out(s:send('x'))
         out(use()) out(core.tcp():setkeepalive())
         try(s.setkeepalive, s, 'x')"
    )));
    let txn = http("/");
    run(site.act("eval", &txn));
    assert_eq!(
        out(&txn),
        "1,1|1,1|1|2,1|2,nil,closed|3|4,1|4,1|5,1|nil|nil,closed|nil,closed,0|6|nil,closed|\
         bad argument #2 to 'setkeepalive' (number expected, got string)"
    );
}

#[test]
fn another_transaction_takes_what_one_has_given() {
    let address = server();
    let site = Site::new(&script(&format!(
        "local s = core.tcp() s:connect('{address}') s:send('x') out(s:receive('*l'), s:setkeepalive())"
    )));
    run(async {
        for _ in 0..3 {
            let txn = http("/");
            site.act("eval", &txn).await;
            assert_eq!(out(&txn), "1,1");
        }
    });
}

#[test]
fn unix_sockets_and_tls_are_kept_too_and_no_connection_for_another_kind() {
    let (plain, secret) = (unix(tell), unix(tell_over_tls));
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().flatten().enumerate() {
            std::thread::spawn(move || tell_over_tls(stream, number + 1));
        }
    });
    let site = Site::new(&script(&format!(
        "local function use(connect, ...)
             local s = core.tcp()
             local ok, why = s[connect](s, ...)
             if not ok then return why end
             s:send('x')
             local line = s:receive('*l')
             return line, s:setkeepalive(1e22)
         end
         local known, named = {{ sni = 'localhost', ca = '{CERTIFICATE}' }}, {{ verify = false }}
         out(use('connect', '{plain}')) out(use('connect', '{plain}'))
         out(use('connect_ssl', '{secret}', nil, known)) out(use('connect_ssl', '{secret}', nil, known))
         out(use('connect_ssl', '127.0.0.1', {port}, known)) out(use('connect_ssl', '127.0.0.1', {port}, known))
         -- One that nobody verified serves nobody who wants it verified.
         out(use('connect_ssl', '127.0.0.1', {port}, named)) out(use('connect_ssl', '127.0.0.1', {port}, named))
         out(use('connect_ssl', '127.0.0.1', {port}, known))"
    )));
    let txn = http("/");
    run(site.act("eval", &txn));
    assert_eq!(out(&txn), "1,1|1,1|1,1|1,1|1,1|1,1|2,1|2,1|1,1");
}
