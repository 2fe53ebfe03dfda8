"""One task of one peer, in a process of its own: `engines.py ENGINE TASK INPUT… OUTPUT`. Prints its seconds and what it found.

Landing, everywhere: no nulls, coordinates on the globe, a vehicle from 1, a speed from 0 to 250; good rows with their H3 cell
of resolution 9 into one Parquet file (zstd), bad rows into another. Fusion, everywhere: rows, mean and greatest speed by cell.
"""

import json
import sys
import time

GOOD = (
    "ts IS NOT NULL AND lat BETWEEN -90 AND 90 AND lng BETWEEN -180 AND 180"
    " AND vehicle >= 1 AND speed_kmh BETWEEN 0 AND 250"
)
SUMMARY = "SELECT count(*) AS cells, sum(n) AS rows, sum(mean) AS means, sum(most) AS most FROM ({})"
BY_CELL = "SELECT count(*) AS n, avg(speed_kmh) AS mean, max(speed_kmh) AS most FROM {} GROUP BY {}"


def chdb_land(source, out):
    import chdb

    cell = "geoToH3(lat, lng, 9::UInt8)"
    settings = "SETTINGS output_format_parquet_compression_method='zstd', engine_file_truncate_on_insert=1"
    chdb.query(
        f"INSERT INTO FUNCTION file('{out}.good.parquet') SELECT *, toInt64({cell}) AS cell"
        f" FROM file('{source}') WHERE {GOOD} {settings}"
    )
    chdb.query(f"INSERT INTO FUNCTION file('{out}.bad.parquet') SELECT * FROM file('{source}') WHERE NOT ({GOOD}) {settings}")


def polars_land(source, out):
    import polars as pl
    import polars_h3

    rows = pl.scan_parquet(source)
    good = (
        pl.all_horizontal(pl.all().is_not_null())
        & pl.col("lat").is_between(-90, 90)
        & pl.col("lng").is_between(-180, 180)
        & (pl.col("vehicle") >= 1)
        & pl.col("speed_kmh").is_between(0, 250)
    )
    cell = polars_h3.latlng_to_cell("lat", "lng", 9).cast(pl.Int64).alias("cell")
    rows.filter(good).with_columns(cell).sink_parquet(f"{out}.good.parquet", compression="zstd")
    rows.filter(~good).sink_parquet(f"{out}.bad.parquet", compression="zstd")


def duckdb_land(source, out):
    """Without cells: DuckDB's H3 functions are an extension that it has to fetch from the network."""
    import duckdb

    form = "(FORMAT parquet, COMPRESSION zstd)"
    duckdb.sql(f"COPY (SELECT * FROM '{source}' WHERE {GOOD}) TO '{out}.good.parquet' {form}")
    duckdb.sql(f"COPY (SELECT * FROM '{source}' WHERE NOT ({GOOD})) TO '{out}.bad.parquet' {form}")


def chdb_fuse(files, cell):
    import chdb

    cell = "_cell" if cell == "stored" else "geoToH3(lat, lng, 9::UInt8)"
    found = chdb.query(SUMMARY.format(BY_CELL.format(f"file('{files}')", cell)), "JSONEachRow").data()
    return json.loads(found.splitlines()[0])


def duckdb_fuse(files, cell):
    import duckdb

    found = duckdb.sql(SUMMARY.format(BY_CELL.format(f"'{files}'", "_cell"))).fetchall()
    return dict(zip(["cells", "rows", "means", "most"], found[0]))


def polars_fuse(files, cell):
    import polars as pl
    import polars_h3

    key = pl.col("_cell") if cell == "stored" else polars_h3.latlng_to_cell("lat", "lng", 9)
    speed = pl.col("speed_kmh")
    by_cell = pl.scan_parquet(files).group_by(key.alias("key")).agg(
        n=pl.len(), mean=speed.cast(pl.Float64).mean(), most=speed.max()
    )
    sums = by_cell.select(
        cells=pl.len(), rows=pl.col("n").sum(), means=pl.col("mean").sum(), most=pl.col("most").cast(pl.Float64).sum()
    )
    return sums.collect(engine="streaming").row(0, named=True)


def pyarrow_count(out, _):
    """Rows and cells of what was landed, to hold the engines against each other."""
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    good = pq.ParquetFile(f"{out}.good.parquet")
    cells = good.read(["cell"])["cell"] if "cell" in good.schema_arrow.names else None
    return {
        "good": good.metadata.num_rows,
        "bad": pq.read_metadata(f"{out}.bad.parquet").num_rows,
        "cells": None if cells is None else pc.count_distinct(cells).as_py(),
    }


def main():
    engine, task, first, second = sys.argv[1:]
    do = globals()[f"{engine}_{task}"]
    # What a peer takes to be imported is not counted.
    __import__(engine)
    if engine == "polars":
        __import__("polars_h3")
    begun = time.perf_counter()
    found = do(first, second)
    seconds = time.perf_counter() - begun
    print(json.dumps({"seconds": seconds, "found": found}))


main()
