//! The interfaces, one file each: routes, checks of the input, the call of the store, the answer.

mod chat;
mod console;
mod downlink;
mod event;
mod footprint;
mod friend;
mod group;
mod health;
mod import;
mod media;
mod room;
mod state;
mod user;

pub use media::purge;

use crate::auth::Scope;
use crate::http::Route;

/// An interface of the platform.
#[derive(Debug)]
pub struct Module {
    /// Its name.
    pub name: &'static str,
    /// Its routes.
    pub routes: &'static [Route],
}

/// All of them; everything that walks interfaces walks this list.
pub const MODULES: &[Module] = &[
    Module { name: "health", routes: health::ROUTES },
    Module { name: "user", routes: user::ROUTES },
    Module { name: "state", routes: state::ROUTES },
    Module { name: "chat", routes: chat::ROUTES },
    Module { name: "friend", routes: friend::ROUTES },
    Module { name: "group", routes: group::ROUTES },
    Module { name: "room", routes: room::ROUTES },
    Module { name: "footprint", routes: footprint::ROUTES },
    Module { name: "media", routes: media::ROUTES },
    Module { name: "event", routes: event::ROUTES },
    Module { name: "import", routes: import::ROUTES },
    Module { name: "downlink", routes: downlink::ROUTES },
    Module { name: "console", routes: console::ROUTES },
];

/// Every route of every module.
pub fn routes() -> impl Iterator<Item = &'static Route> {
    MODULES.iter().flat_map(|module| module.routes)
}

/// Only a bridge speaks for a message server.
const BRIDGE: &[Scope] = &[Scope::Bridge];
/// Who changes things.
const WRITERS: &[Scope] = &[Scope::Bridge, Scope::Integrator, Scope::Operator];
/// Who reads what people may see.
const READERS: &[Scope] = &[Scope::Bridge, Scope::Integrator, Scope::Operator];
/// Who reads messages of the past.
const HISTORY: &[Scope] = &[Scope::Bridge, Scope::Operator];
/// Who reads what holds neither messages nor places.
const ALL: &[Scope] = &[Scope::Bridge, Scope::Integrator, Scope::Operator, Scope::ReadOnly];
