//! A client that costs little: TLS on a blocking socket, prepared stanzas, answers found by a mark in the bytes. What comes before the mark is looked
//! through for what must not be there: an error, or a message that nobody waits for.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConnection, Resumption};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme, StreamOwned};

use crate::Outcome;

/// The server's XMPP domain.
pub const DOMAIN: &str = "localhost";
/// Nothing that is waited for may take longer.
const LIMIT: Duration = Duration::from_secs(60);
const BODY: &str = "<body>";

/// A client's connection.
pub struct Client {
    tls: StreamOwned<ClientConnection, TcpStream>,
    heard: Heard,
    buffer: Box<[u8]>,
    /// What it is called in messages about what went wrong.
    name: String,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Client {
    /// A stream with TLS on which nobody is logged in.
    ///
    /// # Errors
    /// When the server does not offer it.
    pub fn connect(port: u16) -> Outcome<Self> {
        let name = "a client".to_owned();
        let wrong = |e: &dyn std::fmt::Display| format!("connecting to port {port}: {e}");
        let mut socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).map_err(|e| wrong(&e))?;
        socket.set_nodelay(true).map_err(|e| wrong(&e))?;
        socket.set_read_timeout(Some(LIMIT)).map_err(|e| wrong(&e))?;
        let mut heard = Heard::default();
        let mut buffer = vec![0; 16 * 1024].into_boxed_slice();
        write(&mut socket, &opening())?;
        heard.until(&mut socket, &mut buffer, "</stream:features>", Bodies::None, &name)?;
        write(&mut socket, "<starttls xmlns=\"urn:ietf:params:xml:ns:xmpp-tls\"/>")?;
        heard.until(&mut socket, &mut buffer, "<proceed", Bodies::None, &name)?;
        let server = ServerName::try_from(DOMAIN).map_err(|e| wrong(&e))?;
        let connection = ClientConnection::new(Arc::clone(tls()), server).map_err(|e| wrong(&e))?;
        let mut client =
            Self { tls: StreamOwned::new(connection, socket), heard: Heard::default(), buffer, name };
        client.open()?;
        Ok(client)
    }

    /// Who is logged in.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn open(&mut self) -> Outcome<()> {
        self.say(&opening())?;
        self.expect("</stream:features>")
    }

    /// Makes an account (XEP-0077), before a login.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn register(&mut self, user: &str, password: &str) -> Outcome<()> {
        self.say(&format!(
            "<iq type=\"set\" id=\"make-{user}\"><query xmlns=\"jabber:iq:register\"><username>{user}</username><password>{password}</password></query></iq>"
        ))?;
        self.expect(&format!("id=\"make-{user}\""))
    }

    /// Logs in and binds a resource; not available yet.
    ///
    /// # Errors
    /// When the server refuses.
    pub fn log_in(&mut self, user: &str, password: &str) -> Outcome<()> {
        user.clone_into(&mut self.name);
        let secret = STANDARD.encode(format!("\0{user}\0{password}"));
        self.say(&format!(
            "<auth xmlns=\"urn:ietf:params:xml:ns:xmpp-sasl\" mechanism=\"PLAIN\">{secret}</auth>"
        ))?;
        self.expect("<success")?;
        self.open()?;
        self.say("<iq type=\"set\" id=\"bind\"><bind xmlns=\"urn:ietf:params:xml:ns:xmpp-bind\"><resource>bench</resource></bind></iq>")?;
        self.expect("id=\"bind\"")?;
        self.say(
            "<iq type=\"set\" id=\"session\"><session xmlns=\"urn:ietf:params:xml:ns:xmpp-session\"/></iq>",
        )?;
        self.expect("id=\"session\"")
    }

    /// Asks for the own list, as clients do, and becomes available.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn come(&mut self) -> Outcome<()> {
        self.say("<iq type=\"get\" id=\"list\"><query xmlns=\"jabber:iq:roster\"/></iq><presence/>")?;
        self.expect("id=\"list\"")
    }

    /// Waits until the server has come to everything that was said so far.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn ping(&mut self, mark: &str) -> Outcome<()> {
        self.say(&format!(
            "<iq type=\"get\" id=\"{mark}\" to=\"{DOMAIN}\"><ping xmlns=\"urn:xmpp:ping\"/></iq>"
        ))?;
        self.expect(&format!("id=\"{mark}\""))
    }

    /// Sends.
    ///
    /// # Errors
    /// When the connection breaks.
    pub fn say(&mut self, text: &str) -> Outcome<()> {
        write(&mut self.tls, text)
    }

    /// Waits until `mark` has come.
    ///
    /// # Errors
    /// When an error or a message comes before it, or nothing does.
    pub fn expect(&mut self, mark: &str) -> Outcome<()> {
        self.heard.until(&mut self.tls, &mut self.buffer, mark, Bodies::None, &self.name)
    }

    /// Waits until a message with this body has come, which must be the next message.
    ///
    /// # Errors
    /// As [`Client::expect`]; another message is lost, doubled or out of order.
    pub fn expect_message(&mut self, body: &str) -> Outcome<()> {
        self.heard.until(&mut self.tls, &mut self.buffer, body, Bodies::One, &self.name)
    }

    /// Ends the stream and waits until the server has done so, too; no message may come any more.
    ///
    /// # Errors
    /// When a message or an error has come.
    pub fn leave(mut self) -> Outcome<()> {
        let end = "</stream:stream>";
        self.say(end)?;
        let mut rest = std::mem::take(&mut self.heard.bytes);
        while find(&rest, end.as_bytes(), 0).is_none() {
            match self.tls.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(count) => rest.extend_from_slice(&self.buffer[..count]),
                Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                    return Err(format!("{}: the server does not end the stream", self.name));
                }
                // Openfire may cut the connection with half a record on its way.
                Err(_) => break,
            }
        }
        checked(&rest, end, Bodies::None).map_err(|why| format!("{} left: {why}", self.name))
    }
}

fn opening() -> String {
    format!(
        "<stream:stream xmlns=\"jabber:client\" xmlns:stream=\"http://etherx.jabber.org/streams\" to=\"{DOMAIN}\" version=\"1.0\">"
    )
}

fn write(to: &mut impl Write, text: &str) -> Outcome<()> {
    to.write_all(text.as_bytes()).and_then(|()| to.flush()).map_err(|e| format!("writing to the server: {e}"))
}

/// How many messages may come before what is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bodies {
    /// None.
    None,
    /// The one that is waited for.
    One,
}

/// What has come and was not waited for yet.
#[derive(Debug, Default)]
struct Heard {
    bytes: Vec<u8>,
    /// What is before this has been looked through.
    looked: usize,
}

impl Heard {
    fn until(
        &mut self,
        from: &mut impl Read,
        buffer: &mut [u8],
        mark: &str,
        bodies: Bodies,
        name: &str,
    ) -> Outcome<()> {
        loop {
            if let Some(at) = find(&self.bytes, mark.as_bytes(), self.looked) {
                let end = at + mark.len();
                // An error's answer has its type before or behind its id.
                let stanza = find(&self.bytes, b">", end).map_or(end, |close| close + 1);
                let before = self.bytes[..stanza].to_vec();
                self.bytes.drain(..end);
                self.looked = 0;
                return checked(&before, mark, bodies)
                    .map_err(|why| format!("{name} waited for {mark}: {why}"));
            }
            self.looked = self.bytes.len().saturating_sub(mark.len());
            if is_error(&self.bytes) {
                return Err(format!(
                    "{name} waited for {mark} and got {}",
                    String::from_utf8_lossy(&self.bytes)
                ));
            }
            let count = from.read(buffer).map_err(|e| {
                format!(
                    "{name} waited for {mark}: {e}; since then came {:?}",
                    String::from_utf8_lossy(&self.bytes)
                )
            })?;
            if count == 0 {
                return Err(format!("{name} waited for {mark}: the server closed the stream"));
            }
            self.bytes.extend_from_slice(&buffer[..count]);
        }
    }
}

fn checked(before: &[u8], mark: &str, bodies: Bodies) -> Outcome<()> {
    let text = || String::from_utf8_lossy(before).into_owned();
    if is_error(before) {
        return Err(format!("an error came: {}", text()));
    }
    let count = before.windows(BODY.len()).filter(|bytes| *bytes == BODY.as_bytes()).count();
    match (bodies, count) {
        (Bodies::None, 0) | (Bodies::One, 1) => Ok(()),
        (_, count) => Err(format!("{count} messages came with {mark}: {}", text())),
    }
}

fn is_error(bytes: &[u8]) -> bool {
    [&b"type=\"error\""[..], b"<stream:error", b"<failure"].iter().any(|word| find(bytes, word, 0).is_some())
}

fn find(bytes: &[u8], word: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let first = *word.first()?;
    let mut at = 0;
    loop {
        at += rest.get(at..)?.iter().position(|byte| *byte == first)?;
        if rest[at..].starts_with(word) {
            return Some(from + at);
        }
        at += 1;
    }
}

/// One configuration for all; each login makes a handshake of its own.
fn tls() -> &'static Arc<ClientConfig> {
    static TLS: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    TLS.get_or_init(|| {
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring knows the usual versions")
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody))
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Arc::new(config)
    })
}

/// The server is on loopback and its certificate was made a moment ago: whoever answers is measured.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider().signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its pieces one by one, then the end.
    struct Pieces(Vec<&'static str>);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            let piece = self.0.remove(0).as_bytes();
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    fn hear(pieces: &[&'static str], waits: &[(&str, Bodies)]) -> Vec<bool> {
        let (mut from, mut heard, mut buffer) = (Pieces(pieces.to_vec()), Heard::default(), [0; 256]);
        waits
            .iter()
            .map(|(mark, bodies)| heard.until(&mut from, &mut buffer, mark, *bodies, "x").is_ok())
            .collect()
    }

    #[test]
    fn a_mark_may_come_in_pieces_and_leaves_what_is_behind_it() {
        let came = hear(
            &["<a i", "d=\"1\"/><b", " id=\"2\"/>"],
            &[("id=\"1\"", Bodies::None), ("id=\"2\"", Bodies::None)],
        );
        assert_eq!(came, [true, true]);
    }

    #[test]
    fn the_next_message_must_be_the_one_that_is_waited_for() {
        let one = "<message><body>one</body></message>";
        let two = "<message><body>two</body></message>";
        let waits = [("one<", Bodies::One), ("two<", Bodies::One)];
        assert_eq!(hear(&[one, two], &waits), [true, true]);
        assert_eq!(hear(&[one, one, two], &waits), [true, false], "doubled");
        assert_eq!(hear(&[two], &waits[..1]), [false], "lost");
        assert_eq!(hear(&[two, one], &waits[..1]), [false], "out of order");
        assert_eq!(hear(&[one, "<end/>"], &[("<end", Bodies::None)]), [false], "nobody waits for it");
    }

    #[test]
    fn an_error_is_no_answer_wherever_its_type_stands() {
        for error in [
            "<iq type=\"error\" id=\"1\"></iq>",
            "<iq id=\"1\" type=\"error\"></iq>",
            "<stream:error/>",
            "<failure/>",
        ] {
            assert_eq!(hear(&[error], &[("id=\"1\"", Bodies::None)]), [false], "{error}");
        }
    }

    #[test]
    fn the_end_of_the_stream_is_not_waited_through() {
        assert_eq!(hear(&["<a/>"], &[("<b", Bodies::None)]), [false]);
    }
}
