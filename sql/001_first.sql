-- The first schema.  Times are milliseconds since 1970 unless said; 16-byte and 32-byte values are BLOBs of
-- exactly that size.  "Gateway" below is sealpost.fcgi, "operator" is the sealpost tool.

-- What this database is: one row, written when it is made.  The gateway and the operator replace the epoch
-- when the database has turned out, or been made, older than its own promises (PROTOCOL 7).
CREATE TABLE server (
  one          INTEGER PRIMARY KEY CHECK (one = 1),
  server_id    BLOB NOT NULL CHECK (length(server_id) = 16),  -- the same as beside the master keys
  epoch        BLOB NOT NULL CHECK (length(epoch) = 16),      -- the server's installation nonce
  epoch_since  INTEGER NOT NULL,
  epoch_reason TEXT NOT NULL                                  -- 'init', 'restore' or 'rollback'
) STRICT;

-- Who may speak.  Written by the operator, after the file of issues beside the master keys; a generation
-- never goes back.  A revoked client has a generation that was never given to anybody.
CREATE TABLE client (
  name       TEXT NOT NULL PRIMARY KEY,
  generation INTEGER NOT NULL CHECK (generation BETWEEN 1 AND 4294967295),
  kid        INTEGER NOT NULL CHECK (kid BETWEEN 1 AND 255),  -- the master key it was issued under
  claims     TEXT NOT NULL,                                   -- as issued, a JSON object
  issued_at  INTEGER NOT NULL,
  revoked_at INTEGER                                          -- NULL while it is not revoked
) STRICT, WITHOUT ROWID;

-- What counts messages.  Written by the gateway with an installation's first record, and kept while its
-- client exists.
CREATE TABLE installation (
  id            INTEGER PRIMARY KEY,
  name          TEXT NOT NULL,
  generation    INTEGER NOT NULL,
  install_nonce BLOB NOT NULL CHECK (length(install_nonce) = 16),
  since         INTEGER NOT NULL,
  alarmed_at    INTEGER NOT NULL DEFAULT 0,  -- when two copies of its state were last reported
  UNIQUE (name, generation, install_nonce)
) STRICT;

-- Live sessions.  Written by the gateway in a handshake, made active by the first record, and deleted with
-- their keys when another one of the name becomes active, when they end, and when the client is revoked.
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

-- Handshakes of the last 150 s, so that a replayed one is known.  Written by the gateway.
CREATE TABLE handshake (
  digest  BLOB NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
  seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX handshake_by_time ON handshake (seen_at);

-- Messages, and at once the record of used counters: there is no second place that could disagree.  Written by
-- the gateway; `next` of an installation is one more than its greatest counter here.  The operator's prune
-- deletes rows below the window and empties rows inside it; the newest row always stays, so that a number is
-- never given out twice.
CREATE TABLE message (
  id           INTEGER PRIMARY KEY,                       -- the operator's number, never the client's
  installation INTEGER NOT NULL REFERENCES installation (id),
  counter      INTEGER NOT NULL CHECK (counter >= 0),
  digest       BLOB NOT NULL CHECK (length(digest) = 32),
  status       INTEGER NOT NULL,                          -- 0 accepted, 6 forbidden (PROTOCOL 6)
  received_at  INTEGER NOT NULL,
  sent_at      INTEGER,                                   -- the client's estimate of our clock
  message_id   BLOB CHECK (length(message_id) = 16),
  topic        TEXT,
  claims       TEXT,                                      -- a JSON object
  body         BLOB,                                      -- NULL: not delivered here, or pruned
  UNIQUE (installation, counter)
) STRICT;

-- What the messages themselves do not tell: refusals, counted by the gateway, and messages that were pruned,
-- counted by the operator.  name is '' for strangers.
CREATE TABLE tally (
  day     TEXT NOT NULL,  -- '2026-11-23', UTC
  name    TEXT NOT NULL,
  outcome TEXT NOT NULL,  -- 'accepted', or the code of a refusal's reason
  count   INTEGER NOT NULL,
  PRIMARY KEY (day, name, outcome)
) STRICT, WITHOUT ROWID;

-- What was delivered here and not yet pruned, for people and their programs to read.
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
