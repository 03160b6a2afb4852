//! Where the bytes of media are: a trait, and the folder that keeps them on this machine. Swift comes behind the same trait.

use std::path::{Path, PathBuf};

use async_trait::async_trait;

/// Files by name. A name is made by [`new_name`], so it is safe in a path.
#[async_trait]
pub trait Files: std::fmt::Debug + Send + Sync + 'static {
    /// Writes a whole file; it is there completely or not at all, and survives a power failure.
    ///
    /// # Errors
    /// What the system reports.
    async fn put(&self, name: &str, bytes: axum::body::Bytes) -> std::io::Result<()>;

    /// Reads a whole file.
    ///
    /// # Errors
    /// `NotFound`, or what the system reports.
    async fn get(&self, name: &str) -> std::io::Result<Vec<u8>>;

    /// Removes a file; one that is not there is fine.
    ///
    /// # Errors
    /// What the system reports.
    async fn remove(&self, name: &str) -> std::io::Result<()>;
}

/// A name for a file that no other file has ever had.
#[must_use]
pub fn new_name() -> String {
    uuid::Uuid::now_v7().simple().to_string()
}

/// A folder.
#[derive(Debug, Clone)]
pub struct Folder(PathBuf);

impl Folder {
    /// `media` in the data folder; made when the first file comes.
    #[must_use]
    pub fn in_data(data: &Path) -> Self {
        Self(data.join("media"))
    }

    /// Where a file of this name is.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        // Spread over 256 folders by the last characters, which are random.
        let at = name.len().saturating_sub(2);
        self.0.join(name.get(at..).unwrap_or("00")).join(name)
    }
}

#[async_trait]
impl Files for Folder {
    async fn put(&self, name: &str, bytes: axum::body::Bytes) -> std::io::Result<()> {
        let path = self.path(name);
        blocking(move || {
            let folder = path.parent().unwrap_or(&path);
            std::fs::create_dir_all(folder)?;
            let part = path.with_extension("part");
            let written = || {
                let mut file = std::fs::File::create_new(&part)?;
                std::io::Write::write_all(&mut file, &bytes)?;
                file.sync_all()?;
                std::fs::rename(&part, &path)?;
                std::fs::File::open(folder)?.sync_all()
            };
            written().inspect_err(|_| drop(std::fs::remove_file(&part)))
        })
        .await
    }

    async fn get(&self, name: &str) -> std::io::Result<Vec<u8>> {
        let path = self.path(name);
        blocking(move || std::fs::read(path)).await
    }

    async fn remove(&self, name: &str) -> std::io::Result<()> {
        let path = self.path(name);
        blocking(move || match std::fs::remove_file(path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(e),
            _ => Ok(()),
        })
        .await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(std::io::Error::other)?
}
