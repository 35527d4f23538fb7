"""Messages to post, the load generator, and rounds of runs that take turns."""

import collections
import json
import os
import statistics
import subprocess

from workspace import Failed


class TooFew(Failed):
    """The file of messages was at its end before the time was."""


Forms = collections.namedtuple("Forms", "path size again")
Run = collections.namedtuple("Run", "rate requests p50 p99")
HERE = os.path.dirname(os.path.abspath(__file__))


class BenchClients:
    """A home and its clients.  Never gives out a message twice."""

    def __init__(self, workspace, clients=1000, home=None):
        self.workspace = workspace
        self.count = clients
        self.home = home or workspace.fresh("home")
        self.given = 0
        self.seal("home")

    def seal(self, kind, *words):
        ran = subprocess.run(
            [self.workspace.bin("seal"), kind, self.home, *words, "--clients", str(self.count)],
            stdout=subprocess.PIPE, check=True, text=True)
        return ran.stdout.strip()

    def forms(self, count, kind="records", body=256, topic="t", again=False):
        path = self.workspace.path(f"forms.{os.path.basename(self.home)}.{kind}.{topic}")
        size = self.seal(kind, path, "--from", str(self.given), "--count", str(count),
                         "--body", str(body), "--topic", topic)
        self.given += count
        return Forms(path, int(size), again)


class PhpClients:
    def __init__(self, workspace):
        self.workspace = workspace
        self.given = 0

    def forms(self, count):
        path = self.workspace.path("forms.peer")
        ran = subprocess.run(["php", self.workspace.path("peer.php"), "records", path, "1000",
                              str(self.given), str(count), "256"],
                             stdout=subprocess.PIPE, check=True, text=True)
        self.given += count
        return Forms(path, int(ran.stdout), False)


def wrk(url, forms, connections=32, seconds=1, expect="2xx"):
    """One run.  `expect`: "2xx", "other" or "any": what every answer must be."""
    os.sync()  # nobody's syncs pay for what was written before, by another or for this run
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "20s", "-s",
             os.path.join(HERE, "post.lua"), url, "--", forms.path, str(forms.size)]
    ran = subprocess.run(words + (["again"] if forms.again else []), stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, check=False)
    line = next((l for l in ran.stdout.splitlines() if l.startswith("RESULT ")), None)
    if ran.returncode != 0 or line is None:
        raise Failed(f"wrk {url}: {ran.stdout}")
    result = json.loads(line[len("RESULT "):])
    if result["exhausted"]:
        raise TooFew(f"{url}: too few messages were sealed: {result}")
    wrong = {"2xx": result["not_2xx"], "other": result["requests"] - result["not_2xx"],
             "any": 0}[expect]
    if wrong or result["errors"] or result["requests"] == 0:
        raise Failed(f"{url}: {wrong} answers were not as expected ({expect}): {result}")
    return Run(result["requests"] * 1e6 / result["us"], result["requests"], result["p50"],
               result["p99"])


class FreshMessages:
    """Runs with messages that were never posted: as many as the last run lets expect."""

    def __init__(self, make, url, guess=20000, **how):
        self.make, self.url, self.how = make, url, how
        self.seconds = how.get("seconds", 1)
        self.least = guess * self.seconds // 2
        self.count = 2 * self.least

    def __call__(self):
        for _ in range(4):
            try:
                run = wrk(self.url, self.make(self.count), **self.how)
                break
            except TooFew:
                self.count *= 2
        else:
            raise Failed(f"{self.url}: {self.count} messages were too few")
        self.count = max(int(run.rate * self.seconds * 1.8), self.least)
        return run.rate


class SameMessages:
    """Runs that post the same messages over and over."""

    def __init__(self, forms, url, **how):
        self.forms, self.url, self.how = forms, url, how

    def __call__(self):
        return wrk(self.url, self.forms, **self.how).rate


def take_turns(rounds, runs):
    """Each of `runs` once a round, in their order: what each gave, in lists as long as `rounds`."""
    given = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            given[name].append(run())
    return given


def ratio(given, what, to):
    """The median of the ratios of what was measured side by side."""
    return statistics.median(a / b for a, b in zip(given[what], given[to]))
