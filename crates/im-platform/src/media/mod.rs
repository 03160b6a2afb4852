//! Where the bytes of media are: one trait, a folder on this machine ([`Folder`], the default) and a cloud's object store ([`swift::Swift`]).
//!
//! A file's name says where it is, so that a change of the setting moves nothing and loses nothing: what was put before stays where it is and is
//! served from there ([`Places`]).

mod folder;
pub mod swift;

use std::sync::Arc;

use async_trait::async_trait;
use axum::body::Bytes;

pub use folder::Folder;
use swift::Swift;

/// Why the bytes of a medium could not be kept, had or removed.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// There is no such file.
    #[error("there is no such file")]
    NotFound,
    /// No room is left.
    #[error("no room is left on the disk, or in the quota of the disk or of Swift; nothing was stored")]
    Full(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Where they are does not answer. The rest of the platform works.
    #[error("the store of media does not answer: {0}")]
    Unavailable(String),
    /// Anything else.
    #[error("the store of media failed")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// How a file is to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// In the page.
    Inline,
    /// As something to save.
    Attachment,
}

/// Files by name. A name is made by [`Files::new_name`], so it is safe in a path.
#[async_trait]
pub trait Files: std::fmt::Debug + Send + Sync + 'static {
    /// A name for a file that no other file has ever had.
    fn new_name(&self) -> String;

    /// Writes a whole file; it is there completely or not at all, and survives a power failure.
    ///
    /// # Errors
    /// [`MediaError`].
    async fn put(&self, name: &str, kind: &str, bytes: Bytes) -> Result<(), MediaError>;

    /// Reads a whole file.
    ///
    /// # Errors
    /// [`MediaError`].
    async fn get(&self, name: &str) -> Result<Bytes, MediaError>;

    /// An address at which whoever has it can fetch the file for a short time; None: only [`Files::get`] has it.
    ///
    /// # Errors
    /// [`MediaError`].
    async fn link(&self, name: &str, shown: Shown) -> Result<Option<String>, MediaError>;

    /// Removes a file; one that is not there is fine.
    ///
    /// # Errors
    /// [`MediaError`].
    async fn remove(&self, name: &str) -> Result<(), MediaError>;

    /// Looks whether it works, so that [`Files::trouble`] is true without anybody's request.
    async fn probe(&self) {}

    /// What does not work at this moment, in words for whoever runs the platform.
    fn trouble(&self) -> Option<String> {
        None
    }
}

/// What a name in Swift begins with.
const IN_SWIFT: &str = "swift-";

/// A word that no other file has ever had.
fn unique() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

/// All places of one platform: new files go to Swift if there is one, else to the folder.
#[derive(Debug, Clone)]
pub struct Places {
    folder: Folder,
    swift: Option<Arc<Swift>>,
}

impl Places {
    /// The folder, and a Swift.
    #[must_use]
    pub fn new(folder: Folder, swift: Option<Swift>) -> Self {
        Self { folder, swift: swift.map(Arc::new) }
    }

    fn of(&self, name: &str) -> Result<&dyn Files, MediaError> {
        match (name.starts_with(IN_SWIFT), &self.swift) {
            (false, _) => Ok(&self.folder),
            (true, Some(swift)) => Ok(swift.as_ref()),
            (true, None) => Err(MediaError::Unavailable(
                "it was put into Swift, and the setting [media.swift] is not there any more".into(),
            )),
        }
    }
}

#[async_trait]
impl Files for Places {
    fn new_name(&self) -> String {
        self.swift.as_ref().map_or_else(|| self.folder.new_name(), |swift| swift.new_name())
    }

    async fn put(&self, name: &str, kind: &str, bytes: Bytes) -> Result<(), MediaError> {
        self.of(name)?.put(name, kind, bytes).await
    }

    async fn get(&self, name: &str) -> Result<Bytes, MediaError> {
        self.of(name)?.get(name).await
    }

    async fn link(&self, name: &str, shown: Shown) -> Result<Option<String>, MediaError> {
        self.of(name)?.link(name, shown).await
    }

    async fn remove(&self, name: &str) -> Result<(), MediaError> {
        self.of(name)?.remove(name).await
    }

    async fn probe(&self) {
        if let Some(swift) = &self.swift {
            swift.probe().await;
        }
    }

    fn trouble(&self) -> Option<String> {
        self.swift.as_ref().and_then(|swift| swift.trouble())
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, MediaError> + Send + 'static,
) -> Result<T, MediaError> {
    tokio::task::spawn_blocking(work).await.map_err(|e| MediaError::Failed(Box::new(e)))?
}
