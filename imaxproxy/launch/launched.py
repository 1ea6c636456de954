"""A real engine for as long as a command runs: started from its plan, watched to the end, stopped."""

import os
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Self

from imaxproxy.errors import UsageError
from imaxproxy.launch.common_failures import COMMON_FAILURES, KILLED_ADVICE
from imaxproxy.launch.death import Death
from imaxproxy.launch.engine import Engine, Plan
from imaxproxy.launch.engine_log import LogReader, Progress, diagnose
from imaxproxy.launch.environment import for_engines
from imaxproxy.launch.first_token import Door, RefusedError, first_token_s, names_model, page, warm_up
from imaxproxy.launch.port import check_port
from imaxproxy.launch.process import EngineError, EngineProcess

WARMUP_ROUNDS = (4, 4)
"""Streams at once, round by round."""
WARMUP_TIMEOUT_S = 600.0  # of one request: the first ones compile
_LOG_EVERY_S = 0.1
_ORPHANS_S = 2.0
_LOADED_SHARE = 0.9  # of a start; then come the first token and the warm-up
MARK = "IMAXPROXY_ENGINE"
"""Environment variable of every process of a launched engine: which one it belongs to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """All that is decided before an engine starts."""

    name: str
    """The recipe's, for people."""
    engine: Engine
    plan: Plan
    door: Door
    is_head: bool = True
    """It serves at its door. If not, it is a node's part of an engine that spans several: it runs, and is watched."""
    log_dir: Path
    ready_timeout_s: float
    stop_s: float | None = None
    """From SIGTERM to SIGKILL, if not the engine's own."""
    warmup_rounds: tuple[int, ...] = WARMUP_ROUNDS

    def environment(self, ours: Mapping[str, str], process_env: Mapping[str, str]) -> dict[str, str]:
        """Ours without what speaks to our own interpreter, with the name of the engine that a process belongs to, and
        what the engine and the recipe want."""
        return {**for_engines(ours), MARK: self.name, **process_env}

    def log_of(self, process_name: str) -> Path:
        return self.log_dir / f"{process_name}.log"


@dataclass(frozen=True, slots=True)
class StartTimes:
    """What a start took, in seconds."""

    ready_s: float
    """Until its page told that it serves."""
    first_token_s: float
    """Of the first request after that: compiling included."""
    warmup_s: float

    def as_dict(self) -> dict[str, float]:
        return {name: round(getattr(self, name), 3) for name in ("ready_s", "first_token_s", "warmup_s")}


Show = Callable[[float, str], None]
"""Hears of milestones: the share of the start that is done, and what is going on."""


@dataclass(slots=True)
class _News:
    """What the thread that waits is told."""

    death: Death | None = None
    answer: Any = None
    error: BaseException | None = None


@dataclass
class LaunchedEngine:
    """One engine, all its processes.

        with LaunchedEngine(launch, show=bar.update) as engine:
            ...  # engine.url; engine.on_death hears of its end
            engine.check()  # raises EngineError when it has died

    Starts in `__enter__`, and a head serves when that returns: raises UsageError for what the user can mend before
    anything ran (port, program), EngineError with the engine's own last words and what to do about them.
    """

    launch: Launch
    show: Show = lambda share, says: None
    on_death: Callable[[Death], None] = lambda death: None
    """Called once, from a thread, within milliseconds of the end of any of the engine's processes."""
    times: StartTimes | None = None
    death: Death | None = None
    processes: list[EngineProcess] = field(default_factory=list)
    _news: "SimpleQueue[_News]" = field(default_factory=SimpleQueue)
    _progress: Progress = field(init=False)
    _logs: list[LogReader] = field(init=False)
    _stopping: bool = False
    _lock: Any = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self._progress = Progress(self.launch.engine.milestones)
        self._logs = [LogReader(self.launch.log_of(process.name)) for process in self.launch.plan.processes]

    def __repr__(self) -> str:
        state = str(self.death) if self.death else "ready" if self.times else self._progress.says
        return f"<LaunchedEngine {self.launch.name} {self.url}, {state}>"

    @property
    def url(self) -> str:
        """The server's root."""
        door = self.launch.door
        return f"http://{f'[{door.host}]' if ':' in door.host else door.host}:{door.port}"

    def __enter__(self) -> Self:
        try:
            self.times = self._start()
        except BaseException:  # also Ctrl-C: raised again when nothing of it is left
            self.stop()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def check(self) -> None:
        """Raises EngineError when the engine has died."""
        if self.death is not None:
            raise EngineError(self.explain(f"died: {self.death}"))

    @property
    def stands(self) -> tuple[float, str]:
        """How far the start has come, 0 to 1, and what that is called."""
        if not self.launch.is_head:  # nobody else reads what it prints
            self._read_logs()
        return self._progress.share, self._progress.says

    def watch_parts(self) -> None:
        """From now on the end of an inner process is the engine's. Before all are up, the engine itself says best what
        went wrong."""
        for process in self.processes:
            process.watch(self.launch.engine.parts)

    def give_up(self, why: str) -> None:
        """From another thread: whoever waits for the start gets an EngineError that says why."""
        self._news.put(_News(error=EngineError(why)))

    def stop(self) -> None:
        """SIGTERM to all, SIGKILL by the deadline; returns when nothing is left. Close your streams first: engines
        wait for them, or break them off."""
        self._stopping = True
        grace_s = self.launch.stop_s if self.launch.stop_s is not None else self.launch.engine.stopping.grace_s
        for process in self.processes:
            process.ask_stop(grace_s)
        for process in self.processes:
            process.stop(grace_s)

    def explain(self, what: str) -> str:
        """What happened, the engine's last words, what to do, where to read on."""
        logs = [self.launch.log_of(process.name) for process in self.launch.plan.processes]
        return f"{self.launch.engine.name} of recipe {self.launch.name} {what}. {self.last_words()}. Log: {logs[-1]}"

    def last_words(self) -> str:
        """What it said last, as far as it tells why it ended, and what to do about that."""
        logs = [self.launch.log_of(process.name) for process in self.launch.plan.processes]
        found = diagnose(logs, (*self.launch.engine.failures, *COMMON_FAILURES))
        advice = found.advice
        if advice is None and self.death is not None and self.death.code in (None, -signal.SIGKILL):
            advice = KILLED_ADVICE
        said = " | ".join(found.errors) or "nothing"
        then = f". To mend it: {advice}" if advice else ""
        return f"It said: {said}{then}"

    # The start -------------------------------------------------------------------------------------------------------

    def _start(self) -> StartTimes | None:
        """None for what is no head."""
        launch = self.launch
        check_port(launch.door.host, launch.door.port)
        for folder in (launch.log_dir, *launch.plan.folders):
            folder.mkdir(parents=True, exist_ok=True)
        for path, text in launch.plan.files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        started_s = time.monotonic()
        self._start_processes()
        if not launch.is_head:
            return None
        self._wait_ready(started_s + launch.ready_timeout_s)
        self.watch_parts()
        ready_s = time.monotonic() - started_s
        self.show(_LOADED_SHARE, "serves; first token")
        left_s = started_s + launch.ready_timeout_s - time.monotonic()
        first_s = self._first_token(left_s)
        self.show(0.95, "warming up")
        warming_s = time.monotonic()
        self._warm_up()
        self.show(1.0, "ready")
        return StartTimes(ready_s, first_s, time.monotonic() - warming_s)

    def _start_processes(self) -> None:
        for planned in self.launch.plan.processes:
            env = self.launch.environment(os.environ, planned.env)
            log = self.launch.log_of(planned.name)
            process = EngineProcess(planned.name, list(planned.argv), env, log, self._on_exit)
            self.processes.append(process)
            process.start()

    def _on_exit(self, process: EngineProcess) -> None:
        """From a process's thread. The first end is the cause; the others may follow from it."""
        with self._lock:
            if self._stopping or self.death is not None:
                return
            part = process.lost if process.code is None else None
            self.death = Death(process.role, process.code, time.monotonic(), part)
        for other in self.processes:  # a frontend whose workers died holds its streams open for ever
            if other.runs:
                other.ask_stop(_ORPHANS_S)
        self._news.put(_News(death=self.death))
        self.on_death(self.death)

    def _wait_ready(self, until_s: float) -> None:
        readiness = self.launch.engine.readiness
        ask_at_s = 0.0
        answering = False
        while True:
            now_s = time.monotonic()
            if now_s > until_s:
                took_s = self.launch.ready_timeout_s
                raise EngineError(self.explain(f"was not ready after {took_s:g} s (last seen: {self._progress.says})"))
            if not answering and now_s >= ask_at_s:
                answering = True
                self._in_thread(lambda: page(self.launch.door, readiness.path, readiness.timeout_s))
            news = self._next_news(_LOG_EVERY_S)
            if self._read_logs():
                self.show(_LOADED_SHARE * self._progress.share, self._progress.says)
            if news is not None:
                answering, ask_at_s = False, time.monotonic() + readiness.every_s
                if news.answer is not None and (not readiness.lists_model or names_model(news.answer)):
                    return

    def _read_logs(self) -> bool:
        """True when there is news."""
        return self._progress.read([line for log in self._logs for line in log.lines()])

    def _first_token(self, left_s: float) -> float:
        self._in_thread(lambda: first_token_s(self.launch.door, left_s))
        taken_s: float = self._answer("serves, and gives no token", left_s)
        return taken_s

    def _warm_up(self) -> None:
        if self.launch.warmup_rounds:
            self._in_thread(lambda: warm_up(self.launch.door, self.launch.warmup_rounds, WARMUP_TIMEOUT_S))
            self._answer("did not get through its warm-up", WARMUP_TIMEOUT_S)

    def _answer(self, what: str, left_s: float) -> Any:  # noqa: ANN401 (what the thread's function gave)
        """The thread's result. Raises EngineError for its failure, with `what`."""
        news = self._next_news(left_s + 1.0)
        if news is None:
            raise EngineError(self.explain(f"{what}: silent for {left_s:.0f} s"))
        if isinstance(news.error, (RefusedError, OSError)):
            raise EngineError(self.explain(f"{what}: {news.error}"))
        if news.error is not None:
            raise news.error
        return news.answer

    def _next_news(self, timeout_s: float) -> _News | None:
        """None when there is none in time. Raises EngineError at a death, whatever else is waited for."""
        try:
            news = self._news.get(timeout=timeout_s)
        except Empty:
            return None
        if isinstance(news.error, EngineError):  # given up
            raise news.error
        if news.death is not None:
            code = news.death.code
            raised = UsageError if code == UsageError.exit_code and not self.times else EngineError
            raise raised(self.explain(f"{news.death} before it was ready"))
        return news

    def _in_thread(self, ask: Callable[[], Any]) -> None:
        """Ask without waiting, so that a death is heard meanwhile."""

        def run() -> None:
            try:
                self._news.put(_News(answer=ask()))
            except BaseException as error:  # raised again by whoever takes it from the queue
                self._news.put(_News(error=error))

        threading.Thread(target=run, daemon=True).start()
