//! Presence at work in the host: a change of show or status that a client makes is held until the platform has stored it (state module in decide
//! mode); at a stop the platform is told that everybody here is gone.
//!
//! Leaves out: what is held, told and released when (`modules::state`); the request itself (`link`); what may be held at all (the shim offers only
//! that with HOLD, docs/boundary.md).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use im_api::routes;
use im_api::state::Snapshot;

use crate::config::Policy;
use crate::ffi::frame::{Flags, Outcome, Writer, effect};
use crate::mapping::Row;
use crate::modules::state::{Fate, How, Move, Offered, Reading};
use crate::platform::Headers;
use crate::stanza::Stanza;

use super::core::{Core, lock};
use super::rows::ROW_EFFECTS;

/// Effects of held presences are numbered from here on, up to `effects::WAITED`.
pub const PRESENCE_EFFECTS: u64 = ROW_EFFECTS + (1 << 60);
/// What the row that is carried out here says for `batch`.
pub const BATCH: &str = "state.tell";
/// Name of that row, for the counters.
const ROW: &str = "state.change";
/// How long the last word to the platform may take.
const GOODBYE: Duration = Duration::from_secs(1);
/// The shortest lease of the contract.
const SHORTEST_LEASE_MS: u32 = 1_000;

impl Core {
    /// A session sends presence to everybody, in decide mode. True: taken.
    pub fn offer_presence(&self, row: &Arc<Row>, token: u64, flags: Flags, stanza: &Stanza) -> bool {
        let Some(reading) = presence(stanza) else { return false };
        let closed = self.config().module(row.module()).on_failure == Policy::Closed;
        let able = self.breaker.closed() && self.client.url().is_some();
        let how = match (able, closed) {
            // Nothing is claimed before the platform knows who is here.
            _ if !flags.hold() || self.stopping.load(Ordering::Acquire) => How::Pass,
            _ if !self.ready.load(Ordering::Acquire) => How::Pass,
            (true, _) => How::Ask,
            (false, true) => How::Refuse,
            (false, false) => How::Pass,
        };
        let now = Instant::now();
        let mut sessions = lock(&self.sessions);
        let (offered, moves) = sessions.offer(token, &reading, how, now);
        let due = sessions.has_changes(now);
        drop(sessions);
        if due {
            self.link_wake.notify_all();
        }
        let taken = offered == Offered::Taken;
        self.row_counts.add(&row.name, if taken { "taken" } else { "passed" });
        self.carry_out_presence(moves);
        taken
    }

    /// Has the shim release or drop what was held.
    pub fn carry_out_presence(&self, moves: Vec<Move>) {
        for Move { effect: number, token, fate } in moves {
            self.row_counts.add(
                ROW,
                match fate {
                    Fate::Released => "released",
                    Fate::Alone => "native",
                    Fate::Refused => "refused",
                    Fate::Superseded => "superseded",
                    Fate::Gone => "gone",
                    Fate::Failed => "failed",
                },
            );
            let w = |op| Writer::new(op).long(number).long(token);
            self.effects.push(if fate.releases() {
                w(effect::RELEASE).bool(true).finish()
            } else {
                w(effect::REFUSE).str("wait").str("remote-server-timeout").str("").finish()
            });
        }
    }

    /// The shim reports the end of a release.
    pub fn presence_done(&self, number: u64, outcome: Outcome) {
        let moves = lock(&self.sessions).done(number, outcome, Instant::now());
        self.carry_out_presence(moves);
        self.lanes_wake.notify_all();
    }

    /// Ends what has waited for the platform too long, or everything while the platform does not answer.
    pub fn presences_over_time(&self) {
        let settings = self.config().module("state");
        let able = self.breaker.closed() && self.client.url().is_some();
        let limit = able.then(|| Duration::from_millis(settings.timeout_ms));
        let refuse = settings.on_failure == Policy::Closed;
        let moves = lock(&self.sessions).decide_alone(limit, refuse, Instant::now());
        if !moves.is_empty() {
            self.row_counts.add(ROW, "alone");
            if able {
                self.breaker.failure("no answer within state.timeoutMillis", false);
            }
        }
        self.carry_out_presence(moves);
    }

    /// Nothing is held any longer: the module has left decide mode, or the host stops.
    pub fn release_presences(&self) {
        let moves = lock(&self.sessions).decide_alone(None, false, Instant::now());
        self.carry_out_presence(moves);
    }

    /// Tells the platform that nobody is here any more: at once instead of at the end of the lease. Called when the host stops, also when only the
    /// plugin ends and its users stay: nobody can deliver for the platform until the next start lists them.
    pub fn say_goodbye(&self) {
        let known = self.ready.load(Ordering::Acquire) && self.tells_sessions();
        // From here on nothing leaves that could bring a session back.
        let Some(seq) = lock(&self.sessions).end() else { return };
        if !known || !self.breaker.closed() || self.client.url().is_none() {
            return;
        }
        let nobody =
            Snapshot { epoch: self.epoch.clone(), ttl_ms: SHORTEST_LEASE_MS, seq, sessions: Vec::new() };
        let Ok(body) = serde_json::to_vec(&nobody) else { return };
        let path = routes::path(routes::SNAPSHOT, &[&self.node]);
        let headers = Headers { limit: Some(GOODBYE), ..Headers::default() };
        match self.client.exchange_bytes("PUT", &path, Some(&body), headers) {
            Ok((200..=299, _)) => {}
            Ok((status, _)) => {
                self.effects.log(1, "link", &format!("the platform answers {status} to a goodbye"))
            }
            Err(error) => self.effects.log(2, "link", &format!("no goodbye to the platform: {error}")),
        }
    }
}

/// What a presence says of its session.
fn presence(stanza: &Stanza) -> Option<Reading> {
    let text =
        |name| stanza.root().child(name, "jabber:client").map(|e| e.text().into_owned()).unwrap_or_default();
    Some(Reading {
        jid: stanza.from()?.to_owned(),
        seq: 0,
        open: true,
        available: true,
        priority: text("priority").trim().parse().unwrap_or(0),
        show: text("show").trim().to_owned(),
        status: text("status"),
    })
}
