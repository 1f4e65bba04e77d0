"""Guests that run: on and off, lists, devices, links, configuration."""

from __future__ import annotations

import struct

import pytest

from goldroot.zvm.simulator import CpError, Options, Simulator, System


class Clock:
    """Time that moves when it is told to."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def test_on_off_and_again(zvm):
    assert zvm("Image_Status_Query", "S10RO3").code == (0, 12)
    assert zvm("Image_Activate", "s10ro3").code == (0, 0)
    assert zvm("Image_Activate", "S10RO3").code == (200, 8)
    assert zvm("Image_Status_Query", "S10RO3").strings() == ["S10RO3"]
    assert zvm("Image_Deactivate", "S10RO3", "immed").code == (0, 0)
    assert zvm("Image_Deactivate", "S10RO3", "").code == (200, 12)
    assert zvm("Image_Recycle", "S10RO3").code == (200, 12)


@pytest.mark.parametrize("name", ["NOBODY", "S10GOLD", "LINDFLT"])
def test_who_cannot_be_logged_on(zvm, name):
    """Not in the directory, NOLOG, or no user at all."""
    assert zvm("Image_Activate", name).code == (200, 4)


@pytest.mark.parametrize(
    ("when", "code"),
    [("WITHIN 30", (0, 30)), ("30", (0, 30)), ("IMMED", (0, 0)), ("WITHIN 99999", (200, 36)), ("SOON", (24, 519))],
)
def test_the_reason_code_is_the_time_granted(zvm, when, code):
    assert zvm("Image_Deactivate", "S10RO1", when).code == code


def test_a_guest_takes_its_time_to_go(asking):
    clock = Clock()
    with Simulator(options=Options(shutdown=20), clock=clock) as simulator:
        zvm = asking(simulator)
        assert zvm("Image_Deactivate", "S10RO1", "WITHIN 60").code == (0, 60)
        assert zvm("Image_Deactivate", "S10RO2", "WITHIN 5").code == (0, 5)
        assert zvm("Image_Status_Query", "S10RO1").code == (0, 0)
        assert zvm("Image_Deactivate", "S10RO1", "").code == (200, 16)
        assert zvm("Image_Activate", "S10RO1").code == (200, 16)
        clock.now += 6
        assert zvm("Image_Status_Query", "S10RO2").code == (0, 12)
        clock.now += 15
        assert zvm("Image_Status_Query", "S10RO1").code == (0, 12)
        assert zvm("Image_Activate", "S10RO1").code == (0, 0)


def test_a_name_list_is_counted(zvm):
    for name in ("S10RO1", "S10RO3", "NOBODY"):
        zvm("Name_List_Add", "CLONES", name)
    got = zvm("Image_Activate", "CLONES")
    assert got.code == (200, 28)
    done, failed, size = struct.unpack(">III", got.data[:12])
    assert (done, failed, size) == (1, 2, len(got.data) - 12)
    assert b"S10RO1" in got.data and struct.pack(">II", 200, 8) in got.data and struct.pack(">II", 200, 4) in got.data
    assert set(zvm("Image_Status_Query", "CLONES").strings()) == {"S10RO1", "S10RO3"}
    assert zvm("Image_Deactivate", "CLONES", "IMMED").code == (200, 32)
    assert zvm("Name_List_Remove", "CLONES", "NOBODY").code == (0, 0)
    assert zvm("Image_Activate", "CLONES").code == (0, 0)


def test_who_has_a_disk(zvm, part):
    got = zvm("Image_MDISK_Link_Query", "TCPIP", part.texts("vdev=592"))
    assert got.code == (0, 0)
    assert got.data[4:] == b"ZVM      VSMGUARD 0592 READ\0"
    assert zvm("Image_MDISK_Link_Query", "TCPIP", part.texts("vdev=191")).code == (0, 28)
    assert zvm("Image_MDISK_Link_Query", "TCPIP", part.texts("vdev=FFF")).code == (8, 8)
    assert zvm("Image_MDISK_Link_Query", "TCPIP", part.texts("wrong=1")).code == (8, 3002)
    assert zvm("Image_MDISK_Link_Query", "TCPIP").code == (8, 3004)
    # The owner of gold is never logged on: the call cannot say who links it.
    assert zvm("Image_MDISK_Link_Query", "S10GOLD", part.texts("vdev=11B0")).code == (8, 12)


def test_sharing_with_a_running_guest(zvm):
    assert zvm("Image_Disk_Share", "S10RO1", "F00", "S10RWTST", "1B5", "W", "WRITE").code == (0, 0)
    assert zvm("Image_Disk_Share", "S10RO1", "F00", "S10RWTST", "1B6", "W", "WRITE").code == (208, 4)
    assert zvm("Image_Disk_Share", "S10RO2", "F00", "S10RWTST", "1B5", "W", "WRITE").code == (208, 16)
    assert zvm("Image_Disk_Share", "S10RO2", "F00", "S10RWTST", "1B5", "MR", "").code == (208, 20)
    assert zvm("Image_Disk_Share", "S10RO2", "F01", "S10RWTST", "1B5", "RR", "WRONG").code == (208, 32)
    assert zvm("Image_Disk_Share", "S10RO2", "F01", "NOBODY", "1B5", "RR", "").code == (208, 12)
    assert zvm("Image_Disk_Share", "S10RO3", "F01", "MAINT", "190", "RR", "").code == (200, 12)
    assert zvm("Image_Disk_Unshare", "S10RO1", "F00").code == (0, 0)
    assert zvm("Image_Disk_Unshare", "S10RO1", "F00").code == (208, 8)


def test_sharing_in_the_directory_has_the_owners_address_first(zvm):
    assert zvm("Image_Disk_Share_DM", "S10RO3", "190", "MAINT", "F90", "RR", "").code == (0, 0)
    assert any(record.split() == ["LINK", "MAINT", "0190", "0F90", "RR"] for record in zvm.records("S10RO3"))
    assert zvm("Image_Disk_Share_DM", "S10RO3", "190", "MAINT", "F90", "RR", "").code == (408, 4)
    assert zvm("Image_Disk_Share_DM", "S10RO3", "F90", "MAINT", "190", "RR", "").code == (408, 8)
    assert zvm("Image_Disk_Share_DM", "S10RO3", "191", "MAINT", "F91", "RR", "WRONG").code == (408, 32)
    assert zvm("Image_Disk_Unshare_DM", "S10RO3", "190", "MAINT", "F90").code == (0, 0)
    assert zvm("Image_Disk_Unshare_DM", "S10RO3", "190", "MAINT", "F90").code == (408, 8)


def test_a_deleted_guest_is_off_first(zvm, part):
    assert zvm("Image_Delete_DM", "S10RO1", part.byte(0)).code == (400, 16)
    zvm("Image_Deactivate", "S10RO1", "IMMED")
    assert zvm("Image_Delete_DM", "S10RO1", part.byte(0)).code == (0, 0)
    assert zvm("Image_Query_DM", "S10RO1").code == (400, 4)
    assert zvm("Image_Activate", "S10RO1").code == (200, 4)


def test_levels(zvm):
    assert zvm("Query_API_Functional_Level", "MAINT").code == (0, 640)
    assert zvm("Query_Directory_Manager_Level_DM", "MAINT").code == (0, 0)


def test_identities_have_the_disks_of_their_member():
    text = """
IDENTITY TWOHOME PW 1G 1G G
 BUILD ON VM1 USING SUBCONFIG TWO-1
 BUILD ON VM2 USING SUBCONFIG TWO-2
 MDISK 100 3390 1 10 SHARED MR
SUBCONFIG TWO-1
 MDISK 191 3390 1 10 ONLY01 MR
SUBCONFIG TWO-2
 MDISK 191 3390 1 10 ONLY02 MR
"""
    system = System(text, active=["TWOHOME"])
    extents = {one.address: one.extent.volser for one in system.query_virtual("TWOHOME") if one.extent}
    assert extents == {"0100": "SHARED", "0191": "ONLY01"}


def test_own_statements_hide_those_of_the_profile():
    text = """
PROFILE P
 CONSOLE 0009 3215 T
 LINK MAINT 190 190 RR
USER MAINT PW
 MDISK 190 3390 1 10 SYSRES MR
 MDISK 19F 3390 11 10 SYSRES MR
USER ONE PW
 INCLUDE P
 LINK MAINT 19F 190 RR
 MDISK 200 FB-512 V-DISK 4096 MR
 MDISK 201 3390 T-DISK 5 MR
"""
    system = System(text, active=["ONE"])
    devices = {one.address: one for one in system.query_virtual("ONE")}
    assert devices["0190"].owner_address == "019F"
    assert {"0009", "0200", "0201"} <= set(devices)
    assert devices["0200"].extent is None


def test_methods_for_a_shim_say_what_cp_says():
    system = System("USER ONE PW\n")
    for work in (
        lambda: system.logoff("ONE"),
        lambda: system.detach("ONE", "100"),
        lambda: system.query_virtual("ONE"),
    ):
        with pytest.raises(CpError) as refused:
            work()
        assert refused.value.number == 45
        assert refused.value.text.startswith("HCP")
    system.logon("ONE")
    with pytest.raises(CpError, match="040E"):
        system.detach("ONE", "100")
