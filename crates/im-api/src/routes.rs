//! Paths. `{x}` is a path parameter, percent-encoded.

/// GET: [`crate::health::Health`]. No credential needed.
pub const HEALTH: &str = "/healthz";
/// PUT [`crate::state::Lease`] gives [`crate::state::LeaseAnswer`]: the node is alive. 409 `unknown-epoch` asks for a snapshot.
pub const LEASE: &str = "/v1/nodes/{node}/lease";
/// PUT [`crate::state::Snapshot`] gives [`crate::state::StateAnswer`]: replaces everything the platform knows of this node's sessions.
pub const SNAPSHOT: &str = "/v1/nodes/{node}/sessions";
/// POST [`crate::state::StateBatch`] gives [`crate::state::StateAnswer`]: changes of sessions, in order.
pub const NODE_STATES: &str = "/v1/nodes/{node}/states";
/// PUT [`crate::state::StateChange`] gives [`crate::state::StateAnswer`]: one change (for clients that are not a bridge).
pub const RESOURCE_STATE: &str = "/v1/state/{user}/{resource}";
/// GET: [`crate::state::UserState`], aggregated.
pub const USER_STATE: &str = "/v1/state/{user}";
/// POST [`crate::chat::DecideRequest`] gives [`crate::chat::DecideAnswer`]: stores and judges. GET `?user=&with=&limit=&before=`: [`crate::chat::History`].
pub const MESSAGES: &str = "/v1/messages";
/// POST [`crate::chat::SettleRequest`] gives [`crate::chat::SettleAnswer`]: what the bridge decided alone.
pub const SETTLE: &str = "/v1/messages/settle";
/// GET `?claim=&limit=`: [`crate::chat::Pending`]. DELETE `?upto=&claim=` gives [`crate::chat::PendingLeft`].
pub const PENDING: &str = "/v1/pending/{user}";
/// POST [`crate::chat::ClaimRequest`] gives [`crate::chat::Claim`] or 409 `claimed`. DELETE `?claim=`: gives the claim back.
pub const CLAIM: &str = "/v1/pending/{user}/claim";
/// POST a CloudEvents batch (`application/cloudevents-batch+json`, [`crate::event::Event`]) gives [`crate::event::EventsAnswer`].
pub const EVENTS: &str = "/v1/events";

/// Every POST carries this header; a replay with the same value gets the first answer. Items with a `key` of their own are idempotent by that key.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Fills `{name}` in a path with percent-encoded values, in order.
///
/// ```
/// assert_eq!(im_api::routes::path(im_api::routes::RESOURCE_STATE, &["juliet@example.org", "a/b"]), "/v1/state/juliet%40example.org/a%2Fb");
/// ```
#[must_use]
pub fn path(template: &str, values: &[&str]) -> String {
    let mut out = String::with_capacity(template.len() + 32);
    let mut values = values.iter();
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        let close = rest[open..].find('}').map_or(rest.len(), |i| open + i + 1);
        for byte in values.next().copied().unwrap_or_default().bytes() {
            match byte {
                b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte as char),
                _ => {
                    out.push('%');
                    out.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0').to_ascii_uppercase());
                    out.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0').to_ascii_uppercase());
                }
            }
        }
        rest = &rest[close..];
    }
    out.push_str(rest);
    out
}
