"""Names of a package import their module when they are first used, and once."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from headstart.runtime.lazy import lazy_names


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An empty package on the path whose name `twice` lives in a module of its own."""
    (tmp_path / "a_lazy_package").mkdir()
    (tmp_path / "a_lazy_package" / "numbers_of.py").write_text("twice = object()\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = ModuleType("a_lazy_package")
    module.__path__ = [str(tmp_path / "a_lazy_package")]
    monkeypatch.setitem(sys.modules, "a_lazy_package", module)
    yield module
    sys.modules.pop("a_lazy_package.numbers_of", None)


def test_a_name_is_imported_when_it_is_asked_for_and_then_held(package):
    attribute = lazy_names("a_lazy_package", {"twice": "numbers_of"})
    assert "a_lazy_package.numbers_of" not in sys.modules
    value = attribute("twice")
    assert vars(package)["twice"] is value is sys.modules["a_lazy_package.numbers_of"].twice


def test_an_unknown_name_is_an_attribute_error(package):
    with pytest.raises(AttributeError, match="module 'a_lazy_package' has no attribute 'thrice'"):
        lazy_names("a_lazy_package", {"twice": "numbers_of"})("thrice")
