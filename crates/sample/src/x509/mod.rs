//! Certificates of X.509, as fetches describe them: with OpenSSL's names and forms of text.

mod name;
mod names;

use std::time::SystemTime;

use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::asn1::{ObjectIdentifier, UintRef};
use x509_cert::der::{DateTime, Decode, Encode, Reader, SliceReader, Tag, Tagged};
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{CertificatePolicies, SubjectAltName};
use x509_cert::name::RdnSequence;
use x509_cert::time::Time;

pub(crate) use crate::convert::VERIFY_ERRORS;
pub use name::{DistinguishedName, Occurrence};

/// A certificate.
#[derive(Clone, Debug)]
pub struct Certificate(CertificateInner<Raw>);

impl Certificate {
    /// Reads one in DER form.
    pub fn parse(der: &[u8]) -> Option<Certificate> {
        CertificateInner::from_der(der).ok().map(Certificate)
    }

    /// The version, from 1.
    pub fn version(&self) -> i64 {
        self.0.tbs_certificate.version as i64 + 1
    }

    /// The serial number's bytes.
    pub fn serial(&self) -> &[u8] {
        self.0.tbs_certificate.serial_number.as_bytes()
    }

    /// Whom it is for.
    pub fn subject(&self) -> DistinguishedName<'_> {
        DistinguishedName(&self.0.tbs_certificate.subject)
    }

    /// Who vouches for it.
    pub fn issuer(&self) -> DistinguishedName<'_> {
        DistinguishedName(&self.0.tbs_certificate.issuer)
    }

    /// Whether it vouches for itself.
    pub fn is_self_issued(&self) -> bool {
        self.0.tbs_certificate.subject == self.0.tbs_certificate.issuer
    }

    /// Whether it vouches for another, by the names in both.
    pub fn issued(&self, other: &Certificate) -> bool {
        self.0.tbs_certificate.subject == other.0.tbs_certificate.issuer
    }

    /// When it begins to be valid.
    pub fn not_before(&self) -> Option<SystemTime> {
        Some(self.0.tbs_certificate.validity.not_before.to_system_time())
    }

    /// When it ceases to be valid.
    pub fn not_after(&self) -> Option<SystemTime> {
        Some(self.0.tbs_certificate.validity.not_after.to_system_time())
    }

    /// When it begins to be valid, as `YYMMDDhhmmssZ`.
    pub fn not_before_text(&self) -> Option<String> {
        date(&self.0.tbs_certificate.validity.not_before)
    }

    /// When it ceases to be valid, likewise.
    pub fn not_after_text(&self) -> Option<String> {
        date(&self.0.tbs_certificate.validity.not_after)
    }

    /// What it is signed with.
    pub fn signature_algorithm(&self) -> String {
        names::algorithm(&self.0.signature_algorithm.oid)
    }

    /// What its key is for.
    pub fn key_algorithm(&self) -> String {
        names::algorithm(&self.0.tbs_certificate.subject_public_key_info.algorithm.oid)
    }

    /// The bits of its key: the modulus of RSA, the field of a curve.
    pub fn key_bits(&self) -> Option<usize> {
        let bytes = self.key_bytes()?;
        match self.key_algorithm().as_str() {
            // A point is a byte that tells its form, and two coordinates.
            "id-ecPublicKey" => Some(match (bytes.len().checked_sub(1)? / 2) * 8 {
                528 => 521,
                bits => bits,
            }),
            "rsaEncryption" => {
                let mut reader = SliceReader::new(bytes).ok()?;
                let modulus = reader.sequence(|inner| {
                    let modulus = UintRef::decode(inner)?;
                    UintRef::decode(inner)?;
                    Ok(modulus)
                });
                let modulus = modulus.ok()?.as_bytes();
                let first = modulus.first()?;
                Some(modulus.len() * 8 - first.leading_zeros() as usize)
            }
            _ => None,
        }
    }

    /// What its key is, in OpenSSL's short form: `RSA2048`, `EC256`.
    pub fn key_text(&self) -> String {
        let kind = match self.key_algorithm().as_str() {
            "id-ecPublicKey" => "EC",
            "rsaEncryption" => "RSA",
            "dsaEncryption" => "DSA",
            other => return other.to_owned(),
        };
        format!("{kind}{}", self.key_bits().unwrap_or_default())
    }

    /// The bits of its public key.
    pub fn key_bytes(&self) -> Option<&[u8]> {
        let info = &self.0.tbs_certificate.subject_public_key_info;
        info.subject_public_key.as_bytes()
    }

    /// Its public key with what that is of, in DER form.
    pub fn key_info_der(&self) -> Option<Vec<u8>> {
        self.0.tbs_certificate.subject_public_key_info.to_der().ok()
    }

    /// What its public key is of, in DER form.
    pub fn key_algorithm_der(&self) -> Option<Vec<u8>> {
        let info = &self.0.tbs_certificate.subject_public_key_info;
        info.algorithm.to_der().ok()
    }

    /// What is signed of it, the signature and its algorithm, each in DER form.
    pub fn signed(&self) -> Option<(Vec<u8>, Vec<u8>, Vec<u8>)> {
        Some((
            self.0.tbs_certificate.to_der().ok()?,
            self.0.signature.as_bytes()?.to_vec(),
            self.0.signature_algorithm.to_der().ok()?,
        ))
    }

    /// Whom it is for, in DER form.
    pub fn subject_der(&self) -> Option<Vec<u8>> {
        self.0.tbs_certificate.subject.to_der().ok()
    }

    /// Who vouches for it, in DER form.
    pub fn issuer_der(&self) -> Option<Vec<u8>> {
        self.0.tbs_certificate.issuer.to_der().ok()
    }

    /// The alternative names, each with what it is.
    pub fn alternative_names(&self) -> Vec<String> {
        self.general_names().iter().map(described).collect()
    }

    /// The names of hosts that it is for: the subject's common name, then the alternative names of DNS.
    pub fn host_names(&self) -> Vec<String> {
        let common = self
            .subject()
            .entry("CN", Occurrence::first())
            .and_then(|name| String::from_utf8(name).ok());
        let dns = self.general_names().into_iter().filter_map(|name| match name {
            GeneralName::DnsName(dns) => Some(dns.as_str().to_owned()),
            _ => None,
        });
        let mut names: Vec<String> = common
            .into_iter()
            .chain(dns)
            .map(|name| name.to_ascii_lowercase())
            .collect();
        let mut seen = std::collections::HashSet::new();
        names.retain(|name| seen.insert(name.clone()));
        names
    }

    /// The policies that it was issued under, as dotted numbers.
    pub fn policies(&self) -> Vec<String> {
        let policies = self.0.tbs_certificate.get::<CertificatePolicies>();
        let Ok(Some((_, CertificatePolicies(policies)))) = policies else {
            return Vec::new();
        };
        policies
            .iter()
            .map(|policy| policy.policy_identifier.to_string())
            .collect()
    }

    fn general_names(&self) -> Vec<GeneralName> {
        match self.0.tbs_certificate.get::<SubjectAltName>() {
            Ok(Some((_, SubjectAltName(names)))) => names,
            _ => Vec::new(),
        }
    }
}

/// The number of a fault by its name (`X509_V_ERR_CERT_HAS_EXPIRED`).
#[must_use]
pub fn verify_error(name: &str) -> Option<u32> {
    let name = name.strip_prefix("X509_V_")?;
    let number = VERIFY_ERRORS.iter().position(|known| *known == name)?;
    u32::try_from(number).ok()
}

/// A name in DER form as a line: `/C=FR/O=Acme/CN=me`. Empty for one that can't be read.
#[must_use]
pub fn name_text(der: &[u8]) -> String {
    let name = RdnSequence::from_der(der);
    let line = name.ok().and_then(|name| DistinguishedName(&name).oneline());
    String::from_utf8_lossy(&line.unwrap_or_default()).into_owned()
}

/// What OpenSSL calls an algorithm, by its dotted number.
#[must_use]
pub fn algorithm_name(dotted: &str) -> String {
    ObjectIdentifier::new(dotted).map_or_else(|_| dotted.to_owned(), |oid| names::algorithm(&oid))
}

/// A time as OpenSSL prints it: `Sep  3 21:20:24 2019 GMT`.
#[must_use]
pub fn time_text(time: SystemTime) -> String {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let Ok(at) = DateTime::from_system_time(time) else {
        return String::new();
    };
    let month = MONTHS.get(usize::from(at.month()).wrapping_sub(1)).unwrap_or(&"");
    format!(
        "{month} {:2} {:02}:{:02}:{:02} {} GMT",
        at.day(),
        at.hour(),
        at.minutes(),
        at.seconds(),
        at.year()
    )
}

fn date(time: &Time) -> Option<String> {
    let der = time.to_der().ok()?;
    let text = std::str::from_utf8(der.get(2..)?).ok()?;
    match time {
        Time::UtcTime(_) => Some(text.to_owned()),
        // Dates of this century lose its two digits; others have no such form.
        Time::GeneralTime(_) => text.strip_prefix("20").map(str::to_owned),
    }
}

fn described(name: &GeneralName) -> String {
    match name {
        GeneralName::DnsName(dns) => format!("DNS:{dns}"),
        GeneralName::Rfc822Name(mail) => format!("email:{mail}"),
        GeneralName::UniformResourceIdentifier(uri) => format!("URI:{uri}"),
        GeneralName::IpAddress(address) => match address.as_bytes() {
            [a, b, c, d] => format!("IP Address:{a}.{b}.{c}.{d}"),
            bytes if bytes.len() == 16 => {
                let groups = bytes.chunks_exact(2).map(|pair| match pair {
                    [high, low] => format!("{:X}", u16::from_be_bytes([*high, *low])),
                    _ => String::new(),
                });
                format!("IP Address:{}", groups.collect::<Vec<_>>().join(":"))
            }
            _ => "IP Address:<invalid>".to_owned(),
        },
        GeneralName::RegisteredId(id) => format!("Registered ID:{}", names::attribute(id)),
        GeneralName::DirectoryName(name) => {
            let text = DistinguishedName(name).listed();
            format!("DirName:{text}")
        }
        GeneralName::OtherName(_) => "othername:<unsupported>".to_owned(),
        GeneralName::EdiPartyName(_) => "EdiPartyName:<unsupported>".to_owned(),
    }
}

/// The text of a value in a name: the characters of whatever string it is, in UTF-8.
fn text(value: &x509_cert::der::Any) -> Vec<u8> {
    let bytes = value.value();
    match value.tag() {
        Tag::BmpString => {
            let units = bytes.chunks_exact(2).map(|pair| match pair {
                [high, low] => u16::from_be_bytes([*high, *low]),
                _ => 0,
            });
            String::from_utf16_lossy(&units.collect::<Vec<_>>()).into_bytes()
        }
        _ => bytes.to_vec(),
    }
}

type Oid = ObjectIdentifier;
