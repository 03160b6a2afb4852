//! `cargo xtask test cassandra`: the platform's behaviour suite on a real Cassandra, several instances over one ring, and a ring of three that loses a node.
//!
//! The jars come from Maven Central by Gradle, as Openfire's do. One node serves the suite; the fault test starts its own three.

use std::fs;
use std::path::PathBuf;

use crate::project::{Doing, Failure, Output, Project, execute};
use crate::ring::{Ring, Shape};
use crate::tools::{Jdk, gradle};

/// Where Cassandra's jars are, fetched unless the build file is the one that they were fetched with.
pub fn jars(project: &Project, jdk: &Jdk, output: Output<'_>) -> Result<PathBuf, Failure> {
    let (source, into) = (project.root.join("tests/cassandra"), project.target.join("cassandra"));
    let stamp = into.join("resolved-with.gradle");
    let build_file = fs::read(source.join("build.gradle")).doing("reading tests/cassandra/build.gradle")?;
    if !fs::read(&stamp).is_ok_and(|resolved| resolved == build_file) {
        println!("Getting Cassandra");
        let mut command = gradle(project, jdk)?;
        command
            .arg("--project-dir")
            .arg(&source)
            .arg("--project-cache-dir")
            .arg(project.target.join("gradle/cassandra"))
            .arg(format!("-PinstallTo={}", into.display()))
            .arg("fetch");
        execute(command, output)?;
        fs::write(&stamp, build_file).doing(format!("writing {}", stamp.display()))?;
    }
    Ok(into.join("lib"))
}

/// A suite's output and how it ended.
pub type Outcome = (PathBuf, Result<(), Failure>);

/// Runs the tests that need a ring.
pub fn run(project: &Project, jdk: &Jdk, filter: &[&str]) -> Result<Vec<Outcome>, Failure> {
    let lib = jars(project, jdk, Output::Kept(&project.log("cassandra-jars")?))?;
    let folder = project.target.join("cassandra/ring");
    if folder.exists() {
        fs::remove_dir_all(&folder).doing(format!("emptying {}", folder.display()))?;
    }
    let java = jdk.home.join("bin/java");
    let here = project.root.join("tests/cassandra");
    let ring = Ring::start(&Shape::quick(1), &java, &here, &lib, &folder).doing("starting Cassandra")?;
    let suites: [(&str, &str, &str, &[&str]); 2] = [
        ("im-platform", "store", "cassandra", &["cassandra::", "access::", "instances::", "faults::"]),
        ("cloudbridge", "cluster", "cluster", &[]),
    ];
    let mut outcomes = Vec::new();
    for (package, test, log, usual) in suites {
        let log = project.log(log)?;
        let mut cargo = project.cargo();
        cargo
            .args(["test", "--package", package, "--features", "cassandra-tests", "--test", test, "--"])
            .args(if filter.is_empty() { usual } else { filter })
            .env("IM_PLATFORM_TEST_CASSANDRA", ring.contacts().join(","))
            .env("IM_PLATFORM_TEST_CASSANDRA_LIB", &lib)
            .env("IM_PLATFORM_TEST_JAVA", &java);
        outcomes.push((log.clone(), execute(cargo, Output::Kept(&log))));
    }
    drop(ring);
    Ok(outcomes)
}
