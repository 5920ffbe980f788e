"""Evidence: its studies, the rule that decides, and the kept tables."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ttest_1samp

from reuselab import cli
from reuselab.book import build
from reuselab.claims import evidence, module, registry

PAGES = evidence.pages()
STUDIES = [page for page in PAGES if hasattr(module(page), "evidence_cells")]  # of Alice and Bob


def judged(*samples, matters=0.02, equal=False):
    by_set = {str(i): np.asarray(sample) for i, sample in enumerate(samples)}
    return evidence.judge(by_set, matters, equal=equal)


def around(mean, spread=0.01, seeds=20):
    draws = np.random.default_rng(0).standard_normal(seeds)
    return mean + spread * (draws - draws.mean()) / draws.std(ddof=1)


def test_an_effect_that_matters_holds_one_too_small_does_not_and_one_between_is_undecided():
    verdicts = judged(around(0.04), around(0.0), around(-0.04), around(0.02, spread=0.03)).verdict
    assert list(verdicts) == ["holds", "does not hold", "does not hold", "undecided"]


def test_a_sure_effect_that_is_too_small_to_matter_does_not_hold_and_a_large_unsure_one_is_undecided():
    table = judged(around(0.01, spread=0.001), around(0.1, spread=0.4))
    assert list(table.verdict) == ["does not hold", "undecided"] and table.low[0] > 0


def test_a_verdict_that_resamples_do_not_share_is_undecided():
    table = judged(around(0.021, spread=0.01))
    assert 0.4 < table.stability[0] < 0.95 and table.verdict[0] == "undecided"


@pytest.mark.parametrize(
    "means, spread, seeds, verdict",
    [
        ([0.0, 0.01, -0.01], 0.05, 400, "holds"),
        ([0.0, 0.01, -0.1], 0.05, 400, "does not hold"),
        ([0.0, 0.01, 0.1], 0.05, 400, "does not hold"),
        ([0.0, 0.01, -0.01], 0.05, 5, "undecided"),
        ([0.0, 0.0, 0.0], 0.0, 5, "holds"),
        ([0.0, 0.0, 0.1], 0.0, 5, "does not hold"),
    ],
)
def test_equality_holds_where_it_is_shown_in_every_setting(means, spread, seeds, verdict):
    """Equal to .02, off by ten per cent in one setting, and equal with too few draws to say so."""
    sample = pd.DataFrame({f"setting {i}": around(mean, spread, seeds) for i, mean in enumerate(means)})
    row = evidence.judge({"simulated": sample}, 0.02, equal=True).iloc[0]
    farthest = int(np.abs(sample.mean()).argmax())
    assert row.verdict == verdict and row.setting == f"setting {farthest}"
    assert np.isclose(row["mean"], means[farthest]) and row.n == seeds


def test_an_effect_is_needed_in_every_setting_and_the_least_is_told():
    both, one = (pd.DataFrame({"a": around(0.1), "b": around(mean)}) for mean in (0.05, 0.0))
    verdicts = [evidence.judge({"simulated": sample}, 0.02).iloc[0] for sample in (both, one)]
    assert [row.verdict for row in verdicts] == ["holds", "does not hold"]
    assert [row.setting for row in verdicts] == ["b", "b"] and verdicts[0]["mean"] == pytest.approx(0.05)


def test_equality_is_wrongly_told_as_rarely_as_it_says():
    """At a difference of just what matters."""
    draws = 0.02 + 0.05 * np.random.default_rng(2).standard_normal((500, 30))
    verdicts = [
        evidence._verdicts([pd.DataFrame(sample)], [np.ones((1, 30))], 0.02, equal=True) for sample in draws
    ]
    assert abs(np.mean(np.ravel(verdicts) == "holds") - 0.025) < 4.5 * np.sqrt(0.025 * 0.975 / 500)


def test_settings_are_named_by_what_they_differ_in():
    rows = pd.DataFrame({"draw": [0, 0], "gamma": [0.5, 2.0], "kind": ["a", "b"], "risk": [1.0, 3.0]})
    wide = evidence.by_setting(rows, "risk", "gamma", "kind")
    assert wide.to_dict("records") == [{"gamma 0.5, kind a": 1.0, "gamma 2, kind b": 3.0}]


def test_seeds_that_all_agree_decide():
    table = judged(np.full(5, 0.1), np.zeros(5), matters=0.02)
    assert list(table.verdict) == ["holds", "does not hold"] and list(table.stability) == [1, 1]


def test_more_image_sets_ask_for_more():
    """Holm: what one set alone would decide at p = .02, three alike do not."""
    sample = around(0.03, spread=0.06, seeds=20)
    p = ttest_1samp(sample, 0, alternative="greater").pvalue
    assert 0.01 < p < 0.025 and np.allclose(evidence._holm(np.full((3, 1), p)), 3 * p)
    samples = [pd.DataFrame(sample)] * 3
    verdicts = [
        evidence._verdicts(samples[:sets], [np.ones((1, 20))] * sets, 0.02, equal=False) for sets in (1, 3)
    ]
    assert set(verdicts[0].flat) == {"holds"} and set(verdicts[1].flat) == {"undecided"}


def test_under_the_null_a_claim_holds_as_rarely_as_it_says():
    draws = np.random.default_rng(1).standard_normal((3, 10, 4000))
    means, errors = zip(*[evidence._moments(sample, np.ones((1, 10))) for sample in draws])
    p = evidence._holm(evidence._p_values(np.concatenate(means), np.concatenate(errors), 9, 0))
    wrong = (p < evidence.LEVEL).any(0).mean()
    assert abs(wrong - 0.025) < 4.5 * np.sqrt(0.025 * 0.975 / 4000)


def test_a_rise_is_the_slope_times_the_range():
    curves = pd.DataFrame([[0.1, 0.2, 0.3], [0.5, 0.5, 0.5]], columns=[0.0, 0.25, 0.5])
    assert np.allclose(evidence.rise(curves), [0.2, 0.0])


@pytest.mark.parametrize("effect", [0.02, 0.03])
def test_the_power_is_how_often_a_sample_holds(effect):
    rng, tries = np.random.default_rng(2), 80
    samples = effect + 0.02 * rng.standard_normal((tries, 20))
    often = np.mean([judged(sample).verdict[0] == "holds" for sample in samples])
    told = evidence.power(around(0, spread=0.02), [effect], 0.02, 1)[0]
    assert abs(often - told) < 4 * np.sqrt(0.25 / tries)


@pytest.mark.parametrize("page", STUDIES)
def test_a_study_uses_seeds_that_no_pilot_used_and_each_cell_once(page):
    methods, cells = zip(*evidence.entries(page, "turned"))
    assert {cell.seed for cell in cells} == set(range(evidence.FIRST_SEED, evidence.FIRST_SEED + 20))
    assert len(set(zip(methods, cells))) == len(cells)


def made_rows(page):
    """The rows of a study on digits where accuracy is made: .5, +.1 rho or phi, +.02 k, +.05 by Alice."""
    methods, cells = zip(*evidence.entries(page, "digits"))
    rows = pd.DataFrame([cell.flat() for cell in cells]).assign(method=methods)[evidence.KEYS]
    rows["bob_rho"] = rows.bob_rho.astype(float)
    noise = 0.001 * np.random.default_rng(0).standard_normal(len(rows))
    by_alice = (rows.method == "Alice") * (0.05 + 0.1 * rows.rho + 0.1 * rows.phi)
    on_his_half = 0.3 + 0.1 * rows.retrain - 0.2 * rows.rho + noise
    shares = {"share_integrated_gradients": on_his_half, "share_lost": on_his_half**2}
    return rows.assign(bob_accuracy=0.5 + 0.02 * rows.retrain + by_alice + noise, **shares)


@pytest.mark.parametrize(
    "page, decision, expected",
    [
        ("task_correlation", "rises with rho", 0.075),
        ("task_correlation", "rises with rho, Bob's pairs too", 0.075),
        ("task_correlation", "gain over scratch rises with rho, Bob's pairs too", 0.075),
        ("task_correlation", "rises with phi", 0.075),
        ("task_correlation", "gain over scratch rises with phi", 0.075),
        ("zero_correlation", "better than chance", 0.5),
        ("zero_correlation", "better than her network untrained", 0.05),
        ("zero_correlation", "thanks to her network", 0.45),
        ("zero_correlation", "thanks to her optimizer", 0.0),
        ("layers", "lower layers at rho = 0", 0.04),
        ("layers", "lower layers, the more so the less correlation", 0.0),
        ("layers", "best number tells rho", 0.0),
        ("layers", "best number tells phi", 0.0),
        ("attribution", "attribution ranks Bobs as the loss of a half does", 1.0),
        ("attribution", "on his own half, the more so the more he retrains", 0.4),
        ("attribution", "on her half, the more so the more is correlated", 0.15),
    ],
)
def test_each_quantity_finds_what_was_put_into_made_rows(page, decision, expected):
    values = module(page).DECISIONS[decision].values(made_rows(page))
    assert len(values) == 20 and abs(values.mean() - expected) < 0.003


def test_the_best_number_tells_what_it_follows():
    rows = made_rows("layers")
    best = np.where(rows.rho < 0.5, 3, 1)
    rows["bob_accuracy"] = np.where(rows.retrain == best, 0.9, 0.5)
    assert (module("layers").DECISIONS["best number tells rho"].values(rows) > 0.7).all()


KEPT = sorted(evidence.FOLDER.glob("*.csv"))


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_a_kept_table_is_whole_and_says_where_it_comes_from(path):
    page, name = path.stem.rsplit("_", 1)
    if page in STUDIES:
        methods, cells = zip(*evidence.entries(page, name))
        expected = pd.DataFrame([cell.flat() for cell in cells]).assign(method=methods)[evidence.KEYS]
        expected["bob_rho"] = expected.bob_rho.astype(float)
        rows = pd.read_csv(path)
        pd.testing.assert_frame_equal(rows[evidence.KEYS], expected, check_dtype=False)
        assert rows.bob_accuracy.between(0, 1).all()
    assert {"device", "versions", "git", "made", "seconds", "cells"} <= set(
        pd.read_json(path.with_suffix(".json"), typ="series").index
    )


def test_the_board_has_every_decision_on_every_image_set_and_says_what_is_not_run():
    board = evidence.board()
    assert set(board.claim) <= set(registry.CLAIMS)
    for page in PAGES:
        for what in evidence._decisions(page):
            sets = ", ".join(board[board.what == what].set).split(", ")
            assert sorted(sets) == sorted(evidence.sets(page))
    assert set(board.verdict) <= {*registry.VERDICTS, "not run"}


def test_what_a_paper_does_not_say_decides_none_of_its_claims():
    for page in PAGES:
        for what, decision in evidence._decisions(page).items():
            ours = registry.CLAIMS[decision.claim].source.startswith(registry.OURS)
            assert ours or not (decision.decides and decision.said.startswith(registry.OURS)), what


DECIDED = [
    ({("one", "a"): "holds", ("two", "a"): "holds", ("one", "b"): "holds", ("two", "b"): "holds"}, "holds"),
    ({("one", "a"): "holds", ("one", "b"): "undecided"}, "holds on a"),
    ({("one", "a"): "does not hold", ("one", "b"): "holds"}, "holds on b; does not hold on a"),
    ({("one", "a"): "holds", ("two", "a"): "does not hold", ("one", "b"): "undecided"}, "does not hold on a"),
    ({("one", "a"): "does not hold", ("one", "b"): "does not hold"}, "does not hold"),
    ({("one", "a"): "does not hold", ("two", "a"): "undecided"}, "does not hold on a"),
    ({("one", "a"): "undecided", ("two", "a"): "holds"}, "undecided"),
    ({("one", "a"): "holds", ("two", "a"): "not run"}, "not run"),
    ({("one", "a"): "holds", ("one", "b"): "not run"}, "holds on a"),
    ({("shown only", "a"): "does not hold", ("one", "a"): "holds"}, "holds on a"),
    ({("shown only", "a"): "holds"}, "not run"),
]


@pytest.mark.parametrize("parts, expected", DECIDED)
def test_a_claim_holds_on_a_set_where_every_part_that_decides_it_does(parts, expected, monkeypatch):
    rows = [
        {"claim": "A1", "what": what, "set": name, "verdict": verdict, "decides": what != "shown only"}
        for (what, name), verdict in parts.items()
    ]
    columns = ["claim", "what", "set", "verdict", "decides"]
    monkeypatch.setattr(evidence, "sets", lambda page: ("a", "b"))
    monkeypatch.setattr(evidence, "judged", lambda page: pd.DataFrame(rows, columns=columns))
    assert evidence.verdict("A1") == expected and evidence.verdict("A2") == "not run"


def test_the_scoreboard_needs_no_run_of_a_page(monkeypatch, capsys):
    """So it is the same at every preset and on every processor."""
    monkeypatch.setattr(build, "notebooks", lambda *_: pytest.fail("a page was run"))
    monkeypatch.setattr("sys.argv", ["reuselab", "claims"])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code
    shown = capsys.readouterr().out
    assert all(claim in shown for claim in registry.CLAIMS) and "holds on turned" in shown
