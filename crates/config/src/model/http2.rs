//! What is set about HTTP/2.

/// The `tune.h2.…` settings. What isn't set is `None`; a setting for one side wins over that for both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Http2Settings {
    /// `tune.h2.fe.…`: connections of clients.
    pub clients: Http2Side,
    /// `tune.h2.be.…`: connections to servers.
    pub servers: Http2Side,
    /// Both.
    pub both: Http2Side,
    /// `tune.h2.fe.max-total-streams`: requests on one client connection; 0 for no limit.
    pub total_streams: Option<u32>,
    /// `tune.h2.header-table-size`.
    pub header_table: Option<u32>,
    /// `tune.h2.max-frame-size`.
    pub frame_max: Option<u32>,
    /// `tune.h2.log-errors`: false for `none`.
    pub log_errors: Option<bool>,
    /// `tune.glitches.kill.cpu-usage`: percent.
    pub glitches_busy_min: u32,
    /// `h2-workaround-bogus-websocket-clients`: clients aren't told of WebSockets.
    pub hides_websockets: bool,
    /// `tune.streams-elasticity`: percent; 0 for no limit.
    pub elasticity_percent: u32,
}

/// What can be set for each side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Http2Side {
    /// `initial-window-size`: bytes of one message that may wait to be read.
    pub window: Option<u32>,
    /// `max-concurrent-streams`: requests at once.
    pub streams: Option<u32>,
    /// `glitches-threshold`: oddities that end a connection; 0 for no limit.
    pub glitches: Option<u32>,
    /// `rxbuf`: bytes of all messages of a connection that may wait to be read.
    pub buffer: Option<u32>,
}
