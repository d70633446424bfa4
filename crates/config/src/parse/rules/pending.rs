//! HAProxy's actions that are not served.

use super::actions::{ActionRow, Sets, left_out, pending};

/// The actions.
#[rustfmt::skip]
pub(super) const ROWS: &[ActionRow] = &[
    pending("attach-srv", Sets::SESS),
    pending("expect-netscaler-cip", Sets::CONN),
    left_out("send-spoe-group", Sets::TREQ.or(Sets::TRES.or(Sets::HREQ.or(Sets::HRES))),
        "agents of the SPOE are not asked; a script can ask whom it likes, and wait for the answer"),
];
