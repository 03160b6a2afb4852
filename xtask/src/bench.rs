//! `cargo xtask bench NAME`: one benchmark of `benches/`, in the release profile. What is written in Rust runs alone (`journal`); `offer`
//! is Java programs around the built plugin, because what it measures happens in a JVM; `platform` is the platform's own; `fig13` and `sizing`
//! are whole servers side by side.

mod cloud;
mod whole;

use std::fs::{self, File};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use crate::builds;
use crate::openfire::{Launch, Server};
use crate::project::{Doing, Failure, Output, Project, execute};
use crate::tools::Jdk;

pub fn run(project: &Project, arguments: &[String]) -> Result<(), Failure> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["offer", rest @ ..] => offer(project, rest),
        ["platform", rest @ ..] => platform(project, rest),
        ["fig13", rest @ ..] => whole::fig13(project, rest),
        ["sizing", rest @ ..] => whole::sizing(project, rest),
        _ => in_rust(project, arguments),
    }
}

fn in_rust(project: &Project, arguments: &[String]) -> Result<(), Failure> {
    let known = names(project)?;
    let Some(name) = arguments.first().filter(|name| known.contains(name)) else {
        return Err(Failure::new(format!(
            "name a benchmark: {}, offer, platform, fig13, sizing",
            known.join(", ")
        )));
    };
    let mut cargo = project.cargo();
    cargo.args(["bench", "--package", "cloudbridge", "--bench", name, "--"]).args(&arguments[1..]);
    execute(cargo, Output::Shown)
}

/// What the platform's operations cost as totals grow. A whole run becomes the figures in the platform's docs; anything less stays in `target`.
fn platform(project: &Project, words: &[&str]) -> Result<(), Failure> {
    let mut cargo = project.cargo();
    cargo.args(["bench", "--package", "im-platform", "--bench", "scale", "--"]).args(words);
    let into = match words {
        [] => Some(project.root.join("crates/im-platform/docs")),
        ["--quick"] => Some(project.target.join("bench/platform")),
        _ => None,
    };
    if let Some(into) = &into {
        cargo.arg(format!("--into={}", into.display()));
    }
    execute(cargo, Output::Shown)?;
    if let Some(into) = into {
        println!("\nTable and chart are in {}", into.display());
    }
    Ok(())
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
        [] => bench.router(quick).and_then(|()| bench.openfire(quick, &jar)),
        ["router"] => bench.router(quick),
        ["openfire"] => bench.openfire(quick, &jar),
        _ => Err(Failure::new("usage: cargo xtask bench offer [router|openfire] [--quick]")),
    }
}

/// Compiles the Java benchmark, so that it goes on compiling.
pub fn compile(project: &Project, jdk: &Jdk, jar: &Path) -> Result<(), Failure> {
    Bench::compile(project, jdk, jar).map(drop)
}

/// Accounts of the load.
const PEOPLE: [&str; 20] = [
    "user0", "user1", "user2", "user3", "user4", "user5", "user6", "user7", "user8", "user9", "user10",
    "user11", "user12", "user13", "user14", "user15", "user16", "user17", "user18", "user19",
];

/// One server of the throughput part: name, chat mode (none = no plugin), where copies go.
const SERVERS: [(&str, Option<&str>, &str); 5] = [
    ("bare", None, "none"),
    ("watch", Some("watch"), "none"),
    ("mirror,_to_a_sink", Some("mirror"), "sink"),
    ("mirror,_embedded_platform", Some("mirror"), "platform"),
    ("decide,_embedded_platform", Some("decide"), "none"),
];

/// The compiled Java programs and what they need.
struct Bench<'a> {
    project: &'a Project,
    jdk: &'a Jdk,
    directory: PathBuf,
}

impl<'a> Bench<'a> {
    fn compile(project: &'a Project, jdk: &'a Jdk, jar: &Path) -> Result<Self, Failure> {
        let directory = project.target.join("bench/offer");
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

impl Bench<'_> {
    /// All servers run at the same time, so that rounds can be interleaved; at any moment one of them is under load.
    fn openfire(&self, quick: bool, jar: &Path) -> Result<(), Failure> {
        let mut java = self.java("org.cloudbridge.load.Load");
        let mut load =
            java.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().doing("starting the load")?;
        let (stdin, stdout) = (load.stdin.take(), load.stdout.take());
        let (Some(mut stdin), Some(stdout)) = (stdin, stdout) else {
            return Err(Failure::new("the load has no pipes"));
        };
        let mut said = BufReader::new(stdout);
        let mut first = String::new();
        said.read_line(&mut first).doing("reading from the load")?;
        let port =
            first.trim().strip_prefix("sink ").ok_or_else(|| Failure::new("the load did not start"))?;
        let mut servers = Vec::new();
        for (name, mode, copies) in SERVERS {
            let server = Server::start(self.project, self.jdk, &self.launch(name, mode, copies, jar, port))?;
            let line = format!("server {name} {} {} {copies}\n", server.xmpp_port, server.admin_port);
            servers.push(server);
            stdin.write_all(line.as_bytes()).doing("writing to the load")?;
        }
        let run = if quick { "run 2,20,paced 20000 3 3\n" } else { "run 2,20,paced 40000 7 3\n" };
        stdin.write_all(run.as_bytes()).doing("writing to the load")?;
        io::copy(&mut said, &mut io::stdout()).doing("reading from the load")?;
        let status = load.wait().doing("waiting for the load")?;
        if status.success() { Ok(()) } else { Err(Failure::new(format!("the load failed ({status})"))) }
    }

    fn launch(&self, name: &str, mode: Option<&str>, copies: &str, jar: &Path, sink: &str) -> Launch {
        // Without the second a delayed acknowledgement of 40 ms is all that is measured when many users write little each.
        let mut properties = vec![
            ("xmpp.client.tls.policy", "disabled".to_owned()),
            ("xmpp.socket.tcp-nodelay", "true".to_owned()),
        ];
        if let Some(mode) = mode {
            properties.push(("plugin.cloudbridge.chat.mode", mode.into()));
            properties.push(("plugin.cloudbridge.mirror.bodies", "true".into()));
        }
        if copies == "sink" {
            properties.push(("plugin.cloudbridge.platform.url", format!("http://127.0.0.1:{sink}")));
            properties.push(("plugin.cloudbridge.platform.token.password", "sink".into()));
        }
        Launch {
            home: self.directory.join(name.replace(',', "")),
            domain: "localhost",
            jar: mode.map(|_| jar.to_path_buf()).unwrap_or_default(),
            users: (0..).zip(PEOPLE).map(|(number, name)| (name, format!("secret{number}"))).collect(),
            properties,
            options: &["-Xmx1g"],
        }
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
