"""dovecot: a private Dovecot on loopback, with one maildir, as the provider of a test. Needs dovecot-core and
dovecot-pop3d (dovecot-imapd for DOVECOT_IMAP); runs as any user."""
import grp
import os
import pwd
import socket
import subprocess

from posthouse import *

DOVECOT = have('dovecot') and os.path.exists('/usr/lib/dovecot/pop3')
DOVECOT_IMAP = have('dovecot') and os.path.exists('/usr/lib/dovecot/imap')


class Dovecot:
    """A private one on loopback, with a maildir of its own."""

    def __init__(self, where, imap=False, more=''):
        self.dir, self.port, self.tls_port, self.imap = where, free_port(), free_port(), imap
        me = pwd.getpwuid(os.geteuid()).pw_name
        login, mail = ('dovenull', 'mail') if ROOT else (me, me)
        self.owner = pwd.getpwnam(mail)
        for d in ('run', 'Maildir', 'Maildir/cur', 'Maildir/new', 'Maildir/tmp'):
            (where / d).mkdir(parents=True)
            if ROOT and d != 'run':
                os.chown(where / d, self.owner.pw_uid, self.owner.pw_gid)
        where.chmod(0o755)
        subprocess.run(['openssl', 'req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes',
                        '-days', '2', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout',
                        str(where / 'key'), '-out', str(where / 'cert')], check=True, stderr=subprocess.DEVNULL)
        users = '' if ROOT else 'default_internal_user = %s\ndefault_internal_group = %s\n' % (
            me, grp.getgrgid(os.getegid()).gr_name)
        (where / 'conf').write_text('''
protocols = {protocol}
listen = 127.0.0.1
base_dir = {dir}/run
log_path = {dir}/log
auth_mechanisms = plain
disable_plaintext_auth = no
ssl = yes
ssl_cert = <{dir}/cert
ssl_key = <{dir}/key
default_login_user = {login}
{users}first_valid_uid = 1
mail_location = maildir:{dir}/Maildir
mail_max_userip_connections = 100
passdb {{
  driver = static
  args = password=secret
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={dir}
}}
service {protocol}-login {{
  chroot = {chroot}
  inet_listener {protocol} {{
    port = {port}
  }}
  inet_listener {protocol}s {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
{more}
'''.format(protocol='imap' if imap else 'pop3', more=more, dir=where, login=login, users=users, uid=self.owner.pw_uid, gid=self.owner.pw_gid, port=self.port,
           tls_port=self.tls_port, chroot='login' if ROOT else ''))
        self.process = spawn([have('dovecot'), '-F', '-c', where / 'conf'], stdout=subprocess.DEVNULL,
                             stderr=open(where / 'stderr', 'wb'))
        wait_until(self.answers, 20, 'Dovecot listens')

    def answers(self):
        try:
            with socket.create_connection(('127.0.0.1', self.port), 5) as s:
                return s.recv(100).startswith(b'* OK' if self.imap else b'+OK')
        except OSError:
            return False

    def put(self, n, octets, folder=''):
        """Into the inbox, or into a maildir++ folder (".Lists") that is there."""
        path = self.dir / 'Maildir' / folder / 'cur' / ('%d.%04d.provider:2,' % (1700000000 + n, n))
        path.write_bytes(octets)
        if ROOT:
            os.chown(path, self.owner.pw_uid, self.owner.pw_gid)

    def count(self, folder=''):
        return sum(len(os.listdir(self.dir / 'Maildir' / folder / d)) for d in ('cur', 'new'))
