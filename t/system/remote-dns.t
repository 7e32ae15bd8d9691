#!/usr/bin/env python3
"""remote finds the servers of a domain in a real DNS: MX by preference, implicit MX, null MX, IPv6, ourselves."""
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'lib'))
from posthouse import *
from agents import *

zone = Zone('''
host1 A 127.0.0.11
host2 A 127.0.0.12
host3 A 127.0.0.13
down A 127.0.0.19
six AAAA ::1
both AAAA ::1
both A 127.0.0.11
dead6 AAAA 2001:db8::1
dead6 A 127.0.0.12
house A 127.0.0.13

one MX 10 host1
order MX 30 host3
order MX 10 down
order MX 20 host2
equal MX 10 host1
equal MX 10 host2
null MX 0 .
plain A 127.0.0.12
plain6 AAAA ::1
alias CNAME one
mx6 MX 10 six
mxboth MX 10 both
mxdead6 MX 10 dead6
nothing TXT "no mail here"
nohost MX 10 missing
nohost2 MX 10 missing
nohost2 MX 20 host1
selfbest MX 10 house
selfbest MX 20 host1
selfmiddle MX 10 host1
selfmiddle MX 20 house
selfmiddle MX 30 host2
selfequal MX 10 down
selfequal MX 20 house
selfequal MX 20 host2
wide MX 10 refuse
wide MX 20 host1
refuse A 127.0.0.14
allrefuse MX 10 refuse
idn.xn--bcher-kva MX 10 host1
''')
port = free_port()
s1, s2, s3 = (Server(host='127.0.0.%d' % n, port=port) for n in (11, 12, 13))
refuse = Server({'greeting': '554 5.7.1 go away'}, host='127.0.0.14', port=port)
try:
    s6 = Server(host='::1', port=port)
except OSError:
    s6 = None
desk = Desk('remote', '%s\nremote_timeout = 5s\nremote_connect_timeout = 2s\nremote_port = %d\nhostname = house.test' % (zone.conf, port))


def job(domain, rcpt='bob@x.test', **kw):
    r = desk.job([rcpt], nexthop='mx:' + domain, **kw)
    return r, r.outcomes[0]


r, o = job('one.test')
is_((o[0], r.host, r.connected), ('sent', 'host1.test', 'mx:one.test'), 'one MX')
r, o = job('order.test')
is_((o[0], r.host), ('sent', 'host2.test'), 'by preference; the next one when nobody answers')
seen = set()
for i in range(40):
    seen.add(job('equal.test')[0].host)
    job('one.test')  # so that the connection is not kept
    if len(seen) == 2:
        break
is_(seen, {'host1.test', 'host2.test'}, 'equal preferences take turns')
r, o = job('null.test')
is_((o[:3], r.connected), (('failed', 556, '5.1.10'), '-'), 'null MX: no mail, for good')
r, o = job('plain.test')
is_((o[0], r.host), ('sent', 'plain.test'), 'no MX: the address of the domain')
r, o = job('alias.test')
is_((o[0], r.host), ('sent', 'host1.test'), 'an alias is followed')
r, o = job('nothing.test')
is_(o[:3], ('failed', 550, '5.1.2'), 'neither MX nor address')
r, o = job('missing.test')
is_(o[:3], ('failed', 550, '5.1.2'), 'no such domain')
like(o[3], 'missing.test', '... named in the text')
r, o = job('nohost.test')
is_(o[0], 'retry', 'an MX without address may get one')
r, o = job('nohost2.test')
is_((o[0], r.host), ('sent', 'host1.test'), '... and the next one takes it meanwhile')
r, o = job('selfbest.test')
is_(o[:3], ('retry', 451, '4.4.6'), 'we are the best MX: a fault of our maps, no bounce')
r, o = job('selfmiddle.test')
is_((o[0], r.host), ('sent', 'host1.test'), 'better ones than we are tried')
n = len(s2.sessions)
r, o = job('selfequal.test')
is_((o[0], len(s2.sessions)), ('retry', n), '... equal and worse ones never')
r, o = job('wide.test')
is_((o[0], r.host), ('sent', 'host1.test'), 'refused at the door by one: the next one')
r, o = job('allrefuse.test')
is_(o[:3], ('failed', 554, '5.7.1'), '... by all: that is the answer')
r, o = job('[127.0.0.12]')
is_((o[0], r.host), ('sent', '[127.0.0.12]'), 'an address literal')
r, o = job('[256.0.0.1]')
is_(o[:2], ('failed', 550), '... that is none')
r, o = job('elsewhere.example')
is_((o[0], o[2]), ('retry', '4.4.3'), 'DNS does not answer: later')
r, o = job('idn.b\xfccher.test')
is_((o[0], r.host), ('sent', 'host1.test'), 'an internationalized domain')
r, o = job('mxdead6.test')
is_((o[0], s2.messages != []), ('sent', True), 'IPv6 leads nowhere: IPv4')
if s6:
    n = len(s6.messages)
    r, o = job('mx6.test')
    is_((o[0], len(s6.messages)), ('sent', n + 1), 'AAAA alone')
    r, o = job('mxboth.test')
    is_((o[0], len(s6.messages)), ('sent', n + 2), 'AAAA before A')
    r, o = job('[IPv6:::1]')
    is_((o[0], len(s6.messages)), ('sent', n + 3), 'an IPv6 address literal')
    s6.close()
    r, o = job('mxboth.test')
    is_((o[0], len(s6.messages)), ('sent', n + 3), 'A when AAAA does not answer')
else:
    skip('IPv6', 'no IPv6 here')

end(zone.process)
r, o = job('order.test')
is_((o[0], o[2]), ('retry', '4.4.3'), 'the name server is gone: later')
done()
