-- Messages for handlers, and quotas.

-- How often the message was given to a handler; 0 for the inbox. The gateway writes it, and so do the operator's
-- `inbox deliver` and `inbox retry`.
ALTER TABLE message ADD COLUMN attempt INTEGER NOT NULL DEFAULT 0;

-- While status is 2 (in progress): the end of the lease of the process that runs the handler. After that, any
-- process may deliver the message again.
ALTER TABLE message ADD COLUMN leased_until INTEGER CHECK ((leased_until IS NOT NULL) = (status = 2));

-- The handler's reply, kept while the client may ask for it again (PROTOCOL 6, `oldest`). If attempt is above 0 and
-- status is 0, NULL means that the reply was deleted. status is 0 accepted, 2 in progress, 6 forbidden or 9 failed.
ALTER TABLE message ADD COLUMN reply BLOB;

CREATE INDEX message_unsettled ON message (leased_until) WHERE status = 2;
CREATE INDEX message_with_reply ON message (installation, counter) WHERE length(reply) > 0;

-- How much of its quotas a client has used: a cache of the messages. A gateway with quotas makes a row when it needs
-- one, and updates it. Code that changes messages without updating this table must delete all its rows.
CREATE TABLE usage (
  name       TEXT NOT NULL PRIMARY KEY,
  day        INTEGER NOT NULL,            -- days since 1970, UTC
  messages   INTEGER NOT NULL,            -- of that day
  bytes      INTEGER NOT NULL,            -- of bodies that are kept
  alarmed_at INTEGER NOT NULL DEFAULT 0   -- the last alarm about a used-up quota
) STRICT, WITHOUT ROWID;

-- The inbox, with the state of messages that went to a handler.
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

-- Each message as the statistics count it. A message in progress counts as accepted; its handler's result shows
-- later.
CREATE VIEW counted AS
  SELECT
    message.id,
    strftime('%Y-%m-%d', message.received_at / 1000, 'unixepoch') AS day,
    installation.name,
    CASE message.status WHEN 6 THEN 'forbidden' WHEN 9 THEN 'failed' ELSE 'accepted' END AS outcome
  FROM message
  JOIN installation ON installation.id = message.installation;
