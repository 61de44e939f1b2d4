"""`loadsim schema`: the JSON Schema of each document that a command prints with `--json`."""

from __future__ import annotations

import click

from loadsim.cli import completing
from loadsim.cli.json_documents import DOCUMENTS, schema_of, short_name
from loadsim.cli.output import put_json, put_line


@click.command("schema")
@click.argument("name", required=False, shell_complete=completing.documents)
def command(name: str | None) -> None:
    """List the JSON documents that commands print with --json, or print the JSON Schema of one.

    \b
    Examples:
      loadsim schema
      loadsim schema result > loadsim-result.schema.json
    """
    if name is not None:
        put_json(schema_of(name))
        return
    width = max(len(short_name(schema)) for schema in DOCUMENTS)
    for schema, document in DOCUMENTS.items():
        put_line(f"{short_name(schema):<{width}}  {', '.join(document.commands)}")
