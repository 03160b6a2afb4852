//! Is this a JID, and what is its bare part? Asked of the `jid` crate; never answered by splitting strings. Nearly all JIDs are so plain that its tables
//! have nothing to say about them, and seeing that is a fraction of the work: that short way is here, and only here.
//!
//! Leaves out: domain, resource and the like; take them from [`Jid`].

use std::borrow::Cow;

pub use ::jid::{BareJid, Error, FullJid, Jid};

/// Whether `text` is a JID (RFC 7622). The text itself is kept as written everywhere; nothing is normalised behind anybody's back.
///
/// # Errors
/// What the crate says.
pub fn check(text: &str) -> Result<(), Error> {
    match plain(text) {
        Some(_) => Ok(()),
        None => Jid::new(text).map(drop),
    }
}

/// The bare JID, normalised (RFC 7622 3); None when `text` is no JID.
#[must_use]
pub fn bare(text: &str) -> Option<Cow<'_, str>> {
    bare_and_local(text).map(|(bare, _)| bare)
}

/// The bare JID, normalised, of somebody at a domain; None for a domain, and when `text` is no JID.
#[must_use]
pub fn bare_with_local(text: &str) -> Option<Cow<'_, str>> {
    bare_and_local(text).and_then(|(bare, local)| local.then_some(bare))
}

/// The bare JID, normalised, and whether it has a local part.
fn bare_and_local(text: &str) -> Option<(Cow<'_, str>, bool)> {
    if let Some(Plain { has_local, bare }) = plain(text)
        && !text[..bare].bytes().any(|b| b.is_ascii_uppercase())
    {
        return Some((text[..bare].into(), has_local));
    }
    let jid = Jid::new(text).ok()?;
    Some((jid.to_bare().to_string().into(), jid.node().is_some()))
}

/// A JID that needs no tables: where its bare part ends, and whether that has a local part.
struct Plain {
    has_local: bool,
    bare: usize,
}

/// A narrow subset: ASCII `local@domain/resource` with nothing unusual in it, so neither IDNA nor PRECIS has anything to say about it but that capitals
/// before the resource are small letters. Everything else is for the crate; a test shows that whatever passes here passes there, as the same.
fn plain(text: &str) -> Option<Plain> {
    let bytes = text.as_bytes();
    let local = bytes.iter().position(|b| !LOCAL[usize::from(*b)]).unwrap_or(bytes.len());
    let has_local = local > 0 && bytes.get(local) == Some(&b'@');
    let bare = host(bytes, if has_local { local + 1 } else { 0 })?;
    let fits = match bytes.get(bare) {
        None => true,
        Some(b'/') => {
            let resource = &bytes[bare + 1..];
            !resource.is_empty() && resource.iter().fold(true, |all, b| all & matches!(b, b' '..=b'~'))
        }
        Some(_) => false,
    };
    (fits && bytes.len() <= 250).then_some(Plain { has_local, bare })
}

/// Bytes of a plain local part.
static LOCAL: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < 128 {
        let byte = at as u8;
        table[at] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        at += 1;
    }
    table
};

/// The end of the host name at `at`, if it is a plain one: no label is empty or too long, begins or ends with a hyphen, or holds two of them in a row (as
/// punycode does).
fn host(bytes: &[u8], mut at: usize) -> Option<usize> {
    let (mut label, mut last) = (0, b'.');
    while let Some(byte) = bytes.get(at) {
        label = match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => label + 1,
            b'-' if last.is_ascii_alphanumeric() => label + 1,
            b'.' if last.is_ascii_alphanumeric() => 0,
            _ => break,
        };
        if label > 63 {
            return None;
        }
        last = *byte;
        at += 1;
    }
    last.is_ascii_alphanumeric().then_some(at)
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

    /// The bare JID by the crate alone.
    fn long(text: &str) -> Option<(String, bool)> {
        Jid::new(text).ok().map(|jid| (jid.to_bare().to_string(), jid.node().is_some()))
    }

    fn agrees(text: &str) -> bool {
        let short = bare_and_local(text).map(|(bare, local)| (bare.into_owned(), local));
        short == long(text) && (plain(text).is_none() || Jid::new(text).is_ok())
    }

    #[test]
    fn the_short_way_agrees_with_the_long_one() {
        let locals =
            ["romeo@", "Romeo@", "r.o_m-e0@", "rom\u{e9}o@", "a b@", "a'b@", "@", "", &"x".repeat(1024)];
        let domains = [
            "example.org",
            "Example.org",
            "localhost",
            "10.0.0.1",
            "a-b.c",
            "-a.b",
            "a-.b",
            "a.-b",
            "xn--caf-dma.fr",
            "a--b.c",
            "a..b",
            ".a",
            "a.",
            "ex ample",
            "b\u{fc}cher.de",
            "",
            "[::1]",
            "a_b.c",
            "300.1.1.1",
        ];
        let resources = ["", "/", "/orchard", "/a/b@c", "/ a ", "/\u{1F600}", "/\u{7f}", "/\t"];
        let mut short = 0;
        for local in locals {
            for domain in domains {
                for resource in resources {
                    let full = format!("{local}{domain}{resource}");
                    assert!(agrees(&full), "{full}");
                    short += usize::from(plain(&full).is_some());
                }
            }
        }
        assert!(short > 20, "{short} took the short way");
        assert_eq!(bare("Romeo@Example.org/Orchard").as_deref(), Some("romeo@example.org"));
        assert_eq!(bare("example.org/x@y").as_deref(), Some("example.org"));
        assert_eq!(bare_with_local("example.org/x@y"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, cases: 4096, ..ProptestConfig::default() })]
        #[test]
        fn the_short_way_agrees_with_the_long_one_whatever_it_is(text in "[a-zA-Z0-9._@/!-]{0,12}(@[a-zA-Z0-9.-]{0,12})?(/[ -~]{0,8})?") {
            prop_assert!(agrees(&text), "{text}");
        }
    }
}
