//! The settings of HTTP/2.

use tidegate_config::model::{Http2Settings, HttpProto, Server, WebSockets};
use tidegate_proxy::spec::{Http2Tuning, ListenProto, ServerProto};

/// What is set, and the defaults for the rest.
pub(super) fn tuning(set: &Http2Settings) -> Http2Tuning {
    let (fe, be, both) = (&set.clients, &set.servers, &set.both);
    let default = Http2Tuning::default();
    Http2Tuning {
        fe_streams_max: fe.streams.or(both.streams).unwrap_or(default.fe_streams_max),
        be_streams_max: be.streams.or(both.streams).unwrap_or(default.be_streams_max),
        fe_window_bytes: fe.window.or(both.window).unwrap_or(default.fe_window_bytes),
        be_window_bytes: be.window.or(both.window).unwrap_or(default.be_window_bytes),
        fe_glitches_max: fe.glitches.unwrap_or(default.fe_glitches_max),
        be_glitches_max: be.glitches.unwrap_or(default.be_glitches_max),
        fe_buffer_bytes: fe.buffer.unwrap_or(default.fe_buffer_bytes),
        be_buffer_bytes: be.buffer.unwrap_or(default.be_buffer_bytes),
        fe_streams_total: set.total_streams.unwrap_or(default.fe_streams_total),
        table_bytes: set.header_table.unwrap_or(default.table_bytes),
        frame_bytes_max: set.frame_max.unwrap_or(default.frame_bytes_max),
        log_errors: set.log_errors.unwrap_or(default.log_errors),
        glitches_busy_min: set.glitches_busy_min,
        fe_websockets: !set.hides_websockets,
        fe_elasticity_percent: set.elasticity_percent,
    }
}

/// What clients speak.
pub(super) fn listen_proto(proto: Option<HttpProto>) -> ListenProto {
    match proto {
        None => ListenProto::Any,
        Some(HttpProto::Http1) => ListenProto::Http1,
        Some(HttpProto::Http2) => ListenProto::Http2,
    }
}

/// What a server speaks.
pub(super) fn server_proto(proto: Option<HttpProto>) -> ServerProto {
    match proto {
        None => ServerProto::Any,
        Some(HttpProto::Http1) => ServerProto::Http1,
        Some(HttpProto::Http2) => ServerProto::Http2,
    }
}

/// What a server speaks where a client asks for a WebSocket, if that is something else than for the rest.
pub(super) fn websockets(server: &Server) -> Option<ServerProto> {
    match server.websockets {
        WebSockets::Http1 => Some(ServerProto::Http1),
        WebSockets::Http2 => Some(ServerProto::Http2),
        WebSockets::Auto => {
            let offered = server.outgoing.tls.alpn.as_deref().unwrap_or_default();
            let offers = |name: &[u8]| offered.iter().any(|offer| offer == name);
            let is_open = server.proto.is_none() && offers(b"h2") && offers(b"http/1.1");
            is_open.then_some(ServerProto::Http1)
        }
    }
}
