//! Footprints: who sees what, how exactly, and how they are found.

use im_api::footprint::{Audience, FeatureCollection, Precision};
use im_platform::store::StoreError;
use im_platform::store::footprint::{Area, Find, NewFootprint, Viewer};

use crate::suite;
use crate::support::*;

const JULIET: &str = "juliet@example.org";
const ROMEO: &str = "romeo@example.org";
const NURSE: &str = "nurse@example.org";

fn eyes(who: &str) -> Viewer {
    Viewer::User(user(who))
}

fn all(viewer: Viewer) -> Find {
    Find { viewer, area: None, since: None, until: None, user: None, track: None, limit: 100, after: None }
}

fn ids(found: &FeatureCollection) -> Vec<&str> {
    found.features.iter().map(|f| f.id.rsplit('/').next().unwrap_or_default()).collect()
}

async fn verona(w: World) -> World {
    let w = w.with_verona().await;
    w.change(change(9, true, NURSE, "n", true, 0)).await;
    w
}

suite! {
    async fn an_audience_and_blocks_decide_who_sees(w) {
        let w = verona(w).await;
        friends(&w, JULIET, ROMEO).await;
        let group = r#"{"id":"g","name":"G","members":[{"user":"juliet@example.org","role":"owner"},{"user":"nurse@example.org","role":"member"}]}"#;
        w.store.create_group(serde_json::from_str(group).expect("a group"), by()).await.expect("created");
        for (id, audience) in [("me", Audience::Me), ("friends", Audience::Friends), ("group", Audience::Group("g".into())), ("all", Audience::All)] {
            w.clock.advance(1);
            w.store.share(footprint(id, JULIET, 45.4, 11.0, audience), by()).await.expect("shared");
        }
        let sees = async |viewer| ids(&w.store.find(all(viewer)).await.expect("found")).join(" ");
        assert_eq!(sees(eyes(JULIET)).await, "all group friends me");
        assert_eq!(sees(eyes(ROMEO)).await, "all friends");
        assert_eq!(sees(eyes(NURSE)).await, "all group");
        assert_eq!(sees(Viewer::Operator).await, "all group friends me");
        assert!(matches!(w.store.footprint(&eyes(ROMEO), &user(JULIET), "me").await, Err(StoreError::NotFound(_))));
        w.store.footprint(&eyes(ROMEO), &user(JULIET), "friends").await.expect("seen");

        let to = serde_json::from_str(r#"{"subscription":"to"}"#).expect("an entry");
        w.store.put_friend(&user(JULIET), &user(ROMEO), to, by()).await.expect("changed");
        assert_eq!(sees(eyes(ROMEO)).await, "all", "he may no longer see her presence");
        w.store.set_member("g", &user(NURSE), None, false, by()).await.expect("left");
        assert_eq!(sees(eyes(NURSE)).await, "all");
        w.store.set_block(&user(JULIET), &user(NURSE), true, by()).await.expect("blocked");
        assert_eq!(sees(eyes(NURSE)).await, "", "whom she blocks sees nothing");
        w.store.set_block(&user(ROMEO), &user(JULIET), true, by()).await.expect("blocked");
        assert_eq!(sees(eyes(ROMEO)).await, "", "nor does who blocks her");
        w.store.remove_group("g", by()).await.expect("removed");
        w.store.create_group(serde_json::from_str(group).expect("a group"), by()).await.expect("a new one of that name");
        w.store.set_block(&user(JULIET), &user(NURSE), false, by()).await.expect("unblocked");
        assert_eq!(sees(eyes(NURSE)).await, "all", "a new group does not inherit what was shared with the old");
        assert!(matches!(w.store.find(all(eyes("stranger@example.org"))).await, Err(StoreError::NotFound(_))));
    }

    async fn others_see_and_search_by_the_coarse_place_only(w) {
        let w = verona(w).await;
        let exact = (48.137_154, 11.576_124);
        let coarse = NewFootprint { precision: Precision::City, stanza: Some(r#"{"geoloc":"48.137"}"#.into()), ..footprint("f", JULIET, exact.0, exact.1, Audience::All) };
        let own = w.store.share(coarse, by()).await.expect("shared");
        assert_eq!(own.geometry.coordinates, [exact.1, exact.0]);
        assert!(own.properties.stanza.is_some() && own.properties.place.is_some() && own.properties.audience.is_some());
        let seen = w.store.footprint(&eyes(ROMEO), &user(JULIET), "f").await.expect("seen");
        let [lon, lat] = seen.geometry.coordinates;
        assert!((lat - exact.0).abs() > 1e-4 && (lat - exact.0).abs() < 0.1 && (lon - exact.1).abs() < 0.2);
        assert!(seen.properties.stanza.is_none() && seen.properties.place.is_none() && seen.properties.audience.is_none(), "nothing gives it away");
        let around = |lat: f64, lon: f64| Some(Area { west: lon - 1e-4, south: lat - 1e-4, east: lon + 1e-4, north: lat + 1e-4 });
        let found = w.store.find(Find { area: around(exact.0, exact.1), ..all(eyes(ROMEO)) }).await.expect("found");
        assert!(found.features.is_empty(), "small searches must not find the exact place");
        let found = w.store.find(Find { area: around(lat, lon), ..all(eyes(ROMEO)) }).await.expect("found");
        assert_eq!(ids(&found), ["f"]);
        let own = w.store.find(Find { area: around(exact.0, exact.1), user: Some(user(JULIET)), ..all(eyes(JULIET)) }).await.expect("found");
        assert_eq!(ids(&own), ["f"], "she finds her own where it is");
        let said = w.store.downlink(Some(0), 100).await.expect("said");
        let announced = said.items.iter().find(|e| e.kind == "im.footprint.shared").expect("announced").data.get().to_owned();
        assert!(!announced.contains("48.137") && !announced.contains("a place"), "{announced}");
    }

    async fn areas_times_and_people_are_found_page_by_page_newest_first(w) {
        let w = verona(w).await;
        for i in 0..30 {
            let who = if i % 2 == 0 { JULIET } else { ROMEO };
            let lon = if i % 3 == 0 { 179.9 } else { -179.9 };
            let mut new = footprint(&format!("f{i:02}"), who, f64::from(i) / 10.0, lon, Audience::All);
            new.at = Some(START + i64::from(i) * 1_000);
            w.store.share(new, by()).await.expect("shared");
        }
        let walk = async |find: Find| {
            let (mut found, mut after) = (Vec::new(), None);
            loop {
                let page = w.store.find(Find { limit: 4, after, ..find.clone() }).await.expect("page");
                found.extend(ids(&page).into_iter().map(str::to_owned));
                let Some(next) = page.next else { return found };
                let (at, id) = next.split_once('.').expect("a cursor");
                after = Some((at.parse().expect("a time"), id.parse().expect("a number")));
            }
        };
        let expect = |keep: &dyn Fn(i32) -> bool| (0..30).rev().filter(|i| keep(*i)).map(|i| format!("f{i:02}")).collect::<Vec<_>>();
        let nurse = || all(eyes(NURSE));
        assert_eq!(walk(nurse()).await, expect(&|_| true));
        assert_eq!(walk(Find { user: Some(user(JULIET)), ..nurse() }).await, expect(&|i| i % 2 == 0));
        let (since, until) = (Some(START + 5_000), Some(START + 20_000));
        assert_eq!(walk(Find { since, until, ..nurse() }).await, expect(&|i| (5..20).contains(&i)));
        let pacific = Some(Area { west: 179.0, south: -1.0, east: -179.0, north: 1.95 });
        assert_eq!(walk(Find { area: pacific, ..nurse() }).await, expect(&|i| i < 20));
        let west = Some(Area { west: -180.0, south: -90.0, east: 0.0, north: 90.0 });
        assert_eq!(walk(Find { area: west, since, until, ..nurse() }).await, expect(&|i| i % 3 != 0 && (5..20).contains(&i)));
        assert_eq!(walk(Find { area: west, user: Some(user(ROMEO)), ..nurse() }).await, expect(&|i| i % 3 != 0 && i % 2 == 1));
        assert!(walk(Find { area: Some(Area { west: 0.0, south: 0.0, east: 1.0, north: 1.0 }), ..nurse() }).await.is_empty());
        assert!(walk(Find { user: Some(user("stranger@example.org")), ..nurse() }).await.is_empty());
    }

    async fn the_same_footprint_again_is_the_same_and_another_under_its_id_is_refused(w) {
        let w = verona(w).await;
        let new = footprint("f", JULIET, 1.0, 2.0, Audience::All);
        let first = w.store.share(new.clone(), by()).await.expect("shared");
        w.clock.advance(5_000);
        let second = w.store.share(new.clone(), by()).await.expect("the same");
        assert_eq!(first.properties.at, second.properties.at);
        assert!(matches!(w.store.share(NewFootprint { lat: 1.5, ..new.clone() }, by()).await, Err(StoreError::Conflict(_))));
        w.store.share(NewFootprint { user: user(ROMEO), ..new.clone() }, by()).await.expect("an id is per user");
        let group = Audience::Group("none".into());
        assert!(matches!(w.store.share(NewFootprint { id: "g".into(), audience: group, ..new }, by()).await, Err(StoreError::NotFound(_))));
    }

    async fn chosen_people_see_it_and_nobody_else(w) {
        let w = verona(w).await;
        friends(&w, JULIET, ROMEO).await;
        let chosen = |names: &[&str]| Audience::People(names.iter().map(|n| (*n).to_owned()).collect());
        let new = footprint("walk-1", JULIET, 45.4, 11.0, chosen(&[NURSE, "away@elsewhere.example"]));
        let own = w.store.share(NewFootprint { track: Some("walk".into()), ..new.clone() }, by()).await.expect("shared");
        assert_eq!(own.properties.audience, Some(chosen(&["away@elsewhere.example", NURSE])));
        let sees = async |viewer| ids(&w.store.find(all(viewer)).await.expect("found")).join(" ");
        assert_eq!(sees(eyes(NURSE)).await, "walk-1");
        assert_eq!(sees(eyes(ROMEO)).await, "", "a friend who was not chosen");
        let seen = w.store.footprint(&eyes(NURSE), &user(JULIET), "walk-1").await.expect("seen");
        assert_eq!((seen.properties.audience, seen.properties.track.as_deref()), (None, Some("walk")), "who else was chosen is not said");
        w.store.share(footprint("other", JULIET, 45.4, 11.0, Audience::All), by()).await.expect("shared");
        let track = Find { track: Some("walk".into()), user: Some(user(JULIET)), ..all(eyes(NURSE)) };
        assert_eq!(ids(&w.store.find(track.clone()).await.expect("found")), ["walk-1"]);
        w.store.set_block(&user(JULIET), &user(NURSE), true, by()).await.expect("blocked");
        assert_eq!(sees(eyes(NURSE)).await, "", "whom she blocks sees nothing, chosen or not");
        w.store.set_block(&user(JULIET), &user(NURSE), false, by()).await.expect("unblocked");
        let other = NewFootprint { track: Some("walk".into()), audience: chosen(&[ROMEO]), ..new.clone() };
        assert!(matches!(w.store.share(other.clone(), by()).await, Err(StoreError::Conflict(_))), "other people are another footprint");
        w.store.share(NewFootprint { replace: true, ..other }, by()).await.expect("replaced");
        assert_eq!(sees(eyes(NURSE)).await, "other");
        assert_eq!(sees(eyes(ROMEO)).await, "walk-1 other");
        w.store.erase(&user(ROMEO), by()).await.expect("erased");
        let left = w.store.footprint(&eyes(JULIET), &user(JULIET), "walk-1").await.expect("hers");
        assert_eq!(left.properties.audience, Some(chosen(&[])), "an erased account is named nowhere");
    }

    async fn a_footprint_put_again_takes_the_place_of_what_was_there(w) {
        let w = verona(w).await;
        let links = vec!["https://upload.example.org/a/balcony.png".to_owned()];
        let new = NewFootprint { replace: true, links: links.clone(), at: Some(START), ..footprint("here", JULIET, 1.0, 2.0, Audience::All) };
        w.store.share(new.clone(), by()).await.expect("shared");
        w.store.share(new.clone(), by()).await.expect("the same again");
        let moved = NewFootprint { lat: 5.0, at: Some(START + 1), ..new };
        let shared = w.store.share(moved, by()).await.expect("moved");
        assert_eq!((shared.geometry.coordinates, shared.properties.links), ([2.0, 5.0], links));
        let around = |lat: f64| Find { area: Some(Area { west: 1.0, south: lat - 1.0, east: 3.0, north: lat + 1.0 }), ..all(eyes(ROMEO)) };
        assert!(w.store.find(around(1.0)).await.expect("found").features.is_empty(), "it is not where it was");
        assert_eq!(ids(&w.store.find(around(5.0)).await.expect("found")), ["here"]);
        let said = w.store.downlink(Some(0), 100).await.expect("said");
        assert_eq!(said.items.iter().filter(|e| e.kind == "im.footprint.shared").count(), 2, "the same again is no news");
    }

    async fn a_removed_footprint_is_found_by_nobody_and_retracted(w) {
        let w = verona(w).await;
        w.store.share(footprint("f", JULIET, 1.0, 2.0, Audience::All), by()).await.expect("shared");
        w.store.remove_footprint(&user(JULIET), "f", by()).await.expect("removed");
        w.store.remove_footprint(&user(JULIET), "f", by()).await.expect("again");
        let area = Some(Area { west: 0.0, south: 0.0, east: 5.0, north: 5.0 });
        assert!(w.store.find(Find { area, ..all(eyes(JULIET)) }).await.expect("found").features.is_empty());
        let said = w.store.downlink(Some(0), 100).await.expect("said");
        assert_eq!(said.items.iter().filter(|e| e.kind == "im.footprint.removed").count(), 1);
        w.store.share(footprint("f", JULIET, 3.0, 2.0, Audience::All), by()).await.expect("its id is free");
    }

    async fn a_page_that_skips_much_is_short_and_goes_on(w) {
        let w = verona(w).await;
        w.store.share(footprint("seen", ROMEO, 1.0, 1.0, Audience::All), by()).await.expect("shared");
        for i in 0..2_100 {
            w.clock.advance(1);
            w.store.share(footprint(&format!("f{i}"), JULIET, 1.0, 1.0, Audience::Me), by()).await.expect("shared");
        }
        let page = w.store.find(all(eyes(ROMEO))).await.expect("page");
        assert!(page.features.is_empty());
        let next = page.next.expect("there is more");
        let (at, id) = next.split_once('.').expect("a cursor");
        let after = Some((at.parse().expect("a time"), id.parse().expect("a number")));
        assert_eq!(ids(&w.store.find(Find { after, ..all(eyes(ROMEO)) }).await.expect("page")), ["seen"]);
    }
}
