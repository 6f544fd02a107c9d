"""A small memory of answers, in each process: bounded, and forgotten after a time."""

import threading
import time
from collections import OrderedDict
from typing import Generic, TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


class Cache(Generic[Key, Value]):
    """Keeps the last `size` values for `seconds` each."""

    def __init__(self, *, seconds: float, size: int) -> None:
        self.seconds, self.size = seconds, size
        self._kept: OrderedDict[Key, tuple[float, Value]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Key) -> Value | None:
        with self._lock:
            until, value = self._kept.get(key, (0.0, None))
            return value if time.monotonic() < until else None

    def put(self, key: Key, value: Value) -> None:
        with self._lock:
            self._kept[key] = time.monotonic() + self.seconds, value
            self._kept.move_to_end(key)
            while len(self._kept) > self.size:
                self._kept.popitem(last=False)

    def forget(self, key: Key) -> None:
        with self._lock:
            self._kept.pop(key, None)
