//! A few lines of HTTP on loopback: the bridge's status, and requests to a platform. One connection per caller, kept open.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use serde_json::Value;

use crate::Outcome;

const LIMIT: Duration = Duration::from_secs(60);

/// A connection to a server on this machine.
#[derive(Debug)]
pub struct Http {
    port: u16,
    token: Option<String>,
    open: Option<BufReader<TcpStream>>,
}

impl Http {
    /// Connects with the first request.
    #[must_use]
    pub fn new(port: u16, token: Option<String>) -> Self {
        Self { port, token, open: None }
    }

    /// The body of a successful answer.
    ///
    /// # Errors
    /// When there is none, or it is not a success.
    pub fn text(&mut self, method: &str, path: &str, body: Option<&Value>) -> Outcome<String> {
        // A server closes a connection that was idle for a while; who finds out by asking asks again, where that changes nothing.
        let kept = self.open.is_some() && method == "GET";
        match self.ask(method, path, body) {
            Err(_) if kept && self.open.is_none() => self.ask(method, path, body),
            answer => answer,
        }
    }

    fn ask(&mut self, method: &str, path: &str, body: Option<&Value>) -> Outcome<String> {
        let wrong = |why: String| format!("{method} {path} on port {}: {why}", self.port);
        let mut stream = match self.open.take() {
            Some(stream) => stream,
            None => connect(self.port).map_err(|e| wrong(e.to_string()))?,
        };
        let body = body.map(Value::to_string).unwrap_or_default();
        let token =
            self.token.as_ref().map(|token| format!("authorization: Bearer {token}\r\n")).unwrap_or_default();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{token}content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        let sent = stream.get_mut().write_all(request.as_bytes());
        let answer = sent.map_err(|e| e.to_string()).and_then(|()| answer(&mut stream)).map_err(wrong)?;
        let (status, text, keep) = answer;
        if keep {
            self.open = Some(stream);
        }
        if (200..300).contains(&status) {
            Ok(text)
        } else {
            Err(format!("{method} {path} on port {}: {status} {text}", self.port))
        }
    }

    /// The same as JSON.
    ///
    /// # Errors
    /// As [`Http::text`], or when it is none.
    pub fn json(&mut self, method: &str, path: &str, body: Option<&Value>) -> Outcome<Value> {
        let text = self.text(method, path, body)?;
        serde_json::from_str(&text).map_err(|e| format!("{method} {path}: {e}"))
    }
}

fn connect(port: u16) -> std::io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(LIMIT))?;
    Ok(BufReader::new(stream))
}

/// Status, body, and whether the connection goes on.
fn answer(stream: &mut impl BufRead) -> Outcome<(u16, String, bool)> {
    let mut line = String::new();
    stream.read_line(&mut line).map_err(|e| e.to_string())?;
    let status =
        line.split(' ').nth(1).and_then(|word| word.parse().ok()).ok_or("no status in the answer")?;
    let (mut length, mut chunked, mut keep) = (None, false, true);
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).map_err(|e| e.to_string())?;
        let Some((name, value)) = header.trim_end().split_once(':') else { break };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse::<u64>().ok(),
            "transfer-encoding" => chunked = value.eq_ignore_ascii_case("chunked"),
            "connection" => keep = !value.eq_ignore_ascii_case("close"),
            _ => {}
        }
    }
    let mut body = Vec::new();
    match length {
        Some(length) => exactly(stream, length, &mut body)?,
        None if chunked => loop {
            let mut size = String::new();
            stream.read_line(&mut size).map_err(|e| e.to_string())?;
            let size = u64::from_str_radix(size.trim(), 16).map_err(|e| e.to_string())?;
            exactly(stream, size, &mut body)?;
            let mut end = String::new();
            stream.read_line(&mut end).map_err(|e| e.to_string())?;
            if size == 0 {
                break;
            }
        },
        None if status == 204 => {}
        None => {
            keep = false;
            stream.read_to_end(&mut body).map_err(|e| e.to_string())?;
        }
    }
    String::from_utf8(body).map(|text| (status, text, keep)).map_err(|e| e.to_string())
}

fn exactly(stream: &mut impl BufRead, length: u64, into: &mut Vec<u8>) -> Outcome<()> {
    let count = stream.take(length).read_to_end(into).map_err(|e| e.to_string())?;
    if count as u64 == length { Ok(()) } else { Err("the answer ends early".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Outcome<(u16, String, bool)> {
        answer(&mut text.as_bytes())
    }

    #[test]
    fn answers_of_every_form() {
        let whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
        assert_eq!(read(whole), Ok((200, "hi".into(), true)));
        let chunked =
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\nA\r\n0123456789\r\n0\r\n\r\n";
        assert_eq!(read(chunked), Ok((200, "hi0123456789".into(), true)));
        assert_eq!(read("HTTP/1.1 204 No Content\r\n\r\n"), Ok((204, String::new(), true)));
        assert_eq!(read("HTTP/1.0 200 OK\r\nConnection: close\r\n\r\nall"), Ok((200, "all".into(), false)));
    }

    #[test]
    fn a_connection_that_was_closed_meanwhile_is_made_anew() {
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let server = std::thread::spawn(move || {
            // Each connection takes one request and is closed after that, without having said so.
            for (body, stream) in ["one", "two"].into_iter().zip(listener.incoming()) {
                let mut stream = BufReader::new(stream.expect("a connection"));
                let mut line = String::new();
                while stream.read_line(&mut line).expect("a request") > 2 {}
                let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n{body}");
                stream.get_mut().write_all(answer.as_bytes()).expect("an answer");
            }
        });
        let mut http = Http::new(port, None);
        assert_eq!(http.text("GET", "/", None), Ok("one".into()));
        assert_eq!(http.text("GET", "/", None), Ok("two".into()));
        server.join().expect("no panic");
        assert!(http.text("GET", "/", None).is_err(), "nobody listens any more");
    }

    #[test]
    fn half_an_answer_is_an_error() {
        assert!(read("").is_err());
        assert!(read("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhi").is_err());
    }
}
