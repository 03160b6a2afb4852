//! `cargo xtask bench NAME`: one benchmark of `benches/`, in the release profile.

use crate::project::{Doing, Failure, Output, Project, execute};

pub fn run(project: &Project, arguments: &[String]) -> Result<(), Failure> {
    let known = names(project)?;
    let Some(name) = arguments.first().filter(|name| known.contains(name)) else {
        let list = if known.is_empty() { "none yet".to_owned() } else { known.join(", ") };
        return Err(Failure::new(format!("name a benchmark: {list}")));
    };
    let mut cargo = project.cargo();
    cargo.args(["bench", "--package", "cloudbridge", "--bench", name, "--"]).args(&arguments[1..]);
    execute(cargo, Output::Shown)
}

fn names(project: &Project) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(project.root.join("benches")).doing("reading benches/")? {
        let path = entry.doing("reading benches/")?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|stem| stem.display().to_string()));
        }
    }
    names.sort();
    Ok(names)
}
