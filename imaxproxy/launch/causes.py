"""Lines of engines' logs that say why they died, and what to do about it: those that several engines share."""

ADVICE_FLAG = "the engine does not know {1}: take it out of engine.flags, or use another version"
ADVICE_VALUE = "the engine refuses the flag {1}: mend it in engine.flags"
ADVICE_PORT = "the port is taken: choose another with --port"
ADVICE_KV = "no memory is left for the KV cache: raise limits.memory_fraction, or split over more GPUs"
ADVICE_MEMORY = "the GPU's memory is full: lower limits.memory_fraction or limits.max_num_seqs, or split over more GPUs"
ADVICE_GPUS = "fewer GPUs are here than the recipe wants: lower parallel.tp"

ARGPARSE = (
    (r"error: unrecognized arguments: (.*)", ADVICE_FLAG),
    (r"error: argument (.*)", ADVICE_VALUE),
)
"""Python's own command-line parser."""

PORT = ((r"\[Errno 98\]|[Aa]ddress already in use", ADVICE_PORT),)

CUDA = (
    (r"CUDA out of memory|OutOfMemoryError|out of memory", ADVICE_MEMORY),
    (r"invalid device ordinal|No CUDA GPUs are available", ADVICE_GPUS),
    (r"CUDA driver version is insufficient", "the GPU driver is older than the engine's CUDA: update the driver"),
)

HUB = (
    (
        r"GatedRepoError|Access to model .* is restricted|gated repo",
        "the model is gated: accept its licence on huggingface.co, then `hf auth login`",
    ),
    (
        r"RepositoryNotFoundError|HFValidationError|is not a local folder and is not a valid model",
        "there is no such model: mend model or model_path",
    ),
    (
        r"LocalEntryNotFoundError|OfflineModeIsEnabled|couldn't connect to 'https://huggingface",
        "the model is not in the Hugging Face cache, and the hub cannot be asked: `hf download MODEL` first",
    ),
)
"""huggingface_hub and transformers."""
