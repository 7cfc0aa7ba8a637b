"""Normal running learned, recordings judged, streams watched: as a user does, with kills and damage."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from stream_files import csv_lines, samples, write_csv

from headstart.cli.main import main
from headstart.errors import BundleError, DataError, InputError
from headstart.model.watcher import Watcher
from headstart.workflow.signals_model import open_stream_model
from headstart.workflow.signals_normal import NormalOptions, learn_normal
from headstart.workflow.signals_predict import predict_recordings
from headstart.workflow.signals_watch import WatchOptions, watch


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of normal running, one with two leaks, and a detector; read only."""
    root = tmp_path_factory.mktemp("stream")
    write_csv(root / "normal.csv", samples(n=2000))
    write_csv(root / "leaks.csv", samples(leaks=True, seed=1), labelled=True)
    learn_normal(str(root / "normal.csv"), root / "detector", NormalOptions("20s", stride="10s", block="100s"))
    return root


@pytest.fixture(scope="module")
def watcher(folder: Path) -> Watcher:
    return open_stream_model(folder / "detector")


def watched(watcher: Watcher, tmp_path: Path, said: list[str] | None = None, **about: Any) -> list[dict[str, Any]]:
    options = WatchOptions(output=tmp_path / "out.jsonl", follow=False, **about)
    watch(watcher, options, say=(said.append if said is not None else lambda sentence: None))
    return [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]


def test_leaks_are_found_and_the_channel_is_named(watcher: Watcher, folder: Path, tmp_path: Path) -> None:
    found = watched(watcher, tmp_path, source=str(folder / "leaks.csv"))
    raised = [one for one in found if one["change"] == "raised"]
    assert len(found) == 99
    assert [one["time"][11:16] for one in raised] == ["10:19", "10:26"]
    assert all(next(iter(one["channels"])) == "Pressure" for one in raised)
    assert raised[0]["evidence"][0].startswith("Pressure, 10:18:")
    assert len({one["alarm"] for one in found if one["alarm"]}) == 2
    assert all(one["unlike_anything_seen"] for one in raised)


def test_a_stream_is_judged_as_the_recording_is(watcher: Watcher, folder: Path, tmp_path: Path) -> None:
    live = watched(watcher, tmp_path, source=str(folder / "leaks.csv"))
    whole = predict_recordings(folder / "detector", str(folder / "leaks.csv"))
    assert [one["score"] for one in live] == whole.scores.tolist()
    assert [one["p"] for one in live] == (whole.p_values if whole.p_values is not None else np.empty(0)).tolist()


@pytest.mark.parametrize("form", ["json", "influx"])
def test_every_format_gives_the_same(watcher: Watcher, folder: Path, tmp_path: Path, form: str) -> None:
    rows = [line.split(",") for line in csv_lines(samples(leaks=True, seed=1))[1:]]
    shape = {
        "json": '{{"time": {0}, "Temperature": {2}, "Pressure": {1}}}',
        "influx": "ring,sector=3 Pressure={1},Temperature={2} {0}000000000",
    }[form]
    (tmp_path / "lines").write_text("\n".join(shape.format(*row) for row in rows) + "\n")
    found = watched(watcher, tmp_path, source=str(tmp_path / "lines"))
    (tmp_path / "csv").mkdir()
    assert found == watched(watcher, tmp_path / "csv", source=str(folder / "leaks.csv"))


def test_a_watch_that_stops_anywhere_goes_on_without_loss_or_repetition(
    watcher: Watcher, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "whole").mkdir()
    expected = watched(watcher, tmp_path / "whole", source=str(folder / "leaks.csv"))
    content = (folder / "leaks.csv").read_bytes()
    rng, about = np.random.default_rng(0), {"source": str(tmp_path / "grown.csv"), "state": tmp_path / "state.json"}
    (tmp_path / "grown.csv").write_bytes(b"")
    for cut in [*sorted(rng.integers(0, len(content), 20).tolist()), len(content)]:
        (tmp_path / "grown.csv").write_bytes(content[: content.rindex(b"\n", 0, max(cut, 40)) + 1])
        found = watched(watcher, tmp_path, **about)
    assert found == expected


def test_output_that_the_state_does_not_know_of_is_written_once(watcher: Watcher, folder: Path, tmp_path: Path) -> None:
    about = {"source": str(folder / "leaks.csv"), "state": tmp_path / "state.json"}
    expected = watched(watcher, tmp_path, **about)
    with open(tmp_path / "out.jsonl", "ab") as handle:
        handle.write(b'{"time": "half a li')
    assert watched(watcher, tmp_path, **about) == expected


def test_a_killed_process_leaves_every_line_once(folder: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "headstart", "signals", "watch", str(folder / "detector"), "--once"]
    command += ["-i", str(tmp_path / "leaks.csv"), "-o", str(tmp_path / "out.jsonl")]
    command += ["--state", str(tmp_path / "s.json")]
    content = (folder / "leaks.csv").read_bytes()
    half = content.rindex(b"\n", 0, len(content) // 2) + 1
    (tmp_path / "leaks.csv").write_bytes(content[:half])
    command.remove("--once")
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while not (tmp_path / "s.json").exists():
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    (tmp_path / "leaks.csv").write_bytes(content)
    again = CliRunner().invoke(main, [*command[3:], "--once"])
    assert again.exit_code == 0, again.output
    found = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    (tmp_path / "whole").mkdir()
    assert found == watched(
        open_stream_model(folder / "detector"), tmp_path / "whole", source=str(folder / "leaks.csv")
    )


def test_alarms_alone_and_hysteresis(watcher: Watcher, folder: Path, tmp_path: Path) -> None:
    found = watched(watcher, tmp_path, source=str(folder / "leaks.csv"), alarms_only=True)
    assert [one["change"] for one in found] == ["raised", "cleared"] * 2
    assert found[0]["alarm"] == found[1]["alarm"] != found[2]["alarm"]


def test_a_socket_that_sends_and_one_that_is_waited_at(watcher: Watcher, folder: Path, tmp_path: Path) -> None:
    content = (folder / "leaks.csv").read_bytes()
    (tmp_path / "whole").mkdir()
    expected = watched(watcher, tmp_path / "whole", source=str(folder / "leaks.csv"))
    server = socket.create_server(("127.0.0.1", 0))

    def send() -> None:
        connection, _ = server.accept()
        with connection:
            connection.sendall(content)

    sender = threading.Thread(target=send)
    sender.start()
    found = watched(watcher, tmp_path, source=f"tcp://127.0.0.1:{server.getsockname()[1]}")
    sender.join()
    server.close()
    assert found == expected


def test_time_backwards_gaps_and_units_are_said(watcher: Watcher, tmp_path: Path) -> None:
    values = samples(seed=2, n=400)
    values[200:, 0] *= 1000
    lines = csv_lines(values)
    lines[150:150] = [lines[10], "1,2"]
    del lines[250:290]
    said: list[str] = []
    (tmp_path / "odd.csv").write_text("\n".join(lines) + "\n")
    watched(watcher, tmp_path, said, source=str(tmp_path / "odd.csv"))
    assert "is not later than" in said[0]
    assert "2 cells instead of 3" in said[1]
    assert any(one.startswith("Channel 'Pressure' is about 1,000 times as large") for one in said)
    assert any(one.startswith("A gap of 40 s until 2020-03-09T") for one in said)


def test_values_that_are_missing_or_infinite_are_said(watcher: Watcher, tmp_path: Path) -> None:
    values = samples(seed=2, n=60)
    values[20:40, 1] = np.inf
    said: list[str] = []
    (tmp_path / "odd.csv").write_text("\n".join(csv_lines(values)) + "\n")
    found = watched(watcher, tmp_path, said, source=str(tmp_path / "odd.csv"))
    assert len(found) == 2, "windows that have all values"
    assert said == [
        "The window until 2020-03-09T10:15:02Z is not judged: 'Temperature' had no value in it, or an infinite one "
        "(1 such so far)."
    ]


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        (csv_lines(samples(n=7)), "The stream gave 7."),
        ([], "The stream gave 0."),
        ([*csv_lines(samples(n=2)), "1,OFF,2"], "The stream gave 2; 1 of its 4 lines could not be used."),
    ],
)
def test_why_nothing_was_judged_is_said(watcher: Watcher, tmp_path: Path, lines: list[str], words: str) -> None:
    said: list[str] = []
    (tmp_path / "short.csv").write_text("\n".join(lines))
    assert watched(watcher, tmp_path, said, source=str(tmp_path / "short.csv")) == []
    assert said[-1].startswith("No window was judged: one takes 20 samples in a row") and said[-1].endswith(words)


def test_a_stream_without_a_header_is_refused_in_words(watcher: Watcher, tmp_path: Path) -> None:
    (tmp_path / "bare.csv").write_text("\n".join(csv_lines(samples(n=5))[1:]) + "\n")
    with pytest.raises(DataError, match=r"names none of the channels \(Pressure, Temperature\).*begin with a header"):
        watched(watcher, tmp_path, source=str(tmp_path / "bare.csv"))


def test_channels_are_matched_by_name_else_refused(watcher: Watcher, folder: Path, tmp_path: Path) -> None:
    lines = [line.split(",") for line in csv_lines(samples(leaks=True, seed=1))]
    turned = "\n".join(",".join([row[2], row[1], row[0]]) for row in lines)
    (tmp_path / "turned.csv").write_text(turned + "\n")
    (tmp_path / "whole").mkdir()
    expected = watched(watcher, tmp_path / "whole", source=str(folder / "leaks.csv"))
    assert watched(watcher, tmp_path, source=str(tmp_path / "turned.csv")) == expected
    (tmp_path / "renamed.csv").write_text("\n".join(csv_lines(samples(n=5))).replace("Pressure", "Druck") + "\n")
    with pytest.raises(DataError, match=r"channel.*'Pressure'"):
        watched(watcher, tmp_path, source=str(tmp_path / "renamed.csv"))


def test_recordings_are_judged_and_drawn(folder: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(
        main, ["signals", "predict", str(folder / "detector"), str(folder / "leaks.csv"), "-o", str(tmp_path / "out")]
    )
    assert result.exit_code == 0, result.output
    assert "Events found: 2 of 2" in result.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "judged.json",
        "timeline-leaks.csv.png",
        "windows.csv",
    ]
    judged = json.loads((tmp_path / "out" / "judged.json").read_text())["judged"]
    assert judged["events"]["n_found"] == 2
    header, *rows = (tmp_path / "out" / "windows.csv").read_text().splitlines()
    assert header == "recording,start_s,start,label,score,probability,p,beyond,evidence"
    beyond = [row for row in rows if ",1," in row]
    assert beyond and all("Pressure, 2020-03-09 10:" in row for row in beyond)
    unlabelled = predict_recordings(folder / "detector", str(folder / "normal.csv"))
    assert unlabelled.judged is None and "beyond the threshold" in unlabelled.lines()[0]


def test_a_recording_of_another_rate_or_unit(folder: Path, tmp_path: Path) -> None:
    values = samples(seed=3)
    values[:, 1] *= 1000
    write_csv(tmp_path / "milli.csv", values)
    found = predict_recordings(folder / "detector", str(tmp_path / "milli.csv"))
    assert any("'Temperature' is about 1,000 times as large" in note for note in found.notes)
    assert any("run otherwise than what was learned" in note for note in found.notes)
    lines = csv_lines(samples(seed=3))
    (tmp_path / "slow.csv").write_text("\n".join([lines[0], *lines[1::2]]) + "\n")
    with pytest.raises(DataError, match="every 2 s, but the model was fitted on one every 1 s"):
        predict_recordings(folder / "detector", str(tmp_path / "slow.csv"))


def test_clocks_that_jitter_leave_windows_at_the_step_of_the_model(folder: Path, tmp_path: Path) -> None:
    header, *lines = csv_lines(samples(seed=3))
    rows = [line.split(",", 1)[1] for line in lines]
    times = np.cumsum([0.0, *np.resize([1.004, 1.004, 0.95], len(rows) - 1)])
    text = "\n".join([header, *(f"{one:.3f},{row}" for one, row in zip(times, rows, strict=True))])
    (tmp_path / "jitter.csv").write_text(text + "\n")
    found = predict_recordings(folder / "detector", str(tmp_path / "jitter.csv"))
    assert found.windows.period_s == 1.0


def test_what_learning_lacks_is_not_advised_as_its_own_option(tmp_path: Path) -> None:
    header, *lines = csv_lines(samples(n=400))
    (tmp_path / "gaps.csv").write_text("\n".join([header, *(line for at, line in enumerate(lines) if at % 20 < 12)]))
    given = ("signals", "normal", str(tmp_path / "gaps.csv"), "-o", str(tmp_path / "d"), "--window", "20s")
    code, said = command(*given)
    assert code == 2 and "Take shorter windows; `headstart signals fit` fills gaps with --gaps fill" in said
    write_csv(tmp_path / "whole.csv", samples(n=400))
    code, said = command(*given[:2], str(tmp_path / "whole.csv"), *given[3:], "--reference", "1s")
    assert code == 2 and "`headstart signals fit` does without one by --standardise window" in said


def test_files_that_do_not_tell_all_are_judged_by_options(folder: Path, tmp_path: Path) -> None:
    lines = csv_lines(samples(leaks=True, seed=1), labelled=True)
    rows = [line.split(",") for line in lines[1:]]
    text = "\n".join(["when,Pressure,Temperature,fault", *(f"x,{p},{t},{label}" for _, p, t, label in rows)]) + "\n"
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.csv").write_text(text)
    detector, data = str(folder / "detector"), str(tmp_path / "in")
    code, said = command("signals", "predict", detector, data, "--label-column", "fault", "--rate", "1")
    assert code == 0 and "Events found: 2 of 2" in said
    assert " % of normal running." in said
    code, said = command("signals", "predict", detector, data, "--rate", "2")
    assert code == 2 and "state its rate with --rate" in said
    kept = ("--window", "20s", "--label-column", "fault", "--channels", "Pressure,Temperature", "--rate", "1")
    code, said = command("signals", "normal", data, "-o", str(tmp_path / "d"), *kept)
    assert code == 0, said
    assert open_stream_model(tmp_path / "d").recipe.channels == ("Pressure", "Temperature")


def test_nothing_is_written_among_the_recordings(folder: Path, tmp_path: Path) -> None:
    write_csv(tmp_path / "in.csv", samples())
    before = sorted(path.name for path in tmp_path.iterdir())
    for arguments in (["predict", str(folder / "detector")], ["normal", "--window", "20s"]):
        code, said = command("signals", *arguments, str(tmp_path), "-o", str(tmp_path / "out"))
        assert code == 2 and "would be read with it" in said
    one = ("signals", "predict", str(folder / "detector"), str(tmp_path / "in.csv"), "-o", str(tmp_path))
    code, said = command(*one)
    assert code == 2 and "is the folder of in.csv" in said
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "windows.csv").write_text("the user's own")
    code, said = command(*one[:-1], str(tmp_path / "own"))
    assert code == 2 and "holds a windows.csv that no call wrote" in said


def command(*arguments: str, standard_input: bytes | None = None) -> tuple[int, str]:
    found = CliRunner().invoke(main, list(arguments), input=standard_input)
    return found.exit_code, found.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--alarms-per-day", "1"], "cannot be promised"),
        (["--window", "1h"], "do not fit into"),
        (["--one-class", "forest"], "forest"),
        (["--window", "soon"], "soon"),
    ],
)
def test_what_cannot_be_learned_is_refused_and_nothing_written(
    folder: Path, tmp_path: Path, arguments: list[str], words: str
) -> None:
    given = ["--window", "20s"] if "--window" not in arguments else []
    code, said = command("signals", "normal", str(folder / "normal.csv"), "-o", str(tmp_path / "d"), *given, *arguments)
    assert (code, words in said) == (2, True), said
    assert not (tmp_path / "d").exists()


def test_other_misuse_is_refused_in_words(folder: Path, tmp_path: Path) -> None:
    detector = str(folder / "detector")
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").touch()
    write_csv(tmp_path / "n.csv", samples())
    for arguments, words in (
        (["watch", str(tmp_path)], "holds no model"),
        (["watch", detector, "-i", str(tmp_path / "none.csv")], "no such file"),
        (["watch", detector, "-i", "tcp://nowhere"], "no host and port"),
        (["watch", detector, "-i", "tcp://127.0.0.1:1"], "Cannot connect to"),
        (["normal", str(tmp_path / "n.csv"), "-o", str(tmp_path / "used"), "--window", "20s"], "holds no detector"),
        (["watch", detector, "--json"], "name a file with -o"),
    ):
        code, said = command("signals", *arguments)
        assert code in (1, 2) and words in said, said
    (tmp_path / "state.json").write_text("{}")
    code, said = command(
        "signals", "watch", detector, "-i", str(folder / "leaks.csv"), "--once", "--state", str(tmp_path / "state.json")
    )
    assert code == 2 and "holds no state" in said


def test_a_reader_that_goes_away_ends_the_watch_without_a_traceback(folder: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    arguments = ["signals", "watch", str(folder / "detector"), "-i", str(folder / "leaks.csv"), "--once"]
    done = subprocess.run(
        [sys.executable, "-m", "headstart", *arguments], stdout=writing, stderr=subprocess.PIPE, check=False
    )
    os.close(writing)
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr


def test_a_watch_of_standard_input(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "headstart", "signals", "watch", str(folder / "detector")],
        input=(folder / "leaks.csv").read_bytes(),
        capture_output=True,
        check=True,
    )
    assert len(io.BytesIO(done.stdout).readlines()) == 99
    assert b"2 alarms raised" in done.stderr


def test_reading_a_replaced_file_begins_anew(watcher: Watcher, folder: Path, tmp_path: Path) -> None:
    about = {"source": str(tmp_path / "log.csv"), "state": tmp_path / "state.json"}
    said: list[str] = []
    (tmp_path / "log.csv").write_bytes((folder / "leaks.csv").read_bytes())
    first = watched(watcher, tmp_path, **about)
    later = csv_lines(samples(seed=5, n=200))
    rows = [line.split(",", 1) for line in later[1:]]
    shifted = [later[0], *(f"{int(time_s) + 1000},{rest}" for time_s, rest in rows)]
    (tmp_path / "log.csv").write_text("\n".join(shifted) + "\n")
    both = watched(watcher, tmp_path, said, **about)
    assert said[0].endswith("it is read from its start.")
    assert both[: len(first)] == first and len(both) == len(first) + 20


def test_options_of_learning_are_told(folder: Path) -> None:
    with pytest.raises(InputError, match="--window is 'x'"):
        learn_normal(str(folder / "normal.csv"), folder / "x", NormalOptions("x"))


NETWORK = ("--features", "last", "--backbone", "test_resnet", "--weights", "random", "--input-size", "32")


@pytest.mark.parametrize("reference", [(), ("--reference", "60s")])
def test_normal_running_may_be_known_by_a_network(folder: Path, tmp_path: Path, reference: tuple[str, ...]) -> None:
    detector, data = tmp_path / "detector", str(folder / "normal.csv")
    given = ("--window", "20s", "--stride", "20s", "--block", "100s", "--image", "matrix", "--threads", "1")
    code, said = command("signals", "normal", data, "-o", str(detector), *given, *reference, *NETWORK)
    assert code == 0, said
    found = predict_recordings(detector, str(folder / "leaks.csv"))
    assert found.judged is not None and found.judged.detection.n_found == 2
    (tmp_path / "live").mkdir()
    live = watched(open_stream_model(detector), tmp_path / "live", source=str(folder / "leaks.csv"))
    np.testing.assert_allclose([one["score"] for one in live], found.scores, rtol=1e-6)
    raised = [one for one in live if one["change"] == "raised"]
    assert next(iter(max(raised, key=lambda one: one["score"])["channels"])) == "Pressure"
    assert all(one["change"] != "explained" for one in live)
    content = (detector / "backbone.safetensors").read_bytes()
    (detector / "backbone.safetensors").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(BundleError, match="safetensors was changed or damaged"):
        open_stream_model(detector)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--backbone", "test_resnet"), "known by statistics here, without a network. Add --features"),
        (("--image", "matrix"), "--image matrix says how a network is shown windows"),
        (("--features", "best", *NETWORK[2:]), "a window is looked at once"),
        (("--features", "block9:rows", *NETWORK[2:]), "block9"),
    ],
)
def test_a_network_that_cannot_be_used_is_refused(
    folder: Path, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    given = (str(folder / "normal.csv"), "-o", str(tmp_path / "d"), "--window", "20s")
    code, said = command("signals", "normal", *given, *arguments)
    assert (code, words in said) == (2, True), said
    assert not (tmp_path / "d").exists()
