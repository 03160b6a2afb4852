//! `cargo xtask test openstack`: what is about a cloud, against Debian's Keystone and Swift: the store of media (with the folder, one suite for both),
//! and a bridge and a platform that find and know each other through Keystone.

use crate::cloud::{Cloud, Control};
use crate::project::{Doing, Failure, Output, Project, execute};
use crate::test::{Count, count_rust};

/// Package and test target of each part. They are no part of `cargo test`, which has no cloud.
const PARTS: [(&str, &str); 2] = [("im-platform", "media_swift"), ("cloudbridge", "cloud")];

/// Starts the cloud once and runs the parts in it, only tests whose names contain `filter` when there is one.
pub fn run(project: &Project, filter: &[&str]) -> Result<Count, Failure> {
    let build = |package: &str, test: &str| {
        let mut cargo = project.cargo();
        cargo.args(["test", "--package", package, "--test", test]);
        cargo
    };
    let mut cargo = project.cargo();
    cargo.args(["build", "--package", "im-platform"]);
    execute(cargo, Output::Kept(&project.log("openstack-build")?))?;
    for (package, test) in PARTS {
        let mut cargo = build(package, test);
        cargo.arg("--no-run");
        execute(cargo, Output::Kept(&project.log("openstack-build")?))?;
    }
    let cloud = Cloud::start(project)?;
    let facts = cloud.facts();
    let control = Control::of(cloud)?;
    let mut count = Count::default();
    let mut failed = None;
    for (package, test) in PARTS {
        let log = project.log(&format!("openstack-{test}"))?;
        let mut cargo = build(package, test);
        cargo.arg("--").args(filter).env("CLOUD_FACTS", &facts).env("CLOUD_CONTROL", control.address());
        let outcome = execute(cargo, Output::Kept(&log));
        let text = std::fs::read_to_string(&log).doing(format!("reading {}", log.display()))?;
        let part = count_rust(&text);
        count.passed += part.passed;
        count.failed += part.failed;
        failed = failed.or(outcome.err().filter(|_| part.failed == 0));
    }
    failed.map_or(Ok(count), Err)
}
