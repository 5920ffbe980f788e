"""The evidence on simulated data: what decides each claim, on planted tables, and the kept ones."""

import numpy as np
import pandas as pd
import pytest

from reuselab.claims import evidence, module, phase_diagram
from reuselab.theory import linear
from reuselab.theory.shallow import COUPLINGS

PAGES = ("shallow", "deep_linear", "phase_diagram", "nonlinear")
DECISIONS = [(page, what) for page in PAGES for what in module(page).DECISIONS]
DRAWS = 30
REFUTED = "fine-tuning: the source's length does not matter"


def crossed(**axes):
    return pd.MultiIndex.from_product(axes.values(), names=axes).to_frame(index=False)


class Planted:
    """Tables of each page in which every decision holds, or, `spoilt`, none does; noise: its size."""

    def __init__(self, *, spoilt=False, noise=0.0):
        self.sign, self.off, self.size = (-1, 0.1, noise) if spoilt else (1, 0.0, noise)

    def noise(self, rows):
        """Gaussian noise, its mean over draws 0 in every setting."""
        z = np.random.default_rng(0).standard_normal(len(rows))
        keys = [name for name in rows if name != "draw"]
        return self.size * (
            z - pd.Series(z).groupby([rows[key] for key in keys], dropna=False).transform("mean")
        )

    def shallow(self):
        rows = crossed(coupling=COUPLINGS, alpha=module("shallow")._ALPHAS, draw=range(DRAWS))
        ratio, tuned = (
            self.sign * rows.alpha,
            0.2 * rows.alpha.abs() + 0.05 * ((rows.coupling == "global") & (rows.alpha != 0)),
        )
        unchanged = 0.5 + self.sign * 0.2 * rows.alpha + self.off
        noise = self.noise(rows)
        columns = {"ridge 1": ratio + noise, "stop 9": ratio + noise, "unchanged": unchanged + noise}
        return rows.assign(**columns, **{"fine-tuned": 0.5 + self.sign * tuned + noise})

    def deep_linear(self):
        page = module("deep_linear")
        rows = crossed(gamma=page._GAMMAS, degrees=page._DEGREES, sigma=page._SIGMAS, draw=range(DRAWS))
        n, factor = (rows.gamma * page._D).round(), 1 + self.off + self.noise(rows)
        risks = {
            "scratch": linear.scratch_risk(n, page._D, rows.sigma),
            "linear": linear.linear_transfer_risk(n, page._D, np.deg2rad(rows.degrees), rows.sigma),
        }
        rows = rows.assign(**{name: factor * risk for name, risk in risks.items()})
        tuned = crossed(gamma=[0.5], degrees=[45, 90], sigma=[1.0], gamma_source=[np.inf], depth=[2, 3])
        tuned = tuned.merge(crossed(draw=range(DRAWS)), how="cross")
        descent = 0.5 + self.off + self.noise(tuned)
        return pd.concat([rows, tuned.assign(descent=descent, flow=0.5, published=0.3 + 3 * self.off)])

    def phase_diagram(self):
        page = phase_diagram
        tables = [crossed(study=["diagram"], gamma=page._GAMMAS, degrees=page._ANGLES, draw=range(DRAWS))]
        gains = [self.sign * np.where(tables[0].degrees > 45, -0.4, 1 - tables[0].gamma)]
        steps = page.sweep_steps().iloc[list(page._STEPS)].rename(columns={"sweep": "study"})
        tables.append(steps.merge(crossed(draw=range(DRAWS)), how="cross"))
        swept = tables[1].degrees.where(tables[1].study == page.ANGLE, 30)
        same = self.off * ((tables[1].length > 1) | (tables[1].units > 1))
        gains.append(self.sign * np.cos(np.deg2rad(swept)) + same)
        tables.append(crossed(study=["descent"], length=page._LENGTHS, draw=range(DRAWS)))
        gains.append(-self.sign * tables[2].length)
        for table, gain in zip(tables, gains):
            table["linear"] = table["fine_tune"] = gain + self.noise(table)
        sources = [source or np.inf for source in page._SOURCES]
        finite = crossed(
            study=["finite"], gamma_source=sources, ridge=page.RIDGES, degrees=[30, 85], draw=range(DRAWS)
        )
        risk = np.empty(len(finite))
        for source, group in finite.groupby("gamma_source"):
            known = {} if np.isinf(source) else {"gamma_source": source, "sigma_source": page._SIGMA}
            data = round(page._D / 2), page._D, np.deg2rad(group.degrees), page._SIGMA, group.ridge
            risk[group.index] = linear.linear_transfer_risk(*data, **known)
        return pd.concat([*tables, finite.assign(linear=risk + self.off + self.noise(finite))])

    def nonlinear(self):
        page = module("nonlinear")
        rows = crossed(mu=page._ABLATIONS, n=page._SAMPLES, draw=range(DRAWS))
        overlap = 1 - 0.7 * rows.mu
        gain = self.sign * overlap * (1 - 0.1 * np.log(rows.n)) + self.noise(rows)
        risks = {"scratch": 1.0, "linear": 1 - gain, "fine_tune": 1 - gain}
        return rows.assign(overlap=overlap, **risks)


def verdict(page, what, table):
    decision = module(page).DECISIONS[what]
    by_set = {"simulated": decision.values(table)}
    return evidence.judge(by_set, decision.matters, equal=decision.equal).verdict[0]


@pytest.mark.parametrize("page, what", DECISIONS, ids=str)
def test_each_decision_holds_does_not_and_is_undecided(page, what):
    planted = [Planted(noise=0.001), Planted(spoilt=True, noise=0.001), Planted(noise=30.0)]
    verdicts = [verdict(page, what, getattr(tables, page)()) for tables in planted]
    assert verdicts == ["holds", "does not hold", "undecided"]


def kept(page):
    path = evidence.path_of(page, "simulated")
    return pd.read_csv(path) if path.exists() else pytest.skip(f"no evidence of {page} is kept")


@pytest.mark.parametrize("page", ["deep_linear", "phase_diagram"])
def test_the_first_kept_draws_are_those_that_the_code_draws(page):
    sizes = {"deep_linear": ("draws", "descents"), "phase_diagram": ("draws", "finite_draws")}[page]
    rows, _ = module(page).evidence_rows("simulated", **dict.fromkeys(sizes, 3))
    table = kept(page)
    expected = table[table.draw < 3].reset_index(drop=True)
    pd.testing.assert_frame_equal(
        rows.reset_index(drop=True), expected, check_dtype=False, rtol=1e-2, atol=1e-3
    )


@pytest.mark.parametrize("page", PAGES)
def test_a_kept_table_has_enough_draws_of_every_setting_and_the_verdicts_that_were_reported(page):
    table = kept(page)
    for what, decision in module(page).DECISIONS.items():
        values = pd.DataFrame(decision.values(table))
        assert len(values) >= 400 and values.notna().all(axis=None)
        assert verdict(page, what, table) == ("does not hold" if what == REFUTED else "holds")
    assert evidence.path_of(page, "simulated").stat().st_size < 1.1e6
