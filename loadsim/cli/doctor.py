"""`loadsim doctor`: says what on this machine limits a load."""

from __future__ import annotations

import click

from loadsim.cli.output import json_option, put_json
from loadsim.exit_codes import exit_codes


@click.command("doctor", epilog=exit_codes(ok="whatever was found"))
@json_option("loadsim.doctor/1")
def command(*, as_json: bool) -> None:
    """Say what on this machine limits a load, what it means, and what to do about it.

    Cores, descriptors, local ports, how late the timer fires, the limits that bench engine measured, the kernel's
    receive stamps, and the extras that are installed. It takes a few seconds and sends nothing.

    \b
    Examples:
      loadsim doctor
      loadsim doctor --json
    """
    from loadsim.cli.terminal import print_report
    from loadsim.studies.doctor.checks import diagnose
    from loadsim.studies.doctor.report import doctor_report

    diagnosis = diagnose()
    if as_json:
        put_json(diagnosis)
    else:
        print_report(doctor_report(diagnosis))
