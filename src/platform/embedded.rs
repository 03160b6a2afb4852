//! The embedded platform: `im-platform` as a child process on loopback (design, "The embedded platform").
//!
//! It holds a pipe from this process and exits when that closes; token and port travel over pipes, never in arguments, environment or logs.
//! It is restarted with backoff for as long as it is wanted.

use std::io::{BufRead, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::{Credential, Target};

const BACKOFF: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(15));
/// How long a child may take to end.
const END_LIMIT: Duration = Duration::from_secs(10);
/// How long a child may take from its start to its first line (a migration may run).
const START_LIMIT: Duration = Duration::from_secs(60);

/// What the supervisor tells its owner.
#[derive(Debug)]
pub enum Event {
    /// It listens.
    Up(Target),
    /// It does not; says why.
    Down(String),
    /// A line that it logged.
    Log(String),
}

#[derive(Debug, Default, Clone)]
/// State of the child, for the status page.
pub struct ChildState {
    /// Process id while it runs.
    pub pid: Option<u32>,
    /// Port while it listens.
    pub port: Option<u16>,
    /// Version it reported.
    pub version: Option<String>,
    /// How often it was started.
    pub starts: u64,
    /// Why it ended last.
    pub last_end: Option<String>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<Inner>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    child: ChildState,
    stdin: Option<ChildStdin>,
    stopped: bool,
}

/// Runs and watches the child until dropped or stopped.
#[derive(Debug)]
pub struct Embedded {
    shared: Arc<Shared>,
    thread: Option<std::thread::JoinHandle<()>>,
}

fn lock(shared: &Shared) -> MutexGuard<'_, Inner> {
    shared.state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Embedded {
    /// Starts the supervisor. `report` is called from its threads.
    #[must_use]
    pub fn start(binary: PathBuf, data: PathBuf, report: impl Fn(Event) + Send + Sync + 'static) -> Embedded {
        let shared = Arc::new(Shared::default());
        let thread = std::thread::Builder::new().name("cloudbridge-child".into()).spawn({
            let shared = Arc::clone(&shared);
            let report = Arc::new(report);
            move || supervise(&shared, &binary, &data, &report)
        });
        Embedded { shared, thread: thread.ok() }
    }

    /// State of the child.
    #[must_use]
    pub fn state(&self) -> ChildState {
        lock(&self.shared).child.clone()
    }

    /// Closes the pipe, waits for the child to end (it finishes what it accepted) and for the supervisor. A child that does not end within
    /// [`END_LIMIT`] is killed.
    pub fn stop(&mut self) {
        {
            let mut inner = lock(&self.shared);
            inner.stopped = true;
            inner.stdin = None;
        }
        self.shared.wake.notify_all();
        let Some(thread) = self.thread.take() else { return };
        let give_up = Instant::now() + END_LIMIT;
        while !thread.is_finished() && Instant::now() < give_up {
            std::thread::park_timeout(Duration::from_millis(10));
        }
        // It neither reads its pipe nor closes its own: the supervisor would wait for ever.
        let pid = lock(&self.shared).child.pid.filter(|_| !thread.is_finished());
        if let Some(pid) = pid {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
        }
        let _ = thread.join();
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.stop();
    }
}

fn supervise<R: Fn(Event) + Send + Sync + 'static>(
    shared: &Arc<Shared>,
    binary: &PathBuf,
    data: &PathBuf,
    report: &Arc<R>,
) {
    let mut pause = BACKOFF.0;
    loop {
        if lock(shared).stopped {
            return;
        }
        let started = Instant::now();
        let end = run(shared, binary, data, report);
        {
            let mut inner = lock(shared);
            inner.child.pid = None;
            inner.child.port = None;
            inner.stdin = None;
            inner.child.last_end = Some(end.clone());
            if inner.stopped {
                return;
            }
        }
        report(Event::Down(end));
        // A child that lived for a while earns a quick restart.
        pause =
            if started.elapsed() > Duration::from_secs(30) { BACKOFF.0 } else { (pause * 2).min(BACKOFF.1) };
        let inner = lock(shared);
        drop(shared.wake.wait_timeout_while(inner, pause, |inner| !inner.stopped));
    }
}

/// Runs one child to its end and says why it ended.
fn run<R: Fn(Event) + Send + Sync + 'static>(
    shared: &Arc<Shared>,
    binary: &PathBuf,
    data: &PathBuf,
    report: &Arc<R>,
) -> String {
    let token = format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    let child = Command::new(binary)
        .args(["serve", "--embedded", "--data"])
        .arg(data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(e) => return format!("{} cannot be started: {e}", binary.display()),
    };
    let stderr = child.stderr.take().map(|stderr| {
        let report = Arc::clone(report);
        let last = Arc::new(Mutex::new(String::new()));
        let keep = Arc::clone(&last);
        let thread = std::thread::Builder::new().name("cloudbridge-child-log".into()).spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                keep.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&line);
                report(Event::Log(line));
            }
        });
        (thread, last)
    });
    let up = greet(shared, &mut child, &token);
    let mut end = match up {
        Ok((port, rest)) => {
            report(Event::Up(Target {
                urls: vec![format!("http://127.0.0.1:{port}")],
                credential: Credential::Bearer(token),
            }));
            // Nothing more is said on stdout: its end is the end of the child.
            for _ in rest.lines().map_while(Result::ok) {}
            String::new()
        }
        Err(why) => {
            let _ = child.kill();
            why
        }
    };
    lock(shared).stdin = None;
    let status = wait(&mut child);
    if let Some((thread, last)) = stderr {
        if let Ok(thread) = thread {
            let _ = thread.join();
        }
        let last = last.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if end.is_empty() {
            end = format!("the embedded platform ended ({status})");
        }
        if !last.is_empty() {
            end = format!("{end}; its last line: {last}");
        }
    }
    end
}

fn greet(
    shared: &Arc<Shared>,
    child: &mut Child,
    token: &str,
) -> Result<(u16, BufReader<std::process::ChildStdout>), String> {
    let mut stdin = child.stdin.take().ok_or("no pipe to the embedded platform")?;
    let stdout = child.stdout.take().ok_or("no pipe from the embedded platform")?;
    let hello = serde_json::json!({ "token": token });
    writeln!(stdin, "{hello}")
        .map_err(|e| format!("the embedded platform does not listen to its pipe: {e}"))?;
    {
        let mut inner = lock(shared);
        inner.child.pid = Some(child.id());
        inner.child.starts += 1;
        if inner.stopped {
            return Err("stopped while starting".into());
        }
        inner.stdin = Some(stdin);
    }
    // The read ends at the latest when the child does; a child that hangs is killed by the watchdog.
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let pid = child.id();
    let watchdog = std::thread::Builder::new().name("cloudbridge-child-wait".into()).spawn(move || {
        if receiver.recv_timeout(START_LIMIT) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            let _ = Command::new("kill").args(["-9", &pid.to_string()]).status();
        }
    });
    let mut stdout = BufReader::new(stdout);
    let mut line = String::new();
    let read = stdout.read_line(&mut line);
    drop(sender);
    if let Ok(watchdog) = watchdog {
        let _ = watchdog.join();
    }
    read.map_err(|e| format!("the embedded platform cannot be read: {e}"))?;
    let hello: serde_json::Value = serde_json::from_str(&line)
        .map_err(|_| "the embedded platform ended before it said where it listens".to_owned())?;
    let port = hello["port"].as_u64().and_then(|p| u16::try_from(p).ok());
    let port = port.ok_or("the embedded platform said nothing about its port")?;
    let mut inner = lock(shared);
    inner.child.port = Some(port);
    inner.child.version = hello["version"].as_str().map(str::to_owned);
    Ok((port, stdout))
}

/// Waits for the end; a child that ignores its closed pipe is killed.
fn wait(child: &mut Child) -> String {
    let deadline = Instant::now() + END_LIMIT;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return status.to_string(),
            Ok(None) if Instant::now() < deadline => std::thread::park_timeout(Duration::from_millis(10)),
            Ok(None) => {
                let _ = child.kill();
                return child.wait().map_or_else(|e| e.to_string(), |s| format!("{s}, killed"));
            }
            Err(e) => return e.to_string(),
        }
    }
}
