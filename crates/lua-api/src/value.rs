//! Samples as Lua values, and back.

use tidegate_exec::Scalar;
use tidegate_sample::{Type, Value, cast};

use crate::settings::BoolSamples;

/// A sample as a script sees it.
pub(crate) fn to_scalar(value: &Value, bools: BoolSamples) -> Scalar {
    match value {
        Value::Bool(b) => match bools {
            BoolSamples::Normal => Scalar::Bool(*b),
            BoolSamples::Pre31Bug => Scalar::Int((*b).into()),
        },
        Value::Int(i) => Scalar::Int(*i),
        Value::Str(data) | Value::Bin(data) => text(data),
        Value::Method(method) => text(method.as_str().as_bytes()),
        Value::Ipv4(ip) => text(ip.to_string().as_bytes()),
        Value::Ipv6(ip) => text(ip.to_string().as_bytes()),
    }
}

/// A sample as the `sf` and `sc` classes give it: a text, empty where there is none.
pub(crate) fn to_text(value: Option<Value>) -> Scalar {
    match value {
        Some(Value::Bin(bytes)) => text(&bytes),
        Some(value) => match cast(value, Type::Str) {
            Some(Value::Str(found)) => text(&found),
            _ => text(b""),
        },
        None => text(b""),
    }
}

fn text(bytes: &[u8]) -> Scalar {
    Scalar::Text(bytes.into())
}

/// The sample that a script's value makes. What has no form as a sample is `false`, as in HAProxy.
pub(crate) fn of_scalar(value: Scalar) -> Value {
    match value {
        Scalar::Bool(b) => Value::Bool(b),
        Scalar::Int(i) => Value::Int(i),
        // Samples have no fractions.
        Scalar::Number(n) => Value::Int(n as i64),
        Scalar::Text(text) => Value::str(&*text),
        Scalar::Nil | Scalar::Other(_) => Value::Bool(false),
    }
}

/// Whether a sample is what [`of_scalar`] makes of a script's value, objects apart.
pub(crate) fn is(value: &Value, scalar: &Scalar) -> bool {
    match (value, scalar) {
        (Value::Bool(known), Scalar::Bool(b)) => known == b,
        (Value::Bool(known), Scalar::Nil) => !known,
        (Value::Int(known), Scalar::Int(i)) => known == i,
        (Value::Int(known), Scalar::Number(n)) => *known == *n as i64,
        (Value::Str(known), Scalar::Text(text)) => **known == **text,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_what_it_was_made_of_and_nothing_else() {
        let scalars = [
            Scalar::Bool(true),
            Scalar::Bool(false),
            Scalar::Int(1),
            Scalar::Int(0),
            text(b"1"),
            text(b""),
        ];
        for (at, scalar) in scalars.iter().enumerate() {
            let value = of_scalar(scalar.clone());
            for (other, scalar) in scalars.iter().enumerate() {
                assert_eq!(is(&value, scalar), at == other, "{value:?} {scalar:?}");
            }
        }
        for scalar in [Scalar::Nil, Scalar::Number(1.5)] {
            assert!(is(&of_scalar(scalar.clone()), &scalar));
        }
        assert!(!is(&Value::Bool(false), &Scalar::Other("table")));
    }

    #[test]
    fn booleans_are_integers_unless_asked_for() {
        let yes = Value::Bool(true);
        assert_eq!(to_scalar(&yes, BoolSamples::Pre31Bug), Scalar::Int(1));
        assert_eq!(to_scalar(&yes, BoolSamples::Normal), Scalar::Bool(true));
    }

    #[test]
    fn texts_are_never_absent_and_bytes_stay_bytes() {
        assert_eq!(to_text(None), text(b""));
        assert_eq!(to_text(Some(Value::Int(-7))), text(b"-7"));
        assert_eq!(to_text(Some(Value::bin(&b"\x00\xff"[..]))), text(b"\x00\xff"));
    }

    #[test]
    fn what_is_no_sample_is_false() {
        assert_eq!(of_scalar(Scalar::Nil), Value::Bool(false));
        assert_eq!(of_scalar(Scalar::Other("table")), Value::Bool(false));
        assert_eq!(of_scalar(Scalar::Number(1.5)), Value::Int(1));
    }
}
