//! Writes fields with their flags and in the style of the whole.

use super::Style;
use super::encode::Encoding;
use crate::cast;
use crate::data::Data;
use crate::date;
use crate::value::Value;
use std::net::IpAddr;
use std::time::SystemTime;

/// The flags of a field: `%{+Q,-E}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flags {
    /// `Q`: text is put in quotes.
    pub(super) quote: bool,
    /// `E`: quotes, backslashes and closing brackets get a backslash.
    pub(super) escape: bool,
    /// `X`: addresses and some numbers are hexadecimal.
    pub(super) hex: bool,
    /// `M`: an absent value is a dash.
    pub(super) mandatory: bool,
    /// `json` or `cbor`.
    pub(super) encoding: Option<Encoding>,
}

/// What a field turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing was written, or an absent value.
    Nothing,
    Text,
    Number,
}

pub(super) struct Out<'a> {
    into: &'a mut Vec<u8>,
    style: Style,
    flags: Flags,
    /// A log line ends in a space so far, or is empty.
    after_space: bool,
    /// Nothing is replaced or put in quotes: an encoding does that.
    raw: bool,
    kind: Kind,
    /// What of the request's text may still be written.
    left: usize,
}

impl<'a> Out<'a> {
    pub(super) fn new(into: &'a mut Vec<u8>, style: Style) -> Out<'a> {
        Out {
            into,
            style,
            flags: Flags::default(),
            after_space: true,
            raw: false,
            kind: Kind::Nothing,
            left: usize::MAX,
        }
    }

    /// For one field that will be encoded.
    pub(super) fn raw(into: &'a mut Vec<u8>, flags: Flags) -> Out<'a> {
        let mut out = Out::new(into, Style::Text);
        out.raw = true;
        out.flags = Flags {
            hex: flags.hex,
            ..Flags::default()
        };
        out
    }

    /// What was written last.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// The result so far, for whoever adds something that is no field.
    pub(super) fn bytes(&mut self) -> &mut Vec<u8> {
        self.after_space = false;
        self.into
    }

    /// Sets the flags of the fields that follow.
    pub(super) fn flags(&mut self, flags: Flags) {
        self.flags = flags;
    }

    /// Text of the format itself, or a field that needs no replacing.
    pub(super) fn literal(&mut self, text: &[u8]) {
        match text {
            // As most of what stands between two fields.
            [byte] => self.into.push(*byte),
            _ => self.into.extend_from_slice(text),
        }
        self.after_space = false;
        self.kind = Kind::Text;
    }

    /// A sign before a number, which encoded numbers do without.
    pub(super) fn sign(&mut self, wanted: bool) {
        if wanted && !self.raw {
            self.literal(b"+");
        }
    }

    /// One space, unless there is one already.
    pub(super) fn space(&mut self) {
        if !self.after_space {
            self.into.push(b' ');
            self.after_space = true;
        }
    }

    /// The value of an expression.
    pub(super) fn value(&mut self, value: Option<Value>, flags: Flags) {
        self.flags = flags;
        let text: Option<Data> = value.and_then(cast::text);
        self.text(text.as_deref());
    }

    /// The same, bytes as they are.
    pub(super) fn binary(&mut self, value: Option<Value>, flags: Flags) {
        match value {
            Some(Value::Bin(bytes)) => {
                self.flags = flags;
                self.quoted(|out| out.literal(&bytes));
            }
            other => self.value(other, flags),
        }
    }

    /// A field of text.
    pub(super) fn text(&mut self, text: Option<&[u8]>) {
        self.after_space = false;
        if self.raw {
            if let Some(text) = text {
                self.literal(text);
            }
            return;
        }
        let Some(text) = text.filter(|text| !text.is_empty()) else {
            if self.flags.quote {
                self.into.extend_from_slice(b"\"\"");
            } else if self.flags.mandatory {
                self.into.push(b'-');
            }
            return;
        };
        self.quoted(|out| out.encoded(text));
    }

    /// A field made by `write`, in quotes if the flags say so.
    pub(super) fn quoted(&mut self, write: impl FnOnce(&mut Self)) {
        self.after_space = false;
        if self.flags.quote {
            self.into.push(b'"');
        }
        write(self);
        if self.flags.quote {
            self.into.push(b'"');
        }
    }

    /// Text with what cannot stand in the result replaced.
    pub(super) fn encoded(&mut self, text: &[u8]) {
        if self.raw {
            return self.literal(text);
        }
        let mark = if self.style == Style::Log { b'#' } else { b'%' };
        let escape = self.flags.escape;
        self.replaced(text, |byte| match byte {
            b'\t' => None,
            0..0x20 | 0x7f => Some(mark),
            b'"' | b'\\' | b']' if escape => Some(b'\\'),
            _ => None,
        });
    }

    /// A field of at most so much text of the request.
    pub(super) fn limited(&mut self, bytes_max: usize, write: impl FnOnce(&mut Self)) {
        self.left = bytes_max;
        self.quoted(write);
        self.left = usize::MAX;
    }

    /// What stands between the parts of a request, in which nothing is to be replaced.
    pub(super) fn request_literal(&mut self, text: &[u8]) {
        let text = text.get(..self.left).unwrap_or(text);
        self.left -= text.len();
        self.literal(text);
    }

    /// A part of the request as it arrived: also double quotes and bytes past ASCII are `#XX`, and escapes are as the flags say.
    pub(super) fn request_text(&mut self, text: &[u8]) {
        let text = text.get(..self.left).unwrap_or(text);
        self.left -= text.len();
        if self.raw {
            return self.literal(text);
        }
        let escape = self.flags.escape;
        self.replaced(text, |byte| match byte {
            0..0x20 | b'"' | b'#' | 0x7f.. => Some(b'#'),
            b'\\' | b']' if escape => Some(b'\\'),
            _ => None,
        });
    }

    /// A captured header: what delimits captures is `#XX` too, and escapes are as the flags say.
    pub(super) fn header_text(&mut self, text: &[u8]) {
        if self.raw {
            return self.literal(text);
        }
        let escape = self.flags.escape;
        self.replaced(text, |byte| match byte {
            0..0x20 | b'"' | b'#' | b'{' | b'|' | b'}' | 0x7f.. => Some(b'#'),
            b'\\' | b']' if escape => Some(b'\\'),
            _ => None,
        });
    }

    /// Text in which each byte with a mark is replaced: by the mark and its hexadecimal form, or, if the mark
    /// is a backslash, by itself after the mark.
    fn replaced(&mut self, mut text: &[u8], mark: impl Fn(u8) -> Option<u8>) {
        // Mostly there is none. To look at all of them takes less than to look for the first: it is done for many at a time.
        let is_marked = text
            .iter()
            .fold(false, |found, byte| found | mark(*byte).is_some());
        if !is_marked {
            return self.into.extend_from_slice(text);
        }
        while let Some(at) = text.iter().position(|byte| mark(*byte).is_some()) {
            let Some((clean, [byte, rest @ ..])) = text.split_at_checked(at) else {
                return;
            };
            self.into.extend_from_slice(clean);
            match mark(*byte) {
                Some(b'\\') => self.into.extend_from_slice(&[b'\\', *byte]),
                mark => {
                    self.into.extend(mark);
                    self.into.extend_from_slice(&cast::hex(&[*byte]));
                }
            }
            text = rest;
        }
        self.into.extend_from_slice(text);
    }

    /// A number that no flag changes.
    pub(super) fn int(&mut self, int: i64) {
        self.decimal(int);
    }

    /// A number of things, which no flag changes.
    pub(super) fn count(&mut self, count: u64) {
        self.decimal(count);
    }

    /// The milliseconds of a second: three digits, or two hexadecimal ones under the flag for it.
    pub(super) fn millis(&mut self, millis: u32) {
        if self.flags.hex {
            self.literal(&Data::format(format_args!("{millis:02X}")));
        } else {
            self.after_space = false;
            date::append_part(self.into, millis, 1_000);
            self.kind = Kind::Number;
        }
    }

    /// A number, hexadecimal of at least `digits` digits under the flag for it.
    pub(super) fn number(&mut self, int: u64, digits: usize) {
        if self.flags.hex {
            self.literal(&Data::format(format_args!("{int:0digits$X}")));
        } else {
            self.decimal(int);
        }
    }

    fn decimal(&mut self, number: impl itoa::Integer) {
        self.literal(itoa::Buffer::new().format(number).as_bytes());
        self.kind = Kind::Number;
    }

    /// The local date, with milliseconds.
    pub(super) fn date_millis(&mut self, time: SystemTime) {
        date::append_log_millis(self.into, time);
        self.after_space = false;
        self.kind = Kind::Text;
    }

    /// An address.
    pub(super) fn address(&mut self, address: Option<IpAddr>) {
        let text = match (address.map(|address| address.to_canonical()), self.flags.hex) {
            (None, _) => None,
            (Some(IpAddr::V4(ip)), false) => {
                self.kind = Kind::Text;
                return self.quoted(|out| cast::append_ipv4(out.into, ip));
            }
            (Some(IpAddr::V6(ip)), false) => Some(cast::ipv6_text(ip)),
            (Some(IpAddr::V4(ip)), true) => Some(cast::hex(&ip.octets())),
            (Some(IpAddr::V6(ip)), true) => Some(cast::hex(&ip.octets())),
        };
        self.text(text.as_deref());
    }
}
