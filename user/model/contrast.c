// SPDX-License-Identifier: Apache-2.0
/*
 * Spans are kept until all have come. Then each trace's are joined to trees, the requests of the route are sorted
 * by time, and those of the two groups are divided into parts: contrast_parts.c.
 */
#include "user/model/contrast.h"

#include <errno.h>
#include <stdlib.h>

#include "user/model/call.h"
#include "user/model/contrast_parts.h"
#include "user/model/request_table.h"

#define NONE SPAN_NODE_NONE
#define TREE_DEPTH_MAX 64

/* A request: a node of a trace, whose nodes are from first on. */
struct asked {
	uint32_t route; /* service and name */
	uint32_t node;	/* index of all */
	uint32_t first;
	uint64_t ns; /* with the time before it was read */
};

struct contrast {
	struct contrast_filter filter;
	struct names *names;
	struct contrast_span *spans;
	uint32_t cnt, cap;
	struct span_node *nodes; /* those of a trace together */
	struct asked *asked;
	uint32_t asked_cnt;
	struct contrast_parts parts;
	struct contrast_part *sorted;
	struct contrast_function *functions;
	struct contrast_result result;
};

struct contrast *contrast__new(const struct contrast_filter *filter)
{
	struct contrast *c = calloc(1, sizeof(*c));

	if (c) {
		c->filter = *filter;
		c->names = names__new();
		if (c->names)
			return c;
	}
	free(c);
	errno = ENOMEM;
	return NULL;
}

void contrast__free(struct contrast *c)
{
	if (!c)
		return;
	names__free(c->names);
	free(c->spans);
	free(c->nodes);
	free(c->asked);
	free(c->parts.served);
	free(c->sorted);
	free(c->functions);
	free(c);
}

/* --- spans ------------------------------------------------------------------------------------ */

static void take_account(struct contrast_span *to, const struct span *span)
{
	static const struct slice keys[] = {
		SLICE("sonde.time.cpu_ns"),    SLICE("sonde.time.run_queue_ns"),
		SLICE("sonde.time.client_ns"), SLICE("sonde.time.lock_ns"),
		SLICE("sonde.time.disk_ns"),   SLICE("sonde.time.page_fault_ns"),
		SLICE("sonde.time.sleep_ns"),  SLICE("sonde.time.other_ns"),
	};
	uint64_t duration_ns = to->end_ns > to->start_ns ? to->end_ns - to->start_ns : 0;
	int64_t queue_ns = attrs_get_int(&span->attrs, SLICE("sonde.time.queue_ns"), 0);

	_Static_assert(sizeof(keys) / sizeof(keys[0]) == CONTRAST_UNSEEN - CONTRAST_CPU,
		       "a key for each kind");
	to->queue_ns =
		queue_ns > 0 && queue_ns < INT64_MAX / CONTRAST_SPANS_MAX ? (uint64_t)queue_ns : 0;
	to->timed = attrs_get(&span->attrs, keys[0]) != NULL;
	for (int i = 0; i < CONTRAST_UNSEEN - CONTRAST_CPU; i++) {
		int64_t ns = attrs_get_int(&span->attrs, keys[i], 0);

		to->own_ns[i] = ns > 0 ? (uint64_t)ns : 0;
		if (to->own_ns[i] > duration_ns) /* not sonde's */
			to->timed = false;
	}
}

static bool reserve(struct contrast *c)
{
	uint32_t cap = c->cap ? 2 * c->cap : 1024;
	struct contrast_span *grown;

	if (c->cnt < c->cap)
		return true;
	grown = cap <= CONTRAST_SPANS_MAX ? reallocarray(c->spans, cap, sizeof(*grown)) : NULL;
	if (!grown)
		return false;
	c->spans = grown;
	c->cap = cap;
	return true;
}

void contrast__add(struct contrast *c, const struct span *span)
{
	struct contrast_span *to;
	struct call call;

	if (span->end_ns < span->start_ns ||
	    span->end_ns - span->start_ns > INT64_MAX / CONTRAST_SPANS_MAX || !reserve(c)) {
		c->result.left_out_cnt++;
		return;
	}
	call_fill(&call, span, c->names);
	c->result.undecided_cnt += call.undecided && call_makes(&call);
	to = &c->spans[c->cnt++];
	*to = (struct contrast_span){
		.trace_id = span->trace_id,
		.id = span->span_id,
		.parent_id = span->parent_id,
		.start_ns = span->start_ns,
		.end_ns = span->end_ns,
		.service = call.service,
		.name = names__number(c->names, span->name),
		.server = call.server,
		.kind = call.kind,
		.socket = call.socket,
	};
	take_account(to, span);
	to->wanted = span->kind == SPAN_SERVER &&
		     request_is_of(span, c->filter.service, c->filter.route);
}

/* --- requests --------------------------------------------------------------------------------- */

static int compare_traces(const void *a, const void *b)
{
	const struct contrast_span *x = a, *y = b;

	return memcmp(&x->trace_id, &y->trace_id, sizeof(x->trace_id));
}

static struct span_node node_of(const struct contrast *c, uint32_t i)
{
	const struct contrast_span *span = &c->spans[i];

	return (struct span_node){
		.id = span->id,
		.parent_id = span->parent_id,
		.start_ns = span->start_ns,
		.end_ns = span->end_ns,
		.kind = (enum span_kind)span->kind,
		.socket = span->socket,
		.item = i,
	};
}

/* Is it below no other request? */
static bool is_first(const struct span_node *trace, const struct span_node *node)
{
	uint32_t at = node->parent;

	for (int i = 0; i < TREE_DEPTH_MAX && at != NONE; i++) {
		if (trace[at].kind == SPAN_SERVER)
			return false;
		at = trace[at].parent;
	}
	return true;
}

/* Those that are not asked for by name are of interest where they come in. */
static bool is_request(const struct contrast *c, const struct span_node *trace,
		       const struct span_node *node)
{
	const struct contrast_span *span = &c->spans[node->item];

	return span->wanted && span->service != NAMES_OTHER && span->name != NAMES_OTHER &&
	       (c->filter.service || c->filter.route || is_first(trace, node));
}

static void note_requests(struct contrast *c, uint32_t first, uint32_t cnt)
{
	for (uint32_t i = first; i < first + cnt; i++) {
		const struct contrast_span *span = &c->spans[c->nodes[i].item];

		if (is_request(c, &c->nodes[first], &c->nodes[i]))
			c->asked[c->asked_cnt++] = (struct asked){
				.route = (uint32_t)span->service << 16 | span->name,
				.node = i,
				.first = first,
				.ns = span->end_ns - span->start_ns + span->queue_ns,
			};
	}
}

/* Joins the spans of each trace. order has room for all. */
static void join_traces(struct contrast *c, uint32_t *order)
{
	qsort(c->spans, c->cnt, sizeof(*c->spans), compare_traces);
	for (uint32_t first = 0, next; first < c->cnt; first = next) {
		for (next = first;
		     next < c->cnt && compare_traces(&c->spans[first], &c->spans[next]) == 0;
		     next++)
			c->nodes[next] = node_of(c, next);
		span_tree_join(&c->nodes[first], next - first, order);
		note_requests(c, first, next - first);
	}
}

static int compare_asked(const void *a, const void *b)
{
	const struct asked *x = a, *y = b;

	if (x->route != y->route)
		return x->route < y->route ? -1 : 1;
	if (x->ns != y->ns)
		return x->ns < y->ns ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

/* --- which are compared ----------------------------------------------------------------------- */

/* Requests of one route, sorted by time, and which of them is the slow one; NONE: those from the percentile on. */
struct chosen {
	const struct asked *of;
	uint32_t cnt, slow;
};

static uint64_t median_of(const struct asked *of, uint32_t cnt)
{
	return of[(cnt - 1) / 2].ns;
}

/* How much there is to explain: what requests took more than the median, all together. */
static double weight_of(const struct contrast *c, const struct asked *of, uint32_t cnt)
{
	uint64_t median_ns = median_of(of, cnt);
	double extra_ns = 0;

	if (c->filter.slowest)
		return (double)of[cnt - 1].ns;
	for (uint32_t i = cnt / 2; i < cnt; i++)
		extra_ns += (double)(of[i].ns - median_ns);
	return extra_ns;
}

/* The slowest request of the trace that is asked for; NONE: there is none. */
static uint32_t find_trace(const struct contrast *c)
{
	uint32_t found = NONE;

	for (uint32_t i = 0; i < c->asked_cnt; i++) {
		const struct contrast_span *span = &c->spans[c->nodes[c->asked[i].node].item];

		if (trace_id_begins(&span->trace_id, c->filter.trace_id) &&
		    (found == NONE || c->asked[i].ns > c->asked[found].ns))
			found = i;
	}
	return found;
}

/* Of the routes with enough requests the one with most to explain; else the one with most requests. */
static struct chosen choose(const struct contrast *c, uint32_t wanted)
{
	struct chosen best = {.slow = NONE};
	double best_weight = -1;

	for (uint32_t first = 0, next; first < c->asked_cnt; first = next) {
		struct chosen now = {.of = &c->asked[first], .slow = NONE};
		bool enough, was_enough = best.cnt >= CONTRAST_REQUESTS_MIN;
		double weight;

		for (next = first; next < c->asked_cnt && c->asked[next].route == now.of->route;)
			next++;
		now.cnt = next - first;
		if (wanted != NONE && (wanted < first || wanted >= next))
			continue;
		enough = now.cnt >= CONTRAST_REQUESTS_MIN;
		weight = weight_of(c, now.of, now.cnt);
		if (enough == was_enough ? (enough ? weight <= best_weight : now.cnt <= best.cnt)
					 : was_enough)
			continue;
		best = now;
		best_weight = weight;
		if (wanted != NONE)
			best.slow = wanted - first;
		else if (c->filter.slowest)
			best.slow = now.cnt - 1;
	}
	return best;
}

/* The highest percentile that so many requests leave enough beyond. */
static uint32_t percentile_for(uint32_t cnt)
{
	static const uint32_t percentiles[] = {99, 95, 90};

	for (size_t i = 0; i < sizeof(percentiles) / sizeof(percentiles[0]); i++)
		if (cnt * (100 - percentiles[i]) >= 100 * CONTRAST_SLOW_MIN)
			return percentiles[i];
	return 85;
}

/* The rank of the first slow request. */
static uint32_t slow_from(uint32_t cnt, uint32_t percentile)
{
	return (cnt * percentile + 99) / 100 - 1;
}

/* --- comparison ------------------------------------------------------------------------------- */

/* The request's own tree, apart from whatever else its trace has. scratch has room for the trace. */
static int divide(struct contrast *c, const struct asked *asked, enum contrast_side side,
		  struct span_node *scratch, uint32_t *order)
{
	const struct span_node *trace = &c->nodes[asked->first];
	uint32_t root = asked->node - asked->first, cnt = 0, item = trace[root].item;

	for (uint32_t at = root; at != NONE; at = span_tree_next(trace, root, at))
		scratch[cnt++] = node_of(c, trace[at].item);
	span_tree_join(scratch, cnt, order);
	for (uint32_t i = 0; i < cnt; i++) {
		if (scratch[i].item != item)
			continue;
		span_tree_critical(scratch, i);
		c->result.cnt[side]++;
		c->result.timed[side] += c->spans[item].timed;
		return contrast_parts__add(&c->parts, scratch, i, side);
	}
	return 0;
}

static int divide_all(struct contrast *c, const struct chosen *chosen, struct span_node *scratch,
		      uint32_t *order)
{
	uint32_t cnt = chosen->cnt, from, to = cnt, slow = chosen->slow;
	int err = 0;

	from = slow_from(cnt, c->result.percentile);
	if (slow != NONE) {
		from = slow;
		to = slow + 1;
		c->result.percentile = 0;
	}
	for (uint32_t i = from; i < to && !err; i++)
		err = divide(c, &chosen->of[i], CONTRAST_SLOW, scratch, order);
	for (uint32_t i = cnt * 2 / 5; i < cnt * 3 / 5 && !err; i++)
		if (i != slow)
			err = divide(c, &chosen->of[i], CONTRAST_TYPICAL, scratch, order);
	c->result.percentile_ns = chosen->of[from].ns;
	c->result.trace_id = c->spans[c->nodes[chosen->of[to - 1].node].item].trace_id;
	return err;
}

/* The part of that one which is largest, of those not done yet; NONE: all are. */
static uint32_t largest(const struct contrast *c, uint32_t below, const bool *done)
{
	const struct contrast_parts *p = &c->parts;
	double best_ns = 0;
	uint32_t best = NONE;

	for (uint32_t i = 1; i < p->cnt; i++) {
		double ns = contrast_extra_ns(&c->result, &p->parts[i]);

		if (done[i] || p->parts[i].parent != below || (best != NONE && ns <= best_ns))
			continue;
		best = i;
		best_ns = ns;
	}
	return best;
}

/* The parts of that one, the largest difference first, each followed by its own; they add up to it. */
static void sort_parts(struct contrast *c, uint32_t below, uint32_t sorted_below)
{
	struct contrast_part rest = c->parts.parts[below];
	bool done[CONTRAST_PARTS_MAX] = {false};
	uint32_t best, cnt = 0;

	while ((best = largest(c, below, done)) != NONE) {
		uint32_t at = c->result.parts_cnt++;

		done[best] = true;
		cnt++;
		c->sorted[at] = c->parts.parts[best];
		c->sorted[at].parent = sorted_below;
		for (int side = 0; side < CONTRAST_SIDES; side++)
			rest.ns[side] -= c->sorted[at].ns[side];
		sort_parts(c, best, at);
	}
	if (cnt && (rest.ns[CONTRAST_SLOW] || rest.ns[CONTRAST_TYPICAL]))
		c->sorted[c->result.parts_cnt++] = (struct contrast_part){
			.parent = sorted_below,
			.depth = rest.depth + 1,
			.kind = CONTRAST_INSIDE,
			.ns = {rest.ns[CONTRAST_SLOW], rest.ns[CONTRAST_TYPICAL]},
		};
}

static int compare_groups(struct contrast *c, const struct chosen *chosen)
{
	struct contrast_result *r = &c->result;
	struct span_node *scratch = calloc(c->cnt ?: 1, sizeof(*scratch));
	uint32_t *order = calloc(c->cnt ?: 1, sizeof(*order));
	int err = -ENOMEM;

	c->parts.spans = c->spans;
	c->parts.names = c->names;
	r->percentile = percentile_for(chosen->cnt);
	if (scratch && order)
		err = divide_all(c, chosen, scratch, order);
	free(scratch);
	free(order);
	c->sorted = err ? NULL : calloc(2 * (size_t)c->parts.cnt, sizeof(*c->sorted));
	if (!c->sorted)
		return -ENOMEM;
	c->sorted[0] = c->parts.parts[0];
	r->parts = c->sorted;
	r->parts_cnt = 1;
	sort_parts(c, CONTRAST_ROOT, CONTRAST_ROOT);
	return 0;
}

static int compare(struct contrast *c)
{
	struct contrast_result *r = &c->result;
	uint32_t wanted = c->filter.trace_id ? find_trace(c) : NONE;
	struct chosen chosen = choose(c, wanted);

	if (!chosen.cnt || (c->filter.trace_id && wanted == NONE)) {
		r->status = chosen.cnt ? CONTRAST_NO_TRACE : CONTRAST_NOTHING;
		return 0;
	}
	r->requests_cnt = chosen.cnt;
	r->service = names__text(c->names, (uint16_t)(chosen.of->route >> 16));
	r->name = names__text(c->names, (uint16_t)chosen.of->route);
	r->median_ns = median_of(chosen.of, chosen.cnt);
	if (chosen.cnt < CONTRAST_REQUESTS_MIN) {
		r->status = CONTRAST_TOO_FEW;
		return 0;
	}
	r->status = CONTRAST_FOUND;
	return compare_groups(c, &chosen);
}

const struct contrast_result *contrast__finish(struct contrast *c)
{
	uint32_t n = c->cnt ?: 1;
	uint32_t *order = calloc(n, sizeof(*order));
	int err = -ENOMEM;

	c->nodes = calloc(n, sizeof(*c->nodes));
	c->asked = calloc(n, sizeof(*c->asked));
	if (order && c->nodes && c->asked) {
		join_traces(c, order);
		qsort(c->asked, c->asked_cnt, sizeof(*c->asked), compare_asked);
		err = compare(c);
	}
	free(order);
	errno = -err;
	return err ? NULL : &c->result;
}

/* --- samples ---------------------------------------------------------------------------------- */

static int compare_served(const void *a, const void *b)
{
	const struct contrast_served *x = a, *y = b;

	return memcmp(&x->id, &y->id, sizeof(x->id));
}

static int compare_names(const void *a, const void *b)
{
	const struct contrast_function *x = a, *y = b;

	if (x->name.p != y->name.p)
		return x->name.p < y->name.p ? -1 : 1;
	if (x->file.p != y->file.p)
		return x->file.p < y->file.p ? -1 : 1;
	return x->service.p < y->service.p ? -1 : x->service.p > y->service.p;
}

static double extra_samples(const struct contrast_result *r, const struct contrast_function *f)
{
	return (double)f->cnt[CONTRAST_SLOW] / r->cnt[CONTRAST_SLOW] -
	       (double)f->cnt[CONTRAST_TYPICAL] / r->cnt[CONTRAST_TYPICAL];
}

static int compare_functions(const void *a, const void *b, void *arg)
{
	double x = extra_samples(arg, a), y = extra_samples(arg, b);

	return x != y ? (x > y ? -1 : 1) : compare_names(a, b);
}

/* The compared request that the sample is of, or that led to the one it is of; NULL: none. */
static const struct contrast_served *served_of(const struct contrast *c, const struct profile *p,
					       const struct profile_sample *sample)
{
	struct contrast_served key = {.id = p->links.v[sample->link].span_id};

	if (!sample->link || !c->parts.served_cnt || !p->stacks.v[sample->stack].cnt)
		return NULL;
	return bsearch(&key, c->parts.served, c->parts.served_cnt, sizeof(key), compare_served);
}

/* The function that runs, if the sample is of a request that is compared. */
static bool take_sample(struct contrast *c, const struct profile *p,
			const struct profile_sample *sample, struct contrast_function *out)
{
	const struct contrast_served *served = served_of(c, p, sample);
	const struct profile_stack *stack = &p->stacks.v[sample->stack];
	const struct profile_location *leaf;

	if (!served)
		return false;
	leaf = &p->locations.v[p->stack_locations.v[stack->first]];
	*out = (struct contrast_function){
		.name = p->strings.v[p->functions.v[leaf->function].name],
		.file = p->strings.v[p->mappings.v[leaf->mapping].file],
		.service = names__text(c->names, served->service),
	};
	out->cnt[served->side] = 1;
	c->result.samples[served->side]++;
	return true;
}

static uint32_t unite(struct contrast_function *f, uint32_t cnt)
{
	uint32_t n = 0;

	qsort(f, cnt, sizeof(*f), compare_names);
	for (uint32_t i = 0; i < cnt; i++) {
		if (n && compare_names(&f[n - 1], &f[i]) == 0) {
			f[n - 1].cnt[CONTRAST_SLOW] += f[i].cnt[CONTRAST_SLOW];
			f[n - 1].cnt[CONTRAST_TYPICAL] += f[i].cnt[CONTRAST_TYPICAL];
		} else {
			f[n++] = f[i];
		}
	}
	return n;
}

int contrast__samples(struct contrast *c, const struct profile *profile)
{
	struct contrast_result *r = &c->result;
	uint32_t n = profile->samples.cnt, cnt = 0;
	struct contrast_function *f;

	if (r->status != CONTRAST_FOUND)
		return 0;
	f = calloc(n ?: 1, sizeof(*f));
	if (!f)
		return -ENOMEM;
	r->period_ns = profile->period_ns;
	qsort(c->parts.served, c->parts.served_cnt, sizeof(*c->parts.served), compare_served);
	for (uint32_t i = 0; i < n; i++)
		cnt += take_sample(c, profile, &profile->samples.v[i], &f[cnt]);
	cnt = unite(f, cnt);
	qsort_r(f, cnt, sizeof(*f), compare_functions, r);
	c->functions = f;
	r->functions = f;
	r->functions_cnt = cnt < CONTRAST_FUNCTIONS_MAX ? cnt : CONTRAST_FUNCTIONS_MAX;
	return 0;
}

void contrast__sides(const struct contrast *c, const struct profile *profile, uint8_t *sides)
{
	for (uint32_t i = 0; i < profile->samples.cnt; i++) {
		const struct contrast_served *served =
			served_of(c, profile, &profile->samples.v[i]);

		sides[i] = (uint8_t)(served ? served->side : CONTRAST_SIDES);
	}
}
