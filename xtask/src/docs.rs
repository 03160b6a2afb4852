//! `cargo xtask docs`: the API documentation of every crate of the workspace.

use crate::project::{Failure, Output, Project, execute};

pub fn run(project: &Project, _arguments: &[String]) -> Result<(), Failure> {
    let mut cargo = project.cargo();
    cargo.args(["doc", "--workspace", "--no-deps", "--document-private-items"]);
    execute(cargo, Output::Shown)?;
    println!("{}", project.target.join("doc/cloudbridge/index.html").display());
    Ok(())
}
