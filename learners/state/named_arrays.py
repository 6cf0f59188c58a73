"""Named arrays as the bytes of an Arrow file: what checkpoints and price models are written as.

Rule of this file: it writes; who reads checks what it reads, by rules of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa
from numpy.typing import NDArray

SCHEMA: Final = pa.schema(
    [("name", pa.string()), ("dtype", pa.string()), ("shape", pa.list_(pa.int64())), ("data", pa.binary())]
)
"""One row an array, in C order."""


def to_arrow(arrays: Mapping[str, NDArray[Any]], key: bytes, about: bytes) -> bytes:
    """Return the arrays as an Arrow IPC file whose metadata has `about` under `key`.

    >>> import numpy as np
    >>> data = to_arrow({"a": np.array([1.0, 2.0])}, b"made_by", b"me")
    >>> with pa.ipc.open_file(pa.BufferReader(data)) as reader:
    ...     reader.schema.metadata, reader.read_all()["name"].to_pylist()
    ({b'made_by': b'me'}, ['a'])
    """
    columns = [
        pa.array(list(arrays), type=pa.string()),
        pa.array([str(of.dtype) for of in arrays.values()], type=pa.string()),
        pa.array([list(of.shape) for of in arrays.values()], type=pa.list_(pa.int64())),
        pa.array([of.tobytes() for of in arrays.values()], type=pa.binary()),
    ]
    schema = SCHEMA.with_metadata({key: about})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(pa.record_batch(columns, schema=schema))
    data: bytes = sink.getvalue().to_pybytes()
    return data
