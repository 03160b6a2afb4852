//! What a platform keeps, by kind: a fresh one is filled through its interfaces to a few totals, and its folder and its memory are looked at at each.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::Outcome;
use crate::http::Http;
use crate::process::{self, Memory, Part};
use crate::stats::slope;
use crate::steps::Line;

/// A platform that nobody else uses.
#[derive(Debug)]
pub struct Store {
    http: Http,
    part: Part,
    data: PathBuf,
    /// Commands of Cassandra's own tool by which the node's files hold what there is, once.
    tidy: Vec<Vec<String>>,
    imported: usize,
    keys: usize,
}

/// How large it is with so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Of one kind.
    pub total: usize,
    /// Bytes of its folder.
    pub disk: u64,
    /// Its memory.
    pub memory: Memory,
}

/// What is filled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Accounts with name, mail address and two verifiers.
    Users,
    /// Entries of lists of friends.
    Friends,
    /// Messages that were delivered and are kept as history.
    Delivered,
    /// Messages that wait for somebody, spread over all users.
    Kept,
    /// Footprints with a short text.
    Footprints,
}

/// All kinds in the order in which they need each other, with what tables call one of them.
pub const KINDS: [(Kind, &str); 5] = [
    (Kind::Users, "user: account, two verifiers, name, mail"),
    (Kind::Friends, "friend: an entry of a list"),
    (Kind::Delivered, "message that was delivered, kept as history"),
    (Kind::Kept, "message that waits for somebody who is away"),
    (Kind::Footprints, "footprint with a text of 40 characters"),
];

const IMPORTED_AT_ONCE: usize = 1000;
const DECIDED_AT_ONCE: usize = 100;
const NODE: &str = "/v1/nodes/sizing/sessions";

impl Store {
    /// Of the line that tells of it.
    ///
    /// # Errors
    /// When a fact is missing.
    pub fn new(line: &Line) -> Outcome<Self> {
        let mut tidy = Vec::new();
        if let Ok(tool) = line.text("tool") {
            let keyspace = line.text("keyspace")?;
            for word in ["flush", "compact"] {
                tidy.push(tool.lines().chain([word, keyspace]).map(String::from).collect());
            }
        }
        Ok(Self {
            tidy,
            http: Http::new(line.number("port")?, Some(line.text("token")?.to_owned())),
            part: Part { name: "platform".to_owned(), pids: vec![line.number("pid")?] },
            data: PathBuf::from(line.text("data")?),
            imported: 0,
            keys: 0,
        })
    }

    /// Adds items until there are as many as each total says, and looks at it there. `users` is how many users there are.
    ///
    /// # Errors
    /// When the platform refuses something.
    pub fn grow(&mut self, kind: Kind, totals: &[usize], users: usize) -> Outcome<Vec<Size>> {
        let mut sizes = vec![self.size(0)?];
        let mut done = 0;
        for total in totals {
            // The node's sessions live as long as its lease.
            self.introduce()?;
            while done < *total {
                done += match kind {
                    Kind::Users => self.import(done, *total, user)?,
                    Kind::Friends => self.import(done, *total, |i| friend(i, users))?,
                    Kind::Delivered => self.decide(done, *total, "deliver", |_| 1)?,
                    Kind::Kept => {
                        self.decide(done, *total, "stored", |i| 2 + i % users.saturating_sub(2).max(1))?
                    }
                    Kind::Footprints => self.share(done, users)?,
                };
            }
            sizes.push(self.size(*total)?);
        }
        Ok(sizes)
    }

    fn size(&self, total: usize) -> Outcome<Size> {
        for words in &self.tidy {
            let failed = |why: &dyn std::fmt::Display| format!("{}: {why}", words.join(" "));
            let (program, arguments) = words.split_first().ok_or("no tool")?;
            let done = Command::new(program).args(arguments).output().map_err(|e| failed(&e))?;
            if !done.status.success() {
                return Err(failed(&String::from_utf8_lossy(&done.stderr)));
            }
        }
        Ok(Size { total, disk: process::disk_bytes(&self.data)?, memory: process::memory(&self.part)? })
    }

    /// Two people are here: who sends, and who gets what is delivered.
    fn introduce(&mut self) -> Outcome<()> {
        let session = |i| json!({ "user": name(i), "resource": "r", "available": true });
        let body = json!({ "epoch": "e", "ttl_ms": 300_000, "seq": 0, "sessions": [session(0), session(1)] });
        self.http.json("PUT", NODE, Some(&body)).map(drop)
    }

    fn import(&mut self, done: usize, total: usize, item: impl Fn(usize) -> Value) -> Outcome<usize> {
        let count = IMPORTED_AT_ONCE.min(total - done);
        let items: Vec<Value> = (done..done + count).map(item).collect();
        let body = json!({ "source": "sizing", "from": self.imported, "items": items });
        let answer = self.http.json("POST", "/v1/import", Some(&body))?;
        all(&answer["results"], "outcome", "done", count)?;
        self.imported += count;
        Ok(count)
    }

    fn decide(
        &mut self,
        done: usize,
        total: usize,
        verdict: &str,
        to: impl Fn(usize) -> usize,
    ) -> Outcome<usize> {
        let count = DECIDED_AT_ONCE.min(total - done);
        let items: Vec<Value> = (done..done + count).map(|i| message(self.keys + i, &name(to(i)))).collect();
        let body = json!({ "node": "sizing", "epoch": "e", "items": items });
        let answer = self.http.json("POST", "/v1/messages", Some(&body))?;
        all(&answer["results"], "verdict", verdict, count)?;
        if done + count == total {
            // The keys of the next kind are others.
            self.keys += total;
        }
        Ok(count)
    }

    fn share(&mut self, i: usize, users: usize) -> Outcome<usize> {
        let spread = |i: usize, step: usize| (i.wrapping_mul(step) % 10_000) as f64 / 10_000.0;
        let body = json!({
            "id": format!("f{i}"), "user": name(i % users), "lat": 48.0 + spread(i, 7919), "lon": 11.0 + spread(i, 7907),
            "text": "the torches burn bright, and so do we ok", "audience": "friends",
        });
        self.http.json("POST", "/v1/footprints", Some(&body)).map(|_| 1)
    }
}

/// What one more costs, by the two largest totals.
#[must_use]
pub fn each(sizes: &[Size], value: impl Fn(&Size) -> f64) -> Option<f64> {
    let [.., few, many] = sizes else { return None };
    slope((few.total, value(few)), (many.total, value(many)))
}

/// Every item has this word, or the figure would be of something else.
fn all(results: &Value, key: &str, word: &str, count: usize) -> Outcome<()> {
    let results = results.as_array().ok_or("the platform gave no results")?;
    match results.iter().find(|result| result[key] != *word) {
        None if results.len() == count => Ok(()),
        None => Err(format!("{} results for {count} items", results.len())),
        Some(other) => Err(format!("{other} where {word} was due")),
    }
}

fn name(i: usize) -> String {
    format!("user-{i:07}@example.org")
}

fn user(i: usize) -> Value {
    // Of the right length; nobody logs in with them.
    let verifier = |mechanism: &str, key: &str| json!({ "mechanism": mechanism, "salt": "QSXCR+Q6sek8bf92QSXCRw==", "iterations": 10_000, "stored_key": key, "server_key": key });
    json!({
        "kind": "user", "user": name(i), "name": format!("Person {i}"), "email": format!("person{i}@mail.example.org"),
        "verifiers": [
            verifier("SCRAM-SHA-1", "6dlGYMOdZcOPutkcNY8U2g7vK9Y="),
            verifier("SCRAM-SHA-256", "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY="),
        ],
    })
}

/// Everybody knows the next ones, by turns.
fn friend(i: usize, users: usize) -> Value {
    let (owner, step) = (i % users, 1 + i / users);
    let entry = json!({ "subscription": "both", "name": format!("Friend {i}"), "groups": ["Friends"] });
    json!({ "kind": "friend", "user": name(owner), "friend": name((owner + step) % users), "entry": entry })
}

fn message(i: usize, to: &str) -> Value {
    let from = format!("{}/r", name(0));
    let body = format!(
        "O she doth teach the torches to burn bright, it seems she hangs upon the cheek of night {i:09}"
    );
    let stanza = json!({
        "kind": "message", "from": from, "to": to, "type": "chat", "id": format!("n-{i:09}"), "body": body, "state": "active",
        "receipt": { "kind": "request" },
    });
    json!({
        "key": format!("k-{i:09}"), "from": from, "to": to, "sent_at": "2026-11-23T06:36:00.000Z", "stanza": stanza, "storable": true,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(total: usize, disk: u64) -> Size {
        Size { total, disk, memory: Memory { resident: 0, anonymous: 0 } }
    }

    #[test]
    fn what_one_costs_is_between_the_two_largest_totals() {
        let sizes = [size(0, 1000), size(100, 9000), size(1100, 109_000)];
        assert_eq!(each(&sizes, |size| size.disk as f64), Some(100.0));
        assert_eq!(each(&sizes[..1], |size| size.disk as f64), None);
    }

    #[test]
    fn a_result_of_another_kind_is_no_figure() {
        let results = json!([{ "verdict": "stored" }, { "verdict": "stored" }]);
        assert_eq!(all(&results, "verdict", "stored", 2), Ok(()));
        assert!(all(&results, "verdict", "stored", 3).is_err());
        assert!(all(&results, "verdict", "deliver", 2).is_err());
        assert!(all(&json!(null), "verdict", "stored", 0).is_err());
    }

    #[test]
    fn friends_are_other_people_and_nobody_twice() {
        let pairs: std::collections::BTreeSet<String> =
            (0..40).map(|i| format!("{}{}", friend(i, 10)["user"], friend(i, 10)["friend"])).collect();
        assert_eq!(pairs.len(), 40);
        assert!((0..40).all(|i| friend(i, 10)["user"] != friend(i, 10)["friend"]));
    }
}
