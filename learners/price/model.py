"""A trained price model as flat arrays, and as bytes: Arrow IPC with JSON provenance and a digest.

Rule of this file: a model that came from bytes is verified before anybody reads it: digest, version, shapes,
finiteness, and for trees that every walk ends. No pickle.

The bytes are one Arrow file: a row an array (name, dtype, shape, data), and in the schema's metadata under
`anabranch.price` a `Provenance` in JSON whose `sha256` is over kind, provenance and arrays.
"""

from __future__ import annotations

import hashlib
from typing import Final, Literal, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa

from learners.price.signals import PRICE_SIGNALS, SIGNALS, SIGNALS_VERSION
from learners.state.named_arrays import SCHEMA, to_arrow
from router.domain.errors import BadInputError, bad_value
from router.domain.market import F64, I64

Kind = Literal["hgb", "mlp", "logistic"]
Arrays = dict[str, F64 | I64]

MODEL_FORMAT: Final = 1
METADATA_KEY: Final = b"anabranch.price"
BYTES_MAX: Final = 50_000_000
"""A thousand deep trees are a few megabytes; a larger file is no price model."""
NODES_MAX: Final = 1_000_000

ARRAYS: Final[dict[str, dict[str, type]]] = {
    "hgb": {
        "baseline": np.float64,
        "roots": np.int64,
        "feature": np.int64,
        "threshold": np.float64,
        "left": np.int64,
        "right": np.int64,
        "missing_left": np.int64,
        "value": np.float64,
    },
    "mlp": {
        "mean": np.float64,
        "scale": np.float64,
        "w0": np.float64,
        "b0": np.float64,
        "w1": np.float64,
        "b1": np.float64,
    },
    "logistic": {"mean": np.float64, "scale": np.float64, "w": np.float64, "b": np.float64},
}
"""The arrays of each kind. Trees: node i goes to `left[i]` when x[feature[i]] <= threshold[i] (or NaN and
`missing_left[i]`), else to `right[i]`; a leaf has left -1; tree t begins at `roots[t]`, its children come after it."""


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """Where a model comes from. `scores` are those of its test part, as `learners.price.judge` names them."""

    format: int = MODEL_FORMAT
    kind: Kind
    signals: tuple[str, ...] = PRICE_SIGNALS
    signals_version: int = SIGNALS_VERSION
    source: str
    label: str
    step_ns: int
    seed: int
    rows: tuple[int, int, int]
    """Samples of the train, validate and test parts."""
    span: tuple[int, int]
    """Time of the first and the last sample, ns UTC."""
    trainer: str
    """Library and version."""
    settings: dict[str, float]
    scores: dict[str, float]
    sha256: str = ""


class PriceModel(NamedTuple):
    """A trained model: arrays as `ARRAYS` says, float64 or int64, in C order."""

    provenance: Provenance
    arrays: Arrays

    @property
    def kind(self) -> Kind:
        """Which of the kinds it is."""
        return self.provenance.kind


def sealed(provenance: Provenance, arrays: Arrays) -> PriceModel:
    """Return a verified model with its digest.

    Raises:
        BadInputError: arrays that are not a model of that kind.
    """
    arrays = {name: arrays[name].copy(order="C") for name in sorted(arrays)}
    model = PriceModel(provenance, arrays)
    _verify(model, "model")
    return PriceModel(msgspec.structs.replace(provenance, sha256=digest_of(model)), arrays)


def digest_of(model: PriceModel) -> str:
    """Return the SHA-256 over a model's provenance (but its digest) and arrays."""
    state = hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(model.provenance, sha256=""), order="sorted"))
    for name, array in model.arrays.items():
        state.update(f"\n{name} {array.dtype} {array.shape}\n".encode())
        state.update(array.tobytes())
    return state.hexdigest()


def model_to_bytes(model: PriceModel) -> bytes:
    """Return the model as the bytes of an Arrow file."""
    return to_arrow(model.arrays, METADATA_KEY, msgspec.json.encode(model.provenance))


def model_from_bytes(data: bytes, place: str) -> PriceModel:
    """Return the verified model in `data`; `place` names it in errors.

    Raises:
        BadInputError: not a price model, of another format or other signals, damaged, or one that cannot be served.
    """
    if len(data) > BYTES_MAX:
        raise BadInputError(bad_value(place, f"a price model of at most {BYTES_MAX:,} bytes", f"{len(data):,}"))
    try:
        with pa.ipc.open_file(pa.BufferReader(data)) as reader:
            metadata = reader.schema.metadata or {}
            if METADATA_KEY not in metadata or not reader.schema.equals(SCHEMA):
                raise BadInputError(bad_value(place, "a price model", "another Arrow file"))
            table = reader.read_all()
            table.validate(full=True)
        provenance = msgspec.json.decode(metadata[METADATA_KEY], type=Provenance)
        arrays = {row["name"]: _array(row) for row in table.to_pylist()}
    except (pa.ArrowException, msgspec.DecodeError, ValueError, TypeError, OSError) as exc:
        reason = str(exc).partition("\n")[0][:200]
        raise BadInputError(bad_value(place, "a whole price model", reason)) from exc
    if (provenance.format, provenance.signals_version, provenance.signals) != (
        MODEL_FORMAT,
        SIGNALS_VERSION,
        PRICE_SIGNALS,
    ):
        expected = f"a price model of format {MODEL_FORMAT} over signals of version {SIGNALS_VERSION}"
        raise BadInputError(bad_value(place, expected, (provenance.format, provenance.signals_version)))
    model = PriceModel(provenance, {name: arrays[name] for name in sorted(arrays)})
    if digest_of(model) != provenance.sha256:
        raise BadInputError(bad_value(place, f"content with the digest {provenance.sha256}", digest_of(model)))
    _verify(model, place)
    return model


def _array(row: dict[str, object]) -> F64 | I64:
    data, shape = row["data"], row["shape"]
    if row["dtype"] not in ("float64", "int64") or not isinstance(data, bytes) or not isinstance(shape, list):
        raise ValueError(f"an array of {row['dtype']}")
    return np.frombuffer(data, dtype=str(row["dtype"])).reshape(shape).copy()


def _verify(model: PriceModel, place: str) -> None:
    expected, arrays = ARRAYS[model.kind], model.arrays
    if sorted(arrays) != sorted(expected):
        raise BadInputError(bad_value(place, f"the arrays {', '.join(sorted(expected))}", ", ".join(arrays)))
    for name, dtype in expected.items():
        array = arrays[name]
        if array.dtype != dtype or not array.size or not np.isfinite(array).all():
            # A tree may send everything that is not missing to one side: its threshold is then infinite.
            is_threshold = name == "threshold" and array.dtype == dtype and not np.isnan(array).any()
            if not is_threshold:
                raise BadInputError(bad_value(f"{place}.{name}", f"finite {np.dtype(dtype)}", str(array.dtype)))
    (_verify_trees if model.kind == "hgb" else _verify_weights)(model, place)


def _verify_trees(model: PriceModel, place: str) -> None:
    a = model.arrays
    nodes, left, right = np.arange(len(a["feature"])), a["left"], a["right"]
    names = ("feature", "threshold", "left", "right", "missing_left", "value")
    is_shaped = all(a[name].shape == nodes.shape for name in names) and a["baseline"].shape == (1,)
    if not is_shaped or len(nodes) > NODES_MAX or a["roots"].ndim != 1:
        raise BadInputError(bad_value(f"{place}.trees", f"arrays over up to {NODES_MAX} nodes", len(nodes)))
    is_leaf = left < 0
    # Children come after their node, so that every walk ends.
    goes_down = (left > nodes) & (right > nodes) & (left < len(nodes)) & (right < len(nodes))
    is_known = (a["feature"] >= 0) & (a["feature"] < SIGNALS)
    has_roots = (a["roots"] >= 0).all() and (a["roots"] < len(nodes)).all()
    if not (is_leaf | (goes_down & is_known)).all() or not has_roots:
        raise BadInputError(bad_value(f"{place}.trees", "nodes whose children come after them", "another order"))


def _verify_weights(model: PriceModel, place: str) -> None:
    shapes: dict[str, tuple[int, ...]] = {"mean": (SIGNALS,), "scale": (SIGNALS,)}
    if model.kind == "mlp":
        hidden = model.arrays["b0"].size
        shapes |= {"w0": (SIGNALS, hidden), "b0": (hidden,), "w1": (hidden,), "b1": (1,)}
    else:
        shapes |= {"w": (SIGNALS,), "b": (1,)}
    for name, shape in shapes.items():
        if model.arrays[name].shape != shape:
            raise BadInputError(bad_value(f"{place}.{name}", f"the shape {shape}", model.arrays[name].shape))
    if (model.arrays["scale"] <= 0).any():
        raise BadInputError(bad_value(f"{place}.scale", "scales above 0", float(model.arrays["scale"].min())))
