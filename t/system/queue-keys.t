#!/usr/bin/env python3
"""queued and local: a copy that comes again with the same delivery key is not delivered again."""
import os
import sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from wire import *

house = House(users=['ann:secret', 'bob:secret'], conf='retry_first = 5m\ndirect_timeout_ms = 500\n')
q = Queue(house)
s = q.submitter()
ANN, BOB = ('local', 'ann@example.org'), ('local', 'bob@example.org')


def key(k, again=False):
    return 'key %s%s\n' % (k, ' again' if again else '')


# Direct deliveries.

a = q.agent('local')
m = s.submit(rcpts=[ANN], extra=key('k1'), wait=False)
job = a.hear('JOB')
is_(job.words[6], 'key=k1', 'the agent hears the key')
a.report(job, host='-')
s.linked(m)
is_(m.how, 'delivered', 'a copy with a key is delivered')
m = s.submit(rcpts=[ANN], extra=key('k1'))
is_((m.answer.words[0], m.how), (m.id, 'already'), 'the same key again: we have it already')
ok(a.silent(0.2), 'and nobody is asked to deliver it')
m = s.submit(rcpts=[ANN], extra=key('k2'), wait=False)
a.report(a.hear('JOB'), host='-')
s.linked(m)
is_(m.how, 'delivered', 'another key is another copy')
m = s.submit(rcpts=[ANN], wait=False)
a.report(a.hear('JOB'), host='-')
s.linked(m)
is_(m.how, 'delivered', 'no key, no memory')
m = s.submit(rcpts=[ANN], extra=key('k1'))
s.say('FAILED', m.id)
m = s.submit(rcpts=[ANN], extra=key('k1'), wait=False)
a.report(a.hear('JOB'), host='-')
s.linked(m)
is_(m.how, 'delivered', 'whose disk failed is delivered again')

# While it is being delivered, and when its submitter goes.

first = s.submit(rcpts=[ANN, BOB], extra=key('k3'), wait=False)
job = a.hear('JOB')
s.close()
s = q.submitter()
m = s.submit(rcpts=[ANN, BOB], extra=key('k3'))
is_((m.how, m.answer.words[0]), ('REFUSED', '451'), 'a second one while the first is with an agent: later')
a.report(job, by_rcpt={'bob@example.org': ('retry', 452, '4.2.2', 'full')}, host='-')
ok(wait_until(lambda: q.files('env') == [first.id]), 'the first one is queued for the other mailbox, though its submitter has gone')
like(q.env(first.id), r'\nkey k3\n(?:.*\n)*D 0000 local ann@.*\nT 000\d local bob@', 'with its key')
m = wait_until(lambda: (lambda m: m if m.how != 'REFUSED' else None)(s.submit(rcpts=[ANN, BOB], extra=key('k3'))))
is_(m.how, 'already', 'then the second one is answered')
s.say('SYNCED', m.id)
ok(wait_until(lambda: '452 4.2.2 full' in q.env(first.id)), 'and its SYNCED lets the first one go on')

# A submitter that goes while nobody has the message.

house.conf('retry_first = 5m\ndirect_timeout_ms = 60000\n')
q.kill()
q.start()
s, a, b = q.submitter(), q.agent('local'), q.agent('local')
for k in ('busy1', 'busy2'):
    t = q.submitter()
    t.submit(rcpts=[ANN], extra=key(k), wait=False)
busy = [a.hear('JOB'), b.hear('JOB')]
m = s.submit(rcpts=[ANN], extra=key('k4'), wait=False)
q.control('STATUS')
s.close()
q.control('STATUS')  # it has heard both
a.report(busy[0], host='-')
b.report(busy[1], host='-')
b.close()
s = q.submitter()
m = s.submit(rcpts=[ANN], extra=key('k4'), wait=False)
got = a.hear('JOB')
is_((got.words[0], got.words[6]), (m.id, 'key=k4'), 'one that nobody had began with is forgotten, and its key with it')
a.report(got, host='-')
s.linked(m)
is_(m.how, 'delivered', 'so it is delivered')

# queued dies: what is in the spool is known still, what was delivered is looked for by the agent.

m = s.submit(rcpts=[ANN, BOB], extra=key('k3'))
is_(m.how, 'already', 'what is in the spool is known in the next life')
m = s.submit(rcpts=[ANN], extra=key('k1', again=True), wait=False)
job = a.hear('JOB')
is_(job.words[6], 'key=k1,again', 'for what is not, the agent is told to look')
a.report(job, host='-')
s.linked(m)
m = s.submit(rcpts=[ANN], extra=key('k5'), wait=False)
job = a.hear('JOB')
b = q.agent('local')
a.close()
job = b.hear('JOB')
is_(job.words[6], 'key=k5,again', 'also when an agent died over it')
b.report(job, host='-')
s.linked(m)
q.control('FLUSH')
job = b.hear('JOB')
is_((job.words[0], job.words[6]), (first.id, 'key=k3,again'), 'also when it comes from the spool')
b.report(job, host='-')
q.gone(first.id)

# A message for elsewhere whose submitter goes before SYNCED waits for it to come again.

r = q.agent('remote')
t = q.submitter()
m = t.submit(extra=key('far1'))
is_(m.how, 'queued', 'a copy for elsewhere is queued')
t.close()
ok(r.silent(0.3), 'its submitter goes without SYNCED: nothing leaves the house')
t = q.submitter()
again = t.submit(extra=key('far1'))
is_((again.how, again.answer.words[0]), ('already', again.id), 'it comes again')
ok(r.silent(0.2), 'nothing yet')
t.say('SYNCED', again.id)
job = r.hear('JOB')
is_((job.words[0], job.words[6]), (m.id, 'key=far1,again'), 'SYNCED under the new ID: the message goes')
r.report(job)
q.gone(m.id)
m = t.submit(extra=key('far2'))
t.close()
t = q.submitter()
again = t.submit(extra=key('far2'))
t.say('FAILED', again.id)
ok(q.gone(m.id), 'FAILED under the new ID takes it back')
m = t.submit(extra=key('far2'))
is_(m.how, 'queued', 'and the key with it')
t.say('SYNCED', m.id)
r.report(r.hear('JOB'))
q.gone(m.id)
m = t.submit()
t.close()
job = r.hear('JOB')
is_(job.words[0], m.id, 'without a key the end of the connection is SYNCED')
r.report(job)
r.close()

# With the real agent, into real mailboxes.

b.close()
local = house.spawn('local')
s.close()
s = q.submitter()
ok(wait_until(lambda: s.submit(rcpts=[BOB]).how == 'delivered', 20), 'local is there')
for p in house.mail_files('ann'):
    p.unlink()
text = b'Subject: once\n\nHello.\n'
s.submit(rcpts=[ANN], text=text, extra=key('once'))
names = [p.name for p in house.mail_files('ann')]
ok(len(names) == 1 and names[0].endswith(',K=once'), 'the name in the mailbox bears the key: %s' % names)
q.kill()
q.start()
s = q.submitter()
ok(wait_until(lambda: s.submit(rcpts=[BOB]).how == 'delivered', 20), 'local is back')
m = s.submit(rcpts=[ANN], text=text, extra=key('once', again=True))
is_((m.how, len(house.mail_files('ann'))), ('delivered', 1), 'found in new/: no second copy')
path = house.mail_files('ann')[0]
os.rename(path, path.parent.parent / 'cur' / (path.name + ':2,S'))
q.kill()
q.start()
s = q.submitter()
wait_until(lambda: s.submit(rcpts=[BOB]).how == 'delivered', 20)
m = s.submit(rcpts=[ANN, BOB], text=text, extra=key('once', again=True))
is_((m.how, len(house.mail_files('ann'))), ('delivered', 1), 'found in cur/, with flags: no second copy')
ok(any(p.name.endswith(',K=once') for p in house.mail_files('bob')), 'who has not got it gets it')
m = s.submit(rcpts=[ANN], text=text, extra=key('onc', again=True))
is_(len(house.mail_files('ann')), 2, 'a part of a key is another key')

# Not for strangers: test_submit covers who may say what; here only that nonsense is refused.
m = s.submit(rcpts=[ANN], extra='key ../../etc\n')
is_((m.how, m.answer.words[0]), ('REFUSED', '554'), 'a key that is none is refused')
done()
