//! Effects on their way to the shim: one queue, any number of takers; and who waits for the end of one.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};

use crate::error::HostError;
use crate::ffi::frame::{Outcome, Writer, effect};

use super::core::lock;
use super::rows::ROW_EFFECTS;

/// Effects that somebody waits for have numbers from here on; those of lanes are below.
pub const WAITED: u64 = 1 << 62;
/// Log lines that may wait; above it they are dropped.
const LOG_MAX: usize = 1000;

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Vec<u8>>,
    closed: bool,
    /// Takers that wait.
    takers: usize,
}

/// See the module.
#[derive(Debug)]
pub struct Effects {
    queue: Mutex<Queue>,
    wake: Condvar,
    waiting: Mutex<HashMap<u64, mpsc::SyncSender<(Outcome, String)>>>,
    next: AtomicU64,
    logs: AtomicUsize,
}

impl Default for Effects {
    fn default() -> Self {
        Effects {
            queue: Mutex::default(),
            wake: Condvar::new(),
            waiting: Mutex::default(),
            next: AtomicU64::new(WAITED),
            logs: AtomicUsize::new(0),
        }
    }
}

impl Effects {
    /// Queues a frame.
    pub fn push(&self, frame: Vec<u8>) {
        let mut queue = lock(&self.queue);
        queue.frames.push_back(frame);
        // Waking is a system call, also when nobody waits.
        let waits = queue.takers > 0;
        drop(queue);
        if waits {
            self.wake.notify_one();
        }
    }

    /// Queues a log line. Must hold no user content.
    pub fn log(&self, level: i32, logger: &str, text: &str) {
        if self.logs.fetch_add(1, Ordering::Relaxed) < LOG_MAX {
            self.push(Writer::new(effect::LOG).int(level).str(logger).str(text).finish());
        }
    }

    /// Queues an effect made by `frame` (given its number) and waits for its end. None when nobody reported within `limit`.
    pub fn perform(&self, limit: Duration, frame: impl FnOnce(u64) -> Vec<u8>) -> Option<(Outcome, String)> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (sender, receiver) = mpsc::sync_channel(1);
        lock(&self.waiting).insert(number, sender);
        self.push(frame(number));
        let outcome = receiver.recv_timeout(limit).ok();
        lock(&self.waiting).remove(&number);
        outcome
    }

    /// Has the shim do something by a verb of APPLY and waits for its end, as [`Effects::perform`].
    pub fn apply<S: AsRef<str>>(
        &self,
        limit: Duration,
        verb: &str,
        arguments: &[S],
    ) -> Option<(Outcome, String)> {
        self.perform(limit, |number| {
            let w = Writer::new(effect::APPLY).long(number).str(verb);
            let w = w.int(i32::try_from(arguments.len()).unwrap_or(0));
            arguments.iter().fold(w, |w, argument| w.str(argument.as_ref())).finish()
        })
    }

    /// Reports the end of an effect that somebody waits for.
    pub fn performed(&self, number: u64, outcome: Outcome, detail: &str) {
        if let Some(sender) = lock(&self.waiting).remove(&number) {
            let _ = sender.try_send((outcome, detail.to_owned()));
        }
    }

    /// How many effects somebody waits for.
    #[must_use]
    pub fn waited_for(&self) -> usize {
        lock(&self.waiting).len()
    }

    /// The next frame, or None after `wait`.
    ///
    /// # Errors
    /// [`HostError::Closed`] after [`Effects::close`].
    pub fn take(&self, wait: Duration) -> Result<Option<Vec<u8>>, HostError> {
        let deadline = Instant::now() + wait;
        let mut queue = lock(&self.queue);
        loop {
            if let Some(frame) = queue.frames.pop_front() {
                if frame.first() == Some(&effect::LOG) {
                    self.logs.fetch_sub(1, Ordering::Relaxed);
                }
                return Ok(Some(frame));
            }
            if queue.closed {
                return Err(HostError::Closed);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            queue.takers += 1;
            queue = self.wake.wait_timeout(queue, left).unwrap_or_else(std::sync::PoisonError::into_inner).0;
            queue.takers -= 1;
        }
    }

    /// Drops the effects that nobody has taken, except log lines and filter tables, and except those of rows and presences: the journal does not know
    /// them, so nobody would get them after the next start. Gives their numbers.
    pub fn withdraw(&self) -> Vec<u64> {
        let mut queue = lock(&self.queue);
        let mut numbers = Vec::new();
        queue.frames.retain(|frame| {
            if matches!(frame.first(), Some(&(effect::LOG | effect::FILTER))) {
                return true;
            }
            let Some(number) = frame.get(1..9).and_then(|b| b.try_into().ok()).map(u64::from_be_bytes) else {
                return false;
            };
            let keep = (ROW_EFFECTS..WAITED).contains(&number);
            if !keep {
                numbers.push(number);
            }
            keep
        });
        drop(queue);
        lock(&self.waiting).retain(|number, _| !numbers.contains(number));
        numbers
    }

    /// Ends all waiting: takers get what is queued, then `Closed`.
    pub fn close(&self) {
        lock(&self.queue).closed = true;
        self.wake.notify_all();
        lock(&self.waiting).clear();
    }
}
