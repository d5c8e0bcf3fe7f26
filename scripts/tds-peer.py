#!/usr/bin/env python3
"""A small TDS 7.4 peer for tests: tds-peer.py PORT CERTIFICATE KEY

No SQL Server: it answers every batch and call with two invented rows, one whose text has `no_such` in it with an error, and
every login with the right password. The client's wish decides on encryption: none, the login only, or all.
"""

import socket
import ssl
import struct
import sys
import threading

PASSWORD = "Live-Passw0rd"
HEADER = 8


def utf16(text):
    return text.encode("utf-16-le")


def b_varchar(text):
    return bytes([len(text)]) + utf16(text)


def us_varchar(text):
    return struct.pack("<H", len(text)) + utf16(text)


def token(number, body):
    return bytes([number]) + struct.pack("<H", len(body)) + body


def done(status, count=0):
    return b"\xfd" + struct.pack("<HHQ", status, 0xC1, count)


def error(number, text):
    return token(0xAA, struct.pack("<iBB", number, 1, 16) + us_varchar(text) + b_varchar("vbr01") + b_varchar("") + struct.pack("<i", 1))


def rows():
    columns = b"\x81" + struct.pack("<H", 2)
    columns += struct.pack("<IH", 0, 0) + b"\x38" + b_varchar("id")
    columns += struct.pack("<IH", 0, 1) + b"\xe7" + struct.pack("<H", 100) + bytes(5) + b_varchar("note")
    out = columns
    for number, note in ((1, "one"), (2, "two")):
        out += b"\xd1" + struct.pack("<i", number) + struct.pack("<H", 2 * len(note)) + utf16(note)
    return out + done(0x10, 2)


class Session:
    def __init__(self, stream, certificate, key):
        self.stream, self.tls = stream, None
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.maximum_version = ssl.TLSVersion.TLSv1_2
        self.context.load_cert_chain(certificate, key)

    def raw(self, count):
        data = b""
        while len(data) < count:
            piece = self.stream.recv(count - len(data))
            if not piece:
                raise EOFError
            data += piece
        return data

    def read(self, count):
        """Bytes of packets, out of TLS where there is some."""
        if self.tls is None:
            return self.raw(count)
        data = b""
        while len(data) < count:
            try:
                piece = self.tls.read(count - len(data))
                if not piece:
                    raise EOFError
                data += piece
            except ssl.SSLWantReadError:
                piece = self.stream.recv(65536)
                if not piece:
                    raise EOFError
                self.incoming.write(piece)
        return data

    def message(self):
        body = b""
        while True:
            kind, status, length = struct.unpack(">BBH", self.read(HEADER)[:4])
            body += self.read(length - HEADER)
            if status & 1:
                return kind, body

    def send(self, kind, body):
        data = struct.pack(">BBHHBB", kind, 1, len(body) + HEADER, 51, 1, 0) + body
        if self.tls is None:
            self.stream.sendall(data)
        else:
            self.tls.write(data)
            self.stream.sendall(self.outgoing.read())

    def shake(self):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.context.wrap_bio(incoming, outgoing, server_side=True)
        while True:
            try:
                tls.do_handshake()
                over = True
            except ssl.SSLWantReadError:
                over = False
            records = outgoing.read()
            if records:
                self.send(0x12, records)
            if over:
                break
            incoming.write(self.message()[1])
        self.incoming, self.outgoing, self.tls = incoming, outgoing, tls

    def prelogin(self, wish):
        # Off, on, not supported, required: as a server that can and need not.
        answer = {0: 0, 1: 1, 2: 2, 3: 1}[wish & 3]
        options = [(0, bytes([16, 0, 3, 232, 0, 0])), (1, bytes([answer])), (2, b"\0"), (4, b"\0")]
        at, table, data = 5 * len(options) + 1, b"", b""
        for number, value in options:
            table += struct.pack(">BHH", number, at + len(data), len(value))
            data += value
        self.send(4, table + b"\xff" + data)
        return answer

    def login(self, body):
        place, length = struct.unpack("<HH", body[44:48])
        hidden = body[place : place + 2 * length]
        password = bytes(((b ^ 0xA5) >> 4 | (b ^ 0xA5) << 4) & 0xFF for b in hidden).decode("utf-16-le")
        place, length = struct.unpack("<HH", body[68:72])
        database = body[place : place + 2 * length].decode("utf-16-le") or "master"
        if password != PASSWORD:
            self.send(4, error(18456, "Login failed for user 'ann'.") + done(2))
            return False
        out = token(0xE3, b"\x01" + b_varchar(database) + b_varchar("master"))
        out += token(0xE3, b"\x04" + b_varchar("4096") + b_varchar("4096"))
        out += token(0xAD, b"\x01\x74\x00\x00\x04" + b_varchar("Microsoft SQL Server") + bytes([16, 0, 3, 232]))
        self.send(4, out + done(0))
        return True

    def run(self):
        kind, body = self.message()
        wish = 2
        at = 0
        while body[at] != 0xFF:
            number, place, length = struct.unpack(">BHH", body[at : at + 5])
            if number == 1 and length:
                wish = body[place]
            at += 5
        answer = self.prelogin(wish)
        if answer != 2:
            self.shake()
        kind, body = self.message()
        if answer == 0:
            self.tls = None
        if kind != 0x10 or not self.login(body):
            return
        while True:
            kind, body = self.message()
            if kind == 6:
                self.send(4, done(0x20))
            elif utf16("no_such") in body:
                self.send(4, error(208, "Invalid object name 'no_such'.") + done(2))
            elif utf16("USE ") in body or utf16("use ") in body:
                self.send(4, token(0xE3, b"\x01" + b_varchar("VeeamBackup") + b_varchar("master")) + done(0))
            else:
                self.send(4, rows())


def serve(stream, certificate, key):
    with stream:
        try:
            Session(stream, certificate, key).run()
        except (EOFError, OSError, ssl.SSLError):
            pass


def main():
    port, certificate, key = int(sys.argv[1]), sys.argv[2], sys.argv[3]
    listener = socket.create_server(("127.0.0.1", port))
    print("listening", flush=True)
    while True:
        stream, _ = listener.accept()
        threading.Thread(target=serve, args=(stream, certificate, key), daemon=True).start()


main()
