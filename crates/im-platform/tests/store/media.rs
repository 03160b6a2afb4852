//! What is known of media.

use im_api::footprint::Audience;
use im_api::media::Medium;
use im_platform::store::StoreError;
use im_platform::store::footprint::{NewFootprint, Viewer};
use im_platform::store::user::NewUser;

use crate::suite;
use crate::support::*;

const JULIET: &str = "juliet@example.org";
const ROMEO: &str = "romeo@example.org";

fn medium(id: &str, sha256: &str, size: u64) -> Medium {
    Medium {
        id: id.into(),
        user: JULIET.into(),
        content_type: "image/png".into(),
        size,
        sha256: sha256.into(),
        created_at: String::new(),
    }
}

suite! {
    async fn a_medium_is_seen_by_its_audience_or_through_a_footprint(w) {
        let w = w.with_verona().await;
        let (romeo, juliet) = (Viewer::User(user(ROMEO)), Viewer::User(user(JULIET)));
        w.store.add_medium(medium("picture-1", "aa", 10), "file-1", Audience::Me, 100).await.expect("added");
        assert_eq!(w.store.medium(&juliet, "picture-1").await.expect("hers").1, "file-1");
        assert!(matches!(w.store.medium(&romeo, "picture-1").await, Err(StoreError::NotFound(_))));
        let shared = NewFootprint { media: vec!["picture-1".into()], ..footprint("f", JULIET, 1.0, 1.0, Audience::All) };
        w.store.share(shared.clone(), by()).await.expect("shared");
        w.store.medium(&romeo, "picture-1").await.expect("the footprint shows it");
        w.store.remove_footprint(&user(JULIET), "f", by()).await.expect("removed");
        assert!(matches!(w.store.medium(&romeo, "picture-1").await, Err(StoreError::NotFound(_))));
        let stolen = NewFootprint { user: user(ROMEO), ..shared };
        w.store.share(stolen, by()).await.expect("shared");
        assert!(matches!(w.store.medium(&romeo, "picture-1").await, Err(StoreError::NotFound(_))), "showing somebody else's medium opens nothing");
        w.store.add_medium(medium("picture-2", "bb", 10), "file-2", Audience::All, 100).await.expect("added");
        w.store.medium(&romeo, "picture-2").await.expect("for all");
    }

    async fn a_medium_of_a_conversation_is_for_its_two_sides(w) {
        let w = w.with_verona().await;
        let viewer = |who: &str| Viewer::User(user(who));
        w.change(change(5, true, "tybalt@example.org", "r", false, 0)).await;
        let both = Audience::People(vec![ROMEO.into()]);
        w.store.add_medium(medium("letter-01", "aa", 10), "file-1", both, 100).await.expect("added");
        w.store.medium(&viewer(JULIET), "letter-01").await.expect("hers");
        w.store.medium(&viewer(ROMEO), "letter-01").await.expect("for him");
        assert!(matches!(w.store.medium(&viewer("tybalt@example.org"), "letter-01").await, Err(StoreError::NotFound(_))));
        // Whom she blocks sees it no longer; blocking gives nothing to anybody else.
        w.store.set_block(&user(JULIET), &user(ROMEO), true, by()).await.expect("blocked");
        assert!(matches!(w.store.medium(&viewer(ROMEO), "letter-01").await, Err(StoreError::NotFound(_))));
        w.store.set_block(&user(JULIET), &user(ROMEO), false, by()).await.expect("unblocked");
        w.store.medium(&viewer(ROMEO), "letter-01").await.expect("for him again");
        // He goes: nothing names him any more, and who takes his address afterwards is not the one it was for.
        w.store.erase(&user(ROMEO), by()).await.expect("erased");
        w.holds_nothing_of(ROMEO, &["im.user.removed"]).await;
        let another = NewUser { user: user(ROMEO), verifiers: vec![], name: None, email: None };
        w.store.create_user(another, by()).await.expect("somebody else takes it");
        assert!(matches!(w.store.medium(&viewer(ROMEO), "letter-01").await, Err(StoreError::NotFound("medium"))));
        w.store.medium(&viewer(JULIET), "letter-01").await.expect("still hers");
    }

    async fn an_id_is_one_medium_and_a_user_has_a_share_of_space(w) {
        let w = w.with_verona().await;
        let add = async |id: &str, sha: &str, size, file: &str| w.store.add_medium(medium(id, sha, size), file, Audience::Me, 100).await;
        assert!(add("picture-1", "aa", 60, "file-1").await.expect("added").1);
        assert!(!add("picture-1", "aa", 60, "file-2").await.expect("the same").1);
        assert!(matches!(add("picture-1", "bb", 10, "file-3").await, Err(StoreError::Conflict(_))));
        assert!(matches!(add("picture-2", "bb", 41, "file-4").await, Err(StoreError::Limit(_))));
        add("picture-2", "bb", 40, "file-5").await.expect("fits");
    }

    async fn files_of_removed_media_and_of_broken_uploads_are_listed_for_removal(w) {
        let w = w.with_verona().await;
        w.store.upload_begins("broken").await.expect("noted");
        w.store.upload_begins("file-1").await.expect("noted");
        w.store.add_medium(medium("picture-1", "aa", 10), "file-1", Audience::Me, 100).await.expect("added");
        assert!(w.store.doomed_files().await.expect("listed").is_empty());
        w.clock.advance(3_600_000);
        assert_eq!(w.store.doomed_files().await.expect("listed"), ["broken"]);
        assert!(!w.store.remove_medium(&user(ROMEO), "picture-1").await.expect("not his"));
        assert!(w.store.remove_medium(&user(JULIET), "picture-1").await.expect("hers"));
        let mut doomed = w.store.doomed_files().await.expect("listed");
        doomed.sort();
        assert_eq!(doomed, ["broken", "file-1"]);
        w.store.files_removed(vec!["broken".into(), "file-1".into()]).await.expect("removed");
        w.store.add_medium(medium("picture-2", "aa", 10), "file-2", Audience::Me, 100).await.expect("added");
        assert_eq!(w.store.erase(&user(JULIET), by()).await.expect("erased").media, 1);
        assert_eq!(w.store.doomed_files().await.expect("listed"), ["file-2"]);
    }
}
