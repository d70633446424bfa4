//! What encrypted tokens may be encrypted with (RFC 7518, sections 4.1 and 5.1), and which of it is allowed.

use arc_swap::ArcSwap;
use std::sync::LazyLock;

/// How the key of a token's content comes with the token: its `alg`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Management {
    /// It doesn't: both sides have it.
    Direct,
    /// Wrapped with AES by a key of so many bits.
    Wrapped(usize),
    /// Encrypted with AES-GCM by a key of so many bits.
    GcmWrapped(usize),
    /// Encrypted with RSA.
    Rsa(Padding),
    /// Agreed upon with ECDH-ES; it is the key itself, or one of so many bits that wraps it.
    Agreed(Option<usize>),
}

/// What fills up a message that RSA encrypts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Padding {
    Pkcs1,
    OaepSha1,
    OaepSha256,
}

/// What the content is encrypted with: its `enc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    /// AES-GCM with a key of so many bits.
    Gcm(usize),
    /// AES-CBC with HMAC, which have keys of so many bits together.
    Cbc(usize),
}

impl Encryption {
    pub(super) fn key_bytes(self) -> usize {
        match self {
            Encryption::Gcm(bits) | Encryption::Cbc(bits) => bits / 8,
        }
    }
}

const RSA1_5: &str = "RSA1_5";

const ALGORITHMS: [(&str, Management); 14] = [
    ("dir", Management::Direct),
    ("A128KW", Management::Wrapped(128)),
    ("A192KW", Management::Wrapped(192)),
    ("A256KW", Management::Wrapped(256)),
    ("A128GCMKW", Management::GcmWrapped(128)),
    ("A192GCMKW", Management::GcmWrapped(192)),
    ("A256GCMKW", Management::GcmWrapped(256)),
    (RSA1_5, Management::Rsa(Padding::Pkcs1)),
    ("RSA-OAEP", Management::Rsa(Padding::OaepSha1)),
    ("RSA-OAEP-256", Management::Rsa(Padding::OaepSha256)),
    ("ECDH-ES", Management::Agreed(None)),
    ("ECDH-ES+A128KW", Management::Agreed(Some(128))),
    ("ECDH-ES+A192KW", Management::Agreed(Some(192))),
    ("ECDH-ES+A256KW", Management::Agreed(Some(256))),
];

const ENCRYPTIONS: [(&str, Encryption); 6] = [
    ("A128GCM", Encryption::Gcm(128)),
    ("A192GCM", Encryption::Gcm(192)),
    ("A256GCM", Encryption::Gcm(256)),
    ("A128CBC-HS256", Encryption::Cbc(256)),
    ("A192CBC-HS384", Encryption::Cbc(384)),
    ("A256CBC-HS512", Encryption::Cbc(512)),
];

/// The algorithms that encrypted tokens may have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenAlgorithms {
    algorithms: Vec<&'static str>,
    encryptions: Vec<&'static str>,
}

impl Default for TokenAlgorithms {
    /// All but RSA1_5, which RFC 8725 (section 3.2) warns of.
    fn default() -> TokenAlgorithms {
        let all = ALGORITHMS.iter().map(|(name, _)| *name);
        TokenAlgorithms {
            algorithms: all.filter(|name| *name != RSA1_5).collect(),
            encryptions: ENCRYPTIONS.iter().map(|(name, _)| *name).collect(),
        }
    }
}

impl TokenAlgorithms {
    /// Takes those of a list with colons, in which `ALL` stands for all and `!` before one leaves it out:
    /// `jwt.decrypt_alg_list`.
    ///
    /// # Errors
    /// A name that is no algorithm, or a list that leaves none.
    pub fn allow_algorithms(&mut self, list: &str) -> Result<(), String> {
        self.algorithms = chosen(list, &ALGORITHMS.map(|(name, _)| name))?;
        Ok(())
    }

    /// The same for what contents are encrypted with: `jwt.decrypt_enc_list`.
    ///
    /// # Errors
    /// As [`TokenAlgorithms::allow_algorithms`].
    pub fn allow_encryptions(&mut self, list: &str) -> Result<(), String> {
        self.encryptions = chosen(list, &ENCRYPTIONS.map(|(name, _)| name))?;
        Ok(())
    }

    /// Lets these be the ones of the process.
    pub fn apply(self) {
        ALLOWED.store(self.into());
    }

    pub(super) fn management(&self, name: &[u8]) -> Option<Management> {
        find(name, &self.algorithms, &ALGORITHMS)
    }

    pub(super) fn encryption(&self, name: &[u8]) -> Option<Encryption> {
        find(name, &self.encryptions, &ENCRYPTIONS)
    }
}

static ALLOWED: LazyLock<ArcSwap<TokenAlgorithms>> = LazyLock::new(ArcSwap::default);

/// Those that the process allows.
pub(super) fn allowed() -> arc_swap::Guard<std::sync::Arc<TokenAlgorithms>> {
    ALLOWED.load()
}

fn find<T: Copy>(name: &[u8], allowed: &[&str], all: &[(&'static str, T)]) -> Option<T> {
    let (name, found) = all.iter().find(|(known, _)| known.as_bytes() == name)?;
    allowed.contains(name).then_some(*found)
}

fn chosen(list: &str, all: &[&'static str]) -> Result<Vec<&'static str>, String> {
    let mut chosen: Vec<&'static str> = Vec::new();
    for word in list.split(':') {
        let (banned, name) = match word.strip_prefix('!') {
            Some(name) => (true, name),
            None => (false, word),
        };
        let known = all.iter().find(|known| **known == name);
        match (known, banned) {
            (None, false) if name == "ALL" => chosen = all.to_vec(),
            (None, _) => {
                let names = all.join("`, `");
                return Err(format!("`{name}` is none of `ALL`, `{names}`"));
            }
            (Some(name), true) => chosen.retain(|known| known != name),
            (Some(name), false) if !chosen.contains(name) => chosen.push(*name),
            (Some(_), false) => {}
        }
    }
    match chosen.is_empty() {
        true => Err("this list allows nothing: it has neither `ALL` nor a name without `!`".to_owned()),
        false => Ok(chosen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_choose_and_leave_out() {
        let mut allowed = TokenAlgorithms::default();
        assert_eq!(allowed.management(b"RSA1_5"), None);
        assert_eq!(
            allowed.management(b"RSA-OAEP"),
            Some(Management::Rsa(Padding::OaepSha1))
        );
        allowed.allow_algorithms("ALL:!ECDH-ES").unwrap();
        assert_eq!(allowed.management(b"ECDH-ES"), None);
        assert_eq!(
            allowed.management(b"ECDH-ES+A192KW"),
            Some(Management::Agreed(Some(192)))
        );
        assert_eq!(
            allowed.management(b"RSA1_5"),
            Some(Management::Rsa(Padding::Pkcs1))
        );
        allowed.allow_algorithms("RSA1_5:dir").unwrap();
        assert_eq!(allowed.algorithms, ["RSA1_5", "dir"]);
        allowed.allow_encryptions("A128GCM:A256GCM:!A128GCM").unwrap();
        assert_eq!(allowed.encryptions, ["A256GCM"]);
        assert_eq!(allowed.encryption(b"A128GCM"), None);
    }

    #[test]
    fn lists_that_can_not_be() {
        let mut allowed = TokenAlgorithms::default();
        let fault = allowed.allow_algorithms("ALL:A128GCM").unwrap_err();
        assert!(
            fault.contains("`A128GCM` is none of `ALL`, `dir`, `A128KW`"),
            "{fault}"
        );
        assert!(
            allowed
                .allow_encryptions("dir")
                .unwrap_err()
                .contains("`A128GCM`")
        );
        for list in ["!dir", "dir:!dir"] {
            assert!(
                allowed
                    .allow_algorithms(list)
                    .unwrap_err()
                    .contains("allows nothing"),
                "{list}"
            );
        }
        assert!(allowed.allow_algorithms("").is_err());
        assert_eq!(allowed, TokenAlgorithms::default());
    }
}
