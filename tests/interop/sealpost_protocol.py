"""The sealpost protocol, version 1, written from PROTOCOL.md alone: both sides, no input or output.

Every structure has an encode() and a decode(); every seal has its opening.  What may not be said
or cannot be opened raises Rejected.  Times are milliseconds, numbers big-endian (PROTOCOL, top).
"""

import base64
import hashlib
import hmac
import os
import re
import struct
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

NOISE_NAME = b"Noise_NNpsk0_25519_AESGCM_SHA256"
HANDSHAKE, RECORD, HANDSHAKE_ANSWER, RECORD_ANSWER = b"\x11", b"\x12", b"\x91", b"\x92"
HANDSHAKE_MAX = 2048
HANDSHAKE_HEADER = 6
RECORD_HEADER = 41
COUNTER_END = 2**63
WINDOW = 1024
NO_RECEIPT = bytes(24)
MEDIA_TYPE = "application/x-www-form-urlencoded"

STATUS_NAMES = ("accepted", "duplicate", "in_progress", "conflict", "too_old", "late",
                "forbidden", "revoked", "malformed", "failed", "unavailable",
                "no_route", "too_large", "withdrawn", "suspended")
STATUS_HTTP = (200, 409, 409, 409, 409, 409, 403, 403, 409, 409, 503,
               403, 409, 409, 409)
UNSEALED = {405: b"post only\n", 415: b"type\n", 413: b"too large\n", 400: b"form\n",
            503: b"unavailable\n", 403: b"refused\n"}


class Rejected(ValueError):
    """Bytes that are not what the page says, or that do not open."""


def require(condition, why):
    """Raises Rejected unless the condition holds."""
    if not condition:
        raise Rejected(why)


# --- bytes -------------------------------------------------------------------------------------


def u8(number):
    return struct.pack(">B", number)


def u16(number):
    return struct.pack(">H", number)


def u32(number):
    return struct.pack(">I", number)


def u64(number):
    return struct.pack(">Q", number)


def lp8(part):
    """A one-byte length, then the part (PROTOCOL, top)."""
    return u8(len(part)) + part


def lp16(part):
    """A two-byte length, then the part (PROTOCOL, top)."""
    return u16(len(part)) + part


class Reader:
    """Takes a byte string apart from its front; end() insists that nothing is left."""

    def __init__(self, data):
        self._data, self._at = data, 0

    def take(self, size):
        require(len(self._data) - self._at >= size, "too short")
        self._at += size
        return self._data[self._at - size:self._at]

    def number(self, size):
        return int.from_bytes(self.take(size), "big")

    def lp8(self):
        return self.take(self.number(1))

    def lp16(self):
        return self.take(self.number(2))

    def rest(self):
        return self.take(len(self._data) - self._at)

    def end(self):
        require(self._at == len(self._data), "bytes after the end")


def b64url(data):
    """base64url without padding (PROTOCOL 4)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def b64url_decode(text):
    """Strict: no padding, length mod 4 not 1, unused bits zero (PROTOCOL 4)."""
    require(re.fullmatch(r"[A-Za-z0-9_-]*", text), "not base64url")
    require(len(text) % 4 != 1, "no base64url has this length")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    require(b64url(data) == text, "unused bits not zero")
    return data


# --- names and claims --------------------------------------------------------------------------


def is_name(name):
    """PROTOCOL 2, `name`."""
    return re.fullmatch(rb"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name) is not None


def is_topic(topic):
    """PROTOCOL 2, `topic`."""
    return re.fullmatch(rb"[A-Za-z0-9._/-]{1,128}", topic) is not None


def claims_block(pairs):
    """The bytes of a claims block, whether or not its pairs are allowed (PROTOCOL 2)."""
    return u8(len(pairs)) + b"".join(lp8(key) + lp8(value) for key, value in pairs)


def encode_claims(claims):
    """The one encoding of a dict of strings; raises Rejected where there is none (PROTOCOL 2)."""
    block = claims_block(sorted((key.encode(), value.encode()) for key, value in claims.items()))
    decode_claims(block)
    return block


def decode_claims(block):
    """A dict of strings; rejects every encoding but the one (PROTOCOL 2)."""
    require(len(block) <= 1024, "claims block too long")
    reader = Reader(block)
    pairs = [(reader.lp8(), reader.lp8()) for _ in range(reader.number(1))]
    reader.end()
    keys = [key for key, _ in pairs]
    require(len(pairs) <= 16, "too many claims")
    require(all(a < b for a, b in zip(keys, keys[1:])), "keys not strictly ascending")
    claims = {_claim_key(key): _claim_value(key, value) for key, value in pairs}
    require(claims.get("role"), "no role")
    return claims


def _claim_key(key):
    require(re.fullmatch(rb"[a-z0-9_]{1,32}", key), "not a claim's key")
    return key.decode()


def _claim_value(key, value):
    require(not re.search(rb"[\x00-\x1f\x7f]", value), "control character in a claim")
    if key in (b"not_before", b"not_after"):
        require(re.fullmatch(rb"0|[1-9][0-9]{0,10}", value), "not a claim's time")
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise Rejected("claim not UTF-8") from error


def claims_are_valid_at(claims, now):
    """not_before <= floor(now/1000) < not_after, `now` in milliseconds (PROTOCOL 2)."""
    seconds = now // 1000
    return (int(claims.get("not_before", 0)) <= seconds
            < int(claims.get("not_after", 10**12)))


# --- keys --------------------------------------------------------------------------------------


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def extract(salt, key_material):
    """RFC 5869 Extract with SHA-256."""
    return mac(salt, key_material)


def expand(key, info, size):
    """RFC 5869 Expand with SHA-256."""
    output, block = b"", b""
    while len(output) < size:
        block = mac(key, block + info + u8(len(output) // 32 + 1))
        output += block
    return output[:size]


def hkdf(salt, key_material, info, size):
    return expand(extract(salt, key_material), info, size)


def psk_of(client_key):
    """PROTOCOL 3, `psk`."""
    return hkdf(b"", client_key, b"sealpost/1 psk", 32)


class MasterKeys:
    """What the server derives from one master key (PROTOCOL 3)."""

    def __init__(self, master_key, server_id, kid):
        self.kid, self._server_id = kid, server_id
        self._root = extract(b"sealpost/1", master_key)
        self._key_use_key = self._purpose(b"key use")
        self.receipt_key = self._purpose(b"receipt")
        self.storage_key = self._purpose(b"storage")

    def _purpose(self, label):
        return expand(self._root, label + self._server_id + u8(self.kid), 32)

    def client_key(self, name, generation):
        whose = u8(self.kid) + lp8(name) + u32(generation)
        return expand(self._root, b"client key" + self._server_id + whose, 16)

    def key_use_hmac(self, name, generation, block):
        return mac(self._key_use_key, u8(self.kid) + lp8(name) + u32(generation) + block)


def make_receipt(receipt_key, epoch, name, generation, install_nonce, next_counter):
    """PROTOCOL 6, `receipt`."""
    installation = lp8(name) + u32(generation) + install_nonce
    proof = mac(receipt_key, epoch + installation + u64(next_counter))[:16]
    return u64(next_counter) + proof


def receipt_next(receipt):
    """How far a receipt says the server has counted; 0 for none (PROTOCOL 6)."""
    return int.from_bytes(receipt[:8], "big")


# --- XAES-256-GCM ------------------------------------------------------------------------------


def _aes(key, block):
    # One block under ECB is the block cipher itself, which is what CMAC is made of.
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return encryptor.update(block) + encryptor.finalize()


def _xor(left, right):
    return bytes(a ^ b for a, b in zip(left, right))


def xaes_cmac_subkeys(key):
    """L and K1 of the C2SP XAES-256-GCM specification."""
    block = _aes(key, bytes(16))
    doubled = int.from_bytes(block, "big") << 1
    doubled = (doubled & (2**128 - 1)) ^ (0x87 if doubled >> 128 else 0)
    return block, doubled.to_bytes(16, "big")


def xaes_derived_key(key, nonce):
    """Kx: the AES-256-GCM key for the first half of a 24-byte nonce."""
    k1 = xaes_cmac_subkeys(key)[1]
    halves = (_aes(key, _xor(k1, b"\x00" + u8(i) + b"X\x00" + nonce[:12])) for i in (1, 2))
    return b"".join(halves)


def xaes_seal(key, nonce, plaintext, aad):
    return AESGCM(xaes_derived_key(key, nonce)).encrypt(nonce[12:], plaintext, aad)


def xaes_open(key, nonce, ciphertext, aad):
    return _gcm_open(xaes_derived_key(key, nonce), nonce[12:], ciphertext, aad)


def _gcm_open(key, nonce, ciphertext, aad):
    require(len(ciphertext) >= 16, "no room for a tag")
    try:
        return AESGCM(key).decrypt(nonce, ciphertext, aad)
    except InvalidTag as error:
        raise Rejected("does not open") from error


def random_bytes(size, plaintext):
    """A cloned random generator does not repeat these unless the plaintext repeats (PROTOCOL 6)."""
    return hashlib.sha256(os.urandom(32) + plaintext).digest()[:size]


# --- Noise_NNpsk0_25519_AESGCM_SHA256 ----------------------------------------------------------


class NoiseCipher:
    """A CipherState of the Noise specification, revision 34."""

    def __init__(self, key):
        self.key, self._count = key, 0

    def _nonce(self):
        nonce = bytes(4) + u64(self._count)
        self._count += 1
        return nonce

    def seal(self, plaintext, aad=b""):
        return AESGCM(self.key).encrypt(self._nonce(), plaintext, aad)

    def open(self, ciphertext, aad=b""):
        return _gcm_open(self.key, self._nonce(), ciphertext, aad)


class NoiseHandshake:
    """The symmetric state, the psk and the ephemeral key that both sides of NNpsk0 have."""

    def __init__(self, psk, prologue, ephemeral=None):
        self._psk = psk
        self._ephemeral = ephemeral or os.urandom(32)
        self.public = public_of(self._ephemeral)
        self.hash = self._chain = NOISE_NAME  # exactly 32 bytes, so not hashed
        self._cipher = None
        self._mix_hash(prologue)

    def split(self):
        """The two NoiseCiphers: the initiator's first (PROTOCOL 5, k_c2s and k_s2c)."""
        keys = hkdf(self._chain, b"", b"", 64)
        return NoiseCipher(keys[:32]), NoiseCipher(keys[32:])

    def _mix_hash(self, data):
        self.hash = hashlib.sha256(self.hash + data).digest()

    def _mix_key(self, key_material):
        keys = hkdf(self._chain, key_material, b"", 64)
        self._chain, self._cipher = keys[:32], NoiseCipher(keys[32:])

    def _mix_psk(self):
        keys = hkdf(self._chain, self._psk, b"", 96)
        self._chain, self._cipher = keys[:32], NoiseCipher(keys[64:])
        self._mix_hash(keys[32:64])

    def _mix_public(self, public):
        # In a handshake with a psk the token e is mixed into the key as well as into the hash.
        self._mix_hash(public)
        self._mix_key(public)

    def _seal(self, payload):
        ciphertext = self._cipher.seal(payload, self.hash)
        self._mix_hash(ciphertext)
        return ciphertext

    def _open(self, ciphertext):
        payload = self._cipher.open(ciphertext, self.hash)
        self._mix_hash(ciphertext)
        return payload


class Initiator(NoiseHandshake):
    """The client's side.  `public` replaces its public key, for a client that cheats."""

    def __init__(self, psk, prologue, ephemeral=None, public=None):
        super().__init__(psk, prologue, ephemeral)
        self.public = public or self.public

    def write(self, payload):
        """Message 1: psk, e."""
        self._mix_psk()
        self._mix_public(self.public)
        return self.public + self._seal(payload)

    def read(self, message):
        """Message 2: e, ee."""
        reader = Reader(message)
        theirs = reader.take(32)
        self._mix_public(theirs)
        self._mix_key(shared_secret(self._ephemeral, theirs))
        return self._open(reader.rest())


class Responder(NoiseHandshake):
    """The server's side."""

    def read(self, message):
        """Message 1; also rejects a point that could not be used in message 2 (PROTOCOL 5.3)."""
        reader = Reader(message)
        theirs = reader.take(32)
        self._mix_psk()
        self._mix_public(theirs)
        self._shared = shared_secret(self._ephemeral, theirs)
        return self._open(reader.rest())

    def write(self, payload):
        """Message 2."""
        self._mix_public(self.public)
        self._mix_key(self._shared)
        return self.public + self._seal(payload)


def public_of(private):
    key = X25519PrivateKey.from_private_bytes(private).public_key()
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def shared_secret(private, public):
    """X25519; an all-zero result is rejected (PROTOCOL 5.3)."""
    theirs = X25519PublicKey.from_public_bytes(public)
    try:
        return X25519PrivateKey.from_private_bytes(private).exchange(theirs)
    except ValueError as error:
        raise Rejected("all-zero X25519 result") from error


# --- the form ----------------------------------------------------------------------------------


def form_field(key, value):
    return key + b"=" + value


def form(encrypted, name=b"", key_use_hmac=b""):
    """The HTTP body, its fields in the page's order, empty ones left out (PROTOCOL 4)."""
    fields = [form_field(b"name", name)] if name else []
    if key_use_hmac:
        fields.append(form_field(b"key_use_hmac", b64url(key_use_hmac).encode()))
    fields.append(form_field(b"encrypted_message", b64url(encrypted).encode()))
    return b"&".join(fields)


def form_decode(body):
    """(encrypted_message, name, key_use_hmac), what is absent empty (PROTOCOL 4)."""
    fields = [part.partition(b"=") for part in body.split(b"&")]
    values = {key: value for key, _, value in fields}
    require(len(values) == len(fields), "a field given twice")
    require(b"encrypted_message" in values, "no encrypted_message")
    for key, value in values.items():
        require(re.fullmatch(_FORM_VALUES.get(key, b"(?!)"), value), "not the form")
    decode = lambda key: b64url_decode(values.get(key, b"").decode())
    return decode(b"encrypted_message"), values.get(b"name", b""), decode(b"key_use_hmac")


_FORM_VALUES = {b"name": rb"[A-Za-z0-9._-]{1,64}",
                b"key_use_hmac": rb"[A-Za-z0-9_-]{43}",
                b"encrypted_message": rb"[A-Za-z0-9_-]+"}


def clear_fields(name=b"", key_use_hmac=b""):
    """`clear`: what of the form is bound into the seal (PROTOCOL 4)."""
    return lp8(name) + lp8(key_use_hmac)


# --- handshake ---------------------------------------------------------------------------------


def handshake_header(kid, generation):
    return HANDSHAKE + u8(kid) + u32(generation)


def handshake_prologue(server_id, header, clear):
    return b"sealpost/1 handshake" + server_id + header + clear


@dataclass
class HandshakePayload:
    """What noise message 1 carries (PROTOCOL 5)."""

    sent_at: int
    install_nonce: bytes
    receipt: bytes
    claims: bytes
    key_use_hmac: bytes = b""

    def encode(self):
        return (u64(self.sent_at) + self.install_nonce + self.receipt + lp16(self.claims)
                + lp8(self.key_use_hmac))

    @classmethod
    def decode(cls, data):
        reader = Reader(data)
        payload = cls(reader.number(8), reader.take(16), reader.take(24), reader.lp16(),
                      reader.lp8())
        reader.end()
        decode_claims(payload.claims)
        return payload


@dataclass
class HandshakeAnswer:
    """What noise message 2 carries; the fields after server_time only if accepted (PROTOCOL 5)."""

    status: int
    server_time: int
    session_id: bytes = b""
    epoch: bytes = b""
    expires_at: int = 0
    receipt: bytes = NO_RECEIPT
    max_body: int = 0

    def encode(self):
        head = u8(self.status) + u64(self.server_time)
        if self.status:
            return head
        return (head + self.session_id + self.epoch + u64(self.expires_at) + self.receipt
                + u32(self.max_body))

    @classmethod
    def decode(cls, data):
        reader = Reader(data)
        answer = cls(known_status(reader.number(1)), reader.number(8))
        if answer.status == 0:
            answer = cls(0, answer.server_time, reader.take(16), reader.take(16),
                         reader.number(8), reader.take(24), reader.number(4))
        reader.end()
        return answer


def known_status(status):
    require(status < len(STATUS_NAMES), "a status the page does not know")
    return status


def write_handshake(initiator, header, payload):
    """encrypted_message (PROTOCOL 5)."""
    return header + initiator.write(payload)


def read_handshake_answer(initiator, answer):
    """The HandshakeAnswer; the initiator can be split afterwards (PROTOCOL 5)."""
    require(answer[:1] == HANDSHAKE_ANSWER, "not a handshake's answer")
    return HandshakeAnswer.decode(initiator.read(answer[1:]))


# --- records -----------------------------------------------------------------------------------


@dataclass
class Message:
    """PROTOCOL 2: what is sealed any number of times and acts once."""

    counter: int
    message_id: bytes
    topic: bytes
    body: bytes = b""

    def digest(self):
        return hashlib.sha256(self.message_id + lp8(self.topic) + self.body).digest()


@dataclass
class RecordPlaintext:
    """What a record seals (PROTOCOL 6)."""

    sent_at: int
    oldest: int
    receipt: bytes
    claims: bytes
    key_use_hmac: bytes
    message_id: bytes
    topic: bytes
    body: bytes

    def encode(self):
        return (u64(self.sent_at) + u64(self.oldest) + self.receipt + lp16(self.claims)
                + lp8(self.key_use_hmac) + self.message_id + lp8(self.topic) + self.body)

    @classmethod
    def decode(cls, data):
        reader = Reader(data)
        record = cls(reader.number(8), reader.number(8), reader.take(24), reader.lp16(),
                     reader.lp8(), reader.take(16), reader.lp8(), reader.rest())
        decode_claims(record.claims)
        require(is_topic(record.topic), "not a topic")
        return record


@dataclass
class RecordAnswer:
    """What an answer to a record seals (PROTOCOL 6)."""

    status: int
    server_time: int
    receipt: bytes = NO_RECEIPT
    body: bytes = b""

    def encode(self):
        return u8(self.status) + u64(self.server_time) + self.receipt + self.body

    @classmethod
    def decode(cls, data):
        reader = Reader(data)
        return cls(known_status(reader.number(1)), reader.number(8), reader.take(24),
                   reader.rest())


def seal_record(key, session_id, counter, plaintext, clear):
    """encrypted_message, under k_c2s (PROTOCOL 6)."""
    header = RECORD + session_id + u64(counter) + random_bytes(16, plaintext)
    aad = b"sealpost/1 record" + header + clear
    return header + xaes_seal(key, header[17:], plaintext, aad)


def read_record_header(encrypted):
    """(session_id, counter) (PROTOCOL 6)."""
    reader = Reader(encrypted)
    require(reader.take(1) == RECORD, "not a record")
    session_id, counter = reader.take(16), reader.number(8)
    require(counter < COUNTER_END, "counter too great")
    reader.take(16)
    return session_id, counter


def open_record(key, encrypted, clear):
    """The plaintext's bytes (PROTOCOL 6)."""
    header, ciphertext = encrypted[:RECORD_HEADER], encrypted[RECORD_HEADER:]
    require(len(header) == RECORD_HEADER, "too short")
    return xaes_open(key, header[17:], ciphertext, b"sealpost/1 record" + header + clear)


def _answer_aad(request):
    return b"sealpost/1 answer" + hashlib.sha256(request).digest()


def seal_answer(key, request, answer):
    """The answer's bytes to one request's decoded encrypted_message, under k_s2c (PROTOCOL 6)."""
    plaintext = answer.encode()
    nonce = random_bytes(24, plaintext)
    return RECORD_ANSWER + nonce + xaes_seal(key, nonce, plaintext, _answer_aad(request))


def open_answer(key, request, answer):
    """The RecordAnswer, if it answers this request and no other (PROTOCOL 6)."""
    reader = Reader(answer)
    require(reader.take(1) == RECORD_ANSWER, "not a record's answer")
    nonce = reader.take(24)
    return RecordAnswer.decode(xaes_open(key, nonce, reader.rest(), _answer_aad(request)))


# --- credential --------------------------------------------------------------------------------


@dataclass
class Credential:
    """What a client is issued (PROTOCOL 3)."""

    url: str
    server_id: bytes
    name: bytes
    kid: int
    generation: int
    client_key: bytes
    claims: dict
    key_use_hmac: bytes

    @classmethod
    def from_json(cls, issued):
        """Of the object the operator's tool prints; binary values in base64url."""
        require(issued["sealpost"] == 1, "another version")
        credential = cls(issued["url"], b64url_decode(issued["server_id"]),
                         issued["name"].encode(), issued["kid"], issued["generation"],
                         b64url_decode(issued["client_key"]), issued["claims"],
                         b64url_decode(issued["key_use_hmac"]))
        credential.check()
        return credential

    def check(self):
        """The sizes and ranges of PROTOCOL 2 and 3."""
        require(is_name(self.name), "not a name")
        require(1 <= self.kid <= 255 and 1 <= self.generation < 2**32, "kid or generation")
        sizes = [len(self.server_id), len(self.client_key), len(self.key_use_hmac)]
        require(sizes == [16, 16, 32], "sizes")
        encode_claims(self.claims)
