"""Checked rows on disk, not in memory, until it is known which of them each split has."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa

from tritune.data.facts import Rows, row_id

ROWS_AT_ONCE = 8192

Row = TypeVar("Row")


def spooled(
    rows: Iterable[Row], path: Path, *, schema: pa.Schema, values: Callable[[Row], Sequence[Any]]
) -> Iterator[Row]:
    """Yield the rows as they come; after the last one the file holds what the splits will need of them.

    Args:
        path: Written anew; its folder is there.
        schema: Of what is written.
        values: Gives a row's values in the order of the schema.
    """
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        remaining = iter(rows)
        while some := list(islice(remaining, ROWS_AT_ONCE)):
            columns = zip(*map(values, some), strict=True)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, schema, strict=True)]
            writer.write_batch(pa.record_batch(arrays, schema=schema))
            yield from some


def spooled_rows(
    rows: Rows,
    path: Path,
    *,
    schema: pa.Schema,
    columns: Callable[[np.ndarray, pa.RecordBatch], Sequence[pa.Array]],
) -> pa.RecordBatchReader:
    """Return a table of some rows, read a batch at a time: `id`, then the columns of the schema.

    Args:
        path: As `spooled` has written it, for all rows of the file.
        columns: Gives them, from the rows' positions in the file and what was spooled of them.
    """

    def batches() -> Iterator[pa.RecordBatch]:
        with pa.OSFile(str(path), "rb") as source:
            reader = pa.ipc.open_file(source)
            for number in range(reader.num_record_batches):
                start = number * ROWS_AT_ONCE
                begin, end = np.searchsorted(rows.positions, [start, start + ROWS_AT_ONCE])
                if begin == end:
                    continue
                positions = rows.positions[begin:end]
                ids = pa.array([row_id(rows.file, one) for one in positions.tolist()], pa.string())
                wanted = reader.get_batch(number).take(pa.array(positions - start))
                yield pa.record_batch([ids, *columns(positions, wanted)], schema=schema)

    return pa.RecordBatchReader.from_batches(schema, batches())
