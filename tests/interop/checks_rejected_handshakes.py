"""Handshakes that are rejected (PROTOCOL 5, steps 1 to 4)."""

import dataclasses
import secrets

import sealpost_protocol as sp
from gateway_client import (
    DAY, REJECTED, check, each, expect, expect_answer, expect_that, flip, together)
from checks_form import reordered

P = 2**255 - 19
ORDER_EIGHT = (
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
)
LOW_ORDER = [
    ("0", bytes(32)), ("1", (1).to_bytes(32, "little")),
    ("p - 1", (P - 1).to_bytes(32, "little")), ("p", P.to_bytes(32, "little")),
    ("p + 1", (P + 1).to_bytes(32, "little")),
    ("of order eight", bytes.fromhex(ORDER_EIGHT[0])),
    ("of order eight, the other", bytes.fromhex(ORDER_EIGHT[1])),
]
LOW_ORDER += [(why + ", its highest bit set", flip(31, 0x80)(point)) for why, point in LOW_ORDER]


@each("a handshake with the right key and the point {} is rejected", LOW_ORDER)
def low_order_points(world, point):
    client = world.regular
    expect_answer(client, client.offer(public=point), REJECTED)


@check("a point of low order is rejected before the clock is checked")
def low_order_before_late(world):
    client = world.regular
    expect_answer(client, client.offer(public=bytes(32), shift=-DAY), REJECTED)


def other_kid(client):
    return client.key.kid % 255 + 1


REJECTED_OFFERS = [
    ("another kid, sealed for it", lambda c: dict(kid=other_kid(c))),
    ("kid 0", lambda c: dict(kid=0)),
    ("the next generation, sealed for it", lambda c: dict(generation=c.key.generation + 1)),
    ("generation 0", lambda c: dict(generation=0)),
    ("generation 2^32 - 1", lambda c: dict(generation=2**32 - 1)),
    ("a name nobody has", lambda c: dict(name=c.name + b"x")),
    ("another client's name", lambda c: dict(name=c.world.client().name)),
    ("its name in capitals", lambda c: dict(name=c.name.upper())),
    # The name is missing from a form that is otherwise in order: rejected, as section 5 says of
    # its step 1, and section 4 of `name`.  LITERAL: not 400.
    ("no name", lambda c: dict(name=b"")),
    ("another server_id", lambda c: dict(server_id=secrets.token_bytes(16))),
    ("another psk", lambda c: dict(psk=secrets.token_bytes(32))),
    ("the client key where the psk belongs", lambda c: dict(psk=c.key.client_key)),
    ("clear fields that are not bound", lambda c: dict(clear=b"")),
    ("a name that is not bound", lambda c: dict(clear=sp.clear_fields(b"", b""))),
    ("a key_use_hmac that is not bound",
     lambda c: dict(place="clear", clear=sp.clear_fields(c.name))),
    ("a key_use_hmac bound that is not there",
     lambda c: dict(clear=sp.clear_fields(c.name, c.key.key_use_hmac))),
    ("one byte more than 2,048", lambda c: dict(payload=padded_to(2049))),
]


def padded_to(size):
    """A change that makes an encrypted_message of exactly that size."""
    room = size - sp.HANDSHAKE_HEADER - 32 - 16
    return lambda payload: payload + bytes(room - len(payload))


@each("a handshake with {} is rejected", REJECTED_OFFERS)
def rejected_offers(world, changes):
    client = world.regular
    expect_answer(client, client.offer(**changes(client)), REJECTED)


BROKEN_OFFERS = [
    ("its first byte 0x10", flip(0)),
    ("the first byte of a record", flip(0, 0x03)),
    ("the first byte of an answer", flip(0, 0x80)),
    ("its kid changed", flip(1)),
    ("its generation's first byte changed", flip(2)),
    ("its generation's last byte changed", flip(5)),
    ("its ephemeral key changed", flip(6)),
    ("its ephemeral key's unused bit changed", flip(37, 0x80)),
    ("its ciphertext changed", flip(38)),
    ("its tag changed", flip(-1)),
    ("its last byte removed", lambda whole: whole[:-1]),
    ("a byte more", lambda whole: whole + b"\0"),
    ("only its header", lambda whole: whole[:6]),
    ("only its first byte", lambda whole: whole[:1]),
    ("only its header and key", lambda whole: whole[:38]),
    ("no whole tag", lambda whole: whole[:53]),
]


@each("a handshake with {} is rejected", BROKEN_OFFERS)
def broken_offers(world, change):
    client = world.regular
    expect_answer(client, client.offer().changed(change), REJECTED)


@check("a handshake with any byte changed is rejected")
def every_byte_of_an_offer(world):
    client = world.regular
    offer = client.offer()
    for index in range(len(offer.encrypted)):
        broken = offer.changed(flip(index, 1 << index % 8))
        expect_that(client.deliver(broken).said == REJECTED, REJECTED, f"otherwise, byte {index}")


@check("a handshake with a changed clear key_use_hmac is rejected")
def changed_clear_hmac(world):
    client = world.regular
    offer = client.offer(place="clear")
    expect_answer(client, dataclasses.replace(offer, key_use_hmac=bytes(32)), REJECTED)


@check("a handshake changed to another client's name is rejected")
def changed_clear_name(world):
    client = world.regular
    offer = dataclasses.replace(client.offer(), name=world.client().name)
    expect_answer(client, offer, REJECTED)


@check("rejected handshakes do not end the client's session")
def rejections_keep_session(world):
    client = world.regular
    for changes in (dict(psk=bytes(32)), dict(public=bytes(32)), dict(shift=DAY), dict(hmac=b"")):
        client.deliver(client.offer(**changes))
    expect(client.ping(), "accepted")


@check("a replayed handshake is rejected and does not end the client's session")
def replayed_handshake(world):
    client = world.client()
    offer = client.offer()
    expect(client.deliver(offer), "accepted")
    expect(world.http(offer.body()), REJECTED)
    expect(client.ping(), "accepted")
    expect(world.http(offer.body()), REJECTED)
    expect(client.send(), "accepted")


@check("a handshake replayed with reordered fields is rejected")
def replayed_reordered(world):
    client = world.client()
    offer = client.offer()
    expect(client.deliver(offer), "accepted")
    expect(world.http(reordered(offer, (1, 0))), REJECTED)


@check("a handshake replayed after a takeover is rejected and ends no session")
def replayed_after_takeover(world):
    first = world.client()
    offer = first.offer()
    expect(first.deliver(offer), "accepted")
    expect(first.ping(), "accepted")
    second = first.another_installation()
    expect(second.send(), "accepted")
    expect(world.http(offer.body()), REJECTED)
    expect(second.send(), "accepted")


@check("a handshake sent eight times at once is accepted exactly once")
def handshake_at_once(world):
    client = world.client()
    offer = client.offer()
    said = sorted(reply.said for reply in together(8, lambda: client.deliver(offer)))
    expect(said, [REJECTED] * 7 + ["accepted"])
