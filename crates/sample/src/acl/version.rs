//! Versions as patterns: `3.1` stands for the integer that a version is as a sample.

/// A pattern of versions, `3.1`, or `3.0:3.3` or `3.0-3.3` with either side open, as one of integers; none if it is an operator.
pub(super) fn as_number(word: &str) -> Result<Option<String>, String> {
    if matches!(word, "eq" | "ge" | "gt" | "le" | "lt") {
        return Ok(None);
    }
    let wrong = || format!("`{word}` is not a version, such as `3.1`, or a range of them");
    let side = |text: &str| match text {
        "" => Ok(String::new()),
        text => number(text).map(|number| number.to_string()).ok_or_else(wrong),
    };
    Ok(Some(match word.split_once([':', '-']) {
        Some((low, high)) => format!("{}:{}", side(low)?, side(high)?),
        None if word.is_empty() => return Err(wrong()),
        None => side(word)?,
    }))
}

/// 65536 times the number before the dot, plus the one after it.
fn number(text: &str) -> Option<u32> {
    let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
    let part = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| digits)
    };
    Some((u32::from(part(major)?) << 16) + u32::from(part(minor)?))
}

#[cfg(test)]
mod tests {
    use super::as_number;

    #[test]
    fn versions_are_numbers_and_ranges_of_them() {
        let text = |word| as_number(word).unwrap();
        assert_eq!(text("3.1").as_deref(), Some("196609"));
        assert_eq!(text("3").as_deref(), Some("196608"));
        assert_eq!(text("3.0:3.3").as_deref(), Some("196608:196611"));
        assert_eq!(text(":3.3").as_deref(), Some(":196611"));
        assert_eq!(text("3:").as_deref(), Some("196608:"));
        assert_eq!(text("3.0-3.3").as_deref(), Some("196608:196611"));
        assert_eq!(text("3.3-").as_deref(), Some("196611:"));
        assert_eq!(text("gt"), None);
        for wrong in ["", "3.x", "3.1.2", "196611", "3.1-3.2-3.3", "+3.1", ".1", "3."] {
            assert!(as_number(wrong).is_err(), "{wrong}");
        }
    }
}
