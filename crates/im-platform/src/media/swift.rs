//! Media in Swift, a cloud's object store. Bytes come through the platform on their way in, because it checks them, and go out past it: whoever may
//! see a medium gets a temporary URL, which is good for that object, for GET and for a short time.
//!
//! Objects are spread over sixteen containers by their names' last digit. Each container carries the key that temporary URLs are signed with (not the
//! account: its owner's other containers are none of our business); it is set when a process first uses the container, so a changed key needs only a
//! restart. Nothing of this is readable without a token or a signature.
//!
//! While Swift does not answer, nobody waits for it: [`MediaError::Unavailable`] comes at once until it was asked again.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use axum::body::Bytes;
use openstack::{Answer, Error, Held, Interface, Net, Session, send};
use ring::hmac;
use tokio::sync::Semaphore;

use super::{Files, IN_SWIFT, MediaError, Shown, blocking, unique};
use crate::clock::Clock;

/// The service's type in a catalogue.
const TYPE: &str = "object-store";
/// Requests under way at the same time; each holds a thread.
const AT_ONCE: usize = 32;
/// How long Swift is left alone after it did not answer.
const PAUSE: Duration = Duration::from_secs(2);
/// How long an answer may take. Objects are at most 64 MiB.
const ANSWER: Duration = Duration::from_secs(15);
/// Largest answer that is read.
const ANSWER_MAX: u64 = 65 << 20;
/// The signature's digests, the best first, and their names in `/info`.
const DIGESTS: [(&str, &hmac::Algorithm); 3] = [
    ("sha256", &hmac::HMAC_SHA256),
    ("sha512", &hmac::HMAC_SHA512),
    ("sha1", &hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY),
];

/// What is set.
#[derive(Clone)]
pub struct SwiftSettings {
    /// What the containers' names begin with.
    pub container: String,
    /// What temporary URLs are signed with.
    pub key: String,
    /// How long a temporary URL is good.
    pub seconds: i64,
    /// The region; None: the catalogue's first.
    pub region: Option<String>,
    /// Which endpoint the platform uses.
    pub interface: Interface,
    /// Which endpoint temporary URLs lead to.
    pub link_interface: Interface,
}

/// See the module.
#[derive(Clone)]
pub struct Swift(Arc<Inner>);

struct Inner {
    session: Arc<Session>,
    agent: ureq::Agent,
    settings: SwiftSettings,
    state: Mutex<State>,
    at_once: Semaphore,
}

#[derive(Default)]
struct State {
    /// Containers that are there and carry our key.
    ready: HashSet<String>,
    digest: Option<&'static hmac::Algorithm>,
    pause_until: Option<Instant>,
    trouble: Option<String>,
}

impl std::fmt::Debug for Swift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Swift").field(&self.0.settings.container).finish()
    }
}

impl Swift {
    /// The one in the catalogue of this session. Asks nothing yet.
    ///
    /// # Errors
    /// What is wrong with the settings of the net.
    pub fn new(session: Arc<Session>, net: &Net, settings: SwiftSettings) -> Result<Self, String> {
        let agent = Net { answer: ANSWER, ..net.clone() }.agent()?;
        let (state, at_once) = (Mutex::default(), Semaphore::new(AT_ONCE));
        Ok(Self(Arc::new(Inner { session, agent, settings, state, at_once })))
    }

    /// Runs a request beside the server's threads, unless Swift is being left alone.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Inner) -> Result<T, MediaError> + Send + 'static,
    ) -> Result<T, MediaError> {
        let stopped = |_| MediaError::Unavailable("the platform is stopping".into());
        let _turn = self.0.at_once.acquire().await.map_err(stopped)?;
        let inner = Arc::clone(&self.0);
        blocking(move || {
            inner.left_alone()?;
            let done = work(&inner);
            inner.note(&done);
            done
        })
        .await
    }
}

#[async_trait]
impl Files for Swift {
    fn new_name(&self) -> String {
        format!("{IN_SWIFT}{}", unique())
    }

    async fn put(&self, name: &str, kind: &str, bytes: Bytes) -> Result<(), MediaError> {
        let (name, kind) = (name.to_owned(), kind.to_owned());
        self.run(move |swift| swift.put(&name, &kind, &bytes)).await
    }

    async fn get(&self, name: &str) -> Result<Bytes, MediaError> {
        let name = name.to_owned();
        self.run(move |swift| {
            let answer = swift.call("GET", &swift.path(&name), &[], &[])?;
            match answer.status {
                200 => Ok(Bytes::from(answer.body)),
                404 => Err(MediaError::NotFound),
                _ => Err(swift.unexpected("GET of an object", &answer)),
            }
        })
        .await
    }

    async fn link(&self, name: &str, shown: Shown) -> Result<Option<String>, MediaError> {
        let name = name.to_owned();
        self.run(move |swift| swift.link(&name, shown).map(Some)).await
    }

    async fn remove(&self, name: &str) -> Result<(), MediaError> {
        let name = name.to_owned();
        self.run(move |swift| {
            let answer = swift.call("DELETE", &swift.path(&name), &[], &[])?;
            match answer.status {
                200 | 204 | 404 => Ok(()),
                _ => Err(swift.unexpected("DELETE of an object", &answer)),
            }
        })
        .await
    }

    async fn probe(&self) {
        let asked = self.run(|swift| {
            // Long before the token ends, so that Keystone may be away for a while. If it is, the one at hand does.
            drop(swift.session.renew_if_due());
            let container = swift.container("0");
            swift.ensure(&container)?;
            let answer = swift.call("HEAD", &format!("/{container}"), &[], &[])?;
            if answer.status == 204 { Ok(()) } else { Err(swift.unexpected("HEAD of a container", &answer)) }
        });
        // What it comes to has been noted.
        drop(asked.await);
    }

    fn trouble(&self) -> Option<String> {
        self.0.state().trouble.clone()
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The container of a file.
    fn container(&self, name: &str) -> String {
        format!("{}-{}", self.settings.container, name.chars().next_back().unwrap_or('0'))
    }

    /// A file's place in the account.
    fn path(&self, name: &str) -> String {
        format!("/{}/{name}", self.container(name))
    }

    fn put(&self, name: &str, kind: &str, bytes: &[u8]) -> Result<(), MediaError> {
        let container = self.container(name);
        self.ensure(&container)?;
        let headers = [("content-type", kind), ("cache-control", "private, max-age=300")];
        let mut answer = self.call("PUT", &self.path(name), &headers, bytes)?;
        if answer.status == 404 {
            // Somebody has removed the container.
            self.state().ready.remove(&container);
            self.ensure(&container)?;
            answer = self.call("PUT", &self.path(name), &headers, bytes)?;
        }
        match answer.status {
            201 => Ok(()),
            // Quotas of account and container say 413.
            413 | 507 => Err(MediaError::Full(format!("Swift answered {}", answer.status).into())),
            _ => Err(self.unexpected("PUT of an object", &answer)),
        }
    }

    /// The container is there and carries our key.
    fn ensure(&self, container: &str) -> Result<(), MediaError> {
        if self.state().ready.contains(container) {
            return Ok(());
        }
        let key = [("x-container-meta-temp-url-key", self.settings.key.as_str())];
        let answer = self.call("PUT", &format!("/{container}"), &key, &[])?;
        if !matches!(answer.status, 201 | 202) {
            return Err(self.unexpected("PUT of a container", &answer));
        }
        self.state().ready.insert(container.to_owned());
        Ok(())
    }

    fn link(&self, name: &str, shown: Shown) -> Result<String, MediaError> {
        self.ensure(&self.container(name))?;
        if self.state().trouble.is_some() {
            // A link is made without asking; now it would lead nowhere.
            let answer = self.call("HEAD", &self.path(name), &[], &[])?;
            match answer.status {
                200 => {}
                404 => return Err(MediaError::NotFound),
                _ => return Err(self.unexpected("HEAD of an object", &answer)),
            }
        }
        let digest = self.digest()?;
        let account = self.account(self.settings.link_interface)?;
        let url = format!("{account}{}", self.path(name));
        let path = url.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..]));
        let path = path.ok_or_else(|| MediaError::Unavailable(format!("{account} has no path")))?;
        let until = Clock::System.now() / 1_000 + self.settings.seconds;
        let key = hmac::Key::new(*digest, self.settings.key.as_bytes());
        let tag = hmac::sign(&key, format!("GET\n{until}\n{path}").as_bytes());
        let tag: String = tag.as_ref().iter().map(|b| format!("{b:02x}")).collect();
        let shown = if shown == Shown::Inline { "&inline" } else { "" };
        Ok(format!("{url}?temp_url_sig={tag}&temp_url_expires={until}{shown}"))
    }

    /// The best digest that this Swift takes. One that tells nothing about itself is taken for a current one.
    fn digest(&self) -> Result<&'static hmac::Algorithm, MediaError> {
        if let Some(digest) = self.state().digest {
            return Ok(digest);
        }
        let account = self.account(self.settings.interface)?;
        let root = account.split_once("/v1").map_or(account.as_str(), |(root, _)| root);
        let answer = self.send(&format!("{root}/info"), "GET", &[], &[])?;
        let info: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        if answer.status == 200 && info.get("tempurl").is_none() {
            let why = "the cloud's Swift has no temporary URLs (tempurl is not in its pipeline)";
            return Err(MediaError::Unavailable(why.into()));
        }
        let allowed = info["tempurl"]["allowed_digests"].as_array();
        let takes = |name: &str| allowed.is_none_or(|all| all.iter().any(|d| d == name));
        let found = DIGESTS.iter().find(|(name, _)| takes(name));
        let (_, digest) = found.ok_or_else(|| {
            MediaError::Unavailable(
                "the cloud's Swift takes none of sha256, sha512 and sha1 for temporary URLs".into(),
            )
        })?;
        self.state().digest = Some(digest);
        Ok(digest)
    }

    /// The account's address.
    fn account(&self, interface: Interface) -> Result<String, MediaError> {
        let held = self.session.token().map_err(unavailable)?;
        let keystone = self.session.keystone().url();
        let found = held.token.catalog.find(keystone, TYPE, self.settings.region.as_deref(), interface);
        found.map(|mut urls| urls.swap_remove(0)).map_err(unavailable)
    }

    /// A request with our token; with another one when that was rejected.
    fn call(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, MediaError> {
        let with = |held: &Held| {
            let url = format!("{}{path}", self.account(self.settings.interface)?);
            let mut all = vec![("x-auth-token", held.token.id.as_str())];
            all.extend_from_slice(headers);
            self.send(&url, method, &all, body)
        };
        let held = self.session.token().map_err(unavailable)?;
        let answer = with(&held)?;
        if answer.status != 401 {
            return Ok(answer);
        }
        let another = self.session.rejected(&held.token).map_err(unavailable)?;
        with(&another)
    }

    fn send(
        &self,
        url: &str,
        method: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, MediaError> {
        let once = || {
            let mut request = ureq::http::Request::builder().method(method).uri(url);
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            send(&self.agent, request.body(body)?, ANSWER_MAX)
        };
        // A connection that was kept may have been closed meanwhile; everything that is asked of Swift may be asked twice.
        let answer = once().or_else(|e| if broken(&e) { once() } else { Err(e) });
        answer.map_err(|e| {
            let at = url.split(['?', '#']).next().unwrap_or_default();
            let host = at.split('/').take(3).collect::<Vec<_>>().join("/");
            MediaError::Unavailable(format!("Swift at {host} does not answer: {e}"))
        })
    }

    /// Any answer that was not planned for: Swift's illness, or something that an admin must set right.
    fn unexpected(&self, what: &str, answer: &Answer) -> MediaError {
        let hint = match answer.status {
            401 | 403 => {
                "; the platform's user needs a role that Swift takes for an operator's (swiftoperator)"
            }
            _ => "",
        };
        MediaError::Unavailable(format!("Swift answered {} to {what}{hint}", answer.status))
    }

    fn left_alone(&self) -> Result<(), MediaError> {
        let state = self.state();
        match (&state.trouble, state.pause_until) {
            (Some(why), Some(until)) if Instant::now() < until => Err(MediaError::Unavailable(why.clone())),
            _ => Ok(()),
        }
    }

    /// Notes whether Swift answers; said in the log when it changes.
    fn note<T>(&self, done: &Result<T, MediaError>) {
        let mut state = self.state();
        match done {
            Err(MediaError::Unavailable(why)) => {
                state.pause_until = Some(Instant::now() + PAUSE);
                if state.trouble.is_none() {
                    tracing::error!(error = why, "media cannot be kept or fetched; everything else goes on");
                }
                state.trouble = Some(why.clone());
            }
            _ => {
                state.pause_until = None;
                if state.trouble.take().is_some() {
                    tracing::info!("media can be kept and fetched again");
                }
            }
        }
    }
}

fn broken(error: &ureq::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let kinds = [BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof];
    matches!(error, ureq::Error::Io(e) if kinds.contains(&e.kind()))
}

fn unavailable(error: Error) -> MediaError {
    MediaError::Unavailable(error.to_string())
}
