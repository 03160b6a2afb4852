//! Events: copies of stanzas as CloudEvents (mirror mode, and what was decided without the platform).

use std::borrow::Cow;

use crate::modules::chat::timestamp;
use crate::stanza::{Limits, Stanza, jid, json};

/// Why a copy is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// The module is in mirror mode, or the stanza cannot be held (remote sender).
    Mirror,
    /// Openfire handled it natively because the platform was slow or dead.
    Native,
}

/// Encodes a journal entry of the `events` stream: reason, time, stanza.
#[must_use]
pub fn entry(reason: Reason, time_ms: u64, bytes: &[u8]) -> Vec<u8> {
    let mut value = Vec::with_capacity(bytes.len() + 9);
    value.push(u8::from(reason == Reason::Native));
    value.extend_from_slice(&time_ms.to_be_bytes());
    value.extend_from_slice(bytes);
    value
}

/// Appends the entry as a CloudEvent ([`im_api::event::Event`]). False when it is no stanza (then it is dropped and counted).
#[must_use]
pub fn event(node: &str, seq: u64, entry: &[u8], bodies: bool, out: &mut Vec<u8>) -> bool {
    let Some((head, bytes)) = entry.split_at_checked(9) else { return false };
    let Ok(stanza) = Stanza::parse(bytes, &Limits { bytes: usize::MAX, ..Limits::default() }) else {
        return false;
    };
    let native = head[0] == 1;
    let mut time = [0; 8];
    time.copy_from_slice(&head[1..]);
    let (from, to) = (stanza.from().unwrap_or_default(), stanza.to().unwrap_or_default());
    // What is no JID is named as it is written.
    let bare = |text| jid::bare(text).unwrap_or(Cow::Borrowed(text));
    let head = serde_json::json!({
        "specversion": "1.0",
        "id": format!("{node}-{seq:016x}"),
        "source": format!("/nodes/{node}"),
        "type": format!("im.{}.{}", stanza.kind().as_str(), stanza.type_().unwrap_or("normal")),
        "subject": bare(to),
        "time": timestamp(u64::from_be_bytes(time)),
        "datacontenttype": "application/json",
        "sequence": format!("{seq:020}"),
        "partitionkey": format!("{}>{}", bare(from), bare(to)),
    });
    let context = serde_json::json!({
        "decided": if native { "native" } else { "none" },
        "bytes": bytes.len(),
        "masked": !bodies,
    });
    let head = head.to_string();
    out.extend_from_slice(&head.as_bytes()[..head.len() - 1]);
    out.extend_from_slice(b",\"data\":{\"v\":1,\"stanza\":");
    self::stanza(&stanza, bodies, out);
    out.extend_from_slice(b",\"context\":");
    let _ = serde_json::to_writer(&mut *out, &context);
    out.extend_from_slice(b"}}");
    true
}

/// Appends a stanza: as stanza JSON, or only who, to whom and what kind of thing.
pub fn stanza(stanza: &Stanza, bodies: bool, out: &mut Vec<u8>) {
    if bodies {
        return json::encode(stanza, json::Options::default(), out);
    }
    let masked = serde_json::json!({
        "kind": stanza.kind().as_str(), "type": stanza.type_().unwrap_or("normal"), "id": stanza.id(),
        "from": stanza.from().unwrap_or_default(), "to": stanza.to().unwrap_or_default(),
    });
    let _ = serde_json::to_writer(out, &masked);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_leave_only_when_the_admin_says_so() {
        let xml = b"<message xmlns='jabber:client' from='a@b/c' to='d@e' type='chat' id='1'><body>canary</body></message>";
        for bodies in [true, false] {
            let mut out = Vec::new();
            assert!(event("n", 7, &entry(Reason::Mirror, 1, xml), bodies, &mut out));
            let event: im_api::event::Event = serde_json::from_slice(&out).expect("a CloudEvent");
            assert_eq!(event.id, "n-0000000000000007");
            assert_eq!(event.data.get().contains("canary"), bodies);
        }
    }

    #[test]
    fn the_subject_is_the_other_partys_bare_jid() {
        for (to, subject) in [
            ("romeo@example.org/a/b@c", "romeo@example.org"),
            ("Romeo@Example.org", "romeo@example.org"),
            ("example.org/x", "example.org"),
            ("a@b@c/d", "a@b@c/d"),
        ] {
            let xml = format!("<message xmlns='jabber:client' from='a@b/c' to='{to}'/>");
            let mut out = Vec::new();
            assert!(event("n", 7, &entry(Reason::Mirror, 1, xml.as_bytes()), false, &mut out));
            let event: serde_json::Value = serde_json::from_slice(&out).expect("JSON");
            assert_eq!(event["subject"], subject);
            assert_eq!(event["partitionkey"], format!("a@b>{subject}"));
        }
    }
}
