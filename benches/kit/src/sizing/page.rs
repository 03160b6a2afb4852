//! docs/scaling.md, made from what was measured. What is beyond the largest measured total says so, line by line.

use std::fmt::Write as _;

use super::people::Weight;
use super::requests::{Requests, by_time};
use super::store::{KINDS, Kind, Size, each};
use super::{Kept, Measured};
use crate::report::short;
use crate::work::{KEPT, MESSAGES, OPERATIONS};

/// What the sizing assumes of one user. Another community puts in its own numbers.
const FRIENDS: f64 = 20.0;
const MESSAGES_A_DAY: f64 = 20.0;
/// `retention.message_days`, as it is when nobody changes it.
const DAYS: f64 = 30.0;
const FOOTPRINTS: f64 = 50.0;
const ONLINE: f64 = 0.2;
/// The busiest second, as a multiple of the day's mean.
const PEAK: f64 = 10.0;
const SECONDS_OF_A_DAY: f64 = 86_400.0;

/// The page.
pub fn page(measured: &Measured, facts: &[String]) -> String {
    let mut out = String::from(
        "# Scaling\n\n\
         What limits each part, and what a community of some size needs. Written by `cargo xtask bench sizing`; `--quick` is for trying it, `--long` goes to 1,000,000. **Measured** is what that run saw; **extrapolated** is a\n\
         measured cost multiplied beyond what was tried. How fast it is: [fig13.md](fig13.md), [performance.md](performance.md); whether an operation of the store costs more as totals grow (it does not, to 1,000,000):\n\
         [the platform's own page](../crates/im-platform/docs/measured.md).\n\n",
    );
    for fact in facts {
        let _ = writeln!(out, "- {fact}");
    }
    out.push('\n');
    out.push_str(LIMITS);
    out.push_str(&kept(measured));
    out.push_str(&ring(measured));
    out.push_str(&memory(measured));
    out.push_str(&asked(measured));
    out.push_str(&needs(measured));
    out
}

const LIMITS: &str = "## What limits each part

| part | what ends first | what then helps |
|---|---|---|
| Openfire | heap for sessions; CPU for the TLS of logins; what one connection sends is processed one after the other | a cluster, or several Openfires that share a platform |
| the bridge in Openfire | the memory of what it holds while the platform is slow, bounded by `chat.heldMax`; the journal's disk while it is away, bounded by `journal.maxMegabytes`; the order of a conversation, which is decided one request after the other | a platform that is nearer or faster; `open` instead of `closed` |
| the embedded platform | one file, one writer: commits per second of one disk; one machine's disk | a platform of its own, then more of them over Cassandra |
| a platform process | hashing of passwords at logins; CPU for JSON | more processes: they keep nothing |
| Cassandra | what its nodes always do: disk, compaction, one user's inbox on one set of replicas | more nodes |

";

fn kept(measured: &Measured) -> String {
    let mut out = String::from(
        "## What a platform keeps\n\nA platform with SQLite, filled through its interfaces. Bytes of one, between the two largest totals: of its folder, and of its memory (anonymous).\n\n\
         | one | bytes on disk | bytes in memory | between |\n|---|---:|---:|---|\n",
    );
    for (name, sizes) in &measured.kept {
        let cost = |value: fn(&Size) -> f64| {
            each(sizes, value).map_or("-".to_owned(), |bytes| format!("{bytes:.0}"))
        };
        let [.., few, many] = &sizes[..] else { continue };
        let (disk, memory) = (cost(|size| size.disk as f64), cost(|size| size.memory.anonymous as f64));
        let _ = writeln!(out, "| {name} | {disk} | {memory} | {} and {}, measured |", few.total, many.total);
    }
    let ends = measured
        .kept
        .first()
        .and_then(|(_, sizes)| sizes.first())
        .zip(measured.kept.last().and_then(|(_, sizes)| sizes.last()));
    if let Some((empty, full)) = ends {
        let _ = writeln!(
            out,
            "\nThe process had {} MB of memory (resident) when it was empty and {} MB at the end, with all of the table in {} MB of disk: what it caches is bounded, so memory does not follow the disk.\n",
            megabytes(empty.memory.resident as f64),
            megabytes(full.memory.resident as f64),
            megabytes(full.disk as f64),
        );
    }
    out
}

fn ring(measured: &Measured) -> String {
    let mut out = String::from(
        "The same on one node of Cassandra, of a ring that keeps one copy: bytes of its files after `nodetool flush` and `compact`. With three copies the ring needs three times as much; while it compacts, and for what was\n\
         removed in the last ten days (`gc_grace_seconds`), more: operators keep half of a node's disk free. What a platform process has in memory stays where it is, for it keeps nothing.\n\
         Cassandra compresses what it writes, and the texts of a benchmark are alike: people's take more, up to their length in bytes, once for each message.\n\n\
         | one | bytes on disk | between |\n|---|---:|---|\n",
    );
    for (name, sizes) in &measured.ring {
        let [.., few, many] = &sizes[..] else { continue };
        let disk = each(sizes, |size| size.disk as f64).map_or("-".to_owned(), |bytes| format!("{bytes:.0}"));
        let _ = writeln!(out, "| {name} | {disk} | {} and {}, measured |", few.total, many.total);
    }
    out.push('\n');
    out
}

fn memory(measured: &Measured) -> String {
    let [bare, bridge] = &measured.session;
    let row = |name: &str, weight: &Weight, of: &str| {
        format!("| {name} | {:.1} | {:.1} | {of} |\n", weight.heap / 1024.0, weight.outside / 1024.0)
    };
    let mut out = String::from(
        "## Memory in Openfire\n\nkB of one, after a full collection: in the Java heap, and outside of it (Rust, threads, buffers). Small differences are the collector's and the allocator's.\n\n\
         | one | heap | outside | |\n|---|---:|---:|---|\n",
    );
    let sessions = format!("{} sessions with TLS, measured", measured.sessions);
    out.push_str(&row("session, bare Openfire", bare, &sessions));
    out.push_str(&row("session, all modules deciding", bridge, &sessions));
    let held =
        format!("{} messages of 400 bytes held while the platform was stopped, measured", measured.held);
    out.push_str(&row("message that is held", &measured.held_message, &held));
    let [empty, with] = &measured.empty;
    let _ = writeln!(
        out,
        "\nWithout anybody: {} MB of heap and {} MB outside for bare Openfire, {} and {} with the bridge. A session took {:.1} kB of the platform's memory. A held message took {:.0} bytes of the journal; the same a copy that waits\n\
         in mirror mode with texts. The journal gives the disk back when what waited has gone ([journal.md](journal.md)).\n",
        megabytes(empty.heap),
        megabytes(empty.outside),
        megabytes(with.heap),
        megabytes(with.outside),
        measured.session_at_platform / 1024.0,
        measured.journaled
    );
    out
}

fn asked(measured: &Measured) -> String {
    let turns = measured.turns as f64;
    let mut out = format!(
        "## Requests\n\nWhat the platform was asked for one turn of the workload of [Fig. 13](fig13.md) ({OPERATIONS} operations: {} messages, 3 contacts, a login, a change of state), out of its own counters, measured. With eight workers\n\
         decisions share requests; with one each waits for its own, which is the most there can be.\n\n| interface | eight workers | one worker |\n|---|---:|---:|\n",
        MESSAGES + KEPT
    );
    let mut routes: Vec<&String> = measured.busy.keys().chain(measured.quiet.keys()).collect();
    routes.sort_unstable();
    routes.dedup();
    let count = |requests: &Requests, route: &String| requests.get(route).copied().unwrap_or(0);
    for route in routes.into_iter().filter(|route| !by_time(route)) {
        let (busy, quiet) = (count(&measured.busy, route) as f64, count(&measured.quiet, route) as f64);
        let _ = writeln!(out, "| `{route}` | {} | {} |", short(busy / turns), short(quiet / turns));
    }
    let (busy, quiet) = (per_message(&measured.busy, turns), per_message(&measured.quiet, turns));
    let _ = writeln!(
        out,
        "\nThat is {} requests for a message (at most {}), hand-over and all else of the table included. Besides, each bridge renews its lease and waits at the downlink: a few requests a minute, whatever the size.\n",
        short(busy),
        short(quiet)
    );
    for (parts, run) in &measured.runs {
        let cost: Vec<String> = parts
            .iter()
            .zip(&run.cpu)
            .map(|(name, seconds)| {
                format!("{} in {name}", short(seconds * 1e3 / run.operations.max(1) as f64))
            })
            .collect();
        let _ = writeln!(out, "CPU of one operation of the mix, ms, measured: {}.", cost.join(", "));
    }
    out.push('\n');
    out
}

/// All requests that come with what people do, by messages.
fn per_message(requests: &Requests, turns: f64) -> f64 {
    let sum: u64 = requests.iter().filter(|(route, _)| !by_time(route)).map(|(_, count)| count).sum();
    sum as f64 / (turns * (MESSAGES + KEPT) as f64)
}

/// One line of the sizing: what it is, how much of it a user takes, the unit, and to how many users of these assumptions it was measured.
struct Need {
    name: &'static str,
    unit: &'static str,
    of_one: f64,
    measured_to: f64,
}

fn needs(measured: &Measured) -> String {
    let mut out = format!(
        "## What a community needs\n\nOf one user this assumes {FRIENDS} friends, {MESSAGES_A_DAY} messages sent a day and kept {DAYS} days (`retention.message_days`), {FOOTPRINTS} footprints; {:.0} % are online at a time; the busiest second has\n\
         {PEAK} times the day's mean. Take your own numbers: every line is a cost of one from above times how many there are.\n\n| | 1,000 users | 1,000,000 users |\n|---|---|---|\n",
        ONLINE * 100.0
    );
    for need in list(measured) {
        let cell = |users: f64| {
            let how = if users <= need.measured_to { "measured" } else { "extrapolated" };
            let how = if need.measured_to.is_finite() { how } else { "assumed" };
            if need.of_one <= 0.0 {
                return format!("too little to be told from none ({how})");
            }
            format!("{}{} ({how})", short(need.of_one * users), need.unit)
        };
        let _ = writeln!(out, "| {} | {} | {} |", need.name, cell(1e3), cell(1e6));
    }
    out.push_str(
        "\nA million users in one Openfire or in one SQLite file is arithmetic, not advice: it says how much there is to spread. Requests and cores are those of the busiest second, by the mix of Fig. 13 with its many logins.\n",
    );
    out
}

fn list(measured: &Measured) -> Vec<Need> {
    let peak = MESSAGES_A_DAY / SECONDS_OF_A_DAY * PEAK;
    let [bare, bridge] = measured.session;
    let run = &measured.runs[1].1;
    // Seconds of all parts for a turn, by its messages.
    let cpu = run.cpu.iter().sum::<f64>() * OPERATIONS as f64
        / (run.operations.max(1) as f64 * (MESSAGES + KEPT) as f64);
    let requests = per_message(&measured.busy, measured.turns as f64);
    let need = |name, unit, of_one, measured_to| Need { name, unit, of_one, measured_to };
    let online = measured.sessions as f64 / ONLINE;
    let mut all = disks(
        &measured.kept,
        [
            "platform's disk: accounts and friends",
            "platform's disk: messages of a month",
            "platform's disk: footprints",
        ],
    );
    all.extend(disks(
        &measured.ring,
        [
            "on Cassandra, each copy: accounts and friends",
            "on Cassandra, each copy: messages of a month",
            "on Cassandra, each copy: footprints",
        ],
    ));
    all.extend([
        need("Openfire's heap: sessions of those online", " GB", ONLINE * bridge.heap / GIGABYTE, online),
        need(
            "of it by the bridge, and what the bridge has outside",
            " GB",
            ONLINE * (bridge.heap - bare.heap + bridge.outside - bare.outside) / GIGABYTE,
            online,
        ),
        need("messages in the busiest second", "", peak, f64::INFINITY),
        need("requests to the platform in that second", "", peak * requests, 0.0),
        need("cores in that second, Openfire and platform together", "", peak * cpu, 0.0),
        need(
            "journal, if the platform is away for an hour at that rate",
            " GB",
            peak * 3600.0 * measured.journaled / GIGABYTE,
            0.0,
        ),
    ]);
    all
}

/// What a user needs of a store's disk.
fn disks(kept: &Kept, names: [&'static str; 3]) -> Vec<Need> {
    let sizes = |kind: Kind| {
        let at = KINDS.iter().position(|(one, _)| *one == kind)?;
        kept.get(at).map(|(_, sizes)| sizes)
    };
    let disk = |kind| sizes(kind).and_then(|sizes| each(sizes, |size| size.disk as f64)).unwrap_or(f64::NAN);
    let tried = |kind| sizes(kind).and_then(|sizes| sizes.last()).map_or(0.0, |size| size.total as f64);
    let (accounts, friends, messages) = (Kind::Users, Kind::Friends, MESSAGES_A_DAY * DAYS);
    let costs = [
        (disk(accounts) + FRIENDS * disk(friends), tried(accounts).min(tried(friends) / FRIENDS)),
        (messages * disk(Kind::Delivered), tried(Kind::Delivered) / messages),
        (FOOTPRINTS * disk(Kind::Footprints), tried(Kind::Footprints) / FOOTPRINTS),
    ];
    let need =
        |(name, (bytes, measured_to))| Need { name, unit: " GB", of_one: bytes / GIGABYTE, measured_to };
    names.into_iter().zip(costs).map(need).collect()
}

const GIGABYTE: f64 = 1e9;

fn megabytes(bytes: f64) -> String {
    format!("{:.0}", bytes / 1024.0 / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::process::Memory;
    use crate::target::Run;

    fn sizes(few: usize, many: usize, bytes: u64) -> Vec<Size> {
        let size = |total: usize| Size {
            total,
            disk: 1000 + total as u64 * bytes,
            memory: Memory { resident: 10 << 20, anonymous: 5 << 20 },
        };
        vec![size(0), size(few), size(many)]
    }

    fn measured() -> Measured {
        let run = |cpu: &[f64]| Run { operations: 1000, seconds: 1.0, cpu: cpu.to_vec(), ..Run::default() };
        Measured {
            kept: KINDS
                .iter()
                .zip([100, 10, 200, 300, 50])
                .map(|((_, name), bytes)| (*name, sizes(1000, 100_000, bytes)))
                .collect(),
            ring: KINDS.iter().map(|(_, name)| (*name, sizes(100, 1000, 400))).collect(),
            sessions: 400,
            session: [Weight { heap: 10_240.0, outside: 0.0 }, Weight { heap: 20_480.0, outside: 5120.0 }],
            empty: [Weight { heap: 1e8, outside: 1e8 }; 2],
            held: 100,
            journaled: 500.0,
            busy: Requests::from([
                ("POST /v1/messages".to_owned(), 200),
                ("PUT /v1/nodes/{node}/lease".to_owned(), 999),
            ]),
            quiet: Requests::from([("POST /v1/messages".to_owned(), 800)]),
            turns: 40,
            runs: [
                (vec!["Openfire".into()], run(&[1.0])),
                (vec!["bridge".into(), "platform".into()], run(&[2.0, 0.5])),
            ],
            ..Measured::default()
        }
    }

    #[test]
    fn costs_are_those_of_one() {
        let page = page(&measured(), &["A machine.".to_owned()]);
        assert!(
            page.contains(
                "| user: account, two verifiers, name, mail | 100 | 0 | 1000 and 100000, measured |"
            ),
            "{page}"
        );
        assert!(page.contains("| friend: an entry of a list | 400 | 100 and 1000, measured |"), "{page}");
        assert!(page.contains("| session, all modules deciding | 20.0 | 5.0 | 400 sessions"), "{page}");
        assert!(page.contains("| `POST /v1/messages` | 5.00 | 20.0 |"), "{page}");
        assert!(!page.contains("lease` |"), "what comes with time is in no table");
        assert!(page.contains("That is 0.250 requests for a message (at most 1.00)"), "{page}");
        assert!(page.contains("measured: 2.00 in bridge, 0.500 in platform."), "{page}");
    }

    #[test]
    fn what_is_below_the_noise_is_no_negative_figure() {
        let mut less = measured();
        less.session[1] = Weight { heap: 5120.0, outside: 0.0 };
        let page = page(&less, &[]);
        let line = "of it by the bridge, and what the bridge has outside | too little to be told from none (measured) | too little";
        assert!(page.contains(line), "{page}");
    }

    #[test]
    fn what_is_beyond_the_measured_totals_says_so() {
        let page = page(&measured(), &[]);
        // 100 + 20 friends of 10 bytes; friends were tried to 100,000, which is 5,000 users.
        assert!(
            page.contains("accounts and friends | 0.000 GB (measured) | 0.300 GB (extrapolated) |"),
            "{page}"
        );
        // 600 messages of 200 bytes; 100,000 were tried, which is 167 users.
        assert!(
            page.contains("messages of a month | 0.120 GB (extrapolated) | 120 GB (extrapolated) |"),
            "{page}"
        );
        assert!(
            page.contains("sessions of those online | 0.004 GB (measured) | 4.10 GB (extrapolated) |"),
            "{page}"
        );
    }

    #[test]
    fn the_busiest_second_is_computed_from_the_assumptions() {
        let list = list(&measured());
        let amount = |name: &str| {
            let need = list.iter().find(|need| need.name.starts_with(name)).expect("a line");
            need.of_one * 1e6
        };
        let peak = 1e6 * 20.0 / 86_400.0 * 10.0;
        assert!((amount("messages in the busiest") - peak).abs() < 1e-6);
        assert!((amount("requests to the platform") - peak * 0.25).abs() < 1e-6);
        // 2.5 s for 40 turns of 20 messages.
        assert!((amount("cores in that second") - peak * 2.5 / 800.0).abs() < 1e-6);
        assert!((amount("journal") - peak * 3600.0 * 500.0 / 1e9).abs() < 1e-9);
    }
}
