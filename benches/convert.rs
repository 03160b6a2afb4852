//! XML to JSON and back beside other ways of doing it: `cargo xtask bench convert` (or `cargo bench --bench convert`).
//!
//! One run, one corpus, interleaved: in every round each contender converts each kind of stanza for a few milliseconds, in an order that rotates; a ratio is
//! taken inside a round, the table shows the median of the rounds and the least. Contenders in other languages come from their registries and are warmed up
//! first; one that cannot be had is left out and said so. What is measured is CPU time, garbage collectors included, compilers of running
//! code left out, so that neighbours on the machine disturb little; still, run it on a quiet one.
//!
//! `cargo xtask bench convert ROUNDS` (default 15).

#[path = "convert/inside.rs"]
mod inside;
#[path = "convert/kinds.rs"]
mod kinds;
#[path = "convert/peers.rs"]
mod peers;

use std::path::{Path, PathBuf};

use peers::Peer;
use rustix::time::{ClockId, clock_gettime};

/// How long a contender works on one kind in one round.
const SLICE_NS: f64 = 5_000_000.0;

/// One way of converting, in one direction. The first of each direction is ours.
struct Contender {
    name: &'static str,
    back: bool,
    how: How,
}

enum How {
    Ours,
    Drain,
    DrainAll,
    Value,
    /// Index of the peer, and its word for the work.
    Peer(usize, &'static str),
}

/// Builds and starts a peer.
type Make = fn(&Path) -> Result<Peer, String>;
/// Name in the table, the peer's word for it, and whether it goes back to XML.
type Way = (&'static str, &'static str, bool);

struct Kind {
    name: &'static str,
    xml: String,
    /// Ours and the generic form of the `Value` way.
    json: Vec<u8>,
    value: Vec<u8>,
}

fn main() {
    let rounds: usize = std::env::args().filter_map(|a| a.parse().ok()).next().unwrap_or(15);
    let mut ours = inside::Ours::default();
    let kinds: Vec<Kind> = kinds::kinds()
        .into_iter()
        .map(|(name, xml)| {
            let json = ours.json(xml.as_bytes()).to_vec();
            let mut value = Vec::new();
            inside::value_to_json(&xml, &mut value);
            Kind { name, xml, json, value }
        })
        .collect();

    let work = work();
    let mut peers: Vec<Peer> = Vec::new();
    let mut contenders = vec![
        Contender { name: "ours", back: false, how: How::Ours },
        Contender { name: "drain", back: false, how: How::Drain },
        Contender { name: "drain+ns", back: false, how: How::DrainAll },
        Contender { name: "Value", back: false, how: How::Value },
        Contender { name: "ours", back: true, how: How::Ours },
        Contender { name: "Value", back: true, how: How::Value },
    ];
    let made: [(&str, Make, &[Way]); 2] = [
        (
            "Java",
            peers::java,
            &[
                ("SAXReader", "parse-again", false),
                ("parseText", "parse-text", false),
                ("in process", "in-process", false),
                ("Java", "to-bytes", true),
            ],
        ),
        ("stanza.js", peers::node, &[("stanza.js", "to-json", false), ("stanza.js", "to-xml", true)]),
    ];
    for (name, make, ways) in made {
        eprintln!("{name}: fetching and building");
        match make(&work).and_then(|mut peer| load(&mut peer, &kinds, &work).map(|()| peer)) {
            Err(error) => println!("{name} is left out: {error}"),
            Ok(peer) => {
                peers.push(peer);
                let at = peers.len() - 1;
                contenders.extend(ways.iter().map(|(name, what, back)| Contender {
                    name,
                    back: *back,
                    how: How::Peer(at, what),
                }));
            }
        }
    }

    // How many conversions fill a slice; measuring it twice is the warm-up.
    let mut times = vec![vec![1u64; kinds.len()]; contenders.len()];
    for slice in [SLICE_NS, 40.0 * SLICE_NS, SLICE_NS] {
        for (contender, times) in contenders.iter().zip(&mut times) {
            for (kind, times) in kinds.iter().zip(times) {
                let once = run(contender, kind, *times, &mut ours, &mut peers) / *times as f64;
                *times = ((slice / once) as u64).max(1);
            }
        }
        for (contender, times) in contenders.iter().zip(&times) {
            for (kind, times) in kinds.iter().zip(times) {
                run(contender, kind, *times, &mut ours, &mut peers);
            }
        }
    }

    // [contender][kind][round] = nanoseconds of one conversion
    let mut results = vec![vec![Vec::with_capacity(rounds); kinds.len()]; contenders.len()];
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        for (at, kind) in kinds.iter().enumerate() {
            for turn in 0..contenders.len() {
                let who = (turn + round + at) % contenders.len();
                let took = run(&contenders[who], kind, times[who][at], &mut ours, &mut peers);
                results[who][at].push(took / times[who][at] as f64);
            }
        }
    }
    for back in [false, true] {
        table(back, &contenders, &kinds, &results);
    }
    goals(&contenders, &kinds, &results);
}

fn work() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let work =
        target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target")).join("bench-convert");
    std::fs::create_dir_all(&work).expect("a folder to work in");
    work
}

fn load(peer: &mut Peer, kinds: &[Kind], work: &Path) -> Result<(), String> {
    for kind in kinds {
        let path = work.join(format!("{}.xml", kind.name));
        std::fs::write(&path, &kind.xml).map_err(|e| e.to_string())?;
        peer.ask(&format!("load {} {}", kind.name, path.display()))?;
    }
    Ok(())
}

/// CPU time of `times` conversions in nanoseconds.
fn run(contender: &Contender, kind: &Kind, times: u64, ours: &mut inside::Ours, peers: &mut [Peer]) -> f64 {
    let mut out = Vec::new();
    let start = cpu();
    for _ in 0..times {
        let size = match (&contender.how, contender.back) {
            (How::Ours, false) => ours.json(kind.xml.as_bytes()).len(),
            (How::Ours, true) => ours.xml(&kind.json).len(),
            (How::Drain, _) => inside::drain(&kind.xml),
            (How::DrainAll, _) => inside::drain_all(&kind.xml),
            (How::Value, false) => inside::value_to_json(&kind.xml, &mut out),
            (How::Value, true) => inside::value_to_xml(&kind.value, &mut out),
            (How::Peer(at, what), _) => {
                return peers[*at].run(what, kind.name, times).expect("a peer that works");
            }
        };
        std::hint::black_box(size);
    }
    cpu() - start
}

fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn median(values: &[f64]) -> f64 {
    sorted(values.to_vec())[values.len() / 2]
}

/// Median and least of the ratios, round by round.
fn ratio(theirs: &[f64], ours: &[f64]) -> (f64, f64) {
    let ratios = sorted(theirs.iter().zip(ours).map(|(theirs, ours)| theirs / ours).collect());
    (ratios[ratios.len() / 2], ratios[0])
}

fn geometric(values: impl Iterator<Item = f64> + Clone) -> f64 {
    (values.clone().map(f64::ln).sum::<f64>() / values.count() as f64).exp()
}

type Results = [Vec<Vec<f64>>];

/// Who converts in this direction, ours first.
fn of(back: bool, contenders: &[Contender]) -> Vec<usize> {
    (0..contenders.len()).filter(|at| contenders[*at].back == back).collect()
}

fn table(back: bool, contenders: &[Contender], kinds: &[Kind], results: &Results) {
    let who = of(back, contenders);
    println!(
        "\n{}: time of each / ours (median of rounds; in brackets the least)\n",
        if back { "JSON to XML" } else { "XML to JSON" }
    );
    print!("| kind | bytes | ours ns |");
    who[1..].iter().for_each(|at| print!(" {} |", contenders[*at].name));
    print!("\n|---|---:|---:|");
    who[1..].iter().for_each(|_| print!("---:|"));
    println!();
    for (k, kind) in kinds.iter().enumerate() {
        let bytes = if back { kind.json.len() } else { kind.xml.len() };
        print!("| {} | {bytes} | {:.0} |", kind.name, median(&results[who[0]][k]));
        for at in &who[1..] {
            let (median, least) = ratio(&results[*at][k], &results[who[0]][k]);
            print!(" {median:.2} ({least:.2}) |");
        }
        println!();
    }
    print!("| **geometric mean** | | |");
    for at in &who[1..] {
        print!(" **{:.2}** |", mean(*at, who[0], results));
    }
    println!();
}

fn mean(at: usize, ours: usize, results: &Results) -> f64 {
    geometric((0..results[at].len()).map(|k| ratio(&results[at][k], &results[ours][k]).0))
}

/// Goals 1 to 3 of the project, each said to be met or not.
fn goals(contenders: &[Contender], kinds: &[Kind], results: &Results) {
    println!("\n| goal | wanted | measured | |\n|---|---|---:|---|");
    let line = |what: &str, wanted: &str, measured: f64, met: bool| {
        println!("| {what} | {wanted} | {measured:.2} | {} |", if met { "met" } else { "**not met**" });
    };
    let find =
        |name: &str, back: bool| of(back, contenders).into_iter().find(|at| contenders[*at].name == name);
    let (to, back) = (of(false, contenders)[0], of(true, contenders)[0]);
    if let Some(sax) = find("SAXReader", false) {
        let value = mean(sax, to, results);
        line("1: Java that parses again / ours", ">= 10", value, value >= 10.0);
        let least =
            (0..kinds.len()).map(|k| ratio(&results[sax][k], &results[to][k]).0).fold(f64::MAX, f64::min);
        line("1: the same, worst kind", ">= 5", least, least >= 5.0);
    }
    if let Some(js) = find("stanza.js", false) {
        let value = mean(js, to, results);
        line("1: stanza.js / ours", ">= 20", value, value >= 20.0);
    }
    if let Some(drain) = find("drain", false) {
        let value = 1.0 / mean(drain, to, results);
        line("2: ours / quick-xml drained", "<= 2.5", value, value <= 2.5);
    }
    if let Some(plain) = find("Value", false) {
        let value = mean(plain, to, results);
        line("2: serde_json::Value / ours", ">= 2", value, value >= 2.0);
    }
    let per_byte = |name: &str| {
        kinds
            .iter()
            .position(|kind| kind.name == name)
            .map(|k| median(&results[to][k]) / kinds[k].xml.len() as f64)
    };
    if let Some((small, large)) = per_byte("body16k").zip(per_byte("body160k")) {
        line("2: cost of a byte at 160 kB / at 16 kB", "<= 1.25", large / small, large / small <= 1.25);
    }
    if let Some(java) = find("Java", true) {
        let value = mean(java, back, results);
        line("3: JSON to XML, Java to bytes / ours", ">= 4", value, value >= 4.0);
    }
    if let Some(js) = find("stanza.js", true) {
        let value = mean(js, back, results);
        line("3: JSON to XML, stanza.js / ours", ">= 10", value, value >= 10.0);
    }
    if let Some(inside) = find("in process", false) {
        let value = mean(inside, to, results);
        println!(
            "| Java in process (the tree is there already) / ours | none | {value:.2} | {} |",
            if value < 1.0 { "**Java is ahead**" } else { "" }
        );
    }
}
