//! HTTP to the platform: keep-alive, per-phase timeouts (never `timeout_global`, which would start a thread per request), problem+json.
//!
//! The platform may be several instances that serve the same users. One of them is asked; the next one as soon as it cannot be reached or says that it
//! is ill. A request that certainly did not arrive goes to the next one at once; what may have been executed is its caller's to ask again, under the
//! same key, which any instance answers alike.

use std::io::Read as _;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use im_api::{Problem, routes};
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::tls::TlsConfig;

use super::keystone::{Credential, Shown};
use crate::config::Config;

/// Largest answer that is read.
const ANSWER_MAX: u64 = 64 << 20;

/// Why the platform gave no answer that can be used.
#[derive(Debug, thiserror::Error)]
pub enum PlatformError {
    /// There is no platform to ask: not configured, or the embedded one is not up (yet).
    #[error("{0}")]
    Absent(String),
    /// No connection, or it broke. The request may have been executed if `sent`.
    #[error("{what} at {url}: {reason}")]
    Transport {
        /// What was tried.
        what: &'static str,
        /// Where.
        url: String,
        /// The actual error.
        reason: String,
        /// Whether the request may have reached the platform.
        sent: bool,
    },
    /// It answered with a problem.
    #[error("the platform answered {} {}{}", .0.status, .0.title, .0.detail.as_ref().map(|d| format!(": {d}")).unwrap_or_default())]
    Problem(Box<Problem>),
    /// It answered something that is not in the contract.
    #[error("the platform answered {status} with something that is not in the contract: {reason}")]
    Malformed {
        /// HTTP status.
        status: u16,
        /// What is wrong with it.
        reason: String,
    },
}

impl PlatformError {
    /// Whether the request may have been executed although no usable answer came.
    #[must_use]
    pub fn maybe_executed(&self) -> bool {
        match self {
            PlatformError::Absent(_) => false,
            PlatformError::Transport { sent, .. } => *sent,
            PlatformError::Problem(problem) => problem.status >= 500,
            PlatformError::Malformed { .. } => true,
        }
    }

    /// Whether it is the platform's health that is in question (the breaker counts it), not this one request.
    #[must_use]
    pub fn platform_is_ill(&self) -> bool {
        match self {
            PlatformError::Absent(_) | PlatformError::Transport { .. } | PlatformError::Malformed { .. } => {
                true
            }
            PlatformError::Problem(problem) => problem.status >= 500 || self.refused_credential(),
        }
    }

    /// 401 or 403: asking again does not help.
    #[must_use]
    pub fn refused_credential(&self) -> bool {
        matches!(self, PlatformError::Problem(problem) if matches!(problem.status, 401 | 403))
    }

    /// Whether it is a problem of this type.
    #[must_use]
    pub fn is(&self, kind: &str) -> bool {
        matches!(self, PlatformError::Problem(problem) if problem.kind == kind)
    }
}

/// Where the platform is and how to get in.
#[derive(Debug, Clone)]
pub struct Target {
    /// Base URLs of its instances, without a slash at the end; at least one.
    pub urls: Vec<String>,
    /// What shows who we are.
    pub credential: Credential,
}

/// What goes along with a request.
#[derive(Debug, Clone, Copy)]
pub struct Headers<'a> {
    /// Idempotency key.
    pub key: Option<&'a str>,
    /// Of the body.
    pub content_type: &'a str,
    /// `node/event` that caused it ([`routes::ORIGIN`]).
    pub origin: Option<&'a str>,
    /// How long the answer may take, instead of the usual limit (long polls).
    pub wait: Option<Duration>,
    /// How long all of it may take, from the connection to the end of the answer.
    pub limit: Option<Duration>,
}

impl Default for Headers<'_> {
    fn default() -> Self {
        Headers { key: None, content_type: "application/json", origin: None, wait: None, limit: None }
    }
}

struct Connected {
    target: Target,
    agent: ureq::Agent,
    /// Which instance is asked.
    asked: AtomicUsize,
}

impl Connected {
    fn instance(&self) -> usize {
        self.asked.load(Ordering::Acquire)
    }

    fn url(&self, instance: usize) -> &str {
        self.target.urls.get(instance).map_or("", String::as_str)
    }

    /// This instance cannot be asked: from now on the next one is, unless somebody else has seen to it.
    fn leave(&self, instance: usize) {
        let next = (instance + 1) % self.target.urls.len().max(1);
        let _ = self.asked.compare_exchange(instance, next, Ordering::AcqRel, Ordering::Acquire);
    }
}

/// The one connection pool to the platform. Cheap to share; the target can be exchanged at any time.
pub struct Client {
    connected: RwLock<Result<Arc<Connected>, String>>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl Default for Client {
    fn default() -> Self {
        Client { connected: RwLock::new(Err("no module is in mirror or decide mode".into())) }
    }
}

impl Client {
    /// From now on this platform is asked.
    ///
    /// # Errors
    /// When the CA file or the proxy cannot be used; says which and why.
    pub fn connect(&self, target: Target, config: &Config) -> Result<(), String> {
        let result = agent(&target, config)
            .map(|agent| Arc::new(Connected { target, agent, asked: AtomicUsize::new(0) }));
        let error = result.as_ref().err().cloned();
        self.exchange(result);
        error.map_or(Ok(()), Err)
    }

    /// From now on nobody is asked; `why` is what callers get, also those whose request is under way.
    pub fn disconnect(&self, why: &str) {
        self.exchange(Err(why.to_owned()));
    }

    /// Puts another connection in place; requests on the old one end at once instead of at their time limit.
    fn exchange(&self, new: Result<Arc<Connected>, String>) {
        let old =
            std::mem::replace(&mut *self.connected.write().unwrap_or_else(PoisonError::into_inner), new);
        if let Ok(old) = old {
            old.agent.clone().shutdown();
        }
    }

    /// Base URL of the instance that is asked, if there is one.
    #[must_use]
    pub fn url(&self) -> Option<String> {
        let connected = self.connected.read().unwrap_or_else(PoisonError::into_inner);
        connected.as_ref().ok().map(|c| c.url(c.instance()).to_owned())
    }

    /// Base URLs of all instances; none when nobody is asked.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        let connected = self.connected.read().unwrap_or_else(PoisonError::into_inner);
        connected.as_ref().map(|c| c.target.urls.clone()).unwrap_or_default()
    }

    /// Sends a request and reads its JSON answer.
    ///
    /// # Errors
    /// See [`PlatformError`].
    pub fn call<T: DeserializeOwned>(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&[u8]>,
        key: Option<&str>,
    ) -> Result<T, PlatformError> {
        self.send(method, path, body, key, "application/json")
    }

    /// As [`Client::call`] with a value to serialise as the body.
    ///
    /// # Errors
    /// See [`PlatformError`].
    pub fn json<B: Serialize, T: DeserializeOwned>(
        &self,
        method: &'static str,
        path: &str,
        body: &B,
        key: Option<&str>,
    ) -> Result<T, PlatformError> {
        let body = serde_json::to_vec(body)
            .map_err(|e| PlatformError::Malformed { status: 0, reason: format!("our own request: {e}") })?;
        self.call(method, path, Some(&body), key)
    }

    /// As [`Client::call`] with a content type.
    ///
    /// # Errors
    /// See [`PlatformError`].
    pub fn send<T: DeserializeOwned>(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&[u8]>,
        key: Option<&str>,
        content_type: &str,
    ) -> Result<T, PlatformError> {
        let headers = Headers { key, content_type, ..Headers::default() };
        let (status, bytes) = self.exchange_bytes(method, path, body, headers)?;
        if !(200..300).contains(&status) {
            return Err(match serde_json::from_slice::<Problem>(&bytes) {
                Ok(problem) => PlatformError::Problem(Box::new(problem)),
                Err(_) => PlatformError::Problem(Box::new(Problem {
                    kind: "about:blank".into(),
                    title: ureq::http::StatusCode::from_u16(status)
                        .ok()
                        .and_then(|s| s.canonical_reason())
                        .unwrap_or("error")
                        .into(),
                    status,
                    detail: Some("no problem+json in the answer; is this really a platform?".into()),
                    pointer: None,
                    condition: None,
                })),
            });
        }
        let bytes = if bytes.is_empty() { b"null" } else { &bytes[..] };
        serde_json::from_slice(bytes).map_err(|e| PlatformError::Malformed { status, reason: e.to_string() })
    }

    /// Sends a request and gives status and body of whatever answer comes.
    ///
    /// # Errors
    /// [`PlatformError::Absent`] and [`PlatformError::Transport`].
    pub fn exchange_bytes(
        &self,
        method: &'static str,
        path: &str,
        body: Option<&[u8]>,
        headers: Headers<'_>,
    ) -> Result<(u16, Vec<u8>), PlatformError> {
        let connected = self
            .connected
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map(Arc::clone)
            .map_err(|why| PlatformError::Absent(why.clone()))?;
        let credential = &connected.target.credential;
        let shown = credential.show().map_err(PlatformError::Absent)?;
        let answer = whoever_answers(&connected, &shown, method, path, body, headers)?;
        if answer.0 == 401
            && let Some(other) = credential.another(&shown)
        {
            return whoever_answers(&connected, &other, method, path, body, headers);
        }
        Ok(answer)
    }
}

/// Asks one instance after the other, as long as the request certainly did not arrive.
fn whoever_answers(
    connected: &Connected,
    shown: &Shown,
    method: &'static str,
    path: &str,
    body: Option<&[u8]>,
    headers: Headers<'_>,
) -> Result<(u16, Vec<u8>), PlatformError> {
    let mut tried = 0;
    loop {
        let instance = connected.instance();
        let outcome = attempt((connected, instance), shown, method, path, body, headers);
        tried += 1;
        match &outcome {
            // It says that it is ill.
            Ok((status, _)) if *status >= 500 => connected.leave(instance),
            Ok(_) | Err(PlatformError::Absent(_)) => {}
            Err(error) => {
                connected.leave(instance);
                if !error.maybe_executed() && tried < connected.target.urls.len() {
                    continue;
                }
            }
        }
        return outcome;
    }
}

/// One request with this to show who we are.
fn attempt(
    (connected, instance): (&Connected, usize),
    shown: &Shown,
    method: &'static str,
    path: &str,
    body: Option<&[u8]>,
    headers: Headers<'_>,
) -> Result<(u16, Vec<u8>), PlatformError> {
    let url = format!("{}{path}", connected.url(instance));
    let mut request = ureq::http::Request::builder()
        .method(method)
        .uri(&url)
        .header(shown.name, &shown.value)
        .header("accept", "application/json, application/problem+json");
    if body.is_some() {
        request = request.header("content-type", headers.content_type);
    }
    if let Some(key) = headers.key {
        request = request.header(routes::IDEMPOTENCY_KEY, key);
    }
    if let Some(origin) = headers.origin {
        request = request.header(routes::ORIGIN, origin);
    }
    let transport = |e: ureq::Error| {
        let sent = !before_sending(&e);
        PlatformError::Transport {
            what: method,
            url: connected.url(instance).to_owned(),
            reason: e.to_string(),
            sent,
        }
    };
    let request = request
        .body(body.unwrap_or_default())
        .map_err(|e| PlatformError::Absent(format!("{url} is no address: {e}")))?;
    let request = connected.agent.configure_request(request);
    let request = match headers.wait {
        Some(wait) => request.timeout_recv_response(Some(wait)),
        None => request,
    };
    let request = match headers.limit.map(|limit| limit / 10) {
        // Shares that add up to the limit; the answer takes longest.
        Some(part) => request
            .timeout_resolve(Some(part))
            .timeout_connect(Some(part))
            .timeout_send_request(Some(part))
            .timeout_send_body(Some(part))
            .timeout_recv_response(Some(part * 5))
            .timeout_recv_body(Some(part)),
        None => request,
    };
    let request = request.build();
    let mut response = connected.agent.run(request).map_err(transport)?;
    let status = response.status().as_u16();
    let mut bytes = Vec::new();
    response
        .body_mut()
        .with_config()
        .limit(ANSWER_MAX)
        .reader()
        .read_to_end(&mut bytes)
        .map_err(|e| transport(ureq::Error::Io(e)))?;
    Ok((status, bytes))
}

/// Whether it went wrong before anything was sent.
pub(super) fn before_sending(e: &ureq::Error) -> bool {
    matches!(
        e,
        ureq::Error::HostNotFound
            | ureq::Error::BadUri(_)
            | ureq::Error::ConnectionFailed
            | ureq::Error::Timeout(ureq::Timeout::Resolve | ureq::Timeout::Connect)
    ) || matches!(e, ureq::Error::Io(io) if io.kind() == std::io::ErrorKind::ConnectionRefused)
}

fn agent(target: &Target, config: &Config) -> Result<ureq::Agent, String> {
    let ms = |ms: u64| Some(Duration::from_millis(ms));
    let mut builder = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .user_agent(concat!("cloudbridge/", env!("CARGO_PKG_VERSION")))
        .max_idle_connections(64)
        .max_idle_connections_per_host(64)
        .timeout_connect(ms(config.connect_ms))
        .timeout_send_request(ms(config.timeout_ms))
        .timeout_send_body(ms(config.timeout_ms))
        .timeout_recv_response(ms(config.timeout_ms))
        .timeout_recv_body(ms(config.timeout_ms))
        // The environment's proxy variables belong to the server, not to us; loopback never goes through a proxy.
        .proxy(None);
    if let Some(proxy) = config.proxy.as_ref().filter(|_| config.remote()) {
        let proxy =
            ureq::Proxy::new(proxy).map_err(|e| format!("platform.proxy {proxy} cannot be used: {e}"))?;
        builder = builder.proxy(Some(proxy));
    }
    if let Some(path) =
        config.ca_file.as_ref().filter(|_| target.urls.iter().any(|url| url.starts_with("https:")))
    {
        let roots = openstack::roots(Path::new(path)).map_err(|e| format!("platform.caFile {e}"))?;
        builder = builder.tls_config(TlsConfig::builder().root_certs(roots).build());
    }
    Ok(builder.build().new_agent())
}
