//! A remote platform: the real `im-platform` with TLS of an own certificate authority, and one behind an HTTP proxy.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cloudbridge::ffi::frame::{Reader, ask};
use serde_json::Value;

use crate::shim::{Server, freeze, message, platform_binary, signal};

pub const INTEGRATOR: &str = "another-token-that-is-long-enough-0123456789";
pub const TOKEN: &str = "a-token-that-is-long-enough-0123456789";

/// A standalone platform on loopback. Beside the bridge an integrator may call it.
pub struct Platform {
    folder: tempfile::TempDir,
    pub port: u16,
    pub child: Child,
}

impl Drop for Platform {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Platform {
    pub fn start(tls: bool) -> Platform {
        let folder = tempfile::tempdir().expect("scratch");
        let file = |name: &str| folder.path().join(name);
        std::fs::write(file("token"), TOKEN).expect("token");
        std::fs::write(file("integrator"), INTEGRATOR).expect("token");
        let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("address").port();
        let mut config = format!(
            "listen = \"127.0.0.1:{port}\"\ndata = {:?}\n[[credentials]]\nname = \"openfire\"\nscope = \"bridge\"\ntoken_file = {:?}\n[[credentials]]\nname = \"shop\"\nscope = \"integrator\"\ntoken_file = {:?}\n",
            file("data"),
            file("token"),
            file("integrator"),
        );
        if tls {
            let mut ca = rcgen::CertificateParams::new(Vec::new()).expect("parameters");
            ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
            let ca_key = rcgen::KeyPair::generate().expect("key");
            let ca_cert = ca.self_signed(&ca_key).expect("certificate");
            let issuer = rcgen::Issuer::new(ca, ca_key);
            let key = rcgen::KeyPair::generate().expect("key");
            let leaf = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("parameters");
            let cert = leaf.signed_by(&key, &issuer).expect("certificate");
            std::fs::write(file("ca.pem"), ca_cert.pem()).expect("CA");
            std::fs::write(file("cert.pem"), cert.pem()).expect("certificate");
            std::fs::write(file("key.pem"), key.serialize_pem()).expect("key");
            config += &format!("[tls]\ncert = {:?}\nkey = {:?}\n", file("cert.pem"), file("key.pem"));
        }
        std::fs::write(file("config.toml"), config).expect("config");
        let child = serve(&file("config.toml"));
        Platform { folder, port, child }
    }

    /// It hears and says nothing more until it rises.
    pub fn die(&self) {
        freeze(u64::from(self.child.id()));
    }

    /// It goes on.
    pub fn rise(&self) {
        signal(u64::from(self.child.id()), "-CONT");
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.child.kill().expect("kill");
        self.child.wait().expect("end");
    }

    /// On the same data and port.
    pub fn start_again(&mut self) {
        self.child = serve(&self.folder.path().join("config.toml"));
        // Nobody tells when it listens; the first answer does.
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(self.child.try_wait().expect("looking").is_none(), "it runs");
            std::thread::yield_now();
        }
    }

    /// Base URL.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Somebody else's program calls an interface: status and body.
    pub fn by_integrator(&self, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url()))
            .header("authorization", format!("Bearer {INTEGRATOR}"))
            .header("content-type", "application/json")
            .header("idempotency-key", uuid::Uuid::new_v4().to_string())
            .body(body.map(|b| b.to_string()).unwrap_or_default())
            .expect("a request");
        let mut response = agent.run(request).expect("an answer");
        let text = response.body_mut().read_to_string().expect("text");
        (response.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

fn serve(config: &std::path::Path) -> Child {
    Command::new(platform_binary())
        .args(["serve", "--config"])
        .arg(config)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("platform")
}

/// What the test button says: Ok or the actual error.
fn test_button(server: &Server) -> Result<String, String> {
    let answer = server.ask(&[ask::TEST_PLATFORM]);
    let mut r = Reader::new(&answer);
    let ok = r.u8().expect("opcode") == 0;
    let text = r.str().expect("text").to_owned();
    if ok { Ok(text) } else { Err(text) }
}

fn chat_works(server: &Server) {
    server.log_in("juliet@example.org/balcony", 0);
    server.log_in("romeo@example.org/orchard", 0);
    server.until("ready", |s| s["ready"] == true);
    server.send(&message("romeo@example.org/orchard", "juliet@example.org", "1", "x"));
    assert_eq!(server.received("juliet@example.org/balcony", 1), ["1"]);
    server.until("asked", |s| s["modules"]["chat"]["counts"]["released"] == 1);
}

#[test]
fn tls_needs_the_certificate_authority_that_signed() {
    let platform = Platform::start(true);
    let url = format!("https://127.0.0.1:{}", platform.port);
    let settings =
        [("chat.mode", "decide"), ("platform.url", url.as_str()), ("platform.token.password", TOKEN)];
    {
        let stranger = Server::start(&settings);
        stranger.until("the breaker opens", |s| s["platform"]["breaker"]["state"] == "open");
        let error = test_button(&stranger).expect_err("signed by nobody known");
        assert!(error.to_lowercase().contains("cert") || error.contains("UnknownIssuer"), "{error}");
    }
    let ca = platform.file("ca.pem");
    let server = Server::start(&[settings[0], settings[1], settings[2], ("platform.caFile", ca.as_str())]);
    chat_works(&server);
    let answer = test_button(&server).expect("reached");
    assert!(answer.contains("credential accepted"), "{answer}");
}

#[test]
fn a_ca_file_that_cannot_be_used_is_named() {
    let server = Server::start(&[
        ("chat.mode", "decide"),
        ("platform.url", "https://127.0.0.1:1"),
        ("platform.caFile", "/nonexistent/ca.pem"),
    ]);
    server.until("said", |s| {
        s["failures"].to_string().contains("platform.caFile /nonexistent/ca.pem cannot be used")
    });
}

#[test]
fn a_proxy_is_used_when_it_is_set() {
    let platform = Platform::start(false);
    let proxy = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("http://{}", proxy.local_addr().expect("address"));
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    let upstream = platform.port;
    std::thread::spawn(move || {
        for client in proxy.incoming().map_while(Result::ok) {
            counted.fetch_add(1, Ordering::SeqCst);
            std::thread::spawn(move || tunnel(client, upstream));
        }
    });
    // A name that only the proxy knows: whoever gets an answer went through it.
    let url = format!("http://platform.invalid:{upstream}");
    let server = Server::start(&[
        ("chat.mode", "decide"),
        ("platform.url", url.as_str()),
        ("platform.token.password", TOKEN),
        ("platform.proxy", address.as_str()),
    ]);
    chat_works(&server);
    assert!(connections.load(Ordering::SeqCst) > 0);
}

/// One connection of an HTTP proxy that understands CONNECT (RFC 9110 9.3.6).
fn tunnel(mut client: TcpStream, upstream: u16) {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        if client.read(&mut byte).unwrap_or(0) == 0 {
            return;
        }
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"CONNECT "), "{}", String::from_utf8_lossy(&head));
    let Ok(mut server) = TcpStream::connect(("127.0.0.1", upstream)) else { return };
    let _ = client.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
    let (mut from, mut to) = (client.try_clone().expect("socket"), server.try_clone().expect("socket"));
    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
    let _ = std::io::copy(&mut server, &mut client);
}

#[test]
fn a_refused_token_is_said_and_decides_nothing() {
    let platform = Platform::start(false);
    let url = format!("http://127.0.0.1:{}", platform.port);
    let server = Server::start(&[
        ("chat.mode", "decide"),
        ("platform.url", url.as_str()),
        ("platform.token.password", "wrong"),
    ]);
    server.until("the breaker opens", |s| s["platform"]["breaker"]["state"] == "open");
    let error = test_button(&server).expect_err("refused");
    assert!(error.contains("401"), "{error}");
    assert!(!server.status().to_string().contains(TOKEN));
}
