"""What the emulator refuses although hardware would not notice: races between partitions.

The sequencer checks no addresses: where a wait is missing, a partition reads bytes while another
one writes them, and gets old ones, new ones, or some of each. The emulator's registers show what
hardware's would; the error comes from its `wait`.
"""

from __future__ import annotations

from collections.abc import Iterator

from fpga_rt.contract.command import Segment, split_address
from fpga_rt.contract.submission import Submission
from fpga_rt.device.batching import Schedule, is_separable
from fpga_rt.device.conflicts import Place, Shared, Use, shared_bytes, simultaneous


def find_race(schedule: Schedule, submission: Submission) -> str | None:
    """Describe a race of a program whose addresses are all good, None if it has none.

    Args:
        schedule: the commands and when they run.
        submission: where their segments lie.
    """
    # Where segments and iterations are apart, as they are unless something is wrong, the answer
    # is the same wherever they lie.
    regular = is_separable(schedule, submission, 1, private=False)
    found = _regular(schedule, submission) if regular else _anywhere(schedule, submission)
    return next((_text(schedule, *race) for race in found), None)


def _regular(schedule: Schedule, submission: Submission) -> Iterator[tuple[Use, Use, Shared, str]]:
    for a, b, shared in schedule.races:
        number, offset = split_address(shared.address)
        segment = Segment(number)
        if (b.iteration - a.iteration) % submission.segments[segment].depth == 0:
            yield a, b, shared, f"from offset {offset} of {segment.name} on"


def _anywhere(schedule: Schedule, submission: Submission) -> Iterator[tuple[Use, Use, Shared, str]]:
    def place(iteration: int) -> Place:
        def at(address: int) -> int:
            segment, offset = split_address(address)
            return submission.segments[Segment(segment)].at(iteration) + offset

        return at

    for p, q, rows in simultaneous(schedule.timeline):
        for i, k, j, m in rows.tolist():
            a, b = Use(p, k, i), Use(q, m, j)
            fields = (schedule.commands[p][k], schedule.commands[q][m])
            for shared in shared_bytes(*fields, place(i), place(j)):
                yield a, b, shared, f"from address {shared.address:#x} on"


def _text(schedule: Schedule, a: Use, b: Use, shared: Shared, where: str) -> str:
    writer, other = (a, b) if shared.writer == 0 else (b, a)
    return (
        f"race: {_named(schedule, writer)} writes its output while {_named(schedule, other)} uses"
        f" its {shared.operand}, {shared.size_bytes} bytes {where} are the same; let the later one"
        " wait for the other"
    )


def _named(schedule: Schedule, use: Use) -> str:
    start, end = (
        int(times[use.partition][use.iteration, use.command])
        for times in (schedule.timeline.start, schedule.timeline.end)
    )
    return (
        f"partition {use.partition} command {use.command}"
        f" (iteration {use.iteration}, cycles {start}..{end})"
    )
