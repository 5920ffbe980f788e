"""What pyproject.toml cannot say: a wheel carries the notebooks, the book and the kept results."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

CARRIED = ("notebooks", "book", "results", "_config.yml", "_toc.yml")


class BuildPy(build_py):
    """Beside the modules, what `reuselab.places.SOURCES` is where there is no checkout."""

    def run(self):
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "reuselab" / "carried"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        for name in CARRIED:
            copy = shutil.copytree if Path(name).is_dir() else shutil.copy
            copy(name, target / name)


setup(cmdclass={"build_py": BuildPy})
