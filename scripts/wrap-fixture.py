#!/usr/bin/env python3
"""Puts TLS around a conversation of protocols/fixtures: wrap-fixture.py NAME NEW [PROTOCOL-IN-ALPN]

Writes NEW.txt and NEW.keylog. A name that begins with pgsql gets SSLRequest and its answer in front. Both ends of TLS are
OpenSSL's, in this process; certificate and keys are made for this and thrown away.
"""

import os
import pathlib
import ssl
import subprocess
import sys
import tempfile

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "protocols" / "fixtures"


class End:
    """One end of the session."""

    def __init__(self, context, server):
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=server)

    def shake(self):
        try:
            self.tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        return True

    def take(self, data):
        """Takes records; what they say."""
        self.incoming.write(data)
        said = b""
        try:
            while chunk := self.tls.read(65536):
                said += chunk
        except ssl.SSLWantReadError:
            pass
        return said


def contexts(alpn, keylog):
    with tempfile.TemporaryDirectory() as folder:
        key, cert = os.path.join(folder, "key"), os.path.join(folder, "cert")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=sql01.example.lan", "-days", "3650"]
            + ["-keyout", key, "-out", cert],
            check=True,
            capture_output=True,
        )
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(cert, key)
    server.keylog_filename = keylog
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_mode = ssl.CERT_NONE
    if alpn:
        for context in (server, client):
            context.set_alpn_protocols([alpn])
    return client, server


def main():
    name, new = sys.argv[1:3]
    alpn = sys.argv[3] if len(sys.argv) > 3 else None
    keylog = FOLDER / (new + ".keylog")
    keylog.unlink(missing_ok=True)
    client, server = contexts(alpn, str(keylog))
    client, server = End(client, False), End(server, True)
    turns = []

    def flush(end, arrow, peer):
        records = end.outgoing.read()
        if not records:
            return b""
        turns.append((arrow, records))
        return peer.take(records) if done[0] else peer.incoming.write(records)

    done = [False]
    if name.startswith("pgsql"):
        turns += [(">", bytes.fromhex("0000000804d2162f")), ("<", b"S")]
    over = [False, False]
    while not all(over):
        over[0] = over[0] or client.shake()
        flush(client, ">", server)
        over[1] = over[1] or server.shake()
        flush(server, "<", client)
    done[0] = True
    for line in (FOLDER / (name + ".txt")).read_text().splitlines():
        arrow, data = line.split(" ")
        sender, receiver = (client, server) if arrow == ">" else (server, client)
        sender.tls.write(bytes.fromhex(data))
        assert flush(sender, arrow, receiver) == bytes.fromhex(data)
    text = "".join(f"{arrow} {data.hex()}\n" for arrow, data in turns)
    (FOLDER / (new + ".txt")).write_text(text)


main()
