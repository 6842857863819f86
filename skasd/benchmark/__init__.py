"""Systems compared on machines: one table, resumable, in as many processes as there are."""

from ._result import BenchmarkResult
from ._run import run

__all__ = ["BenchmarkResult", "run"]
