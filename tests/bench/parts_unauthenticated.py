"""What rejected requests, replays, handshakes and handlers cost."""

import glob
import json
import os

from load import BenchClients, FreshMessages, SameMessages, ratio, take_turns, wrk
from servers import Fcgi, Nginx, sealpost
from workspace import Failed

REPLAYS = 1000
BLOCK = 4096


def state_of(home):
    """The database and its WAL: when each was last written, and its bytes."""
    state = {}
    for path in glob.glob(home + "/sealpost.db*"):
        if not path.endswith("-shm"):  # the readers' marks, in memory; never synced
            with open(path, "rb") as file:
                state[path] = os.stat(path).st_mtime_ns, file.read()
    return state


def bytes_between(before, after):
    """How many bytes have been written, as far as can be seen: in blocks that are not the same."""
    count = 0
    for path in {*before, *after}:
        (was_at, was), (is_at, now) = before.get(path, (0, b"")), after.get(path, (0, b""))
        changed = sum(BLOCK for at in range(0, max(len(was), len(now)), BLOCK)
                      if was[at:at + BLOCK] != now[at:at + BLOCK])
        count += changed or int(was_at != is_at)
    return count


def outcomes(log, begin):
    """How often the log says each outcome, from an offset on."""
    counts = {}
    with open(log, encoding="utf-8") as lines:
        lines.seek(begin)
        for line in lines:
            entry = json.loads(line)
            said = entry.get("outcome", "alarm")
            counts[said] = counts.get(said, 0) + 1
    return counts


class WithoutWrites:
    """Runs that should leave the database as it is, and must end as the log has to say."""

    def __init__(self, run, clients, outcome):
        self.run, self.clients, self.outcome = run, clients, outcome
        self.written = 0

    def __call__(self):
        log = self.clients.home + ".log"
        begin = os.stat(log).st_size if os.path.exists(log) else 0
        before = state_of(self.clients.home)
        rate = self.run()
        self.written += bytes_between(before, state_of(self.clients.home))
        counts = outcomes(log, begin)
        if not set(counts) <= {self.outcome}:  # empty if the rejections wait for their sum
            raise Failed(f"the log says {counts}, not only {self.outcome}")
        return rate


def post_until_known(run):
    """Posts the same messages until none is new any more."""
    for _ in range(15):
        try:
            return run()
        except Failed as error:
            last = error
    raise last


def rejections(workspace, figures, rounds):
    """32 connections, not kept.  Nothing but the log may be written."""
    clients = BenchClients(workspace)
    ours = sealpost(workspace, clients.home)
    nginx = Nginx(workspace, {"sealpost": ours})
    forms = {kind: clients.forms(2000, kind, again=True) for kind in ("garbage", "unknown", "forged")}
    forms["replayed_handshakes"] = clients.forms(500, "handshakes", again=True)
    clients.given = 0
    forms["replays"] = clients.forms(REPLAYS, again=True)
    for kind, outcome in (("replayed_handshakes", "rejected"), ("replays", "duplicate")):
        post_until_known(WithoutWrites(SameMessages(forms[kind], nginx.url("sealpost"), expect="any"), clients,
                               outcome))
    nginx.stop()
    ours.stop()  # which writes down what it has counted

    servers = {"ceiling": Fcgi(workspace, [workspace.bin("ceiling")]),
               "sealpost": sealpost(workspace, clients.home)}
    nginx = Nginx(workspace, servers)
    wrk(nginx.url("sealpost"), forms["garbage"], expect="other")
    kinds = ("garbage", "unknown", "forged", "replayed_handshakes", "replays")
    runs = {"ceiling": SameMessages(forms["replays"], nginx.url("ceiling"))}
    for kind in kinds:
        run = SameMessages(forms[kind], nginx.url("sealpost"), expect="other")
        runs[kind] = WithoutWrites(run, clients, "duplicate" if kind == "replays" else "rejected")
    given = take_turns(rounds, runs)
    figures.keep("rejections", given)
    for kind in kinds:
        said = kind.replace("_", " ")
        target = 1.2 if kind == "replays" else 1.3
        part = "answered again" if kind == "replays" else "refused"
        figures.add(part, f"{said} : ceiling", ratio(given, kind, "ceiling"), "x", target)
        figures.add(part, f"{said}: written to the database", runs[kind].written, "bytes", 0,
                    least=False)
    nginx.stop()
    for server in servers.values():
        server.stop()


def handshakes(workspace, figures, rounds):
    """Each of another client, durable; 32 connections, not kept."""
    clients = BenchClients(workspace, 60000)
    servers = {"ceiling": Fcgi(workspace, [workspace.bin("ceiling")]),
               "sealpost": sealpost(workspace, clients.home)}
    nginx = Nginx(workspace, servers)
    same = clients.forms(1000, "garbage", again=True)
    given = take_turns(rounds, {
        "ceiling": SameMessages(same, nginx.url("ceiling")),
        "sealpost": FreshMessages(lambda count: clients.forms(count, "handshakes"), nginx.url("sealpost"),
                          guess=8000)})
    figures.keep("handshakes", given)
    figures.add("handshakes", "handshakes : ceiling", ratio(given, "sealpost", "ceiling"), "x")
    nginx.stop()
    for server in servers.values():
        server.stop()


def handlers(workspace, figures, rounds):
    """The same messages to the inbox, to a program each, and to a local web application."""
    socket = workspace.path("app.sock")
    workspace.start([workspace.bin("web_application"), socket])
    clients = BenchClients(workspace)
    workspace.write(os.path.join(clients.home, "routes"),
                f"run - exec {workspace.bin('hello')}\nweb - http unix:{socket}:/in\nbox - inbox\n")
    ours = sealpost(workspace, clients.home)
    nginx = Nginx(workspace, {"sealpost": ours})
    given = take_turns(rounds, {
        topic: FreshMessages(lambda count, topic=topic: clients.forms(count, topic=topic),
                     nginx.url("sealpost"), guess=8000)
        for topic in ("box", "run", "web")})
    figures.keep("handlers", given)
    for topic, said in (("run", "exec"), ("web", "http")):
        figures.add("handlers, 32 connections", f"{said} : inbox", ratio(given, topic, "box"), "x")
    nginx.stop()
    ours.stop()
