#!/usr/bin/env python3
"""message_size_limit = 0: a message of more than 2 GiB comes in chunks, in no more memory than a small one."""
import os
import shutil
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *

LINE = b'0123456789abcdef' * 15 + b'0123456789abcd\r\n'  # 256 octets
BLOCK = LINE * 4096                                     # 1 MiB
BLOCKS = 2048 + 10
NEED = 6 << 30

house = House(conf='message_size_limit = 0\n')
if shutil.disk_usage(str(house.dir)).free < NEED:
    skip_all('less than %d GiB are free on this disk' % (NEED >> 30))
house.start()


def peak():
    """kB: the most that any process of smtpd's has ever had in memory."""
    most = 0
    for pid in children(int(house.path('run', 'master.pid').read_text())):
        try:
            status = open('/proc/%d/status' % pid).read()
        except OSError:
            continue
        if 'Name:\tsmtpd' in status:
            most = max(most, int(re.search(r'VmHWM:\s+(\d+) kB', status).group(1)))
    return most


with house.smtp() as s:
    ok('SIZE 0' in s.hello(), 'SIZE 0 is announced: no limit (RFC 1870, 4)')
    like(s.message('bob@client.example', ['bob@example.org'], b'Subject: small\r\n\r\n' + BLOCK), '^250', 'a message of a mebibyte')
small = peak()
ok(small > 0, 'smtpd takes %d kB then' % small)
with house.smtp() as s:
    s.hello()
    like(s.cmd('MAIL FROM:<bob@client.example> SIZE=%d' % (BLOCKS << 20)), '^250', 'a size of more than 2 GiB is taken')
    s.cmd('RCPT TO:<ann@example.org>')
    header = b'Subject: large\r\n\r\n'
    s.send(b'BDAT %d\r\n' % len(header) + header)
    is_(s.reply()[0], 250, 'its header')
    s.sock.sendall(b'BDAT %d\r\n' % (BLOCKS << 20))
    for _ in range(BLOCKS):
        s.sock.sendall(BLOCK)
    s.sock.settimeout(120 * PATIENCE)
    is_(s.reply()[0], 250, 'and %d octets in one chunk' % (BLOCKS << 20))
    like(s.cmd('BDAT 0 LAST'), r'^250 2\.0\.0 \S+ delivered', 'the message is accepted')
large = peak()
ok(large < small + 1024, 'in constant memory: %d kB' % large)
files = house.mail_files('ann@example.org')
is_(len(files), 1, 'it is in the mailbox')
size = files[0].stat().st_size
text = BLOCKS * len(BLOCK.replace(b'\r\n', b'\n'))
with open(files[0], 'rb') as f:
    head = f.read(4096)
    at = head.index(b'Subject: large\n\n') + len(b'Subject: large\n\n')
    is_(size, at + text, 'as long as it was sent')
    wrong = 0
    line = LINE.replace(b'\r\n', b'\n')
    for where in list(range(0, text, text // 64)) + [text - len(line), (1 << 31) // 255 * 255]:
        f.seek(at + where // len(line) * len(line))
        wrong += f.read(len(line)) != line
    is_(wrong, 0, 'octet for octet where one looks')
done()
