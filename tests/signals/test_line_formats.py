"""Lines of CSV, JSON and InfluxDB line protocol: what they tell, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pytest

from headstart.errors import DataError, InputError
from headstart.signals.live.formats import FORMATS, format_of, make_decoder
from headstart.signals.live.sample import LineError, Sample, seconds_of, time_text

CHANNELS = ("Pressure", "Flow rate")


def decoded(name: str, *lines: str, **about: Any) -> list[Sample | None]:
    one = make_decoder(name, CHANNELS, **about)
    return [one.decode(line) for line in lines]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("datetime;Pressure;Other;Flow rate", "2020-03-09 10:14:33;0.5;text;32"),
        ("Flow rate,Pressure,Time", "32,0.5,2020-03-09T10:14:33Z"),
        ("\ufefft\tFlow rate\tPressure", "1583748873\t32\t0.5"),
        ("note;Zeitpunkt;Pressure;Flow rate", "1.5;2020-03-09 10:14:33;0,5;32"),
        ("Pressure|Flow rate|taken at|note", "5,0e-1|32|2020-03-09T11:14:33+01:00|a-1"),
        ('timestamp,"Flow rate",Pressure', '"1583748873000","32","0.5"'),
    ],
)
def test_csv_finds_separator_time_and_channels_by_name(header: str, row: str) -> None:
    assert decoded("csv", header, row) == [None, Sample(1583748873.0, {"Pressure": 0.5, "Flow rate": 32.0})]


def test_csv_goes_on_in_the_middle_and_reads_a_header_again() -> None:
    first = make_decoder("csv", CHANNELS)
    first.decode("time,Pressure,Flow rate")
    second = make_decoder("csv", CHANNELS)
    second.restore(first.state())
    assert second.decode("7,1,2") == Sample(7.0, {"Pressure": 1.0, "Flow rate": 2.0})
    assert second.decode("Flow rate,time,Pressure") is None
    assert second.decode("2,7,1") == Sample(7.0, {"Pressure": 1.0, "Flow rate": 2.0})
    untouched = make_decoder("csv", CHANNELS)
    untouched.restore(make_decoder("csv", CHANNELS).state())
    assert untouched.decode("time,Pressure,Flow rate") is None


def test_json_has_channels_in_the_object_or_below_it() -> None:
    flat, below, part = decoded(
        "json",
        '{"time": "2020-03-09T11:14:33+01:00", "Pressure": 0.5, "Flow rate": 32, "note": "x"}',
        '{"timestamp": 1583748873, "values": {"Pressure": "0.5", "Flow rate": null}}',
        '{"Pressure": 1}',
    )
    assert flat == Sample(1583748873.0, {"Pressure": 0.5, "Flow rate": 32.0})
    assert below is not None and below.values["Pressure"] == 0.5 and math.isnan(below.values["Flow rate"])
    assert part == Sample(None, {"Pressure": 1.0})
    named = decoded("json", '{"when": 5, "time": 9, "Pressure": 1}', time_column="when")
    assert named == [Sample(5.0, {"Pressure": 1.0})]


def test_line_protocol_with_tags_escapes_strings_and_integers() -> None:
    found = decoded(
        "influx",
        r"ring,sector=3,name=a\ b Pressure=0.5,Flow\ rate=32i,on=true,note=\"a=b\, c d\" 1583748873000000000".replace(
            r"\"", '"'
        ),
        "Pressure,sector=1 value=2",
        "# a comment",
        "",
        "ring Pressure=-1.5e-3,other=7u",
    )
    assert found[0] == Sample(1583748873.0, {"Pressure": 0.5, "Flow rate": 32.0})
    assert found[1:4] == [Sample(None, {}), None, None]
    assert found[4] == Sample(None, {"Pressure": -1.5e-3})


def test_line_protocol_knows_measurement_and_field() -> None:
    one = make_decoder("influx", ("ring.p", "gun.p"))
    assert one.decode("gun p=3 1000000000") == Sample(1e9, {"gun.p": 3.0})


@pytest.mark.parametrize(
    ("name", "lines", "words"),
    [
        ("csv", ["time,Pressure,Flow rate", "1,2"], "2 cells instead of 3"),
        ("csv", ["time,Pressure,Flow rate", "1,two,3"], "'Pressure' holds 'two'"),
        ("csv", ["time,Pressure,Flow rate", "yesterday,2,3"], "'yesterday' is not understood"),
        ("json", ['{"time": 1, "Pressure": {"a": 1}}'], "'Pressure' holds"),
        ("json", ['{"time": true, "Pressure": 1}'], "is no time"),
        ("json", ['{"time": 1, "Press'], "no whole JSON object"),
        ("json", ["[1, 2]"], "no JSON object"),
        ("influx", ["ring"], "no line protocol"),
        ("influx", ["ring Pressure= 12"], "holds ''"),
        ("influx", ["ring Pressure=t"], "holds 't'"),
        ("influx", ["ring Pressure"], "no line protocol"),
        ("influx", ["ring Pressure=1 12 13"], "no line protocol"),
    ],
)
def test_damaged_lines_are_told(name: str, lines: list[str], words: str) -> None:
    with pytest.raises(LineError, match=words):
        decoded(name, *lines)


def test_infinite_and_missing_values_are_missing() -> None:
    found = decoded("csv", "Pressure,Flow rate", "inf,", "NaN,null")
    assert all(one is not None and one.time_s is None for one in found[1:])
    assert all(math.isnan(value) for one in found[1:] if one for value in one.values.values())


def test_a_renamed_channel_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(DataError, match="Pressure"):
        decoded("csv", "time,pressure_bar,Flow rate")
    with pytest.raises(DataError, match="when"):
        decoded("csv", "time,Pressure,Flow rate", time_column="when")
    with pytest.raises(InputError, match="xml"):
        make_decoder("xml", CHANNELS)


def test_formats_are_found_by_the_first_line() -> None:
    assert format_of('  {"a": 1}') == "json"
    assert format_of("ring Pressure=1") == "influx"
    assert format_of("time,Flow rate") == "csv"
    assert list(FORMATS) == ["csv", "json", "influx"]


def test_times_of_any_unit_and_format() -> None:
    assert seconds_of(1583748873000000000) == seconds_of(1583748873000000) == seconds_of("1583748873.0") == 1583748873.0
    assert seconds_of("09.03.2020 10:14", "%d.%m.%Y %H:%M") == 1583748840.0
    with pytest.raises(LineError, match="not of the format"):
        seconds_of("2020", "%d.%m.%Y")
    with pytest.raises(LineError, match="is no time"):
        seconds_of("inf")
    assert time_text(seconds_of("2020-03-09T10:14:33.5Z")) == "2020-03-09T10:14:33.500Z"
