// SPDX-License-Identifier: Apache-2.0
/*
 * No two parsers accept the same bytes: the seeds of each protocol's fuzzing, which are the
 * conversations of its unit tests, are shown to all the others. Seeds named bad, join or cut do not
 * begin as a connection of their protocol does.
 */
#include "tests/unit/flow_rig.h"

#include <dirent.h>
#include <string.h>

#include "user/flow/internal.h"

#define CORPORA "tests/fuzz/corpus/protocols"
#define SEED_MAX (256u * 1024)
#define RUNS_MAX 64

struct run {
	enum sender sender;
	struct slice bytes;
};

struct seed {
	char name[256];
	const struct protocol *protocol;
	char bytes[SEED_MAX];
	struct run runs[RUNS_MAX];
	size_t runs_cnt;
};

static unsigned int wrong_cnt;
static bool upgraded;

static void complain(const struct seed *seed, enum sender sender, const struct protocol *by,
		     enum sender as, enum detect answer, size_t n)
{
	static const char *const answers[] = {"NO", "MORE", "LIKELY", "YES"};
	static const char senders[] = {'>', '<'};

	print_error("%s/%s: %s says %s to the first %zu bytes of %c as %c\n", seed->protocol->name,
		    seed->name, by->name, answers[answer], n, senders[sender], senders[as]);
	wrong_cnt++;
}

/* --- seeds ------------------------------------------------------------------------------------ */

static bool begins_badly(const char *name)
{
	return strncmp(name, "bad", 3) == 0 || strncmp(name, "join", 4) == 0 ||
	       strncmp(name, "cut", 3) == 0;
}

/* As rig_write_seed has written it. */
static void split(struct seed *seed, size_t n)
{
	struct slice rest = slice_of(seed->bytes, n);
	ptrdiff_t line_len = slice_find(rest, '\n');
	enum sender sender;

	assert_in_range(line_len, 1, 32);
	rest = slice_after(rest, (size_t)line_len + 1);
	assert_true(rest.n > 0);
	sender = rest.p[0] & 1 ? FROM_SERVER : FROM_CLIENT;
	seed->runs_cnt = 0;
	for (rest = slice_after(rest, 1); rest.n > 2; sender = !sender) {
		size_t len = (uint8_t)rest.p[0] | (size_t)(uint8_t)rest.p[1] << 8;
		struct slice bytes = slice_first(slice_after(rest, 2), len);

		assert_true(seed->runs_cnt < RUNS_MAX);
		if (bytes.n)
			seed->runs[seed->runs_cnt++] = (struct run){sender, bytes};
		rest = slice_after(rest, 2 + bytes.n);
	}
}

static void read_seed(struct seed *seed, const struct protocol *protocol, const char *name)
{
	char path[600];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), CORPORA "/%s/%s", protocol->name, name);
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(seed->bytes, 1, sizeof(seed->bytes), f);
	fclose(f);
	assert_in_range(n, 1, sizeof(seed->bytes) - 1);
	snprintf(seed->name, sizeof(seed->name), "%s", name);
	seed->protocol = protocol;
	split(seed, n);
}

static void for_each_seed(void (*look)(const struct seed *seed))
{
	struct seed *seed = calloc(1, sizeof(*seed));
	size_t seeds_cnt = 0;

	assert_non_null(seed);
	FOR_EACH_PROTOCOL (protocol) {
		char path[256];
		struct dirent *entry;
		DIR *dir;

		if (protocol->conclude) /* only an upgrade leads to it */
			continue;
		snprintf(path, sizeof(path), CORPORA "/%s", protocol->name);
		dir = opendir(path);
		if (!dir) {
			print_error("%s has no seeds\n", protocol->name);
			abort();
		}
		while ((entry = readdir(dir))) {
			if (entry->d_name[0] == '.' || begins_badly(entry->d_name))
				continue;
			read_seed(seed, protocol, entry->d_name);
			look(seed);
			seeds_cnt++;
		}
		closedir(dir);
	}
	free(seed);
	assert_true(seeds_cnt > 100);
}

/* --- what the parsers say --------------------------------------------------------------------- */

static enum detect answer_of(const struct protocol *protocol, enum sender sender,
			     struct slice bytes)
{
	char *copy = malloc(bytes.n ? bytes.n : 1);
	enum detect answer;

	assert_non_null(copy);
	memcpy(copy, bytes.p, bytes.n);
	answer = protocol->detect(sender, slice_of(copy, bytes.n));
	free(copy);
	return answer;
}

/* Of the answers to ever more bytes, the first wrong one is told. */
static void check_answers(const struct seed *seed, enum sender sender, struct slice bytes,
			  const struct protocol *by, enum sender as)
{
	size_t step = bytes.n / 2000 + 1;

	for (size_t n = 1; n <= bytes.n;
	     n += n + step > bytes.n && n < bytes.n ? bytes.n - n : step) {
		enum detect answer = answer_of(by, as, slice_first(bytes, n));
		bool own = by == seed->protocol && as == sender;

		if (own ? answer == DETECT_NO : by != seed->protocol && answer >= DETECT_LIKELY) {
			complain(seed, sender, by, as, answer, n);
			return;
		}
	}
}

static void ask_all_about(const struct seed *seed)
{
	for (int sender = FROM_CLIENT; sender <= FROM_SERVER; sender++) {
		size_t i = 0;

		while (i < seed->runs_cnt && seed->runs[i].sender != (enum sender)sender)
			i++;
		if (i == seed->runs_cnt)
			continue;
		FOR_EACH_PROTOCOL (protocol) {
			for (int as = FROM_CLIENT; as <= FROM_SERVER; as++)
				check_answers(seed, (enum sender)sender, seed->runs[i].bytes,
					      protocol, (enum sender)as);
		}
	}
}

static void test_corpora(void **state)
{
	(void)state;
	wrong_cnt = 0;
	for_each_seed(ask_all_about);
	assert_int_equal(wrong_cnt, 0);
}

/* --- what flow makes of it -------------------------------------------------------------------- */

static const struct protocol *protocol_of(const struct end *end)
{
	const struct conn *conn = conn_table__peek(&end->rig->flow->conns, end->about.cookie);

	return conn ? conn->protocol : NULL;
}

/* The conversation in operations of at most so many bytes, until its protocol is known. */
static const struct protocol *found_in(const struct seed *seed, struct end *end, size_t op_sz)
{
	const struct protocol *found = NULL;

	for (size_t i = 0; i < seed->runs_cnt && !found; i++) {
		struct slice rest = seed->runs[i].bytes;

		while (rest.n && !found) {
			struct slice op = slice_first(rest, op_sz);

			end_op(end, sends(end, seed->runs[i].sender), op.p, (uint32_t)op.n);
			rest = slice_after(rest, op.n);
			found = protocol_of(end);
		}
	}
	rig_wait(end->rig, 50 * MS); /* whether the client had spoken first */
	return found ?: protocol_of(end);
}

static void note_upgrade(void *ctx, const struct unknown *unknown)
{
	(void)ctx;
	upgraded = !slice_eq(unknown->label, SLICE("unknown"));
}

/*
 * Never taken for another one; and found, unless neither its bytes (acknowledgements of MQTT, say) nor
 * the kernel tell which end is the client, or it has become TLS by then.
 */
static void find_by_flow(const struct seed *seed)
{
	static const enum role roles[] = {ROLE_CLIENT, ROLE_SERVER};
	static const size_t op_sizes[] = {4096, 100, 7, 1};
	const struct flow_options options = {.unknown = note_upgrade};

	for (size_t i = 0; i < 16; i++) {
		struct rig *rig = rig_new(&options);
		struct end end = end_new(rig, roles[i % 2]);
		const struct protocol *found;
		bool role_known = !(i & 2);

		upgraded = false;
		if (!role_known)
			end.about.role = ROLE_UNKNOWN;
		found = found_in(seed, &end, op_sizes[i / 4]);
		rig_free(rig); /* tells of what was sealed */
		if (found ? found != seed->protocol : role_known && !upgraded) {
			print_error("%s/%s, in operations of %zu, is taken for %s\n",
				    seed->protocol->name, seed->name, op_sizes[i / 4],
				    found ? found->name : "nothing");
			wrong_cnt++;
		}
	}
}

static void test_flow(void **state)
{
	(void)state;
	wrong_cnt = 0;
	for_each_seed(find_by_flow);
	assert_int_equal(wrong_cnt, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_corpora),
		cmocka_unit_test(test_flow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
