"""`chainrule explain`, `check` and `gradcheck`: formulas, claims and runs, with exit codes."""

from __future__ import annotations

import json

import pytest

AT = "W=[[1,2]] x=[1,2] b=[0]"
SQUARE = ("check", "sum((W @ x) ** 2)", "--at", "W=[[1,2]] x=[1,2]")


def test_a_formula_is_derived(inside, tmp_path):
    done = inside("explain", "log(sum(exp(W @ x + b)))", "--at", AT, "--svg", "graph.svg")
    assert done.code == 0, done.err
    assert "W : float64[1, 2]   [[1., 2.]]" in done.out
    assert "upstream × local 1 / %8 = " in done.out
    assert (tmp_path / "graph.svg").read_text("utf-8").startswith("<svg")


def test_a_formula_as_a_page(inside, tmp_path):
    done = inside("explain", "exp(x) / x", "--at", "x=2", "--html", "page.html")
    assert done.code == 0, done.err
    page = (tmp_path / "page.html").read_text("utf-8")
    assert page.startswith("<!doctype html>")
    assert "<mfrac>" in page


def test_a_picture_that_cannot_be_written(inside):
    done = inside("explain", "x", "--at", "x=1", "--svg", "nowhere/graph.svg")
    assert done.code == 1
    assert done.err == "error: the system refused 'nowhere/graph.svg': No such file or directory\n"


def test_a_formula_as_json(inside):
    done = inside("explain", "x * sin(x)", "--at", "x=2", "--json")
    record = json.loads(done.out)
    assert {record["steps"][n]["name"] for n in record["wanted"]} == {"x"}


@pytest.mark.parametrize(("claim", "code"), [("W=[[10,20]]", 0), ("W=[[5,10]]", 1)])
def test_claims_end_with_an_exit_code(inside, claim, code):
    done = inside(*SQUARE, "--claim", claim)
    assert done.code == code
    assert ("a factor of 2 is missing" in done.out) == bool(code)
    judged = json.loads(inside(*SQUARE, "--claim", claim, "--json").out)
    assert judged["ok"] is not bool(code)


@pytest.mark.parametrize(
    ("claim", "code"), [("W=2*outer(W @ x, x) x=sum(W @ x, dim=-1)*2*W.T@[1]", 2),
                        ("W=2*outer(W @ x, x)", 0), ("W=sum(x, dim=-1)*outer(W @ x, x)", 1),
                        ("W=2*y", 2)],
)  # fmt: skip
def test_claims_may_be_formulas_of_the_values(inside, claim, code):
    assert inside(*SQUARE, "--claim", claim).code == code


@pytest.mark.parametrize("command", ["check", "gradcheck", "explain", "show"])
def test_examples_stand_on_lines_of_their_own(inside, command):
    lines = inside(command, "--help").out.splitlines()
    assert any(line.strip() == "Examples" for line in lines)


def test_without_a_claim_the_own_gradient_is_checked(inside):
    done = inside("check", "tanh(x) / x", "--at", "x=[1,2]", "--order", "2")
    assert done.code == 0
    assert "agree" in done.out


@pytest.mark.parametrize(
    ("formula", "at", "message"),
    [
        ("__import__('os')", "x=1", "there is no function '__import__'"),
        ("tanf(x)", "x=1", "did you mean 'tanh'?"),
        ("x * y", "x=1", "y has no value"),
        ("x.real", "x=1", "not 'x.real'"),
        ("x +", "x=1", "is not a formula"),
        ("x", "x=os", "is not a number or a list of numbers"),
        ("x", "3", "does not give values"),
        ("-" * 5000 + "x", "x=1", "is not a formula"),
        ("softmax(x, dim='a')", "x=[1,2]", "softmax cannot be called like this"),
    ],
)
def test_bad_formulas_are_refused(inside, formula, at, message):
    done = inside("explain", "--at", at, "--", formula)
    assert done.code in {1, 2}
    assert message in done.err
    assert "Traceback" not in done.err


def test_a_trained_run_is_checked(inside):
    small = ("width=8", "layers=1", "heads=2", "context=8", "sample_length=0", "baseline=false")
    options = [part for s in small for part in ("--set", s)]
    assert inside("train", "--steps", "2", *options).code == 0
    done = inside("gradcheck", "--budget", "20")
    assert done.code == 0, done.err
    assert "GPT: analytic and numeric gradients agree" in done.out
