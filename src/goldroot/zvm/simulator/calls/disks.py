"""Calls on minidisks: made, copied, deleted and shared in the directory, and linked to running guests."""

from __future__ import annotations

from goldroot.zvm.simulator.answer import Answer, SmapiError
from goldroot.zvm.simulator.calls.images import running
from goldroot.zvm.simulator.calls.registry import Call, api, at_once, ok
from goldroot.zvm.simulator.checks import address_taken
from goldroot.zvm.simulator.cp import CpError, check_password
from goldroot.zvm.simulator.dirmaint import NewDisk
from goldroot.zvm.simulator.links import MODES, RO, RW
from goldroot.zvm.simulator.statements import vdev
from goldroot.zvm.simulator.wire import array, asciiz, asciiz_list, int1, int8, raw

#: CP's message number -> what the calls on running guests answer.
LINK_CODES = {53: (208, 12), 107: (208, 12), 110: (208, 4), 111: (208, 28), 112: (208, 28), 113: (208, 28)}

#: ``image_disk_formatting`` from which the disk is formatted: that takes time.
FORMATTED = 2


def passwords(call: Call) -> tuple[str, ...]:
    """Read, write and multiple password, as far as they are given."""
    given = [call.upper(f"{kind}_password") for kind in ("read", "write", "multi")]
    while given and not given[-1]:
        given.pop()
    return tuple(word or "ALL" for word in given)


def mode_of(call: Call, default: str = "MR") -> str:
    """:raises SmapiError: 24 it is not a link mode."""
    mode = call.upper("mode") or default
    call.must(mode.rstrip("V") in MODES, (24, 519))
    return mode


@api(
    "Image_Disk_Create_DM",
    "disk/1-4h devtype/1-8 allocation/1-10 area/0-8 unit! size# mode/1-5 formatting! label/0-6 "
    "read_password/0-8 write_password/0-8 multi_password/0-8",
)
def disk_create_dm(call: Call) -> Answer:
    """A new minidisk; blocks are rounded up to cylinders on a 3390."""
    call.must(call.number("unit") in (0, 1, 2, 3, 4, 5), (24, 919))
    call.must(call.number("formatting") in range(6), (24, 1219))
    allocation = call.upper("allocation")
    call.must(allocation.isdigit() or allocation in ("AUTOG", "AUTOR", "AUTOV"), (24, 719))
    disk = NewDisk(
        call.text("disk"), call.upper("devtype"), allocation, call.upper("area"), cylinders(call), mode_of(call),
        passwords(call),
    )  # fmt: skip
    change = call.system.manager.new_disk(call.target, disk)
    return call.make(change, long=call.number("formatting") >= FORMATTED, numbered=True)


#: ``allocation_unit_size`` -> bytes in one.
UNIT_BYTES = {2: 512, 3: 1024, 4: 2048, 5: 4096}


def cylinders(call: Call) -> int:
    """The size in the units of the device."""
    from goldroot.zvm.simulator.dasd import BLOCK_BYTES, CYLINDER_BYTES, is_fba

    unit, size = call.number("unit"), call.number("size")
    if unit not in UNIT_BYTES:
        return size
    whole = BLOCK_BYTES if is_fba(call.upper("devtype")) else CYLINDER_BYTES
    return -(-size * UNIT_BYTES[unit] // whole)


@api(
    "Image_Disk_Copy_DM",
    "disk/1-4h owner/1-8 source/1-4h allocation/0-10 area/0-10 mode/0-5 "
    "read_password/0-8 write_password/0-8 multi_password/0-8",
)
def disk_copy_dm(call: Call) -> Answer:
    """A new minidisk with the data of another; always asynchronous on a real system."""
    disk = NewDisk(
        call.text("disk"), "", call.upper("allocation") or "AUTOG", call.upper("area"), 0, mode_of(call),
        passwords(call),
    )  # fmt: skip
    change = call.system.manager.copy_disk(call.target, disk, call.upper("owner"), call.text("source"))
    return call.make(change, long=True, numbered=True)


@api("Image_Disk_Delete_DM", "disk/1-4h erase!")
def disk_delete_dm(call: Call) -> Answer:
    change = call.system.manager.delete_disk(call.target, call.text("disk"))
    return call.make(change, long=call.number("erase") == 2, numbered=True)


@api("Image_Disk_Share_DM", "owner_disk/1-4h owner/1-8 disk/1-4h mode/0-4 password/0-8")
def disk_share_dm(call: Call) -> Answer:
    """A LINK statement for the target.  The owner's address comes first (captured), the new one third."""
    manager = call.system.manager
    entry = manager.changeable(call.target)
    owner, owner_disk, disk = call.upper("owner"), vdev(call.text("owner_disk")), vdev(call.text("disk"))
    mode = mode_of(call, "R")
    found = call.system.directory.disk(owner, owner_disk)
    call.must(found is not None, (408, 8))
    call.must(not address_taken(entry, disk), (408, 4))
    call.must(manager.locks.device(entry.name, disk) is None, (408, 12))
    if found and call.text("password"):
        password_allows(call, mode, found[1])
    return call.make(at_once(lambda: manager.add(entry.name, f"LINK {owner} {owner_disk} {disk} {mode}")))


def password_allows(call: Call, mode: str, statement: object) -> None:
    """:raises SmapiError: 408/28 the disk has no password for this mode, 408/32 it is another one."""
    from goldroot.zvm.simulator.statements import Statement

    assert isinstance(statement, Statement)
    try:
        check_password(statement, call.upper("owner"), call.text("owner_disk"), mode, call.text("password"))
    except CpError as error:
        raise SmapiError(408, 32 if error.number == 114 else 28) from None


@api("Image_Disk_Unshare_DM", "owner_disk/1-4h owner/1-8 disk/1-4h")
def disk_unshare_dm(call: Call) -> Answer:
    """The LINK statement goes that names all three."""
    manager = call.system.manager
    entry = manager.changeable(call.target)
    wanted = (call.upper("owner"), vdev(call.text("owner_disk")), vdev(call.text("disk")))
    links = [
        one for one in entry.find("LINK")
        if (one.operand(0), vdev(one.operand(1)), vdev(one.operand(2) or one.operand(1))) == wanted
    ]  # fmt: skip
    call.must(bool(links), (408, 8))
    return call.make(at_once(lambda: manager.drop(entry.name, links)))


# --- running guests ---


@api("Image_Disk_Share", "disk/1-4h owner/1-8 owner_disk/1-4h mode/0-4 password/0-8")
def disk_share(call: Call) -> Answer:
    """CP LINK for a running guest.  Here the new address comes first (captured).

    A mode that may fall back to reading and does is 208/20, as the disk is not shared as asked.
    """
    running(call)
    mode = mode_of(call, "R")
    password = call.text("password") or None
    try:
        link = call.system.cp.link(
            call.target, call.text("owner"), call.text("owner_disk"), call.text("disk"), mode, password
        )
    except CpError as error:
        raise SmapiError(*LINK_CODES.get(error.number, (208, 32 if error.number == 114 else 16))) from None
    return ok() if link.access == RW or mode[0] in "RSE" else Answer(208, 20)


@api("Image_Disk_Unshare", "disk/1-4h")
@api("Image_Disk_Delete", "disk/1-4h")
def disk_detach(call: Call) -> Answer:
    """CP DETACH for a running guest; the directory stays as it is."""
    guest = running(call)
    device = guest.devices.get(vdev(call.text("disk")))
    call.must(device is not None and device.kind == "dasd", (208, 8), (204, 8), (208, 36))
    call.system.cp.detach(guest.name, call.text("disk"))
    return ok()


@api("Image_Disk_Create", "disk/1-4h mode/0-5")
@api("Image_Disk_Copy", "disk/1-4h")
def disk_add(call: Call) -> Answer:
    """A minidisk of the guest's own entry becomes a device of the running guest."""
    guest = running(call)
    address = vdev(call.text("disk"))
    call.must(address not in guest.devices, (208, 4))
    found = call.system.directory.disk(guest.name, address)
    call.must(found is not None, (208, 36), (208, 8))
    mode = call.upper("mode") if "mode" in call.values else ""
    own = found[1].operand(5, "W") if found else "W"
    try:
        call.system.cp.link(guest.name, guest.name, address, address, (mode or own).rstrip("V"))
    except CpError:
        raise call.refuse((208, 4), (208, 8)) from None
    return ok()


@api("Image_MDISK_Link_Query", "params*")
def mdisk_link_query(call: Call) -> Answer:
    """Who else has the disk: ``SYSTEM   USER VDEV READ|WRITE``; the owner must be logged on (8/12)."""
    address = call.params(required=["vdev"])["vdev"]
    guest = running(call, (8, 12))
    device = guest.devices.get(vdev(address))
    call.must(device is not None and device.kind == "dasd", (8, 8))
    member = call.system.directory.member
    others = [link for link in call.system.cp.linked_to(guest.name, address) if link.user != guest.name]
    if not others:
        return Answer(0, 28)
    said = [f"{member:<8} {link.user} {link.address} {'WRITE' if link.access == RW else 'READ'}" for link in others]
    return ok(array([asciiz_list(said)]))


@api("Image_Disk_Query", "params*")
def disk_query(call: Call) -> Answer:
    """The disks of a running guest, as records of fixed fields."""
    wanted = call.params(required=["vdasd_id"])["vdasd_id"].upper()
    guest = running(call)
    disks = sorted((one for one in guest.devices.values() if one.kind == "dasd"), key=lambda one: one.address)
    if wanted != "ALL":
        call.must(all(letter in "0123456789ABCDEF" for letter in wanted), (8, 3003))
        disks = [one for one in disks if one.address == vdev(wanted)]
        call.must(bool(disks), (8, 8))
    volumes = sorted(call.system.dasd.volumes)
    data = []
    for one in disks:
        extent = one.extent
        volser = extent.volser if extent else "(VDSK)"
        real = f"{0x1000 + volumes.index(volser):04X}" if volser in volumes else "0000"
        access = 1 if one.detail[0] == RO else 2
        size = int8(extent.size if extent else 0)
        fields = raw(f"{one.address:<4}{real}") + int1(access) + raw(f"{one.detail[1]:<4}"[:4]) + size + int1(1)
        data.append(fields + asciiz(volser))
    return ok(b"".join(data))
