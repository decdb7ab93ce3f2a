#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The executor beside its peers: every program in turn, several rounds of all, so that what else the machine does
falls on all alike. A table, all figures as JSON, and a picture.

pool.py FOLDER [CASE...]      FOLDER has the programs pool_PEER; BENCH_ROUNDS (7)
"""
import json
import math
import os
import statistics
import subprocess
import sys

PEERS = ["numaperf", "tbb", "gomp", "libomp", "glib", "uv", "bare"]
NAMES = {"numaperf": "numaperf", "tbb": "oneTBB", "gomp": "libgomp", "libomp": "libomp", "glib": "GThreadPool",
         "uv": "libuv", "bare": "bare futex"}
FORK = ["fib", "queens", "skynet", "uts"]
# name, the program's case, workers, the figure, what it is
CASES = (
    [(f"{c}, 1 worker", c, 1, "ns", "ns a spawn") for c in FORK]
    + [(f"{c}, all CPUs", c, 0, "ns", "ns a spawn") for c in FORK]
    + [("submit, 1 producer", "submit-1", 0, "ns", "ns a task"),
       ("submit, 2 producers", "submit-2", 0, "ns", "ns a task"),
       ("submit, a producer a CPU", "submit-n", 0, "ns", "ns a task"),
       ("submit, batches of 64", "batch-1", 0, "ns", "ns a task"),
       ("submit 1 µs tasks, 1 producer", "submit-1us", 0, "ns", "ns a task"),
       ("submit 1 µs tasks, 2 producers", "submit-2us", 0, "ns", "ns a task")]
    + [(f"wake after {t}, {p}", f"wake-{t}", 0, q, "ns") for t in ("20us", "2ms", "100ms")
       for p, q in (("p50", "p50"), ("p99", "p99"), ("p99.9", "p999")) if t != "100ms" or q == "p50"]
    + [("idle for 1 s", "idle", 0, "ms", "ms of CPU"),
       ("a task a ms for 1 s", "trickle", 0, "ms", "ms of CPU"),
       ("loop, bodies of 1 µs", "loop-1us", 0, "x", "x ideal"),
       ("loop, bodies of 10 µs", "loop-10us", 0, "x", "x ideal"),
       ("loop, skewed bodies", "loop-skewed", 0, "x", "x ideal"),
       ("shutdown in a storm of submits", "storm", 0, "ms", "ms")])
# what 20 µs of measuring is no figure of: below this all are called equal
FLOOR = {"ms of CPU": 0.1}


def measure(program, case, workers):
    """The case's figures by name; None: it cannot do that, a string: what went wrong."""
    args = [program, case] + ([str(workers)] if workers else [])
    try:
        r = subprocess.run(args, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    except subprocess.TimeoutExpired:
        return "took more than a minute"
    if r.returncode == 2:
        return None
    if r.returncode:
        return (r.stderr.strip().splitlines() or [f"ended with {r.returncode}"])[-1]
    return {k: float(v) for k, v in (line.split() for line in r.stdout.splitlines())}


def run_all(folder, wanted, rounds):
    peers = [p for p in PEERS if os.path.exists(f"{folder}/pool_{p}")]
    runs = {}  # (case, workers, peer): list of measurements
    asked = list(dict.fromkeys((c, w) for _, c, w, _, _ in CASES if not wanted or c in wanted))
    for i in range(rounds):
        for case, workers in asked:
            for peer in peers:
                key = case, workers, peer
                if None in runs.get(key, []):
                    continue
                runs.setdefault(key, []).append(measure(f"{folder}/pool_{peer}", case, workers))
        print(f"round {i + 1} of {rounds}", file=sys.stderr)
    return peers, runs


def gather(peers, runs):
    """A row a case: figures of each peer, round by round."""
    rows = []
    for name, case, workers, figure, unit in CASES:
        if (case, workers, "numaperf") not in runs:
            continue
        row = {"case": name, "unit": unit, "figures": {}, "wrong": {}}
        for peer in peers:
            got = runs[case, workers, peer]
            bad = [g for g in got if isinstance(g, str)]
            if bad:
                row["wrong"][peer] = bad[0]
            elif None not in got:
                row["figures"][peer] = [g[figure] for g in got]
        rows.append(row)
    return rows


def judge(row):
    """Our figure by the best peer's, round by round: below 1 we are the better. The bare hand-over is no peer."""
    figures = row["figures"]
    floor = FLOOR.get(row["unit"], 0)
    others = {p: f for p, f in figures.items() if p not in ("numaperf", "bare")}
    if "numaperf" not in figures:
        return
    def ratios(p):
        return [max(a, floor) / max(b, floor, 1e-9) for a, b in zip(figures["numaperf"], figures[p])]
    if others:
        row["best"] = min(others, key=lambda p: statistics.median(others[p]))
        row["ratio"] = statistics.median(ratios(row["best"]))
    if "bare" in figures:
        row["to_bare"] = statistics.median(ratios("bare"))


def short(x):
    return f"{x:.3g}" if x < 1000 else f"{x:.0f}"


def table(peers, rows):
    head = ["case", "unit", "numaperf (min-max)"] + [NAMES[p] for p in peers[1:]] + ["ratio"]
    lines = [head]
    for row in rows:
        f = row["figures"]
        ours = f.get("numaperf")
        cells = [row["case"], row["unit"],
                 f"{short(statistics.median(ours))} ({short(min(ours))}-{short(max(ours))})" if ours else "WRONG"]
        for p in peers[1:]:
            cells.append(short(statistics.median(f[p])) if p in f else "WRONG" if p in row["wrong"] else "-")
        ratio = f"{row['ratio']:.2f}" if "ratio" in row else "-"
        if "to_bare" in row:
            ratio += f", {row['to_bare']:.2f} x bare"
        lines.append(cells + [ratio + (" LOST" if row.get("ratio", 0) > 1.02 else "")])
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    for line in lines:
        print("  ".join(c.ljust(w) if i < 2 else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths))).rstrip())
    for row in rows:
        for p, why in row["wrong"].items():
            print(f"{row['case']}: {NAMES[p]}: {why}")
    lost = [r["case"] for r in rows if r.get("ratio", 0) > 1.02]
    print(f"{len(rows)} cases; ratio: ours by the best peer's, median of rounds; "
          + (f"lost: {', '.join(lost)}" if lost else "none lost"))


COLOURS = {"numaperf": "#0b7285", "tbb": "#e8590c", "gomp": "#5c940d", "libomp": "#9c36b5", "glib": "#e0a800",
           "uv": "#d6336c", "bare": "#868e96"}


def picture(peers, rows, path, title):
    """A strip a case on a scale of powers of ten of our figure: left of the line is better than we."""
    rows = [r for r in rows if "numaperf" in r["figures"] and len(r["figures"]) > 1]
    left, width, high, top = 270, 620, 24, 76
    points = []
    for i, row in enumerate(rows):
        floor = FLOOR.get(row["unit"], 1e-9)
        ours = max(statistics.median(row["figures"]["numaperf"]), floor)
        points += [(i, p, math.log10(max(statistics.median(f), floor) / ours)) for p, f in row["figures"].items()]
    low = min(-0.5, min((x for _, _, x in points), default=0) - 0.1)
    most = max(1, max((x for _, _, x in points), default=0) + 0.1)
    def at(x):
        return left + (x - low) / (most - low) * width
    height = top + high * len(rows) + 40
    s = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{left + width + 30}" height="{height}" '
         'font-family="sans-serif" font-size="12">',
         '<style>text{fill:#212529}.bg{fill:#fff}.grid{stroke:#ced4da}.us{stroke:#0b7285}'
         '@media(prefers-color-scheme:dark){text{fill:#e9ecef}.bg{fill:#16191d}.grid{stroke:#495057}}</style>',
         f'<rect class="bg" width="100%" height="100%"/><text x="12" y="20" font-size="14">{title}</text>']
    for k, p in enumerate(peers):
        s.append(f'<circle cx="{20 + 110 * k}" cy="40" r="5" fill="{COLOURS[p]}"/>'
                 f'<text x="{29 + 110 * k}" y="44">{NAMES[p]}</text>')
    for tick in range(math.ceil(low), math.floor(most) + 1):
        cls = "us" if tick == 0 else "grid"
        label = "as we" if tick == 0 else f"{10 ** abs(tick)} x " + ("better" if tick < 0 else "worse")
        s.append(f'<line class="{cls}" x1="{at(tick):.1f}" x2="{at(tick):.1f}" y1="{top - 8}" y2="{height - 24}"/>'
                 f'<text x="{at(tick):.1f}" y="{height - 10}" text-anchor="middle">{label}</text>')
    for i, row in enumerate(rows):
        y = top + high * i + 6
        s.append(f'<text x="{left - 10}" y="{y + 4}" text-anchor="end">{row["case"]}</text>')
        for _, p, x in sorted((q for q in points if q[0] == i), key=lambda q: q[1] == "numaperf"):
            s.append(f'<circle cx="{at(x):.1f}" cy="{y}" r="5" fill="{COLOURS[p]}"><title>{NAMES[p]}: '
                     f'{short(statistics.median(row["figures"][p]))} {row["unit"]}</title></circle>')
    with open(path, "w", encoding="utf-8") as f:
        f.write("\n".join(s + ["</svg>"]) + "\n")


def main():
    folder, wanted = sys.argv[1], sys.argv[2:]
    rounds = int(os.environ.get("BENCH_ROUNDS", "7"))
    peers, runs = run_all(folder, wanted, rounds)
    rows = gather(peers, runs)
    for row in rows:
        judge(row)
    table(peers, rows)
    with open(f"{folder}/pool.json", "w", encoding="utf-8") as f:
        json.dump({"cpus": os.cpu_count(), "kernel": os.uname().release, "rounds": rounds, "rows": rows}, f, indent=1)
    picture(peers, rows, f"{folder}/pool.svg", f"numaperf's executor beside its peers, {os.cpu_count()} CPUs, "
            f"kernel {os.uname().release}, medians of {rounds} rounds")
    print(f"{folder}/pool.svg shows it")


main()
