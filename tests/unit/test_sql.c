// SPDX-License-Identifier: Apache-2.0
/*
 * SQL texts: what a span may tell of them, and that it is never a literal, wherever the text is cut and
 * however little room there is.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "user/protocols/sql.h"

#define PG SQL_POSTGRESQL
#define MY SQL_MYSQL
#define MYNB SQL_MYSQL_NO_BACKSLASH

struct sql_case {
	enum sql_dialect dialect;
	const char *in, *text;
	const char *summary; /* NULL: not compared */
};

/* "sEcReT" and 31337 stand for what must not survive. */
static const struct sql_case literals[] = {
	{PG, "SELECT 'sEcReT'", "SELECT ?", "SELECT"},
	{PG, "SELECT 'it''s sEcReT' || x", "SELECT ? || x", NULL},
	{PG, "SELECT E'it\\'s sEcReT', y", "SELECT ?, y", NULL},
	{PG, "SELECT e'\\\\', 'sEcReT'", "SELECT ?, ?", NULL},
	{PG, "SELECT N'sEcReT', B'0101', X'1FsEcReT'", "SELECT ?, ?, ?", NULL},
	{PG, "SELECT U&'d\\0061t sEcReT' UESCAPE '!'", "SELECT ? UESCAPE ?", NULL},
	{PG, "SELECT U&\"d\\0061t\" FROM t", "SELECT U&\"d\\0061t\" FROM t", "SELECT t"},
	{PG, "SELECT U & 'sEcReT'", "SELECT U & ?", NULL},
	{PG, "SELECT $$sEcReT$$, $x$ sEcReT $$ $y$ $x$", "SELECT ?, ?", NULL},
	{PG, "SELECT $x$ sEcReT", "SELECT ?", NULL},
	{PG, "SELECT $x sEcReT", "SELECT $x sEcReT", NULL}, /* no literal */
	{PG, "SELECT a$$b, 'sEcReT' $$", "SELECT a$$b, ? ?", NULL},
	{PG, "SELECT $1$sEcReT$", "SELECT $1?", NULL},
	{PG, "SELECT $\xc3\xa9$sEcReT$\xc3\xa9$ x", "SELECT ? x", NULL},
	{PG, "SELECT 31337, -31337, 3.1337, .31337, 31337e10, 1e-31337, 31337.", NULL, NULL},
	{PG, "SELECT 0x31337, 0b01, 31_337, 31337abc, 31337E'x'", NULL, NULL},
	{PG, "SELECT 1+2", "SELECT ?+?", NULL},
	{PG, "SELECT 1 - -2", "SELECT ? - -?", NULL},
	{PG, "SELECT t1.c2 FROM t1", "SELECT t1.c2 FROM t1", "SELECT t1"},
	{PG, "SELECT true, FALSE, null, truely", "SELECT ?, ?, null, truely", NULL},
	{PG, "SELECT DATE '2024-01-31', INTERVAL '31337' DAY", "SELECT DATE ?, INTERVAL ? DAY",
	 NULL},
	{PG, "SELECT ARRAY[31337, 2]", "SELECT ARRAY[?, ?]", NULL},
	{PG, "SELECT '{31337}'::int[]", "SELECT ?::int[]", NULL},
	{PG, "SELECT a->'sEcReT'->>31337", "SELECT a->?->>?", NULL},
	{PG, "SELECT a ?| b", "SELECT a ?| b", NULL},
	{PG, "SELECT 'a'\n  'sEcReT'", "SELECT ? ?", NULL},
	/* What a backslash is depends on standard_conforming_strings. */
	{PG, "SELECT 'it\\'s sEcReT', 1", "SELECT ?", NULL},
	{PG, "SELECT 'C:\\\\', x, 'sEcReT'", "SELECT ?, x, ?", NULL},
	{PG, "SELECT 'C:\\dir', x", "SELECT ?, x", NULL},
	{PG, "SELECT 'C:\\', 'sEcReT'", "SELECT ?", NULL},
	{PG, "SELECT 'a\\''sEcReT'", "SELECT ?", NULL},
	{PG, "SELECT /* it's /* sEcReT */ sEcReT */ 1 -- sEcReT\n, 'sEcReT'", "SELECT ? , ?", NULL},
	{PG, "SELECT 1 /* sEcReT", "SELECT ?", NULL},
	{PG, "SELECT 5--sEcReT", "SELECT ?", NULL},
	{PG, "SELECT '--', x -- sEcReT", "SELECT ?, x", NULL},
	{PG, "SELECT '/*', x, '*/ sEcReT'", "SELECT ?, x, ?", NULL},
	{PG, "SELECT 1 -- x\r, 'a\nsEcReT', b", "SELECT ? , ?, b", NULL},
	{PG, "SELECT a ` 'sEcReT' ` b", "SELECT a ` ? ` b", NULL}, /* an operator */
	{PG, "SELECT \"a'b\", 'sEcReT', \"c'd\"", "SELECT \"a'b\", ?, \"c'd\"", NULL},
	{PG, "SELECT \"a\"\"b\" FROM \"Big T\"", "SELECT \"a\"\"b\" FROM \"Big T\"",
	 "SELECT \"Big T\""},
	{PG, "SELECT \"sEcReT", "SELECT ?", NULL}, /* who knows what was opened here */
	{PG, "SELECT * FROM t WHERE a IN (1, 2, 31337)", "SELECT * FROM t WHERE a IN (?)",
	 "SELECT t"},
	{PG, "SELECT a IN ('sEcReT','sEcReT') AND b", "SELECT a IN (?) AND b", NULL},
	{PG, "SELECT a in (1, 2, b, 3)", "SELECT a in (?, b, ?)", NULL},
	{PG, "SELECT a IN (SELECT b FROM c)", "SELECT a IN (SELECT b FROM c)", "SELECT SELECT c"},
	{PG, "SELECT a IN (1, 2", "SELECT a IN (?", NULL},
	{PG, "INSERT INTO t VALUES (1, 'sEcReT'), (2, NULL)",
	 "INSERT INTO t VALUES (?, ?), (?, NULL)", "INSERT t"},
	{PG, "  select\t\n 1\r\n ", "select ?", "select"},
	{PG, "CREATE USER u PASSWORD 'sEcReT'", "CREATE USER u PASSWORD ?", "CREATE USER u"},
	{PG, "SET app.key = sEcReT", "SET app.key = ?", "SET"},
	{PG, "SET app.key TO \"sEcReT\", sEcReT; SELECT a", "SET app.key TO ?, ?; SELECT a",
	 "SET; SELECT"},
	{PG, "UPDATE t SET a = b", "UPDATE t SET a = b", "UPDATE t"},
	{PG, "SELECT 'sEcReT \xff', x", "SELECT ?", NULL},
	{PG, "SELECT \xff 'sEcReT'", "SELECT", NULL},
	{PG, "SELECT caf\xc3\xa9 FROM \xe2\x82\xac", "SELECT caf\xc3\xa9 FROM \xe2\x82\xac",
	 "SELECT \xe2\x82\xac"},
	{PG, "", "", ""},
	{PG, " -- nothing", "", ""},
	{PG, "'", "?", ""},
	{PG, "$", "?", ""},

	{MY, "SELECT \"sEcReT\", 'sEcReT'", "SELECT ?, ?", NULL},
	{MY, "SELECT 'it\\'s sEcReT', \"a\\\"sEcReT\", `b'c`", "SELECT ?, ?, `b'c`", NULL},
	{MY, "SELECT 'a\\\\', 'sEcReT'", "SELECT ?, ?", NULL},
	{MY, "SELECT 1 # sEcReT\n, 2", "SELECT ? , ?", NULL},
	{MY, "SELECT 5--1", "SELECT ?--?", NULL},
	{MY, "SELECT 5--'sEcReT'", "SELECT ?--?", NULL},
	{MY, "SELECT 5 -- sEcReT\n", "SELECT ?", NULL},
	{MY, "SELECT /* /* sEcReT */ a, 'sEcReT' /* */", "SELECT a, ?", NULL},
	{MY, "SELECT /*!40101 'sEcReT*/ sEcReT', */ a", "SELECT ?, a", NULL},
	{MY, "SELECT /*M!100100 b, */ a", "SELECT b, a", NULL},
	{MY, "SELECT a*/*it's*/b, 'sEcReT'", "SELECT a* b, ?", NULL},
	{MY, "SELECT 1 # x\r, 'a'\n, 'sEcReT'", "SELECT ? , ?", NULL},
	{MY, "SELECT _utf8mb4'sEcReT', x'31337', 0x31337, b'01', N'sEcReT'",
	 "SELECT _utf8mb4?, ?, ?, ?, ?", NULL},
	{MY, "SELECT * FROM `my t` WHERE a = ?", "SELECT * FROM `my t` WHERE a = ?",
	 "SELECT `my t`"},
	{MY, "GRANT ALL ON x TO 'sEcReT'@'sEcReT'", "GRANT ALL ON x TO ?@?", "GRANT"},
	{MY, "SELECT a$$b, $c, $$'sEcReT'$$", "SELECT a$$b, $c, $$?$$", NULL},
	{MY, "SELECT E'a\\'sEcReT'", "SELECT ?", NULL},
	{MYNB, "SELECT 'a\\', 'sEcReT'", "SELECT ?", NULL},
	{MYNB, "SELECT 'a\\b', 'sEcReT'", "SELECT ?, ?", NULL},
	{MYNB, "SELECT e'a\\', 'sEcReT'", "SELECT ?", NULL}, /* the alias of a column */
};

static const struct sql_case summaries[] = {
	{PG, "SELECT * FROM wuser_table", NULL, "SELECT wuser_table"},
	{PG,
	 "INSERT INTO shipping_details (order_id, address) SELECT order_id, address FROM orders",
	 NULL, "INSERT shipping_details SELECT orders"},
	{PG, "SELECT * FROM songs, artists WHERE songs.id IN (1,2), x", NULL,
	 "SELECT songs artists"},
	{PG, "SELECT order_date FROM (SELECT * FROM orders o JOIN customers c ON o.a = f(c.b, d))",
	 NULL, "SELECT SELECT orders customers"},
	{PG,
	 "SELECT a.x FROM a LEFT OUTER JOIN s.b ON a.i = b.i JOIN \"S\".\"C d\" USING (i) "
	 "GROUP BY 1, 2",
	 NULL, "SELECT a s.b \"S\".\"C d\""},
	{PG, "select count(*) from db.public.t as x(a, b), only u where 1 = 1 order by a, b", NULL,
	 "select db.public.t u"},
	{PG, "SELECT EXTRACT(year FROM d), trim(both 'x' from y), substring(z from 1) FROM t", NULL,
	 "SELECT t"},
	{PG, "SELECT a IS DISTINCT FROM b FROM t", NULL, "SELECT t"},
	{PG, "SELECT * FROM a UNION ALL SELECT * FROM b", NULL, "SELECT a SELECT b"},
	{PG, "SELECT * FROM (SELECT 1 FROM a) x, b", NULL, "SELECT SELECT a b"},
	{PG, "SELECT * FROM a, LATERAL (SELECT 1 FROM b) x, c", NULL, "SELECT a SELECT b c"},
	{PG, "SELECT * FROM generate_series(1, 10), t", NULL, "SELECT generate_series t"},
	{PG, "SELECT * FROM t FOR UPDATE", NULL, "SELECT t"},
	{PG, "SELECT a INTO newt FROM t", NULL, "SELECT newt t"},
	{PG, "(SELECT 1 FROM a) UNION (SELECT 2 FROM b)", NULL, "SELECT a SELECT b"},
	{PG, "WITH r AS (SELECT * FROM a), d AS (DELETE FROM b RETURNING c, d) SELECT * FROM r, d",
	 NULL, "SELECT a DELETE b SELECT r d"},
	{PG, "WITH r AS (SELECT 1) UPDATE t SET x = 1 FROM r, s WHERE a", NULL,
	 "SELECT UPDATE t r s"},
	{PG, "INSERT INTO t VALUES (1) ON CONFLICT (id) DO UPDATE SET a = 1", NULL, "INSERT t"},
	{PG, "DELETE FROM ONLY a USING b WHERE a.i = b.i", NULL, "DELETE a b"},
	{PG, "MERGE INTO t USING s ON a WHEN MATCHED THEN UPDATE SET b = 1", NULL, "MERGE t s"},
	{PG, "EXPLAIN (ANALYZE) SELECT * FROM t", NULL, "EXPLAIN SELECT t"},
	{PG, "EXPLAIN ANALYZE UPDATE t SET a = 1", NULL, "EXPLAIN UPDATE t"},
	{PG, "CREATE TABLE IF NOT EXISTS s.t (id int, b varchar(10))", NULL, "CREATE TABLE s.t"},
	{PG, "CREATE TEMP TABLE t AS SELECT * FROM u", NULL, "CREATE TABLE t SELECT u"},
	{PG, "CREATE UNIQUE INDEX CONCURRENTLY i ON t (a, b)", NULL, "CREATE INDEX i"},
	{PG, "CREATE OR REPLACE FUNCTION f(a int) RETURNS int AS $$ sEcReT $$", NULL,
	 "CREATE FUNCTION f"},
	{PG, "CREATE OR REPLACE VIEW v AS SELECT * FROM a, b", NULL, "CREATE VIEW v SELECT a b"},
	{PG, "ALTER TABLE ONLY t ADD a int, ADD b int", NULL, "ALTER TABLE t"},
	{PG, "DROP TABLE IF EXISTS a, b CASCADE", NULL, "DROP TABLE a b"},
	{PG, "TRUNCATE TABLE a, b", NULL, "TRUNCATE a b"},
	{PG, "REFRESH MATERIALIZED VIEW v", NULL, "REFRESH VIEW v"},
	{PG, "VACUUM (FULL, ANALYZE) t", NULL, "VACUUM t"},
	{PG, "vacuum analyze pgbench_branches", NULL, "vacuum pgbench_branches"},
	{PG, "START TRANSACTION", NULL, "START TRANSACTION"},
	{PG, "BEGIN", "BEGIN", "BEGIN"},
	{PG, "COMMIT;", "COMMIT;", "COMMIT"},
	{PG, "SET search_path TO x", NULL, "SET"},
	{PG, "SHOW x", NULL, "SHOW"},
	{PG, "DO $$ sEcReT $$", "DO ?", "DO"},
	{PG, "CALL s.p(1, 'sEcReT')", "CALL s.p(?, ?)", "CALL s.p"},
	{PG, "EXECUTE MyProc(1)", NULL, "EXECUTE MyProc"},
	{PG, "COPY t (a, b) FROM STDIN", NULL, "COPY t"},
	{PG, "COPY (SELECT * FROM t) TO STDOUT", NULL, "COPY SELECT t"},
	{PG, "GRANT SELECT, UPDATE ON t TO u", NULL, "GRANT"},
	{PG, "PREPARE p AS INSERT INTO t VALUES (1)", NULL, "PREPARE INSERT t"},
	{PG, "DECLARE c1 CURSOR FOR SELECT * FROM t", NULL, "DECLARE SELECT t"},
	{PG, "LISTEN ch", NULL, "LISTEN"},
	{PG, "SELECT 1; SELECT * FROM a; ; INSERT INTO b VALUES (1);", NULL,
	 "SELECT; SELECT a; INSERT b"},
	{PG, "INSERT INTO t VALUES (1); INSERT INTO t VALUES (2); INSERT INTO t VALUES (3)", NULL,
	 "INSERT t"},
	{PG, "BEGIN; UPDATE a SET b = 1; COMMIT", NULL, "BEGIN; UPDATE a; COMMIT"},
	{PG, "sEcReT FROM t", NULL, ""}, /* no verb: it may be anything */
	{PG, "SELECT 1; hunter2", NULL, "SELECT"},
	{PG, "'sEcReT' SELECT", NULL, ""},
	{PG, "SELECT * FROM 'sEcReT', t", NULL, "SELECT t"},
	{MY, "SELECT * FROM \"sEcReT\", `t``x`", NULL, "SELECT `t``x`"},
	{MY, "INSERT IGNORE t VALUES (1) ON DUPLICATE KEY UPDATE a = 2", NULL, "INSERT t"},
	{MY, "REPLACE INTO t VALUES (1)", NULL, "REPLACE t"},
	{MY, "SELECT REPLACE(a, 'b', 'c') FROM t", NULL, "SELECT t"},
	{MY, "UPDATE a, b SET a.x = b.x", NULL, "UPDATE a b"},
	{MY, "SELECT a INTO OUTFILE 'sEcReT' FROM t", NULL, "SELECT t"},
	{MY, "LOAD DATA INFILE 'sEcReT' INTO TABLE t", NULL, "LOAD t"},
	{MY, "USE shop", NULL, "USE shop"},
};

/* From allocations of the exact sizes. */
static struct sql read_exact(const struct sql_source *source, char **bytes, char **out, size_t sz)
{
	struct sql_source copy = *source;

	*bytes = malloc(source->text.n ? source->text.n : 1);
	*out = malloc(sz ? sz : 1);
	assert_non_null(*bytes);
	assert_non_null(*out);
	if (source->text.n)
		memcpy(*bytes, source->text.p, source->text.n);
	copy.text.p = *bytes;
	return sql_read(&copy, *out, sz);
}

static bool contains(struct slice s, const char *what)
{
	return s.n && memmem(s.p, s.n, what, strlen(what));
}

static bool has_literal(const struct sql *sql)
{
	return contains(sql->text, "sEcReT") || contains(sql->text, "31337") ||
	       contains(sql->summary, "sEcReT") || contains(sql->summary, "31337");
}

static void check_equal(const char *in, const char *what, struct slice got, const char *want)
{
	if (want && !slice_eq(got, slice_str(want)))
		fail_msg("%s\n%s: %.*s\nwanted: %s", in, what, (int)got.n, got.p, want);
}

static void check_case(const struct sql_case *c, size_t n, size_t sz)
{
	struct sql_source source = {
		.dialect = c->dialect, .text = slice_of(c->in, n), .cut = n < strlen(c->in)};
	char *bytes, *out;
	struct sql sql = read_exact(&source, &bytes, &out, sz);

	if (!source.cut && sz >= 1024) {
		check_equal(c->in, "text", sql.text, c->text);
		check_equal(c->in, "summary", sql.summary, c->summary);
	}
	if (has_literal(&sql) && !(c->text && strstr(c->text, "sEcReT")) &&
	    !slice_starts_with(slice_of(c->in, n), SLICE("sEcReT")))
		fail_msg("%.*s\ntold: %.*s", (int)n, c->in, (int)sql.text.n, sql.text.p);
	assert_true(sql.summary.n <= SQL_SUMMARY_MAX);
	assert_true(sql.text.n + sql.summary.n <= sz);
	free(bytes);
	free(out);
}

static void check_cases(const struct sql_case *cases, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		size_t n = strlen(cases[i].in);

		for (size_t cut = 0; cut <= n; cut++)
			check_case(&cases[i], cut, 1024);
		for (size_t sz = 0; sz < 300; sz++)
			check_case(&cases[i], n, sz);
	}
}

static void test_literals(void **unused)
{
	(void)unused;
	check_cases(literals, sizeof(literals) / sizeof(*literals));
}

static void test_summaries(void **unused)
{
	(void)unused;
	check_cases(summaries, sizeof(summaries) / sizeof(*summaries));
}

/* A name that was cut is not told. */
static void test_cut_name(void **unused)
{
	struct sql_source source = {.text = SLICE("SELECT * FROM a, customers_of"), .cut = true};
	char out[1024];

	(void)unused;
	check_equal("cut", "summary", sql_read(&source, out, sizeof(out)).summary, "SELECT a");
}

static void test_long_summary(void **unused)
{
	char in[4096], out[8192];
	size_t n = (size_t)snprintf(in, sizeof(in), "SELECT * FROM t");
	struct sql_source source = {.text = {.p = in}};
	struct sql sql;

	(void)unused;
	for (int i = 0; i < 200; i++)
		n += (size_t)snprintf(in + n, sizeof(in) - n, ", table_%d", i);
	source.text.n = n;
	sql = sql_read(&source, out, sizeof(out));
	assert_in_range(sql.summary.n, SQL_SUMMARY_MAX - 10, SQL_SUMMARY_MAX);
	assert_memory_equal(sql.summary.p + sql.summary.n - 9, " table_27", 9);
}

/* Where it is full to the separator of a further statement, the last name is still whole. */
static void test_full_summary(void **unused)
{
	char in[300] = "SELECT * FROM ", out[1024];
	struct sql_source source = {.text = {.p = in}};
	size_t n = strlen(in);
	struct sql sql;

	(void)unused;
	memset(in + n, 't', SQL_SUMMARY_MAX - strlen("SELECT "));
	n += SQL_SUMMARY_MAX - strlen("SELECT ");
	source.text.n = n + (size_t)snprintf(in + n, sizeof(in) - n, "; SELECT 1; DELETE FROM u");
	sql = sql_read(&source, out, sizeof(out));
	assert_int_equal(sql.summary.n, SQL_SUMMARY_MAX);
	assert_memory_equal(sql.summary.p + strlen("SELECT "), in + strlen("SELECT * FROM "),
			    SQL_SUMMARY_MAX - strlen("SELECT "));
}

static void test_prepared(void **unused)
{
	static const struct {
		enum sql_dialect dialect;
		const char *in, *text, *summary;
	} cases[] = {
		{PG, "SELECT  a FROM t\nWHERE b = $1 AND c = 5 -- x",
		 "SELECT  a FROM t\nWHERE b = $1 AND c = 5 -- x", "SELECT t"},
		{PG, "SELECT a FROM t WHERE c = 'sEcReT'", "SELECT a FROM t WHERE c = ?",
		 "SELECT t"},
		{PG, "SELECT '$1', a ? b, \"$1\" -- $1", "SELECT ?, a ? b, \"$1\"", "SELECT"},
		{MY, "SELECT 'x' FROM t WHERE b = ?", "SELECT 'x' FROM t WHERE b = ?", "SELECT t"},
		{MY, "SELECT '?', \"?\" FROM t", "SELECT ?, ? FROM t", "SELECT t"},
	};
	char out[1024];

	(void)unused;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct sql_source source = {.dialect = cases[i].dialect,
					    .text = slice_str(cases[i].in),
					    .prepared = true};
		struct sql sql = sql_read(&source, out, sizeof(out));

		check_equal(cases[i].in, "text", sql.text, cases[i].text);
		check_equal(cases[i].in, "summary", sql.summary, cases[i].summary);
	}
}

static void test_traceparent(void **unused)
{
	static const char *const texts[] = {
		"SELECT 1 /*route='x',traceparent='00-ab-cd-01',b='c'*/",
		"/* traceparent='00-ab-cd-01' */ SELECT 1",
		"SELECT 1 -- traceparent='00-ab-cd-01'",
	};
	char out[1024];

	(void)unused;
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		struct sql_source source = {.text = slice_str(texts[i])};
		struct sql sql = sql_read(&source, out, sizeof(out));

		check_equal(texts[i], "traceparent", sql.traceparent, "00-ab-cd-01");
		check_equal(texts[i], "text", sql.text, "SELECT ?");
	}
}

/* Whatever is cut, doubled or put in between, words in quotes stay in. */
static void test_hostile(void **unused)
{
	static const char *const parts[] = {
		"'sEcReT'", "E'sE\\'sEcReT'", "$$sEcReT$$", "/*", "*/",	   "--\n",
		"\"id\"",   "U&'sEcReT'",     "31337",	    "(",  ")",	   ";",
		"SELECT ",  " FROM ",	      " IN (",	    ",",  " SET ", "a.b",
		"'' ",	    "'it''s sEcReT'", "N'sEcReT'",  "=",
	};
	uint32_t random = 1;

	(void)unused;
	for (int i = 0; i < 20000; i++) {
		char in[512];
		size_t n = 0;

		for (int k = 0; k < 12; k++) {
			random = random * 1664525 + 1013904223;
			n += (size_t)snprintf(
				in + n, sizeof(in) - n, "%s ",
				parts[(random >> 16) % (sizeof(parts) / sizeof(*parts))]);
		}
		check_case(&(struct sql_case){.in = in}, n, 1024);
		check_case(&(struct sql_case){.in = in}, n * (random >> 24) / 256, 1024);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_literals),     cmocka_unit_test(test_summaries),
		cmocka_unit_test(test_cut_name),     cmocka_unit_test(test_long_summary),
		cmocka_unit_test(test_full_summary), cmocka_unit_test(test_prepared),
		cmocka_unit_test(test_traceparent),  cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
