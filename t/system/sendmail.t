#!/usr/bin/env python3
"""sendmail and mailq, called as cron, PHP, mail programs and people call them."""
import os
import re
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *


class Sink(threading.Thread):
    """An SMTP server that takes everything: self.mail is [(sender, [rcpt], data)]."""

    def __init__(self):
        super().__init__(daemon=True)
        self.port = free_port()
        self.server = socket.create_server(('127.0.0.1', self.port))
        self.mail = []
        self.start()

    def run(self):
        while True:
            conn, _ = self.server.accept()
            threading.Thread(target=self.serve, args=(conn,), daemon=True).start()

    def serve(self, conn):
        f = conn.makefile('rb')

        def say(text):
            conn.sendall(text.encode() + b'\r\n')
        say('220 sink.example')
        sender, rcpts = None, []
        for line in f:
            verb = line[:4].upper()
            if verb == b'DATA':
                say('354 go on')
                data = b''
                for line in f:
                    if line == b'.\r\n':
                        break
                    data += line[1:] if line.startswith(b'.') else line
                self.mail.append((sender, rcpts, data))
                sender, rcpts = None, []
                say('250 taken')
            elif verb == b'QUIT':
                say('221 bye')
                break
            else:
                if verb == b'MAIL':
                    sender = re.search(b'<(.*?)>', line).group(1).decode()
                elif verb == b'RCPT':
                    rcpts.append(re.search(b'<(.*?)>', line).group(1).decode())
                say('250 ok')
        conn.close()


sink = Sink()
house = House(users=['ann:secret', 'bob:secret', 'carol:secret'], smarthost='127.0.0.1:%d' % sink.port,
              maps={'aliases': 'ops@example.org ann, bob\nnobody-reads@example.org :discard:\n'
                               'closed@example.org :reject: We are closed\n',
                    'access': 'sender:banned@example.org reject text="Not you"\n'})
house.start()
me = 'root@example.org' if ROOT else None


def sendmail(*args, text, check=True):
    return house.run([BIN / 'sendmail', '-C', house.dir, *args], input=text, check=check)


seen = {}


def fresh(user, n=1):
    """The messages that came since the last time, octets."""
    address = user + '@example.org'
    had = seen.setdefault(address, set())
    wait_until(lambda: len(house.mail_files(address)) >= len(had) + n)
    new = [p for p in house.mail_files(address) if p.name not in had]
    had.update(p.name for p in new)
    return [p.read_bytes() for p in new]


def field(message, name):
    return [v for n, v in headers(message) if n.lower() == name.lower().encode()]


DATE = r'[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}'

# --- a person ---------------------------------------------------------------

p = sendmail('-v', 'ann', text='The printer is back.\n')
like(p.stdout, r'^[0-9a-z]{10,31} delivered\n$', 'sendmail -v ann: taken and delivered')
ident = p.stdout.split()[0]
mail = fresh('ann')
is_(len(mail), 1, 'ann has it')
uid = os.getuid()
like(mail[0], r'''\AReturn-Path: <[^<>@\s]+@example\.org>
Delivered-To: ann@example\.org
Received: by \S+ \(by uid %d\)
\tid %s
\tfor <ann@example\.org>; %s
Date: %s
From: (?:[^\n]+ <[^<>@\s]+@example\.org>|[^<>@\s]+@example\.org)
Message-ID: <%s@\S+>

The printer is back\.
\Z''' % (uid, ident, DATE, DATE, ident), 'a header was made for it, octet for octet as it should be')

# --- cron --------------------------------------------------------------------

p = sendmail('-i', '-FCronDaemon', '-B8BITMIME', '-oem', 'ops', text='''From: root (Cron Daemon)
To: root
Subject: Cron <root@host> backup
MIME-Version: 1.0
Content-Type: text/plain; charset=UTF-8
X-Cron-Env: <HOME=/root>

10%\r50%\r100%
.
żółw
''')
is_((p.stdout, p.stderr), ('', ''), 'cron: taken in silence')
mail = fresh('ann')
like(mail[0], r'''^From: root@example\.org \(Cron Daemon\)
To: root@example\.org
Subject: Cron <root@host> backup
MIME-Version: 1\.0
Content-Type: text/plain; charset=UTF-8
X-Cron-Env: <HOME=/root>
Date: %s
Message-ID: \S+

10%%
50%%
100%%
\.
żółw
\Z''' % DATE, 'cron: names are complete, a lone CR ends a line, a dot is text with -i')
is_(mail, fresh('bob'), 'cron: both people behind the alias have the same')
is_((field(mail[0], 'Delivered-To'), field(mail[0], 'Return-Path')[0][-13:]), ([], b'@example.org>'),
    'cron: Delivered-To is for one mailbox only')
like(mail[0], r'\tfor <ops@example\.org>;', 'cron: one recipient was named: it stands in Received')

# --- programs that hand over a whole message ------------------------------------

p = sendmail('-t', '-oi', '-f', 'Ann <ann@example.org>', text='''\
From: Ann Lee <ann@example.org>\r
To: "Bob, who prints" <bob@example.org>,\r
 carol (at home)\r
Bcc: ann@example.org, hidden@elsewhere.example\r
Subject: minutes\r
Date: Sun, 22 Nov 2026 03:00:00 +0000\r
Message-Id: <m1@client.example>\r
\r
line one\r
.\r
last line without end''')
for user in ('ann', 'bob', 'carol'):
    mail = fresh(user)
    is_(len(mail), 1, '-t: %s has it once' % user)
    like(mail[0], r'''\AReturn-Path: <ann@example\.org>
Received: by [^\n]*
\tid [^\n]*
From: Ann Lee <ann@example\.org>
To: "Bob, who prints" <bob@example\.org>,
 carol@example\.org \(at home\)
Subject: minutes
Date: Sun, 22 Nov 2026 03:00:00 \+0000
Message-Id: <m1@client\.example>

line one
\.
last line without end
\Z''', '-t: %s sees no Bcc, and CRLF became LF' % user)
ok(wait_until(lambda: sink.mail), '-t: the one elsewhere is relayed')
sender, rcpts, data = sink.mail[0]
is_((sender, rcpts), ('ann@example.org', ['hidden@elsewhere.example']), '-t: the envelope elsewhere')
ok(data.startswith(b'Received: by ') and b'Return-Path' not in data and b'Bcc' not in data,
   '-t: what goes out has neither Return-Path nor Bcc')
ok(data.endswith(b'\r\n\r\nline one\r\n.\r\nlast line without end\r\n'), '-t: the body went out with CRLF')
ok(b'\n' not in data.replace(b'\r\n', b'') and b'\r' not in data.replace(b'\r\n', b''), '-t: no bare CR or LF went out')

sendmail('-t', 'carol', text='To: bob\nResent-To: ann\n\nx\n')
is_([len(fresh(u)) for u in ('ann', 'carol')], [1, 1], '-t: Resent-To counts instead of To; the command line counts too')
sendmail('ann', text='Subject: end\n\none\n.\ntwo\n')
like(fresh('ann')[0], r'\n\none\n\Z', 'without -i a lone dot is the end')
sendmail('-f', '', '--', 'ann', text='Subject: report\n\nx\n')
like(fresh('ann')[0], r'\AReturn-Path: <>\n', "-f '': the null sender")
sendmail('-r', '<>', 'ann', text='x\n')
like(fresh('ann')[0], r'\AReturn-Path: <>\n', "-r '<>': the null sender")
sendmail('ann@example.org, Bob <bob>', text='x\n')
is_([len(fresh(u)) for u in ('ann', 'bob')], [1, 1], 'a list in one argument')
sendmail('-FLee, "Ann"', 'ann', text='x\n')
like(fresh('ann')[0], r'\nFrom: "Lee, \\"Ann\\"" <', '-F: the name is quoted')
sendmail('nobody-reads', text='x\n' * 100000)
is_(house.events('queue.accepted', sender='x'), [], ':discard: is taken in silence')

big = b'Subject: big\n\n' + b''.join(b'%07d ' % i + b'x' * 63 + b'\n' for i in range(60000))
sendmail('-i', 'ann', text=big)
mail = fresh('ann')[0]
is_(mail.split(b'\n\n', 1)[1], big.split(b'\n\n', 1)[1], 'four megabytes, octet for octet')
name = house.mail_files('ann@example.org')[-1].name
sizes = dict(re.findall(r',([SW])=(\d+)', ' '.join(p.name for p in house.mail_files('ann@example.org')
                                                  if p.stat().st_size == len(mail))))
is_(sizes, {'S': str(len(mail)), 'W': str(len(mail) + mail.count(b'\n'))}, 'its sizes are right in its name')

# --- what is refused -------------------------------------------------------------

rows = [
    # arguments, message, exit code, what it says
    (['nosuch'], 'x\n', 67, r'^sendmail: nosuch: No such user here\nsendmail: nothing was sent$'),
    (['bob', 'nosuch', 'closed'], 'x\n', 67, r'^sendmail: nosuch: No such user.*\nsendmail: closed: We are closed\nsendmail: nothing was sent$'),
    (['closed'], 'x\n', 77, r'We are closed'),
    (['a@b@c.example'], 'x\n', 65, r'this is no address'),
    (['l' * 65 + '@example.org'], 'x\n', 65, r'this address is too long'),
    (['ann bob'], 'x\n', 65, r'not an address'),
    (['<ann'], 'x\n', 65, r'not an address'),
    (['-t'], 'To: (unclosed\n\nx\n', 65, r'a bracket or quote is not closed.*in the field To'),
    (['-t'], 'Subject: x\n\nTo: ann\n', 64, r'the header names no recipient'),
    ([], 'x\n', 64, r'no recipient is named'),
    (['-Z', 'ann'], 'x\n', 64, r'usage: sendmail'),
    (['-bd'], 'x\n', 64, r'the mode -bd'),
    (['-N', 'never,success', 'ann'], 'x\n', 64, r'-N never,success'),
    (['-R', 'half', 'ann'], 'x\n', 64, r'-R half'),
    (['-V', 'a\nb', 'ann'], 'x\n', 64, r'-V'),
    (['-f', 'a b', 'ann'], 'x\n', 64, r'cannot take -f a b'),
    (['-f', 'banned@example.org', 'ann'], 'x\n', 77, r'Not you'),
    (['ann'], 'X: ' + 'x' * 300000 + '\n\n', 65, r'the header is larger than 262144 octets'),
    (['ann'], 'Received: x\n' * 51 + '\nx\n', 69, r'runs in a circle'),
]
for args, text, code, says in rows:
    p = sendmail(*args, text=text, check=False)
    what = 'sendmail %s' % ' '.join(repr(a) if len(a) < 30 else repr(a[:20] + '...') for a in args)
    is_(p.returncode, code, '%s: exit code %d' % (what, code))
    like(p.stderr.strip(), says, '%s: says why' % what)
is_([len(fresh(u, 0)) for u in ('ann', 'bob')], [0, 0], 'none of these came to anybody')

house.conf('message_size_limit = 100k\nrelay = none')
p = sendmail('-i', 'ann', text='x' * 60 + '\n' + ('y' * 99 + '\n') * 1100, check=False)
is_(p.returncode, 69, 'over message_size_limit: exit code 69')
like(p.stderr, r'larger than 102400 octets', 'over message_size_limit: says why')
p = sendmail('x@elsewhere.example', text='x\n', check=False)
is_(p.returncode, 77, 'relay = none: exit code 77')
like(p.stderr, r'Relaying to other domains is switched off here', 'relay = none: says why')
is_([len(fresh(u, 0)) for u in ('ann', 'bob')], [0, 0], 'none of these came to anybody either')

# --- what waits in the queue --------------------------------------------------------

house.conf('message_size_limit = 0\nrelay = trusted')
house.set_map('routes', '* smarthost=127.0.0.1:%d\n' % free_port())
p = sendmail('-v', '-N', 'failure,delay', '-R', 'hdrs', '-V', 'job 7', 'x@elsewhere.example', text='x\n')
like(p.stdout, r'^\w+ queued$', 'the smarthost is away: queued')
ident = p.stdout.split()[0]
envelope = house.path('spool', 'env', ident).read_text()
for want in (r'^client submitted by uid %d$' % uid, r'^ret HDRS$', r'^envid job%207$',
             r'^T \d{4} relay x@elsewhere\.example rfc822;x@elsewhere\.example FAILURE,DELAY$'):
    like(envelope, want, 'the envelope says ' + want)
if (LIBEXEC / 'queue').exists():
    for argv in ([BIN / 'mailq', '-C', house.dir], [BIN / 'sendmail', '-C', house.dir, '-bp']):
        p = house.run(argv, check=False)
        is_(p.returncode, 0, '%s: exit code' % argv[0].name)
        like(p.stdout, ident, '%s shows it' % argv[0].name)
is_(house.run([BIN / 'sendmail', '-C', house.dir, '-q']).stdout, '', '-q: nothing to be done')
is_(house.run([BIN / 'sendmail', '-C', house.dir, '-bi'], check=False).returncode, 0, '-bi: compiles the maps')

STRANGER = '''
import fcntl, os, socket, sys, time
os.setgroups([]), os.setgid(65534), os.setuid(65534)
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.connect(sys.argv[1])
s.sendall(b'OPEN stranger')
head, fds, _, _ = socket.recv_fds(s, 65536, 4)
ident = head.split()[1]
text = b'Return-Path: <>\\n\\ntrue\\n'
os.write(fds[0], text)
env = b'posthouse-envelope 1\\nid %s\\narrived %d\\nsender %%\\noctets %d %d\\nhead 17\\nclient x\\nbody 7BIT\\nrcpts 1\\n' \\
      b'T 0000 local ann@example.org %% -\\n' % (ident, time.time(), len(text), len(text) + 3)
os.write(fds[1], env)
s.sendall(b'COMMIT %d 1' % len(text))
answer, copies, _, _ = socket.recv_fds(s, 65536, 4)
print(answer.decode().strip(), *['read-only' if fcntl.fcntl(f, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY else 'writable'
                                 for f in copies])
s.sendall(b'COMMIT %d 1' % len(text))
print(s.recv(65536).split()[0].decode())
os.pwrite(fds[0], b'X' * 40, 0)
os.pwrite(fds[1], b'X' * 40, 0)
print('written')
'''

# --- as somebody else -----------------------------------------------------------------

if ROOT:
    def lose_rights():
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    argv = [str(BIN / 'sendmail'), '-C', str(house.dir), '-v', 'ann']
    reachable = subprocess.run(['test', '-x', argv[0]], preexec_fn=lose_rights).returncode == 0
    if reachable:
        p = subprocess.run(argv, input=b'hi\n', preexec_fn=lose_rights, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        is_((p.returncode, p.stderr), (0, b''), 'an ordinary user may send')
        like(fresh('ann')[0], r'\(by uid 65534\)', 'the uid is told')
        argv[-1] = 'y@elsewhere.example'
        p = subprocess.run(argv, input=b'hi\n', preexec_fn=lose_rights, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        is_((p.returncode, p.stderr, p.stdout[-8:]), (0, b'', b' queued\n'), '... and may relay')
        like(house.path('spool', 'env', p.stdout.split()[0].decode()).read_text(), r'^client submitted by uid 65534$',
             '... with an envelope that tells who it was')
        # Who keeps the descriptors it was given writes into nobody's mailbox.
        p = subprocess.run([sys.executable, '-c', STRANGER, str(house.path('run', 'submit'))],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        is_(p.stdout, 'COPY read-only read-only\nLINKED\nwritten\n', 'a stranger gets copies, to read')
        is_(fresh('ann'), [b'Return-Path: <>\n\ntrue\n'], 'what it writes afterwards does not reach the mailbox')
    else:
        skip('an ordinary user may send', 'the build directory is closed to others')

house.stop()
p = sendmail('ann', text='x\n', check=False)
is_(p.returncode, 75, 'the house is closed: exit code 75')
like(p.stderr, r'^sendmail: 451 4\.3\.0 The queue does not answer$', 'the house is closed: says so')
done()
