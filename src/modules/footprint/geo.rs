//! `geo:` URIs (RFC 5870) in texts: found, and made coarse.
//!
//! Leaves out: other reference systems than WGS 84, which are no places here; altitude.

use im_api::footprint::Precision;

/// Whether these are degrees.
#[must_use]
pub fn is_place(lat: f64, lon: f64) -> bool {
    (-90.0..=90.0).contains(&lat) && (-180.0..=180.0).contains(&lon)
}

/// Whether it is a web address.
#[must_use]
pub fn is_web(text: &str) -> bool {
    text.starts_with("https://") || text.starts_with("http://")
}

/// The place of the first `geo:` URI in a text.
#[must_use]
pub fn first(text: &str) -> Option<(f64, f64)> {
    uris(text).next().map(|uri| uri.place)
}

/// The place that a text is as a whole, but for space around it.
#[must_use]
pub fn whole(text: &str) -> Option<(f64, f64)> {
    let text = text.trim();
    uris(text).next().filter(|uri| uri.start == 0 && uri.end == text.len()).map(|uri| uri.place)
}

/// The text with every `geo:` URI naming the shown place instead, and how far it may be off.
#[must_use]
pub fn coarsened(text: &str, shown: (f64, f64), precision: Precision) -> String {
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    for uri in uris(text) {
        out.push_str(&text[done..uri.start]);
        out.push_str(&format!("geo:{},{};u={}", shown.0, shown.1, metres(precision)));
        done = uri.end;
    }
    out.push_str(&text[done..]);
    out
}

/// About how far the shown place may be from the real one.
#[must_use]
pub fn metres(precision: Precision) -> u32 {
    match precision {
        Precision::Exact => 0,
        Precision::Street => 100,
        Precision::District => 1_000,
        Precision::City => 10_000,
    }
}

struct Uri {
    start: usize,
    end: usize,
    place: (f64, f64),
}

fn uris(text: &str) -> impl Iterator<Item = Uri> {
    let mut from = 0;
    std::iter::from_fn(move || {
        while let Some(found) = text
            .get(from..)
            .and_then(|rest| rest.as_bytes().windows(4).position(|w| w.eq_ignore_ascii_case(b"geo:")))
        {
            let start = from + found;
            from = start + 4;
            // A word that ends so is none.
            if text[..start].chars().next_back().is_some_and(char::is_alphanumeric) {
                continue;
            }
            if let Some((place, length)) = read(&text[start + 4..]) {
                from += length;
                return Some(Uri { start, end: from, place });
            }
        }
        None
    })
}

/// Reads what follows `geo:`, and how much of it belongs to the URI.
fn read(text: &str) -> Option<((f64, f64), usize)> {
    let coordinates =
        text.bytes().take_while(|b| b.is_ascii_digit() || matches!(b, b'.' | b',' | b'-')).count();
    let mut length = coordinates;
    let mut list = &text[..coordinates];
    // A full stop or a comma behind it belongs to the sentence.
    while let Some(shorter) = list.strip_suffix(['.', ',', '-']) {
        (list, length) = (shorter, length - 1);
    }
    let numbers: Vec<f64> = list.split(',').map(number).collect::<Option<_>>()?;
    let [lat, lon] = numbers[..] else {
        let [lat, lon, _] = numbers[..] else { return None };
        return finish(text, length, lat, lon);
    };
    finish(text, length, lat, lon)
}

fn finish(text: &str, mut length: usize, lat: f64, lon: f64) -> Option<((f64, f64), usize)> {
    let rest = text[length..].bytes();
    let parameter =
        |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b';' | b'=' | b'.' | b'-' | b'%' | b'_' | b'~');
    if text[length..].starts_with(';') {
        let mut parameters = rest.take_while(parameter).count();
        while parameters > 0 && matches!(text.as_bytes()[length + parameters - 1], b'.' | b';' | b'-') {
            parameters -= 1;
        }
        for one in text[length..length + parameters].split(';') {
            let (name, value) = one.split_once('=').unwrap_or((one, ""));
            if name.eq_ignore_ascii_case("crs") && !value.eq_ignore_ascii_case("wgs84") {
                return None;
            }
        }
        length += parameters;
    }
    is_place(lat, lon).then_some(((lat, lon), length))
}

fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = digits.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    (plain && digits.starts_with(|c: char| c.is_ascii_digit())).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_found_where_they_stand_and_nothing_else_is_one() {
        for (text, place) in [
            ("geo:45.44196,10.99875", Some((45.441_96, 10.998_75))),
            ("We are here: geo:48.2010,16.3695,183. Come!", Some((48.201, 16.3695))),
            ("GEO:-33.9,151.2;u=35", Some((-33.9, 151.2))),
            ("geo:1,2;crs=WGS84;u=5;name=x", Some((1.0, 2.0))),
            ("geo:1,2;crs=moon-2011", None),
            ("geo:91,2", None),
            ("geo:1", None),
            ("geo:1,2,3,4", None),
            ("geo:", None),
            ("pageo:1,2", None),
            ("geo:x,y then geo:3,4", Some((3.0, 4.0))),
            ("(geo:1.5,2.5)", Some((1.5, 2.5))),
            ("schön geo:1,2", Some((1.0, 2.0))),
            ("nothing", None),
        ] {
            assert_eq!(first(text), place, "{text}");
        }
        assert_eq!(whole(" geo:1,2 "), Some((1.0, 2.0)));
        assert_eq!(whole("at geo:1,2"), None);
    }

    #[test]
    fn a_coarse_text_holds_no_exact_place() {
        let text = "From geo:45.44196,10.99875;u=3 to geo:45.5,11.1,60. Bye";
        let coarse = coarsened(text, (45.45, 10.98), Precision::City);
        assert_eq!(coarse, "From geo:45.45,10.98;u=10000 to geo:45.45,10.98;u=10000. Bye");
        assert_eq!(coarsened("no place", (0.0, 0.0), Precision::City), "no place");
    }
}
