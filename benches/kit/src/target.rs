//! One server under load, its people, and what a run of the workload on it took.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Outcome;
use crate::http::Http;
use crate::process::{self, Part};
use crate::steps::Told;
use crate::work::{KEPT, MESSAGES, OPERATIONS, Times, Worker, register_absent};

/// Workers of a server: so many things are under way at one time.
pub const WORKERS: usize = 8;
/// Messages to people who never come are sent so many at a time.
const BLOCK: usize = 1000;
/// What the bridge still has to do when the last answer has come may take so long.
const SETTLE: Duration = Duration::from_secs(120);
/// Between two looks at the status page.
const LOOK: Duration = Duration::from_millis(5);

/// What one run took.
#[derive(Debug, Clone, Default)]
pub struct Run {
    /// How many operations.
    pub operations: usize,
    /// From the first stanza to the last answer.
    pub seconds: f64,
    /// Seconds on a core, by part of the server, until nothing was left to do.
    pub cpu: Vec<f64>,
    /// The load's own.
    pub load_cpu: f64,
    /// Milliseconds, by kind.
    pub times: Times,
}

/// One server.
#[derive(Debug)]
pub struct Target {
    /// What tables call it.
    pub name: String,
    /// Its processes.
    pub parts: Vec<Part>,
    status: Option<Http>,
    workers: Vec<Worker>,
    /// Messages that were sent to local users so far.
    sent: u64,
    /// Messages that wait for people who never come.
    pub left: usize,
}

impl Target {
    /// Waits until the bridge works, makes the accounts and logs people in.
    ///
    /// # Errors
    /// When the server does not do it.
    pub fn new(told: &Told) -> Outcome<Self> {
        let mut status = told.admin.map(|port| Http::new(port, None));
        let ready = |page: &mut Http| until(page, "ready", |facts| facts["ready"] == Value::Bool(true));
        let facts = status.as_mut().map(ready).transpose()?;
        let parts = told.parts(facts.as_ref())?;
        // What others have sent here before.
        let sent = facts.as_ref().map_or(Some(0), taken).ok_or("the status does not say what was taken")?;
        let workers = in_parallel((0..WORKERS).collect(), |number| Worker::new(told.xmpp, number))?;
        register_absent(told.xmpp)?;
        let mut target = Self { name: told.name.clone(), parts, status, workers, sent, left: 0 };
        target.settled()?;
        Ok(target)
    }

    /// So many turns, shared among the workers.
    ///
    /// # Errors
    /// When a turn fails, or the bridge did not do all of it.
    pub fn run(&mut self, turns: usize) -> Outcome<Run> {
        let before = self.cpu()?;
        let own = process::own_cpu_seconds()?;
        let next = AtomicUsize::new(0);
        let times: Mutex<Times> = Mutex::default();
        let started = Instant::now();
        in_parallel(self.workers.iter_mut().collect(), |worker| {
            let mut own = Times::default();
            while next.fetch_add(1, Ordering::Relaxed) < turns {
                worker.turn(&mut own)?;
            }
            let mut all = times.lock().map_err(|_| "another worker failed".to_owned())?;
            all.iter_mut().zip(own).for_each(|(all, own)| all.extend(own));
            Ok(())
        })
        .map_err(|why| format!("{}: {why}", self.name))?;
        let seconds = started.elapsed().as_secs_f64();
        self.sent += (turns * (MESSAGES + KEPT)) as u64;
        self.settled()?;
        let after = self.cpu()?;
        Ok(Run {
            operations: turns * OPERATIONS,
            seconds,
            cpu: after.iter().zip(&before).map(|(after, before)| after - before).collect(),
            load_cpu: process::own_cpu_seconds()? - own,
            times: times.into_inner().map_err(|_| "a worker failed".to_owned())?,
        })
    }

    /// Sends messages to people who never come until `total` of them wait, or `limit` is over; how many came in how many seconds, until all were kept.
    ///
    /// # Errors
    /// When the server fails, or the bridge did not do all of it.
    pub fn fill(&mut self, total: usize, limit: Duration) -> Outcome<(usize, f64)> {
        let (began, started) = (self.left, Instant::now());
        while self.left < total && started.elapsed() < limit {
            let block = BLOCK.min(total - self.left);
            let shares: Vec<usize> =
                (0..WORKERS).map(|i| block / WORKERS + usize::from(i < block % WORKERS)).collect();
            let work = self.workers.iter_mut().zip(shares).collect();
            in_parallel(work, |(worker, share): (&mut Worker, usize)| worker.leave_behind(share))
                .map_err(|why| format!("{}: {why}", self.name))?;
            self.left += block;
            self.sent += block as u64;
            self.settled()?;
        }
        Ok((self.left - began, started.elapsed().as_secs_f64()))
    }

    /// Waits until the bridge has nothing left to do, and checks that the platform decided every message so far.
    fn settled(&mut self) -> Outcome<()> {
        let Some(status) = &mut self.status else { return Ok(()) };
        let facts = until(status, "idle", idle)?;
        decided(&facts, self.sent).map_err(|why| format!("{}: {why}", self.name))
    }

    fn cpu(&self) -> Outcome<Vec<f64>> {
        self.parts.iter().map(process::cpu_seconds).collect()
    }

    /// The bridge's status; nothing without the plugin.
    ///
    /// # Errors
    /// When it does not tell.
    pub fn status(&mut self) -> Outcome<Option<Value>> {
        self.status.as_mut().map(status).transpose()
    }

    /// Logs everybody out.
    ///
    /// # Errors
    /// When a message comes that nobody sent.
    pub fn end(self) -> Outcome<()> {
        in_parallel(self.workers, Worker::end).map(drop)
    }
}

fn status(page: &mut Http) -> Outcome<Value> {
    page.json("GET", "/plugins/cloudbridge/cloudbridge-settings.jsp?json", None)
}

/// Looks at the status until something is so.
///
/// # Errors
/// When it does not become so.
pub fn until(page: &mut Http, what: &str, so: impl Fn(&Value) -> bool) -> Outcome<Value> {
    let since = Instant::now();
    loop {
        let facts = status(page)?;
        if so(&facts) {
            return Ok(facts);
        }
        if since.elapsed() > SETTLE {
            return Err(format!("the bridge does not become {what}: {facts}"));
        }
        #[expect(clippy::disallowed_methods, reason = "the status page announces nothing")]
        thread::sleep(LOOK);
    }
}

fn taken(facts: &Value) -> Option<u64> {
    facts["modules"]["chat"]["counts"]["taken"].as_u64()
}

/// Nothing is held, on its way or in the journal.
fn idle(facts: &Value) -> bool {
    let chat = &facts["modules"]["chat"];
    let journal = &facts["journal"];
    [
        &chat["held"],
        &chat["in_effect"],
        &journal["held"],
        &journal["events"],
        &journal["settled"],
        &journal["calls"],
    ]
    .into_iter()
    .all(|count| count.as_u64() == Some(0))
}

/// The platform decided so many messages, and nothing was decided without it: else it is not the bridge that was measured.
fn decided(facts: &Value, sent: u64) -> Outcome<()> {
    let counts = &facts["modules"]["chat"]["counts"];
    let count = |name: &str| counts[name].as_u64().ok_or_else(|| format!("the status has no count {name}"));
    if (count("released")? + count("stored")?, count("taken")?) != (sent, sent) {
        return Err(format!("the platform did not decide all {sent} messages: {counts}"));
    }
    for without in ["alone", "native", "failed", "refused"] {
        if count(without)? != 0 {
            return Err(format!("something was decided without the platform: {counts}"));
        }
    }
    Ok(())
}

/// One thread each; the first failure of any.
///
/// # Errors
/// That failure.
pub fn in_parallel<T: Send, R: Send>(work: Vec<T>, each: impl Fn(T) -> Outcome<R> + Sync) -> Outcome<Vec<R>> {
    thread::scope(|scope| {
        let running: Vec<_> = work.into_iter().map(|one| scope.spawn(|| each(one))).collect();
        running
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|_| Err("a worker panicked".to_owned())))
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn facts(changed: &str, to: u64) -> Value {
        let mut counts = json!({ "taken": 10, "released": 8, "stored": 2, "alone": 0, "native": 0, "failed": 0, "refused": 0 });
        let mut chat = json!({ "held": 0, "in_effect": 0 });
        let mut journal = json!({ "held": 0, "events": 0, "settled": 0, "calls": 0 });
        for part in [&mut counts, &mut chat, &mut journal] {
            if part.get(changed).is_some() {
                part[changed] = json!(to);
            }
        }
        chat["counts"] = counts;
        json!({ "modules": { "chat": chat }, "journal": journal })
    }

    #[test]
    fn every_message_is_the_platforms_or_the_run_fails() {
        assert_eq!(decided(&facts("", 0), 10), Ok(()));
        assert!(decided(&facts("", 0), 11).is_err());
        for (count, to) in
            [("taken", 9), ("stored", 1), ("alone", 1), ("native", 1), ("failed", 1), ("refused", 1)]
        {
            assert!(decided(&facts(count, to), 10).is_err(), "{count} {to}");
        }
        assert!(decided(&json!({}), 0).is_err(), "a status without counts");
    }

    #[test]
    fn idle_is_when_nothing_is_left() {
        assert!(idle(&facts("", 0)));
        for count in ["in_effect", "events", "settled", "calls", "held"] {
            assert!(!idle(&facts(count, 1)), "{count}");
        }
        assert!(!idle(&json!({})), "a status that says nothing");
    }

    #[test]
    fn the_failure_of_one_is_the_failure_of_all() {
        assert_eq!(in_parallel(vec![1, 2, 3], |n| Ok(n * 2)), Ok(vec![2, 4, 6]));
        let odd = in_parallel(vec![2, 3], |n| if n % 2 == 0 { Ok(n) } else { Err("odd".to_owned()) });
        assert_eq!(odd, Err("odd".to_owned()));
    }
}
