//! The page and the picture of Fig. 13, made from what was measured and nothing else: whichever way it falls, these sentences say it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::chart::{self, Line, Panel, Point};
use crate::process::Part;
use crate::stats::{Spread, percentile, spread};
use crate::target::{Run, WORKERS};
use crate::work::{CONTACTS, KEPT, KINDS, MESSAGES, OPERATIONS};

/// How fast messages were kept until so many were.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// How many there are now.
    pub total: usize,
    /// How many came.
    pub count: usize,
    /// In what time.
    pub seconds: f64,
}

/// What was measured of one server.
#[derive(Debug, Default)]
struct Column {
    name: String,
    parts: Vec<String>,
    work: BTreeMap<usize, Vec<Run>>,
    kept: Vec<Kept>,
    beside: BTreeMap<usize, Vec<Run>>,
    /// Megabytes, by part, at the end.
    memory: Vec<f64>,
}

/// All that was measured. The first server is what the others are compared with.
#[derive(Debug, Default)]
pub struct Figures {
    columns: Vec<Column>,
    sizes: Vec<usize>,
    totals: Vec<usize>,
}

/// Where and how it was measured.
#[derive(Debug, Clone)]
pub struct Setting {
    /// The machine, its load before, the day, the versions: one sentence each.
    pub facts: Vec<String>,
    /// The longest that one server was given for one size.
    pub limit_seconds: u64,
}

impl Figures {
    /// None yet, of these servers and their parts.
    pub fn new(servers: impl IntoIterator<Item = (String, Vec<Part>)>) -> Self {
        let column = |(name, parts): (String, Vec<Part>)| Column {
            name,
            parts: parts.into_iter().map(|part| part.name).collect(),
            ..Column::default()
        };
        Self { columns: servers.into_iter().map(column).collect(), ..Self::default() }
    }

    /// A run of so many operations.
    pub fn work(&mut self, server: usize, operations: usize, run: Run) {
        self.columns[server].work.entry(operations).or_default().push(run);
    }

    /// A size was tried, whoever had time for it.
    pub fn tried(&mut self, operations: usize) {
        self.sizes.push(operations);
    }

    /// Messages were kept, for the sizes of the second part.
    pub fn tried_kept(&mut self, total: usize) {
        self.totals.push(total);
    }

    /// The runs of so many operations.
    #[must_use]
    pub fn runs(&self, server: usize, operations: usize) -> &[Run] {
        self.columns[server].work.get(&operations).map_or(&[], Vec::as_slice)
    }

    /// Messages were kept.
    pub fn filled(&mut self, server: usize, kept: Kept) {
        self.columns[server].kept.push(kept);
    }

    /// A run while so many are kept.
    pub fn beside(&mut self, server: usize, kept: usize, run: Run) {
        self.columns[server].beside.entry(kept).or_default().push(run);
    }

    /// What the parts have in memory at the end, in megabytes.
    pub fn memory(&mut self, server: usize, megabytes: Vec<f64>) {
        self.columns[server].memory = megabytes;
    }

    /// The picture.
    #[must_use]
    pub fn svg(&self) -> String {
        let panels = [
            self.panel("seconds for so many operations", |column| &column.work, |run| run.seconds),
            self.panel("CPU ms per operation, all processes", |column| &column.work, cpu_of_one),
            self.panel(
                "ms per operation, so many messages kept",
                |column| &column.beside,
                |run| run.seconds * 1e3 / run.operations as f64,
            ),
        ];
        chart::svg(
            "One workload through the whole path as data grows (median; bars: least and most)",
            &panels,
        )
    }

    fn panel(
        &self,
        title: &str,
        of: impl Fn(&Column) -> &BTreeMap<usize, Vec<Run>>,
        value: impl Fn(&Run) -> f64,
    ) -> Panel {
        let lines: Vec<Line> = self
            .columns
            .iter()
            .map(|column| Line {
                name: column.name.clone(),
                points: of(column)
                    .iter()
                    .filter_map(|(x, runs)| {
                        let Spread { median, min, max } = spread(runs.iter().map(&value))?;
                        Some(Point { x: *x as f64, y: median, spread: (min, max) })
                    })
                    .collect(),
            })
            .collect();
        let ends =
            lines.iter().flat_map(|line| &line.points).flat_map(|point| [point.spread.0, point.spread.1]);
        Panel { title: title.to_owned(), range: chart::decades(ends), lines }
    }

    /// The page.
    #[must_use]
    pub fn page(&self, setting: &Setting) -> String {
        let mut out = head(setting);
        out.push_str(&self.findings());
        out.push_str(&self.times(setting));
        out.push_str(&self.parts());
        out.push_str(&self.kinds());
        out.push_str(&self.kept(setting));
        out.push_str(LIMITS);
        out
    }

    /// The largest size that all servers have.
    fn common(&self) -> Option<usize> {
        let (first, others) = self.columns.split_first()?;
        first
            .work
            .keys()
            .rev()
            .find(|size| others.iter().all(|column| column.work.contains_key(size)))
            .copied()
    }

    fn findings(&self) -> String {
        let mut out = String::from("## What came out\n\n");
        for (at, column) in self.columns.iter().enumerate() {
            let (Some((least, few)), Some((most, many))) =
                (column.work.first_key_value(), column.work.last_key_value())
            else {
                let _ = writeln!(out, "- **{}**: not measured.", column.name);
                continue;
            };
            let one = |runs: &[Run], value: fn(&Run) -> f64| {
                spread(runs.iter().map(value)).map_or(0.0, |s| s.median)
            };
            let _ = write!(
                out,
                "- **{}**: {most} operations took {} s, {} a second",
                column.name,
                short(one(many, |run| run.seconds)),
                short(*most as f64 / one(many, |run| run.seconds))
            );
            if let Some(times) = self.multiple(at, *most).filter(|_| at > 0) {
                let _ = write!(out, ", {} times as long as {}", short(times.median), self.columns[0].name);
            }
            let _ = writeln!(
                out,
                "; an operation cost {} ms of CPU. From {least} to {most} operations the time of one went from {} to {} ms.",
                short(one(many, cpu_of_one)),
                short(one(few, millis_of_one)),
                short(one(many, millis_of_one))
            );
        }
        out.push('\n');
        out
    }

    /// The time as a multiple of the first server's, by rounds.
    fn multiple(&self, server: usize, operations: usize) -> Option<Spread> {
        multiple(self.runs(server, operations), self.runs(0, operations))
    }

    fn times(&self, setting: &Setting) -> String {
        let mut out = String::from(
            "## As more is done\n\n| operations | server | rounds | s, median (min..max) | operations/s | CPU ms per operation | time as a multiple of the first, median (min..max of rounds) |\n\
             |---:|---|---:|---|---:|---:|---|\n",
        );
        for size in &self.sizes {
            for (at, column) in self.columns.iter().enumerate() {
                let row = row(self.runs(at, *size), self.runs(0, *size), setting);
                let _ = writeln!(out, "| {size} | {} | {row} |", column.name);
            }
        }
        out.push('\n');
        out
    }

    fn parts(&self) -> String {
        let Some(size) = self.common() else { return String::new() };
        let mut out = format!(
            "## Who works, at {size} operations\n\nThe last column is what a process alone would allow if it had one core to itself and nothing else held it up: an upper bound, computed, not measured.\n\n\
             | server | part | CPU ms per operation | share | memory at the end, MB | operations/s that fill one core |\n|---|---|---:|---:|---:|---:|\n"
        );
        for (at, column) in self.columns.iter().enumerate() {
            let runs = self.runs(at, size);
            let all = spread(runs.iter().map(cpu_of_one)).map_or(0.0, |s| s.median);
            for (part, name) in column.parts.iter().enumerate() {
                let one = spread(runs.iter().map(|run| run.cpu[part] * 1e3 / run.operations as f64));
                let one = one.map_or(0.0, |s| s.median);
                let memory = column.memory.get(part).map_or("-".to_owned(), |mb| format!("{mb:.0}"));
                let fills = if one > 0.0 { short(1e3 / one) } else { "-".to_owned() };
                let _ = writeln!(
                    out,
                    "| {} | {name} | {} | {:.0} % | {memory} | {fills} |",
                    column.name,
                    short(one),
                    if all > 0.0 { one / all * 100.0 } else { 0.0 },
                );
            }
        }
        let load = self.columns.iter().enumerate().flat_map(|(at, _)| self.runs(at, size));
        if let Some(load) = spread(load.map(|run| run.load_cpu * 1e3 / run.operations as f64)) {
            let _ = writeln!(
                out,
                "\nThe load itself cost {} ({}..{}) ms of CPU per operation on the same cores, in no figure of the table.",
                short(load.median),
                short(load.min),
                short(load.max)
            );
        }
        out.push('\n');
        out
    }

    fn kinds(&self) -> String {
        let Some(size) = self.common() else { return String::new() };
        let mut out = format!(
            "## What a person waits, at {size} operations\n\nMilliseconds, median / 99th percentile of all rounds, {WORKERS} at a time.\n\n| what |"
        );
        for column in &self.columns {
            let _ = write!(out, " {} |", column.name);
        }
        out.push_str("\n|---|");
        out.push_str(&"---:|".repeat(self.columns.len()));
        out.push('\n');
        for (kind, (_, name)) in KINDS.iter().enumerate() {
            let _ = write!(out, "| {name} |");
            for at in 0..self.columns.len() {
                let all = || self.runs(at, size).iter().flat_map(|run| run.times[kind].iter().copied());
                let pair = percentile(all(), 50).zip(percentile(all(), 99));
                let text = pair
                    .map_or("-".to_owned(), |(median, p99)| format!("{} / {}", short(median), short(p99)));
                let _ = write!(out, " {text} |");
            }
            out.push('\n');
        }
        out.push('\n');
        out
    }

    fn kept(&self, setting: &Setting) -> String {
        let mut out = String::from(
            "## As more is kept\n\nMessages to people who never come, through the whole path; then the same workload beside them.\n\n\
             | messages kept | server | kept per second | rounds | s, median (min..max) | operations/s | CPU ms per operation | time as a multiple of the first, median (min..max of rounds) |\n\
             |---:|---|---:|---:|---|---:|---:|---|\n",
        );
        let none = Vec::new();
        for total in &self.totals {
            let first = self.columns.first().and_then(|column| column.beside.get(total)).unwrap_or(&none);
            for column in &self.columns {
                let speed = column.kept.iter().find(|kept| kept.total == *total);
                let speed = speed.map_or("-".to_owned(), |kept| short(kept.count as f64 / kept.seconds));
                let row = row(column.beside.get(total).unwrap_or(&none), first, setting);
                let _ = writeln!(out, "| {total} | {} | {speed} | {row} |", column.name);
            }
        }
        out.push('\n');
        out
    }
}

/// Rounds, time, speed, CPU and multiple, as cells.
fn row(runs: &[Run], first: &[Run], setting: &Setting) -> String {
    let Some(seconds) = spread(runs.iter().map(|run| run.seconds)) else {
        return format!("0 | left out: more than {} s | - | - | -", setting.limit_seconds);
    };
    let cpu = spread(runs.iter().map(cpu_of_one)).map_or(0.0, |s| s.median);
    let times = multiple(runs, first).map_or("-".to_owned(), shown);
    let speed = runs.first().map_or(0.0, |run| run.operations as f64 / seconds.median);
    format!("{} | {} | {} | {} | {times}", runs.len(), shown(seconds), short(speed), short(cpu))
}

fn multiple(runs: &[Run], first: &[Run]) -> Option<Spread> {
    spread(runs.iter().zip(first).map(|(run, first)| run.seconds / first.seconds))
}

fn millis_of_one(run: &Run) -> f64 {
    run.seconds * 1e3 / run.operations as f64
}

fn cpu_of_one(run: &Run) -> f64 {
    run.cpu.iter().sum::<f64>() * 1e3 / run.operations as f64
}

fn shown(spread: Spread) -> String {
    format!("{} ({}..{})", short(spread.median), short(spread.min), short(spread.max))
}

/// Three digits that count.
#[must_use]
pub fn short(value: f64) -> String {
    let digits = match value.abs() {
        large if large >= 100.0 => 0,
        medium if medium >= 10.0 => 1,
        small if small >= 1.0 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

fn head(setting: &Setting) -> String {
    let facts: Vec<String> = setting.facts.iter().map(|fact| format!("- {fact}\n")).collect();
    format!(
        "# Fig. 13: one workload as data grows\n\n\
         Written by `cargo xtask bench fig13`. The paper that this project comes from (README) compares in its Fig. 13 how long one machine and a cloud platform take as the data grows. This page asks the same of what was built,\n\
         through the whole path: an XMPP stanza goes in at a client's socket, and the time ends when what it is for has come out at a client's socket.\n\n\
         ![seconds, CPU and time per operation against the amount of data](fig13.svg)\n\n\
         ## What was measured\n\n{}\n\
         The workload is a mix of {OPERATIONS} operations, repeated: {MESSAGES} messages between two people who are online, {CONTACTS} contacts renamed, {KEPT} messages to somebody who is away, that one's login (TCP, TLS,\n\
         password) and taking them over, and one change of state that a contact sees. {WORKERS} workers do it at the same time, each one thing after the other. Every message carries its number; what is lost, doubled, out of order or\n\
         refused ends the run without a figure. On the bridge all modules of this workload (chat, state, user, friend) are in decide mode, and the run fails if the platform did not decide every single message. All clients use TLS,\n\
         on bare Openfire as well. All servers run at the same time, one of them under load at any moment; rounds are interleaved and their order rotates. CPU is what the server's processes spent on cores until nothing was left to do.\n\n",
        facts.concat()
    )
}

/// What the page says whatever came out.
const LIMITS: &str = "## What this can show, and what it cannot

- Bare Openfire keeps what it keeps in the HSQLDB inside its own process; the platform keeps more of each message (also those that were delivered, as history) in a process of its own or on other
  machines. That the whole path costs more than no path is what had to be expected; the page says how much.
- A few cores are shared by the load, by Openfire, by the platform and by every database node. Three database nodes keep three copies: on one machine that is three times the writing on the same cores, so the
  clock shows what copies cost and nothing of what they are for, that users and messages are spread over machines and that one may die.
- A bridge asks one platform instance at a time and goes to the next when that one is gone. With one Openfire the other instances stand by; several Openfires would use several.
- So what carries over to other machines is the CPU per operation and its share by process, not the seconds: the part that fills a core first is the limit of a deployment that gives each part a machine,
  as long as the network between them is not. That bound is computed; no second machine was there to confirm it.
- That the time of one operation stays where it is as data grows is visible as far as the axes go, and no further. The store alone was taken to 1,000,000 (`crates/im-platform/docs/scale.md`).
- The clients are on the same machine: there is no network in any time.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str) -> Part {
        Part { name: name.to_owned(), pids: vec![1] }
    }

    fn run(seconds: f64, cpu: &[f64]) -> Run {
        let times = [vec![1.0, 2.0, 3.0], vec![], vec![5.0], vec![6.0], vec![7.0]];
        Run { operations: 100, seconds, cpu: cpu.to_vec(), load_cpu: 0.01, times }
    }

    fn figures() -> Figures {
        let mut figures = Figures::new([
            ("bare".to_owned(), vec![part("Openfire")]),
            ("bridge".to_owned(), vec![part("Openfire with the bridge"), part("platform")]),
        ]);
        figures.tried(100);
        figures.tried(1000);
        for (bare, bridge) in [(1.0, 3.0), (2.0, 4.0), (4.0, 20.0)] {
            figures.work(0, 100, run(bare, &[0.5]));
            figures.work(1, 100, run(bridge, &[0.6, 0.2]));
        }
        figures.work(0, 1000, run(5.0, &[2.0]));
        figures.tried_kept(500);
        figures.filled(0, Kept { total: 500, count: 500, seconds: 0.25 });
        figures.beside(0, 500, run(2.0, &[1.0]));
        figures.memory(1, vec![400.0, 20.0]);
        figures
    }

    fn page() -> String {
        figures().page(&Setting { facts: vec!["A machine.".to_owned()], limit_seconds: 60 })
    }

    #[test]
    fn multiples_are_taken_round_by_round() {
        let times = figures().multiple(1, 100).expect("rounds");
        assert_eq!(
            (times.median, times.min, times.max),
            (3.0, 2.0, 5.0),
            "not the ratio of the medians, which is 2"
        );
        assert!(figures().multiple(1, 1000).is_none());
    }

    #[test]
    fn every_figure_of_a_row_is_computed_from_its_runs() {
        let page = page();
        assert!(
            page.contains("| 100 | bare | 3 | 2.00 (1.00..4.00) | 50.0 | 5.00 | 1.00 (1.00..1.00) |"),
            "{page}"
        );
        assert!(
            page.contains("| 100 | bridge | 3 | 4.00 (3.00..20.0) | 25.0 | 8.00 | 3.00 (2.00..5.00) |"),
            "{page}"
        );
        assert!(page.contains("| bridge | platform | 2.00 | 25 % | 20 | 500 |"), "{page}");
        assert!(page.contains("| bare | Openfire | 5.00 | 100 % | - | 200 |"), "{page}");
        assert!(
            page.contains("a message, both online, until it is there | 2.00 / 3.00 | 2.00 / 3.00 |"),
            "{page}"
        );
        assert!(page.contains("the answer | - | - |"), "a kind that was never done is no zero");
        assert!(page.contains("| 500 | bare | 2000 | 1 | 2.00 (2.00..2.00) |"), "{page}");
    }

    #[test]
    fn what_was_left_out_is_said() {
        let page = page();
        assert!(page.contains("| 1000 | bridge | 0 | left out: more than 60 s | - | - | - |"), "{page}");
        assert!(page.contains("| 500 | bridge | - | 0 | left out: more than 60 s |"), "{page}");
    }

    #[test]
    fn parts_are_compared_at_the_largest_size_that_all_have() {
        assert_eq!(figures().common(), Some(100));
        assert!(page().contains("## Who works, at 100 operations"));
    }

    #[test]
    fn the_picture_has_a_line_for_each_server_and_the_extremes() {
        let drawn = figures().svg();
        assert_eq!(drawn.matches("<polyline").count(), 6);
        assert!(drawn.contains(">bare</text>") && drawn.contains(">bridge</text>"));
        assert!(drawn.contains("stroke-opacity"), "rounds differ");
    }

    #[test]
    fn three_digits() {
        let shown: Vec<String> = [0.0123, 1.234, 12.34, 123.4, 12345.6].map(short).into();
        assert_eq!(shown, ["0.012", "1.23", "12.3", "123", "12346"]);
    }
}
