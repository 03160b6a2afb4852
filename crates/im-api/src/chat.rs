//! One-to-one chat: the decision, its settlement, what is pending, the hand-over.
//!
//! The rule: while anything is pending for a recipient the platform answers `stored`; the flip to `deliver` is one conditional write made when
//! pending is empty. "Stored" and "came online" cannot miss each other: both are writes on the recipient's row.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// One message to judge.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DecideItem {
    /// The decision's key: unique, time-ordered, the same on every retry (1 to 64 characters of `[A-Za-z0-9-]`).
    pub key: String,
    /// Sender, full JID.
    pub from: String,
    /// Recipient as addressed, bare or full JID.
    pub to: String,
    /// When the sender sent it.
    pub sent_at: String,
    /// The stanza as stanza JSON; null when it was left out of the request because it may not leave the server (then the platform can only judge).
    pub stanza: Box<RawValue>,
    /// Whether it may be kept for a recipient who is not reachable (XEP-0160, XEP-0334). If not and the recipient is not reachable: verdict `native`.
    pub storable: bool,
    /// The item was asked before under this key, the answer may have been lost or have become stale: judge anew from the recipient's state now,
    /// unless it was handed over already (verdict `handed_over`) or is still pending (verdict `stored`).
    #[serde(default)]
    pub again: bool,
    /// The bridge has just seen that the recipient cannot take it, whatever the platform believes: store it.
    #[serde(default)]
    pub gone: bool,
}

/// POST messages: at most 256 items, judged in order; items of one recipient see each other.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DecideRequest {
    /// Node and epoch of the bridge; 409 `unknown-epoch` when it has sent no snapshot.
    pub node: String,
    /// See [`crate::state::Lease::epoch`].
    pub epoch: String,
    /// The messages.
    pub items: Vec<DecideItem>,
}

/// What the platform decides about one message.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Verdict {
    /// The recipient is reachable and nothing is pending: release it.
    Deliver,
    /// Kept; it will be handed over. The bridge drops its copy.
    Stored,
    /// It was handed over already (only with `again`): drop.
    HandedOver,
    /// Not the platform's business (unknown recipient, or not reachable and not storable): Openfire handles it natively. An unknown sender is no
    /// reason: its session may still be under way to the platform.
    Native,
    /// Deliver this one in its place.
    Replace {
        /// The stanza as stanza JSON.
        stanza: Box<RawValue>,
    },
    /// Answer the sender with an error.
    Refuse {
        /// Stanza error type (RFC 6120 8.3.2): `auth`, `cancel`, `continue`, `modify`, `wait`.
        #[serde(rename = "type")]
        kind: String,
        /// Defined condition (RFC 6120 8.3.3).
        condition: String,
        /// Text for the user.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// The bridge settled this key before the request arrived: nothing was stored.
    Settled,
    /// This item alone is wrong or could not be processed; the others stand. Counts as an answer: the bridge applies its policy to the item.
    Failed {
        /// As [`crate::Problem::kind`].
        problem: String,
        /// What is wrong.
        detail: String,
    },
}

/// The answer to one item.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Flat")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(!try_from))]
pub struct Decided {
    /// The item's key.
    pub key: String,
    /// The verdict.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// [`Decided`] as it is read: serde cannot take a raw stanza out of a tagged enum, because it looks for the tag first and keeps the rest as something
/// that is not JSON any more.
#[derive(Deserialize)]
struct Flat {
    key: String,
    verdict: String,
    stanza: Option<Box<RawValue>>,
    #[serde(rename = "type")]
    kind: Option<String>,
    condition: Option<String>,
    text: Option<String>,
    problem: Option<String>,
    detail: Option<String>,
}

impl TryFrom<Flat> for Decided {
    type Error = String;

    fn try_from(flat: Flat) -> Result<Self, String> {
        let Flat { key, verdict, stanza, kind, condition, text, problem, detail } = flat;
        let missing = |field: &str| format!("missing field `{field}` of verdict `{verdict}`");
        let verdict = match verdict.as_str() {
            "deliver" => Verdict::Deliver,
            "stored" => Verdict::Stored,
            "handed_over" => Verdict::HandedOver,
            "native" => Verdict::Native,
            "settled" => Verdict::Settled,
            "replace" => Verdict::Replace { stanza: stanza.ok_or_else(|| missing("stanza"))? },
            "refuse" => Verdict::Refuse {
                kind: kind.ok_or_else(|| missing("type"))?,
                condition: condition.ok_or_else(|| missing("condition"))?,
                text,
            },
            "failed" => Verdict::Failed {
                problem: problem.ok_or_else(|| missing("problem"))?,
                detail: detail.ok_or_else(|| missing("detail"))?,
            },
            other => return Err(format!("unknown verdict `{other}`")),
        };
        Ok(Self { key, verdict })
    }
}

/// Answer of POST messages: one result per item, in the items' order.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct DecideAnswer {
    /// The results.
    pub results: Vec<Decided>,
}

/// What the bridge decided alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Outcome {
    /// Openfire delivered it natively.
    Delivered,
    /// The sender got an error.
    Refused,
}

/// One settlement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SettleItem {
    /// The decision's key. It need not be known yet: a request that arrives after its settlement is answered [`Verdict::Settled`].
    pub key: String,
    /// What happened instead.
    pub outcome: Outcome,
}

/// POST settle: at most 1,000 items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SettleRequest {
    /// The settlements.
    pub items: Vec<SettleItem>,
}

/// What a settlement found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Settled {
    /// A pending copy was removed.
    Cancelled,
    /// Nothing was pending under the key (noted for a late request).
    Noted,
    /// Too late: it had been handed over already.
    HandedOver,
}

/// Answer of settle, in the items' order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct SettleAnswer {
    /// The results.
    pub results: Vec<Settled>,
}

/// POST claim: this session wants to drain what is pending for the user.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct ClaimRequest {
    /// See [`DecideRequest::node`].
    pub node: String,
    /// See [`crate::state::Lease::epoch`].
    pub epoch: String,
    /// The resource that will take them; it must be available with priority >= 0 at the platform, else 409 `conflict`.
    pub resource: String,
}

/// A claim: exclusive until it is given back, everything is handed over, its session closes, or `ttl_ms` pass without a GET or DELETE on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Claim {
    /// Its id.
    pub claim: String,
    /// How many are pending now.
    pub pending: u64,
    /// Its time to live.
    pub ttl_ms: u32,
}

/// One pending message.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PendingItem {
    /// Position in this user's queue, growing; the cursor of DELETE `?upto=`.
    pub seq: u64,
    /// The decision's key.
    pub key: String,
    /// When the sender sent it (for XEP-0203).
    pub sent_at: String,
    /// Stanza JSON.
    pub stanza: Box<RawValue>,
}

/// GET pending: the oldest first, at most `limit` (1 to 256, default 100).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Pending {
    /// The messages.
    pub items: Vec<PendingItem>,
}

/// DELETE pending: handed over up to and with `upto`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct PendingLeft {
    /// How many are left. At 0 the claim is over and, in the same write, the user is reachable again.
    pub left: u64,
}

/// GET messages: for the named user's eyes. Newest first; oldest first when `after` is given and `before` is not.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct History {
    /// The messages.
    pub items: Vec<HistoryItem>,
    /// Cursor of the next page (`before=` going back, `after=` going forward); absent at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// Nothing that was asked for lies beyond this page in the direction of paging.
    #[serde(default)]
    pub complete: bool,
    /// [`HistoryItem::id`] of the oldest message of this page, whatever the direction; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<String>,
    /// The same of the newest one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<String>,
}

/// One message of a history.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct HistoryItem {
    /// Its cursor: never changes, and is the greater of two for what was judged later. A text that only the platform understands.
    pub id: String,
    /// The decision's key.
    pub key: String,
    /// Sender, full JID.
    pub from: String,
    /// Recipient as addressed.
    pub to: String,
    /// When it was sent.
    pub sent_at: String,
    /// `pending`, `delivered`, `handed_over`, `refused`.
    pub status: String,
    /// Stanza JSON.
    pub stanza: Box<RawValue>,
}
