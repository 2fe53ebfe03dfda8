"""Uploads to a running cityloom over HTTP: rows a second by format, how soon small submissions are acknowledged.

    uploads.py CITYLOOM_BINARY SOURCE_PARQUET ROWS FOLDER      prints the tables that run.py puts on the page

An acknowledgement means that files and commit are on the disk, and that SQL sees the rows from then on.
"""

import http.client
import io
import json
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet
import xlsxwriter

CITY = Path(__file__).parent.parent.parent
PATH = "/api/feeds/traffic/speed/submissions"
ROUNDS = 3
SMALL_ROWS = 10
SMALL = 200
SENDERS = 8


class Server:
    """`cityloom serve` on a free port, with an empty lake; ended with the block."""

    def __init__(self, binary, folder):
        shutil.rmtree(folder, ignore_errors=True)
        command = [str(binary), "serve", "--listen", "127.0.0.1:0", "--data", str(folder)]
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=CITY)
        first = self.child.stdout.readline().decode()
        self.address = first.strip().removeprefix("cityloom is at http://").rstrip("/")
        while self.ask("GET", "/readyz")[0] != 200:
            if self.child.poll() is not None:
                raise SystemExit(f"the server ended: {self.child.returncode}")
            time.sleep(0.05)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.terminate()
        self.child.wait(30)

    def connection(self):
        return http.client.HTTPConnection(self.address, timeout=3600)

    def ask(self, method, path, body=None, kind=None, connection=None):
        connection = connection or self.connection()
        connection.request(method, path, body, {"content-type": kind} if kind else {})
        answer = connection.getresponse()
        return answer.status, answer.read()

    def land(self, body, kind, rows, connection=None):
        """Seconds until the receipt of a body all of whose rows are new."""
        begun = time.perf_counter()
        status, answer = self.ask("POST", PATH, body, kind, connection)
        seconds = time.perf_counter() - begun
        receipt = json.loads(answer)
        if status != 201 or receipt["rows_read"] != rows:
            raise SystemExit(f"{kind}: {status} {receipt}")
        return seconds

    def written(self):
        """Bytes that the process has had written to the disk."""
        text = Path(f"/proc/{self.child.pid}/io").read_text()
        return int(next(line.split()[1] for line in text.splitlines() if line.startswith("write_bytes")))


def as_csv(table):
    sink = pyarrow.BufferOutputStream()
    pyarrow.csv.write_csv(plain(table), sink)
    return sink.getvalue().to_pybytes()


def plain(table):
    """Times as text that every format writes alike."""
    at = table.schema.get_field_index("ts")
    text = pyarrow.compute.strftime(table["ts"].cast(pyarrow.timestamp("us", "UTC")), "%Y-%m-%dT%H:%M:%SZ")
    return table.set_column(at, "ts", text)


def as_ndjson(table):
    return "".join(json.dumps(row) + "\n" for row in plain(table).to_pylist()).encode()


def as_geojson(table):
    def feature(row):
        place = {"type": "Point", "coordinates": [row.pop("lng"), row.pop("lat")]}
        return {"type": "Feature", "geometry": place, "properties": row}

    return json.dumps({"type": "FeatureCollection", "features": [feature(row) for row in plain(table).to_pylist()]}).encode()


def as_parquet(table):
    sink = pyarrow.BufferOutputStream()
    pyarrow.parquet.write_table(table, sink, compression="zstd")
    return sink.getvalue().to_pybytes()


def as_excel(table):
    sink = io.BytesIO()
    with xlsxwriter.Workbook(sink, {"constant_memory": True}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, table.column_names)
        for number, row in enumerate(zip(*plain(table).to_pydict().values()), 1):
            sheet.write_row(number, 0, row)
    return sink.getvalue()


# A format's name, what it is called in a request, how it is written, and the share of the rows that one submission brings.
FORMATS = [
    ("Parquet", "application/vnd.apache.parquet", as_parquet, 1),
    ("CSV", "text/csv", as_csv, 1),
    ("NDJSON", "application/x-ndjson", as_ndjson, 1),
    ("GeoJSON", "application/geo+json", as_geojson, 1),
    ("Excel, a tenth of the rows", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet", as_excel, 10),
]


def by_format(server, table, rows):
    """Each round sends other rows: the same content twice would land once."""
    lines, at, most = [], 0, rows
    for name, kind, write, share in FORMATS:
        best, sent, before, rows = float("inf"), 0, server.written(), most // share
        for _ in range(ROUNDS):
            body = write(table.slice(at, rows))
            at += rows
            sent += len(body)
            best = min(best, server.land(body, kind, rows))
        written = (server.written() - before) / sent
        lines.append([name, f"{rows / best / 1e6:.2f}", f"{sent / ROUNDS / best / 1e6:.0f}", f"{written:.2f}"])
    return lines, at


def small(server, table, at, senders):
    """Submissions of ten rows: how many a second, and how long each waits for its receipt."""
    bodies = [as_csv(table.slice(at + number * SMALL_ROWS, SMALL_ROWS)) for number in range(SMALL)]

    def send(mine):
        connection = server.connection()
        return [server.land(body, "text/csv", SMALL_ROWS, connection) for body in mine]

    begun = time.perf_counter()
    with ThreadPoolExecutor(senders) as pool:
        waits = sorted(wait for part in pool.map(send, [bodies[n::senders] for n in range(senders)]) for wait in part)
    seconds = time.perf_counter() - begun
    middle, slowest = waits[len(waits) // 2], waits[len(waits) * 99 // 100]
    return [str(senders), f"{SMALL / seconds:.0f}", f"{middle * 1e3:.1f}", f"{slowest * 1e3:.1f}"]


def first_rows(source, most):
    """No more rows of a file than are sent."""
    batches, there = [], 0
    for batch in pyarrow.parquet.ParquetFile(source).iter_batches(1 << 20):
        batches.append(batch)
        there += batch.num_rows
        if there >= most:
            break
    return pyarrow.Table.from_batches(batches)


def measure(binary, source, rows, folder):
    """Lines of the two tables: by format, and of small submissions."""
    small_rows = SMALL * SMALL_ROWS
    table = first_rows(source, ROUNDS * len(FORMATS) * rows + 2 * small_rows)
    rows = min(rows, (table.num_rows - 2 * small_rows) // (ROUNDS * len(FORMATS)))
    with Server(binary, folder) as server:
        formats, at = by_format(server, table, rows)
        waits = [small(server, table, at + turn * small_rows, senders) for turn, senders in enumerate([1, SENDERS])]
    shutil.rmtree(folder)
    return rows, formats, waits


if __name__ == "__main__":
    print(*measure(Path(sys.argv[1]).resolve(), sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]).resolve()), sep="\n")
