"""Estimators made of estimators."""

from ._normal_only import NormalOnly

__all__ = ["NormalOnly"]
