"""Counters (PROTOCOL 6, step 7)."""

import dataclasses

import sealpost_protocol as sp
from gateway_client import check, each, expect, together


@check("counters may arrive in any order and each is accepted once")
def any_order(world):
    client = world.client()
    messages = [client.message(counter=counter) for counter in (7, 3, 9, 0, 8)]
    for expected in ("accepted", "duplicate"):
        for message in messages:
            expect(client.send(message), expected)


@check("the same bytes sent again are a duplicate with the first reply's body")
def same_bytes(world):
    client = world.client()
    expect(client.handshake(), "accepted")
    record = client.seal(client.message())
    first = expect(client.deliver(record), "accepted")
    again = expect(client.deliver(record), "duplicate")
    expect(again.answer.body, first.answer.body)


@check("the same message sealed again is a duplicate with the first reply's body")
def fresh_seal(world):
    client = world.client()
    message = client.message()
    first = expect(client.send(message), "accepted")
    again = expect(client.send(message), "duplicate")
    expect(again.answer.body, first.answer.body)


@check("the same message in a second session of its installation is a duplicate")
def second_session(world):
    client = world.client()
    message = client.message()
    first = expect(client.send(message), "accepted")
    expect(client.handshake(), "accepted")
    again = expect(client.send(message), "duplicate")
    expect(again.answer.body, first.answer.body)


@check("a duplicate is recognized with any clear fields")
def duplicate_in_other_form(world):
    client = world.client()
    message = client.message()
    expect(client.send(message), "accepted")
    expect(client.send(message, name=client.name, place="clear"), "duplicate")


@check("a message sealed and sent eight times at once is accepted exactly once")
def message_at_once(world):
    client = world.client()
    expect(client.ping(), "accepted")
    message = client.message()
    said = [reply.said for reply in together(8, lambda: client.send(message))]
    expect(said.count("accepted"), 1)
    expect(set(said) - {"accepted", "duplicate", "in_progress"}, set())
    expect(client.send(message), "duplicate")


@check("of eight messages at once with one counter, exactly one is accepted")
def counter_at_once(world):
    client = world.client()
    expect(client.ping(), "accepted")
    said = together(8, lambda: client.send(client.message(counter=5)).said)
    expect(sorted(said), ["accepted"] + ["conflict"] * 7)


@check("the same message from another installation is a new message")
def other_installation(world):
    first = world.client()
    message = first.message()
    expect(first.send(message), "accepted")
    expect(first.another_installation().send(message), "accepted")


# LITERAL: a counter not used is new, whatever its digest.
@check("the same id, topic and body with another counter are a new message")
def other_counter(world):
    client = world.client()
    message = client.message()
    expect(client.send(message), "accepted")
    expect(client.send(dataclasses.replace(message, counter=1)), "accepted")


CONFLICTS = [
    ("message_id", dict(message_id=bytes(16))),
    ("topic", dict(topic=b"other")),
    ("body", dict(body=b"other")),
    ("border between topic and body", dict(topic=b"to", body=b"picbody")),
]


@each("a used counter with another {} is a conflict", CONFLICTS)
def conflicts(world, changes):
    client = world.client()
    message = client.message(b"topic", b"body")
    expect(client.send(message), "accepted")
    expect(client.send(dataclasses.replace(message, **changes)), "conflict")
    expect(client.send(message), "duplicate")


@check("a counter may jump by more than 1,024, and by more than 2^32")
def jumps(world):
    client = world.client()
    for counter in (0, 5000, 2**33):
        answer = expect(client.send(client.message(counter=counter)), "accepted").answer
        expect(sp.receipt_next(answer.receipt), counter + 1)


@check("next - 1024 is the oldest counter accepted; next - 1025 is too_old even if never used")
def window_of_new_counters(world):
    client = world.client()
    expect(client.send(client.message(counter=3000)), "accepted")
    expect(client.send(client.message(counter=3001 - 1025)), "too_old")
    expect(client.send(client.message(counter=3001 - 1024)), "accepted")
    expect(client.send(client.message(counter=0)), "too_old")


@check("a used counter is a duplicate at next - 1024, and too_old at next - 1025")
def window_of_used_counters(world):
    client = world.client()
    message = client.message(counter=10)
    expect(client.send(message), "accepted")
    expect(client.send(client.message(counter=10 + 1023)), "accepted")
    expect(client.send(message), "duplicate")
    expect(client.send(client.message(counter=10 + 1024)), "accepted")
    expect(client.send(message), "too_old")


@check("counters 0 to 1,023 all fit the window of a new installation, backwards too")
def window_of_new_installation(world):
    client = world.client()
    expect(client.send(client.message(counter=1023)), "accepted")
    expect(client.send(client.message(counter=0)), "accepted")
    expect(client.send(client.message(counter=1024)), "accepted")
    expect(client.send(client.message(counter=0)), "too_old")


@check("too_old comes before late")
def too_old_before_late(world):
    client = world.client()
    expect(client.send(client.message(counter=3000)), "accepted")
    expect(client.send(client.message(counter=0), shift=301_000), "too_old")


@check("below `oldest` a used counter is still a duplicate or too_old, never new")
def below_oldest(world):
    client = world.client()
    messages = [client.message() for _ in range(3)]
    for message in messages:
        expect(client.send(message), "accepted")
    expect(client.send(client.message(counter=3), oldest=3), "accepted")
    for message in messages:
        expect(client.send(message), "duplicate", "too_old")
        expect(client.send(client.message(counter=message.counter)), "conflict", "too_old")
