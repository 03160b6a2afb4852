//! The circuit breaker: after enough failures in a row nobody waits for the platform any more; one probe at a time looks whether it is back.

use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Failures in a row that open it.
const FAILURES: u32 = 5;
/// First and longest pause between probes.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// What the breaker is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Requests go out.
    Closed,
    /// Nothing goes out but probes.
    Open,
}

#[derive(Debug)]
struct Inner {
    state: State,
    failures: u32,
    pause: Duration,
    probe_at: Option<Instant>,
    opened: u64,
    last_error: Option<String>,
}

/// See the module.
#[derive(Debug)]
pub struct Breaker {
    inner: Mutex<Inner>,
}

impl Default for Breaker {
    fn default() -> Self {
        Breaker {
            inner: Mutex::new(Inner {
                state: State::Closed,
                failures: 0,
                pause: PAUSES.0,
                probe_at: None,
                opened: 0,
                last_error: None,
            }),
        }
    }
}

impl Breaker {
    fn lock(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Whether requests may go out.
    #[must_use]
    pub fn closed(&self) -> bool {
        self.lock().state == State::Closed
    }

    /// A request was answered (with whatever status below 500). True when this closed the breaker.
    pub fn success(&self) -> bool {
        let mut inner = self.lock();
        let was_open = inner.state == State::Open;
        inner.state = State::Closed;
        inner.failures = 0;
        inner.pause = PAUSES.0;
        inner.probe_at = None;
        inner.last_error = None;
        was_open
    }

    /// A request failed. `now` opens it at once (a refused credential does not get better by asking again). True when this opened it.
    pub fn failure(&self, error: &str, now: bool) -> bool {
        let mut inner = self.lock();
        inner.last_error = Some(error.to_owned());
        inner.failures += 1;
        if inner.state == State::Open {
            inner.pause = (inner.pause * 2).min(PAUSES.1);
            inner.probe_at = Some(Instant::now() + inner.pause);
            return false;
        }
        if inner.failures < FAILURES && !now {
            return false;
        }
        inner.state = State::Open;
        inner.opened += 1;
        inner.probe_at = Some(Instant::now() + inner.pause);
        true
    }

    /// Whether a probe is due; it counts as taken until its answer.
    #[must_use]
    pub fn probe_due(&self) -> bool {
        let mut inner = self.lock();
        let due = inner.state == State::Open && inner.probe_at.is_some_and(|at| at <= Instant::now());
        if due {
            inner.probe_at = None;
        }
        due
    }

    /// Forgets everything (the connection was made anew).
    pub fn reset(&self) {
        self.success();
    }

    /// State, how often it opened, the last error.
    #[must_use]
    pub fn describe(&self) -> (State, u64, Option<String>) {
        let inner = self.lock();
        (inner.state, inner.opened, inner.last_error.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_five_failures_in_a_row_and_closes_at_the_first_success() {
        let breaker = Breaker::default();
        for _ in 0..4 {
            assert!(!breaker.failure("x", false));
        }
        breaker.success();
        for _ in 0..4 {
            assert!(!breaker.failure("x", false));
        }
        assert!(breaker.failure("x", false) && !breaker.closed());
        assert!(breaker.success() && breaker.closed());
        assert!(breaker.failure("401", true), "a refused credential opens it at once");
    }
}
