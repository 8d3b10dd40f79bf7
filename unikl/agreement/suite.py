"""The suite: every case through every backend, mode and dtype, against the reference."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from typing import Any

import numpy as np

from unikl.agreement import compare, controls
from unikl.agreement import runners as rooms
from unikl.agreement.cases import Case, Numbers, load
from unikl.agreement.gaps import KNOWN_GAPS
from unikl.agreement.report import Example, Report, Result
from unikl.agreement.runners import Checks, Inputs, Mode, Runner, Traits
from unikl.agreement.spread import spreads

Progress = Callable[[int, int, str], None]
Work = tuple[Runner, str, Case]

DEFAULT_BACKENDS = ("numpy", "torch", "jax", "tensorflow")
DTYPES = ("float16", "bfloat16", "float32", "float64")
EXAMPLES = (
    ("regimes/logits", "noise 1, scale 1, shift 0"),
    ("regimes/logits", "noise 0.0001, scale 6, shift 77.7"),
    ("regimes/probs", "noise 0.0001, scale 1, shift 0"),
    ("edges/probs", "zero in p, last"),
    ("edges/probs", "zero in q, last"),
    ("edges/probs", "zero in both, last"),
    ("edges/probs", "q without mass"),
)


def run(
    backends: Sequence[str] | None = None,
    dtypes: Sequence[str] | None = None,
    modes: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Run the suite's cases and report the errors, the failures and the backends' spread.

    Parameters
    ----------
    backends
        Names out of ``numpy``, ``torch``, ``jax``, ``tensorflow`` and ``strict``
        (array-api-strict); by default the first four, as far as they are installed.
    dtypes
        Names out of ``float16``, ``bfloat16``, ``float32`` and ``float64``; by default all.
    modes
        Names of modes, or ``["all"]``; by default those that run quickly.
    progress
        Called after each group with the number done, the number in all, and the group's id.

    Raises
    ------
    ValueError
        If a name is unknown, or nothing is left to run.
    ImportError
        If a backend that was asked for is not installed.

    Examples
    --------
    >>> from unikl import agreement
    >>> agreement.run(backends=["numpy"], dtypes=["float64"]).ok
    True
    """
    start = time.perf_counter()
    dtypes = known("dtype", dtypes or DTYPES, DTYPES)
    runners = [rooms.load(name) for name in installed(backends)]
    cases = [case for case in load() if case.dtype in dtypes]
    plans = [list(_plan(runner, cases, modes)) for runner in runners]
    known("mode", modes or (), ("all", *sorted({m for r in runners for m in r.MODES})))
    if not any(plans):
        raise ValueError("nothing to run: no case fits these backends, dtypes and modes")
    results: list[Result] = []
    found: dict[tuple[str, str, str], dict[str, Numbers]] = {}
    for result, arrays in _work_through(plans, progress):
        results.append(result)
        # The backends are compared with each other in the first of their modes.
        found.setdefault((result.backend, result.dtype, result.group), arrays)
    gaps, problems = reconcile(results, KNOWN_GAPS, runners, load())
    return Report(
        versions={runner.NAME: runner.VERSION for runner in runners},
        results=tuple(results),
        spreads=tuple(spreads(cases, found)),
        examples=tuple(_examples(cases, found)),
        gaps=gaps,
        problems=(*problems, *controls.unseen(cases)),
        seconds=time.perf_counter() - start,
    )


def grid(runner: Runner, cases: Sequence[Case], modes: Sequence[str]) -> Iterator[Work]:
    """The work of one backend: each of the modes on each case that both can take."""
    for name, mode in runner.MODES.items():
        if name in modes:
            for case in cases:
                if case.dtype in runner.DTYPES and mode.takes(case):
                    yield runner, name, case


def check(runner: Runner, mode: str, case: Case) -> tuple[Result, dict[str, Numbers]]:
    """Run one case in one mode; the result, and the numbers that came back."""
    errors: dict[str, float] = {}
    failures: dict[str, tuple[str, ...]] = {}
    arrays: dict[str, Numbers] = {}
    with runner.context(case.dtype):
        x = runner.inputs(case)
        for what, got in _outcomes(runner.MODES[mode], case, x).items():
            if isinstance(got, Exception):
                errors[what], failures[what] = np.inf, (_complaint(case, what, got),)
                continue
            errors[what], failed = _judge(runner, case, x, what, got, arrays)
            if failed:
                failures[what] = failed
    rows = len(case.rows)
    return Result(runner.NAME, mode, case.dtype, case.name, rows, errors, failures), arrays


def checks_of(mode: Mode, case: Case) -> Checks:
    """The checks that a case asks for and a mode offers."""
    asked = {"value": "value", "gradient": "gradient", "jvp": "second", "hvp": "second"}
    return tuple(name for name, of in asked.items() if of in case.checks and name in mode.checks)


def _outcomes(mode: Mode, case: Case, x: Inputs) -> dict[str, Any]:
    """What each check gives; an exception, whatever a backend raises, is a finding too."""
    wanted = checks_of(mode, case)
    try:
        got = mode.run(case, x, wanted)
        return {what: got[what] for what in wanted}
    except Exception as error:
        if len(wanted) == 1:
            return {wanted[0]: error}
    outcomes = {}
    for what in wanted:  # one by one, to see which of them it was
        try:
            outcomes[what] = mode.run(case, x, (what,))[what]
        except Exception as error:
            outcomes[what] = error
    return outcomes


def _complaint(case: Case, what: str, error: Exception) -> str:
    text = " ".join(str(error).split())
    text = text if len(text) < 400 else f"{text[:100]} ... {text[-300:]}"
    return f"{what} of {case.call} on {case.name}: {type(error).__name__}: {text}"


def reconcile(
    results: Sequence[Result],
    known: Mapping[str, str],
    runners: Sequence[Runner] = (),
    cases: Sequence[Case] = (),
) -> tuple[dict[str, str], list[str]]:
    """The known gaps that failed as they should, and what is wrong with the table of gaps.

    A gap of one of `runners` must name a check that it could make on one of `cases`.
    """
    outcomes = {f"{r.id}:{what}": what in r.failures for r in results for what in r.errors}
    possible = {
        f"{runner.NAME}-{mode}-{case.dtype}-{case.name}:{what}"
        for runner in runners
        for _, mode, case in grid(runner, cases, tuple(runner.MODES))
        for what in checks_of(runner.MODES[mode], case)
    }
    problems = []
    for gap in known:
        backend = gap.partition("-")[0]
        ran = backend in [runner.NAME for runner in runners]
        if backend not in rooms.PACKAGES or (ran and gap not in possible):
            problems.append(f"known gap {gap!r} names no check: remove it or correct its id")
        elif outcomes.get(gap) is False:
            problems.append(f"known gap {gap!r} does not fail any more: remove it from the table")
    return {gap: reason for gap, reason in known.items() if outcomes.get(gap)}, problems


def _judge(
    runner: Runner, case: Case, x: Inputs, what: str, got: Any, arrays: dict[str, Numbers]
) -> tuple[float, tuple[str, ...]]:
    """The worst error and the failures of one check; its numbers are put into `arrays`."""
    device = runner.traits(x.p).device
    shapes = {"p": case.p.shape, "q": case.q.shape}
    whole = what in ("value", "jvp")
    worst, failures = [], []
    for argument, part in {"": got}.items() if whole else zip("pq", got, strict=True):
        name = f"{what} {argument}".rstrip()
        dtype = case.compute_dtype if whole else case.dtype
        expected = Traits(runner.NAME, dtype, shapes.get(argument, case.value.hi.shape), device)
        if part is None:
            wrong: Sequence[str] = ["nothing came back"]
        else:
            wrong = compare.traits(runner.traits(part), expected)
        if wrong:
            failures.append(f"{name} of {case.call} on {case.name}: {'; '.join(wrong)}")
            worst.append(np.inf)
            continue
        arrays[name] = runner.to_numpy(part)
        checked = compare.numbers(case, what, argument, arrays[name])
        worst.append(checked.worst)
        failures += checked.failures
    return float(np.fmax.reduce(worst)), tuple(failures)


def _work_through(
    plans: Sequence[Sequence[Work]], progress: Progress | None
) -> list[tuple[Result, dict[str, Numbers]]]:
    """Check each backend's plan in threads of its own: compilers leave the interpreter free."""
    with ExitStack() as stack:
        futures = []
        for plan in plans:
            pool = stack.enter_context(ThreadPoolExecutor(plan[0][0].THREADS if plan else 1))
            stack.callback(pool.shutdown, wait=False, cancel_futures=True)  # when interrupted
            futures += [pool.submit(check, *work) for work in plan]
        for done, future in enumerate(as_completed(futures), 1):
            if progress is not None:
                progress(done, len(futures), future.result()[0].id)
        return [future.result() for future in futures]


def _plan(runner: Runner, cases: Sequence[Case], modes: Sequence[str] | None) -> Iterator[Work]:
    """A backend's work in all modes, in those named, or where it is quick."""
    if modes is None:
        for work in grid(runner, cases, tuple(runner.MODES)):
            if runner.MODES[work[1]].quick(work[2]):
                yield work
    else:
        yield from grid(runner, cases, tuple(runner.MODES) if "all" in modes else modes)


def installed(names: Sequence[str] | None) -> tuple[str, ...]:
    """The backends to run, by default those installed, in the order in which they may load."""
    present = rooms.installed()
    if names is None:
        return tuple(name for name in present if name in DEFAULT_BACKENDS)
    for name in known("backend", names, tuple(rooms.PACKAGES)):
        if name not in present:
            raise ImportError(f"the backend {name} needs {rooms.PACKAGES[name]}: install it first")
    return tuple(name for name in present if name in names)


def known(kind: str, names: Sequence[str], choices: Sequence[str]) -> Sequence[str]:
    """The names, each of which must be one of the choices."""
    for name in names:
        if name not in choices:
            raise ValueError(f"unknown {kind} {name!r}: expected one of {', '.join(choices)}")
    return names


def _examples(
    cases: Sequence[Case], found: Mapping[tuple[str, str, str], Mapping[str, Numbers]]
) -> Iterator[Example]:
    """A few rows in float32 to look at, where plain formulas fail and at the edges."""
    backends = list(dict.fromkeys(backend for backend, _, _ in found))
    for case in cases:
        for i, row in enumerate(case.rows if case.dtype == "float32" else ()):
            if (case.name, row) in EXAMPLES:
                values = {
                    backend: float(found[backend, case.dtype, case.name]["value"].flat[i])
                    for backend in backends
                    if "value" in found.get((backend, case.dtype, case.name), {})
                }
                yield Example(case.name, case.dtype, row, float(case.value.hi.flat[i]), values)
