"""Published ports: systemd-socket-proxyd(8), which listens on this machine and speaks to the container's own loopback.

The socket is made on this machine, and the program then runs in the container's network: no rule of a firewall, no address
and no route is needed, and a container whose network is private has published ports, too.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Sequence
from contextlib import ExitStack

from goldroot.errors import MissingProgram, Refused
from goldroot.hosts.network import Port
from goldroot.run import environment, find, start

_PROXY = ("/usr/lib/systemd/systemd-socket-proxyd", "/lib/systemd/systemd-socket-proxyd")
#: Hands the socket on in the way of sd_listen_fds(3): as descriptor 3 of the process of that number.
_HAND_ON = 'exec 3<&0 </dev/null; export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@"'
_NOBODY = "65534"


def listen(stack: ExitStack, name: str, ports: Sequence[Port]) -> list[tuple[Port, socket.socket]]:
    """Sockets at the ports of this machine, before anything runs that they lead to.

    :param name: of the machine.
    :raises Refused: one is in use, or the address is not this machine's.
    :raises MissingProgram: systemd-socket-proxyd.
    """
    if ports:
        _program()
    return [(port, stack.enter_context(_socket(name, port))) for port in ports]


def forward(stack: ExitStack, inside: int, sockets: Sequence[tuple[Port, socket.socket]]) -> None:
    """Until the stack ends: what comes to the ports goes to the loopback of the network of a process."""
    for port, ours in sockets:
        process = _proxy(inside, port, ours)
        stack.callback(process.wait)
        stack.callback(process.kill)


def _socket(name: str, port: Port) -> socket.socket:
    family = socket.AF_INET if port.address and ":" not in port.address else socket.AF_INET6
    everywhere = not port.address and socket.has_dualstack_ipv6()
    if not port.address and not everywhere:
        family = socket.AF_INET
    try:
        return socket.create_server((port.address, port.port), family=family, dualstack_ipv6=everywhere)
    except OSError as error:
        raise Refused(
            f"port {port} of {name} cannot be published: {error.strerror or error}",
            meaning="It was not started.",
            todo="End what uses that port of this machine, or make the server with another one (--port).",
        ) from error


def _proxy(inside: int, port: Port, ours: socket.socket) -> subprocess.Popen[bytes]:
    own = [find("setpriv"), "--pdeathsig", "KILL", f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups"]
    words = [find("nsenter"), f"--net=/proc/{inside}/ns/net", "--", *own, "--no-new-privs", "--"]
    shell = find("sh")
    with open(os.devnull, "r+b") as null:
        return start(
            [shell, "-c", _HAND_ON, "sh", *words, _program(), f"127.0.0.1:{port.server}"],
            program=shell,
            streams=(ours.fileno(), null.fileno(), 2),
            pass_fds=(),
            env=environment(),
        )


def _program() -> str:
    for path in _PROXY:
        if os.access(path, os.X_OK):
            return path
    raise MissingProgram(
        "the program 'systemd-socket-proxyd' is not installed",
        meaning="Published ports need it; nothing was started.",
        todo="Install it (on Debian: apt-get install systemd) and run the command again.",
    )
