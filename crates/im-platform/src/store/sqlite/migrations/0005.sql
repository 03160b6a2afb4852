-- Format 5: an index for forgetting who was erased, and no statistics of SQLite's planner, which earlier formats gathered at each stop: plans are the
-- same for every amount of data (tests/store/plans.txt).
CREATE INDEX erased_age ON erased (at);
DROP TABLE IF EXISTS sqlite_stat1;
DROP TABLE IF EXISTS sqlite_stat4;

-- How much each interface keeps, in bytes of content, so that a limit can be looked up instead of counted. Every change goes through the triggers.
CREATE TABLE space (
    interface TEXT    PRIMARY KEY,
    bytes     INTEGER NOT NULL,
    items     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What history gives up first when space runs short.
CREATE INDEX messages_history ON messages (decided_at) WHERE seq IS NULL AND stanza IS NOT NULL;
CREATE INDEX media_age ON media (created_at);

-- A decision without its message is an answer under a key and costs nothing here.
INSERT INTO space SELECT 'messages', coalesce(sum(octet_length(stanza)), 0), count(*) FROM messages WHERE stanza IS NOT NULL;
CREATE TRIGGER messages_space_in AFTER INSERT ON messages WHEN new.stanza IS NOT NULL BEGIN
    UPDATE space SET bytes = bytes + octet_length(new.stanza), items = items + 1 WHERE interface = 'messages';
END;
CREATE TRIGGER messages_space_out AFTER DELETE ON messages WHEN old.stanza IS NOT NULL BEGIN
    UPDATE space SET bytes = bytes - octet_length(old.stanza), items = items - 1 WHERE interface = 'messages';
END;
CREATE TRIGGER messages_space_change AFTER UPDATE OF stanza ON messages BEGIN
    UPDATE space SET bytes = bytes + coalesce(octet_length(new.stanza), 0) - coalesce(octet_length(old.stanza), 0),
        items = items + (new.stanza IS NOT NULL) - (old.stanza IS NOT NULL) WHERE interface = 'messages';
END;

INSERT INTO space SELECT 'rooms', coalesce(sum(octet_length(stanza)), 0), count(*) FROM room_messages;
CREATE TRIGGER room_messages_space_in AFTER INSERT ON room_messages BEGIN
    UPDATE space SET bytes = bytes + octet_length(new.stanza), items = items + 1 WHERE interface = 'rooms';
END;
CREATE TRIGGER room_messages_space_out AFTER DELETE ON room_messages BEGIN
    UPDATE space SET bytes = bytes - octet_length(old.stanza), items = items - 1 WHERE interface = 'rooms';
END;

INSERT INTO space SELECT 'events', coalesce(sum(octet_length(data)), 0), count(*) FROM events;
CREATE TRIGGER events_space_in AFTER INSERT ON events BEGIN
    UPDATE space SET bytes = bytes + octet_length(new.data), items = items + 1 WHERE interface = 'events';
END;
CREATE TRIGGER events_space_out AFTER DELETE ON events BEGIN
    UPDATE space SET bytes = bytes - octet_length(old.data), items = items - 1 WHERE interface = 'events';
END;

INSERT INTO space SELECT 'footprints',
    coalesce(sum(coalesce(octet_length(text), 0) + coalesce(octet_length(stanza), 0) + 500), 0), count(*) FROM footprints;
CREATE TRIGGER footprints_space_in AFTER INSERT ON footprints BEGIN
    UPDATE space SET bytes = bytes + coalesce(octet_length(new.text), 0) + coalesce(octet_length(new.stanza), 0) + 500, items = items + 1
        WHERE interface = 'footprints';
END;
CREATE TRIGGER footprints_space_out AFTER DELETE ON footprints BEGIN
    UPDATE space SET bytes = bytes - coalesce(octet_length(old.text), 0) - coalesce(octet_length(old.stanza), 0) - 500, items = items - 1
        WHERE interface = 'footprints';
END;

INSERT INTO space SELECT 'media', coalesce(sum(size), 0), count(*) FROM media;
CREATE TRIGGER media_space_in AFTER INSERT ON media BEGIN
    UPDATE space SET bytes = bytes + new.size, items = items + 1 WHERE interface = 'media';
END;
CREATE TRIGGER media_space_out AFTER DELETE ON media BEGIN
    UPDATE space SET bytes = bytes - old.size, items = items - 1 WHERE interface = 'media';
END;

INSERT INTO space SELECT 'downlink', coalesce(sum(octet_length(data)), 0), count(*) FROM downlink;
CREATE TRIGGER downlink_space_in AFTER INSERT ON downlink BEGIN
    UPDATE space SET bytes = bytes + octet_length(new.data), items = items + 1 WHERE interface = 'downlink';
END;
CREATE TRIGGER downlink_space_out AFTER DELETE ON downlink BEGIN
    UPDATE space SET bytes = bytes - octet_length(old.data), items = items - 1 WHERE interface = 'downlink';
END;

-- Whom an announcement, or an answer that is remembered, names beside its subject, so that it goes with them.
CREATE TABLE downlink_parties (
    jid TEXT    NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (jid, seq)
) STRICT, WITHOUT ROWID;
CREATE INDEX downlink_parties_seq ON downlink_parties (seq);
INSERT OR IGNORE INTO downlink_parties
    SELECT CASE WHEN instr(t.atom, '/') > 0 THEN substr(t.atom, 1, instr(t.atom, '/') - 1) ELSE t.atom END, d.seq
    FROM downlink d, json_tree(d.data) t WHERE t.type = 'text' AND t.atom LIKE '%_@_%';
CREATE TRIGGER downlink_gone AFTER DELETE ON downlink BEGIN
    DELETE FROM downlink_parties WHERE seq = old.seq;
END;
CREATE TRIGGER downlink_space_change AFTER UPDATE OF data ON downlink BEGIN
    UPDATE space SET bytes = bytes + octet_length(new.data) - octet_length(old.data) WHERE interface = 'downlink';
END;
CREATE TABLE once_parties (
    jid    TEXT NOT NULL,
    caller TEXT NOT NULL,
    key    TEXT NOT NULL,
    PRIMARY KEY (jid, caller, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX once_parties_key ON once_parties (caller, key);
INSERT OR IGNORE INTO once_parties
    SELECT CASE WHEN instr(t.atom, '/') > 0 THEN substr(t.atom, 1, instr(t.atom, '/') - 1) ELSE t.atom END, o.caller, o.key
    FROM once o, json_tree(o.answer) t WHERE t.type = 'text' AND t.atom LIKE '%_@_%';
CREATE TRIGGER once_gone AFTER DELETE ON once BEGIN
    DELETE FROM once_parties WHERE caller = old.caller AND key = old.key;
END;
