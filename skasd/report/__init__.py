"""Reports: one HTML file about scored clips or a benchmark, which opens anywhere, without network.

Nothing in it is fetched from elsewhere and no script runs: pictures, sound and style are part of the file.
"""

from ._benchmark import report_benchmark
from ._scored import report_scores

__all__ = ["report_benchmark", "report_scores"]
