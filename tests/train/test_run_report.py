"""The page that a run leaves."""

import re
from html.parser import HTMLParser

from chainrule.inspect import Verdict
from chainrule.train.run_report import averaged, report

LAYER = {"norm": 0.5, "rms": 0.01, "update": 1e-3}
ACTIVATIONS = {
    "blocks.0 gelu": {"dead": 0.25},
    "blocks.0 attention": {"entropy": 0.5, "lowest": 0.4},
}
RECORDS = [
    *({"step": s, "loss": 4 / s, "norm": 1.0 / s, "learning_rate": 0.1} for s in range(1, 101)),
    {"step": 50, "held_out": 1.5},
    {"step": 100, "held_out": 1.25},
    {
        "step": 1,
        "baseline": {"key": "five_gram", "name": "5-gram model", "scores": {"loss": 1.75}},
    },
    {"step": 50, "look": {"layers": {"blocks.0.qkv": LAYER}, "activations": ACTIVATIONS}},
    {"step": 100, "look": {"layers": {"blocks.0.qkv": LAYER}, "activations": ACTIVATIONS}},
    {"step": 100, "sample": "<b>if x < 3 & y:\n    pass</b>"},
]


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def test_it_needs_nothing_from_outside():
    text = report("run 001", {"text": "a"}, RECORDS)
    assert not re.search(r"https?:|//[a-z]|url\(|@import|<script|<link|<img|<iframe", text)
    assert not [a for _, a in Page(text).tags if {"src", "href"} & a.keys()]


def test_it_shows_what_happened():
    page = Page(report("run 001", {"held-out loss": "1.2500"}, RECORDS, []))
    assert [tag for tag, _ in page.tags].count("svg") == 6
    for expected in (
        "run 001", "1.2500", "held out", "5-gram model", "blocks.0.qkv", "after step 100",
        "healthy", "Update : weight by layer", "Dead units", "Attention entropy", "blocks.0 gelu",
        "<b>if x < 3 & y:\n    pass</b>",
    ):  # fmt: skip
        assert expected in page.text


def test_it_says_what_is_wrong():
    verdict = Verdict("dead ReLU", "0 <relu>", "98% of the units", "a lower learning rate")
    page = Page(report("run 001", {}, RECORDS, [verdict]))
    for expected in ("dead ReLU", "0 <relu>", "98% of the units", "a lower learning rate"):
        assert expected in page.text
    assert "healthy" not in page.text.replace("usual in healthy", "")


def test_an_empty_run_has_a_page_too():
    page = Page(report("run 001", {}, []))
    assert "svg" not in [tag for tag, _ in page.tags]


def test_averaging_keeps_the_mean_of_each_stretch():
    points = [(float(i), float(i % 2)) for i in range(80)]
    assert averaged(points) == [(2 * i + 0.5, 0.5) for i in range(40)]
    assert averaged(points[:10]) == points[:10]
