"""Settings of a run, needed to repeat it: versions, parameters, arguments."""

import platform
from importlib import metadata
from pathlib import Path

import pandas as pd

from .. import __version__

_PACKAGES = (
    *("numpy", "scipy", "scikit-learn", "torch", "skorch", "librosa", "imbalanced-learn"),
    *("soundfile", "soxr", "pandas", "matplotlib"),
)


def installed_versions():
    """Return the versions of Python, skasd and the packages it uses, by name."""
    versions = {"skasd": __version__, "Python": platform.python_version()}
    for name in _PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return {**versions, "platform": f"{platform.system()} {platform.machine()}"}


def without_home(value):
    """Return a value as text, with the user's home folder written as ~."""
    text, home = str(value), str(Path.home())
    return text.replace(home, "~") if len(home) > 1 else text


def flattened(settings, prefix=""):
    """Return nested settings as a list of (name, text)."""
    rows = []
    for name, value in settings.items():
        full = f"{prefix}{name}"
        if isinstance(value, dict) and value:
            rows += flattened(value, f"{full} / ")
        else:
            rows.append((full, without_home(value)))
    return rows


def write_settings(page, settings, detector=None):
    """Add the section of settings to a page; ``settings["versions"]`` are the versions of the run."""
    page.section("Settings and versions")
    settings = dict(settings)
    known = settings.pop("versions", None)
    here = installed_versions()
    if settings:
        page.table(pd.DataFrame(flattened(settings), columns=["setting", "value"]), "Arguments of the run")
    if detector is None and "systems" not in settings:
        page.missing(
            "The parameters of the detector are not known here: for them, make the report with the fitted detector."
        )
    elif detector is not None:
        page.text_block(without_home(repr(detector)))
        page.begin("details", "All parameters of the detector, defaults included")
        parameters = [
            (name, without_home(repr(value)))
            for name, value in sorted(detector.get_params(deep=True).items())
            if not hasattr(value, "get_params") and name != "steps"
        ]
        page.table(pd.DataFrame(parameters, columns=["parameter", "value"]), "Parameters")
        page.end("details")
    tables = {"Versions": here}
    if known is not None and any(here.get(name) != version for name, version in known.items()):
        tables = {"Versions of the run": known, "Versions of this report": here}
    for caption, versions in tables.items():
        page.table(pd.DataFrame(versions.items(), columns=["package", "version"]), caption)
