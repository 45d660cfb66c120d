-- Calls that are made once under an id of their caller's. The body is the answer, content of the tenant's; it goes with its
-- row when that expires. Times are microseconds since 1970.
CREATE TABLE results (
    tenant      TEXT NOT NULL,
    request_id  TEXT NOT NULL,
    claim       TEXT NOT NULL,
    print       TEXT NOT NULL,
    replica     TEXT NOT NULL,
    at          INTEGER NOT NULL,
    expires     INTEGER NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('flying', 'kept', 'lost')),
    outcome     TEXT NOT NULL,
    body        TEXT,
    PRIMARY KEY (tenant, request_id)
) STRICT;
CREATE INDEX results_by_expiry ON results (expires);
CREATE INDEX results_flying ON results (replica) WHERE state = 'flying';
