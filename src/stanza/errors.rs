//! HTTP status and stanza error (RFC 6120 8.3), one table for both ways: the only place where the two vocabularies meet.
//!
//! From XEP-0086, extended the way Prosody's mod_rest extends it. Leaves out: what a problem+json body says by name, which is exact and comes first
//! (`platform`), and our own deadlines, which are a [`TIMEOUT`].

/// The `type` of a stanza error (RFC 6120 8.3.2): what the sender may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorType {
    /// Retry after giving credentials.
    Auth,
    /// Do not retry.
    Cancel,
    /// Go on (it was only a warning).
    Continue,
    /// Retry after changing what was sent.
    Modify,
    /// Retry after waiting.
    Wait,
}

impl ErrorType {
    /// As it stands in the attribute.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorType::Auth => "auth",
            ErrorType::Cancel => "cancel",
            ErrorType::Continue => "continue",
            ErrorType::Modify => "modify",
            ErrorType::Wait => "wait",
        }
    }

    /// From the attribute.
    #[must_use]
    pub fn from_name(name: &str) -> Option<ErrorType> {
        [ErrorType::Auth, ErrorType::Cancel, ErrorType::Continue, ErrorType::Modify, ErrorType::Wait]
            .into_iter()
            .find(|t| t.as_str() == name)
    }
}

/// One line of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// HTTP status.
    pub status: u16,
    /// Defined condition.
    pub condition: &'static str,
    /// Error type.
    pub kind: ErrorType,
    /// Whether this status is the one for the condition, on the way from stanza to HTTP.
    pub back: bool,
}

const fn line(status: u16, condition: &'static str, kind: ErrorType, back: bool) -> Line {
    Line { status, condition, kind, back }
}

/// Ours: the platform did not answer in time.
pub const TIMEOUT: Line = line(504, "remote-server-timeout", ErrorType::Wait, true);
/// Ours: no connection to the platform.
pub const UNREACHABLE: Line = line(502, "remote-server-not-found", ErrorType::Wait, false);

/// The table. Every condition has exactly one line with `back`.
pub const TABLE: &[Line] = &[
    line(302, "redirect", ErrorType::Modify, true),
    line(400, "bad-request", ErrorType::Modify, true),
    line(401, "not-authorized", ErrorType::Auth, true),
    line(402, "payment-required", ErrorType::Auth, true),
    line(403, "forbidden", ErrorType::Auth, true),
    line(404, "item-not-found", ErrorType::Cancel, true),
    line(405, "not-allowed", ErrorType::Cancel, true),
    line(406, "not-acceptable", ErrorType::Modify, true),
    line(407, "registration-required", ErrorType::Auth, true),
    line(408, "remote-server-timeout", ErrorType::Wait, false),
    line(409, "conflict", ErrorType::Cancel, true),
    line(410, "gone", ErrorType::Cancel, true),
    line(411, "bad-request", ErrorType::Modify, false),
    line(412, "conflict", ErrorType::Cancel, false),
    line(413, "resource-constraint", ErrorType::Modify, false),
    line(414, "resource-constraint", ErrorType::Modify, false),
    line(415, "feature-not-implemented", ErrorType::Cancel, false),
    line(416, "bad-request", ErrorType::Modify, false),
    line(422, "bad-request", ErrorType::Modify, false),
    line(423, "resource-constraint", ErrorType::Wait, false),
    line(429, "resource-constraint", ErrorType::Wait, true),
    line(431, "resource-constraint", ErrorType::Modify, false),
    line(451, "forbidden", ErrorType::Auth, false),
    line(500, "internal-server-error", ErrorType::Wait, true),
    line(501, "feature-not-implemented", ErrorType::Cancel, true),
    line(502, "remote-server-timeout", ErrorType::Wait, false),
    line(503, "service-unavailable", ErrorType::Cancel, true),
    TIMEOUT,
    line(507, "resource-constraint", ErrorType::Wait, false),
    // Conditions without a status of their own: only on the way from stanza to HTTP.
    line(400, "jid-malformed", ErrorType::Modify, true),
    line(400, "unexpected-request", ErrorType::Wait, true),
    line(403, "policy-violation", ErrorType::Modify, true),
    line(404, "recipient-unavailable", ErrorType::Wait, true),
    line(404, "remote-server-not-found", ErrorType::Cancel, true),
    line(407, "subscription-required", ErrorType::Auth, true),
    line(500, "undefined-condition", ErrorType::Cancel, true),
];

/// What a status of the platform means as a stanza error. `retry_after` = the answer named a time to wait. None for success (below 300).
#[must_use]
pub fn from_status(status: u16, retry_after: bool) -> Option<Line> {
    let line = TABLE.iter().find(|l| l.status == status).copied().or(match status {
        0..=299 => None,
        300..=399 => Some(line(status, "undefined-condition", ErrorType::Cancel, false)),
        400..=499 => Some(line(status, "bad-request", ErrorType::Modify, false)),
        _ => Some(line(status, "internal-server-error", ErrorType::Wait, false)),
    })?;
    match retry_after {
        true => Some(Line { kind: ErrorType::Wait, ..line }),
        false => Some(line),
    }
}

/// The status for a stanza error's condition; an unknown condition is 500.
#[must_use]
pub fn to_status(condition: &str) -> u16 {
    TABLE.iter().find(|l| l.back && l.condition == condition).map_or(500, |l| l.status)
}

/// The type that goes with a defined condition (RFC 6120 8.3.3); None: there is no such condition.
#[must_use]
pub fn kind_of(condition: &str) -> Option<ErrorType> {
    TABLE.iter().find(|l| l.back && l.condition == condition).map(|l| l.kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stanza::json::table::CONDITIONS;

    #[test]
    fn every_condition_has_one_way_back_and_every_line_a_known_condition() {
        for condition in CONDITIONS {
            assert_eq!(
                TABLE.iter().filter(|l| l.back && l.condition == *condition).count(),
                1,
                "{condition}"
            );
        }
        for line in TABLE {
            assert!(CONDITIONS.contains(&line.condition), "{}", line.condition);
            assert_eq!(ErrorType::from_name(line.kind.as_str()), Some(line.kind));
        }
    }

    #[test]
    fn statuses_mean_what_the_reference_says() {
        for (status, retry_after, expected) in [
            (200, false, None),
            (204, true, None),
            (302, false, Some(("redirect", "modify"))),
            (404, false, Some(("item-not-found", "cancel"))),
            (409, false, Some(("conflict", "cancel"))),
            (412, false, Some(("conflict", "cancel"))),
            (418, false, Some(("bad-request", "modify"))),
            (422, false, Some(("bad-request", "modify"))),
            (429, false, Some(("resource-constraint", "wait"))),
            (503, false, Some(("service-unavailable", "cancel"))),
            (503, true, Some(("service-unavailable", "wait"))),
            (504, false, Some(("remote-server-timeout", "wait"))),
            (599, false, Some(("internal-server-error", "wait"))),
        ] {
            let line = from_status(status, retry_after);
            assert_eq!(line.map(|l| (l.condition, l.kind.as_str())), expected, "{status}");
        }
        assert_eq!(to_status("gone"), 410);
        assert_eq!(to_status("resource-constraint"), 429);
        assert_eq!(to_status("something-else"), 500);
    }
}
