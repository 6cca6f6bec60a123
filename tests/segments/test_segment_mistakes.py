"""Every mistake in a segment file is told in one line: file, line, key, and how to mend it."""

from __future__ import annotations

from pathlib import Path

import pytest

from marketing_platform.errors import ConfigError
from marketing_platform.segments.load import load_segments


def write(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_text(content, encoding="utf-8")
    return path


def mistake(folder: Path) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_segments(folder)
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("rule", "key", "what", "mend"),
    [
        ("{al: []}", ".al", "unknown condition al", "Did you mean all?"),
        ("{banana: []}", ".banana", "unknown condition banana", "Choose one of: all, any, bucket"),
        ("{all: []}", ".all", "the list is empty", "at least one value"),
        ("{all: {field: email}}", ".all", "expected a list, found keys and values", "[a, b]"),
        ("{not: [a]}", ".not", "expected keys and values, found a list", "key: value"),
        ("{}", "", "the condition is empty", "Write one of: all"),
        ("vip", "", "expected keys and values, found 'vip'", "key: value"),
        ("", "", "expected keys and values, found nothing", "key: value"),
        (
            "{all: [{field: email}], any: []}",
            ".any",
            "all and any stand side by side",
            "under all:",
        ),
        ("{all: [{segment: other}], at_least: 2}", ".at_least", "unknown key at_least", "out"),
        ("{field: emial, is_set: true}", ".field", "no such field: emial", "Did you mean email?"),
        ("{field: email}", ".field", "nothing to compare with", "Add one of: equals"),
        ("{field: [email], is_set: true}", ".field", "expected one value, found a list", ""),
        ("{field: order_count, at_leest: 1}", ".at_leest", "unknown key at_leest", "at_least?"),
        (
            "{field: email, at_least: 1}",
            ".at_least",
            "at_least does not go with email, which is text",
            "Use one of: equals",
        ),
        (
            "{field: is_buyer, within: 7d}",
            ".within",
            "which is true or false",
            "Use one of: equals",
        ),
        (
            "{field: order_count, at_least: many}",
            ".at_least",
            "expected a number, found 'many'",
            "",
        ),
        (
            '{field: order_count, at_least: "3"}',
            ".at_least",
            "expected a number, found '3'",
            "without quotes",
        ),
        (
            "{field: order_count, at_least: true}",
            ".at_least",
            "expected a number, found 'true'",
            "",
        ),
        (
            "{field: order_count, at_least: .nan}",
            ".at_least",
            "expected a number, found '.nan'",
            "",
        ),
        (
            "{field: order_count, at_least: 1.0000000001}",
            ".at_least",
            "too many digits",
            "after it",
        ),
        ("{field: order_count, at_least: 1e400}", ".at_least", "expected a number", ""),
        (
            "{field: order_count, at_least: 99999999999999999999}",
            ".at_least",
            "too many digits",
            "15",
        ),
        ("{field: order_count, at_least: -1}", ".at_least", "-1 is never reached", "from 0"),
        (
            "{field: value_percentile, at_least: 90}",
            ".at_least",
            "90 is never reached",
            "0.9 for 90 %",
        ),
        ("{field: country, equals: 5}", ".equals", "expected text, found '5'", 'in quotes: "5"'),
        ("{field: country, equals: NO}", ".equals", "expected text, found 'NO'", 'in quotes: "NO"'),
        ("{field: country, equals: }", ".equals", "expected text, found nothing", ""),
        ('{field: country, equals: " "}', ".equals", "the text is empty", ""),
        ('{field: country, equals: "a\\0"}', ".equals", "a character that cannot be stored", ""),
        ('{field: country, equals: "\\ud800"}', ".equals", "a character that cannot be stored", ""),
        ("{field: country, one_of: []}", ".one_of", "the list is empty", ""),
        ("{field: country, one_of: SE}", ".one_of", "expected a list, found 'SE'", "[a, b]"),
        ("{field: country, one_of: [SE, 5]}", ".one_of[1]", "expected text, found '5'", ""),
        (
            "{field: lifecycle_stage, equals: laspsed}",
            ".equals",
            "no such value: laspsed",
            "Did you mean lapsed?",
        ),
        ("{field: is_buyer, equals: 1}", ".equals", "expected true or false, found '1'", ""),
        ("{field: email, is_set: 'yes'}", ".is_set", "expected true or false", ""),
        ("{field: created_at, within: 7}", ".within", "not a length of time: '7'", "such as 7d"),
        ("{field: created_at, within: 7 days}", ".within", "not a length of time", "such as 7d"),
        ("{field: created_at, within: 0d}", ".within", "not a length of time", ""),
        ("{field: created_at, within: 99999w}", ".within", "99999w is too long", "ten years"),
        ("{field: created_at, since: soon}", ".since", "not a date: 'soon'", "2026-01-31"),
        ("{field: created_at, since: 2026-13-45}", ".since", "not a value: '2026-13-45'", ""),
        ("{field: created_at, since: 5}", ".since", "not a date: '5'", ""),
        ('{field: created_at, since: "0001-01-01T00:00:00+05:00"}', ".since", "not a date", ""),
        ("{performed: a, atleast: 1}", ".atleast", "unknown key atleast", "at_least?"),
        ("{performed: 5}", ".performed", "expected text, found '5'", ""),
        ("{performed: a, at_least: 0}", ".at_least", "0 is out of range", "Write 1 or more"),
        ("{performed: a, at_least: 1.5}", ".at_least", "expected a whole number", ""),
        ("{performed: a, at_most: true}", ".at_most", "expected a whole number", ""),
        (
            "{performed: a, at_least: 3, at_most: 2}",
            ".at_most",
            "below at_least 3",
            "Raise at_most",
        ),
        ("{performed: a, at_most: 0, not_followed_by: b}", ".at_most", "below at_least 1", ""),
        (
            "{performed: a, not_followed_by: a}",
            ".not_followed_by",
            "cannot be followed by itself",
            "",
        ),
        (
            "{prediction: churn, band: high}",
            ".prediction",
            "no such prediction: churn",
            "churn_30d?",
        ),
        ("{prediction: churn_30d}", ".prediction", "nothing to compare with", "score_at_least"),
        (
            "{prediction: churn_30d, at_least: 1}",
            ".at_least",
            "unknown key at_least",
            "score_at_least?",
        ),
        (
            "{prediction: churn_30d, score_at_least: 60}",
            ".score_at_least",
            "never reached",
            "from 0 to 1",
        ),
        ("{prediction: churn_30d, band: hihg}", ".band", "no such value: hihg", "high?"),
        ("{prediction: churn_30d, band: [high, top]}", ".band[1]", "no such value: top", ""),
        ("{segment: othre}", ".segment", "no such segment: othre", "Did you mean other?"),
        ("{segment: other, at_least: 1}", ".at_least", "unknown key at_least", "Take it out"),
        ("{field: email, field: phone}", ".field", "the key is written twice", ""),
        ("{field: email, equals: !!python/name:os.system x}", ".equals", "not a value", ""),
        ("{[a, b]: c}", ".?", "unknown condition ?", ""),
        ("{not: " * 25 + "{segment: other}" + "}" * 25, ".not" * 21, "nested too deeply", ""),
    ],
)
def test_a_mistake_in_a_condition_names_file_line_and_key(
    tmp_path: Path, rule: str, key: str, what: str, mend: str
) -> None:
    write(tmp_path, "other.yaml", "description: x\nmembers: {field: email, is_set: true}\n")
    path = write(tmp_path, "wrong.yaml", f"description: x\n\nmembers: {rule}\n")
    error = mistake(tmp_path)
    assert error.where == f"{path}:3 (members{key})"
    assert what in error.what
    assert mend in (error.mend or "")


def test_the_line_is_that_of_the_key_in_a_file_of_many_lines(tmp_path: Path) -> None:
    content = """description: x
members:
  any:
    - field: country
      equals: SE
    - not:
        field: order_count
        at_last: 2
"""
    path = write(tmp_path, "wrong.yaml", content)
    error = mistake(tmp_path)
    assert error.where == f"{path}:8 (members.any[1].not.at_last)"


@pytest.mark.parametrize(
    ("content", "where", "what"),
    [
        ("", "", "the file is empty"),
        ("# only a comment\n", "", "the file is empty"),
        ("- a\n", ":1", "expected keys and values, found a list"),
        ("description: x\n", ":1", "members is missing"),
        ("members: {field: email, is_set: true}\n", ":1", "description is missing"),
        (
            "description: 5\nmembers: {field: email, is_set: true}\n",
            ":1 (description)",
            "expected text",
        ),
        ("descripton: x\n", ":1 (descripton)", "unknown key descripton"),
        (
            "description: x\nowner: [a]\nmembers: {field: email, is_set: true}\n",
            ":2 (owner)",
            "expected one value",
        ),
        ("description: x\nmembers: {all: [\n", ":3", "not readable as YAML"),
        ("description: x\n\tmembers: y\n", ":2", "not readable as YAML"),
        ("description: x\n---\ndescription: y\n", ":2", "not readable as YAML"),
        ("description: \x07\n", "", "not readable as YAML"),
        ("members: &a {not: *a}\n", ":1", "an alias (*name) is not allowed"),
        ("members: " + "[" * 5000, "", "nested too deeply"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, content: str, where: str, what: str
) -> None:
    path = write(tmp_path, "wrong.yaml", content)
    error = mistake(tmp_path)
    assert error.where == f"{path}{where}"
    assert what in error.what


def test_a_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    path = tmp_path / "wrong.yaml"
    path.write_bytes(b"description: \xff\xfe\n")
    assert mistake(tmp_path).where == str(path)
    path.unlink()
    path.mkdir()
    assert mistake(tmp_path).what == "cannot be read as text"


@pytest.mark.parametrize("name", ["Big.yaml", "with-dash.yaml", "1st.yaml", "a b.yaml", "é.yaml"])
def test_a_file_name_that_is_no_name_for_a_segment_is_refused(tmp_path: Path, name: str) -> None:
    write(tmp_path, name, "")
    assert "is not a name for a segment" in mistake(tmp_path).what


def test_a_file_with_another_ending_is_refused_and_other_files_are_left_alone(
    tmp_path: Path,
) -> None:
    write(tmp_path, "segment.schema.json", "{}")
    write(tmp_path, ".hidden.yaml", "nonsense: [")
    write(tmp_path, "README.md", "")
    assert load_segments(tmp_path) == {}
    write(tmp_path, "vip.yml", "")
    assert mistake(tmp_path).mend == "Name it vip.yaml"


def test_a_circle_of_segments_is_shown(tmp_path: Path) -> None:
    for name, other in [("a", "b"), ("b", "c"), ("c", "b")]:
        write(tmp_path, f"{name}.yaml", f"description: x\nmembers:\n  not: {{segment: {other}}}\n")
    error = mistake(tmp_path)
    assert error.what == "segments ask for each other in a circle: b -> c -> b"
    assert error.where == f"{tmp_path / 'c.yaml'}:3 (segment)"


def test_a_segment_that_asks_for_itself_is_a_circle(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", "description: x\nmembers: {segment: a}\n")
    assert "circle: a -> a" in mistake(tmp_path).what
