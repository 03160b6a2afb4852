//! The link to the platform: which one, whether it is there, and what it knows of our sessions (lease, snapshot, changes).

use std::sync::PoisonError;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use im_api::health::Health;
use im_api::state::{Lease, LeaseAnswer, Snapshot, StateAnswer, StateBatch};
use im_api::{problem, routes};

use crate::ffi::frame::{Writer, effect};
use crate::platform::embedded::{Embedded, Event};
use crate::platform::{Credential, PlatformError, Target};

use super::core::{Core, lock};

/// Changes in one request.
const CHANGES: usize = 1000;
/// How long the thread sleeps when nothing is due.
const IDLE: Duration = Duration::from_millis(100);
/// How long the shim may take to list its sessions.
const LIST_LIMIT: Duration = Duration::from_secs(10);

/// The link thread.
pub fn run(core: &Core) {
    let mut next_lease = Instant::now();
    let mut pause = Duration::ZERO;
    while !core.ending.load(Ordering::Acquire) {
        // Only what will be told is a reason not to wait.
        let tells = core.tells_sessions();
        {
            let sessions = lock(&core.sessions);
            let now = Instant::now();
            let due = tells && (sessions.has_changes(now) || core.snapshot_due.load(Ordering::Acquire));
            if !due {
                let next = sessions.next_change().filter(|_| tells);
                let wait = next.map_or(IDLE, |at| at.saturating_duration_since(now).min(IDLE));
                drop(core.link_wake.wait_timeout(sessions, wait).unwrap_or_else(PoisonError::into_inner));
            } else if !pause.is_zero() {
                drop(sessions);
                std::thread::park_timeout(pause);
            }
        }
        if core.reconfigure.swap(false, Ordering::AcqRel) {
            reconfigure(core);
            next_lease = Instant::now();
        }
        if !core.sends() || core.client.url().is_none() {
            // Nothing to do, or the embedded platform is not up: it will wake us.
            pause = Duration::from_millis(100);
            continue;
        }
        let probing = !core.breaker.closed();
        if probing && !core.breaker.probe_due() {
            pause = Duration::from_millis(20);
            continue;
        }
        let done = if core.tells_sessions() {
            step(core, &mut next_lease, probing)
        } else {
            keep_alive(core, &mut next_lease, probing)
        };
        match done {
            Ok(worked) => {
                pause = Duration::ZERO;
                if worked && core.breaker.success() {
                    core.effects.log(2, "platform", "the platform answers again");
                    core.wake_all();
                }
            }
            Err(error) => {
                core.failed("link", error.to_string());
                core.breaker.failure(&error.to_string(), error.refused_credential());
                pause = Duration::from_millis(100);
            }
        }
    }
}

/// One step of telling the platform about sessions. True when a request was answered.
fn step(core: &Core, next_lease: &mut Instant, probing: bool) -> Result<bool, PlatformError> {
    let config = core.config();
    let ttl_ms = u32::try_from(config.lease_seconds * 1000).unwrap_or(30_000);
    if core.snapshot_due.load(Ordering::Acquire) {
        if !lock(&core.sessions).complete() {
            // The shim lists them; its answer comes as a notice before this effect is done.
            let outcome = core
                .effects
                .perform(LIST_LIMIT, |number| Writer::new(effect::SNAPSHOT).long(number).finish());
            if outcome.is_none() || !lock(&core.sessions).complete() {
                return Ok(false);
            }
        }
        core.snapshot_due.store(false, Ordering::Release);
        let Some((seq, sessions)) = lock(&core.sessions).snapshot(Instant::now()) else { return Ok(false) };
        let snapshot = Snapshot { epoch: core.epoch.clone(), ttl_ms, seq, sessions };
        let answer: Result<StateAnswer, _> =
            core.client.json("PUT", &routes::path(routes::SNAPSHOT, &[&core.node]), &snapshot, None);
        let answer = answer.inspect_err(|_| core.snapshot_due.store(true, Ordering::Release))?;
        if !core.tell_occupants()? {
            core.snapshot_due.store(true, Ordering::Release);
            return Ok(false);
        }
        *next_lease = Instant::now() + Duration::from_millis(u64::from(ttl_ms) / 3);
        if !core.ready.swap(true, Ordering::AcqRel) {
            core.effects.log(2, "platform", "the platform knows this server's sessions; the bridge is ready");
        }
        core.breaker.success();
        core.wake_all();
        answer.drain.iter().for_each(|user| core.handovers.add(user));
        return Ok(true);
    }
    let changes = lock(&core.sessions).changes(CHANGES, Instant::now());
    if !changes.is_empty() {
        let batch = StateBatch { epoch: core.epoch.clone(), changes };
        let answer: Result<StateAnswer, _> =
            core.client.json("POST", &routes::path(routes::NODE_STATES, &[&core.node]), &batch, None);
        return match answer {
            Ok(answer) => {
                let moves = lock(&core.sessions).stored();
                core.carry_out_presence(moves);
                answer.drain.iter().for_each(|user| core.handovers.add(user));
                Ok(true)
            }
            Err(error) => {
                lock(&core.sessions).give_back(Instant::now());
                unknown_epoch(core, error)
            }
        };
    }
    if Instant::now() >= *next_lease || probing {
        *next_lease = Instant::now() + Duration::from_millis(u64::from(ttl_ms) / 3);
        return lease(core, ttl_ms);
    }
    core.tell_occupants_again()
}

/// Without sessions to tell there is still a platform to watch.
fn keep_alive(core: &Core, next: &mut Instant, probing: bool) -> Result<bool, PlatformError> {
    if Instant::now() < *next && !probing {
        return Ok(false);
    }
    *next = Instant::now() + Duration::from_secs(10);
    lease(core, 30_000)?;
    core.ready.store(true, Ordering::Release);
    Ok(true)
}

fn lease(core: &Core, ttl_ms: u32) -> Result<bool, PlatformError> {
    let lease = Lease { epoch: core.epoch.clone(), ttl_ms };
    match core.client.json::<_, LeaseAnswer>("PUT", &routes::path(routes::LEASE, &[&core.node]), &lease, None)
    {
        Ok(answer) => {
            answer.drain.iter().for_each(|user| core.handovers.add(user));
            if let Some(any) = answer.pending {
                core.pending_at_platform(any);
            }
            Ok(true)
        }
        Err(error) => unknown_epoch(core, error),
    }
}

/// A platform that does not know our epoch is alive; it wants a snapshot first.
fn unknown_epoch(core: &Core, error: PlatformError) -> Result<bool, PlatformError> {
    if !error.is(problem::UNKNOWN_EPOCH) {
        return Err(error);
    }
    if core.tells_sessions() {
        core.ready.store(false, Ordering::Release);
        core.snapshot_due.store(true, Ordering::Release);
    }
    Ok(true)
}

/// Connects to the platform that the settings name: a remote one, or the embedded one, or none.
fn reconfigure(core: &Core) {
    let config = core.config();
    let mut embedded = lock(&core.embedded);
    core.breaker.reset();
    // A child of earlier settings ends first: it owns the data folder.
    drop(embedded.take());
    if let Some(keystone) = config.keystone.as_ref().filter(|_| core.sends()) {
        super::cloud::connect(core, &config, keystone);
        return;
    }
    core.cloud.end();
    if !core.sends() {
        core.client.disconnect("no module is in mirror or decide mode");
        return;
    }
    if !config.urls.is_empty() {
        let target =
            Target { urls: config.urls.clone(), credential: Credential::Bearer(config.token.clone()) };
        if let Err(error) = core.client.connect(target, &config) {
            core.failed("settings", error);
        }
        core.snapshot_due.store(true, Ordering::Release);
        return;
    }
    let Some(binary) = core.start.platform_binary.clone() else {
        core.client
            .disconnect("this jar holds no platform for this machine: set plugin.cloudbridge.platform.url");
        core.failed(
            "child",
            "this jar holds no platform for this machine: set plugin.cloudbridge.platform.url".into(),
        );
        return;
    };
    core.client.disconnect("the embedded platform is starting");
    *embedded = Some(Embedded::start(binary, core.data.join("platform"), core.child_events()));
}

impl Core {
    /// What to do with events of the child. It must not keep the core alive, or the core would keep itself.
    fn child_events(&self) -> impl Fn(Event) + Send + Sync + use<> {
        let inbox = std::sync::Arc::clone(&self.child_inbox);
        move |event| {
            let mut events = lock(&inbox.events);
            events.push_back(event);
            inbox.wake.notify_all();
        }
    }

    /// Applies the events of the child; called by its own thread.
    pub fn apply_child_events(&self) {
        let events: Vec<Event> = {
            let events = lock(&self.child_inbox.events);
            let mut events = self
                .child_inbox
                .wake
                .wait_timeout_while(events, Duration::from_millis(200), |e| e.is_empty())
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            events.drain(..).collect()
        };
        for event in events {
            match event {
                Event::Up(target) => {
                    let config = self.config();
                    if !config.remote() && self.sends() {
                        if let Err(error) = self.client.connect(target, &config) {
                            self.failed("settings", error);
                        }
                        self.breaker.reset();
                        self.snapshot_due.store(true, Ordering::Release);
                        self.wake_all();
                    }
                }
                Event::Down(why) => {
                    self.client.disconnect(&format!("the embedded platform is not running: {why}"));
                    if !self.ending.load(Ordering::Acquire)
                        && !self.config().remote()
                        && self.config().sends()
                    {
                        self.failed("child", why);
                    }
                }
                Event::Log(line) => self.effects.log(3, "embedded", &line),
            }
        }
    }
}

/// The test button: what is reached and how long it takes.
///
/// # Errors
/// The actual error.
pub fn test(core: &Core) -> Result<String, String> {
    if !core.sends() {
        return Err("no module is in mirror or decide mode, so nothing is sent to any platform".into());
    }
    let started = Instant::now();
    let health: Health = core.client.call("GET", routes::HEALTH, None, None).map_err(|e| e.to_string())?;
    let took = started.elapsed();
    *lock(&core.platform_version) = Some(format!("{} {}", health.name, health.version));
    if health.api.split('.').next() != im_api::API_VERSION.split('.').next() {
        return Err(format!(
            "{} {} speaks contract {}, this plugin speaks {}",
            health.name,
            health.version,
            health.api,
            im_api::API_VERSION
        ));
    }
    lease(core, 30_000).map_err(|e| e.to_string())?;
    let limited: String = health.limited.iter().map(|l| format!("; {l}")).collect();
    Ok(format!(
        "{} {} at {}{} answered in {:.1} ms: {}, store {}, credential accepted{limited}",
        health.name,
        health.version,
        core.client.url().unwrap_or_default(),
        if core.config().keystone.is_some() { " (found by Keystone)" } else { "" },
        took.as_secs_f64() * 1000.0,
        health.status,
        health.store
    ))
}
