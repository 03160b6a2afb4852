//! Login: the only call that waits for the platform (design, "Login"). A bounded number of callers, each for at most the time limit; an open
//! breaker answers at once. Passwords and verifiers are held in memory while they are needed and written nowhere.
//!
//! Leaves out: who is an administrator, the previous provider, SASL (the shim).

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use im_api::routes;
use im_api::secret::Secret;
use im_api::user::{Mechanism, Verified, Verifiers, VerifyRequest};
use serde_json::{Value, json};

use crate::config::ModuleMode;
use crate::platform::{Breaker, PlatformError};

use super::core::{Core, lock};

/// When to try again after too many wrong passwords, where the backend does not say.
const LOCKED_MS: u64 = 60_000;

/// What a login comes to; the numbers are those of docs/boundary.md.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// The password is right, or the verifier follows.
    Right,
    /// It is wrong.
    Wrong,
    /// Too many wrong ones.
    Locked,
    /// Not the platform's user: the previous provider is asked.
    Unknown,
    /// The platform does not answer.
    Dead,
}

impl Login {
    /// The number on the boundary.
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            Login::Right => 0,
            Login::Wrong => 1,
            Login::Locked => 2,
            Login::Unknown => 3,
            Login::Dead => 4,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Login::Right => "right",
            Login::Wrong => "wrong",
            Login::Locked => "locked",
            Login::Unknown => "unknown",
            Login::Dead => "no_answer",
        }
    }
}

/// A SCRAM-SHA-1 verifier as the boundary carries it.
#[derive(Debug, Default)]
pub struct Scram {
    /// Base64.
    pub salt: String,
    /// Iterations.
    pub iterations: u32,
    /// Base64.
    pub stored_key: String,
    /// Base64.
    pub server_key: String,
}

/// Who waits, and what came of it.
#[derive(Debug, Default)]
pub struct Logins {
    waiting: AtomicUsize,
    counts: Mutex<BTreeMap<&'static str, u64>>,
}

impl Logins {
    /// How many logins had which outcome.
    #[must_use]
    pub fn counts(&self) -> Value {
        json!(*lock(&self.counts))
    }
}

/// A place among those who wait.
struct Place<'a>(&'a AtomicUsize);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Core {
    /// Whether the password is the user's; for [`Login::Locked`] with the milliseconds to wait.
    pub fn verify(&self, node: &str, password: &str) -> (Login, u64) {
        let user = format!("{node}@{}", self.start.domain);
        if let Some(running) = self.folder("user") {
            let answer =
                self.login(&running.breaker, || Ok(super::by_row::verify(self, &running, &user, password)));
            let login = answer.unwrap_or_else(|login| login);
            return self.came_to((login, if login == Login::Locked { LOCKED_MS } else { 0 }));
        }
        let request = VerifyRequest { user, password: Secret(password.to_owned()) };
        let answer = self
            .login(&self.breaker, || self.client.json::<_, Verified>("POST", routes::VERIFY, &request, None));
        self.came_to(match answer {
            Ok(Verified::Ok) => (Login::Right, 0),
            Ok(Verified::Wrong) => (Login::Wrong, 0),
            Ok(Verified::Locked { retry_after_ms }) => (Login::Locked, retry_after_ms),
            Ok(Verified::Unknown) => (Login::Unknown, 0),
            Err(login) => (login, 0),
        })
    }

    /// The user's SCRAM-SHA-1 verifier.
    pub fn verifier(&self, node: &str) -> (Login, Option<Scram>) {
        let user = format!("{node}@{}", self.start.domain);
        let path = routes::path(routes::SCRAM, &[&user]);
        if self.folder("user").is_some() {
            // No values: the next stream is not offered SCRAM.
            return (Login::Right, None);
        }
        let answer = self.login(&self.breaker, || self.client.call::<Verifiers>("GET", &path, None, None));
        let (login, verifier) = match answer {
            Ok(verifiers) if verifiers.items.is_empty() => (Login::Locked, None),
            Ok(verifiers) => {
                match verifiers.items.into_iter().find(|v| v.mechanism == Mechanism::ScramSha1) {
                    Some(v) => {
                        let (stored_key, server_key) = (v.stored_key.0, v.server_key.0);
                        (
                            Login::Right,
                            Some(Scram { salt: v.salt, iterations: v.iterations, stored_key, server_key }),
                        )
                    }
                    None => (Login::Unknown, None),
                }
            }
            Err(login) => (login, None),
        };
        self.came_to((login, 0));
        (login, verifier)
    }

    /// Asks, if there is a place, and the platform is well.
    fn login<T>(
        &self,
        breaker: &Breaker,
        ask: impl FnOnce() -> Result<T, PlatformError>,
    ) -> Result<T, Login> {
        if self.config().module("user").mode != ModuleMode::Decide {
            return Err(Login::Unknown);
        }
        let before = self.logins.waiting.fetch_add(1, Ordering::AcqRel);
        let _place = Place(&self.logins.waiting);
        if before >= self.config().login_callers || !breaker.closed() || self.ending.load(Ordering::Acquire) {
            return Err(Login::Dead);
        }
        ask()
            .inspect(|_| {
                // A folder's verdict has counted already.
                if std::ptr::eq(breaker, &raw const self.breaker) {
                    breaker.success();
                }
            })
            .map_err(|error| {
                if error.is(im_api::problem::NOT_FOUND) {
                    return Login::Unknown;
                }
                self.failed("login", error.to_string());
                if error.platform_is_ill() {
                    self.breaker.failure(&error.to_string(), error.refused_credential());
                }
                Login::Dead
            })
    }

    fn came_to(&self, outcome: (Login, u64)) -> (Login, u64) {
        *lock(&self.logins.counts).entry(outcome.0.word()).or_default() += 1;
        outcome
    }
}
