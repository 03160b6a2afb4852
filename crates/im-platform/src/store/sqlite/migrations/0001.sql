-- Format 1: users, sessions of nodes, messages, mirror events.
-- A user's row carries what a message's judgement needs (how many are pending), so that its cost does not depend on any total.

CREATE TABLE users (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    jid         TEXT    NOT NULL UNIQUE,
    origin      TEXT    NOT NULL,               -- 'bridge': seen in a snapshot or change; 'api': created
    created_at  INTEGER NOT NULL,
    state_since INTEGER NOT NULL,               -- last change that no row of sessions remembers any more
    pending     INTEGER NOT NULL DEFAULT 0,     -- rows of messages with this recipient and a seq
    next_seq    INTEGER NOT NULL DEFAULT 1
) STRICT;

-- One bridge each. epoch is null when the lease ran out and was swept.
CREATE TABLE nodes (
    node       TEXT    PRIMARY KEY,
    epoch      TEXT,
    expires_at INTEGER NOT NULL,
    floor      INTEGER NOT NULL                 -- seq of the last snapshot of this epoch
) STRICT, WITHOUT ROWID;
CREATE INDEX nodes_expiry ON nodes (expires_at) WHERE epoch IS NOT NULL;

-- Epochs that a later one has ended: a snapshot of theirs that comes late must not end the later one.
CREATE TABLE ended_epochs (
    node     TEXT    NOT NULL,
    epoch    TEXT    NOT NULL,
    ended_at INTEGER NOT NULL,
    PRIMARY KEY (node, epoch)
) STRICT, WITHOUT ROWID;
CREATE INDEX ended_epochs_age ON ended_epochs (ended_at);

-- node '' = set through the API, with a time to live of its own. open = 0 is a tombstone that keeps the seq.
CREATE TABLE sessions (
    user       INTEGER NOT NULL,
    resource   TEXT    NOT NULL,
    node       TEXT    NOT NULL,
    seq        INTEGER NOT NULL,
    open       INTEGER NOT NULL,
    available  INTEGER NOT NULL,
    priority   INTEGER NOT NULL,
    show       TEXT,
    status     TEXT,
    changed_at INTEGER NOT NULL,
    expires_at INTEGER,
    drain      INTEGER NOT NULL DEFAULT 0,      -- takes messages, and something is pending for the user
    PRIMARY KEY (user, resource, node)
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_node ON sessions (node);
CREATE INDEX sessions_drain ON sessions (node) WHERE drain = 1;
CREATE INDEX sessions_closed ON sessions (changed_at) WHERE open = 0;
CREATE INDEX sessions_expiry ON sessions (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE claims (
    user        INTEGER PRIMARY KEY,
    claim       TEXT    NOT NULL,
    node        TEXT    NOT NULL,
    epoch       TEXT    NOT NULL,
    resource    TEXT    NOT NULL,
    idempotency TEXT,
    expires_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX claims_node ON claims (node);

-- A decision and, where it may be kept, its message. seq is set exactly while status is 'pending'.
CREATE TABLE messages (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    key        TEXT    NOT NULL UNIQUE,
    from_jid   TEXT    NOT NULL,
    to_jid     TEXT    NOT NULL,
    from_user  INTEGER,
    to_user    INTEGER,
    sent_at    INTEGER NOT NULL,
    decided_at INTEGER NOT NULL,
    status     TEXT    NOT NULL,                -- pending, delivered, handed_over, refused, native, settled (before it came)
    settled    TEXT,                            -- the answer its settlement got
    seq        INTEGER,
    stanza     TEXT
) STRICT;
CREATE INDEX messages_pending ON messages (to_user, seq) WHERE seq IS NOT NULL;
CREATE INDEX messages_from ON messages (from_user, id) WHERE stanza IS NOT NULL;
CREATE INDEX messages_to ON messages (to_user, id) WHERE stanza IS NOT NULL;
CREATE INDEX messages_conversation ON messages (min(from_user, to_user), max(from_user, to_user), id) WHERE stanza IS NOT NULL;
CREATE INDEX messages_age ON messages (decided_at) WHERE seq IS NULL;

CREATE TABLE events (
    id           TEXT    PRIMARY KEY,
    received_at  INTEGER NOT NULL,
    source       TEXT    NOT NULL,
    kind         TEXT    NOT NULL,
    subject      TEXT,
    time         TEXT    NOT NULL,
    sequence     TEXT    NOT NULL,
    partitionkey TEXT,
    data         TEXT    NOT NULL
) STRICT;
CREATE INDEX events_age ON events (received_at);
