"""upstream: a provider's POP3 server for tests, in threads; well-behaved until it is told otherwise.

    up = Upstream([b'To: ann@example.org\\r\\n\\r\\nhello\\r\\n'])
    up.port, up.deleted, up.commands
    up.quirks['RETR'] = lambda conn, n: ...   # answers instead; returns False to hang up
"""
import re
import socket
import threading


class Upstream:
    def __init__(self, messages=(), login='office', password='secret', capa=('USER', 'UIDL', 'TOP', 'PIPELINING'),
                 uidl=True, sizes=None, tls=None, implicit=False):
        self.messages = {'uid%04d' % i: m for i, m in enumerate(messages, 1)}
        self.login, self.password, self.capa, self.uidl = login, password, capa, uidl
        self.sizes = sizes          # uid → what LIST says instead of the truth
        self.tls, self.implicit = tls, implicit
        self.quirks = {}            # verb → function(conn, argument); True: answered, None: as usual, False: hang up
        self.deleted, self.commands, self.sessions = [], [], 0
        self.lock = threading.Lock()
        self.sock = socket.socket()
        self.sock.bind(('127.0.0.1', 0))
        self.sock.listen(20)
        self.port = self.sock.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self.sock.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        try:
            if self.implicit:
                sock = self.tls.wrap_socket(sock, server_side=True)
            Session(self, sock).run()
        except (OSError, ValueError):
            pass
        finally:
            sock.close()

    def close(self):
        self.sock.close()


class Session:
    def __init__(self, up, sock):
        self.up, self.sock, self.buf, self.user = up, sock, b'', None
        with up.lock:
            up.sessions += 1
            self.box = list(up.messages.items())
        self.gone = set()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, octets):
        self.sock.sendall(octets)

    def line(self):
        while b'\n' not in self.buf:
            got = self.sock.recv(65536)
            if not got:
                return None
            self.buf += got
        line, self.buf = self.buf.split(b'\n', 1)
        return line.rstrip(b'\r').decode('utf-8', 'surrogateescape')

    def run(self):
        self.send(b'+OK ready\r\n')
        while True:
            line = self.line()
            if line is None:
                return
            verb, _, arg = line.partition(' ')
            verb = verb.upper()
            self.up.commands.append(line)
            quirk = self.up.quirks.get(verb)
            answered = quirk(self, arg) if quirk else None
            if answered is False:
                return
            if answered is None:
                getattr(self, 'do_' + verb, self.unknown)(arg)
            if verb == 'QUIT':
                return

    def unknown(self, arg):
        self.send(b'-ERR what?\r\n')

    def do_CAPA(self, arg):
        if self.up.capa is None:
            return self.unknown(arg)
        self.send(b'+OK\r\n' + b''.join(c.encode() + b'\r\n' for c in self.up.capa) + b'.\r\n')

    def do_STLS(self, arg):
        self.send(b'+OK go ahead\r\n')
        self.sock = self.up.tls.wrap_socket(self.sock, server_side=True)
        self.buf = b''

    def do_USER(self, arg):
        self.user = arg
        self.send(b'+OK\r\n')

    def do_PASS(self, arg):
        good = self.user == self.up.login and arg == self.up.password
        self.send(b'+OK in\r\n' if good else b'-ERR [AUTH] no\r\n')

    def do_NOOP(self, arg):
        self.send(b'+OK\r\n')

    def listed(self, uid, message):
        return (self.up.sizes or {}).get(uid, len(message))

    def do_LIST(self, arg):
        self.send(b'+OK\r\n' + b''.join(b'%d %d\r\n' % (i, self.listed(u, m))
                                       for i, (u, m) in enumerate(self.box, 1)) + b'.\r\n')

    def do_UIDL(self, arg):
        if not self.up.uidl:
            return self.unknown(arg)
        self.send(b'+OK\r\n' + b''.join(b'%d %s\r\n' % (i, u.encode())
                                       for i, (u, m) in enumerate(self.box, 1)) + b'.\r\n')

    def stuffed(self, message):
        if not message.endswith(b'\r\n'):
            message += b'\r\n'
        return re.sub(rb'(^|\r\n)\.', rb'\1..', message) + b'.\r\n'

    def do_RETR(self, arg):
        self.send(b'+OK\r\n' + self.stuffed(self.box[int(arg) - 1][1]))

    def do_DELE(self, arg):
        self.gone.add(self.box[int(arg) - 1][0])
        self.send(b'+OK\r\n')

    def do_QUIT(self, arg):
        with self.up.lock:
            for uid in sorted(self.gone):
                self.up.messages.pop(uid, None)
                self.up.deleted.append(uid)
        self.send(b'+OK bye\r\n')
