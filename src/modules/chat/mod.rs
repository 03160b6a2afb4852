//! Chat: one-to-one messages (paper: "one-to-one chat"). Which are claimed, what the platform is asked, what its verdict means.
//!
//! Sources: RFC 6121 5 and 8.5, XEP-0160 (what is stored), XEP-0334 (hints), XEP-0085 (chat states), XEP-0203 (delay).

pub mod history;

use std::borrow::Cow;

use im_api::chat::{Outcome, SettleItem, Verdict};

use crate::config::Policy;
use crate::lanes::{Action, Held};
use crate::mapping::explain::Note;
use crate::stanza::errors::{self, ErrorType};
use crate::stanza::{Element, Limits, Stanza, StanzaError, jid, json};

const CHAT_STATES: &str = "http://jabber.org/protocol/chatstates";
const REAL_TIME_TEXT: &str = "urn:xmpp:rtt:0";
const HINTS: &str = "urn:xmpp:hints";
const DELAY: &str = "urn:xmpp:delay";

/// What a message is to this module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claim {
    /// The lane: `sender>recipient`, bare JIDs.
    pub lane: String,
    /// Recipient, bare JID.
    pub recipient: String,
    /// Sender, bare JID.
    pub sender: String,
    /// Whether the platform is asked; otherwise the message only keeps its place behind others of its conversation.
    pub ask: bool,
    /// Whether it may be stored for a recipient who is away.
    pub storable: bool,
}

/// Whether and how a message is claimed in decide mode. None: not this module's (no sender or recipient, group chat, error, headline).
#[must_use]
pub fn claim(stanza: &Stanza) -> Option<Claim> {
    if !matches!(stanza.type_(), None | Some("chat" | "normal")) {
        return None;
    }
    let bare = |full| jid::bare_with_local(full).map(Cow::into_owned);
    let (sender, recipient) = (bare(stanza.from()?)?, bare(stanza.to()?)?);
    if holds_secret(stanza) {
        return None;
    }
    let root = stanza.root();
    let hint = |name: &str| root.elements().any(|e| e.is(name, HINTS));
    // XEP-0160 3: messages that hold nothing but chat states are not stored, nor typed letters (XEP-0301), which are sent whole at the end; a
    // `store` hint (XEP-0334 4.4) overrides that.
    let content = root.elements().any(|e| !idle(&e));
    let storable = (content || hint("store")) && !hint("no-store");
    Some(Claim { lane: format!("{sender}>{recipient}"), recipient, sender, ask: storable, storable })
}

/// What the row does not say about a message of its own.
#[must_use]
pub fn note(stanza: &Stanza) -> Note {
    match claim(stanza) {
        None => Note::Left("it carries a room's password, so it is left to Openfire and no copy is made.".into()),
        Some(claim) if claim.ask => Note::More(
            "In decide mode it is held only if its recipient is a registered user here; otherwise it passes and a copy is delivered.".into(),
        ),
        Some(_) => Note::Unasked(
            "it is never to be stored (XEP-0160, XEP-0334), so nobody is asked; it only keeps its place behind messages that are held.".into(),
        ),
    }
}

/// Whether a message carries a room's password (XEP-0249, XEP-0045 7.8): such a one is left to Openfire, so that the password is in no journal
/// and with no platform.
#[must_use]
pub fn holds_secret(stanza: &Stanza) -> bool {
    stanza.root().elements().any(|e| match e.ns() {
        "jabber:x:conference" => e.attr("password").is_some(),
        "http://jabber.org/protocol/muc#user" => e.elements().any(|child| child.name() == "password"),
        _ => false,
    })
}

/// As [`holds_secret`] for bytes, at almost no cost for those that do not even have the word in them.
#[must_use]
pub fn bytes_hold_secret(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, b"password").is_some()
        && Stanza::parse(bytes, &Limits::default()).is_ok_and(|stanza| holds_secret(&stanza))
}

fn idle(element: &Element<'_>) -> bool {
    [CHAT_STATES, HINTS, REAL_TIME_TEXT].contains(&element.ns()) || element.is("thread", "jabber:client")
}

/// Appends one item of a decision's request as JSON ([`im_api::chat::DecideItem`]), the stanza not parsed again in between.
///
/// # Errors
/// When the journaled bytes are no stanza (then the message is not asked about).
pub fn item(held: &Held, out: &mut Vec<u8>) -> Result<(), StanzaError> {
    let stanza = Stanza::parse(&held.bytes, &Limits { bytes: usize::MAX, ..Limits::default() })?;
    let mut text = |name: &str, value: &str| {
        out.push(if name == "key" { b'{' } else { b',' });
        let _ = serde_json::to_writer(&mut *out, name);
        out.push(b':');
        let _ = serde_json::to_writer(&mut *out, value);
    };
    text("key", &held.key);
    text("from", stanza.from().unwrap_or_default());
    text("to", stanza.to().unwrap_or_default());
    text("sent_at", &timestamp(held.sent_ms));
    out.extend_from_slice(b",\"stanza\":");
    json::encode(&stanza, json::Options::default(), out);
    for (name, value) in [("storable", held.storable), ("again", held.again), ("gone", held.gone)] {
        out.extend_from_slice(format!(",\"{name}\":{value}").as_bytes());
    }
    out.push(b'}');
    Ok(())
}

/// What a verdict means. `Err` is the platform's word on why it could not judge this one.
///
/// # Errors
/// Then the bridge decides alone.
pub fn action(verdict: &Verdict) -> Result<Action, String> {
    Ok(match verdict {
        Verdict::Deliver => Action::Release { force: false },
        Verdict::Stored => Action::Stored,
        Verdict::HandedOver => Action::Drop,
        Verdict::Native | Verdict::Settled => Action::Release { force: true },
        Verdict::Replace { stanza } => match json::decode(stanza.get().as_bytes(), json::Mode::Strict) {
            Ok(stanza) => Action::Replace { xml: stanza.to_xml_string().into() },
            Err(error) => return Err(format!("its replacement is no stanza JSON: {error}")),
        },
        Verdict::Refuse { kind, condition, text } => {
            let Some(usual) = errors::kind_of(condition) else {
                return Err("its refusal names no defined condition of a stanza error".into());
            };
            let kind = ErrorType::from_name(kind).unwrap_or(usual);
            Action::Refuse {
                kind: kind.as_str().into(),
                condition: condition.clone(),
                text: text.clone().unwrap_or_default(),
            }
        }
        Verdict::Failed { problem, detail } => return Err(format!("{problem}: {detail}")),
    })
}

/// What the bridge does when it has to decide alone, and what it tells the platform about it.
#[must_use]
pub fn alone(policy: Policy, key: &str) -> (Action, SettleItem) {
    let (action, outcome) = match policy {
        Policy::Open => (Action::Release { force: true }, Outcome::Delivered),
        Policy::Closed => (
            Action::Refuse {
                kind: "wait".into(),
                condition: "remote-server-timeout".into(),
                text: "The message service is not available at the moment. Please try again later.".into(),
            },
            Outcome::Refused,
        ),
    };
    (action, SettleItem { key: key.to_owned(), outcome })
}

/// The stanza with an XEP-0203 delay of its original time, for messages that arrive late. One that has a delay from `domain` keeps it.
#[must_use]
pub fn with_delay(mut stanza: Stanza, domain: &str, sent_at: &str) -> String {
    let stamped = stanza.root().elements().any(|e| e.is("delay", DELAY) && e.attr("from") == Some(domain));
    if !stamped {
        let escape = |text: &str| quick_xml::escape::escape(text).into_owned();
        let delay =
            format!("<delay xmlns=\"{DELAY}\" from=\"{}\" stamp=\"{}\"/>", escape(domain), escape(sent_at));
        // Cannot fail: the element is well-formed by construction.
        let _ = stanza.append(&delay);
    }
    stanza.to_xml_string()
}

/// XEP-0082 date and time in UTC with milliseconds.
#[must_use]
pub fn timestamp(ms: u64) -> String {
    let format = time::macros::format_description!(
        "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
    );
    let time = time::OffsetDateTime::from_unix_timestamp_nanos(i128::from(ms) * 1_000_000);
    time.unwrap_or(time::OffsetDateTime::UNIX_EPOCH).format(format).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stanza(inner: &str) -> Stanza {
        let xml = format!(
            "<message xmlns='jabber:client' from='romeo@example.org/a' to='juliet@example.org' {inner}"
        );
        Stanza::parse(xml.as_bytes(), &Limits::default()).expect(inner)
    }

    #[test]
    fn what_is_claimed_and_what_may_be_stored() {
        let cs = "<active xmlns='http://jabber.org/protocol/chatstates'/>";
        let hint = |h: &str| format!("<{h} xmlns='urn:xmpp:hints'/>");
        let cases: Vec<(String, Option<bool>, &str)> = vec![
            ("type='chat'><body>hi</body></message>".into(), Some(true), "a chat message"),
            ("><body>hi</body></message>".into(), Some(true), "no type is normal"),
            ("type='normal'><subject>s</subject></message>".into(), Some(true), "normal"),
            (format!("type='chat'>{cs}</message>"), Some(false), "chat state only (XEP-0160)"),
            (format!("type='chat'>{cs}<thread>t</thread></message>"), Some(false), "chat state in a thread"),
            ("type='chat'><rtt xmlns='urn:xmpp:rtt:0'/></message>".into(), Some(false), "real-time text"),
            (format!("type='chat'>{cs}<body>hi</body></message>"), Some(true), "chat state with a body"),
            (format!("type='chat'><body>hi</body>{}</message>", hint("no-store")), Some(false), "no-store"),
            (format!("type='chat'>{cs}{}</message>", hint("store")), Some(true), "store hint"),
            (
                "type='chat'><received xmlns='urn:xmpp:receipts' id='1'/></message>".into(),
                Some(true),
                "a receipt",
            ),
            (
                "type='chat'><encrypted xmlns='eu.siacs.conversations.axolotl'/></message>".into(),
                Some(true),
                "encrypted",
            ),
            ("type='chat'/>".into(), Some(false), "nothing in it"),
            ("type='groupchat'><body>hi</body></message>".into(), None, "group chat is the room's"),
            ("type='error'><body>hi</body></message>".into(), None, "an error"),
            (
                "><x xmlns='jabber:x:conference' jid='r@c.example.org' password='canary'/></message>".into(),
                None,
                "an invitation with the room's password",
            ),
            (
                "><x xmlns='jabber:x:conference' jid='r@c.example.org'/></message>".into(),
                Some(true),
                "an invitation without one",
            ),
            (
                "><x xmlns='http://jabber.org/protocol/muc#user'><invite/><password>canary</password></x></message>".into(),
                None,
                "a mediated invitation with the room's password",
            ),
            ("type='headline'><body>hi</body></message>".into(), None, "a headline"),
        ];
        for (inner, expected, why) in cases {
            assert_eq!(claim(&stanza(&inner)).map(|c| c.storable), expected, "{why}: {inner}");
        }
        let to_server =
            Stanza::parse(b"<message xmlns='jabber:client' from='a@b/c' to='b'/>", &Limits::default());
        assert_eq!(claim(&to_server.expect("server")), None, "to the server itself");
    }

    #[test]
    fn a_delay_is_added_once() {
        let once = with_delay(stanza("><body>x</body></message>"), "example.org", "2026-01-02T03:04:05.006Z");
        assert!(once.ends_with("<delay xmlns=\"urn:xmpp:delay\" from=\"example.org\" stamp=\"2026-01-02T03:04:05.006Z\"/></message>"), "{once}");
        let twice =
            with_delay(Stanza::parse(once.as_bytes(), &Limits::default()).expect("xml"), "example.org", "x");
        assert_eq!(once, twice);
        assert_eq!(timestamp(1_767_323_045_006), "2026-01-02T03:04:05.006Z");
    }
}
