//! Sockets of scripts, against servers of the test's own.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panicking"
)]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;

use common::{Site, http, run};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tidegate_sample::Value;

/// Answers one connection after the other in its own way.
fn server(serve: impl Fn(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || listener.incoming().flatten().for_each(serve));
    address
}

/// What a fetch with this body returns, its values as text between commas; `s` is a new socket.
fn fetched(body: &str) -> String {
    let site = Site::new(&format!(
        "local function shown(...)
            local all = table.pack(...)
            for i = 1, all.n do all[i] = tostring(all[i]) end
            return table.concat(all, ',')
        end
        core.register_fetches('f', function() local s = core.tcp() return shown((function() {body} end)()) end)"
    ));
    match run(async { site.fetch("f", &*http("/"), &[]).await }) {
        Some(Value::Str(text)) => String::from_utf8_lossy(&text).into_owned(),
        other => panic!("{other:?}; logged: {:?}", site.logged()),
    }
}

/// Connected to a server that sends this and closes.
fn against(sent: &'static [u8], body: &str) -> String {
    let address = server(move |mut stream| {
        stream.write_all(sent).unwrap();
    });
    fetched(&format!("s:connect('127.0.0.1', {}) {body}", address.port()))
}

#[test]
fn lines_come_without_their_ends_and_the_rest_by_count_or_whole() {
    let sent = b"one\r\ntwo\nthree four\nlast";
    assert_eq!(against(sent, "return s:receive(), s:receive('*l')"), "one,two");
    assert_eq!(
        against(
            sent,
            "s:receive() s:receive() return (s:receive(5)), (s:receive('*a'))"
        ),
        "three, four\nlast"
    );
    assert_eq!(
        against(sent, "return (s:receive('*l', 'pre-')), (s:receive(2, '>'))"),
        "pre-one,>tw"
    );
    assert_eq!(against(b"a\rb\r\r\n", "return (s:receive())"), "ab");
    assert_eq!(against(b"ab", "return (s:receive('2')), (s:receive(0.0))"), "ab,");
}

#[test]
fn what_ends_too_early_is_an_error_with_what_there_was() {
    assert_eq!(against(b"half", "return s:receive('*l')"), "nil,closed,half");
    assert_eq!(against(b"half", "return s:receive(9)"), "nil,closed,half");
    assert_eq!(against(b"", "return s:receive('*a')"), "nil,closed,");
    assert_eq!(
        against(b"x", "s:receive('*a') return s:receive(1)"),
        "nil,closed,"
    );
}

#[test]
fn send_tells_how_far_it_came() {
    let address = server(|mut stream| {
        let mut bytes = [0; 4];
        stream.read_exact(&mut bytes).unwrap();
        stream.write_all(&bytes).unwrap();
    });
    let body = format!(
        "s:connect('127.0.0.1', {}) local a = s:send('abcdef', 3, 4) local b = s:send('xyz', 2) return a, b, (s:receive(4))",
        address.port()
    );
    assert_eq!(fetched(&body), "4,3,cdyz");
}

#[test]
fn a_silent_server_is_given_up_and_the_connection_stays() {
    let address = server(|mut stream| {
        let mut byte = [0];
        stream.write_all(b"par").unwrap();
        stream.read_exact(&mut byte).unwrap();
        stream.write_all(b"tial\n").unwrap();
    });
    let body = format!(
        "s:settimeout(0.05) s:connect('127.0.0.1', {}) local _, why, part = s:receive() s:settimeout(5) s:send('x')
         return why, part, (s:receive())",
        address.port()
    );
    assert_eq!(fetched(&body), "timeout,par,tial");
}

#[test]
fn a_connection_that_fails_says_why() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = fetched(&format!("return s:connect('127.0.0.1', {})", free.port()));
    assert!(refused.starts_with("nil,Connection refused"), "{refused}");
    for (address, why) in [
        ("'127.0.0.1', 70000", "port 70000 is not between 1 and 65535"),
        ("'', 80", "cannot parse destination address ''"),
        (
            "'fd@0'",
            "descriptors (`fd@`) are not connected to: they could be another session's",
        ),
    ] {
        assert_eq!(
            fetched(&format!("return s:connect({address})")),
            format!("nil,{why}")
        );
        if address.contains(' ') {
            assert_eq!(
                fetched(&format!("return s:connect_ssl({address})")),
                format!("nil,{why}")
            );
        }
    }
    assert_eq!(fetched("return s:receive()"), "nil,closed,");
    assert_eq!(fetched("return s:send('x')"), "nil,closed,0");
    let wrong = fetched("return pcall(s.connect, s, '127.0.0.1')");
    assert!(wrong.contains("connect: port missing"), "{wrong}");
    let wrong = fetched("return pcall(s.receive, s, '*x')");
    assert!(wrong.contains("Unsupported pattern."), "{wrong}");
    let wrong = fetched("return pcall(s.receive, s, -1)");
    assert!(wrong.contains("Unsupported size."), "{wrong}");
    let wrong = fetched("return pcall(s.settimeout, s, 2147484)");
    assert!(
        wrong.contains("settimeout: cannot set values larger than 2147483647 ms"),
        "{wrong}"
    );
    assert_eq!(fetched("return s:settimeout(2147483)"), "1");
}

#[test]
fn a_prefix_says_which_of_a_names_addresses_will_do() {
    let port = server(|_| ()).port();
    let connected = |address: &str| fetched(&format!("return (s:connect('{address}@localhost', {port}))"));
    assert_eq!((connected("ipv4").as_str(), connected("ip").as_str()), ("1", "1"));
    assert_eq!(connected("ipv6"), "nil");
}

#[test]
fn both_sides_have_names_until_it_is_closed() {
    let names = against(
        b"",
        "local p = s:getpeername() s:close() return p, s:getpeername()",
    );
    assert!(
        names.starts_with("127.0.0.1:") && names.ends_with(",nil"),
        "{names}"
    );
}

#[test]
fn a_unix_socket_is_connected_to_by_its_path() {
    let path = common::directory_with(&[("x", "")]).join("s.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || listener.accept().unwrap().0.write_all(b"unix\n").unwrap());
    assert_eq!(
        fetched(&format!("s:connect('{}') return (s:receive())", path.display())),
        "unix"
    );
}

#[test]
fn a_listener_that_takes_nobody_holds_nobody_up() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .unwrap();
    let _here = runtime.enter();
    let name = format!("tidegate-full-{}", std::process::id());
    let socket = tokio::net::UnixSocket::new_stream().unwrap();
    socket.bind(format!("\0{name}")).unwrap();
    let _listener = socket.listen(0).unwrap();
    // It has room for one that it has not taken.
    let said = fetched(&format!(
        "local other = core.tcp() return s:connect('abns@{name}'), other:connect('abns@{name}')"
    ));
    assert!(
        said.starts_with("1,nil,Resource temporarily unavailable"),
        "{said}"
    );
}

/// Tells a secret over TLS, with a certificate that nobody knows.
fn secretive<S: Read + Write>() -> impl Fn(S) + Send + 'static {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data");
    let certificate = CertificateDer::from_pem_file(format!("{data}/localhost.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_file(format!("{data}/localhost.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    move |mut stream| {
        let mut tls = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
        let mut tls = rustls::Stream::new(&mut tls, &mut stream);
        // A client that does not believe the certificate goes away.
        let _ = tls.write_all(b"secret\n").and_then(|()| tls.flush());
    }
}

#[test]
fn a_unix_socket_may_have_tls_too() {
    let path = common::directory_with(&[("x", "")]).join("tls.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    std::thread::spawn(move || listener.incoming().flatten().for_each(secretive()));
    let ca = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/localhost.pem");
    let asked = |options: &str| {
        fetched(&format!(
            "local ok, why = s:connect_ssl('{}', nil, {{ {options} }}) return ok and (s:receive()) or why",
            path.display()
        ))
    };
    assert_eq!(asked(&format!("sni = 'localhost', ca = '{ca}'")), "secret");
    assert_eq!(asked("verify = false"), "secret");
    assert!(asked("sni = 'localhost'").starts_with("invalid peer certificate"));
    let unnamed = fetched(&format!("return pcall(s.connect_ssl, s, '{}')", path.display()));
    assert!(
        unnamed.contains("the option `sni` is missing for a Unix socket"),
        "{unnamed}"
    );
}

#[test]
fn tls_is_verified_unless_the_script_asks_otherwise() {
    let port = server(secretive()).port();
    let refused = fetched(&format!("return s:connect_ssl('127.0.0.1', {port})"));
    assert!(refused.starts_with("nil,invalid peer certificate"), "{refused}");
    let trusted = format!("s:connect_ssl('127.0.0.1', {port}, {{ verify = false }}) return (s:receive())");
    assert_eq!(fetched(&trusted), "secret");
    let known = format!(
        "s:connect_ssl('127.0.0.1', {port}, {{ sni = 'localhost', ca = '{}/tests/data/localhost.pem' }}) return (s:receive())",
        env!("CARGO_MANIFEST_DIR")
    );
    assert_eq!(fetched(&known), "secret");
    let other = format!(
        "return s:connect_ssl('127.0.0.1', {port}, {{ sni = 'example.org', ca = '{}/tests/data/localhost.pem' }})",
        env!("CARGO_MANIFEST_DIR")
    );
    assert!(
        fetched(&other).starts_with("nil,invalid peer certificate"),
        "{}",
        fetched(&other)
    );
}
