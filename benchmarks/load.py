"""Open-loop load on servers that are started side by side: capacity by a ramp, latency at a fixed rate, a plot.

    python -m benchmarks.load http://127.0.0.1:8080 /v1/models/england:predict '{"instances": [...]}'

Arrivals are fixed beforehand and latencies run from them (see jackpot.adapters.load). Capacity is what a server answers
a second while more than that arrives: the ramp raises the rate until answers fall behind, after a warm-up.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jackpot.adapters.load import open_loop
from jackpot.system_test.histogram import Histogram

FACTOR = 1.35
BEHIND = 0.9
"""A server that answers less than this share of what arrives is saturated."""


@dataclass(frozen=True)
class Target:
    """What is asked of a server."""

    name: str
    url: str
    path: str
    body: bytes


@dataclass
class Step:
    """One rate of a ramp."""

    offered: float
    answered: float
    latencies: Histogram = field(default_factory=Histogram)
    failed: int = 0


def at_rate(target: Target, rate: float, seconds: float, seed: int = 1) -> Step:
    """Load a server at one rate of arrivals."""
    measured = open_loop(target.url, target.path, target.body, rate, seconds, seed=seed)
    step = Step(rate, measured.rate, failed=measured.failed)
    step.latencies.add(measured.latencies)
    return step


def ramp(target: Target, start: float = 200.0, seconds: float = 1.0, warm_up: float = 1.0) -> list[Step]:
    """Raise the rate until the server falls behind; return every step, the last one saturated."""
    at_rate(target, start, warm_up)
    steps: list[Step] = []
    rate = start
    while not steps or (steps[-1].answered >= BEHIND * steps[-1].offered and steps[-1].failed == 0):
        steps.append(at_rate(target, rate, seconds))
        rate *= FACTOR
    if not steps[-1].answered and len(steps) == 1:
        raise RuntimeError(f"{target.name} answered nothing on {target.path}")
    return steps


def capacities(targets: Sequence[Target], rounds: int, seconds: float) -> dict[str, tuple[float, list[Step]]]:
    """Return each server's capacity and its ramp; rounds alternate between the servers, the median counts."""
    ramps = {target.name: ramp(target) for target in targets}
    found: dict[str, list[float]] = {target.name: [] for target in targets}
    for round_ in range(rounds):
        for target in targets:
            most = max(step.answered for step in ramps[target.name])
            found[target.name].append(at_rate(target, most * FACTOR, seconds, seed=round_).answered)
    return {name: (statistics.median(values), ramps[name]) for name, values in found.items()}


def plot(ramps: dict[str, list[Step]], path: Path) -> None:
    """Draw the median and 99% quantile of latency against the rate of arrivals."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 5), layout="constrained")
    for name, steps in ramps.items():
        rates = [step.offered for step in steps]
        (line,) = axes.plot(rates, [1000 * step.latencies.quantile(0.99) for step in steps], label=f"{name}, p99")
        medians = [1000 * step.latencies.quantile(0.5) for step in steps]
        axes.plot(rates, medians, color=line.get_color(), linestyle=":", label=f"{name}, median")
    axes.set(xscale="log", yscale="log", xlabel="requests a second that arrive", ylabel="milliseconds from arrival")
    axes.grid(visible=True, which="both", alpha=0.2)
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
    plt.close(figure)


def show(steps: Sequence[Step], say: Callable[[str], None] = print) -> None:
    """Print a ramp."""
    for step in steps:
        p50, p95, p99 = (1000 * step.latencies.quantile(q) for q in (0.5, 0.95, 0.99))
        say(
            f"{step.offered:9.0f}/s arrive {step.answered:9.0f}/s answered  p50 {p50:8.2f}  p95 {p95:8.2f}  "
            f"p99 {p99:8.2f} ms  {step.failed} failed"
        )


def main() -> None:
    """Ramp one server up and draw its latencies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("path")
    parser.add_argument("body")
    parser.add_argument("--rate", type=float, help="One rate instead of a ramp.")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--plot", type=Path, default=Path("out/load.png"))
    asked = parser.parse_args()
    target = Target("server", asked.url, asked.path, asked.body.encode())
    if asked.rate:
        at_rate(target, asked.rate, 1.0)
        show([at_rate(target, asked.rate, asked.seconds)])
        return
    steps = ramp(target, seconds=asked.seconds)
    show(steps)
    plot({"server": steps}, asked.plot)
    print(f"saturated at {max(step.answered for step in steps):,.0f} requests/s; {asked.plot}")


if __name__ == "__main__":
    main()
