"""What `import reuselab` offers: each name is imported when it is asked for."""

import subprocess
import sys
from types import ModuleType

import pytest

import reuselab
from reuselab.experiment import cell, models, train
from reuselab.runs import study


def test_importing_the_package_imports_no_torch():
    code = "import sys, reuselab; dir(reuselab); print({'torch', 'numpy', 'pandas'} & {*sys.modules})"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "set()\n"


def test_every_name_is_what_its_module_calls_so():
    functions = {
        "Cell": cell, "run": cell, "grid": study, "study": study,
        "Recipe": train, "train": train, "accuracy": train, "reuse": models,
    }  # fmt: skip
    modules = {"bases", "pairs", "models"}
    assert set(reuselab.__all__) == functions.keys() | modules <= set(dir(reuselab))
    for name, home in functions.items():
        assert getattr(reuselab, name) is getattr(home, name)
    for name in modules:
        module = getattr(reuselab, name)
        assert isinstance(module, ModuleType) and module.__name__ == f"reuselab.experiment.{name}"


def test_a_misspelt_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match=r"^module 'reuselab' has no attribute 'Cel'$"):
        reuselab.Cel  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'acuracy'"):
        from reuselab import acuracy  # noqa: F401
