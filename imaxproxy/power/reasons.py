"""Why an energy figure is not to be believed, or with care: codes, each with what it means and what would help."""

from enum import StrEnum


class Reason(StrEnum):
    """What makes an energy figure invalid."""

    POWER_FILE_UNREADABLE = "power_file_unreadable"
    NO_USABLE_SAMPLES = "no_usable_samples"
    SOURCE_NOT_OPENED = "source_not_opened"
    GPUS_NOT_MAPPED = "gpus_not_mapped"
    GPU_COUNT_MISMATCH = "gpu_count_mismatch"
    WINDOW_NOT_BRACKETED = "window_not_bracketed"
    WINDOW_TOO_SHORT = "window_too_short"
    SAMPLING_GAP = "sampling_gap"
    SOURCE_TOO_SLOW = "source_too_slow"
    CROSSCHECK_FAILED = "crosscheck_failed"
    COUNTER_RESET = "counter_reset"
    COUNTER_STUCK = "counter_stuck"
    CLOCK_JUMPED = "clock_jumped"
    IMPLAUSIBLE_POWER = "implausible_power"
    LIMIT_CHANGED = "limit_changed"


class Warn(StrEnum):
    """What makes an energy figure less sure, or needs to be known with it."""

    NO_COUNTER = "no_counter"
    COUNTER_RESET = "counter_reset"
    COUNTER_STUCK = "counter_stuck"
    SHORT_WINDOW = "short_window"
    CROSSCHECK_FAIR = "crosscheck_fair"
    CROSSCHECK_MISSING = "crosscheck_missing"
    INSTANT_ALIASED = "instant_aliased"
    SLOW_SOURCE = "slow_source"
    SAMPLING_GAP = "sampling_gap"
    BAD_SAMPLES = "bad_samples"
    NO_IDLE_BASELINE = "no_idle_baseline"
    IDLE_WAS_BUSY = "idle_was_busy"
    SOURCE_LOST = "source_lost"
    SAMPLER_ENDED_EARLY = "sampler_ended_early"
    FOREIGN_PROCESS = "foreign_process"
    MIG = "mig"
    MODULE_SCOPE = "module_scope"
    THROTTLED = "throttled"
    TOKENS_UNCERTAIN = "tokens_uncertain"


MEANINGS: dict[str, str] = {
    Reason.POWER_FILE_UNREADABLE: "power.jsonl is broken or of another version",
    Reason.NO_USABLE_SAMPLES: "no sample tells power or energy of a counted device",
    Reason.SOURCE_NOT_OPENED: "the power source could not be opened",
    Reason.GPUS_NOT_MAPPED: "which GPUs are the engine's is not known: say --power-devices 0,1 (or all)",
    Reason.GPU_COUNT_MISMATCH: "not as many GPUs were counted as the engine has",
    Reason.WINDOW_NOT_BRACKETED: "the samples do not reach from before the window to after it",
    Reason.WINDOW_TOO_SHORT: "under 1 s: the sensors are too slow for it",
    Reason.SAMPLING_GAP: "more than 3 s without a sample",
    Reason.SOURCE_TOO_SLOW: "watts that move more seldom than ten times a window, and no energy counter",
    Reason.CROSSCHECK_FAILED: "the counter and the integral of power differ by more than 5 %; an engine whose "
    "steps keep time with the sensor does that too",
    Reason.COUNTER_RESET: "the energy counter began again, and there are no watts to integrate instead",
    Reason.COUNTER_STUCK: "the energy counter stood still, and there are no watts to integrate instead",
    Reason.CLOCK_JUMPED: "samples' times go backwards",
    Reason.IMPLAUSIBLE_POWER: "mean power above 1.3 times the board's limit",
    Reason.LIMIT_CHANGED: "the power limit was changed during the run",
    Warn.NO_COUNTER: "no energy counter: power was integrated",
    Warn.COUNTER_RESET: "the energy counter began again: power was integrated",
    Warn.COUNTER_STUCK: "the energy counter stood still: power was integrated",
    Warn.SHORT_WINDOW: "under 5 s: mind the error bar",
    Warn.CROSSCHECK_FAIR: "the counter and the integral of power differ by 3 to 5 %",
    Warn.CROSSCHECK_MISSING: "nothing to check the energy against",
    Warn.INSTANT_ALIASED: "instant power disagrees while average power agrees: its sensor sees part of the time only",
    Warn.SLOW_SOURCE: "the source updates more seldom than ten times a window",
    Warn.SAMPLING_GAP: "more than 3 s without a sample; the counter bridges it",
    Warn.BAD_SAMPLES: "some samples were negative, no numbers, or out of order, and were left out",
    Warn.NO_IDLE_BASELINE: "no second of idle before the run: what idling costs is not known",
    Warn.IDLE_WAS_BUSY: "before the run the boards drew about as much as in it: that was no idling, and is not used",
    Warn.SOURCE_LOST: "a source or a device stopped answering during the run",
    Warn.SAMPLER_ENDED_EARLY: "the sampler did not end in order",
    Warn.FOREIGN_PROCESS: "a process that is not the engine's computed on a counted GPU",
    Warn.MIG: "a counted GPU is split (MIG): its whole board is counted",
    Warn.MODULE_SCOPE: "power of the whole superchip, not of the GPU alone",
    Warn.THROTTLED: "a counted GPU was held back by power or heat in more than 5 % of the samples",
    Warn.TOKENS_UNCERTAIN: "some answers' tokens are not known: figures a token leave them out",
}
