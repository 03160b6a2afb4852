//! `cargo xtask bench NAME`: one benchmark of `benches/`, in the release profile. What is written in Rust runs alone (`journal`); `offer` and
//! `openfire` are Java programs around the built plugin, because what they measure happens in a JVM.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use crate::builds;
use crate::project::{Doing, Failure, Output, Project, execute};
use crate::tools::Jdk;

pub fn run(project: &Project, arguments: &[String]) -> Result<(), Failure> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["offer", rest @ ..] => offer(project, rest),
        _ => in_rust(project, arguments),
    }
}

fn in_rust(project: &Project, arguments: &[String]) -> Result<(), Failure> {
    let known = names(project)?;
    let Some(name) = arguments.first().filter(|name| known.contains(name)) else {
        return Err(Failure::new(format!("name a benchmark: {}, offer", known.join(", "))));
    };
    let mut cargo = project.cargo();
    cargo.args(["bench", "--package", "cloudbridge", "--bench", name, "--"]).args(&arguments[1..]);
    execute(cargo, Output::Shown)
}

fn names(project: &Project) -> Result<Vec<String>, Failure> {
    let mut names = Vec::new();
    for entry in fs::read_dir(project.root.join("benches")).doing("reading benches/")? {
        let path = entry.doing("reading benches/")?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|stem| stem.display().to_string()));
        }
    }
    names.sort();
    Ok(names)
}

/// What a message costs on the router's thread, and what Openfire delivers with everything mirrored.
fn offer(project: &Project, words: &[&str]) -> Result<(), Failure> {
    let quick = words.contains(&"--quick");
    let parts: Vec<&str> = words.iter().copied().filter(|word| *word != "--quick").collect();
    let jdk = Jdk::for_builds()?;
    builds::natives(project, Output::Kept(&project.log("natives")?))?;
    let jar = builds::jar(project, &jdk, Output::Kept(&project.log("dist")?))?;
    builds::openfire(project, &jdk, Output::Kept(&project.log("fetch")?))?;
    let bench = Bench::compile(project, &jdk, &jar)?;
    match parts.as_slice() {
        [] => bench.router(quick),
        ["router"] => bench.router(quick),
        _ => Err(Failure::new("usage: cargo xtask bench offer [router] [--quick]")),
    }
}

/// The compiled Java programs and what they need.
struct Bench<'a> {
    project: &'a Project,
    jdk: &'a Jdk,
    directory: PathBuf,
}

impl<'a> Bench<'a> {
    fn compile(project: &'a Project, jdk: &'a Jdk, jar: &Path) -> Result<Self, Failure> {
        let directory = project.target.join("bench");
        if directory.exists() {
            fs::remove_dir_all(&directory).doing(format!("emptying {}", directory.display()))?;
        }
        let classes = directory.join("classes");
        fs::create_dir_all(&classes).doing(format!("making {}", classes.display()))?;
        unpack(jar, "lib/cloudbridge-shim.jar", &directory.join("shim.jar"))?;
        let bench = Self { project, jdk, directory };
        let mut javac = jdk.tool("javac");
        javac.args([
            "--release",
            "11",
            "-encoding",
            "UTF-8",
            "-Xlint:all,-path,-processing,-serial",
            "-Werror",
        ]);
        javac.arg("-d").arg(classes).arg("-cp").arg(bench.class_path());
        javac.args(builds::files_below(&project.root.join("benches/offer"))?);
        execute(javac, Output::Shown)?;
        Ok(bench)
    }

    fn class_path(&self) -> String {
        let shim = self.directory.join("shim.jar");
        let classes = self.directory.join("classes");
        format!(
            "{}:{}:{}/*",
            classes.display(),
            shim.display(),
            self.project.openfire().join("lib").display()
        )
    }

    fn java(&self, main: &str) -> std::process::Command {
        let mut java = self.jdk.tool("java");
        java.args(["--add-opens", "java.base/java.lang=ALL-UNNAMED", "-cp"]).arg(self.class_path()).arg(main);
        java
    }

    fn router(&self, quick: bool) -> Result<(), Failure> {
        let (rounds, calls, warmup) = if quick { (5, 2000, 10) } else { (20, 4000, 20) };
        let scratch = self.directory.join("router");
        let mut java = self.java("org.cloudbridge.openfire.OfferBench");
        java.arg(format!("library={}", self.project.target.join("release/libcloudbridge.so").display()))
            .arg(format!("platform={}", builds::platform_binary(self.project).display()))
            .arg(format!("scratch={}", scratch.display()))
            .arg(format!("rounds={rounds}"))
            .arg(format!("calls={calls}"))
            .arg(format!("warmup={warmup}"));
        execute(java, Output::Shown)
    }
}

/// Takes one file out of a jar.
fn unpack(jar: &Path, name: &str, to: &Path) -> Result<(), Failure> {
    let file = File::open(jar).doing(format!("reading {}", jar.display()))?;
    let mut archive = zip::ZipArchive::new(file).doing(format!("reading {}", jar.display()))?;
    let mut entry = archive.by_name(name).doing(format!("looking for {name} in {}", jar.display()))?;
    let mut out = File::create(to).doing(format!("writing {}", to.display()))?;
    io::copy(&mut entry, &mut out).doing(format!("writing {}", to.display())).map(drop)
}
