import json
import subprocess
import sys

import pytest

from imaxproxy.launch.argv import flag_argv, left_out, limits_as_flags, shell_form
from tests.launch.plans import recipe


def test_values_become_words() -> None:
    flags = {"a": 1, "b": 0.9, "c": "x y", "d": True, "e": False, "f": {"k": [1]}, "g": ["p", 2], "h": [{"k": 1}]}
    assert flag_argv(flags) == [
        *("--a", "1", "--b", "0.9", "--c", "x y", "--d", "--no-e"),
        *("--f", '{"k":[1]}', "--g", "p", "2", "--h", '[{"k":1}]'),
    ]
    assert flag_argv({"e": False}, left_out) == []


def test_a_limit_is_said_in_the_engines_words() -> None:
    assert limits_as_flags(recipe("deepseek-r1-fp8-h200-sglang"))["disable-radix-cache"] is True
    assert limits_as_flags(recipe("gpt-oss-120b-b200-trtllm")) == {"max_batch_size": 512, "max_num_tokens": 20000}


@pytest.mark.parametrize("env", [{}, {"A": "", "B": "two words", "C": """'"$HOME\\"""}])
def test_a_shell_reads_back_the_very_words(env: dict[str, str]) -> None:
    echo = "import json, os, sys; print(json.dumps([sys.argv[1:], {k: os.environ.get(k) for k in 'ABC'}]))"
    words = ["--json", '{"a": "b c"}', "--quote", "it's", "--line", "a\nb", "--dollar", "$HOME `id`", "", "*"]
    text = shell_form([sys.executable, "-c", echo, *words], env)
    said = subprocess.run(["sh", "-c", text], capture_output=True, check=True, env={"HOME": "/nowhere"}, timeout=30)
    assert json.loads(said.stdout) == [words, {name: env.get(name) for name in "ABC"}]
