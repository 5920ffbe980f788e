"""The table of what was tried says no more than the tests do."""

from collections import Counter

import pandas as pd
import pytest
import tally


@pytest.fixture
def collected(request):
    """Tries by kind in all tests there are, passed or not."""
    files = {item.path for item in request.session.items}
    if not {*(tally.ROOT / "tests").rglob("test_*.py")} <= files:
        pytest.skip("only some of the tests were collected")
    counts = Counter()
    for item in request.session.items:
        for kind, count in tally.said(item):
            counts[kind] += count
    return counts


def kept():
    return pd.read_csv(tally.CSV, keep_default_na=False)


def test_the_kept_table_claims_no_more_than_the_tests_try(collected):
    for kind, tries in zip(kept()["what is tried"], kept().tries):
        assert tries <= collected[kind], f"{kind}: run `make tally`"


def test_every_kind_that_is_tried_says_what_it_costs(collected):
    assert collected.keys() <= tally.KINDS.keys()


def test_hundreds_of_inputs_and_15_kinds_of_faults_are_tried():
    assert kept().tries[0] >= 500 and len(kept()) >= 16


def test_the_book_shows_the_kept_table():
    book = tally.ROOT / "book" / "scale.md"
    assert f":file: ../{tally.CSV.relative_to(tally.ROOT)}\n" in book.read_text()
