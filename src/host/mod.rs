//! The host: everything that lives between `start` and `stop`. Owns the threads; the parts it drives do not know each other.
//!
//! Reading order: [`Host`] (what the boundary calls), `core` (what all threads share), `threads` (who runs when), `handover`, `link`, `mirror`
//! (one job each), `api` and `feed` (other plugins), `status` and `page` (what admins see).

mod api;
mod backend;
mod by_row;
mod cloud;
mod core;
mod cursor;
mod downlink;
mod echoes;
mod effects;
mod feed;
mod files;
mod folders;
mod footprint;
mod group;
mod handover;
mod heard;
mod history;
mod import;
mod intake;
mod kept;
mod link;
mod login;
mod mirror;
pub mod page;
mod page_folders;
mod pep;
mod presence;
mod room;
mod rows;
mod status;
mod threads;

pub use self::threads::panic_text;

use std::sync::Arc;
use std::time::Duration;

use crate::error::HostError;
use crate::ffi::frame::{Flags, Reader, Writer, ask, notice};
use crate::modules::state::Reading;

use self::core::Core;

/// What `start` is told (the START frame of docs/boundary.md).
#[derive(Debug, Clone)]
pub struct Start {
    /// Version of Openfire.
    pub openfire: String,
    /// XMPP domain.
    pub domain: String,
    /// Openfire's home.
    pub home: std::path::PathBuf,
    /// Version of the plugin.
    pub plugin: String,
    /// The unpacked `im-platform`, if there is one for this machine.
    pub platform_binary: Option<std::path::PathBuf>,
    /// Test mode: allows the PANIC ask.
    pub test: bool,
    /// Settings, full names.
    pub settings: Vec<(String, String)>,
}

impl Start {
    /// Reads the START frame.
    ///
    /// # Errors
    /// [`HostError::Invalid`].
    pub fn read(frame: &[u8]) -> Result<Start, HostError> {
        let mut r = Reader::new(frame);
        if r.u8()? != 1 {
            return Err(HostError::Invalid("no START frame".into()));
        }
        Ok(Start {
            openfire: r.str()?.to_owned(),
            domain: r.str()?.to_owned(),
            home: r.str()?.into(),
            plugin: r.str()?.to_owned(),
            platform_binary: Some(r.str()?).filter(|p| !p.is_empty()).map(Into::into),
            test: r.bool()?,
            settings: r.list(|r| Ok((r.str()?.to_owned(), r.str()?.to_owned())))?,
        })
    }
}

/// One running host. All methods may be called from any thread at any time, also after `stop`.
#[derive(Debug)]
pub struct Host {
    core: Arc<Core>,
    threads: std::sync::Mutex<Vec<std::thread::JoinHandle<()>>>,
}

impl Host {
    /// Opens the data folder, replays the journal, starts the threads.
    ///
    /// # Errors
    /// [`HostError::Io`] when the data folder or the journal cannot be used.
    pub fn start(start: Start) -> Result<Host, HostError> {
        let core = Arc::new(Core::open(start)?);
        core.look_at_folders();
        core.replay()?;
        let threads = threads::start(&core);
        core.announce();
        Ok(Host { core, threads: std::sync::Mutex::new(threads) })
    }

    /// See docs/boundary.md.
    ///
    /// # Errors
    /// [`HostError::Closed`] after `stop`, [`HostError::Invalid`] for an unknown query.
    pub fn describe(&self, query: &str) -> Result<Vec<u8>, HostError> {
        self.core.open_for_calls()?;
        match query {
            "status" => Ok(status::status(&self.core).to_string().into_bytes()),
            "filter" => Ok(self.core.filter_frame()),
            "settings" => Ok(status::settings(&self.core.config()).to_string().into_bytes()),
            other => Err(HostError::Invalid(format!("unknown query {other}"))),
        }
    }

    /// A packet passes by. True: taken.
    #[must_use]
    pub fn offer(&self, token: u64, flags: Flags, stanza: &[u8]) -> bool {
        self.core.offer(token, flags, stanza)
    }

    /// The shim tells something.
    ///
    /// # Errors
    /// [`HostError::Invalid`].
    pub fn notify(&self, frame: &[u8]) -> Result<(), HostError> {
        let mut r = Reader::new(frame);
        match r.u8()? {
            notice::DONE => {
                let (effect, outcome, detail) = (r.long()?, r.outcome()?, r.str()?);
                self.core.done(effect, outcome, detail);
            }
            notice::SESSION => {
                let seq = r.long()?;
                let (jid, open) = (r.str()?.to_owned(), r.bool()?);
                self.core.session(&reading(&mut r, seq, jid, open)?);
            }
            notice::SESSIONS => {
                let seq = r.long()?;
                let all = r.list(|r| {
                    let jid = r.str()?.to_owned();
                    reading(r, seq, jid, true)
                })?;
                self.core.sessions(seq, &all);
            }
            notice::SETTING => {
                let (key, present, value) = (r.str()?, r.bool()?, r.str()?);
                self.core.setting(key, present.then_some(value));
            }
            notice::OCCUPANT => {
                let seq = r.long()?;
                let mut reading = occupant(&mut r, seq)?;
                reading.open = r.bool()?;
                self.core.occupant(&reading);
            }
            notice::OCCUPANTS => {
                let seq = r.long()?;
                let all = r.list(|r| occupant(r, seq))?;
                self.core.occupants(seq, all);
            }
            notice::FELLBACK => self.core.fell_back(r.str()?.as_bytes()),
            notice::DROPPED => self.core.dropped(r.long()?),
            other => return Err(HostError::Invalid(format!("unknown notice {other}"))),
        }
        Ok(())
    }

    /// The next effect, or None after `wait`.
    ///
    /// # Errors
    /// [`HostError::Closed`] after `stop`.
    pub fn take(&self, wait: Duration) -> Result<Option<Vec<u8>>, HostError> {
        self.core.effects.take(wait)
    }

    /// The shim asks and waits.
    ///
    /// # Errors
    /// [`HostError::Closed`], [`HostError::Invalid`]. What the asked-for thing says is in the answer frame.
    pub fn ask(&self, frame: &[u8]) -> Result<Vec<u8>, HostError> {
        self.core.open_for_calls()?;
        let mut r = Reader::new(frame);
        let answer = match r.u8()? {
            ask::TEST_PLATFORM => link::test(&self.core).map(|text| Writer::new(0).str(&text)),
            ask::CHECK_SETTINGS => {
                let form = r.list(|r| Ok((r.str()?.to_owned(), r.str()?.to_owned())))?;
                page::check(&form, &status::status(&self.core)).map(|writes| {
                    let mut w = Writer::new(0).int(i32::try_from(writes.len()).unwrap_or(0));
                    for write in writes {
                        w = w
                            .str(&write.key)
                            .bool(write.value.is_some())
                            .str(write.value.as_deref().unwrap_or(""));
                        w = w.bool(write.secret);
                    }
                    w
                })
            }
            ask::PAGE => {
                let (name, value) = (r.str()?, r.str()?);
                let (message, is_error) = (r.str()?, r.bool()?);
                let status = status::status(&self.core);
                let html = page::render(&status, &self.core.config(), (name, value), (message, is_error));
                Ok(Writer::new(0).str(&html))
            }
            ask::VERIFY => {
                let (user, password) = (r.str()?.to_owned(), r.str()?.to_owned());
                let (outcome, after) = self.core.verify(&user, &password);
                Ok(Writer::new(0).int(outcome.code()).long(after))
            }
            ask::SCRAM => {
                let user = r.str()?.to_owned();
                let (outcome, verifier) = self.core.verifier(&user);
                let v = verifier.unwrap_or_default();
                Ok(Writer::new(0)
                    .int(outcome.code())
                    .str(&v.salt)
                    .int(i32::try_from(v.iterations).unwrap_or(0))
                    .str(&v.stored_key)
                    .str(&v.server_key))
            }
            ask::EXPLAIN => {
                let (xml, event) = (r.str()?.to_owned(), r.bool()?);
                crate::modules::explain(&self.core.registry(), &xml, event, |name| {
                    self.core.config().module(name)
                })
                .map(|explanation| Writer::new(0).str(&explanation.to_string()))
            }
            ask::IMPORT => self.core.import(r.str()?).map(|text| Writer::new(0).str(&text)),
            ask::CONVERT => self.core.convert(r.str()?, r.str()?).map(|text| Writer::new(0).str(&text)),
            ask::CALL => {
                let (row, stanza, key) = (r.str()?, r.str()?, r.str()?);
                self.core.call(row, stanza, key, millis(r.int()?)).map(|answer| {
                    let w = Writer::new(0).int(i32::try_from(answer.len()).unwrap_or(0));
                    answer.iter().fold(w, |w, (name, value)| w.str(name).str(value))
                })
            }
            ask::SUBSCRIBE => match r.long()? {
                0 => self.core.feed.subscribe(r.str()?).map(|id| Writer::new(0).long(id)),
                id => {
                    self.core.feed.unsubscribe(id);
                    Ok(Writer::new(0).long(0))
                }
            },
            ask::EVENTS => {
                let (id, most, wait) = (r.long()?, r.int()?, millis(r.int()?));
                self.core.feed_next(id, usize::try_from(most).unwrap_or(1), wait)?.map(|events| {
                    let w = Writer::new(0).int(i32::try_from(events.len()).unwrap_or(0));
                    events.iter().fold(w, |w, event| w.str(event))
                })
            }
            ask::PANIC if self.core.start.test => panic!("asked to panic"),
            other => return Err(HostError::Invalid(format!("unknown ask {other}"))),
        };
        Ok(answer.unwrap_or_else(|error| Writer::new(1).str(&error)).finish())
    }

    /// Stops: takes nothing more, drains for at most `drain`, leaves the rest journaled, joins every thread. The second call does nothing.
    pub fn stop(&self, drain: Duration) {
        self.core.drain(drain);
        let threads: Vec<_> = std::mem::take(&mut *core::lock(&self.threads));
        for thread in threads {
            let _ = thread.join();
        }
        self.core.close();
    }
}

fn millis(given: i32) -> Duration {
    Duration::from_millis(u64::try_from(given).unwrap_or(0))
}

fn reading(r: &mut Reader<'_>, seq: u64, jid: String, open: bool) -> Result<Reading, HostError> {
    Ok(Reading {
        jid,
        seq,
        open,
        available: r.bool()?,
        priority: r.int()?,
        show: r.str()?.to_owned(),
        status: r.str()?.to_owned(),
    })
}

fn occupant(r: &mut Reader<'_>, seq: u64) -> Result<room::Reading, HostError> {
    let (room, jid, nick) = (r.str()?.to_owned(), r.str()?.to_owned(), r.str()?.to_owned());
    let member = matches!(r.str()?, "owner" | "admin" | "member");
    Ok(room::Reading { seq, room, jid, nick, member, open: true })
}
