//! What other plugins compile against (java-api/) and the example that does (examples/java-plugin/): their jar, and the Javadoc.

use std::fs;
use std::path::PathBuf;

use crate::builds::files_below;
use crate::project::{Doing, Failure, Output, Project, execute};
use crate::tools::Jdk;

/// Where the classes of helper and example are, for the link check.
pub fn classes(project: &Project) -> PathBuf {
    project.openfire().join("java-plugin/classes")
}

/// The example as an admin would install it. Needs Openfire's jars (`builds::openfire`).
pub fn example(project: &Project, jdk: &Jdk) -> Result<PathBuf, Failure> {
    let classes = classes(project);
    if classes.exists() {
        fs::remove_dir_all(&classes).doing(format!("emptying {}", classes.display()))?;
    }
    fs::create_dir_all(&classes).doing(format!("making {}", classes.display()))?;
    let mut sources = files_below(&project.root.join("java-api/src"))?;
    sources.extend(files_below(&project.root.join("examples/java-plugin/src"))?);
    let mut javac = jdk.tool("javac");
    javac.args([
        "--release",
        "8",
        "-encoding",
        "UTF-8",
        "-Xlint:all,-options,-path,-processing,-rawtypes",
        "-Werror",
    ]);
    javac.arg("-d").arg(&classes).arg("-cp").arg(project.openfire().join("lib/*")).args(sources);
    execute(javac, Output::Shown)?;
    let jar = project.openfire().join("java-plugin/bridgeexample.jar");
    let mut pack = jdk.tool("jar");
    pack.arg("--create").arg("--file").arg(&jar);
    pack.arg("-C").arg(project.root.join("examples/java-plugin")).arg("plugin.xml");
    pack.arg("-C").arg(project.openfire().join("java-plugin")).arg("classes");
    execute(pack, Output::Shown)?;
    Ok(jar)
}

/// The Javadoc of the helper, in `target/javadoc`: whatever doclint complains of is a failure.
pub fn javadoc(project: &Project, jdk: &Jdk) -> Result<(), Failure> {
    let mut javadoc = jdk.tool("javadoc");
    javadoc.args(["-Xdoclint:all", "-Werror", "-quiet", "-encoding", "UTF-8", "-public"]);
    javadoc.arg("-d").arg(project.target.join("javadoc"));
    javadoc.arg("-cp").arg(project.openfire().join("lib/*"));
    javadoc.args(files_below(&project.root.join("java-api/src"))?);
    execute(javadoc, Output::Kept(&project.log("javadoc")?))
}
