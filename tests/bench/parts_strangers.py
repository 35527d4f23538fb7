"""What strangers cost, and those who knock: refusals, replays, handshakes."""

import glob
import hashlib
import json
import os

from load import Crowd, Fresh, Same, ratio, take_turns, wrk
from servers import Fcgi, Nginx, sealpost
from stage import Failed

REFUSED = ("garbage", "unknown", "forged", "replayed_handshakes")
REPLAYS = 1000


def state_of(home):
    """Size, time of change and SHA-256 of the database and its WAL."""
    state = {}
    for path in sorted(glob.glob(home + "/sealpost.db*")):
        if path.endswith("-shm"):
            continue  # the readers' marks, in memory; never synced
        status = os.stat(path)
        with open(path, "rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        state[os.path.basename(path)] = [status.st_size, status.st_mtime_ns, digest]
    return state


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
    """Runs that must leave the database as it is, to the byte, and end as the log must say."""

    def __init__(self, run, crowd, outcome):
        self.run, self.crowd, self.outcome = run, crowd, outcome

    def __call__(self):
        log = self.crowd.home + ".log"
        before, begin = state_of(self.crowd.home), os.stat(log).st_size
        rate = self.run()
        if state_of(self.crowd.home) != before:
            raise Failed(f"{self.outcome}: the database has changed")
        counts = outcomes(log, begin)
        if set(counts) != {self.outcome}:
            raise Failed(f"the log says {counts}, not only {self.outcome}")
        return rate


def post_once(url, forms):
    """Posts them until none is new any more."""
    for _ in range(15):
        try:
            wrk(url, forms, expect="other")
            return
        except Failed:
            pass
    raise Failed(f"{url}: what was posted again and again is still new")


def refusals(stage, figures, rounds):
    """32 connections, not kept.  Nothing but the log may be written."""
    crowd = Crowd(stage)
    ours = sealpost(stage, crowd.home)
    nginx = Nginx(stage, {"sealpost": ours})
    forms = {kind: crowd.forms(2000, kind, again=True) for kind in ("garbage", "unknown", "forged")}
    forms["replayed_handshakes"] = crowd.forms(500, "handshakes", again=True)
    crowd.given = 0
    forms["replays"] = crowd.forms(REPLAYS, again=True)
    for kind in ("replayed_handshakes", "replays"):
        post_once(nginx.url("sealpost"), forms[kind])
    nginx.stop()
    ours.stop()  # which writes down what it has counted

    servers = {"ceiling": Fcgi(stage, [stage.bin("ceiling")]),
               "sealpost": sealpost(stage, crowd.home)}
    nginx = Nginx(stage, servers)
    wrk(nginx.url("sealpost"), forms["garbage"], expect="other")
    # The handshakes first: they are remembered for 150 s.
    kinds = ("replayed_handshakes", "replays", "garbage", "unknown", "forged")
    runs = {"ceiling": Same(forms["replays"], nginx.url("ceiling"))}
    for kind in kinds:
        run = Same(forms[kind], nginx.url("sealpost"), expect="other")
        runs[kind] = Quiet(run, crowd, "duplicate" if kind == "replays" else "refused")
    given = take_turns(rounds, runs)
    figures.keep("refusals", given)
    for kind in REFUSED:
        figures.add("refused, 0 bytes to the database", f"{kind.replace('_', ' ')} : ceiling",
                    ratio(given, kind, "ceiling"), "x", 1.3)
    figures.add("answered again, 0 bytes to the database", "replays : ceiling",
                ratio(given, "replays", "ceiling"), "x", 1.2)
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
