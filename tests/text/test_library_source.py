"""The standard library's source as data."""

import ast
import sys

import pytest

from chainrule.base.errors import DataError
from chainrule.text.library_source import library_source, split_files


@pytest.fixture(scope="module")
def files():
    return library_source()


def test_it_is_most_of_the_library_in_order(files):
    paths = [file.path for file in files]
    assert {"ast.py", "json/decoder.py", "unittest/mock.py"} <= set(paths)
    assert len(files) > 400
    assert [path.split("/") for path in paths] == sorted(path.split("/") for path in paths)


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="counts differ by version")
def test_its_size_in_python_3_11(files):
    assert len(files) == pytest.approx(606, abs=10)


def test_there_are_no_tests_packages_and_tables(files):
    for file in files:
        assert not {"test", "tests", "idle_test", "site-packages"} & set(file.path.split("/"))
        assert not file.path.startswith(("encodings/", "pydoc_data/", "config-"))


def test_it_is_program_text(files):
    for file in files[::25]:
        ast.parse(file.text)
        assert "\r" not in file.text


def test_a_tenth_of_the_files_is_held_out(files):
    learnt, held_out = split_files(files)
    assert sorted([*learnt, *held_out], key=files.index) == files
    assert 0.05 < len(held_out) / len(files) < 0.15
    assert "bisect.py" in {file.path for file in learnt}


def write(folder, **texts):
    for name, data in texts.items():
        (folder / f"{name}.py").write_bytes(data)
    for number in range(100):
        (folder / f"module_{number}.py").write_text("")


def test_a_coding_line_a_mark_and_line_ends_are_understood(tmp_path):
    write(
        tmp_path,
        latin=b"# coding: latin-1\r\nname = '\xe9'\r\n",
        marked="\N{ZERO WIDTH NO-BREAK SPACE}x = 'é'\n".encode(),
    )
    texts = {file.path: file.text for file in library_source(tmp_path)}
    assert texts["latin.py"] == "# coding: latin-1\nname = 'é'\n"
    assert texts["marked.py"] == "x = 'é'\n"


def test_a_file_that_cannot_be_decoded_is_named(tmp_path):
    write(tmp_path, broken=b"x = '\xff'\n")
    with pytest.raises(DataError, match=r"broken\.py.*cannot be read"):
        library_source(tmp_path)


def test_a_library_of_compiled_files_says_what_to_do(tmp_path):
    (tmp_path / "ast.pyc").write_bytes(b"")
    for folder in (tmp_path, tmp_path / "python311.zip"):
        with pytest.raises(DataError, match=r"without its source.*--data FILE"):
            library_source(folder)
