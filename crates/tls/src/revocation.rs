//! What authorities have revoked. Lists of the first version, which OpenSSL makes unless it is told otherwise, are read too.

use std::collections::HashSet;
use std::fmt;
use std::time::SystemTime;

use rustls::CertificateError;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use tidegate_sample::x509::Certificate;
use x509_cert::der::asn1::{AnyRef, BitStringRef, IntRef};
use x509_cert::der::{Decode, Reader, SliceReader, Tag, Tagged};
use x509_cert::time::Time;

use crate::authorities::Authorities;
use crate::signed::signed_by;

/// OpenSSL's numbers of what may be wrong.
const NO_LIST: u32 = 3;
const BAD_SIGNATURE: u32 = 8;
const LIST_EXPIRED: u32 = 12;
const REVOKED: u32 = 23;

/// One revoked certificate: its serial number, and when it was revoked.
pub(crate) type Revoked = (Vec<u8>, SystemTime);

/// A revocation list.
#[derive(Clone)]
pub(crate) struct List {
    pub(crate) version: u8,
    /// Who made it: a name in DER form.
    pub(crate) issuer: Vec<u8>,
    pub(crate) this_update: SystemTime,
    pub(crate) next_update: Option<SystemTime>,
    /// The dotted number of what it is signed with.
    pub(crate) algorithm: String,
    pub(crate) revoked: Vec<Revoked>,
    signed: Vec<u8>,
    algorithm_der: Vec<u8>,
    signature: Vec<u8>,
}

impl List {
    /// Reads one in DER form.
    pub(crate) fn parse(der: &[u8]) -> Option<List> {
        let mut outer = inside(der)?;
        let signed = outer.tlv_bytes().ok()?;
        let algorithm_der = outer.tlv_bytes().ok()?;
        let signature = BitStringRef::decode(&mut outer).ok()?.as_bytes()?;
        let mut reader = inside(signed)?;
        let mut version = 1;
        if reader.peek_byte() == Some(2) {
            version = IntRef::decode(&mut reader).ok()?.as_bytes().first()? + 1;
        }
        reader.tlv_bytes().ok()?;
        let issuer = reader.tlv_bytes().ok()?.to_vec();
        let this_update = Time::decode(&mut reader).ok()?.to_system_time();
        let is_time = |tag: Option<u8>| matches!(tag, Some(0x17 | 0x18));
        let next_update = match is_time(reader.peek_byte()) {
            true => Some(Time::decode(&mut reader).ok()?.to_system_time()),
            false => None,
        };
        let mut revoked = Vec::new();
        if reader.peek_byte() == Some(0x30) {
            let mut entries = inside(reader.tlv_bytes().ok()?)?;
            while !entries.is_finished() {
                let mut entry = inside(entries.tlv_bytes().ok()?)?;
                let serial = IntRef::decode(&mut entry).ok()?.as_bytes().to_vec();
                revoked.push((serial, Time::decode(&mut entry).ok()?.to_system_time()));
            }
        }
        // What says that the list tells of some certificates only must not be passed over.
        if reader.peek_byte() == Some(0xa0) {
            let extensions = AnyRef::decode(&mut reader).ok()?;
            let mut extensions = inside(extensions.value())?;
            while !extensions.is_finished() {
                let mut extension = inside(extensions.tlv_bytes().ok()?)?;
                extension.tlv_bytes().ok()?;
                if extension.peek_byte() == Some(1) {
                    return None;
                }
            }
        }
        let algorithm = AnyRef::from_der(inside(algorithm_der)?.tlv_bytes().ok()?).ok()?;
        let algorithm = algorithm
            .decode_as::<x509_cert::der::asn1::ObjectIdentifier>()
            .ok()?;
        Some(List {
            version,
            issuer,
            this_update,
            next_update,
            algorithm: algorithm.to_string(),
            revoked,
            signed: signed.to_vec(),
            algorithm_der: algorithm_der.to_vec(),
            signature: signature.to_vec(),
        })
    }
}

/// What rustls calls a fault of this number.
pub(crate) fn fault(number: u32) -> CertificateError {
    match number {
        REVOKED => CertificateError::Revoked,
        LIST_EXPIRED => CertificateError::ExpiredRevocationList,
        BAD_SIGNATURE => CertificateError::BadSignature,
        _ => CertificateError::UnknownRevocationStatus,
    }
}

/// What stands in a sequence.
fn inside(der: &[u8]) -> Option<SliceReader<'_>> {
    let any = AnyRef::from_der(der).ok()?;
    (any.tag() == Tag::Sequence).then_some(())?;
    SliceReader::new(any.value()).ok()
}

/// The lists that clients' certificates, or those of servers, are held to.
pub(crate) struct Revocations {
    lists: Vec<Checked>,
}

struct Checked {
    list: List,
    serials: HashSet<Vec<u8>>,
    /// Whether an authority that is trusted signed it; the others are signed by those that such a one vouches for.
    is_known: bool,
}

impl fmt::Debug for Revocations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocations").finish_non_exhaustive()
    }
}

impl Revocations {
    /// Takes the lists of a file, for certificates that these authorities vouch for. `None` if there is no list.
    ///
    /// # Errors
    /// One can't be used.
    pub(crate) fn new(
        lists: &[CertificateRevocationListDer<'static>],
        authorities: &Authorities,
    ) -> Result<Option<Revocations>, String> {
        let mut checked = Vec::new();
        for der in lists {
            let list = List::parse(der);
            let list = list.ok_or("a revocation list is broken, or tells of some certificates only")?;
            let is_known = authorities
                .certificates
                .iter()
                .any(|authority| is_of(&list, authority));
            checked.push(Checked {
                serials: list.revoked.iter().map(|(serial, _)| serial.clone()).collect(),
                list,
                is_known,
            });
        }
        Ok((!checked.is_empty()).then_some(Revocations { lists: checked }))
    }

    /// Looks for the certificates of a chain that was verified, the peer's own first. The fault is OpenSSL's number, and how
    /// far from the peer's own.
    ///
    /// Whoever holds the key of a revoked authority can send a certificate in the name of it that somebody else vouches
    /// for. So it is not enough that one way up has no fault: all have to.
    ///
    /// # Errors
    /// One is revoked, or nobody knows.
    pub(crate) fn check(
        &self,
        leaf: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        now: SystemTime,
    ) -> Result<(), (u32, u32)> {
        let mut left: Vec<(&CertificateDer<'_>, Certificate)> = others
            .iter()
            .filter_map(|der| Some((der, Certificate::parse(der)?)))
            .collect();
        let mut level = vec![Certificate::parse(leaf).ok_or((NO_LIST, 0))?];
        let mut depth = 0;
        while !level.is_empty() {
            let mut next = Vec::new();
            for certificate in level {
                self.one(&certificate, others, now)
                    .map_err(|fault| (fault, depth))?;
                if certificate.is_self_issued() {
                    continue;
                }
                let Some((signed, signature, algorithm)) = certificate.signed() else {
                    continue;
                };
                let (above, rest): (Vec<_>, Vec<_>) = left.into_iter().partition(|(_, other)| {
                    other.issued(&certificate) && signed_by(other, &algorithm, &signed, &signature)
                });
                left = rest;
                next.extend(above.into_iter().map(|(_, other)| other));
            }
            level = next;
            depth += 1;
        }
        Ok(())
    }

    fn one(
        &self,
        certificate: &Certificate,
        others: &[CertificateDer<'_>],
        now: SystemTime,
    ) -> Result<(), u32> {
        let issuer = certificate.issuer_der().unwrap_or_default();
        let mut fault = Some(NO_LIST);
        for checked in self.lists.iter().filter(|checked| checked.list.issuer == issuer) {
            fault = self.fault(checked, certificate.serial(), others, now);
            if fault != Some(BAD_SIGNATURE) {
                break;
            }
        }
        fault.map_or(Ok(()), Err)
    }

    fn fault(
        &self,
        checked: &Checked,
        serial: &[u8],
        others: &[CertificateDer<'_>],
        now: SystemTime,
    ) -> Option<u32> {
        let list = &checked.list;
        if !checked.is_known && !others.iter().any(|other| is_of(list, other)) {
            return Some(BAD_SIGNATURE);
        }
        if checked.serials.contains(serial) {
            return Some(REVOKED);
        }
        list.next_update
            .is_some_and(|next| next < now)
            .then_some(LIST_EXPIRED)
    }
}

/// Whether a certificate's owner made and signed a list.
fn is_of(list: &List, authority: &CertificateDer<'_>) -> bool {
    let Some(certificate) = Certificate::parse(authority) else {
        return false;
    };
    certificate.subject_der().as_deref() == Some(&list.issuer)
        && signed_by(&certificate, &list.algorithm_der, &list.signed, &list.signature)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::made;

    fn lists(der: &[u8]) -> Result<Option<Revocations>, String> {
        let authorities = Authorities::of(vec![CertificateDer::from(made::AUTHORITY)])?;
        Revocations::new(&[CertificateRevocationListDer::from(der.to_vec())], &authorities)
    }

    #[test]
    fn what_a_list_of_the_first_version_revokes_is_refused() {
        let list = List::parse(made::LIST).unwrap();
        assert_eq!((list.version, list.revoked.len()), (1, 1));
        let revocations = lists(made::LIST).unwrap().unwrap();
        let check = |der: &'static [u8]| revocations.check(&CertificateDer::from(der), &[], made::now());
        assert_eq!(check(made::OLD), Ok(()));
        assert_eq!(check(made::REVOKED), Err((REVOKED, 0)));
        // The authority is in its own list's reach.
        let root = [CertificateDer::from(made::AUTHORITY)];
        assert_eq!(
            revocations.check(&CertificateDer::from(made::OLD), &root, made::now()),
            Ok(())
        );
        let late = made::now() + std::time::Duration::from_secs(1 << 31);
        assert_eq!(
            revocations.check(&CertificateDer::from(made::OLD), &[], late),
            Err((LIST_EXPIRED, 0))
        );
    }

    #[test]
    fn nobody_knows_without_the_list_of_the_issuer() {
        let revocations = lists(made::LIST).unwrap().unwrap();
        let other = crate::testing::identity("other", &["a.test"], crate::testing::Kind::Ec);
        let leaf = CertificateDer::from(other.certificate().to_vec());
        assert_eq!(revocations.check(&leaf, &[], made::now()), Err((NO_LIST, 0)));
    }

    #[test]
    fn a_forged_list_counts_for_nothing() {
        let mut forged = made::LIST.to_vec();
        *forged.last_mut().unwrap() ^= 1;
        let revocations = lists(&forged).unwrap().unwrap();
        let leaf = CertificateDer::from(made::OLD);
        assert_eq!(
            revocations.check(&leaf, &[], made::now()),
            Err((BAD_SIGNATURE, 0))
        );
        assert!(lists(b"nonsense").unwrap_err().contains("broken"));
    }
}
