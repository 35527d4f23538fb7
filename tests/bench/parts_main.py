"""Accepted messages: connections, bodies, sessions, processes."""

import os
import statistics
import time

from load import BenchClients, FreshMessages, PhpClients, SameMessages, ratio, take_turns, wrk
from servers import Fcgi, Fpm, Nginx, sealpost

TO_CEILING = {(32, False): 1.05, (32, True): 0.8, (64, False): 1.2, (64, True): 0.9}
TO_PEER = {(32, False): 5, (32, True): 7}


def sync_time(folder, times=150):
    """Seconds that an fdatasync takes after 12 KiB have been written over older ones."""
    path = os.path.join(folder, "sync")
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    block, blocks = os.urandom(12288), 300
    if os.fstat(file).st_size == 0:
        os.pwrite(file, block * blocks, 0)
        os.fsync(file)
    spent = 0.0
    for i in range(times):
        os.pwrite(file, block, i % blocks * len(block))
        begun = time.perf_counter()
        os.fdatasync(file)
        spent += time.perf_counter() - begun
    os.close(file)
    return spent / times


class Cpu:
    """A run, and what it cost the gateway: microseconds a message, user's and system's."""

    def __init__(self, run, server):
        self.run, self.server, self.given = run, server, []

    def __call__(self):
        user, system = self.server.cpu()
        rate = self.run()
        after = self.server.cpu()
        messages = rate * self.run.seconds
        self.given.append([1e6 * (after[0] - user) / messages, 1e6 * (after[1] - system) / messages])
        return rate


def connections(workspace, figures, rounds):
    """256 B, 1,000 sessions: beside the ceiling, the empty transport and the peer."""
    clients = BenchClients(workspace)
    # Each kept connection pins a thread of the ceiling, so that others have a ceiling of their own.
    servers = {"ceiling": Fcgi(workspace, [workspace.bin("ceiling")]),
               "pinned": Fcgi(workspace, [workspace.bin("ceiling")]),
               "empty": Fcgi(workspace, [workspace.bin("empty")]),
               "sealpost": sealpost(workspace, clients.home), "peer": Fpm(workspace)}
    peers = PhpClients(workspace)
    nginx = Nginx(workspace, servers)
    same = clients.forms(2000, again=True)
    for count in (1, 8, 32, 64):
        how = {"connections": count}
        peer = FreshMessages(peers.forms, nginx.url("peer"), guess=3000, **how)
        runs, cpu = {"peer": peer}, {}
        for kept in (False, True):
            tail = " kept" if kept else ""
            cpu[kept] = Cpu(FreshMessages(clients.forms, nginx.url("sealpost", kept), **how),
                            servers["sealpost"])
            runs["ceiling" + tail] = SameMessages(same, nginx.url("pinned" if kept else "ceiling", kept), **how)
            runs["empty" + tail] = SameMessages(same, nginx.url("empty", kept), **how)
            runs["sealpost" + tail] = cpu[kept]
        if count == 1:
            runs["sync"] = lambda: 1 / sync_time(workspace.folder)
        given = take_turns(rounds, runs)
        figures.keep(f"{count} connections", given)
        if count == 32:
            report_cpu(figures, cpu)
        report_connections(figures, count, given)
    nginx.stop()
    for server in servers.values():
        workspace.stop(server.process)


def report_cpu(figures, cpu):
    for kept, said in ((False, "not kept"), (True, "kept")):
        for at, whose in enumerate(("user", "system")):
            figures.add("the gateway's CPU a message, 32 connections", f"{whose}, {said}",
                        statistics.median(given[at] for given in cpu[kept].given), "µs")


def report_connections(figures, count, given):
    part = f"256 B, {count} connection" + ("s" if count > 1 else "")
    for kept in (False, True):
        tail, said = (" kept", ", kept") if kept else ("", ", not kept")
        figures.add(part, f"accepted : ceiling{said}",
                    ratio(given, "sealpost" + tail, "ceiling" + tail), "x",
                    TO_CEILING.get((count, kept)))
        figures.add(part, f"accepted : peer{said}", ratio(given, "sealpost" + tail, "peer"), "x",
                    TO_PEER.get((count, kept)))
        figures.add(part, f"empty transport : ceiling{said}",
                    ratio(given, "empty" + tail, "ceiling" + tail), "x")
    if count == 1:
        report_latency(figures, part, given)


def report_latency(figures, part, given):
    for tail, said in (("", ", not kept"), (" kept", ", kept")):
        over = [1e6 * (1 / ours - 1 / ceiling - 1 / sync) for ours, ceiling, sync in
                zip(given["sealpost" + tail], given["ceiling" + tail], given["sync"])]
        figures.add(part, f"time over the ceiling's, less one fdatasync{said}",
                    statistics.median(over), "µs", 100, least=False)


def bodies(workspace, figures, rounds):
    """64 B to the largest that is taken; 32 connections."""
    # The last makes a form of just under 1 MiB, which is as large as bodies may be.
    sizes = {"64 B": (64, 20000, 1), "1 KiB": (1024, 16000, 1), "64 KiB": (65536, 1200, 2),
             "1 MiB form": (786200, 100, 4)}
    ceiling = Fcgi(workspace, [workspace.bin("ceiling")])
    for said, (size, guess, seconds) in sizes.items():
        clients = BenchClients(workspace)
        ours = sealpost(workspace, clients.home)
        nginx = Nginx(workspace, {"ceiling": ceiling, "sealpost": ours})
        same = clients.forms(20, "garbage", body=size + 163, again=True)
        given = take_turns(rounds, {
            "ceiling": SameMessages(same, nginx.url("ceiling"), seconds=seconds),
            "sealpost": FreshMessages(lambda count, size=size, clients=clients: clients.forms(count, body=size),
                              nginx.url("sealpost"), guess=guess, seconds=seconds)})
        figures.keep(said + " bodies", given)
        figures.add("bodies, 32 connections", f"{said} : ceiling",
                    ratio(given, "sealpost", "ceiling"), "x", 0.7 if size == 65536 else None)
        nginx.stop()
        ours.stop()
    ceiling.stop()


def sessions(workspace, figures, rounds):
    """Up to a million live sessions, each message from another one than the last."""
    groups = {"1 thousand": BenchClients(workspace, 1000), "100 thousand": BenchClients(workspace, 100000),
              "1 million": BenchClients(workspace, 1000000)}
    servers = {said: sealpost(workspace, clients.home) for said, clients in groups.items()}
    nginx = Nginx(workspace, {f"s{clients.count}": servers[said] for said, clients in groups.items()})
    for kept in (False, True):
        given = take_turns(rounds, {
            said: FreshMessages(clients.forms, nginx.url(f"s{clients.count}", kept))
            for said, clients in groups.items()})
        tail = ", kept" if kept else ", not kept"
        figures.keep("sessions" + tail, given)
        for said, target in (("100 thousand", 0.85), ("1 million", 0.6)):
            figures.add("live sessions", f"{said} : 1 thousand{tail}",
                        ratio(given, said, "1 thousand"), "x", target)
    figures.add("live sessions", "memory at 1 million", servers["1 million"].memory("VmHWM"), "MiB",
                40, least=False, note="the most it ever had")
    nginx.stop()
    for server in servers.values():
        server.stop()


def processes(workspace, figures, rounds):
    """Four instead of one; 32 connections."""
    groups = {"one": BenchClients(workspace), "four": BenchClients(workspace)}
    servers = {"one": sealpost(workspace, groups["one"].home),
               "four": sealpost(workspace, groups["four"].home, processes=4)}
    nginx = Nginx(workspace, servers)
    for kept in (False, True):
        given = take_turns(rounds, {name: FreshMessages(groups[name].forms, nginx.url(name, kept))
                                    for name in servers})
        tail = ", kept" if kept else ", not kept"
        figures.keep("processes" + tail, given)
        figures.add("processes", f"4 : 1{tail}", ratio(given, "four", "one"), "x", 0.7)
    nginx.stop()
    for server in servers.values():
        server.stop()


def small(workspace, figures, rounds):
    """For CI: one row, two ratios.  The databases lie in memory: what is looked for is a change that
    makes sealpost slow, and the disks of the machines that run this differ tenfold."""
    clients = BenchClients(workspace, home=workspace.in_memory("home"))
    servers = {"ceiling": Fcgi(workspace, [workspace.bin("ceiling")]),
               "sealpost": sealpost(workspace, clients.home),
               "peer": Fpm(workspace, database=workspace.in_memory("peer"))}
    nginx = Nginx(workspace, servers)
    peers = PhpClients(workspace)
    how = {"seconds": 2}
    same = clients.forms(2000, again=True)
    wrk(nginx.url("sealpost"), clients.forms(30000))  # nobody's first run is counted
    given = take_turns(rounds, {
        "ceiling": SameMessages(same, nginx.url("ceiling"), **how),
        "sealpost": FreshMessages(clients.forms, nginx.url("sealpost"), **how),
        "peer": FreshMessages(peers.forms, nginx.url("peer"), guess=3000, **how)})
    figures.keep("32 connections", given)
    part = "256 B, 32 connections"
    figures.add(part, "accepted : ceiling, not kept", ratio(given, "sealpost", "ceiling"), "x", 0.55)
    figures.add(part, "accepted : peer, not kept", ratio(given, "sealpost", "peer"), "x", 3.5)
