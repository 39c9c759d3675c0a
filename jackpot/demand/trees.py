"""Boosted trees as arrays: grown by scikit-learn, stored and asked with numpy alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from ..errors import InputError, Problem
from .base import Array

COLUMNS = ("feature", "threshold", "left", "right", "value")
LEAF = -1.0
"""Feature of a leaf."""


@dataclass(frozen=True)
class Trees:
    """A sum of regression trees: one row a node (nodes, 5), the row of each tree's root (t,), and a constant."""

    nodes: Array
    roots: Array
    constant: float
    features: int

    @classmethod
    def grow(
        cls, features: Array, target: Array, seed: int, monotone: npt.NDArray[np.intp] | None = None, **settings: Any
    ) -> Self:
        """Fit scikit-learn's HistGradientBoostingRegressor to features (n, k) and copy its trees out.

        `monotone` (k,) is 1 where the target may not fall in a feature; `settings` are the regressor's own.
        """
        from sklearn.ensemble import HistGradientBoostingRegressor
        from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

        # One thread: histories are small, and sums over threads differ in their last digits.
        with threadpool_limits(limits=1, user_api="openmp"):
            model = HistGradientBoostingRegressor(
                monotonic_cst=monotone, early_stopping=False, random_state=seed, **settings
            ).fit(features, target)
        rows: list[Array] = []
        roots: list[int] = []
        base = 0
        for (tree,) in model._predictors:
            roots.append(base)
            n = tree.nodes
            leaf = n["is_leaf"] == 1
            rows.append(
                np.column_stack(
                    [
                        np.where(leaf, LEAF, n["feature_idx"]),
                        np.where(leaf, 0.0, n["num_threshold"]),
                        np.where(leaf, 0.0, n["left"] + base),
                        np.where(leaf, 0.0, n["right"] + base),
                        np.where(leaf, n["value"], 0.0),
                    ]
                ).astype(float)
            )
            base += len(n)
        constant = float(np.ravel(model._baseline_prediction)[0])
        return cls(np.concatenate(rows), np.array(roots, dtype=float), constant, features.shape[1])

    def predict(self, features: Array) -> Array:
        """Return predictions (n,) for features (n, k): every tree of every row goes down a level at a time."""
        feature, left, right = (self.nodes[:, i].astype(np.intp) for i in (0, 2, 3))
        at = np.broadcast_to(self.roots.astype(np.intp), (len(features), len(self.roots))).copy()
        rows = np.arange(len(features))[:, None]
        while True:
            asked = feature[at]
            if (asked < 0).all():
                break
            goes_left = features[rows, np.maximum(asked, 0)] <= self.nodes[at, 1]
            at = np.where(asked < 0, at, np.where(goes_left, left[at], right[at]))
        total: Array = self.constant + self.nodes[at, 4].sum(axis=1)
        return total

    def arrays(self, prefix: str) -> dict[str, Array]:
        """Return what `from_arrays` needs, under names that begin with `prefix`."""
        return {
            f"{prefix}_nodes": self.nodes,
            f"{prefix}_roots": self.roots,
            f"{prefix}_constant": np.array([self.constant, self.features], dtype=float),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array], prefix: str) -> Self:
        """Rebuild trees; raise InputError where the arrays are no trees, whose children all come after them."""
        nodes, roots = arrays[f"{prefix}_nodes"], arrays[f"{prefix}_roots"]
        constant, features = (float(figure) for figure in arrays[f"{prefix}_constant"])
        good = nodes.ndim == 2 and nodes.shape[1] == len(COLUMNS) and len(nodes) > 0 and roots.ndim == 1
        if good:
            row, inner = np.arange(len(nodes)), nodes[:, 0] >= 0
            children = nodes[inner][:, 2:4]
            good = (
                bool((nodes[:, 0] >= LEAF).all() and (nodes[:, 0] < features).all())
                and bool((children > row[inner][:, None]).all() and (children < len(nodes)).all())
                and bool(((roots >= 0) & (roots < len(nodes))).all())
            )
        if not good:
            raise InputError(Problem("the arrays are no trees", field=prefix, found=str(nodes.shape)))
        return cls(nodes, roots, constant, int(features))
