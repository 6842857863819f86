"""References: made of training clips, scored against and held out; a scorer's formula plugs into them."""

from abc import ABCMeta, abstractmethod

import numpy as np
from sklearn.base import clone

from ._held_out import ALL, extrapolate, held_out_scores, own_statistics, split
from .thresholds import domain_weights, warn_about_few_clips, warn_about_small_domains


class References(metaclass=ABCMeta):
    """References by domain, and the scores of clips against them; `BaseScorer` is the estimator."""

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

    def _score_left_out(self, rest, left_out):
        """Return by set the scores of rows against references made of the rest."""
        references = self._fit_references(rest)
        return {name: self._score_reference(left_out[name], references[name]) for name in rest}

    def _held_out(self, X, sets, references, blocks):
        """Return the scores, shape (n_clips, n_sets), of rows against references without their blocks."""
        return held_out_scores(self, X, sets, references, blocks)

    def _extend(self, X, sets):
        """Return the rows and their sets, with what the augmenter adds to them."""
        if self.augmenter is None:
            return X, sets
        domain = None if set(sets) == {ALL} else sets
        X, _, metadata = clone(self.augmenter).augment(X, domain=domain)
        return X, np.full(len(X), ALL, dtype=object) if domain is None else metadata["domain"]

    # scores

    def _score_rows(self, X):
        """Return the score of each row, shape (n_clips,)."""
        scores = [self._score_reference(X, reference) for reference in self.references_.values()]
        return self._over_domains(np.column_stack(scores))

    def _score_known(self, X, section):
        """Return the score of each row, where the section may be known; it plays no part here."""
        return self._score_rows(X)

    def _over_domains(self, scores):
        """Reduce the scores of shape (n_clips, n_sets) to one per clip."""
        return self._normalized(scores).min(axis=1)

    def _normalized(self, scores):
        """Return scores of shape (n_clips, n_sets), standardised by domain if asked for."""
        if self.domain_normalization is None:
            return scores
        mean, scale = self.normalization_
        return (scores - mean) / scale

    # held-out scores and the threshold

    def _learn(self, X, sets, blocks, domain, section):
        """Learn the references from rows of training clips, and set the threshold; `section` plays no part here."""
        self.references_ = self._fit_references(split(*self._extend(X, sets)))
        self._calibrate(X, sets, blocks, domain)

    def _calibrate(self, X, sets, blocks, domain):
        self.normalization_ = None
        if self.calibration != "train" or self.domain_normalization is not None:
            held_out = self._as_new(X, sets, blocks)
            if self.domain_normalization is not None:
                self.normalization_ = own_statistics(held_out, sets, self.references_)
        scores = self._score_rows(X) if self.calibration == "train" else self._over_domains(held_out)
        self._finish(scores, blocks, domain)

    def _as_new(self, X, sets, blocks):
        """Return held-out scores, shape (n_clips, n_sets), as those of clips of one recording more would be."""
        held_out = self._held_out(X, sets, self.references_, blocks)
        return extrapolate(self, X, sets, self.references_, blocks, held_out)

    def _finish(self, scores, blocks, domain):
        """Set the threshold from the scores of all rows, and say what it rests on."""
        recorded = blocks.recorded
        domain = None if domain is None else domain[recorded]
        self.blocks_ = np.unique(blocks.of[recorded], return_inverse=True)[1]
        self.n_recordings_ = int(self.blocks_.max()) + 1
        self.attainable_rate_ = 1 / (self.n_recordings_ + 1)
        self.training_scores_ = scores[recorded]
        weights = domain_weights(domain, self.blocks_) if self.calibration == "cross" else None
        self._calibrate_on(self.training_scores_, weights)
        if self.calibration in ("cross", "gamma"):
            what = "recordings" if blocks.are_recordings else "blocks of similar training clips"
            what = "training clips" if self.n_recordings_ == len(self.blocks_) else what
            warn_about_few_clips(self.n_recordings_, self.contamination, what=what, all_there_is=True)
            if domain is not None:
                warn_about_small_domains(domain, self.contamination, self.blocks_, what)
