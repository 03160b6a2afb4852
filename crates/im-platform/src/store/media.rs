//! What is known of media; the files themselves are behind [`crate::media::Files`].

use async_trait::async_trait;
use im_api::footprint::Audience;
use im_api::media::Medium;

use super::Result;
use super::footprint::Viewer;
use crate::jid::UserId;

/// Media.
#[async_trait]
pub trait Media: Send + Sync + 'static {
    /// A file of this name is about to be written; if no medium comes of it within an hour it is removed.
    ///
    /// # Errors
    /// What the store reports.
    async fn upload_begins(&self, file: &str) -> Result<()>;

    /// Notes a medium whose file is in place; false when the same medium is there already (then this file is removed).
    ///
    /// # Errors
    /// `NotFound` (user, group), `Conflict` (the id is another file's), `Full` (the user's share of space).
    async fn add_medium(
        &self,
        medium: Medium,
        file: &str,
        audience: Audience,
        quota: u64,
    ) -> Result<(Medium, bool)>;

    /// One and its file's name, if the viewer may see it: the owner, the audience (the people of a conversation, say), or who may see a footprint of the owner that shows it.
    ///
    /// # Errors
    /// `NotFound`.
    async fn medium(&self, viewer: &Viewer, id: &str) -> Result<(Medium, String)>;

    /// Forgets one of this user's; true when there was one.
    ///
    /// # Errors
    /// What the store reports.
    async fn remove_medium(&self, user: &UserId, id: &str) -> Result<bool>;

    /// Names of files that are to be removed now (at most 100).
    ///
    /// # Errors
    /// What the store reports.
    async fn doomed_files(&self) -> Result<Vec<String>>;

    /// These files were removed.
    ///
    /// # Errors
    /// What the store reports.
    async fn files_removed(&self, names: Vec<String>) -> Result<()>;
}
