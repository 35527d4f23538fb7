"""The table, and the same as JSON."""

import datetime
import json
import os
import platform
import statistics

from figures import reached


def machine(folder):
    def first(path, begins):
        with open(path, encoding="utf-8") as lines:
            return next((l for l in lines if l.startswith(begins)), "")

    mounts = [line.split() for line in open("/proc/mounts", encoding="utf-8")]
    here = max((m for m in mounts if (folder + "/").startswith(m[1].rstrip("/") + "/")),
               key=lambda m: len(m[1]))
    return {"date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
            "cpu": first("/proc/cpuinfo", "model name").partition(":")[2].strip(),
            "cores": os.cpu_count(), "kernel": platform.release(), "file_system": here[2]}


def number(figure):
    digits = 0 if abs(figure.value) >= 100 else 1 if abs(figure.value) >= 10 else 2
    if figure.unit == "bytes":
        digits = 0
    return f"{figure.value:.{digits}f} {figure.unit}".strip()


def to_reach(figure):
    if figure.target is None:
        return ""
    return ("" if figure.least else "at most ") + f"{figure.target:g} {figure.unit}".strip()


def lines(figures, on):
    """The table, as Markdown that reads well as it is."""
    rows = [("", "what", "figure", "to reach", "reached")]
    part = None
    for one in figures.all:
        said = {None: "", True: "yes", False: "NO"}[reached(one)]
        rows.append((one.part if one.part != part else "", one.what, number(one), to_reach(one),
                     said))
        part = one.part
    widths = [max(len(row[i]) for row in rows) for i in range(5)]
    yield f"{on['date']}, {on['cpu']}, {on['cores']} cores, Linux {on['kernel']}, {on['file_system']}"
    syncs = [one for both in figures.details.get("fdatasync_us", {}).values() for one in both]
    if syncs:
        yield f"one fdatasync after a 12 KiB write: {statistics.median(syncs):.0f} µs"
    yield ""
    for at, row in enumerate(rows):
        yield "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |"
        if at == 0:
            yield "|" + "|".join("-" * (width + 2) for width in widths) + "|"


def write_json(path, figures, on):
    document = {
        "machine": on,
        "figures": [{**one._asdict(), "reached": reached(one)} for one in figures.all],
        "medians_a_second": {part: {name: round(statistics.median(all_of_them), 1)
                                    for name, all_of_them in given.items()}
                             for part, given in figures.rates.items()},
        "rounds_a_second": figures.rates,
        "details": figures.details,
    }
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file, indent=1, ensure_ascii=False)
        file.write("\n")
