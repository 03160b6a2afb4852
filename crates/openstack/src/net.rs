//! HTTP as all of it is spoken here: keep-alive, a limit for each phase, an own certificate authority, a proxy only when it is set.

use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig};

/// How a service is reached.
#[derive(Debug, Clone)]
pub struct Net {
    /// PEM file with the certificates that may sign the service's; None: the usual public ones.
    pub ca_file: Option<String>,
    /// Proxy; None: none, whatever the environment says.
    pub proxy: Option<String>,
    /// How long a connection may take.
    pub connect: Duration,
    /// How long an answer may take.
    pub answer: Duration,
}

impl Default for Net {
    fn default() -> Self {
        Self { ca_file: None, proxy: None, connect: Duration::from_secs(2), answer: Duration::from_secs(5) }
    }
}

impl Net {
    /// A connection pool.
    ///
    /// # Errors
    /// What is wrong with the CA file or the proxy.
    pub fn agent(&self) -> Result<ureq::Agent, String> {
        let mut builder = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(concat!("cloudbridge/", env!("CARGO_PKG_VERSION")))
            .max_idle_connections_per_host(16)
            .timeout_resolve(Some(self.connect))
            .timeout_connect(Some(self.connect))
            .timeout_send_request(Some(self.answer))
            .timeout_send_body(Some(self.answer))
            .timeout_recv_response(Some(self.answer))
            .timeout_recv_body(Some(self.answer))
            .proxy(None);
        if let Some(proxy) = &self.proxy {
            let proxy =
                ureq::Proxy::new(proxy).map_err(|e| format!("the proxy {proxy} cannot be used: {e}"))?;
            builder = builder.proxy(Some(proxy));
        }
        if let Some(path) = &self.ca_file {
            builder = builder.tls_config(TlsConfig::builder().root_certs(roots(Path::new(path))?).build());
        }
        Ok(builder.build().new_agent())
    }
}

/// The certificates of a PEM file, as those that may sign.
///
/// # Errors
/// Why the file cannot be used; names it.
pub fn roots(path: &Path) -> Result<RootCerts, String> {
    let wrong = |e: &dyn std::fmt::Display| format!("{} cannot be used: {e}", path.display());
    let pem = std::fs::read(path).map_err(|e| wrong(&e))?;
    let certificates: Vec<Certificate<'static>> = ureq::tls::parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(Ok(certificate)),
            Ok(_) => None,
            Err(e) => Some(Err(e)),
        })
        .collect::<Result<_, _>>()
        .map_err(|e| wrong(&e))?;
    if certificates.is_empty() {
        return Err(wrong(&"no certificate in it"));
    }
    Ok(RootCerts::Specific(Arc::new(certificates)))
}

/// Status, headers and body of an answer.
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers.
    pub headers: ureq::http::HeaderMap,
    /// Body, whole.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Headers and body may be secrets.
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Answer {
    /// A header's text; empty when it is not there.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }
}

/// Sends one request and reads at most `max` bytes of its answer.
///
/// # Errors
/// The transport's error.
pub fn send(
    agent: &ureq::Agent,
    request: ureq::http::Request<&[u8]>,
    max: u64,
) -> Result<Answer, ureq::Error> {
    let mut response = agent.run(request)?;
    let mut body = Vec::new();
    response.body_mut().with_config().limit(max).reader().read_to_end(&mut body)?;
    Ok(Answer { status: response.status().as_u16(), headers: response.headers().clone(), body })
}
