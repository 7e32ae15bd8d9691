#!/usr/bin/env python3
"""Old devices: six recorded conversations, which deliver from the addresses that access names and from no other; every
octet that leaves for the smarthost is looked at."""
import fcntl, os, struct, sys, termios
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from agents import Server

isp = Server()
house = House(users=['ann:secret', 'bob:secret'], smarthost='127.0.0.1:%d' % isp.port,
              conf='hostname = mx.example.org\nplaintext_login = never\nstrict_smtp = yes\nbanner_delay = 1s\n')
house.set_map('access', '''
127.0.0.40  device=copier from=scanner@firm.example rate=60/h to=@firm.example
127.0.0.51  device=laserjet default-from=printer@firm.example to=@firm.example
127.0.0.52  device=nas from=nas@firm.example to=admin@else.example,@firm.example
127.0.0.53  device=ups from=ups@firm.example to=@firm.example
127.0.0.54  device=pbx from=pbx@firm.example to=*
127.0.0.55  device=ledger default-from=ledger@firm.example to=ann,@firm.example
127.0.0.56  device=gate
127.0.0.57  device=clock rate=2/h disabled
''')
house.start()
STRANGER = '127.0.0.60'


def come(address, port=None):
    return Smtp(0, sock=socket.create_connection(('127.0.0.1', port or house.smtp_port), 15 * PATIENCE, (address, 0)))


# What each said, and how it went away: 'quit', 'drop' (closed behind the dot without a look at the answer),
# 'reset' (the same, with RST). sender: what we make of it; text: what comes out at the smarthost.
PDF = b''.join(b'JVBERi0xLjQKJcOkw7zDtsOfCjIgMCBvYmoKPDwvTGVuZ3RoIDMgMCBSL0ZpbHRlci9GbGF0ZURlY29kZT4%d\r\n' % (i % 10)
               for i in range(400))
SCAN = (b'Date: Mon, 06 Jan 2003 09:15:00 +0100\r\nFrom: scanner@firm.example\r\nTo: ann@firm.example\r\n'
        b'Message-ID: <0001@copier>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="=_copier"\r\n\r\n'
        b'--=_copier\r\nContent-Type: text/plain\r\n\r\n..\r\n.hidden\r\n--=_copier\r\n'
        b'Content-Type: application/pdf; name="scan.pdf"\r\nContent-Transfer-Encoding: base64\r\n\r\n' + PDF + b'--=_copier--\r\n')
JAM = b'From: HP LaserJet 4250\r\nTo: <ann@firm.example>\r\nSubject: Paper jam in tray 2\r\n\r\nRemove the paper.\r\n'
DISK = (b'Date: Sun, 1 Feb 2009 03:00:01 +0000\r\nFrom: nas <nas@localhost>\r\nTo: admin@else.example\r\nSubject: disk 3\r\n'
        b'Message-ID: <20090201.nas@localhost>\r\n\r\nDisk 3 has failed.\r\n.\r\n..\r\n \t\r\nend\r\n')
POWER = b'Subject: UPS on battery\r\n\r\nUtility power lost.\r\n.5 minutes left\r\n'
VOICE = (b'Date: Tue, 02 Mar 2004 10:00:00 +0000\r\nMessage-ID: <7@pbx>\r\nFrom: Voice Mail\r\nSubject: New message 7 in mailbox 203\r\n'
         b'MIME-Version: 1.0\r\nContent-Type: audio/x-wav\r\nContent-Transfer-Encoding: base64\r\n\r\n' +
         b'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgA\r\n' * 2000)
LEDGER = (b'From: ledger\r\nSubject: Rechnung f\xfcr M\xe4rz\r\n\r\n' + b'Posten 17: 42,00 \xa4\r\n' * 2000 +
          b'Betrag: 84000,00 \xa4\r\n')


def stuffed(text):
    return re.sub(rb'(?m)^\.', b'..', text)


lf = lambda text: text.replace(b'\r\n', b'\n')
recorded = {
    # EHLO without a name, addresses without brackets, QUIT in one breath with the dot.
    'copier': ('127.0.0.40', 'C: EHLO\nC: MAIL FROM:ricoh@192.168.1.40\nC: RCPT TO: ann@firm.example\nC: DATA',
               stuffed(SCAN) + b'.\r\nQUIT\r\n', 'quit', b'scanner@firm.example', b'ann@firm.example', SCAN),
    # a name with blanks, no address at all, gone behind the dot.
    'laserjet': ('127.0.0.51', 'C: HELO HP LaserJet 4250\nC: MAIL FROM: <HP LaserJet 4250>\nC: RCPT TO: <ann@firm.example>\nC: DATA',
                 JAM + b'.\r\n', 'drop', b'printer@firm.example', b'ann@firm.example', JAM),
    # AUTH LOGIN with its name in the same line, a text of LF lines, an end of CRLF.
    'nas': ('127.0.0.52', 'C: EHLO localhost\nC: AUTH LOGIN Ym9i\nC: c2VjcmV0\nC: MAIL FROM:<root@localhost> SIZE=300\n'
            'C: RCPT TO:<admin@else.example>\nC: DATA', lf(stuffed(DISK)) + b'\r\n.\r\nQUIT\r\n', 'quit', b'nas@firm.example',
            b'admin@else.example', DISK + b'\r\n'),
    # LF everywhere, commands and the last dot included, lower case.
    'ups': ('127.0.0.53', 'C- helo\\n\nC- mail from: <>\\n\nC- rcpt to:<ann@firm.example>\\n\nC- data\\n',
            lf(stuffed(POWER)) + b'.\nquit\n', 'quit', b'ups@firm.example', b'ann@firm.example', POWER),
    # no HELO; the name behind AUTH LOGIN in plain text, as the password; RST instead of QUIT.
    'pbx': ('127.0.0.54', 'C: RSET\nC: AUTH LOGIN bob\nC: secret\nC: MAIL FROM:<203@pbx>\nC: RCPT TO:<someone@far.example>\nC: DATA',
            VOICE + b'.\r\n', 'reset', b'pbx@firm.example', b'someone@far.example', VOICE),
    # speaks before the greeting and waits for nothing; names without domains; eight bits; no good bye.
    'ledger': ('127.0.0.55', 'C- HELO ledger\\r\\nMAIL FROM:<ledger>\\r\\nRCPT TO:<ann>\\r\\nRCPT TO:boss@firm.example\\r\\nDATA\\r\\n',
               LEDGER + b'.\r\n', 'drop', b'ledger@firm.example', b'boss@firm.example', LEDGER),
}


def octets(line):
    body = re.sub(rb'\\([rn])', lambda m: {b'r': b'\r', b'n': b'\n'}[m.group(1)], line[3:].encode())
    return body + (b'\r\n' if line.startswith('C:') else b'')


def replay(name, address, wait=True):
    """The replies, one a line."""
    _, script, data, leave = recorded[name][:4]
    s, got = come(address), []
    with s:
        if name != 'ledger' and wait:
            got.append(s.reply()[0])
        for line in script.split('\n'):
            s.send(octets(line))
            if name != 'ledger' and wait:
                got.append(s.reply()[0])
        s.send(data)
        if leave == 'quit':
            return got + [l for l in s.rest().decode().split('\r\n') if l]
        if leave == 'reset':
            wait_until(lambda: fcntl.ioctl(s.sock, termios.TIOCOUTQ, b'\0' * 4) == b'\0' * 4, what='the last octet to be there')
            s.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
    return got


def arrived(octets):
    """What stands below our Received, without what was added."""
    m = re.match(rb'Received: .*\r\n(?:[ \t].*\r\n)*', octets)
    return re.sub(rb'(?m)^(Date: .*\r\n)?(From: <[a-z]*@firm.example>\r\n)?(Message-ID: <[0-9a-z]*@mx.example.org>\r\n)?(?=\r\n)',
                  b'', octets[m.end():], count=1)


for name, (address, script, data, leave, sender, rcpt, text) in recorded.items():
    n = len(isp.messages)
    got = replay(name, address)
    e = house.wait_event('smtpd.received', device=name)
    ok(e, '%s: taken' % name)
    ok(wait_until(lambda: len(isp.messages) > n), '... and at the smarthost')
    out = isp.messages[n]
    ok(not re.search(rb'(?<!\r)\n|\r(?!\n)', out), '... with CRLF and nothing else at the ends of its lines')
    is_(arrived(out), stuffed(text), '... every octet of it')
    is_([x.split(b' ')[1].split(b':')[1] for x in isp.envelopes[n][-2:]], [b'<' + sender + b'>', b'<' + rcpt + b'>'], '... from whom, for whom')
    head = out.split(b'\r\n\r\n')[0]
    ok(all(len(re.findall(rb'(?m)^%s:' % f, head)) == 1 for f in (b'Date', b'From', b'Message-ID')), '... with Date, From, Message-ID, once')
    if leave == 'quit':
        like(got[-2], '^250 2.0.0 ', '... it could hear so')
        like(got[-1], '^221 ', '... and was let go')
is_(len(isp.messages), len(recorded), 'each once')
mail = house.wait_mail('ann@example.org', 1)
is_(len(mail), 1, 'the copy that stays in the house')
ok(mail[0].endswith(b' \xa4\nBetrag: 84000,00 \xa4\n') and b'\r' not in mail[0], '... as mailboxes have it')
like(mail[0], r'(?m)^Received: from ledger \(\[127\.0\.0\.55\]\)', '... it says where it came from')
like(isp.messages[0], r'^Received: from \[127\.0\.0\.40\] \(\[127\.0\.0\.40\]\)', 'who says no name is called by its address')
ok('secret' not in re.sub(r'smtpd.received.*', '', house.log()), 'no password in the log')

# The same from any other address.
house.conf('banner_delay = 0\nsmtpd_errors = 1')
house.restart()
n = len(isp.messages)
for name in recorded:
    with come(STRANGER) as s:
        try:
            s.send(b''.join(octets(line) for line in recorded[name][1].split('\n')) + recorded[name][2])
            s.sock.shutdown(socket.SHUT_WR)
            while s._more():
                pass
        except OSError:  # it had more to say than the server had patience
            pass
        got = s.buf
    ok(not re.search(rb'(?m)^250 2\.0\.0 .*(queued|delivered)|^235|^354', got), '%s: nothing of it is taken from a stranger' % name)
house.conf('smtpd_errors = 30')
house.restart()
with come(STRANGER) as s:
    s.talk('''
        S: 220 *
        C: EHLO
        S: 501 5.5.4 *
        C: HELO copier
        S: 250 *
        C: AUTH LOGIN Ym9i
        S: 502 5.5.1 *
        C: MAIL FROM:scanner@firm.example
        S: 501 5.1.7 *
        C: MAIL FROM: <scanner@firm.example>
        S: 501 5.5.4 *
        C: MAIL FROM:<scanner@firm.example>
        S: 250 *
        C: RCPT TO:<ann@firm.example>
        S: 550 5.7.1 Relaying denied
        C: RCPT TO:<ann>
        S: 550 5.1.3 *
        C: RCPT TO:<bob@example.org>
        S: 250 *
        C: DATA
        S: 354 *
        C- Subject: x\\n\\nx\\n.\\nMAIL FROM:<a@b.example>\\r\\n.\\r\\n
        S: 554 5.6.0 *
        C- NOOP\\n
        C: NOOP
        S: 500 5.5.2 *
        C: QUIT
        S: 221 *
    ''', 'each custom is refused to a stranger')
with come('127.0.0.57') as s:
    s.talk('S: 220 *\nC: EHLO\nS: 501 *\nC: QUIT\nS: 221 *', 'a disabled line does nothing')
is_(len(isp.messages), n, 'nothing went out')
is_(house.mail('bob@example.org'), [], 'nothing came in')

# Whom it may write to.
for address, rcpt, want in (('127.0.0.40', 'ann@FIRM.example', '250 2.1.5'), ('127.0.0.40', 'ann@sub.firm.example', '550 5.7.1 This device'),
                            ('127.0.0.40', 'ann@example.org', '550 5.7.1 This device'), ('127.0.0.52', 'Admin@else.example', '250 2.1.5'),
                            ('127.0.0.52', 'other@else.example', '550 5.7.1 This device'), ('127.0.0.54', 'any@body.example', '250 2.1.5'),
                            ('127.0.0.55', 'ANN', '250 2.1.5'), ('127.0.0.55', 'bob', '550 5.7.1 This device'),
                            ('127.0.0.56', 'bob', '250 2.1.5'), ('127.0.0.56', 'bob@example.org', '250 2.1.5'),
                            ('127.0.0.56', 'ann@firm.example', '550 5.7.1 Relaying denied')):
    with come(address) as s:
        s.hello('')
        s.cmd('MAIL FROM:<a@b.example>')
        like(s.cmd('RCPT TO:<%s>' % rcpt), '^' + re.escape(want), '%s to %s' % (address, rcpt))
with come('127.0.0.52') as s:
    s.hello()
    like(s.cmd('AUTH LOGIN Ym9i'), '^334 UGFzc3dvcmQ6', 'a device logs in')
    like(s.cmd('c2VjcmV0'), '^235', '... with the right password')
    s.cmd('MAIL FROM:<bob@example.org>')
    like(s.cmd('RCPT TO:<other@else.example>'), '^550 5.7.1 This device', '... which does not let it write to more people')
with come('127.0.0.52') as s:
    s.hello()
    s.cmd('AUTH LOGIN bob')
    like(s.cmd('wrong'), '^535 ', 'a wrong password is wrong')
with come('127.0.0.56') as s:
    s.talk('''
        S: 220 *
        C: MAIL FROM:<nobody>
        S: 501 5.1.7 *
        C: MAIL FROM:<a b@c.example>
        S: 501 5.1.7 *
        C: MAIL FROM:<>
        S: 250 *
        C- NO\\x00OP\\r\\n
        S: 500 5.5.2 *
        C- NO\\rOP\\r\\n
        S: 500 5.5.2 *
        C: QUIT
        S: 221 *
    ''', 'without from= and default-from= a sender has to be one; a NUL and a lone CR are nobody\'s')
with come('127.0.0.53', house.submission_port) as s:
    ok('AUTH LOGIN PLAIN' in s.hello() and s.cmd('MAIL FROM:<>').startswith('250'), 'port 587 knows devices, too')
with come('127.0.0.53') as s:
    ok('AUTH=LOGIN PLAIN' in s.hello(), 'AUTH is offered in the old spelling as well')

# A dot that is text for others ends a device's message, so what stands behind it is the device's own.
with come('127.0.0.40') as s:
    s.hello()
    s.cmd('MAIL FROM:<x@y.example>')
    s.cmd('RCPT TO:<ann@firm.example>')
    s.cmd('DATA')
    s.send('Subject: 1\n\n1\n.\nMAIL FROM:<eve@evil.example>\nRCPT TO:<ann@else.example>\nQUIT\n')
    is_(re.findall(rb'(?m)^(\d\d\d \d\.\d\.\d)', s.rest()), [b'250 2.0.0', b'250 2.1.0', b'550 5.7.1', b'221 2.0.0'], 'LF . LF')
wait_until(lambda: len(isp.messages) == n + 1, what='that message')

# Sixty in an hour; a refused one does not count, nor do others' messages.
house.restart()
with come('127.0.0.40') as s:
    s.hello()
    is_([s.message('a@b.example', ['ann@firm.example'], b'Subject: %d\r\n\r\nx\r\n' % i)[:9] for i in range(60)], ['250 2.0.0'] * 60,
        'sixty messages')
    is_(s.cmd('MAIL FROM:<a@b.example>'), '450 4.7.1 Too many messages in an hour: try again later', 'the sixty-first')
with come('127.0.0.40') as s:
    s.hello()
    like(s.cmd('MAIL FROM:<a@b.example>'), '^450 4.7.1', '... in another session, too')
with come('127.0.0.53') as s:
    s.hello()
    like(s.cmd('MAIL FROM:<a@b.example>'), '^250', 'other devices have their own')
p = house.ph('route', '--client', '127.0.0.40', 'ann@firm.example')
like(p.stdout, r'access:\d+ client 127\.0\.0\.40 device=copier', 'posthouse route knows devices')
like(p.stdout, r'^accepted', '... and whom they may write to')
p = house.ph('route', '--client', '127.0.0.40', 'ann@example.org', check=False)
like(p.stdout, r'^rejected: 550 5\.7\.1 This device may not', '... and whom not')
done()
