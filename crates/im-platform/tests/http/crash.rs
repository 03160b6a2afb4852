//! kill -9 under load: what was acknowledged is there afterwards, in order, once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::server::{EPOCH, Server, TOKEN, agent, decide, send};

#[test]
fn kill_9_under_load_loses_nothing_acknowledged() {
    let data = tempfile::tempdir().expect("a folder");
    for round in 0..3_u64 {
        let mut server = Server::start(data.path());
        server.snapshot(round * 10, &["romeo@example.org/orchard", "juliet@example.org/balcony"]);
        let away = json!({ "epoch": EPOCH, "changes":
            [{ "seq": round * 10 + 1, "open": false, "user": "juliet@example.org", "resource": "balcony", "available": false }] });
        server.ok("POST", "/v1/nodes/n/states", Some(&away));
        let (acknowledged, count) =
            (Arc::new(Mutex::new(vec![Vec::new(); 4])), Arc::new(AtomicUsize::new(0)));
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (base, acknowledged, count) =
                    (server.base.clone(), Arc::clone(&acknowledged), Arc::clone(&count));
                std::thread::spawn(move || {
                    let agent = agent();
                    for i in 0.. {
                        let key = format!("r{round}-w{writer}-{i:06}");
                        let body = decide(&key, "juliet@example.org").to_string();
                        let answer = send(
                            &agent,
                            &base,
                            "POST",
                            "/v1/messages",
                            Some(TOKEN),
                            "application/json",
                            Some(&body),
                        );
                        match answer {
                            Ok(answer) if answer.status == 200 => {
                                assert_eq!(answer.body["results"][0]["verdict"], "stored");
                                acknowledged.lock().expect("a lock")[writer].push(key);
                                count.fetch_add(1, Ordering::Relaxed);
                            }
                            // The connection broke: the plug was pulled.
                            _ => return,
                        }
                    }
                })
            })
            .collect();
        while count.load(Ordering::Relaxed) < 300 {
            std::thread::yield_now();
        }
        server.child.kill().expect("killed");
        for writer in writers {
            writer.join().expect("a writer");
        }
        drop(server);

        let server = Server::start(data.path());
        server.snapshot(round * 10 + 5, &["romeo@example.org/orchard", "juliet@example.org/balcony"]);
        let there = drain(&server);
        for (writer, keys) in acknowledged.lock().expect("a lock").iter().enumerate() {
            let mine: Vec<&String> =
                there.iter().filter(|k| k.starts_with(&format!("r{round}-w{writer}-"))).collect();
            // One more may have been written whose acknowledgement was lost.
            assert!(
                mine.len() == keys.len() || mine.len() == keys.len() + 1,
                "{} of {}",
                mine.len(),
                keys.len()
            );
            assert!(mine.iter().zip(keys).all(|(a, b)| *a == b), "in order, once");
        }
        assert_eq!(server.stop(), Some(0));
    }
}

fn drain(server: &Server) -> Vec<String> {
    let claimant = json!({ "node": "n", "epoch": EPOCH, "resource": "balcony" });
    let claim = server.ok("POST", "/v1/pending/juliet%40example.org/claim", Some(&claimant));
    let claim = claim["claim"].as_str().expect("an id");
    let mut keys = Vec::new();
    loop {
        let page =
            server.ok("GET", &format!("/v1/pending/juliet%40example.org?claim={claim}&limit=256"), None);
        let items = page["items"].as_array().expect("items");
        let Some(last) = items.last() else { return keys };
        keys.extend(items.iter().map(|i| i["key"].as_str().map(str::to_owned).expect("a key")));
        let path = format!("/v1/pending/juliet%40example.org?claim={claim}&upto={}", last["seq"]);
        let _: Value = server.ok("DELETE", &path, None);
    }
}

// A stop while requests are under way: each one is either answered or refused before anything was stored.
#[test]
fn a_stop_under_load_finishes_what_it_accepted() {
    let data = tempfile::tempdir().expect("a folder");
    let server = Server::start(data.path());
    server.snapshot(0, &["romeo@example.org/orchard"]);
    let juliet = json!({ "epoch": EPOCH, "changes":
        [{ "seq": 1, "open": false, "user": "juliet@example.org", "resource": "balcony", "available": false }] });
    server.ok("POST", "/v1/nodes/n/states", Some(&juliet));
    let count = Arc::new(AtomicUsize::new(0));
    let writers: Vec<_> = (0..4)
        .map(|writer| {
            let (base, count) = (server.base.clone(), Arc::clone(&count));
            std::thread::spawn(move || {
                let agent = agent();
                let mut stored = Vec::new();
                for i in 0.. {
                    let key = format!("w{writer}-{i}");
                    let body = decide(&key, "juliet@example.org").to_string();
                    match send(
                        &agent,
                        &base,
                        "POST",
                        "/v1/messages",
                        Some(TOKEN),
                        "application/json",
                        Some(&body),
                    ) {
                        Ok(answer) if answer.status == 200 => stored.push(key),
                        _ => break,
                    }
                    count.fetch_add(1, Ordering::Relaxed);
                }
                stored
            })
        })
        .collect();
    while count.load(Ordering::Relaxed) < 200 {
        std::thread::yield_now();
    }
    assert_eq!(server.stop(), Some(0));
    let mut stored: Vec<String> = writers.into_iter().flat_map(|w| w.join().expect("a writer")).collect();
    let server = Server::start(data.path());
    server.snapshot(5, &["juliet@example.org/balcony"]);
    let mut there = drain(&server);
    there.sort();
    stored.sort();
    assert!(stored.iter().all(|key| there.binary_search(key).is_ok()), "acknowledged and lost");
}
