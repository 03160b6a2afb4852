//! The interfaces, one file each: routes, checks of the input, the call of the store, the answer.

mod chat;
mod event;
mod health;
mod state;

use crate::http::Route;

/// An interface of the platform.
pub struct Module {
    /// Its name.
    pub name: &'static str,
    /// Its routes.
    pub routes: &'static [Route],
}

/// All of them; everything that walks interfaces walks this list.
pub const MODULES: &[Module] = &[
    Module { name: "health", routes: health::ROUTES },
    Module { name: "state", routes: state::ROUTES },
    Module { name: "chat", routes: chat::ROUTES },
    Module { name: "event", routes: event::ROUTES },
];
