//! What people who are here cost: the memory of Openfire, with and without the bridge, for each session, and for each message that the bridge holds while its
//! platform says nothing.
//!
//! The heap is what is left after a full collection. What is outside of the heap is the rest of the anonymous memory, which needs a heap whose pages are
//! all touched from the start (`-XX:+AlwaysPreTouch`, as large at the beginning as at the end).

use std::ops::Range;
use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::Outcome;
use crate::client::Client;
use crate::http::Http;
use crate::process::{self, Part};
use crate::steps::Told;
use crate::target::{in_parallel, until};

/// A server's memory, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Weight {
    /// Used in the Java heap after a full collection.
    pub heap: f64,
    /// All other memory that no file backs.
    pub outside: f64,
}

impl Weight {
    /// What one of `count` costs, by what there was before and is now.
    #[must_use]
    pub fn each(self, before: Self, count: usize) -> Self {
        Self {
            heap: (self.heap - before.heap) / count as f64,
            outside: (self.outside - before.outside) / count as f64,
        }
    }
}

/// People on one server.
#[derive(Debug)]
pub struct Crowd {
    xmpp: u16,
    openfire: Part,
    page: Option<Http>,
    here: Vec<Client>,
}

impl Crowd {
    /// Nobody yet, on a server that works.
    ///
    /// # Errors
    /// When it does not.
    pub fn new(told: &Told) -> Outcome<Self> {
        let mut page = told.admin.map(|port| Http::new(port, None));
        let ready = |page: &mut Http| until(page, "ready", |facts| facts["ready"] == Value::Bool(true));
        let facts = page.as_mut().map(ready).transpose()?;
        let openfire = told.parts(facts.as_ref())?.remove(0);
        Ok(Self { xmpp: told.xmpp, openfire, page, here: Vec::new() })
    }

    /// These people register, log in and stay; some at a time.
    ///
    /// # Errors
    /// When one cannot.
    pub fn gather(&mut self, numbers: Range<usize>) -> Outcome<()> {
        let at_once = 8;
        let port = self.xmpp;
        let each = |first: usize| -> Outcome<Vec<Client>> {
            numbers
                .clone()
                .skip(first)
                .step_by(at_once)
                .map(|i| arrive(port, &format!("person{i}")))
                .collect()
        };
        let groups = in_parallel((0..at_once).collect(), each)?;
        self.here.extend(groups.into_iter().flatten());
        Ok(())
    }

    /// What the server weighs now.
    ///
    /// # Errors
    /// When Java does not tell.
    pub fn weigh(&self, jcmd: &str) -> Outcome<Weight> {
        let [pid] = self.openfire.pids[..] else { return Err("Openfire is one process".to_owned()) };
        // What the first collection lets go of may have held something else.
        for _ in 0..2 {
            said(jcmd, &[&pid.to_string(), "GC.run"])?;
        }
        let (heap, whole) = heap(&said(jcmd, &[&pid.to_string(), "GC.heap_info"])?)?;
        Ok(Weight { heap, outside: process::memory(&self.openfire)?.anonymous as f64 - whole })
    }

    /// The bridge's status.
    ///
    /// # Errors
    /// When there is no bridge, or it does not tell.
    pub fn status(&mut self, what: &str, so: impl Fn(&Value) -> bool) -> Outcome<Value> {
        until(self.page.as_mut().ok_or("there is no bridge")?, what, so)
    }

    /// One person sends another so many messages.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn send(&mut self, count: usize) -> Outcome<()> {
        let text: String = (0..count).map(|i| crate::work::message("person1", &mark(i))).collect();
        self.person("person0")?.say(&text)
    }

    /// The other gets them, each once and in order.
    ///
    /// # Errors
    /// When not.
    pub fn receive(&mut self, count: usize) -> Outcome<()> {
        let person = self.person("person1")?;
        (0..count).try_for_each(|i| person.expect_message(&crate::work::end_of(&mark(i))))
    }

    fn person(&mut self, name: &str) -> Outcome<&mut Client> {
        self.here.iter_mut().find(|client| client.name() == name).ok_or_else(|| format!("{name} is not here"))
    }

    /// Everybody leaves.
    ///
    /// # Errors
    /// When a message comes that nobody sent.
    pub fn leave(self) -> Outcome<()> {
        self.here.into_iter().try_for_each(Client::leave)
    }
}

/// A process that does not run until this is dropped: a platform that says nothing, without being gone.
#[derive(Debug)]
pub struct Paused(Pid);

impl Paused {
    /// Stops it.
    ///
    /// # Errors
    /// When it is not there.
    pub fn new(pid: u32) -> Outcome<Self> {
        let pid = one_process(pid)?;
        kill_process(pid, Signal::STOP)
            .map_err(|e| format!("stopping process {}: {e}", pid.as_raw_nonzero()))?;
        Ok(Self(pid))
    }
}

impl Drop for Paused {
    fn drop(&mut self) {
        if let Err(why) = kill_process(self.0, Signal::CONT) {
            eprintln!("the platform stays stopped: {why}");
        }
    }
}

/// A number that stands for one process. To `kill`, 0 is everybody in the group, and what is negative, or too large for its type and so becomes
/// negative, a whole group or everybody on the machine.
fn one_process(pid: u32) -> Outcome<Pid> {
    let pid = i32::try_from(pid).ok().filter(|pid| *pid > 1).and_then(Pid::from_raw);
    pid.ok_or_else(|| "this is no number of one process".to_owned())
}

fn arrive(port: u16, name: &str) -> Outcome<Client> {
    let password = format!("secret-of-{name}");
    let mut stranger = Client::connect(port)?;
    stranger.register(name, &password)?;
    stranger.leave()?;
    let mut client = Client::connect(port)?;
    client.log_in(name, &password)?;
    client.come()?;
    Ok(client)
}

fn mark(i: usize) -> String {
    format!("held-{i}")
}

/// What a program prints when it succeeds.
fn said(program: &str, arguments: &[&str]) -> Outcome<String> {
    let output = Command::new(program).args(arguments).output().map_err(|e| format!("{program}: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() { Ok(text) } else { Err(format!("{program} {arguments:?} failed: {text}")) }
}

/// Bytes used and bytes there, out of what `jcmd PID GC.heap_info` prints: the first `NNNK, used NNNK` is the heap's (the next is of the classes).
fn heap(text: &str) -> Outcome<(f64, f64)> {
    let numbers = text.split_once("K, used ").and_then(|(whole, used)| {
        let whole = whole.rsplit(' ').next()?.parse::<f64>().ok()?;
        let used = used.split_once('K')?.0.parse::<f64>().ok()?;
        Some((used * 1024.0, whole * 1024.0))
    });
    numbers.ok_or_else(|| format!("no heap in {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_heap_is_the_first_that_is_used() {
        let g1 = "77:\n garbage-first heap   total 524288K, used 61541K [0x1, 0x2)\n  region size 1024K, 3 young\n Metaspace       used 46513K, committed 47104K\n";
        assert_eq!(heap(g1), Ok((61541.0 * 1024.0, 524_288.0 * 1024.0)));
        let newer = " garbage-first heap   total reserved 600K, committed 500K, used 40K [0x1, 0x2)\n";
        assert_eq!(heap(newer), Ok((40.0 * 1024.0, 500.0 * 1024.0)));
        assert!(heap("77:\nno such command").is_err());
    }

    #[test]
    fn what_one_costs_is_the_difference_shared() {
        let (before, after) = (Weight { heap: 100.0, outside: 50.0 }, Weight { heap: 300.0, outside: 40.0 });
        assert_eq!(after.each(before, 100), Weight { heap: 2.0, outside: -0.1 });
    }

    #[test]
    fn only_one_process_is_ever_meant() {
        assert!(one_process(4711).is_ok_and(|pid| pid.as_raw_nonzero().get() == 4711));
        for wrong in [0, 1, u32::MAX, u32::MAX - 4711, 1 << 31] {
            assert!(one_process(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_paused_process_goes_on_when_it_is_dropped() {
        let mut child = Command::new("cat").stdin(std::process::Stdio::piped()).spawn().expect("cat");
        let state = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a status");
        let paused = Paused::new(child.id()).expect("paused");
        let since = std::time::Instant::now();
        while !state(child.id()).contains("T (stopped)") {
            assert!(since.elapsed().as_secs() < 60, "it is not stopped");
            std::thread::yield_now();
        }
        drop(paused);
        // It can only end when it runs.
        drop(child.stdin.take());
        assert!(child.wait().expect("an end").success());
    }
}
