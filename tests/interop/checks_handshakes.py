"""Handshakes that are answered (PROTOCOL 5, from step 5)."""

import time

import sealpost_protocol as sp
from gateway_client import (
    Client, DAY, REJECTED, check, each, expect, expect_answer, expect_that, flip)
from checks_rejected_handshakes import padded_to


@check("message 2 holds a session, 24 h long, and no receipt for a new installation")
def grant_of_new_client(world):
    grant = expect(world.client().handshake(), "accepted").answer
    expect(grant.receipt, sp.NO_RECEIPT)
    left = grant.expires_at - grant.server_time
    expect_that(DAY - 5000 <= left <= DAY, "24 h", f"{left} ms")
    expect_that(grant.max_body > 0, "a max_body", grant.max_body)


@check("every session has its own id and keys, and the one epoch")
def sessions_differ(world):
    one, other = world.client(), world.client()
    for client in (one, other):
        expect(client.ping(), "accepted")
    expect(one.session.epoch, other.session.epoch)
    expect_that(one.session.id != other.session.id, "two session ids", "one")
    expect_that(any(other.session.epoch), "a random epoch", other.session.epoch)


CLOCKS = [
    ("61 s slow", dict(shift=-61_000), "late"),
    ("61 s fast", dict(shift=61_000), "late"),
    ("59 s slow", dict(shift=-59_000), "accepted"),
    ("59 s fast", dict(shift=59_000), "accepted"),
    ("a day fast", dict(shift=DAY), "late"),
    ("at 0", dict(sent_at=0), "late"),
    ("at 2^63 - 1", dict(sent_at=2**63 - 1), "late"),
    ("at 2^63", dict(sent_at=2**63), "late"),
    ("at 2^64 - 1", dict(sent_at=2**64 - 1), "late"),
]


@each("a handshake by a clock {} is answered as PROTOCOL 5 says", CLOCKS)
def handshake_clocks(world, clock, expected):
    client = world.client()
    expect(client.handshake(**clock), expected)


@check("a client whose clock is a day off corrects it by the sealed time and is accepted")
def corrected_clock(world):
    client = world.client()
    late = expect(client.handshake(sent_at=int(time.time() * 1000) - DAY), "late")
    expect(client.handshake(sent_at=late.answer.server_time), "accepted")


# LITERAL: "nothing written", and the hash is remembered with the session only.
@check("a late handshake is not remembered: sent again, it is answered late again")
def late_is_not_remembered(world):
    client = world.client()
    offer = client.offer(shift=-61_000)
    for _ in range(2):
        expect(client.deliver(offer), "late")


@check("a late handshake does not count as a pending session")
def late_takes_no_place(world):
    client = world.client()
    for _ in range(5):
        expect(client.handshake(shift=61_000), "late")
    for _ in range(4):
        expect(client.handshake(), "accepted")


def broken_claims(client):
    """Claims blocks that no decoder may take (PROTOCOL 2), with the client's own role."""
    role = (b"role", client.key.claims["role"].encode())
    with_role = lambda *pairs: sp.claims_block(sorted((role, *pairs)))
    return role, with_role


CLAIMS_MISTAKES = [
    ("no claims", lambda role, block: sp.claims_block([])),
    ("no role", lambda role, block: sp.claims_block([(b"unit", b"1")])),
    ("an empty role", lambda role, block: sp.claims_block([(b"role", b"")])),
    ("keys that descend", lambda role, block: sp.claims_block([role, (b"a", b"1")])),
    ("a key twice", lambda role, block: sp.claims_block([role, role])),
    ("an empty key", lambda role, block: block((b"", b"1"))),
    ("a key of 33 bytes", lambda role, block: block((b"k" * 33, b"1"))),
    ("a key in capitals", lambda role, block: block((b"Unit", b"1"))),
    ("a hyphen in a key", lambda role, block: block((b"a-b", b"1"))),
    ("a value that is not UTF-8", lambda role, block: block((b"unit", b"\xff"))),
    ("a value in overlong UTF-8", lambda role, block: block((b"unit", b"\xc0\xaf"))),
    ("a surrogate in a value", lambda role, block: block((b"unit", b"\xed\xa0\x80"))),
    ("a value beyond U+10FFFF", lambda role, block: block((b"unit", b"\xf4\x90\x80\x80"))),
    ("a value that ends within a character", lambda role, block: block((b"unit", b"\xe2\x82"))),
    ("a zero byte in a value", lambda role, block: block((b"unit", b"a\0"))),
    ("a newline in a value", lambda role, block: block((b"unit", b"a\n"))),
    ("U+007F in a value", lambda role, block: block((b"unit", b"\x7f"))),
    ("17 claims", lambda role, block: block(*((b"%02d" % i, b"") for i in range(16)))),
    ("1,025 bytes", lambda role, block: block(
        *((b"%d" % i, bytes([97]) * (255 if i < 3 else 1025 - len(block()) - 3 * 258 - 3))
          for i in range(4)))),
    ("a not_after with a leading zero", lambda role, block: block((b"not_after", b"09999999999"))),
    ("a not_after of 12 digits", lambda role, block: block((b"not_after", b"999999999999"))),
    ("a not_after with a sign", lambda role, block: block((b"not_after", b"+9999999999"))),
    ("a not_after that is no number", lambda role, block: block((b"not_after", b"never"))),
    ("an empty not_after", lambda role, block: block((b"not_after", b""))),
    ("a not_before with a leading zero", lambda role, block: block((b"not_before", b"01"))),
    ("an empty not_before", lambda role, block: block((b"not_before", b""))),
    ("a byte after the last claim", lambda role, block: block() + b"\0"),
    ("fewer claims than it counts", lambda role, block: flip(0, 3)(block())),
    ("more claims than it counts", lambda role, block: b"\1" + block((b"unit", b"1"))[1:]),
    ("not one byte", lambda role, block: b""),
]


# LITERAL: a claims block that no decoder takes is a matter of shape, not of claims.
@each("a handshake with a claims block of {} is malformed", CLAIMS_MISTAKES)
def handshake_claims_mistakes(world, mistake):
    client = world.regular
    block = mistake(*broken_claims(client))
    expect_answer(client, client.offer(claims=block), "malformed")


@each("a record with a claims block of {} is malformed", CLAIMS_MISTAKES)
def record_claims_mistakes(world, mistake):
    client = world.regular
    block = mistake(*broken_claims(client))
    expect(client.ping(claims=block), "malformed")


MALFORMED_OFFERS = [
    ("a byte more", dict(payload=lambda whole: whole + b"\0")),
    ("a byte less", dict(payload=lambda whole: whole[:-1])),
    ("only half its receipt", dict(payload=lambda whole: whole[:36])),
    ("only half its install_nonce", dict(payload=lambda whole: whole[:16])),
    ("nothing behind sent_at", dict(payload=lambda whole: whole[:8])),
    # LITERAL: of less than a sent_at nobody can say that it is late.
    ("half a sent_at", dict(payload=lambda whole: whole[:7])),
    ("nothing", dict(payload=lambda whole: b"")),
    ("claims longer than all", dict(payload=flip(48, 0x40))),
    ("claims of another length", dict(payload=flip(49))),
    ("2,048 bytes in all, the greatest length", dict(payload=lambda whole: padded_to(2048)(whole))),
    ("key_use_hmac in both places", dict(place="both")),
    ("key_use_hmac in neither place", dict(place="neither")),
    ("a key_use_hmac of 31 bytes", dict(hmac=bytes(31))),
    ("a key_use_hmac of 33 bytes", dict(hmac=bytes(33))),
    ("a key_use_hmac in clear and a byte of one inside",
     dict(place="clear", payload=lambda whole: whole[:-1] + b"\1\0")),
]


@each("a handshake with {} is malformed", MALFORMED_OFFERS)
def malformed_offers(world, changes):
    client = world.regular
    expect_answer(client, client.offer(**changes), "malformed")


def higher_role(client):
    return sp.encode_claims(client.key.claims | {"role": "admin-" + client.key.claims["role"]})


def longer_life(client):
    return sp.encode_claims(client.key.claims | {"not_after": "99999999999"})


def one_claim_more(client):
    return sp.encode_claims(client.key.claims | {"zz": ""})


NOT_ISSUED = [
    ("another role", lambda c: dict(claims=higher_role(c))),
    ("another role, its key_use_hmac in clear", lambda c: dict(claims=higher_role(c),
                                                               place="clear")),
    ("a longer life", lambda c: dict(claims=longer_life(c))),
    ("a claim more", lambda c: dict(claims=one_claim_more(c))),
    ("a key_use_hmac of zeros", lambda c: dict(hmac=bytes(32))),
    ("its key_use_hmac's last bit changed", lambda c: dict(hmac=flip(31)(c.key.key_use_hmac))),
    ("another client's key_use_hmac", lambda c: dict(hmac=c.world.client().key.key_use_hmac)),
]


@each("a handshake with {} is forbidden", NOT_ISSUED)
def handshake_not_issued(world, changes):
    client = world.regular
    expect_answer(client, client.offer(**changes(client)), "forbidden")


@check("the key_use_hmac of the next generation does not work for the previous one")
def hmac_of_next_generation(world):
    client = world.client()
    renewed = world.issue("renew", client.name.decode())
    expect(client.handshake(hmac=renewed.key_use_hmac), "forbidden")


@check("the key_use_hmac of an older generation does not work for the next one")
def hmac_of_older_generation(world):
    old = world.client()
    new = Client(world, world.issue("renew", old.name.decode()))
    expect(new.handshake(hmac=old.key.key_use_hmac), "forbidden")
    expect(new.ping(), "accepted")
    expect(new.ping(hmac=old.key.key_use_hmac), "forbidden")


@check("a handshake before the claims' not_before is forbidden")
def not_yet_valid(world):
    client = world.client_with_claims(not_before=world.now() // 1000 + 3600)
    expect(client.handshake(), "forbidden")


@check("a handshake after the claims' not_before is accepted")
def just_valid(world):
    client = world.client_with_claims(not_before=world.now() // 1000 - 1)
    expect(client.send(), "accepted")


# LITERAL: a session never outlasts its claims, so that a record after them finds no session; the
# sealed `forbidden` of PROTOCOL 6.8 for claims' times cannot be seen from outside.
@check("after the claims' not_after records are rejected and handshakes are forbidden")
def expiring_claims(world):
    client = world.client_until(3)
    not_after = int(client.key.claims["not_after"]) * 1000
    grant = expect(client.handshake(), "accepted").answer
    expect_that(grant.expires_at <= not_after, f"at most {not_after}", grant.expires_at)
    expect(client.send(), "accepted")
    message = client.message()
    time.sleep(max(0, not_after + 20 - world.now()) / 1000)
    expect(client.send(message), REJECTED)
    expect(client.handshake(), "forbidden")
    expect(client.send(message), REJECTED)


OFFER_PRECEDENCE = [
    ("late comes before malformed", dict(shift=61_000, payload=lambda whole: whole + b"\0"),
     "late"),
    # LITERAL: a payload of nothing but a sent_at can be seen to be late.
    ("late comes before malformed, even for nothing but a sent_at",
     dict(shift=61_000, payload=lambda whole: whole[:8]), "late"),
    ("late comes before forbidden", dict(shift=-61_000, hmac=bytes(32)), "late"),
    ("malformed comes before forbidden",
     dict(hmac=bytes(32), payload=lambda whole: whole + b"\0"), "malformed"),
]


@each("in a handshake {}", OFFER_PRECEDENCE)
def handshake_precedence(world, changes, expected):
    client = world.regular
    expect_answer(client, client.offer(**changes), expected)
