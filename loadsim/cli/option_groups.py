"""The help of a command that sends load: its options by what they are about."""

from __future__ import annotations

from collections.abc import Mapping

import click

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Load": (
        *("connections", "rate", "duration", "events", "lowest", "highest", "step", "settle", "precision", "by"),
        *("pairs", "warm_up", "scenario", "same", "workers", "scale", "retry", "time_scale"),
    ),
    "Target": (
        *("target", "scheme", "secret_env", "secret_file", "headers", "timeout"),
        *("drain", "insecure", "cacert", "cert", "key", "key_password_env", "transport", "reuse", "connect_to", "unix"),
        *("http", "http2", "streams", "proxy", "ledger", "effects", "effects_wait"),
    ),
    "Events": ("mix", "payload", "seed", "epoch", "trace"),
    "Objectives": ("objectives", "aborting", "default_objectives", "gate", "gates", "max_lag"),
    "Output": (
        *("name", "tags", "out", "json_file", "as_json", "live", "opened", "outcomes", "raw", "otlp", "quiet"),
        "check",
    ),
    "Cluster": (
        *("cluster", "per_host", "ship_secret", "allow_lost", "insecure_cluster"),
        *("cluster_ca", "cluster_cert", "cluster_key"),
    ),
}
"""Heading → names of the parameters below it."""
OTHERS = "Options"


class GroupedCommand(click.Command):
    """A command whose help lists its options under headings."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """See click."""
        found: dict[str, list[tuple[str, str]]] = {title: [] for title in (*GROUPS, OTHERS)}
        for parameter in self.get_params(ctx):
            if record := parameter.get_help_record(ctx):
                found[group_of(parameter)].append(record)
        for title, records in found.items():
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


def group_of(parameter: click.Parameter) -> str:
    """The heading under which a parameter is listed."""
    return next((title for title, names in GROUPS.items() if parameter.name in names), OTHERS)
