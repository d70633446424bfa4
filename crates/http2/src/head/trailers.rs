//! Trailers as they come.

use http::{HeaderMap, HeaderName, HeaderValue};
use tidegate_sample::head::names;

use super::{Malformed, Room, is_of_http1, value_of};
use crate::hpack::{Field, Name};
use crate::settings::Settings;

/// Takes in trailers.
pub(crate) struct TrailersReader {
    room: Room,
    trailers: HeaderMap,
    malformed: bool,
}

impl TrailersReader {
    pub(crate) fn new(settings: &Settings) -> TrailersReader {
        TrailersReader {
            room: Room::of(settings),
            trailers: HeaderMap::new(),
            malformed: false,
        }
    }

    pub(crate) fn take(&mut self, field: &Field<'_>) {
        if !self.malformed {
            self.malformed = self.room.take(field).is_err() || self.try_take(field).is_err();
        }
    }

    fn try_take(&mut self, field: &Field<'_>) -> Result<(), Malformed> {
        let Name::Field(name) = field.name else {
            return Err(Malformed);
        };
        if is_of_http1(name) {
            return Err(Malformed);
        }
        // What concerns the next connection alone, and is none's after a message.
        if name == names::TE || name == names::TRAILER {
            return Ok(());
        }
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| Malformed)?;
        let value = HeaderValue::from_bytes(value_of(field)?).map_err(|_| Malformed)?;
        self.trailers.append(name, value);
        Ok(())
    }

    /// All of them.
    ///
    /// # Errors
    /// There was something among them that has no place there.
    pub(crate) fn finish(self) -> Result<HeaderMap, Malformed> {
        match self.malformed {
            true => Err(Malformed),
            false => Ok(self.trailers),
        }
    }
}
