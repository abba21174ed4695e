"""One thread for the mathematics tests.

The reference loop makes tens of thousands of tiny factorisations. Where other processes share the cores,
torch's threads wait for each other in every one of them, for a time slice of the scheduler.
"""

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True, scope="package")
def single_thread() -> Iterator[None]:
    """Run torch on one thread, and restore the number of threads afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
