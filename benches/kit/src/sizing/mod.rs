//! What a user, a message, a session costs in memory, disk and requests: the measurements behind docs/scaling.md. Memory and disk do not depend on how busy
//! the machine is; the CPU of an operation does a little.

mod page;
mod people;
mod requests;
mod store;

use std::fs;
use std::path::Path;

use crate::http::Http;
use crate::process::{self, Part};
use crate::steps::{Line, Told};
use crate::target::{Run, Target};
use crate::{Outcome, machine};

use people::{Crowd, Paused, Weight};
use requests::Requests;
use store::{KINDS, Kind, Size, Store};

/// How large a run is.
#[derive(Debug, Clone)]
struct Plan {
    /// With SQLite.
    store: Totals,
    /// With Cassandra, which is slower to fill.
    ring: Totals,
    /// People online.
    sessions: usize,
    /// Messages held while the platform says nothing.
    held: usize,
    /// Turns of the workload of Fig. 13, whose requests and CPU are counted.
    turns: usize,
}

/// How much a platform is to keep, twice.
#[derive(Debug, Clone, Copy)]
struct Totals {
    /// Of what is not named below.
    usual: [usize; 2],
    /// Messages are the most of it.
    delivered: [usize; 2],
    /// Footprints come one by one, so there are fewer.
    footprints: [usize; 2],
}

impl Totals {
    /// Fills a platform, and gives its sizes by kind, from none on.
    fn fill(self, store: &mut Store, say: impl Fn(&str)) -> Outcome<Kept> {
        let mut kept = Vec::new();
        for (kind, name) in KINDS {
            say(name);
            let totals = match kind {
                Kind::Delivered => self.delivered,
                Kind::Footprints => self.footprints,
                Kind::Users | Kind::Friends | Kind::Kept => self.usual,
            };
            kept.push((name, store.grow(kind, &totals, self.usual[1])?));
        }
        Ok(kept)
    }
}

/// Sizes by kind.
type Kept = Vec<(&'static str, Vec<Size>)>;

impl Plan {
    fn named(name: &str) -> Outcome<Self> {
        match name {
            "quick" => Ok(Self {
                store: Totals { usual: [1000, 2000], delivered: [1000, 2000], footprints: [200, 400] },
                ring: Totals { usual: [500, 1000], delivered: [500, 1000], footprints: [100, 200] },
                sessions: 40,
                held: 300,
                turns: 8,
            }),
            "usual" => Ok(Self {
                store: Totals {
                    usual: [10_000, 100_000],
                    delivered: [100_000, 600_000],
                    footprints: [5000, 50_000],
                },
                ring: Totals { usual: [2000, 10_000], delivered: [5000, 30_000], footprints: [500, 3000] },
                sessions: 400,
                held: 4000,
                turns: 120,
            }),
            "long" => Ok(Self {
                store: Totals {
                    usual: [100_000, 1_000_000],
                    delivered: [100_000, 1_000_000],
                    footprints: [50_000, 500_000],
                },
                ring: Totals {
                    usual: [10_000, 100_000],
                    delivered: [30_000, 300_000],
                    footprints: [3000, 30_000],
                },
                sessions: 1000,
                held: 8000,
                turns: 400,
            }),
            _ => Err(format!("there is no plan {name}")),
        }
    }
}

/// All that was measured.
#[derive(Debug, Default)]
struct Measured {
    /// What a platform with SQLite keeps.
    kept: Kept,
    /// What one node of Cassandra keeps, which has one copy of everything.
    ring: Kept,
    /// How many people were online for the next three.
    sessions: usize,
    /// One of them on bare Openfire, and with the bridge.
    session: [Weight; 2],
    /// The servers before anybody came.
    empty: [Weight; 2],
    /// Bytes of the platform for one of them.
    session_at_platform: f64,
    /// How many messages were held for the next two.
    held: usize,
    held_message: Weight,
    /// Bytes of the journal for one of them.
    journaled: f64,
    /// Requests while eight workers do so many turns, and while one does.
    busy: Requests,
    quiet: Requests,
    turns: usize,
    /// CPU of the busy run, of bare Openfire and with the bridge, and the names of the parts.
    runs: [(Vec<String>, Run); 2],
}

/// Measures and writes the page.
///
/// # Errors
/// When a server fails or does something else than what is to be measured.
pub fn run(order: &Line, servers: Vec<Told>, platforms: &[Line], say: impl Fn(&str)) -> Outcome<()> {
    let plan = Plan::named(order.text("plan")?)?;
    let [beside, fresh, ring] = platforms else { return Err("three platforms are needed".to_owned()) };
    let Ok([bare, bridge]) = <[Told; 2]>::try_from(servers) else {
        return Err("two servers are needed".to_owned());
    };
    let jcmd = order.text("jcmd")?;
    let mut measured =
        Measured { sessions: plan.sessions, held: plan.held, turns: plan.turns, ..Measured::default() };
    let filling = |name: &str| say(&format!("a platform with more and more of: {name}"));
    measured.kept = plan.store.fill(&mut Store::new(fresh)?, filling)?;
    let filling = |name: &str| say(&format!("a node of Cassandra with more and more of: {name}"));
    measured.ring = plan.ring.fill(&mut Store::new(ring)?, filling)?;
    for (at, told) in [&bare, &bridge].into_iter().enumerate() {
        say(&format!("people on {}", told.name));
        let part = Part { name: "platform".to_owned(), pids: vec![beside.number("pid")?] };
        crowd(&plan, &mut measured, at, told, (at == 1).then_some(&part), jcmd)?;
    }
    say("the workload, and what the platform is asked for it");
    let mut platform = Http::new(beside.number("port")?, Some(beside.text("token")?.to_owned()));
    work(&plan, &mut measured, &bare, &bridge, &mut platform)?;
    let facts = machine::facts(order.text("load")?, order.text("versions")?, order.text("plan")?);
    let page = page::page(&measured, &facts);
    let file = Path::new(order.text("into")?).join("scaling.md");
    fs::write(&file, &page).map_err(|e| format!("{}: {e}", file.display()))?;
    println!("{page}");
    Ok(())
}

/// The workload of Fig. 13 on both: CPU, and what the platform is asked.
fn work(
    plan: &Plan,
    measured: &mut Measured,
    bare: &Told,
    bridge: &Told,
    platform: &mut Http,
) -> Outcome<()> {
    let names = |target: &Target| target.parts.iter().map(|part| part.name.clone()).collect();
    let mut target = Target::new(bare)?;
    target.run(plan.turns)?;
    measured.runs[0] = (names(&target), target.run(plan.turns)?);
    target.end()?;
    let mut target = Target::new(bridge)?;
    target.run(plan.turns)?;
    let before = requests::so_far(platform)?;
    measured.runs[1] = (names(&target), target.run(plan.turns)?);
    let between = requests::so_far(platform)?;
    for _ in 0..plan.turns {
        target.run(1)?;
    }
    measured.busy = requests::between(&before, &between);
    measured.quiet = requests::between(&between, &requests::so_far(platform)?);
    target.end()
}

/// What people who are online cost, and with the bridge what is held for them.
fn crowd(
    plan: &Plan,
    measured: &mut Measured,
    at: usize,
    told: &Told,
    platform: Option<&Part>,
    jcmd: &str,
) -> Outcome<()> {
    let mut crowd = Crowd::new(told)?;
    measured.empty[at] = crowd.weigh(jcmd)?;
    // The first ones bring along what is made once: classes, pools, caches.
    let first = plan.sessions / 10;
    crowd.gather(0..first)?;
    let (few, before) = (crowd.weigh(jcmd)?, platform.map(process::memory).transpose()?);
    crowd.gather(first..first + plan.sessions)?;
    measured.session[at] = crowd.weigh(jcmd)?.each(few, plan.sessions);
    if let Some((platform, before)) = platform.zip(before) {
        let more = process::memory(platform)?.anonymous as f64 - before.anonymous as f64;
        measured.session_at_platform = more / plan.sessions as f64;
        held(plan, measured, &mut crowd, platform, jcmd)?;
    }
    crowd.leave()
}

fn held(plan: &Plan, measured: &mut Measured, crowd: &mut Crowd, platform: &Part, jcmd: &str) -> Outcome<()> {
    let count = plan.held as u64;
    let all = |facts: &serde_json::Value| facts["modules"]["chat"]["held"].as_u64() == Some(count);
    let bytes = |facts: &serde_json::Value| {
        facts["journal"]["bytes"].as_f64().ok_or("the status has no bytes of the journal")
    };
    let before = crowd.weigh(jcmd)?;
    let empty = bytes(&crowd.status("asked", |_| true)?)?;
    let [pid] = platform.pids[..] else { return Err("the platform is one process".to_owned()) };
    let paused = Paused::new(pid)?;
    crowd.send(plan.held)?;
    let facts = crowd.status("holding all messages", all)?;
    measured.held_message = crowd.weigh(jcmd)?.each(before, plan.held);
    measured.journaled = (bytes(&facts)? - empty) / plan.held as f64;
    if !all(&crowd.status("asked", |_| true)?) {
        return Err("messages were decided without the platform while they were weighed".to_owned());
    }
    drop(paused);
    crowd.receive(plan.held)
}
