"""Names of folders with a meaning, in a few languages."""

import unicodedata

HEALTHY = {
    "English": ("normal", "healthy", "good", "ok"),
    "Chinese": ("正常", "良品", "合格"),
    "French": ("sain", "bon", "conforme"),
    "German": ("io", "gut", "fehlerfrei"),
    "Italian": ("normale", "sano", "buono"),
    "Japanese": ("正常", "良品"),
    "Spanish": ("sano", "bueno", "correcto"),
}
ANOMALOUS = {
    "English": (
        "anomalous",
        "anomaly",
        "anomalies",
        "abnormal",
        "faulty",
        "fault",
        "broken",
        "defective",
        "failed",
        "bad",
        "ng",
        "nok",
    ),
    "Chinese": ("异常", "不良", "故障", "不合格"),
    "French": ("anormal", "défaut", "défectueux", "panne"),
    "German": ("nio", "defekt", "fehlerhaft", "kaputt", "schlecht"),
    "Italian": ("anomalo", "difettoso", "guasto"),
    "Japanese": ("異常", "不良", "故障"),
    "Spanish": ("anómalo", "defectuoso", "averiado", "fallo"),
}
LABELS = {
    word: y
    for y, languages in ((1, HEALTHY), (-1, ANOMALOUS))
    for words in languages.values()
    for word in words
}
DOMAINS = ("source", "target")
SPLITS = ("train", "test", "supplemental")
_ALL = {*LABELS, *DOMAINS, *SPLITS}


def as_word(name):
    """Return the name of a folder as the words here are written, of which some systems take letters apart."""
    return unicodedata.normalize("NFC", name).lower()


def has_meaning(name):
    """Return whether the name of a folder is one of the words here."""
    return as_word(name) in _ALL


def innermost(parts, words):
    """Return the word that the innermost of some folders with one of these names has, or None."""
    return next((word for part in reversed(parts) if (word := as_word(part)) in words), None)
