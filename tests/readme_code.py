"""Print the README's Python as one file, for type checkers: ``python tests/readme_code.py``."""

import re
from pathlib import Path

KNOWN = "paths: list[str] = []\nsection: list[str] = []\ndomain: list[str] = []\n"


def readme_code():
    """Return the code blocks, with the names that they expect."""
    text = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
    return KNOWN + "\n".join(re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S))


if __name__ == "__main__":
    print(readme_code())
