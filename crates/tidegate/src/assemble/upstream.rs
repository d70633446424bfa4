//! How a backend's requests and streams get to its servers.

use tidegate_config::model::Upstream;
use tidegate_proxy::Mode;
use tidegate_proxy::spec::{BackendSpec, RetryOn};

/// Takes in what the lines of a proxy say.
pub(super) fn settle(from: Upstream, backend: &mut BackendSpec) {
    backend.prefer_last_server = from.prefer_last_server;
    backend.keep_alive_queue_max = from.keep_alive_queue_max;
    // Where there are no requests, only connections are tried again.
    if backend.mode == Mode::Http {
        backend.retry_on = RetryOn {
            connection: from.retry_on.connection,
            empty: from.retry_on.empty,
            junk: from.retry_on.junk,
            timeout: from.retry_on.timeout,
            statuses: from.retry_on.statuses,
        };
    }
}
