"""The figures as a picture: what part of the ceiling each server reaches, by connections."""

import statistics

WIDTH, HEIGHT, TOP, LEFT, GAP = 320, 240, 60, 60, 70
SERIES = (("empty", "its transport, empty", "#8a8a8a"), ("sealpost", "sealpost, durable", "#1b6ca8"),
          ("peer", "PHP-FPM, the same scheme", "#c0504d"))
COUNTS = (1, 8, 32, 64)


def shares(rates, name, kept):
    """Of each count of connections: the median ratio to the ceiling of the same round."""
    tail = " kept" if kept else ""
    for count in COUNTS:
        given = rates[f"{count} connections"]
        ours = given[name if name == "peer" else name + tail]
        yield statistics.median(a / b for a, b in zip(ours, given["ceiling" + tail]))


def text(x, y, said, anchor="middle", fill="#333", size=12):
    return (f'<text x="{x:.0f}" y="{y:.0f}" text-anchor="{anchor}" fill="{fill}" '
            f'font-size="{size}">{said}</text>')


def panel(rates, kept, x0, highest):
    def x(at):
        return x0 + at * WIDTH / (len(COUNTS) - 1)

    def y(value):
        return TOP + HEIGHT * (1 - value / highest)

    title = "kept FastCGI connections" if kept else "a FastCGI connection a request"
    yield text(x0 + WIDTH / 2, TOP - 14, title, size=13)
    for tick in (i / 4 for i in range(int(highest * 4) + 1)):
        colour = "#888" if tick in (0, 1) else "#ddd"
        yield (f'<path d="M{x0} {y(tick):.1f}h{WIDTH}" stroke="{colour}" fill="none"/>')
        yield text(x0 - 6, y(tick) + 4, f"{tick:g}", "end")
    for at, count in enumerate(COUNTS):
        yield text(x(at), TOP + HEIGHT + 18, count)
    yield text(x0 + WIDTH / 2, TOP + HEIGHT + 36, "connections")
    for name, _, colour in SERIES:
        values = list(shares(rates, name, kept))
        path = "L".join(f"{x(at):.1f} {y(value):.1f}" for at, value in enumerate(values))
        yield f'<path d="M{path}" stroke="{colour}" stroke-width="2" fill="none"/>'
        for at, value in enumerate(values):
            yield f'<circle cx="{x(at):.1f}" cy="{y(value):.1f}" r="3" fill="{colour}"/>'


def svg(rates, on):
    every = [value for name, _, _ in SERIES for kept in (False, True)
             for value in shares(rates, name, kept)]
    highest = max(1.25, int(max(every) * 4 + 1) / 4)
    width, height = LEFT + 2 * WIDTH + GAP + 30, TOP + HEIGHT + 90
    yield (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
           f'font-family="sans-serif"><rect width="100%" height="100%" fill="white"/>')
    yield text(LEFT, 24, "Requests a second, as a share of the smallest FastCGI program's "
               "(256 B bodies)", "start", size=15)
    for at, kept in enumerate((False, True)):
        yield from panel(rates, kept, LEFT + at * (WIDTH + GAP), highest)
    for at, (_, said, colour) in enumerate(SERIES):
        x = LEFT + at * 200
        yield f'<path d="M{x} {height - 35}h22" stroke="{colour}" stroke-width="3"/>'
        yield text(x + 28, height - 31, said, "start")
    yield text(LEFT, height - 10, f"{on['date']}, {on['cpu']}, {on['cores']} cores, "
               f"{on['file_system']}", "start", "#777", 11)
    yield "</svg>"


def write(path, figures, on):
    if not all(f"{count} connections" in figures.rates for count in COUNTS):
        return
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(svg(figures.rates, on)) + "\n")
