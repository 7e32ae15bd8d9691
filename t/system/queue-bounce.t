#!/usr/bin/env python3
"""bounce: what senders are told when mail cannot be delivered (RFC 3464)."""
import email
import email.policy
import os
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from wire import *

house = House(conf='retry_first = 5m\nhostname = mail.example.org\nqueue_lifetime = 5d\nbounce_lifetime = 1d\ndelay_notice = 0')
q = Queue(house)
house.spawn('local')
house.spawn('bounce')
wait_until(lambda: dict(q.control('STATUS').lines).get('idle_bounce') == '1')
s, a = q.submitter(), q.agent('remote')
HEAD = b'Return-Path: <ann@example.org>\n'
BODY = (b'From: Ann <ann@example.org>\nMessage-ID: <m1@example.org>\nSubject: Gr\xc3\xbc\xc3\x9fe\n\n'
        b'Hello,\n.\n..dots\n--=_boundary--\n\x80\xff octets\nno final newline')


def mail(n):
    """The n-th message in Ann's mailbox: (octets, parsed)."""
    wait_until(lambda: len(house.mail_files('ann@example.org')) >= n)
    octets = house.mail('ann@example.org')[n - 1]
    return octets, email.message_from_bytes(octets, policy=email.policy.default)


def fields(part):
    """message/delivery-status: the blocks as dicts."""
    return [dict(block.items()) for block in part.get_payload()]


# A refusal.

m = s.queue('ann@example.org', ['bob@far.example', 'eve@far.example', 'ok@far.example'], HEAD + BODY, head=len(HEAD),
            extra='envid QQ314159\n')
job = a.hear('JOB')
a.report(job, by_rcpt={'bob@far.example': ('failed', 550, '5.1.1', 'No such user\r\n\r\nSubject: injected\x1b'),
                       'eve@far.example': ('failed', 554, '', 'x' * 2000), 'ok@far.example': ('sent', 250, '2.0.0', 'fine')})
octets, dsn = mail(1)
ok(q.gone(m.id), 'the message is done with')
ok(octets.startswith(b'Return-Path: <>\nDelivered-To: ann@example.org\nDate: '), 'from the null sender, to the sender')
is_(dsn.get_content_type(), 'multipart/report', 'a report')
is_(dsn.get_param('report-type'), 'delivery-status', 'of delivery')
is_(dsn['Auto-Submitted'], 'auto-replied', 'Auto-Submitted')
is_(dsn['From'], 'Mail Delivery System <MAILER-DAEMON@mail.example.org>', 'From')
is_(dsn['To'], 'ann@example.org', 'To')
is_((dsn['In-Reply-To'], dsn['References']), ('<m1@example.org>', '<m1@example.org>'), 'in the thread of the message')
like(dsn['Message-ID'], r'^<\w+@mail\.example\.org>$', 'Message-ID')
is_(dsn['Content-Transfer-Encoding'], '8bit', 'marked as 8-bit, as the message is')
parts = list(dsn.iter_parts())
is_([p.get_content_type() for p in parts], ['text/plain', 'message/delivery-status', 'message/rfc822'], 'three parts')
text = parts[0].get_payload()
ok('bob@far.example' in text and 'No such user' in text and 'eve@far.example' in text, 'people read who and why')
ok('ok@far.example' not in text, 'and not about who has it')
ok(max(len(l) for l in octets.split(b'\n')) <= 998, 'no line over 998 octets')
status = fields(parts[1])
is_(len(status), 3, 'status: of the message, and of two recipients')
is_(status[0]['Reporting-MTA'], 'dns; mail.example.org', 'Reporting-MTA')
is_(status[0]['Original-Envelope-Id'], 'QQ314159', 'Original-Envelope-Id')
ok(abs(email.utils.parsedate_to_datetime(status[0]['Arrival-Date']).timestamp() - time.time()) < 100, 'Arrival-Date')
is_({k: v for k, v in status[1].items() if k != 'Last-Attempt-Date'}, {
    'Original-Recipient': 'rfc822;bob@far.example', 'Final-Recipient': 'rfc822; bob@far.example', 'Action': 'failed',
    'Status': '5.1.1', 'Remote-MTA': 'dns; mx.far.example',
    'Diagnostic-Code': 'smtp; 550 5.1.1 No such user Subject: injected'}, 'the first: a reply on one line, nothing injected')
ok('Last-Attempt-Date' in status[1], 'Last-Attempt-Date')
is_((status[2]['Final-Recipient'], status[2]['Status']), ('rfc822; eve@far.example', '5.0.0'), 'the second: a status of its own')
start = octets.index(b'From: Ann')
is_(octets[start:start + len(BODY)], BODY, 'the message came back, octet by octet')
ok(octets[start + len(BODY):].startswith(b'\n--=_') and octets.endswith(b'--\n'), 'and ends with the boundary')
ok(b'Return-Path: <ann@example.org>' not in octets, 'without the lines for mailboxes')
log = house.log()
like(log, r'queue\.failed id=%s rcpt=bob@far\.example' % m.id, 'log: failed')
like(log, r'queue\.bounced id=%s as=\w+ sender=ann@example\.org' % m.id, 'log: bounced')
size = [f.name for f in house.mail_files('ann@example.org')][0]
like(size, r',S=%d,W=%d' % (len(octets), len(octets) + octets.count(b'\n')), 'sizes in the file name are true')

# What the sender asked for.

m = s.queue('ann@example.org', ['bob@far.example'], HEAD + BODY, head=len(HEAD), extra='ret HDRS\n')
a.report(a.hear('JOB'), 'failed', 550, '5.7.1', 'no')
octets, dsn = mail(2)
parts = list(dsn.iter_parts())
is_(parts[2].get_content_type(), 'text/rfc822-headers', 'RET=HDRS: only the header comes back')
ok(b'octets' not in octets and b'Subject: Gr\xc3\xbc\xc3\x9fe\n\n--=_' in octets, 'all of it, and nothing else')

m = s.queue('ann@example.org', [('relay', 'bob@far.example', 'NEVER'), ('relay', 'eve@far.example', 'SUCCESS'),
                                ('relay', 'carl@far.example', 'FAILURE,DELAY')])
a.report(a.hear('JOB'), 'failed', 550, '5.7.1', 'no')
octets, dsn = mail(3)
is_([b['Final-Recipient'] for b in fields(list(dsn.iter_parts())[1])[1:]], ['rfc822; carl@far.example'],
    'NOTIFY: only whom the sender wants to hear of')
m = s.queue('ann@example.org', [('relay', 'bob@far.example', 'NEVER')])
a.report(a.hear('JOB'), 'failed', 550, '5.7.1', 'no')
ok(q.gone(m.id), 'NOTIFY=NEVER: gone, nobody is told')

# Too large to come back whole.

big = BODY + b'\n' + b'x' * 76 + b'\n' * 200000
m = s.queue('ann@example.org', ['bob@far.example'], HEAD + big, head=len(HEAD))
a.report(a.hear('JOB'), 'failed', 552, '5.3.4', 'too big')
octets, dsn = mail(4)
is_(list(dsn.iter_parts())[2].get_content_type(), 'text/rfc822-headers', 'a large message: its header')
ok(len(octets) < 10000, 'the report is small')

# Never to the null sender.

m = s.queue('', ['bob@far.example'])
a.report(a.hear('JOB'), 'failed', 550, '5.1.1', 'no such user')
ok(q.gone(m.id), 'a bounce that fails is removed')
like(house.log(), r'queue\.failed id=%s rcpt=bob@far\.example' % m.id, 'the log knows')

# Given up by age: five days, a bounce after one.

for sender, age, gone in (('ann@example.org', 4, False), ('ann@example.org', 6, True), ('', 0, False), ('', 2, True)):
    m = s.submit(sender, ['bob@far.example'])
    q.control('HOLD', 'test', body=m.id)
    s.say('SYNCED', m.id)
    wait_until(lambda: q.spool('hold', m.id).exists())
    path = q.spool('hold', m.id)
    path.write_text(re.sub(r'arrived \d+', 'arrived %d' % (time.time() - age * 86400), path.read_text()))
    q.control('RELEASE', 'test', body=m.id)
    a.report(a.hear('JOB'), 'retry', 451, '4.4.1', 'connection timed out', host='-')
    if gone:
        ok(q.gone(m.id), 'from <%s>, %d days old: given up' % (sender, age))
    else:
        ok(wait_until(lambda: 'queue.deferred id=' + m.id in house.log()), 'from <%s>, %d days old: tried on' % (sender, age))
        q.control('DELETE', 'test', body=m.id)
octets, dsn = mail(5)
status = fields(list(dsn.iter_parts())[1])
is_((status[1]['Action'], status[1]['Status'], status[1]['Diagnostic-Code']),
    ('failed', '5.4.7', 'X-Posthouse; 451 4.4.1 connection timed out'), 'expired: 5.4.7, and the last thing that was heard')
ok('Remote-MTA' not in status[1], 'no server said it')

# A sender elsewhere: the report goes the way of all mail.

m = s.queue('stranger@far.example', ['bob@far.example'])
a.report(a.hear('JOB'), 'failed', 550, '5.1.1', 'no')
job = a.hear('JOB')
is_((job.words[1], job.lines[0][1]), ('', 'stranger@far.example'), 'the report is relayed')
head = int(job.words[5])
ok(os.pread(job.fds[0], 100, head).startswith(b'Date: '), 'it begins with its Date')
a.report(job)
m = s.queue('nobody@example.org', ['bob@far.example'])
a.report(a.hear('JOB'), 'failed', 550, '5.1.1', 'no')
ok(q.gone(m.id), 'a sender who is nobody here: told nothing')
like(house.log(), r'queue\.bounced id=%s as=- sender=nobody@example\.org' % m.id, 'the log says so')
m = s.queue('ann@example.org', [('local', 'gone@example.org')])
octets, dsn = mail(6)
is_(fields(list(dsn.iter_parts())[1])[1]['Final-Recipient'], 'rfc822; gone@example.org', 'a mailbox that is not there bounces')
ok(wait_until(lambda: not (q.files('env') + q.files('new') + q.files('cur'))), 'nothing is left')

done()
