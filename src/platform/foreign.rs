//! HTTP to somebody else's backend: its ways of letting us in, its certificates, no contract.
//!
//! Leaves out: what is asked and what answers mean (`mapping`), where secrets come from (the host).

use std::io::Read as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use im_api::secret::Secret;
use serde::Deserialize;
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig};

use super::client::{PlatformError, before_sending};

/// Largest answer that is read.
const ANSWER_MAX: u64 = 16 << 20;
/// How long before its end a token is replaced, at most; of a short one a quarter of its time.
const TOKEN_MARGIN: Duration = Duration::from_secs(30);
/// How long a token lasts whose end is not said.
const TOKEN_USUAL: Duration = Duration::from_secs(300);

/// How we get in.
pub enum Entry {
    /// By nothing.
    Open,
    /// By a header field of this name and value.
    Header(String, Secret),
    /// By user and password (RFC 7617).
    Basic(String, Secret),
    /// By a token that a server gives for client id and secret (RFC 6749 4.4).
    ClientCredentials {
        /// Where.
        token_url: String,
        /// Client id.
        client: String,
        /// Its secret.
        secret: Secret,
        /// What for.
        scope: Option<String>,
    },
    /// By a certificate: PEM of the chain and of the key.
    Certificate(Vec<u8>, Secret),
}

/// One request.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// HTTP method.
    pub method: &'a str,
    /// Path and query below the base URL.
    pub path: &'a str,
    /// Header fields of its own.
    pub headers: &'a [(String, String)],
    /// Body and content type.
    pub body: Option<(&'a str, &'a str)>,
    /// How long the answer may take.
    pub limit: Duration,
}

struct Token {
    value: Secret,
    until: Instant,
}

/// The connections to one backend.
pub struct Foreign {
    url: String,
    entry: Entry,
    agent: ureq::Agent,
    token: Mutex<Option<Token>>,
}

impl std::fmt::Debug for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Foreign({})", self.url)
    }
}

/// What a token endpoint answers (RFC 6749 5.1).
#[derive(Deserialize)]
struct Given {
    access_token: Secret,
    #[serde(default)]
    token_type: String,
    #[serde(default)]
    expires_in: Option<u64>,
}

impl Foreign {
    /// A backend at this base URL; `ca`: PEM of the certificates that may sign its own.
    ///
    /// # Errors
    /// What cannot be used, and why.
    pub fn new(url: &str, entry: Entry, ca: Option<&[u8]>, connect: Duration) -> Result<Foreign, String> {
        let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        if host.is_none_or(|host| {
            host.is_empty()
                || host.starts_with('/')
                || host.contains(char::is_whitespace)
                || host.contains('@')
        }) {
            return Err(format!(
                "the address \"{url}\" is no URL that begins with http:// or https://, without user and password"
            ));
        }
        let mut tls = TlsConfig::builder();
        if let Some(ca) = ca {
            tls = tls.root_certs(RootCerts::Specific(Arc::new(certificates(ca)?)));
        }
        if let Entry::Certificate(chain, key) = &entry {
            let key = PrivateKey::from_pem(key.0.as_bytes())
                .map_err(|e| format!("the key of the certificate cannot be used: {e}"))?;
            tls = tls.client_cert(Some(ClientCert::new_with_certs(&certificates(chain)?, key)));
        }
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("cloudbridge/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(connect))
            // The environment's proxy variables belong to the server, not to us.
            .proxy(None)
            .tls_config(tls.build())
            .build()
            .new_agent();
        let url = url.trim_end_matches('/').to_owned();
        Ok(Foreign { url, entry, agent, token: Mutex::new(None) })
    }

    /// Base URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Requests under way end now.
    pub fn shutdown(&self) {
        self.agent.clone().shutdown();
    }

    /// Sends a request and gives status and body of whatever answer comes.
    ///
    /// # Errors
    /// [`PlatformError::Transport`], and [`PlatformError::Absent`] when there is no token.
    pub fn send(&self, call: Call<'_>) -> Result<(u16, Vec<u8>), PlatformError> {
        let first = self.once(call)?;
        // A token may end before its time: another one, once.
        if first.0 == 401 && matches!(self.entry, Entry::ClientCredentials { .. }) {
            *self.token.lock().unwrap_or_else(PoisonError::into_inner) = None;
            return self.once(call);
        }
        Ok(first)
    }

    fn once(&self, call: Call<'_>) -> Result<(u16, Vec<u8>), PlatformError> {
        let mut request = ureq::http::Request::builder()
            .method(call.method)
            .uri(format!("{}{}", self.url, call.path))
            .header("accept", "application/json");
        request = match &self.entry {
            Entry::Open | Entry::Certificate(..) => request,
            Entry::Header(name, value) => request.header(name, &value.0),
            Entry::Basic(user, password) => request.header("authorization", basic(user, password)),
            Entry::ClientCredentials { .. } => {
                request.header("authorization", format!("Bearer {}", self.token(call.limit)?.0))
            }
        };
        for (name, value) in call.headers {
            request = request.header(name, value);
        }
        if let Some((_, kind)) = call.body {
            request = request.header("content-type", kind);
        }
        self.run(request, call.body.map_or("", |(body, _)| body), &self.url, call.limit)
    }

    fn run(
        &self,
        request: ureq::http::request::Builder,
        body: &str,
        url: &str,
        limit: Duration,
    ) -> Result<(u16, Vec<u8>), PlatformError> {
        let transport = |e: ureq::Error| PlatformError::Transport {
            what: "asking",
            url: url.to_owned(),
            reason: e.to_string(),
            sent: !before_sending(&e),
        };
        let request = request
            .body(body.to_owned())
            .map_err(|e| PlatformError::Absent(format!("a request that cannot be sent: {e}")))?;
        let request = self
            .agent
            .configure_request(request)
            .timeout_send_request(Some(limit))
            .timeout_send_body(Some(limit))
            .timeout_recv_response(Some(limit))
            .timeout_recv_body(Some(limit))
            .build();
        let mut response = self.agent.run(request).map_err(transport)?;
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

    /// The token in force, a new one if it is about to end.
    fn token(&self, limit: Duration) -> Result<Secret, PlatformError> {
        let Entry::ClientCredentials { token_url, client, secret, scope } = &self.entry else {
            return Err(PlatformError::Absent("no token is needed".into()));
        };
        let mut token = self.token.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(token) = token.as_ref().filter(|token| token.until > Instant::now()) {
            return Ok(token.value.clone());
        }
        let mut body = "grant_type=client_credentials".to_owned();
        if let Some(scope) = scope {
            body.push_str(&im_api::routes::path("&scope={x}", &[scope]));
        }
        // RFC 6749 2.3.1: both are form-encoded before they become a password.
        let encoded = |text: &str| im_api::routes::path("{x}", &[text]);
        let request = ureq::http::Request::builder()
            .method("POST")
            .uri(token_url)
            .header("accept", "application/json")
            .header("content-type", "application/x-www-form-urlencoded")
            .header("authorization", basic(&encoded(client), &Secret(encoded(&secret.0))));
        let (status, bytes) = self.run(request, &body, token_url, limit)?;
        if status != 200 {
            return Err(PlatformError::Absent(format!("{token_url} gave no token: it answered {status}")));
        }
        // What it says is not shown: there may be a token in it.
        let given: Given = serde_json::from_slice(&bytes)
            .map_err(|_| PlatformError::Absent(format!("{token_url} gave no token in its answer")))?;
        if !given.token_type.is_empty() && !given.token_type.eq_ignore_ascii_case("bearer") {
            return Err(PlatformError::Absent(format!("{token_url} gave a token that is no bearer token")));
        }
        let lasts = given.expires_in.map_or(TOKEN_USUAL, Duration::from_secs);
        let until = Instant::now() + lasts.saturating_sub(TOKEN_MARGIN.min(lasts / 4));
        *token = Some(Token { value: given.access_token.clone(), until });
        Ok(given.access_token)
    }
}

fn basic(user: &str, password: &Secret) -> String {
    format!("Basic {}", BASE64.encode(format!("{user}:{}", password.0)))
}

fn certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, String> {
    let found: Vec<Certificate<'static>> = ureq::tls::parse_pem(pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
            Ok(_) => None,
            Err(e) => Some(Err(format!("a certificate cannot be read: {e}"))),
        })
        .collect::<Result<_, _>>()?;
    if found.is_empty() { Err("there is no certificate in the PEM file".into()) } else { Ok(found) }
}
