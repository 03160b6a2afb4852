-- Format 8: what rooms refused.

-- Keys of messages that a room did not take, so that a request that arrives after its settlement puts nothing on the timeline.
CREATE TABLE room_refused (
    key TEXT    NOT NULL PRIMARY KEY,
    at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX room_refused_age ON room_refused (at);
