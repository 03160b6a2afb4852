//! A limit of requests per caller: a bucket that fills steadily and holds two seconds' worth.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The limit.
#[derive(Debug)]
pub struct Rate {
    per_second: f64,
    buckets: Mutex<HashMap<String, (f64, Instant)>>,
}

impl Rate {
    /// So many requests per second and caller; 0 is no limit.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        Self { per_second: per_second.into(), buckets: Mutex::default() }
    }

    /// Whether the caller may go on. Callers are configured, so there are few.
    pub fn admit(&self, caller: &str) -> bool {
        if self.per_second == 0.0 {
            return true;
        }
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let full = self.per_second * 2.0;
        let (level, at) = buckets.entry(caller.into()).or_insert((full, now));
        *level = (*level + now.duration_since(*at).as_secs_f64() * self.per_second).min(full);
        *at = now;
        if *level < 1.0 {
            return false;
        }
        *level -= 1.0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_uses_up_its_own_bucket_only() {
        let rate = Rate::new(1);
        assert!(rate.admit("a") && rate.admit("a") && !rate.admit("a"));
        assert!(rate.admit("b"));
        assert!((0..1_000).all(|_| Rate::new(0).admit("a")));
    }
}
