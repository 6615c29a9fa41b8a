"""The parts of the campaign, in the order in which they run. A new one is added to this list."""

from __future__ import annotations

from tests.campaign.hostile_files import HostileFiles
from tests.campaign.part import Part

PARTS: list[Part] = [HostileFiles()]
