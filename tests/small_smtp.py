"""A mail server on the loopback: the few commands of RFC 5321 that handing over a mail takes."""

from __future__ import annotations

import socketserver
import threading
from email import message_from_bytes
from email.message import Message
from types import TracebackType


class SmallSmtp:
    """Takes mails for everybody but those in `refuses` (address: the line that it answers).

    `of_sender` and `of_data` are what it answers to every sender and to every mail.
    `hangs_up_after` mails it breaks off the connection instead of taking the next one.
    """

    def __init__(
        self,
        refuses: dict[str, str] | None = None,
        hangs_up_after: int | None = None,
        of_sender: str = "250 ok",
        of_data: str = "250 taken",
    ) -> None:
        self.mails: list[Message] = []
        self.recipients: list[str] = []
        self.refuses = refuses or {}
        self.of_sender = of_sender
        self.of_data = of_data
        self.hangs_up_after = hangs_up_after
        served = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                self.say("220 small")
                while line := self.rfile.readline().decode().strip():
                    if not served.answer(self, line):
                        return

            def say(self, line: str) -> None:
                self.wfile.write(f"{line}\r\n".encode())

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])

    def answer(self, handler: socketserver.StreamRequestHandler, line: str) -> bool:
        """Answer a command; false ends the conversation."""
        say = handler.say  # type: ignore[attr-defined]
        word = line.split()[0].upper()
        if word == "MAIL":
            say(self.of_sender)
        elif word == "RCPT":
            address = line.partition("<")[2].rstrip(">")
            self.recipients.append(address)
            say(self.refuses.get(address, "250 ok"))
        elif word == "DATA":
            if self.hangs_up_after is not None and len(self.mails) >= self.hangs_up_after:
                return False
            say("354 go on")
            lines = []
            while (part := handler.rfile.readline()) != b".\r\n":
                lines.append(part.removeprefix(b".") if part.startswith(b"..") else part)
            self.mails.append(message_from_bytes(b"".join(lines)))
            say(self.of_data)
        elif word == "QUIT":
            say("221 bye")
            return False
        else:
            say("250 ok")
        return True

    def __enter__(self) -> SmallSmtp:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
