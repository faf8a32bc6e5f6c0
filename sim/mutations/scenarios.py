"""What a swap has to do, and what it must survive: each scenario on a board fresh from reset.

A scenario is a function of a `Rig`; what it shows is what the rig wrote down, with times. They are
about the behaviour that `contract.static_region` and `contract.boundary` promise, but judge nothing
themselves: what a right swap must not do is in `properties`.
"""

from __future__ import annotations

from collections.abc import Callable

from sim.mutations import loads, swaps, traffic
from sim.mutations.bad_streams import BAD_STREAMS
from sim.mutations.rig import Rig

SCENARIOS: tuple[Callable[[Rig], None], ...] = (
    swaps.good_swap,
    swaps.identity,
    swaps.states,
    swaps.a_word_too_early,
    swaps.region_reset_after_a_load,
    swaps.programs_need_an_active_partition,
    swaps.the_controller_has_the_word,
    traffic.decouple_in_traffic,
    traffic.garbage_does_not_cross,
    traffic.back_pressure,
    loads.crc_error,
    traffic.commands_without_parameters,
    traffic.a_module_that_takes_nothing,
    traffic.a_module_that_leaves_a_beat,
    traffic.where_operands_lie,
    swaps.a_reset_forgets_everything,
    traffic.a_module_that_babbles_later,
    traffic.a_module_that_fails,
    traffic.a_module_that_babbles,
    traffic.decouple_against_a_slow_memory,
    loads.nothing_or_too_much_is_loading,
    loads.the_processor_has_the_port,
    loads.loading_ends_in_a_load,
    loads.two_reasons,
    loads.resets_in_a_load,
    *BAD_STREAMS,
    loads.truncated_streams,
    loads.aborted_loads,
    loads.aborted_near_the_end,
    loads.aborted_before_the_port_listens,
    loads.where_streams_lie,
    loads.slow_bitstream_memory,
    loads.long_streams,
)
"""Those that notice most in little time come first."""
