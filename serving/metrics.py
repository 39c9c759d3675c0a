"""What Prometheus is told: counted in plain numbers by the one thread that answers, put into families when asked."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from .version import Forecast, Question, Version

BUCKETS: Final = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


@dataclass
class Latency:
    """A histogram of seconds."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        """Count a request."""
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.total += seconds

    def cumulative(self) -> list[tuple[str, float]]:
        """Return the counts up to each bound, as Prometheus wants them."""
        result, running = [], 0
        for bound, count in zip((*map(str, BUCKETS), "+Inf"), self.counts, strict=True):
            running += count
            result.append((bound, float(running)))
        return result


@dataclass
class Inputs:
    """What a version was asked: how much, and between which figures."""

    instances: int = 0
    extrapolated: int = 0
    smallest: float = float("inf")
    largest: float = 0.0

    def add(self, question: Question, forecast: Forecast) -> None:
        """Count the instances of a request."""
        jackpots = question.jackpots
        self.instances += len(jackpots)
        if len(jackpots) == 1:
            smallest = largest = float(jackpots[0])
            self.extrapolated += bool(forecast.extrapolated[0])
        else:
            smallest, largest = float(jackpots.min()), float(jackpots.max())
            self.extrapolated += int(forecast.extrapolated.sum())
        self.smallest, self.largest = min(self.smallest, smallest), max(self.largest, largest)


class Metrics(Collector):
    """Everything that is counted. Labels are models, versions, protocols, statuses and reasons: all few."""

    def __init__(self) -> None:
        self.latency: dict[tuple[str, str, str], Latency] = defaultdict(Latency)
        self.requests: Counter[tuple[str, str, str]] = Counter()
        self.inputs: dict[tuple[str, str], Inputs] = defaultdict(Inputs)
        self.refusals: Counter[tuple[str, str]] = Counter()
        self.swaps: Counter[tuple[str, str]] = Counter()
        self.current: dict[str, Version] = {}
        self.gauges: dict[str, tuple[str, Callable[[], float]]] = {}

    def collect(self) -> Iterator[Any]:
        """Yield the families; each copied first, since requests go on."""
        requests = CounterMetricFamily(
            "jackpot_requests", "Requests by model, protocol and status.", labels=("model", "protocol", "status")
        )
        for key, count in list(self.requests.items()):
            requests.add_metric(key, count)
        seconds = HistogramMetricFamily(
            "jackpot_request_seconds", "From the request's head to its answer.", labels=("model", "version", "protocol")
        )
        for key, latency in list(self.latency.items()):
            seconds.add_metric(key, latency.cumulative(), latency.total)
        yield from (requests, seconds, *self._inputs(), *self._counters(), self._versions())
        for name, (text, value) in self.gauges.items():
            yield GaugeMetricFamily(name, text, value=value())

    def _inputs(self) -> list[Any]:
        labels = ("model", "version")
        instances = CounterMetricFamily("jackpot_instances", "Forecasts made.", labels=labels)
        beyond = CounterMetricFamily("jackpot_extrapolated", "Those above the largest jackpot seen.", labels=labels)
        bounds = GaugeMetricFamily("jackpot_asked", "Extreme jackpots asked for.", labels=(*labels, "bound"))
        for key, one in list(self.inputs.items()):
            instances.add_metric(key, one.instances)
            beyond.add_metric(key, one.extrapolated)
            bounds.add_metric((*key, "smallest"), one.smallest)
            bounds.add_metric((*key, "largest"), one.largest)
        return [instances, beyond, bounds]

    def _counters(self) -> list[Any]:
        refusals = CounterMetricFamily("jackpot_refusals", "Requests refused.", labels=("model", "reason"))
        for key, count in list(self.refusals.items()):
            refusals.add_metric(key, count)
        swaps = CounterMetricFamily("jackpot_loads", "Versions or states taken or refused.", labels=("model", "result"))
        for key, count in list(self.swaps.items()):
            swaps.add_metric(key, count)
        return [refusals, swaps]

    def _versions(self) -> Any:
        labels = ("model", "version", "state", "as_of")
        current = GaugeMetricFamily("jackpot_serving", "1 for what answers now.", labels=labels)
        for name, one in list(self.current.items()):
            current.add_metric((name, one.version, one.origin["state"][:16], one.state.as_of), 1.0)
        return current
