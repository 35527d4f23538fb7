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


@check("a renewed client's former credential works until the first record of the new one")
def former_until_first_record(world):
    old = world.client()
    expect(old.ping(), "accepted")
    new = Client(world, world.issue("renew", old.name.decode()))
    expect(new.handshake(), "accepted")
    expect(old.send(), "accepted")
    expect(old.handshake(), "accepted")
    expect(old.send(), "accepted")
    expect(new.send(), "accepted")
    expect(old.send(), REJECTED, "revoked")
    expect(old.handshake(), "revoked")


@check("of two renewals the first, which was never used, ends at once")
def unused_renewal(world):
    old = world.client()
    unused = Client(world, world.issue("renew", old.name.decode()))
    new = Client(world, world.issue("renew", old.name.decode()))
    expect(unused.handshake(), "revoked")
    expect(old.send(), "accepted")
    expect(new.send(), "accepted")


@check("an older generation's handshake is revoked even with four newer sessions pending")
def revoked_with_sessions_pending(world):
    old = world.client()
    new = Client(world, world.issue("renew", old.name.decode(), "--grace", "0"))
    for _ in range(4):
        expect(new.handshake(), "accepted")
    expect(old.handshake(), "revoked")


# LITERAL: revoking deletes sessions; of renewing that is not said, and step 5 of section 6 has
# an answer for a session whose generation does not stand.
@check("a record of an older generation's session is answered revoked")
def record_of_older_generation(world):
    client = world.client()
    expect(client.ping(), "accepted")
    world.issue("renew", client.name.decode(), "--grace", "0")
    expect(client.send(), "revoked")


@check("in a record of an older generation's session forbidden comes before revoked")
def record_forbidden_before_revoked(world):
    client = world.client()
    expect(client.ping(), "accepted")
    world.issue("renew", client.name.decode(), "--grace", "0")
    expect(client.send(hmac=bytes(32)), "forbidden")


# --- pending and active ---


def pending(client, count):
    """So many accepted handshakes' sessions."""
    return [expect(client.handshake(), "accepted").session for _ in range(count)]


@check("with four sessions pending, a fifth handshake replaces the oldest, not the active one")
def fifth_pending(world):
    client = world.client()
    expect(client.ping(), "accepted")
    active = client.session
    five = pending(client, 5)
    expect(client.ping(session=active), "accepted")
    expect(client.ping(session=five[0]), REJECTED)
    expect(client.ping(session=five[1]), "accepted")


@check("of four pending sessions the oldest works, and so does the newest")
def four_pending(world):
    for which in (0, 3):
        client = world.client()
        expect(client.ping(session=pending(client, 4)[which]), "accepted")


@check("four pending sessions may belong to four installations of the name")
def pending_by_name(world):
    client = world.client()
    for installation in [client] + [client.another_installation() for _ in range(3)]:
        expect(installation.handshake(), "accepted")
    expect(client.ping(), "accepted")


@check("a handshake whose session was replaced is rejected when it is sent again")
def replaced_is_remembered(world):
    client = world.client()
    first = client.offer()
    expect(client.deliver(first), "accepted")
    pending(client, 4)
    expect(client.deliver(first), REJECTED)


@check("of 1,030 handshakes within 150 s, 1,024 are accepted and the others unavailable")
def begun_at_most(world):
    client = world.client()
    replies = together(10, lambda: [client.handshake().said for _ in range(103)])
    said = sum(replies, [])
    expect(said.count("accepted"), 1024)
    expect(said.count("unavailable"), 6)
    for expected, changes in UNAVAILABLE_PRECEDENCE:
        expect(client.handshake(**changes), expected)
    expect(world.client().handshake(), "accepted")
    unavailable = client.offer()
    expect(client.deliver(unavailable), "unavailable")
    expect(client.deliver(unavailable), "unavailable")  # nothing is remembered of it


UNAVAILABLE_PRECEDENCE = [("late", dict(shift=61_000)), ("forbidden", dict(hmac=bytes(32))),
                          ("malformed", dict(place="both"))]


@check("of twelve handshakes at once all are accepted, and four of their sessions remain")
def pending_at_once(world):
    client = world.client()
    replies = together(12, client.handshake)
    expect(sorted({reply.said for reply in replies}), ["accepted"])
    said = [client.ping(session=reply.session).said for reply in replies]
    # The first ping that is accepted ends the other three.
    expect(sorted(said), [REJECTED] * 11 + ["accepted"])


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
    ("no_route", lambda c: c.message(b"sealpost/none"), dict()),
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
