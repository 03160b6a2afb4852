//! One process of the cloud, below a shell that ends it when our pipe closes.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use crate::project::{Doing, Failure};

/// Starts the words it is given, says the process's number, and ends it when its own stdin ends.
const SHELL: &str = "\"$@\" </dev/null >&2 & pid=$!; echo $pid; cat >/dev/null; kill -TERM $pid; wait $pid";
/// How long a service may take to listen.
const START: Duration = Duration::from_secs(60);
/// How long it may take to end before it is killed.
const STOP: Duration = Duration::from_secs(15);

/// A running service; ends when dropped.
pub struct Service {
    shell: Child,
    stdin: Option<ChildStdin>,
    pid: u32,
}

impl Service {
    /// Starts it and waits until it listens, and if `page` is given, until it serves that over HTTP.
    pub fn start(
        home: &Path,
        name: &str,
        command: &[String],
        port: u16,
        page: Option<&str>,
    ) -> Result<Self, Failure> {
        let log = home.join("logs").join(format!("{name}.log"));
        let file = File::options().create(true).append(true).open(&log);
        let file = file.doing(format!("writing {}", log.display()))?;
        let mut shell = Command::new("sh");
        shell.args(["-c", SHELL, name]).args(command);
        // In a group of its own: Ctrl-C reaches us alone, and our end is its end.
        shell.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(file);
        let mut shell = shell.spawn().doing(format!("starting {name}"))?;
        let stdin = shell.stdin.take();
        let mut line = String::new();
        if let Some(stdout) = shell.stdout.take() {
            BufReader::new(stdout).read_line(&mut line).doing(format!("starting {name}"))?;
        }
        let service = Self { shell, stdin, pid: line.trim().parse().unwrap_or(0) };
        let deadline = Instant::now() + START;
        while !serves(port, page) {
            if !service.runs() || Instant::now() > deadline {
                let said = fs::read_to_string(&log).unwrap_or_default();
                let last: Vec<&str> = said.lines().rev().take(10).collect();
                let last: Vec<&str> = last.into_iter().rev().collect();
                return Err(Failure::new(format!("{name} does not start:\n{}", last.join("\n"))));
            }
            pause();
        }
        Ok(service)
    }

    fn runs(&self) -> bool {
        // An ended child that nobody has waited for is still there, as a zombie.
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid)).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        drop(self.stdin.take());
        let deadline = Instant::now() + STOP;
        while matches!(self.shell.try_wait(), Ok(None)) {
            if Instant::now() > deadline {
                let group = format!("-{}", self.shell.id());
                let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
                let _ = self.shell.wait();
                return;
            }
            pause();
        }
    }
}

/// Whether something listens, and answers. uwsgi listens long before what it serves has been loaded: the answer comes when that is done.
fn serves(port: u16, page: Option<&str>) -> bool {
    let Ok(mut stream) = TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, port))) else {
        return false;
    };
    let Some(page) = page else { return true };
    let mut start = [0; 7];
    stream.set_read_timeout(Some(START)).is_ok()
        && write!(stream, "GET {page} HTTP/1.0\r\nHost: localhost\r\n\r\n").is_ok()
        && stream.read_exact(&mut start).is_ok()
        && start.starts_with(b"HTTP/1.")
}

fn pause() {
    #[expect(clippy::disallowed_methods, reason = "a port and a child's end can only be looked at")]
    std::thread::sleep(Duration::from_millis(50));
}
