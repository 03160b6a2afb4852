//! A route and everything that is said about it: router, checks, OpenAPI and fixtures walk the same list.

use std::collections::BTreeSet;

use axum::routing::MethodRouter;
use schemars::{JsonSchema, Schema, SchemaGenerator};

use super::App;
use crate::auth::Scope;

/// Makes a type's schema.
pub type SchemaOf = fn(&mut SchemaGenerator) -> Schema;

/// One method of one path.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// HTTP method, upper case.
    pub method: &'static str,
    /// Path template, from [`im_api::routes`].
    pub path: &'static str,
    /// What it is for, one line.
    pub summary: &'static str,
    /// Who may call it; empty: everybody.
    pub scopes: &'static [Scope],
    /// Query parameters.
    pub query: &'static [Param],
    /// Largest body in bytes.
    pub limit: usize,
    /// Its body; none, or not JSON when `media` says so.
    pub request: Option<SchemaOf>,
    /// Content types of a body that is not `application/json`.
    pub media: &'static [&'static str],
    /// Status of success and its body.
    pub answer: (u16, Option<SchemaOf>),
    /// Content type of the answer.
    pub answer_type: &'static str,
    /// Takes an idempotency key.
    pub once: bool,
    /// Whether it gives what people wrote.
    pub text: Text,
    /// Statuses of refusals that follow from what it does; [`Route::refusals`] adds those that follow from how it is asked.
    pub may: &'static [u16],
    /// The handler.
    pub handler: fn() -> MethodRouter<App>,
}

/// Whether an answer holds what people wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// No.
    None,
    /// It is what the answer is about: an operator whose credential has no message text is refused.
    Needed,
    /// It is left out for callers who may not read it.
    IfAllowed,
}

/// A query parameter.
#[derive(Debug, Clone, Copy)]
pub struct Param {
    /// Its name.
    pub name: &'static str,
    /// Must be there.
    pub required: bool,
    /// JSON type.
    pub kind: &'static str,
    /// What it means.
    pub about: &'static str,
}

impl Param {
    /// One that must be there.
    #[must_use]
    pub const fn needed(name: &'static str, kind: &'static str, about: &'static str) -> Self {
        Self { name, required: true, kind, about }
    }

    /// One that may be left out.
    #[must_use]
    pub const fn optional(name: &'static str, kind: &'static str, about: &'static str) -> Self {
        Self { name, required: false, kind, about }
    }
}

/// `limit=` of pages.
pub const LIMIT: Param = Param::optional("limit", "integer", "Items per page, 1 to 256; 100 when absent.");
/// `after=` of pages.
pub const AFTER: Param = Param::optional("after", "string", "Cursor: `next` of the page before.");
/// `viewer=` of reads for a person.
pub const VIEWER: Param =
    Param::optional("viewer", "string", "For whose eyes, a bare JID. Only an operator may leave it out.");

impl Route {
    /// A route for everybody that takes nothing and gives nothing.
    #[must_use]
    pub const fn new(
        method: &'static str,
        path: &'static str,
        summary: &'static str,
        handler: fn() -> MethodRouter<App>,
    ) -> Self {
        Self {
            method,
            path,
            summary,
            scopes: &[],
            query: &[],
            limit: 0,
            request: None,
            media: &[],
            answer: (204, None),
            answer_type: "application/json",
            once: false,
            text: Text::None,
            may: &[],
            handler,
        }
    }

    /// Who may call it.
    #[must_use]
    pub const fn for_scopes(mut self, scopes: &'static [Scope]) -> Self {
        self.scopes = scopes;
        self
    }

    /// Its query parameters.
    #[must_use]
    pub const fn query(mut self, query: &'static [Param]) -> Self {
        self.query = query;
        self
    }

    /// Its body, up to so many bytes.
    #[must_use]
    pub const fn takes<T: JsonSchema>(mut self, limit: usize) -> Self {
        self.limit = limit;
        self.request = Some(schema::<T>);
        self
    }

    /// Other content types than `application/json`.
    #[must_use]
    pub const fn media(mut self, media: &'static [&'static str], limit: usize) -> Self {
        self.media = media;
        self.limit = limit;
        self
    }

    /// Its success.
    #[must_use]
    pub const fn gives<T: JsonSchema>(mut self, status: u16) -> Self {
        self.answer = (status, Some(schema::<T>));
        self
    }

    /// Its success without a JSON body.
    #[must_use]
    pub const fn done(mut self, status: u16) -> Self {
        self.answer = (status, None);
        self
    }

    /// The answer's content type.
    #[must_use]
    pub const fn typed(mut self, answer_type: &'static str) -> Self {
        self.answer_type = answer_type;
        self
    }

    /// Its answer holds what people wrote. An operator's read of it is noted in the audit.
    #[must_use]
    pub const fn text(mut self, text: Text) -> Self {
        self.text = text;
        self
    }

    /// A replay with the same idempotency key gets the first answer.
    #[must_use]
    pub const fn once(mut self) -> Self {
        self.once = true;
        self
    }
}

impl Route {
    /// What it may be refused with because of what it does.
    #[must_use]
    pub const fn may(mut self, may: &'static [u16]) -> Self {
        self.may = may;
        self
    }

    /// Every status of a refusal that the contract knows for it. Anything else is a mistake of the server.
    #[must_use]
    pub fn refusals(&self) -> BTreeSet<u16> {
        let mut all: BTreeSet<u16> = self.may.iter().copied().collect();
        let body = self.request.is_some() || !self.media.is_empty();
        if !self.scopes.is_empty() {
            all.extend([401, 403, 429, 503]);
        }
        if body {
            all.extend([400, 413, 415]);
        }
        if body || !self.query.is_empty() || self.path.contains('{') {
            all.insert(422);
        }
        if !self.scopes.is_empty() && self.method != "GET" {
            all.insert(507);
        }
        all
    }
}

fn schema<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}
