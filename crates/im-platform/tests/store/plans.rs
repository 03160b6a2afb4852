//! Every statement that the behaviour suite makes SQLite run has a plan, and the plans are kept as data in `plans.txt`: a statement that begins to read
//! a whole table, or to sort what grows, is seen there before anybody has a million users. Rewritten by `UPDATE=1 cargo test -p im-platform --test store`
//! (delete the file first to lose what is no longer run).

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use im_platform::store::sqlite::Statements;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/store/plans.txt");

/// Tables that stay small: one row per bridge, per source of import, or one at all.
const SMALL: [&str; 4] = ["nodes", "imports", "downlink_floor", "sqlite_sequence"];

/// Statements that may read from one end of a table or an index without looking anything up, or sort, and why that costs the same for every total.
const ALLOWED: [(&str, &str); 10] = [
    ("LIMIT 1001)", "the console counts up to 1,000 and stops"),
    ("SELECT 1 FROM users LIMIT 1", "the first entry"),
    ("UNION SELECT * FROM (SELECT id, key, from_jid", "sorts two pages"),
    (
        "SELECT DISTINCT s.user, u.jid FROM sessions s",
        "among the sessions that are to drain, at most 1,000 users",
    ),
    (
        "SELECT EXISTS (SELECT 1 FROM messages INDEXED BY messages_pending",
        "the first entry of a partial index, or none",
    ),
    ("SELECT id FROM users WHERE erasing IS NOT NULL LIMIT 1", "the first entry of a partial index, or none"),
    ("WHERE m.grp = ?1 AND g.owners = 0 ORDER BY m.role", "one group, when its last owner is erased"),
    ("SELECT seq, at FROM downlink ORDER BY seq LIMIT ?1", "the oldest 500"),
    ("SELECT seq, octet_length(data) FROM downlink ORDER BY seq LIMIT ?1", "the oldest 500"),
    ("messages INDEXED BY messages_history", "the first entry of a partial index, or none"),
];

/// What a store has run.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<BTreeSet<String>>>);

impl Seen {
    pub fn statements(&self) -> Statements {
        let seen = self.clone();
        Statements(Arc::new(move |sql| {
            seen.0.lock().unwrap_or_else(PoisonError::into_inner).insert(sql.to_owned());
        }))
    }
}

impl Seen {
    pub fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

fn one_line(sql: &str) -> String {
    sql.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn plan(conn: &rusqlite::Connection, sql: &str) -> String {
    let mut explain = conn.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).expect("explained");
    let count = explain.parameter_count();
    let nothing = vec![rusqlite::types::Null; count];
    let rows =
        explain.query_map(rusqlite::params_from_iter(nothing), |r| r.get::<_, String>(3)).expect("a plan");
    let steps: Vec<String> = rows.map(|step| step.expect("a step")).collect();
    steps.join("; ")
}

fn read() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(FILE).unwrap_or_default();
    text.split("\n\n")
        .filter_map(|entry| entry.trim().split_once("\n  "))
        .map(|(a, b)| (a.into(), b.into()))
        .collect()
}

static WRITING: Mutex<()> = Mutex::new(());

/// Compares the plans of what was run with those in the file, or (`UPDATE=1`) writes them.
pub fn compare(database: &Path, seen: &Seen) {
    let seen = seen.0.lock().unwrap_or_else(PoisonError::into_inner);
    let conn = rusqlite::Connection::open(database).expect("opened");
    let interesting = ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"];
    let plans: BTreeMap<String, String> = seen
        .iter()
        .filter(|sql| interesting.iter().any(|word| sql.trim_start().starts_with(word)))
        .map(|sql| (one_line(sql), plan(&conn, sql)))
        .filter(|(_, plan)| !plan.is_empty())
        .collect();
    let _one = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let mut known = read();
    if std::env::var_os("UPDATE").is_some() {
        known.extend(plans);
        let text: Vec<String> = known.iter().map(|(sql, plan)| format!("{sql}\n  {plan}\n")).collect();
        std::fs::write(FILE, text.join("\n")).expect("written");
        return;
    }
    for (sql, plan) in &plans {
        assert_eq!(
            Some(plan),
            known.get(sql),
            "the plan of\n  {sql}\nis not the one in plans.txt (UPDATE=1 rewrites it)"
        );
    }
}

/// Whether a step looks at more than what it was asked for.
fn grows(step: &str) -> bool {
    let scanned = step.strip_prefix("SCAN ").and_then(|rest| rest.split_whitespace().next());
    // A subquery is as large as the step before it says.
    scanned.is_some_and(|table| !SMALL.contains(&table) && table != "CONSTANT" && !table.starts_with('('))
        || step.contains("TEMP B-TREE")
        || step.contains("AUTOMATIC")
}

#[test]
fn no_statement_reads_or_sorts_what_grows() {
    let plans = read();
    assert!(plans.len() > 150, "{} statements", plans.len());
    let mut used = BTreeSet::new();
    for (sql, plan) in &plans {
        let Some(step) = plan.split("; ").find(|step| grows(step)) else { continue };
        let reason = ALLOWED.iter().find(|(part, _)| sql.contains(part));
        assert!(reason.is_some(), "{step}\n  {sql}\n  {plan}");
        used.extend(reason.map(|(part, _)| *part));
    }
    assert_eq!(used.len(), ALLOWED.len(), "an exception that nobody needs: {used:?}");
}
