//! Ids: PEP's items have any text for one, the contract's footprints letters, digits, `.`, `_` and `-`. Both can be made of the other.

/// The footprint of the current location. No item of a microblog has this id: U+0000 stands in no XML. Points of tracks begin with it.
pub const LOCATION: &str = "location.00";

/// The longest id of a footprint.
const LONGEST: usize = 128;

/// The footprint's id of a microblog's item: itself where it can be, else with what may not stand there as `.` and two capital digits per byte.
/// What is too long then is told apart by its end.
#[must_use]
pub fn of_item(item: &str) -> String {
    if may_stand(item) && item.len() <= LONGEST && !item.is_empty() && !has_escape(item) {
        return item.to_owned();
    }
    let mut out = String::with_capacity(item.len() * 2);
    for byte in item.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' => out.push(char::from(byte)),
            _ => out.push_str(&format!(".{byte:02X}")),
        }
    }
    if out.is_empty() || out.len() > LONGEST {
        let digest = uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, item.as_bytes());
        out.truncate(out.floor_char_boundary(LONGEST - 40));
        out = format!("{}-{digest}", out.trim_end_matches('.'));
    }
    out
}

/// The item of a footprint, as far as it can be known: an id that was shortened stays as it is.
#[must_use]
pub fn to_item(id: &str) -> String {
    if !has_escape(id) || is_location(id) {
        return id.to_owned();
    }
    let bytes = id.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match escape_at(bytes, at) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    match String::from_utf8(out) {
        Ok(item) if of_item(&item) == id => item,
        _ => id.to_owned(),
    }
}

/// Whether a footprint belongs to the location and not to the microblog.
#[must_use]
pub fn is_location(id: &str) -> bool {
    id == LOCATION || id.strip_prefix(LOCATION).is_some_and(|rest| rest.starts_with('.'))
}

fn may_stand(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

fn has_escape(text: &str) -> bool {
    (0..text.len()).any(|at| escape_at(text.as_bytes(), at).is_some())
}

fn escape_at(bytes: &[u8], at: usize) -> Option<u8> {
    let digits = bytes.get(at + 1..at + 3).filter(|_| bytes[at] == b'.')?;
    let capital = |b: &u8| b.is_ascii_digit() || (b'A'..=b'F').contains(b);
    digits.iter().all(capital).then(|| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_comes_back_from_its_footprint_and_no_two_share_one() {
        let items = [
            "balcony",
            "a.b",
            "v1.2",
            "a.2Eb",
            "tag:verona.example,2026:1",
            "schön/hier",
            "",
            "current",
            "location",
            ".",
            "A_b-C.d",
        ];
        let ids: Vec<_> = items.iter().map(|i| of_item(i)).collect();
        for (item, id) in items.iter().zip(&ids) {
            assert!(may_stand(id) && !id.is_empty() && id.len() <= LONGEST, "{id}");
            assert!(item.is_empty() || to_item(id) == *item, "{item} {id}");
            assert!(!is_location(id));
        }
        let mut once = ids.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), ids.len());
        assert_eq!(ids[0], "balcony");
        assert_eq!(of_item("tag:a"), "tag.3Aa");
        let (long, other) = ("x:".repeat(200), format!("{}y", "x:".repeat(200)));
        assert!(of_item(&long).len() <= LONGEST && of_item(&long) != of_item(&other));
        assert!(is_location("location.00") && is_location("location.00.k") && !is_location("location.007"));
        assert_eq!(to_item(LOCATION), LOCATION);
    }
}
