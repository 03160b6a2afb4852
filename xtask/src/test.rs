//! `cargo xtask test`: the Rust tests, the shim's tests, the link check, the platform against its contract, and the suite in a real Openfire.
//!
//! Everything is built once. The Rust tests run beside the release build and the shim's tests; beside the suite in Openfire, whose clients have
//! deadlines, runs only the cloud's, which mostly waits.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

use crate::bench;
use crate::builds;
use crate::cassandra;
use crate::console;
use crate::contract;
use crate::java_api;
use crate::linkcheck;
use crate::openstack;
use crate::project::{Doing, Failure, Output, Project, execute};
use crate::tools::{Jdk, node, npm};

/// How many tests of a suite passed and failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    pub passed: usize,
    pub failed: usize,
}

impl Count {
    const FAILED: Self = Self { passed: 0, failed: 1 };
}

/// One line of the summary.
struct Suite {
    name: &'static str,
    count: Count,
    seconds: u64,
    note: Option<String>,
}

/// Runs one suite; a failure that no test stands for counts as one failed test.
fn suite(name: &'static str, run: impl FnOnce() -> Result<Count, Failure>) -> Suite {
    let start = Instant::now();
    println!("{name}: started");
    let (count, note) = match run() {
        Ok(count) => (count, None),
        Err(failure) => (Count::FAILED, Some(failure.to_string())),
    };
    let suite = Suite { name, count, seconds: start.elapsed().as_secs(), note };
    println!("{}", line(&suite));
    suite
}

fn line(suite: &Suite) -> String {
    let Suite { name, count, seconds, note } = suite;
    let note = note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
    format!("{name:<10} {:>5} passed {:>4} failed {seconds:>5} s{note}", count.passed, count.failed)
}

pub fn run(project: &Project, arguments: &[String]) -> Result<(), Failure> {
    npm(project)?;
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let suites = match words.as_slice() {
        [] => everything(project, &Jdk::for_builds()?),
        ["rust"] => vec![suite("rust", || rust(project))],
        ["java"] => {
            let jdk = Jdk::for_builds()?;
            vec![suite("natives", || natives(project)), suite("java", || java(project, &jdk))]
        }
        ["link"] => {
            let jdk = Jdk::for_builds()?;
            vec![suite("jar", || jar(project, &jdk)), suite("link", || link(project, &jdk))]
        }
        ["contract"] => vec![suite("contract", || contract::run(project))],
        ["cassandra", filter @ ..] => {
            let jdk = Jdk::for_builds()?;
            vec![suite("cassandra", || ring(project, &jdk, filter))]
        }
        ["openstack", filter @ ..] => vec![suite("openstack", || openstack::run(project, filter))],
        ["console", filter @ ..] => vec![suite("console", || console(project, filter))],
        ["openfire", filter @ ..] => {
            let jdk = Jdk::for_builds()?;
            vec![suite("jar", || jar(project, &jdk)), suite("openfire", || openfire(project, &jdk, filter))]
        }
        _ => {
            return Err(Failure::new(
                "usage: cargo xtask test [rust|java|link|contract|cassandra [FILTER...]|console [FILTER...]|openstack [FILTER...]|openfire [FILTER...]]",
            ));
        }
    };
    summary(&suites)
}

fn summary(suites: &[Suite]) -> Result<(), Failure> {
    println!("\nSummary");
    suites.iter().for_each(|suite| println!("  {}", line(suite)));
    let passed: usize = suites.iter().map(|suite| suite.count.passed).sum();
    let failed: usize = suites.iter().map(|suite| suite.count.failed).sum();
    println!("{passed} passed, {failed} failed");
    if failed == 0 { Ok(()) } else { Err(Failure::new("tests failed")) }
}

fn everything(project: &Project, jdk: &Jdk) -> Vec<Suite> {
    std::thread::scope(|scope| {
        let rust = scope.spawn(|| suite("rust", || rust(project)));
        let mut suites = vec![
            suite("natives", || natives(project)),
            suite("java", || java(project, jdk)),
            suite("link", || link(project, jdk)),
        ];
        let panicked = |name| suite(name, || Err(Failure::new("it panicked")));
        suites.insert(0, rust.join().unwrap_or_else(|_| panicked("rust")));
        // Both mostly wait for a browser or for answers.
        let console = scope.spawn(|| suite("console", || console(project, &[])));
        suites.push(suite("contract", || contract::run(project)));
        suites.push(suite("cassandra", || ring(project, jdk, &[])));
        suites.push(console.join().unwrap_or_else(|_| panicked("console")));
        // The cloud's suite mostly waits for tokens to end.
        let cloud = scope.spawn(|| suite("openstack", || openstack::run(project, &[])));
        let openfire = suite("openfire", || openfire(project, jdk, &[]));
        suites.push(cloud.join().unwrap_or_else(|_| panicked("openstack")));
        suites.push(openfire);
        suites
    })
}

fn rust(project: &Project) -> Result<Count, Failure> {
    let log = project.log("rust")?;
    let mut cargo = project.cargo();
    cargo.args(["test", "--workspace", "--no-fail-fast"]);
    let outcome = execute(cargo, Output::Kept(&log));
    let count = count_rust(&fs::read_to_string(&log).doing(format!("reading {}", log.display()))?);
    if count.failed == 0 { outcome.map(|()| count) } else { Ok(count) }
}

/// The platform's store on a real Cassandra.
fn ring(project: &Project, jdk: &Jdk, filter: &[&str]) -> Result<Count, Failure> {
    let mut all = Count::default();
    for (log, outcome) in cassandra::run(project, jdk, filter)? {
        let count = count_rust(&fs::read_to_string(&log).doing(format!("reading {}", log.display()))?);
        if count.failed == 0 {
            outcome?;
        }
        all.passed += count.passed;
        all.failed += count.failed;
    }
    Ok(all)
}

/// The platform's console in a real browser.
fn console(project: &Project, filter: &[&str]) -> Result<Count, Failure> {
    let results = console::run(project, filter)?;
    count_openfire(&results).ok_or_else(|| Failure::new("the suite ended early"))
}

/// A build is not a test: it counts only when it fails.
fn natives(project: &Project) -> Result<Count, Failure> {
    builds::natives(project, Output::Kept(&project.log("natives")?)).map(|()| Count::default())
}

fn jar(project: &Project, jdk: &Jdk) -> Result<Count, Failure> {
    natives(project)?;
    builds::jar(project, jdk, Output::Kept(&project.log("dist")?)).map(|_| Count::default())
}

fn java(project: &Project, jdk: &Jdk) -> Result<Count, Failure> {
    let results = project.root.join("build/test-results/test");
    let outcome = builds::jar_and_shim_tests(project, jdk, Output::Kept(&project.log("java")?));
    let count = count_junit(&results)?;
    if count.failed > 0 {
        return Ok(count);
    }
    outcome?;
    // The Javadoc of what other plugins use is one more.
    builds::openfire(project, jdk, Output::Kept(&project.log("fetch")?))?;
    java_api::javadoc(project, jdk).map(|()| Count { passed: count.passed + 1, failed: 0 })
}

/// One test for each supported Openfire, of the shim and of what other plugins copy; what does not link is printed with the versions that it fails in.
fn link(project: &Project, jdk: &Jdk) -> Result<Count, Failure> {
    builds::openfire(project, jdk, Output::Kept(&project.log("fetch")?))?;
    let mut count = Count::default();
    for what in [project.target.join("dist/cloudbridge.jar"), java_api::classes(project)] {
        let report = linkcheck::run(&what, &project.root)?;
        print!("{}:\n{report}", what.display());
        let failed = report.rows.iter().filter(|row| row.mistakes > 0).count();
        count.failed += failed;
        count.passed += report.rows.len() - failed;
    }
    Ok(count)
}

fn openfire(project: &Project, jdk: &Jdk, filter: &[&str]) -> Result<Count, Failure> {
    builds::openfire(project, jdk, Output::Kept(&project.log("fetch")?))?;
    bench::compile(project, jdk, &project.target.join("dist/cloudbridge.jar"))?;
    // What the scenarios about folders run as somebody else's backend.
    let json_server = project.target.join("json-server");
    console::packages(project, &project.root.join("examples/backends/json-server"), &json_server)?;
    let node = node(project)?;
    let results = project.target.join("openfire/results");
    let mut java = jdk.tool("java");
    java.arg("-cp")
        .arg(format!(
            "{}:{}/*",
            project.openfire().join("suite").display(),
            project.openfire().join("client-lib").display()
        ))
        .arg("org.cloudbridge.suite.Main")
        .arg(format!("root={}", project.root.display()))
        .arg(format!("target={}", project.target.display()))
        .arg(format!("platform={}", builds::platform_binary(project).display()))
        .arg(format!("node={}", node.display()))
        .arg(format!("json-server={}", json_server.display()))
        .arg(format!("results={}", results.display()));
    if let Some(newest) = Jdk::newer_than(jdk) {
        java.arg(format!("newest-java={}", newest.home.display()));
    }
    java.args(filter);
    // The suite ends itself and its servers when this pipe ends, however we end.
    java.stdin(Stdio::piped());
    let mut child = java.spawn().doing("starting the suite")?;
    let stdin = child.stdin.take();
    let status = child.wait().doing("waiting for the suite")?;
    drop(stdin);
    let text = fs::read_to_string(&results).doing(format!("reading the results of the suite ({status})"))?;
    count_openfire(&text).ok_or_else(|| Failure::new(format!("the suite ended early ({status})")))
}

/// `test result: ok. 12 passed; 0 failed; …`, one line per test binary.
pub fn count_rust(log: &str) -> Count {
    let mut count = Count::default();
    for line in log.lines().filter_map(|line| line.strip_prefix("test result: ")) {
        count.passed += number_before(line, " passed").unwrap_or(0);
        count.failed += number_before(line, " failed").unwrap_or(0);
    }
    count
}

/// Gradle's JUnit reports.
pub fn count_junit(directory: &Path) -> Result<Count, Failure> {
    let mut count = Count::default();
    for entry in fs::read_dir(directory).doing(format!("reading {}", directory.display()))? {
        let path = entry.doing(format!("reading {}", directory.display()))?.path();
        if path.extension().is_none_or(|extension| extension != "xml") {
            continue;
        }
        let report = fs::read_to_string(&path).doing(format!("reading {}", path.display()))?;
        let head = report
            .lines()
            .map(str::trim_start)
            .find(|line| line.starts_with("<testsuite "))
            .unwrap_or_default();
        let failed = attribute(head, "failures") + attribute(head, "errors");
        count.failed += failed;
        count.passed += attribute(head, "tests").saturating_sub(failed + attribute(head, "skipped"));
    }
    Ok(count)
}

/// The suite's last line: `12 passed, 0 failed`.
fn count_openfire(results: &str) -> Option<Count> {
    let last = results.lines().last()?;
    Some(Count { passed: number_before(last, " passed")?, failed: number_before(last, " failed")? })
}

fn number_before(line: &str, word: &str) -> Option<usize> {
    let before = &line[..line.find(word)?];
    before.rsplit(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

fn attribute(tag: &str, name: &str) -> usize {
    let start = format!(" {name}=\"");
    tag.split_once(&start).and_then(|(_, rest)| rest.split('"').next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::{Count, attribute, count_openfire, count_rust};

    #[test]
    fn results_of_cargo_are_added_up() {
        let log = "test result: ok. 3 passed; 0 failed; 0 ignored\nnoise\ntest result: FAILED. 1 passed; 2 failed; 0 ignored\n";
        assert_eq!(count_rust(log), Count { passed: 4, failed: 2 });
    }

    #[test]
    fn results_of_the_suite_are_in_its_last_line() {
        assert_eq!(
            count_openfire("ok a\nfailed b\n12 passed, 1 failed\n"),
            Some(Count { passed: 12, failed: 1 })
        );
        assert_eq!(count_openfire("ok a\n"), None);
    }

    #[test]
    fn junit_attributes() {
        let tag = r#"<testsuite name="X" tests="7" skipped="1" failures="2" errors="0">"#;
        assert_eq!(
            (attribute(tag, "tests"), attribute(tag, "failures"), attribute(tag, "absent")),
            (7, 2, 0)
        );
    }
}
