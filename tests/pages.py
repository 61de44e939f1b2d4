"""Writes the generated tables of the pages in docs/ again, and names those that change:

    python -m tests.pages            (--check: write nothing, exit 1 where something differs)

A table stands between `<!-- generated: NAME -->` and `<!-- end -->`. What it says comes from the types and tables of
the code; a description is changed there.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import msgspec.inspect as inspect

from loadsim.cases import case_rules
from loadsim.cli.json_documents import DOCUMENTS
from loadsim.plan.reference import Key, Table, tables, toml
from loadsim.plan.scenario import Case, Scenario, Target
from loadsim.plan.typed_document import plain
from loadsim.report.findings import ACCEPTED, REFUSED
from loadsim.report.json_schema import json_schema
from loadsim.settings import ConfigFile
from loadsim.signing import scheme, scheme_names

DOCS = Path(__file__).parent.parent / "docs"
SCHEMES_FILE = Path(__file__).parent.parent / "loadsim" / "signing" / "schemes.toml"
SPOT = re.compile(r"(<!-- generated: (?P<name>\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
OWN_KEY = re.compile(r"^#   (\w+) {2,}(.+)$", re.MULTILINE)


def row(cells: Iterable[str]) -> str:
    """One row of a table."""
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def grid(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    return "\n".join([row(head), "|" + "---|" * len(head), *map(row, rows)])


def code(text: str) -> str:
    """As code; nothing where there is nothing."""
    return f"`{text}`" if text else ""


def key_row(key: Key) -> tuple[str, ...]:
    """One key: name, form, default, meaning, example."""
    default = "**required**" if key.required else code(key.default or "") or "–"
    return (code(key.name), key.form, default, key.meaning, code(f"{key.name} = {key.example}") if key.example else "")


def section(table: Table, keys: Iterable[Key]) -> str:
    """One table of a file, under its header."""
    title = f"## `{table.header}`" if table.header else "## Top level"
    return "\n\n".join(
        [title, table.meaning, grid(("key", "form", "default", "meaning", "example"), map(key_row, keys))]
    )


def scenario() -> str:
    """Every table of a scenario file."""
    return "\n\n".join(section(table, table.keys) for table in tables(Scenario))


def settings() -> str:
    """The tables of loadsim.toml, without the keys of `[target]`."""
    target = set(Target.__struct_fields__)
    (_, endpoint) = tables(ConfigFile)
    own = [key for key in endpoint.keys if key.name not in target]
    return section(endpoint, own).replace("## ", "### ", 1)


def case_rows() -> Iterator[tuple[str, ...]]:
    """Kind, expected answer, further keys, and what a wrong answer means."""
    for name, rule in case_rules().items():
        written = plain_case(msgspec.structs.replace(Case(kind=name, share=0), **rule.options))
        options = ", ".join(code(f"{key} = {toml(written[key])}") for key in rule.options)
        yield code(name), rule.expect, options, ACCEPTED.get(name) or REFUSED.get(name) or ""


def plain_case(case: Case) -> dict[str, object]:
    """A case as a file has it."""
    document: dict[str, object] = plain(case, inspect.type_info(Case))
    return document


def cases() -> str:
    """The kinds of cases."""
    return grid(("kind", "expect", "keys", "what a wrong answer means"), case_rows())


def schemes() -> str:
    """One row for each known scheme."""
    rows = []
    for each in map(scheme, scheme_names()):
        headers = "<br>".join(code(f"{name}: {value}") for name, value in each.header_templates())
        window = "–" if each.tolerance_s is None else f"{each.tolerance_s:g} s"
        rows.append((code(each.name), each.title, headers, each.formula, each.key_words, window,
                     code(each.default_secret_env), each.confirmed or "not confirmed"))  # fmt: skip
    return grid(("scheme", "provider", "headers", "signature", "key", "window", "secret", "confirmed by"), rows)


def custom() -> str:
    """The keys of a scheme of your own, from the note at the top of the file that has the known ones."""
    note = SCHEMES_FILE.read_text(encoding="utf-8").split("\n\n")[0]
    joined = re.sub(r"\n# {8,}", " ", note)
    return grid(("key", "meaning"), ((code(key), text) for key, text in OWN_KEY.findall(joined)))


def documents() -> str:
    """Every JSON document, and the parts that stand in several of them once, at the first."""
    shown: set[str] = set()
    parts = []
    for schema, document in DOCUMENTS.items():
        found = json_schema(document.kind(), schema)
        commands = ", ".join(code(f"loadsim {command} --json") for command in document.commands)
        parts += [f"## `{schema}`", f"{found['description']} Printed by {commands}.", keys_of(found)]
        for name, part in found["$defs"].items():
            if name not in shown:
                shown.add(name)
                parts += [f"### {name}", part["description"], keys_of(part)]
    return "\n\n".join(parts)


def keys_of(schema: dict[str, Any]) -> str:
    """The keys of one object."""
    rows = ((code(key), form_of(each), each["description"]) for key, each in schema["properties"].items())
    return grid(("key", "type", "meaning"), rows)


def form_of(schema: dict[str, Any]) -> str:
    """A type in words."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "const" in schema:
        return code(json.dumps(schema["const"]))
    if "enum" in schema:
        return " or ".join(code(json.dumps(value)) for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(form_of(each) for each in schema["anyOf"])
    if "prefixItems" in schema:
        return f"list of {len(schema['prefixItems'])} ({form_of(schema['prefixItems'][0])} each)"
    if schema.get("type") == "array":
        return f"list of {form_of(schema['items'])}"
    if schema.get("type") == "object":
        inner = schema.get("additionalProperties")
        return f"object of {form_of(inner)}" if isinstance(inner, dict) and inner else "object"
    return str(schema.get("type", "any"))


GENERATED: dict[str, Callable[[], str]] = {
    "scenario": scenario,
    "settings": settings,
    "cases": cases,
    "schemes": schemes,
    "custom": custom,
    "documents": documents,
}


def written(page: str) -> str:
    """A page with its generated tables as they are now."""
    return SPOT.sub(lambda spot: f"{spot[1]}\n{GENERATED[spot['name']]()}\n\n{spot[3]}", page)


def now() -> dict[str, str]:
    """Every page by its file's name, as it should be."""
    return {path.name: written(path.read_text(encoding="utf-8")) for path in sorted(DOCS.glob("*.md"))}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 where something differs")
    given = parser.parse_args()
    pages = now()
    changed = [name for name, text in pages.items() if (DOCS / name).read_text(encoding="utf-8") != text]
    print("\n".join(changed) or "nothing changes")
    if given.check:
        sys.exit(bool(changed))
    for name in changed:
        (DOCS / name).write_text(pages[name], encoding="utf-8")


if __name__ == "__main__":
    main()
