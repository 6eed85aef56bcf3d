"""Hands on what comes: python3 forward.py HOST:PORT [HOST:PORT], from the first to the second.

Ended, the address refuses connections, as that of a server that is down does, and the server behind it keeps
what it has in memory.
"""

import socket
import sys
import threading


def pump(source, sink):
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    finally:
        for end in (source, sink):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass


def main():
    (own_host, own_port), behind = [argument.rsplit(":", 1) for argument in sys.argv[1:3]]
    server = socket.create_server((own_host, int(own_port)))
    while True:
        client, _ = server.accept()
        other = socket.create_connection((behind[0], int(behind[1])))
        for pair in ((client, other), (other, client)):
            threading.Thread(target=pump, args=pair, daemon=True).start()


main()
