"""The client against a scripted server: repeats, recovery, waiting, time-outs, wrong lengths."""

from __future__ import annotations

import socket
import struct
from typing import Any

import pytest

from goldroot.errors import UsageError
from goldroot.zvm.smapi import (
    BadReply,
    CallRefused,
    CannotConnect,
    Client,
    GroupResult,
    LockInfo,
    LostReply,
    MdiskLink,
    MinidiskRoom,
    OperationFailed,
    Patience,
    Progress,
    Server,
    StillWorking,
)

ONCE = Patience(tries=1)


def cut(stream: socket.socket, _: bytes) -> None:
    """Close with a reset, as a server that dies does."""
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def hang_up(_: socket.socket, __: bytes) -> None:
    """Close without a word."""


def silent(stream: socket.socket, _: bytes) -> None:
    stream.recv(1)  # Returns when the client has given up.


def endless(stream: socket.socket, _: bytes) -> None:
    stream.sendall(bytes(4) + (60 << 20).to_bytes(4, "big"))
    while True:
        stream.sendall(bytes(1 << 16))


class TestTypedCalls:
    def test_records_of_an_entry(self, responder: Any, make_client: Any) -> None:
        records = ("USER X ABC".ljust(72), "*DVHOPT CRC\xf3:".ljust(72))
        responder.play(responder.answer(values=responder.array(*records)))
        assert make_client().image_query_dm("X") == records

    def test_target_is_the_caller_when_none_is_given(self, responder: Any, make_client: Any) -> None:
        responder.play(responder.answer(values=responder.array("A", "B")))
        assert make_client().image_name_query_dm() == ("A", "B")
        assert responder.requests[0].endswith(b"\0\0\0\7GOLDADM")

    def test_the_level_is_the_reason_code(self, responder: Any, make_client: Any) -> None:
        responder.play(responder.answer(0, 720), responder.answer(0, 0))
        assert make_client().query_api_functional_level() == 720
        assert make_client().query_api_functional_level() == 530

    def test_a_machine_that_is_not_logged_on(self, responder: Any, make_client: Any) -> None:
        responder.play(responder.answer(0, 12))
        assert make_client().image_status_query("X") == ()

    def test_a_search_that_finds_nothing(self, responder: Any, make_client: Any) -> None:
        responder.play(responder.answer(0, 28))
        assert make_client().directory_manager_search_dm("LINK GOLD *") == ()

    def test_locks(self, responder: Any, make_client: Any) -> None:
        devices = b"0191 MAINT\x000192 OPERATOR\x00"
        locked = responder.int4(12) + b"DEVICE MAINT" + responder.int4(len(devices)) + devices
        responder.play(responder.answer(0, 12, locked), responder.answer(0, 24))
        assert make_client().image_lock_query_dm("X") == LockInfo(
            True, "DEVICE", "MAINT", (("0191", "MAINT"), ("0192", "OPERATOR"))
        )
        assert make_client().image_lock_query_dm("X") == LockInfo(False)

    def test_locked_devices_of_fixed_length(self, responder: Any, make_client: Any) -> None:
        devices = b"0191MAINT   0192OPERATOR"
        locked = responder.int4(12) + b"DEVICE MAINT" + responder.int4(len(devices)) + devices
        responder.play(responder.answer(0, 12, locked))
        assert make_client().image_lock_query_dm("X").devices == (("0191", "MAINT"), ("0192", "OPERATOR"))

    def test_links_now(self, responder: Any, make_client: Any) -> None:
        lines = b"SYSTEM   LINUX01 01B0 READ\0SYSTEM   LINUX02 11B0 WRITE\0"
        responder.play(responder.answer(values=responder.int4(len(lines)) + lines))
        assert make_client().image_mdisk_link_query("S10GOLD", "1B0") == (
            MdiskLink("SYSTEM", "LINUX01", "01B0", "READ"),
            MdiskLink("SYSTEM", "LINUX02", "11B0", "WRITE"),
        )

    def test_activating_one_and_several(self, responder: Any, make_client: Any) -> None:
        failing = struct.pack(">II3sII", 15, 3, b"BAD", 200, 8)
        listed = struct.pack(">III", 2, 1, len(failing)) + failing
        responder.play(responder.answer(), responder.answer(200, 28, listed))
        assert make_client().image_activate("X") == GroupResult(None, None)
        with pytest.raises(CallRefused, match="200/28") as caught:
            make_client().image_activate("MYLIST")
        assert caught.value.detail == "BAD: Image already active (200/8)"


class TestReturnCodes:
    def test_text_and_advice_of_this_api(self, responder: Any, make_client: Any) -> None:
        responder.play(responder.answer(400, 12))
        with pytest.raises(CallRefused) as caught:
            make_client().image_lock_dm("X")
        error = caught.value
        assert error.code == (400, 12)
        assert error.text == "Image definition is locked"
        assert "Image_Unlock_DM" in error.todo
        assert error.as_dict()["return_code"] == 400
        assert error.exit_code == 4

    def test_a_syntax_error_names_parameter_and_rule(self, responder: Any, make_client: Any) -> None:
        responder.play(responder.answer(24, 213))
        with pytest.raises(CallRefused, match=r"parameter 2 \(rule 13\)"):
            make_client().image_lock_dm("X")

    def test_a_code_that_no_book_lists(self, responder: Any, make_client: Any) -> None:
        responder.play(responder.answer(12345, 1))
        with pytest.raises(CallRefused, match="12345/1"):
            make_client().image_lock_dm("X")

    def test_a_refusal_is_not_repeated(self, responder: Any, make_client: Any) -> None:
        responder.play(responder.answer(500, 8))
        with pytest.raises(CallRefused):
            make_client().image_query_dm("X")
        assert len(responder.requests) == 1


class TestRepeats:
    def test_a_question_is_asked_again(self, responder: Any, make_client: Any, slept: Any) -> None:
        responder.play(hang_up, responder.int4(7), responder.answer(values=responder.array("R")))
        assert make_client().image_query_dm("X") == ("R",)
        assert slept.pauses == [0.5, 1.0]

    def test_and_given_up_at_last(self, responder: Any, make_client: Any) -> None:
        with pytest.raises(LostReply) as caught:
            make_client().image_query_dm("X")
        assert len(responder.requests) == 3
        assert caught.value.meaning == "Nothing was changed."

    def test_a_change_is_sent_once(self, responder: Any, make_client: Any) -> None:
        """Whatever is lost, and however often ``Response_Recovery`` fails."""
        responder.play(responder.int4(7), *[responder.answer(4, 4, request_id=8)])
        with pytest.raises(LostReply) as caught:
            make_client().image_replace_dm("X", ["USER X"])
        assert responder.functions() == ["Image_Replace_DM", "Response_Recovery"]
        assert responder.requests[1].endswith(responder.int4(7))
        assert caught.value.request_id == 7
        assert "not known whether" in caught.value.meaning

    def test_a_change_without_a_request_id_is_not_even_asked_for(self, responder: Any, make_client: Any) -> None:
        responder.play(cut)
        with pytest.raises(LostReply) as caught:
            make_client().image_replace_dm("X", ["USER X"])
        assert responder.functions() == ["Image_Replace_DM"]
        assert caught.value.request_id is None

    @pytest.mark.parametrize("with_length", [False, True])
    def test_the_lost_answer_is_recovered(self, responder: Any, make_client: Any, with_length: bool) -> None:
        lost = responder.int4(7) + responder.int4(0) + responder.int4(0)
        data = (responder.int4(len(lost)) if with_length else b"") + lost
        responder.play(responder.int4(7), responder.answer(values=data, request_id=8))
        make_client().image_replace_dm("X", ["USER X"])
        assert responder.functions() == ["Image_Replace_DM", "Response_Recovery"]

    def test_a_recovered_answer_may_be_a_refusal(self, responder: Any, make_client: Any) -> None:
        lost = responder.int4(7) + responder.int4(400) + responder.int4(24)
        responder.play(responder.int4(7), responder.answer(values=lost, request_id=8))
        with pytest.raises(CallRefused, match="400/24"):
            make_client().image_replace_dm("X", ["USER X"])

    def test_recovered_bytes_of_another_request_are_not_believed(self, responder: Any, make_client: Any) -> None:
        other = responder.int4(6) + responder.int4(0) + responder.int4(0)
        responder.play(responder.int4(7), responder.answer(values=other, request_id=8))
        with pytest.raises(LostReply):
            make_client().image_replace_dm("X", ["USER X"])

    def test_nobody_there(self, slept: Any, make_client: Any) -> None:
        client = make_client()
        with socket.create_server(("127.0.0.1", 0)) as gone:
            port = gone.getsockname()[1]
        client.server = Server("127.0.0.1", port, tls=False)
        with pytest.raises(CannotConnect, match="refused"):
            client.image_replace_dm("X", ["USER X"])
        assert len(slept.pauses) == 2

    @pytest.mark.parametrize("host", ["no.such.host.invalid", "x" * 300, "a..b", "\xff.example", ""])
    def test_no_such_host(self, host: str, slept: Any) -> None:
        client = Client(Server(host, 1, tls=False, connect_timeout=2), "GOLDADM", "x", patience=ONCE)
        with pytest.raises(CannotConnect):
            client.check_authentication()


class TestWaiting:
    def progress(self, client: Client) -> list[Progress]:
        told: list[Progress] = []
        client.progress = told.append
        return told

    def start_and_end(self, responder: Any, start: bytes, *states: int) -> None:
        responder.play(start, *[responder.answer(0, state) for state in states])

    def test_the_id_is_the_reason_code(self, responder: Any, make_client: Any, slept: Any) -> None:
        self.start_and_end(responder, responder.answer(592, 4711), 104, 104, 100)
        client = make_client()
        told = self.progress(client)
        assert client.image_disk_delete_dm("X", "191").code == (0, 0)
        assert responder.requests[1].endswith(responder.int4(4711))
        assert [(one.state, one.polls, one.elapsed) for one in told] == [
            ("running", 1, 0.0),
            ("running", 2, 2.0),
            ("done", 3, 4.0),
        ]
        assert slept.pauses == [2.0, 2.0]

    def test_the_id_is_in_the_answer(self, responder: Any, make_client: Any) -> None:
        self.start_and_end(responder, responder.answer(592, 0, responder.int4(99)), 100)
        assert make_client().image_delete_dm("X").operations == (99,)
        assert responder.requests[1].endswith(responder.int4(99))

    def test_several_ids_as_text(self, responder: Any, make_client: Any) -> None:
        ids = b"12 13\0"
        self.start_and_end(responder, responder.answer(592, 4, responder.int4(len(ids)) + ids), 100, 104, 100)
        client = make_client()
        reply = client.call(
            "Image_Definition_Update_DM", "X", definition_update_directory_keyword_parameter_list=["IPL=VDEV=CMS"]
        )
        assert reply.operations == (12, 13)
        assert len(responder.requests) == 4

    def test_an_operation_that_fails(self, responder: Any, make_client: Any) -> None:
        self.start_and_end(responder, responder.answer(592, 5), 104, 108)
        with pytest.raises(OperationFailed, match="operation 5 failed") as caught:
            make_client().image_disk_copy_dm("X", "5B5", "G", "1B5", room=MinidiskRoom("LINUX"))
        assert not isinstance(caught.value, StillWorking)
        assert caught.value.operation_id == 5

    def test_an_operation_that_does_not_end(self, responder: Any, make_client: Any, slept: Any) -> None:
        self.start_and_end(responder, responder.answer(592, 5), *[104] * 10)
        with pytest.raises(StillWorking, match="still going on after 6 seconds"):
            make_client(patience=Patience(operation=6.0)).image_disk_delete_dm("X", "191")
        assert slept.time == 6.0

    def test_a_question_that_is_lost_while_waiting(self, responder: Any, make_client: Any) -> None:
        responder.play(responder.answer(592, 5), hang_up, responder.answer(0, 100))
        assert make_client().image_disk_delete_dm("X", "191").code == (0, 0)

    @pytest.mark.parametrize("code", [(500, 8), (100, 16), (596, 3300)])
    def test_a_question_that_is_refused_says_nothing_of_the_change(
        self, responder: Any, make_client: Any, code: tuple[int, int]
    ) -> None:
        responder.play(responder.answer(592, 5), responder.answer(*code))
        with pytest.raises(LostReply, match="the end of operation 5 cannot be seen") as caught:
            make_client().image_disk_delete_dm("X", "191")
        assert f"({code[0]}/{code[1]})" in caught.value.brief
        assert "It is not known whether Image_Disk_Delete_DM of X was done" in caught.value.meaning
        assert caught.value.request_id is not None

    def test_a_server_that_goes_away_while_waiting(self, responder: Any, make_client: Any) -> None:
        responder.play(responder.answer(592, 5), hang_up, hang_up, hang_up)
        with pytest.raises(LostReply, match="the end of operation 5 cannot be seen") as caught:
            make_client().image_disk_delete_dm("X", "191")
        assert (caught.value.api, caught.value.request_id is None) == ("Image_Disk_Delete_DM", False)

    def test_not_waiting(self, responder: Any, make_client: Any) -> None:
        responder.play(responder.answer(592, 5))
        reply = make_client().image_disk_delete_dm("X", "191", wait=False)
        assert (reply.code, reply.operations) == ((592, 5), (5,))

    def test_an_operation_without_an_id(self, responder: Any, make_client: Any) -> None:
        responder.play(responder.answer(592, 0))
        with pytest.raises(BadReply, match="its id is missing"):
            make_client().image_disk_delete_dm("X", "191")

    def test_a_question_answered_by_an_operation_is_no_empty_entry(self, responder: Any, make_client: Any) -> None:
        responder.play(responder.answer(592, 5), responder.answer(0, 100))
        with pytest.raises(BadReply, match="without values"):
            make_client().image_query_dm("X")


class TestBadServers:
    def test_an_empty_answer_is_no_empty_entry(self, responder: Any, make_client: Any) -> None:
        responder.play(responder.answer())
        with pytest.raises(BadReply, match="has no values"):
            make_client().image_query_dm("X")

    def test_two_gibibytes_are_announced(self, responder: Any, make_client: Any) -> None:
        responder.play(responder.int4(7) + b"\x7f\xff\xff\xff")
        with pytest.raises(BadReply, match="2,147,483,647 bytes"):
            make_client().image_query_dm("X")

    @pytest.mark.parametrize("size", [0, 1, 11])
    def test_less_than_the_codes_is_announced(self, responder: Any, make_client: Any, size: int) -> None:
        responder.play(responder.int4(7) + responder.int4(size) + bytes(size))
        with pytest.raises(BadReply, match="12 is the least"):
            make_client().image_query_dm("X")

    @pytest.mark.parametrize("size", [11, 0x7FFFFFFF])
    def test_a_change_may_have_happened_whose_answer_announces_what_cannot_be(
        self, responder: Any, make_client: Any, size: int
    ) -> None:
        responder.play(responder.int4(7) + responder.int4(size))
        with pytest.raises(BadReply) as caught:
            make_client().image_delete_dm("X")
        assert caught.value.todo.endswith("The change may have happened: query before you repeat it.")

    def test_an_answer_that_does_not_end_stops_where_it_was_announced(self, responder: Any, make_client: Any) -> None:
        responder.play(endless)
        with pytest.raises(BadReply):
            make_client(max_reply=61 << 20).image_query_dm("X")

    @pytest.mark.parametrize("said", [b"", b"\0\0", b"\0\0\0\7", b"\0\0\0\7\0\0\0\x20" + bytes(9)])
    def test_a_server_that_falls_silent(self, responder: Any, make_client: Any, said: bytes) -> None:
        def act(stream: socket.socket, request: bytes) -> None:
            stream.sendall(said)
            silent(stream, request)

        responder.play(act)
        with pytest.raises(LostReply, match=r"did not answer within 0\.2 seconds"):
            make_client(timeout=0.2, patience=ONCE).image_query_dm("X")

    def test_a_server_that_dribbles_meets_the_deadline(self, responder: Any, make_client: Any) -> None:
        """Each byte comes in time; the answer does not."""

        def dribble(stream: socket.socket, _: bytes) -> None:
            stream.settimeout(0.02)
            stream.sendall(bytes(4) + b"\0\0\x40\0")
            while True:
                stream.sendall(b"\0")
                try:
                    if not stream.recv(1):
                        return
                except TimeoutError:
                    pass

        responder.play(dribble)
        client = make_client(timeout=0.3, patience=ONCE)
        client.clock = type(client.clock)()
        with pytest.raises(LostReply, match="did not answer"):
            client.image_query_dm("X")

    def test_an_answer_to_somebody_else(self, responder: Any, make_client: Any) -> None:
        responder.play(responder.int4(7) + responder.answer(request_id=8)[4:])
        with pytest.raises(BadReply, match="answers request 8, not 7") as caught:
            make_client().image_lock_dm("X")
        assert caught.value.code == (0, 0)
        assert "query before you repeat" in caught.value.todo

    @pytest.mark.parametrize(
        ("values", "why"),
        [
            (b"\0\0\0\7\0\0\0\2AB", "wants 7 bytes; 6 are there"),
            (b"\0\0\0\5\0\0\0\2AB", "wants 2 bytes; 1 are there"),
            (b"\0\0\0\6\0\0\0\1AB", "length of image_record_array"),
            (b"\0\0\0\6\0\0\0\3AB", "wants 3 bytes; 2 are there"),
            (b"\0\0\0\6\0\0\0\2ABC", "1 bytes too many"),
            (b"\0\0\0", "wants 4 bytes; 3 are there"),
            (b"\xff\xff\xff\xff\0\0\0\2AB", "wants 4,294,967,295 bytes"),
        ],
    )
    def test_lengths_that_are_wrong(self, responder: Any, make_client: Any, values: bytes, why: str) -> None:
        responder.play(responder.answer(values=values))
        with pytest.raises(BadReply, match=why):
            make_client().image_query_dm("X")


class TestRequestsThatAreNotSent:
    @pytest.mark.parametrize("userid", ["", "TOOLONGID", "A B", "Ü", "A\n", "X/Y"])
    def test_user_ids_that_are_none(self, userid: str) -> None:
        with pytest.raises(UsageError, match="not a z/VM user ID"):
            Client(Server("127.0.0.1"), userid, "x")

    @pytest.mark.parametrize("target", ["TOOLONGID", "A B", "Ü", "A\0", "**"])
    def test_targets_that_are_none(self, make_client: Any, responder: Any, target: str) -> None:
        with pytest.raises(UsageError, match="not a target for Image_Query_DM"):
            make_client().image_query_dm(target)
        assert responder.requests == []

    @pytest.mark.parametrize("password", ["", "x" * 201, "a\nb", "a\0b", "p€ss", "\N{PILE OF POO}"])
    def test_passwords_that_cannot_be_sent(self, password: str) -> None:
        with pytest.raises(UsageError) as caught:
            Client(Server("127.0.0.1"), "GOLDADM", password)
        assert not password or password not in caught.value.brief + caught.value.meaning + caught.value.todo

    @pytest.mark.parametrize("password", ["ä ö\xff", "'\"\\$`;%s{}", " ", "x" * 200, "@#$¬¢|"])
    def test_odd_passwords_that_can(self, make_client: Any, responder: Any, password: str) -> None:
        responder.play(responder.answer())
        make_client(password=password).check_authentication()
        assert responder.requests[0].endswith(responder.int4(len(password)) + password.encode("latin-1"))

    def test_an_unknown_function_is_told_its_neighbours(self, make_client: Any) -> None:
        with pytest.raises(UsageError) as caught:
            make_client().call("Image_Querry_DM")
        assert "Image_Query_DM" in caught.value.todo

    @pytest.mark.parametrize(
        ("api", "params", "why"),
        [
            ("Image_Lock_DM", {"vdev": "191"}, "has no parameter 'vdev'"),
            ("Image_Lock_DM", {"device_address": "01910"}, "0 to 4 are taken"),
            ("Image_Disk_Unshare", {}, "needs image_disk_number"),
            ("Image_Delete_DM", {"data_security_erase": 256}, "not a number of 1 byte"),
            ("Image_Delete_DM", {"data_security_erase": "yes"}, "not a number of 1 byte"),
            ("Image_Delete_DM", {"data_security_erase": -129}, "not a number of 1 byte"),
            ("Response_Recovery", {"failed_request_id": 1 << 32}, "not a number of 4 bytes"),
            ("Image_Replace_DM", {"image_record_array": []}, "needs image_record_array"),
            ("Image_Replace_DM", {}, "needs image_record_array"),
            ("Image_Definition_Update_DM", {}, "needs definition_update"),
            ("Image_Replace_DM", {"image_record_array": ["x" * 81]}, "0 to 80 are taken"),
            ("Image_Replace_DM", {"image_record_array": ["a\nb"]}, "control character"),
            ("Image_Replace_DM", {"image_record_array": [3]}, "a list of texts is wanted"),
            ("Image_Replace_DM", {"image_record_array": 3}, "a list is wanted"),
            ("Image_MDISK_Link_Query", {"vdev": "19\0001"}, "control character"),
            ("Image_MDISK_Link_Query", {"vdev": ["191"]}, "a text is wanted"),
            ("Directory_Manager_Search_DM", {"search_pattern": "\u20ac"}, "cannot carry"),
            ("Metadata_Set", {"metadata_entry_array": ["alone"]}, "pairs NAME=VALUE"),
        ],
    )
    def test_parameters_that_do_not_fit(
        self, make_client: Any, responder: Any, api: str, params: dict[str, Any], why: str
    ) -> None:
        with pytest.raises(UsageError, match=why):
            make_client().call(api, "X", **params)
        assert responder.requests == []
