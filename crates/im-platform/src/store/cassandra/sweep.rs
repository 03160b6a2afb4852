//! What has ended is tidied up, by whichever instance comes first: each thing once, since each is a conditional write or can be repeated. Most of what is
//! past its time goes by itself: the ring removes what was written with a time to live.

use super::Cassandra;
use super::schema::ENTITIES;
use crate::clock::Millis;
use crate::jid::UserId;
use crate::store::Result;

/// An announcement that was begun so long ago was not finished by who began it.
const LEFT: Millis = 5_000;

impl Cassandra {
    /// One round; true when there may be more.
    pub(super) async fn sweep_once(&self) -> Result<bool> {
        let mut more = self.end_leases().await?;
        more |= self.end_states().await?;
        more |= self.say_left().await?;
        self.finish_pairs(None, Some(LEFT)).await?;
        more |= self.finish_erasures().await?;
        more |= self.cut_downlink().await?;
        more |= self.remove_due().await?;
        Ok(more)
    }

    /// Announces what a process that died had committed and not announced.
    async fn say_left(&self) -> Result<bool> {
        let now = self.clock.now();
        for (name, begun) in self.list_walk("outbox", "", "", 1_000).await? {
            if begun.parse::<Millis>().is_ok_and(|at| at > now - LEFT) {
                continue;
            }
            let Some((table, id)) = name.split_once('\0') else { continue };
            let Some(table) = ENTITIES.into_iter().find(|known| known.0 == table) else { continue };
            // Loading it announces what it holds.
            self.turn(table, id).await.finish().await?;
        }
        Ok(false)
    }

    async fn finish_erasures(&self) -> Result<bool> {
        let now = self.clock.now();
        for (user, begun) in self.list_walk("erasing", "", "", 1).await? {
            // Whoever began it is probably at it.
            if begun.parse::<Millis>().is_ok_and(|at| at > now - LEFT) {
                return Ok(false);
            }
            if let Ok(user) = UserId::parse(&user) {
                self.erase_rest(&user).await?;
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Footprints and media past their time.
    async fn remove_due(&self) -> Result<bool> {
        let now = self.clock.now();
        let over = |name: &str| {
            name.split('\0').next().and_then(|at| at.parse::<Millis>().ok()).is_some_and(|at| at <= now)
        };
        let mut any = false;
        for (name, _) in self.list_walk("due/prints", "", "", 100).await? {
            if !over(&name) {
                break;
            }
            let mut parts = name.splitn(3, '\0').skip(1);
            if let (Some(owner), Some(print)) = (parts.next(), parts.next()) {
                self.drop_print(owner, print, None).await?;
            }
            self.list_remove("due/prints", &name, self.tick(0)).await?;
            any = true;
        }
        for (name, _) in self.list_walk("due/media", "", "", 100).await? {
            if !over(&name) {
                break;
            }
            if let Some(id) = name.split('\0').nth(1) {
                self.drop_medium(id, None).await?;
            }
            self.list_remove("due/media", &name, self.tick(0)).await?;
            any = true;
        }
        Ok(any)
    }
}
