//! Signed requests in the manner of Standard Webhooks: headers `webhook-id`, `webhook-timestamp` (seconds) and `webhook-signature`
//! (`v1,base64` words, any of which may be right). Signed is `id.timestamp.METHOD target.body`, HMAC-SHA256; method and target are ours, because a
//! request does more than a webhook.
//!
//! Several secrets of one caller are valid at once: rotation is adding one, moving the senders, removing the other. An id is accepted once within
//! the window; the memory of ids is this process's.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use axum::http::Request;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use super::{AuthError, Caller, Credentials};
use crate::clock::{Clock, Millis};

/// How far a signature's time may be from ours.
const WINDOW: Millis = 5 * 60_000;

/// A signing secret.
pub struct Secret(hmac::Key);

impl Secret {
    /// Reads `whsec_` and base64 of 24 to 64 bytes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.trim().strip_prefix("whsec_")?).ok()?;
        (24..=64).contains(&bytes.len()).then(|| Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }
}

/// The secrets and whom they stand for.
pub struct SignedRequests {
    secrets: Vec<(Secret, Caller)>,
    clock: Clock,
    seen: Mutex<HashMap<(String, String), Millis>>,
}

impl std::fmt::Debug for SignedRequests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.secrets.iter().map(|(_, caller)| &caller.name)).finish()
    }
}

impl SignedRequests {
    /// These secrets.
    #[must_use]
    pub fn new(secrets: Vec<(Secret, Caller)>, clock: Clock) -> Self {
        Self { secrets, clock, seen: Mutex::default() }
    }

    /// Accepts an id once.
    fn first_time(&self, caller: &str, id: &str, now: Millis) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= 10_000 {
            seen.retain(|_, at| now - *at <= 2 * WINDOW);
        }
        seen.insert((caller.into(), id.into()), now).is_none()
    }
}

#[async_trait]
impl Credentials for SignedRequests {
    async fn check(&self, request: &Request<&[u8]>) -> Option<Result<Caller, AuthError>> {
        let header = |name| request.headers().get(name).and_then(|v| v.to_str().ok());
        let signatures = header("webhook-signature")?;
        let checked = || {
            let (id, timestamp) =
                header("webhook-id").zip(header("webhook-timestamp")).ok_or(AuthError::Wrong)?;
            let at = timestamp.parse::<Millis>().map_err(|_| AuthError::Wrong)?.saturating_mul(1_000);
            let now = self.clock.now();
            let target = request.uri().path_and_query().map_or("/", |t| t.as_str());
            let content = content(id, timestamp, request.method().as_str(), target, request.body());
            let given: Vec<Vec<u8>> = signatures
                .split(' ')
                .filter_map(|word| STANDARD.decode(word.strip_prefix("v1,")?).ok())
                .collect();
            let right =
                |secret: &Secret| given.iter().any(|tag| hmac::verify(&secret.0, &content, tag).is_ok());
            let (_, caller) = self.secrets.iter().find(|(s, _)| right(s)).ok_or(AuthError::Wrong)?;
            if (now - at).abs() > WINDOW {
                return Err(AuthError::Time(Duration::from_millis(WINDOW.unsigned_abs())));
            }
            if self.first_time(&caller.name, id, now) { Ok(caller.clone()) } else { Err(AuthError::Replayed) }
        };
        Some(checked())
    }
}

fn content(id: &str, timestamp: &str, method: &str, target: &str, body: &[u8]) -> Vec<u8> {
    let mut content = format!("{id}.{timestamp}.{method} {target}.").into_bytes();
    content.extend_from_slice(body);
    content
}

/// The `webhook-signature` of a request, for clients and tests.
#[must_use]
pub fn sign(secret: &Secret, id: &str, timestamp: i64, method: &str, target: &str, body: &[u8]) -> String {
    let tag = hmac::sign(&secret.0, &content(id, &timestamp.to_string(), method, target, body));
    format!("v1,{}", STANDARD.encode(tag))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::Scope;

    const ONE: &str = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
    const TWO: &str = "whsec_YWJjZGVmZ2hpamtsbW5vcHFyc3R1dnd4eXphYmNkZWY=";

    fn request(
        id: &str,
        at: i64,
        signature: &str,
        target: &str,
        body: &'static [u8],
    ) -> Request<&'static [u8]> {
        let request = Request::builder().method("POST").uri(target).header("webhook-id", id);
        let request =
            request.header("webhook-timestamp", at.to_string()).header("webhook-signature", signature);
        request.body(body).expect("a request")
    }

    #[tokio::test]
    async fn a_signature_covers_id_time_method_target_and_body_and_counts_once() {
        let caller = Caller { name: "shop".into(), scope: Scope::Integrator, text: true };
        let secret = |text| Secret::parse(text).expect("a secret");
        let clock = Clock::manual(1_000_000_000);
        let both = vec![(secret(ONE), caller.clone()), (secret(TWO), caller.clone())];
        let all = SignedRequests::new(both, clock.clone());
        let at = 1_000_000;
        let right = sign(&secret(TWO), "m1", at, "POST", "/v1/users?a=b", b"{}");
        let check = async |request: Request<&[u8]>| all.check(&request).await.expect("signed");
        assert_eq!(
            check(request("m2", at, &right, "/v1/users?a=b", b"{}")).await,
            Err(AuthError::Wrong),
            "another id"
        );
        assert_eq!(
            check(request("m1", at + 1, &right, "/v1/users?a=b", b"{}")).await,
            Err(AuthError::Wrong),
            "another time"
        );
        assert_eq!(
            check(request("m1", at, &right, "/v1/users?a=c", b"{}")).await,
            Err(AuthError::Wrong),
            "another target"
        );
        assert_eq!(
            check(request("m1", at, &right, "/v1/users?a=b", b"[]")).await,
            Err(AuthError::Wrong),
            "another body"
        );
        assert_eq!(
            check(request("m1", at, "v1,AAAA v2,x", "/v1/users?a=b", b"{}")).await,
            Err(AuthError::Wrong)
        );
        let rotated = format!("v1,AAAA {right}");
        assert_eq!(check(request("m1", at, &rotated, "/v1/users?a=b", b"{}")).await, Ok(caller));
        assert_eq!(check(request("m1", at, &right, "/v1/users?a=b", b"{}")).await, Err(AuthError::Replayed));
        let later = sign(&secret(ONE), "m3", at, "POST", "/", b"");
        clock.advance(WINDOW + 1);
        assert!(matches!(check(request("m3", at, &later, "/", b"")).await, Err(AuthError::Time(_))));
        let plain = Request::builder().uri("/").body(&b""[..]).expect("a request");
        assert!(all.check(&plain).await.is_none(), "not signed: another credential may be there");
    }

    #[test]
    fn a_secret_is_long_enough_or_none() {
        assert!(Secret::parse("whsec_c2hvcnQ=").is_none());
        assert!(Secret::parse("MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=").is_none());
    }
}
