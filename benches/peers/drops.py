"""A long history, then drops of 10,000 rows, in one peer: `drops.py ENGINE HISTORY`. Prints what each drop cost and the last result.

The rows are those of benches/refresh.rs, made by the engine itself. Results: rows, mean and greatest speed of 20,000 cells.
"""

import json
import shutil
import sys
import tempfile
import time

DROP_ROWS, DROPS, CELLS, CHUNK = 10_000, 15, 20_000, 1 << 20
SPEED = "120 * ({n} * 0.6180339887 - floor({n} * 0.6180339887))"
CELL = f"1000000 + {CELLS} * ({{n}} * 0.7548776662 - floor({{n}} * 0.7548776662))"
SUMS = "SELECT count(*) AS cells, sum(n) AS rows, sum(average) AS means, sum(top) AS most FROM"


def median(times):
    return sorted(times)[len(times) // 2] * 1e3


def timed(do):
    begun = time.perf_counter()
    found = do()
    return time.perf_counter() - begun, found


def chdb(history):
    """ClickHouse's own incremental way: a materialised view of aggregate states, merged when it is read."""
    from chdb.session import Session

    folder = tempfile.mkdtemp()
    session = Session(folder)
    session.query("CREATE TABLE speed (speed Float32, ts DateTime64(6, 'UTC'), cell Int64) ENGINE = MergeTree ORDER BY (cell, ts)")
    session.query(
        "CREATE MATERIALIZED VIEW cells ENGINE = AggregatingMergeTree ORDER BY cell AS"
        " SELECT cell, countState() AS readings, avgState(speed) AS mean, maxState(speed) AS most FROM speed GROUP BY cell"
    )

    def insert(begin, end):
        rows = (
            f"SELECT toFloat32({SPEED.format(n='number')}), fromUnixTimestamp64Micro(toInt64(1772352000000000 + number * 500)),"
            f" toInt64(floor({CELL.format(n='number')})) FROM numbers({begin}, {end - begin})"
        )
        return session.query(f"INSERT INTO speed {rows}")

    merged = "SELECT cell, countMerge(readings) AS n, avgMerge(mean) AS average, maxMerge(most) AS top FROM cells GROUP BY cell"
    for begin in range(0, history, CHUNK):
        insert(begin, min(begin + CHUNK, history))
    whole = "SELECT cell, count() AS n, avg(speed) AS average, max(speed) AS top FROM speed GROUP BY cell"
    recompute, _ = timed(lambda: session.query(whole, "ArrowStream").bytes())
    inserts, reads, end = [], [], history
    for _ in range(DROPS):
        inserts.append(timed(lambda: insert(end, end + DROP_ROWS))[0])
        reads.append(timed(lambda: session.query(merged, "ArrowStream").bytes())[0])
        end += DROP_ROWS
    found = json.loads(session.query(f"{SUMS} ({merged})", "JSONEachRow").data().splitlines()[0])
    session.close()
    shutil.rmtree(folder, ignore_errors=True)
    both = [insert + read for insert, read in zip(inserts, reads)]
    return {"insert_ms": median(inserts), "read_ms": median(reads), "drop_ms": median(both), "recompute_ms": recompute * 1e3, **found}


def duckdb(history):
    """DuckDB keeps no aggregates: each drop is inserted into its native table and everything is aggregated again."""
    import duckdb as engine

    folder = tempfile.mkdtemp()
    connection = engine.connect(f"{folder}/rows.duckdb")
    connection.execute("CREATE TABLE speed (speed FLOAT, ts TIMESTAMP, cell BIGINT)")

    def insert(begin, end):
        rows = (
            f"SELECT CAST({SPEED.format(n='n')} AS FLOAT), make_timestamp(1772352000000000 + n * 500),"
            f" CAST(floor({CELL.format(n='n')}) AS BIGINT) FROM (SELECT range AS n FROM range({begin}, {end}))"
        )
        # Arithmetic in doubles, as everywhere else: a decimal literal would make it another.
        connection.execute(f"INSERT INTO speed {rows}".replace("0.6180339887", "0.6180339887e0").replace("0.7548776662", "0.7548776662e0"))

    whole = "SELECT cell, count(*) AS n, avg(speed) AS average, max(speed) AS top FROM speed GROUP BY cell"
    for begin in range(0, history, CHUNK):
        insert(begin, min(begin + CHUNK, history))
    inserts, reads, end = [], [], history
    for _ in range(DROPS):
        inserts.append(timed(lambda: insert(end, end + DROP_ROWS))[0])
        reads.append(timed(lambda: connection.execute(whole).to_arrow_table())[0])
        end += DROP_ROWS
    sums = connection.execute(f"{SUMS} ({whole})").fetchall()[0]
    found = dict(zip(["cells", "rows", "means", "most"], map(float, sums)))
    connection.close()
    shutil.rmtree(folder, ignore_errors=True)
    both = [insert + read for insert, read in zip(inserts, reads)]
    return {"insert_ms": median(inserts), "read_ms": median(reads), "drop_ms": median(both), "recompute_ms": median(reads), **found}


def main():
    engine, history = sys.argv[1:]
    print(json.dumps(globals()[engine](int(history))))


main()
