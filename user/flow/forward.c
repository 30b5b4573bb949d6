// SPDX-License-Identifier: Apache-2.0
/*
 * The parents of requests that a proxy passes on. A proxy has a scheduler of its own: nothing that the kernel
 * sees tells for which request a thread sends. But the message does: a client's request whose method and
 * target are those of a request that the same process received and has not answered, and which has all of
 * its header lines, is that request, passed on.
 *
 * A request in progress that cannot be excluded is a candidate, too: one of which not all was seen, and one
 * that lacks some line here, as the proxy may take lines away, but explains as many of them.
 *
 * Two programs may use one library, and what that sends always looks the same. So a message is believed
 * only if it shows that it was written by another program than the one that it names: a line tells so,
 * or the name User-Agent is spelled in another way, or the version of HTTP is another one, or the process is
 * of a program that makes no requests of its own.
 */
#include "user/flow/internal.h"

#include "user/base/hash.h"

/* What was in progress before it could be seen is over by then. */
#define SETTLE_NS 1000000000ull
/* So many requests of a process are looked at before it must have sent one. */
#define TRIAL_CNT 1024
#define LOOKED_AT_MAX 64
#define LINES_MIN 3 /* prove something without a User-Agent */

/* What the requests in progress have to say about a new one. */
struct tally {
	struct exchange *found; /* the last of those it may be */
	uint32_t cnt;
	uint32_t rivals_cnt;  /* those that lack something, and yet may be it: */
	uint32_t rival_lines; /* the most lines that one of them explains */
};

static const struct slice proxies[] = {
	SLICE("nginx"),	  SLICE("haproxy"), SLICE("envoy"), SLICE("traefik"),  SLICE("caddy"),
	SLICE("apache2"), SLICE("httpd"),   SLICE("squid"), SLICE("varnishd"), SLICE("nghttpx"),
	SLICE("h2o"),	  SLICE("angie"),   SLICE("pound"),
};

void forward_init(struct flow *flow)
{
	flow->forward.fingerprint.seed = hash_seed();
}

/* Of two processes in one place, the earlier one is forgotten. */
static struct forwarder *forwarder_of(struct flow *flow, uint32_t process_id)
{
	uint64_t hash = process_id * 0x9e3779b97f4a7c15ull;
	struct forwarder *f = &flow->forward.processes[(hash >> 32) % FORWARD_PROCESSES];

	if (f->process_id != process_id)
		*f = (struct forwarder){.process_id = process_id, .sure_ns = f->sure_ns};
	return f;
}

static void settle(struct forwarder *f, uint64_t now_ns)
{
	if (f->sure_ns < now_ns + SETTLE_NS)
		f->sure_ns = now_ns + SETTLE_NS;
}

struct fingerprint *forward_wants(struct flow *flow, const struct conn *conn, enum sender sender)
{
	struct forwarder *f;

	if (sender != FROM_CLIENT || !conn->protocol->fingerprints)
		return NULL;
	f = forwarder_of(flow, conn->process_id);
	if (conn->role == ROLE_CLIENT) {
		if (!f->asks && f->served_cnt >= TRIAL_CNT)
			settle(f, conn->last_ns);
		f->asks = true;
		if (!f->serves)
			return NULL;
	} else {
		f->serves = true;
		if (!f->asks && f->served_cnt >= TRIAL_CNT)
			return NULL;
	}
	fingerprint__begin(&flow->forward.fingerprint);
	return &flow->forward.fingerprint;
}

static struct exchange **bucket_of(struct flow *flow, uint32_t process_id, uint64_t target)
{
	uint64_t hash = (target ^ process_id) * 0x9e3779b97f4a7c15ull;

	return &flow->forward.buckets[(hash >> 40) % FORWARD_BUCKETS];
}

static void enter(struct flow *flow, struct exchange *x, const struct fingerprint *f)
{
	struct exchange **bucket = bucket_of(flow, x->process_id, f->target);

	forwarder_of(flow, x->process_id)->served_cnt++;
	fingerprint__copy(&x->fingerprint, f);
	x->alike_next = *bucket;
	x->alike_link = bucket;
	if (*bucket)
		(*bucket)->alike_link = &x->alike_next;
	*bucket = x;
}

/* Is there enough in it to tell it from a request that many send? */
static bool says_enough(const struct fingerprint *f)
{
	return f->agent || f->lines_cnt >= LINES_MIN;
}

static bool is_proxy(const struct flow *flow, uint32_t process_id)
{
	const struct resource *resource = flow->options.resource(flow->options.ctx, process_id);
	const struct attr *name = attrs_get(&resource->attrs, SLICE("process.executable.name"));

	for (size_t i = 0; name && i < sizeof(proxies) / sizeof(*proxies); i++)
		if (name->type == ATTR_STRING && slice_eq(name->str, proxies[i]))
			return true;
	return false;
}

/* The message shows that it was not made here. */
static bool is_passed_on(const struct flow *flow, const struct exchange *served,
			 const struct fingerprint *sent)
{
	const struct fingerprint *received = &served->fingerprint;

	return sent->passed_on ||
	       (received->agent &&
		(received->agent != sent->agent || received->version != sent->version)) ||
	       is_proxy(flow, served->process_id);
}

static void count(struct tally *tally, struct exchange *x, uint32_t lines_cnt)
{
	if (x) {
		tally->found = x;
		tally->cnt++;
		return;
	}
	tally->rivals_cnt++;
	if (tally->rival_lines < lines_cnt)
		tally->rival_lines = lines_cnt;
}

/* False if there are too many to look at. */
static bool look_at(struct flow *flow, uint32_t process_id, uint64_t target,
		    const struct fingerprint *sent, struct tally *fresh, struct tally *all)
{
	uint32_t left = LOOKED_AT_MAX;

	for (struct exchange *x = *bucket_of(flow, process_id, target); x; x = x->alike_next) {
		const struct fingerprint *f = &x->fingerprint;
		uint32_t shared_cnt = UINT32_MAX; /* it may be anything */
		bool same = false;

		if (x->process_id != process_id || f->target != target || x->responded)
			continue;
		if (!left--)
			return false;
		if (f->whole) {
			shared_cnt = fingerprint_shared(f, sent);
			same = shared_cnt == f->lines_cnt && says_enough(f);
		}
		count(all, same ? x : NULL, shared_cnt);
		if (!x->forwarded)
			count(fresh, same ? x : NULL, shared_cnt);
	}
	return true;
}

/*
 * Of those that were not passed on so far; or else it is another time, as where a proxy sends copies to
 * several servers, of which it then is no news.
 */
static const struct tally *choose(struct forwarder *f, const struct tally *fresh,
				  const struct tally *all)
{
	if (!f->repeats && fresh->cnt)
		return fresh;
	return all;
}

static bool is_sure(const struct flow *flow, const struct forwarder *f, uint64_t now_ns)
{
	return now_ns >= f->sure_ns && now_ns >= flow->began_ns + SETTLE_NS &&
	       account_get(ACCOUNT_RING_FULL) == flow->ring_full_cnt &&
	       (!flow->ring_full_ns || now_ns >= flow->ring_full_ns + SETTLE_NS);
}

static void find_parent(struct flow *flow, struct exchange *x, const struct fingerprint *sent)
{
	struct forwarder *f = forwarder_of(flow, x->process_id);
	struct tally fresh = {0}, all = {0};
	const struct tally *tally;
	bool few, sure;

	if (!sent->whole || !is_sure(flow, f, x->start_ns))
		return;
	few = look_at(flow, x->process_id, sent->target, sent, &fresh, &all) &&
	      look_at(flow, x->process_id, 0, sent, &fresh, &all);
	tally = choose(f, &fresh, &all);
	if (!tally->cnt || !is_passed_on(flow, tally->found, sent))
		return;
	sure = few && tally->cnt == 1 &&
	       (!tally->rivals_cnt || tally->rival_lines < tally->found->fingerprint.lines_cnt);
	if (!sure) {
		if (x->parent_method != PARENT_NONE)
			return;
		x->parent_method = PARENT_AMBIGUOUS;
		x->candidates_cnt = tally->cnt + tally->rivals_cnt;
		return;
	}
	if (exchange__adopt(tally->found, x, PARENT_FORWARD)) {
		f->repeats |= tally->found->forwarded;
		tally->found->forwarded = true;
	}
}

void forward_begin(struct flow *flow, struct exchange *x, const struct fingerprint *f)
{
	struct exchange *parent = x->parent;

	if (!f || x->initiator != FROM_CLIENT)
		return;
	if (!conn_began(x))
		enter(flow, x, f);
	else if (x->parent_method == PARENT_NONE || x->parent_method == PARENT_AMBIGUOUS)
		find_parent(flow, x, f);
	else if (parent && parent->alike_link && parent->fingerprint.target == f->target)
		parent->forwarded = true;
}

/* What failed may be tried again, elsewhere. */
static bool has_failed(const struct exchange *x)
{
	const struct attr *status = attrs_get(&x->response, SLICE("http.response.status_code"));

	return !x->responded || x->failure.n || !status || status->num >= 400;
}

void forward_end(struct exchange *x)
{
	if (x->alike_link) {
		*x->alike_link = x->alike_next;
		if (x->alike_next)
			x->alike_next->alike_link = x->alike_link;
		x->alike_link = NULL;
	}
	if (x->parent_method == PARENT_FORWARD && x->parent && has_failed(x))
		x->parent->forwarded = false;
}

void forward_missed(struct flow *flow, const struct conn *conn)
{
	if (conn->protocol && conn->protocol->fingerprints && conn->role != ROLE_CLIENT)
		settle(forwarder_of(flow, conn->process_id), conn->last_ns);
}
