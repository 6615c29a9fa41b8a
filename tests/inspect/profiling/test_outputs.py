"""The table, the page and the time line of a profile."""

from __future__ import annotations

import html
import json
import re

import pytest

import chainrule as cr
from chainrule.inspect.profiling import ledger
from chainrule.inspect.profiling.flame import by_layers, by_program
from chainrule.inspect.profiling.tables import bytes_text, duration, percent
from tests.inspect.profiling.profiled_program import Model, batch, step


@pytest.fixture(scope="module")
def found():
    model, x = Model(), batch()
    run = cr.compile(lambda x: step(model, x))
    with cr.profile() as p:
        step(model, x)
        for _ in range(3):
            run(x)
    return p


def test_the_text_names_lines_and_layers(found):
    text = str(found)
    assert "profiled_program.py" in text
    assert "h = self.inner(x)" in text
    assert "Model.large.inner" in text
    assert "divided by an estimate of their work" in text
    assert max(map(len, text.splitlines())) <= 120


def test_a_table_has_as_many_rows_as_asked_for(found):
    lines = found.table("operation", rows=3).splitlines()
    assert len(lines) == 1 + 3 + 1
    assert re.fullmatch(r"… and \d+ more", lines[-1])


def total(node):
    return node["self"] + sum(map(total, node["below"]))


@pytest.mark.parametrize("tree_of", [by_program, by_layers])
def test_the_frames_add_up(found, tree_of):
    tree = tree_of(found.rows)
    assert total(tree) == pytest.approx(1e3 * found.seconds, rel=1e-3)


def names(node, above=()):
    way = (*above, node["name"])
    yield way
    for each in node["below"]:
        yield from names(each, way)


def test_frames_lie_in_their_layers(found):
    ways = [w for w in names(by_layers(found.rows)) if w[-1] == "matmul" and "large (Block)" in w]
    assert {way[1] for way in ways} == {"forward", "backward"}
    way = ways[0]
    assert way[2:5] == ("Model", "large (Block)", "inner (Linear)")
    assert "h = self.inner(x)" in way[5]


def test_the_page_needs_nothing_else(found, tmp_path):
    found.write_html(tmp_path / "p.html", title="a <b>")
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    assert "<h1>a &lt;b&gt;</h1>" in page
    assert not re.search(r"(src|href)\s*=|https?://|@import|url\(", page)
    (data,) = re.findall(r"<script id=data type=application/json>(.*?)</script>", page, re.DOTALL)
    trees = json.loads(data)
    assert set(trees) == {"program", "layers"}
    assert page.count("</script>") == 2


def test_tables_of_the_page_are_those_of_the_text(found, tmp_path):
    found.write_html(tmp_path / "p.html")
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    for by in ("line", "layer", "operation"):
        head, *rows = found.table(by, rows=200).splitlines()
        (table,) = re.findall(f"<th>{by}(.*?)</table>", page, re.DOTALL)
        columns = re.findall("<th>([^<]+)", table)
        assert head.split() == [by, *columns]
        assert table.count("<tr>") == len(rows)
        assert table.count("<td") == len(rows) * (1 + len(columns))


def test_a_notebook_shows_the_page_in_a_frame(found, tmp_path):
    found.write_html(tmp_path / "p.html")
    (inner,) = re.findall(r'srcdoc="([^"]*)"', found._repr_html_())
    assert html.unescape(inner) == (tmp_path / "p.html").read_text(encoding="utf-8")


def test_the_time_line_is_chromes_format(found, tmp_path):
    found.export_chrome_trace(tmp_path / "t.json")
    trace = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    events = [e for e in trace["traceEvents"] if e["ph"] == "X"]
    for event in events:
        assert {"name", "cat", "ts", "dur", "pid", "tid", "args"} <= set(event)
        assert event["ts"] >= 0
        assert event["dur"] >= 0
    kinds = {e["cat"] for e in events}
    assert kinds >= {"forward", "backward", "layer", "kernel", "compile"}
    assert {e["ph"] for e in trace["traceEvents"]} == {"X", "M"}
    assert "Model.large.inner" in {e["name"] for e in events if e["cat"] == "layer"}


def test_a_time_line_has_room_for_so_many_events(monkeypatch, tmp_path):
    monkeypatch.setattr(ledger, "MOST_EVENTS", 5)
    x = cr.ones(2)
    with cr.profile() as p:
        for _ in range(8):
            x.exp()
    p.export_chrome_trace(tmp_path / "t.json")
    trace = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))
    assert len([e for e in trace["traceEvents"] if e["ph"] == "X"]) == 5
    assert trace["otherData"]["events left out"] == 3
    assert sum(s.calls for s in p.by("operation") if s.name == "exp") == 8


def test_kernels_lie_inside_their_call(found, tmp_path):
    found.export_chrome_trace(tmp_path / "t.json")
    events = json.loads((tmp_path / "t.json").read_text(encoding="utf-8"))["traceEvents"]
    calls = [e for e in events if e["name"] == "native call"]
    for kernel in (e for e in events if e.get("cat") == "kernel"):
        assert any(
            c["ts"] - 1e-3 <= kernel["ts"]
            and kernel["ts"] + kernel["dur"] <= c["ts"] + c["dur"] + 1e-3
            for c in calls
        )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, ""), (2.5, "2.50 s"), (0.9999, "1.00 s"), (0.0123, "12.3 ms"), (4e-6, "4.00 µs")],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_sizes_and_shares():
    assert [bytes_text(n) for n in (0, 12, 1234, 5e6, 2e9)] == [
        "", "12 B", "1.23 kB", "5.00 MB", "2.00 GB",
    ]  # fmt: skip
    assert (percent(1, 2), percent(1, 300), percent(1, 0)) == ("50 %", "0.3 %", "0.0 %")
