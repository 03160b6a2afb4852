//! Erasure: everything that names a user. The list here is the list of where a user can be. It is begun by one commit, from which on nobody knows the
//! user; the rest can be repeated from the beginning, by whichever instance finds it unfinished.
//!
//! What was said between two users is erased for both; other users' announcements that name the user go, or lose the name where it is an item of a
//! list. What stays: the event that tells bridges (until the downlink's retention), and the audit's rows without the name.

use std::collections::BTreeSet;

use im_api::user::Erased;
use ring::digest;
use serde_json::json;

use super::Cassandra;
use super::accounts::{Note, name_entry};
use super::chat::{Decision, decision_row, place_row};
use super::downlink::REMOVED;
use super::history::pair;
use super::list::ttl;
use super::part::{end_of, json, read_json};
use super::schema::{ENTITIES, LISTS, PRINTS, USERS};
use super::users::UserDoc;
use crate::clock::Millis;
use crate::jid::{Jid, UserId};
use crate::store::{Cause, Result, StoreError};

/// How long reports about an erased user are not believed: longer than any can be under way.
const REMEMBERED: Millis = 10 * 60_000;
/// Rows of one commit.
const PIECE: i32 = 50;

fn hash(user: &UserId) -> String {
    let digest = digest::digest(&digest::SHA256, user.as_str().as_bytes());
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Cassandra {
    /// Whether the user was erased so short a while ago that reports from a bridge may still be about the one that was.
    pub(super) async fn recently_erased(&self, user: &UserId) -> Result<bool> {
        let sql = "SELECT at FROM erased WHERE hash = ?";
        let rows: Vec<(Option<i64>,)> = self.cql.read(sql, (self.key(&hash(user)),)).await?;
        let at = rows.into_iter().next().and_then(|row| row.0);
        Ok(at.is_some_and(|at| at > self.clock.now() - REMEMBERED))
    }

    /// From here on nobody knows the user.
    pub(super) async fn begin_erasure(&self, user: &UserId, cause: &Cause) -> Result<()> {
        let mut turn = self.turn(USERS, user.as_str()).await;
        loop {
            let mut part = turn.load::<UserDoc>().await?;
            let now = self.clock.now();
            let doc = part.doc.as_mut().filter(|doc| !doc.erasing).ok_or(StoreError::NotFound("user"))?;
            // What stays is what the rest needs: the name, to find its entry in the list of names.
            let name = doc.name.take();
            *doc = UserDoc {
                erasing: true,
                name,
                pending: 0,
                next: doc.next,
                floor: doc.floor,
                ..UserDoc::default()
            };
            self.list_put("erasing", user.as_str(), &now.to_string(), part.n, None).await?;
            let sql = "INSERT INTO erased (hash, at) VALUES (?, ?) USING TTL ?";
            self.cql.write(sql, (self.key(&hash(user)), now, ttl(REMEMBERED))).await?;
            part.say(self.saying(cause, REMOVED, user.as_str(), &json!({})).await?);
            if turn.commit(part).await? {
                return Ok(());
            }
        }
    }

    /// Everything else. What it counts is what this call removed.
    pub(super) async fn erase_rest(&self, user: &UserId) -> Result<Erased> {
        let name = user.as_str();
        let mut erased = Erased::default();
        let doc = self.head::<UserDoc>(USERS, name).await?;
        erased.messages = self.erase_received(name).await? + self.erase_sent(name).await?;
        for (entry, _) in self.list_walk(&format!("spoke/{name}"), "", "", usize::MAX >> 33).await? {
            let Some((room, seq)) = entry.split_once('\0') else { continue };
            let seq = seq.parse().unwrap_or(0);
            erased.room_messages += u64::from(self.forget_spoken(room, seq, name).await?);
        }
        for (id, _) in self.list_walk(&format!("receipts/{name}"), "", "", usize::MAX >> 33).await? {
            self.forget_receipt(&id, name).await?;
        }
        for (room, _) in self.list_walk(&format!("rooms/{name}"), "", "", usize::MAX >> 33).await? {
            erased.memberships += u64::from(self.forget_occupant(&room, name).await?);
        }
        for (group, _) in self.list_walk(&format!("groups/{name}"), "", "", usize::MAX >> 33).await? {
            erased.memberships += u64::from(self.forget_member(&group, name).await?);
        }
        for (id, _) in self.list_walk(&format!("events/{name}"), "", "", usize::MAX >> 33).await? {
            erased.events += u64::from(self.forget_event(&id).await?);
        }
        erased.friends = self.erase_lists(name).await?;
        loop {
            let prints = self.prints_of(name, PIECE).await?;
            if prints.is_empty() {
                break;
            }
            for print in prints {
                erased.footprints += u64::from(self.drop_print(name, &print, None).await?);
            }
        }
        let media: Vec<(String, u64)> =
            self.rows(PRINTS, name, ("m/", &end_of("m/")), i32::MAX, false).await?;
        for (sort, _) in media {
            erased.media += u64::from(self.drop_medium(sort.trim_start_matches("m/"), Some(name)).await?);
        }
        for (entry, _) in self.list_walk(&format!("chosen/{name}"), "", "", usize::MAX >> 33).await? {
            match entry.splitn(3, '\0').collect::<Vec<_>>().as_slice() {
                [_, owner, print] => self.forget_chosen(owner, print, name).await?,
                [_, medium] => self.forget_shown(medium, name).await?,
                _ => {}
            }
        }
        self.unsay(name).await?;
        self.erase_answers(name).await?;
        self.erase_notes(name).await?;
        self.drop_entity(LISTS, name).await?;
        self.drop_entity(PRINTS, name).await?;
        let n = self.tick(0);
        for list in [
            "spoke",
            "receipts",
            "rooms",
            "groups",
            "events",
            "friendof",
            "blockedby",
            "said",
            "answers",
            "noted",
            "in",
            "chosen",
        ] {
            self.list_clear(&format!("{list}/{name}"), n).await?;
        }
        if let Some(full) = doc.and_then(|doc| doc.name) {
            self.list_remove("names", &name_entry(&full, name), n).await?;
        }
        for list in ["users", "owners", "sharers", "pending"] {
            self.list_remove(list, name, n).await?;
        }
        self.erase_sessions(name, n).await?;
        // Last: until here somebody who looks finds it unfinished.
        self.drop_entity(USERS, name).await?;
        self.list_remove("erasing", name, n).await?;
        for table in ENTITIES {
            self.list_remove("outbox", &format!("{}\0{name}", table.0), n).await?;
        }
        Ok(erased)
    }

    /// Messages to the user, with what senders and both have of them.
    async fn erase_received(&self, user: &str) -> Result<u64> {
        let mut erased = 0;
        let mut turn = self.turn(USERS, user).await;
        loop {
            let mut part = turn.load::<UserDoc>().await?;
            let rows: Vec<(String, Decision)> =
                self.rows(USERS, user, ("k/", &end_of("k/")), PIECE, false).await?;
            if rows.is_empty() {
                return Ok(erased);
            }
            for (sort, decision) in &rows {
                let key = sort.trim_start_matches("k/");
                if let Some(letter) = &decision.letter {
                    self.forget_letter(user, decision.id, key, letter).await?;
                }
                if let Some(place) = decision.place {
                    part.remove(place_row(place));
                }
                let sql = "DELETE FROM keys WHERE key = ? IF owner = ?";
                self.cql.cas(sql, (self.key(key), user)).await?;
                part.remove(sort.clone());
            }
            if turn.commit(part).await? {
                erased += rows.iter().filter(|(_, decision)| decision.letter.is_some()).count() as u64;
            }
        }
    }

    /// Messages of the user in others' partitions, and the user's histories.
    async fn erase_sent(&self, user: &str) -> Result<u64> {
        let (mut erased, mut pairs) = (0, BTreeSet::from([user.to_owned()]));
        let mut before = i64::MAX;
        loop {
            let entries = self.entries(user, (0, before), false, 200).await?;
            let Some((last, _, _)) = entries.last() else { break };
            before = *last;
            for (id, key, home) in entries {
                pairs.insert(pair(user, &home));
                if home != user {
                    erased += u64::from(self.erase_letter(user, id, &key, &home).await?);
                }
            }
        }
        // Those whom the user only heard of: their side of a pair is left when the letters are gone.
        for (owner, _) in self.list_walk(&format!("pairs/{user}"), "", "", usize::MAX >> 33).await? {
            pairs.insert(owner);
        }
        let n = self.tick(0);
        for owner in pairs {
            for month in self.months(&owner).await? {
                let sql = "DELETE FROM history WHERE owner = ? AND bucket = ?";
                self.cql.write(sql, (self.key(&owner), month)).await?;
            }
            self.list_clear(&format!("months/{owner}"), n).await?;
            let other = owner.split('\0').find(|other| *other != user).unwrap_or(user);
            self.list_remove(&format!("pairs/{other}"), &owner, n).await?;
        }
        self.list_clear(&format!("pairs/{user}"), n).await?;
        Ok(erased)
    }

    /// Removes a message from its recipient's partition. The recipient's queue follows.
    async fn erase_letter(&self, user: &str, id: i64, key: &str, home: &str) -> Result<bool> {
        let mut turn = self.turn(USERS, home).await;
        loop {
            let mut part = turn.load::<UserDoc>().await?;
            let n = part.n;
            let Some(decision) = self.row::<Decision>(USERS, home, &decision_row(key)).await? else {
                return Ok(false);
            };
            let Some(letter) = decision.letter.clone().filter(|_| decision.id == id) else {
                return Ok(false);
            };
            if Jid::new(&letter.from)
                .ok()
                .and_then(|jid| UserId::of(&jid))
                .is_none_or(|from| from.as_str() != user)
            {
                return Ok(false);
            }
            part.remove(decision_row(key));
            let mut emptied = false;
            if let Some(doc) = part.doc.as_mut()
                && decision.status(doc.floor) == "pending"
            {
                doc.pending -= 1;
                if doc.pending <= 0 {
                    doc.pending = 0;
                    doc.claim = None;
                    emptied = true;
                }
            }
            if let Some(place) = decision.place {
                part.remove(place_row(place));
            }
            if turn.commit(part).await? {
                drop(turn);
                if emptied {
                    self.list_remove("pending", home, n).await?;
                }
                self.forget_letter(home, id, key, &letter).await?;
                return Ok(true);
            }
        }
    }

    /// Friends and blocks of the user, and the user in others' lists.
    async fn erase_lists(&self, user: &str) -> Result<u64> {
        let rows: Vec<(String, serde_json::Value)> =
            self.rows(LISTS, user, ("f/", &end_of("f/")), i32::MAX, false).await?;
        let mut friends = rows.len() as u64;
        let n = self.tick(0);
        for (sort, _) in rows {
            self.list_remove(&format!("friendof/{}", sort.trim_start_matches("f/")), user, n).await?;
        }
        let rows: Vec<(String, serde_json::Value)> =
            self.rows(LISTS, user, ("b/", &end_of("b/")), i32::MAX, false).await?;
        for (sort, _) in rows {
            self.list_remove(&format!("blockedby/{}", sort.trim_start_matches("b/")), user, n).await?;
        }
        for list in ["friendof", "blockedby"] {
            for (owner, _) in self.list_walk(&format!("{list}/{user}"), "", "", usize::MAX >> 33).await? {
                friends += self.forget_listed(&owner, user).await?;
            }
        }
        Ok(friends)
    }

    /// Remembered answers that name the user.
    async fn erase_answers(&self, user: &str) -> Result<()> {
        for (entry, _) in self.list_walk(&format!("answers/{user}"), "", "", usize::MAX >> 33).await? {
            let mut parts = entry.splitn(3, '\0');
            let (Some(table), Some(id), Some(row)) = (parts.next(), parts.next(), parts.next()) else {
                continue;
            };
            let Some(table) = ENTITIES.into_iter().find(|known| known.0 == table) else { continue };
            let mut turn = self.turn(table, id).await;
            loop {
                let mut part = turn.load::<serde_json::Value>().await?;
                part.remove(row);
                if turn.commit(part).await? {
                    break;
                }
            }
        }
        Ok(())
    }

    /// The audit's notes about the user lose the name.
    async fn erase_notes(&self, user: &str) -> Result<()> {
        for (id, _) in self.list_walk(&format!("noted/{user}"), "", "", usize::MAX >> 33).await? {
            let Ok(id) = id.parse::<i64>() else { continue };
            for (_, body) in
                self.log_walk("audit", Some(id + 1), 1).await?.into_iter().filter(|(at, _)| *at == id)
            {
                let note = Note { subject: String::new(), ..read_json(&body)? };
                self.log_put("audit", id, &json(&note)?, ttl(self.settings.audit)).await?;
            }
        }
        Ok(())
    }

    /// The user's sessions in the lists of nodes.
    async fn erase_sessions(&self, user: &str, n: i64) -> Result<()> {
        let nodes = self.list_walk("nodes", "", "", 10_000).await?;
        let names = nodes.iter().map(|(node, _)| node.as_str()).chain([""]);
        for node in names {
            let (list, prefix) = (format!("at/{node}"), format!("{user}\0"));
            for (entry, _) in self.list_walk(&list, &prefix, "", 1_000).await? {
                self.list_remove(&list, &entry, n).await?;
            }
            self.list_remove(&format!("drain/{node}"), user, n).await?;
        }
        for (entry, _) in self.list_walk("due/sessions", "", "", 10_000).await? {
            if entry.split('\0').nth(1) == Some(user) {
                self.list_remove("due/sessions", &entry, n).await?;
            }
        }
        Ok(())
    }
}
