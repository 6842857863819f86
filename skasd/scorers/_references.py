"""References: made of training clips, scored against and held out; a scorer's formula plugs into them."""

from abc import ABCMeta, abstractmethod

import numpy as np
from sklearn.base import clone

from ..labels import as_labels, group_rows
from ._held_out import ALL, extrapolate, held_out_scores, own_statistics, split
from .thresholds import domain_weights, warn_about_few_clips, warn_about_small_domains


class References(metaclass=ABCMeta):
    """References by section and domain, and the scores of clips against them; `BaseScorer` is the estimator."""

    _per_section = False
    _has_references = True  # else scores are the same whatever was fitted on
    _min_rows = 1  # rows below which a reference cannot be made

    # the formula

    def _fit_reference(self, X):
        """Return what is kept of the rows of one set, of shape (n_clips, n_features): here the rows."""
        return X

    @abstractmethod
    def _score_reference(self, X, reference):
        """Return the anomaly scores, shape (n_clips,), of rows against what `_fit_reference` returned."""

    def _leave_one_out(self, X, reference):
        """Return each row's score against the reference without it, or None to have them refitted."""
        return None

    def _fit_references(self, sets):
        """Return the references of a dict of sets; for formulae in which the sets share something."""
        return {name: self._fit_reference(X) for name, X in sets.items()}

    def _held_out(self, X, sets, references, blocks):
        """Return the scores, shape (n_clips, n_sets), of rows against references without their blocks."""
        if not self._has_references:
            return self._score_reference(X, references[ALL])[:, None]
        return held_out_scores(self, X, sets, references, blocks)

    def _fit_sections(self, X, sections, sets):
        """Return the references by section and reference set."""
        return {
            name: self._fit_references(split(*self._extend(X[rows], sets[rows])))
            for name, rows in sections.items()
        }

    def _extend(self, X, sets):
        """Return the rows and their sets, with what the augmenter adds to them."""
        if self.augmenter is None:
            return X, sets
        domain = None if set(sets) == {ALL} else sets
        X, _, metadata = clone(self.augmenter).augment(X, domain=domain)
        return X, np.full(len(X), ALL, dtype=object) if domain is None else metadata["domain"]

    @property
    def normalization_(self):
        """Mean and spread of each domain's own scores, by section; empty without `domain_normalization`."""
        return self._normalization

    # rows, sets, sections

    def _groups(self, section, n_rows):
        """Return the rows of each known section among those asked for, None where sections play no part."""
        if not self._per_section or section is None:
            return None
        groups = group_rows(as_labels("section", section, n_rows))
        unknown = [name for name in groups if name not in self.references_]
        if unknown:
            raise ValueError(
                f"Unknown section {', '.join(map(repr, unknown))}; known sections: {self.sections_}. "
                "Fit with section= to teach them, or score without section."
            )
        return groups

    def _best_section(self, X):
        return np.min([self._score_section(X, name) for name in self.references_], axis=0)

    def _score_section(self, X, section):
        references = self.references_[section]
        scores = np.column_stack([self._score_reference(X, references[name]) for name in references])
        return self._over_domains(scores, section)

    def _over_domains(self, scores, section):
        """Reduce the scores of shape (n_clips, n_sets) to one per clip."""
        if self.domain_normalization is not None:
            mean, scale = self._normalization[section]
            scores = (scores - mean) / scale
        return scores.min(axis=1)

    # held-out scores and the threshold

    def _calibrate(self, X, sections, sets, blocks, domain):
        held_out, self._normalization = {}, {}
        if self.calibration != "train" or self.domain_normalization is not None:
            for name, rows in sections.items():
                references = self.references_[name]
                held_out[name] = self._as_new(X[rows], sets[rows], references, blocks.take(rows))
                if self.domain_normalization is not None:
                    self._normalization[name] = own_statistics(held_out[name], sets[rows], references)
        own = np.empty(len(X))  # against the clip's own section
        best = np.full(len(X), np.inf)  # against the section it fits best
        for name, rows in sections.items():
            if self.calibration == "train":
                own[rows] = self._score_section(X[rows], name)
            else:
                own[rows] = self._over_domains(held_out[name], name)
            best[rows] = np.minimum(best[rows], own[rows])
            others = np.setdiff1d(np.arange(len(X)), rows)
            if len(others):
                best[others] = np.minimum(best[others], self._score_section(X[others], name))
        self._finish(own, best, blocks, domain)

    def _as_new(self, X, sets, references, blocks):
        """Return held-out scores, shape (n_clips, n_sets), as those of clips of one recording more would be."""
        held_out = self._held_out(X, sets, references, blocks)
        if not self._has_references:
            return held_out
        return extrapolate(self, X, sets, references, blocks, held_out)

    def _finish(self, own, best, blocks, domain):
        """Set the thresholds from the scores of all rows, and say what they rest on."""
        recorded = blocks.recorded
        domain = domain[recorded] if domain is not None and self._has_references else None
        self.blocks_ = np.unique(blocks.of[recorded], return_inverse=True)[1]
        self.n_recordings_ = int(self.blocks_.max()) + 1
        self.attainable_rate_ = 1 / (self.n_recordings_ + 1)
        self.training_scores_ = best[recorded]
        weights = domain_weights(domain, self.blocks_) if self.calibration == "cross" else None
        self._calibrate_on(own[recorded], weights)
        self.section_offset_ = self.offset_
        if self.sections_:
            self._calibrate_on(best[recorded], weights)
        if self.calibration in ("cross", "gamma"):
            what = "recordings" if blocks.are_recordings else "blocks of similar training clips"
            what = "training clips" if self.n_recordings_ == len(self.blocks_) else what
            warn_about_few_clips(self.n_recordings_, self.contamination, what=what)
            if domain is not None:
                warn_about_small_domains(domain, self.contamination, self.blocks_, what)
