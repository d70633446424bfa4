//! "Did you mean": the known name closest to what was written.

use tidegate_sample::did_you_mean;

/// The name that was probably meant: one that differs by a slip or two, else one that begins with what was written.
pub fn closest<'n>(written: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    if written.len() > LONGEST {
        return None;
    }
    let names: Vec<&str> = names.into_iter().collect();
    // one letter is a slip away from any other
    let slip = if written.len() > 1 {
        did_you_mean(written, names.iter().copied())
    } else {
        None
    };
    slip.or_else(|| {
        let longer =
            |name: &&&str| written.len() >= 3 && name.len() > written.len() && name.starts_with(written);
        names.iter().filter(longer).min_by_key(|name| name.len()).copied()
    })
}

/// Longer words are not keywords, and the work grows with the square of the length.
const LONGEST: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_and_beginnings_are_recognised() {
        let names = [
            "timeout",
            "mode",
            "bind",
            "default_backend",
            "http-request",
            "http-response",
            "a",
        ];
        assert_eq!(closest("timout", names), Some("timeout"));
        assert_eq!(closest("bidn", names), Some("bind"));
        assert_eq!(closest("default-backend", names), Some("default_backend"));
        assert_eq!(closest("MODE", names), Some("mode"));
        assert_eq!(closest("http-req", names), Some("http-request"));
        assert_eq!(closest("zebra", names), None);
        assert_eq!(closest("b", names), None);
        assert_eq!(closest("", names), None);
    }
}
