"""Shape and claims of records (PROTOCOL 6, steps 3 and 4)."""

import sealpost_protocol as sp
from gateway_client import check, each, expect, flip
from checks_handshakes import NOT_ISSUED


def cut(size):
    return dict(plaintext=lambda whole: whole[:size])


MALFORMED_RECORDS = [
    ("nothing in it", lambda c: cut(0)),
    ("half a sent_at", lambda c: cut(4)),
    ("no oldest", lambda c: cut(8)),
    ("half a receipt", lambda c: cut(30)),
    ("no claims", lambda c: cut(40)),
    ("half its claims", lambda c: cut(42 + len(c.claims) // 2)),
    ("half a key_use_hmac", lambda c: cut(42 + len(c.claims) + 17)),
    ("half a message_id", lambda c: cut(42 + len(c.claims) + 33 + 8)),
    ("no topic", lambda c: cut(42 + len(c.claims) + 33 + 16)),
    ("half a topic", lambda c: cut(42 + len(c.claims) + 33 + 16 + 1 + 5)),
    ("claims longer than all", lambda c: dict(plaintext=flip(40, 0x40))),
    ("key_use_hmac in both places", lambda c: dict(place="both")),
    ("key_use_hmac in neither place", lambda c: dict(place="neither")),
    ("a key_use_hmac of 31 bytes", lambda c: dict(hmac=bytes(31))),
    ("a key_use_hmac of 33 bytes", lambda c: dict(hmac=bytes(33))),
]


@each("a record with {} is malformed", MALFORMED_RECORDS)
def malformed_records(world, changes):
    client = world.regular
    expect(client.ping(**changes(client)), "malformed")


MALFORMED_TOPICS = [
    ("of no byte", b""), ("of 129 bytes", b"t" * 129), ("of 255 bytes", b"t" * 255),
    ("with a space", b"a b"), ("with a newline", b"a\n"), ("with a zero byte", b"a\0"),
    ("with a byte over 127", "\u00e9".encode()), ("with a +", b"a+b"), ("with a #", b"a/#"),
    ("with a :", b"a:b"),
]


@each("a topic {} is malformed", MALFORMED_TOPICS)
def malformed_topics(world, topic):
    client = world.regular
    expect(client.send(client.message(topic)), "malformed")


TOPICS = [
    ("of one byte", b"t"), ("of 128 bytes", b"t" * 128),
    ("of every kind of byte", b"AZaz09._-/"), ("with a slash in front", b"/t"),
    ("of slashes", b"///"), ("of two dots", b".."),
    ("that only starts like a reserved one", b"sealposted/x"), ("`sealpost` alone", b"sealpost"),
    ("reserved but for a capital", b"Sealpost/x"),
]


@each("a topic {} is accepted", TOPICS)
def good_topics(world, topic):
    client = world.regular
    expect(client.send(client.message(topic)), "accepted")


BODIES = [("of no byte", b""), ("of one zero byte", b"\0"), ("of every byte", bytes(range(256))),
          ("of 3,000 bytes", b"x" * 3000)]


@each("a body {} is accepted", BODIES)
def good_bodies(world, body):
    client = world.regular
    expect(client.send(client.message(body=body)), "accepted")


# LITERAL: step 3 comes before the counter, so that it stays unused.
@check("a malformed record does not use its counter")
def malformed_uses_nothing(world):
    client = world.client()
    message = client.message()
    malformed = expect(client.send(message, plaintext=lambda whole: whole[:50]), "malformed")
    expect(malformed.answer.receipt, sp.NO_RECEIPT)
    expect(client.send(message), "accepted")


@each("a record with {} is forbidden", NOT_ISSUED)
def record_not_issued(world, changes):
    client = world.regular
    expect(client.ping(**changes(client)), "forbidden")


# LITERAL: step 4 comes before the counter, so that it stays unused.
@check("a record forbidden for its key_use_hmac does not use its counter")
def forbidden_hmac_uses_nothing(world):
    client = world.client()
    message = client.message()
    forbidden = expect(client.send(message, hmac=bytes(32)), "forbidden")
    expect(forbidden.answer.receipt, sp.NO_RECEIPT)
    expect(client.send(message), "accepted")


RECORD_PRECEDENCE = [
    ("malformed comes before forbidden", dict(topic=b"a b"), dict(hmac=bytes(32)), "malformed"),
    ("malformed comes before late", dict(topic=b"a b"), dict(shift=301_000), "malformed"),
    ("a false key_use_hmac comes before late", dict(), dict(hmac=bytes(32), shift=301_000),
     "forbidden"),
    ("malformed comes before a used counter", dict(topic=b"a b", counter=0), dict(), "malformed"),
    ("a false key_use_hmac comes before a used counter", dict(counter=0), dict(hmac=bytes(32)),
     "forbidden"),
    ("conflict comes before late", dict(counter=0), dict(shift=301_000), "conflict"),
    ("conflict comes before a reserved topic", dict(counter=0, topic=b"sealpost/none"), dict(),
     "conflict"),
    # LITERAL: the order of the sentences of step 8.
    ("late comes before a reserved topic", dict(topic=b"sealpost/none"), dict(shift=301_000),
     "late"),
]


@each("in a record {}", RECORD_PRECEDENCE)
def record_precedence(world, made, changes, expected):
    client = world.client()
    expect(client.ping(), "accepted")
    expect(client.send(client.message(**made), **changes), expected)
