"""The throw-away folder of a run, and every process in it.  It ends only what it has started."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

MEMORY_NEEDED = 512 << 20  # bytes


class Failed(Exception):
    """Something answered as it should not have: there is no figure then."""


def eventually(what, ready, seconds=20):
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise Failed(f"{what}: not after {seconds} s")
        time.sleep(0.01)


def answers(address):
    kind = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(kind, socket.SOCK_STREAM) as probe:
        return probe.connect_ex(address) == 0


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Workspace:
    def __init__(self, build):
        self.programs = os.path.join(build, "bench", "bin")
        self.folder = tempfile.mkdtemp(prefix="run.", dir=os.path.join(build, "bench"))
        if len(self.folder) > 80:
            raise Failed(f"{self.folder} is too long a path for sockets below it")
        self.memory = None  # a folder in memory, once one was asked for
        self.running = []
        self.count = 0
        os.mkdir(self.path("bin"))
        for name in ("sealpost.fcgi", "sealpost"):
            self.copy(os.path.join(build, "bin", name), f"bin/{name}.symbols")
            subprocess.run(["strip", "-o", self.path("bin/" + name),
                            os.path.join(build, "bin", name)], check=True)
        for name in os.listdir(self.programs):
            self.copy(os.path.join(self.programs, name), "bin/" + name)

    def path(self, name):
        return os.path.join(self.folder, name)

    def fresh(self, name):
        """A path that nothing else has."""
        self.count += 1
        return self.path(f"{name}.{self.count}")

    def in_memory(self, name):
        """The same where no disk makes one run slower than the next, if there is room."""
        shared = "/dev/shm"
        if not os.path.isdir(shared) or shutil.disk_usage(shared).free < MEMORY_NEEDED:
            return self.fresh(name)
        self.memory = self.memory or tempfile.mkdtemp(prefix="sealpost-bench.", dir=shared)
        self.count += 1
        return os.path.join(self.memory, f"{name}.{self.count}")

    def bin(self, name):
        return self.path("bin/" + name)

    def copy(self, source, name, mode=0o755):
        shutil.copyfile(source, self.path(name))
        os.chmod(self.path(name), mode)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def start(self, words, env=None):
        log = open(self.fresh("out"), "wb")
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   cwd=self.folder, env=env)
        log.close()
        self.running.append(process)
        return process

    def stop(self, process):
        if process not in self.running:
            return
        self.running.remove(process)
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def close(self):
        for process in reversed(list(self.running)):
            self.stop(process)
        for folder in filter(None, (self.folder, self.memory)):
            shutil.rmtree(folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()
