/* Tests of lib/net/tls.c: the other side is OpenSSL's server in a child process. */
#include <errno.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/base/ascii.h"
#include "lib/net/dialogue.h"
#include "lib/net/tls.h"

#define BIG 200000

struct identity {
	EVP_PKEY *key;
	X509 *cert;
	char pin[80];
};

static struct identity authority, house, self_made, outdated;
static char ca_file[] = "/tmp/test_tls.XXXXXX", self_file[] = "/tmp/test_tls.XXXXXX";

/* --- certificates ----------------------------------------------------------------- */

static void
extend(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *e = X509V3_EXT_nconf_nid(NULL, NULL, nid, value);

	assert_non_null(e);
	assert_int_equal(X509_add_ext(cert, e, -1), 1);
	X509_EXTENSION_free(e);
}

static void
digest(struct identity *id)
{
	unsigned char *der = NULL, sum[32];
	int n = i2d_PUBKEY(id->key, &der);
	struct buf pin = BUF_INIT(80);

	EVP_Digest(der, (size_t)n, sum, NULL, EVP_sha256(), NULL);
	buf_adds(&pin, "sha256//");
	base64_add(&pin, sum, sizeof(sum));
	strlcpy(id->pin, buf_str(&pin), sizeof(id->pin));
	buf_free(&pin);
	OPENSSL_free(der);
}

/* alt: "DNS:..."; NULL: an authority. by NULL: signed by itself. */
static void
make(struct identity *id, const char *cn, const char *alt, long until_s,
    const struct identity *by)
{
	static int serial;
	X509_NAME *name;

	id->key = EVP_EC_gen("P-256");
	id->cert = X509_new();
	assert_non_null(id->key);
	X509_set_version(id->cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(id->cert), ++serial);
	X509_gmtime_adj(X509_getm_notBefore(id->cert), -7200);
	X509_gmtime_adj(X509_getm_notAfter(id->cert), until_s);
	X509_set_pubkey(id->cert, id->key);
	name = X509_get_subject_name(id->cert);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
	    (const unsigned char *)cn, -1, -1, 0);
	X509_set_issuer_name(id->cert,
	    by != NULL ? X509_get_subject_name(by->cert) : name);
	if (alt != NULL)
		extend(id->cert, NID_subject_alt_name, alt);
	else
		extend(id->cert, NID_basic_constraints, "critical,CA:TRUE");
	assert_true(X509_sign(id->cert, by != NULL ? by->key : id->key,
	    EVP_sha256()) > 0);
	digest(id);
}

static void
save(const struct identity *id, char *name)
{
	FILE *f = fdopen(mkstemp(name), "w");

	assert_non_null(f);
	assert_int_equal(PEM_write_X509(f, id->cert), 1);
	fclose(f);
}

static int
setup(void **state)
{
	(void)state;
	make(&authority, "Test Authority", NULL, 86400, NULL);
	make(&house, "house.example",
	    "DNS:house.example,DNS:*.wild.example,IP:192.0.2.1", 86400, &authority);
	make(&self_made, "house.example", "DNS:house.example", 86400, NULL);
	make(&outdated, "house.example", "DNS:house.example", -3600, &authority);
	save(&authority, ca_file);
	save(&self_made, self_file);
	return 0;
}

static int
teardown(void **state)
{
	const struct identity *all[] = { &authority, &house, &self_made, &outdated };

	(void)state;
	for (size_t i = 0; i < COUNT(all); i++) {
		X509_free(all[i]->cert);
		EVP_PKEY_free(all[i]->key);
	}
	unlink(ca_file);
	unlink(self_file);
	return 0;
}

/* --- the server ------------------------------------------------------------------- */

enum behaviour {
	ECHO,      /* gives back what it gets */
	OCTETWISE, /* ... in records of one octet */
	CUT,       /* says "+OK", then closes without close_notify */
	GOODBYE,   /* says "+OK", then closes as one should */
	OLD,       /* TLS 1.1 */
	SILENT,
	PLAIN,     /* speaks POP3 instead */
	HANGS_UP,
	RENEGOTIATES, /* TLS 1.2; asks for a new handshake, then says "+OK" */
	BINDS,        /* says the octets of tls-exporter, 32 */
	BINDS_12,     /* ... of tls-unique, 12 */
};

static void
echo(SSL *ssl, bool octetwise)
{
	char s[4096];
	int n;

	while ((n = SSL_read(ssl, s, sizeof(s))) > 0)
		for (int i = 0; i < n; i += octetwise ? 1 : n)
			SSL_write(ssl, s + i, octetwise ? 1 : n);
}

static void
bind_channel(SSL *ssl, bool exporter)
{
	unsigned char octets[64];
	size_t n = 32;

	if (exporter) /* RFC 9266, 2 */
		SSL_export_keying_material(ssl, octets, n, "EXPORTER-Channel-Binding", 24, (const unsigned char *)"", 0, 1);
	else
		n = SSL_get_peer_finished(ssl, octets, sizeof(octets));
	SSL_write(ssl, octets, (int)n);
}

/* The name the client asked for: nothing else is served. */
static int
on_name(SSL *ssl, int *alert, void *arg)
{
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

	(void)alert;
	return arg == NULL || (name != NULL && strcmp(name, arg) == 0) ?
	    SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static SSL *
accept_tls(int fd, const struct identity *id, enum behaviour how, char *sni)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	SSL *ssl;

	SSL_CTX_use_certificate(ctx, id->cert);
	SSL_CTX_use_PrivateKey(ctx, id->key);
	SSL_CTX_set_tlsext_servername_callback(ctx, on_name);
	SSL_CTX_set_tlsext_servername_arg(ctx, sni);
	if (how == OLD) {
		SSL_CTX_set_security_level(ctx, 0);
		SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION);
	}
	if (how == RENEGOTIATES || how == BINDS_12)
		SSL_CTX_set_max_proto_version(ctx, TLS1_2_VERSION);
	ssl = SSL_new(ctx);
	SSL_set_fd(ssl, fd);
	return SSL_accept(ssl) == 1 ? ssl : NULL;
}

static void
serve(int fd, const struct identity *id, enum behaviour how, char *sni)
{
	SSL *ssl;
	char c;

	alarm(20);
	signal(SIGPIPE, SIG_IGN);
	if (how == SILENT)
		while (read(fd, &c, 1) == 1)
			continue;
	if (how == PLAIN && write(fd, "+OK hello\r\n", 11) == 11)
		while (read(fd, &c, 1) == 1)
			continue;
	if (how == SILENT || how == PLAIN || how == HANGS_UP)
		return;
	ssl = accept_tls(fd, id, how, sni);
	if (ssl == NULL)
		return;
	if (how == RENEGOTIATES) {
		SSL_renegotiate(ssl);
		SSL_do_handshake(ssl);
	}
	if (how == BINDS || how == BINDS_12)
		bind_channel(ssl, how == BINDS);
	else if (how == ECHO || how == OCTETWISE)
		echo(ssl, how == OCTETWISE);
	else
		SSL_write(ssl, "+OK\r\n", 5);
	if (how == GOODBYE)
		SSL_shutdown(ssl);
}

static pid_t
server(const struct identity *id, enum behaviour how, char *sni, struct io *io)
{
	int pair[2];
	pid_t pid;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	pid = fork();
	assert_int_not_equal(pid, -1);
	if (pid == 0) {
		close(pair[0]);
		serve(pair[1], id, how, sni);
		_exit(0);
	}
	close(pair[1]);
	io_open(io, pair[0]);
	return pid;
}

static void
end(struct io *io, pid_t pid)
{
	int status;

	io_close(io);
	assert_int_equal(waitpid(pid, &status, 0), pid);
}

/* --- whom to trust ------------------------------------------------------------------ */

/* clang-format off */
static const struct {
	const char *host;
	const struct identity *server;
	const char *ca;
	const struct identity *pin;
	bool unverified;
	enum behaviour how;
	int error; /* 0: connected */
	const char *why;
} trust[] = {
	{ "house.example", &house, ca_file, NULL, false, ECHO, 0, "" },
	{ "HOUSE.example", &house, ca_file, NULL, false, ECHO, 0, "" },
	{ "a.wild.example", &house, ca_file, NULL, false, ECHO, 0, "" },
	{ "192.0.2.1", &house, ca_file, NULL, false, ECHO, 0, "" },
	{ "a.b.wild.example", &house, ca_file, NULL, false, ECHO, EACCES,
	  "TLS with a.b.wild.example: the certificate is not to be trusted: hostname mismatch" },
	{ "other.example", &house, ca_file, NULL, false, ECHO, EACCES,
	  "TLS with other.example: the certificate is not to be trusted: hostname mismatch" },
	{ "192.0.2.2", &house, ca_file, NULL, false, ECHO, EACCES,
	  "TLS with 192.0.2.2: the certificate is not to be trusted: IP address mismatch" },
	{ "house.example", &house, NULL, NULL, false, ECHO, EACCES,
	  "TLS with house.example: the certificate is not to be trusted: unable to get local issuer certificate" },
	{ "house.example", &self_made, ca_file, NULL, false, ECHO, EACCES,
	  "TLS with house.example: the certificate is not to be trusted: self-signed certificate" },
	{ "house.example", &self_made, self_file, NULL, false, ECHO, 0, "" },
	{ "house.example", &outdated, ca_file, NULL, false, ECHO, EACCES,
	  "TLS with house.example: the certificate is not to be trusted: certificate has expired" },
	{ "house.example", &house, "/nonexistent", NULL, false, ECHO, ENOENT, NULL },
	/* a pin is trust enough, and nothing else will do */
	{ "other.example", &self_made, NULL, &self_made, false, ECHO, 0, "" },
	{ "house.example", &house, ca_file, &house, false, ECHO, 0, "" },
	{ "house.example", &house, ca_file, &self_made, false, ECHO, EACCES, NULL },
	{ "house.example", &house, ca_file, &self_made, true, ECHO, EACCES, NULL },
	{ "other.example", &self_made, NULL, NULL, true, ECHO, 0, "" },
	{ "house.example", &house, ca_file, NULL, false, OLD, EPROTO,
	  "TLS with house.example: the server has nothing newer than TLS 1.1" },
	{ "house.example", &house, ca_file, NULL, false, PLAIN, EPROTO,
	  "TLS with house.example: the server does not speak TLS on this port" },
	{ "house.example", &house, ca_file, NULL, false, SILENT, ETIMEDOUT,
	  "TLS with house.example: no handshake in time" },
	{ "house.example", &house, ca_file, NULL, false, HANGS_UP, ECONNRESET, NULL },
};
/* clang-format on */

static void
trusts_whom_it_should(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(trust); i++) {
		struct buf why = BUF_INIT(1024);
		const char *pins[] = { self_made.pin };
		struct tls_peer peer = { .host = trust[i].host,
			.ca_file = trust[i].ca, .pins = pins,
			.unverified = trust[i].unverified };
		struct io io;
		pid_t pid = server(trust[i].server, trust[i].how, NULL, &io);
		struct span line;
		int rv;

		if (trust[i].pin != NULL) {
			pins[0] = trust[i].pin->pin;
			peer.pin_count = 1;
		}
		rv = tls_client(&io, &peer,
		    deadline_in(trust[i].how == SILENT ? 100 : 5000), &why);
		rv = rv == -1 ? errno : 0;
		if (rv != trust[i].error)
			print_error("row %zu: %s\n", i, buf_str(&why));
		assert_int_equal(rv, trust[i].error);
		if (trust[i].why != NULL)
			assert_string_equal(buf_str(&why), trust[i].why);
		else
			assert_true(why.len > 0);
		if (rv == 0) {
			io_puts(&io, "hello\r\n");
			assert_int_equal(io_line(&io, 100, deadline_in(5000),
			    &line), LINE_OK);
			assert_true(span_is(line, "hello"));
		}
		end(&io, pid);
		buf_free(&why);
	}
}

/* What an administrator has to write in the map is in the refusal. */
static void
tells_the_key_it_saw(void **state)
{
	struct buf why = BUF_INIT(1024);
	const char *pins[] = { self_made.pin };
	struct tls_peer peer = { .host = "house.example", .pins = pins,
		.pin_count = 1 };
	struct io io;
	pid_t pid = server(&house, ECHO, NULL, &io);

	(void)state;
	assert_int_equal(tls_client(&io, &peer, deadline_in(5000), &why), -1);
	assert_non_null(strstr(buf_str(&why), house.pin));
	end(&io, pid);
	buf_free(&why);
}

static void
sends_the_name(void **state)
{
	static char name[] = "house.example";
	struct buf why = BUF_INIT(1024), what = BUF_INIT(1024);
	struct tls_peer peer = { .host = name, .ca_file = ca_file };
	struct io io;
	pid_t pid = server(&house, ECHO, name, &io);

	(void)state;
	tls_describe(&io, &what);
	assert_int_equal(what.len, 0);
	assert_int_equal(tls_client(&io, &peer, deadline_in(5000), &why), 0);
	tls_describe(&io, &what);
	assert_memory_equal(buf_str(&what), "TLSv1.3 TLS_", 12);
	assert_int_equal(tls_client(&io, &peer, deadline_in(5000), &why), -1);
	end(&io, pid);
	buf_free(&why);
	buf_free(&what);
}

/* --- octets --------------------------------------------------------------------------- */

static void
carries_octets(void **state)
{
	char *big = malloc(BIG);
	struct tls_peer peer = { .host = "house.example", .ca_file = ca_file };

	(void)state;
	for (size_t i = 0; i < BIG; i++)
		big[i] = (char)(i * 31 + i / 251);
	for (int octetwise = 0; octetwise < 2; octetwise++) {
		size_t total = octetwise ? 3000 : BIG, sent = 0, got = 0;
		struct buf why = BUF_INIT(1024);
		struct io io;
		pid_t pid = server(&house, octetwise ? OCTETWISE : ECHO, NULL, &io);

		assert_int_equal(tls_client(&io, &peer, deadline_in(5000), &why), 0);
		while (got < total) {
			size_t n = total - sent < 1000 ? total - sent : 1000;
			struct span in;

			io_put(&io, big + sent, n);
			sent += n;
			assert_int_equal(io_fill(&io, deadline_in(5000)), 1);
			in = io_unread(&io);
			assert_memory_equal(in.s, big + got, in.len);
			got += in.len;
			io_skip(&io, in.len);
		}
		end(&io, pid);
		buf_free(&why);
	}
	free(big);
}

static void
knows_an_end_from_a_cut(void **state)
{
	struct tls_peer peer = { .host = "house.example", .ca_file = ca_file };

	(void)state;
	for (int cut = 0; cut < 2; cut++) {
		struct buf why = BUF_INIT(1024);
		struct span line;
		struct io io;
		pid_t pid = server(&house, cut ? CUT : GOODBYE, NULL, &io);

		assert_int_equal(tls_client(&io, &peer, deadline_in(5000), &why), 0);
		assert_int_equal(io_line(&io, 100, deadline_in(5000), &line),
		    LINE_OK);
		assert_int_equal(io_line(&io, 100, deadline_in(5000), &line),
		    cut ? LINE_ERROR : LINE_EOF);
		end(&io, pid);
		buf_free(&why);
	}
}

static void
does_not_renegotiate(void **state)
{
	struct tls_peer peer = { .host = "house.example", .ca_file = ca_file };
	struct buf why = BUF_INIT(1024);
	struct span line;
	struct io io;
	pid_t pid = server(&house, RENEGOTIATES, NULL, &io);

	(void)state;
	assert_int_equal(tls_client(&io, &peer, deadline_in(5000), &why), 0);
	/* the request is refused; the server may go on or give up, but there is no
	 * second handshake */
	(void)io_line(&io, 100, deadline_in(5000), &line);
	assert_int_equal(SSL_get_secure_renegotiation_support(io.via.state), 1);
	assert_int_equal(SSL_total_renegotiations((SSL *)io.via.state), 0);
	end(&io, pid);
	buf_free(&why);
}

/* --- the moment of STARTTLS -------------------------------------------------------------- */

static void
refuses_what_came_in_the_clear(void **state)
{
	static const char go[] = "220 go\r\n250 injected\r\n";
	struct tls_peer peer = { .host = NULL, .ca_file = ca_file };
	struct buf why = BUF_INIT(1024), text = BUF_INIT(1024);
	struct dialogue d;
	int pair[2], code;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	assert_int_equal(write(pair[1], go, sizeof(go) - 1), sizeof(go) - 1);
	dialogue_init(&d);
	io_reuse(&d.io, pair[0]);
	assert_int_equal(dialogue_smtp_reply(&d, &code, &text, deadline_in(5000),
	    &why), 0);
	assert_int_equal(dialogue_starttls(&d, &peer, deadline_in(5000), &why), -1);
	assert_int_equal(errno, EPROTO);
	assert_string_equal(buf_str(&why),
	    "the server sent more, in the clear, before TLS began");
	dialogue_close(&d);
	close(pair[1]);
	buf_free(&why);
	buf_free(&text);
}

static void
refuses_what_is_still_unsent(void **state)
{
	struct tls_peer peer = { .host = "house.example", .ca_file = ca_file };
	struct buf why = BUF_INIT(1024);
	struct io io;
	int pair[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	io_open(&io, pair[0]);
	io_puts(&io, "STLS\r\n");
	assert_int_equal(tls_client(&io, &peer, deadline_in(5000), &why), -1);
	assert_int_equal(errno, EPROTO);
	io_close(&io);
	close(pair[1]);
	buf_free(&why);
}

static void
knows_pins(void **state)
{
	(void)state;
	assert_true(tls_pin_valid(span_of(house.pin)));
	assert_false(tls_pin_valid(SPAN("sha256//")));
	assert_false(tls_pin_valid(SPAN("sha256//AAAA")));
	assert_false(tls_pin_valid(
	    SPAN("sha1////AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")));
	assert_true(tls_pin_valid(
	    SPAN("sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")));
	assert_false(tls_pin_valid(
	    SPAN("sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")));
	assert_false(tls_pin_valid(
	    SPAN("sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=x")));
}

/* Both ends have the same octets, and nobody else. */
static void
binds_channels(void **state)
{
	static const struct {
		enum behaviour how;
		const char *prefix;
		size_t n;
	} kinds[] = { { BINDS, "tls-exporter:", 32 }, { BINDS_12, "tls-unique:", 12 } };

	(void)state;
	for (size_t i = 0; i < COUNT(kinds); i++) {
		struct tls_peer peer = { .host = "house.example", .ca_file = ca_file };
		struct buf why = BUF_INIT(1024), ours = BUF_INIT(200), expected = BUF_INIT(200);
		struct io io;
		pid_t pid = server(&house, kinds[i].how, NULL, &io);

		tls_binding(&io, &ours);
		assert_int_equal(ours.len, 0);
		assert_int_equal(tls_client(&io, &peer, deadline_in(5000), &why), 0);
		while (io_unread(&io).len < kinds[i].n)
			assert_int_equal(io_fill(&io, deadline_in(5000)), 1);
		buf_adds(&expected, kinds[i].prefix);
		buf_addspan(&expected, io_unread(&io));
		tls_binding(&io, &ours);
		assert_true(span_eq(buf_span(&ours), buf_span(&expected)));
		assert_int_equal(ours.len, strlen(kinds[i].prefix) + kinds[i].n);
		end(&io, pid);
		buf_free(&why);
		buf_free(&ours);
		buf_free(&expected);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trusts_whom_it_should),
		cmocka_unit_test(tells_the_key_it_saw),
		cmocka_unit_test(sends_the_name),
		cmocka_unit_test(carries_octets),
		cmocka_unit_test(knows_an_end_from_a_cut),
		cmocka_unit_test(does_not_renegotiate),
		cmocka_unit_test(refuses_what_came_in_the_clear),
		cmocka_unit_test(refuses_what_is_still_unsent),
		cmocka_unit_test(knows_pins),
		cmocka_unit_test(binds_channels),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
