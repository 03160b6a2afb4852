//! Figures as a picture: panels side by side, both axes logarithmic, one line each for what is compared. Plain SVG, written by hand so that no library is
//! needed for a few lines and labels; legible on light and on dark pages.

use std::fmt::Write as _;

/// One panel.
#[derive(Debug, Clone)]
pub struct Panel {
    /// What stands above it.
    pub title: String,
    /// The lowest and the highest value that it shows; what is beyond is drawn at its edge.
    pub range: (f64, f64),
    /// What is compared.
    pub lines: Vec<Line>,
}

/// One line of a panel.
#[derive(Debug, Clone)]
pub struct Line {
    /// What stands in the legend.
    pub name: String,
    /// Its points, in any order.
    pub points: Vec<Point>,
}

/// One measured value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// How many there are.
    pub x: f64,
    /// The value.
    pub y: f64,
    /// The lowest and the highest value measured, drawn as a bar when they differ.
    pub spread: (f64, f64),
}

impl Point {
    /// A value without its spread.
    #[must_use]
    pub fn new(x: f64, y: f64) -> Self {
        Self { x, y, spread: (y, y) }
    }
}

const COLOURS: [&str; 6] = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf"];
const PANEL: f64 = 330.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 50.0;
const HIGH: f64 = 260.0;
const WIDE: f64 = 250.0;

/// The picture.
#[must_use]
pub fn svg(title: &str, panels: &[Panel]) -> String {
    let width = LEFT + PANEL * panels.len() as f64;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} 440\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n\
         <text x=\"{LEFT}\" y=\"20\" font-size=\"14\">{}</text>\n",
        escaped(title)
    );
    for (i, panel) in panels.iter().enumerate() {
        draw(&mut out, LEFT + PANEL * i as f64, panel);
    }
    out.push_str("</svg>\n");
    out
}

/// The powers of ten around all values, at least one decade.
#[must_use]
pub fn decades(values: impl IntoIterator<Item = f64>) -> (f64, f64) {
    let (mut low, mut high) = (f64::INFINITY, f64::NEG_INFINITY);
    for value in values.into_iter().filter(|value| *value > 0.0) {
        low = low.min(value.log10().floor());
        high = high.max(value.log10().ceil());
    }
    if low > high {
        return (1.0, 10.0);
    }
    (power(low), power(high.max(low + 1.0)))
}

fn power(exponent: f64) -> f64 {
    10_f64.powi(exponent as i32)
}

fn draw(out: &mut String, x: f64, panel: &Panel) {
    let mut totals: Vec<f64> = Vec::new();
    for point in panel.lines.iter().flat_map(|line| &line.points) {
        if !totals.contains(&point.x) {
            totals.push(point.x);
        }
    }
    totals.sort_unstable_by(f64::total_cmp);
    let (Some(first), Some(last)) = (totals.first(), totals.last()) else { return };
    let (from, span) = (first.log10(), (last / first).log10().max(1.0));
    let across = |total: f64| x + (total.log10() - from) / span * WIDE;
    let (lowest, highest) = panel.range;
    let up = |value: f64| {
        let share = (value.clamp(lowest, highest) / lowest).log10() / (highest / lowest).log10();
        TOP + HIGH * (1.0 - share)
    };
    // Writing to a String does not fail.
    let title = escaped(&panel.title);
    let _ = writeln!(out, "<text x=\"{x:.0}\" y=\"{:.0}\" font-weight=\"bold\">{title}</text>", TOP - 10.0);
    let exponents = lowest.log10().round() as i32..=highest.log10().round() as i32;
    for value in exponents.map(|exponent| 10_f64.powi(exponent)) {
        let y = up(value);
        let _ = writeln!(
            out,
            "<path d=\"M{x:.0} {y:.1}h{WIDE}\" stroke=\"#ddd\"/><text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\" fill=\"#555\">{value}</text>",
            x - 6.0,
            y + 4.0
        );
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
    for (line, colour) in panel.lines.iter().zip(COLOURS.iter().cycle()) {
        let mut points = line.points.clone();
        points.sort_unstable_by(|one, other| one.x.total_cmp(&other.x));
        for Point { x, spread: (low, high), .. } in &points {
            if low < high {
                let (at, top, bottom) = (across(*x), up(*high), up(*low));
                let _ = writeln!(
                    out,
                    "<path d=\"M{at:.1} {top:.1}V{bottom:.1}\" stroke=\"{colour}\" stroke-opacity=\"0.5\"/>"
                );
            }
        }
        let points: Vec<String> =
            points.iter().map(|point| format!("{:.1},{:.1}", across(point.x), up(point.y))).collect();
        let _ = writeln!(
            out,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>",
            points.join(" ")
        );
        for point in &points {
            let (cx, cy) = point.split_once(',').unwrap_or_default();
            let _ = writeln!(out, "<circle cx=\"{cx}\" cy=\"{cy}\" r=\"3\" fill=\"{colour}\"/>");
        }
    }
    for (i, (line, colour)) in panel.lines.iter().zip(COLOURS.iter().cycle()).enumerate() {
        let y = TOP + HIGH + 40.0 + 16.0 * i as f64;
        let _ = writeln!(
            out,
            "<path d=\"M{x:.0} {:.0}h16\" stroke=\"{colour}\" stroke-width=\"3\"/><text x=\"{:.0}\" y=\"{y:.0}\">{}</text>",
            y - 4.0,
            x + 22.0,
            escaped(&line.name)
        );
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(points: Vec<Point>) -> Panel {
        Panel {
            title: "a < b & c".into(),
            range: (0.1, 10.0),
            lines: vec![Line { name: "one".into(), points }],
        }
    }

    #[test]
    fn decades_hold_all_values() {
        assert_eq!(decades([3.0, 42.0]), (1.0, 100.0));
        assert_eq!(decades([0.02, 0.09]), (0.01, 0.1));
        assert_eq!(decades([10.0]), (10.0, 100.0), "one decade at least");
        assert_eq!(decades([0.0, -1.0]), (1.0, 10.0), "nothing that a logarithm could show");
    }

    #[test]
    fn a_point_lies_where_its_logarithms_say() {
        let drawn =
            svg("t", &[panel(vec![Point::new(1000.0, 10.0), Point::new(10.0, 0.1), Point::new(100.0, 1.0)])]);
        // From the lower left to the upper right, whatever the order in which they came.
        assert!(drawn.contains("points=\"60.0,310.0 185.0,180.0 310.0,50.0\""), "{drawn}");
        for label in [">0.1<", ">1<", ">10<", ">100<", ">1000<"] {
            assert!(drawn.contains(label), "{label} is missing");
        }
    }

    #[test]
    fn what_is_beyond_the_range_is_drawn_at_its_edge() {
        let drawn = svg("t", &[panel(vec![Point::new(1.0, 1e9), Point::new(10.0, 1e-9)])]);
        assert!(drawn.contains("points=\"60.0,50.0 310.0,310.0\""), "{drawn}");
    }

    #[test]
    fn a_spread_is_drawn_only_where_there_is_one() {
        let without = svg("t", &[panel(vec![Point::new(1.0, 1.0)])]);
        assert!(!without.contains("stroke-opacity"));
        let with = svg("t", &[panel(vec![Point { x: 1.0, y: 1.0, spread: (0.1, 10.0) }])]);
        assert!(with.contains("<path d=\"M60.0 50.0V310.0\""), "{with}");
    }

    #[test]
    fn texts_are_escaped_and_the_picture_is_closed() {
        let drawn = svg("a & b", &[panel(vec![Point::new(1.0, 1.0)])]);
        assert!(drawn.contains("a &amp; b") && drawn.contains("a &lt; b &amp; c"));
        assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>\n"));
    }

    #[test]
    fn a_panel_without_points_draws_nothing() {
        assert!(!svg("t", &[panel(vec![])]).contains("polyline"));
    }
}
