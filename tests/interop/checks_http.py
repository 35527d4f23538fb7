"""Answers that are not sealed (PROTOCOL 4)."""

import sealpost_protocol as sp
from gateway_client import FORM, PING, REJECTED, check, each, expect


@each("{} is answered 405, with the one method that is allowed",
      [(method, method) for method in ("GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS")])
def other_methods(world, method):
    reply = world.http(b"", method)
    expect(reply.http, 405)
    expect(reply.header("Allow"), "POST")
    expect(reply.body, b"" if method == "HEAD" else b"post only\n")


OTHER_TYPES = [
    ("no media type", []),
    ("the media type of plain text", [("Content-Type", "text/plain")]),
    ("the media type of a multipart form", [("Content-Type", "multipart/form-data; boundary=x")]),
    ("the media type of JSON", [("Content-Type", "application/json")]),
    ("a longer media type", [("Content-Type", sp.MEDIA_TYPE + "x")]),
    ("a shorter media type", [("Content-Type", sp.MEDIA_TYPE[:-1])]),
    ("two media types in a line", [("Content-Type", sp.MEDIA_TYPE + ", text/plain")]),
    ("a media type behind a semicolon", [("Content-Type", "text/plain; " + sp.MEDIA_TYPE)]),
    ("only parameters", [("Content-Type", "; charset=utf-8")]),
    ("Content-Encoding gzip", [("Content-Type", sp.MEDIA_TYPE), ("Content-Encoding", "gzip")]),
    ("Content-Encoding identity",
     [("Content-Type", sp.MEDIA_TYPE), ("Content-Encoding", "identity")]),
]


@each("{} is answered 415", OTHER_TYPES)
def other_types(world, headers):
    client = world.regular
    request = client.seal(client.message(PING))
    expect(world.http(request.body(), headers=headers), "415 type")


SAME_TYPES = [
    ("in capitals", sp.MEDIA_TYPE.upper()),
    ("with a parameter", sp.MEDIA_TYPE + "; charset=utf-8"),
    ("with a parameter and no space", sp.MEDIA_TYPE + ";charset=utf-8"),
    ("with a space before the semicolon", sp.MEDIA_TYPE + " ; charset=utf-8"),
    ("with a tab before the semicolon", sp.MEDIA_TYPE + "\t;charset=utf-8"),
    ("with nothing behind the semicolon", sp.MEDIA_TYPE + ";"),
    ("with nonsense for a parameter", sp.MEDIA_TYPE + ";;=, text/plain"),
]


@each("the media type {} is accepted", SAME_TYPES)
def same_types(world, media_type):
    client = world.regular
    request = client.seal(client.message(PING))
    reply = world.http(request.body(), headers=[("Content-Type", media_type)])
    expect(request.open(reply), "accepted")


@check("a body a byte over max_body is answered 413")
def too_large(world):
    expect(world.http(b"x" * (world.max_body + 1)), "413 too large")


@check("a body of max_body bytes that is not the form is answered 400, not 413")
def as_large_as_may_be(world):
    expect(world.http(b"x" * world.max_body), FORM)


@check("a record that fills max_body to the byte is accepted")
def record_of_max_body(world):
    client = world.client()
    expect(client.handshake(), "accepted")
    # No base64url has length mod 4 = 1; then a field more, of 57 bytes, makes it another length.
    odd = (world.max_body - len(sp.form(b""))) % 4 == 1
    place, hmac = ("clear", client.key.key_use_hmac) if odd else ("inside", b"")
    message = client.message()
    whole = (world.max_body - len(sp.form(b"", b"", hmac))) * 3 // 4
    message.body += bytes(whole - len(client.seal(message, place=place).encrypted))
    request = client.seal(message, place=place)
    expect(len(request.body()), world.max_body)
    expect(client.deliver(request), "accepted")


@check("405 comes before 415")
def method_before_type(world):
    expect(world.http(b"x", "PUT", [("Content-Type", "text/plain")]), "405 post only")


@check("405 comes before 413")
def method_before_size(world):
    expect(world.http(b"x" * (world.max_body + 1), "PUT"), "405 post only")


@check("415 comes before 413")
def type_before_size(world):
    headers = [("Content-Type", "text/plain")]
    expect(world.http(b"x" * (world.max_body + 1), headers=headers), "415 type")


@check("415 comes before 400")
def type_before_form(world):
    expect(world.http(b"x", headers=[("Content-Type", "text/plain")]), "415 type")


@check("400 comes before 403")
def form_before_rejection(world):
    offer = world.regular.offer(psk=bytes(32))
    expect(world.http(offer.body() + b"&"), FORM)
    expect(world.http(offer.body()), REJECTED)


LENGTHS = [("shorter than announced", lambda size: size + 10),
           ("longer than announced", lambda size: 5)]


# A server in front may hang up by itself; what counts is that nothing acts.
@each("a body {} is answered 400 or disconnected, and nothing is stored", LENGTHS)
def other_length(world, announced):
    client = world.client()
    expect(client.ping(), "accepted")
    request = client.seal(client.message())
    body = request.body()
    expect(world.announce(announced(len(body)), body), 400, None)
    expect(client.deliver(request), "accepted")
