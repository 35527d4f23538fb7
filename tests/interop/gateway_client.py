"""A client of a live gateway, and how a check says what it expects."""

import copy
import dataclasses
import functools
import http.client
import json
import re
import secrets
import socket
import subprocess
import time
import urllib.parse
from concurrent.futures import ThreadPoolExecutor

import sealpost_protocol as sp

REJECTED = "403 refused"
FORM = "400 form"
SEALED = (sp.HANDSHAKE_ANSWER, sp.RECORD_ANSWER)
PING = b"sealpost/ping"
DAY = 24 * 3600 * 1000
TIMEOUT = 10


class Mismatch(Exception):
    """What was expected, and what came."""

    def __init__(self, expected, got):
        super().__init__(f"expected {expected}, got {got}")


def expect(got, *expected):
    """`got` is a Reply, or anything else with a plain value; one of `expected` must be it."""
    said = got.said if isinstance(got, Reply) else got
    if said not in expected:
        raise Mismatch(" or ".join(map(show, expected)), show(said))
    return got


def expect_that(condition, expected, got):
    if not condition:
        raise Mismatch(expected, show(got))


def show(value):
    return value.hex() if isinstance(value, bytes) else str(value)


@dataclasses.dataclass
class Reply:
    """An HTTP answer and, if it was sealed and opened, what it said."""

    http: int
    headers: dict
    body: bytes
    answer: object = None
    session: object = None
    why_not: str = ""

    @property
    def said(self):
        """The sealed status, or the HTTP status and the body of an unsealed answer."""
        if self.answer:
            return sp.STATUS_NAMES[self.answer.status]
        if sp.UNSEALED.get(self.http) == self.body:
            return f"{self.http} {self.body.decode().strip()}"
        note = f" ({self.why_not})" if self.why_not else ""
        return f"HTTP {self.http} with {len(self.body)} bytes {self.body[:40]!r}{note}"

    def header(self, name):
        return self.headers.get(name.lower())

    @property
    def media_type(self):
        return (self.header("Content-Type") or "").partition(";")[0].strip().lower()


@dataclasses.dataclass
class Session:
    """What a client keeps of an accepted handshake (PROTOCOL 5)."""

    id: bytes
    epoch: bytes
    k_c2s: bytes
    k_s2c: bytes


@dataclasses.dataclass
class Request:
    """An encrypted_message with its clear fields, and the one way to open its answer."""

    encrypted: bytes
    name: bytes
    key_use_hmac: bytes
    opening: object
    message: sp.Message = None

    def body(self):
        return sp.form(self.encrypted, self.name, self.key_use_hmac)

    def open(self, reply):
        """Sets what the reply's seal holds; leaves an unsealed reply alone."""
        if reply.body[:1] not in SEALED:
            return reply
        try:
            reply.answer, reply.session = self.opening(self.encrypted, reply.body)
        except sp.Rejected as error:
            reply.why_not = str(error)
        return reply

    def changed(self, change):
        """The same request with other bytes in encrypted_message."""
        return dataclasses.replace(self, encrypted=change(self.encrypted))


def flip(index, mask=1):
    """A change that flips one bit of the byte at index."""
    def change(data):
        flipped = bytearray(data)
        flipped[index] ^= mask
        return bytes(flipped)
    return change


class World:
    """The gateway, the operator's tool, and everything that was seen of them."""

    def __init__(self, options):
        self.options = options
        self.url = urllib.parse.urlsplit(options.url)
        self.run = "interop-" + secrets.token_hex(4)
        self.offset = 0
        self.names = 0
        self.replies, self.receipts, self.accepted, self.sessions = [], [], [], []

    # --- the operator ---

    def operator(self, *arguments):
        """What the operator's tool prints."""
        command = [self.options.sealpost, "--home", self.options.home, *arguments]
        done = subprocess.run(command, capture_output=True, timeout=TIMEOUT)
        if done.returncode:
            raise Mismatch(f"`{' '.join(arguments[:2])}` to work", done.stderr.decode().strip())
        return done.stdout.decode()

    def issue(self, *arguments):
        """The credential that `client add` or `client renew` prints."""
        printed = self.operator("client", *arguments, "--role", self.options.role)
        return sp.Credential.from_json(json.loads(printed))

    def new_name(self):
        self.names += 1
        return f"{self.run}-{self.names}"

    def client(self, *flags):
        """A new client with a credential of its own, just installed."""
        return Client(self, self.issue("add", self.new_name(), *flags))

    def client_with_claims(self, **claims):
        flags = [("--claim", f"{key}={value}") for key, value in claims.items()]
        return self.client(*(part for flag in flags for part in flag))

    def client_until(self, seconds):
        """A client whose credential ends in so many seconds."""
        end = self.now() // 1000 + seconds
        for flags in (("--claim", f"not_after={end}"), ("--expires", f"{seconds}s")):
            try:
                client = self.client(*flags)
            except Mismatch:
                continue
            if int(client.key.claims["not_after"]) <= end + 1:
                return client
        raise Mismatch(f"a credential that ends in {seconds} s", "none by --claim or --expires")

    @functools.cached_property
    def regular(self):
        """A client with a live session, for checks that change nothing of it."""
        client = self.client()
        expect(client.send(client.message(PING)), "accepted")
        return client

    @functools.cached_property
    def max_body(self):
        client = self.client()
        return expect(client.handshake(), "accepted").answer.max_body

    # --- the gateway ---

    def now(self):
        """The server's clock, as far as it is known."""
        return int(time.time() * 1000) + self.offset

    def http(self, body, method="POST", headers=(("Content-Type", sp.MEDIA_TYPE),)):
        """One request on a connection of its own; connection errors pass through."""
        connection = self._connection()
        try:
            connection.putrequest(method, self._path(), skip_accept_encoding=True)
            for header in (*headers, ("Content-Length", str(len(body)))):
                connection.putheader(*header)
            self._finish(connection, body)
            response = connection.getresponse()
            headers = {key.lower(): value for key, value in response.getheaders()}
            reply = Reply(response.status, headers, response.read())
        finally:
            connection.close()
        self.replies.append((method, reply))
        return reply

    def _connection(self):
        secure = self.url.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        return kind(self.url.hostname, self.url.port, timeout=TIMEOUT)

    def _path(self):
        return self.url.path or "/"

    @staticmethod
    def _finish(connection, body):
        # A server may answer before it has taken the whole body; its answer still counts.
        try:
            connection.endheaders(body)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def announce(self, length, body):
        """The HTTP status for a body of another length than announced; None if hung up on."""
        port = self.url.port or http.client.HTTP_PORT
        head = (f"POST {self._path()} HTTP/1.1\r\nHost: {self.url.netloc}\r\n"
                f"Content-Type: {sp.MEDIA_TYPE}\r\nContent-Length: {length}\r\n"
                "Connection: close\r\n\r\n")
        with socket.create_connection((self.url.hostname, port), timeout=TIMEOUT) as peer:
            peer.sendall(head.encode() + body)
            peer.shutdown(socket.SHUT_WR)
            status = re.match(rb"HTTP/1\.[01] (\d{3})", _receive_start(peer))
        return int(status[1]) if status else None


def _receive_start(peer):
    try:
        return peer.recv(4096)
    except ConnectionResetError:
        return b""


class Client:
    """One installation of a credential, as PROTOCOL 8 describes it; every rule can be broken."""

    def __init__(self, world, credential):
        self.world, self.key = world, credential
        self.name = credential.name
        self.psk = sp.psk_of(credential.client_key)
        self.claims = sp.encode_claims(credential.claims)
        self.install()

    def install(self):
        self.nonce = secrets.token_bytes(16)
        self.next, self.receipt, self.session = 0, sp.NO_RECEIPT, None
        return self

    def another_installation(self):
        return Client(self.world, self.key)

    def copied(self):
        """What a backup of this client holds."""
        return copy.copy(self)

    # --- handshake ---

    def offer(self, *, sent_at=None, shift=0, receipt=None, claims=None, hmac=None,
              place="inside", name=None, kid=None, generation=None, server_id=None, psk=None,
              public=None, clear=None, payload=lambda whole: whole):
        """A handshake's Request; each argument breaks or varies one thing."""
        inside, outside = self._places(place, hmac)
        name = self.name if name is None else name
        header = sp.handshake_header(self.key.kid if kid is None else kid,
                                     self.key.generation if generation is None else generation)
        clear = sp.clear_fields(name, outside) if clear is None else clear
        prologue = sp.handshake_prologue(server_id or self.key.server_id, header, clear)
        initiator = sp.Initiator(psk or self.psk, prologue, public=public)
        sealed = sp.HandshakePayload(self._sent_at(sent_at, shift), self.nonce,
                                     self.receipt if receipt is None else receipt,
                                     self.claims if claims is None else claims, inside)
        encrypted = sp.write_handshake(initiator, header, payload(sealed.encode()))
        return Request(encrypted, name, outside, functools.partial(_open_grant, initiator))

    def handshake(self, **changes):
        """A Reply; where it is accepted its session becomes this client's."""
        return self.deliver(self.offer(**changes))

    # --- records ---

    def message(self, topic=None, body=b"interop", counter=None):
        """A new Message, by default at this installation's next counter."""
        counter = self.next if counter is None else counter
        self.next = max(self.next, counter + 1)
        topic = f"{self.world.options.topic}/{counter}".encode() if topic is None else topic
        return sp.Message(counter, secrets.token_bytes(16), topic, body)

    def seal(self, message, *, session=None, sent_at=None, shift=0, oldest=0, receipt=None,
             claims=None, hmac=None, place="inside", name=b"", clear=None, session_id=None,
             key=None, plaintext=lambda whole: whole):
        """A record's Request; each argument breaks or varies one thing.

        By default it awaits every answer since counter 0, so that none of them may be dropped.
        """
        session = session or self.session
        inside, outside = self._places(place, hmac)
        whole = sp.RecordPlaintext(self._sent_at(sent_at, shift),
                                   oldest,
                                   self.receipt if receipt is None else receipt,
                                   self.claims if claims is None else claims, inside,
                                   message.message_id, message.topic, message.body)
        clear = sp.clear_fields(name, outside) if clear is None else clear
        encrypted = sp.seal_record(key or session.k_c2s, session_id or session.id,
                                   message.counter, plaintext(whole.encode()), clear)
        return Request(encrypted, name, outside, functools.partial(_open_answer, session),
                       message)

    def send(self, message=None, **changes):
        """Seals and delivers a message, a new one by default, after a handshake if need be."""
        if not (self.session or changes.get("session")):
            expect(self.handshake(), "accepted")
        return self.deliver(self.seal(message or self.message(), **changes))

    def ping(self, **changes):
        return self.send(self.message(PING), **changes)

    # --- both ---

    def deliver(self, request, body=None):
        """Posts a request, or another body in its name, and learns from its answer."""
        reply = request.open(self.world.http(request.body() if body is None else body))
        if reply.session:
            self.session = reply.session
            self.world.sessions.append(reply.session)
        if reply.answer:
            self._learn(request, reply.answer)
        return reply

    def _learn(self, request, answer):
        self.world.offset = answer.server_time - int(time.time() * 1000)
        receipt = answer.receipt
        self.world.receipts.append((self.nonce, receipt, answer.status, request.message))
        if sp.receipt_next(receipt) > sp.receipt_next(self.receipt):
            self.receipt = receipt
        if request.message and answer.status == 0:
            self.world.accepted.append((self.name.decode(), self.nonce, request.message))

    def _places(self, place, value):
        """(inside, outside) for a key_use_hmac (PROTOCOL 4)."""
        value = self.key.key_use_hmac if value is None else value
        return {"inside": (value, b""), "clear": (b"", value), "both": (value, value),
                "neither": (b"", b"")}[place]

    def _sent_at(self, sent_at, shift):
        return self.world.now() + shift if sent_at is None else sent_at


def _open_grant(initiator, _request, answer):
    # A copy, because an offer delivered twice may be answered twice.
    initiator = copy.deepcopy(initiator)
    grant = sp.read_handshake_answer(initiator, answer)
    if grant.status:
        return grant, None
    k_c2s, k_s2c = initiator.split()
    return grant, Session(grant.session_id, grant.epoch, k_c2s.key, k_s2c.key)


def _open_answer(session, request, answer):
    return sp.open_answer(session.k_s2c, request, answer), None


def expect_answer(client, offer, expected):
    """Expects a handshake to be turned away; one that was not leaves nothing pending."""
    reply = client.deliver(offer)
    if reply.session:
        client.ping()
    expect(reply, expected)


def together(count, action):
    """What `count` threads got that did the same at once."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda _: action(), range(count)))


CHECKS = []


def check(sentence):
    """Registers a function of the world as a check."""
    def register(function):
        CHECKS.append((sentence, function))
        return function
    return register


def each(sentence, rows):
    """Registers a check for each row: the first column completes the sentence."""
    def register(function):
        for why, *columns in rows:
            run = functools.partial(lambda world, given: function(world, *given), given=columns)
            CHECKS.append((sentence.format(why), run))
        return function
    return register
