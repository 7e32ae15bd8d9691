/* test_oauth: forms, PKCE and what authorization servers answer; and the store of grants. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "auth/oauth_answer.h"
#include "auth/oauth_form.h"
#include "lib/store/tokens.h"
#include "t/unit/tree.h"

static void
forms(void **state)
{
	struct buf b = BUF_INIT(1000);
	struct arena *arena = arena_new();

	(void)state;
	form_add(&b, "scope", "a b+c/\xc3\xbc");
	form_add(&b, "none", NULL);
	form_add(&b, "empty", "");
	form_add(&b, "code", "-._~&=?");
	assert_string_equal(buf_str(&b), "scope=a%20b%2Bc%2F%C3%BC&empty=&code=-._~%26%3D%3F");
	assert_string_equal(form_find(buf_span(&b), "scope", arena), "a b+c/\xc3\xbc");
	assert_string_equal(form_find(buf_span(&b), "code", arena), "-._~&=?");
	assert_string_equal(form_find(SPAN("x=1&a=b+c"), "a", arena), "b c");
	assert_null(form_find(SPAN("code"), "code", arena));
	assert_null(form_find(SPAN("acode=1"), "code", arena));
	assert_null(form_find(SPAN("code=%4"), "code", arena));
	assert_null(form_find(SPAN("code=%zz"), "code", arena));
	assert_null(form_find(SPAN("code=a%00b"), "code", arena));
	assert_null(form_find(SPAN(""), "code", arena));
	buf_free(&b);
	arena_free(arena);
}

/* RFC 7636, appendix B. */
static void
pkce(void **state)
{
	char challenge[OAUTH_RANDOM + 1], one[OAUTH_RANDOM + 1], other[OAUTH_RANDOM + 1];

	(void)state;
	oauth_challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", challenge);
	assert_string_equal(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
	oauth_random(one);
	oauth_random(other);
	assert_int_equal(strlen(one), OAUTH_RANDOM);
	assert_int_equal(strspn(one, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), OAUTH_RANDOM);
	assert_string_not_equal(one, other);
}

/* What must be in the reason; NULL: any. */
// NOLINTNEXTLINE(clang-analyzer-optin.performance.Padding): in the order people read
static const struct {
	int status;
	const char *body;
	enum oauth_result result;
	const char *why;
} answers[] = {
	/* RFC 6749, 5.1 and 5.2; RFC 8628, 3.5 */
	{ 200, "{\"access_token\":\"2YotnFZFEjr1zCsicMWpAA\",\"token_type\":\"example\"}", OAUTH_LATER, "token_type is not Bearer" },
	{ 200, "{\"access_token\":\"2YotnFZFEjr1zCsicMWpAA\",\"token_type\":\"bearer\",\"expires_in\":3600}", OAUTH_FINE, "" },
	{ 200, "{\"access_token\":\"a\"}", OAUTH_FINE, "" },
	{ 200, "{\"access_token\":\"a\",\"expires_in\":\"3599\",\"refresh_token\":null}", OAUTH_FINE, "" },
	{ 200, "{\"access_token\":\"a\",\"expires_in\":3599.5}", OAUTH_FINE, "" },
	{ 200, "{\"access_token\":\"a\",\"expires_in\":1e300}", OAUTH_FINE, "" },
	{ 400, "{\"error\":\"authorization_pending\"}", OAUTH_PENDING, "authorization_pending" },
	{ 400, "{\"error\":\"slow_down\"}", OAUTH_SLOW_DOWN, NULL },
	{ 400, "{\"error\":\"access_denied\"}", OAUTH_DENIED, NULL },
	{ 400, "{\"error\":\"authorization_declined\"}", OAUTH_DENIED, NULL },
	{ 400, "{\"error\":\"expired_token\"}", OAUTH_EXPIRED, NULL },
	{ 400, "{\"error\":\"invalid_grant\",\"error_description\":\"Bad\\r\\nRequest\"}", OAUTH_GRANT, "invalid_grant: Bad  Request" },
	{ 400, "{\"error\":\"interaction_required\",\"error_description\":\"AADSTS50076\"}", OAUTH_GRANT, "AADSTS50076" },
	{ 401, "{\"error\":\"invalid_client\"}", OAUTH_CLIENT, NULL },
	{ 400, "{\"error\":\"unauthorized_client\"}", OAUTH_CLIENT, NULL },
	{ 400, "{\"error\":\"invalid_scope\"}", OAUTH_REQUEST, NULL },
	{ 400, "{\"error\":\"unsupported_grant_type\"}", OAUTH_REQUEST, NULL },
	{ 400, "{\"error\":\"something_new\"}", OAUTH_LATER, "something_new" },
	{ 503, "{\"error\":\"invalid_grant\"}", OAUTH_LATER, "invalid_grant" },
	{ 429, "{\"error\":\"invalid_client\"}", OAUTH_LATER, NULL },
	{ 200, "{\"error\":\"invalid_grant\",\"access_token\":\"a\"}", OAUTH_GRANT, NULL },
	{ 400, "{\"error\":{\"code\":1}}", OAUTH_LATER, "status 400" },
	{ 400, "{\"error\":\"\"}", OAUTH_LATER, NULL },
	{ 301, "", OAUTH_LATER, "status 301" },
	{ 500, "<html>", OAUTH_LATER, "status 500" },
	{ 200, "", OAUTH_LATER, "makes no sense" },
	{ 200, "{\"a\"\x7f\x1b:", OAUTH_LATER, "':' expected near ' '" },
	{ 200, "\"text\"", OAUTH_LATER, "makes no sense" },
	{ 200, "[]", OAUTH_LATER, "it is no object" },
	{ 200, "{\"access_token\":\"a\"} x", OAUTH_LATER, "makes no sense" },
	{ 200, "{\"access_token\":\"a\",\"access_token\":\"b\"}", OAUTH_LATER, "duplicate" },
	{ 200, "{\"access_token\":\"a\\u0001\"}", OAUTH_LATER, "strange characters" },
	{ 200, "{\"access_token\":\"a\\u0000b\"}", OAUTH_LATER, NULL },
	{ 200, "{\"access_token\":\"\xff\"}", OAUTH_LATER, NULL },
	{ 200, "{\"access_token\":true}", OAUTH_LATER, "access_token is no text" },
	{ 200, "{\"access_token\":\"a\",\"scope\":[]}", OAUTH_LATER, "scope is no text" },
	{ 200, "{\"access_token\":\"a\",\"expires_in\":-1}", OAUTH_LATER, "expires_in is no number" },
	{ 200, "{\"access_token\":\"a\",\"expires_in\":\"1h\"}", OAUTH_LATER, "expires_in is no number" },
	{ 200, "{\"access_token\":\"a\",\"refresh_token_expires_in\":{}}", OAUTH_LATER, "refresh_token_expires_in is no number" },
};

static void
token_answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(answers); i++) {
		struct arena *arena = arena_new();
		struct buf why = BUF_INIT(512);
		struct oauth_tokens t;
		enum oauth_result result = oauth_read_tokens(answers[i].status, span_of(answers[i].body), arena, &t, &why);

		if (result != answers[i].result || (result == OAUTH_FINE) != (why.len == 0) ||
		    (answers[i].why != NULL && strstr(buf_str(&why), answers[i].why) == NULL))
			fail_msg("%d %s: %d %s", answers[i].status, answers[i].body, (int)result, buf_str(&why));
		buf_free(&why);
		arena_free(arena);
	}
}

static void
token_values(void **state)
{
	struct arena *arena = arena_new();
	struct buf why = BUF_INIT(512);
	struct oauth_tokens t;

	(void)state;
	assert_int_equal(oauth_read_tokens(200, SPAN("{\"access_token\":\"A\",\"refresh_token\":\"R\",\"scope\":\"x y\","
	    "\"expires_in\":\"3599\",\"refresh_token_expires_in\":604799,\"token_type\":\"Bearer\",\"id_token\":\"z\"}"),
	    arena, &t, &why), OAUTH_FINE);
	assert_string_equal(t.access, "A");
	assert_string_equal(t.refresh, "R");
	assert_string_equal(t.scope, "x y");
	assert_int_equal(t.expires_s, 3599);
	assert_int_equal(t.refresh_expires_s, 604799);
	assert_int_equal(oauth_read_tokens(200, SPAN("{\"access_token\":\"A\",\"expires_in\":99999999999999}"), arena, &t, &why),
	    OAUTH_FINE);
	assert_int_equal(t.expires_s, OAUTH_EXPIRES_MAX_S);
	assert_null(t.refresh);
	buf_free(&why);
	arena_free(arena);
}

/* RFC 8628, 3.2; and the older word of Google. */
static void
device_answers(void **state)
{
	struct arena *arena = arena_new();
	struct buf why = BUF_INIT(512);
	struct oauth_device d;

	(void)state;
	assert_int_equal(oauth_read_device(200, SPAN("{\"device_code\":\"GmRh\",\"user_code\":\"WDJB-MJHT\","
	    "\"verification_uri\":\"https://example.com/device\",\"verification_uri_complete\":"
	    "\"https://example.com/device?user_code=WDJB-MJHT\",\"expires_in\":1800,\"interval\":5}"), arena, &d, &why), OAUTH_FINE);
	assert_string_equal(d.code, "GmRh");
	assert_string_equal(d.user_code, "WDJB-MJHT");
	assert_string_equal(d.url, "https://example.com/device");
	assert_string_equal(d.complete, "https://example.com/device?user_code=WDJB-MJHT");
	assert_int_equal(d.expires_s, 1800);
	assert_int_equal(d.interval_s, 5);
	assert_int_equal(oauth_read_device(200, SPAN("{\"device_code\":\"G\",\"user_code\":\"W\",\"verification_url\":\"u\"}"),
	    arena, &d, &why), OAUTH_FINE);
	assert_string_equal(d.url, "u");
	assert_null(d.complete);
	assert_int_equal(d.interval_s, 0);
	assert_int_equal(oauth_read_device(200, SPAN("{\"device_code\":\"G\",\"user_code\":\"W\"}"), arena, &d, &why), OAUTH_LATER);
	assert_string_equal(buf_str(&why), "the server's answer makes no sense: verification_url is missing");
	buf_reset(&why);
	assert_int_equal(oauth_read_device(400, SPAN("{\"error\":\"invalid_client\"}"), arena, &d, &why), OAUTH_CLIENT);
	buf_free(&why);
	arena_free(arena);
}

static void
see(void *arg, struct grant *g)
{
	struct grant *out = arg;

	grant_wipe(out);
	*out = *g;
}

static void
store(void **state)
{
	char dir[] = "/tmp/test_oauth.XXXXXX";
	struct buf why = BUF_INIT(512);
	struct tokens *t;
	struct grant g, got;
	struct stat st;
	char *file;

	(void)state;
	assert_non_null(mkdtemp(dir));
	umask(077);
	assert_non_null(t = tokens_open(dir, &why));
	grant_init(&g);
	grant_init(&got);
	for (enum grant_text i = 0; i < GRANT_TEXTS; i++) {
		char *text = mem_fmt("text %d '\"; --", (int)i);

		grant_set(&g, i, text);
		free(text);
	}
	for (size_t i = 0; i < GRANT_NUMBERS; i++)
		g.number[i] = (int64_t)i + (1LL << 40);
	assert_int_equal(tokens_put(t, &g, &why), 0);
	grant_set(&g, GRANT_REFRESH, "another");
	assert_int_equal(tokens_put(t, &g, &why), 0);
	tokens_close(t);

	assert_non_null(t = tokens_open(dir, &why));
	assert_int_equal(tokens_each(t, see, &got, &why), 0);
	for (enum grant_text i = 0; i < GRANT_TEXTS; i++)
		assert_string_equal(got.text[i], g.text[i]);
	assert_memory_equal(got.number, g.number, sizeof(g.number));
	assert_int_equal(tokens_drop(t, g.text[GRANT_ACCOUNT], &why), 0);
	grant_set(&got, GRANT_ACCOUNT, "nobody");
	assert_int_equal(tokens_each(t, see, &got, &why), 0);
	assert_string_equal(got.text[GRANT_ACCOUNT], "nobody");
	tokens_close(t);

	file = mem_fmt("%s/token.db", dir);
	assert_int_equal(stat(file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	free(file);
	grant_wipe(&g);
	grant_wipe(&got);
	buf_free(&why);
	tree_remove(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(forms), cmocka_unit_test(pkce), cmocka_unit_test(token_answers),
		cmocka_unit_test(token_values), cmocka_unit_test(device_answers), cmocka_unit_test(store) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
