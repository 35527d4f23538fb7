"""What was found, and beside it what is to be reached."""

import collections

# value: what is compared with `target`; least: whether it must be that at least, or at most.
Figure = collections.namedtuple("Figure", "part what value unit target least note")


class Figures:
    def __init__(self):
        self.all = []
        self.rates = {}     # part: name: requests a second of each round
        self.details = {}   # anything else worth keeping

    def add(self, part, what, value, unit="", target=None, least=True, note=""):
        self.all.append(Figure(part, what, value, unit, target, least, note))

    def keep(self, part, given):
        self.rates[part] = given


def reached(figure):
    if figure.target is None:
        return None
    if figure.least:
        return figure.value >= figure.target
    return figure.value <= figure.target
