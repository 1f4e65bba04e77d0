"""Calls on volumes: regions and groups from which minidisks are given, volumes that come and go."""

from __future__ import annotations

from dataclasses import dataclass

from ..answer import Answer, SmapiError
from ..dasd import MODELS, Extent, Region, placed_in
from ..wire import array, asciiz_list, string
from .registry import Call, api, at_once, ok

#: ``query_type`` and ``entry_type`` of a space query.
DEFINITION, FREE, USED = 1, 2, 3
VOLUME, REGION, GROUP = 1, 2, 3

#: Words of the extended call; the number alone is understood as well.
_DEVICE_TYPES = {"0": "3390", "1": "3390", "2": "9336", "3": "3380"}


@api("Image_Volume_Space_Query_DM", "query! entry! names/0-255")
def space_query(call: Call) -> Answer:
    """Definitions, free space or used space, by volume, region or group."""
    return ok(array(map(string, space(call, call.number("query"), call.number("entry"), call.text("names")))))


@api("Image_Volume_Space_Query_Extended_DM", "params+")
def space_query_extended(call: Call) -> Answer:
    found = call.params(["query_type", "entry_type", "entry_names"], ["query_type", "entry_type"])
    query, entry = number_of(call, found["query_type"]), number_of(call, found["entry_type"])
    return ok(asciiz_list(space(call, query, entry, found.get("entry_names", ""), extended=True)))


def number_of(call: Call, text: str) -> int:
    call.must(text.lstrip("-").isdigit(), (8, 3003))
    return int(text)


def space(call: Call, query: int, entry: int, names: str, *, extended: bool = False) -> list[str]:
    """The lines of a space query; each shape is the captured one."""
    call.must(query in (DEFINITION, FREE, USED) and entry in (VOLUME, REGION, GROUP), (8, 3003), (24, 519))
    dasd = call.system.dasd
    known = {VOLUME: list(dasd.volumes), REGION: list(dasd.regions), GROUP: list(dasd.groups)}[entry]
    wanted = known if names.strip() in ("", "*") else names.upper().split()
    call.must(all(name in known for name in wanted), (420, 8))
    if query == DEFINITION:
        return [definition(call, entry, name) for name in wanted]
    areas = [area for name in wanted for area in areas_of(call, entry, name)]
    return used(call, areas, extended=extended) if query == USED else free(call, areas, entry)


@dataclass(frozen=True, slots=True)
class Area:
    """A piece of a volume that is asked about, and by which names: ``*`` where no group or region is."""

    extent: Extent
    group: str = "*"
    region: str = "*"

    def holds(self, start: int) -> bool:
        return self.extent.start <= start <= self.extent.end


def areas_of(call: Call, entry: int, name: str) -> list[Area]:
    dasd = call.system.dasd
    if entry == VOLUME:
        region = next((one.name for one in dasd.regions.values() if one.extent.volser == name), "*")
        return [Area(Extent(name, 1, dasd.volumes[name] - 1), region=region)]
    group = name if entry == GROUP else "*"
    regions = [name] if entry == REGION else dasd.groups[name]
    return [Area(dasd.regions[one].extent, group, one) for one in regions if one in dasd.regions]


def definition(call: Call, entry: int, name: str) -> str:
    """A group with its regions, a volume with its type and size (as Feilong reads both), a region with its extent."""
    dasd = call.system.dasd
    if entry == GROUP:
        return f"{name} {' '.join(dasd.groups[name])}"
    if entry == VOLUME:
        return f"{name} 3390 {dasd.volumes[name]}"
    extent = dasd.regions[name].extent
    return f"{name} {extent.volser} {extent.devtype} {extent.start} {extent.size}"


def used(call: Call, areas: list[Area], *, extended: bool) -> list[str]:
    """``LX3000 3390 29129 1000 GT@PONG 0777 * * LX3000``: extent, owner, address, system affinity, group, region; the
    extended call gives the region before the group (captured both)."""
    placed = [one for one in placed_in(call.system.directory) if one.extent.start > 0]
    lines = []
    for area in areas:
        for one in placed:
            extent = one.extent
            if extent.volser == area.extent.volser and area.holds(extent.start):
                end = f"{area.region} {area.group}" if extended else f"{area.group} {area.region}"
                where = f"{extent.volser} {extent.devtype} {extent.start} {extent.size}"
                lines.append(f"{where} {one.entry} {one.address} * {end}")
    return lines


def free(call: Call, areas: list[Area], entry: int) -> list[str]:
    """The gaps: extent, then, by group, its name (where Feilong reads it) and the region; else the region alone."""
    lines = []
    for area in areas:
        for gap in call.system.dasd.free(call.system.directory, area.extent.volser):
            start, end = max(gap.start, area.extent.start), min(gap.end, area.extent.end)
            if start <= end:
                names = f"{area.group} {area.region}" if entry == GROUP else area.region
                lines.append(f"{gap.volser} {gap.devtype} {start} {end - start + 1} {names}")
    return lines


# --- definitions ---


@api("Image_Volume_Space_Define_DM", "function! region/0-8 volume/0-6 start# size# group/0-8 devtype!")
def space_define(call: Call) -> Answer:
    values = {name: call.upper(name) for name in ("region", "volume", "group")}
    return define(call, call.number("function"), values, call.number("start"), call.number("size"))


@api("Image_Volume_Space_Define_Extended_DM", "params+")
def space_define_extended(call: Call) -> Answer:
    known = ("region_name", "image_vol_id", "start_cylinder", "size", "group_name", "device_type", "alloc_method")
    found = call.params(known, ["function_type"])
    values = {
        "region": found.get("region_name", "").upper(),
        "volume": found.get("image_vol_id", "").upper(),
        "group": found.get("group_name", "").upper(),
    }
    start, size = (number_of(call, found.get(name, "-1")) for name in ("start_cylinder", "size"))
    return define(call, number_of(call, found["function_type"]), values, start, size)


def define(call: Call, function: int, values: dict[str, str], start: int, size: int) -> Answer:
    """1: a region on a volume; 2: the same in a group; 3: the whole volume as region; 4: that in a group;
    5: a known region into a group."""
    call.must(function in (1, 2, 3, 4, 5), (8, 3003), (24, 519))
    dasd = call.system.dasd
    region = values["region"] or values["volume"]
    if function == 5:
        call.must(region in dasd.regions, (420, 8))
    else:
        call.must(region not in dasd.regions, (420, 4))
        call.must(bool(values["volume"]), (420, 8))

    def do() -> None:
        if function != 5:
            if values["volume"] not in dasd.volumes:
                dasd.add_volume(values["volume"], max(MODELS[2], start + size))
            whole = dasd.volumes[values["volume"]]
            first = start if function in (1, 2) and start >= 0 else 1
            length = size if function in (1, 2) and size > 0 else whole - first
            dasd.regions[region] = Region(region, Extent(values["volume"], first, length))
        if function in (2, 4, 5) and values["group"]:
            dasd.groups.setdefault(values["group"], []).append(region)

    return call.make(at_once(do))


@api("Image_Volume_Space_Remove_DM", "function! region/0-8 volume/0-6 group/0-8")
def space_remove(call: Call) -> Answer:
    """1, 2: a region from a group, or from all; 3: a region; 4, 5, 6: the regions of a volume; 7: a group."""
    dasd = call.system.dasd
    function, region, group = call.number("function"), call.upper("region"), call.upper("group")
    call.must(1 <= function <= 7, (24, 519))
    if function == 7:
        call.must(group in dasd.groups, (420, 8))
        return call.make(at_once(lambda: dasd.groups.pop(group, None)))
    on_volume = [one.name for one in dasd.regions.values() if one.extent.volser == call.upper("volume")]
    gone = [region] if region else on_volume
    call.must(all(name in dasd.regions for name in gone) and bool(gone), (420, 8))
    if function == 1:
        call.must(region in dasd.groups.get(group, []), (420, 12))

    def do() -> None:
        for name in dasd.groups if function != 1 else [group]:
            dasd.groups[name] = [one for one in dasd.groups[name] if one not in gone]
        if function in (3, 6):
            for one in gone:
                del dasd.regions[one]

    return call.make(at_once(do))


# --- volumes of the running system ---

_PARM_DISKS = (
    "config/0-8 config_type/0-8 parm_owner/0-8 parm_disk/0-4 parm_password/0-8 "
    "alt_config/0-8 alt_config_type/0-8 alt_parm_owner/0-8 alt_parm_disk/0-4 alt_parm_password/0-8"
)


@api("Image_Volume_Add", f"device/1-4h label/1-6 {_PARM_DISKS}")
def volume_add(call: Call) -> Answer:
    volumes = call.system.dasd.volumes
    call.must(call.upper("label") not in volumes, (300, 20))
    call.system.dasd.add_volume(call.upper("label"))
    return ok()


@api("Image_Volume_Delete", f"device/1-4h label/1-6 {_PARM_DISKS}")
def volume_delete(call: Call) -> Answer:
    """A volume on which minidisks lie stays: it cannot be detached."""
    label = call.upper("label")
    call.must(label in call.system.dasd.volumes, (300, 18))
    if any(placed.extent.volser == label for placed in placed_in(call.system.directory)):
        raise SmapiError(300, 10)
    del call.system.dasd.volumes[label]
    return ok()


@api("Page_or_Spool_Volume_Add", "params*")
def page_volume_add(call: Call) -> Answer:
    """There is no free volume to add (captured)."""
    found = call.params()
    call.must(all(found.get(name) for name in ("vol_addr", "volume_label", "volume_use")), (8, 3004))
    call.must(found["volume_use"].upper() in ("PAGE", "SPOOL"), (8, 3003))
    raise call.refuse((8, 10))


@api("Image_Volume_Share", "params*")
def volume_share(call: Call) -> Answer:
    found = call.params(required=["img_vol_addr", "share_enable"])
    call.must(found["share_enable"].upper() in ("ON", "OFF"), (8, 3003))
    return ok()


@api("System_Disk_Query", "params*")
def system_disk_query(call: Call) -> Answer:
    """``1001 3390-0C SYSTEM 710RL1`` for every volume."""
    wanted = call.params(required=["dev_num"])["dev_num"].upper()
    lines = [
        f"{0x1000 + number:04X} 3390-0C SYSTEM {volser}"
        for number, volser in enumerate(sorted(call.system.dasd.volumes))
    ]
    shown = lines if wanted == "ALL" else [line for line in lines if line.startswith(f"{wanted:0>4} ")]
    call.must(bool(shown), (8, 8))
    return ok(asciiz_list(shown))
