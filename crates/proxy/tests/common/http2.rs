//! Clients and servers of HTTP/2 for tests: one that behaves, on the h2 crate, and one that sends the frames it is told.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request};

use super::{Client, PATIENCE};

/// Runs a test's client on a runtime of its own; it fails if it takes too long.
pub fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime
        .block_on(async {
            tokio::time::timeout(PATIENCE, tokio::task::LocalSet::new().run_until(test)).await
        })
        .expect("the test takes too long")
}

/// A connection of a client that behaves.
pub struct Http2 {
    pub send: SendRequest<Bytes>,
    /// How the connection ended, once it has.
    pub ended: tokio::task::JoinHandle<Result<(), h2::Error>>,
}

/// A response with its body.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
    pub trailers: Option<HeaderMap>,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|v| v.to_str().unwrap())
    }
}

impl Http2 {
    pub async fn connect(to: SocketAddr) -> Http2 {
        let tcp = tokio::net::TcpStream::connect(to).await.unwrap();
        let (send, connection) = h2::client::Builder::new()
            .initial_connection_window_size(1 << 20)
            .handshake(tcp)
            .await
            .unwrap();
        let ended = tokio::task::spawn_local(connection);
        Http2 { send, ended }
    }

    pub async fn begin(
        &mut self,
        request: http::request::Builder,
        ended: bool,
    ) -> (ResponseFuture, SendStream<Bytes>) {
        self.send = self.send.clone().ready().await.unwrap();
        self.send.send_request(request.body(()).unwrap(), ended).unwrap()
    }

    pub async fn get(&mut self, uri: &str) -> Answer {
        let (response, _) = self.begin(Request::get(uri), true).await;
        whole(response).await.unwrap()
    }
}

/// Waits for a response and its body.
pub async fn whole(response: ResponseFuture) -> Result<Answer, h2::Error> {
    let (head, mut body) = response.await?.into_parts();
    let mut answer = Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: Vec::new(),
        trailers: None,
    };
    answer.body = all(&mut body).await?;
    answer.trailers = body.trailers().await?;
    Ok(answer)
}

/// All data of a body.
pub async fn all(body: &mut RecvStream) -> Result<Vec<u8>, h2::Error> {
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len()).unwrap();
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// Sends data as fast as the other side takes it.
pub async fn pour(stream: &mut SendStream<Bytes>, mut data: Bytes, last: bool) {
    while !data.is_empty() {
        stream.reserve_capacity(data.len());
        let room = poll_fn(|cx| stream.poll_capacity(cx)).await.unwrap().unwrap();
        let piece = data.split_to(room.min(data.len()));
        stream.send_data(piece, last && data.is_empty()).unwrap();
    }
}

/// Waits a moment, for what has to be polled.
pub async fn moment() {
    tokio::time::sleep(Duration::from_millis(5)).await;
}

/// The preface and empty settings.
pub fn hello() -> Vec<u8> {
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &frame(4, 0, 0, b"")[..]].concat()
}

/// One frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The header block of a GET request: static entries, and the authority `h`.
pub fn get_block() -> Vec<u8> {
    vec![0x82, 0x86, 0x84, 0x41, 0x01, b'h']
}

impl Client {
    /// The next frame: kind, flags, stream, payload.
    pub fn frame(&mut self) -> (u8, u8, u32, Vec<u8>) {
        let head = self.exactly(9);
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        (head[3], head[4], stream, self.exactly(length))
    }

    /// Reads frames up to a GOAWAY; its error code.
    pub fn goaway(&mut self) -> u32 {
        loop {
            let (kind, _, _, payload) = self.frame();
            if kind == 7 {
                return u32::from_be_bytes([payload[4], payload[5], payload[6], payload[7]]);
            }
        }
    }
}

/// A request as a server of HTTP/2 gets it.
pub struct Asked {
    /// The number of the connection, from 0.
    pub connection: usize,
    pub head: http::request::Parts,
    pub body: RecvStream,
    pub respond: h2::server::SendResponse<Bytes>,
}

/// A server of HTTP/2: each request is handed to `serve`.
pub fn http2_server<F: Future<Output = ()> + 'static>(
    builder: h2::server::Builder,
    serve: impl Fn(Asked) -> F + Send + Sync + 'static,
) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    listener.set_nonblocking(true).unwrap();
    let serve = std::sync::Arc::new(serve);
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let accept = async {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            for connection in 0.. {
                let (tcp, _) = listener.accept().await.unwrap();
                let (builder, serve) = (builder.clone(), serve.clone());
                tokio::task::spawn_local(async move {
                    let mut conn = builder.handshake::<_, Bytes>(tcp).await.unwrap();
                    // It ends when the proxy closes the connection.
                    while let Some(Ok((request, respond))) = conn.accept().await {
                        let (head, body) = request.into_parts();
                        let asked = Asked {
                            connection,
                            head,
                            body,
                            respond,
                        };
                        tokio::task::spawn_local(serve(asked));
                    }
                });
            }
        };
        runtime.block_on(tokio::task::LocalSet::new().run_until(accept));
    });
    address
}

impl Asked {
    /// What it looks like, for tests to look at.
    pub fn text(&self) -> String {
        let mut text = format!("{} {}\n", self.head.method, self.head.uri);
        for (name, value) in &self.head.headers {
            text += &format!("{name}: {}\n", value.to_str().unwrap());
        }
        text
    }

    /// Answers with a body that is at hand.
    pub fn answer(mut self, response: http::response::Builder, body: impl Into<Bytes>) {
        let body = body.into();
        let mut stream = self
            .respond
            .send_response(response.body(()).unwrap(), body.is_empty())
            .unwrap();
        if !body.is_empty() {
            stream.send_data(body, true).unwrap();
        }
    }
}
