-- Format 7: media for chosen people, as those of a conversation are.
CREATE TABLE media_people (
    medium TEXT NOT NULL,
    jid    TEXT NOT NULL,
    PRIMARY KEY (medium, jid)
) STRICT, WITHOUT ROWID;
CREATE INDEX media_people_jid ON media_people (jid, medium);
CREATE TRIGGER media_people_gone AFTER DELETE ON media BEGIN
    DELETE FROM media_people WHERE medium = old.id;
END;
