"""milter_raw: a filter that says what it is told to say, octet by octet, and remembers every packet it got.

    f = Filter()                          # a Unix socket of its own; Filter(inet=True): TCP
    f.options = (6, 0x1ff, 0)             # version, actions, steps; f.macros = {stage: b'i j'} asks for macros
    f.says['M'] = [(b'r', b'')]           # the answer to MAIL: packets; default: (b'c', b'')
    f.says['B'] = Filter.DIE              # hangs up; Filter.SILENT: never answers; or a function of the connection
    f.told()                              # ['C...', 'H...'] of all connections: (command letter, data)

Standard library only; a thread a connection.
"""
import atexit
import os
import shutil
import socket
import struct
import tempfile
import threading

MUTE = {'L': 0x80, 'C': 0x1000, 'H': 0x2000, 'M': 0x4000, 'R': 0x8000, 'T': 0x10000, 'U': 0x20000, 'N': 0x40000, 'B': 0x80000}


def packet(command, data=b''):
    return struct.pack('>I', len(data) + 1) + command + data


class Filter:
    DIE, SILENT = 'die', 'silent'

    def __init__(self, inet=False, family=socket.AF_INET):
        if inet:
            self.listener = socket.socket(family)
            self.listener.bind(('127.0.0.1' if family == socket.AF_INET else '::1', 0))
            host, port = self.listener.getsockname()[:2]
            self.place = 'inet:%s:%d' % ('[%s]' % host if ':' in host else host, port)
        else:
            directory = tempfile.mkdtemp(prefix='posthouse-filter-')
            atexit.register(shutil.rmtree, directory, ignore_errors=True)
            os.chmod(directory, 0o755)
            path = os.path.join(directory, 's')
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(path)
            os.chmod(path, 0o777)
            self.place = 'unix:' + path
        self.listener.listen(50)
        self.lock, self.open = threading.Lock(), []
        self.reset()
        threading.Thread(target=self._accept, daemon=True).start()

    def reset(self):
        """Says yes to everything, has heard nothing."""
        self.options, self.macros, self.says = (6, 0x1ff, 0), {}, {}
        self.after_options = b''   # said unasked, behind the options
        self.heard, self.connections = [], 0
        self.since = getattr(self, 'since', 0) + 1  # who was connected before is not heard any more

    def forget(self):
        """What was heard up to now."""
        with self.lock:
            self.heard, self.connections = [], 0

    def told(self, commands=None, macros=False):
        """[(letter, data)], of these commands only; macros: those packets as well."""
        with self.lock:
            return [(c, d) for c, d in self.heard if (commands is None or c in commands) and (macros or c != 'D')]

    def letters(self):
        return ''.join(c for c, _ in self.told())

    def macros_of(self, command):
        """{name: value} of the newest packet of macros for this command; None: there was none."""
        for c, d in reversed(self.told(macros=True)):
            if c == 'D' and d[:1].decode() == command:
                words = d[1:].split(b'\0')[:-1]
                return {k.decode(): v.decode() for k, v in zip(words[::2], words[1::2])}
        return None

    def hang_up(self):
        """On everybody who is connected."""
        with self.lock:
            for conn in self.open:
                try:
                    conn.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def _accept(self):
        while True:
            conn, _ = self.listener.accept()
            with self.lock:
                self.connections += 1
                self.open.append(conn)
                since = self.since
            threading.Thread(target=self._serve, args=(conn, since), daemon=True).start()

    def _read(self, conn, n):
        got = b''
        while len(got) < n:
            some = conn.recv(n - len(got))
            if not some:
                raise EOFError
            got += some
        return got

    def _serve(self, conn, since):
        try:
            while self._one(conn, since):
                pass
        except (EOFError, OSError):
            pass
        with self.lock:
            self.open.remove(conn)
        conn.close()

    def _one(self, conn, since):
        n, = struct.unpack('>I', self._read(conn, 4))
        whole = self._read(conn, n)
        command, data = whole[:1].decode('latin-1'), whole[1:]
        with self.lock:
            if since == self.since:
                self.heard.append((command, data))
            says = self.says.get(command)
        if command == 'O':
            conn.sendall(self._offer() if says is None else says)
            return True
        if callable(says):
            says = says(self, conn, data)
        if says == Filter.DIE or command == 'Q':
            return False
        if says == Filter.SILENT or command in 'DAK' or self.options[2] & MUTE.get(command, 0):
            return True
        conn.sendall(b''.join(packet(c, d) for c, d in ([(b'c', b'')] if says is None else says)))
        return True

    def _offer(self):
        lists = b''.join(struct.pack('>I', stage) + names + b'\0' for stage, names in self.macros.items())
        return packet(b'O', struct.pack('>III', *self.options) + lists) + self.after_options
