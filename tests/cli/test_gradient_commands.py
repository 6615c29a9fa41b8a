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
    ("claim", "code"), [("W=2*outer(W @ x, x) x=sum(W @ x, dim=-1)*2*W.T@[1]", 0),
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


def str_of(count):
    return f"x={[1] * count}"


@pytest.mark.parametrize(
    ("formula", "at", "message"),
    [
        ("__import__('os')", "x=1", "there is no function '__import__'"),
        ("tanf(x)", "x=1", "did you mean 'tan'?"),
        ("x * y", "x=1", "y has no value"),
        ("x.real", "x=1", "no attribute .real, only .T"),
        ("x.__class__", "x=1", "no attribute .__class__, only .T"),
        ("x^2", "x=3", "a power is written **, not ^: x**2"),
        ("2x + 1", "x=3", "write 2*x + 1"),
        ("2(x + 1)", "x=3", "2*(x + 1)"),
        ("x(y + 1)", "x=3 y=1", "a product is written x*(y + 1)"),
        ("|x|", "x=3", "write abs(x)"),
        ("√x", "x=3", "write sqrt(x)"),
        ("Y * 2", "y=3", "but y has"),
        ("a + b + c", "a=1", "--at 'b=… c=…'"),
        ("sigmoid", "x=1", "write sigmoid(x)"),
        ("3", "x=1", "has no name"),
        ("2 * pi", "x=1", "has no name"),
        ("9**9**9 * x", "x=1", "overflows"),
        ("x ** 9**9**9", "x=1", "overflows"),
        ("x / (1 - 1) + 1/0", "x=1", "divided by 0"),
        ("x > 0", "x=1", "has no gradient"),
        ("x[5]", "x=[1,2]", "index 5 is outside axis 0"),
        ("x['a']", "x=[1,2]", "an index is an integer"),
        ("W @ x", "W=[[1,2]] x=[1,2,3]", "the inner sizes 2 and 3 must be equal"),
        ("cross_entropy(z, y)", "z=[[1,2,3]] y=[5]", "outside 0 to 2"),
        ("x", "x=[[1,2],[3]]", "rows all have equal length"),
        ("x", "x=1e400", "beyond the largest float64"),
        ("x[:, None, None] * x[:, None] * x", str_of(1000), "entries; at most"),
        ("x", str_of(10_001), "takes up to 10,000"),
        ("x if x else x", "x=1", "a formula has numbers"),
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


@pytest.mark.parametrize(
    ("formula", "at", "claim"),
    [
        ("-x", "x=3", "x=-1"),
        ("-log(softmax(z)[0])", "z=[1,2]", "z=[-0.7310585786300049,0.7310585786300049]"),
        ("cross_entropy(z, y)", "z=[[1,2,3]] y=[2]", "z=softmax(z)-[[0,0,1]]"),
        ("norm(x)", "x=[3,4]", "x=x/norm(x)"),
        ("max(a, b)", "a=1 b=2", "a=0 b=1"),
        ("sum(max(x, 0))", "x=[-1,2]", "x=[0,1]"),
        ("min(x)", "x=[-1,2]", "x=[1,0]"),
        ("ln(x)", "x=2", "x=1/x"),
        ("sin(pi * x)", "x=2", "x=pi"),
        ("e ** x", "x=1", "x=e"),
        ("e * x", "x=2 e=3", "x=3 e=2"),
        ("z[2]", "z=[1,2,3]", "z=[0,0,1]"),
        ("W[0, 1:] @ x", "W=[[1,2,3]] x=[1,2]", "W=[[0,1,2]] x=[2,3]"),
        ("sum(where(x > 0, x, 0.1*x))", "x=[-1,2]", "x=[0.1,1]"),
        ("sum((x > 0) * x)", "x=[-1,2]", "x=[0,1]"),
        ("pow(x, 3) + x²", "x=2", "x=3*x**2+2*x"),
        ("tan(x) + arctan(x)", "x=0", "x=2"),
        ("relu(x)", "x=0", "x=1"),
        ("det(A)", "A=[[1,2],[3,4]]", "A=[[4,-3],[-2,1]]"),
        ("+x − 2·x", "x=1", "x=-1"),
    ],
)
def test_formulas_of_the_first_day(inside, formula, at, claim):
    done = inside("check", formula, "--at", at, "--claim", claim)
    assert done.code == 0, done.out + done.err


def test_a_formula_may_begin_with_a_minus_and_options_are_still_known(inside):
    assert inside("check", "--at", "x=1", "-x", "--claim", "x=-1").code == 0
    assert "No such option" in inside("check", "x", "--clam", "x=1", "--at", "x=1").err
    assert "Usage" in inside("explain", "-h").out


@pytest.mark.parametrize(
    ("formula", "at", "message"),
    [
        ("exp(x)", "x=1000", "exp of 1000 overflows"),
        ("log(x)", "x=0", "log of 0 is infinite"),
        ("sqrt(x)", "x=-1", "sqrt of -1 is not a number"),
        ("x / 0", "x=1", "div of 1 and 0 is infinite"),
    ],
)
def test_where_a_number_ends_is_said(inside, formula, at, message):
    for command in ("explain", "check"):
        done = inside(command, formula, "--at", at)
        assert done.code == 1
        assert message in done.err


def test_what_was_summed_is_said_and_inputs_have_names(inside):
    said = inside("check", "tanh(x)", "--at", "x=[1,2]").out
    assert "x[" in said
    assert "input 0" not in said
    assert "tanh(x) is not one number but [2]: its sum was differentiated" in said


def test_findings_have_no_line_of_the_package(inside):
    done = inside("check", "sigmoid(x)", "--at", "x=1", "--claim", "x=sigmoid(x)", "--json")
    (finding,) = json.loads(done.out)["findings"]
    assert finding["code"] == "output-for-derivative"
    assert finding["source"] == ""
    assert ".py" not in done.out


def test_a_use_that_was_left_out_is_none_of_the_command_line(inside):
    done = inside("check", "sum(x*x + x)", "--at", "x=[1,2]", "--claim", "x=2*x")
    assert "missing is that of use 3" in done.out
    assert ".py" not in done.out


def test_a_claim_may_begin_with_a_list(inside):
    at = ("--at", "z=[1,2,3]")
    done = inside("check", "-log(softmax(z)[1])", *at, "--claim", "z=[0,1,0]-softmax(z)")
    assert done.code == 1
    assert "the sign is reversed" in done.out
    refused = inside("check", "sum(z)", *at, "--claim", "z=[[1,2],[3]]")
    assert (refused.code, "rows all have equal length" in refused.err) == (2, True)
