//! The contenders in other processes: built from their registries into `target/bench-convert`, started once, asked over a pipe.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A process that answers line by line.
pub struct Peer {
    child: Child,
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Peer {
    fn start(mut command: Command) -> Result<Peer, String> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| format!("{command:?}: {e}"))?;
        let pipes = child.stdin.take().zip(child.stdout.take()).ok_or("no pipes")?;
        Ok(Peer { child, stdin: pipes.0, stdout: BufReader::new(pipes.1) })
    }

    pub fn ask(&mut self, line: &str) -> Result<String, String> {
        let mut answer = String::new();
        writeln!(self.stdin, "{line}").and_then(|()| self.stdin.flush()).map_err(|e| e.to_string())?;
        self.stdout.read_line(&mut answer).map_err(|e| e.to_string())?;
        match answer.trim() {
            "" | "error" => Err(format!("no answer to {line}")),
            answer => Ok(answer.to_owned()),
        }
    }

    /// Nanoseconds of `times` conversions.
    pub fn run(&mut self, what: &str, kind: &str, times: u64) -> Result<f64, String> {
        let answer = self.ask(&format!("run {what} {kind} {times}"))?;
        answer.parse().map_err(|_| format!("{what} {kind}: {answer}"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn checked(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|e| format!("{command:?}: {e}"))?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!(
            "{command:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )),
    }
}

fn sources() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/convert")
}

/// dom4j, tinder and Jackson, through Maven.
pub fn java(work: &Path) -> Result<Peer, String> {
    let out = work.join("java");
    let classpath = out.join("classpath");
    checked(
        Command::new("mvn")
            .args(["-q", "-B", "-f"])
            .arg(sources().join("java/pom.xml"))
            .arg(format!("-Dbench.out={}", out.display()))
            .args(["compile", "dependency:build-classpath"])
            .arg(format!("-Dmdep.outputFile={}", classpath.display())),
    )?;
    let jars = std::fs::read_to_string(&classpath).map_err(|e| e.to_string())?;
    let mut command = Command::new("java");
    command.args(["-Xms256m", "-Xmx256m", "-XX:+UseSerialGC", "-cp"]);
    command.arg(format!("{}:{}", out.join("classes").display(), jars.trim())).arg("Convert");
    Peer::start(command)
}

/// stanza.js, through npm.
pub fn node(work: &Path) -> Result<Peer, String> {
    let out = work.join("node");
    std::fs::create_dir_all(&out).map_err(|e| e.to_string())?;
    for file in ["package.json", "convert.js"] {
        std::fs::copy(sources().join("node").join(file), out.join(file)).map_err(|e| e.to_string())?;
    }
    checked(Command::new("npm").args(["install", "--silent", "--no-audit", "--no-fund"]).current_dir(&out))?;
    let mut command = Command::new("node");
    command.arg("convert.js").current_dir(&out);
    Peer::start(command)
}
