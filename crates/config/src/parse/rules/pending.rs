//! HAProxy's actions that are not served.

use super::actions::{ActionRow, Sets, left_out};

/// The actions.
#[rustfmt::skip]
pub(super) const ROWS: &[ActionRow] = &[
    left_out("attach-srv", Sets::SESS, "connections that servers open are not turned round (reverse HTTP)"),
    left_out("send-spoe-group", Sets::TREQ.or(Sets::TRES.or(Sets::HREQ.or(Sets::HRES))),
        "agents of the SPOE are not asked; a script can ask whom it likes, and wait for the answer"),
];
