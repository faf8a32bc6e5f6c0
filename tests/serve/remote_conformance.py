"""What every device must get right, of a board behind PYNQ's own client; run in its environment.

`PYNQ_OVERLAY` names the .bit of the overlay.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from remote_board import RemoteBoard

from fpga_rt.device.interface import Device
from tests.conformance.test_controller import *  # noqa: F403 - its tests are run here
from tests.conformance.test_device import *  # noqa: F403 - its tests are run here


@pytest.fixture
def device() -> Iterator[Device]:
    with RemoteBoard("pynq-z2", Path(os.environ["PYNQ_OVERLAY"])) as opened:
        yield opened
