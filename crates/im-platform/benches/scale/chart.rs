//! The figures as a picture: one panel per kind of total, both axes logarithmic, one line per operation. Plain SVG, written by hand so that no
//! library is needed for a few lines and labels; legible on light and on dark pages.

use std::fmt::Write as _;

/// One measured line of the table.
#[derive(Debug, Clone)]
pub struct Row {
    /// What there are many of.
    pub what: &'static str,
    /// How many.
    pub total: usize,
    /// What is done.
    pub operation: &'static str,
    /// Median in microseconds.
    pub median: f64,
    /// 99th percentile in microseconds.
    pub p99: f64,
}

const COLOURS: [&str; 6] = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf"];
const PANEL: f64 = 330.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 50.0;
const HIGH: f64 = 260.0;
const WIDE: f64 = 250.0;
/// Microseconds at the lower and upper edge.
const RANGE: (f64, f64) = (10.0, 10_000.0);

/// The picture.
pub fn svg(rows: &[Row]) -> String {
    let mut panels: Vec<&str> = rows.iter().map(|r| r.what).collect();
    panels.dedup();
    panels.sort_unstable();
    panels.dedup();
    let width = LEFT + PANEL * panels.len() as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} 440\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"14\">Median of an operation in microseconds, by how many there are</text>\n"
    );
    for (i, what) in panels.iter().enumerate() {
        panel(&mut out, LEFT + PANEL * i as f64, what, rows);
    }
    out.push_str("</svg>\n");
    out
}

fn panel(out: &mut String, x: f64, what: &str, rows: &[Row]) {
    let rows: Vec<&Row> = rows.iter().filter(|r| r.what == what).collect();
    let (mut totals, mut operations): (Vec<usize>, Vec<&str>) = (Vec::new(), Vec::new());
    for row in &rows {
        if !totals.contains(&row.total) {
            totals.push(row.total);
        }
        if !operations.contains(&row.operation) {
            operations.push(row.operation);
        }
    }
    totals.sort_unstable();
    let (Some(first), Some(last)) = (totals.first(), totals.last()) else { return };
    let (from, span) = ((*first as f64).log10(), ((*last as f64) / (*first as f64)).log10().max(1.0));
    let across = |total: usize| x + ((total as f64).log10() - from) / span * WIDE;
    let up = |micros: f64| {
        let share = (micros.clamp(RANGE.0, RANGE.1) / RANGE.0).log10() / (RANGE.1 / RANGE.0).log10();
        TOP + HIGH * (1.0 - share)
    };
    // Writing to a String does not fail.
    let _ = writeln!(out, "<text x=\"{x:.0}\" y=\"{:.0}\" font-weight=\"bold\">{what}</text>", TOP - 10.0);
    let mut micros = RANGE.0;
    while micros <= RANGE.1 {
        let y = up(micros);
        let _ = writeln!(
            out,
            "<path d=\"M{x:.0} {y:.1}h{WIDE}\" stroke=\"#ddd\"/><text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#555\">{micros:.0}</text>",
            x - 6.0,
            y + 4.0
        );
        micros *= 10.0;
    }
    for total in &totals {
        let at = across(*total);
        let bottom = TOP + HIGH;
        let _ = writeln!(
            out,
            "<path d=\"M{at:.1} {TOP}v{HIGH}\" stroke=\"#eee\"/><text x=\"{at:.1}\" y=\"{:.0}\" text-anchor=\"middle\" fill=\"#555\">{total}</text>",
            bottom + 16.0
        );
    }
    for (operation, colour) in operations.iter().zip(COLOURS.iter().cycle()) {
        let mut points: Vec<(usize, f64)> =
            rows.iter().filter(|r| r.operation == *operation).map(|r| (r.total, r.median)).collect();
        points.sort_unstable_by_key(|(total, _)| *total);
        let line: Vec<String> = points
            .iter()
            .map(|(total, median)| format!("{:.1},{:.1}", across(*total), up(*median)))
            .collect();
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            line.join(" ")
        );
        for point in &line {
            let (cx, cy) = point.split_once(',').unwrap_or_default();
            let _ = writeln!(out, "<circle cx=\"{cx}\" cy=\"{cy}\" r=\"3\" fill=\"{colour}\"/>");
        }
    }
    for (i, (operation, colour)) in operations.iter().zip(COLOURS.iter().cycle()).enumerate() {
        let y = TOP + HIGH + 40.0 + 16.0 * i as f64;
        let _ = writeln!(
            out,
            "<path d=\"M{x:.0} {:.0}h16\" stroke=\"{colour}\" stroke-width=\"3\"/><text x=\"{:.0}\" y=\"{y:.0}\">{operation}</text>",
            y - 4.0,
            x + 22.0
        );
    }
}

/// The table as Markdown.
pub fn table(rows: &[Row]) -> String {
    let mut out = String::from(
        "| what | total | operation | median µs | p99 µs |\n| --- | ---: | --- | ---: | ---: |\n",
    );
    for Row { what, total, operation, median, p99 } in rows {
        let _ = writeln!(out, "| {what} | {total} | {operation} | {median:.0} | {p99:.0} |");
    }
    out
}
