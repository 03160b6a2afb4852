//! A page of a history on its way to who asked: its messages one after the other, then the answer.
//!
//! Leaves out: which question, which messages (`modules::chat::history`); the lane that it waits in, the request (`rows`).

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::config::Policy;
use crate::ffi::frame::{Outcome as Done, Writer, effect};
use crate::lanes::{Action, Held};
use crate::mapping::Response;
use crate::modules::chat::history;
use crate::stanza::errors;

use super::core::{Core, lock};
use super::rows::{answer, on_failure};

/// How long a page may take, and one message of it.
const PAGE: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(10));

/// A page of a history, on its way.
#[derive(Debug, Default)]
pub struct Page {
    /// Its messages, as XML.
    pub messages: Vec<String>,
    /// They are not wanted.
    pub only_the_end: bool,
    /// Why the platform's answer is not in the contract.
    pub wrong: Option<String>,
}

impl Page {
    /// Takes the messages out of the platform's answer.
    pub fn read(&mut self, question: &Value, response: &mut Response) {
        if self.only_the_end {
            history::only_the_end(&mut response.body);
        }
        match history::results(question, &response.body) {
            Ok(messages) => self.messages = messages,
            Err(why) => self.wrong = Some(why),
        }
    }
}

/// Gives a page's messages to the session that asked, one after the other. False: there is nothing more to answer.
pub fn hand_page(core: &Core, held: &Held, question: &Value, messages: &[String]) -> bool {
    if messages.is_empty() {
        return true;
    }
    // From here on the time limit is not the platform's.
    if !lock(&core.row_lanes).prolong(&held.lane, held.seq, Instant::now() + PAGE.0) {
        return false;
    }
    let jid = question.get("from").and_then(Value::as_str).unwrap_or_default();
    for xml in messages {
        let outcome = core
            .effects
            .perform(PAGE.1, |number| Writer::new(effect::HANDOVER).long(number).str(jid).str(xml).finish());
        match outcome {
            Some((Done::Ok, _)) => held.row.iter().for_each(|row| core.row_counts.add(&row.name, "handed")),
            // Who asked has gone: the answer finds nobody.
            Some((Done::Gone, _)) => return true,
            _ => {
                answer(core, held, on_failure(Policy::Closed), None);
                return false;
            }
        }
    }
    true
}

/// What the asker gets whose question cannot be asked.
pub fn refused(history::Refusal { condition, text }: history::Refusal) -> Action {
    let kind = errors::kind_of(condition).map_or("cancel", errors::ErrorType::as_str);
    Action::Refuse { kind: kind.into(), condition: condition.into(), text }
}
