"""Settings of the documentation site; `make docs` builds it with warnings as errors and without any network."""

import importlib.metadata
import os
import warnings

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
    "sphinx.ext.mathjax",
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

html_theme = "pydata_sphinx_theme"
html_title = "skasd"
html_static_path = ["_static"]
html_css_files = ["skasd.css"]
html_show_sourcelink = False
html_theme_options = {
    "header_links_before_dropdown": 5,
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "footer_start": ["copyright"],
    "footer_end": [],
}
html_sidebars = {
    page: []
    for page in ("index", "getting_started", "choosing", "coming_from", "extending", "auto_examples/*")
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
    else:
        warnings.filters[:] = usual_filters
        sklearn.set_config(enable_metadata_routing=False)


GALLERY = [  # in this order
    f"plot_{name}.py"
    for name in (
        "first_detector",
        "thresholds",
        "domain_shift",
        "cross_validation",
        "grid_search",
        "ensemble",
        "features",
        "augmentation",
        "embeddings",
        "published_system",
        "official_score",
        "benchmark",
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
