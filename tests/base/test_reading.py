import os
from pathlib import Path

import pytest

from chainrule.base.reading import EndlessError, read_to_end


def test_a_device_without_an_end_is_refused_and_files_and_pipes_are_read(tmp_path):
    with pytest.raises(EndlessError):
        read_to_end(Path("/dev/zero"))
    (tmp_path / "file").write_bytes(b"text")
    assert read_to_end(tmp_path / "file") == b"text"
    end, start = os.pipe()
    os.write(start, b"piped")
    os.close(start)
    assert read_to_end(Path(f"/dev/fd/{end}")) == b"piped"
    os.close(end)
