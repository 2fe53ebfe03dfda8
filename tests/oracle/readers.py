"""Counts the rows of Delta tables as other programs see them: polars, and DuckDB over the files that deltalake lists.

It imports and runs nothing of cityloom. Prints one JSON document: for each folder what each reader counts.

    python readers.py FOLDER_OF_A_TABLE...
"""

import json
import sys

import duckdb
import polars
from deltalake import DeltaTable


def by_polars(folder):
    rows = polars.scan_delta(folder).select(polars.len()).collect().item()
    return rows


def by_duckdb(folder):
    files = DeltaTable(folder).file_uris()
    if not files:
        return 0
    return duckdb.execute("SELECT count(*) FROM read_parquet(?)", [files]).fetchone()[0]


print(json.dumps({folder: {"polars": by_polars(folder), "duckdb": by_duckdb(folder)} for folder in sys.argv[1:]}))
