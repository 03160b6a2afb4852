//! `cargo xtask dist`: the plugin as an administrator installs it.

use crate::builds;
use crate::project::{Doing, Failure, Output, Project};
use crate::tools::Jdk;

pub fn run(project: &Project, _arguments: &[String]) -> Result<(), Failure> {
    let jdk = Jdk::for_builds()?;
    builds::natives(project, Output::Shown)?;
    let jar = builds::jar(project, &jdk, Output::Kept(&project.log("dist")?))?;
    let size = std::fs::metadata(&jar).doing(format!("reading {}", jar.display()))?.len();
    println!("{}: {:.1} MB", jar.display(), size as f64 / 1e6);
    Ok(())
}
