//! A ring that lets nobody in without TLS, a certificate of the client's own and a password: what is shown to it, and what is said when that is wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use im_platform::clock::Clock;
use im_platform::http::problem::chain;
use im_platform::store::cassandra::{Cassandra, FORMAT, Settings, tls};
use im_platform::store::{Store, Users};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use scylla::client::session_builder::SessionBuilder;

use crate::faults::told;
use crate::ring::{Ring, Shape};
use crate::support::*;
use crate::user::new;

/// Files of an authority and of those whom it vouches for.
struct Papers(PathBuf);

impl Papers {
    fn new(folder: &Path) -> Self {
        let own = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new(Vec::new()).expect("an authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = params.self_signed(&own).expect("an authority");
        fs::write(folder.join("ca.pem"), authority.pem()).expect("written");
        let issuer = Issuer::new(params, own);
        for (name, subject) in [("node", Ring::address(0).to_string()), ("client", "im-platform".into())] {
            let key = KeyPair::generate().expect("a key");
            let params = CertificateParams::new(vec![subject]).expect("a certificate");
            let certificate = params.signed_by(&key, &issuer).expect("a certificate").pem();
            let key = key.serialize_pem();
            fs::write(folder.join(format!("{name}.pem")), format!("{key}{certificate}")).expect("written");
            fs::write(folder.join(format!("{name}.key")), key).expect("written");
        }
        let stranger = rcgen::generate_simple_self_signed(vec!["stranger".into()]).expect("a certificate");
        fs::write(folder.join("stranger.pem"), stranger.cert.pem()).expect("written");
        Self(folder.to_owned())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Who signs the nodes' certificates, and whether the client has one.
    fn tls(&self, ca: &str, own: bool) -> Option<Arc<rustls::ClientConfig>> {
        let (certificate, key) = (self.file("client.pem"), self.file("client.key"));
        let own = own.then_some((certificate.as_path(), key.as_path()));
        Some(tls::client(&self.file(ca), own).expect("papers"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guarded_ring_takes_who_shows_what_it_asks_for_and_nobody_else() {
    let folder = tempfile::tempdir().expect("a folder");
    let papers = Papers::new(folder.path());
    let access = format!(
        "authenticator: PasswordAuthenticator\nclient_encryption_options:\n  enabled: true\n  optional: false\n  require_client_auth: true\n  \
         keystore: {}\n  truststore: {}\n  ssl_context_factory:\n    class_name: org.apache.cassandra.security.PEMBasedSslContextFactory\n",
        papers.file("node.pem").display(),
        papers.file("ca.pem").display()
    );
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cassandra");
    let (java, lib) = (told("IM_PLATFORM_TEST_JAVA"), told("IM_PLATFORM_TEST_CASSANDRA_LIB"));
    let data = folder.path().join("ring");
    fs::create_dir_all(&data).expect("a folder");
    let start = move || {
        Ring::start(&Shape { access: &access, ..Shape::quick(1) }, &java, &here, &lib, &data).expect("a ring")
    };
    let ring = tokio::task::spawn_blocking(start).await.expect("started");
    let right = Settings {
        contact_points: ring.contacts(),
        keyspace: "guarded".into(),
        replication: Some(1),
        datacenter: Some("datacenter1".into()),
        tls: papers.tls("ca.pem", true),
        login: Some(("cassandra".into(), "cassandra".into())),
        ..Settings::default()
    };
    // The ring makes its first account a moment after it listens.
    let until = Instant::now() + Duration::from_secs(60);
    while let Err(error) = Cassandra::open(right.clone(), Clock::System).await {
        assert!(Instant::now() < until, "{}", chain(&error));
        tokio::time::sleep(Duration::from_millis(200)).await;
    }

    // Several that start at once on an empty keyspace make its tables once.
    let mut all = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let settings = Settings { keyspace: "beginning".into(), ..right.clone() };
        all.spawn(async { Cassandra::open(settings, Clock::System).await.map_err(|e| chain(&e)) });
    }
    let all: Vec<_> = all.join_all().await.into_iter().map(|store| store.expect("opened")).collect();
    let juliet = new("juliet@example.org", None);
    all[0].create_user(juliet, by()).await.expect("an account");
    for store in &all {
        store.check().await.expect("usable");
        store.user(&user("juliet@example.org")).await.expect("the same tables");
    }

    let wrong: [(&str, Settings, &str); 6] = [
        ("no TLS", Settings { tls: None, ..right.clone() }, "connecting to Cassandra"),
        (
            "another authority",
            Settings { tls: papers.tls("stranger.pem", true), ..right.clone() },
            "invalid peer certificate",
        ),
        (
            "no certificate",
            Settings { tls: papers.tls("ca.pem", false), ..right.clone() },
            "connecting to Cassandra",
        ),
        ("no password", Settings { login: None, ..right.clone() }, "connecting to Cassandra"),
        (
            "a wrong password",
            Settings { login: Some(("cassandra".into(), "wrong".into())), ..right.clone() },
            "cassandra and/or password are incorrect",
        ),
        (
            "a data centre that is not there",
            Settings { datacenter: Some("dc9".into()), ..right.clone() },
            "cassandra.datacenter is dc9, and the ring has datacenter1",
        ),
    ];
    for (what, settings, expected) in wrong {
        let error = Cassandra::open(settings, Clock::System).await.map(drop).expect_err(what);
        let said = chain(&error);
        println!("{what}: {said}");
        assert!(said.contains(expected), "{what}: {said}");
    }

    // What a later version makes, and what it makes unusable for this one.
    let session = SessionBuilder::new()
        .known_nodes(ring.contacts())
        .tls_context(right.tls.clone())
        .user("cassandra", "cassandra")
        .build()
        .await
        .expect("connected");
    let store = Cassandra::open(right.clone(), Clock::System).await.expect("opened");
    for (needs, usable) in [(FORMAT, true), (FORMAT + 1, false)] {
        let later =
            format!("INSERT INTO guarded.format (id, format, needs) VALUES (1, {}, {needs})", FORMAT + 1);
        session.query_unpaged(later, ()).await.expect("written");
        let opened = Cassandra::open(right.clone(), Clock::System).await.map(drop).map_err(|e| chain(&e));
        assert_eq!(opened.is_ok(), usable, "{opened:?}");
        assert_eq!(store.check().await.is_ok(), usable);
    }
    // A migration that died holds the others up for as long as its turn lasts, and no longer.
    for sql in [
        "INSERT INTO guarded.format (id, format, needs) VALUES (1, 0, 0)",
        "INSERT INTO guarded.format (id, owner) VALUES (3, 'one that died') IF NOT EXISTS USING TTL 3",
    ] {
        session.query_unpaged(sql, ()).await.expect("written");
    }
    let since = Instant::now();
    Cassandra::open(right, Clock::System).await.expect("opened when the turn was over");
    assert!(since.elapsed() > Duration::from_secs(1), "it waited");
}
