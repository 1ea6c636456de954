"""Why engines die at their start, in words that are the same for several: from PyTorch, Hugging Face and the system."""

from imaxproxy.launch.engine import failures

COMMON_FAILURES = failures(
    (
        r"(?i:unrecognized arguments?|no such option|unknown arguments? specified|(?:unknown|invalid) argument)"
        r":? *(.*)",
        "the engine does not know {1}: take it out of the recipe's [engine.flags], or correct it (`imaxproxy engine "
        "check --flags` looks it up)",
    ),
    (
        r"argument ([^:]+): (invalid \w+ value|invalid choice|expected .*)",
        "mend {1} in the recipe's [engine.flags]: the engine says what it takes",
    ),
    (
        r"GatedRepoError|gated repo|Access to model \S+ is restricted|awaiting a review from the repo authors",
        "the model is gated: accept its licence on its Hugging Face page and set HF_TOKEN, or give a local folder as "
        "the recipe's model_path, or start with --dummy-weights",
    ),
    (
        r"RepositoryNotFoundError|401 Client Error",
        "Hugging Face knows no such model, or it is private: check the recipe's model, set HF_TOKEN, or give a local "
        "folder as model_path",
    ),
    (
        r"LocalEntryNotFoundError|OfflineModeIsEnabled|couldn't connect to '?https://huggingface"
        r"|offline mode is enabled",
        "the model is not on this machine and cannot be fetched: give a local folder as the recipe's model_path, or "
        "fetch it first (`hf download MODEL`)",
    ),
    (
        r"Repo id must|HFValidationError|Incorrect path_or_model_id|not a (?:valid model identifier|local folder)"
        r"|does not appear to have a file named|No such file or directory: '([^']*config\.json)"
        r"|Model snapshots for '.*' not found in cache"
        r"|Can't load (?:the configuration|tokenizer|config)|(?i:failed to open|invalid magic).*(?i:gguf)",
        "there is no model where the recipe says: correct its model or model_path",
    ),
    (
        r"(?i:address already in use)|Errno 98|couldn't bind|EADDRINUSE",
        "the port was taken while the engine started: stop what listens there, or choose another",
    ),
    (
        r"must be divisible by (?:the )?tensor[ _-]parallel|not divisible by (?:tp_size|tensor|the number of)"
        r"|is not divisible by tp",
        "the model's heads do not split over so many GPUs: choose a tp in the recipe's [parallel] that divides them",
    ),
    (
        r"World size \(?\d*\)? ?is larger than|invalid device ordinal|larger than the number of available GPUs"
        r"|\d+ GPUs? (?:are|is) (?:required|needed)|gpus_per_node\W+\d+\W+(?:must|is|should|cannot)|not enough GPUs",
        "the engine sees fewer GPUs than the recipe splits the model over: check [parallel], gpu.count and "
        "--engine-gpus against `nvidia-smi -L`",
    ),
    (
        r"No CUDA GPUs are available|Found no NVIDIA driver|libcuda\.so\.1|CUDA driver version is insufficient"
        r"|no CUDA-capable device|Failed to infer device type",
        "the engine finds no GPU that it can use: is the driver loaded and new enough (`nvidia-smi`)?",
    ),
    (
        r"No available memory for the cache blocks|KV cache is needed, which is larger than|larger than the available"
        r" KV cache memory|Not enough memory\. Please try to increase|exceeds the maximum number of tokens that can be"
        r" stored in KV cache",
        "no room is left for the KV cache: raise the recipe's limits.memory_fraction, lower limits.max_model_len, or "
        "split the model over more GPUs",
    ),
    (
        r"CUDA out of memory|OutOfMemoryError|out of memory|cudaErrorMemoryAllocation|hipErrorOutOfMemory"
        r"|Cannot allocate memory|std::bad_alloc|DefaultCPUAllocator: can't allocate|MemoryError|cudaMalloc failed"
        r"|failed to allocate (?:\w+ )?buffer",
        "there is not memory enough: stop what else holds it (`nvidia-smi`), lower the recipe's limits "
        "(max_model_len, max_num_seqs), or split the model over more GPUs",
    ),
    (
        r"Capture cuda graph failed: (.*)",
        "its CUDA graphs could not be captured; if the cause is memory, lower the recipe's limits.memory_fraction or "
        "limits.max_num_seqs, else it is a kernel that this installation lacks",
    ),
    (
        r"No module named '?([\w.]+)",
        "{1} is missing in the engine's environment: install the engine anew there, or name another with --engine-env",
    ),
)

KILLED_ADVICE = (
    "something killed it; if that was the kernel for want of memory (`dmesg | tail`), lower the recipe's limits or its "
    "weights' precision, or give it more memory"
)
