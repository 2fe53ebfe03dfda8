"""The rows that everybody lands: readings of probe vehicles over the demo city, one in a thousand too fast to be true.

    data.py ROWS FILE
"""

import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

SCHEMA = pa.schema([
    ("ts", pa.timestamp("us", "UTC")),
    ("lat", pa.float64()),
    ("lng", pa.float64()),
    ("vehicle", pa.int32()),
    ("speed_kmh", pa.float32()),
])
# 2026-03-01, so that the same rows make the same file on every day.
START_US = 1_772_352_000_000_000
HOUR_US = 3_600_000_000
PART = 1_000_000


def write(rows: int, path: str) -> None:
    """Writes `rows` rows, the same for the same number."""
    dice = np.random.default_rng(7)
    with pq.ParquetWriter(path, SCHEMA, compression="zstd") as writer:
        for start in range(0, rows, PART):
            n = min(PART, rows - start)
            speed = dice.uniform(0, 120, n).astype(np.float32)
            speed[dice.random(n) < 0.001] = 300
            columns = [
                pa.array(START_US + np.sort(dice.integers(0, HOUR_US, n)), SCHEMA.field("ts").type),
                dice.uniform(31.8, 32.4, n),
                dice.uniform(120.5, 121.6, n),
                dice.integers(1, 200_000, n).astype(np.int32),
                speed,
            ]
            writer.write_table(pa.table(columns, schema=SCHEMA))


write(int(sys.argv[1]), sys.argv[2])
