//! What a room really did, where that differs from what was judged: a refused message leaves the timeline, and the ranges of what members missed are put
//! right for one position. Each step can be repeated, and a settlement is repeated until it was answered.

use std::collections::{BTreeMap, HashMap, HashSet};

use im_api::room::{Affiliation, RoomOutcome};

use super::{Line, Occupant, PIECE, Posted, RoomDoc, key_row, member_row, missed_row, receipts, stretch};
use crate::store::cassandra::Cassandra;
use crate::store::cassandra::list::ttl;
use crate::store::cassandra::part::{Part, end_of};
use crate::store::cassandra::schema::{RECEIPTS, ROOMS};
use crate::store::room::Settlement;
use crate::store::{Result, StoreError};

impl Cassandra {
    /// Settles one; true when the message stands on the timeline then.
    pub(in super::super) async fn settle_said(
        &self,
        node: &str,
        room: &str,
        item: &Settlement,
    ) -> Result<bool> {
        self.is_not_elsewhere(room, &item.key).await?;
        if item.outcome == RoomOutcome::Refused {
            self.own_room_key(room, &item.key).await?;
            self.refuse(room, &item.key).await?;
            return Ok(false);
        }
        let known: Option<Posted> = self.row(ROOMS, room, &key_row(&item.key)).await?;
        let (seq, from) = match (known, &item.message) {
            (Some(known), _) => (known.posted.seq, known.from),
            (None, Some(message)) => {
                let posted = self.speak_piece(room, std::slice::from_ref(message)).await?;
                (posted.first().map_or(0, |posted| posted.seq), message.from.to_string())
            }
            (None, None) => return Ok(false),
        };
        let seq = i64::try_from(seq).unwrap_or(0);
        if seq == 0 {
            return Ok(false);
        }
        let mut missed = BTreeMap::new();
        missed.extend(item.reached.iter().map(|user| (user.to_string(), false)));
        missed.extend(item.unreached.iter().map(|user| (user.to_string(), true)));
        if item.all {
            let reached: HashSet<&str> = item.reached.iter().map(|user| user.as_str()).collect();
            for user in self.not_through_others(node, room, &from).await? {
                if !reached.contains(user.as_str()) {
                    missed.insert(user, true);
                }
            }
        }
        let missed: Vec<(String, bool)> = missed.into_iter().collect();
        for piece in missed.chunks(PIECE) {
            self.put_right(room, seq, piece).await?;
        }
        Ok(true)
    }

    async fn is_not_elsewhere(&self, room: &str, key: &str) -> Result<()> {
        let sql = "SELECT owner FROM keys WHERE key = ?";
        let rows: Vec<(Option<String>,)> =
            self.cql.read_serial(sql, (self.key(&format!("said\0{key}")),)).await?;
        match rows.into_iter().next().and_then(|row| row.0) {
            Some(owner) if owner != room => Err(StoreError::Conflict("this key was used in another room")),
            _ => Ok(()),
        }
    }

    /// A refused message leaves the timeline; if it comes late it is not put there. Its texts go before the commit, as it is not to be seen in any case.
    async fn refuse(&self, room: &str, key: &str) -> Result<()> {
        let mut turn = self.turn(ROOMS, room).await;
        loop {
            let mut part = turn.load::<RoomDoc>().await?;
            let mut doc = part.doc.take().unwrap_or_default();
            let known: Option<Posted> = self.row(ROOMS, room, &key_row(key)).await?;
            if known.as_ref().is_some_and(Posted::is_refused) {
                return Ok(());
            }
            if let Some(known) = known {
                let seq = i64::try_from(known.posted.seq).unwrap_or(0);
                for line in self.lines(room, &doc, (seq, seq), 1, false).await? {
                    self.remove_line(room, &line, part.n).await?;
                }
                doc.tail.retain(|line| line.seq != seq);
            }
            self.list_put("rooms", room, "", part.n, None).await?;
            part.put(key_row(key), &Posted::refused(key), Some(ttl(self.settings.rooms)))?;
            part.doc = Some(doc);
            if turn.commit(part).await? {
                return Ok(());
            }
        }
    }

    /// The line itself last: by it the rest is found.
    async fn remove_line(&self, room: &str, line: &Line, n: i64) -> Result<()> {
        self.remove_text(room, line).await?;
        self.drop_entity(RECEIPTS, &receipts(room, line.seq)).await?;
        let spoke = format!("{room}\0{:020}", line.seq);
        self.list_remove(&format!("spoke/{}", line.from), &spoke, n).await?;
        let sql = "DELETE FROM timeline USING TIMESTAMP ? WHERE room = ? AND bucket = ? AND seq = ?";
        self.cql.write(sql, (n, self.key(room), stretch(line.seq), line.seq)).await
    }

    /// The members who are not there through another node, without the speaker.
    async fn not_through_others(&self, node: &str, room: &str, from: &str) -> Result<Vec<String>> {
        let Some(doc) = self.head::<RoomDoc>(ROOMS, room).await? else { return Ok(Vec::new()) };
        let nodes = self.nodes_of(&doc).await?;
        let now = self.clock.now();
        let occupants: Vec<(String, Occupant)> =
            self.rows(ROOMS, room, ("o/", &end_of("o/")), i32::MAX, false).await?;
        let mut elsewhere = HashSet::new();
        for (sort, occupant) in &occupants {
            let mut parts = sort.trim_start_matches("o/").splitn(3, '\0');
            if let (Some(user), Some(_), Some(of)) = (parts.next(), parts.next(), parts.next())
                && of != node
                && occupant.open
                && nodes.lives(of, occupant.life, now)
            {
                elsewhere.insert(user);
            }
        }
        let members: Vec<(String, Affiliation)> =
            self.rows(ROOMS, room, ("m/", &end_of("m/")), i32::MAX, false).await?;
        let members = members.into_iter().map(|(sort, _)| sort.trim_start_matches("m/").to_owned());
        Ok(members.filter(|user| user != from && !elsewhere.contains(user.as_str())).collect())
    }

    /// Whether each of these missed this position.
    async fn put_right(&self, room: &str, seq: i64, piece: &[(String, bool)]) -> Result<()> {
        let mut turn = self.turn(ROOMS, room).await;
        loop {
            let mut part = turn.load::<RoomDoc>().await?;
            let rows: Vec<String> = piece.iter().map(|(user, _)| member_row(user)).collect();
            let members: Vec<(String, Affiliation)> = self.rows_of(ROOMS, room, &rows).await?;
            let members: HashMap<String, Affiliation> = members.into_iter().collect();
            for (user, missed) in piece {
                let ranges = self.ranges(room, user).await?;
                let range =
                    ranges.into_iter().find(|(from, to)| *from <= seq && to.is_none_or(|to| to >= seq));
                match (range, missed) {
                    (None, true) if members.contains_key(&member_row(user)) => {
                        part.put(missed_row(user, seq), &Some(seq), None)?;
                    }
                    (Some(range), false) => take_out(&mut part, user, range, seq)?,
                    _ => {}
                }
            }
            if turn.commit(part).await? {
                return Ok(());
            }
        }
    }
}

/// A range without one position of it.
fn take_out(part: &mut Part<RoomDoc>, user: &str, range: (i64, Option<i64>), seq: i64) -> Result<()> {
    let (from, to) = range;
    if from < seq {
        part.put(missed_row(user, from), &Some(seq - 1), None)?;
    } else {
        part.remove(missed_row(user, from));
    }
    if to.is_none_or(|to| to > seq) {
        part.put(missed_row(user, seq + 1), &to, None)?;
    }
    Ok(())
}
