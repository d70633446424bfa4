//! What a time or a size was meant to be that isn't written as HAProxy writes them: `1.5s`, `1h30m`, `10sec`, `16kb`.

/// Units of time, the largest first, with how many microseconds each has.
const TIMES: [(&str, u128); 6] = [
    ("d", 86_400_000_000),
    ("h", 3_600_000_000),
    ("m", 60_000_000),
    ("s", 1_000_000),
    ("ms", 1_000),
    ("us", 1),
];

/// Units of size.
const SIZES: [(&str, u128); 4] = [("g", 1 << 30), ("m", 1 << 20), ("k", 1 << 10), ("", 1)];

/// The time that was meant, as it is to be written.
pub(super) fn time(text: &[u8]) -> Option<String> {
    let unit = |name: &str| {
        let name = match name {
            "days" | "day" => "d",
            "hours" | "hour" | "hrs" | "hr" => "h",
            "minutes" | "minute" | "mins" | "min" => "m",
            "seconds" | "second" | "secs" | "sec" => "s",
            "milliseconds" | "millisecond" | "millis" | "msec" => "ms",
            "microseconds" | "microsecond" | "micros" | "usec" => "us",
            name => name,
        };
        TIMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(_, size)| *size)
    };
    written(sum(text, unit)?, &TIMES)
}

/// The size that was meant, as it is to be written.
pub(super) fn size(text: &[u8]) -> Option<String> {
    let unit = |name: &str| match name {
        "b" | "bytes" | "byte" => Some(1),
        "k" | "kb" | "kib" => Some(1 << 10),
        "m" | "mb" | "mib" => Some(1 << 20),
        "g" | "gb" | "gib" => Some(1 << 30),
        "t" | "tb" | "tib" => Some(1 << 40),
        _ => None,
    };
    written(sum(text, unit)?, &SIZES)
}

/// Numbers with units, one behind the other, put together. `None` where something isn't one of these.
fn sum(text: &[u8], unit: impl Fn(&str) -> Option<u128>) -> Option<u128> {
    let mut rest = std::str::from_utf8(text).ok()?;
    let mut total: u128 = 0;
    while !rest.is_empty() {
        let (number, behind) = split(rest, |c| c.is_ascii_digit() || c == '.');
        let (name, behind) = split(behind, |c| c.is_ascii_alphabetic());
        rest = behind;
        let size = unit(&name.to_ascii_lowercase())?;
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        total = total.checked_add(whole.parse::<u128>().ok()?.checked_mul(size)?)?;
        if !fraction.is_empty() {
            let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
            let part = fraction.parse::<u128>().ok()?.checked_mul(size)?;
            if part % scale != 0 {
                return None;
            }
            total = total.checked_add(part / scale)?;
        }
    }
    Some(total)
}

fn split(text: &str, is_first: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !is_first(c)).unwrap_or(text.len()))
}

/// In the largest unit that needs no fraction.
fn written(total: u128, units: &[(&str, u128)]) -> Option<String> {
    let (name, size) = units
        .iter()
        .find(|(_, size)| total >= *size && total.is_multiple_of(*size))?;
    Some(format!("{}{name}", total / size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_put_right() {
        for (text, meant) in [
            ("1.5s", Some("1500ms")),
            ("0.5h", Some("30m")),
            ("1h30m", Some("90m")),
            ("10sec", Some("10s")),
            ("30S", Some("30s")),
            ("2Minutes", Some("2m")),
            ("1.0000001s", None),
            ("1.5", None),
            ("5x", None),
            ("s", None),
            ("1..5s", None),
            ("99999999999999999999999999999999999999d", None),
        ] {
            assert_eq!(time(text.as_bytes()).as_deref(), meant, "{text}");
        }
    }

    #[test]
    fn sizes_are_put_right() {
        for (text, meant) in [
            ("16kb", Some("16k")),
            ("1.5m", Some("1536k")),
            ("16384b", Some("16k")),
            ("100b", Some("100")),
            ("1t", Some("1024g")),
            ("5x", None),
        ] {
            assert_eq!(size(text.as_bytes()).as_deref(), meant, "{text}");
        }
    }
}
