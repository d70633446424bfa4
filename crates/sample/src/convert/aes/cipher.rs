//! AES in the modes that there are converters for. The length of a key chooses between AES-128, AES-192 and AES-256.

use aes::{Aes128, Aes192, Aes256};
use aes_gcm::AesGcm;
use aes_gcm::aead::consts::{U8, U12, U16};
use aes_gcm::aead::generic_array::GenericArray;
use aes_gcm::aead::{AeadInPlace, KeyInit};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit};

pub(in crate::convert) const BLOCK_BYTES: usize = 16;
pub(in crate::convert) const TAG_BYTES: usize = 16;
pub(in crate::convert) const NONCE_BYTES: &[usize] = &[12, 8, 16];

/// Calls a generic function for the cipher that a key and nonce are for.
macro_rules! gcm {
    ($function:ident, $key:ident, $nonce:ident, $($argument:expr),*) => {
        match ($key.len(), $nonce.len()) {
            (16, 8) => $function::<AesGcm<Aes128, U8>>($key, $nonce, $($argument),*),
            (16, 12) => $function::<AesGcm<Aes128, U12>>($key, $nonce, $($argument),*),
            (16, 16) => $function::<AesGcm<Aes128, U16>>($key, $nonce, $($argument),*),
            (24, 8) => $function::<AesGcm<Aes192, U8>>($key, $nonce, $($argument),*),
            (24, 12) => $function::<AesGcm<Aes192, U12>>($key, $nonce, $($argument),*),
            (24, 16) => $function::<AesGcm<Aes192, U16>>($key, $nonce, $($argument),*),
            (32, 8) => $function::<AesGcm<Aes256, U8>>($key, $nonce, $($argument),*),
            (32, 12) => $function::<AesGcm<Aes256, U12>>($key, $nonce, $($argument),*),
            (32, 16) => $function::<AesGcm<Aes256, U16>>($key, $nonce, $($argument),*),
            _ => None,
        }
    };
}

/// The encrypted bytes and their tag; none for a key or nonce of another length.
pub(in crate::convert) fn gcm_encrypt(
    key: &[u8],
    nonce: &[u8],
    aad: &[u8],
    data: &[u8],
) -> Option<(Vec<u8>, Vec<u8>)> {
    gcm!(seal, key, nonce, aad, data)
}

/// The decrypted bytes; none if they, or the additional data, are not those that the tag is for.
pub(in crate::convert) fn gcm_decrypt(
    key: &[u8],
    nonce: &[u8],
    aad: &[u8],
    tag: &[u8],
    data: &[u8],
) -> Option<Vec<u8>> {
    gcm!(open, key, nonce, aad, tag, data)
}

fn seal<C: AeadInPlace + KeyInit>(
    key: &[u8],
    nonce: &[u8],
    aad: &[u8],
    data: &[u8],
) -> Option<(Vec<u8>, Vec<u8>)> {
    let nonce = GenericArray::from_exact_iter(nonce.iter().copied())?;
    let mut bytes = data.to_vec();
    let cipher = C::new_from_slice(key).ok()?;
    let tag = cipher.encrypt_in_place_detached(&nonce, aad, &mut bytes).ok()?;
    Some((bytes, tag.to_vec()))
}

fn open<C: AeadInPlace + KeyInit>(
    key: &[u8],
    nonce: &[u8],
    aad: &[u8],
    tag: &[u8],
    data: &[u8],
) -> Option<Vec<u8>> {
    let nonce = GenericArray::from_exact_iter(nonce.iter().copied())?;
    let tag = GenericArray::from_exact_iter(tag.iter().copied())?;
    let mut bytes = data.to_vec();
    let cipher = C::new_from_slice(key).ok()?;
    cipher
        .decrypt_in_place_detached(&nonce, aad, &mut bytes, &tag)
        .ok()?;
    Some(bytes)
}

/// The bytes encrypted, filled up to whole blocks as PKCS#7 has it.
pub(in crate::convert) fn cbc_encrypt(key: &[u8], iv: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    fn run<C: KeyIvInit + BlockEncryptMut>(key: &[u8], iv: &[u8], data: &[u8]) -> Option<Vec<u8>> {
        Some(
            C::new_from_slices(key, iv)
                .ok()?
                .encrypt_padded_vec_mut::<Pkcs7>(data),
        )
    }
    match key.len() {
        16 => run::<cbc::Encryptor<Aes128>>(key, iv, data),
        24 => run::<cbc::Encryptor<Aes192>>(key, iv, data),
        32 => run::<cbc::Encryptor<Aes256>>(key, iv, data),
        _ => None,
    }
}

/// The bytes decrypted; none if what fills them up is wrong.
pub(in crate::convert) fn cbc_decrypt(key: &[u8], iv: &[u8], data: &[u8]) -> Option<Vec<u8>> {
    fn run<C: KeyIvInit + BlockDecryptMut>(key: &[u8], iv: &[u8], data: &[u8]) -> Option<Vec<u8>> {
        C::new_from_slices(key, iv)
            .ok()?
            .decrypt_padded_vec_mut::<Pkcs7>(data)
            .ok()
    }
    match key.len() {
        16 => run::<cbc::Decryptor<Aes128>>(key, iv, data),
        24 => run::<cbc::Decryptor<Aes192>>(key, iv, data),
        32 => run::<cbc::Decryptor<Aes256>>(key, iv, data),
        _ => None,
    }
}

/// The key that was wrapped with another one (RFC 3394).
pub(in crate::convert) fn unwrap_key(key: &[u8], wrapped: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = vec![0; wrapped.len().checked_sub(8)?];
    match key.len() {
        16 => aes_kw::KekAes128::try_from(key).ok()?.unwrap(wrapped, &mut bytes),
        24 => aes_kw::KekAes192::try_from(key).ok()?.unwrap(wrapped, &mut bytes),
        32 => aes_kw::KekAes256::try_from(key).ok()?.unwrap(wrapped, &mut bytes),
        _ => return None,
    }
    .ok()?;
    Some(bytes)
}
