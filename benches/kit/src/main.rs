//! The load on whole servers, steered over stdin by `cargo xtask bench` (see [`bench_kit::steps`]).

use std::io::BufRead as _;
use std::path::Path;
use std::process::ExitCode;
use std::{fs, io};

use bench_kit::fig13::{self, Plan};
use bench_kit::report::Setting;
use bench_kit::steps::{Line, Told};
use bench_kit::target::Target;
use bench_kit::{Outcome, machine, sizing};

fn main() -> ExitCode {
    match obey() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn obey() -> Outcome<()> {
    let (mut servers, mut platforms) = (Vec::new(), Vec::new());
    for line in io::stdin().lock().lines() {
        let line = Line::read(&line.map_err(|e| format!("reading what to do: {e}"))?)?;
        match line.word.as_str() {
            "server" => servers.push(line.server()?),
            "platform" => platforms.push(line),
            "fig13" => return fig13(&line, servers),
            "sizing" => return sizing::run(&line, servers, &platforms, say),
            other => return Err(format!("nobody knows what {other:?} means")),
        }
    }
    Err("nothing was said to be done".to_owned())
}

fn fig13(line: &Line, servers: Vec<Told>) -> Outcome<()> {
    let plan = Plan::named(line.text("plan")?)?;
    let mut targets = Vec::new();
    for told in servers {
        say(&format!("making accounts on {}", told.name));
        targets.push(Target::new(&told)?);
    }
    let figures = fig13::run(&plan, &mut targets, say)?;
    targets.into_iter().try_for_each(Target::end)?;
    let setting = Setting {
        facts: machine::facts(line.text("load")?, line.text("versions")?, line.text("plan")?),
        limit_seconds: plan.limit.as_secs(),
    };
    let page = figures.page(&setting);
    let into = Path::new(line.text("into")?);
    write(&into.join("fig13.md"), &page)?;
    write(&into.join("fig13.svg"), &figures.svg())?;
    println!("{page}");
    Ok(())
}

fn write(file: &Path, text: &str) -> Outcome<()> {
    fs::write(file, text).map_err(|e| format!("{}: {e}", file.display()))
}

fn say(what: &str) {
    eprintln!("{what}");
}
