//! What makes servers while the process runs.

use std::sync::{Arc, Mutex, PoisonError};

use tidegate_config::model::{self, InitialAddress};
use tidegate_config::{Diagnostics, DiskFiles, Later, Severity};
use tidegate_proxy::spec::{BackendSpec, ProxySpec, ServerSpec};

use super::Assembly;

/// What makes servers while the process runs: what the configuration was put together with, kept.
pub(crate) struct Workshop {
    assembly: Mutex<Assembly>,
    later: Arc<Later>,
}

/// A server that was made, and the one that it is to track: its backend, if that is named, and its own name.
pub(crate) struct Made {
    pub(crate) spec: ServerSpec,
    pub(crate) track: Option<(Option<String>, String)>,
}

impl Workshop {
    pub(super) fn new(assembly: Assembly, later: Arc<Later>) -> Workshop {
        Workshop {
            assembly: Mutex::new(assembly),
            later,
        }
    }

    /// The server of a backend that these words describe, as `add server` has them behind its name.
    ///
    /// # Errors
    /// What is wrong with them, in sentences.
    pub(crate) fn server(&self, backend: &str, name: &str, words: &[Vec<u8>]) -> Result<Made, Vec<String>> {
        let mut assembly = self.assembly.lock().unwrap_or_else(PoisonError::into_inner);
        let terms = assembly.terms.get(backend).cloned();
        let terms = terms.ok_or_else(|| vec![String::from("No such backend.")])?;
        let place = (backend, terms.mode);
        let scripts = &assembly.around.scripts;
        let mut server = self.later.server(place, name, words, scripts, &DiskFiles)?;
        if names_resolvers(&server) {
            let why = "Names of servers that come while the process runs are not resolved.";
            return Err(vec![why.to_owned()]);
        }
        server.naming.initial = Some(vec![InitialAddress::None]);
        let made = assembly.server(&server, &terms, true);
        let faults = std::mem::take(&mut assembly.faults);
        match made {
            Some(mut spec) if !faults.has_errors() => {
                spec.id = server.id.unwrap_or(0);
                Ok(Made {
                    spec,
                    track: server.track.map(|track| track.value),
                })
            }
            _ => Err(sentences(&faults)),
        }
    }

    /// A backend that has nothing but what the `defaults` section of a name says, with this mode unless that says one. It has no
    /// number yet.
    ///
    /// # Errors
    /// What is wrong with it, in sentences.
    pub(crate) fn backend(
        &self,
        name: &str,
        (from, mode): (&str, Option<model::Mode>),
    ) -> Result<BackendSpec, Vec<String>> {
        let mut assembly = self.assembly.lock().unwrap_or_else(PoisonError::into_inner);
        let scripts = &assembly.around.scripts;
        let mut proxy = self.later.backend(name, (from, mode), scripts, &DiskFiles)?;
        proxy.unpublished = true;
        let mut made = ProxySpec::default();
        assembly.proxy(proxy, NOWHERE, None, &mut made);
        let faults = std::mem::take(&mut assembly.faults);
        match made.backends.pop() {
            Some(backend) if !faults.has_errors() => Ok(backend),
            _ => Err(sentences(&faults)),
        }
    }

    /// What of the configuration is kept.
    pub(crate) fn later(&self) -> &Later {
        &self.later
    }
}

/// The place in the configuration of what isn't there.
const NOWHERE: usize = usize::MAX;

fn names_resolvers(server: &model::Server) -> bool {
    server.naming.resolvers.is_some() || server.naming.initial.is_some()
}

fn sentences(faults: &Diagnostics) -> Vec<String> {
    let errors = faults.iter().filter(|fault| fault.severity == Severity::Error);
    errors.map(|fault| format!("{}.", fault.message)).collect()
}
