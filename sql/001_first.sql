-- The first schema. Times are milliseconds since 1970 unless stated otherwise. Values of 16 and 32 bytes are BLOBs
-- of exactly that size. Below, "gateway" is sealpost.fcgi and "operator" is the tool sealpost.

-- Identifies the database: one row, written when the database is made. If the database is older than its own
-- promises, the gateway replaces the epoch; after a restore the operator replaces it (PROTOCOL 7).
CREATE TABLE server (
  one          INTEGER PRIMARY KEY CHECK (one = 1),
  server_id    BLOB NOT NULL CHECK (length(server_id) = 16),  -- equal to the one beside the master keys
  epoch        BLOB NOT NULL CHECK (length(epoch) = 16),      -- the server's installation nonce
  epoch_since  INTEGER NOT NULL,
  epoch_reason TEXT NOT NULL                                  -- 'init', 'restore' or 'rollback'
) STRICT;

-- The clients. The operator writes a row after the issuance log beside the master keys. A generation never
-- decreases. A revoked client has a generation that was never issued.
CREATE TABLE client (
  name       TEXT NOT NULL PRIMARY KEY,
  generation INTEGER NOT NULL CHECK (generation BETWEEN 1 AND 4294967295),
  kid        INTEGER NOT NULL CHECK (kid BETWEEN 1 AND 255),  -- the master key it was issued under
  claims     TEXT NOT NULL,                                   -- as issued, a JSON object
  issued_at  INTEGER NOT NULL,
  revoked_at INTEGER                                          -- NULL while it is not revoked
) STRICT, WITHOUT ROWID;

-- Installations count messages. The gateway writes a row with an installation's first record. The row stays while
-- its client exists.
CREATE TABLE installation (
  id            INTEGER PRIMARY KEY,
  name          TEXT NOT NULL,
  generation    INTEGER NOT NULL,
  install_nonce BLOB NOT NULL CHECK (length(install_nonce) = 16),
  since         INTEGER NOT NULL,
  alarmed_at    INTEGER NOT NULL DEFAULT 0,  -- the last alarm about two copies of its state
  UNIQUE (name, generation, install_nonce)
) STRICT;

-- Live sessions. The gateway writes a session in a handshake and makes it active with the first record. A session is
-- deleted with its keys when another session of the name becomes active, when it expires or is ended, and when its
-- client is revoked.
CREATE TABLE session (
  session_id    BLOB NOT NULL PRIMARY KEY CHECK (length(session_id) = 16),
  name          TEXT NOT NULL REFERENCES client (name),
  generation    INTEGER NOT NULL,
  kid           INTEGER NOT NULL,
  install_nonce BLOB NOT NULL CHECK (length(install_nonce) = 16),
  installation  INTEGER REFERENCES installation (id),  -- NULL while the session is pending
  sealed_keys   BLOB NOT NULL,                         -- under the storage key of kid (PROTOCOL 8)
  begun_at      INTEGER NOT NULL,
  live_until    INTEGER NOT NULL,                      -- pending: 60 s; active: expires_at
  expires_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_by_name ON session (name);
CREATE INDEX session_by_end ON session (live_until);

-- Handshakes of the last 150 s, to detect replays. The gateway writes them.
CREATE TABLE handshake (
  digest  BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
  seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX handshake_by_time ON handshake (seen_at);

-- Messages. They are also the record of used counters, so no second place can disagree. The gateway writes them. An
-- installation's `next` is its greatest counter here plus one. The operator's prune deletes rows below the window and
-- empties rows inside it. The newest row always stays, so that no number is given out twice.
CREATE TABLE message (
  id           INTEGER PRIMARY KEY,                       -- the operator's number; clients never see it
  installation INTEGER NOT NULL REFERENCES installation (id),
  counter      INTEGER NOT NULL CHECK (counter >= 0),
  digest       BLOB NOT NULL CHECK (length(digest) = 32),
  status       INTEGER NOT NULL,                          -- 0 accepted, 6 forbidden (PROTOCOL 6)
  received_at  INTEGER NOT NULL,
  sent_at      INTEGER,                                   -- by the client's estimate of the server's clock
  message_id   BLOB CHECK (length(message_id) = 16),
  topic        TEXT,
  claims       TEXT,                                      -- a JSON object
  body         BLOB,                                      -- NULL: not for the inbox, or pruned
  UNIQUE (installation, counter)
) STRICT;

-- Counts that the messages do not show: rejections, which the gateway counts, and pruned messages, which the
-- operator counts. name is '' for unauthenticated clients.
CREATE TABLE tally (
  day     TEXT NOT NULL,  -- '2026-11-23', UTC
  name    TEXT NOT NULL,
  outcome TEXT NOT NULL,  -- 'accepted', or the outcome or reason of a rejection
  count   INTEGER NOT NULL,
  PRIMARY KEY (day, name, outcome)
) STRICT, WITHOUT ROWID;

-- The messages in the inbox that are not pruned, for people and their programs.
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
    message.digest
  FROM message
  JOIN installation ON installation.id = message.installation
  WHERE message.body IS NOT NULL;
