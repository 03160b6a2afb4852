//! Accounts.

use async_trait::async_trait;
use im_api::user::{Erased, SessionEnd, User, Users as Page, Verifier};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::Cassandra;
use super::list::ttl;
use super::once::answer_row;
use super::schema::{LISTS, USERS};
use super::state::new_user;
use super::users::{Attempts, UserDoc};
use crate::clock::{self, Millis};
use crate::jid::UserId;
use crate::store::user::{ATTEMPTS_FORGOTTEN, Login, NewUser, Search, Users, lock_after};
use crate::store::{Cause, Result, StoreError};

/// A note of the audit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Note {
    pub at: Millis,
    pub caller: String,
    pub action: String,
    pub subject: String,
}

#[async_trait]
impl Users for Cassandra {
    async fn create_user(&self, new: NewUser, cause: Cause) -> Result<User> {
        self.open_or()?;
        self.is_once(&cause, new.user.as_str()).await?;
        let made = self.create(&new, &cause).await;
        self.end_once(&cause, made).await
    }

    async fn user(&self, user: &UserId) -> Result<User> {
        Ok(to_user(user.as_str(), &self.known_user(user.as_str()).await?))
    }

    async fn search(&self, search: Search) -> Result<Page> {
        self.open_or()?;
        self.find_users(&search).await
    }

    async fn set_verifiers(&self, user: &UserId, verifiers: Vec<Verifier>, cause: Cause) -> Result<()> {
        self.open_or()?;
        let mut turn = self.turn(USERS, user.as_str()).await;
        loop {
            let mut part = turn.load::<UserDoc>().await?;
            let doc = part.doc.as_mut().filter(|doc| !doc.erasing).ok_or(StoreError::NotFound("user"))?;
            doc.verifiers.clone_from(&verifiers);
            doc.attempts = None;
            part.say(self.saying(&cause, "im.user.password", user.as_str(), &json!({})).await?);
            if turn.commit(part).await? {
                return Ok(());
            }
        }
    }

    async fn begin_login(&self, user: &UserId) -> Result<Login> {
        self.open_or()?;
        let mut turn = self.turn(USERS, user.as_str()).await;
        loop {
            let mut part = turn.load::<UserDoc>().await?;
            let now = self.clock.now();
            let has_password = |doc: &&mut UserDoc| !doc.erasing && !doc.verifiers.is_empty();
            let Some(doc) = part.doc.as_mut().filter(has_password) else { return Ok(Login::Unknown) };
            let before = doc.attempts.unwrap_or(Attempts { failures: 0, last_at: 0, locked_until: 0 });
            if before.locked_until > now {
                return Ok(Login::Locked(before.locked_until - now));
            }
            let forgotten = now - before.last_at >= ATTEMPTS_FORGOTTEN;
            let failures = if forgotten { 1 } else { before.failures + 1 };
            doc.attempts =
                Some(Attempts { failures, last_at: now, locked_until: now + lock_after(failures) });
            let verifiers = doc.verifiers.clone();
            if turn.commit(part).await? {
                return Ok(Login::Verifiers(verifiers));
            }
        }
    }

    async fn login_succeeded(&self, user: &UserId) -> Result<()> {
        self.open_or()?;
        let mut turn = self.turn(USERS, user.as_str()).await;
        loop {
            let mut part = turn.load::<UserDoc>().await?;
            let Some(doc) = part.doc.as_mut() else { return Ok(()) };
            doc.attempts = None;
            if turn.commit(part).await? {
                return Ok(());
            }
        }
    }

    async fn read_verifiers(&self, user: &UserId, cause: Cause) -> Result<Vec<Verifier>> {
        let doc = self.known_user(user.as_str()).await?;
        self.note(&cause.caller, "read verifiers", user.as_str()).await?;
        if doc.attempts.is_some_and(|a| a.locked_until > self.clock.now()) {
            return Ok(Vec::new());
        }
        let mut verifiers = doc.verifiers;
        verifiers.sort_by_key(|v| format!("{:?}", v.mechanism));
        if verifiers.is_empty() { Err(StoreError::NotFound("password")) } else { Ok(verifiers) }
    }

    async fn erase(&self, user: &UserId, cause: Cause) -> Result<Erased> {
        self.open_or()?;
        self.begin_erasure(user, &cause).await?;
        self.erase_rest(user).await
    }

    async fn end_session(&self, user: &UserId, resource: &str, cause: Cause) -> Result<SessionEnd> {
        self.open_or()?;
        let mut turn = self.turn(USERS, user.as_str()).await;
        loop {
            let mut part = turn.load::<UserDoc>().await?;
            let doc = part.doc.as_mut().filter(|doc| !doc.erasing).ok_or(StoreError::NotFound("user"))?;
            let before = doc.sessions.len();
            doc.sessions.retain(|s| !(s.node.is_empty() && s.resource == resource && s.open));
            let closed = doc.sessions.len() < before;
            let asked = doc.sessions.iter().any(|s| s.resource == resource && s.open);
            if asked {
                let data = json!({ "user": user.as_str(), "resource": resource });
                part.say(self.saying(&cause, "im.session.close", user.as_str(), &data).await?);
            } else if !closed {
                return Err(StoreError::NotFound("session"));
            }
            if turn.commit(part).await? {
                return Ok(if asked { SessionEnd::Asked } else { SessionEnd::Closed });
            }
        }
    }
}

/// As the contract writes it.
pub fn to_user(user: &str, doc: &UserDoc) -> User {
    User {
        user: user.into(),
        name: doc.name.clone(),
        email: doc.email.clone(),
        origin: doc.origin.clone(),
        password: !doc.verifiers.is_empty(),
        created_at: clock::format(doc.created_at),
    }
}

/// A user's place in the list of names.
pub fn name_entry(name: &str, user: &str) -> String {
    format!("{}\0{user}", name.to_lowercase())
}

impl Cassandra {
    pub(super) async fn create(&self, new: &NewUser, cause: &Cause) -> Result<User> {
        let user = new.user.as_str();
        loop {
            let mut turn = self.turn(USERS, user).await;
            let mut part = turn.load::<UserDoc>().await?;
            if let Some(row) = answer_row(cause)
                && let Some(first) = self.row::<User>(USERS, user, &row).await?
            {
                return Ok(first);
            }
            if part.doc.as_ref().is_some_and(|doc| doc.erasing) {
                // The one before goes first, so that nothing is inherited.
                drop((part, turn));
                self.erase_rest(&new.user).await?;
                continue;
            }
            let taken = |doc: &UserDoc| doc.origin == "api" || !doc.verifiers.is_empty();
            if part.doc.as_ref().is_some_and(taken) {
                return Err(StoreError::Conflict("this user exists"));
            }
            let (n, now) = (part.n, self.clock.now());
            let mut doc = part.doc.take().unwrap_or_else(|| new_user("api", now, n));
            doc.origin = "api".into();
            doc.name.clone_from(&new.name);
            doc.email.clone_from(&new.email);
            doc.verifiers.clone_from(&new.verifiers);
            let made = to_user(user, &doc);
            part.doc = Some(doc);
            self.list_put("users", user, "", n, None).await?;
            if let Some(name) = &new.name {
                self.list_put("names", &name_entry(name, user), "", n, None).await?;
            }
            part.say(self.saying(cause, "im.user.created", user, &made).await?);
            self.answer_once(&mut part, (USERS, user), cause, user, &made).await?;
            if turn.commit(part).await? {
                return Ok(made);
            }
        }
    }

    /// An account from elsewhere: made, or, when it is here without a password, given the one that it has there. True when anything changed.
    pub(super) async fn import_user(&self, new: &NewUser, cause: &Cause) -> Result<bool> {
        match self.create(new, cause).await {
            Ok(_) => return Ok(true),
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error),
        }
        let mut turn = self.turn(USERS, new.user.as_str()).await;
        loop {
            let mut part = turn.load::<UserDoc>().await?;
            let doc = part.doc.as_mut().filter(|doc| !doc.erasing).ok_or(StoreError::NotFound("user"))?;
            if new.verifiers.is_empty() || !doc.verifiers.is_empty() {
                return Ok(false);
            }
            doc.verifiers.clone_from(&new.verifiers);
            if turn.commit(part).await? {
                return Ok(true);
            }
        }
    }

    /// Notes something in the audit.
    pub(super) async fn note(&self, caller: &str, action: &str, subject: &str) -> Result<()> {
        let id = self.tick(0);
        let note = Note {
            at: self.clock.now(),
            caller: caller.into(),
            action: action.into(),
            subject: subject.into(),
        };
        let life = ttl(self.settings.audit);
        self.list_put(&format!("noted/{subject}"), &id.to_string(), "", id, Some(life)).await?;
        self.log_put("audit", id, &super::part::json(&note)?, life).await?;
        self.changed_here();
        Ok(())
    }

    /// First those whose address begins so, by address; then those whose name does, by name. The cursor says in which range it stands: `j` address, or
    /// `n` name, a zero byte, address.
    async fn find_users(&self, search: &Search) -> Result<Page> {
        let limit = usize::try_from(search.limit).unwrap_or(usize::MAX);
        let start = search.after.as_deref().unwrap_or("j");
        // With the cursor after each.
        let mut items: Vec<(String, User)> = Vec::new();
        if let Some(after) = start.strip_prefix('j') {
            let mut after = after.to_owned();
            while items.len() <= limit {
                let piece = self.list_walk("users", &search.query, &after, (limit + 1).max(50)).await?;
                let Some((last, _)) = piece.last() else { break };
                after = last.clone();
                for (jid, _) in piece {
                    if let Some(user) = self.candidate(&jid, search).await? {
                        items.push((format!("j{jid}"), user));
                    }
                }
            }
        }
        // An empty query is the list of all: names would only repeat it.
        if items.len() <= limit && !search.query.is_empty() {
            let mut after = start.strip_prefix('n').unwrap_or_default().to_owned();
            let query = search.query.to_lowercase();
            while items.len() <= limit {
                let piece = self.list_walk("names", &query, &after, (limit + 1).max(50)).await?;
                let Some((last, _)) = piece.last() else { break };
                after = last.clone();
                for (entry, _) in piece {
                    let Some((name, jid)) = entry.split_once('\0') else { continue };
                    if jid.starts_with(&search.query) {
                        continue;
                    }
                    let found = self.candidate(jid, search).await?;
                    let is_it = |user: &User| user.name.as_ref().is_some_and(|n| n.to_lowercase() == name);
                    if let Some(user) = found.filter(is_it) {
                        items.push((format!("n{entry}"), user));
                    }
                }
            }
        }
        let more = items.len() > limit;
        items.truncate(limit);
        let next = items.last().filter(|_| more).map(|(cursor, _)| cursor.clone());
        Ok(Page { items: items.into_iter().map(|(_, user)| user).collect(), next })
    }

    /// Somebody whom the viewer may find.
    async fn candidate(&self, jid: &str, search: &Search) -> Result<Option<User>> {
        if search.domain.as_ref().is_some_and(|domain| !jid.ends_with(&format!("@{domain}"))) {
            return Ok(None);
        }
        let Some(doc) = self.find_user(jid).await? else { return Ok(None) };
        if let Some(viewer) = &search.viewer
            && self.row::<bool>(LISTS, jid, &super::friend::block_row(viewer.as_str())).await?.is_some()
        {
            return Ok(None);
        }
        Ok(Some(User { email: None, ..to_user(jid, &doc) }))
    }
}
