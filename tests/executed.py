"""The pages that a test run executed at smoke: their tables, what they print. Needs the fixture `built`."""

import nbformat
import pandas as pd

from reuselab.book import build

PAGES = build.BUILD / "pages" / "smoke"


def table(name: str) -> pd.DataFrame:
    """The table NAME.csv that a page wrote; an empty text stays text, an empty number is NaN."""
    written = pd.read_csv(PAGES / f"{name}.csv", keep_default_na=False)
    for column in written.select_dtypes("str"):
        filled = written[column] != ""
        numbers = pd.to_numeric(written[column], errors="coerce")
        if filled.any() and numbers[filled].notna().all():
            written[column] = numbers
    return written


def glued(name: str, key: str) -> str:
    """What page `name` prints for `key`."""
    for cell in nbformat.read(PAGES / f"{name}.ipynb", 4).cells:
        for output in cell.get("outputs", []):
            if output.get("metadata", {}).get("scrapbook", {}).get("name") == key:
                return output["data"]["application/papermill.record/text/plain"].strip("'")
    raise KeyError(key)
