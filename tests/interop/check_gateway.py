#!/usr/bin/env python3
"""Asks a live gateway, sentence by sentence, whether it keeps to PROTOCOL.md.

    check_gateway.py --url URL --sealpost TOOL --home HOME --vectors FOLDER

Clients are made with the operator's tool, everything else happens over HTTP.  The gateway is taken
to be configured as the page says it is "unless configured": handshake 60 s, records 300 s, sessions
24 h, and an inbox that takes every topic not reserved.  Prints a line a check; exits 1 if one
failed.  A check marked LITERAL rests on the plainest reading of a passage that has another one.
"""

import argparse
import re
import sys

# Importing a module registers its checks, in this order.
import checks_vectors  # noqa: F401
import checks_http  # noqa: F401
import checks_form  # noqa: F401
import checks_rejected_handshakes  # noqa: F401
import checks_handshakes  # noqa: F401
import checks_sessions  # noqa: F401
import checks_rejected_records  # noqa: F401
import checks_records  # noqa: F401
import checks_counters  # noqa: F401
import checks_answers  # noqa: F401
import checks_totals  # noqa: F401
from gateway_client import CHECKS, Mismatch, World


def passes(world, sentence, function):
    """Runs one check and prints its line."""
    try:
        function(world)
    except Mismatch as mismatch:
        print(f"FAIL - {sentence}: {mismatch}", flush=True)
        return False
    except Exception as error:  # no connection, no tool, no sense: none of it may pass
        print(f"FAIL - {sentence}: expected an answer, got {type(error).__name__}: {error}",
              flush=True)
        return False
    print(f"ok - {sentence}", flush=True)
    return True


def options():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--url", required=True, help="the gateway's address")
    parser.add_argument("--sealpost", required=True, help="the operator's tool")
    parser.add_argument("--home", required=True, help="the gateway's home")
    parser.add_argument("--vectors", required=True, help="the folder of published vectors")
    parser.add_argument("--role", default="interop", help="the role of the clients made here")
    parser.add_argument("--topic", default="interop", help="what their topics start with")
    parser.add_argument("--only", default="", help="run only checks whose sentence matches this")
    return parser.parse_args()


def main():
    world = World(options())
    chosen = [one for one in CHECKS if re.search(world.options.only, one[0])]
    results = [passes(world, *one) for one in chosen]
    print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
