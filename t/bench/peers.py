"""
Peers for the benchmarks: Postfix and OpenSMTPD out of their Debian packages,
unpacked without installing. Needs root (their own users).
"""
import glob
import os
import pwd
import signal
import socket
import subprocess
import tempfile
from posthouse import House, children, free_port, wait_until


def run(*argv, **kw):
    return subprocess.run(argv, check=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **kw).stdout.decode()


def answers(port, greeting):
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as s:
            s.settimeout(2)
            ok = s.recv(512).startswith(greeting)
            s.sendall(b"QUIT\r\n")
            s.recv(512)
            return ok
    except OSError:
        return False


def package_tree(package, program):
    """A Debian package's programs, unpacked into a cache below /tmp."""
    tree = os.path.join(tempfile.gettempdir(), "posthouse-peer-%s-%d" % (package, os.getuid()))
    if not os.path.exists(tree + program):
        with tempfile.TemporaryDirectory() as d:
            os.chmod(d, 0o777)
            run("apt-get", "download", package, cwd=d)
            run("dpkg", "-x", glob.glob(d + "/%s_*.deb" % package)[0], tree)
    return tree


def postfix_tree():
    tree = package_tree("postfix", "/usr/sbin/smtp-source")
    os.environ["LD_LIBRARY_PATH"] = tree + "/usr/lib/postfix"
    return tree


def certificate(directory):
    """A key and a certificate signed by itself, of the kind that `posthouse setup --self-signed` makes: their paths."""
    key, cert = directory + "/bench.key", directory + "/bench.pem"
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
        "-subj", "/CN=localhost", "-keyout", key, "-out", cert)
    return key, cert


def need_user(name):
    try:
        pwd.getpwnam(name)
    except KeyError:
        run("useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", "--user-group", name)
    return pwd.getpwnam(name)


class Postfix:
    """smtpd, cleanup, qmgr and virtual(8), delivering to one Maildir."""

    name = "Postfix"
    synchronous = True  # 250 is said when the message is on the disk
    services = """\
127.0.0.1:%(port)d inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
tlsmgr unix - - n 1000? 1 tlsmgr
postlog unix-dgram n - n - 1 postlogd
"""

    def __init__(self, where, processes=100):
        self.tree = postfix_tree()
        self.port = free_port()
        owner, sgid = need_user("phpeerpf"), need_user("phpeerpd")
        mail = need_user("phpeerml")
        self.etc, queue, data, self.mail = (os.path.join(where, "pf-" + d) for d in ("etc", "queue", "data", "mail"))
        for d in (self.etc, queue, data, self.mail):
            os.mkdir(d)
        os.chown(data, owner.pw_uid, -1)
        os.chown(self.mail, mail.pw_uid, mail.pw_gid)
        self.maildir = os.path.join(self.mail, "ann/new")
        u = self.tree + "/usr"
        with open(self.etc + "/main.cf", "w") as f:
            f.write("\n".join((
                "compatibility_level = 3.6", "queue_directory = " + queue, "data_directory = " + data,
                "command_directory = %s/sbin" % u, "daemon_directory = %s/lib/postfix/sbin" % u,
                "shlib_directory = %s/lib/postfix" % u, "meta_directory = " + self.etc,
                "mail_owner = " + owner.pw_name, "setgid_group = " + sgid.pw_name,
                "import_environment = MAIL_CONFIG=%s LD_LIBRARY_PATH=%s/lib/postfix" % (self.etc, u),
                "inet_interfaces = 127.0.0.1", "inet_protocols = ipv4", "mynetworks = 127.0.0.1",
                "myhostname = peer.example", "mydestination =", "alias_maps =", "local_recipient_maps =",
                "smtpd_client_connection_count_limit = 0", "smtpd_client_connection_rate_limit = 0",
                "virtual_mailbox_domains = bench.example", "virtual_mailbox_base = " + self.mail,
                "virtual_mailbox_maps = static:ann/", "virtual_uid_maps = static:%d" % mail.pw_uid,
                "virtual_gid_maps = static:%d" % mail.pw_gid, "virtual_mailbox_limit = 0",
                "smtpd_tls_security_level = may", "smtpd_tls_chain_files = %s %s" % certificate(self.etc),
                "default_process_limit = %d" % processes,
                "maillog_file = " + self.etc + "/log", "maillog_file_prefixes = /", "")))
        with open(self.etc + "/master.cf", "w") as f:
            f.write(self.services % {"port": self.port})
        for d in ("active bounce corrupt defer deferred flush hold incoming private saved trace").split():
            os.mkdir(os.path.join(queue, d), 0o700)
            os.chown(os.path.join(queue, d), owner.pw_uid, -1)
        for d in ("maildrop", "public"):
            os.mkdir(os.path.join(queue, d), 0o730)
            os.chown(os.path.join(queue, d), owner.pw_uid, sgid.pw_gid)
        os.mkdir(os.path.join(queue, "pid"))
        self.master = None

    def start(self):
        self.master = subprocess.Popen(
            [self.tree + "/usr/lib/postfix/sbin/master", "-c", self.etc, "-d"],
            env=dict(os.environ, MAIL_CONFIG=self.etc), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True)
        wait_until(lambda: answers(self.port, b"220"), 20, "Postfix's greeting")

    def pids(self):
        return [self.master.pid] + children(self.master.pid)

    def stop(self):
        if self.master:
            ours = self.pids()
            self.master.send_signal(signal.SIGTERM)
            self.master.wait()
            self.master = None
            wait_until(lambda: not any(os.path.exists("/proc/%d" % p) for p in ours), 20, "Postfix to end")


class OpenSMTPD:
    """smtpd, in a mount namespace of its own, since its spool's place is compiled in."""

    name = "OpenSMTPD"
    synchronous = False

    def __init__(self, where):
        self.tree = package_tree("opensmtpd", "/usr/sbin/smtpd")
        self.port = free_port()
        for user in "opensmtpd", "opensmtpq":
            need_user(user)
        self.etc = os.path.join(where, "os-etc")
        os.mkdir(self.etc)
        with open(self.etc + "/smtpd.conf", "w") as f:
            f.write('listen on 127.0.0.1 port %(p)d hostname peer.example\n'
                    'action "here" maildir "%(e)s/mail" virtual { "@" = root }\n'
                    'match from any for domain "bench.example" action "here"\n' % {"e": self.etc, "p": self.port})
        self.first = None

    def start(self):
        spool = "/var/spool/smtpd"
        self.first = subprocess.Popen(
            ["unshare", "-m", "sh", "-e", "-c", """
                mount -t tmpfs none /run
                mount -t tmpfs none /var/spool
                mkdir -p /var/lib/opensmtpd && mount -t tmpfs none /var/lib/opensmtpd
                mkdir -m 711 /var/lib/opensmtpd/empty %(s)s
                mkdir -m 700 %(s)s/queue %(s)s/corrupt %(s)s/incoming %(s)s/purge %(s)s/temporary
                mkdir -m 770 %(s)s/offline
                chown opensmtpq %(s)s/queue %(s)s/corrupt %(s)s/incoming %(s)s/purge %(s)s/temporary
                chown root:opensmtpq %(s)s/offline
                exec %(t)s/usr/sbin/smtpd -f %(e)s/smtpd.conf -d""" % {"s": spool, "t": self.tree, "e": self.etc}],
            stdout=open(self.etc + "/log", "wb"), stderr=subprocess.STDOUT, start_new_session=True)
        wait_until(lambda: answers(self.port, b"220"), 20, "OpenSMTPD's greeting")

    def pids(self):
        return [self.first.pid] + children(self.first.pid)

    def stop(self):
        if self.first:
            self.first.send_signal(signal.SIGTERM)
            self.first.wait()
            self.first = None


class Posthouse:
    """This suite, built in BUILDDIR, with one user."""

    name = "Posthouse"
    synchronous = True

    def __init__(self, where, conf=""):
        self.house = House(domains="bench.example", users=["ann:secret"], where=where,
                           conf="smtpd_connections_per_address = 500\n" + conf, options=["--self-signed", "--submissions-port", str(free_port()), "--pop3s-port", str(free_port())])
        self.port = self.house.smtp_port
        self.maildir = str(self.house.maildir("ann@bench.example") / "new")

    def start(self):
        self.house.start()

    def pids(self):
        return self.house.pids()

    def stop(self):
        self.house.stop()
