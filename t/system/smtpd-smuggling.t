#!/usr/bin/env python3
"""Nothing but CRLF.CRLF ends a message: whatever others took for its end is refused, and what stands
behind it is neither a command nor another message."""
import os, subprocess, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from tls_pairs import *

lmtp_port = free_port()
house = House(conf='smtpd_errors = 3\nlisten_lmtp = 127.0.0.1:%d\n' % lmtp_port)
house.start()
CR, LF, NUL = b'\r', b'\n', b'\0'
line_ends = {'CR': CR, 'LF': LF, 'CRLF': CR + LF, 'CRCRLF': CR + CR + LF, 'LFCR': LF + CR, 'CRCR': CR + CR,
             'LFLF': LF + LF, 'CRNULLF': CR + NUL + LF, 'NULLF': NUL + LF, 'NULCRLF': NUL + CR + LF}
inner = (b'MAIL FROM:<eve@client.example>' + CR + LF + b'RCPT TO:<ann@example.org>' + CR + LF + b'DATA' + CR + LF +
         b'Subject: smuggled' + CR + LF + CR + LF + b'smuggled' + CR + LF)


def begun(*commands, hello='EHLO', connect=lambda: house.smtp()):
    s = connect()
    s.reply()
    s.cmd(hello + ' client.example')
    for c in ('MAIL FROM:<bob@client.example>', 'RCPT TO:<ann@example.org>') + commands:
        s.cmd(c)
    return s


def replies(s):
    """All that come until the server hangs up."""
    return re.findall(rb'(?m)^(\d\d\d) ?(\d\.\d\.\d)?', s.rest())


def attempt(end, slowly, **how):
    """One message with end inside, ended properly; the replies behind 354."""
    with begun('DATA', **how) as s:
        octets = b'Subject: outer\r\n\r\nouter' + end + inner + b'.\r\nQUIT\r\n'
        s.send_slowly(octets) if slowly else s.send(octets)
        return replies(s)


taken = 0
answers = {}  # to each variant
for before, a in line_ends.items():
    for after, b in line_ends.items():
        if a == b == CR + LF:
            continue
        name = '%s . %s' % (before, after)
        got = answers[a + b'.' + b] = attempt(a + b'.' + b, False)
        # A NUL is no line end for anybody: a line ".NUL", and that is text.
        text = (a, b) in ((CR + LF, NUL + CR + LF), (NUL + CR + LF, NUL + CR + LF))
        if a in (NUL + CR + LF, CR + CR + LF) and b == CR + LF:
            # behind that NUL or CR stands the true end: what follows is the client's next transaction
            first = b'250' if a[:1] == NUL else b'554'
            is_([c for c, _ in got], [first, b'250', b'250', b'354', b'250', b'221'], name + ': the true end')
            taken += 1 + (first == b'250')
            continue
        taken += text
        is_(got, [(b'250', b'2.0.0') if text else (b'554', b'5.6.0'), (b'221', b'2.0.0')], name)
        if not text:
            is_(attempt(a + b'.' + b, True), got, name + ', octet by octet')
mail = house.wait_mail('ann@example.org', taken)
is_(len(mail), taken, 'what was refused was not stored')
is_(len([m for m in mail if b'\nSubject: smuggled' in m.split(b'\n\n')[0]]), 2, 'nothing was smuggled')

# Very first line.
for end in b'.\n', b'.\r', b'.\r\r\n', b'\n.\r\n', b'\r.\r\n':
    with house.smtp() as s:
        s.hello()
        for c in 'MAIL FROM:<bob@client.example>', 'RCPT TO:<ann@example.org>', 'DATA':
            s.cmd(c)
        s.send(end + inner + b'.\r\nQUIT\r\n')
        is_(re.findall(rb'(?m)^\d\d\d', s.rest()), [b'554', b'221'], 'at the very start: %r' % end)

# A lone ending that never becomes the true one gets no answer at all.
for end in b'\n.\n', b'\n.\r\n', b'\r.\r', b'\r\n.\n', b'\r\n.\r', b'\r.\r\n':
    with house.smtp() as s:
        s.hello()
        for c in 'MAIL FROM:<bob@client.example>', 'RCPT TO:<ann@example.org>', 'DATA':
            s.cmd(c)
        s.send(b'Subject: x\r\n\r\nx' + end)
        ok(s.quiet(0.05), 'no answer to %r' % end)
is_(len(house.mail('ann@example.org')), taken, 'and nothing stored')

# In chunks a dot is a dot: the chunk is text as a whole, or refused as a whole.
bare = re.compile(rb'(?<!\r)\n|\r(?!\n)')
wrong = []
for end in answers:
    text = b'Subject: outer\r\n\r\nouter' + end + inner + b'.\r\n'
    with begun() as s:
        s.send(b'BDAT %d LAST\r\n' % len(text) + text + b'QUIT\r\n')
        good = not bare.search(text)
        taken += good
        if replies(s) != [(b'250', b'2.0.0') if good else (b'554', b'5.6.0'), (b'221', b'2.0.0')]:
            wrong.append(end)
is_(wrong, [], 'BDAT: all of them')
text = b'Subject: outer\r\n\r\nouter\r\n.\r\n' + inner + b'.\r\n'
for at in range(25, 32):
    with begun() as s:
        s.send(b'BDAT %d\r\n' % at + text[:at] + b'BDAT %d LAST\r\n' % (len(text) - at) + text[at:] + b'QUIT\r\n')
        taken += 1
        is_([c for c, _ in replies(s)], [b'250', b'250', b'221'], 'BDAT: a chunk that ends behind %r' % text[at - 4:at])
for octets, want in ((b'BDAT 6\r\nNOOP\r\n', '250 221'), (b'BDAT 5\nabcdeNOOP\r\n', '500 221'), (b'BDAT 5\0\r\nNOOP\r\n', '500 250 221'),
                     (b'BDAT 0x5\r\nNOOP\r\n', '501'), (b'BDAT -1\r\nNOOP\r\n', '501'), (b'BDAT +5\r\nNOOP\r\n', '501'),
                     (b'BDAT 18446744073709551617\r\nNOOP\r\n', '501'), (b'BDAT 5 MOST\r\nNOOP\r\n', '501')):
    with begun() as s:
        s.send(octets + b'QUIT\r\n')
        is_(b' '.join(c for c, _ in replies(s)).decode(), want, 'BDAT: %r' % octets)


# All of them once more, over LMTP, inside TLS and with a filter that reads along.
def everywhere(name, **how):
    """The same answers; how many messages have come."""
    is_([end for end in answers if attempt(end, False, **how) != answers[end]], [], name)
    return sum((a[0][0] == b'250') + (len(a) > 2) for a in answers.values())


def secured():
    s = house.smtp()
    s.hello()
    s.cmd('STARTTLS')
    wrap(s)
    s.buf = b'220 \r\n'
    return s


taken += everywhere('LMTP', hello='LHLO', connect=lambda: Smtp(lmtp_port))
if have('openssl'):
    pairs = Certificates(house)
    pairs.make('mail', ['mail.example.org'])
    pairs.install('mail')

    def announced():
        with house.smtp() as s:
            return 'STARTTLS' in s.hello()

    ok(wait_until(announced), 'there is TLS')
    taken += everywhere('inside TLS', connect=secured)
    # What is said behind STARTTLS in the clear is neither heard now nor inside.
    for behind in (b'NOOP\r\n', b'EHLO x\r\n' + inner, b'\r\n', b'R', b'\0'):
        with house.smtp() as s:
            s.hello()
            s.send(b'STARTTLS\r\n' + behind)
            is_(replies(s), [(b'554', b'5.5.1')], 'STARTTLS with %r behind it' % behind[:8])
    for line, want in ((b'STARTTLS\nNOOP\r\n', '500 5.5.2'), (b'STARTTLS\0\r\n', '500 5.5.2'), (b'STARTTLS \r\n', '220 2.0.0')):
        with house.smtp() as s:
            s.hello()
            s.send(line)
            like('%d %s' % (lambda r: (r[0], r[1][0]))(s.reply()), '^' + want, repr(line))
    with house.smtp() as s:
        s.hello()
        s.cmd('STARTTLS')
        s.send(b'EHLO x\r\n' + inner)
        try:
            answer = s.rest()
        except ConnectionResetError:
            answer = s.buf
        ok(not re.search(rb'\d\d\d[ -]', answer), 'commands in the clear behind the 220: no answer')
else:
    skip('inside TLS', 'no openssl')
python = '/usr/bin/python3'
if os.path.exists(python) and subprocess.run([python, '-c', 'import Milter'], capture_output=True).returncode == 0:
    sock = str(house.path('peer.sock'))
    peer = spawn([python, SRCDIR / 't' / 'lib' / 'milter_peer.py', sock, house.path('peer.log')], stderr=subprocess.DEVNULL)
    wait_until(lambda: os.path.exists(sock), what='the filter')
    os.chmod(sock, 0o777)
    house.conf('milters = unix:' + sock)
    house.restart()
    taken += everywhere('with a filter')
    house.conf('milters =')
    house.restart()
    peer.kill()
    peer.wait()
else:
    skip('with a filter', 'python3-milter is not installed')
mail = house.wait_mail('ann@example.org', taken)
is_(len(mail), taken, 'nothing more has come')

# Commands: what is no command by the letter is one error, and is no command in parts.
for line, want in (
        (b'NOOP\nRSET', '500 5.5.2'), (b'NOOP\rRSET', '500 5.5.2'), (b'NOOP\r', '500 5.5.2'), (b'\nNOOP', '500 5.5.2'),
        (b'NOOP\0', '500 5.5.2'), (b'\0NOOP', '500 5.5.2'), (b'MAIL FROM:<bob\0@client.example>', '500 5.5.2'),
        (b'NOOP\0\r\0\nRSET', '500 5.5.2'), (b'\xff\xfe', '500 5.5.2'), (b'', '500 5.5.2'),
        (b'NOOP ' + b'x' * 3000 + b'\nMAIL FROM:<bob@client.example>', '500 5.5.2'),
        (b'NOOP ' + b'x' * 20000 + b'\rMAIL FROM:<bob@client.example>', '500 5.5.2')):
    with house.smtp() as s:
        s.hello()
        s.send(line + b'\r\nQUIT\r\n')
        is_(' '.join(x.decode() for x in sum(replies(s), ())), want + ' 221 2.0.0', 'a line %r' % line[:40])
for line, want in (
        (b'MAIL FROM:<b\xf6b@client.example>', '501 5.1.7'), (b'MAIL FROM:<b\xc3\xb6b@client.example>', '553 5.6.7'),
        (b'MAIL FROM:<bob@cli\xc3\xa9nt.example>', '553 5.6.7'), (b'MAIL FROM:<b\xc0\x80b@client.example> SMTPUTF8', '501 5.1.7'),
        (b'MAIL FROM:<b\xf6b@client.example> SMTPUTF8', '501 5.1.7'), (b'MAIL FROM:<bob@client.example> SIZE=\xb2', '501 5.5.4'),
        (b'MAIL FROM:<bob@client.example> B\xc3\x96DY=7BIT', '501 5.5.4'), (b'MAIL FROM:<bob@client.example> ENVID=\xc3\xb6', '501 5.5.4'),
        (b'M\xc3\x84IL FROM:<bob@client.example>', '500 5.5.2'), (b'STARTTLS\xa0', '500 5.5.2')):
    with house.smtp() as s:
        s.hello()
        like(s.cmd(line), '^' + want, '%r' % line)
with house.smtp() as s:
    s.hello()
    s.cmd('MAIL FROM:<bob@client.example>')
    like(s.cmd(b'RCPT TO:<\xc3\xa4nn@example.org>'), '^553 5.6.7', 'a recipient of eight bits')
    like(s.cmd(b'RCPT TO:<ann@example.org> ORCPT=rfc822;\xe4nn'), '^501 5.5.4', 'ORCPT of eight bits')
    like(s.cmd(b'RCPT TO:<ann@example.org>'), '^250', 'the session goes on')
    like(s.cmd('DATA'), '^354', 'DATA')
    line = b'x' * 200000
    s.send(b'Subject: long\r\n\r\n' + line + b'\r\n.\r\n')
    is_(s.reply()[0], 250, 'a line of 200000 octets in a message')
taken += 1
ok(house.wait_mail('ann@example.org', taken)[-1].endswith(b'\n\n' + line + b'\n'), 'is one line there')

# normalize: for trusted clients only, and it never makes an end of data.
house.conf('smtp_bare_newline = normalize', compile=False)
house.compile()
house.restart()
like(house.send('bob@client.example', 'bob@example.org', b'S: x\r\n\r\na\nb\r\n'), '^554 5.6.0',
     'normalize: not for strangers')
house.map('access', '127.0.0.1 trust')
like(house.send('bob@client.example', 'bob@example.org', b'S: x\r\n\r\na\nb\nc\r\n'), '^250 2.0.0', 'a trusted client')
is_(house.wait_mail('bob@example.org', 1)[0].split(b'\n\n', 1)[1], b'a\nb\nc\n', 'its lone LF ends a line')
with house.smtp() as s:
    s.hello()
    for c in 'MAIL FROM:<bob@client.example>', 'RCPT TO:<bob@example.org>', 'DATA':
        s.cmd(c)
    s.send(b'S: x\r\n\r\na\n.\r\n' + inner + b'.\r\nQUIT\r\n')
    is_(re.findall(rb'(?m)^\d\d\d', s.rest()), [b'250', b'221'], 'LF . CRLF is text')
like(house.send('bob@client.example', 'bob@example.org', b'S: x\r\n\r\na\rb\r\n'), '^554 5.6.0', 'a lone CR never passes')
done()
