"""Where results of sweeps are kept: one SQLite file, a row for each run, written as it ends.

    runs(key, status, message, verdict, settings, simulator, document, seed, exit_code, exit_status, and a column for each statistic)

key: see `sim.sweeps.plan`. status: "ended" or "failed" (message says why). settings, document: JSON, for SQLite's own functions:
`SELECT json_extract(settings, '$.pes'), seed, cycles FROM runs`. Statistics are sums over PEs, but cycles is the clock of the PE furthest
ahead.
Only the process that runs the sweep writes. Each row is a transaction of its own: whatever ends the process, the rows before it are there.
"""
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sim.errors import UserError
from sim.result import STATISTICS
from sim.sweeps.measures import Document
from sim.sweeps.plan import Plan, Refused
from sim.sweeps.point import Outcome

FORMAT = 1
KEPT = ("ended", "failed")            # what is a result; anything else says that there is none
_APPLICATION_ID = 0x5155_4953           # "QUIS"
_BUSY_SECONDS = 30.0
_TEXTS = ("status", "message", "verdict", "settings", "simulator", "document")
_NUMBERS = ("seed", "exit_code", "exit_status", *STATISTICS)
_COLUMNS = ("key", *_TEXTS, *_NUMBERS)
_KEYS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Row:
    """One run as it is kept. document: None where it failed."""

    key: str
    seed: int
    status: str
    message: str
    document: Document | None

    @property
    def ending(self) -> str:
        """How it ended, in a word or two."""
        if self.document is None:
            return "failed"
        kind, status = self.document["verdict"]["kind"], self.document["verdict"]["exit_status"]
        return f"{kind} {status}" if kind == "exited" else str(kind)


class Store:
    """An open store. Raises UserError for a file that is none, or that cannot be read or written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._database = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
        except sqlite3.Error as error:
            raise UserError(f"{path}: {error}") from None
        try:
            with self._complaints():
                self._settle()
        except BaseException:
            self._database.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def add(self, key: str, plan: Plan | Refused, seed: int, outcome: Outcome) -> None:
        """Keep one run, at once and for good; of one that is there already, the new one."""
        document = outcome.document
        measures: dict[str, Any] = document["measures"] if document else {}
        verdict = document["verdict"]["kind"] if document else None
        exit_code = document["exit_code"] if document else None
        texts = (outcome.status, outcome.message, verdict, plan.settings, plan.simulator, json.dumps(document) if document else None)
        numbers = (seed, exit_code, *(measures.get(name) for name in ("exit_status", *STATISTICS)))
        with self._complaints():
            self._database.execute(f"INSERT OR REPLACE INTO runs ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})",
                                   (key, *texts, *(_signed(one) for one in numbers)))

    def present(self, keys: Sequence[str]) -> set[str]:
        """Those of the keys that are there."""
        return {key for (key,) in self._select("key", keys)}

    def rows(self, keys: Sequence[str]) -> Iterator[Row]:
        """The rows of these keys, in no particular order."""
        for key, seed, status, message, document in self._select("key, seed, status, message, document", keys):
            yield Row(key, seed, status, message, json.loads(document) if document else None)

    def _select(self, what: str, keys: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        for first in range(0, len(keys), _KEYS_AT_ONCE):
            some = keys[first:first + _KEYS_AT_ONCE]
            with self._complaints():
                yield from self._database.execute(f"SELECT {what} FROM runs WHERE key IN ({', '.join('?' * len(some))})", some).fetchall()

    def _settle(self) -> None:
        """Make the tables in a new file, add the columns that a newer simulator counts, refuse a file that is something else."""
        run = self._database.execute
        (application,), (version,) = run("PRAGMA application_id").fetchone(), run("PRAGMA user_version").fetchone()
        is_new = not run("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not is_new and (application, version) != (_APPLICATION_ID, FORMAT):
            raise UserError(f"{self.path}: is not a store of sweeps (format {FORMAT}): give another file with --store")
        run("PRAGMA journal_mode = WAL")
        run("PRAGMA synchronous = FULL")
        run("BEGIN IMMEDIATE")
        run(f"CREATE TABLE IF NOT EXISTS runs (key TEXT PRIMARY KEY, {', '.join(f'{name} TEXT' for name in _TEXTS)})")
        there = {row[1] for row in run("PRAGMA table_info(runs)")}
        for name in _NUMBERS:
            if name not in there:
                run(f"ALTER TABLE runs ADD COLUMN {name} INTEGER")
        run(f"PRAGMA application_id = {_APPLICATION_ID}")
        run(f"PRAGMA user_version = {FORMAT}")
        run("COMMIT")

    @contextmanager
    def _complaints(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise UserError(f"{self.path}: {error}") from None


def _signed(value: int | None) -> int | None:
    """64 bits as SQLite keeps them."""
    return value if value is None or value < 1 << 63 else value - (1 << 64)
