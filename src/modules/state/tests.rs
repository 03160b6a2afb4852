use std::time::{Duration, Instant};

use im_api::state::Show;

use super::*;
use crate::ffi::frame::Outcome;

mod model;

fn reading(jid: &str, seq: u64, available: bool, priority: i32) -> Reading {
    Reading {
        jid: jid.into(),
        seq,
        open: true,
        available,
        priority,
        show: String::new(),
        status: String::new(),
    }
}

fn showing(seq: u64, show: &str) -> Reading {
    Reading { show: show.into(), ..reading("a@b/c", seq, true, 0) }
}

/// A session that is online, and the platform knows it.
fn online() -> (Sessions, Instant) {
    let (mut sessions, now) = (Sessions::new(1), Instant::now());
    sessions.apply(&showing(1, ""), now);
    assert_eq!(told(&mut sessions, now), [(true, true, None)]);
    (sessions, now)
}

/// What is told at `now`, and stored.
fn told(sessions: &mut Sessions, now: Instant) -> Vec<(bool, bool, Option<Show>)> {
    let changes = sessions.changes(100, now);
    assert!(sessions.stored().is_empty());
    changes.into_iter().map(|c| (c.open, c.session.available, c.session.show)).collect()
}

const AWAY: (bool, bool, Option<Show>) = (true, true, Some(Show::Away));

#[test]
fn an_older_reading_never_overwrites_a_newer_one() {
    let (mut sessions, now) = (Sessions::new(1), Instant::now());
    sessions.apply(&reading("a@b/c", 5, true, 1), now);
    sessions.apply(&reading("a@b/c", 4, false, 1), now);
    assert_eq!(sessions.best("a@b"), Some(("a@b/c".into(), "c".into())));
    sessions.replace(3, &[], now);
    assert!(sessions.best("a@b").is_some(), "opened after the list was made");
    sessions.replace(6, &[reading("x@b/y", 6, true, 0)], now);
    assert_eq!(sessions.best("a@b"), None, "not in a later list");
    assert_eq!(sessions.snapshot(now).map(|(_, all)| all.len()), Some(1));
    assert!(sessions.changes(10, now).is_empty(), "a snapshot contains them");
}

#[test]
fn the_best_session_has_the_highest_priority_that_is_not_negative() {
    let (mut sessions, now) = (Sessions::new(1), Instant::now());
    for (jid, priority) in [("a@b/1", 1), ("a@b/2", 7), ("a@b/3", -1)] {
        sessions.apply(&reading(jid, 10, true, priority), now);
    }
    assert_eq!(sessions.best("a@b"), Some(("a@b/2".into(), "2".into())));
    sessions.apply(&Reading { open: false, ..reading("a@b/2", 50, false, 7) }, now);
    assert_eq!(sessions.best("a@b"), Some(("a@b/1".into(), "1".into())));
}

#[test]
fn twenty_changes_in_five_seconds_are_three_writes_and_the_last_one_wins() {
    let (mut sessions, start) = online();
    let mut writes = Vec::new();
    for at in 0..20_000u64 {
        let now = start + Duration::from_millis(at);
        if at % 250 == 0 && at < 5000 {
            let show = if at == 4750 { "dnd" } else { ["away", "xa", "chat"][(at / 250 % 3) as usize] };
            sessions.apply(&showing(2 + at, show), now);
        }
        writes.extend(told(&mut sessions, now));
    }
    assert_eq!(writes.len(), 3, "{writes:?}");
    assert_eq!(writes[2], (true, true, Some(Show::Dnd)));
    assert_eq!(sessions.next_change(), None, "nothing is left over");
}

#[test]
fn there_and_back_within_a_pause_is_no_write() {
    let (mut sessions, now) = online();
    sessions.apply(&showing(2, "away"), now);
    assert_eq!(told(&mut sessions, now), [AWAY]);
    sessions.apply(&showing(3, "dnd"), now);
    sessions.apply(&showing(4, "away"), now);
    sessions.apply(&showing(5, "away"), now);
    assert!(told(&mut sessions, now + 2 * PAUSE).is_empty());
}

#[test]
fn what_somebody_can_be_reached_by_is_never_delayed() {
    let (mut sessions, now) = online();
    sessions.apply(&showing(2, "away"), now);
    assert_eq!(told(&mut sessions, now), [AWAY]);
    for (seq, available, priority) in [(3, true, -1), (4, true, 0), (5, false, 0), (6, true, 0)] {
        sessions.apply(&reading("a@b/c", seq, available, priority), now);
        assert_eq!(told(&mut sessions, now), [(true, available, None)], "reading {seq}");
    }
    sessions.apply(&Reading { open: false, ..reading("a@b/c", 7, false, 0) }, now);
    assert_eq!(told(&mut sessions, now), [(false, false, None)]);
    // Priorities that change nothing about that can wait.
    sessions.apply(&showing(8, "away"), now);
    told(&mut sessions, now);
    sessions.apply(&Reading { priority: 4, ..showing(9, "away") }, now);
    assert_eq!(told(&mut sessions, now), [AWAY]);
    sessions.apply(&Reading { priority: 5, ..showing(10, "away") }, now);
    assert!(told(&mut sessions, now).is_empty());
    assert_eq!(told(&mut sessions, now + PAUSE), [AWAY]);
}

#[test]
fn a_session_with_the_address_of_one_that_ended_does_not_wait_for_the_pause_of_that() {
    let (mut sessions, now) = online();
    for token in [7, 8] {
        let first = sessions.offer(token, &showing(0, "away"), How::Ask, now);
        assert_eq!(first, (Offered::Taken, vec![]));
        assert_eq!(told_for_held(&mut sessions, now), 1, "at once");
        let seq = token * 10;
        sessions.apply(&Reading { open: false, ..reading("a@b/c", seq, false, 0) }, now);
        told(&mut sessions, now);
        sessions.apply(&showing(seq + 1, ""), now);
        told(&mut sessions, now);
    }
}

/// How many changes are told while one is held; it is released.
fn told_for_held(sessions: &mut Sessions, now: Instant) -> usize {
    let changes = sessions.changes(100, now).len();
    let moves = sessions.stored();
    assert_eq!(moves.len(), 1);
    sessions.done(moves[0].effect, Outcome::Ok, now);
    changes
}

#[test]
fn a_held_change_is_released_when_it_is_stored_and_its_reading_is_no_second_write() {
    let (mut sessions, now) = online();
    assert_eq!(sessions.offer(7, &showing(0, "away"), How::Ask, now), (Offered::Taken, vec![]));
    assert_eq!(sessions.changes(100, now).len(), 1);
    let moves = sessions.stored();
    assert_eq!(moves, [Move { effect: 1, token: 7, fate: Fate::Released }]);
    sessions.apply(&showing(2, "away"), now);
    assert!(sessions.done(1, Outcome::Ok, now).is_empty());
    assert!(told(&mut sessions, now + 3 * PAUSE).is_empty());
    assert_eq!((sessions.held(), sessions.next_change()), (0, None));
}

#[test]
fn a_newer_presence_takes_the_place_of_a_held_one() {
    let (mut sessions, now) = online();
    sessions.offer(7, &showing(0, "away"), How::Ask, now);
    sessions.changes(100, now);
    let (offered, moves) = sessions.offer(8, &showing(0, "dnd"), How::Ask, now);
    assert_eq!((offered, moves[0].token, moves[0].fate), (Offered::Taken, 7, Fate::Superseded));
    assert!(sessions.stored().is_empty(), "the answer for the older one releases nothing");
    assert!(sessions.changes(100, now).is_empty(), "its pause");
    // Back to what everybody sees: it passes, and the platform is put right.
    let (offered, moves) = sessions.offer(9, &showing(0, ""), How::Ask, now);
    assert_eq!((offered, moves[0].token), (Offered::Passed, 8));
    assert_eq!(told(&mut sessions, now + PAUSE), [(true, true, None)]);
}

#[test]
fn a_session_that_ends_drops_what_is_held_for_it_and_its_end_is_told_behind_it() {
    for asked in [false, true] {
        let (mut sessions, now) = online();
        sessions.offer(7, &showing(0, "away"), How::Ask, now);
        let first = if asked { sessions.changes(100, now) } else { Vec::new() };
        let moves = sessions.apply(&Reading { open: false, ..reading("a@b/c", 2, false, 0) }, now);
        assert_eq!((moves[0].token, moves[0].fate), (7, Fate::Gone));
        assert!(sessions.stored().is_empty());
        let last = sessions.changes(100, now);
        assert_eq!((last.len(), last[0].open), (1, false));
        assert!(first.iter().all(|change| change.seq < last[0].seq));
    }
}

#[test]
fn only_changes_of_show_and_status_of_an_available_session_are_held() {
    let (mut sessions, now) = online();
    let passes = |sessions: &mut Sessions, reading: &Reading| {
        sessions.offer(7, reading, How::Ask, now).0 == Offered::Passed
    };
    assert!(passes(&mut sessions, &showing(0, "")), "nothing changes");
    assert!(passes(&mut sessions, &Reading { priority: -1, ..showing(0, "away") }), "who takes messages");
    assert!(passes(&mut sessions, &Reading { priority: 3, ..showing(0, "") }), "priority alone");
    assert!(passes(&mut sessions, &reading("x@b/y", 0, true, 0)), "nobody known");
    sessions.apply(&reading("a@b/c", 2, false, 0), now);
    assert!(passes(&mut sessions, &showing(0, "away")), "initial presence");
    assert_eq!(sessions.held(), 0);
}

#[test]
fn the_time_limit_counts_from_when_it_is_asked() {
    let limit = Duration::from_secs(1);
    for refuse in [false, true] {
        let (mut sessions, now) = online();
        sessions.apply(&showing(2, "xa"), now);
        told(&mut sessions, now);
        sessions.offer(7, &showing(0, "away"), How::Ask, now);
        assert!(sessions.changes(100, now + PAUSE - Duration::from_millis(1)).is_empty());
        assert!(sessions.decide_alone(Some(limit), refuse, now + PAUSE).is_empty(), "it was not asked yet");
        let asked = now + PAUSE;
        assert_eq!(sessions.changes(100, asked).len(), 1);
        assert!(sessions.decide_alone(Some(limit), refuse, asked + limit / 2).is_empty());
        let moves = sessions.decide_alone(Some(limit), refuse, asked + limit);
        assert_eq!(moves[0].fate, if refuse { Fate::Refused } else { Fate::Alone });
        sessions.give_back(asked + limit);
        let really = if refuse { Show::Xa } else { Show::Away };
        if !refuse {
            sessions.apply(&showing(3, "away"), asked + limit);
            sessions.done(moves[0].effect, Outcome::Ok, asked + limit);
        }
        // The platform may have stored it: it is told what is so.
        assert_eq!(told(&mut sessions, asked + 3 * PAUSE).last(), Some(&(true, true, Some(really))));
    }
}

#[test]
fn a_release_waits_for_the_one_before_it() {
    let (mut sessions, now) = online();
    sessions.offer(7, &showing(0, "away"), How::Ask, now);
    sessions.changes(100, now);
    let first = sessions.stored();
    let later = now + 2 * PAUSE;
    sessions.offer(8, &showing(0, "dnd"), How::Ask, later);
    assert_eq!(sessions.changes(100, later).len(), 1);
    assert!(sessions.stored().is_empty(), "behind the first");
    let second = sessions.done(first[0].effect, Outcome::Gone, later);
    assert_eq!((second[0].token, second[0].fate), (8, Fate::Released));
    assert!(sessions.done(second[0].effect, Outcome::Ok, later).is_empty());
}

#[test]
fn after_the_end_nothing_leaves_and_it_is_numbered_above_everything() {
    let (mut sessions, now) = online();
    let (snapshot, _) = sessions.snapshot(now).expect("open");
    sessions.apply(&showing(2, "away"), now);
    let change = sessions.changes(100, now)[0].seq;
    let end = sessions.end().expect("the first");
    assert!(snapshot < change && change < end);
    sessions.give_back(now);
    sessions.apply(&showing(3, "dnd"), now);
    assert!(!sessions.has_changes(now + PAUSE));
    assert!(sessions.changes(100, now + PAUSE).is_empty());
    assert_eq!((sessions.snapshot(now), sessions.end()), (None, None));
}

#[test]
fn numbers_go_on_when_everything_is_forgotten() {
    let (mut sessions, now) = online();
    let before = sessions.snapshot(now).expect("open").0;
    sessions.reset();
    sessions.replace(9, &[showing(9, "")], now);
    assert!(sessions.snapshot(now).expect("open").0 > before);
}
