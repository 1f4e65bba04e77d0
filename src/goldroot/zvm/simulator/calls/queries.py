"""Calls that ask about the system as a whole: what a machine that does nothing else would say."""

from __future__ import annotations

import time

from goldroot.zvm.simulator.answer import Answer
from goldroot.zvm.simulator.calls.registry import Call, api, ok
from goldroot.zvm.simulator.system import Dump
from goldroot.zvm.simulator.wire import array, asciiz, asciiz_list, int1, raw

#: Storage of the simulated machine.
MEMORY = "16G"
MEMORY_PAGES = 4_194_304


def moment(seconds: float) -> tuple[str, str]:
    """Time and date."""
    at = time.localtime(seconds)
    return time.strftime("%H:%M:%S", at), time.strftime("%Y-%m-%d", at)


@api("System_Info_Query")
def info(call: Call) -> Answer:
    clock, date = moment(call.system.clock())
    ipl_clock, ipl_date = moment(call.system.started)
    day = time.strftime("%A", time.localtime(call.system.clock())).upper()
    return ok(
        asciiz_list(
            (
                "UTC West 00.00.00",
                f"{clock} UTC {day} {date}",
                "z/VM Version 7 Release 1.0, service level 1801 (64-bit)",
                "2019-02-22 02:44:15 UTC",
                f"{ipl_date} {ipl_clock} UTC",
                f"{MEMORY} CONFIGURED = {MEMORY} INC = 1M STANDBY = 0  RESERVED = 0",
            )
        )
    )


@api("System_Information_Query")
def information(call: Call) -> Answer:
    clock, date = moment(call.system.clock())
    ipl_clock, ipl_date = moment(call.system.started)
    return ok(
        array(
            [
                asciiz_list(
                    (
                        "CMS_LEVEL=LEVEL=29 SERVICE_LEVEL=0000 LANGUAGE=AMENG",
                        "CPUID=ID=FF01917729640000",
                        "CP_LEVEL=VERSION=7.1.0 SERVICE_LEVEL=1801 GENERATION_TIME=02:44:15 "
                        f"GENERATION_DATE=2019-02-22 GENERATION_TIME_ZONE=UTC IPL_TIME={ipl_clock} "
                        f"IPL_DATE={ipl_date} IPL_TIME_ZONE=UTC LANGUAGE=AMENG",
                        f"STORAGE=ONLINE={MEMORY} CONFIGURED={MEMORY} INCREMENT=1M STANDBY=0 RESERVED=0",
                        f"TIME=TIMEZONE=UTC TIME={clock} DATE={date}",
                    )
                )
            ]
        )
    )


@api("System_Performance_Info_Query", "params*")
def performance(call: Call) -> Answer:
    """Processors, their use, paging, pages in all and in use, and each processor."""
    rate = call.params(["monrate"]).get("monrate")
    lines = ["0004", "0", "0", str(MEMORY_PAGES), str(1000 * len(call.system.cp.guests))]
    lines += ["2.00 SECONDS"] if rate else []
    return ok(asciiz_list([*lines, *(f"PROC {number:04d}-000% IFL  VM" for number in range(4))]))


@api("System_Performance_Information_Query", "params+")
def performance_information(call: Call) -> Answer:
    call.params(["detailed_cpu", "monitor_event"])
    used = 1000 * len(call.system.cp.guests)
    return ok(
        array(
            [
                asciiz_list(
                    (
                        "CPU_COUNT=0004", "CPU_AVERAGE_USE=0%", "PAGING_RATE=0", f"MEMORY_IN_USE={used}",
                        f"MEMORY_TOTAL={MEMORY_PAGES}", "MONITOR_RATE=2.00 SECONDS ",
                        "MONITOR_INTERVAL=1 MINUTES ", "MY_LPAR_NAME=LP1",
                    )
                )
            ]
        )
    )  # fmt: skip


@api("System_Page_Utilization_Query")
def pages(call: Call) -> Answer:
    return ok(array([asciiz_list(["5758K 0 0 ZVMPAG 1004 5758K 0 0 NOTDRAINED"])]))


@api("System_Spool_Utilization_Query")
def spool(call: Call) -> Answer:
    return ok(array([asciiz_list(["5758K 0 0 ZVMSPL 1003 5758K 0 0 NOTDUMP NOTDRAINED"])]))


@api("System_Service_Query", "params+")
def service(call: Call) -> Answer:
    """The level of a component; the captured request gives all its words in one."""
    words = " ".join(call.texts("params")).upper()
    name = words.rpartition("COMPONENT=")[2].split()[0] if "COMPONENT=" in words else ""
    call.must(bool(name), (8, 3004))
    line = f"COMPONENT=NAME={name} TYPE=RSU SERVICE_LEVEL=RSU-1801 PRODUCTION_LEVEL={call.system.directory.member}.RSU-1801"
    return ok(array([asciiz_list([line])]))


#: The OSA devices that the virtual switch uses, and their equivalence identifier.
OSA_DEVICES = ("00500", "00501", "00502")
EQUIVALENCE = "EXTERN"


@api("System_EQID_Query", "params*")
def equivalence_identifiers(call: Call) -> Answer:
    """The devices that may stand for each other: all, those of an identifier, or some; each form as captured."""
    found = call.params(["eqid_target"], ["eqid_for"])
    kind, target = found["eqid_for"].upper(), found.get("eqid_target", "").upper()
    call.must(kind in ("ALL", "EQID", "RDEV"), (8, 3003))
    call.must(kind == "ALL" or bool(target), (8, 3004))
    if kind == "EQID":
        return ok(array([asciiz(f"{EQUIVALENCE} {' '.join(OSA_DEVICES)}")])) if target == EQUIVALENCE else Answer(4, 8)
    shown = [f"{one:0>5}" for one in target.split(",")] if kind == "RDEV" else list(OSA_DEVICES)
    if not set(shown) <= set(OSA_DEVICES):
        raise call.refuse((8, 3003), data=array([asciiz(f"UNKNOWN_PARAMETER_OPERAND={target}")]))
    return ok(array([asciiz_list(f"{one} {EQUIVALENCE}" for one in shown)]))


@api("System_RDR_File_Query")
def reader_files(call: Call) -> Answer:
    """Spool files that wait for the caller: consoles that it asked for."""
    lines = call.system.reader(call.user)
    return ok(asciiz_list(lines)) if lines else Answer(8, 4)


@api("System_FCP_Free_Query", "params*")
def free_fcp(call: Call) -> Answer:
    """There is no FCP device."""
    call.params(required=["fcp_dev"])
    raise call.refuse((8, 8))


@api("SSI_Query", "params*")
def cluster(call: Call) -> Answer:
    """One system, no cluster."""
    return Answer(4, 3008)


@api("System_Disk_IO_Query", "params+")
def disk_io(call: Call) -> Answer:
    """Nothing counts input and output here: the segment with the numbers is empty of them (captured)."""
    call.params(required=["rdev"])
    raise call.refuse((8, 3017))


# --- dumps ---

#: Where a dump is.
IN_READER, ON_DISK = 1, 2


@api("Query_ABEND_Dump", "params*")
def dumps(call: Call) -> Answer:
    """Where a dump is, its number, date and name."""
    where = call.params(["location"]).get("location", "ALL").upper()
    call.must(where in ("ALL", "RDR", "DISK"), (8, 3003))
    places = {"RDR": (IN_READER,), "DISK": (ON_DISK,)}.get(where, (IN_READER, ON_DISK))
    found = [one for one in call.system.stores.dumps if one.place in places]
    if not found:
        return Answer(0, 28)
    return ok(b"".join(int1(one.place) + raw(f"{one.number:<8}{one.date:<10}{one.name:<8}") for one in found))


def dump(call: Call, number: str, place: int) -> Dump:
    """The dump of a number; 8/3003 where there is none."""
    found = [one for one in call.system.stores.dumps if one.number == number.upper() and one.place == place]
    call.must(bool(found), (8, 3003))
    return found[0]


@api("Process_ABEND_Dump", "params*")
def dump_process(call: Call) -> Answer:
    """From the reader to the disk."""
    one = dump(call, call.params(required=["spoolid"])["spoolid"], IN_READER)
    kept = call.system.stores.dumps
    kept[kept.index(one)] = Dump(ON_DISK, one.number, one.date, one.name)
    return ok()


@api("Delete_ABEND_Dump", "params*")
def dump_delete(call: Call) -> Answer:
    call.system.stores.dumps.remove(dump(call, call.params(required=["id"])["id"], ON_DISK))
    return ok()
