"""``goldroot zvm directory``: look at a user directory, check it, compare entries, edit one."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from goldroot.cli.lazy import Group
from goldroot.cli.output import emit, json_option, plan_option, table
from goldroot.cli.terminal import put, put_bytes, put_lines
from goldroot.errors import EXIT_FINDINGS, BadInput, UsageError
from goldroot.hosts.zvm.directory import (
    Difference,
    Directory,
    Entry,
    add_link,
    add_mdisk,
    check,
    differences,
    exchange,
    files,
    filled,
    keyword_form,
    redact,
    relink,
    remove,
    with_entry,
)
from goldroot.hosts.zvm.directory.asdata import directory_data, entry_data
from goldroot.hosts.zvm.directory.findings import NOTE, SEVERITIES

FILE = click.argument("file", type=click.Path())


@click.group("directory", cls=Group)
def directory() -> None:
    """Look at, check, compare and edit z/VM user directories (source form).

    FILE is a source directory as text, or a part of one; ``-`` reads standard input.  Passwords are never shown.

    \b
    Examples:
      goldroot zvm directory check USER.DIRECT
      goldroot zvm directory diff USER.DIRECT S10GOLD S10GOLD2
    """


@directory.command()
@FILE
@click.argument("wanted", nargs=-1, metavar="[NAME]...")
@click.option("--entry", "names", multiple=True, metavar="NAME", help="The same as NAME.")
@click.option("--keyword-form", "keywords", is_flag=True, help="As the directory manager writes it: profiles included.")
@click.option("--member", default="", metavar="NAME", help="With --keyword-form: the SSI member of an IDENTITY.")
@json_option
def show(
    file: str, wanted: tuple[str, ...], names: tuple[str, ...], keywords: bool, member: str, as_json: bool
) -> None:
    """List the entries of FILE, or show those of the NAMEs.

    \b
    Examples:
      goldroot zvm directory show USER.DIRECT
      goldroot zvm directory show USER.DIRECT S10GOLD S10RO1
    """
    source = files.load(file)
    entries = [source.entry(name) for name in (*wanted, *names)]
    if keywords:
        forms = {entry.name: keyword_form(source, entry, member=member) for entry in entries or source.entries}
        emit(as_json, forms, lambda: put_lines(f"{name} {item}" for name in forms for item in forms[name]))
    elif entries:
        whole = {"entries": [entry_data(entry) for entry in entries]}
        emit(as_json, whole, lambda: put_lines(line for entry in entries for line in redact.entry_lines(entry)))
    else:
        data = directory_data(source)
        emit(as_json, data, lambda: _list(data))


def _list(data: dict[str, object]) -> None:
    rows = data["entries"]
    assert isinstance(rows, list)
    names = ("kind", "name", "line", "profile", "mdisks", "links")
    table([name.upper() for name in names], [[str(row[name]) for name in names] for row in rows])


@directory.command("check")
@FILE
@click.option(
    "--part", is_flag=True, help="FILE is a part of a directory, e.g. one entry: what it refers to may be elsewhere."
)
@click.option("--no-notes", is_flag=True, help="Leave out what is deliberate, e.g. full-volume minidisks.")
@json_option
def check_command(file: str, part: bool, no_notes: bool, as_json: bool) -> int:
    """Find overlapping extents, addresses used twice, links to disks that do not exist, and the like.

    Exits with 1 when there are errors or warnings; notes do not count.

    \b
    Example:
      goldroot zvm directory check USER.DIRECT
    """
    found = [one for one in check(files.load(file), part=part) if not (no_notes and one.severity == NOTE)]
    counts = {severity: sum(one.severity == severity for one in found) for severity in SEVERITIES}

    def human() -> None:
        for one in found:
            put(f"{file}:{one.line}: {one.severity}: {one.text} [{one.code}]")
        put(", ".join(f"{count} {severity}{'s' * (count != 1)}" for severity, count in counts.items()))

    emit(as_json, {"file": file, "findings": [one.as_dict() for one in found], "counts": counts}, human)
    return EXIT_FINDINGS if any(one.severity != NOTE for one in found) else 0


@directory.command()
@FILE
@click.argument("others", nargs=-1, metavar="[OTHER | A B]")
@click.option("--entry", "names", multiple=True, metavar="NAME", help="An entry; give two for two different ones.")
@json_option
def diff(file: str, others: tuple[str, ...], names: tuple[str, ...], as_json: bool) -> int:
    """Say in what entries differ: all of FILE and OTHER, one of both (--entry NAME), or the entries A and B of FILE.

    Case, padding, order and comments do not count.  Exits with 1 when there is a difference.

    \b
    Examples:
      goldroot zvm directory diff USER.DIRECT USER.NEW
      goldroot zvm directory diff USER.DIRECT S10GOLD S10GOLD2
    """
    before = files.load(file)
    after = files.load(others[0]) if len(others) == 1 else before
    if len(others) > 1:
        names = (*others, *names)
    found = _pairs(before, after, names, two=len(others) == 1)
    rows = [(name, one) for name, a, b in found for one in _differences(a, b)]

    def human() -> None:
        last = ""
        for name, one in rows:
            if name != last:
                put(name)
            last = name
            put(f"  {one.text()}")
        if not rows:
            put("No difference in meaning.")

    emit(as_json, {"differences": [{"entry": name, **_difference_data(one)} for name, one in rows]}, human)
    return EXIT_FINDINGS if rows else 0


Pair = tuple[str, Entry | None, Entry | None]


def _pairs(before: Directory, after: Directory, names: tuple[str, ...], *, two: bool) -> list[Pair]:
    """What is compared with what."""
    if len(names) > 2 or (not two and len(names) != 2):
        raise UsageError("nothing to compare with", todo="Give a second file, or the names of two entries.")
    if names:
        one, other = before.entry(names[0]), after.entry(names[-1])
        return [(one.name if one.name == other.name else f"{one.name} -> {other.name}", one, other)]
    old = {(entry.kind, entry.name): entry for entry in before.entries}
    new = {(entry.kind, entry.name): entry for entry in after.entries}
    return [(" ".join(key), old.get(key), new.get(key)) for key in dict.fromkeys([*old, *new])]


def _differences(before: Entry | None, after: Entry | None) -> list[Difference]:
    if before is None or after is None:
        entry = before or after
        assert entry is not None
        word = "the whole entry"
        return [Difference("removed", word, word, "", ())] if before else [Difference("added", word, "", word, ())]
    return differences(before, after)


def _difference_data(one: Difference) -> dict[str, object]:
    fields = [{"name": name, "before": a, "after": b} for name, a, b in one.fields]
    return {"kind": one.kind, "what": one.what, "before": one.before, "after": one.after, "fields": fields}


@directory.command()
@FILE
@click.option("--entry", "name", metavar="NAME", help="The entry to edit.")
@click.option("--remove", "gone", multiple=True, metavar="VDEV", help="Remove the minidisk or link at an address.")
@click.option("--relink", nargs=2, multiple=True, metavar="OLD NEW", help="Point the links to OLD's disks to NEW's.")
@click.option("--exchange", "swap", multiple=True, metavar="A B", nargs=2, help="Exchange the devices at A and B.")
@click.option("--add-mdisk", multiple=True, metavar="OPERANDS", help='"VDEV TYPE START COUNT VOLUME [MODE [PW...]]".')
@click.option("--add-link", multiple=True, metavar="OPERANDS", help='"OWNER VDEV1 [VDEV2 [MODE]]".')
@click.option("--from-template", "template", type=click.Path(), help="Add an entry made from this file first.")
@click.option("--set", "values", multiple=True, metavar="NAME=VALUE", help="A value for a {name} of the template.")
@click.option("--set-file", "value_files", multiple=True, metavar="NAME=PATH", help="The same, from a file.")
@click.option("-o", "--output", type=click.Path(), help="Write the directory here; - is standard output.")
@click.option("-w", "--write", "in_place", is_flag=True, help="Write the directory back to FILE.")
@plan_option
@json_option
def edit(
    file: str,
    name: str | None,
    template: str | None,
    output: str | None,
    in_place: bool,
    plan_only: bool,
    as_json: bool,
    **operations: tuple[object, ...],
) -> None:
    """Edit one entry of FILE: nothing changes but what the options say.

    In this order: --from-template, --remove, --relink, --exchange, --add-mdisk, --add-link.  MINIOPT and DASDOPT move
    and go with their minidisk; columns 73-80 are kept; a file is replaced as a whole.  Without -o or -w the edited
    entry is printed, passwords masked, and nothing is written.

    \b
    Examples:
      goldroot zvm directory edit USER.DIRECT --entry S10RO1 --relink S10GOLD S10GOLD2
      goldroot zvm directory edit USER.DIRECT --entry S10RO1 --exchange 1B5 5B5 -o USER.NEW
    """
    if in_place and (output or file == "-"):
        raise UsageError("-w writes to FILE: it goes neither with -o nor with standard input")
    if not template and (operations["values"] or operations["value_files"]):
        raise UsageError("--set and --set-file belong to --from-template")
    source = files.load(file)
    base = source
    if template:
        made = filled(files.read(template), _values(operations["values"], operations["value_files"]), source.layout())
        base, name = with_entry(source, made), name or made.name
    if not name:
        raise UsageError("no entry to edit", todo="Give --entry NAME or --from-template FILE.")
    entry = base.entry(name)
    edited = _apply(entry, operations, base)
    result = base.replaced(entry, edited)
    target = None if plan_only else file if in_place else output
    _write(source, result, file, target)
    _report(source.find(name) if template else entry, edited, target, plan_only, as_json)


def _apply(entry: Entry, operations: dict[str, tuple[object, ...]], base: Directory) -> Entry:
    """The entry after all operations, in their fixed order."""
    layout = base.layout()
    steps: list[tuple[str, Callable[..., Entry]]] = [
        ("gone", lambda entry, where: remove(entry, where)),
        ("relink", lambda entry, pair: relink(entry, *pair)),
        ("swap", lambda entry, pair: exchange(entry, *pair)),
        ("add_mdisk", lambda entry, text: add_mdisk(entry, text, layout=layout)),
        ("add_link", lambda entry, text: add_link(entry, *_link_words(text), layout=layout)),
    ]
    for name, step in steps:
        for value in operations[name]:
            entry = step(entry, value)
    return entry


def _link_words(text: str) -> list[str]:
    words = text.split()
    if not 2 <= len(words) <= 4:
        raise BadInput("a link has two to four operands", todo='Write --add-link "OWNER VDEV1 [VDEV2 [MODE]]".')
    return words


def _values(given: tuple[object, ...], from_files: tuple[object, ...]) -> dict[str, str]:
    """Values of a template, from ``NAME=VALUE`` and the first lines of ``NAME=PATH``."""
    values = {}
    for text in (*given, *from_files):
        name, equals, value = str(text).partition("=")
        if not equals or not name:
            raise UsageError("a value is given as NAME=VALUE")
        values[name] = value
    for text in from_files:
        name, _, path = str(text).partition("=")
        values[name] = (files.read(path).splitlines() or [b""])[0].decode("latin-1")
    return values


def _write(source: Directory, result: Directory, file: str, target: str | None) -> None:
    if target is None:
        return
    data = result.to_bytes()
    if target == "-":
        if sys.stdout.isatty():
            raise UsageError("the directory holds passwords and is not written to a terminal", todo="Redirect it.")
        put_bytes(data)
    else:
        files.write(target, data, source.to_bytes() if target == file else None)


def _report(before: Entry | None, after: Entry, target: str | None, plan_only: bool, as_json: bool) -> None:
    if target == "-":
        return
    found = _differences(before, after)
    lines = redact.entry_lines(after)

    def human() -> None:
        if plan_only or target:
            put(f"{after.name}:" if found else f"{after.name}: no difference in meaning")
            for one in found:
                put(f"  {one.text()}")
            put(f"Written to {target}." if target else "Nothing was written.")
        else:
            put_lines(lines)

    rows = [_difference_data(one) for one in found]
    emit(as_json, {"entry": after.name, "differences": rows, "text": lines, "written": target}, human)
