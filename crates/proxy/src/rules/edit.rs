//! Changes to headers.

use std::rc::Rc;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use tidegate_sample::head::{AsName, Change, FieldName, Headers};
use tidegate_sample::{Expr, ExternalRunner, Regex, Type, Value, cast, header_list};

use super::Text;
use super::respond::header_value;
use crate::txn::{Phase, Txn};

/// A change to a message's headers.
pub enum HeaderEdit {
    /// `set-header`: replace all fields of this name by one.
    Set(HeaderName, Text),
    /// `add-header`: add a field.
    Add(HeaderName, Text),
    /// `del-header`: remove fields.
    Del(HeaderMatch),
    /// `replace-header` and `replace-value`: where a value matches, a text in its place, with the groups of the match.
    Replace {
        /// The header.
        name: HeaderName,
        /// What its values are matched against.
        pattern: Regex,
        /// What takes their place.
        with: Text,
        /// `replace-value`: each part between commas is a value.
        each: bool,
    },
    /// `add-headers-bin` and `set-headers-bin`: all fields of a list in binary form.
    List {
        /// The list.
        list: Expr,
        /// `set-headers-bin`: fields of the same names are removed first.
        replaces: bool,
        /// Only fields whose names begin so, in lower case.
        prefix: String,
    },
    /// `del-headers-bin`: the fields that the names of a list match.
    DelList {
        /// The list.
        list: Expr,
        /// How they match.
        by: NameMatch,
    },
}

impl HeaderEdit {
    /// Whether it may have to wait.
    pub(super) fn suspends(&self) -> bool {
        match self {
            HeaderEdit::Set(_, text) | HeaderEdit::Add(_, text) | HeaderEdit::Replace { with: text, .. } => {
                text.suspends()
            }
            HeaderEdit::Del(_) => false,
            HeaderEdit::List { list, .. } | HeaderEdit::DelList { list, .. } => list.suspends(),
        }
    }
}

/// The fields that `del-header` removes.
pub enum HeaderMatch {
    /// This name.
    Exact(HeaderName),
    /// Names that match this text, in lower case.
    By(NameMatch, String),
    /// `-m reg`, matched against names in lower case.
    Regex(Regex),
}

/// How names match a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameMatch {
    /// `-m str`: they are the same.
    Exact,
    /// `-m beg`: they begin so.
    Prefix,
    /// `-m end`: they end so.
    Suffix,
    /// `-m sub`: they hold it.
    Contains,
}

impl NameMatch {
    fn holds(self, name: &str, text: &str) -> bool {
        match self {
            NameMatch::Exact => name == text,
            NameMatch::Prefix => name.starts_with(text),
            NameMatch::Suffix => name.ends_with(text),
            NameMatch::Contains => name.contains(text),
        }
    }
}

/// Why headers can't be changed so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// A name or value that no message can hold.
    Unsendable,
    /// The head would be larger than the buffer.
    TooLarge,
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Unfit::Unsendable => "the value can't be sent as a header",
            Unfit::TooLarge => "the header section would be larger than the buffer",
        })
    }
}

/// Applies an edit to the message that is being looked at. `bytes_max` bounds its header section.
pub(super) async fn edit(
    edit: &HeaderEdit,
    txn: &Rc<Txn>,
    runner: &dyn ExternalRunner,
    bytes_max: usize,
) -> Result<(), Unfit> {
    let computed = match edit {
        HeaderEdit::Set(_, text) | HeaderEdit::Add(_, text) | HeaderEdit::Replace { with: text, .. } => {
            text.eval(txn, runner).await
        }
        HeaderEdit::Del(_) => Bytes::new(),
        HeaderEdit::List { list, .. } | HeaderEdit::DelList { list, .. } => {
            match binary(list.eval_async(&**txn, runner).await) {
                Some(bytes) => bytes,
                None => return Ok(()),
            }
        }
    };
    finish(edit, computed, txn, bytes_max)
}

/// The same for an edit that need not wait.
pub(super) fn edit_at_once(edit: &HeaderEdit, txn: &Txn, bytes_max: usize) -> Result<(), Unfit> {
    let computed = match edit {
        HeaderEdit::Set(_, text) | HeaderEdit::Add(_, text) | HeaderEdit::Replace { with: text, .. } => {
            text.eval_now(txn)
        }
        HeaderEdit::Del(_) => Bytes::new(),
        HeaderEdit::List { list, .. } | HeaderEdit::DelList { list, .. } => match binary(list.eval(txn)) {
            Some(bytes) => bytes,
            None => return Ok(()),
        },
    };
    finish(edit, computed, txn, bytes_max)
}

fn binary(value: Option<Value>) -> Option<Bytes> {
    match cast(value?, Type::Bin)? {
        Value::Bin(bytes) => Some(Bytes::copy_from_slice(&bytes)),
        _ => None,
    }
}

fn finish(edit: &HeaderEdit, computed: Bytes, txn: &Txn, bytes_max: usize) -> Result<(), Unfit> {
    let apply = |headers: &mut Headers| apply(edit, computed, headers, bytes_max);
    if txn.phase() == Phase::Response {
        txn.response_head_mut()
            .map_or(Ok(()), |mut head| apply(&mut head.headers))
    } else {
        txn.request_head_mut()
            .map_or(Ok(()), |mut head| apply(&mut head.headers))
    }
}

/// Adds a field to the response 103 that the client gets next.
pub(super) async fn hint(
    name: &HeaderName,
    text: &Text,
    txn: &Rc<Txn>,
    runner: &dyn ExternalRunner,
    bytes_max: usize,
) -> Result<(), Unfit> {
    let value = header_value(text.eval(txn, runner).await).ok_or(Unfit::Unsendable)?;
    let mut hints = txn.hints.borrow_mut();
    if bytes_of(&hints) + bytes_of_field(name.as_name(), value.len()) > bytes_max {
        return Err(Unfit::TooLarge);
    }
    hints.append(name, value);
    Ok(())
}

/// Applies an edit whose text was computed.
fn apply(edit: &HeaderEdit, text: Bytes, headers: &mut Headers, bytes_max: usize) -> Result<(), Unfit> {
    match edit {
        HeaderEdit::Set(name, _) => {
            let value = header_value(text).ok_or(Unfit::Unsendable)?;
            let name = name.as_name();
            let before: usize = headers.get_all(name).map(|v| bytes_of_field(name, v.len())).sum();
            if bytes_of(headers) + bytes_of_field(name, value.len()) > bytes_max + before {
                return Err(Unfit::TooLarge);
            }
            headers.insert(name, value);
            Ok(())
        }
        HeaderEdit::Add(name, _) => {
            let value = header_value(text).ok_or(Unfit::Unsendable)?;
            add(headers, name, value, bytes_max)
        }
        HeaderEdit::Del(HeaderMatch::Exact(name)) => {
            headers.remove(name);
            Ok(())
        }
        HeaderEdit::Del(HeaderMatch::By(by, text)) => {
            remove(headers, |name| by.holds(name, text));
            Ok(())
        }
        HeaderEdit::Del(HeaderMatch::Regex(regex)) => {
            remove(headers, |name| regex.is_match(name.as_bytes()));
            Ok(())
        }
        HeaderEdit::Replace {
            name, pattern, each, ..
        } => replace(headers, name, pattern, &text, *each, bytes_max),
        HeaderEdit::List { replaces, prefix, .. } => add_list(headers, &text, *replaces, prefix, bytes_max),
        HeaderEdit::DelList { by, .. } => {
            for wanted in header_list::names(&text) {
                let wanted = String::from_utf8_lossy(wanted).to_ascii_lowercase();
                remove(headers, |name| by.holds(name, &wanted));
            }
            Ok(())
        }
    }
}

fn add(headers: &mut Headers, name: &HeaderName, value: HeaderValue, bytes_max: usize) -> Result<(), Unfit> {
    let name = name.as_name();
    if bytes_of(headers) + bytes_of_field(name, value.len()) > bytes_max {
        return Err(Unfit::TooLarge);
    }
    headers.append(name, value);
    Ok(())
}

/// A colon, a blank and the end of the line.
const SEPARATORS: usize = 4;

fn bytes_of(headers: &Headers) -> usize {
    headers.bytes() + headers.len() * SEPARATORS
}

fn bytes_of_field(name: FieldName<'_>, value_len: usize) -> usize {
    name.as_bytes().len() + value_len + SEPARATORS
}

fn remove(headers: &mut Headers, doomed: impl Fn(&str) -> bool) {
    headers.retain(|name, _| !doomed(name.as_str()));
}

fn replace(
    headers: &mut Headers,
    name: &HeaderName,
    pattern: &Regex,
    with: &[u8],
    each: bool,
    bytes_max: usize,
) -> Result<(), Unfit> {
    if !headers.contains(name) {
        return Ok(());
    }
    let mut changed = Vec::new();
    for (at, value) in headers.get_all(name).enumerate() {
        let new = if each {
            replace_each(value.as_bytes(), pattern, with)
        } else {
            pattern.replaced(value.as_bytes(), with)
        };
        if let Some(new) = new {
            changed.push((at, header_value(new.into()).ok_or(Unfit::Unsendable)?));
        }
    }
    let grown: usize = changed.iter().map(|(_, value)| value.len()).sum();
    if bytes_of(headers) + grown > bytes_max && grown > 0 {
        return Err(Unfit::TooLarge);
    }
    let mut changed = changed.into_iter().peekable();
    let mut at = 0;
    headers.change(name, |_| {
        let new = changed.next_if(|(changed, _)| *changed == at);
        at += 1;
        new.map_or(Change::Keep, |(_, value)| Change::To(value))
    });
    Ok(())
}

/// The same with each part between commas for itself; the blanks around them stay.
fn replace_each(value: &[u8], pattern: &Regex, with: &[u8]) -> Option<Vec<u8>> {
    let mut any = false;
    let parts: Vec<Vec<u8>> = value
        .split(|b| *b == b',')
        .map(|part| {
            let trimmed = part.trim_ascii();
            let Some(new) = pattern.replaced(trimmed, with) else {
                return part.to_vec();
            };
            any = true;
            let before = part.len() - part.trim_ascii_start().len();
            let after = part.trim_ascii_end().len().max(before);
            [
                part.get(..before).unwrap_or_default(),
                &new,
                part.get(after..).unwrap_or_default(),
            ]
            .concat()
        })
        .collect();
    any.then(|| parts.join(&b','))
}

fn add_list(
    headers: &mut Headers,
    list: &[u8],
    replaces: bool,
    prefix: &str,
    bytes_max: usize,
) -> Result<(), Unfit> {
    let mut fields = Vec::new();
    for (name, value) in header_list::fields(list) {
        let name = HeaderName::from_bytes(name).map_err(|_| Unfit::Unsendable)?;
        if name.as_str().starts_with(prefix) {
            let value = header_value(Bytes::copy_from_slice(value)).ok_or(Unfit::Unsendable)?;
            fields.push((name, value));
        }
    }
    if replaces {
        for (name, _) in &fields {
            headers.remove(name);
        }
    }
    for (name, value) in fields {
        add(headers, &name, value, bytes_max)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edited(edit: HeaderEdit, text: &'static str) -> Vec<String> {
        let mut headers = Headers::new();
        for (name, value) in [("x-a", "1"), ("x-b", "2"), ("x-a", "3"), ("y", "4")] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        apply(&edit, Bytes::from_static(text.as_bytes()), &mut headers, 1024).unwrap();
        let fields = headers.iter();
        fields
            .map(|(n, v)| format!("{n}={}", v.to_str().unwrap()))
            .collect()
    }

    #[test]
    fn headers_are_set_added_and_deleted() {
        let name = || HeaderName::from_static("x-a");
        let text = || Text::literal("");
        assert_eq!(
            edited(HeaderEdit::Set(name(), text()), "9"),
            ["x-b=2", "y=4", "x-a=9"]
        );
        assert_eq!(
            edited(HeaderEdit::Add(name(), text()), "9"),
            ["x-a=1", "x-b=2", "x-a=3", "y=4", "x-a=9"]
        );
        assert_eq!(
            edited(HeaderEdit::Del(HeaderMatch::Exact(name())), ""),
            ["x-b=2", "y=4"]
        );
        assert_eq!(
            edited(
                HeaderEdit::Del(HeaderMatch::By(NameMatch::Prefix, "x-".into())),
                ""
            ),
            ["y=4"]
        );
        assert_eq!(
            edited(
                HeaderEdit::Del(HeaderMatch::By(NameMatch::Suffix, "-b".into())),
                ""
            )
            .len(),
            3
        );
        let regex = |text| HeaderEdit::Del(HeaderMatch::Regex(tidegate_sample::Regex::parse(text).unwrap()));
        assert_eq!(edited(regex("^x-[b-z]|y$"), ""), ["x-a=1", "x-a=3"]);
        assert_eq!(edited(regex("X"), "").len(), 4);
    }

    #[test]
    fn what_would_be_injected_is_not_set() {
        let mut headers = Headers::new();
        let edit = HeaderEdit::Set(HeaderName::from_static("x"), Text::literal(""));
        let injected = Bytes::from_static(b"a\r\nb: c");
        assert_eq!(apply(&edit, injected, &mut headers, 1024), Err(Unfit::Unsendable));
        assert!(headers.is_empty());
    }

    #[test]
    fn a_head_does_not_outgrow_the_buffer() {
        let mut headers = Headers::new();
        let edit = HeaderEdit::Add(HeaderName::from_static("x"), Text::literal(""));
        let long = || Bytes::from(vec![b'a'; 40]);
        assert_eq!(apply(&edit, long(), &mut headers, 100), Ok(()));
        assert_eq!(apply(&edit, long(), &mut headers, 100), Ok(()));
        assert_eq!(apply(&edit, long(), &mut headers, 100), Err(Unfit::TooLarge));
        assert_eq!(headers.len(), 2);
        let edit = HeaderEdit::Set(HeaderName::from_static("x"), Text::literal(""));
        assert_eq!(
            apply(&edit, vec![b'a'; 96].into(), &mut headers, 100),
            Err(Unfit::TooLarge)
        );
        assert_eq!(headers.len(), 2, "what can't be replaced stays");
        assert_eq!(apply(&edit, vec![b'a'; 95].into(), &mut headers, 100), Ok(()));
        assert_eq!(headers.len(), 1);
    }

    #[test]
    fn values_that_match_are_replaced() {
        let replace = |pattern: &str, each| HeaderEdit::Replace {
            name: HeaderName::from_static("x-a"),
            pattern: Regex::parse(pattern).unwrap(),
            with: Text::literal(""),
            each,
        };
        assert_eq!(
            edited(replace("^[23](.*)", false), r"<\0>"),
            ["x-a=1", "x-b=2", "x-a=<3>", "y=4"]
        );
        let each = |value: &str| {
            let with = Regex::parse(r"^192\.168\.(.*)$").unwrap();
            replace_each(value.as_bytes(), &with, br"172.16.\1").map(|v| String::from_utf8(v).unwrap())
        };
        assert_eq!(
            each("192.168.10.1, 192.168.13.24, 10.0.0.37").as_deref(),
            Some("172.16.10.1, 172.16.13.24, 10.0.0.37")
        );
        assert_eq!(each("10.0.0.37"), None);
    }

    #[test]
    fn lists_are_added_set_and_taken_away() {
        let list = |replaces, prefix: &str| HeaderEdit::List {
            list: "str()".parse().unwrap(),
            replaces,
            prefix: prefix.to_owned(),
        };
        let fields = "\x03X-A\x019\x01z\x015\x00\x00";
        assert_eq!(
            edited(list(false, ""), fields),
            ["x-a=1", "x-b=2", "x-a=3", "y=4", "x-a=9", "z=5"]
        );
        assert_eq!(edited(list(true, "x"), fields), ["x-b=2", "y=4", "x-a=9"]);
        let del = |by| HeaderEdit::DelList {
            list: "str()".parse().unwrap(),
            by,
        };
        assert_eq!(edited(del(NameMatch::Exact), "\x03X-A\x00").len(), 2);
        assert_eq!(edited(del(NameMatch::Contains), "\x01-\x00"), ["y=4"]);
    }
}
