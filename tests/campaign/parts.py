"""The parts of the campaign, in the order in which they run. A new one is added to this list."""

from __future__ import annotations

from tests.campaign.faulted_runs import FaultedRuns
from tests.campaign.hostile_files import HostileFiles
from tests.campaign.many_threads import ManyThreads
from tests.campaign.part import Part
from tests.campaign.steps import Steps

PARTS: list[Part] = [Steps(), HostileFiles(), ManyThreads(), FaultedRuns()]
