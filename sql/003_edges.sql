-- Renewal with overlap, handshakes counted by name, suspended messages, and session keys that leave no copy.

-- A renewed client has at most one former credential, which stays valid until the first record of the new one, or
-- until former_until (PROTOCOL 3). All three are NULL, or none is. The end is compared with the clock, never written.
ALTER TABLE client ADD COLUMN former INTEGER CHECK (former BETWEEN 1 AND generation);
ALTER TABLE client ADD COLUMN former_kid INTEGER
  CHECK ((former_kid IS NULL) = (former IS NULL) AND former_kid BETWEEN 1 AND 255);
ALTER TABLE client ADD COLUMN former_until INTEGER CHECK ((former_until IS NULL) = (former IS NULL));

-- The issuance log as it was compared with this database: its length in bytes and the SHA-256 of its last line. While
-- the file still ends so, it holds nothing that this database does not know.
ALTER TABLE server ADD COLUMN issuance_length INTEGER NOT NULL DEFAULT 0;
ALTER TABLE server ADD COLUMN issuance_line BLOB CHECK (length(issuance_line) = 32);

-- The sealed keys of sessions. SQLite leaves copies in the unused part of a page when it moves rows between pages. So
-- rows of this table never move: the gateway only appends them, never deletes them, and overwrites them in place with
-- values of the same size. A row that is not in use holds zeros and is used again. in_use has no size of its own,
-- because SQLite stores 0 and 1 in the row's header.
CREATE TABLE session_key (
  id          INTEGER PRIMARY KEY,
  in_use      INTEGER NOT NULL CHECK (in_use IN (0, 1)),
  sealed_keys BLOB NOT NULL CHECK (length(sealed_keys) = 104)  -- under the storage key of kid (PROTOCOL 8)
) STRICT;
CREATE INDEX session_key_free ON session_key (id) WHERE in_use = 0;

-- Live sessions, as before, with their keys in a table of their own.
ALTER TABLE session RENAME TO old_session;
DROP INDEX session_by_name;
DROP INDEX session_by_end;
INSERT INTO session_key
  SELECT row_number() OVER (ORDER BY session_id), 1, sealed_keys FROM old_session;
CREATE TABLE session (
  session_id    BLOB NOT NULL PRIMARY KEY CHECK (length(session_id) = 16),
  name          TEXT NOT NULL REFERENCES client (name),
  generation    INTEGER NOT NULL,
  kid           INTEGER NOT NULL,
  install_nonce BLOB NOT NULL CHECK (length(install_nonce) = 16),
  installation  INTEGER REFERENCES installation (id),  -- NULL while the session is pending
  keys          INTEGER NOT NULL REFERENCES session_key (id),
  begun_at      INTEGER NOT NULL,
  live_until    INTEGER NOT NULL,                      -- pending: 60 s; active: expires_at
  expires_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO session
  SELECT session_id, name, generation, kid, install_nonce, installation, row_number() OVER (ORDER BY session_id),
         begun_at, live_until, expires_at
  FROM old_session;
DROP TABLE old_session;
CREATE INDEX session_by_name ON session (name);
CREATE INDEX session_by_end ON session (live_until);

-- However a session ends, its keys are overwritten.
CREATE TRIGGER session_ended AFTER DELETE ON session
BEGIN
  UPDATE session_key SET in_use = 0, sealed_keys = zeroblob(104) WHERE id = OLD.keys;
END;

-- Handshakes of the last 150 s that began a session, to detect replays and to bound them by name and generation
-- (PROTOCOL 5, steps 4 and 10). The gateway writes them. Those of an older schema have no name.
ALTER TABLE handshake RENAME TO old_handshake;
DROP INDEX handshake_by_time;
CREATE TABLE handshake (
  digest     BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
  name       TEXT NOT NULL,
  generation INTEGER NOT NULL,
  seen_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO handshake SELECT digest, '', 0, seen_at FROM old_handshake;
DROP TABLE old_handshake;
CREATE INDEX handshake_by_time ON handshake (seen_at);
CREATE INDEX handshake_by_client ON handshake (name, generation, seen_at);

-- The inbox, with suspended messages: they were in progress when a backup was restored (PROTOCOL 7).
DROP VIEW inbox;
CREATE VIEW inbox AS
  SELECT
    message.id,
    installation.name,
    message.topic,
    message.claims,
    message.body,
    message.received_at,
    message.sent_at,
    installation.generation,
    installation.install_nonce,
    message.counter,
    message.message_id,
    message.digest,
    CASE message.status
      WHEN 0 THEN 'settled'
      WHEN 2 THEN 'pending'
      WHEN 14 THEN 'suspended'
      ELSE 'failed'
    END AS state,
    message.attempt
  FROM message
  JOIN installation ON installation.id = message.installation
  WHERE message.body IS NOT NULL;

-- Each message as the statistics count it. A message that is in progress or suspended counts as accepted.
DROP VIEW counted;
CREATE VIEW counted AS
  SELECT
    message.id,
    strftime('%Y-%m-%d', message.received_at / 1000, 'unixepoch') AS day,
    installation.name,
    CASE message.status
      WHEN 6 THEN 'forbidden'
      WHEN 9 THEN 'failed'
      WHEN 11 THEN 'no_route'
      WHEN 12 THEN 'too_large'
      WHEN 13 THEN 'withdrawn'
      ELSE 'accepted'
    END AS outcome
  FROM message
  JOIN installation ON installation.id = message.installation;

-- Statistics and pruning in a large database.

-- prune finds old messages by time.
CREATE INDEX message_by_time ON message (received_at);

-- The messages up to this number are counted in `tally`, also those that prune deletes later. The operator's stats
-- and prune raise it. stats counts the messages above it anew.
ALTER TABLE server ADD COLUMN tallied INTEGER NOT NULL DEFAULT 0;

-- A counted message whose status changes is counted under its new outcome.
CREATE TRIGGER message_uncounted BEFORE UPDATE OF status ON message
WHEN OLD.status <> NEW.status AND OLD.id <= (SELECT tallied FROM server)
BEGIN
  INSERT INTO tally (day, name, outcome, count)
  SELECT day, name, outcome, -1 FROM counted WHERE id = OLD.id
  ON CONFLICT (day, name, outcome) DO UPDATE SET count = count - 1;
END;
CREATE TRIGGER message_counted AFTER UPDATE OF status ON message
WHEN OLD.status <> NEW.status AND OLD.id <= (SELECT tallied FROM server)
BEGIN
  INSERT INTO tally (day, name, outcome, count)
  SELECT day, name, outcome, 1 FROM counted WHERE id = NEW.id
  ON CONFLICT (day, name, outcome) DO UPDATE SET count = count + 1;
END;

-- Topics that no route took in the last hour, so that the operator is told of each only once an hour. The gateway
-- writes them.
CREATE TABLE no_route_alarm (
  topic     TEXT NOT NULL PRIMARY KEY,
  raised_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX no_route_alarm_by_time ON no_route_alarm (raised_at);
