// SPDX-License-Identifier: Apache-2.0
/* Wires the stages together; see pipeline.h for the threads. */
#include "user/pipeline.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "user/base/account.h"
#include "user/base/clock.h"
#include "user/base/log.h"
#include "user/base/queue.h"
#include "user/base/thread.h"
#include "user/capture/capture.h"
#include "user/capture/recording.h"
#include "user/export/exporter.h"
#include "user/export/otlp_profile.h"
#include "user/export/prometheus.h"
#include "user/flow/flow.h"
#include "user/ident/ident.h"
#include "user/profile/profiler.h"
#include "user/pipeline_options.h"
#include "user/policy/red.h"
#include "user/policy/tail_sampler.h"
#include "user/policy/trigger.h"
#include "user/protocols/protocol.h"
#include "user/redaction.h"
#include "user/tls_probes.h"

#define QUEUE_BATCHES 256
#define SPARE_BATCHES_MAX 16
#define TAILS_EVERY_NS 50000000ull
#define CLOCK_EVERY_NS 10000000000ull
#define SERVED_LATE_NS 1000000000ull
#define PROBES_WAIT_NS 5000000000ull /* for what runs already, before it is said that all is seen */
#define PROFILE_DRAIN_MS 100 /* nobody waits for samples, and unknown stacks wake the reader */
#define OPTIONS_ARENA_MAX (16u * 1024 * 1024) /* of all headers: more than a file may hold */

struct pipeline {
	struct pipeline_options options;
	struct capture *capture;
	struct recorder *recorder;
	int record_err; /* after it nothing more is recorded */
	struct flow *flow;
	struct ident *ident;
	struct red *red;	   /* NULL: no metrics */
	uint64_t metric_period_ns; /* and this: of the thread that polls */
	uint64_t metric_due_ns;
	struct tail_sampler *sampler; /* NULL: everything is kept */
	struct trigger *trigger;      /* NULL: nothing is sampled faster */
	struct exporter *exporter;
	struct profiler *profiler; /* NULL: no samples are taken */
	struct prober *prober;	   /* NULL: what is encrypted stays so */
	struct unknown_table *unknown;
	struct queue *queue;
	pthread_mutex_t redact_lock; /* a reload comes from another thread */
	struct redactor *redactor;
	uint64_t unix_offset_ns; /* when capture began */
	struct arena arena;	 /* texts of the exporter's options */
	pthread_t thread;
	bool threaded;
	atomic_bool stopping, ended;
	_Atomic uint32_t connection_cnt;
	pthread_mutex_t spare_lock;
	struct span_batch *spare;
	int spare_cnt;
};

/* --- batches go round ------------------------------------------------------------------------- */

static void recycle(void *ctx, struct span_batch *batch)
{
	struct pipeline *p = ctx;

	span_batch__reset(batch);
	pthread_mutex_lock(&p->spare_lock);
	if (p->spare_cnt < SPARE_BATCHES_MAX) {
		batch->next = p->spare;
		p->spare = batch;
		p->spare_cnt++;
		batch = NULL;
	}
	pthread_mutex_unlock(&p->spare_lock);
	span_batch__free(batch);
}

static struct span_batch *empty_batch(struct pipeline *p)
{
	struct span_batch *batch;

	pthread_mutex_lock(&p->spare_lock);
	batch = p->spare;
	if (batch) {
		p->spare = batch->next;
		p->spare_cnt--;
		batch->next = NULL;
	}
	pthread_mutex_unlock(&p->spare_lock);
	return batch ?: span_batch__new();
}

static void hand_over(struct pipeline *p, struct span_batch *batch)
{
	if (p->exporter)
		exporter__push(p->exporter, batch);
	else
		recycle(p, batch);
}

static struct span_batch *hand_over_kept(void *ctx, struct span_batch *batch)
{
	hand_over(ctx, batch);
	return empty_batch(ctx);
}

static void redact_batch(struct pipeline *p, struct span_batch *batch)
{
	pthread_mutex_lock(&p->redact_lock);
	for (uint32_t i = 0; i < batch->cnt; i++)
		redactor__span(p->redactor, &batch->spans[i], &batch->arena);
	pthread_mutex_unlock(&p->redact_lock);
}

static void redact_resource(void *ctx, struct attrs *attrs, struct arena *arena)
{
	struct pipeline *p = ctx;

	pthread_mutex_lock(&p->redact_lock);
	redactor__attrs(p->redactor, attrs, arena);
	pthread_mutex_unlock(&p->redact_lock);
}

static void deliver(struct pipeline *p, struct span_batch *batch)
{
	if (p->trigger)
		trigger__observe(p->trigger, batch, clock_mono_ns(), clock_unix_ns());
	if (p->red)
		red__observe(p->red, batch);
	if (p->options.show && batch->cnt)
		p->options.show(p->options.show_ctx, batch);
	account_add(ACCOUNT_LEFT_OUT_SDK, span_batch__leave_out(batch));
	if (p->sampler)
		tail_sampler__push(p->sampler, batch, clock_mono_ns());
	else
		hand_over(p, batch);
}

/* Redacts before anything else sees the spans. */
static struct span_batch *emit(void *ctx, struct span_batch *batch)
{
	struct pipeline *p = ctx;

	redact_batch(p, batch);
	if (!p->threaded || !p->options.show) {
		deliver(p, batch);
	} else if (!queue__push(p->queue, batch)) {
		account_add(ACCOUNT_LOST_QUEUE, batch->cnt);
		span_batch__reset(batch);
		return batch;
	}
	return empty_batch(p);
}

/* --- metrics ---------------------------------------------------------------------------------- */

static void send_metrics(struct pipeline *p)
{
	uint64_t now_ns = clock_unix_ns();
	struct metric_snapshot snapshot;

	if (red__snapshot(p->red, now_ns, &snapshot)) {
		log_error("no metrics this time: out of memory");
		return;
	}
	red__next_interval(p->red, now_ns);
	if (p->exporter)
		exporter__push_metrics(p->exporter, &snapshot);
	metric_snapshot__free(&snapshot);
}

static void send_metrics_when_due(struct pipeline *p)
{
	uint64_t now_ns = clock_mono_ns();

	if (!p->red || now_ns < p->metric_due_ns)
		return;
	send_metrics(p);
	p->metric_due_ns = now_ns + p->metric_period_ns;
}

void pipeline__write_metrics(const struct pipeline *p, FILE *out)
{
	struct metric_snapshot snapshot;

	if (!p->red || red__snapshot(p->red, clock_unix_ns(), &snapshot))
		return;
	prometheus_write(out, &snapshot);
	metric_snapshot__free(&snapshot);
}

/* --- callbacks between siblings --------------------------------------------------------------- */

static struct resource *resource_of(void *ctx, uint32_t process_id)
{
	struct pipeline *p = ctx;

	return ident__resource(p->ident, process_id) ?: ident__unknown(p->ident);
}

static void give_verdict(void *ctx, uint64_t cookie, const struct verdict *verdict)
{
	struct pipeline *p = ctx;

	if (p->capture)
		capture__verdict(p->capture, cookie, verdict);
}

static void own_connection(void *ctx, const char *local_ip, int local_port)
{
	struct pipeline *p = ctx;

	if (p->capture)
		capture__own_end(p->capture, local_ip, local_port);
}

static void note_unknown(void *ctx, const struct unknown *unknown)
{
	struct pipeline *p = ctx;

	unknown_table__add(p->unknown, resource_of(p, unknown->process_id)->service_name, unknown);
}

static void served(void *ctx, const struct served *served)
{
	struct pipeline *p = ctx;

	if (p->profiler)
		profiler__served(p->profiler, served);
}

static void take_sample(struct pipeline *p, const struct record_sample *sample)
{
	struct resource *resource;

	if (!p->profiler) /* a replay */
		return;
	resource = resource_of(p, sample->process_id);
	profiler__sample(p->profiler, sample, resource);
	if (p->trigger && !sample->off_cpu)
		trigger__sampled(p->trigger, resource, sample->burst);
	if (sample->request_cookie)
		flow__sampled(p->flow, sample->request_cookie, sample->request_off);
}

static int begin_burst(void *ctx, const struct burst *burst)
{
	struct pipeline *p = ctx;
	uint32_t hz = (uint32_t)p->options.config->triggers.frequency_hz;
	int err = p->capture && p->profiler ? capture__start_fast_clock(p->capture, hz) : -ENODEV;

	if (err)
		log_error("cannot sample %s faster: %s", burst->service, strerror(-err));
	else
		profiler__begin_burst(p->profiler, burst);
	return err;
}

static int join_burst(void *ctx, const struct burst *burst, uint32_t pid)
{
	return capture__sample_fast(((struct pipeline *)ctx)->capture, pid, burst->number);
}

static void leave_burst(void *ctx, uint32_t pid)
{
	capture__sample_fast(((struct pipeline *)ctx)->capture, pid, 0);
}

static void end_bursts(void *ctx)
{
	capture__stop_fast_clock(((struct pipeline *)ctx)->capture);
}

static void deliver_burst(void *ctx, const struct burst *burst)
{
	profiler__end_burst(((struct pipeline *)ctx)->profiler, burst);
}

static void export_profile(struct pipeline *p, const struct profile *profile)
{
	struct pb_writer writer;
	int err;

	if (!p->exporter || !profile->samples.cnt || !exporter__wants(p->exporter, SIGNAL_PROFILES))
		return;
	pb_writer__init(&writer, OTLP_REQUEST_MAX_SZ);
	err = otlp_profile_encode(&writer, profile, SONDE_VERSION);
	if (err) {
		log_error("cannot encode a profile: %s", strerror(-err));
		account_add(ACCOUNT_SAMPLES_FAILED, profile->samples.cnt);
	} else {
		exporter__push_encoded(p->exporter, SIGNAL_PROFILES, pb_writer__bytes(&writer),
				       profile->samples.cnt);
	}
	pb_writer__free(&writer);
}

/* In the profile thread. */
static void take_profile(void *ctx, struct profile *profile)
{
	struct pipeline *p = ctx;

	export_profile(p, profile);
	if (p->options.profile)
		p->options.profile(p->options.profile_ctx, profile);
	else
		profile__free(profile);
}

static void keep_record(struct pipeline *p, const struct record_head *record)
{
	p->record_err = recorder__write(p->recorder, record);
	if (p->record_err)
		log_error("cannot write %s: %s; the recording ends here", p->options.record_file,
			  strerror(-p->record_err));
}

static void take_record(void *ctx, const struct record_head *record)
{
	struct pipeline *p = ctx;

	if (p->recorder && !p->record_err)
		keep_record(p, record);
	switch (record->kind) {
	case RECORD_PROCESS:
		ident__process(p->ident, (const struct record_process *)record, record->size);
		break;
	case RECORD_EXIT:
		ident__exit(p->ident, ((const struct record_exit *)record)->process_id);
		break;
	case RECORD_SAMPLE:
		take_sample(p, (const struct record_sample *)record);
		break;
	default:
		flow__record(p->flow, record);
	}
}

/* --- life ------------------------------------------------------------------------------------- */

static int open_exporter(struct pipeline *p)
{
	struct exporter_options o;
	int err =
		exporter_options_of(p->options.config, p->options.export_by_default, &p->arena, &o);

	o.version = SONDE_VERSION;
	o.wait = p->options.wait_for_export;
	o.recycle = recycle;
	o.connected = own_connection;
	o.ctx = p;
	if (!p->red)
		o.endpoints[SIGNAL_METRICS].url = NULL;
	if (!p->options.sample_hz)
		o.endpoints[SIGNAL_PROFILES].url = NULL;
	p->metric_period_ns = o.metric_interval_ms * 1000000ull;
	p->metric_due_ns = clock_mono_ns() + p->metric_period_ns;
	if (err || !exporter_options_any(&o))
		return err;
	p->exporter = exporter__new(&o);
	return p->exporter ? 0 : -errno;
}

static int open_ident(struct pipeline *p)
{
	struct attrs extra;
	struct ident_options o = {
		.version = SONDE_VERSION,
		.extra = &extra,
		.redact = redact_resource,
		.ctx = p,
	};
	int err = resource_attrs_of(p->options.config, &p->arena, &extra);

	if (err)
		return err;
	p->ident = ident__new(&o);
	return p->ident ? 0 : -errno;
}

static int open_red(struct pipeline *p)
{
	const struct config *c = p->options.config;

	if (!p->options.with_policy || !c->metrics.enabled)
		return 0;
	p->red = red__new((uint32_t)c->metrics.max_series, ident__unknown(p->ident),
			  clock_unix_ns());
	return p->red ? 0 : -errno;
}

static int open_sampler(struct pipeline *p)
{
	const struct config *c = p->options.config;
	struct tail_sampler_options o = {
		.wait_ns = c->sampling.wait_ns,
		.max_waiting_sz = c->sampling.max_waiting_sz,
		.emit = hand_over_kept,
		.recycle = recycle,
		.ctx = p,
	};

	if (!p->options.with_policy)
		return 0;
	p->sampler = tail_sampler__new(&o);
	return p->sampler ? 0 : -errno;
}

static int open_trigger(struct pipeline *p)
{
	const struct config *c = p->options.config;
	struct trigger_options o = {
		.band.margin = c->triggers.margin,
		.band.floor_ns = c->triggers.floor_ns,
		.band.warm_up_ns = c->triggers.warm_up_ns,
		.period_ns = 1000000000u / c->triggers.frequency_hz,
		.duration_ns = c->triggers.duration_ns,
		.cool_down_ns = c->triggers.cool_down_ns,
		.time_share = c->triggers.time_share,
		.at_once = (uint32_t)c->triggers.at_once,
		.max_traces = (uint32_t)c->triggers.max_traces,
		.begin = begin_burst,
		.join = join_burst,
		.leave = leave_burst,
		.end = end_bursts,
		.deliver = deliver_burst,
		.ctx = p,
	};

	if (!p->options.with_policy || !p->options.sample_hz || !c->triggers.enabled)
		return 0;
	p->trigger = trigger__new(&o);
	return p->trigger ? 0 : -errno;
}

static bool share_context(void *ctx, struct context_offer *offer)
{
	struct pipeline *p = ctx;

	return p->capture && capture__share(p->capture, offer);
}

static void unshare_context(void *ctx, const struct context_offer *offer)
{
	struct pipeline *p = ctx;

	capture__unshare(p->capture, offer);
}

static int open_flow(struct pipeline *p)
{
	struct span_batch *first = empty_batch(p);
	struct flow_options o = flow_options_of(p->options.config);

	if (!p->exporter)
		o.leave_out = FLOW_LEAVE_OUT_NONE;
	o.resource = resource_of;
	o.emit = emit;
	o.verdict = give_verdict;
	o.served = served;
	o.unknown = note_unknown;
	if (p->options.config->propagation.context_map) {
		o.share = share_context;
		o.unshare = unshare_context;
	}
	o.ctx = p;
	p->flow = first ? flow__new(&o, first) : NULL;
	if (p->flow)
		return 0;
	span_batch__free(first);
	return -ENOMEM;
}

/* 0, or -1 with why and things as they were. */
static int set_redactor(struct pipeline *p, const struct config *config, char why[REDACT_WHY_SZ])
{
	struct redactor *fresh = redaction_new(config, why), *old = p->redactor;

	if (!fresh)
		return -1;
	pthread_mutex_lock(&p->redact_lock);
	p->redactor = fresh;
	pthread_mutex_unlock(&p->redact_lock);
	redactor__free(old);
	return 0;
}

static void set_sampling(struct pipeline *p, const struct config *config)
{
	if (p->sampler &&
	    tail_sampler__set(p->sampler, config->sampling.probability, config->sampling.slow_ns))
		log_error("sampling stays as it was: out of memory");
}

void pipeline__reconfigure(struct pipeline *p, const struct config *config)
{
	char why[REDACT_WHY_SZ];

	if (set_redactor(p, config, why))
		log_error("redaction goes on as before: %s", why);
	set_sampling(p, config);
}

int pipeline__retarget(struct pipeline *p, char why[PIPELINE_WHY_SZ])
{
	struct targets targets = targets_of(p->options.config, &p->options.only_pid);

	return capture__retarget(p->capture, &targets, why);
}

void pipeline__reprobe(struct pipeline *p)
{
	prober__free(p->prober);
	p->prober = NULL;
	if (!p->options.config->tls.enabled || !capture__has_uprobes(p->capture))
		return;
	p->prober = tls_probes_start(p->options.config, p->capture, p->options.only_pid);
	if (!p->prober)
		log_error("TLS is not seen: cannot start a thread: %s", strerror(errno));
	else
		prober__wait(p->prober, PROBES_WAIT_NS);
}

void pipeline__propagate(struct pipeline *p)
{
	const struct config *c = p->options.config;
	struct targets denied = denied_ids_of(c);
	bool in_header = c->propagation.mode == CONFIG_PROPAGATION_HEADER;
	char why[PIPELINE_WHY_SZ];

	if (c->propagation.mode == CONFIG_PROPAGATION_OFF)
		capture__keep_ids(p->capture);
	else if (capture__send_ids(p->capture, &denied, in_header, why))
		log_error("propagation is off, requests to other hosts carry no ids: %s", why);
	else
		log_info("requests to other hosts carry ids in a %s; its test has passed",
			 in_header ? "header" : "TCP option");
}

struct pipeline *pipeline__new(const struct pipeline_options *options, char why[PIPELINE_WHY_SZ])
{
	struct pipeline *p = calloc(1, sizeof(*p));
	char redact_why[REDACT_WHY_SZ];
	int err;

	if (!p) {
		snprintf(why, PIPELINE_WHY_SZ, "out of memory");
		return NULL;
	}
	p->options = *options;
	pthread_mutex_init(&p->spare_lock, NULL);
	pthread_mutex_init(&p->redact_lock, NULL);
	arena__init(&p->arena, OPTIONS_ARENA_MAX);
	if (set_redactor(p, options->config, redact_why)) {
		snprintf(why, PIPELINE_WHY_SZ, "cannot redact: %s", redact_why);
		pipeline__free(p);
		return NULL;
	}
	p->queue = queue__new(QUEUE_BATCHES);
	p->unknown = unknown_table__new();
	err = p->queue && p->unknown ? open_ident(p) : -ENOMEM;
	err = err ?: open_red(p);
	err = err ?: open_sampler(p);
	err = err ?: open_trigger(p);
	set_sampling(p, options->config);
	if (!err && open_exporter(p)) { /* has said why */
		snprintf(why, PIPELINE_WHY_SZ, "cannot start to export");
		pipeline__free(p);
		return NULL;
	}
	err = err ?: open_flow(p);
	if (!err)
		return p;
	snprintf(why, PIPELINE_WHY_SZ, "cannot start: %s", strerror(-err));
	pipeline__free(p);
	return NULL;
}

/* --- capture ---------------------------------------------------------------------------------- */

/* An error is nothing that the next call mends, so it must not become a busy loop. */
static void drain(struct pipeline *p, int interval_ms)
{
	static struct log_limit limit;
	int err = capture__drain(p->capture, interval_ms);
	unsigned long missed;

	if (!err)
		return;
	if (log_limit_pass(&limit, &missed))
		log_error("cannot read the ring: %s", strerror(-err));
	nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
}

static void *capture_loop(void *arg)
{
	struct pipeline *p = arg;
	int interval_ms = (int)(p->options.config->capture.drain_interval_ns / 1000000);
	uint64_t offset_ns = p->unix_offset_ns, clock_ns = clock_mono_ns(), tails_ns = 0;
	struct tracer_counts counts;
	uint64_t unheard_cnt = 0;
	bool last = false;

	if (p->options.profile_only && interval_ms < PROFILE_DRAIN_MS)
		interval_ms = PROFILE_DRAIN_MS;
	flow__tick(p->flow, clock_ns, offset_ns);
	while (!last) {
		uint64_t now_ns;

		last = atomic_load(&p->stopping);
		if (last)
			capture__end_samples(p->capture);
		drain(p, last ? 0 : interval_ms ?: 1);
		now_ns = clock_mono_ns();
		if (now_ns - clock_ns > CLOCK_EVERY_NS) {
			offset_ns = clock_unix_offset_ns();
			clock_ns = now_ns;
		}
		flow__tick(p->flow, now_ns, offset_ns);
		ident__tick(p->ident, now_ns);
		if (p->sampler)
			tail_sampler__tick(p->sampler, now_ns);
		if (p->trigger)
			trigger__tick(p->trigger, now_ns, now_ns + offset_ns);
		if (last || (flow__wants_tails(p->flow) && now_ns - tails_ns > TAILS_EVERY_NS)) {
			capture__flush_tails(p->capture);
			tails_ns = now_ns;
		}
		capture__commit_verdicts(p->capture);
		capture__counts(p->capture, &counts);
		account_set(ACCOUNT_RING_FULL, counts.ring_full);
		account_set(ACCOUNT_UNREADABLE, counts.unreadable);
		account_set(ACCOUNT_NO_STORAGE, counts.no_storage);
		account_set(ACCOUNT_UNRETURNED, counts.unreturned);
		account_set(ACCOUNT_TLS_UNBOUND, counts.tls_unbound);
		account_set(ACCOUNT_TLS_BUSY, counts.tls_busy);
		account_set(ACCOUNT_SAMPLES_FULL, counts.samples_full);
		account_set(ACCOUNT_SAMPLES_BUSY, counts.samples_busy);
		account_add(ACCOUNT_LOST_RING, counts.unheard - unheard_cnt);
		unheard_cnt = counts.unheard;
		if (p->profiler)
			profiler__flush(p->profiler, offset_ns);
		atomic_store(&p->connection_cnt, flow__connection_cnt(p->flow));
		if (p->options.tick)
			p->options.tick(p->options.tick_ctx);
	}
	drain(p, 0);
	atomic_store(&p->ended, true);
	return NULL;
}

/* What the unwinder has to tell the kernel's side. Capture is there before the first sample is. */
static void *map_unwind(void *ctx, bool table, uint32_t cnt, int *fd)
{
	return capture__map_unwind(((struct pipeline *)ctx)->capture, table, cnt, fd);
}

static void unmap_unwind(void *ctx, bool table, void *memory, uint32_t cnt)
{
	capture__unmap_unwind(((struct pipeline *)ctx)->capture, table, memory, cnt);
}

static int publish_unwind(void *ctx, bool table, const uint32_t *ids, const int *fds, uint32_t cnt)
{
	return capture__publish_unwind(((struct pipeline *)ctx)->capture, table, ids, fds, cnt);
}

static void withdraw_unwind(void *ctx, bool table, const uint32_t *ids, uint32_t cnt)
{
	capture__withdraw_unwind(((struct pipeline *)ctx)->capture, table, ids, cnt);
}

static int set_unwind_rules(void *ctx, uint32_t first, const struct unwind_rule *rules,
			    uint32_t cnt)
{
	return capture__unwind_rules(((struct pipeline *)ctx)->capture, first, rules, cnt);
}

static int set_python(void *ctx, uint32_t process_id, const struct python_layout *layout)
{
	return capture__set_python(((struct pipeline *)ctx)->capture, process_id, layout);
}

static int set_v8(void *ctx, uint32_t process_id, const struct v8_layout *layout)
{
	return capture__set_v8(((struct pipeline *)ctx)->capture, process_id, layout);
}

static int set_thread_context(void *ctx, uint32_t process_id,
			      const struct thread_context_place *place)
{
	return capture__set_thread_context(((struct pipeline *)ctx)->capture, process_id, place);
}

/* A request is served, or given up, after exchange_timeout: then no sample need wait for it. */
static int start_profiler(struct pipeline *p)
{
	const struct profiler_options o = {
		.period_ns = 1000000000u / p->options.sample_hz,
		.off_cpu = p->options.off_cpu,
		.waits_period_ns = p->options.waits_hz ? 1000000000u / p->options.waits_hz : 0,
		.interval_ns = p->options.profile_interval_ns,
		.lines = p->options.lines,
		.debuginfod = p->options.config->profiles.debuginfod,
		.wait_ns = p->options.profile_only
				   ? 0
				   : p->options.config->flow.exchange_timeout_ns + SERVED_LATE_NS,
		.unwind_sink =
			{
				.ctx = p,
				.map = map_unwind,
				.unmap = unmap_unwind,
				.publish = publish_unwind,
				.withdraw = withdraw_unwind,
				.rules = set_unwind_rules,
				.python = set_python,
				.v8 = set_v8,
				.thread_context = set_thread_context,
			},
		.deliver = take_profile,
		.ctx = p,
	};

	p->profiler = profiler__new(&o);
	return p->profiler ? 0 : -1;
}

int pipeline__start(struct pipeline *p, char why[PIPELINE_WHY_SZ])
{
	const struct config *c = p->options.config;
	struct capture_options o = {
		.targets = targets_of(c, &p->options.only_pid),
		.ring_sz = c->capture.ring_sz,
		.copy_first_sz = (uint32_t)c->capture.copy_first_sz,
		.copy_turn_sz = (uint32_t)c->capture.copy_turn_sz,
		.max_connections = (uint32_t)c->capture.max_connections,
		.variant = config_variant_name(c),
		.short_walk = c->capture.short_walk,
		.timing = c->capture.time_account,
		.record = take_record,
		.ctx = p,
		.tracing = !p->options.profile_only,
		.tls = true, /* even if it is off: a reload may switch it on */
		/* A reload of the agent may switch it on. */
		.propagation = p->options.with_policy || c->propagation.mode,
		.sample_hz = p->options.off_cpu ? 0 : p->options.sample_hz,
		.bursts = p->trigger,
		.context_map = c->profiles.context_map,
		.share_map = c->propagation.context_map,
		.off_cpu_hz = p->options.off_cpu ? p->options.sample_hz : p->options.waits_hz,
		.sample_or_fail = p->options.sample_or_fail,
	};
	int err;

	if (p->options.sample_hz && start_profiler(p)) {
		snprintf(why, PIPELINE_WHY_SZ, "cannot start to profile: %s", strerror(errno));
		return -1;
	}
	p->capture = capture__new(&o, why);
	if (!p->capture)
		return -1;
	FOR_EACH_PROTOCOL (protocol)
		if (protocol->shape)
			capture__shape(p->capture, protocol_index(protocol), protocol->shape);
	p->unix_offset_ns = clock_unix_offset_ns(); /* a replay gives the very same times */
	if (p->options.record_file) {
		p->recorder = recorder__new(p->options.record_file, p->unix_offset_ns);
		if (!p->recorder) {
			snprintf(why, PIPELINE_WHY_SZ, "cannot write %s: %s",
				 p->options.record_file, strerror(errno));
			return -1;
		}
	}
	p->threaded = true; /* the thread reads it */
	err = thread_start(&p->thread, "sonde-capture", capture_loop, p);
	if (err) {
		p->threaded = false;
		snprintf(why, PIPELINE_WHY_SZ, "cannot start a thread: %s", strerror(-err));
		return -1;
	}
	pipeline__propagate(p);
	pipeline__reprobe(p);
	return 0;
}

bool pipeline__poll(struct pipeline *p, int timeout_ms)
{
	struct span_batch *batch = queue__pop(p->queue, timeout_ms);

	if (batch)
		deliver(p, batch);
	send_metrics_when_due(p);
	return batch;
}

static uint64_t record_time(const struct record_head *record)
{
	switch (record->kind) {
	case RECORD_CONNECTION:
		return ((const struct record_connection *)record)->time_ns;
	case RECORD_OP:
	case RECORD_FRAMES:
	case RECORD_TAIL:
		return ((const struct record_op *)record)->time_ns;
	case RECORD_END:
		return ((const struct record_end *)record)->time_ns;
	case RECORD_DATAGRAM:
		return ((const struct record_datagram *)record)->time_ns;
	}
	return 0;
}

int pipeline__replay(struct pipeline *p, const char *file, char why[PIPELINE_WHY_SZ])
{
	uint64_t offset_ns, now_ns = 0, ticked_ns = 0;
	struct replay *replay = replay__open(file, &offset_ns);
	const struct record_head *record;
	bool broken = false;

	if (!replay) {
		snprintf(why, PIPELINE_WHY_SZ, "cannot replay %s: %s", file,
			 errno == EPROTO ? "not a recording of this version of sonde"
					 : strerror(errno));
		return -1;
	}
	flow__tick(p->flow, 0, offset_ns);
	while ((record = replay__next(replay, &broken))) {
		if (record_time(record) > now_ns)
			now_ns = record_time(record);
		take_record(p, record);
		if (now_ns - ticked_ns > 20000000) {
			flow__tick(p->flow, now_ns, offset_ns);
			ticked_ns = now_ns;
		}
	}
	replay__close(replay);
	flow__tick(p->flow, now_ns, offset_ns);
	if (broken)
		log_warn("%s is cut: its end is missing", file);
	return 0;
}

/* What is left in the ring may be more batches than fit the queue. */
static void end_capture(struct pipeline *p)
{
	atomic_store(&p->stopping, true);
	while (!atomic_load(&p->ended))
		pipeline__poll(p, 1);
	pthread_join(p->thread, NULL);
	p->threaded = false;
	while (pipeline__poll(p, 0))
		;
}

static int end_recording(struct pipeline *p)
{
	int err = recorder__close(p->recorder);

	p->recorder = NULL;
	if (err && !p->record_err)
		log_error("cannot write %s: %s; the recording is cut", p->options.record_file,
			  strerror(-err));
	return err;
}

int pipeline__stop(struct pipeline *p, unsigned int deadline_ms)
{
	if (p->threaded)
		end_capture(p);
	prober__free(p->prober);
	p->prober = NULL;
	if (p->flow) { /* the first call */
		flow__free(p->flow);
		p->flow = NULL;
		if (p->sampler)
			tail_sampler__flush(p->sampler);
		if (p->red)
			send_metrics(p);
	}
	if (p->profiler)
		profiler__stop(p->profiler);
	if (p->exporter)
		exporter__stop(p->exporter, deadline_ms);
	return end_recording(p) ? -1 : 0;
}

void pipeline__free(struct pipeline *p)
{
	if (!p)
		return;
	pipeline__stop(p, 0);
	profiler__free(p->profiler);
	exporter__free(p->exporter);
	capture__free(p->capture);
	tail_sampler__free(p->sampler);
	trigger__free(p->trigger);
	red__free(p->red);
	ident__free(p->ident);
	queue__free(p->queue);
	while (p->spare) {
		struct span_batch *next = p->spare->next;

		span_batch__free(p->spare);
		p->spare = next;
	}
	arena__free(&p->arena);
	redactor__free(p->redactor);
	unknown_table__free(p->unknown);
	pthread_mutex_destroy(&p->redact_lock);
	pthread_mutex_destroy(&p->spare_lock);
	free(p);
}

uint32_t pipeline__connection_cnt(const struct pipeline *p)
{
	return atomic_load(&p->connection_cnt);
}

size_t pipeline__unknown(struct pipeline *p, struct unknown_row rows[UNKNOWN_ROWS_MAX])
{
	return unknown_table__rows(p->unknown, rows);
}
