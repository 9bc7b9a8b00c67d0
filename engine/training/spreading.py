"""Work spread out over this machine's cores, or over a cluster: the same pure function of the same numbers anywhere."""

from __future__ import annotations

import importlib.util
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, TypeVar, get_args

Backend = Literal["sequential", "loky", "dask"]
BACKENDS: tuple[str, ...] = get_args(Backend)
Task = TypeVar("Task")
Answer = TypeVar("Answer")


class SpreadError(Exception):
    """The work cannot be spread as asked; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Where work is done: here, in `workers` processes of this machine (loky), or on the Dask cluster of `scheduler`.

    Every worker computes on one thread: two cores that each spin two are far slower than two that do one thing each.
    """

    backend: Backend = "sequential"
    workers: int = 1
    scheduler: str = ""

    def over(
        self, work: Callable[..., Answer], shared: Sequence[Any], tasks: Sequence[Task]
    ) -> Iterator[tuple[int, Answer]]:
        """`work(task, *shared)` for each task, as they are done: (its place, its answer).

        `work` is a function at the top of a module; `shared` are what all of them look into, sent once. An exception
        in one ends the rest and is raised here.
        """
        from joblib import Parallel, delayed

        with self._surroundings():
            run = Parallel(n_jobs=self._jobs, return_as="generator_unordered", pre_dispatch="all", batch_size=1)
            master = os.getpid() if self.backend == "loky" else None
            yield from run(delayed(_one)(work, master, number, task, *shared) for number, task in enumerate(tasks))

    @property
    def _jobs(self) -> int:
        return {"sequential": 1, "loky": self.workers, "dask": -1}[self.backend]

    @contextmanager
    def _surroundings(self) -> Iterator[None]:
        from joblib import parallel_config

        if self.backend == "dask":
            with _cluster(self.scheduler), parallel_config(backend="dask"):
                yield
            return
        one_thread = {"inner_max_num_threads": 1} if self.backend == "loky" else {}
        with parallel_config(backend=self.backend, **one_thread):
            yield


def spread_named(backend: str, workers: int, scheduler: str = "") -> Spread:
    """The setting, checked. Raises `SpreadError` for a backend that is not there."""
    if backend not in BACKENDS:
        raise SpreadError(f"there is no backend {backend!r}; use {', '.join(BACKENDS)}")
    if backend != "dask":
        return Spread(backend, max(1, workers))  # type: ignore[arg-type]  # it is one of BACKENDS
    if importlib.util.find_spec("distributed") is None:
        raise SpreadError("the backend dask needs the extra [cluster]: pip install 'nightdesk[cluster]'")
    if not scheduler:
        raise SpreadError("the backend dask needs DASK_SCHEDULER, its scheduler's address, like tcp://10.0.0.5:8786")
    return Spread("dask", 1, scheduler)


def _one(work: Callable[..., Answer], master: int | None, number: int, task: Any, *shared: Any) -> tuple[int, Answer]:
    from threadpoolctl import threadpool_limits

    if master is not None:
        _end_with(master)
    with threadpool_limits(1):
        return number, work(task, *shared)


@cache
def _end_with(master: int) -> None:
    """Let this worker process end within a second of the one that it works for, however that one dies."""

    def follow() -> None:
        while os.getppid() == master:
            threading.Event().wait(1.0)
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


@contextmanager
def _cluster(scheduler: str) -> Iterator[None]:
    from distributed import Client

    try:
        client = Client(scheduler, timeout="10s", set_as_default=True)  # type: ignore[no-untyped-call]
    except (OSError, TimeoutError) as error:
        raise SpreadError(f"no Dask scheduler answers at {scheduler} ({error}); check DASK_SCHEDULER") from error
    try:
        yield
    finally:
        client.close()  # type: ignore[no-untyped-call]
