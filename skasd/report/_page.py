"""A self-contained HTML page: headings, sentences, tables, pictures, sound."""

import base64
import hashlib
import html
import re
from pathlib import Path
from string import Template

import numpy as np
import pandas as pd

from .._whole_file import whole_file
from ._script import RELOAD, SCRIPT
from ._style import STYLE

# nothing is fetched, and only scripts with these checksums run, even if a name was not escaped
_POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'; script-src {}"

_PAGE = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="$policy">
<meta name="generator" content="$generator">
<title>$title</title>
<link rel="icon" href="data:,">
<style>$style</style>
</head>
<body>
<header>
<h1>$title</h1>
$lead
</header>
<nav aria-label="Contents"><ul>
$contents
</ul></nav>
<main>
$body
</main>
<footer><p>$generator</p></footer>
$script
</body>
</html>
""")


class Page:
    """Parts of a page in their order; the methods escape all text they are given."""

    def __init__(self, title):
        self.title = title
        self._lead: list[str] = []
        self._parts = self._lead
        self._contents: list[str] = []
        self._body: list[str] = []
        self._n_tables = 0
        self._sounds: dict[str, str] = {}  # ids of their players
        self._script = ""
        self._reload = ""

    def reload(self, seconds):
        """Let the browser reload the page regularly, because it will be rewritten."""
        self._reload = Template(RELOAD).substitute(milliseconds=round(1000 * seconds))

    def section(self, title):
        """Begin a section, which the table of contents names."""
        anchor = f"s{len(self._contents) + 1}"
        self._contents.append(f'<li><a href="#{anchor}">{escape(title)}</a></li>')
        self._body.append(f'<h2 id="{anchor}">{escape(title)}</h2>')
        self._parts = self._body

    def subsection(self, title, anchor=""):
        """Begin a part of a section, to which links may lead."""
        place = f' id="{anchor}"' if anchor else ""
        self._parts.append(f"<h3{place}>{escape(title)}</h3>")

    def heading(self, title):
        """Add the heading of one part of a clip."""
        self._parts.append(f"<h4>{escape(title)}</h4>")

    def verdict(self, kind, sentences):
        """Add a verdict of ``kind`` "good", "bad" or "open", the first sentence in bold."""
        first, *others = [escape(sentence) for sentence in sentences]
        more = "".join(f"<p>{sentence}</p>" for sentence in others)
        self._parts.append(f'<div class="verdict {kind}"><p><strong>{first}</strong></p>{more}</div>')

    def paragraph(self, text, kind=""):
        """Add a paragraph; ``kind`` is its CSS class."""
        self._parts.append(f'<p class="{kind}">{escape(text)}</p>' if kind else f"<p>{escape(text)}</p>")

    def note(self, text):
        """Add a line in small letters."""
        self.paragraph(text, "note")

    def missing(self, text):
        """Add a remark on what the page lacks, and what is needed for it."""
        self.paragraph(text, "missing")

    def key_figures(self, figures):
        """Add numbers in large print, given as texts by label."""
        items = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in figures.items())
        self._parts.append(f'<dl class="key">{items}</dl>')

    def table(self, table, caption, row_headers=1, *, long=False, links=None):
        """Add a table: numbers with three decimals, missing values as a dash.

        The leading ``row_headers`` columns name the row. A ``long`` table scrolls in a box of its own, and can be
        sorted and searched if the browser runs scripts. ``links`` maps row numbers to the anchors of the first cells.
        """
        kinds = [_kind(column, _is_numeric(table[column])) for column in table]
        head = "".join(
            f'<th scope="col"{kind}>{escape(column)}</th>' for column, kind in zip(table, kinds, strict=True)
        )
        rows = []
        for number, values in enumerate(table.itertuples(index=False, name=None)):
            texts = [
                _marked(escape(cell(value)), column) for column, value in zip(table, values, strict=True)
            ]
            if links and number in links:
                texts[0] = f'<a href="#{links[number]}">{texts[0]}</a>'
            cells = [
                f'<th scope="row">{text}</th>' if place < row_headers else f"<td{kinds[place]}>{text}</td>"
                for place, text in enumerate(texts)
            ]
            rows.append(f"<tr>{''.join(cells)}</tr>")
        # not a caption element, which would scroll with the table
        self._n_tables += 1
        name = f"t{self._n_tables}"
        text = (
            f'<p class="caption" id="{name}">{escape(caption)}</p>'
            f'<div class="scroll" role="region" aria-labelledby="{name}" tabindex="0">'
            f'<table aria-labelledby="{name}"><thead><tr>{head}</tr></thead>'
            f"<tbody>{''.join(rows)}</tbody></table></div>"
        )
        if long:
            text = f'<div class="long">{text}</div>'
            self._script = f"<script>{SCRIPT}</script>"
        self._parts.append(text)

    def picture(self, source, alt, caption=""):
        """Add a picture given as a data URI."""
        below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
        self._parts.append(f'<figure><img src="{source}" alt="{escape(alt)}">{below}</figure>')

    def audio(self, source, label):
        """Add a player for sound given as a data URI; a sound that the page holds already is not added again."""
        name = f"a{len(self._sounds) + 1}"
        first = self._sounds.setdefault(source, name)
        what = f'id="{name}" src="{source}"'
        if first != name:
            what = f'data-as="{first}"'
            self._script = f"<script>{SCRIPT}</script>"
        self._parts.append(f'<audio controls preload="metadata" aria-label="{escape(label)}" {what}></audio>')
        if first != name:
            self._parts.append(f'<noscript><p class="note"><a href="#{first}">Its player</a></p></noscript>')

    def text_block(self, text):
        """Add preformatted text."""
        self._parts.append(f'<pre class="scroll" tabindex="0">{escape(text)}</pre>')

    def begin(self, kind, summary=None, is_open=False):
        """Begin a box: "pair", "half", "clip", or "details" with its summary."""
        if kind == "details":
            self._parts.append(f"<details{' open' if is_open else ''}><summary>{escape(summary)}</summary>")
        else:
            self._parts.append(f'<div class="{kind}">')

    def end(self, kind):
        """End a box."""
        self._parts.append("</details>" if kind == "details" else "</div>")

    def write(self, path, generator):
        """Write the page, whole or not at all; return its path."""
        text = _PAGE.substitute(
            policy=_POLICY.format(" ".join(map(_checksum, filter(None, (SCRIPT, self._reload))))),
            script=self._script + (f"<script>{self._reload}</script>" if self._reload else ""),
            generator=escape(generator),
            title=escape(self.title),
            style=STYLE,
            lead="\n".join(self._lead),
            contents="\n".join(self._contents),
            body="\n".join(self._body),
        )
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as name:
            Path(name).write_text(text, encoding="utf-8")
        return path


def _checksum(script):
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode('ascii')}'"


def escape(text):
    """Return text escaped for HTML and its attributes."""
    # file names may contain control characters, and bytes that are no text (as lone surrogates)
    text = re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]", "\ufffd", str(text))
    return html.escape(text, quote=True)


def cell(value):
    """Return the text of a table's cell."""
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return "–"
    if isinstance(value, (float, np.floating)):
        return f"{value:.3f}"
    return str(value)


def _kind(column, is_number):
    """Return the class attribute of a column: numbers are set to the right, texts that wrap get room."""
    kind = "number" if is_number else {"remark": "text", "error": "text", "time": "time"}.get(column)
    return f' class="{kind}"' if kind else ""


def _marked(text, column):
    """Return the HTML of a cell, with the decision "anomalous" in bold."""
    return f"<strong>{text}</strong>" if column == "decision" and text == "anomalous" else text


def _is_numeric(column):
    """Tell whether all that a column holds are numbers, or texts of numbers such as "0.93 ± 0.02"."""
    texts = [cell(value) for value in column]
    return all(
        re.fullmatch(r"–|[-+−]?[\d.]+(e[-+]?\d+)?( ± [\d.]+| \([+−][\d.]+\))?", text) for text in texts
    )
