//! The rules, as pure functions: who leads, what it adds up to, what becomes of a message. No store may decide otherwise.

use im_api::state::{Presence, Show};

use super::state::SessionState;
use crate::clock::Millis;

/// An open session whose lease holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// Its state.
    pub session: SessionState,
    /// When it last changed.
    pub changed_at: Millis,
    /// Belongs to a bridge node, so that messages can be delivered to it.
    pub bridged: bool,
}

/// The available session with the highest priority, the latest change among equals.
#[must_use]
pub fn leading(sessions: &[Live]) -> Option<&Live> {
    sessions.iter().filter(|s| s.session.available).max_by_key(|s| (s.session.priority, s.changed_at))
}

/// The product's state of a user.
#[must_use]
pub fn presence(sessions: &[Live]) -> Presence {
    match leading(sessions).map(|s| s.session.show) {
        None => Presence::Offline,
        Some(Some(Show::Dnd)) => Presence::Busy,
        Some(Some(Show::Away | Show::Xa)) => Presence::Away,
        Some(None | Some(Show::Chat)) => Presence::Online,
    }
}

/// Whether some session takes messages sent to the bare JID.
#[must_use]
pub fn takes_messages(sessions: &[Live]) -> bool {
    sessions.iter().any(|s| s.bridged && s.session.available && s.session.priority >= 0)
}

/// What is known when a message is judged.
#[derive(Debug, Clone, Copy)]
pub struct Situation<'a> {
    /// The recipient's open sessions.
    pub sessions: &'a [Live],
    /// Whether something is pending for the recipient.
    pub pending: bool,
    /// The resource addressed, if one was.
    pub resource: Option<&'a str>,
    /// Whether the message may be kept, and came along.
    pub storable: bool,
    /// The bridge has seen that the recipient cannot take it.
    pub gone: bool,
}

/// What becomes of a message to a known user that was not handed over and is not pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// Release it.
    Deliver,
    /// Keep it.
    Store,
    /// Not ours.
    Native,
}

/// Judges one message.
#[must_use]
pub fn judge(at: Situation<'_>) -> Judgement {
    let to_that_one = |resource: &str| {
        at.sessions.iter().any(|s| s.bridged && s.session.available && s.session.resource == resource)
    };
    let reachable =
        !at.gone && !at.pending && (at.resource.is_some_and(to_that_one) || takes_messages(at.sessions));
    match (reachable, at.storable) {
        (true, _) => Judgement::Deliver,
        (false, true) => Judgement::Store,
        (false, false) => Judgement::Native,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jid::UserId;

    fn live(resource: &str, available: bool, priority: i8, show: Option<Show>, changed_at: Millis) -> Live {
        let user = UserId::parse("juliet@example.org").expect("a user");
        let session =
            SessionState { user, resource: resource.into(), available, priority, show, status: None };
        Live { session, changed_at, bridged: true }
    }

    #[test]
    fn the_state_is_that_of_the_available_session_with_the_highest_priority_latest_among_equals() {
        use Presence::{Away, Busy, Offline, Online};
        let cases: [(&str, Vec<Live>, Presence); 7] = [
            ("nobody there", vec![], Offline),
            ("only an unavailable session", vec![live("a", false, 5, None, 1)], Offline),
            ("one without show", vec![live("a", true, 0, None, 1)], Online),
            ("free for chat", vec![live("a", true, 0, Some(Show::Chat), 1)], Online),
            ("extended away is away", vec![live("a", true, -1, Some(Show::Xa), 1)], Away),
            (
                "priority wins",
                vec![live("a", true, 1, Some(Show::Dnd), 1), live("b", true, 0, None, 9)],
                Busy,
            ),
            (
                "then the latest",
                vec![live("a", true, 0, Some(Show::Away), 1), live("b", true, 0, None, 2)],
                Online,
            ),
        ];
        for (why, sessions, expected) in cases {
            assert_eq!(presence(&sessions), expected, "{why}");
        }
    }

    #[test]
    fn a_message_goes_where_the_recipient_can_take_it() {
        use Judgement::{Deliver, Native, Store};
        let desk = || vec![live("desk", true, 0, None, 1)];
        let negative = || vec![live("desk", true, -1, None, 1)];
        let cases = [
            ("online", desk(), false, None, true, false, Deliver),
            ("online, not storable", desk(), false, None, false, false, Deliver),
            ("something is pending", desk(), true, None, true, false, Store),
            ("something is pending, not storable", desk(), true, None, false, false, Native),
            ("offline", vec![], false, None, true, false, Store),
            ("offline, not storable", vec![], false, None, false, false, Native),
            ("negative priority takes nothing for the bare JID", negative(), false, None, true, false, Store),
            ("but takes what is addressed to it", negative(), false, Some("desk"), true, false, Deliver),
            (
                "another resource is gone: as for the bare JID",
                desk(),
                false,
                Some("phone"),
                true,
                false,
                Deliver,
            ),
            ("the bridge saw it go", desk(), false, Some("desk"), true, true, Store),
            ("the bridge saw it go, not storable", desk(), false, None, false, true, Native),
        ];
        for (why, sessions, pending, resource, storable, gone, expected) in cases {
            let at = Situation { sessions: &sessions, pending, resource, storable, gone };
            assert_eq!(judge(at), expected, "{why}");
        }
    }

    #[test]
    fn no_message_is_delivered_to_a_session_that_is_on_no_bridge() {
        let mut web = live("web", true, 5, None, 1);
        web.bridged = false;
        assert!(!takes_messages(&[web.clone()]));
        assert_eq!(presence(&[web]), Presence::Online);
    }
}
