"""Memory that a fit takes at the least, said before any image is read."""

import helpers
import pytest

import headstart
from headstart.errors import InputError
from headstart.workflow.job import memory


def test_sizes_that_no_machine_holds_are_refused_in_words(monkeypatch):
    monkeypatch.setattr(memory, "memory_bytes", lambda: (25_000_000_000, 20_000_000_000))
    memory.check_machine(60_000, 10)
    memory.check_machine(20_000, 1_000)
    with pytest.raises(InputError, match=r"1,000,000 images of 10,000 classes take at least 669 GB.*has 25 GB"):
        memory.check_machine(1_000_000, 10_000)
    monkeypatch.setattr(memory, "memory_bytes", lambda: (None, None))
    memory.check_machine(1_000_000, 10_000)  # a system that does not say


def test_memory_that_is_not_free_now_is_said():
    assert memory.memory_note(0) == ""
    assert "are free now: close other programs" in memory.memory_note(2**62)


def test_nothing_is_read_or_written_where_memory_is_short(folders, tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "memory_bytes", lambda: (1_000, 1_000))
    with pytest.raises(InputError, match=r"48 images of 2 classes take at least 0 MB of memory.*No image was read"):
        headstart.fit(folders, tmp_path / "run", helpers.cheap_options())
    assert not (tmp_path / "run").exists()
