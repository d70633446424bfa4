//! What a frontend keeps of requests and responses for its log.

/// `capture` and `declare capture` lines, and the slots that `capture` rules declare.
#[derive(Debug, Default)]
pub struct CaptureSettings {
    /// The slots for requests, in the order of their lines.
    pub request: Vec<CaptureSlot>,
    /// The slots for responses.
    pub response: Vec<CaptureSlot>,
    /// `capture cookie`.
    pub cookie: Option<CookieCapture>,
}

/// One slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaptureSlot {
    /// The header that is put there; rules and converters fill the others.
    pub header: Option<String>,
    /// `len`.
    pub bytes_max: u32,
}

/// `capture cookie`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CookieCapture {
    /// The beginning of the cookie's name, with the `=` if the name ends there.
    pub prefix: String,
    /// `len`, which `tune.http.cookielen` limits.
    pub bytes_max: u32,
}
