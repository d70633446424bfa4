//! Mails about what becomes of servers, as scripts are told of them.

use std::sync::Arc;

use tidegate_config::model;
use tidegate_proxy::log::Level;
use tidegate_proxy::spec::MailSpec;

use super::{Assembly, logs};
use crate::system;

impl Assembly {
    /// What the `email-alert` lines of a proxy say, if that is enough for mails.
    pub(super) fn mails(&mut self, proxy: &model::Proxy) -> Option<Arc<MailSpec>> {
        let alert = &proxy.email_alert;
        let name = alert.section()?;
        // The name was checked.
        let section = self.mailers.get(&name.value)?;
        Some(Arc::new(MailSpec {
            tracks_checks: proxy.log_health_checks,
            max_level: alert.level.map_or(Level::Alert, logs::level),
            servers: section.servers.clone(),
            timeout: section.timeout,
            host: alert.host.clone().unwrap_or_else(system::host_name),
            from: alert.from.clone()?,
            to: alert.to.clone()?,
        }))
    }
}
