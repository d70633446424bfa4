//! A page that a proxy serves itself.

use std::sync::Arc;

use super::RuleSet;
use crate::ext::HttpService;

/// `stats`: requests that are answered here, when the rules of their proxy have let them pass.
pub struct PageSpec {
    /// What the targets of such requests begin with, from the path on.
    pub prefix: String,
    /// `stats http-request` and `stats auth`: who may see it.
    pub access: RuleSet,
    /// What answers, on all workers.
    pub service: Arc<dyn HttpService + Send + Sync>,
}
