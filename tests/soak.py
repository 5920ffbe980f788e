"""`make soak`: the tests of faults at random, with new dice at each try, for as long as it is told."""

import os
import random
import sys
import time
from collections import Counter, defaultdict
from datetime import date

import pandas as pd
import pytest
import tally

CSV = tally.ROOT / "results" / "soak.csv"


class Soak:
    """In place of running each test once: a kind of fault, one of its tests, and again.

    The next test is drawn before one runs, for pytest keeps what both share, and is never the same: pytest
    would keep all of it. What fails is a loss.
    """

    def __init__(self, seconds: float, seed: int):
        self.seconds, self.seed, self.dice, self.losses = seconds, seed, random.Random(seed), Counter()

    def pytest_runtestloop(self, session):
        tests = defaultdict(list)
        for item in session.items:
            for kind, _, _ in tally.said(item):
                if kind != "input":
                    tests[kind].append(item)
        following, self.began = self.draw(tests), time.monotonic()
        while time.monotonic() - self.began < self.seconds:
            item = following
            while following is item:
                following = self.draw(tests)
            os.environ["SOAK"] = str(self.dice.random())
            item._initrequest()
            session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        return True

    def draw(self, tests):
        return self.dice.choice(tests[self.dice.choice(sorted(tests))])

    def pytest_runtest_logreport(self, report):
        if report.failed:
            self.losses.update({kind for kind, _ in tally.said(report)})

    @pytest.hookimpl(tryfirst=True)
    def pytest_terminal_summary(self, terminalreporter):
        tries = Counter(tally.passed)
        tally.passed.clear()  # these are no tests of one run
        if not tries | self.losses:
            return
        rows = [
            (kind, tries[kind] + self.losses[kind], self.losses[kind])
            for kind in tally.KINDS
            if kind in tries | self.losses
        ]
        table = pd.DataFrame(rows, columns=["what is tried", "tries", "losses"])
        table.loc[len(table)] = ("all", *table[["tries", "losses"]].sum())
        seconds = f"{time.monotonic() - self.began:.0f}"  # fewer than it was told where it was interrupted
        table.assign(date=date.today(), seconds=seconds, seed=self.seed).to_csv(CSV, index=False)
        terminalreporter.write_line(table.to_string(index=False))


def main(seconds: str = "600", seed: str = "") -> None:
    """Soak for `seconds`; exit status 1 where anything was lost or wrong."""
    soak = Soak(float(seconds), int(seed or random.randrange(1_000_000)))
    print(f"soaking for {soak.seconds:.0f} seconds, seed {soak.seed}", flush=True)
    options = ["-q", "-p", "no:xdist", "-m", "hostile", "-o", "tmp_path_retention_policy=failed"]
    sys.exit(pytest.main([*options, str(tally.ROOT / "tests")], plugins=[soak]))


if __name__ == "__main__":
    main(*sys.argv[1:])
