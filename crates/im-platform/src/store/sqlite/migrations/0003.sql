-- Format 3: who was erased a short while ago, as SHA-256 of the address: a report that was under way, or the logout that follows, must not make the
-- user known again.
CREATE TABLE erased (
    hash BLOB    PRIMARY KEY,
    at   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
