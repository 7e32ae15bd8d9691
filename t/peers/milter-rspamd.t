#!/usr/bin/env python3
"""rspamd as a filter (its proxy worker in milter mode): rejects what is certainly spam, adds a field to what may be, or changes the
Subject; believes who has logged in; over TCP and a Unix socket."""
import os, sys
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, '..', 'lib'))
from posthouse import *
import base64
from dns_server import DnsServer

rspamd = have('rspamd')
if not rspamd:
    skip_all('rspamd is not installed')

# What rspamd always rejects, and words that our own rules know.
GTUBE = 'XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X'
MAYBE, ODD, FINE = 'maybe spam', 'rather odd', 'quite fine'

dns = DnsServer()
house = House(users=['ann:secret', 'bob:secret'], conf='hostname = mx.example.org\nplaintext_login = always')
home = house.path('rspamd')
for d in home, home / 'run', home / 'db':
    d.mkdir(mode=0o777)
    os.chmod(d, 0o777)
proxy, normal, unix = free_port(), free_port(), home / 'run' / 's'
(home / 'conf').write_text('''
options {
	pidfile = "%(home)s/run/pid";
	tempdir = "%(home)s/run";
	hs_cache_dir = "%(home)s/db";
	control_socket = "%(home)s/run/control mode=0600";
	dns { nameserver = ["127.0.0.1:%(dns)d"]; timeout = 1s; retransmits = 1; }
	filters = "";
	disable_hyperscan = true; # nothing is worth compiling here
	url_tld = "%(home)s/tld";
	local_addrs = "192.0.2.0/24";
}
logging { type = "console"; level = "info"; color = false; }
worker "normal" { bind_socket = "127.0.0.1:%(normal)d"; count = 1; }
worker "rspamd_proxy" {
	bind_socket = "127.0.0.1:%(proxy)d";
	bind_socket = "%(unix)s mode=0666";
	milter = yes;
	count = 1;
	timeout = 20s;
	upstream "local" { default = yes; self_scan = yes; }
}
actions { reject = 15; add_header = 6; rewrite_subject = 8; greylist = null; subject = "[spam?] %%s"; }
lua = "%(home)s/rules.lua";
''' % {'home': home, 'dns': dns.port, 'normal': normal, 'proxy': proxy, 'unix': unix})
(home / 'tld').write_text('com\nexample\n')
# What rspamd knows of the session goes into a field.
(home / 'rules.lua').write_text('''
local function word(name, text, score)
	rspamd_config:register_symbol{ name = name, score = score, group = "test", callback = function(task)
		return tostring(task:get_content()):find(text, 1, true) ~= nil
	end }
end
word("MAYBE", "maybe spam", 7)
word("ODD", "rather odd", 9)
rspamd_config:register_symbol{
	name = "TELL", type = "postfilter", callback = function(task)
		local from, rcpt = task:get_from("smtp"), task:get_recipients("smtp")
		task:set_milter_reply({ add_headers = { ["X-Seen"] = string.format("ip=%s helo=%s user=%s id=%s from=%s rcpts=%d first=%s",
			tostring(task:get_ip()), tostring(task:get_helo()), tostring(task:get_user()), tostring(task:get_queue_id()),
			from and from[1].addr or "", rcpt and #rcpt or 0, rcpt and rcpt[1].addr or "") },
			remove_headers = { ["X-Remove"] = 0 } })
	end
}
''')
user = ['-u', 'nobody', '-g', 'nogroup'] if ROOT else []
p = spawn([rspamd, '-f', *user, '-c', home / 'conf'], stdout=open(home / 'out', 'w'), stderr=subprocess.STDOUT)


def listens():
    try:
        socket.create_connection(('127.0.0.1', proxy), 1).close()
        return unix.exists()
    except OSError:
        return False


if not wait_until(lambda: listens() or p.poll() is not None, 60) or p.poll() is not None:
    diag((home / 'out').read_text())
    raise RuntimeError('rspamd does not start')
house.conf('milters = inet:127.0.0.1:%d' % proxy)
house.start()
seen = {}


def newest(address='ann@example.org'):
    n = seen.get(address, 0)
    mail = house.wait_mail(address, n + 1)
    seen[address] = len(mail)
    return max(house.mail_files(address), key=lambda p: p.stat().st_mtime_ns).read_bytes() if len(mail) > n else b''


def letter(text, more=b''):
    return (b'From: x@client.example\r\nTo: ann@example.org\r\nSubject: a letter\r\nMessage-ID: <1@client.example>\r\n'
            b'Date: Sun, 22 Nov 2026 03:00:00 +0000\r\n' + more + b'\r\n' + text.encode() + b'\r\n')


for how, place in (('TCP', None), ('a Unix socket', 'unix:%s' % unix)):
    if place:
        house.conf('milters = ' + place)
        house.restart()
    like(house.send('x@client.example', ['ann@example.org', 'bob@example.org'], letter(FINE, b'X-Remove: 1\r\nX-Kept: 2\r\nx-remove: 3\r\n')),
         '^250', 'over %s: a letter' % how)
    got = newest()
    id = re.search(rb'\tby mx\.example\.org with ESMTP id (\w+)', got).group(1)
    is_(dict(headers(got)).get(b'X-Seen'), b'ip=127.0.0.1 helo=client.example user=nil id=%s from=x@client.example rcpts=2 first=ann@example.org' % id,
        '... of which it knows all') or diag(got.decode())
    ok(b'emove' not in got and b'X-Kept: 2' in got, '... without fields that it takes out')
    like(house.send('x@client.example', 'ann@example.org', letter(GTUBE)), '^554 5.7.1 Gtube pattern$', '... GTUBE is rejected')
    like(house.send('x@client.example', 'ann@example.org', letter(MAYBE)), '^250', '... what may be spam')
    like(newest(), '(?m)^X-Spam: Yes$', '... has a field that says so')
    like(house.send('x@client.example', 'ann@example.org', letter(ODD)), '^250', '... what is odd')
    like(newest(), r'(?m)^Subject: \[spam\?\] a letter$', '... has another Subject')
with house.smtp(house.submission_port) as s:
    s.hello()
    s.cmd('AUTH PLAIN ' + base64.b64encode(b'\0ann\0secret').decode())
    s.message('ann@example.org', ['ann@example.org'], letter(FINE))
like(newest(), '(?m)^X-Seen: .* user=ann@example.org ', 'it knows who has logged in')
big = letter('x' * 70 + '\r\n') + (b'0123456789' * 7 + b'\r\n') * 30000
like(house.send('x@client.example', 'ann@example.org', big), '^250', 'two megabytes')
is_(newest().split(b'\n\n', 1)[1], big.replace(b'\r\n', b'\n').split(b'\n\n', 1)[1], '... as they were')
with house.smtp() as s:  # several messages and second thoughts in one session
    s.hello()
    for text, want in ((GTUBE, '554'), (FINE, '250'), (GTUBE, '554'), (FINE, '250')):
        s.cmd('MAIL FROM:<y@client.example>')
        s.cmd('RSET')
        like(s.message('x@client.example', ['ann@example.org'], letter(text)), '^' + want, 'in one session: ' + want)
is_(house.events('milter.failed'), [], 'rspamd never failed us')
done()
