//! Groups and their members.

use async_trait::async_trait;
use im_api::group::{CreateGroup, Group, GroupChanged, Groups as Page, PatchGroup, ReportGroup, Role};

use super::{Cause, Result};
use crate::jid::UserId;

/// Members one group may have.
pub const MAX_MEMBERS: i64 = 10_000;

/// Groups.
#[async_trait]
pub trait Groups: Send + Sync + 'static {
    /// Creates a group. Addresses in it are checked.
    ///
    /// # Errors
    /// `Conflict` (id or room taken), `NotFound` (a member is unknown).
    async fn create_group(&self, new: CreateGroup, cause: Cause) -> Result<Group>;

    /// A group with a page of its members.
    ///
    /// # Errors
    /// `NotFound`.
    async fn group(&self, id: &str, limit: u32, after: Option<String>) -> Result<Group>;

    /// The groups of a user.
    ///
    /// # Errors
    /// `NotFound` (user).
    async fn groups_of(&self, user: &UserId, limit: u32, after: Option<String>) -> Result<Page>;

    /// Changes information.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` (version).
    async fn patch_group(&self, id: &str, patch: PatchGroup, cause: Cause) -> Result<GroupChanged>;

    /// What a bridge reports: the group is made if it is not there, and may be without an owner. Addresses in it are checked.
    ///
    /// # Errors
    /// `Conflict` (another group is that room), `Full` (group).
    async fn report_group(&self, id: &str, report: ReportGroup, cause: Cause) -> Result<GroupChanged>;

    /// Removes a group; one that is not there is fine.
    ///
    /// # Errors
    /// What the store reports.
    async fn remove_group(&self, id: &str, cause: Cause) -> Result<GroupChanged>;

    /// Adds a member, changes or (None) removes one. `reported`: by what is so on a server, see [`im_api::group::SetRole`].
    ///
    /// # Errors
    /// `NotFound` (group, user), `Conflict` (last owner), `Full` (group).
    async fn set_member(
        &self,
        id: &str,
        user: &UserId,
        role: Option<Role>,
        reported: bool,
        cause: Cause,
    ) -> Result<GroupChanged>;
}
