"""The site's key, and signatures by ``ssh-keygen -Y``."""

from __future__ import annotations

import os
import tempfile

from goldroot.errors import BadSignature, NotFound, ProgramFailed
from goldroot.run import run

#: Who signs, and what for: both stand in the signature and are checked.
SIGNER, NAMESPACE = "site@goldroot", "gold@goldroot"


class SiteKey:
    """The key pair in a site's ``keys/`` directory."""

    def __init__(self, directory: str) -> None:
        self.private = os.path.join(directory, "site")
        self.public = self.private + ".pub"
        self.allowed = os.path.join(directory, "allowed_signers")

    def make(self) -> None:
        """Make the pair and the list of signers, where they are missing; an existing key is never replaced."""
        if not os.path.exists(self.private):
            beside = self.private + ".new"
            for path in (beside, beside + ".pub"):
                if os.path.exists(path):
                    os.unlink(path)
            run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", SIGNER, "-f", beside])
            # The private half goes last: whoever finds it finds the public half too.
            os.rename(beside + ".pub", self.public)
            os.rename(beside, self.private)
        if not os.path.exists(self.allowed):
            with open(self.public, encoding="ascii") as file:
                line = f'{SIGNER} namespaces="{NAMESPACE}" {file.read().strip()}\n'
            with open(self.allowed + ".new", "w", encoding="ascii") as file:
                file.write(line)
            os.rename(self.allowed + ".new", self.allowed)

    def sign(self, document: bytes) -> str:
        """An armoured signature of ``document``; ``NotFound`` where the key is gone."""
        if not os.path.exists(self.private):
            raise NotFound(
                f"the site's key {self.private} is missing",
                meaning="Without it no gold version can be signed. Nothing was published.",
                todo="Put it back from a backup, or make a new one with: goldroot init (in the site's directory).",
            )
        return run(["ssh-keygen", "-q", "-Y", "sign", "-f", self.private, "-n", NAMESPACE], stdin=document).text()

    def verify(self, document: bytes, signature: str, what: str) -> None:
        """See that a signer of this site signed ``document``; ``what`` names it.

        :raises BadSignature: nobody of them did. :raises NotFound: it is not known whose signatures count.
        """
        if not os.path.exists(self.allowed):
            raise NotFound(
                f"{self.allowed} is missing, which says whose signatures count",
                meaning=f"Whether {what} is what was published cannot be told. Nothing was changed.",
                todo="Put the site's keys back from a backup. Where its key is still there (keys/site and keys/site.pub), "
                "this writes the file anew: goldroot init (in the site's directory).",
            )
        with tempfile.NamedTemporaryFile("w", suffix=".sig") as file:
            file.write(signature)
            file.flush()
            args = ["-f", self.allowed, "-I", SIGNER, "-n", NAMESPACE, "-s", file.name]
            try:
                run(["ssh-keygen", "-q", "-Y", "verify", *args], stdin=document)
            except ProgramFailed as error:
                raise BadSignature(
                    f"the signature of {what} does not hold",
                    meaning="It was changed after it was signed, or signed by a key that this site does not know.",
                    todo=f"Do not use it. The keys that count stand in {self.allowed}.",
                ) from error
