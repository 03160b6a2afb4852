//! Frames: what the bytes that cross the boundary look like (docs/boundary.md). Big-endian, as `java.io.DataInputStream` reads.

use crate::error::HostError;

/// Opcodes of effects (host to shim).
pub mod effect {
    /// Route the held packet.
    pub const RELEASE: u8 = 1;
    /// Drop the held packet, make the sent carbons.
    pub const STORED: u8 = 2;
    /// Answer the sender with an error.
    pub const REFUSE: u8 = 3;
    /// Route a message that exists as bytes only.
    pub const ROUTE: u8 = 4;
    /// As STORED, for bytes.
    pub const STORED_BYTES: u8 = 5;
    /// As REFUSE, for bytes.
    pub const REFUSE_BYTES: u8 = 6;
    /// Give a stanza to one session.
    pub const HANDOVER: u8 = 7;
    /// Route other bytes in the place of the held packet.
    pub const REPLACE: u8 = 8;
    /// Log a line.
    pub const LOG: u8 = 9;
    /// Send all sessions.
    pub const SNAPSHOT: u8 = 10;
    /// Replace the filter table.
    pub const FILTER: u8 = 11;
    /// Do something by Openfire's Java interfaces.
    pub const APPLY: u8 = 12;
}

/// Opcodes of notices (shim to host).
pub mod notice {
    /// An effect is done.
    pub const DONE: u8 = 1;
    /// A session changed.
    pub const SESSION: u8 = 2;
    /// All sessions.
    pub const SESSIONS: u8 = 3;
    /// A setting changed.
    pub const SETTING: u8 = 4;
    /// Openfire's offline store took a message of ours.
    pub const FELLBACK: u8 = 5;
    /// The shim lost a held packet.
    pub const DROPPED: u8 = 6;
    /// A session joined or left a room.
    pub const OCCUPANT: u8 = 7;
    /// All occupants.
    pub const OCCUPANTS: u8 = 8;
}

/// Opcodes of asks (shim to host, waiting).
pub mod ask {
    /// Try the platform.
    pub const TEST_PLATFORM: u8 = 1;
    /// Check a settings form.
    pub const CHECK_SETTINGS: u8 = 2;
    /// Render the page.
    pub const PAGE: u8 = 3;
    /// Panic on purpose (test mode).
    pub const PANIC: u8 = 4;
    /// Is this the user's password?
    pub const VERIFY: u8 = 5;
    /// The user's SCRAM-SHA-1 verifier.
    pub const SCRAM: u8 = 6;
    /// Which row takes a stanza and what would be sent.
    pub const EXPLAIN: u8 = 7;
    /// Begin, watch or stop the import from Openfire.
    pub const IMPORT: u8 = 8;
    /// A stanza as stanza JSON, or back.
    pub const CONVERT: u8 = 9;
    /// The call of a row, for another plugin.
    pub const CALL: u8 = 10;
    /// Begins or ends a subscription.
    pub const SUBSCRIBE: u8 = 11;
    /// The next events of a subscription.
    pub const EVENTS: u8 = 12;
}

/// What the shim reports of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Ok,
    /// No session that can take it; nothing was done.
    Gone,
    /// A session is about to become available; nothing was done.
    Connecting,
    /// Openfire's offline store had taken it; it was removed from there.
    FellBack,
    /// An exception.
    Failed,
    /// The token is unknown.
    Lost,
}

impl Outcome {
    fn from_code(code: i32) -> Result<Self, HostError> {
        Ok(match code {
            0 => Outcome::Ok,
            1 => Outcome::Gone,
            2 => Outcome::Connecting,
            3 => Outcome::FellBack,
            4 => Outcome::Failed,
            5 => Outcome::Lost,
            other => return Err(HostError::Invalid(format!("outcome {other}"))),
        })
    }
}

/// Flags of `offer`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flags(pub i32);

impl Flags {
    /// The packet may be held.
    #[must_use]
    pub fn hold(self) -> bool {
        self.0 & 1 != 0
    }
    /// The recipient is a registered local user.
    #[must_use]
    pub fn local_user(self) -> bool {
        self.0 & 2 != 0
    }
    /// Openfire sends it again (XEP-0198).
    #[must_use]
    pub fn rerouted(self) -> bool {
        self.0 & 4 != 0
    }
    /// It is addressed to a room of this server, or is about one.
    #[must_use]
    pub fn room(self) -> bool {
        self.0 & 32 != 0
    }
    /// Something that happened in Openfire, written as a stanza.
    #[must_use]
    pub fn event(self) -> bool {
        self.0 & 16 != 0
    }
}

/// Reads a frame.
#[derive(Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts behind nothing: the opcode is the first [`Reader::u8`].
    #[must_use]
    pub fn new(frame: &'a [u8]) -> Self {
        Reader { rest: frame }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], HostError> {
        let (head, rest) = self
            .rest
            .split_at_checked(count)
            .ok_or_else(|| HostError::Invalid("it ends too early".into()))?;
        self.rest = rest;
        Ok(head)
    }

    /// One byte.
    ///
    /// # Errors
    /// [`HostError::Invalid`], as all readers, when the frame is too short.
    pub fn u8(&mut self) -> Result<u8, HostError> {
        Ok(self.take(1)?[0])
    }

    /// `bool`.
    ///
    /// # Errors
    /// See [`Reader::u8`].
    pub fn bool(&mut self) -> Result<bool, HostError> {
        Ok(self.u8()? != 0)
    }

    /// `int`.
    ///
    /// # Errors
    /// See [`Reader::u8`].
    pub fn int(&mut self) -> Result<i32, HostError> {
        let mut bytes = [0; 4];
        bytes.copy_from_slice(self.take(4)?);
        Ok(i32::from_be_bytes(bytes))
    }

    /// `long`.
    ///
    /// # Errors
    /// See [`Reader::u8`].
    pub fn long(&mut self) -> Result<u64, HostError> {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(self.take(8)?);
        Ok(u64::from_be_bytes(bytes))
    }

    /// `str`.
    ///
    /// # Errors
    /// See [`Reader::u8`]; also when it is not UTF-8.
    pub fn str(&mut self) -> Result<&'a str, HostError> {
        let len = usize::try_from(self.int()?).map_err(|_| HostError::Invalid("a negative length".into()))?;
        std::str::from_utf8(self.take(len)?).map_err(|_| HostError::Invalid("a text is not UTF-8".into()))
    }

    /// `list` of whatever `item` reads.
    ///
    /// # Errors
    /// See [`Reader::u8`].
    pub fn list<T>(
        &mut self,
        mut item: impl FnMut(&mut Self) -> Result<T, HostError>,
    ) -> Result<Vec<T>, HostError> {
        let count =
            usize::try_from(self.int()?).map_err(|_| HostError::Invalid("a negative count".into()))?;
        if count > self.rest.len() {
            return Err(HostError::Invalid("a count larger than the frame".into()));
        }
        (0..count).map(|_| item(self)).collect()
    }

    /// An outcome (`int`).
    ///
    /// # Errors
    /// See [`Reader::u8`].
    pub fn outcome(&mut self) -> Result<Outcome, HostError> {
        Outcome::from_code(self.int()?)
    }
}

/// Writes a frame.
#[derive(Debug, Default, Clone)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Starts a frame with its opcode.
    #[must_use]
    pub fn new(opcode: u8) -> Self {
        Writer { bytes: vec![opcode] }
    }
    /// `bool`.
    #[must_use]
    pub fn bool(mut self, value: bool) -> Self {
        self.bytes.push(u8::from(value));
        self
    }
    /// `int`.
    #[must_use]
    pub fn int(mut self, value: i32) -> Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }
    /// `long`.
    #[must_use]
    pub fn long(mut self, value: u64) -> Self {
        self.bytes.extend_from_slice(&value.to_be_bytes());
        self
    }
    /// `str`.
    #[must_use]
    pub fn str(self, value: &str) -> Self {
        self.bytes(value.as_bytes())
    }
    /// `bytes`.
    #[must_use]
    pub fn bytes(mut self, value: &[u8]) -> Self {
        self.bytes.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_be_bytes());
        self.bytes.extend_from_slice(value);
        self
    }
    /// The frame.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_reads_as_it_was_written_and_a_cut_one_is_refused() {
        let frame =
            Writer::new(7).bool(true).int(-5).long(u64::MAX).str("h\u{1F600}").int(1).str("x").finish();
        let read = |frame: &[u8]| -> Result<_, HostError> {
            let mut r = Reader::new(frame);
            Ok((
                r.u8()?,
                r.bool()?,
                r.int()?,
                r.long()?,
                r.str()?.to_owned(),
                r.list(|r| Ok(r.str()?.to_owned()))?,
            ))
        };
        assert_eq!(
            read(&frame).expect("whole"),
            (7, true, -5, u64::MAX, "h\u{1F600}".into(), vec!["x".to_owned()])
        );
        for cut in 0..frame.len() {
            assert!(matches!(read(&frame[..cut]), Err(HostError::Invalid(_))), "cut at {cut}");
        }
    }
}
