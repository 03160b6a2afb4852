//! How a request to the platform shows who sends it: a token that an admin set, or one of a Keystone that is renewed beside the requests.
//!
//! A request never asks Keystone itself: it takes the token at hand, or is told why there is none. One thread of the host keeps the token good
//! ([`Pass::work`]); only a request whose token was rejected waits for it, and not long.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use openstack::{Catalog, Error, Held, Session, Token};

/// How long a request whose token was rejected waits for another one.
const PATIENCE: Duration = Duration::from_secs(1);

/// What goes along with a request to show who we are.
#[derive(Clone)]
pub enum Credential {
    /// A bearer token.
    Bearer(String),
    /// Whatever token of Keystone's holds now.
    Keystone(Arc<Pass>),
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Bearer(_) => "Bearer",
            Self::Keystone(_) => "Keystone",
        })
    }
}

/// A header that shows who we are.
pub struct Shown {
    /// Its name.
    pub name: &'static str,
    /// Its value, a secret.
    pub value: String,
    token: Option<Arc<Held>>,
}

impl Credential {
    /// The header for a request now.
    ///
    /// # Errors
    /// Why there is none, in words for an admin.
    pub fn show(&self) -> Result<Shown, String> {
        match self {
            Self::Bearer(token) => {
                Ok(Shown { name: "authorization", value: format!("Bearer {token}"), token: None })
            }
            Self::Keystone(pass) => pass.session.held().map(shown).ok_or_else(|| pass.why_none()),
        }
    }

    /// The platform did not take what was shown (401): something else to show, if there is.
    #[must_use]
    pub fn another(&self, rejected: &Shown) -> Option<Shown> {
        match (self, &rejected.token) {
            (Self::Keystone(pass), Some(held)) => pass.another(&held.token).map(shown),
            _ => None,
        }
    }
}

fn shown(held: Arc<Held>) -> Shown {
    Shown { name: "x-auth-token", value: held.token.id.clone(), token: Some(held) }
}

/// One login at a Keystone, kept good by one thread for all requests.
#[derive(Debug)]
pub struct Pass {
    session: Session,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// The platform does not take it.
    rejected: Option<Token>,
    /// The catalogue did not say what was wanted: it is read again then.
    again_at: Option<Instant>,
    ended: bool,
}

impl Pass {
    /// Asks nothing yet.
    #[must_use]
    pub fn new(session: Session) -> Self {
        Self { session, state: Mutex::default(), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keystone's address.
    #[must_use]
    pub fn keystone(&self) -> &str {
        self.session.keystone().url()
    }

    /// How long the token still holds; None: there is none.
    #[must_use]
    pub fn left(&self) -> Option<Duration> {
        self.session.held().map(|held| held.left())
    }

    /// Why the last request for a token failed, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<Error> {
        self.session.failure()
    }

    fn why_none(&self) -> String {
        match self.session.failure() {
            Some(error) => format!("no token for the platform: {error}"),
            None => format!("Keystone at {} has not given a token yet", self.keystone()),
        }
    }

    fn another(&self, rejected: &Token) -> Option<Arc<Held>> {
        let other = || self.session.held().filter(|held| held.token.id != rejected.id);
        if let Some(held) = other() {
            return Some(held);
        }
        let mut state = self.state();
        state.rejected = Some(rejected.clone());
        self.changed.notify_all();
        let waiting = |state: &mut State| state.rejected.is_some() && !state.ended;
        drop(
            self.changed.wait_timeout_while(state, PATIENCE, waiting).unwrap_or_else(PoisonError::into_inner),
        );
        other()
    }

    /// Waits at most `wait` for something to do and does it. Some: what a new token says is in the cloud, or why there is no new one.
    pub fn work(&self, wait: Duration) -> Option<Result<Catalog, Error>> {
        let state = self.state();
        let now = Instant::now();
        let again = state.again_at.map(|at| at.saturating_duration_since(now));
        let due = self.session.due_in().min(again.unwrap_or(Duration::MAX));
        let idle = |state: &mut State| state.rejected.is_none() && !state.ended;
        let mut state = if due.is_zero() {
            state
        } else {
            let waited = self.changed.wait_timeout_while(state, due.min(wait), idle);
            waited.unwrap_or_else(PoisonError::into_inner).0
        };
        if state.ended {
            return None;
        }
        let rejected = state.rejected.clone();
        let again = state.again_at.is_some_and(|at| at <= Instant::now());
        if again {
            state.again_at = None;
        }
        drop(state);
        if rejected.is_none() && !again && !self.session.due_in().is_zero() {
            return None;
        }
        let before = self.session.held();
        let answer = match &rejected {
            Some(token) => self.session.rejected(token),
            None if again => self.session.renew(),
            None => self.session.renew_if_due(),
        };
        // Whoever waits looks for himself whether the token is another one.
        self.state().rejected = None;
        self.changed.notify_all();
        match answer {
            Ok(held) if before.is_some_and(|b| b.token.id == held.token.id) => None,
            Ok(held) => Some(Ok(held.token.catalog.clone())),
            Err(error) => Some(Err(error)),
        }
    }

    /// The catalogue did not say what was wanted: another one is asked for after so long.
    pub fn look_again(&self, after: Duration) {
        self.state().again_at = Some(Instant::now() + after);
    }

    /// Nobody needs it any more: who waits is let go, a request under way ends.
    pub fn end(&self) {
        self.session.keystone().shutdown();
        self.state().ended = true;
        self.changed.notify_all();
    }
}
