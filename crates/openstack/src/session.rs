//! A token that is always a good one: kept while it holds, renewed long before it ends and when a service rejects it.
//!
//! At most one request for a token is under way; whoever has a valid one never waits for it. After a failure nobody asks again for a while, so
//! that a dead Keystone costs its callers one error each, not one time limit each.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Error;
use super::keystone::{Keystone, Login, Token, Validated};

/// A token this young that is rejected is not the token's fault.
const YOUNG: Duration = Duration::from_secs(5);
/// First and longest pause after a failure.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));

/// A token and how long we may use it.
#[derive(Debug)]
pub struct Held {
    /// The token.
    pub token: Token,
    /// When we got it.
    pub since: Instant,
}

impl Held {
    /// How long it still holds.
    #[must_use]
    pub fn left(&self) -> Duration {
        // What takes the way to a service should still hold there.
        let margin = Duration::from_secs(2).min(self.token.lifetime / 10);
        (self.token.lifetime - margin).saturating_sub(self.since.elapsed())
    }

    /// When a new one should be asked for: a Keystone that is away for half a token's life is then not noticed.
    #[must_use]
    pub fn due_in(&self) -> Duration {
        (self.token.lifetime / 2).saturating_sub(self.since.elapsed())
    }
}

#[derive(Debug, Default)]
struct State {
    held: Option<Arc<Held>>,
    failure: Option<Failure>,
}

#[derive(Debug, Clone)]
struct Failure {
    error: Error,
    until: Instant,
    pause: Duration,
}

/// One login at one Keystone.
#[derive(Debug)]
pub struct Session {
    keystone: Keystone,
    login: Login,
    state: Mutex<State>,
    asking: Mutex<()>,
}

impl Session {
    /// Asks nothing yet.
    #[must_use]
    pub fn new(keystone: Keystone, login: Login) -> Self {
        Self { keystone, login, state: Mutex::default(), asking: Mutex::default() }
    }

    /// The Keystone.
    #[must_use]
    pub fn keystone(&self) -> &Keystone {
        &self.keystone
    }

    /// The login, without its secret.
    #[must_use]
    pub fn login(&self) -> String {
        self.login.describe()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The token that holds now, if there is one. Never waits.
    #[must_use]
    pub fn held(&self) -> Option<Arc<Held>> {
        self.state().held.clone().filter(|held| !held.left().is_zero())
    }

    /// Why the last request for a token failed, if it did.
    #[must_use]
    pub fn failure(&self) -> Option<Error> {
        self.state().failure.as_ref().map(|f| f.error.clone())
    }

    /// When to come back: when a new token is due, or when it may be asked for again.
    #[must_use]
    pub fn due_in(&self) -> Duration {
        let state = self.state();
        let due = state.held.as_ref().map_or(Duration::ZERO, |held| held.due_in());
        let pause = state.failure.as_ref().map(|f| f.until.saturating_duration_since(Instant::now()));
        due.max(pause.unwrap_or_default())
    }

    /// A token that holds; asks for one only if there is none.
    ///
    /// # Errors
    /// [`Error`], at once if it was asked for a moment ago.
    pub fn token(&self) -> Result<Arc<Held>, Error> {
        match self.held() {
            Some(held) => Ok(held),
            None => self.ask(|held| held.left().is_zero()),
        }
    }

    /// A new token if one is due (see [`Session::due_in`]).
    ///
    /// # Errors
    /// [`Error`].
    pub fn renew_if_due(&self) -> Result<Arc<Held>, Error> {
        self.ask(|held| held.due_in().is_zero())
    }

    /// A new one, whatever the one at hand is worth: for its catalogue.
    ///
    /// # Errors
    /// [`Error`].
    pub fn renew(&self) -> Result<Arc<Held>, Error> {
        self.ask(|held| held.since.elapsed() > YOUNG)
    }

    /// A service has rejected this token: another one, unless it is so young that another would fare no better.
    ///
    /// # Errors
    /// [`Error`].
    pub fn rejected(&self, token: &Token) -> Result<Arc<Held>, Error> {
        self.ask(|held| held.left().is_zero() || (held.token.id == token.id && held.since.elapsed() > YOUNG))
    }

    /// Asks for a token, unless the one at hand will do when it is our turn.
    fn ask(&self, outdated: impl Fn(&Held) -> bool) -> Result<Arc<Held>, Error> {
        let _turn = self.asking.lock().unwrap_or_else(PoisonError::into_inner);
        {
            let state = self.state();
            if let Some(held) = state.held.as_ref().filter(|held| !outdated(held)) {
                return Ok(Arc::clone(held));
            }
            if let Some(failure) = state.failure.as_ref().filter(|f| f.until > Instant::now()) {
                return Err(failure.error.clone());
            }
        }
        // From before the request: its way back is not part of its life.
        let since = Instant::now();
        let answer = self.keystone.log_in(&self.login);
        let mut state = self.state();
        match answer {
            Ok(token) => {
                let held = Arc::new(Held { token, since });
                *state = State { held: Some(Arc::clone(&held)), failure: None };
                Ok(held)
            }
            Err(error) => {
                let last = state.failure.as_ref().map(|f| f.pause);
                let pause = match last {
                    // A wrong secret does not get better by asking; many wrong logins may lock the user out.
                    _ if !error.temporary() => PAUSES.1,
                    Some(pause) => (pause * 2).min(PAUSES.1),
                    None => PAUSES.0,
                };
                state.failure = Some(Failure { error: error.clone(), until: Instant::now() + pause, pause });
                Err(error)
            }
        }
    }

    /// Asks whose token this is; None: nobody's (any more).
    ///
    /// # Errors
    /// [`Error`].
    pub fn validate(&self, subject: &str) -> Result<Option<Validated>, Error> {
        let own = self.token()?;
        match self.keystone.validate(&own.token, subject) {
            Err(Error::Refused { status: 401, .. }) => {
                let own = self.rejected(&own.token)?;
                self.keystone.validate(&own.token, subject)
            }
            other => other,
        }
    }
}
