//! What this program is told, line by line, by whoever started the servers:
//!
//! ```text
//! server name=NAME xmpp=PORT admin=PORT pid=PID plugin=yes|no [part=NAME:PID]...
//! platform port=PORT token=TOKEN pid=PID data=FOLDER [tool=PROGRAM%0AARGUMENT... keyspace=NAME]
//! WORD key=value...
//! ```
//!
//! `%20` stands for a space, `%0A` for the end of a line and `%25` for a percent sign. A `tool` is Cassandra's nodetool, with what it needs to reach its node. A `part` is a process besides Openfire and the platform that its plugin starts.

use std::collections::HashMap;

use serde_json::Value;

use crate::Outcome;
use crate::process::Part;

/// A line's first word and its facts.
#[derive(Debug, Default)]
pub struct Line {
    /// What it is about.
    pub word: String,
    facts: HashMap<String, String>,
    parts: Vec<(String, u32)>,
}

/// A server that runs.
#[derive(Debug)]
pub struct Told {
    /// What tables call it.
    pub name: String,
    /// Where clients connect.
    pub xmpp: u16,
    /// Where the bridge's page is; none without the plugin.
    pub admin: Option<u16>,
    pid: u32,
    parts: Vec<(String, u32)>,
}

impl Told {
    /// Its processes; `status` is the bridge's, once it works.
    ///
    /// # Errors
    /// When the bridge has no platform.
    pub fn parts(&self, status: Option<&Value>) -> Outcome<Vec<Part>> {
        let openfire = if status.is_some() { "Openfire with the bridge" } else { "Openfire" };
        let part = |name: &str, pid| Part { name: name.to_owned(), pids: vec![pid] };
        let mut parts = vec![part(openfire, self.pid)];
        let embedded = status.and_then(|status| status["platform"]["child"]["pid"].as_u64());
        parts.extend(embedded.and_then(|pid| u32::try_from(pid).ok()).map(|pid| part("platform", pid)));
        parts.extend(self.parts.iter().map(|(name, pid)| part(name, *pid)));
        if status.is_some() && parts.len() == 1 {
            return Err(format!("{} has no platform", self.name));
        }
        Ok(parts)
    }
}

impl Line {
    /// Reads a line.
    ///
    /// # Errors
    /// A word that is no fact.
    pub fn read(text: &str) -> Outcome<Self> {
        let mut words = text.split_whitespace();
        let mut line = Self { word: words.next().unwrap_or_default().to_owned(), ..Self::default() };
        for word in words {
            let (key, value) = word.split_once('=').ok_or_else(|| format!("{word:?} is no key=value"))?;
            let value = value.replace("%20", " ").replace("%0A", "\n").replace("%25", "%");
            if key == "part" {
                let (name, pid) = value.rsplit_once(':').ok_or_else(|| format!("{word:?} is no NAME:PID"))?;
                line.parts.push((name.to_owned(), pid.parse().map_err(|e| format!("{word:?}: {e}"))?));
            } else {
                line.facts.insert(key.to_owned(), value);
            }
        }
        Ok(line)
    }

    /// A fact that must be there.
    ///
    /// # Errors
    /// When it is not.
    pub fn text(&self, key: &str) -> Outcome<&str> {
        self.facts.get(key).map(String::as_str).ok_or_else(|| format!("{} has no {key}", self.word))
    }

    /// A number that must be there.
    ///
    /// # Errors
    /// When it is not.
    pub fn number<T: std::str::FromStr>(&self, key: &str) -> Outcome<T> {
        self.text(key)?.parse().map_err(|_| format!("{key} of {} is no such number", self.word))
    }

    /// The server that it tells of.
    ///
    /// # Errors
    /// When a fact is missing.
    pub fn server(self) -> Outcome<Told> {
        Ok(Told {
            name: self.text("name")?.to_owned(),
            xmpp: self.number("xmpp")?,
            admin: if self.text("plugin")? == "yes" { Some(self.number("admin")?) } else { None },
            pid: self.number("pid")?,
            parts: self.parts,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn facts_and_parts_of_a_line() {
        let line = Line::read(
            "server name=three%20nodes xmpp=5222 into=a_b%2520c tool=java%0A-cp part=Cassandra%201:10 part=Cassandra%202:11",
        )
        .expect("a line");
        assert_eq!(line.word, "server");
        assert_eq!(line.text("name"), Ok("three nodes"));
        assert_eq!(line.text("into"), Ok("a_b%20c"));
        assert_eq!(line.text("tool"), Ok("java\n-cp"));
        assert_eq!(line.number::<u16>("xmpp"), Ok(5222));
        assert_eq!(line.parts, [("Cassandra 1".to_owned(), 10), ("Cassandra 2".to_owned(), 11)]);
        assert!(line.text("admin").is_err() && line.number::<u16>("name").is_err());
    }

    #[test]
    fn what_is_no_fact_is_named() {
        assert!(Line::read("run fast").is_err_and(|why| why.contains("fast")));
        assert!(Line::read("server part=x").is_err());
    }

    #[test]
    fn a_bridge_without_a_platform_is_refused() {
        let told = |more: &str| {
            let text = format!("server name=x xmpp=1 admin=2 pid=10 plugin=yes{more}");
            Line::read(&text).and_then(Line::server).expect("all facts")
        };
        let names = |parts: Outcome<Vec<Part>>| {
            parts.map(|parts| parts.into_iter().map(|part| part.name).collect::<Vec<_>>())
        };
        let (none, child) =
            (json!({ "platform": { "child": null } }), json!({ "platform": { "child": { "pid": 11 } } }));
        assert!(told("").parts(Some(&none)).is_err());
        assert_eq!(
            names(told("").parts(Some(&child))),
            Ok(vec!["Openfire with the bridge".into(), "platform".into()])
        );
        let remote = told(" part=node:12").parts(Some(&none));
        assert_eq!(names(remote), Ok(vec!["Openfire with the bridge".into(), "node".into()]));
        assert_eq!(names(told("").parts(None)), Ok(vec!["Openfire".into()]));
    }
}
