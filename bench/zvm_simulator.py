"""How fast the z/VM simulator answers, with 1,000 guests in it.

Run ``python bench/zvm_simulator.py``; it prints calls a second over TCP and TLS, and how long the site takes to make.
Each call is a connection of its own, as the protocol has it; clients and server share this machine.
"""

from __future__ import annotations

import argparse
import multiprocessing
import socket
import ssl
import struct
import time
from collections.abc import Callable

from goldroot.zvm.simulator import Listening, Simulator

GUESTS = 1000


def site(guests: int) -> str:
    """A directory: gold, and guests that link four disks of it and own two."""
    text = "USER GOLD NOLOG\n" + "".join(f" MDISK 11B{n} 3390 {n * 500 + 1} 500 GOLD01 MR\n" for n in range(4))
    for number in range(guests):
        links = "".join(f" LINK GOLD 11B{n} 01B{n} RR\n" for n in range(4))
        start = number % 300 * 100 + 1
        own = f" MDISK 01B5 3390 {start} 50 V{number // 300:05d} MR\n MDISK 01B6 3390 {start + 50} 50 V{number // 300:05d} MR\n"
        text += f"USER L{number:05d} PW 1G 1G G\n{links}{own}"
    return text


def string(text: str) -> bytes:
    return struct.pack(">I", len(text)) + text.encode()


def frame(api: str, target: str, parameters: bytes = b"") -> bytes:
    body = string(api) + string("MAINT") + string("MAINT") + string(target) + parameters
    return struct.pack(">I", len(body)) + body


def calls(address: tuple[str, int], data: bytes, count: int, certificate: str) -> None:
    context = ssl.create_default_context(cafile=certificate) if certificate else None
    for _ in range(count):
        with socket.create_connection(address) as plain:
            connection = context.wrap_socket(plain, server_hostname=address[0]) if context else plain
            connection.sendall(data)
            while connection.recv(65536):
                pass
            if context:
                connection.close()


def rate(simulator: Simulator, data: bytes, count: int, workers: int) -> float:
    """Calls a second of ``workers`` processes that make ``count`` calls each."""
    arguments = ((simulator.host, simulator.port), data, count, simulator.certificate)
    work: Callable[..., None] = calls
    running = [multiprocessing.get_context("fork").Process(target=work, args=arguments) for _ in range(workers)]
    began = time.perf_counter()
    for one in running:
        one.start()
    for one in running:
        one.join()
    return count * workers / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    requests = {
        "Image_Status_Query": frame("Image_Status_Query", "L00500"),
        "Image_Query_DM": frame("Image_Query_DM", "L00500"),
        "Image_Lock_Query_DM": frame("Image_Lock_Query_DM", "L00500"),
        "Directory_Manager_Search_DM": frame("Directory_Manager_Search_DM", "MAINT", string("LINK GOLD 11B0 *")),
    }
    text = site(GUESTS)
    for tls in (False, True):
        began = time.perf_counter()
        with Simulator(text, listening=Listening(tls=tls), active=["*"]) as simulator:
            print(
                f"{GUESTS} guests, all logged on, {'TLS' if tls else 'TCP'}: made in {time.perf_counter() - began:.2f} s"
            )
            for api, data in requests.items():
                count = options.calls if "Search" not in api else max(options.calls // 20, 1)
                print(f"  {api:<30} {rate(simulator, data, count, options.workers):7.0f} calls/s")


if __name__ == "__main__":
    main()
