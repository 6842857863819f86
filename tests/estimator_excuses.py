"""The scikit-learn estimator checks that an estimator fails on purpose, each with its reason.

``EXPECTED_FAILURES[class name][check name]`` is the reason; ``QUICK[class name]`` holds the parameters
that make the class quick enough for some hundred fits (never ones that make a check pass by switching
off what it looks at).
"""

EXPECTED_FAILURES: dict[str, dict[str, str]] = {}

QUICK: dict[str, dict] = {}
