"""The worker, and the faults compiled for it."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.indexing import Worker


@pytest.fixture(scope="session")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled failing_files.c. Skips without a C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("no C compiler (cc): operations on files cannot be made to fail one by one")
    library = tmp_path_factory.mktemp("faults") / "failing_files.so"
    source = Path(__file__).with_name("failing_files.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl", "-lpthread"], check=True)
    return library


@pytest.fixture(scope="module")
def worker(faults: Path) -> Iterator[Worker]:
    """A worker whose operations on files can be made to fail."""
    with Worker(faults) as started:
        yield started
