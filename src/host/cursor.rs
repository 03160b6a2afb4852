//! Where the bridge is in the downlink: the cursor of the last answer that was carried out as a whole, and the last event behind it that was. So what
//! is repeated after a kill is at most the one event that was under way.
//!
//! It stands in a file of the data folder; in a cluster in a property of Openfire's as well, which all nodes share: whoever becomes the senior member
//! goes on where the one before was. In the same way the nodes know each other's ids: what another member changed is no news for Openfire either.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::ffi::frame::Outcome;

use super::core::{Core, lock};
use super::downlink::LIMIT;
use super::files::write_whole;

/// The property, behind [`crate::config::PREFIX`]. Nobody's setting.
pub const PROPERTY: &str = "downlink.cursor";

/// The beginning of the properties that name the members' nodes.
pub const MEMBER: &str = "cluster.node.";

/// Tells the other members of a cluster this node's id, once.
pub fn introduce(core: &Core) {
    if core.config().clustered && !lock(&core.members).contains(&core.node) {
        let done =
            core.effects.apply(LIMIT, "remember", &[format!("{MEMBER}{}", core.node), "member".to_owned()]);
        if done.is_some_and(|(outcome, _)| outcome == Outcome::Ok) {
            lock(&core.members).insert(core.node.clone());
        }
    }
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// `after` of the next poll. None: from now on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Id of the last event after it that has been carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<String>,
}

impl Cursor {
    /// The shared one in a cluster, else this node's.
    pub fn read(core: &Core) -> Cursor {
        let shared = lock(&core.shared_cursor).clone().filter(|_| core.config().clustered);
        let own = || std::fs::read_to_string(file(core)).ok();
        shared.or_else(own).map(|text| Cursor::parse(&text)).unwrap_or_default()
    }

    /// Writes it down; says on the page when that fails.
    pub fn write(&self, core: &Core) {
        let text = serde_json::to_string(self).unwrap_or_default();
        if let Err(error) = write_whole(&file(core), text.as_bytes()) {
            core.failed("downlink", format!("the cursor cannot be written: {error}"));
        }
        // Outside of a cluster only one that is there already, so that it is right when the cluster comes back.
        if core.config().clustered || lock(&core.shared_cursor).is_some() {
            *lock(&core.shared_cursor) = Some(text.clone());
            let done = core.effects.apply(LIMIT, "remember", &[PROPERTY, &text]);
            if let Some((outcome, detail)) = done.filter(|(outcome, _)| *outcome != Outcome::Ok) {
                core.failed(
                    "downlink",
                    format!("the cursor cannot be shared with the cluster ({outcome:?}): {detail}"),
                );
            }
        }
    }

    /// A file of an earlier version holds the bare cursor.
    fn parse(text: &str) -> Cursor {
        let text = text.trim();
        match serde_json::from_str(text) {
            Ok(cursor) if text.starts_with('{') => cursor,
            _ => Cursor { after: Some(text.to_owned()).filter(|t| !t.is_empty()), done: None },
        }
    }
}

fn file(core: &Core) -> PathBuf {
    core.data.join("downlink")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_also_by_the_version_before() {
        let (after, done) = (Some("17".to_owned()), Some("x".to_owned()));
        for cursor in [
            Cursor::default(),
            Cursor { after: after.clone(), done: None },
            Cursor { after: after.clone(), done },
        ] {
            assert_eq!(Cursor::parse(&serde_json::to_string(&cursor).expect("JSON")), cursor);
        }
        assert_eq!(Cursor::parse("17\n"), Cursor { after, done: None });
        assert_eq!(Cursor::parse(""), Cursor::default());
    }
}
