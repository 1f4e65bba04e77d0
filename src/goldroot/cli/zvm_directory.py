"""``goldroot zvm directory``: look at a user directory, check it, compare entries, edit one."""

from __future__ import annotations

import sys
from collections.abc import Callable

import click

from goldroot.cli.command import Group, emit, json_option, plan_option, table
from goldroot.cli.terminal import put, put_bytes, put_lines
from goldroot.errors import EXIT_FINDINGS, BadInput, UsageError
from goldroot.zvm.directory import (
    Difference,
    Directory,
    Entry,
    check,
    differences,
    files,
    filled,
    keyword_form,
    machine,
    redact,
    with_entry,
)
from goldroot.zvm.directory.asdata import entry_data, entry_row
from goldroot.zvm.directory.findings import NOTE, SEVERITIES

FILE = click.argument("file", type=click.Path())


@click.group("directory", cls=Group)
def directory() -> None:
    """Look at, check, compare and edit z/VM user directories (source form).

    FILE is a source directory as text, a part of one, or an index file with the files that its LOAD statements name
    beside it; ``-`` reads standard input.  Passwords are never shown.

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
    read = files.load_source(file)
    source = read.directory
    entries = [source.entry(name) for name in (*wanted, *names)]
    if keywords:
        forms = {entry.name: keyword_form(source, entry, member=member) for entry in entries or source.entries}
        emit(as_json, forms, lambda: put_lines(f"{name} {item}" for name in forms for item in forms[name]))
    elif entries:
        whole = {"entries": [entry_data(entry) for entry in entries]}
        emit(as_json, whole, lambda: put_lines(line for entry in entries for line in redact.entry_lines(entry)))
    else:
        rows = [entry_row(entry) for entry in source.entries]
        names_shown = ["kind", "name", "line", "profile", "mdisks", "links"]
        if len(read.parts) > 1 or read.missing:
            names_shown.append("file")
            for row, entry in zip(rows, source.entries, strict=True):
                row["file"], row["line"] = read.where(entry.header.line)
        cells = [[str(row[name]) for name in names_shown] for row in rows]
        emit(as_json, {"entries": rows}, lambda: table([name.upper() for name in names_shown], cells))
        _tell_missing(read)


def _tell_missing(read: files.Source) -> None:
    for statement in read.missing:
        name = " ".join(redact.operands(statement)[:2])
        put(f"{read.where(statement.line)[0]}: there is no file {name} beside it", err=True)


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
    read = files.load_source(file)
    found = check(read.directory, part=part, missing=read.missing)
    found = [one for one in found if not (no_notes and one.severity == NOTE)]
    counts = {severity: sum(one.severity == severity for one in found) for severity in SEVERITIES}
    places = [read.where(one.line) for one in found]

    def human() -> None:
        for one, (path, line) in zip(found, places, strict=True):
            put(f"{path}:{line}: {one.severity}: {one.text} [{one.code}]")
        put(", ".join(f"{count} {severity}{'s' * (count != 1)}" for severity, count in counts.items()))

    rows = [one._replace(line=line).as_dict() for one, (_, line) in zip(found, places, strict=True)]
    if len(read.parts) > 1:
        rows = [{**row, "file": path} for row, (path, _) in zip(rows, places, strict=True)]
    emit(as_json, {"file": file, "findings": rows, "counts": counts}, human)
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
@click.option("--member", default="", metavar="NAME", help="Of an IDENTITY: the member whose SUBCONFIG is meant.")
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
    member: str,
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

    A device of an IDENTITY is found in its SUBCONFIG too; where several members have it, --member says which.  What
    is added goes into the entry itself, with --member into the SUBCONFIG.

    \b
    Examples:
      goldroot zvm directory edit USER.DIRECT --entry S10RO1 --relink S10GOLD S10GOLD2
      goldroot zvm directory edit USER.DIRECT --entry S10RO1 --exchange 1B5 5B5 -o USER.NEW
      goldroot zvm directory edit USER.DIRECT --entry MAINT --member VM1 --exchange 190 490
    """
    if in_place and (output or file == "-"):
        raise UsageError("-w writes to FILE: it goes neither with -o nor with standard input")
    if not template and (operations["values"] or operations["value_files"]):
        raise UsageError("--set and --set-file belong to --from-template")
    read = files.load_source(file)
    if len(read.parts) > 1 and (template or (output and not plan_only)):
        raise UsageError("FILE is an index file", todo="Edit with -w, or name the file that the entry stands in.")
    base = read.directory
    if template:
        made = filled(files.read(template), _values(operations["values"], operations["value_files"]), base.layout())
        base, name = with_entry(base, made), name or made.name
    if not name:
        raise UsageError("no entry to edit", todo="Give --entry NAME or --from-template FILE.")
    result = _apply(base, name, operations, member)
    known = read.directory.find(name)
    changed = [
        (old if old in read.directory.entries else None, new)
        for old, new in zip(base.entries, result.entries, strict=True)
        if new is not old
    ]
    if not changed:
        changed = [(known, result.entry(name))]
    target = None if plan_only else file if in_place else output
    written = _write(read, result, changed, target)
    _report(changed, written, plan_only, as_json)


def _apply(base: Directory, name: str, operations: dict[str, tuple[object, ...]], member: str) -> Directory:
    """The directory after all operations, in their fixed order."""
    layout = base.layout()
    steps: list[tuple[str, Callable[..., Directory]]] = [
        ("gone", lambda all_of, where: machine.remove(all_of, name, where, member)),
        ("relink", lambda all_of, pair: machine.relink(all_of, name, pair[0], pair[1], member)),
        ("swap", lambda all_of, pair: machine.exchange(all_of, name, pair[0], pair[1], member)),
        ("add_mdisk", lambda all_of, text: machine.add_mdisk(all_of, name, text, member=member, layout=layout)),
        (
            "add_link",
            lambda all_of, text: machine.add_link(all_of, name, *_link_words(text), member=member, layout=layout),
        ),
    ]
    machine.machine_parts(base, name, member)
    for option, step in steps:
        for value in operations[option]:
            base = step(base, value)
    return base


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


Changed = list[tuple[Entry | None, Entry]]


def _write(read: files.Source, result: Directory, changed: Changed, target: str | None) -> list[str]:
    """Writes what was asked for, and returns the files that were written."""
    if target is None:
        return []
    if len(read.parts) > 1:
        return _write_parts(read, changed)
    data = result.to_bytes()
    if target == "-":
        if sys.stdout.isatty():
            raise UsageError("the directory holds passwords and is not written to a terminal", todo="Redirect it.")
        put_bytes(data)
    else:
        files.write(target, data, read.directory.to_bytes() if target == read.parts[0].path else None)
    return [target]


def _write_parts(read: files.Source, changed: Changed) -> list[str]:
    """The files of an index in which an entry changed."""
    new: dict[str, Directory] = {}
    old: dict[str, bytes] = {}
    for before, after in changed:
        if before is not None:
            part = read.part_of(before)
            old[part.path] = part.directory.to_bytes()
            new[part.path] = new.get(part.path, part.directory).replaced(before, after)
    if len(new) > 1:
        names = ", ".join(sorted(new))
        raise UsageError(f"the change concerns {names}", todo="Two files are not written at once: edit each by itself.")
    for path, directory in new.items():
        files.write(path, directory.to_bytes(), old[path])
    return list(new)


def _report(changed: Changed, written: list[str], plan_only: bool, as_json: bool) -> None:
    if written == ["-"]:
        return
    found = [(after, _differences(before, after)) for before, after in changed]
    lines = [line for after, _ in found for line in redact.entry_lines(after)]
    target = written[0] if written else None

    def human() -> None:
        if plan_only or target:
            for after, rows in found:
                put(f"{after.name}:" if rows else f"{after.name}: no difference in meaning")
                for one in rows:
                    put(f"  {one.text()}")
            put(f"Written to {target}." if target else "Nothing was written.")
        else:
            put_lines(lines)

    rows = [_difference_data(one) for _, differences in found for one in differences]
    names = [after.name for after, _ in found]
    data = {"entry": names[0], "entries": names, "differences": rows, "text": lines, "written": target}
    emit(as_json, data, human)
