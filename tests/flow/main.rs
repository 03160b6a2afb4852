//! Host to platform and back, without a JVM: the real host, the real `im-platform` as its child, and a stand-in for the shim that knows who is
//! "logged in" and carries out effects. What only Openfire can show is in tests/openfire.

mod api;
mod backend;
mod downlink;
mod footprint;
mod groups;
mod history;
mod pep;
mod remote;
mod rooms;
mod rows;
mod shim;
mod state;

use std::time::Duration;

use shim::{Server, message};

#[test]
fn online_is_delivered_and_offline_is_stored_and_handed_over_oldest_first() {
    let server = Server::start(&[("chat.mode", "decide")]);
    server.log_in("juliet@example.org/balcony", 0);
    server.log_in("romeo@example.org/orchard", 0);
    server.until("ready", |s| s["ready"] == true);
    assert!(server.send(&message("romeo@example.org/orchard", "juliet@example.org", "1", "online")));
    assert_eq!(server.received("juliet@example.org/balcony", 1), ["1"]);
    server.log_out("juliet@example.org/balcony");
    for id in 2..=40 {
        server.send(&message("romeo@example.org/orchard", "juliet@example.org", &id.to_string(), "offline"));
    }
    server.until("all stored", |s| s["modules"]["chat"]["counts"]["stored"] == 39);
    server.log_in("juliet@example.org/chamber", 0);
    let expected: Vec<String> = (2..=40).map(|id: u32| id.to_string()).collect();
    assert_eq!(server.received("juliet@example.org/chamber", 39), expected);
    assert!(
        server.last("juliet@example.org/chamber").contains("<delay xmlns=\"urn:xmpp:delay\""),
        "late ones say so"
    );
    // Handed over means deleted: a second login gets nothing, and the next message is delivered.
    server.log_out("juliet@example.org/chamber");
    server.log_in("juliet@example.org/garden", 0);
    server.send(&message("romeo@example.org/orchard", "juliet@example.org", "41", "live again"));
    assert_eq!(server.received("juliet@example.org/garden", 1), ["41"]);
    server.until("nothing held", |s| s["modules"]["chat"]["held"] == 0 && s["journal"]["held"] == 0);
}

#[test]
fn a_recipient_lost_between_verdict_and_release_is_stored() {
    let server = Server::start(&[("chat.mode", "decide")]);
    server.log_in("juliet@example.org/balcony", 0);
    server.log_in("romeo@example.org/orchard", 0);
    server.until("ready", |s| s["ready"] == true);
    // The platform is not told: it will say deliver.
    server.lose("juliet@example.org/balcony");
    for id in 1..=5 {
        server.send(&message("romeo@example.org/orchard", "juliet@example.org", &id.to_string(), "lost"));
    }
    server.until("stored", |s| s["modules"]["chat"]["counts"]["stored"] == 5);
    server.log_out("juliet@example.org/balcony");
    server.log_in("juliet@example.org/chamber", 0);
    assert_eq!(server.received("juliet@example.org/chamber", 5), ["1", "2", "3", "4", "5"]);
}

#[test]
fn live_messages_during_a_hand_over_keep_their_place() {
    let server = Server::start(&[("chat.mode", "decide")]);
    server.log_in("juliet@example.org/balcony", 0);
    server.log_in("romeo@example.org/orchard", 0);
    server.until("ready", |s| s["ready"] == true);
    server.log_out("juliet@example.org/balcony");
    for id in 1..=100 {
        server.send(&message("romeo@example.org/orchard", "juliet@example.org", &id.to_string(), "before"));
    }
    server.until("stored", |s| s["modules"]["chat"]["counts"]["stored"] == 100);
    server.log_in("juliet@example.org/chamber", 0);
    for id in 101..=200 {
        server.send(&message("romeo@example.org/orchard", "juliet@example.org", &id.to_string(), "during"));
    }
    let expected: Vec<String> = (1..=200).map(|id: u32| id.to_string()).collect();
    assert_eq!(server.received("juliet@example.org/chamber", 200), expected);
}

#[test]
fn a_dead_platform_is_open_or_closed_and_every_message_has_one_outcome() {
    for policy in ["open", "closed"] {
        let server = Server::start(&[
            ("chat.mode", "decide"),
            ("chat.onFailure", policy),
            ("chat.timeoutMillis", "400"),
        ]);
        server.log_in("juliet@example.org/balcony", 0);
        server.log_in("romeo@example.org/orchard", 0);
        server.until("ready", |s| s["ready"] == true);
        server.freeze_platform();
        let taken = (1..=50)
            .filter(|id| {
                server.send(&message("romeo@example.org/orchard", "juliet@example.org", &id.to_string(), "x"))
            })
            .count();
        assert!(taken > 0);
        server.until("all decided", |s| s["modules"]["chat"]["held"] == 0);
        let outcomes = server.outcomes();
        assert_eq!(outcomes.len(), 50, "{policy}: exactly one each: {outcomes:?}");
        let expected = if policy == "open" { "released" } else { "refused" };
        assert!(outcomes.iter().all(|o| o.1 == expected || o.1 == "passed"), "{policy}: {outcomes:?}");
        server.thaw_platform();
        server.until("settlements delivered", |s| {
            s["journal"]["settled"] == 0 && s["platform"]["reachable"] == true
        });
        // What the platform executed too late must not come again.
        server.log_out("juliet@example.org/balcony");
        server.log_in("juliet@example.org/chamber", 0);
        server.send(&message("romeo@example.org/orchard", "juliet@example.org", "after", "x"));
        assert_eq!(server.received("juliet@example.org/chamber", 1), ["after"], "{policy}");
    }
}

#[test]
fn what_is_held_at_a_stop_goes_on_after_the_next_start_once() {
    let mut server = Server::start(&[("chat.mode", "decide"), ("chat.timeoutMillis", "30000")]);
    server.log_in("juliet@example.org/balcony", 0);
    server.log_in("romeo@example.org/orchard", 0);
    server.until("ready", |s| s["ready"] == true);
    server.freeze_platform();
    for id in 1..=60 {
        server.send(&message("romeo@example.org/orchard", "juliet@example.org", &id.to_string(), "held"));
    }
    server.kill_platform();
    server.stop(Duration::ZERO);
    server.start_again();
    let expected: Vec<String> = (1..=60).map(|id: u32| id.to_string()).collect();
    assert_eq!(server.received("juliet@example.org/balcony", 60), expected);
    server.until("journal empty", |s| s["journal"]["held"] == 0);
}

#[test]
fn after_leaving_decide_mode_what_is_pending_is_still_handed_over() {
    let server = Server::start(&[("chat.mode", "decide"), ("platform.leaseSeconds", "3")]);
    server.log_in("juliet@example.org/balcony", 0);
    server.log_in("romeo@example.org/orchard", 0);
    server.until("ready", |s| s["ready"] == true);
    server.log_out("juliet@example.org/balcony");
    for id in 1..=10 {
        server.send(&message("romeo@example.org/orchard", "juliet@example.org", &id.to_string(), "before"));
    }
    server.until("stored", |s| s["modules"]["chat"]["counts"]["stored"] == 10);
    server.set("chat.mode", "off");
    server.log_in("juliet@example.org/chamber", 0);
    let expected: Vec<String> = (1..=10).map(|id: u32| id.to_string()).collect();
    assert_eq!(server.received("juliet@example.org/chamber", 10), expected);
    // Nothing is owed any more: nobody is told anything, and the embedded platform ends.
    server.until("quiet", |s| s["modules"]["state"]["told"] == false && s["platform"]["child"].is_null());
}

#[test]
fn mirror_passes_everything_and_delivers_every_copy_in_order() {
    let server = Server::start(&[("chat.mode", "mirror")]);
    for id in 1..=500 {
        assert!(!server.send(&message(
            "romeo@example.org/orchard",
            "juliet@example.org",
            &id.to_string(),
            "copy"
        )));
    }
    server.until("delivered", |s| {
        s["journal"]["events"] == 0 && s["modules"]["chat"]["counts"]["mirrored"] == 500
    });
}

#[test]
fn a_killed_platform_comes_back_and_nothing_is_lost_or_doubled() {
    let server = Server::start(&[("chat.mode", "decide"), ("chat.timeoutMillis", "20000")]);
    server.log_in("juliet@example.org/balcony", 0);
    server.log_in("romeo@example.org/orchard", 0);
    server.until("ready", |s| s["ready"] == true);
    for id in 1..=300 {
        if id == 100 || id == 200 {
            server.kill_platform();
        }
        server.send(&message("romeo@example.org/orchard", "juliet@example.org", &id.to_string(), "x"));
    }
    let mut got = server.received_or_passed(300);
    got.sort_by_key(|id| id.parse::<u32>().unwrap_or(0));
    let expected: Vec<String> = (1..=300).map(|id: u32| id.to_string()).collect();
    assert_eq!(got, expected);
}
