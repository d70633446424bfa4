//! The PROXY protocol: the header with which a proxy tells whom it speaks for. NetScaler's tells the same.
//!
//! Reading and writing are functions of bytes; who has a socket calls them.

mod netscaler;
mod read;
mod receive;
mod write;

pub(crate) use read::Header;
pub(crate) use receive::{Fault, Form, receive};
pub(crate) use write::{About, AboutSsl, local2, version1, version2};

/// What version 2 begins with.
const SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// The types of what version 2 tells beside the addresses.
mod kind {
    pub(super) const ALPN: u8 = 0x01;
    pub(super) const AUTHORITY: u8 = 0x02;
    pub(super) const CRC32C: u8 = 0x03;
    pub(super) const UNIQUE_ID: u8 = 0x05;
    pub(super) const SSL: u8 = 0x20;
    pub(super) const SSL_VERSION: u8 = 0x21;
    pub(super) const SSL_CN: u8 = 0x22;
    pub(super) const SSL_CIPHER: u8 = 0x23;
    pub(super) const SSL_SIG_ALG: u8 = 0x24;
    pub(super) const SSL_KEY_ALG: u8 = 0x25;
}
