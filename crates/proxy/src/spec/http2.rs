//! What connections of HTTP/2 may do.

/// The `tune.h2.…` lines. `fe` are those of clients' connections, `be` those of servers'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Http2Tuning {
    /// `tune.h2.fe.max-concurrent-streams`: requests of one client connection at once.
    pub fe_streams_max: u32,
    /// `tune.h2.be.max-concurrent-streams`: requests on one server connection at once.
    pub be_streams_max: u32,
    /// `tune.h2.fe.initial-window-size`: bytes of a request's body that nobody has asked for yet.
    pub fe_window_bytes: u32,
    /// `tune.h2.be.initial-window-size`: bytes of a response's body that nobody has asked for yet.
    pub be_window_bytes: u32,
    /// `tune.h2.max-frame-size`: the longest frame that is taken.
    pub frame_bytes_max: u32,
    /// `tune.h2.header-table-size`: bytes of headers that are remembered for later ones.
    pub table_bytes: u32,
    /// `tune.h2.fe.glitches-threshold`: so many oddities end a client's connection; 0 for no bound of its own.
    pub fe_glitches_max: u32,
    /// `tune.h2.be.glitches-threshold`: the same for a server's.
    pub be_glitches_max: u32,
    /// `tune.h2.fe.rxbuf`: bytes of all request bodies of a connection that nobody has asked for yet.
    pub fe_buffer_bytes: u32,
    /// `tune.h2.be.rxbuf`: bytes of all response bodies of a connection that nobody has asked for yet.
    pub be_buffer_bytes: u32,
    /// `tune.h2.log-errors`: a connection that broke the protocol leaves a line in the log.
    pub log_errors: bool,
    /// `tune.h2.fe.max-total-streams`: so many requests on one client connection, then it ends; 0 for no bound.
    pub fe_streams_total: u32,
    /// `tune.glitches.kill.cpu-usage`: connections with too many oddities end only on a thread that is as busy, in percent.
    pub glitches_busy_min: u32,
    /// `h2-workaround-bogus-websocket-clients` has it false: clients are told that WebSockets go over HTTP/2.
    pub fe_websockets: bool,
    /// `tune.streams-elasticity`: streams of all client connections, in percent of `maxconn`; 0 for no limit.
    pub fe_elasticity_percent: u32,
}

impl Default for Http2Tuning {
    fn default() -> Self {
        Http2Tuning {
            fe_streams_max: 100,
            be_streams_max: 100,
            fe_window_bytes: 65_536,
            be_window_bytes: 65_536,
            frame_bytes_max: 16_384,
            table_bytes: 4096,
            fe_glitches_max: 0,
            be_glitches_max: 0,
            fe_streams_total: 0,
            fe_buffer_bytes: 1_638_400,
            be_buffer_bytes: 1_638_400,
            log_errors: true,
            glitches_busy_min: 0,
            fe_websockets: true,
            fe_elasticity_percent: 0,
        }
    }
}
