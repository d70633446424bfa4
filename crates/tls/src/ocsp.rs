//! Responses of OCSP that are stapled to handshakes.

use std::fmt::Write as _;
use std::time::SystemTime;

use rustls::pki_types::CertificateDer;
use sha1::{Digest, Sha1};
use tidegate_sample::x509::{Certificate, time_text};
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Encode};
use x509_ocsp::{
    BasicOcspResponse, CertStatus, OcspResponse, OcspResponseStatus, ResponderId, SingleResponse,
};

const BASIC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.48.1.1");

/// A response that tells of one certificate.
#[derive(Clone, Debug)]
pub struct Response {
    der: Vec<u8>,
    basic: BasicOcspResponse,
    single: SingleResponse,
}

impl Response {
    /// Reads one in DER form.
    ///
    /// # Errors
    /// Why it is of no use.
    pub fn parse(der: &[u8]) -> Result<Response, String> {
        let broken = |_| "it is no response of OCSP in DER form".to_owned();
        let outer = OcspResponse::from_der(der).map_err(broken)?;
        if outer.response_status != OcspResponseStatus::Successful {
            return Err("the responder had no answer to give".to_owned());
        }
        let bytes = outer.response_bytes.ok_or("the response is empty")?;
        if bytes.response_type != BASIC {
            return Err("the response is of an unknown type".to_owned());
        }
        let basic = BasicOcspResponse::from_der(bytes.response.as_bytes()).map_err(broken)?;
        let [single] = basic.tbs_response_data.responses.as_slice() else {
            return Err("the response has to tell of one certificate only".to_owned());
        };
        let single = single.clone();
        Ok(Response {
            der: der.to_vec(),
            basic,
            single,
        })
    }

    /// Whether it says that this certificate is good now.
    ///
    /// # Errors
    /// Why it doesn't.
    pub fn check(
        &self,
        leaf: &Certificate,
        issuer: &CertificateDer<'_>,
        now: SystemTime,
    ) -> Result<(), String> {
        if !matches!(self.single.cert_status, CertStatus::Good(_)) {
            return Err("it says that the certificate is not good".to_owned());
        }
        if self.next_update().is_some_and(|end| end < now) {
            return Err("it is no longer valid".to_owned());
        }
        if self.key() != key(leaf, issuer).ok_or("the certificate of who issued it is broken")? {
            return Err("it is for another certificate".to_owned());
        }
        Ok(())
    }

    /// When a newer one will be there.
    pub fn next_update(&self) -> Option<SystemTime> {
        Some(self.single.next_update?.0.to_system_time())
    }

    /// What the certificate is known by among responses: its identifier in DER form.
    pub fn key(&self) -> Vec<u8> {
        self.single.cert_id.to_der().unwrap_or_default()
    }

    /// It, in DER form.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The same, taken.
    pub fn into_der(self) -> Vec<u8> {
        self.der
    }

    /// The identifier for people.
    pub fn id_text(&self, indent: &str) -> String {
        let id = &self.single.cert_id;
        format!(
            "{indent}Certificate ID:\n{indent}  Issuer Name Hash: {}\n{indent}  Issuer Key Hash: {}\n{indent}  Serial Number: {}\n",
            hex(id.issuer_name_hash.as_bytes()),
            hex(id.issuer_key_hash.as_bytes()),
            hex(id.serial_number.as_bytes()),
        )
    }

    /// All of it for people, in the form of `openssl ocsp -text`.
    pub fn text(&self) -> String {
        let data = &self.basic.tbs_response_data;
        let id = &self.single.cert_id;
        let mut text = String::from(
            "OCSP Response Data:\n    OCSP Response Status: successful (0x0)\n    Response Type: Basic OCSP Response\n    Version: 1 (0x0)\n",
        );
        let responder = match &data.responder_id {
            ResponderId::ByName(name) => tidegate_sample::x509::DistinguishedName::listed_of(name),
            ResponderId::ByKey(key) => hex(key.as_bytes()),
        };
        let hash = match id.hash_algorithm.oid.to_string().as_str() {
            "1.3.14.3.2.26" => "sha1".to_owned(),
            "2.16.840.1.101.3.4.2.1" => "sha256".to_owned(),
            other => other.to_owned(),
        };
        let status = match &self.single.cert_status {
            CertStatus::Good(_) => "good",
            CertStatus::Revoked(_) => "revoked",
            CertStatus::Unknown(_) => "unknown",
        };
        let time = |at: &x509_ocsp::OcspGeneralizedTime| time_text(at.0.to_system_time());
        let _ = write!(
            text,
            "    Responder Id: {responder}\n    Produced At: {}\n    Responses:\n    Certificate ID:\n      Hash Algorithm: {hash}\n      \
             Issuer Name Hash: {}\n      Issuer Key Hash: {}\n      Serial Number: {}\n    Cert Status: {status}\n    This Update: {}\n",
            time(&data.produced_at),
            hex(id.issuer_name_hash.as_bytes()),
            hex(id.issuer_key_hash.as_bytes()),
            hex(id.serial_number.as_bytes()),
            time(&self.single.this_update),
        );
        if let Some(next) = &self.single.next_update {
            let _ = writeln!(text, "    Next Update: {}", time(next));
        }
        text
    }
}

/// What a certificate is known by among responses that use SHA-1, which all do.
fn key(leaf: &Certificate, issuer: &CertificateDer<'_>) -> Option<Vec<u8>> {
    let issuer = Certificate::parse(issuer)?;
    // AlgorithmIdentifier of SHA-1 with NULL, two hashes, and the serial number.
    let mut content = vec![0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00];
    for hashed in [leaf.issuer_der()?, issuer.key_bytes()?.to_vec()] {
        content.extend([0x04, 20]);
        content.extend(Sha1::digest(&hashed));
    }
    let serial = leaf.serial();
    content.extend([0x02, u8::try_from(serial.len()).ok()?]);
    content.extend(serial);
    let mut der = vec![
        0x30,
        u8::try_from(content.len()).ok().filter(|length| *length < 0x80)?,
    ];
    der.append(&mut content);
    Some(der)
}

/// Bytes as OpenSSL prints them.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02X}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::made;

    #[test]
    fn a_response_is_for_one_certificate_and_some_time() {
        let response = Response::parse(made::RESPONSE).unwrap();
        let leaf = Certificate::parse(made::STAPLED).unwrap();
        let issuer = CertificateDer::from(made::AUTHORITY);
        assert_eq!(response.check(&leaf, &issuer, made::now()), Ok(()));
        let other = Certificate::parse(made::OLD).unwrap();
        assert!(
            response
                .check(&other, &issuer, made::now())
                .unwrap_err()
                .contains("another certificate")
        );
        let late = made::now() + std::time::Duration::from_secs(1 << 31);
        assert!(
            response
                .check(&leaf, &issuer, late)
                .unwrap_err()
                .contains("no longer valid")
        );
        assert!(Response::parse(b"nonsense").unwrap_err().contains("DER form"));
    }

    #[test]
    fn its_text_is_openssls() {
        let text = Response::parse(made::RESPONSE).unwrap().text();
        for part in [
            "Responder Id: CN = root of tests\n",
            "Hash Algorithm: sha1\n",
            "Issuer Name Hash: 1E3577383F68CFA81D99EFE93030F5FC7C79AF41\n",
            "Serial Number: 07\n",
            "Cert Status: good\n",
            "Next Update: Oct 23 18:26:27 2048 GMT\n",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
    }
}
