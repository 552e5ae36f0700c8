"""The public names of `kis`: imported when first used, listed by `dir`, and no others."""

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

import kis

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", kis.__all__)
def test_a_public_name_is_the_one_its_module_defines(name):
    assert getattr(kis, name) is getattr(import_module(kis._MODULE_OF[name]), name)
    assert name in dir(kis)


def test_no_module_is_listed_for_a_name_that_is_not_public():
    assert set(kis._MODULE_OF) == set(kis.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        _ = kis.Nothing


def test_importing_kis_imports_none_of_its_modules():
    script = "import kis, sys; print(*[one for one in sys.modules if one.startswith('kis.')])"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
