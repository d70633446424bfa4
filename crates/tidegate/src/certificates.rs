//! Certificates that scripts change (`CertCache.set`): as `set ssl cert` and `commit ssl cert` do.

use std::sync::Arc;

use tidegate_lua_api::{CertificateChange, Certificates};
use tidegate_tls::Store;

use crate::tokens;

/// The certificates of the program, for scripts.
pub(crate) struct ScriptCertificates(pub(crate) Arc<Store>);

impl Certificates for ScriptCertificates {
    fn set(&self, change: &CertificateChange) -> Result<(), String> {
        let ScriptCertificates(store) = self;
        let file = &change.file;
        for (at, (end, content)) in change.parts.iter().enumerate() {
            if let Err(why) = store.set_certificate(&format!("{file}{end}"), content) {
                if at > 0 {
                    // Only what was begun here is given up.
                    let _ = store.abort_certificate(file);
                }
                return Err(why);
            }
        }
        store.commit_certificate(file).inspect_err(|_| {
            let _ = store.abort_certificate(file);
        })?;
        tokens::offer(store);
        Ok(())
    }
}
