"""Whose a program's instructions were, from what callgrind wrote.

A function is a library's if the library's archive defines it, and sealpost's by its name.  What the C and
C++ libraries do is laid to those who called them.
"""

import collections
import re
import subprocess

ARCHIVES = {"libsqlite3.a": "SQLite", "libSQLiteCpp.a": "SQLite", "libcrypto.a": "crypto",
            "libfcgi.a": "FastCGI"}
# Names in sealpost's own rooms; the first that is found decides.
ROOMS = (("crypto", re.compile(r"sealpost::crypto::")),
         ("SQLite", re.compile(r"SQLite::|sealpost::(SqliteStore|Ledger|Database|Write|WriteLock|Quota)\b")),
         ("FastCGI", re.compile(r"sealpost::(FastcgiConnection|EventQueue|\(anonymous namespace\)::Loop)")),
         ("the rest", re.compile(r"sealpost::")))


def library_functions():
    owners = {}
    for archive, owner in ARCHIVES.items():
        path = subprocess.run(["g++", "-print-file-name=" + archive], stdout=subprocess.PIPE,
                              check=True, text=True).stdout.strip()
        names = subprocess.run(["nm", "--demangle", "--defined-only", path], check=True, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
        for line in names.splitlines():
            words = line.split(maxsplit=2)
            if len(words) == 3:
                owners.setdefault(words[2], owner)
    return owners


def read(path):
    """Each function's own cost, and for each callee what its callers spent in it."""
    own, calls, names = collections.Counter(), collections.Counter(), {}

    def name(text):
        number, _, said = text.partition(")")  # "(12) name", and later "(12)" alone
        if said:
            names[number] = said.strip()
        return names[number]

    function = callee = None
    called = False
    with open(path, encoding="utf-8", errors="replace") as lines:
        for line in lines:
            line = line.rstrip("\n")
            if line.startswith("fn="):
                function = name(line[3:])
            elif line.startswith("cfn="):
                callee = name(line[4:])
            elif line.startswith("calls="):
                called = True
            elif line[:1] in "+-*0123456789" and function and line:
                cost = int(line.split()[1])
                if called:
                    calls[function, callee] += cost
                else:
                    own[function] += cost
                called = False
    return own, calls


def owner_of(function, libraries):
    plain = re.sub(r"'\d+$", "", function)  # callgrind numbers the levels of a recursion
    if plain in libraries:
        return libraries[plain]
    return next((owner for owner, names in ROOMS if names.search(plain)), None)


def of(path):
    """Shares of owners, all instructions, and the heaviest functions."""
    libraries = library_functions()
    own, calls = read(path)
    owners = {function: owner_of(function, libraries)
              for function in set(own) | {f for edge in calls for f in edge}}
    callers = collections.defaultdict(list)
    for (caller, callee), cost in calls.items():
        if caller != callee:
            callers[callee].append((caller, cost))

    shares = {}

    def lay(function, seen):
        """Of whom a function is, as shares that add up to 1."""
        if owners[function]:
            return {owners[function]: 1.0}
        if function in shares:
            return shares[function]
        sums = collections.Counter()
        for caller, cost in callers[function]:
            if caller in seen:
                continue
            for owner, share in lay(caller, seen | {function}).items():
                sums[owner] += cost * share
        total = sum(sums.values())
        found = ({owner: cost / total for owner, cost in sums.items()} if total
                 else {"the rest": 1.0})
        if not seen:
            shares[function] = found
        return found

    costs = collections.Counter()
    for function, cost in own.items():
        for owner, share in lay(function, frozenset()).items():
            costs[owner] += cost * share
    total = sum(own.values())
    return ({owner: round(cost / total, 4) for owner, cost in costs.most_common()}, total,
            [[function[:90], round(cost / total, 4)] for function, cost in own.most_common(25)])
