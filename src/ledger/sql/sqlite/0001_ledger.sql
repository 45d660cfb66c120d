-- One row an attempt, written before the attempt is sent: whose it is, where it goes, and the most it can cost.
-- Amounts are pico-USD, times are microseconds since 1970, days are UTC.
CREATE TABLE reserved (
    attempt        TEXT PRIMARY KEY,
    replica        TEXT NOT NULL,
    tenant         TEXT NOT NULL,
    request_id     TEXT NOT NULL,
    number         INTEGER NOT NULL,
    at             INTEGER NOT NULL,
    day            TEXT NOT NULL,
    operation      TEXT NOT NULL,
    model          TEXT NOT NULL,
    model_id       TEXT NOT NULL,
    region         TEXT NOT NULL,
    tier           TEXT NOT NULL,
    labels         TEXT NOT NULL,
    price_version  TEXT NOT NULL,
    pico_usd       INTEGER NOT NULL CHECK (pico_usd >= 0)
) STRICT;
CREATE INDEX reserved_by_time ON reserved (tenant, at);

-- One row an attempt that has ended: how, and what it cost.
CREATE TABLE settled (
    attempt         TEXT PRIMARY KEY REFERENCES reserved (attempt),
    tenant          TEXT NOT NULL,
    at              INTEGER NOT NULL,
    kind            TEXT NOT NULL CHECK (kind IN ('exact', 'estimated', 'unpriced', 'void')),
    outcome         TEXT NOT NULL,
    aws_request_id  TEXT NOT NULL,
    input           INTEGER NOT NULL,
    cache_read      INTEGER NOT NULL,
    cache_write_5m  INTEGER NOT NULL,
    cache_write_1h  INTEGER NOT NULL,
    output          INTEGER NOT NULL,
    pico_usd        INTEGER NOT NULL CHECK (pico_usd >= 0)
) STRICT;
CREATE INDEX settled_by_request ON settled (tenant, aws_request_id);

-- Reservations without a settlement.
CREATE TABLE open (
    attempt   TEXT PRIMARY KEY,
    replica   TEXT NOT NULL,
    tenant    TEXT NOT NULL,
    day       TEXT NOT NULL,
    pico_usd  INTEGER NOT NULL
) STRICT;
CREATE INDEX open_by_replica ON open (replica);

-- Sums of a day (2026-11-24) or a month (2026-11): what has been spent, and what is held for open reservations.
CREATE TABLE balances (
    tenant    TEXT NOT NULL,
    period    TEXT NOT NULL,
    settled   INTEGER NOT NULL,
    reserved  INTEGER NOT NULL,
    PRIMARY KEY (tenant, period)
) STRICT;

-- Who writes here, and until when each of them counts as alive.
CREATE TABLE replicas (
    name         TEXT PRIMARY KEY,
    alive_until  INTEGER NOT NULL
) STRICT;

CREATE TRIGGER reserve AFTER INSERT ON reserved BEGIN
    INSERT INTO open VALUES (NEW.attempt, NEW.replica, NEW.tenant, NEW.day, NEW.pico_usd);
    INSERT INTO balances VALUES
        (NEW.tenant, NEW.day, 0, NEW.pico_usd),
        (NEW.tenant, substr(NEW.day, 1, 7), 0, NEW.pico_usd)
        ON CONFLICT DO UPDATE SET reserved = reserved + excluded.reserved;
END;

CREATE TRIGGER settle AFTER INSERT ON settled BEGIN
    UPDATE balances SET
        settled = settled + NEW.pico_usd,
        reserved = reserved - (SELECT pico_usd FROM open WHERE attempt = NEW.attempt)
        WHERE tenant = NEW.tenant AND period IN (
            SELECT day FROM open WHERE attempt = NEW.attempt
            UNION ALL SELECT substr(day, 1, 7) FROM open WHERE attempt = NEW.attempt);
    DELETE FROM open WHERE attempt = NEW.attempt;
END;

CREATE TRIGGER reserved_stays BEFORE UPDATE ON reserved BEGIN SELECT raise(ABORT, 'rows of the ledger never change'); END;
CREATE TRIGGER settled_stays BEFORE UPDATE ON settled BEGIN SELECT raise(ABORT, 'rows of the ledger never change'); END;
