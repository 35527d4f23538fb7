"""CGI, and what a start costs; and where a message's instructions go."""

import os
import statistics
import time

import split
from load import Crowd, Fresh, Same, take_turns, wrk
from servers import Apache, Nginx, sealpost
from stage import Failed, eventually

STARTS = 60


def cgi(stage, figures, rounds):
    """Through mod_cgid, one request after the other: milliseconds over a program that says hello."""
    crowd = Crowd(stage)
    apache = Apache(stage, ("hello", "sealpost.fcgi"),
                    {"SEALPOST_HOME": crowd.home, "SEALPOST_LOG": crowd.home + ".log"})
    how = {"connections": 1}
    same = crowd.forms(100, "garbage", again=True)
    unknown = crowd.forms(100, "unknown", again=True)
    given = take_turns(rounds, {
        "hello": Same(same, apache.url("hello"), **how),
        "accepted": Fresh(crowd.forms, apache.url("sealpost.fcgi"), guess=1000, **how),
        "garbage": Same(same, apache.url("sealpost.fcgi"), expect="other", **how),
        "unknown": Same(unknown, apache.url("sealpost.fcgi"), expect="other", **how)})
    figures.keep("CGI", given)
    for what, said, target in (("accepted", "one durable commit", 2.2), ("garbage", "garbage", None),
                               ("unknown", "an unknown session", None)):
        over = statistics.median(1e3 / ours - 1e3 / hello for ours, hello in
                                 zip(given[what], given["hello"]))
        figures.add("CGI, time over a static hello", said, over, "ms", target, least=False)


def start_time(program):
    """Milliseconds from the start of a CGI process to its end, when it has nothing to do."""
    quiet = [(os.POSIX_SPAWN_OPEN, file, "/dev/null", os.O_RDWR, 0) for file in (0, 1, 2)]
    env = {"GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": "GET"}
    spent = []
    for _ in range(STARTS):
        begun = time.perf_counter()
        child = os.posix_spawn(program, [program], env, file_actions=quiet)
        _, status = os.waitpid(child, 0)
        spent.append(time.perf_counter() - begun)
        if status != 0:
            raise Failed(f"{program} ended with {status}")
    return 1e3 * statistics.median(spent)


def binary(stage, figures, rounds):
    """The size of the static program, as it is installed, and what its start costs."""
    path = stage.bin("sealpost.fcgi")
    given = take_turns(rounds, {"hello": lambda: 1e3 / start_time(stage.bin("hello")),
                                "sealpost": lambda: 1e3 / start_time(path)})
    figures.keep("start", given)
    over = statistics.median(1e3 / ours - 1e3 / hello for ours, hello in
                             zip(given["sealpost"], given["hello"]))
    figures.add("the static program", "size", os.stat(path).st_size / 2**20, "MiB")
    figures.add("the static program", "start and end over a static hello's", over, "ms")


def instructions(stage, figures, _):
    """One thread's instructions a message, by whose they are: callgrind, 32 kept connections."""
    crowd = Crowd(stage)
    out = stage.path("callgrind")
    ours = sealpost(stage, crowd.home, program="sealpost.fcgi.symbols",
                    before=["/usr/bin/valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"])
    nginx = Nginx(stage, {"sealpost": ours})
    run = wrk(nginx.url("sealpost", True), crowd.forms(30000), seconds=8)
    ours.stop()
    eventually("callgrind writes", lambda: os.path.exists(out) and os.stat(out).st_size > 0)
    shares, total, heaviest = split.of(out)
    figures.details["instructions"] = {"a_message": round(total / run.requests), "shares": shares,
                                       "heaviest": heaviest}
    for whose, share in shares.items():
        figures.add(f"instructions, {total / run.requests / 1000:.0f} thousand a message", whose,
                    100 * share, "%")
    nginx.stop()
