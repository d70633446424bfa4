//! The known name that a misspelt one was probably meant to be.

/// The candidate nearest to `word`, if one is near enough to be worth naming.
///
/// Near enough is an edit distance of up to a third of the word's length (at least one edit); a swap of
/// two neighbouring letters counts as one edit. Among equals the first candidate wins. A single letter is one edit from any other, and
/// near to the same in another case alone.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = match word.len() {
        1 => 0,
        len => (len / 3).max(1),
    };
    let mut best: Option<(usize, &str)> = None;
    let mut rows = Rows::default();
    for candidate in candidates {
        if candidate == word {
            continue;
        }
        let bound = best.map_or(limit, |(distance, _)| distance.saturating_sub(1));
        if let Some(distance) = rows.distance_within(word.as_bytes(), candidate.as_bytes(), bound) {
            best = Some((distance, candidate));
            if distance == 0 {
                break;
            }
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// The last three rows of the table of distances, kept from one candidate to the next.
#[derive(Default)]
struct Rows {
    before: Vec<usize>,
    last: Vec<usize>,
    row: Vec<usize>,
}

impl Rows {
    /// The optimal-string-alignment distance of two words ignoring ASCII case, if it is `limit` or less.
    fn distance_within(&mut self, left: &[u8], right: &[u8], limit: usize) -> Option<usize> {
        if left.len().abs_diff(right.len()) > limit {
            return None;
        }
        self.before.clear();
        self.last.clear();
        self.last.extend(0..=right.len());
        let mut left_before = 0;
        for (i, &l) in left.iter().enumerate() {
            self.row.clear();
            self.row.push(i + 1);
            let mut right_before = 0;
            let mut least = i + 1;
            for (j, &r) in right.iter().enumerate() {
                let at = |row: &[usize], index: usize| row.get(index).copied().unwrap_or(usize::MAX - 1);
                let same = l.eq_ignore_ascii_case(&r);
                let mut cost = (at(&self.last, j) + usize::from(!same))
                    .min(at(&self.last, j + 1) + 1)
                    .min(at(&self.row, j) + 1);
                let swapped = l.eq_ignore_ascii_case(&right_before) && r.eq_ignore_ascii_case(&left_before);
                if i > 0 && j > 0 && swapped {
                    cost = cost.min(at(&self.before, j - 1) + 1);
                }
                self.row.push(cost);
                least = least.min(cost);
                right_before = r;
            }
            if least > limit {
                return None;
            }
            std::mem::swap(&mut self.before, &mut self.last);
            std::mem::swap(&mut self.last, &mut self.row);
            left_before = l;
        }
        self.last.last().copied().filter(|&distance| distance <= limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_names_are_suggested_and_far_ones_are_not() {
        let names = ["path_beg", "path_end", "hdr", "src", "src_port"];
        assert_eq!(did_you_mean("path_bge", names), Some("path_beg"));
        assert_eq!(did_you_mean("pathbeg", names), Some("path_beg"));
        assert_eq!(did_you_mean("SRC_PORT", names), Some("src_port"));
        assert_eq!(did_you_mean("hrd", names), Some("hdr"));
        assert_eq!(did_you_mean("cookie", names), None);
        assert_eq!(did_you_mean("", names), None);
        assert_eq!(did_you_mean("Q", ["B", "H"]), None);
        assert_eq!(did_you_mean("Q", ["B", "q"]), Some("q"));
    }

    #[test]
    fn the_nearest_wins() {
        assert_eq!(
            did_you_mean("path_ent", ["path_beg", "path_end"]),
            Some("path_end")
        );
    }
}
