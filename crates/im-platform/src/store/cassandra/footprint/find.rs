//! Finding: the squares of an area by day, or one owner's list, newest first.

use std::collections::HashMap;

use im_api::footprint::Feature;

use super::{AHEAD, Eyes, Print, cell_name, print_row, time_row};
use crate::clock::Millis;
use crate::store::Result;
use crate::store::cassandra::schema::PRINTS;
use crate::store::cassandra::{Cassandra, DAY};
use crate::store::footprint::{Find, grid};

impl Cassandra {
    /// A candidate as the viewer sees it, if it is to be found.
    pub(super) async fn seen(
        &self,
        eyes: &Eyes,
        find: &Find,
        candidate: &Candidate,
    ) -> Result<Option<Feature>> {
        let Candidate { id, owner, name, .. } = candidate;
        let Some(print) = self.print(owner, name).await?.filter(|print| print.id == *id) else {
            return Ok(None);
        };
        let own = eyes.exact(owner);
        // Others search by what they are shown, else many small searches would find the exact place.
        let (lat, lon) = if own { print.exact } else { print.shown };
        let there = find.area.is_none_or(|area| area.contains(lat, lon))
            && find.track.as_ref().is_none_or(|track| print.track.as_ref() == Some(track));
        if there && self.may_see(eyes, owner, &print).await? {
            return print.feature(owner, name, own).map(Some);
        }
        Ok(None)
    }

    /// Where a search looks: at one owner's footprints, or at the squares of an area (of the whole world, if none is given).
    pub(super) async fn candidates(&self, find: &Find) -> Result<Candidates> {
        let until = find.until.map_or((Millis::MAX, i64::MAX), |until| (until, i64::MIN));
        let position = find.after.map_or(until, |after| after.min(until));
        let since = find.since.unwrap_or(Millis::MIN);
        let squares = match (&find.user, &find.area) {
            (Some(_), _) => Vec::new(),
            (None, area) => {
                let (level, cells) = area.as_ref().map_or((0, vec![0]), grid::cover);
                let mut squares = Vec::with_capacity(cells.len());
                for cell in cells {
                    squares.push(self.square(cell_name(level, cell), position.0, since).await?);
                }
                squares
            }
        };
        let owner = find.user.as_ref().map(ToString::to_string);
        Ok(Candidates { owner, squares, position, since, ahead: Vec::new(), done: false })
    }

    async fn square(&self, cell: String, until: Millis, since: Millis) -> Result<Square> {
        let days = self.list_walk(&format!("days/{cell}"), "", "", 100_000).await?;
        let days = days.into_iter().filter_map(|(name, _)| Some(name.parse::<i64>().ok()? - 1_000_000_000));
        let (first, last) = (since.div_euclid(DAY), until.div_euclid(DAY));
        // The newest last.
        let days = days.filter(|day| (first..=last).contains(day)).collect();
        Ok(Square { cell, days, ahead: Vec::new() })
    }
}

/// What may be found.
#[derive(Debug, Clone)]
pub struct Candidate {
    pub at: Millis,
    pub id: i64,
    pub owner: String,
    pub name: String,
}

/// Candidates in the order (time, number), newest first.
pub struct Candidates {
    owner: Option<String>,
    squares: Vec<Square>,
    /// Before the first, or at the last one given.
    position: (Millis, i64),
    since: Millis,
    /// Of one owner: what was read, the newest last.
    ahead: Vec<Candidate>,
    done: bool,
}

/// One square of the grid with what was read of it, the newest last.
struct Square {
    cell: String,
    /// Days that may hold more.
    days: Vec<i64>,
    ahead: Vec<Candidate>,
}

impl Candidates {
    pub(super) async fn take(&mut self, store: &Cassandra, most: usize) -> Result<Vec<Candidate>> {
        let mut taken = Vec::new();
        while taken.len() < most {
            let next = match self.owner.clone() {
                Some(owner) => {
                    if self.ahead.is_empty() && !self.done {
                        self.read_owner(store, &owner).await?;
                    }
                    self.ahead.pop()
                }
                None => {
                    for square in &mut self.squares {
                        square.read(store, self.position, self.since).await?;
                    }
                    let newest = self.squares.iter_mut().filter(|s| !s.ahead.is_empty());
                    newest.max_by_key(|s| s.ahead.last().map(|c| (c.at, c.id))).and_then(|s| s.ahead.pop())
                }
            };
            let Some(next) = next else { break };
            self.position = (next.at, next.id);
            taken.push(next);
        }
        Ok(taken)
    }

    async fn read_owner(&mut self, store: &Cassandra, owner: &str) -> Result<()> {
        let (from, to) = (time_row(self.since, 0), time_row(self.position.0, self.position.1.max(0)));
        let rows: Vec<(String, String)> = store.rows(PRINTS, owner, (&from, &to), AHEAD, true).await?;
        self.done = rows.len() < usize::try_from(AHEAD).unwrap_or(0);
        let names: Vec<String> = rows.iter().map(|(_, name)| print_row(name)).collect();
        let prints: Vec<(String, Print)> = store.rows_of(PRINTS, owner, &names).await?;
        let prints: HashMap<String, Print> = prints.into_iter().collect();
        for (_, name) in rows.into_iter().rev() {
            if let Some(print) = prints.get(&print_row(&name)) {
                self.ahead.push(Candidate { at: print.at, id: print.id, owner: owner.into(), name });
            }
        }
        Ok(())
    }
}

impl Square {
    /// Reads on when everything that was read has been given.
    async fn read(&mut self, store: &Cassandra, position: (Millis, i64), since: Millis) -> Result<()> {
        while self.ahead.is_empty() {
            let Some(day) = self.days.last().copied() else { return Ok(()) };
            let sql = "SELECT at, id, owner, name FROM areas WHERE cell = ? AND day = ? AND (at, id) < (?, ?) AND (at) >= (?) LIMIT ?";
            let values = (store.key(&self.cell), day, position.0, position.1, since, AHEAD);
            let rows: Vec<(i64, i64, String, String)> = store.cql.read(sql, values).await?;
            if rows.len() < usize::try_from(AHEAD).unwrap_or(0) {
                self.days.pop();
            }
            let rows = rows.into_iter().rev();
            self.ahead = rows.map(|(at, id, owner, name)| Candidate { at, id, owner, name }).collect();
        }
        Ok(())
    }
}
