//! Media in a folder of this machine.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use axum::body::Bytes;

use super::{Files, MediaError, Shown, blocking, unique};

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
    fn new_name(&self) -> String {
        unique()
    }

    async fn put(&self, name: &str, _: &str, bytes: Bytes) -> Result<(), MediaError> {
        let path = self.path(name);
        blocking(move || write(&path, &bytes).map_err(failed)).await
    }

    async fn get(&self, name: &str) -> Result<Bytes, MediaError> {
        let path = self.path(name);
        blocking(move || std::fs::read(path).map(Bytes::from).map_err(failed)).await
    }

    async fn link(&self, _: &str, _: Shown) -> Result<Option<String>, MediaError> {
        Ok(None)
    }

    async fn remove(&self, name: &str) -> Result<(), MediaError> {
        let path = self.path(name);
        blocking(move || match std::fs::remove_file(path) {
            Err(e) if e.kind() != ErrorKind::NotFound => Err(failed(e)),
            _ => Ok(()),
        })
        .await
    }
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder)?;
    let part = path.with_extension("part");
    let written = || {
        let mut file = std::fs::File::create_new(&part)?;
        std::io::Write::write_all(&mut file, bytes)?;
        file.sync_all()?;
        std::fs::rename(&part, path)?;
        std::fs::File::open(folder)?.sync_all()
    };
    written().inspect_err(|_| drop(std::fs::remove_file(&part)))
}

fn failed(e: std::io::Error) -> MediaError {
    match e.kind() {
        ErrorKind::NotFound => MediaError::NotFound,
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            MediaError::Full(Box::new(e))
        }
        _ => MediaError::Failed(Box::new(e)),
    }
}
