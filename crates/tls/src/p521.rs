//! The exchange of keys on the curve P-521, which rustls has no group for, though what computes for it does.

use aws_lc_rs::agreement::{ECDH_P521, EphemeralPrivateKey, PublicKey, UnparsedPublicKey, agree_ephemeral};
use aws_lc_rs::rand::SystemRandom;
use rustls::crypto::{ActiveKeyExchange, GetRandomFailed, SharedSecret, SupportedKxGroup};
use rustls::{Error, NamedGroup, PeerMisbehaved};

/// The group secp521r1.
pub(crate) static SECP521R1: &dyn SupportedKxGroup = &P521;

/// What a point that is not compressed begins with; TLS has no others.
const UNCOMPRESSED: u8 = 4;

#[derive(Debug)]
struct P521;

impl SupportedKxGroup for P521 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let private = EphemeralPrivateKey::generate(&ECDH_P521, &SystemRandom::new());
        let private = private.map_err(|_| GetRandomFailed)?;
        let public = private.compute_public_key().map_err(|_| GetRandomFailed)?;
        Ok(Box::new(Exchange { private, public }))
    }

    fn name(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

/// An exchange that waits for the other's half.
struct Exchange {
    private: EphemeralPrivateKey,
    public: PublicKey,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let misbehaved = || Error::from(PeerMisbehaved::InvalidKeyShare);
        if peer.first() != Some(&UNCOMPRESSED) {
            return Err(misbehaved());
        }
        let peer = UnparsedPublicKey::new(&ECDH_P521, peer);
        agree_ephemeral(self.private, peer, misbehaved(), |secret| {
            Ok(SharedSecret::from(secret))
        })
    }

    fn pub_key(&self) -> &[u8] {
        self.public.as_ref()
    }

    fn group(&self) -> NamedGroup {
        NamedGroup::secp521r1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_come_to_the_same_secret() {
        let (one, other) = (SECP521R1.start().unwrap(), SECP521R1.start().unwrap());
        let (of_one, of_other) = (one.pub_key().to_vec(), other.pub_key().to_vec());
        assert_eq!(of_one.len(), 133);
        assert_ne!(of_one, of_other);
        let secret = one.complete(&of_other).unwrap();
        assert_eq!(
            secret.secret_bytes(),
            other.complete(&of_one).unwrap().secret_bytes()
        );
        assert_eq!(secret.secret_bytes().len(), 66);
    }

    #[test]
    fn what_is_no_point_is_refused() {
        let mut off_the_curve = SECP521R1.start().unwrap().pub_key().to_vec();
        *off_the_curve.last_mut().unwrap() ^= 1;
        let compressed = [&[2], &off_the_curve[1..67]].concat();
        for peer in [&off_the_curve[..], &compressed, &[4], &[]] {
            let error = SECP521R1.start().unwrap().complete(peer).err();
            assert_eq!(error, Some(PeerMisbehaved::InvalidKeyShare.into()), "{peer:?}");
        }
    }
}
