//! One-to-one messages: decisions, settlements, what is pending, who drains it.

use async_trait::async_trait;
use im_api::chat::{Claim, History, Outcome, Pending, Settled, Verdict};

use super::Result;
use crate::clock::Millis;
use crate::jid::{Jid, UserId};

/// How long a claim lives without a read or a hand-over.
pub const CLAIM_TTL: Millis = 30_000;

/// One message to judge, checked.
#[derive(Debug, Clone)]
pub struct Message {
    /// The decision's key.
    pub key: String,
    /// Sender.
    pub from: Jid,
    /// Recipient as addressed, bare or full.
    pub to: Jid,
    /// When it was sent.
    pub sent_at: Millis,
    /// Stanza JSON; None when it may not leave the server.
    pub stanza: Option<String>,
    /// Whether it may be kept.
    pub storable: bool,
    /// Asked before.
    pub again: bool,
    /// The recipient cannot take it, whatever the sessions say.
    pub gone: bool,
}

/// Who wants to drain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimant {
    /// The node.
    pub node: String,
    /// Its epoch.
    pub epoch: String,
    /// The session's resource.
    pub resource: String,
    /// The request's idempotency key: a replay gets the same claim again.
    pub idempotency: Option<String>,
}

/// Which part of a history, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Span {
    /// Only newer than this cursor.
    pub after: Option<i64>,
    /// Oldest first.
    pub forward: bool,
    /// Only what was sent at this time or later.
    pub since: Option<Millis>,
    /// Only what was sent at this time or earlier.
    pub until: Option<Millis>,
    /// With `with`: only to or from this one of its sessions, a full JID.
    pub session: Option<String>,
    /// As an archive (XEP-0313): without what was refused, and a cursor that is none of the user's messages is not found.
    pub archive: bool,
}

/// A page of a user's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryPage {
    /// For whose eyes.
    pub user: UserId,
    /// Only the conversation with this one.
    pub with: Option<UserId>,
    /// At most so many.
    pub limit: u32,
    /// Only older than this cursor.
    pub before: Option<i64>,
    /// The rest of the question.
    pub span: Span,
}

/// Messages.
#[async_trait]
pub trait Chat: Send + Sync + 'static {
    /// Judges messages in order, one verdict each. Atomic per recipient.
    ///
    /// # Errors
    /// [`super::StoreError::UnknownEpoch`]; then nothing is stored.
    async fn decide(&self, node: &str, epoch: &str, messages: Vec<Message>) -> Result<Vec<Verdict>>;

    /// Takes note of what the bridge decided alone; cancels what is pending.
    ///
    /// # Errors
    /// What the store reports.
    async fn settle(&self, items: Vec<(String, Outcome)>) -> Result<Vec<Settled>>;

    /// Makes the session the only one that drains the user's messages. With nothing pending the claim is over as soon as it is given.
    ///
    /// # Errors
    /// `UnknownEpoch`, `NotFound` (user), `Conflict` (the session cannot take messages), `Claimed`.
    async fn claim(&self, user: &UserId, claimant: Claimant) -> Result<Claim>;

    /// The oldest pending messages; keeps the claim alive. Empty when nothing is pending.
    ///
    /// # Errors
    /// `NotFound` (user), `Claimed` by another, `Conflict` when this claim is over.
    async fn pending(&self, user: &UserId, claim: &str, limit: u32) -> Result<Pending>;

    /// Handed over up to and with `upto`; how many are left. At 0 the claim ends and the user is reachable again, in the same write.
    ///
    /// # Errors
    /// As [`Chat::pending`].
    async fn handed_over(&self, user: &UserId, claim: &str, upto: u64) -> Result<u64>;

    /// Gives a claim back; one that is over is fine.
    ///
    /// # Errors
    /// What the store reports.
    async fn give_back(&self, user: &UserId, claim: &str) -> Result<()>;

    /// Whether anything is pending for anybody.
    ///
    /// # Errors
    /// What the store reports.
    async fn any_pending(&self) -> Result<bool>;

    /// A user's messages.
    ///
    /// # Errors
    /// `NotFound` (user; of an archive also a cursor).
    async fn history(&self, page: HistoryPage) -> Result<History>;
}
