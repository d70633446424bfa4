//! HAProxy's actions that are not served yet.

use super::actions::{ActionRow, Sets, pending};

/// The actions.
#[rustfmt::skip]
pub(super) const ROWS: &[ActionRow] = &[
    pending("attach-srv", Sets::SESS),
    pending("cache-store", Sets::HRES),
    pending("cache-use", Sets::HREQ),
    pending("do-resolve", Sets::TREQ.or(Sets::HREQ)),
    pending("early-hint", Sets::HREQ),
    pending("expect-netscaler-cip", Sets::CONN),
    pending("send-spoe-group", Sets::TREQ.or(Sets::TRES.or(Sets::HREQ.or(Sets::HRES)))),
    pending("set-bandwidth-limit", Sets::TREQ.or(Sets::TRES.or(Sets::HREQ.or(Sets::HRES)))),
    pending("switch-mode", Sets::TREQ),
];
