"""What strangers cost, and those who knock: refusals, replays, handshakes."""

import glob
import json
import os

from load import Crowd, Fresh, Same, ratio, take_turns, wrk
from servers import Fcgi, Nginx, sealpost
from stage import Failed

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


class Quiet:
    """Runs that should leave the database as it is, and must end as the log has to say."""

    def __init__(self, run, crowd, outcome):
        self.run, self.crowd, self.outcome = run, crowd, outcome
        self.written = 0

    def __call__(self):
        log = self.crowd.home + ".log"
        begin = os.stat(log).st_size if os.path.exists(log) else 0
        before = state_of(self.crowd.home)
        rate = self.run()
        self.written += bytes_between(before, state_of(self.crowd.home))
        counts = outcomes(log, begin)
        if set(counts) != {self.outcome}:
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


def refusals(stage, figures, rounds):
    """32 connections, not kept.  Nothing but the log may be written."""
    crowd = Crowd(stage)
    ours = sealpost(stage, crowd.home)
    nginx = Nginx(stage, {"sealpost": ours})
    forms = {kind: crowd.forms(2000, kind, again=True) for kind in ("garbage", "unknown", "forged")}
    forms["replayed_handshakes"] = crowd.forms(500, "handshakes", again=True)
    crowd.given = 0
    forms["replays"] = crowd.forms(REPLAYS, again=True)
    for kind, outcome in (("replayed_handshakes", "rejected"), ("replays", "duplicate")):
        post_until_known(Quiet(Same(forms[kind], nginx.url("sealpost"), expect="any"), crowd,
                               outcome))
    nginx.stop()
    ours.stop()  # which writes down what it has counted

    servers = {"ceiling": Fcgi(stage, [stage.bin("ceiling")]),
               "sealpost": sealpost(stage, crowd.home)}
    nginx = Nginx(stage, servers)
    wrk(nginx.url("sealpost"), forms["garbage"], expect="other")
    kinds = ("garbage", "unknown", "forged", "replayed_handshakes", "replays")
    runs = {"ceiling": Same(forms["replays"], nginx.url("ceiling"))}
    for kind in kinds:
        run = Same(forms[kind], nginx.url("sealpost"), expect="other")
        runs[kind] = Quiet(run, crowd, "duplicate" if kind == "replays" else "rejected")
    given = take_turns(rounds, runs)
    figures.keep("refusals", given)
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


def handshakes(stage, figures, rounds):
    """Each of another client, durable; 32 connections, not kept."""
    crowd = Crowd(stage, 60000)
    servers = {"ceiling": Fcgi(stage, [stage.bin("ceiling")]),
               "sealpost": sealpost(stage, crowd.home)}
    nginx = Nginx(stage, servers)
    same = crowd.forms(1000, "garbage", again=True)
    given = take_turns(rounds, {
        "ceiling": Same(same, nginx.url("ceiling")),
        "sealpost": Fresh(lambda count: crowd.forms(count, "handshakes"), nginx.url("sealpost"),
                          guess=8000)})
    figures.keep("handshakes", given)
    figures.add("handshakes", "handshakes : ceiling", ratio(given, "sealpost", "ceiling"), "x")
    nginx.stop()
    for server in servers.values():
        server.stop()


def handlers(stage, figures, rounds):
    """The same messages to the inbox, to a program each, and to a local web application."""
    socket = stage.path("app.sock")
    stage.start([stage.bin("upstream"), socket])
    crowd = Crowd(stage)
    stage.write(os.path.join(crowd.home, "routes"),
                f"run - exec {stage.bin('hello')}\nweb - http unix:{socket}:/in\nbox - inbox\n")
    ours = sealpost(stage, crowd.home)
    nginx = Nginx(stage, {"sealpost": ours})
    given = take_turns(rounds, {
        topic: Fresh(lambda count, topic=topic: crowd.forms(count, topic=topic),
                     nginx.url("sealpost"), guess=8000)
        for topic in ("box", "run", "web")})
    figures.keep("handlers", given)
    for topic, said in (("run", "exec"), ("web", "http")):
        figures.add("handlers, 32 connections", f"{said} : inbox", ratio(given, topic, "box"), "x")
    nginx.stop()
    ours.stop()
