"""The fewest replicas that keep a latency."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

from deepfake_serving.planning.autoscaler import AutoscalingSpec
from deepfake_serving.planning.profile import Profile
from deepfake_serving.planning.simulation import Deployment, Result, Simulation

MAX_REFUSED = 0.001
"""Share of requests that may be refused."""
MAX_REPLICAS = 10_000
_PART = 500
"""Replicas that are simulated at most: more in the same proportion to the rate differ by less than
the draws of random numbers do."""
_REQUESTS = 20_000
"""Requests of a run: 1,000 lie above the p95."""
_WARMUP_BATCHES, _BATCHES = 3, 10
"""Batches of a worker that a run lasts at least, before requests are counted and after."""
_IDLE_REQUESTS = 2_000
_IDLE_LOAD = 0.02
_GATEWAY_LOAD = 0.6
"""Share of a gateway's time that requests may take."""


class Unreachable(ValueError):
    """No number of replicas keeps the latency."""


class TooLarge(ValueError):
    """A simulation would take too long."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A deployment that keeps the latency, and what it does at that rate."""

    deployment: Deployment
    rate: float
    result: Result

    @property
    def requests_per_replica(self) -> int:
        """The autoscaler's target: the requests in a replica, by Little's law, and at least 1."""
        mean_s = sum(self.result.latencies_s) / max(1, len(self.result.latencies_s))
        return max(1, round(self.rate * mean_s / self.deployment.replicas))


def fewest_replicas(
    template: Deployment, rate: float, p95_s: float, max_utilization: float = 1.0, seed: int = 0
) -> Plan:
    """Finds the fewest replicas at which a constant rate of requests keeps the p95.

    Args:
        template: replicas and gateways of it are replaced.
        rate: requests per second, a Poisson process.
        max_utilization: share of the time in which workers may be busy.

    Raises:
        Unreachable: an idle deployment is slower than that already.
        TooLarge: more replicas are needed than can be simulated.
    """
    alone = replace(template, replicas=1, autoscaling=None)
    idle = constant_rate(alone, _IDLE_LOAD * template.replica.rate, seed, _IDLE_REQUESTS)
    if (fastest := idle.percentile(95)) > p95_s:
        raise Unreachable(
            f"no number of replicas keeps {p95_s:g} s: without load, the p95 is {fastest:.3f} s"
        )
    gateways = max(2, ceil(rate * template.gateway_s / _GATEWAY_LOAD))

    def run(replicas: int) -> Plan:
        deployment = replace(template, replicas=replicas, gateways=gateways, autoscaling=None)
        return Plan(deployment, rate, _part_of(deployment, rate, seed))

    def keeps(plan: Plan) -> bool:
        return plan.result.percentile(95) <= p95_s and plan.result.refused_share <= MAX_REFUSED

    low = max(1, ceil(rate / (template.replica.rate * max_utilization))) - 1  # too few
    if low >= MAX_REPLICAS:
        raise TooLarge(
            f"at least {low + 1} replicas are needed; up to {MAX_REPLICAS} are simulated: "
            "plan one of several cells"
        )
    step, plan = 1, run(low + 1)
    while not keeps(plan):
        step *= 2
        plan = run(low + step)
    few, best = low + step // 2, plan
    while best.deployment.replicas - few > 1:
        middle = run((few + best.deployment.replicas) // 2)
        if keeps(middle):
            best = middle
        else:
            few = middle.deployment.replicas
    return best


def _part_of(deployment: Deployment, rate: float, seed: int) -> Result:
    """Runs a constant rate, of a large deployment a part of both."""
    share = min(1.0, _PART / deployment.replicas)
    part = replace(
        deployment,
        replicas=ceil(deployment.replicas * share),
        gateways=ceil(deployment.gateways * share),
    )
    return constant_rate(part, rate * part.replicas / deployment.replicas, seed)


def autoscale(plan: Plan, profile: Profile, min_replicas: int, seed: int = 0) -> Result:
    """Runs a rate that changes with time, with the plan's replicas at most."""
    spec = AutoscalingSpec(
        min_replicas, max(min_replicas, plan.deployment.replicas), plan.requests_per_replica
    )
    deployment = replace(plan.deployment, replicas=min_replicas, autoscaling=spec)
    return Simulation(deployment, seed).open_loop(profile.rate, profile.seconds, max(profile.rates))


def constant_rate(
    deployment: Deployment, rate: float, seed: int = 0, requests: int = _REQUESTS
) -> Result:
    """Runs a constant rate for about so many requests, or more if they are over before workers
    have run several batches, after a warm-up."""
    batch_s = deployment.replica.batch_s
    seconds = max(requests / rate, _BATCHES * batch_s)
    warmup = max(0.1 * requests / rate, _WARMUP_BATCHES * batch_s)
    simulation = Simulation(deployment, seed, warmup)
    return simulation.open_loop(lambda _: rate, seconds + warmup, rate)
