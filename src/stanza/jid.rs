//! Is this a JID? Asked of the `jid` crate; never answered by splitting strings.
//!
//! Leaves out: bare, full, domain and the like; take them from [`Jid`].

pub use ::jid::{BareJid, Error, FullJid, Jid};

/// Whether `text` is a JID (RFC 7622). The text itself is kept as written everywhere; nothing is normalised behind anybody's back.
///
/// # Errors
/// What the crate says.
pub fn check(text: &str) -> Result<(), Error> {
    match is_plain(text) {
        true => Ok(()),
        false => Jid::new(text).map(drop),
    }
}

/// A narrow subset that needs no tables: lower-case ASCII `local@domain/resource`, the domain with a letter-only last label of up to 63 characters, so
/// neither IDNA nor PRECIS has anything to say about it. Everything else is for the crate; a test shows that whatever passes here passes there.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() > 250 {
        return false;
    }
    let mut at = 0;
    let mut domain = 0;
    let mut label = 0;
    let mut letters = true;
    while at < bytes.len() {
        match bytes[at] {
            b'a'..=b'z' => label += 1,
            b'0'..=b'9' | b'-' | b'_' => {
                label += 1;
                letters = false;
            }
            b'.' if label > 0 => {
                label = 0;
                letters = true;
            }
            b'@' if domain == 0 && at > 0 => {
                domain = at + 1;
                label = 0;
                letters = true;
            }
            _ => break,
        }
        at += 1;
    }
    let resource = match bytes.get(at) {
        None => true,
        Some(b'/') => at + 1 < bytes.len() && bytes[at + 1..].iter().all(|b| matches!(b, b'!'..=b'~')),
        Some(_) => false,
    };
    let host = &bytes[domain..at];
    resource
        && letters
        && (1..=63).contains(&label)
        && host.iter().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'.'))
        && host.split(|b| *b == b'.').all(|label| (1..=63).contains(&label.len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn good_and_bad() {
        for good in [
            "example.org",
            "juliet@example.org",
            "juliet@example.org/balcony",
            "müller@bücher.example/Büro",
            "127.0.0.1",
            "a@[::1]/x",
            "room@conference.example.org/Third Witch",
            "a.b-c_d@x1.example.org/a@b/c",
        ] {
            check(good).unwrap_or_else(|e| panic!("{good}: {e}"));
        }
        for bad in [
            "",
            "@example.org",
            "a@",
            "a@b/",
            "a@b@c",
            "a b@example.org",
            "a@exa mple.org",
            "a@-.org",
            "\u{0}",
        ] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn the_short_cut_never_accepts_more(text in "[a-z0-9._@/!-]{0,12}(@[a-z0-9.-]{0,12})?(/[ -~]{0,8})?") {
            if is_plain(&text) {
                prop_assert!(Jid::new(&text).is_ok(), "{text}");
            }
        }
    }
}
