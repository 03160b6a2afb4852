//! The console: pages for whoever runs the platform, under `/console`. Here: who is logged in, how one gets in, what is served.
//!
//! A login is a token of scope operator or read-only, or a ticket that `im-platform console` writes into the data folder (whoever may write there
//! owns the platform). It becomes a session: a random value in a cookie that scripts cannot read and other sites cannot send, good for reading
//! `/v1/console/` and for logging out, nothing else. Sessions are this process's: a restart logs out.
//!
//! Leaves out: what the pages show (`modules::console`), and the store's lists (`store::console`).

pub mod assets;
pub mod ticket;

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use axum::http::header::{AUTHORIZATION, COOKIE};
use axum::http::{Method, Request};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};

use crate::auth::{AuthError, Caller, Credentials, TOKEN_HEADER};
use crate::clock::{Clock, Millis};

/// Where logins are made, asked for and ended.
pub const SESSION: &str = "/v1/console/session";
/// The only paths that a session opens.
const SCOPE: &str = "/v1/console/";
/// The cookie's name.
const COOKIE_NAME: &str = "im_console";
/// Wrong tokens from one address per minute.
const GUESSES: u32 = 10;
const MINUTE: Millis = 60_000;
/// How long the same look at the same thing is one read.
const SAME_READ: Millis = 5 * MINUTE;
/// What any of the tables here may hold.
const MAX: usize = 10_000;

/// The console's settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// Whether it is there.
    pub enabled: bool,
    /// How long a login holds.
    pub session: Millis,
    /// The browser speaks TLS (to us or to a proxy in front): it may send the cookie over nothing else.
    pub secure: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Self { enabled: true, session: 8 * 60 * MINUTE, secure: false }
    }
}

/// Somebody who is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// Who.
    pub caller: Caller,
    /// Until when.
    pub until: Millis,
}

/// Who is logged in, and what keeps others out.
#[derive(Debug)]
pub struct Console {
    /// Its settings.
    pub settings: Settings,
    data: PathBuf,
    clock: Clock,
    logins: Mutex<HashMap<[u8; 32], Login>>,
    guesses: Mutex<HashMap<Option<IpAddr>, (u32, Millis)>>,
    reads: Mutex<HashMap<[u8; 32], Millis>>,
}

impl Console {
    /// A console whose tickets are in this data folder.
    #[must_use]
    pub fn new(settings: Settings, data: &Path, clock: Clock) -> Self {
        let (logins, guesses, reads) = Default::default();
        Self { settings, data: data.into(), clock, logins, guesses, reads }
    }

    /// Whom a token (ours or Keystone's) or a ticket stands for; a ticket is used up.
    ///
    /// # Errors
    /// [`AuthError::Wrong`], or [`AuthError::Unavailable`] when nobody can say.
    pub async fn recognise(&self, credentials: &dyn Credentials, token: &str) -> Result<Caller, AuthError> {
        if let Some(caller) = ticket::redeem(&self.data, token, self.clock.now()) {
            return Ok(caller);
        }
        let mut last = AuthError::Wrong;
        for (name, value) in [(AUTHORIZATION, format!("Bearer {token}")), (TOKEN_HEADER, token.to_owned())] {
            let mut request = Request::new(&[][..]);
            request.headers_mut().insert(name, value.parse().map_err(|_| AuthError::Wrong)?);
            match credentials.check(&request).await {
                Some(Ok(caller)) => return Ok(caller),
                Some(Err(error)) => last = error,
                None => {}
            }
        }
        Err(if last == AuthError::Unavailable { last } else { AuthError::Wrong })
    }

    /// Whether this address may try (another) token.
    #[must_use]
    pub fn may_guess(&self, from: Option<IpAddr>) -> bool {
        let now = self.clock.now();
        lock(&self.guesses).get(&from).is_none_or(|(wrong, since)| *wrong < GUESSES || *since + MINUTE <= now)
    }

    /// It was a wrong one.
    pub fn guessed_wrong(&self, from: Option<IpAddr>) {
        let now = self.clock.now();
        let mut guesses = lock(&self.guesses);
        make_room(&mut guesses, |(_, since)| *since + MINUTE > now);
        let entry = guesses.entry(from).or_insert((0, now));
        if entry.1 + MINUTE <= now {
            *entry = (0, now);
        }
        entry.0 += 1;
    }

    /// Logs somebody in; gives the cookie to set.
    ///
    /// # Errors
    /// When the machine has no randomness.
    pub fn log_in(&self, caller: Caller) -> std::io::Result<(Login, String)> {
        let mut bytes = [0; 32];
        SystemRandom::new().fill(&mut bytes).map_err(|_| std::io::Error::other("no random bytes"))?;
        let value = URL_SAFE_NO_PAD.encode(bytes);
        let now = self.clock.now();
        let login = Login { caller, until: now + self.settings.session };
        let mut logins = lock(&self.logins);
        make_room(&mut logins, |login| login.until > now);
        logins.insert(hash(value.as_bytes()), login.clone());
        let cookie = self.cookie(&value, self.settings.session / 1_000);
        Ok((login, cookie))
    }

    /// Ends the session of a request; gives the cookie that takes the old one away.
    pub fn log_out(&self, headers: &axum::http::HeaderMap) -> String {
        if let Some(value) = cookie_of(headers) {
            lock(&self.logins).remove(&hash(value.as_bytes()));
        }
        self.cookie("", 0)
    }

    /// Who is logged in with this request's cookie.
    #[must_use]
    pub fn who(&self, headers: &axum::http::HeaderMap) -> Option<Login> {
        let now = self.clock.now();
        let value = cookie_of(headers)?;
        lock(&self.logins).get(&hash(value.as_bytes())).filter(|login| login.until > now).cloned()
    }

    /// How many milliseconds the login of this request's cookie still holds.
    #[must_use]
    pub fn left(&self, headers: &axum::http::HeaderMap) -> Option<u64> {
        let login = self.who(headers)?;
        Some(u64::try_from(login.until - self.clock.now()).unwrap_or(0))
    }

    /// Whether this read of this subject is not the same look as one noted a moment ago.
    #[must_use]
    pub fn is_new_read(&self, caller: &str, route: &str, subject: &str) -> bool {
        let noted = lock(&self.reads).get(&read_key(caller, route, subject)).copied();
        noted.is_none_or(|at| at + SAME_READ <= self.clock.now())
    }

    /// It is in the audit now.
    pub fn read_noted(&self, caller: &str, route: &str, subject: &str) {
        let now = self.clock.now();
        let mut reads = lock(&self.reads);
        make_room(&mut reads, |at| *at + SAME_READ > now);
        reads.insert(read_key(caller, route, subject), now);
    }

    fn cookie(&self, value: &str, seconds: i64) -> String {
        let secure = if self.settings.secure { "; Secure" } else { "" };
        format!(
            "{COOKIE_NAME}={value}; Path=/v1/console; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
        )
    }
}

#[async_trait]
impl Credentials for Console {
    async fn check(&self, request: &Request<&[u8]>) -> Option<Result<Caller, AuthError>> {
        cookie_of(request.headers()).filter(|_| request.uri().path().starts_with(SCOPE))?;
        // SameSite keeps other sites out; where the browser says who asks, it must be us as well.
        let site = request.headers().get("sec-fetch-site").and_then(|v| v.to_str().ok());
        if request.method() != Method::GET
            || site.is_some_and(|site| !["same-origin", "none"].contains(&site))
        {
            return Some(Err(AuthError::Wrong));
        }
        Some(self.who(request.headers()).map(|login| login.caller).ok_or(AuthError::SessionOver))
    }
}

fn read_key(caller: &str, route: &str, subject: &str) -> [u8; 32] {
    hash(format!("{caller}\n{route}\n{subject}").as_bytes())
}

/// Keeps what is still valid, and when that is too much, nothing.
fn make_room<K, V>(map: &mut HashMap<K, V>, valid: impl Fn(&V) -> bool) {
    if map.len() >= MAX {
        map.retain(|_, value| valid(value));
    }
    if map.len() >= MAX {
        map.clear();
    }
}

fn cookie_of(headers: &axum::http::HeaderMap) -> Option<&str> {
    let all = headers.get_all(COOKIE).iter().filter_map(|v| v.to_str().ok());
    all.flat_map(|line| line.split(';')).find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        (name == COOKIE_NAME && !value.is_empty()).then_some(value)
    })
}

fn hash(bytes: &[u8]) -> [u8; 32] {
    digest::digest(&digest::SHA256, bytes).as_ref().try_into().unwrap_or_default()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::{Scope, StaticTokens};

    fn caller() -> Caller {
        Caller { name: "ada".into(), scope: Scope::Operator, text: false }
    }

    fn request(method: &str, path: &str, cookie: &str, site: Option<&str>) -> Request<&'static [u8]> {
        let mut request =
            Request::builder().method(method).uri(path).header("cookie", format!("a=b; {cookie}"));
        if let Some(site) = site {
            request = request.header("sec-fetch-site", site);
        }
        request.body(&b""[..]).expect("a request")
    }

    #[tokio::test]
    async fn a_session_reads_the_console_until_it_ends_and_nothing_else() {
        let clock = Clock::manual(1_000);
        let console = Console::new(Settings::default(), Path::new("/nowhere"), clock.clone());
        let (login, cookie) = console.log_in(caller()).expect("in");
        assert!(
            cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict") && !cookie.contains("Secure")
        );
        let pair = cookie.split(';').next().expect("a pair").to_owned();
        let check = async |method, path, site| console.check(&request(method, path, &pair, site)).await;
        assert_eq!(check("GET", "/v1/console/users", None).await, Some(Ok(caller())));
        assert_eq!(check("GET", "/v1/console/users", Some("same-origin")).await, Some(Ok(caller())));
        assert_eq!(check("GET", "/v1/console/users", Some("cross-site")).await, Some(Err(AuthError::Wrong)));
        assert_eq!(check("DELETE", "/v1/console/users", None).await, Some(Err(AuthError::Wrong)));
        assert_eq!(check("GET", "/v1/users", None).await, None);
        let other = request("GET", "/v1/console/users", "im_console=guess", None);
        assert_eq!(console.check(&other).await, Some(Err(AuthError::SessionOver)));
        clock.advance(login.until - clock.now() - 1);
        assert!(check("GET", "/v1/console/users", None).await.is_some_and(|c| c.is_ok()));
        clock.advance(1);
        assert_eq!(check("GET", "/v1/console/users", None).await, Some(Err(AuthError::SessionOver)));
    }

    #[test]
    fn a_logout_ends_the_session_for_whoever_has_its_cookie() {
        let console = Console::new(Settings::default(), Path::new("/nowhere"), Clock::manual(0));
        let (_, cookie) = console.log_in(caller()).expect("in");
        let request = request("GET", "/v1/console/users", cookie.split(';').next().expect("a pair"), None);
        assert!(console.who(request.headers()).is_some());
        assert!(console.log_out(request.headers()).contains("Max-Age=0"));
        assert!(console.who(request.headers()).is_none());
    }

    #[test]
    fn guessing_is_slow_from_each_address_by_itself() {
        let clock = Clock::manual(0);
        let console = Console::new(Settings::default(), Path::new("/nowhere"), clock.clone());
        let (a, b) = (Some(IpAddr::from([127, 0, 0, 1])), Some(IpAddr::from([127, 0, 0, 2])));
        for _ in 0..GUESSES {
            assert!(console.may_guess(a));
            console.guessed_wrong(a);
        }
        assert!(!console.may_guess(a) && console.may_guess(b));
        clock.advance(MINUTE);
        assert!(console.may_guess(a));
    }

    #[tokio::test]
    async fn a_token_of_the_trait_or_a_ticket_once_is_recognised() {
        let folder = tempfile::tempdir().expect("a folder");
        let clock = Clock::manual(1_000);
        let console = Console::new(Settings::default(), folder.path(), clock.clone());
        let tokens = StaticTokens::new(vec![("a-token-of-ada".into(), caller())]);
        assert_eq!(console.recognise(&tokens, "a-token-of-ada").await, Ok(caller()));
        assert_eq!(console.recognise(&tokens, "another").await, Err(AuthError::Wrong));
        assert_eq!(console.recognise(&tokens, "../../etc/passwd\n").await, Err(AuthError::Wrong));
        let offer = ticket::Offer { scope: Scope::ReadOnly, text: false };
        let ticket = ticket::write(folder.path(), offer, clock.now()).expect("a ticket");
        let seen = console.recognise(&tokens, &ticket).await.expect("good once");
        assert_eq!((seen.scope, seen.text), (Scope::ReadOnly, false));
        assert_eq!(console.recognise(&tokens, &ticket).await, Err(AuthError::Wrong));
        let late = ticket::write(folder.path(), offer, clock.now()).expect("a ticket");
        clock.advance(ticket::LIFE);
        assert_eq!(console.recognise(&tokens, &late).await, Err(AuthError::Wrong));
    }

    #[test]
    fn the_same_look_is_one_read() {
        let clock = Clock::manual(0);
        let console = Console::new(Settings::default(), Path::new("/nowhere"), clock.clone());
        let look = |who, subject| {
            let new = console.is_new_read(who, "/v1/messages", subject);
            if new {
                console.read_noted(who, "/v1/messages", subject);
            }
            new
        };
        assert!(look("ada", "juliet@example.org") && !look("ada", "juliet@example.org"));
        assert!(look("ada", "romeo@example.org") && look("bob", "juliet@example.org"));
        clock.advance(SAME_READ);
        assert!(look("ada", "juliet@example.org"));
    }
}
