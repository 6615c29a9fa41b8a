"""`pytest tests/compiler --update-golden` writes the golden texts again."""

from __future__ import annotations

from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("chainrule").addoption(
        "--update-golden", action="store_true", help="write what is printed now as what is right"
    )


@pytest.fixture
def golden(request: pytest.FixtureRequest):
    """`golden(name, text)` compares a text with the file of that name."""

    def compare(name: str, text: str) -> None:
        path = GOLDEN / f"{name}.txt"
        if request.config.getoption("--update-golden", default=False):
            path.parent.mkdir(exist_ok=True)
            path.write_text(text + "\n", encoding="utf-8")
        assert text + "\n" == path.read_text(encoding="utf-8"), (
            f"{path.name} says something else; if the new text is right, run "
            "pytest tests/compiler --update-golden and read the difference"
        )

    return compare
