/* Tests of lib/net/dns.c against a real nsd on loopback. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/mem.h"
#include "lib/net/dns.h"

static const char zone[] =
    "$ORIGIN example.\n$TTL 60\n"
    "@ SOA ns root 1 3600 900 604800 60\n@ NS ns\nns A 127.0.0.1\n"
    "one MX 10 mx.example.\n"
    "three MX 20 b.example.\nthree MX 10 a.example.\nthree MX 30 c.example.\n"
    "equal MX 5 e1.example.\nequal MX 5 e2.example.\nequal MX 7 e3.example.\n"
    "null MX 0 .\n"
    "nulls MX 0 .\nnulls MX 10 mx.example.\n"
    "plain A 192.0.2.1\n"
    "both A 192.0.2.1\nboth AAAA 2001:db8::1\nboth A 192.0.2.2\n"
    "six AAAA 2001:db8::6\n"
    "alias CNAME both\naliasmx CNAME three\n"
    "text TXT \"nothing else\"\n"
    "xn--bcher-kva MX 10 mx.example.\nxn--bcher-kva A 192.0.2.9\n"
    "many A 192.0.2.1\nmany A 192.0.2.2\nmany A 192.0.2.3\nmany A 192.0.2.4\n"
    "many AAAA 2001:db8::1\nmany AAAA 2001:db8::2\nmany AAAA 2001:db8::3\n";

static char dir[] = "/tmp/test_dns.XXXXXX";
static pid_t nsd;
static uint16_t port;
static struct dns *dns;

/* --- the name server ----------------------------------------------------------- */

static uint16_t
free_port(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	close(fd);
	return ntohs(in.sin_port);
}

static FILE *
create(const char *name)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	return f;
}

static void
write_zone(void)
{
	FILE *f = create("example.zone");

	fputs(zone, f);
	for (int i = 0; i < 60; i++) /* over 512 octets: the answer comes by TCP */
		fprintf(f, "big MX %d a-rather-long-host-name-%d.big.example.\n",
		    1000 + i, i);
	fclose(f);
}

static void
write_conf(void)
{
	FILE *f = create("nsd.conf");

	fprintf(f, "server:\n port: %u\n ip-address: 127.0.0.1\n username: \"\"\n"
	    " chroot: \"\"\n zonesdir: \"%s\"\n pidfile: \"\"\n database: \"\"\n"
	    " xfrdfile: \"%s/xfrd\"\n xfrdir: \"%s\"\n zonelistfile: \"%s/zones\"\n"
	    " server-count: 1\nremote-control:\n control-enable: no\n"
	    "zone:\n name: example\n zonefile: example.zone\n"
	    "zone:\n name: broken\n zonefile: missing.zone\n",
	    (unsigned)port, dir, dir, dir, dir);
	fclose(f);
}

static void
start_nsd(void)
{
	char conf[256], log[256];
	int fd;

	snprintf(conf, sizeof(conf), "%s/nsd.conf", dir);
	snprintf(log, sizeof(log), "%s/log", dir);
	nsd = fork();
	assert_int_not_equal(nsd, -1);
	if (nsd > 0)
		return;
	fd = open(log, O_WRONLY | O_CREAT, 0600);
	dup2(fd, 1);
	dup2(fd, 2);
	execl("/usr/sbin/nsd", "nsd", "-d", "-c", conf, (char *)NULL);
	_exit(127);
}

static int
setup(void **state)
{
	char servers[64];
	struct buf why = BUF_INIT(1024);
	struct ip ip;
	int n;

	(void)state;
	assert_non_null(mkdtemp(dir));
	port = free_port();
	write_zone();
	write_conf();
	start_nsd();
	snprintf(servers, sizeof(servers), " 127.0.0.1:%u ", (unsigned)port);
	dns = dns_open(servers, 300, &why);
	assert_non_null(dns);
	buf_free(&why);
	for (int i = 0; i < 100; i++) {
		if (dns_addresses(dns, "plain.example", &ip, 1, &n,
		    deadline_in(300)) == DNS_OK)
			return 0;
		usleep(50000);
	}
	print_error("nsd does not answer: see %s/log\n", dir);
	return -1;
}

static int
teardown(void **state)
{
	char *rm[] = { NULL, NULL, NULL, NULL };
	char opt[] = "-rf", cmd[] = "rm";
	pid_t pid;

	(void)state;
	dns_close(dns);
	kill(nsd, SIGTERM);
	waitpid(nsd, NULL, 0);
	rm[0] = cmd;
	rm[1] = opt;
	rm[2] = dir;
	pid = fork();
	if (pid == 0) {
		execvp("rm", rm);
		_exit(127);
	}
	waitpid(pid, NULL, 0);
	return 0;
}

/* --- cases ------------------------------------------------------------------------ */

/* clang-format off */
static const struct {
	const char *domain;
	enum dns_result result;
	const char *mx; /* "preference host," ... */
} mxs[] = {
	{ "one.example", DNS_OK, "10 mx.example," },
	{ "ONE.Example.", DNS_OK, "10 mx.example," },
	{ "three.example", DNS_OK, "10 a.example,20 b.example,30 c.example," },
	{ "aliasmx.example", DNS_OK, "10 a.example,20 b.example,30 c.example," },
	{ "null.example", DNS_OK, "0 ," },
	{ "nulls.example", DNS_OK, "10 mx.example," },
	{ "plain.example", DNS_NONE, "" },
	{ "text.example", DNS_NONE, "" },
	{ "missing.example", DNS_NONE, "" },
	{ "alias.example", DNS_NONE, "" },
	{ "b\xc3\xbc" "cher.example", DNS_OK, "10 mx.example," },
	{ "\xef\xbd\x83.example", DNS_NONE, "" },
	{ "", DNS_NONE, "" },
	{ "x..example", DNS_NONE, "" },
	{ "a.broken", DNS_TRY_AGAIN, "" },   /* SERVFAIL */
	{ "a.elsewhere", DNS_TRY_AGAIN, "" }, /* REFUSED */
};
static const struct {
	const char *host;
	int max;
	enum dns_result result;
	const char *addresses; /* those of each family sorted */
} hosts[] = {
	{ "plain.example", 8, DNS_OK, "192.0.2.1," },
	{ "six.example", 8, DNS_OK, "2001:db8::6," },
	{ "both.example", 8, DNS_OK, "2001:db8::1,192.0.2.1,192.0.2.2," },
	{ "alias.example", 8, DNS_OK, "2001:db8::1,192.0.2.1,192.0.2.2," },
	{ "b\xc3\xbc" "cher.example", 8, DNS_OK, "192.0.2.9," },
	{ "192.0.2.77", 8, DNS_OK, "192.0.2.77," },
	{ "[192.0.2.77]", 8, DNS_OK, "192.0.2.77," },
	{ "[IPv6:2001:db8::77]", 8, DNS_OK, "2001:db8::77," },
	{ "2001:db8::77", 8, DNS_OK, "2001:db8::77," },
	{ "mail.localhost", 8, DNS_OK, "::1,127.0.0.1," },
	{ "one.example", 8, DNS_NONE, "" },
	{ "missing.example", 8, DNS_NONE, "" },
	{ "a.broken", 8, DNS_TRY_AGAIN, "" },
	{ "a.elsewhere", 8, DNS_TRY_AGAIN, "" },
};
/* clang-format on */

static void
finds_mx(void **state)
{
	struct dns_mx mx[8];
	int n;

	(void)state;
	for (size_t i = 0; i < COUNT(mxs); i++) {
		struct buf out = BUF_INIT(1024);
		enum dns_result r = dns_mx(dns, mxs[i].domain, mx, 8, &n,
		    deadline_in(5000));

		if (r != mxs[i].result)
			print_error("%s: %s\n", mxs[i].domain, dns_reason(dns));
		assert_int_equal(r, mxs[i].result);
		for (int k = 0; k < n; k++)
			buf_addf(&out, "%u %s,", mx[k].preference, mx[k].host);
		assert_string_equal(buf_str(&out), mxs[i].mx);
		buf_free(&out);
	}
}

static int
by_octets(const void *a, const void *b)
{
	const struct ip *x = a, *y = b;

	return x->v6 != y->v6 ? y->v6 - x->v6 :
	    memcmp(x->octets, y->octets, sizeof(x->octets));
}

static void
finds_addresses(void **state)
{
	struct ip ip[8];
	int n;

	(void)state;
	for (size_t i = 0; i < COUNT(hosts); i++) {
		struct buf out = BUF_INIT(1024);
		enum dns_result r = dns_addresses(dns, hosts[i].host, ip,
		    hosts[i].max, &n, deadline_in(5000));

		if (r != hosts[i].result)
			print_error("%s: %s\n", hosts[i].host, dns_reason(dns));
		assert_int_equal(r, hosts[i].result);
		for (int k = 1; k < n; k++) /* IPv6 first */
			assert_false(ip[k].v6 && !ip[k - 1].v6);
		qsort(ip, (size_t)n, sizeof(ip[0]), by_octets);
		for (int k = 0; k < n; k++) {
			ip_add(&out, &ip[k]);
			buf_addc(&out, ',');
		}
		assert_string_equal(buf_str(&out), hosts[i].addresses);
		buf_free(&out);
	}
}

/* Room for few: both families have their share. */
static void
shares_room(void **state)
{
	static const int v6_of[] = { 0, 1, 1, 2, 2, 3, 3, 3 };
	struct ip ip[8];
	int n;

	(void)state;
	for (int max = 1; max <= 7; max++) {
		int v6 = 0;

		assert_int_equal(dns_addresses(dns, "many.example", ip, max, &n,
		    deadline_in(5000)), DNS_OK);
		assert_int_equal(n, max);
		for (int i = 0; i < n; i++)
			v6 += ip[i].v6;
		assert_int_equal(v6, v6_of[max]);
	}
}

static void
shuffles_equals(void **state)
{
	int first[2] = { 0, 0 }, n;
	struct dns_mx mx[8];

	(void)state;
	for (int i = 0; i < 100; i++) {
		assert_int_equal(dns_mx(dns, "equal.example", mx, 8, &n,
		    deadline_in(5000)), DNS_OK);
		assert_int_equal(n, 3);
		assert_string_equal(mx[2].host, "e3.example");
		first[strcmp(mx[0].host, "e2.example") == 0]++;
	}
	/* never in 100 times: once in 2^100 runs */
	assert_true(first[0] > 0 && first[1] > 0);
}

/* Over TCP, and the best ones when there is no room for all. */
static void
takes_big_answers(void **state)
{
	struct dns_mx mx[100];
	int n;

	(void)state;
	assert_int_equal(dns_mx(dns, "big.example", mx, 100, &n,
	    deadline_in(5000)), DNS_OK);
	assert_int_equal(n, 60);
	assert_int_equal(dns_mx(dns, "big.example", mx, 5, &n,
	    deadline_in(5000)), DNS_OK);
	assert_int_equal(n, 5);
	for (int i = 0; i < n; i++)
		assert_int_equal(mx[i].preference, 1000 + i);
}

/* Nobody listens, or somebody listens and is silent. */
static void
is_patient_but_not_for_ever(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	socklen_t len = sizeof(in);
	int fd = socket(AF_INET, SOCK_DGRAM, 0), n;
	struct buf why = BUF_INIT(1024);
	int64_t start;
	struct dns_mx mx;
	char servers[64];
	struct dns *silent;

	(void)state;
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&in, &len), 0);
	snprintf(servers, sizeof(servers), "127.0.0.1:%u", ntohs(in.sin_port));
	silent = dns_open(servers, 5000, &why);
	assert_non_null(silent);
	start = clock_mono_ms();
	assert_int_equal(dns_mx(silent, "one.example", &mx, 1, &n,
	    deadline_in(200)), DNS_TRY_AGAIN);
	assert_in_range(clock_mono_ms() - start, 150, 1500);
	dns_close(silent);

	close(fd); /* now the port is dead */
	silent = dns_open(servers, 200, &why);
	assert_non_null(silent);
	assert_int_equal(dns_mx(silent, "one.example", &mx, 1, &n,
	    deadline_in(5000)), DNS_TRY_AGAIN);
	dns_close(silent);
	buf_free(&why);
}

static void
refuses_bad_servers(void **state)
{
	struct buf why = BUF_INIT(1024);

	(void)state;
	assert_null(dns_open("not an address", 100, &why));
	assert_true(why.len > 0);
	buf_free(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(finds_mx),
		cmocka_unit_test(finds_addresses),
		cmocka_unit_test(shares_room),
		cmocka_unit_test(shuffles_equals),
		cmocka_unit_test(takes_big_answers),
		cmocka_unit_test(is_patient_but_not_for_ever),
		cmocka_unit_test(refuses_bad_servers),
	};

	if (access("/usr/sbin/nsd", X_OK) == -1) {
		puts("1..0 # SKIP nsd is not installed");
		return 0;
	}
	return cmocka_run_group_tests(tests, setup, teardown);
}
