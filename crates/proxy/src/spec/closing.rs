//! What becomes of connections that end, or whose peers end them.

use crate::txn::Mode;

/// That of a frontend's clients, or of a backend's servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    /// `option abortonclose`: what a client waits for that has ended its side is given up. In HTTP so without a word.
    pub abort: bool,
    /// `option nolinger`: connections are reset in place of being closed, and what is not sent yet is lost.
    pub no_linger: bool,
}

impl Closing {
    /// What a proxy of this mode does if nothing is said.
    pub fn usual(mode: Mode) -> Self {
        Closing {
            abort: mode == Mode::Http,
            no_linger: false,
        }
    }
}
