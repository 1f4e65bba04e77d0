"""Calls on guests that run: activate, deactivate, recycle, status, configuration."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from goldroot.zvm.simulator.answer import Answer, SmapiError
from goldroot.zvm.simulator.calls.registry import Call, api, ok
from goldroot.zvm.simulator.cp import CpError, Guest
from goldroot.zvm.simulator.wire import array, int1, int4, string, struct4

#: The longest that ``Image_Deactivate`` waits: more is 200/36.
LONGEST_SECONDS = 65_535

_WITHIN = re.compile(r"(WITHIN )?(?P<seconds>\d+)( SEC(OND)?S?)?\Z")
_BY = re.compile(r"BY (?P<hours>\d{1,2}):(?P<minutes>\d\d)(:(?P<seconds>\d\d))?\Z")

#: CP's message number -> what these calls answer.
STATES = {53: (200, 4), 54: (200, 8), 45: (200, 12)}


def members(call: Call) -> list[str] | None:
    """The names in the name list that is the target; nothing where the target is a guest."""
    return call.system.stores.name_lists.get(call.target)


def for_each(call: Call, work: Callable[[str], None], some_failed: int) -> Answer:
    """Do something for the target, or for each member of the list that it names.

    The answer for a list counts those done and not done, and says why each of the latter failed.
    """
    names = members(call)
    if names is None:
        work(call.target)
        return ok()
    failed = []
    for name in names:
        try:
            work(name)
        except SmapiError as error:
            failed.append(struct4(string(name), int4(error.answer.rc), int4(error.answer.rs)))
    data = int4(len(names) - len(failed)) + int4(len(failed)) + array(failed)
    return Answer(200, some_failed, data) if failed else ok(data)


def state_error(error: CpError) -> SmapiError:
    return SmapiError(*STATES.get(error.number, (396, error.number)))


def leaving(guest: Guest) -> None:
    """:raises SmapiError: 200/16 the guest is on its way out."""
    if guest.leaving_at is not None:
        raise SmapiError(200, 16)


@api("Image_Activate")
def activate(call: Call) -> Answer:
    def work(name: str) -> None:
        if guest := call.system.cp.guests.get(name):
            leaving(guest)
        try:
            call.system.cp.logon(name)
        except CpError as error:
            raise state_error(error) from None

    return for_each(call, work, 28)


@api("Image_Deactivate", "when/0-12")
def deactivate(call: Call) -> Answer:
    """At once (IMMED), or by signal: the guest goes when it is done, at the latest after the time given.

    The reason code is the number of seconds that it has.
    """
    seconds = seconds_of(call)

    def work(name: str) -> None:
        try:
            guest = call.system.cp.guest(name)
        except CpError as error:
            raise state_error(error) from None
        leaving(guest)
        wanted = min(call.system.options.shutdown, seconds)
        if wanted <= 0:
            call.system.cp.logoff(name)
        else:
            guest.leaving_at = call.system.clock() + wanted

    answer = for_each(call, work, 32)
    return answer if answer.rc or members(call) is not None else Answer(0, seconds)


def seconds_of(call: Call) -> int:
    """How long a guest may take.

    :raises SmapiError: 200/36 too long; 24 not a time.
    """
    when = call.upper("when")
    if when == "IMMED":
        return 0
    if when == "":
        return min(int(call.system.options.shutdown), LONGEST_SECONDS)
    if found := _WITHIN.match(when):
        seconds = int(found["seconds"])
    elif found := _BY.match(when):
        seconds = until(call, int(found["hours"]) * 3600 + int(found["minutes"]) * 60 + int(found["seconds"] or 0))
    else:
        raise SmapiError(24, 519)
    if seconds > LONGEST_SECONDS:
        raise SmapiError(200, 36)
    return seconds


def until(call: Call, second_of_day: int) -> int:
    now = time.localtime(call.system.clock())
    return (second_of_day - (now.tm_hour * 3600 + now.tm_min * 60 + now.tm_sec)) % 86_400


@api("Image_Recycle")
def recycle(call: Call) -> Answer:
    """Off and on again: the guest gets its devices from the directory again."""

    def work(name: str) -> None:
        try:
            leaving(call.system.cp.guest(name))
            call.system.cp.logoff(name)
            call.system.cp.logon(name)
        except CpError as error:
            raise state_error(error) from None

    return for_each(call, work, 36)


@api("Image_Status_Query")
def status(call: Call) -> Answer:
    """Who of those asked about is logged on; 0/12 where nobody is."""
    members_asked = call.system.cp.members if call.system.options.cluster_status else [call.system.cp]
    guests = {name for one in members_asked for name in one.guests}
    names = sorted(guests) if call.target == "*" else members(call) or [call.target]
    active = [name for name in names if name in guests]
    return ok(array(map(string, active))) if active else Answer(0, 12)


@api("Image_Pause", "params*")
def pause(call: Call) -> Answer:
    found = call.params(["action", "pause"])
    action = found.get("action", {"YES": "PAUSE", "NO": "UNPAUSE"}.get(found.get("pause", "").upper(), "")).upper()
    call.must(action in ("PAUSE", "UNPAUSE"), (8, 3003))
    guest = running(call, (8, 12))
    guest.paused = action == "PAUSE"
    return ok()


def running(call: Call, *otherwise: tuple[int, int]) -> Guest:
    """The target as a guest that is logged on.

    :raises SmapiError: what the call has for one that is not in the directory, or not logged on.
    """
    guest = call.system.cp.guests.get(call.target)
    if guest is None:
        known = call.system.directory.user(call.target) is not None
        raise call.refuse(*([] if known else [(200, 4)]), *otherwise, (200, 12), (216, 12), (8, 12), (200, 4))
    return guest


#: ``Image_Query_Activate_Time``: number of a date format -> how ``strftime`` writes it.
DATE_FORMATS = {1: "%m/%d/%y", 2: "%m/%d/%Y", 3: "%Y-%m-%d", 4: "%d/%m/%y", 5: "%d/%m/%Y"}


@api("Image_Query_Activate_Time", "format!")
def activate_time(call: Call) -> Answer:
    guest = running(call)
    form = DATE_FORMATS.get(call.number("format"))
    call.must(form is not None, (24, 519))
    since = time.localtime(guest.since)
    return ok(string(guest.name) + string(time.strftime(form or "", since)) + string(time.strftime("%H:%M:%S", since)))


#: ``Image_Active_Configuration_Query``: device kinds by number.
DEVICE_TYPES = {"console": 1, "reader": 2, "punch": 3, "printer": 4, "dasd": 5, "nic": 6}
SPOOL_KINDS = {"2540 READER": "reader", "2540 PUNCH": "punch", "1403": "printer"}


@api("Image_Active_Configuration_Query")
def active_configuration(call: Call) -> Answer:
    """Memory, share, processors and devices of a running guest."""
    guest = running(call)
    size, unit = memory_of(call)
    cpus = array(struct4(int4(number), string(cpu_id(call)), int1(1 if number == 0 else 2)) for number in guest.cpus)
    shown = sorted(guest.devices.values(), key=lambda device: (device.address,))
    kinds = [(DEVICE_TYPES.get(spool_kind(one.kind, one.detail)), one.address) for one in shown]
    devices = array(struct4(int1(kind), string(address)) for kind, address in kinds if kind)
    return ok(int4(size) + int1(unit) + int1(1) + string("100") + int4(len(guest.cpus)) + cpus + devices)


def spool_kind(kind: str, detail: tuple[str, ...]) -> str:
    if kind != "spool":
        return kind
    name = " ".join(detail[:2])
    return next((found for start, found in SPOOL_KINDS.items() if name.startswith(start[:7])), "printer")


def memory_of(call: Call) -> tuple[int, int]:
    """Storage at logon, as (number, unit): 1 KB, 2 MB, 3 GB."""
    size = "32M"
    for part in call.system.directory.parts(call.target):
        if part.kind in ("USER", "IDENTITY") and part.head.operand(2) not in ("", "*"):
            size = part.head.operand(2)
        size = next((one.operand(0) for one in part.find("STORAGE")), size) if part.kind != "PROFILE" else size
    digits = size.rstrip("KMGT")
    return int(digits) if digits.isdigit() else 0, {"K": 1, "M": 2, "G": 3}.get(size[-1:], 2)


def cpu_id(call: Call) -> str:
    return "FF01917729640000"


@api("Image_CPU_Query")
def cpu_query(call: Call) -> Answer:
    """Address, identifier, base or not, status and type of every virtual processor."""
    guest = running(call)
    cpus = [
        struct4(int4(number), string(cpu_id(call)), int1(number == 0), int1(3 if number == 0 else 1), int1(2))
        for number in guest.cpus
    ]
    return ok(int4(len(cpus)) + array(cpus))


@api("Image_CPU_Define", "cpu/1-2h type!")
def cpu_define(call: Call) -> Answer:
    guest = running(call)
    number = int(call.text("cpu"), 16)
    call.must(number not in guest.cpus, (216, 8), (216, 4), (216, 16))
    guest.cpus[number] = call.number("type")
    return ok()


@api("Image_CPU_Delete", "cpu/1-2h")
def cpu_delete(call: Call) -> Answer:
    guest = running(call)
    number = int(call.text("cpu"), 16)
    call.must(number in guest.cpus and number != 0, (216, 4), (216, 8), (216, 20))
    del guest.cpus[number]
    return ok()


@api("Image_Console_Get")
def console_get(call: Call) -> Answer:
    """The console goes to the caller's reader; of a guest that said nothing there is no file."""
    call.must(call.system.directory.user(call.target) is not None, (8, 8))
    call.system.spool_console(call.target, call.user)
    return ok()
