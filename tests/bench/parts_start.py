"""CGI, and what a start costs; and where a message's instructions go."""

import os
import statistics
import time

import split
from load import BenchClients, FreshMessages, SameMessages, take_turns, wrk
from servers import Apache, Nginx, sealpost
from workspace import Failed, eventually

STARTS = 60


def cgi(workspace, figures, rounds):
    """Through mod_cgid, one request after the other: milliseconds over a program that says hello."""
    clients = BenchClients(workspace)
    apache = Apache(workspace, ("hello", "sealpost.fcgi"),
                    {"SEALPOST_HOME": clients.home, "SEALPOST_LOG": clients.home + ".log"})
    how = {"connections": 1}
    same = clients.forms(100, "garbage", again=True)
    unknown = clients.forms(100, "unknown", again=True)
    given = take_turns(rounds, {
        "hello": SameMessages(same, apache.url("hello"), **how),
        "accepted": FreshMessages(clients.forms, apache.url("sealpost.fcgi"), guess=1000, **how),
        "garbage": SameMessages(same, apache.url("sealpost.fcgi"), expect="other", **how),
        "unknown": SameMessages(unknown, apache.url("sealpost.fcgi"), expect="other", **how)})
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


def binary(workspace, figures, rounds):
    """The size of the static program, as it is installed, and what its start costs."""
    path = workspace.bin("sealpost.fcgi")
    given = take_turns(rounds, {"hello": lambda: 1e3 / start_time(workspace.bin("hello")),
                                "sealpost": lambda: 1e3 / start_time(path)})
    figures.keep("start", given)
    over = statistics.median(1e3 / ours - 1e3 / hello for ours, hello in
                             zip(given["sealpost"], given["hello"]))
    figures.add("the static program", "size", os.stat(path).st_size / 2**20, "MiB")
    figures.add("the static program", "start and end over a static hello's", over, "ms")


def instructions(workspace, figures, _):
    """One thread's instructions a message, by whose they are: callgrind, 32 kept connections."""
    clients = BenchClients(workspace)
    out = workspace.path("callgrind")
    ours = sealpost(workspace, clients.home, program="sealpost.fcgi.symbols",
                    before=["/usr/bin/valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"])
    nginx = Nginx(workspace, {"sealpost": ours})
    run = wrk(nginx.url("sealpost", True), clients.forms(30000), seconds=8)
    ours.stop()
    eventually("callgrind writes", lambda: os.path.exists(out) and os.stat(out).st_size > 0)
    shares, total, heaviest = split.of(out)
    figures.details["instructions"] = {"a_message": round(total / run.requests), "shares": shares,
                                       "heaviest": heaviest}
    for whose, share in shares.items():
        figures.add(f"instructions, {total / run.requests / 1000:.0f} thousand a message", whose,
                    100 * share, "%")
    nginx.stop()
