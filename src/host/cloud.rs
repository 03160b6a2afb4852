//! A platform in a cloud: Keystone lets the bridge in and its catalogue says where the platform is. One thread keeps the token good and follows the
//! catalogue; requests go on with the token at hand (`platform::keystone`).
//!
//! Leaves out: what is asked of the platform, and what happens while it cannot be asked (link, breaker).

use std::sync::atomic::Ordering;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use openstack::{Catalog, Error, Keystone, Net, Session};
use serde_json::{Value, json};

use crate::config::{Config, KeystoneConfig};
use crate::platform::{Credential, Pass, Target};

use super::core::{Core, lock};

/// The platform's type in a catalogue.
const TYPE: &str = "im";
/// How long the thread waits at most before it looks whether it is still wanted.
const WAIT: Duration = Duration::from_millis(500);
/// When a catalogue without a platform is read again.
const AGAIN: Duration = Duration::from_secs(10);

/// The login in use, and what came of it.
#[derive(Debug, Default)]
pub struct Cloud {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    pass: Option<Arc<Pass>>,
    found: Vec<String>,
    error: Option<String>,
}

impl Cloud {
    /// What the page shows; null when no Keystone is used.
    #[must_use]
    pub fn status(&self, config: &Config) -> Value {
        let state = lock(&self.state);
        let (Some(pass), Some(wanted)) = (&state.pass, &config.keystone) else { return Value::Null };
        json!({
            "url": pass.keystone(),
            "region": wanted.region,
            "interface": wanted.interface.as_str(),
            "found": state.found,
            "token_ends_in_s": pass.left().map(|left| left.as_secs()),
            "error": state.error,
        })
    }

    /// From now on nobody needs a token.
    pub fn end(&self) {
        if let Some(pass) = lock(&self.state).pass.take() {
            pass.end();
        }
        self.wake.notify_all();
    }
}

/// From now on the platform is the one that this Keystone names.
pub fn connect(core: &Core, config: &Config, keystone: &KeystoneConfig) {
    core.cloud.end();
    let pass = match pass(config, keystone) {
        Ok(pass) => Arc::new(pass),
        Err(why) => {
            core.client.disconnect(&why);
            core.failed("settings", why);
            return;
        }
    };
    core.client.disconnect(&format!("Keystone at {} has not given a token yet", pass.keystone()));
    *lock(&core.cloud.state) = State { pass: Some(pass), ..State::default() };
    core.cloud.wake.notify_all();
}

fn pass(config: &Config, keystone: &KeystoneConfig) -> Result<Pass, String> {
    let login = keystone.login.clone()?;
    let ms = Duration::from_millis;
    let net = Net {
        ca_file: config.ca_file.clone().filter(|_| keystone.url.starts_with("https:")),
        proxy: config.proxy.clone(),
        connect: ms(config.connect_ms),
        answer: Duration::from_secs(10),
    };
    let at =
        Keystone::new(&keystone.url, &net).map_err(|e| format!("keystone.url or platform.caFile: {e}"))?;
    Ok(Pass::new(Session::new(at, login)))
}

/// The thread.
pub fn run(core: &Core) {
    while !core.ending.load(Ordering::Acquire) {
        let pass = {
            let state = lock(&core.cloud.state);
            let none = |state: &mut State| state.pass.is_none();
            let waited = core.cloud.wake.wait_timeout_while(state, WAIT, none);
            waited.unwrap_or_else(PoisonError::into_inner).0.pass.clone()
        };
        let Some(pass) = pass else { continue };
        match pass.work(WAIT) {
            None => {}
            Some(Ok(catalog)) => place(core, &pass, &catalog),
            Some(Err(error)) => complain(core, &pass, &error),
        }
    }
}

/// A new token: whoever was without one goes on, and the platform is where its catalogue says.
fn place(core: &Core, pass: &Arc<Pass>, catalog: &Catalog) {
    let config = core.config();
    let Some(keystone) = &config.keystone else { return };
    let found = match config.urls.is_empty() {
        // Said by the admin; Keystone only lets us in.
        false => Ok(config.urls.clone()),
        true => catalog.find(pass.keystone(), TYPE, keystone.region.as_deref(), keystone.interface),
    };
    let found = match found {
        Ok(found) => found,
        Err(error) => {
            pass.look_again(AGAIN);
            return complain(core, pass, &error);
        }
    };
    let recovered = {
        let mut state = lock(&core.cloud.state);
        if !state.pass.as_ref().is_some_and(|p| Arc::ptr_eq(p, pass)) {
            return;
        }
        state.found.clone_from(&found);
        state.error.take().is_some()
    };
    // Several in the catalogue may be several platforms; several that the admin names are one.
    let urls = if config.urls.is_empty() { found[..1].to_vec() } else { found };
    if core.client.urls() != urls {
        let at = urls.join(" ");
        let target = Target { urls, credential: Credential::Keystone(Arc::clone(pass)) };
        core.effects.log(2, "platform", &format!("the platform is at {at} (found by Keystone)"));
        if let Err(error) = core.client.connect(target, &config) {
            core.failed("settings", error);
        }
        core.breaker.reset();
        core.snapshot_due.store(true, Ordering::Release);
    } else if recovered {
        core.effects.log(2, "platform", "Keystone gives tokens again");
    }
    core.wake_all();
}

/// There is no new token, or no platform in its catalogue. What holds goes on holding.
fn complain(core: &Core, pass: &Arc<Pass>, error: &Error) {
    let text = error.to_string();
    let first = {
        let mut state = lock(&core.cloud.state);
        if !state.pass.as_ref().is_some_and(|p| Arc::ptr_eq(p, pass)) {
            return;
        }
        state.error.replace(text.clone()).is_none()
    };
    core.failed("keystone", text.clone());
    if first {
        core.effects.log(1, "keystone", &text);
    }
    // Who has been found is still there; who has not cannot be asked, and this is why.
    if core.client.url().is_none() {
        core.client.disconnect(&text);
    }
}
