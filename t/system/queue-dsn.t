#!/usr/bin/env python3
"""DSN (RFC 3461): who hears of success and delay, from whom, and that no crash makes anybody deaf."""
import email
import email.policy
import os
import sys
import time
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from wire import *

house = House(conf='retry_first = 1h\nhostname = mail.example.org\ndelay_notice = 4h\nqueue_lifetime = 5d')
q = Queue(house)
house.spawn('local')
bounce = house.spawn('bounce')


def idle(*kinds):
    return wait_until(lambda: all(dict(q.control('STATUS').lines).get('idle_' + k) not in (None, '0') for k in kinds),
                      what='agents')


idle('bounce', 'local')
s, a = q.submitter(), q.agent('remote')
HEAD = b'Return-Path: <ann@example.org>\n'
BODY = b'From: Ann <ann@example.org>\nMessage-ID: <m1@example.org>\nSubject: x\n\nThis is the body.\n'
seen = 0


def mail():
    """The next message in Ann's mailbox: (octets, parsed)."""
    global seen
    seen += 1
    wait_until(lambda: len(house.mail_files('ann@example.org')) >= seen, what='a report')
    octets = house.mail('ann@example.org')[seen - 1]
    return octets, email.message_from_bytes(octets, policy=email.policy.default)


def quiet(m, name):
    ok(q.gone(m.id) and len(house.mail_files('ann@example.org')) == seen, name)


def fields(dsn):
    return [dict(block.items()) for block in list(dsn.iter_parts())[1].get_payload()]


def queue(*rcpts, sender='ann@example.org', extra=''):
    return s.queue(sender, list(rcpts), HEAD + BODY, head=len(HEAD), extra=extra)


# Into a mailbox here.

m = queue(('local', 'bob@example.org', 'SUCCESS'), extra='ret FULL\nenvid QQ314159\n')
is_(m.how, 'queued', 'SUCCESS: never without an envelope')
octets, dsn = mail()
ok(q.gone(m.id), 'done with')
ok(octets.startswith(b'Return-Path: <>\nDelivered-To: ann@example.org\n'), 'from the null sender')
is_(dsn['Subject'], 'Your message was delivered', 'Subject')
status = fields(dsn)
is_(status[0]['Original-Envelope-Id'], 'QQ314159', 'ENVID')
is_({k: v for k, v in status[1].items() if k != 'Last-Attempt-Date'}, {
    'Original-Recipient': 'rfc822;bob@example.org', 'Final-Recipient': 'rfc822; bob@example.org', 'Action': 'delivered',
    'Status': '2.0.0'}, 'delivered')
is_([p.get_content_type() for p in dsn.iter_parts()], ['text/plain', 'message/delivery-status', 'text/rfc822-headers'],
    'only the header comes back, whatever RET is')
ok(b'This is the body' not in octets, 'indeed')
is_(len(house.mail_files('bob@example.org')), 1, 'Bob has it, once')
like(house.log(), r'queue\.bounced id=%s as=\w+ sender=ann@example\.org news=delivered' % m.id, 'the log says so')
for notify in ('-', 'NEVER', 'FAILURE', 'DELAY', 'FAILURE,DELAY'):
    m = queue(('local', 'bob@example.org', notify))
    is_(m.how, 'delivered', 'NOTIFY %s, local: the direct way' % notify)
    quiet(m, '... and nobody is told')
m = queue(('local', 'bob@example.org', 'SUCCESS'), sender='')
quiet(m, 'never to the null sender')

# To a server that does, or does not, report success.

for notify in ('-', 'NEVER', 'FAILURE,DELAY'):
    m = queue(('relay', 'eve@far.example', notify))
    a.report(a.hear('JOB'), 'relayed')
    quiet(m, 'NOTIFY %s, relayed: nobody is told' % notify)
m = queue(('relay', 'eve@far.example', 'SUCCESS'))
job = a.hear('JOB')
is_(job.lines[0][3], 'SUCCESS', 'the agent is told what the sender wants')
a.report(job, 'sent')
quiet(m, 'relayed to a server that reports: its affair')
m = queue(('relay', 'eve@far.example', 'SUCCESS,FAILURE'))
a.report(a.hear('JOB'), 'relayed', 250, '2.6.0', 'queued as 77')
octets, dsn = mail()
is_(dsn['Subject'], 'Your message was handed on', 'Subject')
is_({k: v for k, v in fields(dsn)[1].items() if k != 'Last-Attempt-Date'}, {
    'Original-Recipient': 'rfc822;eve@far.example', 'Final-Recipient': 'rfc822; eve@far.example', 'Action': 'relayed',
    'Status': '2.6.0', 'Remote-MTA': 'dns; mx.far.example', 'Diagnostic-Code': 'smtp; 250 2.6.0 queued as 77'}, 'relayed')
m = queue(('relay', 'eve@far.example', 'SUCCESS'))
a.report(a.hear('JOB'), 'failed', 550, '5.1.1', 'no')
quiet(m, 'SUCCESS without FAILURE: of a failure nobody is told')

# One report of all that happened.

m = queue(('local', 'bob@example.org', 'SUCCESS'), ('relay', 'eve@far.example', 'SUCCESS'), ('relay', 'dan@far.example', '-'))
a.report(a.hear('JOB'), by_rcpt={'eve@far.example': ('relayed', 250, '2.0.0', 'ok'),
                                 'dan@far.example': ('failed', 550, '5.1.1', 'no such user')})
octets, dsn = mail()
is_(dsn['Subject'], 'Your message could not be delivered', 'success and failure: the worst is the subject')
is_([(f['Final-Recipient'], f['Action']) for f in fields(dsn)[1:]], [
    ('rfc822; bob@example.org', 'delivered'), ('rfc822; eve@far.example', 'relayed'), ('rfc822; dan@far.example', 'failed')],
    'each its own action')
ok(octets.count(b'This is the body.\n') == 1, 'something failed: the message comes back')
text = list(dsn.iter_parts())[0].get_payload()
ok(text.index('dan@') < text.index('eve@') < text.index('bob@'), 'people read of the failure first')
ok(q.gone(m.id), 'done with')

# Some of it waits: the success is told at once, and once.

m = queue(('local', 'bob@example.org', 'SUCCESS'), ('relay', 'eve@far.example', 'SUCCESS'))
a.report(a.hear('JOB'), 'retry', 451, '4.3.0', 'later')
octets, dsn = mail()
is_([f['Action'] for f in fields(dsn)[1:]], ['delivered'], 'only of what is done')
ok(wait_until(lambda: 'D 0001 local bob@example.org' in q.env(m.id)), 'the envelope: done')
q.control('RETRY', body=m.id)
a.report(a.hear('JOB'), 'relayed')
octets, dsn = mail()
is_([f['Final-Recipient'] for f in fields(dsn)[1:]], ['rfc822; eve@far.example'], 'then of the other')
ok(q.gone(m.id), 'done with')

# kill -9 between the delivery and its report.

end(bounce)
wait_until(lambda: dict(q.control('STATUS').lines).get('idle_bounce') == '0')
before = len(house.mail_files('bob@example.org'))
m = queue(('local', 'bob@example.org', 'SUCCESS'), ('relay', 'eve@far.example', 'SUCCESS'))
a.report(a.hear('JOB'), 'relayed', 250, '2.6.0', 'as 78')
ok(wait_until(lambda: 'S 0001 local bob@' in q.env(m.id) and 'S 0001 relay eve@' in q.env(m.id)),
   'nobody is there to write the report: the envelope says that it is owed')
q.kill()
q.start()
house.spawn('bounce')
a = q.agent('remote')
octets, dsn = mail()
is_([(f['Action'], f['Status']) for f in fields(dsn)[1:]], [('delivered', '2.0.0'), ('relayed', '2.6.0')],
    'after kill -9 both are told')
is_(fields(dsn)[2]['Diagnostic-Code'], 'smtp; 250 2.6.0 as 78', 'with what the server said')
ok(q.gone(m.id), 'done with')
is_(len(house.mail_files('bob@example.org')), before + 1, 'Bob has it once')
ok(a.silent(), 'and nothing is sent again')
s = q.submitter()
idle('local', 'bounce')


# Delays: old enough, once, if wanted.

def aged(notify, hours, sender='ann@example.org'):
    m = s.submit(sender, [('relay', 'eve@far.example', notify)], HEAD + BODY, head=len(HEAD))
    q.control('HOLD', 'test', body=m.id)
    s.say('SYNCED', m.id)
    wait_until(lambda: q.spool('hold', m.id).exists())
    path = q.spool('hold', m.id)
    path.write_text(re.sub(r'arrived \d+', 'arrived %d' % (time.time() - hours * 3600), path.read_text()))
    q.control('RELEASE', 'test', body=m.id)
    a.report(a.hear('JOB'), 'retry', 451, '4.4.1', 'greylisted')
    return m


for notify, hours, told in (('-', 5, True), ('DELAY', 5, True), ('SUCCESS,DELAY', 5, True), ('-', 3, False),
                            ('NEVER', 5, False), ('SUCCESS,FAILURE', 5, False)):
    m = aged(notify, hours)
    name = 'NOTIFY %s, %d hours old: ' % (notify, hours)
    if told:
        octets, dsn = mail()
        f = fields(dsn)[1]
        is_((dsn['Subject'], f['Action'], f['Status'], f['Diagnostic-Code']),
            ('Your message has not been delivered yet', 'delayed', '4.4.1', 'smtp; 451 4.4.1 greylisted'), name + 'told')
        until = email.utils.parsedate_to_datetime(f['Will-Retry-Until']).timestamp()
        ok(abs(until - (time.time() + 5 * 86400 - hours * 3600)) < 100, 'Will-Retry-Until')
        ok(b'This is the body' not in octets, 'only the header')
        ok(wait_until(lambda: 'W 0001 relay eve@' in q.env(m.id)), 'the envelope knows')
    ok(wait_until(lambda: 'queue.deferred id=' + m.id in house.log()), name + 'tried on')
    q.control('RETRY', body=m.id)
    a.report(a.hear('JOB'), 'retry', 451, '4.4.1', 'greylisted')
    ok(wait_until(lambda: '0002 relay eve@' in q.env(m.id)) and
       wait_until(lambda: house.log().count('queue.deferred id=' + m.id) == 2), 'tried once more')
    is_(len(house.mail_files('ann@example.org')), seen, name + ('once' if told else 'not told'))
    q.control('DELETE', 'test', body=m.id)
m = aged('-', 5, sender='')
ok(wait_until(lambda: 'queue.deferred id=' + m.id in house.log()), 'from the null sender: nobody is told')
is_(len(house.mail_files('ann@example.org')), seen, 'indeed')
q.control('DELETE', 'test', body=m.id)

# Warned, then delivered; warned, then the queue is killed.

m = aged('DELAY,SUCCESS', 5)
mail()
ok(wait_until(lambda: 'W 0001' in q.env(m.id)), 'warned')
q.kill()
q.start()
s, a = q.submitter(), q.agent('remote')
idle('bounce')
q.control('RETRY', body=m.id)
a.report(a.hear('JOB'), 'relayed')
octets, dsn = mail()
is_(fields(dsn)[1]['Action'], 'relayed', 'after the warning and a kill: the success')
ok(q.gone(m.id), 'done with')
ok(wait_until(lambda: not (q.files('env') + q.files('new') + q.files('cur'))), 'nothing is left')

done()
