//! Responses as they come.

use http::{StatusCode, Version};
use tidegate_sample::head::names::CONTENT_LENGTH;
use tidegate_sample::head::{Headers, response};

use super::length::Declared;
use super::{Malformed, Room, is_of_http1, value_of};
use crate::hpack::{Field, Name, Pseudo};
use crate::settings::Settings;

/// What most heads have, so that it is asked for once.
const HEAD_BYTES: usize = 256;

/// A response, without its body.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) head: response::Parts,
    /// The length that it declares for its body.
    pub(crate) length: Option<u64>,
}

/// Takes in the fields of a response.
pub(crate) struct ResponseReader {
    room: Room,
    status: Option<StatusCode>,
    headers: Headers,
    declared: Declared,
    in_fields: bool,
    malformed: bool,
}

impl ResponseReader {
    pub(crate) fn new(settings: &Settings) -> ResponseReader {
        ResponseReader {
            room: Room::of(settings),
            status: None,
            headers: Headers::with_room(HEAD_BYTES),
            declared: Declared::default(),
            in_fields: false,
            malformed: false,
        }
    }

    pub(crate) fn take(&mut self, field: &Field<'_>) {
        if !self.malformed {
            self.malformed = self.room.take(field).is_err() || self.try_take(field).is_err();
        }
    }

    fn try_take(&mut self, field: &Field<'_>) -> Result<(), Malformed> {
        let name = match field.name {
            Name::Field(name) => name,
            Name::Pseudo(Pseudo::Status) if self.status.is_none() && !self.in_fields => {
                self.status = Some(StatusCode::from_bytes(field.value).map_err(|_| Malformed)?);
                return Ok(());
            }
            Name::Pseudo(_) | Name::Invalid(_) => return Err(Malformed),
        };
        self.in_fields = true;
        let mut value = value_of(field)?;
        if is_of_http1(name) {
            return Err(Malformed);
        } else if name == CONTENT_LENGTH {
            match self.declared.take_in(value)? {
                Some(length) => value = length,
                None => return Ok(()),
            }
        }
        self.headers.found(name, value);
        Ok(())
    }

    /// The response that all of these fields are.
    ///
    /// # Errors
    /// They are none.
    pub(crate) fn finish(self) -> Result<Response, Malformed> {
        let status = self.status.filter(|_| !self.malformed).ok_or(Malformed)?;
        // HTTP/2 switches no protocols.
        if status == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Malformed);
        }
        let head = response::Parts {
            status,
            reason: None,
            version: Version::HTTP_2,
            headers: self.headers,
        };
        Ok(Response {
            head,
            length: self.declared.length,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fields: &[(&str, &str)]) -> Result<Response, Malformed> {
        let mut reader = ResponseReader::new(&Settings::default());
        super::super::tests::each(fields, |field| reader.take(field));
        reader.finish()
    }

    #[test]
    fn a_response_has_a_status_and_fields_in_their_order() {
        let got = read(&[
            (":status", "404"),
            ("b", "1"),
            ("a", "2"),
            ("content-length", "3"),
        ])
        .unwrap();
        assert_eq!((got.head.status.as_u16(), got.length), (404, Some(3)));
        let names: Vec<_> = got.head.headers.names().map(|name| name.to_string()).collect();
        assert_eq!(names, ["b", "a", "content-length"]);
    }

    #[test]
    fn what_is_no_response_is_refused() {
        for fields in [
            &[][..],
            &[("a", "b")],
            &[(":status", "20")],
            &[(":status", "101")],
            &[(":status", "200"), (":status", "200")],
            &[(":status", "200"), (":path", "/")],
            &[("a", "b"), (":status", "200")],
            &[(":status", "200"), ("connection", "close")],
            &[(":status", "200"), ("A", "b")],
            &[
                (":status", "200"),
                ("content-length", "1"),
                ("content-length", "2"),
            ],
        ] {
            assert!(read(fields).is_err(), "{fields:?}");
        }
    }
}
