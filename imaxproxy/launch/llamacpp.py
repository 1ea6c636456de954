"""llama.cpp: `llama-server`, a program of its own. As seen with the sources that llama-cpp-python 0.3.36 carries."""

from imaxproxy.launch.argv import common_env, flag_argv, limits_as_flags, refuse, wants_dummy
from imaxproxy.launch.engine import (
    Engine,
    MetricsPage,
    Place,
    Plan,
    Process,
    Readiness,
    Stopping,
    failures,
    milestones,
)
from imaxproxy.launch.recipe import Recipe


def _plan(recipe: Recipe, place: Place) -> Plan:
    if wants_dummy(recipe, place.dummy_weights):
        raise refuse(recipe, "weights", "llama-server loads a GGUF file and knows no random weights")
    if recipe.parallel.tp * recipe.parallel.dp * recipe.parallel.pp > 1 or recipe.disaggregated:
        raise refuse(recipe, "parallel", "llama-server splits by its own flags: engine.flags split-mode, tensor-split")
    if recipe.speculation:
        raise refuse(
            recipe, "speculation", "say it by llama-server's own flags: engine.flags spec-draft-model, spec-draft-n-max"
        )
    flags = limits_as_flags(recipe)
    if recipe.limits.max_model_len:  # its context is shared by all slots
        flags["ctx-size"] = recipe.limits.max_model_len * (recipe.limits.max_num_seqs or 1)
    if recipe.limits.kv_cache_dtype:
        flags["cache-type-v"] = recipe.limits.kv_cache_dtype
    argv = [
        *(str(place.bin / "llama-server"), *_model(recipe), "--alias", recipe.client_name),
        *("--host", place.host, "--port", str(place.port)),
        *flag_argv(flags | recipe.engine.flags),
    ]
    env = {**common_env(recipe, place.gpus), **recipe.engine.env}
    return Plan(processes=(Process(name="server", argv=tuple(argv), env=env),))


def _model(recipe: Recipe) -> list[str]:
    """A GGUF file, or a repository of them on Hugging Face."""
    return ["--model", recipe.load_from] if recipe.model_path else ["--hf-repo", recipe.model]


LLAMACPP = Engine(
    name="llamacpp",
    package="llama-server",
    plan=_plan,
    readiness=Readiness(path="/health", lists_model=False),  # 503 "Loading model" until the model is there
    milestones=milestones(
        (r"loading model", "loading weights", 0.2),
        (r"initializing, n_slots", "KV cache allocated", 0.8),
        (r"model loaded", "weights loaded", 0.9),
        (r"listening on http", "serving", 1.0),
    ),
    failures=failures(  # of its own; what several engines say is in common_failures.py
        (r"failed to open GGUF file '?([^']*)'?", "there is no GGUF file {1}: mend model_path"),
        (
            r"error loading model: llama_model_loader: failed to load model from (.*)",
            "{1} is no whole GGUF file that this build reads: fetch it again, or take a newer llama-server",
        ),
    ),
    metrics=MetricsPage(
        running="llamacpp:requests_processing",
        waiting="llamacpp:requests_deferred",
        prompt_tokens="llamacpp:prompt_tokens_total",
        output_tokens="llamacpp:tokens_predicted_total",
        prefix_hits_tokens="llamacpp:prompt_tokens_cached_total",
        drafts="llamacpp:spec_decode_num_drafts_total",
        draft_tokens="llamacpp:spec_decode_num_draft_tokens_total",
        accepted_tokens="llamacpp:spec_decode_num_accepted_tokens_total",
    ),
    stopping=Stopping(grace_s=5.0),
)
