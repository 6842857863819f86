"""Reports: one HTML file about scored clips or a benchmark, which opens anywhere, without network.

Nothing in it is fetched from elsewhere: pictures, sound, style and the script that sorts tables are part of the file.
"""

from ._benchmark import report_benchmark
from ._explanation import report_explanation
from ._figures import wide_figures
from ._live import LivePage
from ._scored import report_scores
from ._scores_table import scores_table
from ._verdict import USUAL_CAUSES

__all__ = [
    "USUAL_CAUSES",
    "LivePage",
    "report_benchmark",
    "report_explanation",
    "report_scores",
    "scores_table",
    "wide_figures",
]
