//! The front door: everything a person or a machine does with this repository starts as `cargo xtask <command>`.
//!
//! One table of commands; a new one is a line in it and a file beside this one. What the commands share is in
//! `project` (paths, running programs), `tools` (finding a JDK, Gradle), `builds` (what is built from what) and
//! `openfire` (getting and starting a real server). Nothing here is needed by, or depends on, the product's crates.

mod bench;
mod builds;
mod cassandra;
mod cloud;
mod console;
mod contract;
mod dist;
mod docs;
mod java_api;
mod linkcheck;
mod notices;
mod openfire;
mod openstack;
mod platform;
mod project;
#[path = "../../tests/cassandra/ring.rs"]
mod ring;
mod run;
mod test;
mod tools;

use std::process::ExitCode;

use project::{Failure, Project};

/// One command of the table.
struct Command {
    name: &'static str,
    arguments: &'static str,
    about: &'static str,
    run: fn(&Project, &[String]) -> Result<(), Failure>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "run",
        arguments: "[--platform-only | --openfire DIR]",
        about: "starts a real Openfire with the plugin and the embedded platform, or the platform alone, or installs the plugin into DIR",
        run: run::run,
    },
    Command {
        name: "dist",
        arguments: "",
        about: "builds the plugin: target/dist/cloudbridge.jar",
        run: dist::run,
    },
    Command {
        name: "test",
        arguments: "[rust|java|link|contract|cassandra|console|openstack|openfire [FILTER]]",
        about: "runs every test, or one suite of them",
        run: test::run,
    },
    Command {
        name: "bench",
        arguments: "convert|journal|offer|platform|fig13|sizing [--quick]",
        about: "runs a benchmark (docs/performance.md)",
        run: bench::run,
    },
    Command {
        name: "linkcheck",
        arguments: "[JAR | --import DIR]",
        about: "compares what the shim uses with every supported Openfire; or reads its API anew",
        run: linkcheck::command,
    },
    Command {
        name: "notices",
        arguments: "[--check]",
        about: "writes THIRD-PARTY.md after a change of dependencies",
        run: notices::run,
    },
    Command {
        name: "tools",
        arguments: "",
        about: "installs what the build needs beside Rust and a JDK, where apt-get can",
        run: |project, _| tools::npm(project),
    },
    Command { name: "docs", arguments: "", about: "builds the API documentation", run: docs::run },
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let found = arguments.first().and_then(|name| COMMANDS.iter().find(|command| command.name == name));
    let Some(command) = found else {
        eprintln!("{}", usage());
        return ExitCode::from(2);
    };
    let outcome = Project::find().and_then(|project| (command.run)(&project, &arguments[1..]));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("cargo xtask {}: {failure}", command.name);
            ExitCode::FAILURE
        }
    }
}

fn usage() -> String {
    let lines: Vec<String> = COMMANDS
        .iter()
        .map(|c| format!("  {:<42} {}", format!("{} {}", c.name, c.arguments).trim_end(), c.about))
        .collect();
    format!("cargo xtask COMMAND\n{}", lines.join("\n"))
}
