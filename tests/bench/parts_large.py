"""What the operator's commands cost in a database of four million messages, and how long they keep
the gateway from the write lock."""

import fcntl
import os
import sqlite3
import subprocess
import threading
import time

from workspace import Failed

MESSAGES = int(os.environ.get("BENCH_MESSAGES", "4000000"))
CLIENTS = 1000
DAY = 86400 * 1000

FILL = """
    INSERT INTO installation (name, generation, install_nonce, since)
      SELECT name, 1, randomblob(16), 0 FROM client;
    INSERT INTO message (installation, counter, digest, status, received_at, sent_at, message_id,
                         topic, claims, body)
      WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {messages})
      SELECT CASE WHEN i % 2 THEN 1 ELSE 1 + i / 2 % {clients} END, i, zeroblob(32), 0,
             {first} + i * ({span} / {messages}), 0, zeroblob(16), 'topic', '{{"role":"r"}}',
             zeroblob(100) FROM n;
"""


class LockWatch(threading.Thread):
    """Takes the write lock again and again, as a gateway does, and notes the longest wait."""

    def __init__(self, home):
        super().__init__(daemon=True)
        self.file = home + "/gate"
        self.longest = 0.0
        self.ended = threading.Event()

    def run(self):
        with open(self.file, "r+b") as lock:
            while not self.ended.wait(0.001):
                begun = time.monotonic()
                fcntl.flock(lock, fcntl.LOCK_EX)
                self.longest = max(self.longest, time.monotonic() - begun)
                fcntl.flock(lock, fcntl.LOCK_UN)


def make_home(workspace):
    home = workspace.fresh("large")
    tool = [workspace.bin("sealpost"), "--home", home]
    subprocess.run([*tool, "init", "--url", "http://127.0.0.1/"], check=True,
                   stdout=subprocess.DEVNULL)
    for number in range(CLIENTS):
        subprocess.run([*tool, "client", "add", f"c{number}", "--role", "r"], check=True,
                       stdout=subprocess.DEVNULL)
    database = sqlite3.connect(os.path.join(home, "sealpost.db"), isolation_level=None)
    database.execute("PRAGMA synchronous = OFF")
    first = int(time.time() * 1000) - 40 * DAY
    database.executescript(FILL.format(messages=MESSAGES, clients=CLIENTS, first=first,
                                       span=30 * DAY))
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return home, tool


def large(workspace, figures, _):
    """Seconds a command, and the longest that it kept another process from the write lock."""
    home, tool = make_home(workspace)
    part = f"the operator's commands, {MESSAGES / 1e6:.0f} million messages"
    for words in ("stats", "stats", "client list", "client show c0", "client revoke c0",
                  "inbox prune --older 60d", "inbox prune --older 39d"):
        watch = LockWatch(home)
        watch.start()
        begun = time.monotonic()
        ran = subprocess.run([*tool, *words.split()], stdout=subprocess.DEVNULL, check=False)
        spent = time.monotonic() - begun
        watch.ended.set()
        watch.join()
        if ran.returncode != 0:
            raise Failed(f"{words} ended with {ran.returncode}")
        figures.add(part, words, spent, "s")
        figures.add(part, words + ", longest wait", 1e3 * watch.longest, "ms")
