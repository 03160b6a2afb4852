//! Tickets: a login for whoever may write into the data folder, for ten minutes and one use. An embedded platform has no other way in: its token
//! went over a pipe.
//!
//! A ticket is a random text; its file is named by the text's SHA-256, so that who can only list the folder gets nothing.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::hash;
use crate::admin::token;
use crate::auth::{Caller, Scope};
use crate::clock::Millis;
use crate::private::{private_file, private_folder};

/// How long a ticket is good.
pub const LIFE: Millis = 10 * 60_000;
const FOLDER: &str = "console";
const ADDRESS: &str = "address";

/// What a ticket gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offer {
    /// Operator or read-only.
    pub scope: Scope,
    /// May read what people wrote.
    pub text: bool,
}

#[derive(Serialize, Deserialize)]
struct Ticket {
    operator: bool,
    text: bool,
    until: Millis,
}

fn file_of(data: &Path, ticket: &str) -> PathBuf {
    let name: String = hash(ticket.as_bytes()).iter().map(|b| format!("{b:02x}")).collect();
    data.join(FOLDER).join(name)
}

/// Writes a ticket and removes those whose time is over; gives its text.
///
/// # Errors
/// When the folder cannot be written, or the machine has no randomness.
pub fn write(data: &Path, offer: Offer, now: Millis) -> io::Result<String> {
    let folder = data.join(FOLDER);
    private_folder(&folder)?;
    for entry in fs::read_dir(&folder)? {
        let path = entry?.path();
        let over = fs::read(&path).ok().and_then(|b| serde_json::from_slice::<Ticket>(&b).ok());
        if over.is_some_and(|ticket| ticket.until <= now) {
            fs::remove_file(path)?;
        }
    }
    let text = token(false)?;
    let ticket = Ticket { operator: offer.scope == Scope::Operator, text: offer.text, until: now + LIFE };
    private_file(&file_of(data, &text), &serde_json::to_vec(&ticket)?)?;
    Ok(text)
}

/// Uses a ticket up.
#[must_use]
pub fn redeem(data: &Path, text: &str, now: Millis) -> Option<Caller> {
    let file = file_of(data, text);
    let ticket: Ticket = serde_json::from_slice(&fs::read(&file).ok()?).ok()?;
    // Of two at once only one can remove it.
    fs::remove_file(&file).ok()?;
    let scope = if ticket.operator { Scope::Operator } else { Scope::ReadOnly };
    (ticket.until > now).then(|| Caller { name: "ticket".into(), scope, text: ticket.text })
}

/// Notes where the console of this data folder is, for [`address`].
///
/// # Errors
/// When the folder cannot be written.
pub fn note_address(data: &Path, address: &str) -> io::Result<()> {
    private_folder(&data.join(FOLDER))?;
    let part = data.join(FOLDER).join("address.part");
    private_file(&part, address.as_bytes())?;
    fs::rename(part, data.join(FOLDER).join(ADDRESS))
}

/// Nobody serves any more.
pub fn forget_address(data: &Path) {
    let _ = fs::remove_file(data.join(FOLDER).join(ADDRESS));
}

/// Where the console of a data folder is; None when nobody serves it.
///
/// # Errors
/// When the folder cannot be read.
pub fn address(data: &Path) -> io::Result<Option<String>> {
    match fs::read_to_string(data.join(FOLDER).join(ADDRESS)) {
        Ok(address) => Ok(Some(address)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}
