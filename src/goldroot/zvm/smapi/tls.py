"""TLS with a SMAPI server: certificates are checked, and one session serves all calls of a client.

SMAPI takes one request for each connection (the server closes it after its answer), so that an update makes hundreds of
them.  A session that the server lets us resume (RFC 8446, 2.2; RFC 5077) saves each but the
first the certificates and the costly part of the handshake; whoever resumes it proves by its key to be the same server.
"""

from __future__ import annotations

import socket
import ssl
import threading
from typing import TYPE_CHECKING

from goldroot.errors import UsageError
from goldroot.zvm.smapi.errors import BadCertificate

if TYPE_CHECKING:
    from goldroot.zvm.smapi.transport import Server


class Tls:
    """What a client knows of the TLS of its server; it may be used by several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server: Server | None = None
        self._context: ssl.SSLContext | None = None
        self._session: ssl.SSLSession | None = None

    def prepare(self, server: Server) -> ssl.SSLContext:
        """What a connection to the server is checked against, read once.

        :raises UsageError: the file with the authorities cannot be read.
        """
        with self._lock:
            if self._context is None or self._server != server:
                self._context, self._server, self._session = tls_context(server), server, None
            return self._context

    def secured(self, server: Server, stream: socket.socket) -> ssl.SSLSocket:
        """The stream with TLS on it, in the session of the last call where the server takes it up again.

        :raises BadCertificate: the server did not prove who it is, or there was no TLS; the session is forgotten then.
        :raises UsageError: as :meth:`prepare`.
        """
        context = self.prepare(server)
        with self._lock:
            session, self._session = self._session, None
        return _handshake(server, context, stream, session)

    @property
    def resumes(self) -> bool:
        """Whether the next connection asks for the session of an earlier one."""
        return self._session is not None

    def keep(self, stream: ssl.SSLSocket) -> None:
        """Remember the session of a stream over which an answer came: with TLS 1.3 it is known only then."""
        with self._lock:
            if stream.context is self._context:
                self._session = stream.session


def tls_context(server: Server) -> ssl.SSLContext:
    """Verified by default: certificate chain and host name; TLS 1.2 at least.

    :raises UsageError: the file with the authorities cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=server.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        reason = "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise UsageError(
            f"the CA file {server.ca_file!r} cannot be used: {reason}",
            todo="Name a PEM file with the certificate of the authority that signed the server's.",
        ) from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if server.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _handshake(
    server: Server, context: ssl.SSLContext, stream: socket.socket, session: ssl.SSLSession | None
) -> ssl.SSLSocket:
    try:
        return context.wrap_socket(stream, server_hostname=server.host, session=session)
    except ssl.SSLCertVerificationError as error:
        raise BadCertificate(
            f"{server} did not prove who it is: {error.verify_message or error.reason}",
            meaning="Nothing was sent: the password is safe.",
            todo="Give the authority that signed its certificate (--ca-file), and the name that stands in it (--host).",
        ) from None
    except (OSError, ValueError) as error:
        raise BadCertificate(
            f"{server} did not complete the TLS handshake: {reason_of(error)}",
            meaning="Nothing was sent: the password is safe. The port may not speak TLS.",
            todo="Use the TLS port of the server; --no-tls speaks clear text, password included.",
        ) from None


def reason_of(error: Exception) -> str:
    """What went wrong with a socket, in a few words."""
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLError):
        return (error.reason or "a TLS error").replace("_", " ").lower()
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return "the name cannot be used" if isinstance(error, UnicodeError) else str(error) or type(error).__name__
