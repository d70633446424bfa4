//! What tests of whole configurations share.

use tidegate_sample::{ExternalId, Externals};

/// Scripts that registered every name.
pub(crate) struct AnyScript;

impl Externals for AnyScript {
    fn fetch(&self, name: &str) -> Option<ExternalId> {
        name.starts_with("lua.").then_some(ExternalId(0))
    }

    fn converter(&self, name: &str) -> Option<ExternalId> {
        name.starts_with("lua.").then_some(ExternalId(0))
    }

    fn fetch_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn converter_names(&self) -> Vec<String> {
        Vec::new()
    }
}
