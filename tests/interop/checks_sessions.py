"""Revocation, and pending and active sessions (PROTOCOL 5; PROTOCOL 6, steps 5 and 6)."""

import sealpost_protocol as sp
from gateway_client import Client, REJECTED, check, each, expect, expect_that, together


@check("a revoked client's handshake is answered revoked and its session is deleted")
def revoked_client(world):
    client = world.client()
    expect(client.ping(), "accepted")
    world.operator("client", "revoke", client.name.decode())
    expect(client.send(), REJECTED)
    expect(client.handshake(), "revoked")


@check("a revoked client's pending session is deleted")
def revoked_pending(world):
    client = world.client()
    expect(client.handshake(), "accepted")
    world.operator("client", "revoke", client.name.decode())
    expect(client.ping(), REJECTED)


@check("in a handshake forbidden comes before revoked")
def forbidden_before_revoked(world):
    client = world.client()
    world.operator("client", "revoke", client.name.decode())
    expect(client.handshake(hmac=bytes(32)), "forbidden")
    expect(client.handshake(shift=61_000), "late")


@check("a removed client is answered revoked and its records are rejected")
def removed_client(world):
    client = world.client()
    expect(client.ping(), "accepted")
    world.operator("client", "remove", client.name.decode())
    expect(client.send(), REJECTED, "revoked")
    expect(client.handshake(), "revoked")


REISSUES = [
    ("a removed name is added again", ("remove",), "add"),
    ("a revoked name is renewed", ("revoke",), "renew"),
    ("a revoked and removed name is added again", ("revoke", "remove"), "add"),
]


@each("when {} its generation continues and the old one stays revoked", REISSUES)
def generations_go_on(world, endings, reissue):
    old = world.client()
    expect(old.ping(), "accepted")
    for ending in endings:
        world.operator("client", ending, old.name.decode())
    new = Client(world, world.issue(reissue, old.name.decode()))
    expect_that(new.key.generation > old.key.generation, "a greater generation",
                new.key.generation)
    expect(old.handshake(), "revoked")
    expect(new.send(), "accepted")


@check("an older generation's handshake is revoked even with four newer sessions pending")
def revoked_before_unavailable(world):
    old = world.client()
    new = Client(world, world.issue("renew", old.name.decode()))
    for _ in range(4):
        expect(new.handshake(), "accepted")
    expect(old.handshake(), "revoked")
    expect(new.handshake(), "unavailable")


# LITERAL: revoking deletes sessions; of renewing that is not said, and step 5 of section 6 has
# an answer for a session whose generation is below its row's.
@check("a record of an older generation's session is answered revoked")
def record_of_older_generation(world):
    client = world.client()
    expect(client.ping(), "accepted")
    world.issue("renew", client.name.decode())
    expect(client.send(), "revoked")


@check("in a record of an older generation's session forbidden comes before revoked")
def record_forbidden_before_revoked(world):
    client = world.client()
    expect(client.ping(), "accepted")
    world.issue("renew", client.name.decode())
    expect(client.send(hmac=bytes(32)), "forbidden")


# --- pending and active ---


def pending(client, count):
    """So many accepted handshakes' sessions."""
    return [expect(client.handshake(), "accepted").session for _ in range(count)]


@check("with four sessions pending, a fifth handshake is unavailable and none is evicted")
def fifth_pending(world):
    client = world.client()
    expect(client.ping(), "accepted")
    active = client.session
    four = pending(client, 4)
    expect(client.handshake(), "unavailable")
    expect(client.ping(session=active), "accepted")
    expect(client.ping(session=four[0]), "accepted")
    expect(client.handshake(), "accepted")


@check("the fourth pending session works like the first")
def fourth_pending(world):
    client = world.client()
    four = pending(client, 4)
    expect(client.handshake(), "unavailable")
    expect(client.ping(session=four[3]), "accepted")


@check("four pending sessions may belong to four installations of the name")
def pending_by_name(world):
    client = world.client()
    for installation in [client] + [client.another_installation() for _ in range(3)]:
        expect(installation.handshake(), "accepted")
    expect(client.another_installation().handshake(), "unavailable")


# LITERAL: only an accepted handshake's hash is remembered.
@check("a handshake answered unavailable is accepted when sent again with room")
def unavailable_is_not_remembered(world):
    client = world.client()
    four = pending(client, 4)
    fifth = client.offer()
    expect(client.deliver(fifth), "unavailable")
    expect(client.ping(session=four[1]), "accepted")
    expect(client.deliver(fifth), "accepted")


UNAVAILABLE_PRECEDENCE = [("late", dict(shift=61_000)), ("forbidden", dict(hmac=bytes(32))),
                          ("malformed", dict(place="both"))]


@check("in a handshake late, malformed and forbidden come before unavailable")
def before_unavailable(world):
    client = world.client()
    pending(client, 4)
    for expected, changes in UNAVAILABLE_PRECEDENCE:
        expect(client.handshake(**changes), expected)


@check("of twelve handshakes at once, four are accepted and the others unavailable")
def pending_at_once(world):
    client = world.client()
    said = sorted(reply.said for reply in together(12, client.handshake))
    expect(said, ["accepted"] * 4 + ["unavailable"] * 8)


@check("the first record makes its session active and deletes every other of the name")
def activation(world):
    client = world.client()
    expect(client.ping(), "accepted")
    active = client.session
    first, second, third = pending(client, 3)
    expect(client.ping(session=second), "accepted")
    for ended in (active, first, third):
        expect(client.ping(session=ended), REJECTED)
    expect(client.ping(session=second), "accepted")


@check("a handshake does not end the active session, nor does that end a pending one")
def handshake_disturbs_nothing(world):
    client = world.client()
    expect(client.ping(), "accepted")
    active = client.session
    waiting = pending(client, 1)[0]
    expect(client.ping(session=active), "accepted")
    expect(client.ping(session=waiting), "accepted")
    expect(client.ping(session=active), REJECTED)


NOT_ACTIVATING = [
    ("does not open", dict(key=bytes(32)), REJECTED),
    ("is malformed", dict(place="both"), "malformed"),
    ("is forbidden for its key_use_hmac", dict(hmac=bytes(32)), "forbidden"),
]


@each("a record that {} does not make its session active", NOT_ACTIVATING)
def not_activating(world, changes, expected):
    client = world.client()
    expect(client.ping(), "accepted")
    active = client.session
    waiting = pending(client, 1)[0]
    expect(client.ping(session=waiting, **changes), expected)
    expect(client.ping(session=active), "accepted")
    expect(client.ping(session=waiting), "accepted")


# LITERAL: step 6 comes before the counter is judged, and its transaction is committed.
ACTIVATING = [
    ("late", lambda c: c.message(), dict(shift=301_000)),
    ("forbidden", lambda c: c.message(b"sealpost/none"), dict()),
    ("conflict", lambda c: c.message(counter=0), dict()),
]


@each("a first record answered {} still makes its session active", [
    (expected, expected, make, changes) for expected, make, changes in ACTIVATING])
def activating(world, expected, make, changes):
    client = world.client()
    expect(client.ping(), "accepted")
    active = client.session
    waiting = pending(client, 1)[0]
    expect(client.send(make(client), session=waiting, **changes), expected)
    expect(client.ping(session=active), REJECTED)
    expect(client.ping(session=waiting), "accepted")


@check("a second installation takes over with its first record; the first one is rejected")
def takeover(world):
    first = world.client()
    expect(first.send(), "accepted")
    second = first.another_installation()
    expect(second.handshake(), "accepted")
    expect(first.send(), "accepted")
    expect(second.send(), "accepted")
    expect(first.send(), REJECTED)
    expect(second.send(), "accepted")


@check("a replaced installation can take over again and continues its counters")
def takeover_back(world):
    first = world.client()
    expect(first.send(), "accepted")
    second = first.another_installation()
    expect(second.send(), "accepted")
    grant = expect(first.handshake(), "accepted").answer
    expect(grant.receipt, first.receipt)
    expect(sp.receipt_next(grant.receipt), 1)
    expect(first.send(), "accepted")
    expect(second.send(), REJECTED)


@check("two clients do not disturb each other")
def two_clients(world):
    one, other = world.client(), world.client()
    for client in (one, other, one, other):
        expect(client.send(), "accepted")
