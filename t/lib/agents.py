"""agents: queued's chair at the agents' socket, and the world that remote meets.

    desk = Desk('remote', conf='remote_port = 1234')
    report = desk.job(nexthop='smarthost:127.0.0.1:1234', rcpts=['bob@else.example'], message=b'Subject: x\\n\\ny\\n')
    report.outcomes    [('sent', 250, '2.0.0', 'ok')]

Server is an SMTP server that answers as it is told, as odd as that may be; Zone is
DNS by nsd.
"""
import array
import atexit
import os
import shutil
import socket
import tempfile
import threading
import time

from posthouse import *
from posthouse import _b


def encode(word):
    out = b''.join(bytes([c]) if 0x21 <= c <= 0x7e and c != 0x25 else b'%%%02X' % c for c in _b(word))
    return out or b'%'


def decode(word):
    if word == b'%':
        return ''
    return re.sub(rb'%([0-9A-Fa-f]{2})', lambda m: bytes([int(m.group(1), 16)]), word).decode('utf-8', 'surrogateescape')


class Report:
    def __init__(self, packet):
        head, _, body = packet.partition(b'\n')
        words = [decode(w) for w in head.split(b' ')]
        if words[0] != 'REPORT' or len(words) != 4:
            raise ValueError('not a report: %r' % packet)
        self.id, self.host, self.connected = words[1:]
        self.outcomes = []
        for i, line in enumerate(body.strip(b'\n').split(b'\n')):
            n, outcome, code, enhanced, text = [decode(w) for w in line.split(b' ')]
            if int(n) != i:
                raise ValueError('recipient %s at place %d' % (n, i))
            self.outcomes.append((outcome, int(code), enhanced, text))


class Desk:
    """Runs one agent program of its own; plays queued for it."""

    def __init__(self, program, conf='', n=1, users=('ann:secret', 'bob:secret'), maps=None, **kw):
        self.house = House(users=users, conf='%s_agents = %d\nlog_level = detail\n%s' % (program, n, conf), maps=maps, **kw)
        self.path = str(self.house.path('run', 'agents'))
        self.kind = program
        self.listen()
        self.process = self.house.spawn(program)
        self.agents = []
        self.serial = 0

    def listen(self):
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o666)
        self.socket.listen(100)
        self.socket.settimeout(20 * PATIENCE)

    def agent(self):
        """A connection of an agent that said HELLO."""
        if not self.agents:
            c, _ = self.socket.accept()
            c.settimeout(60 * PATIENCE)
            hello = c.recv(65536)
            if hello != b'HELLO ' + _b(self.kind):
                raise ValueError(hello)
            return c
        return self.agents.pop()

    def message(self, octets):
        """An unlinked file on the spool, as queued makes it; its descriptor."""
        fd = os.open(self.house.path('spool'), os.O_TMPFILE | os.O_RDWR, 0o660)
        os.fchmod(fd, 0o660)
        if ROOT:
            import grp
            os.fchown(fd, -1, grp.getgrnam('phmail').gr_gid)
        os.write(fd, octets) if len(octets) < 1 << 16 else os.pwrite(fd, octets, 0)
        return fd

    def give(self, rcpts, message=b'Subject: x\n\ny\n', nexthop='local', sender='ann@example.org', head=0, flags='-',
             ret='', envid='', id=None, arrived=1795315490, orcpt=None, notify='-', fd=None):
        """A JOB to an idle agent; (its connection, the ID)."""
        self.serial += 1
        id = id or 'job%d' % self.serial
        own = fd is None
        if own:
            fd = self.message(message)
        size = os.fstat(fd).st_size
        wire = size + message.count(b'\n')
        words = ['JOB', id, sender, arrived, size, wire, head, flags, nexthop, ret, envid]
        packet = b' '.join(encode(str(w)) for w in words)
        for i, r in enumerate(rcpts):
            packet += b'\n%d %s %s %s' % (i, encode(r), encode(orcpt or 'rfc822;' + r), encode(notify))
        agent = self.agent()
        agent.sendmsg([packet + b'\n'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array('i', [fd]))])
        if own:
            os.close(fd)
        return agent, id

    def take(self, agent, id):
        packet = agent.recv(65536)
        if not packet:
            return None
        report = Report(packet)
        if report.id != id:
            raise ValueError('a report on %s, not %s' % (report.id, id))
        self.agents.append(agent)
        return report

    def job(self, rcpts, *args, **kw):
        return self.take(*self.give(rcpts, *args, **kw))


class Server(threading.Thread):
    """An SMTP server. say: reply by stage ('greeting', 'EHLO', 'HELO', 'MAIL', 'RCPT', 'DATA', '.', 'RSET',
    'QUIT'): a str (LF between lines), a list (one after another, the last stays), a function of the command line, None: hang up, or 'wait': say nothing.
    sessions: for each connection what came, as a list of bytes lines; messages: what DATA held, as sent, without the final dot.
    tls: an SSLContext: STARTTLS is offered, and answered as 'STARTTLS' says; behind a 220 the handshake, or what 'HANDSHAKE' says
    (None, octets); under TLS a stage 'TLS EHLO' goes before 'EHLO'. names: for each TLS session the name that was asked for (SNI)."""

    def __init__(self, say=None, host='127.0.0.1', port=None, tls=None, ehlo='PIPELINING\nSIZE 10000000\n8BITMIME\nSMTPUTF8\nDSN\nENHANCEDSTATUSCODES'):
        super().__init__(daemon=True)
        self.say = {'greeting': '220 peer.example ESMTP', 'EHLO': '250 peer.example\n' + ehlo if ehlo is not None else '502 what?',
                    'HELO': '250 peer.example', 'MAIL': '250 2.1.0 fine', 'RCPT': '250 2.1.5 fine', 'DATA': '354 go on',
                    '.': '250 2.0.0 taken', 'RSET': '250 2.0.0 forgotten', 'QUIT': '221 bye'}
        self.tls, self.names = tls, []
        if tls:
            self.say['TLS EHLO'] = self.say['EHLO']
            self.say.update({'EHLO': self.say['EHLO'] + '\nSTARTTLS', 'STARTTLS': '220 2.0.0 go on', 'HANDSHAKE': True})
            tls.sni_callback = lambda sock, name, ctx: self.names.append(name)
        self.say.update(say or {})
        self.sessions, self.messages, self.segments, self.envelopes = [], [], [], []
        v6 = ':' in host
        self.socket = socket.socket(socket.AF_INET6 if v6 else socket.AF_INET, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.host, self.port = host, port or free_port()
        self.socket.bind((host, self.port))
        self.socket.listen(50)
        self.start()

    @property
    def nexthop(self):
        return 'smarthost:%s:%d' % (self.host if ':' not in self.host else '[%s]' % self.host, self.port)

    def run(self):
        while True:
            try:
                c, _ = self.socket.accept()
                c.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            except OSError:
                return
            threading.Thread(target=self.serve, args=(c,), daemon=True).start()

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    def answer(self, c, stage, line=b''):
        """False: hang up."""
        reply = self.say[stage]
        if isinstance(reply, list):
            reply = reply.pop(0) if len(reply) > 1 else reply[0]
        if callable(reply):
            reply = reply(line.decode('utf-8', 'surrogateescape'))
        if reply is None:
            return False
        if reply == 'wait':
            time.sleep(600)
        if isinstance(reply, bytes):
            c.sendall(reply)
            return True
        lines = reply.split('\n')
        code = lines[0][:3]
        for i, text in enumerate(lines):
            text = text if i == 0 else code + ' ' + text
            if i + 1 < len(lines):
                text = code + '-' + text[4:]
            c.sendall(_b(text) + b'\r\n')
        self.last = code
        return True

    def serve(self, c):
        session = []
        self.sessions.append(session)
        try:
            self.speak(c, session)
        except OSError:
            pass
        finally:
            try:
                c.close()
            except OSError:
                pass

    def secure(self, c, session):
        """The connection under TLS; None: there is none."""
        shake = self.say['HANDSHAKE']
        if shake is True:
            session.append(b'(TLS)')
            return self.tls.wrap_socket(c, server_side=True)
        if shake == 'wait':
            time.sleep(600)
        if shake:
            c.sendall(shake)
            c.recv(65536)
        return None

    def speak(self, c, session):
        rest, data = b'', None
        if not self.answer(c, 'greeting'):
            return
        while True:
            if data is not None:
                end = 0 if rest.startswith(b'.\r\n') and not data else rest.find(b'\r\n.\r\n')
                if end >= 0:
                    skip = 3 if rest.startswith(b'.\r\n') and not data else 5
                    self.messages.append(rest[:end] + (b'\r\n' if skip == 5 else b''))
                    rest, data = rest[end + skip:], None
                    if not self.answer(c, '.'):
                        return
                    continue
            elif b'\r\n' in rest:
                line, _, rest = rest.partition(b'\r\n')
                session.append(line)
                verb = line.split(b' ')[0].upper().decode('ascii', 'replace')
                stage = verb if verb in self.say else 'EHLO'
                if b'(TLS)' in session and 'TLS ' + stage in self.say:
                    stage = 'TLS ' + stage
                if not self.answer(c, stage, line):
                    return
                if verb == 'STARTTLS' and self.last == '220':
                    c, rest = self.secure(c, session), b''
                    if not c:
                        return
                if verb == 'QUIT':
                    return
                if verb == 'DATA' and self.last == '354':
                    data = b''
                    self.envelopes.append([x for x in session if x[:4] in (b'MAIL', b'RCPT')])
                continue
            more = c.recv(65536)
            if not more:
                return
            self.segments.append(more)
            rest += more


class Zone:
    """nsd with one zone, on 127.0.0.1:port."""

    def __init__(self, records, origin='test'):
        nsd = have('nsd')
        if not nsd:
            skip_all('nsd is not installed')
        self.dir = tempfile.mkdtemp(prefix='posthouse-nsd-')
        atexit.register(shutil.rmtree, self.dir, ignore_errors=True)
        self.port = free_port()
        with open(self.dir + '/zone', 'w') as f:
            f.write('$ORIGIN %s.\n$TTL 60\n@ SOA ns hostmaster 1 60 60 60 60\n@ NS ns\nns A 127.0.0.1\n%s\n' % (origin, records))
        with open(self.dir + '/conf', 'w') as f:
            f.write('server:\n ip-address: 127.0.0.1@%d\n username: ""\n chroot: ""\n pidfile: ""\n zonesdir: "%s"\n'
                    ' database: ""\n xfrdfile: "%s/xfrd"\n zonelistfile: "%s/list"\n xfrdir: "%s"\n server-count: 1\n'
                    'remote-control:\n control-enable: no\n'
                    'zone:\n name: %s\n zonefile: zone\n' % (self.port, self.dir, self.dir, self.dir, self.dir, origin))
        self.process = spawn([nsd, '-d', '-c', self.dir + '/conf'], stderr=open(self.dir + '/log', 'wb'))
        wait_until(self.answers, what='nsd')

    def answers(self):
        query = b'\x12\x34\0\0\0\1\0\0\0\0\0\0' + b'\x02ns\x04test\0' + b'\0\1\0\1'
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(0.1)
            try:
                s.connect(('127.0.0.1', self.port))
                s.send(query)
                return s.recv(512)[:2] == b'\x12\x34'
            except OSError:
                return False

    @property
    def conf(self):
        return 'resolver = 127.0.0.1:%d\ndns_timeout = 2s' % self.port
