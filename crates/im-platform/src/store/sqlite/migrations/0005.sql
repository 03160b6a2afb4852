-- Format 5: an index for forgetting who was erased, and no statistics of SQLite's planner, which earlier formats gathered at each stop: plans are the
-- same for every amount of data (tests/store/plans.txt).
CREATE INDEX erased_age ON erased (at);
DROP TABLE IF EXISTS sqlite_stat1;
DROP TABLE IF EXISTS sqlite_stat4;
