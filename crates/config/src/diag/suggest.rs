//! "Did you mean": the known name closest to what was written.

/// The name nearest to `written`, when one is near enough to be a likely slip.
///
/// Nearness counts letters that are added, dropped, changed, or swapped with their neighbour, without
/// regard to case. A name may differ in a third of its letters, and names that merely continue what was
/// written (`timeout` for `time`) count as near too.
pub fn closest<'n>(written: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    if written.is_empty() || written.len() > LONGEST {
        return None;
    }
    let wanted: Vec<char> = written.to_lowercase().chars().collect();
    let mut best: Option<(usize, &'n str)> = None;
    for name in names {
        if name == written || name.len() > LONGEST {
            continue;
        }
        let known: Vec<char> = name.to_lowercase().chars().collect();
        let allowed = (wanted.len().max(known.len()) / 3).max(1);
        let mut distance = distance(&wanted, &known);
        if wanted.len() >= 3 && distance > allowed && known.starts_with(&wanted) {
            // a beginning is a worse guess than any slip of the keyboard
            distance = 100 + (known.len() - wanted.len());
        } else if distance > allowed || distance >= wanted.len() {
            continue;
        }
        if best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, name));
        }
    }
    best.map(|(_, name)| name)
}

/// Longer words are not keywords, and the work grows with the square of the length.
const LONGEST: usize = 64;

/// Optimal string alignment distance.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, cb) in b.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
            let mut cost = (at(&row, j) + 1)
                .min(at(&last, j + 1) + 1)
                .min(at(&last, j) + usize::from(ca != cb));
            let swapped = i > 0 && j > 0 && a.get(i - 1) == Some(cb) && b.get(j - 1) == Some(ca);
            if swapped {
                cost = cost.min(at(&before_last, j - 1) + 1);
            }
            row.push(cost);
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised() {
        let names = ["timeout", "mode", "bind", "default_backend", "http-request"];
        assert_eq!(closest("timout", names), Some("timeout"));
        assert_eq!(closest("bidn", names), Some("bind"));
        assert_eq!(closest("default-backend", names), Some("default_backend"));
        assert_eq!(closest("MODE", names), Some("mode"));
        assert_eq!(closest("http-req", names), Some("http-request"));
        assert_eq!(closest("zebra", names), None);
        assert_eq!(closest("", names), None);
    }

    #[test]
    fn a_swap_counts_once() {
        let chars = |text: &str| text.chars().collect::<Vec<_>>();
        assert_eq!(distance(&chars("bidn"), &chars("bind")), 1);
        assert_eq!(distance(&chars("kitten"), &chars("sitting")), 3);
        assert_eq!(distance(&chars(""), &chars("abc")), 3);
    }
}
