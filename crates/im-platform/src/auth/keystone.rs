//! Tokens of a cloud's Keystone, in `X-Auth-Token` as at every service of a cloud. Keystone says whose a token is; [`Rules`] say what its roles mean.
//!
//! What Keystone said is kept, by the token's hash: a good word for `cache`, and while Keystone is away for `grace`, never beyond the token's own
//! end; a bad word for seconds. One question per token is under way at a time, and few in all. While Keystone does not answer, who was let in goes
//! on without waiting for it, and who was not is told 503: a client must not throw away a token that nobody has spoken against.
//!
//! Leaves out: HTTP to Keystone and our own login there (the crate `openstack`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::http::{HeaderName, Request};
use openstack::{Error, Session, Validated};
use ring::digest;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use super::{AuthError, Caller, Credentials, Scope};
use crate::clock::{Clock, Millis};

/// The header of a cloud's tokens.
pub const TOKEN_HEADER: HeaderName = HeaderName::from_static("x-auth-token");

/// Words kept of each kind.
const MAX: usize = 10_000;
/// How long a bad word counts. A revoked token stays revoked; a role may be given any time.
const BAD: Millis = 5_000;
/// Questions under way at the same time.
const ASKING: usize = 8;
/// How long somebody who was let in before waits for Keystone's new word.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long Keystone is left alone after it did not answer.
const PAUSE: Millis = 2_000;

/// What a role is worth.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name in Keystone.
    pub role: String,
    /// What its holder may do.
    pub scope: Scope,
    /// Whether an operator may read what people wrote.
    pub text: bool,
}

/// Who is let in as what.
#[derive(Debug, Clone)]
pub struct Rules {
    /// The projects whose roles count: `domain/name`, or an id. In any other project somebody else may say who has which role.
    pub projects: Vec<String>,
    /// Of a token's roles the first of these counts.
    pub roles: Vec<Role>,
    /// How long a good word is believed without asking again.
    pub cache: Millis,
    /// How long it is believed when Keystone does not answer.
    pub grace: Millis,
}

impl Rules {
    fn caller(&self, token: &Validated) -> Result<Caller, AuthError> {
        let project = token.project.as_ref().ok_or(AuthError::NoRole)?;
        let name = format!("{}/{}", project.domain.name, project.name);
        if !self.projects.iter().any(|wanted| *wanted == project.id || *wanted == name) {
            return Err(AuthError::NoRole);
        }
        let role = self.roles.iter().find(|r| token.roles.contains(&r.role)).ok_or(AuthError::NoRole)?;
        // For logs and the audit; no configured credential can have a name like it.
        let name = format!("keystone:{}/{}", token.user.domain.name, token.user.name);
        let name = name.chars().filter(|c| !c.is_control()).take(256).collect();
        Ok(Caller { name, scope: role.scope, text: role.text })
    }
}

/// What asks Keystone; behind a trait for the tests of what is kept.
pub trait Validator: std::fmt::Debug + Send + Sync + 'static {
    /// Whose token it is. Blocks.
    ///
    /// # Errors
    /// Why Keystone does not say.
    fn validate(&self, token: &str) -> Result<Option<Validated>, Error>;
}

impl Validator for Session {
    fn validate(&self, token: &str) -> Result<Option<Validated>, Error> {
        Session::validate(self, token)
    }
}

type Hash = [u8; 32];
type Word = Result<Caller, AuthError>;

#[derive(Debug, Clone)]
struct Good {
    caller: Caller,
    checked: Millis,
    expires: Millis,
}

#[derive(Debug, Default)]
struct Kept {
    good: HashMap<Hash, Good>,
    bad: HashMap<Hash, (AuthError, Millis)>,
    flights: HashMap<Hash, watch::Receiver<Option<Word>>>,
    /// Until when Keystone is left alone.
    pause_until: Millis,
    /// Why it does not answer, since when it does not.
    trouble: Option<String>,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct KeystoneTokens(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    validator: Arc<dyn Validator>,
    rules: Rules,
    clock: Clock,
    kept: Mutex<Kept>,
    asking: Arc<Semaphore>,
}

impl KeystoneTokens {
    /// Tokens that this one validates, by these rules.
    #[must_use]
    pub fn new(validator: Arc<dyn Validator>, rules: Rules, clock: Clock) -> Self {
        let (kept, asking) = (Mutex::default(), Arc::new(Semaphore::new(ASKING)));
        Self(Arc::new(Inner { validator, rules, clock, kept, asking }))
    }

    async fn word(&self, token: &str) -> Word {
        let hash = digest::digest(&digest::SHA256, token.as_bytes()).as_ref().try_into().unwrap_or_default();
        let (known, mut flight) = match self.0.at_hand(hash, || self.begin(hash, token)) {
            AtHand::Word(word) => return word,
            AtHand::Asked { known, flight } => (known, flight),
        };
        let answer = async {
            // Without an answer its sender is gone: the process ends.
            flight.wait_for(Option::is_some).await.ok().and_then(|word| word.clone())
        };
        let Some(caller) = known else { return answer.await.unwrap_or(Err(AuthError::Unavailable)) };
        match timeout(PATIENCE, answer).await {
            Ok(Some(Err(AuthError::Unavailable)) | None) => Ok(caller),
            Ok(Some(word)) => word,
            Err(_) => {
                self.0.silent("Keystone takes long to answer".into());
                Ok(caller)
            }
        }
    }

    /// Asks beside whoever wants to know: who gives up waiting does not take the answer with it.
    fn begin(&self, hash: Hash, token: &str) -> watch::Receiver<Option<Word>> {
        let (said, flight) = watch::channel(None);
        let (inner, token) = (Arc::clone(&self.0), token.to_owned());
        tokio::spawn(async move {
            let answer = match Arc::clone(&inner.asking).acquire_owned().await {
                Ok(_turn) => {
                    let validator = Arc::clone(&inner.validator);
                    tokio::task::spawn_blocking(move || validator.validate(&token)).await.ok()
                }
                Err(_) => None,
            };
            let word = inner.learn(hash, answer);
            said.send_replace(Some(word));
        });
        flight
    }
}

#[async_trait]
impl Credentials for KeystoneTokens {
    async fn check(&self, request: &Request<&[u8]>) -> Option<Word> {
        let token = request.headers().get(TOKEN_HEADER)?;
        match token.to_str() {
            Ok(token) => Some(self.word(token.trim()).await),
            Err(_) => Some(Err(AuthError::Wrong)),
        }
    }

    fn trouble(&self) -> Option<String> {
        self.0.kept().trouble.clone()
    }
}

/// What can be said about a token at once.
enum AtHand {
    Word(Word),
    Asked { known: Option<Caller>, flight: watch::Receiver<Option<Word>> },
}

impl Inner {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn at_hand(&self, hash: Hash, begin: impl FnOnce() -> watch::Receiver<Option<Word>>) -> AtHand {
        let now = self.clock.now();
        let mut kept = self.kept();
        let mut known = None;
        if let Some(good) = kept.good.get(&hash) {
            let age = now - good.checked;
            if now >= good.expires || age >= self.rules.grace.max(self.rules.cache) {
                kept.good.remove(&hash);
            } else if age < self.rules.cache {
                return AtHand::Word(Ok(good.caller.clone()));
            } else {
                known = Some(good.caller.clone());
            }
        }
        if let Some((error, until)) = kept.bad.get(&hash)
            && now < *until
        {
            return AtHand::Word(Err(error.clone()));
        }
        if now < kept.pause_until {
            return AtHand::Word(known.ok_or(AuthError::Unavailable));
        }
        let flight = kept.flights.entry(hash).or_insert_with(begin).clone();
        AtHand::Asked { known, flight }
    }

    /// Keeps what Keystone said; None: it was not even asked.
    fn learn(&self, hash: Hash, answer: Option<Result<Option<Validated>, Error>>) -> Word {
        let now = self.clock.now();
        let word = match answer {
            Some(Ok(Some(token))) => {
                let expires = token.expires_at.unix_timestamp().saturating_mul(1_000);
                self.rules.caller(&token).map(|caller| Good { caller, checked: now, expires })
            }
            Some(Ok(None)) => Err(AuthError::Wrong),
            Some(Err(error)) => {
                self.silent(error.to_string());
                Err(AuthError::Unavailable)
            }
            None => Err(AuthError::Unavailable),
        };
        let mut kept = self.kept();
        kept.flights.remove(&hash);
        match &word {
            Ok(good) => {
                make_room(&mut kept.good, |good| now < good.expires, |good| good.checked);
                kept.good.insert(hash, good.clone());
                kept.bad.remove(&hash);
            }
            // Nothing was said about the token.
            Err(AuthError::Unavailable) => return Err(AuthError::Unavailable),
            Err(error) => {
                kept.good.remove(&hash);
                make_room(&mut kept.bad, |(_, until)| now < *until, |(_, until)| *until);
                kept.bad.insert(hash, (error.clone(), now + BAD));
            }
        }
        kept.pause_until = 0;
        if kept.trouble.take().is_some() {
            tracing::info!("Keystone answers again");
        }
        word.map(|good| good.caller)
    }

    /// Keystone does not answer as it should.
    fn silent(&self, why: String) {
        let mut kept = self.kept();
        kept.pause_until = self.clock.now() + PAUSE;
        if kept.trouble.is_none() {
            tracing::error!(error = why, "tokens cannot be validated; who was let in before goes on");
        }
        kept.trouble = Some(why);
    }
}

/// Keeps what counts; when that is too much, not the oldest eighth.
fn make_room<V>(map: &mut HashMap<Hash, V>, counts: impl Fn(&V) -> bool, age: impl Fn(&V) -> Millis) {
    if map.len() < MAX {
        return;
    }
    map.retain(|_, value| counts(value));
    if map.len() >= MAX {
        let mut ages: Vec<Millis> = map.values().map(&age).collect();
        let (_, cut, _) = ages.select_nth_unstable(MAX / 8);
        let cut = *cut;
        map.retain(|_, value| age(value) > cut);
    }
}

#[cfg(test)]
#[path = "keystone_tests.rs"]
mod tests;
