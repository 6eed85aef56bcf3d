"""Carries bytes between a listener and something else: relay.py LISTEN TARGET...

LISTEN is tcp:HOST:PORT or unix:PATH; TARGET is the same, or exec: followed by a command, whose standard input and
output are the other end. It joins what a network namespace, or the kind of a socket, keeps apart.
"""

import os
import socket
import subprocess
import sys
import threading


def copy(read, write, done):
    try:
        while True:
            piece = read(65536)
            if not piece:
                break
            write(piece)
    except OSError:
        pass
    done()


def connect(target):
    kind, _, rest = target[0].partition(":")
    if kind == "exec":
        child = subprocess.Popen(target[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        into, out = child.stdin.fileno(), child.stdout.fileno()

        def write(piece):
            while piece:
                piece = piece[os.write(into, piece):]

        return lambda size: os.read(out, size), write, child.stdin.close, child.wait
    if kind == "unix":
        other = socket.socket(socket.AF_UNIX)
        other.connect(rest)
    else:
        host, _, port = rest.rpartition(":")
        other = socket.create_connection((host, int(port)))
    return other.recv, other.sendall, lambda: shut(other), other.close


def shut(end):
    try:
        end.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(client, target):
    try:
        read, write, end, close = connect(target)
    except OSError as error:
        print(error, file=sys.stderr)
        client.close()
        return
    there = threading.Thread(target=copy, args=(client.recv, write, end), daemon=True)
    there.start()
    copy(read, client.sendall, lambda: shut(client))
    there.join(5)
    close()
    client.close()


def main():
    kind, _, rest = sys.argv[1].partition(":")
    if kind == "unix":
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(rest)
    else:
        host, _, port = rest.rpartition(":")
        listener = socket.create_server((host, int(port)))
    listener.listen(64)
    while True:
        client, _ = listener.accept()
        threading.Thread(target=serve, args=(client, sys.argv[2:]), daemon=True).start()


main()
