-- Format 4: an index for what was shared with a group.
CREATE INDEX media_group ON media (grp) WHERE grp IS NOT NULL;
