//! Nobody wrote these stanzas: generated from the table (proptest), and cases with bytes changed at random (the bounded, stable sibling of `fuzz/`).

#[path = "stanza/generate.rs"]
mod generate;
#[path = "stanza/oracle.rs"]
mod oracle;
#[path = "stanza/support.rs"]
mod support;

use cloudbridge::stanza::json::{self, Mode, Options};
use cloudbridge::stanza::{Limits, Stanza, canonical, canonical_exact};
use proptest::prelude::*;
use support::{cases, encoded};

/// What holds for every stanza: it comes back the same in each of the options, strictly; what we write is read the same.
fn holds(stanza: &Stanza) -> Result<(), String> {
    let xml = stanza.to_xml_string();
    let wide = Limits { bytes: usize::MAX, depth: 256, children: usize::MAX, attributes: usize::MAX };
    let again = Stanza::parse(xml.as_bytes(), &wide).map_err(|e| format!("we write {xml}: {e}"))?;
    same("written", &canonical_exact(stanza), &canonical_exact(&again), &xml)?;
    for order in [false, true] {
        for whitespace in [false, true] {
            let options = Options { secrets: true, whitespace, order };
            let json = encoded(stanza, options);
            let back = json::decode(json.as_bytes(), Mode::Strict).map_err(|e| format!("{e}: {json}"))?;
            match whitespace {
                true => same("exactly", &canonical_exact(stanza), &canonical_exact(&back), &json)?,
                false => same("without white space", &canonical(stanza), &canonical(&back), &json)?,
            }
            if json.contains('\n') {
                return Err(format!("more than one line: {json}"));
            }
        }
    }
    let masked = encoded(stanza, Options::default());
    serde_json::from_str::<serde_json::Value>(&masked).map_err(|e| format!("{e}: {masked}"))?;
    json::decode(masked.as_bytes(), Mode::Lenient).map(drop).map_err(|e| format!("masked: {e}: {masked}"))
}

/// quick-xml reads the same in what we took.
fn read_alike(stanza: &Stanza, xml: &str) -> Result<(), String> {
    let theirs = oracle::canonical_exact(xml).map_err(|e| format!("quick-xml refuses it: {e}"))?;
    same("to quick-xml", &canonical_exact(stanza), &theirs, xml)
}

fn same(what: &str, one: &str, other: &str, shown: &str) -> Result<(), String> {
    if one == other { Ok(()) } else { Err(format!("not the same {what}\n{one}\n{other}\n{shown}")) }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]
    #[test]
    fn generated_stanzas_come_back(choices in prop::collection::vec(any::<u8>(), 0..600)) {
        let xml = generate::stanza(&choices);
        let stanza = Stanza::parse(xml.as_bytes(), &Limits::default()).map_err(|e| TestCaseError::fail(format!("{xml}: {e}")))?;
        let checked = holds(&stanza).and_then(|()| read_alike(&stanza, &xml));
        checked.map_err(|e| TestCaseError::fail(format!("{xml}\n{e}")))?;
    }

    #[test]
    fn any_text_comes_back(body in "\\PC{0,40}", key in "[^\u{0}-\u{1f}\u{fffe}\u{ffff}]{0,20}") {
        let json = serde_json::json!({ "kind": "message", "body": body, "rest": [{ "n": "x", "ns": key, "a": { "k": body }, "c": [body] }] });
        let Ok(stanza) = json::decode(json.to_string().as_bytes(), Mode::Strict) else { return Ok(()) };
        prop_assert_eq!(&stanza.root().child("body", "jabber:client").map(|b| b.text().into_owned()), &Some(body));
        holds(&stanza).map_err(TestCaseError::fail)?;
    }
}

/// A small generator of its own, so that every run does the same.
struct Random(u64);

impl Random {
    fn next(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % bound
    }
}

/// Changes a few bytes: flips, deletions, doublings, pieces of another text, signs that matter.
fn mutated(random: &mut Random, text: &str, other: &str) -> Vec<u8> {
    const SIGNS: &[&str] = &[
        "<",
        ">",
        "&",
        "'",
        "\"",
        "/",
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\\",
        "&#1;",
        "]]>",
        "<![CDATA[",
        "null",
        "\\ud800",
        "\r",
        "xmlns=''",
        "\u{0}",
        "-",
        "1e9",
    ];
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=random.next(4) {
        let at = random.next(bytes.len() + 1);
        match random.next(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.next(8),
            1 if at < bytes.len() => drop(bytes.drain(at..(at + 1 + random.next(8)).min(bytes.len()))),
            2 if at < bytes.len() => {
                let piece = bytes[at..(at + random.next(40)).min(bytes.len())].to_vec();
                bytes.splice(at..at, piece);
            }
            3 => {
                let from = random.next(other.len());
                let piece = &other.as_bytes()[from..(from + random.next(60)).min(other.len())];
                bytes.splice(at..at, piece.iter().copied());
            }
            _ => {
                let sign = SIGNS[random.next(SIGNS.len())];
                bytes.splice(at..at, sign.bytes());
            }
        }
    }
    bytes
}

#[test]
fn changed_xml_is_refused_or_comes_back() {
    let cases = cases();
    let mut random = Random(0x00C1_00DB_51D6);
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..40_000 {
        let (one, other) = (random.next(cases.len()), random.next(cases.len()));
        let bytes = mutated(&mut random, &cases[one].xml, &cases[other].xml);
        match Stanza::parse(&bytes, &Limits::default()) {
            Err(_) => refused += 1,
            Ok(stanza) => {
                accepted += 1;
                let xml = String::from_utf8_lossy(&bytes);
                if let Err(error) = holds(&stanza).and_then(|()| read_alike(&stanza, &xml)) {
                    panic!("{xml}\n{error}");
                }
            }
        }
    }
    assert!(accepted > 1000 && refused > 1000, "{accepted} accepted, {refused} refused");
}

#[test]
fn changed_json_is_refused_or_describes_a_stanza() {
    let cases = cases();
    let mut random = Random(0x0015_0C1E_AB1E);
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..40_000 {
        let (one, other) = (random.next(cases.len()), random.next(cases.len()));
        let bytes = mutated(&mut random, &cases[one].json, &cases[other].json);
        let lenient = json::decode(&bytes, Mode::Lenient);
        match json::decode(&bytes, Mode::Strict) {
            Err(_) => refused += 1,
            Ok(stanza) => {
                accepted += 1;
                assert!(lenient.is_ok(), "strictly read, leniently not: {}", String::from_utf8_lossy(&bytes));
                if let Err(error) = holds(&stanza) {
                    panic!("{}\n{error}", String::from_utf8_lossy(&bytes));
                }
            }
        }
        if let Ok(stanza) = lenient
            && let Err(error) = written(&stanza)
        {
            panic!("{}\n{error}", String::from_utf8_lossy(&bytes));
        }
    }
    assert!(accepted > 1000 && refused > 1000, "{accepted} accepted, {refused} refused");
}

/// What holds for leniently read JSON too: what we write is a stanza, the same one.
fn written(stanza: &Stanza) -> Result<(), String> {
    let xml = stanza.to_xml_string();
    let wide = Limits { bytes: usize::MAX, depth: 256, children: usize::MAX, attributes: usize::MAX };
    let again = Stanza::parse(xml.as_bytes(), &wide).map_err(|e| format!("we write {xml}: {e}"))?;
    same("written", &canonical_exact(stanza), &canonical_exact(&again), &xml)
}
