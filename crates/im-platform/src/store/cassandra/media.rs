//! What is known of media: an entity per medium. Its share of its owner's space is taken in the owner's entity first; whoever tries again finds it taken
//! by this medium already.

use async_trait::async_trait;
use im_api::footprint::Audience;
use im_api::media::Medium;
use serde::{Deserialize, Serialize};

use super::Cassandra;
use super::footprint::{PrintsDoc, chosen, in_order, without};
use super::schema::{MEDIA, PRINTS};
use crate::clock::{self, Millis};
use crate::jid::UserId;
use crate::store::footprint::Viewer;
use crate::store::media::Media;
use crate::store::{Result, StoreError};

/// How long an upload may take.
const UPLOAD: Millis = 3_600_000;

/// A medium's head.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MediumDoc {
    pub user: String,
    pub file: String,
    pub kind: String,
    pub size: u64,
    pub sha256: String,
    pub audience: Audience,
    pub born: i64,
    pub created_at: Millis,
}

impl MediumDoc {
    fn medium(&self, id: &str) -> Medium {
        Medium {
            id: id.into(),
            user: self.user.clone(),
            content_type: self.kind.clone(),
            size: self.size,
            sha256: self.sha256.clone(),
            created_at: clock::format(self.created_at),
        }
    }
}

/// A file that is to be removed when due, unless a medium has it.
#[derive(Debug, Serialize, Deserialize)]
struct Doomed {
    due_at: Millis,
    medium: Option<String>,
}

pub fn share_row(id: &str) -> String {
    format!("m/{id}")
}

#[async_trait]
impl Media for Cassandra {
    async fn upload_begins(&self, file: &str) -> Result<()> {
        self.open_or()?;
        self.doom(file, Doomed { due_at: self.clock.now() + UPLOAD, medium: None }).await
    }

    async fn add_medium(
        &self,
        medium: Medium,
        file: &str,
        audience: Audience,
        quota: u64,
    ) -> Result<(Medium, bool)> {
        let user = UserId::parse(&medium.user).map_err(|_| StoreError::NotFound("user"))?;
        self.known_user(user.as_str()).await?;
        let taken = || StoreError::Conflict("this id has another file");
        if let Some(before) = self.head::<MediumDoc>(MEDIA, &medium.id).await? {
            let same = before.user == user.as_str() && before.sha256 == medium.sha256;
            return if same { Ok((before.medium(&medium.id), false)) } else { Err(taken()) };
        }
        let born = self.shared_with(user.as_str(), &audience).await?;
        self.take_share(user.as_str(), &medium.id, medium.size, quota).await?;
        let doc = MediumDoc {
            user: user.to_string(),
            file: file.into(),
            kind: medium.content_type.clone(),
            size: medium.size,
            sha256: medium.sha256.clone(),
            audience: in_order(&audience),
            born,
            created_at: self.clock.now(),
        };
        let mut turn = self.turn(MEDIA, &medium.id).await;
        let made = loop {
            let mut part = turn.load::<MediumDoc>().await?;
            if let Some(before) = part.doc {
                let same = before.user == user.as_str() && before.sha256 == medium.sha256;
                if same {
                    return Ok((before.medium(&medium.id), false));
                }
                break None;
            }
            self.list_put("media", &medium.id, user.as_str(), part.n, None).await?;
            for person in chosen(&doc.audience) {
                let entry = format!("{}\0{}", MEDIA.0, medium.id);
                self.list_put(&format!("chosen/{person}"), &entry, "", part.n, None).await?;
            }
            if self.settings.media > 0 {
                let due = format!("{:020}\0{}", doc.created_at + self.settings.media, medium.id);
                self.list_put("due/media", &due, "", part.n, None).await?;
            }
            part.doc = Some(doc.clone());
            if turn.commit(part).await? {
                break Some(doc.medium(&medium.id));
            }
        };
        drop(turn);
        match made {
            Some(made) => {
                self.list_remove("doomed/", file, self.tick(0)).await?;
                Ok((made, true))
            }
            None => {
                self.free_share(user.as_str(), &medium.id).await?;
                Err(taken())
            }
        }
    }

    async fn medium(&self, viewer: &Viewer, id: &str) -> Result<(Medium, String)> {
        self.open_or()?;
        let none = || StoreError::NotFound("medium");
        let doc = self.head::<MediumDoc>(MEDIA, id).await?.ok_or_else(none)?;
        let kept = self.settings.media;
        let over = kept > 0 && doc.created_at <= self.clock.now() - kept;
        // An owner who is being erased shows nothing any more.
        if over || self.find_user(&doc.user).await?.is_none() {
            return Err(none());
        }
        let eyes = self.eyes(viewer).await?;
        let seen = self.admitted(&eyes, &doc.user, &doc.audience, doc.born).await?
            || self.shows_medium(&eyes, &doc.user, id).await?;
        if seen { Ok((doc.medium(id), doc.file)) } else { Err(none()) }
    }

    async fn remove_medium(&self, user: &UserId, id: &str) -> Result<bool> {
        self.open_or()?;
        self.drop_medium(id, Some(user.as_str())).await
    }

    async fn doomed_files(&self) -> Result<Vec<String>> {
        self.open_or()?;
        let now = self.clock.now();
        let mut files = Vec::new();
        for (file, body) in self.list_walk("doomed/", "", "", 10_000).await? {
            let doomed: Doomed = super::part::read_json(&body)?;
            if doomed.due_at > now {
                continue;
            }
            if let Some(id) = &doomed.medium
                && self.head::<MediumDoc>(MEDIA, id).await?.is_some_and(|doc| doc.file == file)
            {
                // Its removal was begun and not done.
                continue;
            }
            files.push(file);
            if files.len() == 100 {
                break;
            }
        }
        Ok(files)
    }

    async fn files_removed(&self, names: Vec<String>) -> Result<()> {
        for name in &names {
            self.list_remove("doomed/", name, self.tick(0)).await?;
        }
        Ok(())
    }
}

impl Cassandra {
    async fn doom(&self, file: &str, doomed: Doomed) -> Result<()> {
        self.list_put("doomed/", file, &super::part::json(&doomed)?, self.tick(0), None).await
    }

    /// Removes a medium, of this user only if one is named; true when there was one.
    pub(super) async fn drop_medium(&self, id: &str, of: Option<&str>) -> Result<bool> {
        let mut turn = self.turn(MEDIA, id).await;
        let doc = loop {
            let mut part = turn.load::<MediumDoc>().await?;
            let n = part.n;
            let mine = |doc: &MediumDoc| of.is_none_or(|user| doc.user == user);
            let Some(doc) = part.doc.take().filter(mine) else { return Ok(false) };
            self.doom(&doc.file, Doomed { due_at: 0, medium: Some(id.into()) }).await?;
            if turn.commit(part).await? {
                self.list_remove("media", id, n).await?;
                break doc;
            }
        };
        drop(turn);
        self.free_share(&doc.user, id).await?;
        Ok(true)
    }

    /// Somebody who is erased is among the people of a medium no longer.
    pub(super) async fn forget_shown(&self, id: &str, user: &str) -> Result<()> {
        let mut turn = self.turn(MEDIA, id).await;
        loop {
            let mut part = turn.load::<MediumDoc>().await?;
            let Some(doc) = part.doc.as_mut() else { return Ok(()) };
            doc.audience = without(&doc.audience, user);
            if turn.commit(part).await? {
                return Ok(());
            }
        }
    }

    async fn take_share(&self, user: &str, id: &str, size: u64, quota: u64) -> Result<()> {
        let mut turn = self.turn(PRINTS, user).await;
        loop {
            let mut part = turn.load::<PrintsDoc>().await?;
            let before = self.row::<u64>(PRINTS, user, &share_row(id)).await?.unwrap_or(0);
            let mut doc = part.doc.take().unwrap_or_default();
            let others = doc.media.saturating_sub(before);
            if others.saturating_add(size) > quota {
                return Err(StoreError::Limit(
                    "the user's share of media space is used up (setting media.max_megabytes_per_user)",
                ));
            }
            doc.media = others + size;
            part.doc = Some(doc);
            part.put(share_row(id), &size, None)?;
            if turn.commit(part).await? {
                return Ok(());
            }
        }
    }

    async fn free_share(&self, user: &str, id: &str) -> Result<()> {
        let mut turn = self.turn(PRINTS, user).await;
        loop {
            let mut part = turn.load::<PrintsDoc>().await?;
            let Some(size) = self.row::<u64>(PRINTS, user, &share_row(id)).await? else { return Ok(()) };
            if let Some(doc) = part.doc.as_mut() {
                doc.media = doc.media.saturating_sub(size);
            }
            part.remove(share_row(id));
            if turn.commit(part).await? {
                return Ok(());
            }
        }
    }
}
