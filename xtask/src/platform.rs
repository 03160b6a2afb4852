//! The reference platform as the child of this process (`cargo xtask run --platform-only`), and the ways into one that the plugin embeds.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::builds;
use crate::project::{Doing, Failure, Output, Project};

/// How long a platform may take until it is served.
const START_LIMIT: Duration = Duration::from_secs(30);

/// The platform, ending with its pipe.
pub struct Platform {
    child: Child,
    stdin: Option<ChildStdin>,
    pub token: String,
    port: u64,
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

    /// Its address.
    pub fn base(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Whether it has ended by itself.
    pub fn ended(&mut self) -> Result<Option<std::process::ExitStatus>, Failure> {
        self.child.try_wait().doing("looking after the platform")
    }

    /// Ends it and waits.
    pub fn stop(&mut self) -> Result<(), Failure> {
        drop(self.stdin.take());
        self.child.wait().doing("waiting for the platform").map(|_| ())
    }
}

/// Starts it, says how to get in, and serves until somebody stops us. What it keeps stays in `target/run-platform`.
pub fn run(project: &Project, stopped: &mpsc::Receiver<()>) -> Result<(), Failure> {
    println!("Building (the first time takes some minutes)");
    let binary = builds::platform(project, Output::Kept(&project.log("platform")?))?;
    let data = project.target.join("run-platform");
    let mut platform = start(&binary, &data, &project.log("run-platform")?)?;
    let link = console(&binary, &data)?;
    let base = platform.base();
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
        if let Some(status) = platform.ended()? {
            return Err(Failure::new(format!(
                "the platform ended by itself ({status}); see target/logs/run-platform.log"
            )));
        }
    }
    println!("\nStopping");
    platform.stop()
}

/// Writes what curl needs to speak to the platform of this data folder, once somebody serves it (`curl --config FILE`; the token stands on no command
/// line).
pub fn write_curl(binary: &Path, data: &Path, file: &Path) -> Result<(), Failure> {
    let give_up = Instant::now() + START_LIMIT;
    let pass = loop {
        let mut pass = Command::new(binary);
        pass.arg("pass").arg("--data").arg(data);
        let late = Instant::now() > give_up;
        match said(if late { &mut pass } else { pass.stderr(Stdio::null()) }) {
            Ok(pass) => break pass,
            Err(why) if late => return Err(why),
            Err(_) => std::thread::park_timeout(Duration::from_millis(200)),
        }
    };
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let mut out = options.open(file).doing(format!("writing {}", file.display()))?;
    writeln!(out, "{pass}").doing(format!("writing {}", file.display()))
}

/// A link that logs in at the console, once.
pub fn console(binary: &Path, data: &Path) -> Result<String, Failure> {
    said(Command::new(binary).arg("console").arg("--data").arg(data))
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
    let done = command.output().doing("starting im-platform")?;
    if !done.status.success() {
        return Err(Failure::new(format!("im-platform failed ({})", done.status)));
    }
    Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
}
