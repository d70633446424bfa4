//! Hashes of passwords in the notation of crypt(3).

use super::md5_crypt::md5_crypt;
use super::same;
use base64::Engine;
use base64::alphabet::BCRYPT;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use sha_crypt::{Sha256Params, Sha512Params, sha256_crypt_b64, sha512_crypt_b64};

/// Longer passwords are nobody's: crypt(3) takes no more, and some algorithms take time by the square of the length.
const PASSWORD_BYTES_MAX: usize = 511;
/// What bcrypt reads of a password, with the zero byte at its end.
const BCRYPT_BYTES_MAX: usize = 72;

/// A hash, and what it was made with.
#[derive(Debug)]
pub struct Hash {
    algorithm: Algorithm,
    /// What the algorithm has to give.
    hash: Box<[u8]>,
}

#[derive(Debug)]
enum Algorithm {
    Md5 { salt: Box<[u8]> },
    Sha256 { salt: Box<[u8]>, rounds: Sha256Params },
    Sha512 { salt: Box<[u8]>, rounds: Sha512Params },
    Bcrypt { salt: [u8; 16], cost: u32 },
}

impl Hash {
    /// Reads a hash: `$1$` (MD5), `$5$` (SHA-256), `$6$` (SHA-512), or `$2a$`, `$2b$` and `$2y$` (bcrypt).
    ///
    /// # Errors
    /// The text is no hash of one of these kinds, in words for who wrote it.
    pub fn parse(text: &str) -> Result<Hash, String> {
        let mut parts = text.split('$');
        let (Some(""), Some(kind)) = (parts.next(), parts.next()) else {
            return Err("a hash begins with `$` and the number of its algorithm".to_string());
        };
        let rest: Vec<&str> = parts.collect();
        let malformed = |what: &str| format!("this is no hash of {what}");
        match kind {
            "1" => match rest[..] {
                [salt, hash] if salt.len() <= 8 && hash.len() == 22 => Ok(Hash {
                    algorithm: Algorithm::Md5 {
                        salt: salt.as_bytes().into(),
                    },
                    hash: hash.as_bytes().into(),
                }),
                _ => Err(malformed("MD5, as `$1$<salt>$<22 characters>`")),
            },
            "5" => {
                let what = "SHA-256, as `$5$[rounds=<n>$]<salt>$<43 characters>`";
                let (salt, rounds, hash) = sha(&rest, 43).ok_or_else(|| malformed(what))?;
                let rounds = Sha256Params::new(rounds).map_err(|_| rounds_range())?;
                Ok(Hash {
                    algorithm: Algorithm::Sha256 { salt, rounds },
                    hash,
                })
            }
            "6" => {
                let what = "SHA-512, as `$6$[rounds=<n>$]<salt>$<86 characters>`";
                let (salt, rounds, hash) = sha(&rest, 86).ok_or_else(|| malformed(what))?;
                let rounds = Sha512Params::new(rounds).map_err(|_| rounds_range())?;
                Ok(Hash {
                    algorithm: Algorithm::Sha512 { salt, rounds },
                    hash,
                })
            }
            "2a" | "2b" | "2y" => {
                bcrypt(&rest).ok_or_else(|| malformed("bcrypt, as `$2y$<cost>$<53 characters>`"))
            }
            _ => Err(format!(
                "hashes of the kind `${kind}$` are not supported; those of `$1$`, `$2a$`, `$2b$`, `$2y$`, `$5$` and `$6$` are"
            )),
        }
    }

    /// Hashes a password, which takes long, and tells whether this is what it gives.
    pub(super) fn is_of(&self, password: &[u8]) -> bool {
        // A zero byte would end the password for crypt(3), which would take the part before it for all of it.
        if password.len() > PASSWORD_BYTES_MAX || password.contains(&0) {
            return false;
        }
        let text = match &self.algorithm {
            Algorithm::Md5 { salt } => Some(md5_crypt(password, salt)),
            Algorithm::Sha256 { salt, rounds } => sha256_crypt_b64(password, salt, rounds).ok(),
            Algorithm::Sha512 { salt, rounds } => sha512_crypt_b64(password, salt, rounds).ok(),
            Algorithm::Bcrypt { salt, cost } => {
                let mut password = [password, &[0]].concat();
                password.truncate(BCRYPT_BYTES_MAX);
                let hash = bcrypt::bcrypt(*cost, *salt, &password);
                return hash
                    .get(..self.hash.len())
                    .is_some_and(|hash| same(hash, &self.hash));
            }
        };
        text.is_some_and(|text| same(text.as_bytes(), &self.hash))
    }
}

fn rounds_range() -> String {
    "the number of rounds is between 1000 and 999999999".to_string()
}

/// Salt, rounds and hash.
type Sha = (Box<[u8]>, usize, Box<[u8]>);

/// What stands after `$5$` or `$6$`.
fn sha(parts: &[&str], length: usize) -> Option<Sha> {
    let (rounds, salt, hash) = match parts {
        [rounds, salt, hash] => (rounds.strip_prefix("rounds=")?.parse().ok()?, salt, hash),
        [salt, hash] => (sha_crypt::ROUNDS_DEFAULT, salt, hash),
        _ => return None,
    };
    (hash.len() == length).then(|| (salt.as_bytes().into(), rounds, hash.as_bytes().into()))
}

/// Cost, salt and hash after `$2y$`.
fn bcrypt(parts: &[&str]) -> Option<Hash> {
    let [cost, text] = parts else { return None };
    let cost = cost.parse().ok().filter(|cost| cost_is_possible(*cost))?;
    let (salt, hash) = text.split_at_checked(22).filter(|(_, hash)| hash.len() == 31)?;
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(base64::engine::DecodePaddingMode::RequireNone)
        .with_decode_allow_trailing_bits(true);
    let base64 = GeneralPurpose::new(&BCRYPT, config);
    let salt = base64.decode(salt).ok()?.try_into().ok()?;
    let hash = base64.decode(hash).ok()?.into();
    Some(Hash {
        algorithm: Algorithm::Bcrypt { salt, cost },
        hash,
    })
}

fn cost_is_possible(cost: u32) -> bool {
    (4..=31).contains(&cost)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the C library's crypt(3) gives.
    const KNOWN: &[(&str, &str)] = &[
        ("secret", "$1$saltsalt$9xy1btjgzLYfb7hivXtC//"),
        ("secret", "$1$abc$iCQ2D3nhptRYi27fDYv2s1"),
        ("", "$1$abcdefgh$M55TzYaaccxVGbptZWaxX/"),
        (
            "a much longer password than sixteen",
            "$1$abcdefgh$pNtzgD73cLx/23VZhZirk1",
        ),
        ("secret", "$5$salt$kpa26zwgX83BPSR8d7w93OIXbFt/d3UOTZaAu5vsTM6"),
        (
            "secret",
            "$5$rounds=1000$salt$CCvcOM6b7TEJDPb37Aec/9UpOg4QhPNAxPpL9ZzjTB7",
        ),
        (
            "secret",
            "$6$rounds=1500$saltstring$DYxiAL6pInuC7cpDDp11RE5qrxBKUMMhSn7rQ/Z0PgTvsMrU91oDKLoqizIkTXzEv8kos5UNom790rtM3JKYd.",
        ),
        (
            "secret",
            "$6$saltstring$AIsRs/Ee56G/tC8MEHhvReZTfx8u3rXXMl6eYrjCG9ibix19DxoMBLogdTET5Ukw9Sf7eZTITsuk0Ry5qulYz.",
        ),
        (
            "secret",
            "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",
        ),
        (
            "secret",
            "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW",
        ),
        ("", "$2b$04$abcdefghijklmnopqrstuubyCG3zY1GIXMyxfivm.ClDiInHzxjiq"),
    ];

    #[test]
    fn passwords_give_the_hashes_that_crypt_gives() {
        for (password, text) in KNOWN {
            let hash = Hash::parse(text).unwrap();
            assert!(hash.is_of(password.as_bytes()), "{password} {text}");
            for wrong in ["Secret", "secret ", "secret\0", "a much longer password"] {
                assert!(!hash.is_of(wrong.as_bytes()), "{wrong} {text}");
            }
        }
        let long = "x".repeat(100);
        let bcrypt = Hash::parse("$2b$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i").unwrap();
        assert!(bcrypt.is_of(long.as_bytes()));
        let sha = Hash::parse("$5$rounds=1000$ab$RD4BtpNm3tYg8yJ7AibiW4RMqbCR5CFNTJ3N1bTxBz.").unwrap();
        assert!(sha.is_of("x".repeat(511).as_bytes()) && !sha.is_of("x".repeat(512).as_bytes()));
    }

    #[test]
    fn what_is_no_hash_is_told() {
        for (text, part) in [
            ("secret", "begins with `$`"),
            ("", "begins with `$`"),
            ("$9$salt$hash", "of the kind `$9$`"),
            ("$y$j9T$abc$def", "of the kind `$y$`"),
            ("$1$toolongsalt$9xy1btjgzLYfb7hivXtC//", "no hash of MD5"),
            ("$5$salt$short", "no hash of SHA-256"),
            ("$6$salt$short", "no hash of SHA-512"),
            (
                "$5$rounds=x$salt$kpa26zwgX83BPSR8d7w93OIXbFt/d3UOTZaAu5vsTM6",
                "no hash of SHA-256",
            ),
            (
                "$5$rounds=10$salt$kpa26zwgX83BPSR8d7w93OIXbFt/d3UOTZaAu5vsTM6",
                "between 1000",
            ),
            (
                "$2y$99$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a",
                "no hash of bcrypt",
            ),
            ("$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/", "no hash of bcrypt"),
        ] {
            let error = Hash::parse(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
