// SPDX-License-Identifier: Apache-2.0
/*
 * Values that look like secrets: what is one and what is not, however it is encoded and wherever it
 * stands; that redacting twice is redacting once; and that no text escapes by being too hard.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/base/account.h"
#include "user/policy/card.h"
#include "user/policy/redact.h"
#include "user/policy/values.h"

#define CNT(array) (sizeof(array) / sizeof(*(array)))
#define TEXT_MAX 4096

static const char *const all_patterns[] = {"card", "jwt", "bearer", "basic", "email"};
static struct redactor *redactor;

static struct redactor *redactor_of(const char *const *patterns, size_t cnt)
{
	struct redact_options options = {.patterns = patterns, .patterns_cnt = cnt};
	char why[REDACT_WHY_SZ];
	struct redactor *r = redactor__new(&options, why);

	if (!r)
		fail_msg("%s", why);
	return r;
}

static int set_up(void **state)
{
	(void)state;
	redactor = redactor_of(all_patterns, CNT(all_patterns));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	redactor__free(redactor);
	return 0;
}

/* What becomes of a text, from an allocation of its exact size, as a C string. */
static void redact_with(struct redactor *r, const char *key, struct slice in, char out[TEXT_MAX])
{
	char *exact = malloc(in.n ?: 1);
	struct attr attr = {.key = slice_str(key), .type = ATTR_STRING};
	struct arena arena;

	assert_non_null(exact);
	arena__init(&arena, 1 << 20);
	if (in.n)
		memcpy(exact, in.p, in.n);
	attr.str = slice_of(exact, in.n);
	assert_true(redactor__attr(r, &attr, &arena));
	assert_true(attr.str.n < TEXT_MAX);
	snprintf(out, TEXT_MAX, "%.*s", (int)attr.str.n, attr.str.p);
	arena__free(&arena);
	free(exact);
}

static void redact(const char *in, char out[TEXT_MAX])
{
	redact_with(redactor, "text", slice_str(in), out);
}

/* out: NULL for what stays as it is. */
struct value_case {
	const char *in, *out;
};

static void check(const struct value_case *cases, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		const char *want = cases[i].out ?: cases[i].in;
		char once[TEXT_MAX], twice[TEXT_MAX];

		redact(cases[i].in, once);
		if (strcmp(once, want) != 0)
			fail_msg("%s: %s, not %s", cases[i].in, once, want);
		redact(once, twice);
		if (strcmp(once, twice) != 0)
			fail_msg("%s: twice %s, once %s", cases[i].in, twice, once);
		for (size_t n = 0; n < strlen(cases[i].in); n++)
			redact_with(redactor, "text", slice_of(cases[i].in, n), once);
	}
}

static void cards(void **state)
{
	static const struct value_case cases[] = {
		/* test numbers of the issuers */
		{"4111111111111111", "REDACTED"},
		{"4222222222222", "REDACTED"},
		{"4000000000000000006", "REDACTED"},
		{"5555555555554444", "REDACTED"},
		{"2223003122003222", "REDACTED"},
		{"378282246310005", "REDACTED"},
		{"30569309025904", "REDACTED"},
		{"38520000023237", "REDACTED"},
		{"6011111111111117", "REDACTED"},
		{"3530111333300000", "REDACTED"},
		{"6200000000000005", "REDACTED"},
		{"6759649826438453", "REDACTED"},
		{"2201382000000013", "REDACTED"},
		/* as people write them */
		{"4111 1111 1111 1111", "REDACTED"},
		{"4111-1111-1111-1111", "REDACTED"},
		{"4111+1111+1111+1111", "REDACTED"},
		{"4111.1111.1111.1111", "REDACTED"},
		{"4111_1111_1111_1111", "REDACTED"},
		{"3782 822463 10005", "REDACTED"},
		{"3056 930902 5904", "REDACTED"},
		{"4000 0000 0000 0000 006", "REDACTED"},
		{"4222 2222 2222 2", "REDACTED"},
		/* where they stand */
		{"/pay/4111111111111111/now", "/pay/REDACTED/now"},
		{"card=4111111111111111&cvv=123", "card=REDACTED&cvv=123"},
		{"pan:4111 1111 1111 1111 123", "pan:REDACTED 123"},
		{"1234 4111 1111 1111 1111", "1234 REDACTED"},
		{"4111-1111-1111-1111-2026", "REDACTED-2026"},
		{"4111111111111111,5555555555554444", "REDACTED,REDACTED"},
		{"4111111111111111 5555555555554444", "REDACTED REDACTED"},
		{"order4111111111111111", "orderREDACTED"},
		{"4111111111111111.pdf", "REDACTED.pdf"},
		{"/4111%201111%201111%201111", "/REDACTED"},
		{"/x%204111111111111111", "/x%20REDACTED"},
		{"100%4111111111111111", "100%REDACTED"},
		{"%34%31%31%31%31%31%31%31%31%31%31%31%31%31%31%31", "REDACTED"},
		{"%25341%2531%31111111111111", "REDACTED"},
		/* the check digit, the issuer, the length */
		{"4111111111111112", NULL},
		{"1111111111111117", NULL},
		{"411111111111116", NULL},
		{"41111111111111111", NULL},
		{"00004111111111111111", NULL},
		{"4111111111111111222222", NULL},
		{"411111111111", NULL},
		/* groups that no card has */
		{"41111 1111 1111 111", NULL},
		{"41 11 11 11 11 11 11 11", NULL},
		{"4111  1111 1111 1111", NULL},
		{"4111/1111/1111/1111", NULL},
		{"a4111 1111 1111 1111", NULL},
		/* ids and times */
		{"550e8400-e29b-41d4-a716-446655440000", NULL},
		{"41111111-1111-4111-8111-111111111111", NULL},
		{"0af7651916cd43dd8448eb211c80319c", NULL},
		{"a4111111111111111b", NULL},
		{"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", NULL},
		{"1790000000000000000", NULL},
		{"1790000000123", NULL},
		{"2026-11-20T10:00:00.123456789Z", NULL},
		{"2026-11-20 10:00:00 2026-11-21 11:00:00", NULL},
		{"356938035643809", NULL}, /* an IMEI has a check digit too */
		{"192.168.100.200 192.168.100.201", NULL},
		{"+49 170 1234567", NULL},
	};

	(void)state;
	check(cases, CNT(cases));
}

/* Every number of the table with any one digit changed has the wrong check digit. */
static void card_check_digit(void **state)
{
	char number[] = "4111111111111111", out[TEXT_MAX];

	(void)state;
	for (size_t i = 1; i < sizeof(number) - 1; i++) {
		for (char c = '0'; c <= '9'; c++) {
			char was = number[i];

			number[i] = c;
			redact(number, out);
			assert_int_equal(strcmp(out, "REDACTED") == 0, c == was);
			number[i] = was;
		}
	}
}

static void tokens(void **state)
{
	static const struct value_case cases[] = {
		{"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "REDACTED"},
		{"eyJhbGciOiJub25lIn0.eyJzdWIiOiIxIn0.", "REDACTED"},
		{"eyJhbGciOiJSU0EifQ.a.b.c.d", "REDACTED"},
		{"/auth/eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc?x", "/auth/REDACTED?x"},
		{"sid%3DeyJhbGciOiJIUzI1NiJ9%2EeyJzdWIiOiIxIn0%2Eabc;", "sid%3DREDACTED;"},
		{"%65%79%4Ahbiw4iJIUzI1NiJ9", "REDACTED"},
		{"eyJ1c2VyIjoiamFuZSJ9", "REDACTED"}, /* a bare object: a session cookie */
		{"eyJhbGci", NULL},		      /* too short to say anything */
		{"EYJHBGCIOIJIUZI1NIJ9", NULL},
		{"Bearer abcdef", "Bearer REDACTED"},
		{"bearer abcdef, Bearer ghijkl", "bearer REDACTED, Bearer REDACTED"},
		{"Authorization: Bearer a.b-c_d~e+f/g==", "Authorization: Bearer REDACTED"},
		{"authorization=Bearer%20abcdef&x=1", "authorization=Bearer%20REDACTED&x=1"},
		{"BEARER+abcdef", "BEARER+REDACTED"},
		{"Bearer   1|abcdefgh", "Bearer   REDACTED"},
		{"Bearer realm=\"example\", error=\"invalid_token\"", NULL},
		{"forbearer abcdef", NULL},
		{"/bearer/abcdef", NULL},
		{"Bearer", NULL},
		{"Bearer abc", NULL},
		{"Basic dXNlcjpwYXNz", "Basic REDACTED"},
		{"proxy basic%20dXNlcjpwYXNzdw%3D%3D.", "proxy basic%20REDACTED."},
		{"Basic OnBhc3M=", "Basic REDACTED"},
		{"basic usage", NULL},
		{"visual basic 2026", NULL},
		{"Basic dXNlcg==", NULL}, /* no password */
	};

	(void)state;
	check(cases, CNT(cases));
}

static void addresses(void **state)
{
	static const struct value_case cases[] = {
		{"jane@example.com", "REDACTED"},
		{"/users/jane.doe+tag@mail.example.co.uk/x", "/users/REDACTED/x"},
		{"jane%40example.com", "REDACTED"},
		{"/u/jane%2540example%2Ecom/x", "/u/REDACTED/x"},
		{"email=jane@example.com&x", "email=REDACTED&x"},
		{"a%20jane@example.com", "a%20REDACTED"},
		{"50%jane@example.com", "50%REDACTED"},
		{"50%abe@example.com", "REDACTED"},
		{"<jane@example.com>,'joe@example.org'", "<REDACTED>,'REDACTED'"},
		{"o'brien@example.com", "REDACTED"},
		{"mailto:jane@example.com?subject=x", "mailto:REDACTED?subject=x"},
		{"j\xc3\xbcrgen@ex\xc3\xa4mple.de", "REDACTED"},
		{"jane@xn--exmple-cua.xn--p1ai", "REDACTED"},
		{"jane@example.com.", "REDACTED."},
		{"jane@localhost", NULL},
		{"@example.com", NULL},
		{"jane@", NULL},
		{"jane @example.com", NULL},
		{"lodash@4.17.21", NULL},
		{"/@scope/package", NULL},
		{"nginx@sha256:0af7651916cd43dd", NULL},
		{"fw529a3039@dt=FfIHg,rojo=00f067aa0ba902b7", NULL},
		{"congo=t61rcWkgMzE,ot=th:8;rv:12345678901234", NULL},
		/* credentials in URLs */
		{"postgres://user:p%40ss@db:5432/x", "postgres://REDACTED:REDACTED@db:5432/x"},
		{"see http://a:b@h/ or //c@d", "see http://REDACTED:REDACTED@h/ or "
					       "//REDACTED:REDACTED@d"},
		{"http%3A%2F%2Fa%3Ab%40host.example", "http%3A%2F%2FREDACTED:REDACTED%40host."
						      "example"},
		{"http://a:b@host.example/", "http://REDACTED:REDACTED@host.example/"},
		{"//o'brien@host.example", "//REDACTED"},
		{"redis://:secret@localhost", "redis://REDACTED:REDACTED@localhost"},
		{"http://a@b@host.example/", "http://REDACTED:REDACTED@host.example/"},
		{"http://host.example/a@b", NULL},
		{"http://host.example?a@b", NULL},
	};

	(void)state;
	check(cases, CNT(cases));
}

/* What is found twice, in one way or in several, is masked once. */
static void overlaps(void **state)
{
	static const struct value_case cases[] = {
		{"4111111111111111@example.com", "REDACTED"},
		{"http://u:4111111111111111@h/", "http://REDACTED:REDACTED@h/"},
		{"Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "Bearer REDACTED"},
		{"Bearer jane@example.com", "Bearer REDACTED"},
		{"eyJhbGciOiJIUzI1NiJ9@example.com", "REDACTED"},
		{"jane@example.com/4111111111111111", "REDACTED/REDACTED"},
	};

	(void)state;
	check(cases, CNT(cases));
}

/* --- secrets, however they are written -------------------------------------------------------- */

static const char *const secrets[] = {
	"4111 1111 1111 1111",	"4111111111111111",
	"378282246310005",	"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJqYW5lIn0.c2lnbmF0dXJl",
	"Bearer abc.def-123",	"Basic dXNlcjpwYXNzd29yZA==",
	"jane.doe@example.com", "//user:pass@host/",
};
/* What must be nowhere in the output, in the same order. */
static const char *const hearts[] = {
	"1111 1111",   "111111",       "8282246310", "eyJ",
	"abc.def-123", "dXNlcjpwYXNz", "jane.doe",   "pass",
};

static void encode(const char *in, const char *plain, char out[TEXT_MAX])
{
	size_t n = 0;

	for (; *in; in++)
		n += (size_t)snprintf(out + n, TEXT_MAX - n, strchr(plain, *in) ? "%c" : "%%%02X",
				      (unsigned char)*in);
	out[n] = '\0';
}

/* Percent-encoding undone as often as it can be. */
static void decode(char *text)
{
	for (int round = 0; round < 5; round++) {
		char *to = text;

		for (const char *p = text; *p; to++) {
			int byte = slice_percent_byte(slice_str(p));

			*to = byte > 0 ? (char)byte : *p;
			p += byte > 0 ? 3 : 1;
		}
		*to = '\0';
	}
}

static void check_gone(const char *key, const char *text, const char *heart)
{
	char out[TEXT_MAX], again[TEXT_MAX];

	redact_with(redactor, key, slice_str(text), out);
	redact_with(redactor, key, slice_str(out), again);
	if (strcmp(out, again) != 0)
		fail_msg("%s: twice %s, once %s", text, again, out);
	decode(out);
	if (strstr(out, heart))
		fail_msg("%s: %s is still in %s", text, heart, out);
}

static void in_every_form(void **state)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
	static const char url_plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
					"0123456789-._~";
	static const char *const frames[] = {
		"%s",	      " %s ",	"/a/%s/b", "x=%s&y=1",	 "\"%s\"",
		"%%20%s%%20", "a,%s;b", "(%s)",	   "\xff%s\xff",
	};
	static const char *const keys[] = {"text", "url.path", "http.route",
					   "http.request.header.x-a", "process.command_line"};
	char forms[5][TEXT_MAX], framed[TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < CNT(secrets); i++) {
		snprintf(forms[0], TEXT_MAX, "%s", secrets[i]);
		encode(secrets[i], url_plain, forms[1]);
		encode(secrets[i], "", forms[2]);
		encode(forms[1], url_plain, forms[3]);
		encode(secrets[i], letters, forms[4]);
		for (size_t form = 0; form < CNT(forms); form++) {
			for (size_t frame = 0; frame < CNT(frames); frame++) {
				snprintf(framed, TEXT_MAX, frames[frame], forms[form]);
				for (size_t k = 0; k < CNT(keys); k++)
					check_gone(keys[k], framed, hearts[i]);
			}
		}
	}
}

/* Pieces of secrets and of what is none, thrown together. */
static void once_is_enough(void **state)
{
	static const char *const pieces[] = {
		"4111",
		" ",
		"1111",
		"-",
		"4111111111111111",
		"@",
		"example",
		".",
		"com",
		"eyJ",
		"hbGciOiJIUzI1NiJ9",
		"Bearer ",
		"basic ",
		"dXNlcjpwYXNz",
		"%",
		"%20",
		"%40",
		"25",
		"//",
		":",
		"/",
		"jane",
		"REDACTED",
		"REDACTED:REDACTED@",
		"'",
		"=",
		"\xc3\xbc",
		"378282246310005",
		"+",
		";",
		"%25",
	};
	char text[TEXT_MAX], once[TEXT_MAX], twice[TEXT_MAX];

	(void)state;
	srand(1);
	for (int round = 0; round < 20000; round++) {
		int n = 0;

		for (int i = rand() % 14; i >= 0; i--)
			n += snprintf(text + n, sizeof(text) - (size_t)n, "%s",
				      pieces[(size_t)rand() % CNT(pieces)]);
		redact(text, once);
		redact(once, twice);
		if (strcmp(once, twice) != 0)
			fail_msg("%s: once %s, twice %s", text, once, twice);
	}
}

/* --- the rest --------------------------------------------------------------------------------- */

static void switched_off(void **state)
{
	static const char text[] = "4111111111111111 jane@example.com eyJhbGciOiJIUzI1NiJ9 Bearer "
				   "abcdef Basic dXNlcjpwYXNz //a:b@c/";
	static const char *const without[] = {
		[0] = "4111111111111111", [1] = "eyJhbGciOiJIUzI1NiJ9", [2] = "abcdef",
		[3] = "dXNlcjpwYXNz",	  [4] = "jane@example.com",
	};
	char out[TEXT_MAX];

	(void)state;
	for (size_t off = 0; off < CNT(all_patterns); off++) {
		const char *patterns[CNT(all_patterns)];
		size_t cnt = 0;
		struct redactor *r;

		for (size_t i = 0; i < CNT(all_patterns); i++)
			if (i != off)
				patterns[cnt++] = all_patterns[i];
		r = redactor_of(patterns, cnt);
		redact_with(r, "text", slice_str(text), out);
		for (size_t i = 0; i < CNT(without); i++)
			assert_int_equal(strstr(out, without[i]) != NULL, i == off);
		assert_non_null(strstr(out, "//REDACTED:REDACTED@c/"));
		redactor__free(r);
	}
}

/* The names are those that the configuration accepts, but for what cannot be switched off. */
static void names(void **state)
{
	(void)state;
	for (size_t i = 0; i < CNT(all_patterns); i++) {
		size_t found = 0;

		for (int kind = 0; kind < VALUE_KINDS; kind++)
			found += strcmp(value_names[kind], all_patterns[i]) == 0;
		assert_int_equal(found, 1);
	}
	assert_int_equal(VALUE_KINDS, CNT(all_patterns) + 1);
	assert_string_equal(value_names[VALUE_USERINFO], "userinfo");
}

/* Texts that hold nothing are told by a look; those that do are never passed over. */
static void one_look(void **state)
{
	static const char *const plain[] = {
		"",
		"GET",
		"/orders/4711",
		"orders.example",
		"10.1.2.3",
		"curl/7.88.1",
		"HTTP/1.1",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131",
		"550e8400",
	};
	char text[9000];

	(void)state;
	for (size_t i = 0; i < CNT(plain); i++)
		assert_false(values__suspect(slice_str(plain[i])));
	for (size_t i = 0; i < CNT(secrets); i++) {
		assert_true(values__suspect(slice_str(secrets[i])));
		memset(text, 'x', sizeof(text)); /* beyond what a counter can hold */
		memcpy(text + 8500, secrets[i], strlen(secrets[i]));
		assert_true(values__suspect(slice_of(text, sizeof(text))));
		memset(text, '@', 8192);
		assert_true(values__suspect(slice_of(text, sizeof(text))));
	}
}

/* With more to mask than is remembered, and with no room, nothing of the text stays. */
static void never_open(void **state)
{
	const struct slice address = SLICE("a@b.cd ");
	struct attr attr = {.key = SLICE("text"), .type = ATTR_STRING};
	uint64_t before = account_get(ACCOUNT_REDACT_ALL);
	char text[2 * 7 * FINDS_MAX];
	struct arena arena;
	size_t n = 0;

	(void)state;
	arena__init(&arena, 1 << 16);
	for (size_t i = 0; i < FINDS_MAX; i++, n += address.n)
		memcpy(text + n, address.p, address.n);
	attr.str = slice_of(text, n);
	assert_true(redactor__attr(redactor, &attr, &arena));
	assert_int_equal(attr.str.n, FINDS_MAX * strlen("REDACTED "));
	memcpy(text + n, address.p, address.n);
	attr.str = slice_of(text, n + address.n);
	assert_true(redactor__attr(redactor, &attr, &arena));
	assert_true(slice_eq(attr.str, SLICE("REDACTED")));
	assert_int_equal(account_get(ACCOUNT_REDACT_ALL), before + 1);
	arena__free(&arena);

	arena__init(&arena, 8);
	attr.str = SLICE("mail jane@example.com");
	assert_true(redactor__attr(redactor, &attr, &arena));
	assert_true(slice_eq(attr.str, SLICE("REDACTED")));
	assert_int_equal(account_get(ACCOUNT_REDACT_ALL), before + 2);
	arena__free(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cards),	  cmocka_unit_test(card_check_digit),
		cmocka_unit_test(tokens),	  cmocka_unit_test(addresses),
		cmocka_unit_test(overlaps),	  cmocka_unit_test(in_every_form),
		cmocka_unit_test(once_is_enough), cmocka_unit_test(switched_off),
		cmocka_unit_test(names),	  cmocka_unit_test(one_look),
		cmocka_unit_test(never_open),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
