//! The names of proxies, servers and tables, for the arguments of fetches and converters that scripts call.

use tidegate_proxy::Plane;
use tidegate_sample::stick::Tables;
use tidegate_sample::{Proxies, Side};

/// What may be named now: a script that names something else is told so at once, as a configuration is.
pub(crate) struct Names(pub(super) Plane);

impl Proxies for Names {
    /// A script stands in no section: what it leaves out is that of the session.
    fn current(&self) -> Option<&str> {
        None
    }

    fn names(&self, side: Side) -> Vec<&str> {
        match side {
            Side::Frontend => self.0.frontends().map(|spec| spec.name.as_str()).collect(),
            Side::Backend => self.0.backends().map(|(spec, _)| spec.name.as_str()).collect(),
        }
    }

    fn servers(&self, backend: &str) -> Vec<String> {
        let found = self.0.backends().find(|(spec, _)| spec.name == backend);
        let servers = found.map(|(_, state)| state.servers());
        let servers = servers.iter().flat_map(|servers| servers.iter());
        servers.map(|server| server.name().to_owned()).collect()
    }

    fn tables(&self) -> Option<&Tables> {
        Some(&self.0.global().tables)
    }
}
