"""The drawings of the page on layers."""

import numpy as np

from reuselab.claims.layers import Curves, converse
from reuselab.figures import layers as figures

RHOS, RETRAINS, BLOCKS = (0.0, 0.5, 1.0), (0, 1, 2, 3, 4, 5), 5


def test_figures_show_every_panel_and_level():
    accuracy = 0.9 - 0.1 * np.abs(np.subtract.outer([4, 2, 0], RETRAINS))[:, None, :].repeat(3, axis=1)
    curves = Curves(RHOS, RETRAINS, accuracy)
    ridge = figures.ridge({"first": curves, "second": curves, "third": curves}, BLOCKS).svg
    assert all(
        word in ridge for word in ("first", "second", "third", "from scratch", "Alice unchanged", "0.5")
    )
    assert (
        "100%" in figures.one_rho(curves, 0.5, BLOCKS).svg
        and "best with top 2" in figures.one_rho(curves, 0.5, BLOCKS).svg
    )
    assert "x: 100% right" in figures.told({"x": converse(curves)}).svg
