//! What the integration tests share: a proxy on loopback, clients that say exactly what they are told, servers that do.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

pub mod http2;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tidegate_proxy::ext::{
    Action, ActionOutcome, ExtensionFactory, Extensions, HttpApplet, HttpService, NoExtensions, Run,
    TcpApplet, TcpService,
};
use tidegate_proxy::spec::*;
use tidegate_proxy::{BoundAddress, Mode, Running, Txn, start};

/// Longer than anything in a test takes; only a test that fails waits for it.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A proxy that is stopped when the test ends.
pub struct Proxy(Option<Running>);

impl Proxy {
    pub fn start(spec: ProxySpec) -> Proxy {
        Proxy::with(spec, Arc::new(|_| Ok(Box::new(NoExtensions))))
    }

    pub fn with(spec: ProxySpec, extensions: ExtensionFactory) -> Proxy {
        Proxy(Some(start(spec, extensions).unwrap_or_else(|e| panic!("{e}"))))
    }

    pub fn running(&self) -> &Running {
        self.0.as_ref().unwrap()
    }

    pub fn address(&self) -> SocketAddr {
        self.address_of(0)
    }

    pub fn address_of(&self, listener: usize) -> SocketAddr {
        match &self.running().addresses()[listener].address {
            BoundAddress::Tcp(address) => *address,
            other => panic!("{other} is no TCP address"),
        }
    }

    pub fn client(&self) -> Client {
        Client::to(self.address())
    }

    pub fn take(mut self) -> Running {
        self.0.take().unwrap()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(running) = self.0.take() {
            running.stop();
            let well = running.join();
            assert!(well || thread::panicking(), "a worker panicked");
        }
    }
}

/// A client that writes raw bytes and reads whole responses.
pub struct Client {
    pub stream: TcpStream,
    ahead: Vec<u8>,
}

/// A response as it was read.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Response {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|l| l.split_once(": "));
        lines.find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v)
    }

    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }
}

impl Client {
    pub fn to(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Client {
            stream,
            ahead: Vec::new(),
        }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> &mut Self {
        self.stream.write_all(bytes.as_ref()).unwrap();
        self
    }

    pub fn get(&mut self, path: &str) -> Response {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: h\r\n\r\n"));
        self.response()
    }

    /// Reads a head up to its blank line.
    pub fn head(&mut self) -> String {
        loop {
            if let Some(at) = find(&self.ahead, b"\r\n\r\n") {
                let head: Vec<u8> = self.ahead.drain(..at + 4).collect();
                return String::from_utf8(head).unwrap();
            }
            assert!(
                self.more(),
                "the connection ended in a head: {:?}",
                String::from_utf8_lossy(&self.ahead)
            );
        }
    }

    /// Reads a response with its body. One that is cut off before its end is an error here.
    pub fn response(&mut self) -> Response {
        self.response_to("GET")
            .unwrap_or_else(|partial| panic!("cut off: {partial:?}"))
    }

    /// Reads a response to a request of this method; `Err` with what came of it if it was cut off.
    pub fn response_to(&mut self, method: &str) -> Result<Response, Response> {
        let head = self.head();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut response = Response {
            status,
            head,
            body: Vec::new(),
        };
        if method == "HEAD" || status < 200 || status == 204 || status == 304 {
            return Ok(response);
        }
        if response.header("transfer-encoding") == Some("chunked") {
            return self.chunks(response);
        }
        let Some(length) = response
            .header("content-length")
            .map(|l| l.parse::<usize>().unwrap())
        else {
            while self.more() {}
            response.body = std::mem::take(&mut self.ahead);
            return Ok(response);
        };
        while self.ahead.len() < length {
            if !self.more() {
                response.body = std::mem::take(&mut self.ahead);
                return Err(response);
            }
        }
        response.body = self.ahead.drain(..length).collect();
        Ok(response)
    }

    fn chunks(&mut self, mut response: Response) -> Result<Response, Response> {
        loop {
            let Some(end) = find(&self.ahead, b"\r\n") else {
                if !self.more() {
                    return Err(response);
                }
                continue;
            };
            let size = std::str::from_utf8(&self.ahead[..end]).unwrap();
            let size = usize::from_str_radix(size.split(';').next().unwrap(), 16).unwrap();
            while self.ahead.len() < end + 2 + size + 2 {
                if !self.more() {
                    return Err(response);
                }
            }
            response
                .body
                .extend_from_slice(&self.ahead[end + 2..end + 2 + size]);
            self.ahead.drain(..end + 2 + size + 2);
            if size == 0 {
                return Ok(response);
            }
        }
    }

    /// Reads exactly so many bytes.
    pub fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.ahead.len() < length {
            assert!(
                self.more(),
                "ended after {:?}",
                String::from_utf8_lossy(&self.ahead)
            );
        }
        self.ahead.drain(..length).collect()
    }

    /// Reads to the end.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.more() {}
        std::mem::take(&mut self.ahead)
    }

    fn more(&mut self) -> bool {
        let mut buffer = [0; 65536];
        match self.stream.read(&mut buffer) {
            Ok(0) => false,
            Ok(n) => {
                self.ahead.extend_from_slice(&buffer[..n]);
                true
            }
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => false,
            Err(e) => panic!("reading: {e}, after {:?}", String::from_utf8_lossy(&self.ahead)),
        }
    }
}

pub fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

/// A server: each connection is handed to `serve` on a thread of its own, with its number from 0.
pub fn server(serve: impl Fn(usize, Client) + Send + Sync + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let serve = Arc::new(serve);
    thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let stream = stream.unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.set_nodelay(true).unwrap();
            let serve = serve.clone();
            thread::spawn(move || {
                serve(
                    number,
                    Client {
                        stream,
                        ahead: Vec::new(),
                    },
                )
            });
        }
    });
    address
}

impl Client {
    /// For servers: the next request's head, or `None` if the connection ended.
    pub fn request(&mut self) -> Option<String> {
        while find(&self.ahead, b"\r\n\r\n").is_none() {
            if !self.more() {
                return None;
            }
        }
        Some(self.head())
    }
}

/// A server that answers every request with its own head, its connection's number and the request's number on it.
pub fn echo_server() -> SocketAddr {
    server(|number, mut client| {
        let mut count = 0;
        while let Some(head) = client.request() {
            count += 1;
            let body = format!("conn={number} req={count}\n{head}");
            client.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            ));
        }
    })
}

pub fn loopback() -> ListenerSpec {
    ListenerSpec::tcp("bind 127.0.0.1:0", "127.0.0.1:0".parse().unwrap())
}

pub fn frontend(mode: Mode) -> FrontendSpec {
    let mut frontend = FrontendSpec::new("fe", mode);
    frontend.listeners.push(loopback());
    frontend
}

/// A frontend with a backend behind it.
pub fn proxied(mode: Mode, servers: &[SocketAddr]) -> ProxySpec {
    let mut front = frontend(mode);
    front.default_backend = Some(0);
    let mut back = BackendSpec::new("be", mode);
    for (n, address) in servers.iter().enumerate() {
        back.servers
            .push(ServerSpec::tcp(format!("s{}", n + 1), *address));
    }
    ProxySpec {
        frontends: vec![front],
        backends: vec![back],
        ..ProxySpec::default()
    }
}

pub fn only(front: FrontendSpec) -> ProxySpec {
    ProxySpec {
        frontends: vec![front],
        ..ProxySpec::default()
    }
}

type ActionFn = Rc<dyn for<'a> Fn(&'a Rc<Txn>, &'a [String]) -> Run<'a, ActionOutcome>>;
pub type HttpFn = Rc<dyn Fn(Rc<HttpApplet>) -> Run<'static, Result<(), tidegate_proxy::ext::Failure>>>;
type TcpFn = Rc<dyn Fn(Rc<TcpApplet>) -> Run<'static, Result<(), tidegate_proxy::ext::Failure>>>;

/// Extensions made of closures, numbered in order.
#[derive(Default)]
pub struct Fakes {
    pub actions: Vec<ActionFn>,
    pub http: Vec<HttpFn>,
    pub tcp: Vec<TcpFn>,
}

struct FakeAction(ActionFn);
struct FakeHttp(HttpFn);
struct FakeTcp(TcpFn);

impl Action for FakeAction {
    fn run<'a>(&'a self, txn: &'a Rc<Txn>, args: &'a [String]) -> Run<'a, ActionOutcome> {
        (self.0)(txn, args)
    }
}

impl HttpService for FakeHttp {
    fn serve(&self, applet: Rc<HttpApplet>) -> Run<'static, Result<(), tidegate_proxy::ext::Failure>> {
        (self.0)(applet)
    }

    fn name(&self) -> Arc<str> {
        "fake".into()
    }
}

impl TcpService for FakeTcp {
    fn serve(&self, applet: Rc<TcpApplet>) -> Run<'static, Result<(), tidegate_proxy::ext::Failure>> {
        (self.0)(applet)
    }

    fn name(&self) -> Arc<str> {
        "fake".into()
    }
}

impl Extensions for Fakes {
    fn action(&self, id: usize) -> Option<Rc<dyn Action>> {
        self.actions
            .get(id)
            .map(|f| Rc::new(FakeAction(f.clone())) as Rc<dyn Action>)
    }

    fn http_service(&self, id: usize) -> Option<Rc<dyn HttpService>> {
        self.http
            .get(id)
            .map(|f| Rc::new(FakeHttp(f.clone())) as Rc<dyn HttpService>)
    }

    fn tcp_service(&self, id: usize) -> Option<Rc<dyn TcpService>> {
        self.tcp
            .get(id)
            .map(|f| Rc::new(FakeTcp(f.clone())) as Rc<dyn TcpService>)
    }
}

pub fn fakes(make: impl Fn() -> Fakes + Send + Sync + 'static) -> ExtensionFactory {
    Arc::new(move |_| Ok(Box::new(make())))
}

pub fn condition(text: &str) -> Condition {
    use tidegate_sample::{AclSet, Scope};
    let words: Vec<&str> = text.split(' ').collect();
    Condition::parse(&words, &AclSet::default(), &Scope::anywhere()).unwrap()
}

impl Client {
    /// For servers: a request's body that comes in chunks. It ends early if the connection does.
    pub fn chunked_body(&mut self) -> Vec<u8> {
        let response = Response {
            status: 0,
            head: String::new(),
            body: Vec::new(),
        };
        match self.chunks(response) {
            Ok(whole) => whole.body,
            Err(partial) => partial.body,
        }
    }
}
