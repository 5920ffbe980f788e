"""What agreement rests on: the pages' tables at smoke, from several processors, and how far these differ.

`make reference-smoke` makes results/smoke anew. One machine plays several processors: PyTorch, oneDNN, MKL
and NumPy's OpenBLAS are told to leave newer instructions alone, or how many threads to take.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd

from reuselab.book import agreement, pages
from reuselab.book.agreement import PRESET, PROCESSOR
from reuselab.book.build import BUILD
from reuselab.book.kept import RESULTS
from reuselab.check import Failed
from reuselab.claims.parameters import KEPT
from reuselab.runs.study import machine

TWO_THREADS = {"OPENBLAS_NUM_THREADS": "2", "MKL_NUM_THREADS": "2"}
AVX2 = {"ATEN_CPU_CAPABILITY": "avx2", "ONEDNN_MAX_CPU_ISA": "AVX2"}
PROCESSORS = {
    "as it is": {},
    "AVX2": AVX2,
    "AVX2, BLAS too": AVX2 | {"MKL_ENABLE_INSTRUCTIONS": "AVX2", "OPENBLAS_CORETYPE": "Haswell"},
    "AVX, two threads": {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "AVX",
        "MKL_ENABLE_INSTRUCTIONS": "AVX",
        "OPENBLAS_CORETYPE": "Sandybridge",
    }
    | TWO_THREADS,
    "SSE4": {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "OPENBLAS_CORETYPE": "Nehalem",
    },
    "SSE4 for convolutions, two threads": {
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_CBWR": "COMPATIBLE",
        "OPENBLAS_CORETYPE": "Haswell",
    }
    | TWO_THREADS,
}
FALSE_ALARMS = 1e-4  # of all tests of all pages together
TAIL = 0.1  # the share of the ratios above 0 that makes the tail

# What has a fraction and yet names a cell.
KEYS = {"rho", "phi", "alpha", "strength", "gamma", "gamma_source", "sigma", "ridge", "mu", "length", "units"}
# No rows of numbers: verdicts, and what is made of another table of the page.
LEFT_OUT = ("_claims", "_provenance", "_tests", "_proof", "zero_correlation_summary")


def run() -> dict[str, Path]:
    """The folders of the pages' tables, by processor; each page is run where it has changed."""
    folders = {}
    for name, variables in PROCESSORS.items():
        place = BUILD / "reference" / name.replace(" ", "-")
        places = {"REUSELAB_BUILD": str(place), "REUSELAB_HOME": str(place / "home")}
        print(f"{name}: {_said(variables)}", flush=True)
        code = f"from reuselab.book.build import notebooks; notebooks({PRESET!r})"
        subprocess.run([sys.executable, "-c", code], env=os.environ | variables | places, check=True)
        folders[name] = place / "pages" / PRESET
    return folders


def keep(folders: dict[str, Path]) -> None:
    """Keep the rows of the tables in `folders`, by processor, and the tolerances, in results/smoke.

    Raises Failed where a page shows its kept run.
    """
    place, first = RESULTS / PRESET, next(iter(folders.values()))
    claims = {
        page: pd.read_csv(path) for page in pages.pages() if (path := first / f"{page}_claims.csv").exists()
    }
    if shown := [page for page, row in claims.items() if row.preset[0].startswith(KEPT)]:
        raise Failed(f"{', '.join(shown)} must be run on photographs, in REUSELAB_DATA, and show a kept run")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    images = {page: row["images"][0] for page, row in claims.items()}
    pd.Series(images, name="images").rename_axis("page").to_csv(place / "images.csv")
    names = [{PROCESSOR: name, "variables": _said(PROCESSORS[name])} for name in folders]
    pd.DataFrame(names).assign(versions=machine()["versions"]).to_csv(place / "processors.csv", index=False)
    for path in sorted(first.glob("*.csv")):
        if not path.stem.endswith(LEFT_OUT):
            by_name = {name: pd.read_csv(folder / path.name) for name, folder in folders.items()}
            rows(by_name).to_csv(place / path.name, index=False, float_format="%.5g")
    tolerances().to_csv(place / "tolerances.csv", index=False, float_format="%.5g")


def _said(variables: dict[str, str]) -> str:
    return " ".join(map("=".join, variables.items())) or "nothing set"


def rows(by_name: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """A table as it is kept, from the same of each processor. Columns that are all one are left out."""
    whole = pd.concat(by_name, names=[PROCESSOR]).reset_index(level=0)
    varied = [column for column in whole.columns.drop(PROCESSOR) if whole[column].nunique(dropna=False) > 1]
    measures = [column for column in varied if whole[column].dtype == float and column not in KEYS]
    keys = [column for column in varied if column not in measures]
    whole[measures] = whole[measures].map(lambda value: float(f"{value:.5g}"))
    first, *others = (own for _, own in whole.groupby(PROCESSOR, sort=False))
    unlike = [own for own in others if not own[varied].equals(first[varied])]
    return pd.concat([first, *unlike])[[*keys, PROCESSOR, *measures]]


def tolerances() -> pd.DataFrame:
    """How many scales a difference may have, by kind of test: one false alarm in ten thousand families.

    Each kept processor is held to the others. The tail of the ratios of difference to scale is taken for
    exponential, heavier than a normal law's, and read off at `FALSE_ALARMS` by the number of tests.
    """
    held = pd.concat([ratios(table) for page in pages.pages() for table in agreement.tables(page)])
    each, parts = FALSE_ALARMS * len(PROCESSORS) / len(held), []
    for kind, of_kind in held.groupby("kind").ratio:
        start = of_kind[of_kind > 0].quantile(1 - TAIL)
        beyond = of_kind[of_kind > start] - start
        factor = start + beyond.mean() * np.log(len(beyond) / len(of_kind) / each)
        parts.append({"kind": kind, "factor": factor, "largest measured": of_kind.max(), "of": len(of_kind)})
    return pd.DataFrame(parts)


def ratios(table: str) -> pd.DataFrame:
    """The tests of each kept processor against the others, with the ratio of difference to scale."""
    kept = agreement.kept(pd.read_csv(RESULTS / PRESET / f"{table}.csv"))
    held = pd.concat([agreement.tests(own, kept[:i] + kept[i + 1 :]) for i, own in enumerate(kept)])
    off = ((held.found - held.kept).abs() - held.rounding).clip(lower=0)
    return held.assign(ratio=off / held.scale, table=table)


if __name__ == "__main__":
    try:
        keep(run())
    except Failed as reason:
        sys.exit(f"reference-smoke: {reason}")
