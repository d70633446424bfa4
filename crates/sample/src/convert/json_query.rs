//! Values out of JSON texts.

pub(crate) mod path;
mod scan;

use super::{ConverterRow, row};
use crate::arg::{Arg, ArgError, ArgKind, ArgSpec, at};
use crate::cast;
use crate::data::Data;
use crate::value::{Type, Value};
use path::JsonPath;
use scan::{Scanner, Token};
use std::sync::Arc;

pub(super) const ROWS: &[ConverterRow] = &[row(
    "json_query",
    ArgSpec::new(1, &[ArgKind::Str, ArgKind::Str]),
    Type::Str,
    Type::Any,
    "the value at a path of a JSON text: `req.body,json_query('$.user.roles[0]')`; a boolean as such, numbers and arrays as \
     text, with `int` as second argument numbers as integers; nothing if there is none, or an object or null (7.3.1)",
    |_, args, v| query(&cast::text(v)?, args),
)
.prepared(prepare)];

/// Reads the path, and the type that is asked for.
pub(super) fn prepare(args: &mut Vec<Arg>) -> Result<(), ArgError> {
    if let Some(arg @ Arg::Str(_)) = args.first_mut() {
        let text = String::from_utf8_lossy(arg.text()).into_owned();
        let path = JsonPath::parse(&text).map_err(|why| ArgError::new(0, why))?;
        *arg = Arg::JsonPath(Arc::new(path));
    }
    match at(args, 1).text() {
        b"int" if matches!(at(args, 0), Arg::None) => {
            Err(ArgError::new(0, "there is no type without a path"))
        }
        b"" | b"int" => Ok(()),
        _ => Err(ArgError::new(1, "the only type is `int`")),
    }
}

/// What is at the path of the arguments.
pub(super) fn query(text: &Data, args: &[Arg]) -> Option<Value> {
    let Arg::JsonPath(path) = at(args, 0) else {
        return None;
    };
    let as_int = !at(args, 1).text().is_empty();
    match Scanner::new(text).find(path.steps())? {
        Token::Bool(value) => Some(Value::Bool(value)),
        Token::Text(escaped) => scan::unescaped(text, escaped).map(Value::Str),
        Token::Array(text_of_it) => Some(Value::Str(text.part(text_of_it))),
        Token::Number(number) if as_int => integer(number).map(Value::Int),
        Token::Number(number) => decimal(number).map(Value::Str),
        Token::Object | Token::Null => None,
    }
}

/// The text of a member of a JSON object.
pub(super) fn member(text: &Data, name: &str) -> Option<Data> {
    let step = path::Step::Name(name.as_bytes().into());
    match Scanner::new(text).find(&[step])? {
        Token::Text(escaped) => scan::unescaped(text, escaped),
        _ => None,
    }
}

/// The text of a member of an object that is a member of a JSON object.
pub(super) fn member_of_member(text: &Data, outer: &str, inner: &str) -> Option<Data> {
    let steps = [outer, inner].map(|name| path::Step::Name(name.as_bytes().into()));
    match Scanner::new(text).find(&steps)? {
        Token::Text(escaped) => scan::unescaped(text, escaped),
        _ => None,
    }
}

/// Whether a JSON object has a member of this name, whatever it is.
pub(super) fn has_member(text: &Data, name: &str) -> bool {
    let step = path::Step::Name(name.as_bytes().into());
    Scanner::new(text).find(&[step]).is_some()
}

/// A number without its fraction; none if it is too large.
fn integer(number: &str) -> Option<i64> {
    number.parse().ok().or_else(|| {
        let float = number.parse::<f64>().ok()?.trunc();
        // The bounds themselves are exact as floats.
        (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0)
            .contains(&float)
            .then_some(float as i64)
    })
}

/// A number as C's `%g` writes it, with all the digits that it has.
fn decimal(number: &str) -> Option<Data> {
    if !number.contains(['.', 'e', 'E']) {
        return Some(number.into());
    }
    let float: f64 = number.parse().ok()?;
    if !float.is_finite() {
        return None;
    }
    let scientific = format!("{float:e}");
    let (digits, exponent) = scientific.split_once('e')?;
    Some(match exponent.parse::<i32>().ok()? {
        -4..=16 => Data::format(format_args!("{float}")),
        exponent => {
            let sign = if exponent < 0 { '-' } else { '+' };
            Data::format(format_args!("{digits}e{sign}{:02}", exponent.unsigned_abs()))
        }
    })
}

#[cfg(test)]
mod tests {
    use crate::{Converter, NoSession, Scope, Value};
    use proptest::prelude::*;

    fn apply(json: &[u8], args: &[&str]) -> Option<Value> {
        let args: Vec<Value> = args.iter().map(|arg| Value::str(*arg)).collect();
        let converter = Converter::new("json_query", &args, &Scope::anywhere()).unwrap();
        converter.apply(&NoSession, Value::str(json))
    }

    /// The type and text of what is at a path.
    fn shown(json: &str, args: &[&str]) -> String {
        match apply(json.as_bytes(), args) {
            Some(value) => {
                let text = crate::cast::text(value.clone()).unwrap();
                format!("{} {}", value.kind(), text.escape_ascii())
            }
            None => "-".to_string(),
        }
    }

    #[test]
    fn the_manual_s_examples() {
        for (json, args, want) in [
            (r#"{"integer":4}"#, &["$.integer", "int"][..], "sint 4"),
            (r#"{"my.key":"myvalue"}"#, &["$.my\\.key"], "str myvalue"),
            (r#"{"boolean-false":false}"#, &["$.boolean-false"], "bool 0"),
            (
                r#"{"roles":["manage-account","view-profile"]}"#,
                &["$.roles"],
                r#"str [\"manage-account\",\"view-profile\"]"#,
            ),
        ] {
            assert_eq!(shown(json, args), want, "{json}");
        }
    }

    #[test]
    fn values_by_their_kind() {
        for (value, plain, int) in [
            ("true", "bool 1", "bool 1"),
            ("5", "str 5", "sint 5"),
            ("-5", "str -5", "sint -5"),
            ("1.5", "str 1.5", "sint 1"),
            ("-1.5", "str -1.5", "sint -1"),
            ("1.0", "str 1", "sint 1"),
            ("1e3", "str 1000", "sint 1000"),
            ("1E+20", "str 1e+20", "-"),
            ("0.00001", "str 1e-05", "sint 0"),
            ("1e400", "-", "-"),
            ("12345678", "str 12345678", "sint 12345678"),
            (
                "9223372036854775807",
                "str 9223372036854775807",
                "sint 9223372036854775807",
            ),
            ("9223372036854775808", "str 9223372036854775808", "-"),
            ("3.14159265358979", "str 3.14159265358979", "sint 3"),
            ("\"5\"", "str 5", "str 5"),
            ("\"\"", "str ", "str "),
            ("null", "-", "-"),
            ("{\"b\":1}", "-", "-"),
            (
                "[ 1 , \"x]\" ]",
                "str [ 1 , \\\"x]\\\" ]",
                "str [ 1 , \\\"x]\\\" ]",
            ),
            ("[]", "str []", "str []"),
        ] {
            let json = format!("{{\"a\" : {value} }} more");
            assert_eq!(shown(&json, &["$.a"]), plain, "{value}");
            assert_eq!(shown(&json, &["$.a", "int"]), int, "{value}");
        }
    }

    #[test]
    fn texts_are_unescaped() {
        for (escaped, want) in [
            (r"x\ny\t\r\b\f\/\\\u0041", "x\ny\t\r\u{8}\u{c}/\\A"),
            ("\\\"q\\\"", "\"q\""),
            (r"\u00e9\ud83d\ude00", "\u{e9}\u{1f600}"),
            (r"\ud83dx", "\u{fffd}x"),
            (r"\ud83d\u0041", "\u{fffd}A"),
            (r"\ude00", "\u{fffd}"),
            (r"a\u0000b", "a\0b"),
        ] {
            let json = format!("{{\"a\":\"{escaped}\"}}");
            assert_eq!(
                apply(json.as_bytes(), &["$.a"]),
                Some(Value::str(want)),
                "{escaped}"
            );
        }
        assert_eq!(apply(b"\"\xff\"", &["$"]), Some(Value::str(&b"\xff"[..])));
        for broken in [
            r#""\q""#,
            r#""\u12""#,
            r#""\u12g4""#,
            r#""\"#,
            r#""open"#,
            r#""\u+041""#,
        ] {
            assert_eq!(shown(broken, &["$"]), "-", "{broken}");
        }
    }

    #[test]
    fn paths_lead_through_objects_and_arrays() {
        let json = r#"{"x":{"b":1},"ab":2,"a":[10,{"c":[true,"z"]},[[1,2],[3]]],"b":4,"a b":5,"A":6,"b":7,"\u0064":8,"":9}"#;
        for (path, want) in [
            ("$.b", "str 4"),
            ("$.ab", "str 2"),
            ("$.A", "str 6"),
            ("$.a b", "str 5"),
            ("$['a b']", "str 5"),
            ("$[\"a\"][0]", "str 10"),
            ("$['']", "str 9"),
            ("$.d", "str 8"),
            ("$.a[1].c[0]", "bool 1"),
            ("$.a[1].c[1]", "str z"),
            ("$.a[2][1][0]", "str 3"),
            ("$.a[3]", "-"),
            ("$.a.c", "-"),
            ("$.b[0]", "-"),
            ("$.b.c", "-"),
            ("$.nope", "-"),
            ("$", "-"),
        ] {
            assert_eq!(shown(json, &[path]), want, "{path}");
        }
        assert_eq!(shown("[1,2]", &["$[1]"]), "str 2");
        assert_eq!(shown(" 5 6", &["$"]), "str 5");
    }

    #[test]
    fn what_is_broken_before_the_value_hides_it() {
        for json in [
            "",
            "x",
            "{",
            r#"{"a""#,
            r#"{"a" 5}"#,
            r#"{a:5}"#,
            r#"{"a":}"#,
            r#"{"a":tru}"#,
            r#"{"a":+1}"#,
            r#"{"a":.5}"#,
            r#"{"a":01}"#,
            r#"{"a":-}"#,
            r#"{"a":[1,2"#,
            r#"{"a":[1 2]}"#,
            r#"{"b":bad,"a":5}"#,
            r#"{"b":1,,"a":5}"#,
            r#"{"b":{"c":1,"a":5}"#,
            r#"{"b":[1}],"a":5}"#,
        ] {
            assert_eq!(shown(json, &["$.a"]), "-", "{json}");
        }
        for json in [r#"{"a":1"#, r#"{"a":1,}"#, r#"{"a":1 garbage"#] {
            assert_eq!(shown(json, &["$.a"]), "str 1", "{json}");
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let nested = |depth: usize| format!("{{\"x\":{}1{},\"a\":2}}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(shown(&nested(100), &["$.a"]), "str 2");
        assert_eq!(shown(&nested(1_000_000), &["$.a"]), "-");
    }

    #[test]
    fn paths_and_types_that_there_are_not() {
        for (path, part) in [
            ("", "begins with `$`"),
            ("a", "begins with `$`"),
            (".a", "begins with `$`"),
            ("$a", "a `.` or a `[`"),
            ("$.", "a name is missing"),
            ("$..b", "a name is missing"),
            ("$.a[x]", "an index or a name in quotes"),
            ("$.a[*]", "an index or a name in quotes"),
            ("$.a[-1]", "an index or a name in quotes"),
            ("$.a[0", "an index or a name in quotes"),
            ("$.a[]", "an index or a name in quotes"),
            ("$['a]", "an index or a name in quotes"),
        ] {
            let error = Converter::new("json_query", &[Value::str(path)], &Scope::anywhere()).unwrap_err();
            assert!(error.message.contains(part), "{path}: {error}");
        }
        for kind in ["string", "INT", "str"] {
            let error = Converter::new(
                "json_query",
                &[Value::str("$.a"), Value::str(kind)],
                &Scope::anywhere(),
            );
            assert_eq!(error.unwrap_err().message, "`json_query`: the only type is `int`");
        }
    }

    proptest! {
        #[test]
        fn any_text_ends_well(pieces in proptest::collection::vec(proptest::sample::select(vec![
            "{", "}", "[", "]", ",", ":", "\"", "\"a\"", "\\", "\\u", "d83d", "1", "-", ".", "e", "true", "null", " ", "\u{e9}",
        ]), 0..40)) {
            for path in ["$", "$.a", "$[0].a[1]"] {
                apply(pieces.concat().as_bytes(), &[path]);
            }
        }

        #[test]
        fn texts_come_out_as_json_wrote_them(text in ".{0,20}", key in ".{0,8}") {
            let escape = |text: &str| text.chars().flat_map(|c| c.encode_utf16(&mut [0; 2]).iter()
                .map(|unit| format!("\\u{unit:04X}")).collect::<Vec<_>>()).collect::<String>();
            let json = format!("{{\"{}\":\"{}\"}}", escape(&key), escape(&text));
            let path = format!("$['{}']", key.replace('\\', "\\\\").replace('\'', "\\'"));
            let path = crate::raw::encoded(path.as_bytes());
            prop_assert_eq!(apply(json.as_bytes(), &[&path]), Some(Value::str(text)));
        }
    }
}
