"""``goldroot zvm call``: any SMAPI function from the command line."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

import click

from goldroot.cli.command import Command, emit, json_option, on_terminal, plan_option, table
from goldroot.cli.known_names import smapi_names
from goldroot.cli.terminal import put, put_lines
from goldroot.errors import UsageError

if TYPE_CHECKING:
    from goldroot.zvm.smapi import Client, Progress, Reply
    from goldroot.zvm.smapi.table import CallLayout

PASSWORD_VARIABLE = "GOLDROOT_SMAPI_PASSWORD"


@click.command(cls=Command, short_help="Call a SMAPI function, or list them.")
@click.argument("api", required=False, shell_complete=smapi_names)
@click.argument("params", nargs=-1, metavar="[PARAM=VALUE | PARAM@FILE]...")
@click.option("--list", "list_only", is_flag=True, help="List the functions; with API, its parameters and values.")
@click.option("--target", default="", help="The user ID (or list) that the call is about; your own by default.")
@click.option("--host", help="Where SMAPI answers.")
@click.option("--port", default=44444, show_default=True, type=click.IntRange(1, 65535))
@click.option("--user", "userid", help="The z/VM user ID that calls.")
@click.option("--password-file", help="A file with its password; else $GOLDROOT_SMAPI_PASSWORD; else you are asked.")
@click.option("--ca-file", default="", help="PEM file of the authority that signed the server's certificate.")
@click.option("--insecure", is_flag=True, help="Accept any certificate: whoever answers gets the password.")
@click.option("--no-tls", is_flag=True, help="Speak clear text: the password can be read on the network.")
@click.option(
    "--timeout",
    default=240.0,
    show_default=True,
    type=click.FloatRange(min=0.1),
    help="Seconds for request and answer.",
)
@click.option("--no-wait", is_flag=True, help="Do not wait for an asynchronous operation.")
@click.option(
    "--interval", default=2.0, show_default=True, type=click.FloatRange(min=0.1), help="Seconds between questions."
)
@click.option(
    "--wait-timeout", default=3600.0, show_default=True, type=click.FloatRange(min=0), help="Seconds for an operation."
)
@json_option
@plan_option
def call(api: str | None, params: tuple[str, ...], list_only: bool, as_json: bool, plan_only: bool, **opts: Any) -> int:
    """Call a SMAPI function.

    PARAM=VALUE gives a parameter; PARAM@FILE takes it from a file, one member of a list on each line.  A list may
    also be given as PARAM=VALUE several times.  Bytes are given as X'F0F1'.  Passwords are never shown: entries are
    printed with theirs masked.

    \b
    Examples:
      goldroot zvm call --list
      goldroot zvm call Image_Replace_DM --list
      goldroot zvm call Image_Query_DM --target LINUX01 --host zvm.example.com --user GOLDADM --ca-file zvm.pem
      goldroot zvm call Image_Status_Query --target '*' --host zvm.example.com --user GOLDADM --json
      goldroot zvm call Directory_Manager_Search_DM search_pattern='LINK GOLD *' --host zvm.example.com --user GOLDADM
      goldroot zvm call Image_Replace_DM --target LINUX01 image_record_array@entry.txt --plan
      goldroot zvm call Image_Deactivate --target LINUX01 force_time='WITHIN 60' --host zvm.example.com --user GOLDADM
    """
    from goldroot.zvm.smapi.encode import find_layout
    from goldroot.zvm.smapi.words import parse_params

    if list_only or api is None:
        return _list_all(as_json) if api is None else _list_one(find_layout(api), as_json)
    layout = find_layout(api)
    given = parse_params(layout, params)
    if plan_only:
        return _plan(layout, given, opts, as_json)
    client = _client(opts)
    reply = client.call(layout.api, opts["target"], wait=not opts["no_wait"], **given)
    _print_reply(layout, reply, as_json)
    return 0


def _list_all(as_json: bool) -> int:
    from goldroot.zvm.smapi.table import layouts

    rows = [{"api": one.api, "kind": one.kind, "does": one.does} for one in layouts().values()]
    emit(as_json, rows, lambda: table(["function", "kind", "what it does"], [list(row.values()) for row in rows]))
    return 0


def _list_one(layout: CallLayout, as_json: bool) -> int:
    from goldroot.zvm.smapi.reference import param_rows, value_rows

    data = {
        "api": layout.api,
        "kind": layout.kind,
        "does": layout.does,
        "parameters": param_rows(layout),
        "values": value_rows(layout.values),
    }

    def human() -> None:
        put(f"{layout.api} ({layout.kind}): {layout.does}")
        for title, rows in (("parameters", param_rows(layout)), ("values", value_rows(layout.values))):
            if rows:
                put()
                table([title, "type", ""], rows)

    emit(as_json, data, human)
    return 0


def _plan(layout: CallLayout, given: dict[str, Any], opts: dict[str, Any], as_json: bool) -> int:
    """What would be sent; checked as the request itself is, with a stand-in for user and password."""
    from goldroot.zvm.smapi.encode import check_user, encode_request
    from goldroot.zvm.smapi.shown import shown_params

    user = check_user(opts["userid"]) if opts["userid"] else "USERID"
    target = opts["target"] or ("" if "anytarget" in layout.flags else user) if layout.has_target else ""
    shown = shown_params(layout, given)
    size = len(encode_request(layout, given, userid=user, password="*", target=target))
    data = {
        "api": layout.api,
        "changes": layout.kind != "read",
        "server": f"{opts['host']}:{opts['port']}" if opts["host"] else "",
        "user": user,
        "password": "********",
        "target": target,
        "parameters": shown,
        "bytes_without_password": size - 1,
    }

    def human() -> None:
        does = "would change something" if data["changes"] else "changes nothing"
        put(f"{layout.api} {target}: {layout.does}")
        put(f"It {does}; nothing was sent. The request has {size - 1} bytes and the password.")
        _print_values(shown)

    emit(as_json, data, human)
    return 0


def _client(opts: dict[str, Any]) -> Client:
    from goldroot.zvm.smapi import Client, Patience, Server

    for option, name in (("host", "--host"), ("userid", "--user")):
        if not opts[option]:
            raise UsageError(f"{name} is missing", todo="A call needs --host and --user; --plan does without.")
    if opts["no_tls"] and (opts["insecure"] or opts["ca_file"]):
        raise UsageError("--no-tls goes neither with --insecure nor with --ca-file")
    server = Server(
        opts["host"],
        opts["port"],
        tls=not opts["no_tls"],
        ca_file=opts["ca_file"],
        insecure=opts["insecure"],
        connect_timeout=min(30.0, opts["timeout"]),
        timeout=opts["timeout"],
    )
    patience = Patience(interval=opts["interval"], operation=opts["wait_timeout"])
    progress = _tell_progress if on_terminal() else None
    return Client(server, opts["userid"], _password(opts), patience=patience, progress=progress)


def _password(opts: dict[str, Any]) -> str:
    """From the file, the environment, or a question on the terminal; never from the command line."""
    from goldroot.zvm.smapi.words import read_small_file

    if opts["password_file"]:
        data = read_small_file(opts["password_file"])
        return data.decode("utf-8" if _is_utf8(data) else "latin-1").removesuffix("\n").removesuffix("\r")
    if PASSWORD_VARIABLE in os.environ:
        return os.environ[PASSWORD_VARIABLE]
    if not sys.stdin.isatty():
        raise UsageError(
            "no password", todo=f"Use --password-file, set {PASSWORD_VARIABLE}, or run it on a terminal to be asked."
        )
    answer: str = click.prompt(f"Password of {opts['userid']}", hide_input=True, err=True)
    return answer


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _tell_progress(progress: Progress) -> None:
    said = f"operation {progress.operation_id}: {progress.state} after {progress.elapsed:.0f} s"
    put(said, err=True, flush=True)


def _print_reply(layout: CallLayout, reply: Reply, as_json: bool) -> None:
    from goldroot.zvm.smapi.shown import shown_values
    from goldroot.zvm.smapi.texts import meaning

    values = shown_values(layout, reply)
    said = meaning(layout.api, *reply.code)
    data = {
        "api": layout.api,
        "return_code": reply.return_code,
        "reason_code": reply.reason_code,
        "text": said,
        "operations": list(reply.operations),
        "values": values,
    }

    def human() -> None:
        if not values or reply.reason_code:
            put(f"{layout.api}: {said or 'done'} ({reply.return_code}/{reply.reason_code})")
        _print_values(values)

    emit(as_json, data, human)


def _print_values(values: dict[str, Any]) -> None:
    """Lists one member a line, structures as aligned tables, the rest as NAME: VALUE."""
    for name, value in values.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            _print_structures(name, value)
        elif isinstance(value, list) and len(values) == 1:
            put_lines(value)
        elif isinstance(value, list):
            put(f"{name}:")
            put_lines(value, indent="    ")
        else:
            put(f"{name}: {value}")


def _print_structures(name: str, rows: list[dict[str, Any]]) -> None:
    if any(isinstance(item, list) for row in rows for item in row.values()):
        for row in rows:
            put(f"{name}:")
            for key, item in row.items():
                lines = [str(one) for one in item] if isinstance(item, list) else [str(item)]
                if len(lines) == 1:
                    put(f"    {key}: {lines[0]}")
                else:
                    put(f"    {key}:")
                    put_lines(lines, indent="        ")
        return
    table(list(rows[0]), [[str(item) for item in row.values()] for row in rows])
