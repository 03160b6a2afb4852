//! The workload: what a few people do with a chat server, stanza in, answer out. One worker is three people and a thread: two who are here, and somebody who
//! comes, takes what was kept, and leaves again. It does one thing at a time, so a time is what a person waits, and everything must come, once, in order.

use std::time::Instant;

use crate::Outcome;
use crate::client::{Client, DOMAIN};

/// What is timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A message from one to the other, both here, until the other has it.
    Message,
    /// A contact renamed until the server has answered.
    Contact,
    /// A new connection: TLS, password, resource bound.
    Login,
    /// From saying that one is here until the last message that was kept has come.
    HandOver,
    /// A change of state until the contact sees it.
    State,
}

/// All kinds, with what tables call them.
pub const KINDS: [(Kind, &str); 5] = [
    (Kind::Message, "a message, both online, until it is there"),
    (Kind::Contact, "a contact renamed, until the answer"),
    (Kind::Login, "a login: TCP, TLS, password, resource"),
    (Kind::HandOver, "4 kept messages, from coming online until all are there"),
    (Kind::State, "a change of state, until the contact sees it"),
];

/// Operations of one turn: these messages, contacts and kept messages, a login and a change of state.
pub const OPERATIONS: usize = MESSAGES + CONTACTS + KEPT + 2;
/// Messages of one turn between the two who are here.
pub const MESSAGES: usize = 16;
/// Contacts renamed in one turn.
pub const CONTACTS: usize = 3;
/// Messages of one turn to the one who is away.
pub const KEPT: usize = 4;

/// How many people take turns at coming and leaving, so that nobody comes back at once.
const VISITORS: usize = 3;
/// About what people write.
const TEXT: &str = "O she doth teach the torches to burn bright, it seems she hangs upon the cheek of night";

/// Milliseconds, by kind.
pub type Times = [Vec<f64>; KINDS.len()];

/// Three people and what they did so far.
#[derive(Debug)]
pub struct Worker {
    port: u16,
    number: usize,
    here: [Client; 2],
    turns: usize,
    said: usize,
}

impl Worker {
    /// Makes the accounts, logs two people in and has them know each other and the visitors.
    ///
    /// # Errors
    /// When the server does not do it.
    pub fn new(port: u16, number: usize) -> Outcome<Self> {
        let names: Vec<String> =
            [here(number, 0), here(number, 1)].into_iter().chain(visitors(number)).collect();
        register(port, &names)?;
        let [mut one, other] = [log_in(port, &names[0])?, log_in(port, &names[1])?];
        one.say(&contact("know-other", &names[1], "other"))?;
        one.expect("id=\"know-other\"")?;
        for visitor in visitors(number) {
            let mut guest = log_in(port, &visitor)?;
            one.say(&contact(&format!("know-{visitor}"), &visitor, "guest"))?;
            one.expect(&format!("id=\"know-{visitor}\""))?;
            one.say(&format!("<presence to=\"{visitor}@{DOMAIN}\" type=\"subscribe\"/>"))?;
            guest.expect("type=\"subscribe\"")?;
            guest.say(&format!("<presence to=\"{}@{DOMAIN}\" type=\"subscribed\"/>", names[0]))?;
            one.expect("type=\"subscribed\"")?;
            part(&mut one, guest, &format!("first-{visitor}"))?;
        }
        Ok(Self { port, number, here: [one, other], turns: 0, said: 0 })
    }

    /// One turn; its times are added.
    ///
    /// # Errors
    /// When something is lost, doubled, out of order or refused, or nothing comes.
    pub fn turn(&mut self, times: &mut Times) -> Outcome<()> {
        let visitor = format!("w{}v{}", self.number, self.turns % VISITORS);
        self.turns += 1;
        let mut took =
            |kind: Kind, since: Instant| times[kind as usize].push(since.elapsed().as_secs_f64() * 1e3);
        for i in 0..MESSAGES {
            let mark = self.mark();
            let text = message(&here(self.number, (i + 1) % 2), &mark);
            let since = Instant::now();
            self.here[i % 2].say(&text)?;
            self.here[(i + 1) % 2].expect_message(&end_of(&mark))?;
            took(Kind::Message, since);
        }
        for _ in 0..CONTACTS {
            let mark = self.mark();
            let text = contact(&mark, &here(self.number, 1), &mark);
            let since = Instant::now();
            self.here[0].say(&text)?;
            self.here[0].expect(&format!("id=\"{mark}\""))?;
            took(Kind::Contact, since);
        }
        let kept: Vec<String> = (0..KEPT).map(|_| self.mark()).collect();
        for mark in &kept {
            self.here[0].say(&message(&visitor, mark))?;
        }
        // Without the bridge a message that is stored while its recipient logs in can be lost: it is to be there before.
        let mark = self.mark();
        self.here[0].ping(&mark)?;
        let since = Instant::now();
        let mut guest = Client::connect(self.port)?;
        guest.log_in(&visitor, &password(&visitor))?;
        took(Kind::Login, since);
        let since = Instant::now();
        guest.come()?;
        for mark in &kept {
            guest.expect_message(&end_of(mark))?;
        }
        took(Kind::HandOver, since);
        let mark = self.mark();
        let since = Instant::now();
        guest.say(&format!("<presence><show>dnd</show><status>{mark}</status></presence>"))?;
        self.here[0].expect(&format!(">{mark}<"))?;
        took(Kind::State, since);
        let mark = self.mark();
        part(&mut self.here[0], guest, &mark)
    }

    /// Sends so many messages to people who never come, and waits until the server has come to them all.
    ///
    /// # Errors
    /// When it does not.
    pub fn leave_behind(&mut self, count: usize) -> Outcome<()> {
        let mut text = String::new();
        for _ in 0..count {
            let mark = self.mark();
            text.push_str(&message(&absent(self.said % ABSENT), &mark));
        }
        self.here[0].say(&text)?;
        let mark = self.mark();
        self.here[0].ping(&mark)
    }

    /// Logs out.
    ///
    /// # Errors
    /// When a message comes that nobody sent.
    pub fn end(self) -> Outcome<()> {
        self.here.into_iter().try_for_each(Client::leave)
    }

    fn mark(&mut self) -> String {
        self.said += 1;
        format!("n{}-{}", self.number, self.said)
    }
}

/// How many people never come.
pub const ABSENT: usize = 50;

/// Makes the accounts of those who never come.
///
/// # Errors
/// When the server refuses.
pub fn register_absent(port: u16) -> Outcome<()> {
    register(port, &(0..ABSENT).map(absent).collect::<Vec<_>>())
}

fn register(port: u16, names: &[String]) -> Outcome<()> {
    for name in names {
        // A stream of its own for each, as people have.
        let mut stranger = Client::connect(port)?;
        stranger.register(name, &password(name))?;
        stranger.leave()?;
    }
    Ok(())
}

fn log_in(port: u16, name: &str) -> Outcome<Client> {
    let mut client = Client::connect(port)?;
    client.log_in(name, &password(name))?;
    client.come()?;
    Ok(client)
}

/// A guest says goodbye, and leaves when the host has seen it.
fn part(host: &mut Client, mut guest: Client, mark: &str) -> Outcome<()> {
    guest.say(&format!("<presence type=\"unavailable\"><status>{mark}</status></presence>"))?;
    host.expect(&format!(">{mark}<"))?;
    guest.leave()
}

fn here(number: usize, which: usize) -> String {
    format!("w{number}h{which}")
}

fn visitors(number: usize) -> impl Iterator<Item = String> {
    (0..VISITORS).map(move |which| format!("w{number}v{which}"))
}

fn absent(which: usize) -> String {
    format!("absent{which}")
}

fn password(name: &str) -> String {
    format!("secret-of-{name}")
}

fn contact(id: &str, name: &str, called: &str) -> String {
    format!(
        "<iq type=\"set\" id=\"{id}\"><query xmlns=\"jabber:iq:roster\"><item jid=\"{name}@{DOMAIN}\" name=\"{called}\"/></query></iq>"
    )
}

/// A chat message whose body ends with a mark.
#[must_use]
pub fn message(to: &str, mark: &str) -> String {
    format!(
        "<message to=\"{to}@{DOMAIN}\" type=\"chat\" id=\"{mark}\"><body>{TEXT} {mark}</body>\
         <active xmlns=\"http://jabber.org/protocol/chatstates\"/><request xmlns=\"urn:xmpp:receipts\"/></message>"
    )
}

/// How the body of that message ends.
#[must_use]
pub fn end_of(mark: &str) -> String {
    format!(" {mark}</body>")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_where_their_numbers_say() {
        for (at, (kind, _)) in KINDS.iter().enumerate() {
            assert_eq!(*kind as usize, at);
        }
    }

    #[test]
    fn a_turn_is_as_many_operations_as_the_page_says() {
        assert_eq!(OPERATIONS, 25);
        assert_eq!(OPERATIONS, MESSAGES + CONTACTS + KEPT + 2);
    }

    #[test]
    fn a_mark_ends_its_message_and_no_other() {
        let one = message("juliet", "n1-1");
        assert!(one.contains(&end_of("n1-1")));
        assert!(!message("juliet", "n1-11").contains(&end_of("n1-1")));
        assert!(!message("juliet", "n11-1").contains(&end_of("n1-1")));
    }
}
