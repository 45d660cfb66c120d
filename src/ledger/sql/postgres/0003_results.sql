-- Calls that are made once under an id of their caller's. The body is the answer, content of the tenant's; it goes with its
-- row when that expires. Times are microseconds since 1970.
CREATE TABLE results (
    tenant      text NOT NULL,
    request_id  text NOT NULL,
    claim       uuid NOT NULL,
    print       text NOT NULL,
    replica     text NOT NULL,
    at          bigint NOT NULL,
    expires     bigint NOT NULL,
    state       text NOT NULL CHECK (state IN ('flying', 'kept', 'lost')),
    outcome     text NOT NULL,
    body        text,
    PRIMARY KEY (tenant, request_id)
);
CREATE INDEX results_by_expiry ON results (expires);
CREATE INDEX results_flying ON results (replica) WHERE state = 'flying';
