#!/usr/bin/env python3
"""Nothing but CRLF.CRLF ends a message: whatever others took for its end is refused, and what stands
behind it is neither a command nor another message."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

house = House(conf='smtpd_errors = 3')
house.start()
CR, LF, NUL = b'\r', b'\n', b'\0'
line_ends = {'CR': CR, 'LF': LF, 'CRLF': CR + LF, 'CRCRLF': CR + CR + LF, 'LFCR': LF + CR, 'CRCR': CR + CR,
             'LFLF': LF + LF, 'CRNULLF': CR + NUL + LF, 'NULLF': NUL + LF, 'NULCRLF': NUL + CR + LF}
inner = (b'MAIL FROM:<eve@client.example>' + CR + LF + b'RCPT TO:<ann@example.org>' + CR + LF + b'DATA' + CR + LF +
         b'Subject: smuggled' + CR + LF + CR + LF + b'smuggled' + CR + LF)


def attempt(end, slowly):
    """One message with end inside, ended properly; the replies behind 354."""
    with house.smtp() as s:
        s.hello()
        for c in 'MAIL FROM:<bob@client.example>', 'RCPT TO:<ann@example.org>', 'DATA':
            s.cmd(c)
        octets = b'Subject: outer\r\n\r\nouter' + end + inner + b'.\r\nQUIT\r\n'
        s.send_slowly(octets) if slowly else s.send(octets)
        return re.findall(rb'(?m)^(\d\d\d) ?(\d\.\d\.\d)?', s.rest())


taken = 0
for before, a in line_ends.items():
    for after, b in line_ends.items():
        if a == b == CR + LF:
            continue
        name = '%s . %s' % (before, after)
        got = attempt(a + b'.' + b, False)
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
