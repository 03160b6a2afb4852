//! `cargo xtask docs`: the API documentation of every crate of the workspace, and the Javadoc of what other plugins use.

use crate::builds;
use crate::java_api;
use crate::project::{Failure, Output, Project, execute};
use crate::tools::Jdk;

pub fn run(project: &Project, _arguments: &[String]) -> Result<(), Failure> {
    let mut cargo = project.cargo();
    cargo.args(["doc", "--workspace", "--no-deps", "--document-private-items"]);
    execute(cargo, Output::Shown)?;
    println!("{}", project.target.join("doc/cloudbridge/index.html").display());
    let jdk = Jdk::for_builds()?;
    builds::openfire(project, &jdk, Output::Kept(&project.log("fetch")?))?;
    java_api::javadoc(project, &jdk)?;
    println!("{}", project.target.join("javadoc/index.html").display());
    Ok(())
}
