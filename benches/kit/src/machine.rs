//! The machine that figures are from, in words for the page.

use std::fs;

/// Cores, processor, memory, kernel and load, as Linux tells them; what it does not tell is left out.
#[must_use]
pub fn described() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut parts = vec![format!("{cores} cores")];
    let read = |file: &str| fs::read_to_string(file).unwrap_or_default();
    parts.extend(value(&read("/proc/cpuinfo"), "model name").map(|model| format!("({model})")));
    let kilobytes = value(&read("/proc/meminfo"), "MemTotal")
        .and_then(|text| text.split(' ').next()?.parse::<f64>().ok());
    parts.extend(kilobytes.map(|kilobytes| format!("{:.0} GB of memory", kilobytes / 1024.0 / 1024.0)));
    let kernel = read("/proc/sys/kernel/osrelease");
    // What a distribution puts behind the version says nothing about figures.
    parts.extend(kernel.trim().split('-').next().map(|version| format!("Linux {version}")));
    parts.join(", ").replace(", (", " (")
}

/// The lines of a page that say where its figures are from: the machine, its load before anything was started, the versions, and how much was measured.
#[must_use]
pub fn facts(load_before: &str, versions: &str, plan: &str) -> Vec<String> {
    let how = match plan {
        "quick" => "Plan `quick`: a trial with a few rounds, which shows that the benchmark works; its figures mean little.".to_owned(),
        plan => format!("Plan `{plan}`."),
    };
    vec![
        format!(
            "The machine: {}; load average of the last minute, before anything was started, {load_before}.",
            described()
        ),
        versions.to_owned(),
        how,
    ]
}

/// What stands behind `key : ` for the first time.
fn value(text: &str, key: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == key).then(|| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_behind_keys() {
        let text = "processor\t: 0\nmodel name\t: A : B\nmodel name\t: C\n";
        assert_eq!(value(text, "model name").as_deref(), Some("A : B"));
        assert_eq!(value(text, "nothing"), None);
    }
}
