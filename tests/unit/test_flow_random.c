// SPDX-License-Identifier: Apache-2.0
/*
 * Random connections: well-formed exchanges, cut into random operations, copied in part, with
 * records lost. Request n asks for /n/<n>/ and its response has the status 400 + n, so a response
 * that went to another request is seen. A failure names its seed: give it as the first argument
 * (and how many to run from there as the second).
 */
#include "tests/unit/flow_rig.h"

#define ITERATIONS 3000
#define WIRES_MAX 5
#define EXCHANGES_MAX 12 /* of one wire */
#define IDS_MAX (WIRES_MAX * EXCHANGES_MAX)
#define TEXT_MAX (256u * 1024)

static uint64_t seed, random_state;
static uint64_t first_seed, iterations = ITERATIONS;

static uint32_t any(uint32_t below)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (uint32_t)((random_state >> 16) % below);
}

static bool chance(uint32_t percent)
{
	return any(100) < percent;
}

struct text {
	uint32_t n;
	char bytes[TEXT_MAX];
};

/* A connection; either end may be traced. */
struct wire {
	struct end ends[2]; /* by enum sender */
	bool traced[2];
	bool pipelined, lossy;
	uint32_t burst[2]; /* records still to be lost */
	uint32_t asked, answered, total;
	uint32_t ids[EXCHANGES_MAX];
	bool heads[EXCHANGES_MAX]; /* HEAD was asked */
	bool until_close, closed;
	uint32_t step_max; /* bytes of an operation at most */
	struct text late;  /* sent by the client in a call that is not back yet */
};

struct world {
	struct rig *rig;
	struct wire wires[WIRES_MAX];
	uint32_t wires_cnt, ids_cnt;
	bool lossy, cut, exact;
	struct text text;
};

/* --- messages --------------------------------------------------------------------------------- */

static void put(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct text *text, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text->bytes + text->n, sizeof(text->bytes) - text->n, format, args);
	va_end(args);
	assert_in_range(n, 0, sizeof(text->bytes) - text->n - 1);
	text->n += (uint32_t)n;
}

static void put_body(struct text *text, uint32_t n)
{
	assert_true(text->n + n <= sizeof(text->bytes));
	memset(text->bytes + text->n, 'x', n);
	text->n += n;
}

static void put_chunks(struct text *text, uint32_t n)
{
	while (n) {
		uint32_t chunk = 1 + any(n < 5000 ? n : 5000);

		put(text, chance(20) ? "%x;ext=1\r\n" : "%X\r\n", chunk);
		put_body(text, chunk);
		put(text, "\r\n");
		n -= chunk;
	}
	put(text, chance(20) ? "0\r\nTrailer: x\r\n\r\n" : "0\r\n\r\n");
}

static uint32_t body_size(void)
{
	return chance(70) ? any(300) : any(30000);
}

static void put_request(struct text *text, uint32_t id, bool head, bool has_body)
{
	uint32_t kind = has_body ? any(3) : 0, n = body_size();

	put(text, "%s /n/%u/ HTTP/1.1\r\nHost: a\r\n", head ? "HEAD" : kind ? "POST" : "GET", id);
	if (chance(20))
		put(text, "X-Long: %0*d\r\n", 1 + (int)any(100), 0);
	if (kind == 0) {
		put(text, "\r\n");
	} else if (kind == 1) {
		put(text, "Content-Length: %u\r\n\r\n", n);
		put_body(text, n);
	} else {
		put(text, "Transfer-Encoding: chunked\r\n\r\n");
		put_chunks(text, n);
	}
}

static void put_response(struct text *text, uint32_t id, bool head, bool until_close)
{
	uint32_t n = body_size();

	if (chance(10))
		put(text, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n");
	put(text, "HTTP/1.1 %u X\r\n", 400 + id);
	if (until_close) {
		put(text, "\r\n");
	} else if (chance(50)) {
		put(text, "Content-Length: %u\r\n\r\n", n);
	} else {
		put(text, "Transfer-Encoding: chunked\r\n\r\n");
		if (!head)
			put_chunks(text, n);
		return;
	}
	if (!head)
		put_body(text, n);
}

/* --- passing ---------------------------------------------------------------------------------- */

/* The client's call that sends the text is not back before the answer has been read, or begun. */
static bool is_late(const struct world *world, const struct wire *wire, int at, enum sender sender)
{
	return at == FROM_CLIENT && sender == FROM_CLIENT && !wire->lossy && !world->cut &&
	       wire->ends[at].tx_seq && world->text.n < COPY_MAX && chance(20);
}

static void send_late(struct world *world, struct wire *wire)
{
	wire->late = world->text;
	wire->ends[FROM_CLIENT].untold = world->text.n;
	wire->ends[FROM_CLIENT].left_ns = world->rig->now_ns += MS;
}

static void tell_late(struct wire *wire)
{
	if (wire->late.n)
		end_told(&wire->ends[FROM_CLIENT], wire->late.bytes, wire->late.n);
	wire->late.n = 0;
	wire->ends[FROM_CLIENT].left_ns = 0;
}

/* The text passes one end in random operations; records may be lost. */
static void pass_end(struct world *world, struct wire *wire, int at, enum sender sender, bool lossy)
{
	uint32_t op_max = world->cut ? TEXT_MAX : COPY_MAX; /* more is never copied at once */
	const struct text *text = &world->text;
	struct end *end = &wire->ends[at];

	if (!wire->traced[at])
		return;
	if (at == FROM_CLIENT && sender == FROM_CLIENT)
		tell_late(wire);
	if (is_late(world, wire, at, sender)) {
		send_late(world, wire);
		return;
	}
	for (uint32_t done = 0; done < text->n;) {
		uint32_t n = 1 + any(chance(50) ? wire->step_max : op_max);

		n = n < text->n - done ? n : text->n - done;
		if (lossy && !wire->burst[at] && chance(8))
			wire->burst[at] = 1 + any(chance(70) ? 2 : 12);
		if (!lossy)
			wire->burst[at] = 0;
		world->rig->drop_cnt = wire->burst[at] > 0;
		wire->burst[at] -= wire->burst[at] > 0;
		end_op(end, sends(end, sender), text->bytes + done, n);
		world->rig->drop_cnt = 0;
		done += n;
		if (at == FROM_CLIENT && chance(30))
			tell_late(wire);
	}
	if (at == FROM_CLIENT)
		tell_late(wire);
	if (chance(30))
		flush_tail(end);
}

static void pass_wire(struct world *world, struct wire *wire, enum sender sender, bool lossy)
{
	int first = chance(20) ? !sender : sender; /* usually the sender's records come first */

	pass_end(world, wire, first, sender, lossy);
	pass_end(world, wire, !first, sender, lossy);
	world->text.n = 0;
	if (chance(30))
		rig_wait(world->rig, any(30) * MS);
}

/* The first two and the last exchange of a wire are whole, so that all can be counted. */
static bool may_lose(const struct wire *wire, uint32_t n)
{
	return wire->lossy && n >= 2 && n + 1 < wire->total;
}

static void ask_next(struct world *world, struct wire *wire)
{
	uint32_t n = wire->asked++;

	wire->ids[n] = world->ids_cnt++;
	wire->heads[n] = chance(20);
	world->rig->made += wire->traced[0] + (uint64_t)wire->traced[1];
	/* That requests are pipelined must be seen at first: none may hide behind a body then. */
	put_request(&world->text, wire->ids[n], wire->heads[n],
		    !wire->heads[n] && !(wire->pipelined && wire->answered == 0));
}

static void answer_next(struct world *world, struct wire *wire)
{
	uint32_t n = wire->answered++;

	put_response(&world->text, wire->ids[n], wire->heads[n],
		     wire->until_close && wire->answered == wire->total);
}

static void finish_wire(struct wire *wire)
{
	static const enum end_reason first[] = {END_EOF, END_SHUTDOWN};

	for (int i = 0; i < 2; i++) {
		bool is_unix = wire->ends[i].about.family == FAMILY_UNIX;

		if (!wire->traced[i])
			continue;
		finish(&wire->ends[i], is_unix ? END_EOF : first[i], 0);
		if (!is_unix)
			finish(&wire->ends[i], END_CLOSED, 0);
	}
	wire->closed = true;
}

static bool all_answered(const struct world *world)
{
	for (uint32_t i = 0; i < world->wires_cnt; i++)
		if (world->wires[i].asked > world->wires[i].answered)
			return false;
	return true;
}

/* Something happens on the wire: a question or some, an answer or some, or its end. */
static void step(struct world *world, struct wire *wire)
{
	uint32_t outstanding = wire->asked - wire->answered;
	bool more = wire->asked < wire->total;

	if (more && (!outstanding || (wire->pipelined && outstanding < 5 && chance(50)))) {
		bool lossy = may_lose(wire, wire->asked);

		/* A server that lets a client wait for so long must not be taken for a quiet one. */
		if (all_answered(world) && chance(30))
			rig_wait(world->rig, 1200 * MS);
		do
			ask_next(world, wire);
		while (wire->pipelined && wire->asked < wire->total &&
		       (wire->asked == 1 || (chance(60) && may_lose(wire, wire->asked) == lossy)));
		pass_wire(world, wire, FROM_CLIENT, lossy);
	} else if (outstanding) {
		bool lossy = may_lose(wire, wire->answered);

		do
			answer_next(world, wire);
		while (wire->answered < wire->asked && chance(60) &&
		       may_lose(wire, wire->answered) == lossy);
		pass_wire(world, wire, FROM_SERVER, lossy);
	} else {
		finish_wire(wire);
	}
}

/* --- worlds ----------------------------------------------------------------------------------- */

static void open_wire(struct world *world, struct wire *wire)
{
	uint32_t traced = any(4);
	bool is_unix = chance(25);

	memset(wire, 0, sizeof(*wire));
	ends_new(world->rig, &wire->ends[FROM_CLIENT], &wire->ends[FROM_SERVER]);
	wire->traced[FROM_CLIENT] = traced != 0;
	wire->traced[FROM_SERVER] = traced != 1;
	if (is_unix)
		make_unix(&wire->ends[FROM_CLIENT], &wire->ends[FROM_SERVER]);
	wire->pipelined = chance(30);
	wire->lossy = world->lossy;
	/* Only its client can tell when a response on a unix socket ends with the connection. */
	wire->until_close = chance(20) && (wire->traced[FROM_CLIENT] || !is_unix);
	wire->total = 3 + any(EXCHANGES_MAX - 3);
	wire->step_max = 1 + any(chance(50) ? 60 : 3000);
	for (int i = 0; i < 2; i++) {
		/* Not less than the heads at the beginning of a turn need. */
		wire->ends[i].copy_op = world->cut ? 512 + any(2000) : COPY_MAX;
		wire->ends[i].copy_turn = world->cut ? 512 + any(8000) : TEXT_MAX;
	}
	/* How many pipelined requests were missed is told by their usual length only. */
	world->exact &= !wire->pipelined || (!world->lossy && !world->cut);
}

/* The parent, if it was not lost, is the same request; its times are known when nothing is cut. */
static void check_link(const struct world *world, const struct seen *server)
{
	const struct rig *rig = world->rig;

	for (uint32_t i = 0; i < rig->spans_cnt; i++) {
		const struct seen *client = &rig->spans[i];

		if (memcmp(&client->span_id, &server->parent_id, sizeof(client->span_id)) != 0)
			continue;
		assert_non_null(strstr(client->path, server->path));
		assert_memory_equal(&client->trace_id, &server->trace_id, sizeof(client->trace_id));
		if (!world->cut && !world->lossy)
			check_child(server, client);
		return;
	}
}

static void check_world(struct world *world)
{
	struct rig *rig = world->rig;
	uint64_t known;

	for (uint32_t i = 0; i < rig->spans_cnt; i++) {
		const struct seen *seen = &rig->spans[i];
		const char *id = strstr(seen->path, "/n/");

		assert_non_null(id);
		if (seen->code >= 0)
			assert_int_equal(seen->code, 400 + strtol(id + 3, NULL, 10));
		if (!world->lossy)
			assert_true(seen->code >= 0);
		if (seen->kind == SPAN_SERVER && strcmp(seen->method, "socket") == 0)
			check_link(world, seen);
	}
	known = rig->spans_cnt + rig_lost();
	assert_true(rig->spans_cnt <= rig->made);
	if (world->exact)
		assert_int_equal(known, rig->made);
	if (!world->lossy && world->exact)
		assert_int_equal(rig->spans_cnt, rig->made);
	assert_int_equal(flow__connection_cnt(rig->flow), 0);
	assert_false(flow__wants_tails(rig->flow));
	rig->made = known;
}

static void run_world(void)
{
	struct world *world = calloc(1, sizeof(*world));
	uint32_t open;

	assert_non_null(world);
	random_state = (seed + 1) * 0x9e3779b97f4a7c15ull;
	world->rig = rig_new(NULL);
	world->lossy = chance(50);
	world->cut = chance(50);
	world->exact = true;
	open = world->wires_cnt = 1 + any(WIRES_MAX);
	for (uint32_t i = 0; i < world->wires_cnt; i++)
		open_wire(world, &world->wires[i]);
	while (open) {
		struct wire *wire = &world->wires[any(world->wires_cnt)];

		if (wire->closed)
			continue;
		step(world, wire);
		open -= wire->closed;
	}
	rig_wait(world->rig, 3 * SECOND);
	world->rig->now_ns += RIG_IDLE; /* ends of unix sockets that nobody saw closed */
	rig_wait(world->rig, SECOND);
	check_world(world);
	rig_finish(world->rig);
	free(world);
}

static int name_seed(void **state)
{
	(void)state;
	if (seed < first_seed + iterations)
		print_error("seed %llu\n", (unsigned long long)seed);
	return 0;
}

static void test_random(void **state)
{
	(void)state;
	for (seed = first_seed; seed < first_seed + iterations; seed++)
		run_world();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_random, name_seed),
	};

	if (argc > 1) {
		first_seed = strtoull(argv[1], NULL, 10);
		iterations = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
