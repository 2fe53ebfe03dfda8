"""cityloom and its peers on the same rows: lands them, fuses them, holds the results against each other, writes the page.

    run.py --cityloom BINARY --refresh BENCH --live BENCH --layout BENCH --rows ROWS [--fusion ROWS] --work FOLDER --page FILE

This process stays small: a child's peak memory counts from what its parent had when it began.
"""

import argparse
import json
import multiprocessing
import os
import platform
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from pathlib import Path

import uploads

HERE = Path(__file__).parent
CITY = HERE.parent.parent
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "3"))
UPLOAD_ROWS = 500_000
LAYOUT_ROWS = 10_000_000
LIVE_BATCHES = 10_000
SUMS = "SELECT count(*) AS cells, sum(n) AS rows, sum(mean) AS means, sum(most) AS most FROM ({})"
BY_CELL = "SELECT count(*) AS n, avg(speed_kmh) AS mean, max(speed_kmh) AS most FROM traffic.speed GROUP BY {}"


def run(*command):
    """Its output, seconds and peak memory in MB; the process must end well."""
    begun = time.perf_counter()
    child = subprocess.Popen([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=CITY)
    out = child.stdout.read().decode()
    _, status, usage = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        raise SystemExit(f"failed: {' '.join(map(str, command))}\n{out}")
    return out, time.perf_counter() - begun, usage.ru_maxrss / 1024


def peer(engine, task, *args):
    out, _, memory = run(sys.executable, HERE / "engines.py", engine, task, *args)
    answer = json.loads(out.splitlines()[-1])
    return answer["found"], answer["seconds"], memory


def in_turn(tasks):
    """The fastest round of each, taken in turn: what slows the machine for a while slows them all."""
    rounds = [{name: task() for name, task in tasks.items()} for _ in range(ROUNDS)]
    return {name: min((found[name] for found in rounds), key=lambda round: round[1]) for name in tasks}


def size(*paths):
    return sum(path.stat().st_size for path in paths) / 1e6


def land_cityloom(binary, source, folder, *more):
    shutil.rmtree(folder, ignore_errors=True)
    _, seconds, memory = run(binary, *more, "land", "traffic.speed", source, "--data", folder)
    return None, seconds, memory


def fuse_cityloom(binary, folder, key):
    statement = SUMS.format(BY_CELL.format(key))
    out, seconds, memory = run(binary, "sql", statement, "--data", folder, "--format", "json")
    return json.loads(out), seconds, memory


def same(results):
    """All results are equal, numbers to one part in a hundred million."""
    (first, expected), *others = results.items()
    for name, found in others:
        for key, value in expected.items():
            if abs(float(found[key]) - float(value)) > 1e-8 * abs(float(value)):
                raise SystemExit(f"{name} and {first} do not agree on {key}: {found[key]} and {value}")


def table(head, rows):
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def landing(binary, source, work, rows):
    nowhere = work / "no-areas.geojson"
    nowhere.write_text('{"type": "FeatureCollection", "features": []}')
    plain = "cityloom, without areas, as its peers"
    tasks = {
        "cityloom": lambda: land_cityloom(binary, source, work / "lake"),
        plain: lambda: land_cityloom(binary, source, work / "plain", "--areas", nowhere),
        **{engine: lambda engine=engine: peer(engine, "land", source, work / engine) for engine in ["chdb", "polars", "duckdb"]},
    }
    took = in_turn(tasks)
    counts = fuse_cityloom(binary, work / "lake", "_cell")[0]
    found = {"cityloom": {"good": counts["rows"], "cells": counts["cells"]}}
    lines = []
    for name, (_, seconds, memory) in took.items():
        if name in ["cityloom", plain]:
            good = (work / ("lake" if name == "cityloom" else "plain")).glob("lake/feeds/traffic/speed/*.parquet")
        else:
            good = [Path(f"{work / name}.good.parquet")]
            counts = peer("pyarrow", "count", work / name, "-")[0]
            if counts["good"] + counts["bad"] != rows:
                raise SystemExit(f"{name} lost rows: {counts}")
            if counts["cells"] is not None:
                found[name] = {"good": counts["good"], "cells": counts["cells"]}
            elif counts["good"] != found["cityloom"]["good"]:
                raise SystemExit(f"{name} landed other rows: {counts}")
            else:
                name = f"{name}, without cells"
        lines.append([name, f"{rows / seconds / 1e6:.2f}", f"{seconds / took['cityloom'][1]:.2f}", f"{memory:.0f}", f"{size(*good):.0f}"])
    same(found)
    return table(["", "million rows/s", "time, cityloom = 1", "peak MB", "MB on disk"], lines)


def fusion(binary, source, lake):
    land_cityloom(binary, source, lake)
    files = f"{lake}/lake/feeds/traffic/speed/*.parquet"
    tasks = {"start": lambda: run(binary, "sql", "SELECT 1", "--data", lake)}
    ways = {"stored": "_cell", "computed": "h3_latlng_to_cell(lat, lng, 9)"}
    for kind, key in ways.items():
        tasks[kind, "cityloom"] = lambda key=key: fuse_cityloom(binary, lake, key)
        for engine in ["chdb", "polars"] + (["duckdb"] if kind == "stored" else []):
            tasks[kind, engine] = lambda engine=engine, kind=kind: peer(engine, "fuse", files, kind)
    took = in_turn(tasks)
    start = took.pop("start")[1]
    lines = []
    for kind in ways:
        answers = {engine: answer for (way, engine), answer in took.items() if way == kind}
        same({engine: found for engine, (found, _, _) in answers.items()})
        found, ours, memory = answers["cityloom"]
        answers = {"cityloom": answers["cityloom"], "cityloom, the statement": (found, ours - start, memory), **answers}
        for engine, (_, seconds, memory) in answers.items():
            lines.append([f"cells {kind}, {engine}", f"{seconds:.2f}", f"{seconds / ours:.2f}", f"{memory:.0f}"])
    return start, table(["", "seconds", "time, cityloom = 1", "peak MB"], lines)


def refreshing(bench, histories):
    """From a committed drop to the new result in hand, on histories of several lengths."""
    lines = []
    for history in histories:
        out, _, memory = run(bench, history)
        answers = {"cityloom": (json.loads(out.splitlines()[-1]), memory)}
        for engine in ["chdb", "duckdb"]:
            out, _, memory = run(sys.executable, HERE / "drops.py", engine, history)
            answers[engine] = (json.loads(out.splitlines()[-1]), memory)
        same({name: {key: found[key] for key in ["cells", "rows", "means", "most"]} for name, (found, _) in answers.items()})
        ours = answers["cityloom"][0]["drop_ms"]
        for name, (found, memory) in answers.items():
            parts = f"{found['insert_ms']:.1f} + {found['read_ms']:.1f}" if "insert_ms" in found else "-"
            lines.append([
                f"{history / 1e6:g} million, {NAMES[name]}",
                f"{found['drop_ms']:.1f}",
                f"{found['drop_ms'] / ours:.2f}",
                parts,
                f"{found['recompute_ms']:.0f}",
                f"{memory:.0f}",
            ])
    return table(["", "ms after a drop", "time, cityloom = 1", "insert + read", "ms full recompute", "peak MB"], lines)


def live(bench, batches, work):
    """Live batches of many feeds at once: through the log and the tail, and as commits of their own."""
    out, _, _ = run(bench, batches, work)
    names = {"tail": "log and tail, landed behind", "commit": "each a commit of its own"}
    lines = []
    for it in map(json.loads, out.splitlines()):
        times = [f"{it[name]:.1f}" for name in ["ack_p50_ms", "ack_p99_ms", "queryable_p50_ms", "queryable_p99_ms"]]
        lines.append([names[it["way"]], str(it["commits_per_s"]), *times, f"{it['written_per_received']:.2f}"])
    head = ["", "batches/s", "acknowledged, median ms", "99 of 100 within ms", "found by SQL, median ms", "99 of 100 within ms", "bytes written per byte received"]
    return table(head, lines)


def layouts(bench, rows):
    """How a merged file should lie: the order of its rows, its row groups, its compression, its bloom filters."""
    out, _, _ = run(bench, rows)
    found = [json.loads(line) for line in out.splitlines()]
    reads = ["all_ms", "hour_ms", "cells_ms", "hour_cells_ms", "sensor_ms"]
    lines = [
        [f"{it['layout']}{', filters in the reader' if it['pushdown'] else ''}", f"{it['bytes'] / 1e6:.0f}", f"{it['write_s']:.1f}"]
        + [f"{it[read]:.1f}" for read in reads]
        for it in found
    ]
    return table(["", "MB", "s to write", "all rows by cell", "an hour", "four cells", "21 cells of an hour", "one sensor"], lines)


NAMES = {"cityloom": "cityloom", "chdb": "chdb's materialised view", "duckdb": "duckdb, all again"}


def machine():
    cpu = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    memory = int(re.search(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())[1]) / 2**20
    return f"{os.cpu_count()} × {cpu[1] if cpu else platform.processor()}, {memory:.0f} GiB, {platform.system()} {platform.release()}"


def made(work, rows):
    source = work / f"speed-{rows}.parquet"
    if not source.exists():
        run(sys.executable, HERE / "data.py", rows, source)
    return source


def main():
    given = argparse.ArgumentParser()
    for name in ["cityloom", "refresh", "live", "layout", "work", "page"]:
        given.add_argument(f"--{name}", type=lambda path: Path(path).resolve(), required=True)
    given.add_argument("--rows", type=int, required=True)
    given.add_argument("--fusion", type=int, default=100_000_000)
    given = given.parse_args()
    binary, rows, work = given.cityloom, given.rows, given.work
    work.mkdir(parents=True, exist_ok=True)
    source, many = (made(work, count) for count in [rows, given.fusion])
    landed = landing(binary, source, work, rows)
    start, fused = fusion(binary, many, work / "many")
    # In a process of its own, for the rows that it holds.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as apart:
        upload_rows, formats, waits = apart.submit(uploads.measure, binary, source, UPLOAD_ROWS, work / "uploads").result()
    lived = live(given.live, LIVE_BATCHES, work)
    refreshed = refreshing(given.refresh, [int(rows) for rows in os.environ.get("BENCH_HISTORIES", "1000000 10000000 100000000").split()])
    laid_out = layouts(given.layout, LAYOUT_ROWS)
    versions = ", ".join(f"{name} {version(name)}" for name in ["chdb", "duckdb", "polars", "polars-h3", "pyarrow"])
    template = (HERE / "page.md").read_text()
    values = {
        "machine": machine(),
        "versions": versions,
        "rows": f"{rows / 1e6:g} million",
        "source_mb": f"{size(source):.0f}",
        "rounds": str(ROUNDS),
        "landing": landed,
        "fusion_rows": f"{given.fusion / 1e6:g} million",
        "fusion": fused,
        "upload_rows": f"{upload_rows:,}",
        "uploads": table(["", "million rows/s", "MB/s of body", "bytes written per byte received"], formats),
        "small": table(["senders at once", "submissions/s", "acknowledged, median ms", "99 of 100 within ms"], waits),
        "start": f"{start:.2f}",
        "live_batches": f"{LIVE_BATCHES:,}",
        "live": lived,
        "refresh": refreshed,
        "layout_rows": f"{LAYOUT_ROWS / 1e6:g} million",
        "layout": laid_out,
    }
    for name, value in values.items():
        template = template.replace("{" + name + "}", value)
    given.page.write_text(template)
    print(template)


if __name__ == "__main__":
    main()
