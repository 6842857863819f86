"""Systems compared on machines: one table, resumable, in as many processes as there are."""

from ._result import BenchmarkResult
from ._run import run
from ._systems import System, as_systems

__all__ = ["BenchmarkResult", "System", "as_systems", "run"]
