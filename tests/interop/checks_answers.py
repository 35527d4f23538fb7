"""Time, topics, answers and receipts (PROTOCOL 6, from step 8)."""

import secrets

import sealpost_protocol as sp
from gateway_client import DAY, PING, Reply, check, each, expect, expect_that

RECORD_CLOCKS = [
    ("301 s slow", dict(shift=-301_000), "late"), ("301 s fast", dict(shift=301_000), "late"),
    ("299 s slow", dict(shift=-299_000), "accepted"),
    ("299 s fast", dict(shift=299_000), "accepted"), ("at 0", dict(sent_at=0), "late"),
    ("at 2^63", dict(sent_at=2**63), "late"), ("at 2^64 - 1", dict(sent_at=2**64 - 1), "late"),
]


@each("a record by a clock {} is answered as PROTOCOL 6 says", RECORD_CLOCKS)
def record_clocks(world, clock, expected):
    client = world.regular
    expect(client.ping(**clock), expected)


@check("a late record leaves its counter unused, and the message is accepted when sealed again")
def late_uses_nothing(world):
    client = world.client()
    message = client.message()
    late = expect(client.send(message, shift=-301_000), "late")
    expect(late.answer.receipt, sp.NO_RECEIPT)
    expect(expect(client.handshake(), "accepted").answer.receipt, sp.NO_RECEIPT)
    expect(client.send(message), "accepted")


@check("after late another message may use the counter")
def late_counter_is_free(world):
    client = world.client()
    message = client.message()
    expect(client.send(message, shift=301_000), "late")
    expect(client.send(client.message(counter=message.counter)), "accepted")
    expect(client.send(message), "conflict")


@check("a used counter is never answered late: a late duplicate is a duplicate")
def late_duplicate(world):
    client = world.client()
    message = client.message()
    expect(client.send(message), "accepted")
    for clock in (dict(shift=-DAY), dict(sent_at=0), dict(sent_at=2**64 - 1)):
        expect(client.send(message, **clock), "duplicate")


@check("sealpost/ping is accepted, uses its counter, and is a duplicate when repeated")
def ping(world):
    client = world.client()
    message = client.message(PING)
    answer = expect(client.send(message), "accepted").answer
    expect(sp.receipt_next(answer.receipt), 1)
    expect(client.send(message), "duplicate")


RESERVED = [
    ("sealpost/none", b"sealpost/none"), ("sealpost/pings", b"sealpost/pings"),
    ("sealpost/Ping", b"sealpost/Ping"), ("sealpost/ping/x", b"sealpost/ping/x"),
    # LITERAL: the dots of `sealpost/...` may stand for nothing.
    ("sealpost/", b"sealpost/"),
]


@each("the reserved topic {} has no route, its counter is used, and it stays without one", RESERVED)
def reserved_topics(world, topic):
    client = world.client()
    message = client.message(topic)
    answer = expect(client.send(message), "no_route").answer
    expect(sp.receipt_next(answer.receipt), 1)
    expect(client.send(message), "no_route")
    expect(client.send(message, sent_at=0), "no_route")
    expect(client.handshake(), "accepted")
    expect(client.send(message), "no_route")
    expect(client.send(client.message(counter=message.counter)), "conflict")


# --- withdrawing ---


def withdrawal(client, message, digest=None):
    """The record that withdraws a message."""
    return client.message(b"sealpost/withdraw", digest or message.digest(), message.counter)


@check("a withdrawn message uses its counter, with its digest, and never acts")
def withdrawn(world):
    client = world.client()
    message = client.message()
    answer = expect(client.send(withdrawal(client, message)), "withdrawn").answer
    expect(sp.receipt_next(answer.receipt), message.counter + 1)
    expect(answer.body, b"")
    expect(client.send(message), "withdrawn")
    expect(client.send(withdrawal(client, message)), "withdrawn")
    expect(client.send(client.message(counter=message.counter)), "conflict")
    expect(client.send(client.message(message.topic, message.body)), "accepted")


@check("withdrawing a used counter is answered as its message is")
def withdrawing_used(world):
    client = world.client()
    accepted, rejected = client.message(), client.message(b"sealpost/none")
    expect(client.send(accepted), "accepted")
    expect(client.send(rejected), "no_route")
    expect(client.send(withdrawal(client, accepted)), "duplicate")
    expect(client.send(withdrawal(client, rejected)), "no_route")
    expect(client.send(withdrawal(client, accepted, rejected.digest())), "conflict")
    expect(client.send(accepted), "duplicate")


@check("a withdrawal that is late, malformed or not issued leaves its counter unused")
def withdrawal_unused(world):
    client = world.client()
    message = client.message()
    expect(client.send(withdrawal(client, message), shift=301_000), "late")
    expect(client.send(withdrawal(client, message), hmac=bytes(32)), "forbidden")
    for size in (0, 31, 33):
        wrong = client.message(b"sealpost/withdraw", bytes(size), message.counter)
        answer = expect(client.send(wrong), "malformed").answer
        expect(answer.receipt, sp.NO_RECEIPT)
    expect(client.send(message), "accepted")


@check("a counter below the window cannot be withdrawn")
def withdrawal_too_old(world):
    client = world.client()
    message = client.message()
    expect(client.send(client.message(counter=message.counter + sp.WINDOW + 1)), "accepted")
    expect(client.send(withdrawal(client, message)), "too_old")


@check("an answer opens only with its own request's hash")
def bound_answers(world):
    client = world.client()
    expect(client.handshake(), "accepted")
    message = client.message()
    requests = [client.seal(message) for _ in range(2)]
    replies = [client.deliver(request) for request in requests]
    expect([reply.said for reply in replies], ["accepted", "duplicate"])
    for request, reply in zip(requests, reversed(replies)):
        crossed = Reply(reply.http, reply.headers, reply.body)
        expect_that(request.open(crossed).answer is None, "no opening", "another's answer")


@check("two answers to the same bytes are sealed with different random bytes")
def answers_differ(world):
    client = world.client()
    expect(client.handshake(), "accepted")
    record = client.seal(client.message())
    bodies = {client.deliver(record).body[1:25] for _ in range(3)}
    expect(len(bodies), 3)


def next_after(client, *counters):
    """The receipts' `next` after sending so many new messages."""
    replies = [expect(client.send(client.message(counter=c)), "accepted") for c in counters]
    return [sp.receipt_next(reply.answer.receipt) for reply in replies]


@check("a receipt's next is one above the highest counter used, in any order")
def receipts_count(world):
    expect(next_after(world.client(), 0, 5, 2, 4, 6), [1, 6, 6, 6, 7])


@check("a duplicate carries the current receipt, not the first one")
def receipt_of_duplicate(world):
    client = world.client()
    message = client.message()
    expect(client.send(message), "accepted")
    present = expect(client.send(), "accepted").answer.receipt
    expect(client.send(message).answer.receipt, present)


@check("a conflict carries the current receipt")
def receipt_of_conflict(world):
    client = world.client()
    present = expect(client.send(), "accepted").answer.receipt
    expect(expect(client.send(client.message(counter=0)), "conflict").answer.receipt, present)


@check("message 2 of a later handshake carries the receipt of the last answer")
def receipt_of_handshake(world):
    client = world.client()
    present = expect(client.send(), "accepted").answer.receipt
    expect(expect(client.handshake(), "accepted").answer.receipt, present)


@check("two installations have different receipts for the same next and separate counters")
def receipts_of_installations(world):
    first = world.client()
    second = first.another_installation()
    receipts = [expect(client.send(), "accepted").answer.receipt for client in (first, second)]
    expect([sp.receipt_next(receipt) for receipt in receipts], [1, 1])
    expect_that(receipts[0] != receipts[1], "two receipts", "one")


def foreign_receipt(client):
    """A genuine receipt of another installation, far ahead."""
    other = client.another_installation()
    return expect(other.send(other.message(counter=900)), "accepted").answer.receipt


def receipt_of_another_client(client):
    """A genuine receipt of another client, far ahead."""
    other = client.world.client()
    return expect(other.send(other.message(counter=900)), "accepted").answer.receipt


FALSE_RECEIPTS = [
    ("of zeros for its proof, far ahead", lambda c: sp.u64(2**40) + bytes(16)),
    ("of random bytes", lambda c: secrets.token_bytes(24)),
    ("of nothing but ones", lambda c: b"\xff" * 24),
    ("of another installation", foreign_receipt),
    ("of another client", receipt_of_another_client),
]


@each("a receipt {} is ignored, in a handshake and in a record", FALSE_RECEIPTS)
def false_receipts(world, make):
    client = world.client()
    false = make(client)
    grant = expect(client.handshake(receipt=false), "accepted").answer
    expect(grant.receipt, sp.NO_RECEIPT)
    answer = expect(client.send(receipt=false), "accepted").answer
    expect(sp.receipt_next(answer.receipt), 1)
    expect(expect(client.handshake(), "accepted").answer.epoch, grant.epoch)


@check("a receipt with an increased next is ignored")
def raised_receipt(world):
    client = world.client()
    expect(client.send(), "accepted")
    raised = sp.u64(1000) + client.receipt[8:]
    expect(client.send(receipt=raised), "accepted")
    expect(client.handshake(receipt=raised), "accepted")
    expect(client.send(), "accepted")


@check("an older receipt of the same installation, or none, changes nothing")
def older_receipt(world):
    client = world.client()
    first = expect(client.send(), "accepted").answer.receipt
    expect(client.send(), "accepted")
    for receipt in (first, sp.NO_RECEIPT):
        epoch = client.session.epoch
        expect(client.send(receipt=receipt), "accepted")
        expect(expect(client.handshake(receipt=receipt), "accepted").answer.epoch, epoch)


@check("a client restored from a copy sees a next above its own, and its new message conflicts")
def restored_client(world):
    client = world.client()
    expect(client.send(), "accepted")
    restored = client.copied()
    expect(client.send(), "accepted")
    grant = expect(restored.handshake(), "accepted").answer
    expect_that(sp.receipt_next(grant.receipt) > restored.next, "a next above its own",
                sp.receipt_next(grant.receipt))
    expect(restored.send(), "conflict")
    expect(restored.install().send(), "accepted")
