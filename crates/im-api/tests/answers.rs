//! Answers that the reference platform never gives but another one may: the types read them and write them back unchanged.

use std::collections::BTreeSet;

use im_api::chat::{DecideAnswer, Verdict};
use serde_json::Value;

#[test]
fn every_verdict_is_read_and_written_back_as_it_was() {
    let text = include_str!("../fixtures/answers/decide.json");
    let answer: DecideAnswer = serde_json::from_str(text).expect("an answer");
    let written: Value = serde_json::to_value(&answer).expect("JSON");
    assert_eq!(written, serde_json::from_str::<Value>(text).expect("JSON"));
    let seen: BTreeSet<&str> = answer
        .results
        .iter()
        .map(|decided| match &decided.verdict {
            Verdict::Deliver => "deliver",
            Verdict::Stored => "stored",
            Verdict::HandedOver => "handed_over",
            Verdict::Native => "native",
            Verdict::Replace { stanza } => {
                assert!(stanza.get().contains("****"));
                "replace"
            }
            Verdict::Refuse { .. } => "refuse",
            Verdict::Settled => "settled",
            Verdict::Failed { .. } => "failed",
        })
        .collect();
    assert_eq!(seen.len(), 8, "{seen:?}");
}

#[test]
fn a_verdict_without_what_belongs_to_it_is_refused_by_name() {
    for (result, said) in [
        (r#"{"key":"k","verdict":"replace"}"#, "missing field `stanza`"),
        (r#"{"key":"k","verdict":"refuse","type":"wait"}"#, "missing field `condition`"),
        (r#"{"key":"k","verdict":"later"}"#, "unknown verdict `later`"),
        (r#"{"verdict":"deliver"}"#, "missing field `key`"),
    ] {
        let refused = serde_json::from_str::<DecideAnswer>(&format!("{{\"results\":[{result}]}}"));
        let error = refused.expect_err(said).to_string();
        assert!(error.contains(said), "{error}");
    }
}
