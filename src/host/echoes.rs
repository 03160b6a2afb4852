//! News of our own making: accounts that Openfire makes or deletes because the platform has done so. Openfire reports them like all others, and the
//! platform is not told what it said: news of an account's end that comes late would end the next account of that name.
//!
//! Leaves out: who knows that such news is to come (`rows` for what clients asked for, `downlink` for what the platform said).

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::core::lock;

/// How long an account that is made or deleted at our word may take to be reported by Openfire.
const ECHO: Duration = Duration::from_secs(30);

/// What is to come.
#[derive(Debug, Default)]
pub struct Echoes(Mutex<Vec<(Instant, &'static str, String)>>);

impl Echoes {
    /// An event of this row is to come, about this account.
    pub fn expect(&self, row: &'static str, bare: &str) {
        let mut all = lock(&self.0);
        all.retain(|(since, ..)| since.elapsed() < ECHO);
        all.push((Instant::now(), row, bare.to_owned()));
    }

    /// It has come, or will not.
    pub fn forget(&self, row: &str, bare: &str) {
        self.is_one(row, bare);
    }

    /// Whether this is one that was to come; the next one is not.
    pub fn is_one(&self, row: &str, bare: &str) -> bool {
        let mut all = lock(&self.0);
        all.retain(|(since, ..)| since.elapsed() < ECHO);
        let found = all.iter().position(|(_, r, b)| *r == row && b == bare);
        found.map(|at| all.swap_remove(at)).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_expected_is_swallowed_once_and_nothing_else_is() {
        let echoes = Echoes::default();
        echoes.expect("user.removed", "juliet@example.org");
        assert!(!echoes.is_one("user.made", "juliet@example.org"), "another event");
        assert!(!echoes.is_one("user.removed", "romeo@example.org"), "another account");
        assert!(echoes.is_one("user.removed", "juliet@example.org"));
        assert!(!echoes.is_one("user.removed", "juliet@example.org"), "the next end is somebody's doing");
        echoes.expect("user.made", "romeo@example.org");
        echoes.forget("user.made", "romeo@example.org");
        assert!(!echoes.is_one("user.made", "romeo@example.org"), "it did not come");
    }
}
