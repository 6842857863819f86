"""Settings of the documentation site; `make docs` builds it with warnings as errors and without any network."""

import importlib
import importlib.metadata
import importlib.util
import inspect
import os
import warnings
import zlib
from pathlib import Path

import sklearn

os.environ.setdefault("MPLBACKEND", "Agg")

project = "skasd"
author = "the skasd developers"
copyright = "the skasd developers"
release = importlib.metadata.version("skasd")
version = ".".join(release.split(".")[:2])

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx.ext.viewcode",
    "sphinx-mathjax-offline",  # formulae can be read without network, too
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = ["_build", "**/GALLERY_HEADER.rst"]
root_doc = "index"
suppress_warnings = ["config.cache"]  # the gallery's settings hold functions

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings say it
numpydoc_show_class_members = False
numpydoc_xref_param_type = False
toc_object_entries_show_parents = (
    "hide"  # the names of methods fit beside the page without that of their class
)


def write_inventory(name, modules, place):
    """Write what sphinx.ext.intersphinx needs to link to a site: names, and the rule by which it makes addresses.

    The sites' own inventories are taken where there is a network; these serve without one.
    """
    lines = []
    for module in map(importlib.import_module, modules):
        for key in getattr(module, "__all__", dir(module)):
            try:
                value = getattr(module, key, None)
            except ImportError:  # experimental in scikit-learn
                continue
            if callable(value) and not key.startswith("_"):
                role = "class" if inspect.isclass(value) else "function"
                full = f"{module.__name__}.{key}"
                lines.append(f"{full} py:{role} 1 {place(full, value)}#$ -\n")
    path = Path(__file__).parent / "_build" / "inventories" / f"{name}.inv"
    path.parent.mkdir(parents=True, exist_ok=True)
    head = f"# Sphinx inventory version 2\n# Project: {name}\n# Version: \n"
    head += "# The remainder of this file is compressed using zlib.\n"
    path.write_bytes(head.encode() + zlib.compress("".join(lines).encode()))
    return (None, str(path))


def public_modules(package):
    """Return the names of a package and of the modules that its ``__all__`` lists."""
    names = [f"{package}.{name}" for name in importlib.import_module(package).__all__]
    return [package, *(name for name in names if importlib.util.find_spec(name) is not None)]


intersphinx_timeout = 10
intersphinx_mapping = {
    "sklearn": (
        "https://scikit-learn.org/stable",
        write_inventory(
            "scikit-learn", public_modules("sklearn"), lambda full, value: f"modules/generated/{full}.html"
        ),
    ),
    "numpy": (
        "https://numpy.org/doc/stable",
        write_inventory("numpy", ["numpy"], lambda full, value: f"reference/generated/{full}.html"),
    ),
    "pandas": (
        "https://pandas.pydata.org/docs",
        write_inventory("pandas", ["pandas"], lambda full, value: f"reference/api/{full}.html"),
    ),
    "skorch": (
        "https://skorch.readthedocs.io/en/stable",
        write_inventory("skorch", ["skorch.callbacks"], lambda full, value: f"{full.split('.')[1]}.html"),
    ),
}

html_theme = "pydata_sphinx_theme"
html_title = "skasd"
html_static_path = ["_static"]
html_css_files = ["skasd.css"]
html_show_sourcelink = False
html_theme_options = {
    "header_links_before_dropdown": 4,  # one line at 1280 pixels, with the search
    "navbar_align": "left",
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {  # none on pages without pages below them, and where tables are wide
    page: []
    for page in (
        "index",
        "getting_started",
        "choosing",
        "coming_from",
        "reliability",
        "extending",
        "glossary",
        "decisions",
        "licences",
        "measurements_*",
        "auto_examples/*",
    )
}


usual_filters = []


def strict_warnings(gallery_conf, fname, when):
    """Let an example that warns fail, as tests do, and hand the next one the settings it expects."""
    if when == "before":
        usual_filters[:] = warnings.filters
        warnings.resetwarnings()
        warnings.simplefilter("error")
        # the drawing backend of the build has no window, and plt.show() says so
        warnings.filterwarnings("ignore", message=".*is non-interactive.*")
        # data of examples are small
        warnings.filterwarnings("ignore", message=".* cannot hold the false-alarm rate")
    else:
        warnings.filters[:] = usual_filters
        sklearn.set_config(enable_metadata_routing=False)


GALLERY = [  # in this order
    f"plot_{name}.py"
    for name in (
        "default_detector",
        "first_detector",
        "thresholds",
        "explain",
        "stream",
        "domain_shift",
        "cross_validation",
        "grid_search",
        "ensemble",
        "features",
        "augmentation",
        "sampler_in_pipeline",
        "embeddings",
        "real_engines",
        "real_fan",
        "published_system",
        "official_score",
        "benchmark",
        "export",
    )
]

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "ignore_pattern": r"(quickstart|extending)",
    "within_subsection_order": GALLERY.index,
    "doc_module": ("skasd",),
    "backreferences_dir": "generated/backreferences",
    "prefer_full_module": {r"skasd\..*"},
    "reset_modules": ("matplotlib", strict_warnings),
    "reset_modules_order": "both",
    "abort_on_example_error": True,
    "only_warn_on_example_error": False,
    "download_all_examples": False,
    "show_memory": False,
    "min_reported_time": 1,
    "remove_config_comments": True,
}

OURS = "skasd"


def skip_foreign_members(app, what, name, obj, skip, options):
    """Leave out what a class inherits from scikit-learn: it is described there, with labels of that site."""
    function = getattr(obj, "fget", obj)
    module = getattr(function, "__module__", None)
    if name.startswith("set_") and name.endswith("_request"):
        return True
    if module is not None and not module.startswith(OURS):
        return True
    return skip


def setup(app):
    """Register the hook."""
    app.connect("autodoc-skip-member", skip_foreign_members)
