"""letters: messages of varied shape for tests of collecting, each with a number in its Message-ID."""
import random
import re

PEOPLE = ('ann', 'bob', 'carol')
random.seed(20261122)
NUMBER = [0]


def letter(body, to=None, more=b''):
    NUMBER[0] += 1
    to = to or '%s@example.org' % PEOPLE[NUMBER[0] % 3]
    return (b'Received: from mx.isp.example (mx.isp.example [192.0.2.1])\n\tby pop.isp.example with LMTP id x;\n'
            b'\tSun, 22 Nov 2026 01:02:03 +0000\nFrom: pat@sender.example\nTo: %s\nMessage-ID: <%d@sender.example>\n'
            b'%sSubject: no. %d\n\n' % (to.encode(), NUMBER[0], more, NUMBER[0])) + body


def octets(n):
    return bytes(random.choice(b'abcdefghijklmnopqrstuvwxyz \xe9\xff.\t') for _ in range(n))


SHAPES = [
    lambda: letter(b'short\n'),
    lambda: letter(b''),
    lambda: letter(b'no final newline'),
    lambda: letter(b'.\n..\n...\n.x\n\n.'),
    lambda: letter(b'long ' + b'x' * random.randrange(998, 100000) + b'\n'),
    lambda: letter(octets(2000) + b'\n'),
    lambda: letter(b'a NUL: \0 and more\n'),
    lambda: letter(b'a CR \r in a line, and CR CR LF\r\r\n'),
    lambda: letter(b'.' * 3000 + b'\n' + b'\n' * 500 + b'.\n'),
    lambda: letter(b'in CRLF\r\n.\r\nline ends\r\n'),
    lambda: letter(b'a header line of 9000 octets\n', more=b'X-Long: ' + b'y' * 9000 + b'\n'),
    lambda: letter(b'two of us\n', to='ann@example.org, bob@example.org'),
]


def letters(n):
    """So many of all shapes, one of 20 MB, one to a hundred people of elsewhere."""
    made = [SHAPES[i % len(SHAPES)]() for i in range(n)]
    made.append(letter(b''.join(b'%06d ' % i + b'z' * 60 + b'\n' for i in range(300000))))
    made.append(letter(b'to many\n', to=',\n '.join(
        ['member%03d@club.example' % i for i in range(150)] + ['carol@example.org'] +
        ['member%03d@club.example' % i for i in range(150, 299)])))
    return made


def people_of(text):
    """Who is to get this letter."""
    if b'To: ann@example.org, bob@' in text:
        return ['ann', 'bob']
    return [m.decode() for m in re.findall(rb'\b(ann|bob|carol)@example\.org', text.split(b'\n\n')[0])]


def received(house):
    """Number of the letter → [(person, its octets as sent)], and those fields of ours that stood above."""
    found, above = {}, []
    for user in PEOPLE:
        for path in house.mail_files(user):
            text = path.read_bytes()
            head, _, rest = text.partition(b'\nX-Posthouse-Sorted: ')
            above.append((user, head + b'\n'))
            sent = rest.partition(b'\n')[2]
            number = re.search(rb'^Message-ID: <(\d+)@', sent, re.M)
            found.setdefault(int(number.group(1)) if number else 0, []).append((user, sent))
            name = re.search(r',S=(\d+),W=(\d+)', path.name)
            if (int(name.group(1)), int(name.group(2))) != (len(text), len(text) + text.count(b'\n')):
                above.append((user, b'wrong sizes in ' + path.name.encode()))
    return found, above
