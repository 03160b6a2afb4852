-- Format 2: accounts, friends, groups, rooms, footprints, media, downlink, idempotency, audit.

ALTER TABLE users ADD COLUMN name TEXT;
ALTER TABLE users ADD COLUMN email TEXT;
ALTER TABLE users ADD COLUMN roster_ver INTEGER NOT NULL DEFAULT 0;
ALTER TABLE users ADD COLUMN erasing TEXT;              -- the address of a user who is being erased; jid is then a number nobody asks for
CREATE INDEX users_name ON users (name COLLATE NOCASE, jid) WHERE name IS NOT NULL;
CREATE INDEX users_erasing ON users (id) WHERE erasing IS NOT NULL;
-- Senders that were not known: found by address when they are erased later.
CREATE INDEX messages_from_unknown ON messages (from_jid) WHERE from_user IS NULL AND stanza IS NOT NULL;

CREATE TABLE verifiers (
    user       INTEGER NOT NULL,
    mechanism  TEXT    NOT NULL,
    salt       TEXT    NOT NULL,
    iterations INTEGER NOT NULL,
    stored_key TEXT    NOT NULL,
    server_key TEXT    NOT NULL,
    PRIMARY KEY (user, mechanism)
) STRICT, WITHOUT ROWID;

-- Wrong passwords in a row.
CREATE TABLE attempts (
    user         INTEGER PRIMARY KEY,
    failures     INTEGER NOT NULL,
    last_at      INTEGER NOT NULL,
    locked_until INTEGER NOT NULL
) STRICT;

CREATE TABLE audit (
    id      INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    caller  TEXT    NOT NULL,
    action  TEXT    NOT NULL,
    subject TEXT    NOT NULL
) STRICT;
CREATE INDEX audit_age ON audit (at);
CREATE INDEX audit_subject ON audit (subject);

-- First answers of POSTs, by caller and idempotency key.
CREATE TABLE once (
    caller      TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    fingerprint BLOB    NOT NULL,
    subject     TEXT    NOT NULL,
    answer      TEXT    NOT NULL,
    at          INTEGER NOT NULL,
    PRIMARY KEY (caller, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX once_age ON once (at);
CREATE INDEX once_subject ON once (subject);

CREATE TABLE downlink (
    seq     INTEGER PRIMARY KEY AUTOINCREMENT,
    id      TEXT    NOT NULL,
    at      INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    subject TEXT    NOT NULL,
    node    TEXT,
    event   TEXT,
    data    TEXT    NOT NULL
) STRICT;
-- Up to here events may have been removed.
CREATE TABLE downlink_floor (
    id  INTEGER PRIMARY KEY CHECK (id = 1),
    seq INTEGER NOT NULL
) STRICT;
INSERT INTO downlink_floor VALUES (1, 0);
CREATE INDEX downlink_subject ON downlink (subject);

-- Whom an event names, so that it can be erased with them.
CREATE TABLE event_parties (
    jid   TEXT NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (jid, event)
) STRICT, WITHOUT ROWID;
CREATE INDEX event_parties_event ON event_parties (event);

CREATE TABLE friends (
    user         INTEGER NOT NULL,
    friend       TEXT    NOT NULL,
    name         TEXT,
    subscription TEXT    NOT NULL,
    ask          INTEGER NOT NULL,
    approved     INTEGER NOT NULL,
    groups       TEXT    NOT NULL,              -- JSON array
    PRIMARY KEY (user, friend)
) STRICT, WITHOUT ROWID;
CREATE INDEX friends_friend ON friends (friend);

CREATE TABLE blocks (
    user    INTEGER NOT NULL,
    blocked TEXT    NOT NULL,
    PRIMARY KEY (user, blocked)
) STRICT, WITHOUT ROWID;
CREATE INDEX blocks_blocked ON blocks (blocked);

CREATE TABLE groups (
    id          TEXT    PRIMARY KEY,
    name        TEXT    NOT NULL,
    description TEXT,
    room        TEXT    UNIQUE,
    version     INTEGER NOT NULL,
    size        INTEGER NOT NULL,
    owners      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE group_members (
    grp  TEXT    NOT NULL,
    user INTEGER NOT NULL,
    role TEXT    NOT NULL,
    PRIMARY KEY (grp, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX group_members_user ON group_members (user, grp);

ALTER TABLE nodes ADD COLUMN room_floor INTEGER NOT NULL DEFAULT -1;  -- seq of the last snapshot of occupants

CREATE TABLE rooms (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    jid       TEXT    NOT NULL UNIQUE,
    next_seq  INTEGER NOT NULL DEFAULT 1,
    members   INTEGER NOT NULL DEFAULT 0,
    present   INTEGER NOT NULL DEFAULT 0,       -- members who are occupants
    occupants INTEGER NOT NULL DEFAULT 0        -- open rows of occupants
) STRICT;

-- In rooms people are addresses, not rows of users: somebody of another server who joins must not become a user of this one.
CREATE TABLE room_members (
    room        INTEGER NOT NULL,
    user        TEXT    NOT NULL,
    affiliation TEXT    NOT NULL,
    PRIMARY KEY (room, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX room_members_user ON room_members (user);

CREATE TABLE occupants (
    room       INTEGER NOT NULL,
    user       TEXT    NOT NULL,
    resource   TEXT    NOT NULL,
    node       TEXT    NOT NULL,
    seq        INTEGER NOT NULL,
    nick       TEXT    NOT NULL,
    open       INTEGER NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (room, user, resource, node)
) STRICT, WITHOUT ROWID;
CREATE INDEX occupants_node ON occupants (node);
CREATE INDEX occupants_user ON occupants (user);
CREATE INDEX occupants_closed ON occupants (changed_at) WHERE open = 0;

-- What a member missed: from_seq to to_seq, both included; to_seq null = still absent.
CREATE TABLE room_missed (
    room     INTEGER NOT NULL,
    user     TEXT    NOT NULL,
    from_seq INTEGER NOT NULL,
    to_seq   INTEGER,
    PRIMARY KEY (room, user, from_seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX room_missed_user ON room_missed (user);

CREATE TABLE room_messages (
    room        INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    key         TEXT    NOT NULL UNIQUE,
    stanza_id   TEXT    NOT NULL,
    from_user   TEXT    NOT NULL,
    nick        TEXT    NOT NULL,
    sent_at     INTEGER NOT NULL,
    accepted_at INTEGER NOT NULL,
    present     INTEGER NOT NULL,
    absent      INTEGER NOT NULL,
    delivered   INTEGER NOT NULL DEFAULT 0,
    read        INTEGER NOT NULL DEFAULT 0,
    stanza      TEXT    NOT NULL,
    PRIMARY KEY (room, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX room_messages_from ON room_messages (from_user);
CREATE INDEX room_messages_age ON room_messages (accepted_at);

CREATE TABLE room_receipts (
    room INTEGER NOT NULL,
    seq  INTEGER NOT NULL,
    user TEXT    NOT NULL,
    read INTEGER NOT NULL,
    PRIMARY KEY (room, seq, user)
) STRICT, WITHOUT ROWID;
CREATE INDEX room_receipts_user ON room_receipts (user);

CREATE TABLE footprints (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    user       INTEGER NOT NULL,
    name       TEXT    NOT NULL,                -- the id that callers use, unique per user
    at         INTEGER NOT NULL,
    lat        REAL    NOT NULL,
    lon        REAL    NOT NULL,
    shown_lat  REAL    NOT NULL,                -- what others see and search by
    shown_lon  REAL    NOT NULL,
    precision  TEXT    NOT NULL,
    audience   TEXT    NOT NULL,                -- me, friends, all, or group
    grp        TEXT,
    text       TEXT,
    place      TEXT,
    media      TEXT    NOT NULL,                -- JSON array
    stanza     TEXT,
    created_at INTEGER NOT NULL,
    UNIQUE (user, name)
) STRICT;
CREATE INDEX footprints_user ON footprints (user, at, id);
CREATE INDEX footprints_time ON footprints (at, id);
CREATE INDEX footprints_age ON footprints (created_at);
CREATE INDEX footprints_group ON footprints (grp) WHERE grp IS NOT NULL;

-- Squares of a grid by level, for others' eyes: newest first within a square without looking at the rest of the world.
CREATE TABLE footprint_cells (
    level     INTEGER NOT NULL,
    cell      INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    footprint INTEGER NOT NULL,
    PRIMARY KEY (level, cell, at, footprint)
) STRICT, WITHOUT ROWID;

-- Which footprints show a medium.
CREATE TABLE footprint_media (
    medium    TEXT    NOT NULL,
    footprint INTEGER NOT NULL,
    PRIMARY KEY (medium, footprint)
) STRICT, WITHOUT ROWID;
CREATE INDEX footprint_media_footprint ON footprint_media (footprint);

CREATE TABLE media (
    id         TEXT    PRIMARY KEY,
    file       TEXT    NOT NULL,
    user       INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    size       INTEGER NOT NULL,
    sha256     TEXT    NOT NULL,
    audience   TEXT    NOT NULL,
    grp        TEXT,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX media_user ON media (user);

-- Files that belong to no medium: to be removed when due. An upload is written down here first, so that a crash in its middle leaves nothing behind.
CREATE TABLE doomed_files (
    name   TEXT    PRIMARY KEY,
    due_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX doomed_files_due ON doomed_files (due_at);
CREATE TRIGGER media_gone AFTER DELETE ON media BEGIN
    INSERT OR REPLACE INTO doomed_files (name, due_at) VALUES (old.file, 0);
END;

-- How far an import has come.
CREATE TABLE imports (
    source   TEXT    PRIMARY KEY,
    position INTEGER NOT NULL,
    at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
