//! Numbers, times and sizes as HAProxy writes them.

mod meant;

use std::borrow::Cow;
use std::ops::Range;
use std::time::Duration;

/// The unit of a time that is written without one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeUnit {
    /// Microseconds.
    Microseconds,
    /// Milliseconds.
    Milliseconds,
    /// Seconds.
    Seconds,
}

/// Why a text isn't a number, a time or a size, and which bytes of it are at fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnitFault {
    /// The bytes at fault.
    pub at: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What would be right.
    pub help: Option<Cow<'static, str>>,
}

/// The longest time that timers take: 2^31 - 1 milliseconds, about 24.8 days.
pub const TIME_MAX: Duration = Duration::from_millis(0x7fff_ffff);

const TIME_HELP: &str = "a time is an integer and a unit: `us`, `ms`, `s`, `m`, `h` or `d`";
const SIZE_HELP: &str = "a size is an integer, and `k`, `m` or `g` for its multiples of 1024";

/// Reads a time such as `30s` or `5000`.
///
/// # Errors
/// No digits, an unknown unit, or more than [`TIME_MAX`].
pub fn parse_time(text: &[u8], unit: TimeUnit) -> Result<Duration, UnitFault> {
    let (digits, value) = digits(text, TIME_HELP)?;
    let micros: u128 = match text.get(digits..).unwrap_or_default() {
        b"" => match unit {
            TimeUnit::Microseconds => 1,
            TimeUnit::Milliseconds => 1_000,
            TimeUnit::Seconds => 1_000_000,
        },
        b"us" => 1,
        b"ms" => 1_000,
        b"s" => 1_000_000,
        b"m" => 60_000_000,
        b"h" => 3_600_000_000,
        b"d" => 86_400_000_000,
        rest => {
            let help = meant::time(text).map_or(TIME_HELP.into(), |meant| format!("write `{meant}`").into());
            return Err(bad_unit(rest, digits, text.len(), "time", help));
        }
    };
    let total = value.saturating_mul(micros);
    match u64::try_from(total) {
        Ok(total) if Duration::from_micros(total) <= TIME_MAX => Ok(Duration::from_micros(total)),
        _ => Err(UnitFault {
            at: 0..text.len(),
            message: format!("the time `{}` is too long", String::from_utf8_lossy(text)),
            help: Some("the longest time is 2147483647 ms, about 24.8 days".into()),
        }),
    }
}

/// Reads a size such as `64k`.
///
/// # Errors
/// No digits, an unknown unit, or more than 64 bits hold.
pub fn parse_size(text: &[u8]) -> Result<u64, UnitFault> {
    let (digits, value) = digits(text, SIZE_HELP)?;
    let factor: u128 = match text.get(digits..).unwrap_or_default() {
        b"" => 1,
        b"k" | b"K" => 1 << 10,
        b"m" | b"M" => 1 << 20,
        b"g" | b"G" => 1 << 30,
        rest => {
            let help = meant::size(text).map_or(SIZE_HELP.into(), |meant| format!("write `{meant}`").into());
            return Err(bad_unit(rest, digits, text.len(), "size", help));
        }
    };
    u64::try_from(value.saturating_mul(factor)).map_err(|_| out_of_range(text, 0, u64::MAX))
}

/// Reads a decimal integer between two bounds, both included.
///
/// # Errors
/// Anything but digits, or out of bounds.
pub fn parse_integer(text: &[u8], min: u64, max: u64) -> Result<u64, UnitFault> {
    let (digits, value) = digits(text, "an integer is expected")?;
    if digits < text.len() {
        let written = String::from_utf8_lossy(text);
        let message = format!("`{written}` is not an integer");
        return Err(UnitFault {
            at: digits..text.len(),
            message,
            help: Some("a plain integer is expected, in decimal digits alone".into()),
        });
    }
    match u64::try_from(value) {
        Ok(value) if (min..=max).contains(&value) => Ok(value),
        _ => Err(out_of_range(text, min, max)),
    }
}

/// How many bytes of the text are digits (at least one), and their value, held at the highest there is.
fn digits(text: &[u8], help: &'static str) -> Result<(usize, u128), UnitFault> {
    let count = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 {
        let written = String::from_utf8_lossy(text);
        let negative = written
            .strip_prefix('-')
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        let message = if text.is_empty() {
            String::from("an empty word is not a number")
        } else if negative {
            format!("`{written}` is negative")
        } else {
            format!("`{written}` is not a number")
        };
        return Err(UnitFault {
            at: 0..text.len(),
            message,
            help: Some(help.into()),
        });
    }
    let value = text.iter().take(count).fold(0_u128, |value, byte| {
        value
            .saturating_mul(10)
            .saturating_add(u128::from(byte.saturating_sub(b'0')))
    });
    Ok((count, value))
}

fn bad_unit(rest: &[u8], at: usize, end: usize, what: &str, help: Cow<'static, str>) -> UnitFault {
    let written = String::from_utf8_lossy(rest);
    let message = if written.starts_with('.') {
        format!("a {what} has no fraction: `{written}`")
    } else if written.contains(|c: char| c.is_ascii_digit()) {
        format!("a {what} has one number and one unit; `{written}` is left over")
    } else {
        format!("unknown unit of {what} `{written}`")
    };
    UnitFault {
        at: at..end,
        message,
        help: Some(help),
    }
}

fn out_of_range(text: &[u8], min: u64, max: u64) -> UnitFault {
    let message = format!(
        "`{}` is out of range: {min} to {max}",
        String::from_utf8_lossy(text)
    );
    UnitFault {
        at: 0..text.len(),
        message,
        help: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_take_units() {
        let time = |text: &str| parse_time(text.as_bytes(), TimeUnit::Milliseconds).unwrap();
        assert_eq!(time("0"), Duration::ZERO);
        assert_eq!(time("1500"), Duration::from_millis(1500));
        assert_eq!(time("250us"), Duration::from_micros(250));
        assert_eq!(time("7ms"), Duration::from_millis(7));
        assert_eq!(time("30s"), Duration::from_secs(30));
        assert_eq!(time("2m"), Duration::from_secs(120));
        assert_eq!(time("3h"), Duration::from_secs(10_800));
        assert_eq!(time("24d"), Duration::from_secs(24 * 86_400));
        assert_eq!(parse_time(b"5", TimeUnit::Seconds), Ok(Duration::from_secs(5)));
        assert_eq!(
            parse_time(b"5", TimeUnit::Microseconds),
            Ok(Duration::from_micros(5))
        );
        assert_eq!(time("2147483647"), TIME_MAX);
    }

    #[test]
    fn faults_name_the_bytes() {
        let at = |text: &str| {
            parse_time(text.as_bytes(), TimeUnit::Milliseconds)
                .unwrap_err()
                .at
        };
        assert_eq!(at("1x"), 1..2);
        assert_eq!(at("12sec"), 2..5);
        assert_eq!(at("s"), 0..1);
        assert_eq!(at(""), 0..0);
        assert_eq!(at("-1"), 0..2);
        assert_eq!(at("2147483648"), 0..10, "one more than the longest");
        assert_eq!(at("25d"), 0..3);
        assert_eq!(at("99999999999999999999999999999999999999999999999"), 0..47);
        assert_eq!(parse_size(b"10t").unwrap_err().at, 2..3);
    }

    #[test]
    fn sizes_take_multiples_of_1024() {
        assert_eq!(parse_size(b"16384"), Ok(16384));
        assert_eq!(parse_size(b"64k"), Ok(65536));
        assert_eq!(parse_size(b"1m"), Ok(1 << 20));
        assert_eq!(parse_size(b"2G"), Ok(2 << 30));
        assert!(parse_size(b"99999999999999999999").is_err());
        assert!(parse_size(b"17179869184g").is_err());
    }

    #[test]
    fn integers_stay_in_bounds() {
        assert_eq!(parse_integer(b"8", 1, 64), Ok(8));
        assert_eq!(
            parse_integer(b"0", 1, 64).unwrap_err().message,
            "`0` is out of range: 1 to 64"
        );
        assert_eq!(parse_integer(b"65", 1, 64).unwrap_err().at, 0..2);
        assert_eq!(parse_integer(b"6k", 1, 64).unwrap_err().at, 1..2);
        assert!(parse_integer(b"18446744073709551616", 0, u64::MAX).is_err());
    }
}
