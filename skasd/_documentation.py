"""Where the page of a class is found on the documentation site."""

from functools import cache


@cache
def documentation_site():
    """Return the address of the site from the package's metadata (``Documentation`` in pyproject), "" without one."""
    from importlib.metadata import PackageNotFoundError, metadata

    try:
        urls = metadata("skasd").get_all("Project-URL", [])
    except PackageNotFoundError:  # run from a folder, never installed
        return ""
    addresses = dict(url.split(", ", 1) for url in urls)
    return addresses["Documentation"].rstrip("/") + "/" if "Documentation" in addresses else ""


class DocumentationLinkMixin:
    """Lets the HTML representation of an estimator link to the estimator's page, as scikit-learn's do.

    Stands left of ``BaseEstimator``, whose link would lead to scikit-learn's site. Subclasses outside the package
    have no link.
    """

    _doc_link_module = "skasd"
    _doc_link_url_param_generator = None

    @property
    def _doc_link_template(self):
        site = documentation_site()
        return f"{site}generated/{{estimator_module}}.{{estimator_name}}.html" if site else ""
