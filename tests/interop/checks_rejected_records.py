"""Records that are rejected (PROTOCOL 6, steps 1 and 2)."""

import dataclasses
import secrets

import sealpost_protocol as sp
from gateway_client import PING, REJECTED, check, each, expect, expect_that, flip
from checks_sessions import pending

BROKEN_RECORDS = [
    ("its first byte 0x13", flip(0)),
    ("the first byte of a handshake", flip(0, 0x03)),
    ("the first byte of an answer", flip(0, 0x80)),
    ("its session_id changed", flip(1)),
    ("its counter changed", flip(24)),
    ("its counter made greater than 2^63", flip(17, 0x80)),
    ("its random bytes changed", flip(25)),
    ("its last random byte changed", flip(40)),
    ("its ciphertext changed", flip(41)),
    ("its tag changed", flip(-1)),
    ("its last byte removed", lambda whole: whole[:-1]),
    ("a byte more", lambda whole: whole + b"\0"),
    ("only its header", lambda whole: whole[:41]),
    ("only part of its header", lambda whole: whole[:40]),
    ("no whole tag", lambda whole: whole[:56]),
    ("only its first byte", lambda whole: whole[:1]),
]


@each("a record with {} is rejected", BROKEN_RECORDS)
def broken_records(world, change):
    client = world.regular
    expect(client.deliver(client.seal(client.message(PING)).changed(change)), REJECTED)


@check("a record with any byte changed is rejected, and the unchanged record is then accepted")
def every_byte_of_a_record(world):
    client = world.client()
    expect(client.ping(), "accepted")
    record = client.seal(client.message())
    for index in range(len(record.encrypted)):
        broken = record.changed(flip(index, 1 << index % 8))
        expect_that(client.deliver(broken).said == REJECTED, REJECTED, f"otherwise, byte {index}")
    expect(client.deliver(record), "accepted")


REJECTED_RECORDS = [
    ("a session nobody has", lambda c: dict(session_id=secrets.token_bytes(16))),
    ("another client's session", lambda c: dict(session_id=live_session(c).id)),
    ("the key of answers", lambda c: dict(key=c.session.k_s2c)),
    ("another client's name, sealed for it", lambda c: dict(name=c.world.client().name)),
    ("a name nobody has, sealed for it", lambda c: dict(name=c.name + b"x")),
    ("its name in capitals, sealed for it", lambda c: dict(name=c.name.upper())),
    ("a name that is not bound", lambda c: dict(name=c.name, clear=sp.clear_fields())),
    ("a name bound that is not there", lambda c: dict(clear=sp.clear_fields(c.name))),
    ("a key_use_hmac that is not bound",
     lambda c: dict(place="clear", clear=sp.clear_fields())),
    ("a key_use_hmac bound that is not there",
     lambda c: dict(clear=sp.clear_fields(b"", c.key.key_use_hmac))),
    ("clear fields left out of the AAD", lambda c: dict(clear=b"")),
]


def live_session(client):
    other = client.world.client()
    expect(other.ping(), "accepted")
    return other.session


@each("a record with {} is rejected", REJECTED_RECORDS)
def rejected_records(world, changes):
    client = world.regular
    expect(client.ping(**changes(client)), REJECTED)


CHANGED_CLEAR = [
    ("key_use_hmac was changed", dict(place="clear"), lambda c: dict(key_use_hmac=bytes(32))),
    ("key_use_hmac was taken away", dict(place="clear"), lambda c: dict(key_use_hmac=b"")),
    ("name was changed to another client's", dict(name=True),
     lambda c: dict(name=c.world.client().name)),
    ("name was taken away", dict(name=True), lambda c: dict(name=b"")),
]


@each("a record whose clear {} on the way is rejected", CHANGED_CLEAR)
def changed_clear_fields(world, given, changes):
    client = world.regular
    given = given | {"name": client.name if given.get("name") else b""}
    record = client.seal(client.message(PING), **given)
    expect(client.deliver(dataclasses.replace(record, **changes(client))), REJECTED)


# LITERAL: a counter is below 2^63 (PROTOCOL 2), so that such a header is no header (6, step 1).
@each("a sealed record with counter {} is rejected",
      [("2^63", 2**63), ("2^64 - 1", 2**64 - 1)])
def counters_beyond(world, counter):
    client = world.regular
    message = dataclasses.replace(client.message(PING), counter=counter)
    expect(client.send(message), REJECTED)


@check("the greatest counter is accepted once and its receipt says 2^63")
def greatest_counter(world):
    client = world.client()
    message = client.message(counter=2**63 - 1)
    answer = expect(client.send(message), "accepted").answer
    expect(sp.receipt_next(answer.receipt), 2**63)
    expect(client.send(message), "duplicate")
    expect(client.send(client.message(counter=2**63 - 1024)), "accepted")
    expect(client.send(client.message(counter=2**63 - 1025)), "too_old")
    expect(sp.receipt_next(expect(client.handshake(), "accepted").answer.receipt), 2**63)


@check("a record of an ended session is rejected when sent again")
def record_of_ended_session(world):
    client = world.client()
    expect(client.handshake(), "accepted")
    record = client.seal(client.message())
    expect(client.deliver(record), "accepted")
    pending(client, 1)
    expect(client.ping(), "accepted")
    expect(client.deliver(record), REJECTED)


@check("rejected records do not end the session")
def rejected_records_keep_session(world):
    client = world.client()
    expect(client.ping(), "accepted")
    for _ in range(20):
        expect(client.ping(key=secrets.token_bytes(32)), REJECTED)
    expect(client.send(client.message(counter=1)), "accepted")
