//! Passes: a bearer token for whoever may write into the data folder, good for some hours. An embedded platform has no other for programs: its own
//! token went over a pipe, to the bridge alone.
//!
//! A pass is a random text; its file is named by the text's SHA-256, so that who can only list the folder gets nothing. Removing the file ends it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use axum::http::Request;
use ring::digest;
use serde::{Deserialize, Serialize};

use super::{AuthError, Caller, Credentials, Scope, bearer};
use crate::admin::token;
use crate::clock::{Clock, Millis};
use crate::private::{private_file, private_folder};

const FOLDER: &str = "passes";

#[derive(Serialize, Deserialize)]
struct Pass {
    scope: Scope,
    until: Millis,
}

/// Writes a pass for this scope, good until then, and removes those whose time is over; gives its text.
///
/// # Errors
/// When the folder cannot be written, or the machine has no randomness.
pub fn write(data: &Path, scope: Scope, now: Millis, until: Millis) -> io::Result<String> {
    let folder = data.join(FOLDER);
    private_folder(&folder)?;
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        if read(&path).is_some_and(|pass| pass.until <= now) {
            fs::remove_file(path)?;
        }
    }
    let text = token(false)?;
    private_file(&file_of(data, &text), &serde_json::to_vec(&Pass { scope, until })?)?;
    Ok(text)
}

fn read(file: &Path) -> Option<Pass> {
    serde_json::from_slice(&fs::read(file).ok()?).ok()
}

fn file_of(data: &Path, text: &str) -> PathBuf {
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    let name: String = hash.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    data.join(FOLDER).join(name)
}

/// Other credentials, and passes: looked for only when the others do not know the token.
#[derive(Debug)]
pub struct OrPass<C> {
    /// The others.
    pub others: C,
    /// The data folder.
    pub data: PathBuf,
    /// When a pass is over.
    pub clock: Clock,
}

#[async_trait]
impl<C: Credentials> Credentials for OrPass<C> {
    async fn check(&self, request: &Request<&[u8]>) -> Option<Result<Caller, AuthError>> {
        let checked = self.others.check(request).await;
        if !matches!(checked, Some(Err(AuthError::Wrong))) {
            return checked;
        }
        let pass = bearer(request).and_then(|text| read(&file_of(&self.data, text)));
        match pass.filter(|pass| pass.until > self.clock.now()) {
            Some(pass) => Some(Ok(Caller { name: "pass".into(), scope: pass.scope, text: true })),
            None => checked,
        }
    }

    fn trouble(&self) -> Option<String> {
        self.others.trouble()
    }
}
