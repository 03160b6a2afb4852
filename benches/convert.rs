//! tmp
#[path = "convert/inside.rs"]
mod inside;
#[path = "convert/kinds.rs"]
mod kinds;
use std::time::Instant;
fn time(mut f: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..15 {
        let n = 200;
        let t = Instant::now();
        for _ in 0..n {
            f();
        }
        best = best.min(t.elapsed().as_nanos() as f64 / n as f64);
    }
    best
}
fn main() {
    let mut ours = inside::Ours::default();
    let (mut geo, mut geo2, mut n) = (0.0, 0.0, 0);
    println!(
        "{:10} {:>7} {:>9} {:>9} {:>9} {:>9} {:>9} {:>9} | {:>6} {:>6} | {:>9} {:>9}",
        "kind",
        "bytes",
        "drain",
        "drainall",
        "parse",
        "encode",
        "ours",
        "value",
        "/drain",
        "value/",
        "back",
        "valueback"
    );
    for (name, xml) in kinds::kinds() {
        let drain = time(|| {
            inside::drain(&xml);
        });
        let drain_all = time(|| {
            inside::drain_all(&xml);
        });
        let mut st = cloudbridge::stanza::Stanza::default();
        let parse = time(|| {
            st.parse_into(xml.as_bytes(), &Default::default()).unwrap();
        });
        let mut o = Vec::new();
        let enc = time(|| {
            o.clear();
            cloudbridge::stanza::json::encode(&st, Default::default(), &mut o);
        });
        let all = time(|| {
            ours.to_json(xml.as_bytes());
        });
        let mut out = Vec::new();
        let value = time(|| inside::value_to_json(&xml, &mut out));
        let vj = out.clone();
        let json = ours.to_json(xml.as_bytes()).to_vec();
        let back = time(|| {
            ours.to_xml(&json);
        });
        let vback = time(|| inside::value_to_xml(&vj, &mut out));
        geo += (all / drain).ln();
        geo2 += (value / all).ln();
        n += 1;
        println!(
            "{name:10} {:7} {drain:9.0} {drain_all:9.0} {parse:9.0} {enc:9.0} {all:9.0} {value:9.0} | {:6.2} {:6.2} | {back:9.0} {vback:9.0}",
            xml.len(),
            all / drain,
            value / all
        );
    }
    println!("geomean ours/drain {:.2}, value/ours {:.2}", (geo / n as f64).exp(), (geo2 / n as f64).exp());
}
