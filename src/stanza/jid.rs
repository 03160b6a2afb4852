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

/// A narrow subset that needs no tables: ASCII `local@domain/resource`, the domain of letters and digits with a last label of letters only, so neither
/// IDNA nor PRECIS has anything to say about it. Everything else is for the crate; a test shows that whatever passes here passes there.
fn is_plain(text: &str) -> bool {
    let bytes = text.as_bytes();
    let mut at = local(bytes);
    if bytes.get(at) == Some(&b'@') && at > 0 {
        at += 1;
    } else {
        at = 0;
    }
    let Some(end) = host(bytes, at) else { return false };
    let resource = match bytes.get(end) {
        None => true,
        Some(b'/') => {
            end + 1 < bytes.len()
                && bytes[end + 1..].iter().fold(true, |all, b| all & matches!(b, b' '..=b'~'))
        }
        Some(_) => false,
    };
    resource && bytes.len() <= 250
}

/// How many bytes could be a local part.
fn local(bytes: &[u8]) -> usize {
    let plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    bytes.iter().position(|b| !plain(b)).unwrap_or(bytes.len())
}

/// The end of the host name at `at`, if it is a plain one.
fn host(bytes: &[u8], mut at: usize) -> Option<usize> {
    let (mut label, mut letters) = (0, true);
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => label += 1,
            b'0'..=b'9' => {
                label += 1;
                letters = false;
            }
            b'.' if (1..=63).contains(&label) => (label, letters) = (0, true),
            _ => break,
        }
        at += 1;
    }
    (letters && (1..=63).contains(&label)).then_some(at)
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
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 4096, ..ProptestConfig::default() })]
        #[test]
        fn the_short_cut_never_accepts_more(text in "[a-zA-Z0-9._@/!-]{0,12}(@[a-zA-Z0-9.-]{0,12})?(/[ -~]{0,8})?") {
            if is_plain(&text) {
                prop_assert!(Jid::new(&text).is_ok(), "{text}");
            }
        }
    }
}
