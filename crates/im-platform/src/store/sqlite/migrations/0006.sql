-- Format 6: footprints for chosen people, with links, and as points of a track.
ALTER TABLE footprints ADD COLUMN links TEXT NOT NULL DEFAULT '[]';     -- JSON array
ALTER TABLE footprints ADD COLUMN track TEXT;

-- Whom a footprint is for when its audience is people.
CREATE TABLE footprint_people (
    footprint INTEGER NOT NULL,
    jid       TEXT    NOT NULL,
    PRIMARY KEY (footprint, jid)
) STRICT, WITHOUT ROWID;
CREATE INDEX footprint_people_jid ON footprint_people (jid, footprint);
