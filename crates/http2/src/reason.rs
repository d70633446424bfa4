//! Why streams and connections end.

use std::fmt;

/// An error code of HTTP/2.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Reason(u32);

macro_rules! reasons {
    ($($name:ident $code:literal $doc:literal)*) => {
        impl Reason {
            $(#[doc = $doc] pub const $name: Reason = Reason($code);)*

            fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($code => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

reasons! {
    NO_ERROR 0 "In order."
    PROTOCOL_ERROR 1 "The peer did what it may not."
    INTERNAL_ERROR 2 "It can't be gone on with."
    FLOW_CONTROL_ERROR 3 "The peer sent more than it had room for."
    SETTINGS_TIMEOUT 4 "The peer didn't acknowledge settings."
    STREAM_CLOSED 5 "The peer sent something on a stream that it had ended."
    FRAME_SIZE_ERROR 6 "A frame is longer or shorter than it may be."
    REFUSED_STREAM 7 "The request wasn't looked at."
    CANCEL 8 "Nobody needs it any more."
    COMPRESSION_ERROR 9 "A header block means nothing."
    CONNECT_ERROR 10 "What a CONNECT led to broke."
    ENHANCE_YOUR_CALM 11 "The peer makes too much work."
    INADEQUATE_SECURITY 12 "The TLS isn't good enough."
    HTTP_1_1_REQUIRED 13 "It has to be asked for by HTTP/1.1."
}

impl Reason {
    /// The code on the wire.
    #[must_use]
    pub fn code(self) -> u32 {
        self.0
    }
}

impl From<u32> for Reason {
    fn from(code: u32) -> Reason {
        Reason(code)
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#x}", self.0),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
