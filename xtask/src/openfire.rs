//! A real Openfire as a child process: started by a launch file, steered over stdin, ended on every path.
//!
//! The server ends by itself when its stdin ends, so even when this process is killed nothing stays behind. Its home
//! directory is made by the launcher (tests/openfire/launcher), which the Java test suite uses in the same way.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::project::{Doing, Failure, Project};
use crate::tools::Jdk;

/// How long a server may take to stop before it is killed.
const STOP_LIMIT: Duration = Duration::from_secs(30);
/// The launcher's exit code for a port that somebody else took first.
const PORT_TAKEN: i32 = 75;

/// What a server is started with.
pub struct Launch {
    pub home: PathBuf,
    pub domain: &'static str,
    /// The plugin; none when empty.
    pub jar: PathBuf,
    pub users: Vec<(&'static str, String)>,
    pub properties: Vec<(&'static str, String)>,
    /// Options of the JVM.
    pub options: &'static [&'static str],
}

/// A running server.
pub struct Server {
    child: Child,
    stdin: Option<ChildStdin>,
    pub xmpp_port: u16,
    pub admin_port: u16,
}

impl Server {
    /// Starts a server in a fresh home.
    pub fn start(project: &Project, jdk: &Jdk, launch: &Launch) -> Result<Self, Failure> {
        for _ in 0..3 {
            if launch.home.exists() {
                fs::remove_dir_all(&launch.home).doing(format!("removing {}", launch.home.display()))?;
            }
            fs::create_dir_all(&launch.home).doing(format!("making {}", launch.home.display()))?;
            let file = launch.home.join("launch");
            fs::write(&file, launch.text(project)).doing(format!("writing {}", file.display()))?;
            let console = launch.home.join("console.log");
            let log = File::create(&console).doing(format!("writing {}", console.display()))?;
            let mut child = command(project, jdk, launch.options)
                .arg(&file)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(log)
                .spawn()
                .doing("starting Openfire")?;
            let stdin = child.stdin.take();
            let stdout = child.stdout.take();
            let mut server = Self { child, stdin, xmpp_port: 0, admin_port: 0 };
            let Some(stdout) = stdout else { return Err(Failure::new("Openfire has no output")) };
            match server.await_ready(stdout) {
                Ok(()) => return Ok(server),
                Err(_) if server.port_was_taken() => continue,
                Err(why) => {
                    return Err(Failure::new(format!(
                        "Openfire did not start: {why}; see {}",
                        console.display()
                    )));
                }
            }
        }
        Err(Failure::new("Openfire did not start: the ports that the system gave were taken each time"))
    }

    /// Reads until the launcher says that it is ready, then leaves a thread that empties the pipe.
    fn await_ready(&mut self, stdout: ChildStdout) -> Result<(), String> {
        let mut lines = BufReader::new(stdout).lines();
        for line in lines.by_ref() {
            let line = line.map_err(|error| error.to_string())?;
            if let Some(facts) = line.strip_prefix("@ ready ") {
                self.xmpp_port = fact(facts, "xmpp").ok_or("no xmpp port")?;
                self.admin_port = fact(facts, "admin").ok_or("no admin port")?;
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(());
            }
            if let Some(why) = line.strip_prefix("@ failed ") {
                return Err(why.to_owned());
            }
        }
        Err("it ended".to_owned())
    }

    fn port_was_taken(&mut self) -> bool {
        self.child.wait().is_ok_and(|status| status.code() == Some(PORT_TAKEN))
    }

    /// The server's process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it is still there.
    pub fn alive(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Asks it to stop and waits; kills it and everything it started when it does not.
    pub fn stop(&mut self) {
        if let Some(mut stdin) = self.stdin.take() {
            // A server that is gone already does not read it.
            let _ = stdin.write_all(b"stop\n");
        }
        let deadline = Instant::now() + STOP_LIMIT;
        while self.alive() {
            if Instant::now() > deadline {
                eprintln!("Openfire does not stop: killing it");
                // Its process group: the server and the embedded platform, nothing else.
                let group = format!("-{}", self.child.id());
                let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
                let _ = self.child.wait();
                return;
            }
            #[expect(clippy::disallowed_methods, reason = "std cannot wait for a child's end with a limit")]
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Launch {
    fn text(&self, project: &Project) -> String {
        let mut lines = vec![
            format!("home={}", self.home.display()),
            format!("schema={}", project.root.join("tests/openfire/home/openfire_hsqldb.sql").display()),
            format!("security={}", project.openfire().join("security").display()),
            format!("domain={}", self.domain),
            format!("jar={}", self.jar.display()),
        ];
        lines.extend(self.users.iter().map(|(name, password)| format!("user.{name}={password}")));
        lines.extend(self.properties.iter().map(|(key, value)| format!("property.{key}={value}")));
        lines.join("\n") + "\n"
    }
}

/// The java command line of a server, without its launch file. In a process group of its own, so that Ctrl-C reaches
/// only us and we stop it in order.
fn command(project: &Project, jdk: &Jdk, options: &[&str]) -> Command {
    let mut java = jdk.tool("java");
    java.args(["--add-opens", "java.base/java.lang=ALL-UNNAMED", "-Djava.awt.headless=true"]).args(options);
    if jdk.major >= 24 {
        java.arg("--enable-native-access=ALL-UNNAMED");
    }
    java.arg("-cp")
        .arg(class_path(&project.openfire()))
        .arg("org.jivesoftware.openfire.starter.ServerStarter");
    java.process_group(0);
    java
}

fn class_path(openfire: &Path) -> String {
    format!("{}:{}/*", openfire.join("launcher").display(), openfire.join("lib").display())
}

/// `name=value` out of a line of them.
fn fact(line: &str, name: &str) -> Option<u16> {
    line.split(' ').find_map(|word| word.strip_prefix(name)?.strip_prefix('='))?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::fact;

    #[test]
    fn facts_of_the_ready_line() {
        let line = "pid=1 xmpp=41831 admin=44993 domain=localhost";
        assert_eq!(
            (fact(line, "xmpp"), fact(line, "admin"), fact(line, "nothing")),
            (Some(41831), Some(44993), None)
        );
    }
}
