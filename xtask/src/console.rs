//! `cargo xtask test console`: the platform's console and /docs in a real Chromium, against a real platform with seeded data.
//!
//! The suite is a Node program (`crates/im-platform/tests/console`), run from a copy under `target/` with the packages of its lock file beside it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::project::{Doing, Failure, Output, Project, execute};
use crate::tools::{chromium, node};

const SOURCE: &str = "crates/im-platform/tests/console";
/// What npm looks at; when it is as it was, the packages are those of before.
const PACKAGES: [&str; 3] = ["package.json", "package-lock.json", ".npmrc"];

/// Builds the platform, runs the suite (only tests whose names contain one of the words of `filter`, when there are any); gives its results,
/// whose last line counts them. Screenshots of every page are left in `target/console/shots`.
pub fn run(project: &Project, filter: &[&str]) -> Result<String, Failure> {
    let (node, chromium) = (node(project)?, chromium(project)?);
    let mut cargo = project.cargo();
    cargo.args(["build", "--package", "im-platform"]);
    execute(cargo, Output::Kept(&project.log("platform")?))?;
    let home = project.target.join("console");
    copy(&project.root.join(SOURCE), &home)?;
    packages(project, &project.root.join(SOURCE), &home)?;
    let results = home.join("results");
    let _ = fs::remove_file(&results);
    let mut suite = Command::new(node);
    suite.current_dir(&home).arg("run.mjs");
    for (name, path) in [
        ("platform", project.target.join("debug/im-platform")),
        ("chromium", chromium),
        ("results", results.clone()),
        ("shots", home.join("shots")),
    ] {
        suite.arg(format!("{name}={}", path.display()));
    }
    // It ends its browser and its platforms when this pipe ends, however we end.
    let mut child = suite.args(filter).stdin(Stdio::piped()).spawn().doing("starting the console's suite")?;
    let stdin = child.stdin.take();
    let status = child.wait().doing("waiting for the console's suite")?;
    drop(stdin);
    fs::read_to_string(&results).doing(format!("reading the results of the console's suite ({status})"))
}

fn copy(source: &Path, home: &Path) -> Result<(), Failure> {
    fs::create_dir_all(home).doing(format!("making {}", home.display()))?;
    for entry in fs::read_dir(source).doing(format!("reading {}", source.display()))? {
        let file = entry.doing(format!("reading {}", source.display()))?.path();
        let name = file.file_name().unwrap_or_default();
        if file.is_file() && name.to_str().is_none_or(|name| !PACKAGES.contains(&name)) {
            fs::copy(&file, home.join(name)).doing(format!("copying {}", file.display()))?;
        }
    }
    Ok(())
}

/// The packages of the lock file of `source`, in `home`, unless they are there.
pub fn packages(project: &Project, source: &Path, home: &Path) -> Result<(), Failure> {
    let read = |folder: &Path| PACKAGES.map(|name| fs::read(folder.join(name)).ok());
    fs::create_dir_all(home).doing(format!("making {}", home.display()))?;
    if read(source) == read(home) && home.join("node_modules/.package-lock.json").is_file() {
        return Ok(());
    }
    for name in PACKAGES {
        fs::copy(source.join(name), home.join(name)).doing(format!("copying {name}"))?;
    }
    let mut npm = Command::new("npm");
    npm.current_dir(home).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    execute(npm, Output::Kept(&project.log("npm")?))
}
