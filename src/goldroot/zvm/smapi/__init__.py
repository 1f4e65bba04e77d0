"""SMAPI, z/VM's management interface: a synchronous client without dependencies.

    >>> client = Client(Server("zvm.example.com"), "GOLDADM", Secret(password))
    >>> client.image_query_dm("LINUX01")
    >>> client.call("Image_CPU_Query", "LINUX01").values["cpu_info_array"]

Checked against frames captured from z/VM 7.1, never against a live system: docs/zvm/smapi.md says what that means.
"""

from goldroot.zvm.smapi.calls import MinidiskForm, MinidiskRoom
from goldroot.zvm.smapi.client import Client, Clock, Patience, Secret
from goldroot.zvm.smapi.errors import (
    BadCertificate,
    BadReply,
    CallRefused,
    CannotConnect,
    LostReply,
    OperationFailed,
    SmapiError,
    StillWorking,
)
from goldroot.zvm.smapi.reply import Reply
from goldroot.zvm.smapi.results import (
    Dasd,
    DirectoryEntry,
    Failing,
    GroupResult,
    LockInfo,
    MdiskLink,
    Progress,
    SearchHit,
    SpaceRecord,
)
from goldroot.zvm.smapi.transport import PORT, Server

__all__ = [
    "PORT",
    "BadCertificate",
    "BadReply",
    "CallRefused",
    "CannotConnect",
    "Client",
    "Clock",
    "Dasd",
    "DirectoryEntry",
    "Failing",
    "GroupResult",
    "LockInfo",
    "LostReply",
    "MdiskLink",
    "MinidiskForm",
    "MinidiskRoom",
    "OperationFailed",
    "Patience",
    "Progress",
    "Reply",
    "SearchHit",
    "Secret",
    "Server",
    "SmapiError",
    "SpaceRecord",
    "StillWorking",
]
