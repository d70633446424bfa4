//! Responses of OCSP as the runtime API changes and shows them.

use std::time::SystemTime;

use super::build::Touched;
use super::certificates::base64;
use super::{Changed, Store};
use crate::ocsp::{Response, hex};

impl Store {
    /// `set ssl ocsp-response`: in base64, for whichever certificates it tells of.
    ///
    /// # Errors
    /// It is of no use, or for no certificate that there is.
    pub fn set_response(&self, text: &[u8]) -> Changed {
        let mut inner = self.inner();
        let text: Vec<u8> = text
            .iter()
            .copied()
            .filter(|byte| !byte.is_ascii_whitespace())
            .collect();
        let der = base64(&text).ok_or("'set ssl ocsp-response' received invalid base64 encoded response.")?;
        Response::parse(&der).map_err(|why| format!("The response can't be used: {why}."))?;
        let now = SystemTime::now();
        let mut why = String::from("it is for no certificate that is loaded");
        let mut set = Vec::new();
        for (name, certificate) in &inner.certificates {
            let mut parts = certificate.parts.clone();
            parts.ocsp = Some(der.clone());
            match parts.response(now) {
                Ok(_) => set.push((name.clone(), parts)),
                Err(other) if other.contains("another certificate") || other.contains("issued it") => {}
                Err(other) => why = other,
            }
        }
        if set.is_empty() {
            return Err(format!("The response can't be used: {why}."));
        }
        for (name, parts) in set {
            let identity = inner.identity(&name, &parts)?;
            if let Some(certificate) = inner.certificates.get_mut(&name) {
                certificate.parts = parts;
                certificate.identity = Some(identity);
            }
            inner.rebuild(Touched::Certificate(&name))?;
        }
        Ok("OCSP Response updated!".to_owned())
    }

    /// `show ssl ocsp-response`: all that there are.
    pub fn responses(&self) -> String {
        let inner = self.inner();
        let mut text = String::from("# Certificate IDs\n");
        for (name, certificate) in &inner.certificates {
            let Some(response) = certificate
                .parts
                .ocsp
                .as_deref()
                .and_then(|der| Response::parse(der).ok())
            else {
                continue;
            };
            let key = hex(&response.key()).to_lowercase();
            text.push_str(&format!(
                "  Certificate ID key : {key}\n  Certificate path : {name}\n"
            ));
            text.push_str(&response.id_text("    "));
        }
        text
    }

    /// One of them, by the name of its certificate or its key in hexadecimal digits.
    pub fn response(&self, wanted: &str) -> Option<Response> {
        let inner = self.inner();
        if let Some(certificate) = inner.certificates.get(wanted) {
            return Response::parse(certificate.parts.ocsp.as_deref()?).ok();
        }
        let all = inner
            .certificates
            .values()
            .filter_map(|certificate| certificate.parts.ocsp.as_deref());
        let mut all = all.filter_map(|der| Response::parse(der).ok());
        all.find(|response| hex(&response.key()).eq_ignore_ascii_case(wanted))
    }
}
