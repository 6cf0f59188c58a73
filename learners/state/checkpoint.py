"""What a learner knows, as bytes: its named arrays in an Arrow IPC file, with JSON provenance and a digest.

Rule of this file: bytes become arrays only after everything about them was verified: digest, names, shapes, finiteness,
and that information is positive semi-definite (with any prior it can be read). No pickle; no file is opened here.

An Arrow file has a row an array (name, dtype, shape, data, little-endian), and in the schema's metadata under
`anabranch.checkpoint` a `Provenance` in JSON, whose `sha256` is over the provenance and the arrays.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Final, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from learners.state.named_arrays import SCHEMA, to_arrow
from router.domain.errors import BadInputError, bad_value
from router.domain.market import F64

CHECKPOINT_FORMAT: Final = 1
"""Raised when older readers could not follow."""
METADATA_KEY: Final = b"anabranch.checkpoint"
BYTES_MAX: Final = 1_000_000_000
"""A day's learner is some megabytes; a larger file is no checkpoint."""
ARRAYS_MAX: Final = 1_000

DTYPES: Final = ("float64", "int64", "uint8")
Array = F64 | npt.NDArray[np.int64] | npt.NDArray[np.uint8]
Arrays = dict[str, Array]

_TOLERANCE = 1e-9
"""How far below 0 rounding may push the least eigenvalue of a sum of w x xᵀ, as a part of its trace."""

_DAMAGE = (
    pa.ArrowException,
    msgspec.DecodeError,
    ValueError,
    TypeError,
    OSError,
    OverflowError,
    MemoryError,
)
"""What reading damaged bytes may raise, in Arrow, in JSON or in making arrays of them."""


class Provenance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a state comes from, and what it is good for.

    `lanes`, `features`, `scaler_version`, `standard_qty`, `standard_life_ns` and `half_lives_s` are those of the policy
    that learned it: another one would read its numbers as something else. `information` names the arrays whose last two
    dimensions are sums of w x xᵀ, whole or lower triangles. `applied` outcomes went in, the last of them at `at`; of a
    journaled learner `offset` is the last record of its journal in it, else -1. `parent` is the sha256 of the
    checkpoint it began from, or empty. `policy_digest` is what the policy itself calls this state.
    """

    format: int = CHECKPOINT_FORMAT
    policy: str
    lanes: tuple[str, ...]
    features: tuple[str, ...]
    scaler_version: int
    standard_qty: int
    standard_life_ns: int
    parameters: dict[str, float]
    half_lives_s: tuple[float, ...] = ()
    information: tuple[str, ...] = ()
    at: int
    applied: int
    offset: int = -1
    parent: str = ""
    policy_digest: str
    created_by: str
    source: str = ""
    """The scenario and seed, or the journal, that it was learned on."""
    sha256: str = ""


class Checkpoint(NamedTuple):
    """A state with where it comes from. Arrays are float64, int64 or uint8 in C order."""

    provenance: Provenance
    arrays: Arrays


def sealed(provenance: Provenance, arrays: Mapping[str, Array]) -> Checkpoint:
    """Return a verified checkpoint, with copies of the arrays and its digest.

    Raises:
        BadInputError: names the array that is not finite, not information, or of another kind.
    """
    copies: Arrays = {name: array.copy(order="C") for name, array in arrays.items()}
    checkpoint = Checkpoint(provenance, copies)
    _verify(checkpoint, "checkpoint")
    return Checkpoint(msgspec.structs.replace(provenance, sha256=digest_of(checkpoint)), copies)


def digest_of(checkpoint: Checkpoint) -> str:
    """Return the SHA-256 over a checkpoint's provenance (but its digest) and arrays, in their order."""
    bare = msgspec.structs.replace(checkpoint.provenance, sha256="")
    whole = hashlib.sha256(msgspec.json.encode(bare, order="sorted"))
    for name, array in checkpoint.arrays.items():
        whole.update(f"\n{name} {array.dtype} {array.shape}\n".encode())
        whole.update(array.tobytes())
    return whole.hexdigest()


def to_bytes(checkpoint: Checkpoint) -> bytes:
    """Return the checkpoint as the bytes of an Arrow file.

    >>> none = Provenance(policy="censored", lanes=("XNYS:TAKE",), features=("bias",), scaler_version=1,
    ...     standard_qty=100, standard_life_ns=1, parameters={}, at=0, applied=0, policy_digest="", created_by="me")
    >>> made = sealed(none, {"b": np.array([1.0, 2.0])})
    >>> from_bytes(to_bytes(made), "here").arrays["b"].tolist()
    [1.0, 2.0]
    """
    return to_arrow(checkpoint.arrays, METADATA_KEY, msgspec.json.encode(checkpoint.provenance))


def from_bytes(data: bytes, place: str) -> Checkpoint:
    """Return the verified checkpoint in `data`; `place` names it in errors.

    Raises:
        BadInputError: not a checkpoint, of another format, damaged, or a state that cannot be; names what is wrong.
    """
    if len(data) > BYTES_MAX:
        raise BadInputError(bad_value(place, f"a checkpoint of at most {BYTES_MAX:,} bytes", f"{len(data):,}"))
    try:
        checkpoint = _read(data, place)
    except _DAMAGE as exc:
        reason = str(exc).partition("\n")[0][:200]
        raise BadInputError(bad_value(place, "a whole checkpoint", reason)) from exc
    provenance = checkpoint.provenance
    if provenance.format != CHECKPOINT_FORMAT:
        raise BadInputError(bad_value(f"{place}, format", str(CHECKPOINT_FORMAT), provenance.format))
    found = digest_of(checkpoint)
    if found != provenance.sha256:
        raise BadInputError(bad_value(f"{place}, sha256", f"content with the digest {provenance.sha256}", found))
    _verify(checkpoint, place)
    return checkpoint


def _read(data: bytes, place: str) -> Checkpoint:
    with pa.ipc.open_file(pa.BufferReader(data)) as reader:
        metadata = reader.schema.metadata or {}
        if METADATA_KEY not in metadata or not reader.schema.equals(SCHEMA):
            raise BadInputError(bad_value(place, "a learner's checkpoint", "another Arrow file"))
        table = reader.read_all()
        table.validate(full=True)
    provenance = msgspec.json.decode(metadata[METADATA_KEY], type=Provenance)
    if table.num_rows > ARRAYS_MAX:
        raise BadInputError(bad_value(place, f"at most {ARRAYS_MAX} arrays", table.num_rows))
    arrays: Arrays = {}
    for row in table.to_pylist():
        if row["name"] is None or row["name"] in arrays:
            raise BadInputError(bad_value(f"{place}, name", "arrays named once", row["name"]))
        arrays[row["name"]] = _array(row, place)
    return Checkpoint(provenance, arrays)


def _array(row: Mapping[str, object], place: str) -> Array:
    name, dtype, shape, data = row["name"], row["dtype"], row["shape"], row["data"]
    if dtype not in DTYPES or not isinstance(data, bytes) or not isinstance(shape, list):
        raise BadInputError(bad_value(f"{place}, {name}", f"an array of {', '.join(DTYPES)}", dtype))
    if any(not isinstance(n, int) or n < 0 for n in shape):
        raise BadInputError(bad_value(f"{place}, {name}", "a shape of whole numbers from 0", shape))
    array: Array = np.frombuffer(data, dtype=np.dtype(str(dtype)).newbyteorder("<"))
    return np.array(array.reshape(shape), dtype=str(dtype), order="C")


def _verify(checkpoint: Checkpoint, place: str) -> None:
    for name, array in checkpoint.arrays.items():
        if str(array.dtype) not in DTYPES:
            raise BadInputError(bad_value(f"{place}, {name}", f"an array of {', '.join(DTYPES)}", str(array.dtype)))
        if array.dtype == np.float64 and not np.isfinite(array).all():
            raise BadInputError(bad_value(f"{place}, {name}", "finite numbers", _first_bad(array)))
    for name in checkpoint.provenance.information:
        found = checkpoint.arrays.get(name)
        if found is None or found.ndim < 2 or found.shape[-1] != found.shape[-2] or found.dtype != np.float64:
            got = None if found is None else (str(found.dtype), found.shape)
            raise BadInputError(bad_value(f"{place}, {name}", "square matrices of float64", got))
        least = _least_eigenvalue(np.asarray(found, dtype=np.float64))
        if least < -_TOLERANCE:
            raise BadInputError(bad_value(f"{place}, {name}", "positive semi-definite matrices", least))


def _least_eigenvalue(matrices: F64) -> float:
    """Return the least eigenvalue of all the matrices, each as a part of its trace; only lower triangles are read."""
    width = matrices.shape[-1]
    flat = matrices.reshape(-1, width, width)
    scale = np.abs(flat).max(axis=(1, 2), initial=0.0) if flat.size else np.zeros(0)
    used = flat[scale > 0.0] / scale[scale > 0.0, None, None]
    if not used.size:
        return 0.0
    traces = np.maximum(np.trace(used, axis1=1, axis2=2), 1.0)
    return float((np.linalg.eigvalsh(used, UPLO="L")[:, 0] / traces).min())


def _first_bad(array: Array) -> object:
    at = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
    return f"{array[at]} at {at}"
