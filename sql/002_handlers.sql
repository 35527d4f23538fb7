-- Messages that are handed to a handler, and quotas.

-- How often a handler was given it; 0 for the inbox, which needs none.  Written by the gateway, and by the
-- operator's `inbox deliver` and `inbox retry`.
ALTER TABLE message ADD COLUMN attempt INTEGER NOT NULL DEFAULT 0;

-- While status is 2 (in progress): until when the one who gave it to a handler is believed alive.  After that
-- anybody may give it to a handler again.
ALTER TABLE message ADD COLUMN leased_until INTEGER CHECK ((leased_until IS NOT NULL) = (status = 2));

-- What the handler answered, kept while the client may ask for it again (PROTOCOL 6, `oldest`).  NULL for a
-- message whose attempt is above 0 and status 0: it was dropped.  status is 0 accepted, 2 in progress,
-- 6 forbidden or 9 failed.
ALTER TABLE message ADD COLUMN reply BLOB;

CREATE INDEX message_unsettled ON message (leased_until) WHERE status = 2;
CREATE INDEX message_with_reply ON message (installation, counter) WHERE length(reply) > 0;

-- What counts towards a client's quotas: a cache of what the messages say.  A row is made when one is needed and
-- kept by the gateways that have quotas; whoever changes messages without keeping it deletes all rows.
CREATE TABLE usage (
  name       TEXT NOT NULL PRIMARY KEY,
  day        INTEGER NOT NULL,            -- days since 1970, UTC
  messages   INTEGER NOT NULL,            -- of that day
  bytes      INTEGER NOT NULL,            -- of bodies that are kept
  alarmed_at INTEGER NOT NULL DEFAULT 0   -- when it was last reported that a quota is used up
) STRICT, WITHOUT ROWID;

-- The same as before, with what became of a message that a handler was given.
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
    CASE message.status WHEN 0 THEN 'settled' WHEN 2 THEN 'pending' ELSE 'failed' END AS state,
    message.attempt
  FROM message
  JOIN installation ON installation.id = message.installation
  WHERE message.body IS NOT NULL;

-- Each message as the statistics count it.  One in progress was accepted; what its handler makes of it is seen
-- later.
CREATE VIEW counted AS
  SELECT
    message.id,
    strftime('%Y-%m-%d', message.received_at / 1000, 'unixepoch') AS day,
    installation.name,
    CASE message.status WHEN 6 THEN 'forbidden' WHEN 9 THEN 'failed' ELSE 'accepted' END AS outcome
  FROM message
  JOIN installation ON installation.id = message.installation;
