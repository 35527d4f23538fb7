"""What all answers and messages of the run have in common.  Imported last."""

import collections
import json

import sealpost_protocol as sp
from gateway_client import PING, REJECTED, SEALED, check, expect, expect_that


def enough(things):
    """A look at the whole run says nothing if there was no run."""
    expect_that(len(things) > 50, "more than 50 answers to look at", len(things))
    return things


@check("every sealed answer has type octet-stream, no-store and its status's HTTP status")
def hints_of_sealed_answers(world):
    for reply in enough([reply for _, reply in world.replies if reply.answer]):
        hints = (reply.said, reply.http, reply.media_type, reply.header("Cache-Control"))
        expect(hints, (reply.said, sp.STATUS_HTTP[reply.answer.status],
                       "application/octet-stream", "no-store"))


@check("every unsealed answer has type text, no-store and a body from PROTOCOL's table")
def hints_of_unsealed_answers(world):
    unsealed = [seen for seen in world.replies if seen[1].body[:1] not in SEALED]
    for method, reply in enough(unsealed):
        body = b"" if method == "HEAD" else sp.UNSEALED.get(reply.http)
        seen = (reply.http, reply.body, reply.media_type, reply.header("Cache-Control"))
        expect(seen, (reply.http, body, "text/plain", "no-store"))


@check("all unsealed answers with HTTP 403 are identical")
def one_rejection(world):
    kept_apart = {"date", "connection", "keep-alive"}
    rejections = [reply for _, reply in world.replies if reply.said == REJECTED]
    looks = {tuple(sorted((key, value) for key, value in reply.headers.items()
                          if key not in kept_apart)) for reply in enough(rejections)}
    expect_that(len(looks) == 1, "one set of headers", looks)


@check("the server's time never goes back and matches this machine's")
def server_time(world):
    times = [reply.answer.server_time for _, reply in enough(world.replies) if reply.answer]
    expect_that(abs(world.offset) < 5000, "a difference under 5 s", f"{world.offset} ms")
    for earlier, later in zip(times, times[1:]):
        # Answers to requests made at once may be noted in another order.
        expect_that(later > earlier - 1000, f"a time after {earlier}", later)


@check("no session id and no answer's random bytes repeat")
def nothing_repeats(world):
    ids = [session.id for session in enough(world.sessions)]
    expect(len(set(ids)), len(ids))
    nonces = [reply.body[:25] for _, reply in world.replies if reply.answer]
    expect(len(set(nonces)), len(nonces))


@check("an installation's next has one receipt and never goes back")
def receipts_agree(world):
    seen, highest = {}, collections.defaultdict(int)
    for nonce, receipt, _, _ in enough(world.receipts):
        if receipt == sp.NO_RECEIPT:
            continue
        counted = sp.receipt_next(receipt)
        expect(receipt, seen.setdefault((nonce, counted), receipt))
        expect_that(counted >= highest[nonce], f"at least {highest[nonce]}", counted)
        highest[nonce] = counted


@check("every answer to a used counter carries a receipt above it")
def used_counters_have_receipts(world):
    used = [sp.STATUS_NAMES.index(name) for name in ("accepted", "duplicate", "conflict")]
    for _, receipt, status, message in enough(world.receipts):
        if message and status in used:
            counted = sp.receipt_next(receipt)
            expect_that(counted > message.counter, f"above {message.counter}", counted)


@check("no message was accepted twice")
def accepted_once(world):
    keys = [(name, nonce, message.counter) for name, nonce, message in enough(world.accepted)]
    twice = [key for key, count in collections.Counter(keys).items() if count > 1]
    expect(twice, [])


@check("the inbox holds every accepted message once, no ping, and nothing else of this run")
def inbox(world):
    listed = map(json.loads, world.operator("inbox", "list", "--json").splitlines())
    held = collections.Counter((entry["name"], entry["topic"], entry["counter"])
                               for entry in listed if entry["name"].startswith(world.run))
    sent = collections.Counter(
        (name, message.topic.decode(), message.counter)
        for name, _, message in enough(world.accepted) if message.topic != PING)
    expect_that(held == sent, "the messages that were accepted",
                f"missing {sorted((sent - held).items())[:3]}, "
                f"more {sorted((held - sent).items())[:3]}")
