-- One row an attempt, written before the attempt is sent: whose it is, where it goes, and the most it can cost.
-- Amounts are pico-USD, times are microseconds since 1970, days are UTC.
CREATE TABLE reserved (
    attempt        uuid PRIMARY KEY,
    replica        text NOT NULL,
    tenant         text NOT NULL,
    request_id     text NOT NULL,
    number         bigint NOT NULL,
    at             bigint NOT NULL,
    day            text NOT NULL,
    operation      text NOT NULL,
    model          text NOT NULL,
    model_id       text NOT NULL,
    region         text NOT NULL,
    tier           text NOT NULL,
    labels         jsonb NOT NULL,
    price_version  text NOT NULL,
    pico_usd       bigint NOT NULL CHECK (pico_usd >= 0)
);
CREATE INDEX reserved_by_time ON reserved (tenant, at);

-- One row an attempt that has ended: how, and what it cost.
CREATE TABLE settled (
    attempt         uuid PRIMARY KEY REFERENCES reserved (attempt),
    tenant          text NOT NULL,
    at              bigint NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('exact', 'estimated', 'unpriced', 'void')),
    outcome         text NOT NULL,
    aws_request_id  text NOT NULL,
    input           bigint NOT NULL,
    cache_read      bigint NOT NULL,
    cache_write_5m  bigint NOT NULL,
    cache_write_1h  bigint NOT NULL,
    output          bigint NOT NULL,
    pico_usd        bigint NOT NULL CHECK (pico_usd >= 0)
);
CREATE INDEX settled_by_request ON settled (tenant, aws_request_id);

-- Reservations without a settlement.
CREATE TABLE open (
    attempt   uuid PRIMARY KEY,
    replica   text NOT NULL,
    tenant    text NOT NULL,
    day       text NOT NULL,
    pico_usd  bigint NOT NULL
);
CREATE INDEX open_by_replica ON open (replica);

-- Sums of a day (2026-11-24) or a month (2026-11): what has been spent, and what is held for open reservations.
CREATE TABLE balances (
    tenant    text NOT NULL,
    period    text NOT NULL,
    settled   bigint NOT NULL,
    reserved  bigint NOT NULL,
    PRIMARY KEY (tenant, period)
);

-- Who writes here, and until when each of them counts as alive.
CREATE TABLE replicas (
    name         text PRIMARY KEY,
    alive_until  bigint NOT NULL
);

CREATE FUNCTION reserve() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO open VALUES (NEW.attempt, NEW.replica, NEW.tenant, NEW.day, NEW.pico_usd);
    INSERT INTO balances AS held VALUES
        (NEW.tenant, NEW.day, 0, NEW.pico_usd),
        (NEW.tenant, left(NEW.day, 7), 0, NEW.pico_usd)
        ON CONFLICT (tenant, period) DO UPDATE SET reserved = held.reserved + excluded.reserved;
    RETURN NULL;
END $$;
CREATE TRIGGER reserve AFTER INSERT ON reserved FOR EACH ROW EXECUTE FUNCTION reserve();

CREATE FUNCTION settle() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE held open; BEGIN
    DELETE FROM open WHERE attempt = NEW.attempt RETURNING * INTO held;
    UPDATE balances SET settled = settled + NEW.pico_usd, reserved = reserved - held.pico_usd
        WHERE tenant = NEW.tenant AND period IN (held.day, left(held.day, 7));
    RETURN NULL;
END $$;
CREATE TRIGGER settle AFTER INSERT ON settled FOR EACH ROW EXECUTE FUNCTION settle();

CREATE FUNCTION rows_stay() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    RAISE EXCEPTION 'rows of the ledger never change';
END $$;
CREATE TRIGGER reserved_stays BEFORE UPDATE ON reserved FOR EACH ROW EXECUTE FUNCTION rows_stay();
CREATE TRIGGER settled_stays BEFORE UPDATE ON settled FOR EACH ROW EXECUTE FUNCTION rows_stay();
