//! Those who want to hear of something that changes, on whatever thread.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

type Hear<T> = Arc<dyn Fn(&T) -> bool + Send + Sync>;

/// Those who want to hear of something. Nobody among them costs a load for each change.
pub struct Listeners<T> {
    any: AtomicBool,
    all: Mutex<Vec<Hear<T>>>,
}

impl<T> Default for Listeners<T> {
    fn default() -> Self {
        Listeners {
            any: AtomicBool::new(false),
            all: Mutex::default(),
        }
    }
}

impl<T> Listeners<T> {
    /// Lets `hear` hear of what comes, until it answers false. It is called by whoever changes something, and must
    /// not wait.
    pub fn add(&self, hear: impl Fn(&T) -> bool + Send + Sync + 'static) {
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(Arc::new(hear));
        self.any.store(true, Ordering::Release);
    }

    /// Whether anybody listens.
    pub fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Tells them, if there are any.
    pub fn tell(&self, news: &T) {
        if !self.any() {
            return;
        }
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let over: Vec<Hear<T>> = all.into_iter().filter(|hear| !hear(news)).collect();
        if !over.is_empty() {
            let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
            all.retain(|hear| !over.iter().any(|over| Arc::ptr_eq(over, hear)));
            self.any.store(!all.is_empty(), Ordering::Release);
        }
    }
}

impl<T> fmt::Debug for Listeners<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listeners").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;

    #[test]
    fn who_has_heard_enough_is_told_no_more() {
        let listeners = Listeners::default();
        let heard = Arc::new(AtomicU32::new(0));
        assert!(!listeners.any());
        for limit in [1, 3] {
            let (heard, own) = (heard.clone(), AtomicU32::new(0));
            listeners.add(move |more: &u32| {
                heard.fetch_add(*more, Ordering::Relaxed);
                own.fetch_add(1, Ordering::Relaxed) + 1 < limit
            });
        }
        for _ in 0..5 {
            listeners.tell(&10);
        }
        assert_eq!(heard.load(Ordering::Relaxed), 40);
        assert!(!listeners.any());
    }
}
