//! Heads of messages and what follows their bodies: out of fields, and as fields.

mod length;
mod request;
mod response;
mod trailers;
mod write;

use tidegate_sample::head::{FieldName, names};

use crate::hpack::{Field, Name, Pseudo, is_without_controls};
use crate::settings::Settings;

pub use request::Request;
pub(crate) use request::RequestReader;
pub(crate) use response::ResponseReader;
pub(crate) use trailers::TrailersReader;
pub use write::Outgoing;
pub(crate) use write::{request, response, trailers};

/// What makes a message none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The value of a field as others see it: without blanks around it.
///
/// # Errors
/// It has what no message can hold.
fn value_of<'f>(field: &Field<'f>) -> Result<&'f [u8], Malformed> {
    if field.is_fit {
        return Ok(field.value);
    }
    let value = field.value.trim_ascii();
    is_without_controls(value).then_some(value).ok_or(Malformed)
}

/// Whether a field concerns one connection of HTTP/1, and has no place in a message of HTTP/2.
fn is_of_http1(name: FieldName<'_>) -> bool {
    name == names::CONNECTION
        || name == names::TRANSFER_ENCODING
        || name == names::UPGRADE
        || name == names::KEEP_ALIVE
        || name == names::PROXY_CONNECTION
}

/// What is left of what a head may have.
struct Room {
    bytes: usize,
    fields: usize,
    /// The cookies have been counted.
    cookies: bool,
}

/// There was less room than a head needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Excess {
    Bytes,
    Fields,
}

impl Room {
    fn of(settings: &Settings) -> Room {
        Room {
            bytes: settings.head_bytes_max as usize,
            fields: settings.fields_max,
            cookies: false,
        }
    }

    fn take(&mut self, field: &Field<'_>) -> Result<(), Excess> {
        self.bytes = self.bytes.checked_sub(field.size()).ok_or(Excess::Bytes)?;
        let counts = match field.name {
            // They make the first line.
            Name::Pseudo(pseudo) => pseudo == Pseudo::Authority,
            // All of their crumbs are one field.
            Name::Field(name) if name == names::COOKIE => !std::mem::replace(&mut self.cookies, true),
            _ => true,
        };
        self.fields = self.fields.checked_sub(counts.into()).ok_or(Excess::Fields)?;
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::hpack::Then;

    /// A block that has these fields, written without regard to what fields may be.
    pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
        let mut block = Vec::new();
        for (name, value) in fields {
            block.push(0);
            for text in [name, value] {
                match text.len().checked_sub(127) {
                    None => block.push(text.len() as u8),
                    Some(mut rest) => {
                        block.push(127);
                        while rest >= 128 {
                            block.push((rest % 128) as u8 | 128);
                            rest /= 128;
                        }
                        block.push(rest as u8);
                    }
                }
                block.extend_from_slice(text.as_bytes());
            }
        }
        block
    }

    /// Has fields read.
    pub(crate) fn each(fields: &[(&str, &str)], mut take: impl FnMut(&Field<'_>)) {
        let mut decoder = crate::hpack::Decoder::new(4096);
        let taken = decoder.decode(&block(fields), &mut Vec::new(), |field| {
            take(&field);
            Then::Forget
        });
        taken.unwrap();
    }

    #[test]
    fn values_lose_the_blanks_around_them_and_have_no_control_characters() {
        for byte in 0..=255_u8 {
            assert_eq!(
                is_without_controls(&[byte]),
                http::HeaderValue::from_bytes(&[byte]).is_ok(),
                "{byte}"
            );
        }
        each(&[("a", " \tb c\t"), ("d", "e"), ("f", "")], |field| {
            assert!([&b"b c"[..], b"e", b""].contains(&value_of(field).unwrap()));
        });
        each(&[("a", "b\0")], |field| assert!(value_of(field).is_err()));
    }
}
