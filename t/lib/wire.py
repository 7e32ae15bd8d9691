"""wire: our own dialogues (lib/wire) from a test: submitters, agents and administrators played by hand.

    q = Queue(house)                 # queued alone, its sockets in DIR/run
    s = q.submitter()
    m = s.submit('ann@else.example', ['bob@far.example'])      # up to LINKED
    s.say('SYNCED', m.id)
    a = q.agent('remote')
    job = a.hear('JOB')
    a.report(job, 'sent')
"""
import array
import os
import re
import socket
import time

from posthouse import *


def encode(word):
    octets = word if isinstance(word, bytes) else str(word).encode()
    return ''.join(chr(c) if 0x21 <= c <= 0x7e and c != 0x25 else '%%%02X' % c for c in octets) or '%'


def decode(word):
    if word == '%':
        return ''
    return re.sub(r'%([0-9A-Fa-f]{2})', lambda m: chr(int(m.group(1), 16)), word).encode('latin-1').decode(
        'utf-8', 'surrogateescape')


class Packet:
    def __init__(self, octets, fds):
        head, _, body = octets.partition(b'\n')
        words = head.decode().split(' ')
        self.verb, self.words, self.fds = words[0], [decode(w) for w in words[1:]], fds
        self.body = body.decode()
        self.lines = [[decode(w) for w in line.split(' ')] for line in self.body.split('\n') if line]

    def __repr__(self):
        return '%s %s %r' % (self.verb, self.words, self.body)

    def close(self):
        for fd in self.fds:
            os.close(fd)
        self.fds = []


class Wire:
    def __init__(self, path):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.sock.connect(str(path))
        self.sock.settimeout(10 * PATIENCE)

    def say(self, verb, *words, body='', fds=()):
        text = ' '.join([verb] + [encode(w) for w in words]) + ('\n' + body if body else '')
        socket.send_fds(self.sock, [text.encode()], list(fds))

    def raw(self, octets, fds=()):
        socket.send_fds(self.sock, [octets], list(fds))

    def hear(self, verb=None, bound=None):
        """The next packet; None: hung up. With verb another one is an error."""
        self.sock.settimeout((bound or 10) * PATIENCE)
        octets, fds, _, _ = socket.recv_fds(self.sock, 70000, 8)
        if not octets:
            return None
        p = Packet(octets, fds)
        if verb and p.verb != verb:
            raise ValueError('expected %s, got %r' % (verb, p))
        return p

    def silent(self, seconds=0.3):
        """Nothing comes for a while."""
        self.sock.settimeout(seconds)
        try:
            got = socket.recv_fds(self.sock, 70000, 8)
        except socket.timeout:
            return True
        diag('not silent: %r' % (got[0],))
        return False

    def close(self):
        self.sock.close()


def envelope(id, sender='ann@else.example', rcpts=('bob@far.example',), text=b'Subject: x\n\nHello.\n', head=0, arrived=None,
             extra=''):
    lines = []
    for r in rcpts:
        action, address, notify = (list(r) + ['-'])[:3] if not isinstance(r, str) else ['relay', r, '-']
        lines.append('T 0000 %s %s rfc822;%s %s' % (action, encode(address), encode(address), notify))
    return ('posthouse-envelope 1\nid %s\narrived %d\nsender %s\noctets %d %d\nhead %d\nclient test\nbody 7BIT\n%srcpts %d\n%s\n' % (
        id, int(arrived or time.time()), encode(sender), len(text), len(text) + text.count(b'\n'), head, extra, len(lines),
        '\n'.join(lines))).encode()


class Message:
    pass


class Submitter(Wire):
    def submit(self, sender='ann@else.example', rcpts=('bob@far.example',), text=b'Subject: x\n\nHello.\n', head=0,
               env=None, wait=True, packed=False, **kw):
        """OPEN to LINKED (or REFUSED): a Message with id, how, answer. packed: the envelope comes with COMMIT."""
        self.say('OPEN', 'test')
        m = Message()
        m.answer = files = self.hear()
        m.text = text
        if files.verb != 'FILES':
            return m
        m.id = files.words[0]
        os.pwrite(files.fds[0], text, 0)
        env = env if env is not None else envelope(m.id, sender, rcpts, text, head, **kw)
        if not packed:
            os.pwrite(files.fds[1], env, 0)
        m.nlink = lambda: os.fstat(m.fds[0]).st_nlink
        m.fds = files.fds
        self.say('COMMIT', len(text), len(rcpts), body=env.decode() if packed else '')
        m.answer = None
        if wait:
            self.linked(m)
        return m

    def linked(self, m):
        m.answer = self.hear()
        m.how = m.answer.words[1] if m.answer.verb == 'LINKED' else m.answer.verb

    def queue(self, *args, **kw):
        """submit and SYNCED."""
        m = self.submit(*args, **kw)
        self.say('SYNCED', m.id)
        return m


class Agent(Wire):
    def __init__(self, path, kind):
        Wire.__init__(self, path)
        self.say('HELLO', kind)

    def report(self, job, outcome='sent', code=250, enhanced='2.0.0', text='ok', host='mx.far.example', connected='-',
               by_rcpt=None):
        lines = []
        for line in job.lines:
            o, c, e, t = (by_rcpt or {}).get(line[1], (outcome, code, enhanced, text))
            lines.append('%s %s %d %s %s\n' % (line[0], o, c, encode(e), encode(t)))
        job.close()
        self.say('REPORT', job.words[0], host, connected, body=''.join(lines))


class Queue:
    """queued alone in a house that is set up."""

    def __init__(self, house):
        self.house = house
        self.start()

    def start(self):
        for name in ('submit', 'agents', 'control'):
            try:
                self.house.path('run', name).unlink()
            except FileNotFoundError:
                pass
        starts = self.house.log().count(' queue.started ')
        self.process = self.house.spawn('queued')
        if not wait_until(lambda: self.answers() and self.house.log().count(' queue.started ') > starts):
            raise RuntimeError('queued does not start: ' + self.house.log())

    def answers(self):
        try:
            Wire(self.house.path('run', 'control')).close()
        except OSError:
            return False
        return True

    def kill(self):
        self.process.kill()
        self.process.wait()

    def submitter(self):
        return Submitter(self.house.path('run', 'submit'))

    def agent(self, kind):
        return Agent(self.house.path('run', 'agents'), kind)

    def control(self, verb, *words, body=''):
        """The answer's last packet; ITEMs' lines in .items."""
        w = Wire(self.house.path('run', 'control'))
        w.say(verb, *words, body=body)
        items = []
        p = w.hear()
        while p is not None and p.verb == 'ITEM':
            items += p.lines
            p = w.hear()
        w.close()
        p.items = items
        return p

    def spool(self, *names):
        return self.house.path('spool', *names)

    def files(self, name):
        return sorted(os.listdir(self.spool(name)))

    def env(self, id, where='env'):
        return self.spool(where, id).read_text()

    def gone(self, id, bound=10):
        """Neither envelope nor message is left."""
        return wait_until(lambda: not any(self.spool(d, id).exists() for d in ('env', 'new', 'cur', 'hold')), bound)
