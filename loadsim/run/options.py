"""The options of a run, for the command line and the dashboard: one field each, with its default.

Values are texts as the user wrote them (`rate="500/s"`); `spec_of_options` parses them. A key of a scenario's
`[target]` that is an option has the same name here.
"""

from __future__ import annotations

import msgspec

from loadsim.plan.run_spec import GateMode


class RunOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The options of a run. None, an empty tuple or False: not given."""

    # a load without a scenario
    connections: int | None = None
    rate: str | None = None
    duration: str | None = None
    events: int | None = None
    mix: tuple[str, ...] = ()
    """TYPE or TYPE=WEIGHT, each."""
    payload: str | None = None

    # the target
    target: str | None = None
    """The target of a scenario, instead of its own."""
    headers: tuple[str, ...] = ()
    """`NAME: VALUE`, each."""
    scheme: str | None = None
    secret_env: str | None = None
    secret_file: str | None = None
    timeout: str | None = None
    drain: str | None = None
    insecure: bool = False
    cacert: str | None = None
    cert: str | None = None
    key: str | None = None
    key_password_env: str | None = None
    http: str | None = None
    http2: bool = False
    """The same as `http` of "2"."""
    streams: int | None = None
    transport: str | None = None
    reuse: int | None = None
    connect_to: str | None = None
    unix: str | None = None
    proxy: str | None = None
    ledger: str | None = None

    # effects
    effects: str | None = None
    """URL where the effects of events are read."""
    effects_wait: str | None = None

    # the run
    name: str | None = None
    """Name of the run in reports and in the name of its directory, instead of the scenario's."""
    tags: tuple[str, ...] = ()
    """Kept with the result: each `KEY=VALUE`."""
    scale: float | None = None
    """Shorten the run: its durations and counts of events are multiplied by this."""
    seed: int | None = None
    epoch: str | None = None
    retry: str | None = None
    time_scale: float | None = None
    trace: str | None = None
    """Send `traceparent`, with the flag `sampled` on this share of deliveries."""
    workers: str = "1"
    raw: bool = False
    outcomes: bool = False
    otlp: str | None = None
    """URL of an OpenTelemetry collector that gets metrics and spans while the run goes on."""
    out: str = "reports"
    check: bool = False
    """Only check: no result has to be writable."""

    # the verdict
    objectives: tuple[str, ...] = ()
    aborting: tuple[str, ...] = ()
    """Objectives that end the run as soon as they cannot be met."""
    default_objectives: bool = True
    gate: GateMode = "point"
    max_lag: str | None = None

    # a cluster
    cluster: str | None = None
    per_host: int | None = None
    ship_secret: bool = False
    allow_lost: int | None = None
    insecure_cluster: bool = False
    cluster_ca: str | None = None
    cluster_cert: str | None = None
    cluster_key: str | None = None
