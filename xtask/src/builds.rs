//! What is built from what. Every step is skipped when its result is newer than what it is made of, or leaves that
//! decision to Cargo.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::java_api;
use crate::project::{Doing, Failure, Output, Project, execute};
use crate::tools::{Jdk, gradle, npm};

/// The plugin jar, built from the release build of the host and the platform.
pub fn jar(project: &Project, jdk: &Jdk, output: Output<'_>) -> Result<PathBuf, Failure> {
    gradle_on_natives(project, jdk, &["dist"], output)?;
    Ok(project.target.join("dist/cloudbridge.jar"))
}

/// The plugin jar, and the shim's own tests.
pub fn jar_and_shim_tests(project: &Project, jdk: &Jdk, output: Output<'_>) -> Result<(), Failure> {
    gradle_on_natives(project, jdk, &["build", "--continue"], output)
}

/// The host and the platform, as they are shipped.
pub fn natives(project: &Project, output: Output<'_>) -> Result<(), Failure> {
    npm(project)?;
    let mut cargo = project.cargo();
    cargo.args(["build", "--release", "--package", "cloudbridge", "--package", "im-platform"]);
    execute(cargo, output)
}

/// The platform alone, as it is shipped.
pub fn platform(project: &Project, output: Output<'_>) -> Result<PathBuf, Failure> {
    npm(project)?;
    let mut cargo = project.cargo();
    cargo.args(["build", "--release", "--package", "im-platform"]);
    execute(cargo, output)?;
    Ok(platform_binary(project))
}

/// A platform that can keep everything in a ring of Cassandra. It takes the place of the one that is shipped, until that is built again.
pub fn platform_for_rings(project: &Project, output: Output<'_>) -> Result<PathBuf, Failure> {
    npm(project)?;
    let mut cargo = project.cargo();
    cargo.args(["build", "--release", "--package", "im-platform", "--features", "cassandra"]);
    execute(cargo, output)?;
    Ok(platform_binary(project))
}

/// The platform's server as it is shipped, for tests that put something between it and the bridge.
pub fn platform_binary(project: &Project) -> PathBuf {
    project.target.join("release/im-platform")
}

fn gradle_on_natives(
    project: &Project,
    jdk: &Jdk,
    tasks: &[&str],
    output: Output<'_>,
) -> Result<(), Failure> {
    let mut command = gradle(project, jdk)?;
    command
        .current_dir(&project.root)
        .arg("--project-cache-dir")
        .arg(project.target.join("gradle/plugin"))
        .arg(format!("-PnativeDir={}", project.target.join("release").display()))
        .arg(format!("-PdistDir={}", project.target.join("dist").display()))
        .args(tasks);
    execute(command, output)
}

/// Openfire, the XMPP client library, our two Java programs that use them, and the example of another plugin, in `target/openfire`.
pub fn openfire(project: &Project, jdk: &Jdk, output: Output<'_>) -> Result<(), Failure> {
    fetch(project, jdk, output)?;
    compile(project, jdk, "launcher", "lib")?;
    java_api::example(project, jdk)?;
    compile(project, jdk, "suite", "client-lib")
}

/// Has Gradle resolve the jars, unless the build file is the one that they were resolved with.
fn fetch(project: &Project, jdk: &Jdk, output: Output<'_>) -> Result<(), Failure> {
    let source = project.root.join("tests/openfire");
    let into = project.openfire();
    let stamp = into.join("resolved-with.gradle");
    let build_file = fs::read(source.join("build.gradle")).doing("reading tests/openfire/build.gradle")?;
    if fs::read(&stamp).is_ok_and(|resolved| resolved == build_file) {
        return Ok(());
    }
    println!("Getting Openfire and the XMPP client library");
    let mut command = gradle(project, jdk)?;
    command
        .arg("--project-dir")
        .arg(&source)
        .arg("--project-cache-dir")
        .arg(project.target.join("gradle/openfire"))
        .arg(format!("-PinstallTo={}", into.display()))
        .arg("fetch");
    execute(command, output)?;
    fs::write(&stamp, build_file).doing(format!("writing {}", stamp.display()))
}

/// Compiles `tests/openfire/<name>` against the jars in `target/openfire/<libraries>`.
fn compile(project: &Project, jdk: &Jdk, name: &str, libraries: &str) -> Result<(), Failure> {
    let source = project.root.join("tests/openfire").join(name);
    let classes = project.openfire().join(name);
    let stamp = classes.join("compiled");
    let files = files_below(&source)?;
    let newest = files.iter().filter_map(|file| modified(file)).max();
    let stamped = fs::read_to_string(&stamp).is_ok_and(|listed| listed == list(&files));
    if stamped && modified(&stamp) > newest {
        return Ok(());
    }
    if classes.exists() {
        fs::remove_dir_all(&classes).doing(format!("emptying {}", classes.display()))?;
    }
    fs::create_dir_all(&classes).doing(format!("making {}", classes.display()))?;
    let mut javac = jdk.tool("javac");
    javac
        .args([
            "--release",
            "11",
            "-encoding",
            "UTF-8",
            "-Xlint:all,-path,-processing,-try,-serial",
            "-Werror",
        ])
        .arg("-d")
        .arg(&classes)
        .arg("-cp")
        .arg(project.openfire().join(libraries).join("*"));
    for file in &files {
        if file.extension().is_some_and(|extension| extension == "java") {
            javac.arg(file);
        } else {
            let to = classes.join(file.file_name().unwrap_or_default());
            fs::copy(file, &to).doing(format!("copying {}", file.display()))?;
        }
    }
    execute(javac, Output::Shown)?;
    fs::write(&stamp, list(&files)).doing(format!("writing {}", stamp.display()))
}

fn list(files: &[PathBuf]) -> String {
    files.iter().map(|file| format!("{}\n", file.display())).collect()
}

fn modified(file: &Path) -> Option<SystemTime> {
    fs::metadata(file).and_then(|metadata| metadata.modified()).ok()
}

/// Every file under a directory, sorted.
pub fn files_below(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    let mut waiting = vec![directory.to_path_buf()];
    while let Some(next) = waiting.pop() {
        for entry in fs::read_dir(&next).doing(format!("reading {}", next.display()))? {
            let path = entry.doing(format!("reading {}", next.display()))?.path();
            if path.is_dir() { waiting.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    Ok(found)
}
