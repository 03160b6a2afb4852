//! Groups and members.

use im_api::group::{CreateGroup, Member, PatchGroup, ReportGroup, Role};
use im_api::room::Affiliation;
use im_platform::store::StoreError;

use crate::suite;
use crate::support::*;

const JULIET: &str = "juliet@example.org";
const ROMEO: &str = "romeo@example.org";

fn group(id: &str, members: &[(&str, &str)]) -> CreateGroup {
    let members: Vec<_> = members.iter().map(|(u, r)| format!(r#"{{"user":"{u}","role":"{r}"}}"#)).collect();
    serde_json::from_str(&format!(r#"{{"id":"{id}","name":"{id}","members":[{}]}}"#, members.join(",")))
        .expect("a group")
}

suite! {
    async fn a_group_is_created_whole_or_not_at_all(w) {
        let w = w.with_verona().await;
        let made = w.store.create_group(group("g", &[(JULIET, "owner"), (ROMEO, "member")]), by()).await.expect("created");
        assert_eq!((made.size, made.version, made.members.len()), (2, 1, 2));
        assert!(matches!(w.store.create_group(group("g", &[(JULIET, "owner")]), by()).await, Err(StoreError::Conflict(_))));
        let stranger = group("h", &[(JULIET, "owner"), ("stranger@example.org", "member")]);
        assert!(matches!(w.store.create_group(stranger, by()).await, Err(StoreError::NotFound(_))));
        assert!(matches!(w.store.group("h", 1, None).await, Err(StoreError::NotFound(_))), "nothing of it stays");
        let mut room = group("r1", &[(JULIET, "owner")]);
        room.room = Some("hall@rooms.example.org".into());
        w.store.create_group(room.clone(), by()).await.expect("created");
        room.id = "r2".into();
        assert!(matches!(w.store.create_group(room, by()).await, Err(StoreError::Conflict(_))), "one group per room");
    }

    async fn members_come_and_go_and_an_owner_stays(w) {
        let w = w.with_verona().await;
        w.store.create_group(group("g", &[(JULIET, "owner")]), by()).await.expect("created");
        let set = async |who: &str, role: Option<Role>| w.store.set_member("g", &user(who), role, false, by()).await;
        assert!(set(ROMEO, Some(Role::Member)).await.expect("added").changed);
        assert!(!set(ROMEO, Some(Role::Member)).await.expect("again").changed, "an echo");
        assert!(matches!(set(JULIET, None).await, Err(StoreError::Conflict(_))), "the last owner");
        assert!(matches!(set(JULIET, Some(Role::Admin)).await, Err(StoreError::Conflict(_))));
        set(ROMEO, Some(Role::Owner)).await.expect("promoted");
        set(JULIET, None).await.expect("now she may go");
        assert!(!set(JULIET, None).await.expect("again").changed);
        assert!(matches!(set("stranger@example.org", Some(Role::Member)).await, Err(StoreError::NotFound(_))));
        let now = w.store.group("g", 10, None).await.expect("read");
        assert_eq!((now.size, now.members.len(), now.version), (1, 1, 4));
        assert_eq!(w.store.groups_of(&user(ROMEO), 10, None).await.expect("groups").items.len(), 1);
        assert!(w.store.groups_of(&user(JULIET), 10, None).await.expect("groups").items.is_empty());
    }

    async fn of_two_owners_who_leave_at_once_one_stays(w) {
        let w = std::sync::Arc::new(w.with_verona().await);
        for i in 0..20 {
            let id = format!("g{i}");
            w.store.create_group(group(&id, &[(JULIET, "owner"), (ROMEO, "owner")]), by()).await.expect("created");
            let leave = |who: &'static str| {
                let (w, id) = (std::sync::Arc::clone(&w), id.clone());
                tokio::spawn(async move { w.store.set_member(&id, &user(who), None, false, by()).await.is_ok() })
            };
            let (a, b) = (leave(JULIET), leave(ROMEO));
            assert!(a.await.expect("ran") != b.await.expect("ran"));
        }
    }

    async fn a_change_may_ask_for_a_version(w) {
        let w = w.with_verona().await;
        w.store.create_group(group("g", &[(JULIET, "owner")]), by()).await.expect("created");
        let patch = |name: &str, if_version| PatchGroup { name: Some(name.into()), description: Some("d".into()), if_version };
        assert_eq!(w.store.patch_group("g", patch("A", Some(1)), by()).await.expect("changed").version, 2);
        assert!(matches!(w.store.patch_group("g", patch("B", Some(1)), by()).await, Err(StoreError::Conflict(_))));
        assert!(!w.store.patch_group("g", patch("A", None), by()).await.expect("same").changed);
        let gone = PatchGroup { description: Some(String::new()), ..PatchGroup::default() };
        w.store.patch_group("g", gone, by()).await.expect("changed");
        assert_eq!(w.store.group("g", 1, None).await.expect("read").description, None);
        assert!(w.store.remove_group("g", by()).await.expect("removed").changed);
        assert!(!w.store.remove_group("g", by()).await.expect("again").changed);
    }

    async fn a_bridge_reports_a_group_as_it_is_on_its_server(w) {
        let w = w.with_verona().await;
        let report = |json: &str| -> ReportGroup { serde_json::from_str(json).expect("a report") };
        let tell = async |json: &str| w.store.report_group("g", report(json), by()).await.expect("reported");
        let made = tell(r#"{"name":"G","description":"d","members":[{"user":"juliet@example.org","role":"admin"},{"user":"stranger@elsewhere.example","role":"member"}]}"#).await;
        assert!(made.changed && made.version == 1, "{made:?}");
        let now = async || w.store.group("g", 10, None).await.expect("read");
        let names = |group: &im_api::group::Group| group.members.iter().map(|m| (m.user.clone(), m.role)).collect::<Vec<_>>();
        assert_eq!((now().await.size, now().await.description.as_deref()), (2, Some("d")), "who was unknown is known now, an owner is not needed");
        let same = tell(r#"{"name":"G","description":"d","members":[{"user":"juliet@example.org","role":"admin"}]}"#).await;
        assert!(!same.changed && same.version == 1, "an echo: who is not named stays");
        // Somebody here makes her the owner; her server goes on calling her an administrator.
        assert!(w.store.set_member("g", &user(JULIET), Some(Role::Owner), false, by()).await.expect("promoted").changed);
        assert!(!w.store.set_member("g", &user(JULIET), Some(Role::Admin), true, by()).await.expect("an echo").changed);
        assert!(!tell(r#"{"members":[{"user":"juliet@example.org","role":"admin"}]}"#).await.changed);
        assert!(matches!(w.store.set_member("g", &user(JULIET), None, false, by()).await, Err(StoreError::Conflict(_))), "the last owner");
        assert!(w.store.set_member("g", &user(JULIET), None, true, by()).await.expect("it is so there").changed);
        assert!(w.store.set_member("g", &user(ROMEO), Some(Role::Member), false, by()).await.expect("still without an owner").changed);
        let whole = tell(r#"{"members":[{"user":"romeo@example.org","role":"admin"}],"complete":true}"#).await;
        assert!(whole.changed);
        assert_eq!(names(&now().await), [(ROMEO.to_owned(), Role::Admin)], "nobody else; name and description stay");
        assert_eq!((now().await.name, now().await.size), ("G".to_owned(), 1));
        tell(r#"{"description":"","members":[],"complete":true}"#).await;
        assert_eq!((now().await.description, now().await.size), (None, 0), "a server's group may be empty");
    }

    async fn an_erased_member_of_a_servers_group_makes_nobody_its_owner(w) {
        let w = w.with_verona().await;
        let members = [JULIET, ROMEO].map(|who| Member { user: who.into(), role: Role::Member });
        let report = ReportGroup { members: Some(members.to_vec()), ..ReportGroup::default() };
        w.store.report_group("g", report.clone(), by()).await.expect("reported");
        w.store.erase(&user(JULIET), by()).await.expect("erased");
        let left = w.store.group("g", 10, None).await.expect("it stays");
        assert_eq!(left.members, [Member { user: ROMEO.into(), role: Role::Member }]);
        assert!(!w.store.report_group("g", report, by()).await.expect("an older report").changed, "who was erased does not come back by it");
        w.store.erase(&user(ROMEO), by()).await.expect("erased");
        assert_eq!(w.store.group("g", 10, None).await.expect("it stays, empty").size, 0);
    }

    async fn a_group_that_is_a_room_has_the_rooms_members_whoever_changes_them(w) {
        let w = w.with_verona().await;
        let room = user("hall@rooms.example.org");
        w.store.put_room(&room, vec![(user(ROMEO), Affiliation::Admin)], by()).await.expect("made");
        let mut new = group("g", &[(JULIET, "owner")]);
        new.room = Some(room.to_string());
        w.store.create_group(new, by()).await.expect("created");
        let in_group = async || {
            let all = w.store.group("g", 10, None).await.expect("the group").members;
            all.into_iter().map(|m| format!("{} {:?}", m.user, m.role)).collect::<std::collections::BTreeSet<_>>()
        };
        let in_room = async || {
            let all = w.store.room(&room, 10, None).await.expect("the room").members;
            all.into_iter().map(|m| format!("{} {:?}", m.user, m.affiliation)).collect::<std::collections::BTreeSet<_>>()
        };
        let expected = |all: &[&str]| all.iter().map(|a| (*a).to_owned()).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(in_group().await, expected(&["juliet@example.org Owner", "romeo@example.org Admin"]), "both had members before");
        assert_eq!(in_room().await, in_group().await);
        w.store.set_member("g", &user(ROMEO), Some(Role::Member), false, by()).await.expect("by the group");
        assert_eq!(in_room().await, expected(&["juliet@example.org Owner", "romeo@example.org Member"]));
        w.store.set_affiliation(&room, &user("nurse@example.org"), Some(Affiliation::Member), by()).await.expect("by the room");
        w.store.set_affiliation(&room, &user(ROMEO), None, by()).await.expect("by the room");
        assert_eq!(in_group().await, expected(&["juliet@example.org Owner", "nurse@example.org Member"]));
        w.store.put_room(&room, vec![(user(JULIET), Affiliation::Owner), (user(ROMEO), Affiliation::Owner)], by()).await.expect("replaced");
        assert_eq!(in_group().await, expected(&["juliet@example.org Owner", "romeo@example.org Owner"]));
        assert_eq!(in_room().await, in_group().await);
        let said = w.store.downlink(Some(0), 100).await.expect("the downlink").items;
        let said: Vec<_> = said.iter().filter(|e| e.kind.starts_with("im.room.")).map(|e| format!("{} {}", e.kind, e.data.get())).collect();
        assert_eq!(said, [
            r#"im.room.changed {"members":[{"affiliation":"admin","user":"romeo@example.org"}]}"#,
            r#"im.room.changed {"group":"g","members":[{"affiliation":"owner","user":"juliet@example.org"},{"affiliation":"admin","user":"romeo@example.org"}]}"#,
            r#"im.room.member {"affiliation":"member","user":"romeo@example.org"}"#,
            r#"im.room.member {"affiliation":"member","user":"nurse@example.org"}"#,
            r#"im.room.member {"affiliation":null,"user":"romeo@example.org"}"#,
            r#"im.room.changed {"group":"g","members":[{"affiliation":"owner","user":"juliet@example.org"},{"affiliation":"owner","user":"romeo@example.org"}]}"#,
        ], "what was done to the room, by whichever interface");
        assert!(w.store.remove_group("g", by()).await.expect("dissolved").changed);
        assert!(matches!(w.store.room(&room, 1, None).await, Err(StoreError::NotFound(_))), "the room goes with it");
        let mut new = group("h", &[(JULIET, "owner")]);
        new.room = Some(room.to_string());
        w.store.create_group(new, by()).await.expect("created with its room");
        assert_eq!(in_room().await, expected(&["juliet@example.org Owner"]));
        w.store.remove_room(&room, by()).await.expect("destroyed");
        assert!(matches!(w.store.group("h", 1, None).await, Err(StoreError::NotFound(_))), "the group goes with it");
    }
}
