//! Accounts.

use async_trait::async_trait;
use im_api::user::{Erased, SessionEnd, User, Users as Page, Verifier};

use super::{Cause, Result};
use crate::clock::Millis;
use crate::jid::UserId;

/// Wrong passwords in a row before an account is locked out.
pub const ATTEMPTS: i64 = 10;
/// The first lock-out; each further wrong password doubles it.
pub const LOCK: Millis = 60_000;
/// The longest lock-out.
pub const LOCK_MAX: Millis = 3_600_000;
/// Wrong passwords are forgotten after so long without another.
pub const ATTEMPTS_FORGOTTEN: Millis = 3_600_000;

/// A new account, checked.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Who.
    pub user: UserId,
    /// Its verifiers; may be empty.
    pub verifiers: Vec<Verifier>,
    /// Display name.
    pub name: Option<String>,
    /// Mail address.
    pub email: Option<String>,
}

/// A search, for a person's eyes.
#[derive(Debug, Clone)]
pub struct Search {
    /// What address or name begin with.
    pub query: String,
    /// Only users of this domain.
    pub domain: Option<String>,
    /// For whom; who blocks this one is not found.
    pub viewer: Option<UserId>,
    /// At most so many.
    pub limit: u32,
    /// Addresses after this one.
    pub after: Option<String>,
}

/// What a login needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Login {
    /// No such user or no password.
    Unknown,
    /// Locked out for so long.
    Locked(Millis),
    /// Compare with these.
    Verifiers(Vec<Verifier>),
}

/// How long the next lock-out is after so many wrong passwords in a row; 0 for none.
#[must_use]
pub fn lock_after(failures: i64) -> Millis {
    match u32::try_from(failures - ATTEMPTS) {
        Ok(beyond) => {
            LOCK.saturating_mul(1_i64.checked_shl(beyond.min(20)).unwrap_or(i64::MAX)).min(LOCK_MAX)
        }
        Err(_) => 0,
    }
}

/// Accounts.
#[async_trait]
pub trait Users: Send + Sync + 'static {
    /// Creates an account, or completes one known only from a bridge.
    ///
    /// # Errors
    /// `Conflict` when it exists with a password or was created here.
    async fn create_user(&self, new: NewUser, cause: Cause) -> Result<User>;

    /// An account.
    ///
    /// # Errors
    /// `NotFound`.
    async fn user(&self, user: &UserId) -> Result<User>;

    /// Finds users by the beginning of address or name. Mail addresses are left out.
    ///
    /// # Errors
    /// What the store reports.
    async fn search(&self, search: Search) -> Result<Page>;

    /// Replaces the verifiers; ends a lock-out.
    ///
    /// # Errors
    /// `NotFound`.
    async fn set_verifiers(&self, user: &UserId, verifiers: Vec<Verifier>, cause: Cause) -> Result<()>;

    /// Begins a login. It counts as a wrong password until [`Users::login_succeeded`], so that many guesses at once are many guesses.
    ///
    /// # Errors
    /// What the store reports.
    async fn begin_login(&self, user: &UserId) -> Result<Login>;

    /// The password was right: forgets the wrong ones.
    ///
    /// # Errors
    /// What the store reports.
    async fn login_succeeded(&self, user: &UserId) -> Result<()>;

    /// The verifiers, noted in the audit; none while the account is locked out.
    ///
    /// # Errors
    /// `NotFound`: no such user, or one without a password here.
    async fn read_verifiers(&self, user: &UserId, cause: Cause) -> Result<Vec<Verifier>>;

    /// Erases a user everywhere, in pieces; from the first piece on nobody knows the user any more. Taken up again after a restart.
    ///
    /// # Errors
    /// `NotFound`.
    async fn erase(&self, user: &UserId, cause: Cause) -> Result<Erased>;

    /// Ends a session: at once if it belongs to no bridge, else by asking its bridge.
    ///
    /// # Errors
    /// `NotFound` (user or session).
    async fn end_session(&self, user: &UserId, resource: &str, cause: Cause) -> Result<SessionEnd>;
}
