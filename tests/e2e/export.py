"""Reads a review that was exported as CSV, JSON lines and Parquet, and compares the three."""

import math
import sys

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

folder = sys.argv[1]
table = pq.read_table(f"{folder}/r.parquet")
parquet = pd.read_parquet(f"{folder}/r.parquet")
csv = pd.read_csv(f"{folder}/r.csv", keep_default_na=False, dtype=str)
lines = pd.read_json(f"{folder}/r.jsonl", lines=True, dtype=False)

assert list(parquet.columns) == list(csv.columns) == list(lines.columns)
assert len(parquet) == len(csv) == len(lines) == int(sys.argv[2]), len(parquet)

for name, kind in {
    "path": pa.string(),
    "file_size": pa.int64(),
    "file_time": pa.timestamp("ns", tz="UTC"),
    "reviewed_at": pa.timestamp("ms", tz="UTC"),
    "scored": pa.bool_(),
    "right": pa.bool_(),
    "class": pa.int32(),
    "true_rank": pa.int32(),
    "probability": pa.float32(),
    "label": pa.string(),
}.items():
    assert table.schema.field(name).type == kind, table.schema.field(name)
for name, kind in {"true_classes": pa.int32(), "tags": pa.string()}.items():
    assert table.schema.field(name).type.value_type == kind, table.schema.field(name)
    assert table[name].null_count == 0


def plain(value):
    """A value as text, a number or nothing, whichever file it comes from."""
    if isinstance(value, str):
        return value
    if hasattr(value, "__len__"):
        return ";".join(str(plain(item)) for item in value)
    return "" if pd.isna(value) else value


def is_same(text, value):
    value = plain(value)
    if isinstance(value, pd.Timestamp):
        return pd.Timestamp(text) == value
    if text in ("true", "false"):
        return value == (text == "true")
    if isinstance(value, str):
        return text == value
    return math.isclose(float(text), float(value), rel_tol=1e-6)


for name in parquet.columns:
    for place, text in enumerate(csv[name]):
        for value in (parquet[name][place], lines[name][place]):
            assert is_same(text, value), (name, place, text, value)

print(f"{len(parquet)} rows, {len(parquet.columns)} columns")
