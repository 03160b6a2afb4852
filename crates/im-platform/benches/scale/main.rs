//! What an operation costs as the total grows: users, messages of one inbox, footprints of one area, from 10^3 to 10^6. Prints a table of medians
//! and 99th percentiles in microseconds, one operation at a time, commit included.
//!
//! `cargo xtask bench platform [--quick]`: 10^3 to 10^6 (quick: 10^4), figures and chart into `docs/` (quick: `target/bench/platform`). Numbers are
//! other totals, words (`users`, `messages`, `footprints`) choose what is measured; then nothing is written.
//! Not a test: nothing here passes or fails. Leaves out HTTP.

use std::fmt::Write as _;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bench_kit::chart::{self, Line, Panel, Point};
use im_api::footprint::{Audience, Precision};
use im_platform::clock::Clock;
use im_platform::jid::{Jid, UserId};
use im_platform::store::chat::{Chat as _, Claimant, HistoryPage, Message, Span};
use im_platform::store::footprint::{Area, Find, Footprints as _, NewFootprint, Viewer};
use im_platform::store::sqlite::{Settings, Sqlite};
use im_platform::store::state::{Change, NodeSnapshot, SessionState, State as _};
use im_platform::store::user::{Search, Users as _};
use im_platform::store::{Cause, Store as _};
use tokio::runtime::{Builder, Runtime};

const SAMPLES: usize = 400;
const TTL: i64 = 300_000;

fn user(i: usize) -> UserId {
    UserId::parse(&format!("user-{i:07}@example.org")).expect("a user")
}

fn session(i: usize, available: bool) -> SessionState {
    SessionState { user: user(i), resource: "r".into(), available, priority: 0, show: None, status: None }
}

fn message(key: String, to: usize) -> Message {
    let body = "x".repeat(300);
    Message {
        key,
        from: Jid::new("user-0000000@example.org/r").expect("a JID"),
        to: Jid::new(user(to).as_str()).expect("a JID"),
        sent_at: 0,
        stanza: Some(format!("{{\"body\":\"{body}\"}}")),
        storable: true,
        again: false,
        gone: true,
    }
}

/// Median and 99th percentile in microseconds.
async fn measure<F: Future<Output = ()>>(mut one: impl FnMut(usize) -> F) -> (f64, f64) {
    let mut times = Vec::with_capacity(SAMPLES);
    for i in 0..SAMPLES {
        let started = Instant::now();
        one(i).await;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    let micros = |d: Duration| d.as_secs_f64() * 1e6;
    (micros(times[SAMPLES / 2]), micros(times[SAMPLES * 99 / 100]))
}

fn open(folder: &std::path::Path) -> Arc<Sqlite> {
    Arc::new(Sqlite::open(folder, Settings::default(), Clock::System).expect("a store"))
}

async fn alive(store: &Sqlite, sessions: Vec<SessionState>) {
    let snapshot = NodeSnapshot { epoch: "e".into(), ttl: TTL, seq: 0, sessions };
    store.snapshot("n", snapshot).await.expect("a snapshot");
}

async fn users(total: usize) -> Vec<(&'static str, (f64, f64))> {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    alive(&store, (0..total).map(|i| session(i, true)).collect()).await;
    let spread = move |i: usize| i.wrapping_mul(7_919) % total;
    let s = &store;
    let state =
        measure(|i| async move { drop(s.user_state(&user(spread(i))).await.expect("a state")) }).await;
    let change = measure(|i| async move {
        let change = Change { seq: 1 + i as i64, open: true, session: session(spread(i), i % 2 == 0) };
        s.change("n", "e", vec![change]).await.expect("a change");
    })
    .await;
    alive(&store, (0..total).map(|i| session(i, true)).collect()).await;
    let deliver = measure(|i| async move {
        let message = Message { gone: false, ..message(format!("d{i}"), spread(i)) };
        s.decide("n", "e", vec![message]).await.expect("a verdict");
    })
    .await;
    let lease = measure(|_| async move { drop(s.renew("n", "e", TTL).await.expect("a lease")) }).await;
    let search = measure(|i| async move {
        let query = format!("user-{:06}", spread(i) / 10);
        drop(
            s.search(Search { query, domain: None, viewer: None, limit: 10, after: None })
                .await
                .expect("found"),
        );
    })
    .await;
    store.close().await;
    vec![
        ("read a user's state", state),
        ("change a state", change),
        ("judge, online", deliver),
        ("renew a lease", lease),
        ("search users", search),
    ]
}

async fn inbox(total: usize) -> Vec<(&'static str, (f64, f64))> {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    alive(&store, vec![session(0, true), session(1, true)]).await;
    for start in (0..total).step_by(256) {
        let batch = (start..total.min(start + 256)).map(|i| message(format!("m{i}"), 1)).collect();
        store.decide("n", "e", batch).await.expect("verdicts");
    }
    let s = &store;
    let stored = measure(|i| async move {
        drop(s.decide("n", "e", vec![message(format!("s{i}"), 1)]).await.expect("a verdict"))
    })
    .await;
    let claimant = Claimant { node: "n".into(), epoch: "e".into(), resource: "r".into(), idempotency: None };
    let claim = store.claim(&user(1), claimant).await.expect("a claim").claim;
    let claim = claim.as_str();
    let drain = measure(|_| async move {
        let page = s.pending(&user(1), claim, 2).await.expect("a page");
        if let Some(last) = page.items.last() {
            s.handed_over(&user(1), claim, last.seq).await.expect("handed over");
        }
    })
    .await;
    let history = measure(|_| async move {
        let page = HistoryPage {
            user: user(1),
            with: Some(user(0)),
            limit: 20,
            before: None,
            span: Span::default(),
        };
        drop(s.history(page).await.expect("a history"));
    })
    .await;
    store.close().await;
    vec![
        ("judge, stored", stored),
        ("read 2 pending and hand over", drain),
        ("20 of a conversation", history),
    ]
}

async fn footprints(total: usize) -> Vec<(&'static str, (f64, f64))> {
    let folder = tempfile::tempdir().expect("a folder");
    let store = open(folder.path());
    alive(&store, (0..100).map(|i| session(i, true)).collect()).await;
    let place = |i: usize| NewFootprint {
        id: format!("f{i}"),
        user: user(i % 100),
        lat: 48.0 + (i.wrapping_mul(7_919) % 1_000) as f64 / 1_000.0,
        lon: 11.0 + (i.wrapping_mul(104_729) % 1_000) as f64 / 1_000.0,
        at: Some(i as i64),
        text: Some("here".into()),
        place: None,
        audience: Audience::All,
        precision: Precision::Exact,
        media: vec![],
        links: vec![],
        track: None,
        stanza: None,
        replace: false,
    };
    let mut tasks = tokio::task::JoinSet::new();
    for i in 0..total {
        let store = Arc::clone(&store);
        let new = place(i);
        tasks.spawn(async move {
            drop(store.share(new, Cause { quiet: true, ..Cause::by("bench") }).await.expect("shared"))
        });
        if tasks.len() >= 256 {
            tasks.join_next().await;
        }
    }
    tasks.join_all().await;
    let s = &store;
    let share = measure(|i| {
        let new = place(total + i);
        async move { drop(s.share(new, Cause { quiet: true, ..Cause::by("bench") }).await.expect("shared")) }
    })
    .await;
    let find = |side: f64| {
        measure(move |i| async move {
            let (west, south) = (11.0 + (i % 10) as f64 / 20.0, 48.0 + (i % 7) as f64 / 20.0);
            let area = Some(Area { west, south, east: west + side, north: south + side });
            let viewer = Viewer::User(user(99));
            let find = Find {
                viewer,
                area,
                since: None,
                until: None,
                user: None,
                track: None,
                limit: 20,
                after: None,
            };
            drop(s.find(find).await.expect("found"));
        })
    };
    let (small, large) = (find(0.05).await, find(0.5).await);
    let person = measure(|i| async move {
        let (viewer, owner) = (Viewer::User(user(99)), Some(user(i % 100)));
        let find = Find {
            viewer,
            area: None,
            since: None,
            until: None,
            user: owner,
            track: None,
            limit: 20,
            after: None,
        };
        drop(s.find(find).await.expect("found"));
    })
    .await;
    store.close().await;
    vec![
        ("share a footprint", share),
        ("20 of a 5 km square", small),
        ("20 of a 50 km square", large),
        ("20 of a person", person),
    ]
}

/// One kind of total and how it is measured.
type Kind = (&'static str, fn(&Runtime, usize) -> Vec<(&'static str, (f64, f64))>);

const KINDS: [Kind; 3] = [
    ("users", |runtime, total| runtime.block_on(users(total))),
    ("messages in an inbox", |runtime, total| runtime.block_on(inbox(total))),
    ("footprints in an area", |runtime, total| runtime.block_on(footprints(total))),
];

fn main() {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let mut totals: Vec<usize> = given.iter().filter_map(|a| a.parse().ok()).collect();
    if totals.is_empty() {
        let most = if given.iter().any(|a| a == "--quick") { 4 } else { 6 };
        totals = (3..=most).map(|power| 10_usize.pow(power)).collect();
    }
    let words: Vec<&String> =
        given.iter().filter(|a| KINDS.iter().any(|(what, _)| what.starts_with(*a))).collect();
    let runtime = Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let mut rows = Vec::new();
    for total in totals {
        for (what, measure) in
            KINDS.iter().filter(|(what, _)| words.is_empty() || words.iter().any(|w| what.starts_with(*w)))
        {
            eprintln!("{total} {what}");
            rows.extend(measure(&runtime, total).into_iter().map(|(operation, (median, p99))| Row {
                what,
                total,
                operation,
                median,
                p99,
            }));
        }
    }
    print!("{}", table(&rows));
    if let Some(into) = given.iter().find_map(|a| a.strip_prefix("--into=")) {
        let into = std::path::Path::new(into);
        std::fs::create_dir_all(into).expect("a folder");
        std::fs::write(into.join("scale.svg"), svg(&rows)).expect("written");
        std::fs::write(into.join("scale.md"), format!("{HEAD}{}", table(&rows))).expect("written");
    }
}

/// Above the table in the file.
const HEAD: &str = "# Figures of `cargo xtask bench platform`\n\nWritten by it; what they mean is in [measured.md](measured.md).\n\n![medians against totals](scale.svg)\n\n";

/// One measured line of the table.
#[derive(Debug, Clone)]
struct Row {
    /// What there are many of.
    what: &'static str,
    /// How many.
    total: usize,
    /// What is done.
    operation: &'static str,
    /// Median in microseconds.
    median: f64,
    /// 99th percentile in microseconds.
    p99: f64,
}

/// The picture: one panel per kind of total, one line per operation.
fn svg(rows: &[Row]) -> String {
    let mut kinds: Vec<&str> = rows.iter().map(|row| row.what).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let panels: Vec<Panel> = kinds
        .into_iter()
        .map(|what| {
            let mut lines: Vec<Line> = Vec::new();
            for row in rows.iter().filter(|row| row.what == what) {
                let point = Point::new(row.total as f64, row.median);
                match lines.iter_mut().find(|line| line.name == row.operation) {
                    Some(line) => line.points.push(point),
                    None => lines.push(Line { name: row.operation.to_owned(), points: vec![point] }),
                }
            }
            Panel { title: what.to_owned(), range: (10.0, 10_000.0), lines }
        })
        .collect();
    chart::svg("Median of an operation in microseconds, by how many there are", &panels)
}

/// The table as Markdown.
fn table(rows: &[Row]) -> String {
    let mut out = String::from(
        "| what | total | operation | median µs | p99 µs |\n| --- | ---: | --- | ---: | ---: |\n",
    );
    for Row { what, total, operation, median, p99 } in rows {
        // Writing to a String does not fail.
        let _ = writeln!(out, "| {what} | {total} | {operation} | {median:.0} | {p99:.0} |");
    }
    out
}
