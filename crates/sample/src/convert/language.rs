//! The language that a client prefers.

use super::{ConverterRow, row};
use crate::arg::{Arg, ArgError, ArgKind, ArgSpec, at};
use crate::cast;
use crate::value::{Type, Value};

pub(super) const ROWS: &[ConverterRow] = &[row(
    "language",
    ArgSpec::new(1, &[ArgKind::Str, ArgKind::Str]),
    Type::Str,
    Type::Str,
    "the language of a list that Accept-Language prefers: `req.fhdr(accept-language),language(es;fr;en,en)`; the default, \
     or nothing, if it names none of them (7.3.1)",
    |_, args, v| {
        let header = cast::text(v)?;
        match best(&header, at(args, 0).text()) {
            Some(language) => Some(Value::str(language)),
            None => match at(args, 1) {
                Arg::Str(default) => Some(Value::Str(default.clone())),
                _ => None,
            },
        }
    },
)
.prepared(|args| {
    let list = at(args, 0).text().to_vec();
    let list = list.strip_prefix(b";").unwrap_or(&list);
    let list = list.strip_suffix(b";").unwrap_or(list);
    if list.split(|byte| *byte == b';').any(<[u8]>::is_empty) {
        return Err(ArgError::new(0, "the languages are names with `;` between them, and one is empty"));
    }
    if let Some(arg) = args.first_mut() {
        *arg = Arg::Str(list.into());
    }
    Ok(())
})];

/// The known language of the header's value with the highest weight, the first of several.
fn best<'a>(header: &[u8], known: &'a [u8]) -> Option<&'a [u8]> {
    let mut best: Option<(u32, &[u8])> = None;
    for item in header.split(|byte| *byte == b',') {
        let mut parts = item.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let name = parts.next().unwrap_or_default();
        // Only what directly follows the language is its weight.
        let weight = parts.next().map_or(1000, weight);
        if weight > best.map_or(0, |(weight, _)| weight)
            && let Some(language) = find(name, known)
        {
            best = Some((weight, language));
        }
    }
    best.map(|(_, language)| language)
}

/// The language itself in the list, or else without its variant.
fn find<'a>(name: &[u8], known: &'a [u8]) -> Option<&'a [u8]> {
    let base = name.split(|byte| *byte == b'-').next().unwrap_or_default();
    let languages = || known.split(|byte| *byte == b';');
    languages()
        .find(|language| *language == name)
        .or_else(|| languages().find(|language| *language == base))
}

/// The thousandths of `q=0.123`; what is no weight is none, and counts whole.
fn weight(text: &[u8]) -> u32 {
    let digit = |byte: u8| u32::from(byte.wrapping_sub(b'0'));
    match text.strip_prefix(b"q=") {
        Some([b'0', rest @ ..]) => {
            let digits = rest.strip_prefix(b".").unwrap_or_default();
            let digits = digits.iter().copied().take_while(u8::is_ascii_digit);
            digits
                .zip([100, 10, 1])
                .map(|(byte, unit)| digit(byte) * unit)
                .sum()
        }
        _ => 1000,
    }
}

#[cfg(test)]
mod tests {
    use crate::{Converter, NoSession, Scope, Value};
    use proptest::prelude::*;

    fn language(header: &str, args: &[&str]) -> Option<String> {
        let args: Vec<Value> = args.iter().map(|arg| Value::str(*arg)).collect();
        let converter = Converter::new("language", &args, &Scope::anywhere()).unwrap();
        match converter.apply(&NoSession, Value::str(header))? {
            Value::Str(text) => Some(String::from_utf8(text.to_vec()).unwrap()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_highest_weight_and_then_the_first() {
        for (header, want) in [
            ("da, en-gb;q=0.8, en;q=0.7", Some("en")),
            ("es;q=0.5,fr;q=0.9", Some("fr")),
            ("fr,es", Some("fr")),
            ("fr;q=0.5,fr;q=0.9,es;q=0.8", Some("fr")),
            ("fr;q=0.123,es;q=0.124", Some("es")),
            ("fr ; q=0.9 , es;q=0.95", Some("es")),
            ("fr\t;q=0.5,es", Some("es")),
            ("es;q=0", None),
            ("fr;q=0.0001,es;q=0.0002", None),
            ("fr;q=x", Some("fr")),
            ("fr;q=.9,es;q=.95", Some("fr")),
            ("fr;Q=0.1,es;q=0.2", Some("fr")),
            ("fr;q=0.5;q=0.9,es;q=0.6", Some("es")),
            ("fr;q=0,es;q=0.", None),
            ("EN", None),
            ("e", None),
            ("*", None),
            ("", None),
            (",,fr", Some("fr")),
            ("en-,fr;q=0.1", Some("en")),
            ("en;q=0.99999999999999999999", Some("en")),
        ] {
            assert_eq!(language(header, &["es;fr;en"]).as_deref(), want, "{header}");
        }
    }

    #[test]
    fn variants_count_if_they_are_listed() {
        assert_eq!(language("en-US,en", &["en-US;en"]).as_deref(), Some("en-US"));
        assert_eq!(language("en,en-US", &["en-US;en"]).as_deref(), Some("en"));
        assert_eq!(language("en-GB", &["en-US;en"]).as_deref(), Some("en"));
        assert_eq!(language("en", &["en-US"]), None);
    }

    #[test]
    fn the_default_stands_for_none() {
        assert_eq!(language("it", &["es;fr", "de"]).as_deref(), Some("de"));
        assert_eq!(language("it", &["es;fr", ""]).as_deref(), Some(""));
        assert_eq!(language("fr", &[";es;fr;", "de"]).as_deref(), Some("fr"));
        for list in ["", ";", "es;;fr"] {
            let error = Converter::new("language", &[Value::str(list)], &Scope::anywhere()).unwrap_err();
            assert!(error.message.contains("one is empty"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn only_what_is_listed_comes_out(header in "[a-z,;=0-9. -]{0,40}") {
            let got = language(&header, &["a;b-c;d"]);
            prop_assert!(got.is_none_or(|got| ["a", "b-c", "d"].contains(&got.as_str())));
        }
    }
}
