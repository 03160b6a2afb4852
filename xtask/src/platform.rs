//! `cargo xtask run --platform-only`: the reference platform by itself, as the child of this process, with its console open to whoever runs it.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::builds;
use crate::project::{Doing, Failure, Output, Project};

/// The platform, ending with its pipe.
pub struct Platform {
    child: Child,
    stdin: Option<ChildStdin>,
    pub token: String,
    pub port: u64,
}

impl Platform {
    /// The server's process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Ends it at once: for one whose data nobody needs, and that may be stopped in the middle of something.
    pub fn kill(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts it, says how to get in, and serves until somebody stops us. What it keeps stays in `target/run-platform`.
pub fn run(project: &Project, stopped: &mpsc::Receiver<()>) -> Result<(), Failure> {
    println!("Building (the first time takes some minutes)");
    let binary = builds::platform(project, Output::Kept(&project.log("platform")?))?;
    let data = project.target.join("run-platform");
    let mut platform = start(&binary, &data, &project.log("run-platform")?)?;
    let link = said(Command::new(&binary).arg("console").arg("--data").arg(&data))?;
    let base = format!("http://127.0.0.1:{}", platform.port);
    println!(
        "\nThe reference platform runs by itself.\n\n\
         Console     {link}\n             (logs you in once, within ten minutes; another link: {} console --data {})\n\
         Interfaces  {base}/docs\n\
         Token       {}  (scope bridge: may do what a message server does)\n\
         Data        {}, kept for the next time\n\n\
         Try it: put the token into the page of the interfaces and create a user (POST /v1/users); the console shows it at once.\n\n\
         Ctrl-C stops it.",
        binary.display(),
        data.display(),
        platform.token,
        data.display(),
    );
    while stopped.recv_timeout(Duration::from_millis(250)) == Err(mpsc::RecvTimeoutError::Timeout) {
        if let Some(status) = platform.child.try_wait().doing("looking after the platform")? {
            return Err(Failure::new(format!(
                "the platform ended by itself ({status}); see target/logs/run-platform.log"
            )));
        }
    }
    println!("\nStopping");
    drop(platform.stdin.take());
    platform.child.wait().doing("waiting for the platform").map(|_| ())
}

/// Starts one on a data folder; what it says goes into `log`.
pub fn start(binary: &Path, data: &Path, log: &Path) -> Result<Platform, Failure> {
    let token = said(Command::new(binary).arg("token"))?;
    let file = fs::File::create(log).doing(format!("writing {}", log.display()))?;
    let mut serve = Command::new(binary);
    serve.args(["serve", "--embedded", "--data"]).arg(data);
    let mut child = serve
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(file)
        .spawn()
        .doing("starting the platform")?;
    let (mut stdin, stdout) = (child.stdin.take(), child.stdout.take());
    if let Some(stdin) = &mut stdin {
        writeln!(stdin, "{{\"token\":\"{token}\"}}").doing("greeting the platform")?;
    }
    let mut line = String::new();
    if let Some(stdout) = stdout {
        BufReader::new(stdout).read_line(&mut line).doing("listening to the platform")?;
    }
    let hello: Option<serde_json::Value> = serde_json::from_str(&line).ok();
    let port = hello.and_then(|hello| hello["port"].as_u64());
    let port =
        port.ok_or_else(|| Failure::new(format!("the platform did not start; see {}", log.display())))?;
    Ok(Platform { child, stdin, token, port })
}

/// What a command prints.
fn said(command: &mut Command) -> Result<String, Failure> {
    let done = command.stderr(Stdio::inherit()).output().doing("starting im-platform")?;
    if !done.status.success() {
        return Err(Failure::new(format!("im-platform failed ({})", done.status)));
    }
    Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
}
