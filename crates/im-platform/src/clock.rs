//! Time: milliseconds since the epoch inside, RFC 3339 with milliseconds in UTC outside. Tests turn the hands themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// Milliseconds since 1970-01-01T00:00:00Z.
pub type Millis = i64;

/// Where "now" comes from.
#[derive(Debug, Clone, Default)]
pub enum Clock {
    /// The machine's clock. A jump forward ends leases early (bridges answer with a snapshot), a jump backward prolongs them.
    #[default]
    System,
    /// Set by a test.
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// A clock that stands at `now` until [`Clock::advance`].
    #[must_use]
    pub fn manual(now: Millis) -> Self {
        Self::Manual(Arc::new(AtomicI64::new(now)))
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> Millis {
        match self {
            Self::System => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX)),
            Self::Manual(at) => at.load(Ordering::SeqCst),
        }
    }

    /// Moves a manual clock; the system's clock is left alone.
    pub fn advance(&self, by: Millis) {
        if let Self::Manual(at) = self {
            at.fetch_add(by, Ordering::SeqCst);
        }
    }
}

/// `2026-11-23T06:36:00.000Z`; a time outside years 0 to 9999 becomes the epoch.
#[must_use]
pub fn format(at: Millis) -> String {
    let shape = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(at) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
        .format(&shape)
        .unwrap_or_default()
}

/// Reads any RFC 3339 time; finer than milliseconds is cut off. None when it is not one.
#[must_use]
pub fn parse(text: &str) -> Option<Millis> {
    let nanos = OffsetDateTime::parse(text, &Rfc3339).ok()?.unix_timestamp_nanos();
    i64::try_from(nanos.div_euclid(1_000_000)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_survive_a_round_trip_and_come_out_in_utc_with_milliseconds() {
        for (given, printed) in [
            ("2026-11-23T06:36:00.000Z", "2026-11-23T06:36:00.000Z"),
            ("2026-11-23T06:36:00Z", "2026-11-23T06:36:00.000Z"),
            ("2026-11-23T07:36:00.1239+01:00", "2026-11-23T06:36:00.123Z"),
            ("1969-12-31T23:59:59.999Z", "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(parse(given).map(format).as_deref(), Some(printed), "{given}");
        }
        assert_eq!(parse("yesterday"), None);
    }
}
