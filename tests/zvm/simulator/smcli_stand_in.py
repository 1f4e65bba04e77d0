#!/usr/bin/env python3
"""Stands where ``sudo`` stands for zVMCloudConnector, and does over TCP what its ``smcli`` does over IUCV.

zVMCloudConnector reaches z/VM by two programs that exist on a z/VM guest only: ``/opt/zthin/bin/smcli`` and
``/sbin/vmcp``.  This takes their command lines (``sudo PROGRAM ...``), makes the SMAPI request, and prints what smcli
prints: with ``--addRCheader`` a first line ``overall rc, rc, rs (details)`` when it fails.  The port of the simulator
comes in ``ZVM_PORT``.
"""

from __future__ import annotations

import os
import socket
import struct
import sys

#: API -> options of smcli in the order of the wire; ``#`` int4, ``!`` int1, ``&`` a file of records, ``0`` in the end:
#: an ASCIIZ parameter.
OPTIONS = {
    "Image_Activate": "",
    "Image_Deactivate": "f",
    "Image_Status_Query": "",
    "Image_Query_DM": "",
    "Image_Name_Query_DM": "",
    "Image_Create_DM": "p w a f&",
    "Image_Delete_DM": "e!",
    "Image_Disk_Create_DM": "v t a r u! z# m f! l R W M",
    "Image_Disk_Create": "v m",
    "Image_Disk_Delete": "v",
    "Image_Disk_Delete_DM": "v e!",
    "Image_IPL_Set_DM": "s l p",
    "Image_Pause": "k0",
    "System_RDR_File_Manage": "k0",
}


def string(text: str | bytes) -> bytes:
    data = text.encode() if isinstance(text, str) else text
    return struct.pack(">I", len(data)) + data


def call(api: str, target: str, parameters: bytes) -> tuple[int, int, bytes]:
    body = string(api) + string("ZCC") + string("ZCC") + string(target) + parameters
    with socket.create_connection(("127.0.0.1", int(os.environ["ZVM_PORT"])), timeout=30) as connection:
        connection.sendall(string(body))
        data = b""
        while piece := connection.recv(65536):
            data += piece
    rc, rs = struct.unpack(">II", data[12:20])
    return rc, rs, data[20:]


def parameters_of(api: str, given: dict[str, str]) -> bytes:
    made = b""
    for word in OPTIONS[api].split():
        value = given.get(word[0], "")
        kind = word[1:]
        if kind == "#":
            made += struct.pack(">I", int(value or 0))
        elif kind == "!":
            made += bytes([int(value or 0)])
        elif kind == "0":
            made += value.encode() + b"\0"
        elif kind == "&":
            with open(value, "rb") as file:
                made += string(b"".join(string(line) for line in file.read().splitlines()))
        else:
            made += string(value)
    return made


def smcli(arguments: list[str]) -> int:
    api, rest = arguments[0], [one for one in arguments[1:] if one != "--addRCheader"]
    given = {}
    while rest:
        option = rest.pop(0)
        given[option[1]] = option[2:].strip() or (rest.pop(0) if rest else "")
    rc, rs, data = call(api, given.get("T", "ZCC"), parameters_of(api, given))
    if rc == 592:
        number = rs or struct.unpack(">I", data[:4])[0]
        while (state := call("Query_Asynchronous_Operation_DM", "ZCC", struct.pack(">I", number))[1]) == 104:
            pass
        rc, rs = (0, 0) if state == 100 else (596, state)
    if rc or (api == "Image_Status_Query" and rs):
        print(f"8 {rc} {rs} (details) {api} {rc}/{rs}")
        return 8
    print("0 0 0")
    if api in ("Image_Query_DM", "Image_Name_Query_DM"):
        rest_of = data[4:]
        while rest_of:
            size = struct.unpack(">I", rest_of[:4])[0]
            print(rest_of[4 : 4 + size].decode("latin-1").rstrip())
            rest_of = rest_of[4 + size :]
    return 0


def vmcp(arguments: list[str]) -> int:
    """``query user NAME``, the one command that is needed."""
    name = arguments[2]
    rc, rs, _ = call("Image_Status_Query", name, b"")
    if (rc, rs) == (0, 0):
        print(f"{name} - DSC")
        return 0
    print(f"HCPCQU045E {name} not logged on")
    return 45


if __name__ == "__main__":
    program, *words = sys.argv[1:]
    sys.exit({"/opt/zthin/bin/smcli": smcli, "/sbin/vmcp": vmcp}[program](words))
