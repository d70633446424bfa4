//! What is costly to make, and kept by whoever needs no more of it for whoever needs one next.

/// Spare things of a kind. As many are kept as were needed within the last moments.
pub(crate) struct Spares<T> {
    free: Vec<T>,
    /// The fewest that there were since they were last looked through: nobody needed those.
    fewest: usize,
    most: usize,
}

impl<T> Spares<T> {
    /// None as yet, and never more than so many.
    pub(crate) const fn new(most: usize) -> Spares<T> {
        Spares {
            free: Vec::new(),
            fewest: 0,
            most,
        }
    }

    /// One of them, if there is one.
    pub(crate) fn take(&mut self) -> Option<T> {
        let one = self.free.pop();
        self.fewest = self.fewest.min(self.free.len());
        one
    }

    /// Keeps one; gives it back if there are enough.
    pub(crate) fn put(&mut self, one: T) -> Option<T> {
        if self.free.len() >= self.most {
            return Some(one);
        }
        self.free.push(one);
        None
    }

    /// Those that nobody needed since this was last asked, to be dropped.
    pub(crate) fn needless(&mut self) -> Vec<T> {
        let needless = self.free.drain(..self.fewest).collect();
        self.fewest = self.free.len();
        if self.free.is_empty() {
            self.free = Vec::new();
        }
        needless
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_needs_is_given_back_and_the_rest_is_kept() {
        let mut spares = Spares::new(3);
        assert_eq!(spares.take(), None);
        let kept: Vec<_> = (0..4).map(|one| spares.put(one)).collect();
        assert_eq!(kept, [None, None, None, Some(3)]);
        assert_eq!(spares.needless(), [], "there were none at first");
        let (one, two) = (spares.take(), spares.take());
        assert_eq!((one, two), (Some(2), Some(1)));
        spares.put(1);
        spares.put(2);
        assert_eq!(spares.needless(), [0], "two of them were needed");
        assert_eq!(spares.needless(), [1, 2]);
        assert_eq!(spares.needless(), []);
    }
}
