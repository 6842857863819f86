"""Compare systems on machines: one table, resumable, in any number of processes."""

from ._result import BenchmarkResult
from ._run import run
from ._systems import System, as_systems

__all__ = ["BenchmarkResult", "System", "as_systems", "run"]
