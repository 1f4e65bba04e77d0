"""The calls that goldroot itself needs, with typed parameters and results; every other API is at ``call``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from goldroot.zvm.smapi.reply import Reply
from goldroot.zvm.smapi.results import (
    Dasd,
    DirectoryEntry,
    Failing,
    GroupResult,
    LockInfo,
    MdiskLink,
    SearchHit,
    SpaceRecord,
    lock_info,
    mdisk_link,
    space_record,
)

#: A record of the directory; bytes are sent as they are.
Record = str | bytes

T = TypeVar("T")

#: ``data_security_erase``: left to the directory manager, no, yes.
ERASE = {None: 0, False: 1, True: 2}


@dataclass(frozen=True, slots=True)
class MinidiskRoom:
    """Where the directory manager shall find room for a minidisk, and who may have it.

    :param area: group (AUTOG), region (AUTOR) or volume (AUTOV, or ``allocation`` is the start).
    :param passwords: for read, write and multiple access.
    """

    area: str = ""
    allocation: str = "AUTOG"
    mode: str = "MR"
    passwords: tuple[str, str, str] = ("", "", "")


@dataclass(frozen=True, slots=True)
class MinidiskForm:
    """What a new minidisk is.

    :param unit: of its size: 1 cylinders, 2 blocks of 512 bytes, 3 of 1024, 4 of 2048, 5 of 4096.
    :param formatting: 0 as the directory manager is set, 1 none, 2 to 5 for CMS.
    """

    device: str = "3390"
    unit: int = 1
    formatting: int = 0
    label: str = ""


class Calls:
    """Typed calls over :meth:`call`.  Each raises what ``call`` raises.  ``target`` is a z/VM user ID."""

    def call(self, api: str, target: str = "", *, wait: bool = True, **params: object) -> Reply:
        raise NotImplementedError

    # -- the server

    def check_authentication(self) -> None:
        """User ID and password are good."""
        self.call("Check_Authentication")

    def query_api_functional_level(self) -> int:
        """540 for z/VM 5.4, 720 for 7.2; 530 for a level that answers 0."""
        return self.call("Query_API_Functional_Level").reason_code or 530

    def query_directory_manager_level_dm(self) -> str:
        """Its name and level, as it says them."""
        return self.call("Query_Directory_Manager_Level_DM").text("directory_manager_level")

    def query_asynchronous_operation_dm(self, target: str, operation_id: int) -> int:
        """Reason code: 100 done, 104 going on, 108 failed."""
        return self.call("Query_Asynchronous_Operation_DM", target, operation_id=operation_id).reason_code

    def response_recovery(self, target: str, failed_request_id: int) -> bytes:
        """The answer to a request, as bytes."""
        found = self.call("Response_Recovery", target, failed_request_id=failed_request_id).values.get("response_data")
        return found if isinstance(found, bytes) else b""

    def directory_manager_task_cancel_dm(self, target: str, operation_id: int) -> None:
        self.call("Directory_Manager_Task_Cancel_DM", target, operation_id=operation_id)

    # -- entries

    def image_query_dm(self, target: str) -> tuple[str, ...]:
        """The records of an entry, as they stand: padded to 72 columns, passwords in clear."""
        return self.call("Image_Query_DM", target).texts("image_record_array")

    def image_lock_dm(self, target: str, device_address: str = "") -> None:
        """Lock an entry, or one of its disks."""
        self.call("Image_Lock_DM", target, device_address=device_address)

    def image_unlock_dm(self, target: str, device_address: str = "") -> None:
        self.call("Image_Unlock_DM", target, device_address=device_address)

    def image_lock_query_dm(self, target: str) -> LockInfo:
        reply = self.call("Image_Lock_Query_DM", target)
        devices = reply.values.get("locked_dev_array", b"")
        return lock_info(reply.text("locked"), devices if isinstance(devices, bytes) else b"", reply.reason_code)

    def image_replace_dm(self, target: str, records: Sequence[Record]) -> None:
        """Replace an entry that is locked by this user; it is unlocked afterwards."""
        self.call("Image_Replace_DM", target, image_record_array=records)

    def image_create_dm(
        self,
        target: str,
        records: Sequence[Record] = (),
        *,
        prototype: str = "",
        password: str = "",
        account: str = "",
        wait: bool = True,
    ) -> Reply:
        """Create an entry from records, or from a prototype with a first password and an account number."""
        return self.call(
            "Image_Create_DM",
            target,
            wait=wait,
            prototype_name=prototype,
            initial_password=password,
            initial_account_number=account,
            image_record_array=records,
        )

    def image_delete_dm(self, target: str, *, erase: bool | None = None, wait: bool = True) -> Reply:
        """Delete an entry with its minidisks; ``erase``: overwrite these (None: as the directory manager is set)."""
        return self.call("Image_Delete_DM", target, wait=wait, data_security_erase=ERASE[erase])

    def image_name_query_dm(self, target: str = "") -> tuple[str, ...]:
        """The names of all entries."""
        return self.call("Image_Name_Query_DM", target).texts("image_name_array")

    def query_all_dm(self, target: str = "", *, keywords: bool = False) -> tuple[DirectoryEntry, ...]:
        """The whole directory: as records, or in the directory manager's normal form of keywords."""
        reply = self.call("Query_All_DM", target, query_keyword_parameter_list=f"format={'yes' if keywords else 'no'}")
        return _all(reply, "directory_entries_array", DirectoryEntry)

    def directory_manager_search_dm(self, pattern: str, target: str = "") -> tuple[SearchHit, ...]:
        """Statements that match, e.g. ``LINK S10GOLD *``; none (reason 28) is an empty tuple."""
        reply = self.call("Directory_Manager_Search_DM", target, search_pattern=pattern)
        return _all(reply, "statement_array", SearchHit)

    # -- minidisks and links of entries

    def image_disk_create_dm(
        self,
        target: str,
        vdev: str,
        *,
        size: int,
        room: MinidiskRoom,
        form: MinidiskForm = MinidiskForm(),
        wait: bool = True,
    ) -> Reply:
        """Add a minidisk.

        :param size: in the unit of ``form``.
        """
        return self.call(
            "Image_Disk_Create_DM",
            target,
            wait=wait,
            image_disk_number=vdev,
            image_disk_device_type=form.device,
            image_disk_allocation_type=room.allocation,
            allocation_area_name_or_volser=room.area,
            allocation_unit_size=form.unit,
            image_disk_size=size,
            image_disk_mode=room.mode,
            image_disk_formatting=form.formatting,
            image_disk_label=form.label,
            **_passwords(room.passwords),
        )

    def image_disk_copy_dm(
        self,
        target: str,
        vdev: str,
        source: str,
        source_vdev: str,
        *,
        room: MinidiskRoom = MinidiskRoom(),
        wait: bool = True,
    ) -> Reply:
        """Create a minidisk that is a copy of ``source_vdev`` of ``source``; 408/4 when ``vdev`` exists."""
        return self.call(
            "Image_Disk_Copy_DM",
            target,
            wait=wait,
            image_disk_number=vdev,
            source_image_name=source,
            source_image_disk_number=source_vdev,
            image_disk_allocation_type=room.allocation,
            allocation_area_name_or_volser=room.area,
            image_disk_mode=room.mode,
            **_passwords(room.passwords),
        )

    def image_disk_delete_dm(self, target: str, vdev: str, *, erase: bool | None = None, wait: bool = True) -> Reply:
        return self.call(
            "Image_Disk_Delete_DM", target, wait=wait, image_disk_number=vdev, data_security_erase=ERASE[erase]
        )

    def image_disk_share_dm(
        self, target: str, vdev: str, owner: str, owner_vdev: str, mode: str = "RR", password: str = ""
    ) -> None:
        """Add ``LINK owner owner_vdev vdev mode`` to an entry (the order on the wire is that of a captured frame)."""
        self.call(
            "Image_Disk_Share_DM",
            target,
            image_disk_number=owner_vdev,
            target_image_name=owner,
            target_image_disk_number=vdev,
            read_write_mode=mode,
            optional_password=password,
        )

    def image_disk_unshare_dm(self, target: str, vdev: str, owner: str, owner_vdev: str) -> None:
        """Remove ``LINK owner owner_vdev vdev`` from an entry."""
        self.call(
            "Image_Disk_Unshare_DM",
            target,
            image_disk_number=owner_vdev,
            target_image_name=owner,
            target_image_disk_number=vdev,
        )

    def image_volume_space_query_dm(
        self, names: str = "*", target: str = "", *, query: int = 3, entry: int = 2
    ) -> tuple[SpaceRecord, ...]:
        """:param query: 1 defined, 2 free, 3 used; ``entry``: 1 volume, 2 region, 3 group."""
        reply = self.call("Image_Volume_Space_Query_DM", target, query_type=query, entry_type=entry, entry_names=names)
        return tuple(space_record(line, query, entry) for line in reply.texts("record_array"))

    # -- running machines

    def image_activate(self, target: str) -> GroupResult:
        return _group(self.call("Image_Activate", target), "activated", "not_activated")

    def image_deactivate(self, target: str, force_time: str = "") -> int:
        """Log off, by the system's default or as ``force_time`` says; the seconds that were granted, or 0."""
        return self.call("Image_Deactivate", target, force_time=force_time).reason_code

    def image_recycle(self, target: str) -> GroupResult:
        return _group(self.call("Image_Recycle", target), "recycled", "not_recycled")

    def image_status_query(self, target: str = "*") -> tuple[str, ...]:
        """The machines that are logged on, of those asked for; empty for one that is not (reason 12)."""
        return self.call("Image_Status_Query", target).texts("image_name_array")

    def image_disk_query(self, target: str, vdev: str = "ALL") -> tuple[Dasd, ...]:
        return _all(self.call("Image_Disk_Query", target, vdasd_id=vdev), "dasd_array", Dasd)

    def image_mdisk_link_query(self, target: str, vdev: str) -> tuple[MdiskLink, ...]:
        """Who is linked to a minidisk of ``target`` now; refused with 8/12 while ``target`` is not logged on."""
        lines = self.call("Image_MDISK_Link_Query", target, vdev=vdev).texts("mdisk_link_array")
        return tuple(mdisk_link(line) for line in lines)

    def image_disk_share(
        self, target: str, vdev: str, owner: str, owner_vdev: str, mode: str = "RR", password: str = ""
    ) -> None:
        """Link ``owner_vdev`` of ``owner`` to a running machine at ``vdev``."""
        self.call(
            "Image_Disk_Share",
            target,
            image_disk_number=vdev,
            target_image_name=owner,
            target_image_disk_number=owner_vdev,
            read_write_mode=mode,
            optional_password=password,
        )

    def image_disk_unshare(self, target: str, vdev: str) -> None:
        self.call("Image_Disk_Unshare", target, image_disk_number=vdev)


def _passwords(three: tuple[str, str, str]) -> dict[str, str]:
    return dict(zip(("read_password", "write_password", "multi_password"), three, strict=True))


def _all(reply: Reply, name: str, kind: type[T]) -> tuple[T, ...]:
    found = reply.values.get(name, ())
    return tuple(item for item in found if isinstance(item, kind)) if isinstance(found, tuple) else ()


def _group(reply: Reply, done: str, failed: str) -> GroupResult:
    return GroupResult(reply.number(done), reply.number(failed), _all(reply, "failing_array", Failing))
