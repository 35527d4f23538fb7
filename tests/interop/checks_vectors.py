"""Published vectors and credentials (PROTOCOL 2, 3)."""

import hashlib
import json
import pathlib

import sealpost_protocol as sp
from gateway_client import Client, check, each, expect, expect_that


def load(world, name):
    return json.loads((pathlib.Path(world.options.vectors) / name).read_text())


@check("this client agrees with the published Noise_NNpsk0 vectors, on both sides")
def noise_vectors(world):
    for vector in load(world, "noise_nnpsk0.json")["vectors"]:
        sides = _noise_sides(vector)
        for index, message in enumerate(vector["messages"]):
            _noise_message(sides, index, message)
        for side in sides[:2]:
            expect(side.hash, bytes.fromhex(vector["handshake_hash"]))


def _noise_sides(vector):
    make = lambda kind, side: kind(*(bytes.fromhex(part) for part in (
        vector[side + "_psks"][0], vector[side + "_prologue"], vector[side + "_ephemeral"])))
    return [make(sp.Initiator, "init"), make(sp.Responder, "resp")]


def _noise_message(sides, index, message):
    payload, ciphertext = (bytes.fromhex(message[key]) for key in ("payload", "ciphertext"))
    initiator, responder = sides[:2]
    if index < 2:
        sender, receiver = (initiator, responder) if index == 0 else (responder, initiator)
        expect(sender.write(payload), ciphertext)
        expect(receiver.read(ciphertext), payload)
        if index == 1:
            sides.extend((initiator.split(), responder.split()))
    else:
        ours, theirs = sides[2][index % 2], sides[3][index % 2]
        expect(ours.seal(payload), ciphertext)
        expect(theirs.open(ciphertext), payload)


@check("this client agrees with the published XAES-256-GCM vectors")
def xaes_vectors(world):
    for vector in load(world, "xaes_256_gcm.json")["vectors"]:
        key, nonce = bytes.fromhex(vector["K"]), vector["N_ascii"].encode()
        plaintext, aad = vector["plaintext_ascii"].encode(), vector["aad_ascii"].encode()
        ciphertext = bytes.fromhex(vector["ciphertext"])
        expect(tuple(part.hex() for part in sp.xaes_cmac_subkeys(key)), (vector["L"], vector["K1"]))
        expect(sp.xaes_derived_key(key, nonce).hex(), vector["Kx"])
        expect(sp.xaes_seal(key, nonce, plaintext, aad), ciphertext)
        expect(sp.xaes_open(key, nonce, ciphertext, aad), plaintext)


@check("this client agrees with 10,000 accumulated iterations of XAES-256-GCM")
def xaes_accumulated(world):
    stream = sp.Reader(hashlib.shake_128().digest(10_000 * (32 + 24 + 2 * 256)))
    sum_of_all = hashlib.shake_128()
    for _ in range(10_000):
        key, nonce, plaintext, aad = (stream.take(32), stream.take(24), stream.lp8(),
                                      stream.lp8())
        sum_of_all.update(sp.xaes_seal(key, nonce, plaintext, aad))
    expected = load(world, "xaes_256_gcm.json")["accumulated"]["iterations_10000"]
    expect(sum_of_all.hexdigest(32), expected)


@check("a new credential is the first generation of its name, has its role and works at once")
def credential_of_new_client(world):
    client = world.client()
    expect(client.key.generation, 1)
    expect(client.key.claims["role"], world.options.role)
    expect(client.send(), "accepted")


@check("two clients share the server_id and nothing secret")
def credentials_differ(world):
    one, other = world.regular.key, world.client().key
    expect(one.server_id, other.server_id)
    expect_that(one.client_key != other.client_key, "two client keys", "one")
    expect_that(one.key_use_hmac != other.key_use_hmac, "two key_use_hmacs", "one")


@check("`renew` issues the next generation, with another key and another key_use_hmac")
def renewed_credential(world):
    first = world.client().key
    second = world.issue("renew", first.name.decode())
    expect(second.generation, first.generation + 1)
    expect_that(first.client_key != second.client_key, "another client key", "the same")
    expect_that(first.key_use_hmac != second.key_use_hmac, "another key_use_hmac", "the same")
    expect(Client(world, second).send(), "accepted")


CLAIMS_THAT_FIT = [
    ("a key of 32 bytes and a value of 255", {"k" * 32: "v" * 255}),
    ("an empty value", {"empty": ""}),
    ("every kind of byte a key may have", {"a_0": "1", "_z9": "2", "0": "3"}),
    ("values in UTF-8 of two, three and four bytes", {"text": "\u00e9\u20ac\U0001f512"}),
    # LITERAL: of the control characters only U+0000-001F and U+007F are excluded.
    ("the control character U+0085", {"text": "\u0085"}),
]


@each("a client can be issued, and use, {}", CLAIMS_THAT_FIT)
def claims_that_fit(world, claims):
    client = world.client_with_claims(**claims)
    expect(client.key.claims | claims, client.key.claims)
    expect(client.send(), "accepted")


@check("a client can be issued, and use, 16 claims in all")
def sixteen_claims(world):
    spare = 16 - len(world.client().key.claims)
    client = world.client_with_claims(**{f"claim_{i}": str(i) for i in range(spare)})
    expect(len(client.key.claims), 16)
    expect(client.send(), "accepted")
