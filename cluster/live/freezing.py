"""An engine's whole state as bytes, and back: pickled, but for what its next life has by itself.

Rule of this file: it only turns objects into bytes; who may be believed is in `cluster.live.snapshots`.

Three things are not left to pickle. What is *given* (a journal, a link, a set-up) is named, and the next life's own is
put in its place. Large arrays that a new engine draws before its day begins are told by their SHA-256, and taken from
a new engine. And arrays come back as they were laid out: two that share memory share it again, and what was read-only
is read-only, for compiled code takes it for another type otherwise.
"""

from __future__ import annotations

import copyreg
import gc
import hashlib
import io
import pickle
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from router.domain.errors import JournalError

CONSTANT_BYTES_MIN = 1 << 20
"""Arrays from this size on are compared with those of a new engine; smaller ones are written as they are."""

PROTOCOL = 5

Array = NDArray[Any]
Constants = Mapping[str, Array]
"""Large arrays by their digests: what they hold and how it is laid out."""


def constants_of(engine: object) -> dict[str, Array]:
    """Return the large arrays in a new engine, by their digests: what it draws before anything happens.

    Raises:
        JournalError: something in it cannot be pickled.
    """
    found: dict[str, list[Array]] = {}
    _dump(_Pickler(_Nowhere(), {}, {}, found), engine)
    # Two that are alike are two: neither may stand for the other.
    return {digest: arrays[0] for digest, arrays in found.items() if len(arrays) == 1}


def frozen(state: object, given: Mapping[str, object], constants: Constants) -> bytes:
    """Return `state` as bytes, without what is given and without the arrays that `constants` has already.

    >>> class Engine: pass
    >>> journal = Engine()
    >>> data = frozen({"journal": journal, "n": 3}, {"journal": journal}, {})
    >>> again = Engine()
    >>> state = thawed(data, {"journal": again}, {})
    >>> state["journal"] is again, state["n"]
    (True, 3)

    Raises:
        JournalError: something in it cannot be pickled.
    """
    buffer = io.BytesIO()
    _dump(_Pickler(buffer, given, constants, None), state)
    return buffer.getvalue()


def thawed(data: bytes, given: Mapping[str, object], constants: Constants) -> Any:
    """Return the state in `data`, with what is given now in place of what was.

    Raises:
        JournalError: it cannot be read, or needs something that is not given.
    """
    # Everything that is made lives on: to look through it for what is dead, again and again, takes most of the time.
    is_collecting = gc.isenabled()
    gc.disable()
    try:
        return _Unpickler(io.BytesIO(data), given, constants).load()
    except Exception as exc:
        # Whatever a pickle raises, what it was a cache of is there.
        raise JournalError(
            f"expected a state that can be read, got {type(exc).__name__}: {exc} - at a snapshot"
        ) from exc
    finally:
        if is_collecting:
            gc.enable()


def _dump(pickler: pickle.Pickler, state: object) -> None:
    try:
        pickler.dump(state)
    except (pickle.PicklingError, TypeError, AttributeError, RecursionError) as exc:
        raise JournalError(f"expected a state that can be pickled, got {exc} - at a snapshot") from exc


class _Pickler(pickle.Pickler):
    """Pickles arrays and what is given in its own way. With `found` it only gathers large arrays."""

    def __init__(
        self, file: Any, given: Mapping[str, object], constants: Constants, found: dict[str, list[Array]] | None
    ) -> None:
        super().__init__(file, PROTOCOL)
        self._names = {id(thing): name for name, thing in given.items()}
        self._constants, self._found = constants, found
        self._used: set[str] = set()
        # By type, so that the other objects, most of them, never leave C.
        own: dict[type, Callable[[Any], Any]] = {type(thing): self._given for thing in given.values()}
        self.dispatch_table = {**copyreg.dispatch_table, **own, np.ndarray: self._array}

    def _given(self, thing: Any) -> Any:
        name = self._names.get(id(thing))
        return thing.__reduce_ex__(PROTOCOL) if name is None else (given_now, (name,))

    def _array(self, array: Array) -> Any:
        if array.nbytes >= CONSTANT_BYTES_MIN and array.flags.c_contiguous and not array.dtype.hasobject:
            layout = f"{array.dtype.str} {array.shape} {array.flags.writeable} ".encode()
            digest = hashlib.sha256(layout + hashlib.sha256(array.data).digest()).hexdigest()
            if self._found is not None:
                self._found.setdefault(digest, []).append(array)
                return bytes, ()
            if digest in self._constants and digest not in self._used:
                self._used.add(digest)
                return constant_now, (digest,)
        base = array.base
        if isinstance(base, np.ndarray) and type(base) is np.ndarray and base.flags.c_contiguous and base.nbytes:
            start = _address(array) - _address(base)
            return window_of, (base, start, array.shape, array.strides, array.dtype, bool(array.flags.writeable))
        if not array.flags.writeable:
            return locked, (np.array(array, order="K"),)
        return array.__reduce_ex__(PROTOCOL)


class _Unpickler(pickle.Unpickler):
    """Puts what is given now where it was given then."""

    def __init__(self, file: Any, given: Mapping[str, object], constants: Constants) -> None:
        super().__init__(file)
        self._found = {"given_now": given.__getitem__, "constant_now": constants.__getitem__}

    def find_class(self, module: str, name: str) -> Any:
        """See `pickle.Unpickler.find_class`."""
        if module == __name__ and name in self._found:
            return self._found[name]
        return super().find_class(module, name)


class _Nowhere:
    """A file that keeps nothing."""

    def write(self, data: Any) -> int:
        return 0


def given_now(name: str) -> Any:
    """Stand in a pickle for what is given; `thawed` puts its own in this place."""
    raise KeyError(name)


def constant_now(digest: str) -> Any:
    """Stand in a pickle for a large array that a new engine has too; `thawed` takes that one."""
    raise KeyError(digest)


def window_of(
    base: Array, start: int, shape: tuple[int, ...], strides: tuple[int, ...], dtype: Any, is_writeable: bool
) -> Array:
    """Return an array that shows part of another one's memory."""
    made: Array = np.ndarray(shape, dtype, buffer=base, offset=start, strides=strides)
    made.setflags(write=is_writeable and base.flags.writeable)
    return made


def locked(array: Array) -> Array:
    """Return the array, read-only from now on."""
    array.setflags(write=False)
    return array


def _address(array: Array) -> int:
    address: int = array.__array_interface__["data"][0]
    return address
