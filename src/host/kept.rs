//! Whose messages only the platform has: noted in the journal's marks, one per recipient, so that an admin sees on the status page whom a removal
//! of the plugin would leave waiting, and the log says so when it happens.
//!
//! Leaves out: the messages themselves, and what other nodes of a cluster have stored (each notes its own).

use serde_json::{Value, json};

use super::core::Core;

const MARK: &str = "kept/";
/// How many recipients the status names.
const NAMED: usize = 100;

/// The platform has stored one more for this user.
pub fn stored(core: &Core, user: &str) {
    let mark = format!("{MARK}{user}");
    let before = core.journal.marked(&mark).ok().flatten().unwrap_or(0);
    note(core, &mark, before + 1);
}

/// The platform says that so many are left for this user.
pub fn left(core: &Core, user: &str, count: u64) {
    note(core, &format!("{MARK}{user}"), count);
}

fn note(core: &Core, mark: &str, count: u64) {
    let noted = match count {
        0 if core.journal.marked(mark).ok().flatten().is_none() => Ok(()),
        0 => core.journal.unmark(mark),
        _ => core.journal.mark(mark, count),
    };
    if let Err(error) = noted {
        core.failed("journal", error.to_string());
    }
}

/// What the status page shows: how many messages, for how many users, and for whom.
pub fn status(core: &Core) -> Value {
    let kept = core.journal.marks(MARK);
    let (messages, users) = (kept.iter().map(|(_, count)| count).sum::<u64>(), kept.len());
    let who: Vec<_> =
        kept.iter().take(NAMED).map(|(user, count)| json!({ "user": user, "messages": count })).collect();
    json!({ "messages": messages, "users": users, "who": who })
}

/// What is logged when the plugin stops; none when nobody waits. Names nobody: logs hold no addresses.
pub fn farewell(core: &Core) -> Option<String> {
    let kept = core.journal.marks(MARK);
    let several = |count: u64, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    let messages = several(kept.iter().map(|(_, count)| count).sum(), "message");
    let users = several(kept.len() as u64, "user");
    (!kept.is_empty()).then(|| {
        format!(
            "{messages} for {users} are kept only by the platform, because their recipients were away: they are handed over when the plugin runs again. Before removing it for good set chat.mode to off and leave the plugin in place until the status page shows none."
        )
    })
}
