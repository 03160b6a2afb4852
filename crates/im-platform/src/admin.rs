//! What an operator does beside serving: migrate, back up while running, make tokens.

use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::{SecureRandom, SystemRandom};

use crate::auth::{Scope, pass};
use crate::clock::{Clock, Millis};
use crate::console::ticket::{self, Offer};
use crate::media::Folder;
use crate::serve::{ServeError, own};
use crate::store::StoreError;
use crate::store::sqlite::{self, FILE, FORMAT, Settings, Sqlite};

/// Why a backup was not made.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// There is something at the target.
    #[error("{} exists already; a backup needs a new folder", .0.display())]
    Exists(PathBuf),
    /// The database could not be copied.
    #[error("the database could not be copied")]
    Store(#[from] StoreError),
    /// A file could not be read or written.
    #[error("{} could not be copied", .file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Brings the database of a folder that nobody serves to the current format; gives the format it had and has.
///
/// # Errors
/// [`ServeError`].
pub fn migrate(data: &Path) -> Result<(i64, i64), ServeError> {
    let lock = own(data)?;
    let store = |source| ServeError::Store { folder: data.into(), source };
    let before = sqlite::format(&data.join(FILE)).map_err(store)?;
    let opened = Sqlite::open(data, Settings::default(), Clock::System).map_err(store)?;
    drop(opened);
    drop(lock);
    Ok((before, FORMAT))
}

/// Copies database and media into a new folder, also while a server runs on it. The database is the state of one moment; media that were removed
/// after that moment may be missing.
///
/// # Errors
/// [`BackupError`]; then the new folder may be there in part.
pub fn backup(data: &Path, to: &Path) -> Result<u64, BackupError> {
    if to.exists() {
        return Err(BackupError::Exists(to.into()));
    }
    let file = |file: &Path| {
        let file = file.to_owned();
        move |source| BackupError::File { file, source }
    };
    std::fs::create_dir_all(to).map_err(file(to))?;
    let names = sqlite::copy(&data.join(FILE), &to.join(FILE))?;
    let (from, into) = (Folder::in_data(data), Folder::in_data(to));
    let mut copied = 0;
    for name in names {
        let (from, into) = (from.path(&name), into.path(&name));
        if let Some(folder) = into.parent() {
            std::fs::create_dir_all(folder).map_err(file(folder))?;
        }
        match std::fs::copy(&from, &into) {
            Ok(_) => copied += 1,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(file(&from)(e)),
        }
    }
    Ok(copied)
}

/// A new bearer token, or (`signing`) a new signing secret: 32 random bytes.
///
/// # Errors
/// When the machine has no randomness.
pub fn token(signing: bool) -> std::io::Result<String> {
    let mut bytes = [0; 32];
    SystemRandom::new().fill(&mut bytes).map_err(|_| std::io::Error::other("no random bytes"))?;
    Ok(if signing { format!("whsec_{}", STANDARD.encode(bytes)) } else { URL_SAFE_NO_PAD.encode(bytes) })
}

/// Why there is no way in.
#[derive(Debug, thiserror::Error)]
pub enum ConsoleError {
    /// Nobody serves it, or without a console.
    #[error("no im-platform serves {} with a console: start it, or set console.enabled = true", .0.display())]
    NotServed(PathBuf),
    /// The folder cannot be read or written.
    #[error("the data folder {} cannot be used", .folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// A link that logs in at the console once, within [`ticket::LIFE`]. The ticket is behind `#`: a browser keeps that to itself.
///
/// # Errors
/// [`ConsoleError`].
pub fn console(data: &Path, offer: Offer) -> Result<String, ConsoleError> {
    let folder = |source| ConsoleError::Folder { folder: data.into(), source };
    let address = served(data)?;
    let ticket = ticket::write(data, offer, Clock::System.now()).map_err(folder)?;
    Ok(format!("{address}#login={ticket}"))
}

/// What curl needs (`curl --config`) to speak to the platform that serves a data folder: its address with this path, and a pass of this scope for
/// these hours. The token stands on no command line.
///
/// # Errors
/// [`ConsoleError`].
pub fn pass(data: &Path, scope: Scope, hours: u32, path: &str) -> Result<String, ConsoleError> {
    let address = served(data)?;
    let base = address.strip_suffix("/console").unwrap_or(&address);
    let now = Clock::System.now();
    let until = now + Millis::from(hours) * 3_600_000;
    let token = pass::write(data, scope, now, until)
        .map_err(|source| ConsoleError::Folder { folder: data.into(), source })?;
    Ok(format!(
        "header = \"authorization: Bearer {token}\"\nheader = \"content-type: application/json\"\nurl = \"{base}{path}\""
    ))
}

/// Where the platform is that serves a data folder: its console's address.
fn served(data: &Path) -> Result<String, ConsoleError> {
    let folder = |source| ConsoleError::Folder { folder: data.into(), source };
    let address = ticket::address(data).map_err(folder)?;
    // Its lock tells a platform that was killed from one that runs.
    address.filter(|_| own(data).is_err()).ok_or_else(|| ConsoleError::NotServed(data.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_new_each_time_and_of_the_kind_asked_for() {
        let made: Vec<String> = (0..4).map(|i| token(i % 2 == 0).expect("a token")).collect();
        assert!(
            crate::auth::Secret::parse(&made[0]).is_some() && crate::auth::Secret::parse(&made[1]).is_none()
        );
        assert!(made[0] != made[2] && made[1] != made[3] && made[1].len() >= 32);
    }
}
