"""upstream: a provider's POP3 server for tests, in threads; well-behaved until it is told otherwise.

    up = Upstream([b'To: ann@example.org\\r\\n\\r\\nhello\\r\\n'])
    up.port, up.deleted, up.commands
    up.quirks['RETR'] = lambda conn, n: ...   # answers instead; returns False to hang up

What it may be bad at: uids (UIDs that are doubled, or missing), sizes, stuffing (dots), reading (more than one command at
a time), budget (octets that it says before the line is cut).
"""
import base64
import hashlib
import hmac
import os
import re
import threading

from provider import Provider


class Upstream(Provider):
    def __init__(self, messages=(), login='office', password='secret', capa=('USER', 'UIDL', 'TOP', 'PIPELINING'),
                 uidl=True, sizes=None, tls=None, implicit=False, token=None, top=True, stuffing=True, hasty=False,
                 uids=None, greeting='ready'):
        self.messages = {'uid%04d' % i: m for i, m in enumerate(messages, 1)}
        self.login, self.password, self.capa, self.uidl = login, password, capa, uidl
        self.sizes = sizes          # uid → what LIST says instead of the truth
        self.tls, self.implicit = tls, implicit
        self.token, self.top, self.greeting = token, top, greeting
        self.stuffing = stuffing    # False: a dot at the start of a line is sent as it is
        self.hasty = hasty          # reads a command and throws away what came with it
        self.uids = uids or {}      # uid → what UIDL says instead; None: no line
        self.budget = None          # octets that it says, then the connection is cut
        self.logins = []            # how clients logged in, or tried to
        self.quirks = {}            # verb → function(conn, argument); True: answered, None: as usual, False: hang up
        self.deleted, self.commands, self.sessions = [], [], 0
        self.lock = threading.Lock()
        self.open(Session)


class Session:
    def __init__(self, up, sock):
        self.up, self.sock, self.buf, self.user = up, sock, b'', None
        with up.lock:
            up.sessions += 1
            self.box = list(up.messages.items())
        self.gone = set()

    def send(self, octets):
        if self.up.budget is not None:
            with self.up.lock:
                octets, cut = octets[:self.up.budget], len(octets) > self.up.budget
                self.up.budget -= len(octets)
            self.sock.sendall(octets)
            if cut:
                raise OSError('cut')
            return
        self.sock.sendall(octets)

    def line(self):
        while b'\n' not in self.buf:
            got = self.sock.recv(65536)
            if not got:
                return None
            self.buf += got
        line, self.buf = self.buf.split(b'\n', 1)
        if self.up.hasty:
            self.buf = b''
        return line.rstrip(b'\r').decode('utf-8', 'surrogateescape')

    def run(self):
        quirk = self.up.quirks.get('greeting')
        if quirk and quirk(self, '') is False:
            return
        self.send(b'+OK %s\r\n' % self.up.greeting.encode())
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

    def decide(self, how, good):
        self.up.logins.append(how)
        self.send(b'+OK in\r\n' if good else b'-ERR [AUTH] no\r\n')

    def do_PASS(self, arg):
        self.decide('USER', self.user == self.up.login and arg == self.up.password)

    def do_APOP(self, arg):
        stamp = re.search('<.*>', self.up.greeting).group()
        self.decide('APOP', arg == '%s %s' % (self.up.login, hashlib.md5((stamp + self.up.password).encode()).hexdigest()))

    # --- SASL (RFC 5034)

    def challenge(self, octets):
        self.send(b'+ ' + base64.b64encode(octets) + b'\r\n')
        return self.response()

    def response(self, line=None):
        line = self.line() if line is None else line
        if line is None or line == '*':
            raise OSError('cancelled')
        return b'' if line == '=' else base64.b64decode(line)

    def do_AUTH(self, arg):
        name, _, initial = arg.partition(' ')
        if len('AUTH ' + arg) + 2 > 255:
            return self.send(b'-ERR the line is too long\r\n')
        sasl = getattr(self, 'sasl_' + name.replace('-', '_'), None)
        offered = [c for c in self.up.capa or () if c.startswith('SASL ')]
        if sasl is None or name not in ' '.join(offered).split()[1:]:
            return self.send(b'-ERR no such mechanism\r\n')
        try:
            good = sasl(self.response(initial) if initial else None)
        except (ValueError, OSError):
            good = False
        self.decide(name, good)

    def sasl_PLAIN(self, first):
        first = self.challenge(b'') if first is None else first
        return first == ('\0%s\0%s' % (self.up.login, self.up.password)).encode()

    def sasl_LOGIN(self, first):
        login = self.challenge(b'User Name\0') if first is None else first
        return (login, self.challenge(b'Password\0')) == (self.up.login.encode(), self.up.password.encode())

    def sasl_CRAM_MD5(self, first):
        want = hmac.new(self.up.password.encode(), b'<1.2@isp.example>', 'md5').hexdigest()
        return self.challenge(b'<1.2@isp.example>') == ('%s %s' % (self.up.login, want)).encode()

    def sasl_SCRAM_SHA_1(self, first):
        return self.scram('sha1', first)

    def sasl_SCRAM_SHA_256(self, first):
        return self.scram('sha256', first)

    def scram(self, name, first):
        """RFC 5802."""
        first = self.challenge(b'') if first is None else first
        bare = first.split(b',', 2)[2]
        nonce = re.search(rb'r=([^,]+)', bare).group(1) + base64.b64encode(os.urandom(9))
        salt, rounds = os.urandom(12), 4096
        server_first = b'r=%s,s=%s,i=%d' % (nonce, base64.b64encode(salt), rounds)
        final = self.challenge(server_first)
        without, proof = final.rsplit(b',p=', 1)
        salted = hashlib.pbkdf2_hmac(name, self.up.password.encode(), salt, rounds)
        key = hmac.new(salted, b'Client Key', name).digest()
        message = b','.join((bare, server_first, without))
        signature = hmac.new(hashlib.new(name, key).digest(), message, name).digest()
        good = base64.b64decode(proof) == bytes(a ^ b for a, b in zip(key, signature)) and nonce in without
        if not good or re.search(rb'n=([^,]*)', bare).group(1) != self.up.login.encode():
            return False
        server_key = hmac.new(salted, b'Server Key', name).digest()
        self.challenge(b'v=' + base64.b64encode(getattr(self.up, 'scram_signature', None) or
                                                hmac.new(server_key, message, name).digest()))
        return True

    def with_token(self, got, want):
        if got == want:
            return True
        self.challenge(b'{"status":"401","schemes":"bearer"}')
        return False

    def sasl_XOAUTH2(self, first):
        first = self.challenge(b'') if first is None else first
        return self.with_token(first, ('user=%s\1auth=Bearer %s\1\1' % (self.up.login, self.up.token)).encode())

    def sasl_OAUTHBEARER(self, first):
        first = self.challenge(b'') if first is None else first
        return self.with_token(re.sub(rb'\x01(host|port)=[^\x01]*', b'', first),
                               ('n,a=%s,\1auth=Bearer %s\1\1' % (self.up.login, self.up.token)).encode())

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
        shown = [(i, self.up.uids.get(u, u)) for i, (u, m) in enumerate(self.box, 1)]
        self.send(b'+OK\r\n' + b''.join(b'%d %s\r\n' % (i, u.encode()) for i, u in shown if u is not None) + b'.\r\n')

    def do_TOP(self, arg):
        if not self.up.top:
            return self.unknown(arg)
        n, lines = arg.split()
        head, _, body = self.box[int(n) - 1][1].partition(b'\r\n\r\n')
        body = b''.join(body.splitlines(keepends=True)[:int(lines)])
        self.send(b'+OK\r\n' + self.stuffed(head + b'\r\n\r\n' + body))

    def stuffed(self, message):
        if not message.endswith(b'\r\n'):
            message += b'\r\n'
        if not self.up.stuffing:
            return message + b'.\r\n'
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
