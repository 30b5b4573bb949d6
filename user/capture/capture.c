// SPDX-License-Identifier: Apache-2.0
/* Loads, attaches, drains. */
#include "user/capture/capture.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf/tracer.skel.h"
#include "include/abi/go.h"
#include "include/abi/hop.h"
#include "include/abi/tls.h"
#include "user/base/account.h"
#include "user/base/address.h"
#include "user/base/log.h"
#include "user/capture/context_map.h"
#include "user/capture/context_share.h"
#include "user/capture/filter.h"
#include "user/capture/kprobes.h"
#include "user/capture/late_ends.h"
#include "user/capture/off_cpu.h"
#include "user/capture/probes.h"
#include "user/capture/propagation.h"
#include "user/capture/record.h"
#include "user/capture/sampler.h"
#include "user/capture/unwind_maps.h"
#include "user/capture/uprobes.h"
#include "user/capture/waits.h"

#define PROBES_MAX 16
#define RING_PER_CPU (2u * 1024 * 1024)
#define RING_MIN (2 * RING_PER_CPU)
#define RING_MAX (4 * RING_PER_CPU)
#define LINKS_MAX 32
#define FAST_CLOCK 1		/* its cookie */
#define DRAIN_MAX (512u * 1024) /* bytes; then verdicts and time-outs have their turn */

struct capture {
	struct tracer_bpf *bpf;
	struct ring_buffer *ring;
	struct late_ends *late_ends;
	struct bpf_link *links[LINKS_MAX];
	size_t links_cnt;
	uint32_t files_cnt;		 /* with probes, so far */
	struct sampler *sampler;	 /* NULL: no samples */
	struct sampler *fast_sampler;	 /* NULL: no process is in a burst */
	struct off_cpu_sampler *off_cpu; /* NULL: none of what is off the CPUs */
	struct bpf_link *tails;		 /* the iterator; NULL where there is none */
	struct bpf_link *hops;		 /* NULL while no ids are sent to other hosts */
	struct bpf_link *asked;		 /* socket_asked; NULL until there is a Puma */
	bool asked_tried;
	uint8_t *scratches; /* mapped; the counts stand first in each */
	size_t scratches_sz;
	int cpus;
	unsigned int uses; /* of the probes: USE_ bits */
	bool verdicts_pending;
	size_t drain_left; /* bytes that the drain in progress may still take */
	bool undrained;	   /* the last one left some behind */
	struct capture_options options;
};

static void hand_on(void *ctx, void *bytes, size_t len)
{
	const struct capture *capture = ctx;

	account_add(ACCOUNT_RECORDS, 1);
	account_add(ACCOUNT_RECORD_BYTES, len);
	if (record_valid(bytes, len))
		capture->options.record(capture->options.ctx, bytes);
	else
		account_add(ACCOUNT_RECORDS_INVALID, 1);
}

static int take_record(void *ctx, void *bytes, size_t len)
{
	struct capture *capture = ctx;

	hand_on(capture, bytes, len);
	capture->undrained = len > capture->drain_left;
	capture->drain_left -= capture->undrained ? capture->drain_left : len;
	return capture->undrained ? -EINTR : 0;
}

/*
 * Large enough for what the processors write while the reader waits for one of them, and as small
 * as that allows: what has been read is written over soonest while it is still in the caches.
 */
static uint64_t ring_sz(const struct capture *capture)
{
	uint64_t sz = RING_MIN;

	if (capture->options.ring_sz)
		return capture->options.ring_sz;
	while (sz < RING_MAX && sz < (uint64_t)capture->cpus * RING_PER_CPU)
		sz *= 2;
	return sz;
}

static size_t scratches_cnt(const struct capture *capture)
{
	return SCRATCHES((size_t)capture->cpus);
}

static void set_up(struct capture *capture)
{
	const struct capture_options *o = &capture->options;
	const uint32_t sessions =
		o->max_connections > TLS_SESSIONS_MIN ? o->max_connections : TLS_SESSIONS_MIN;
	struct tracer_settings *settings = &capture->bpf->rodata->settings;

	settings->copy_first = o->copy_first_sz < COPY_MAX ? o->copy_first_sz : COPY_MAX;
	settings->copy_turn = o->copy_turn_sz;
	settings->cpus = (uint32_t)capture->cpus;
	settings->wakeup_at = (uint32_t)(ring_sz(capture) / 4);
	settings->busy_at = (uint32_t)(ring_sz(capture) / 2);
	settings->full_at = (uint32_t)(ring_sz(capture) / 16 * 15);
	settings->profiling = o->sample_hz || o->off_cpu_hz;
	settings->bursts = o->bursts;
	settings->short_walk = o->short_walk;
	settings->timing = bpf_program__autoload(capture->bpf->progs.sched_switch);
	tell_waits(capture->bpf->rodata->waits_of_syscalls);
	settings->puma_tells =
		!settings->by_address && bpf_program__autoload(capture->bpf->progs.socket_asked);
	settings->unwinding = !o->frame_pointers;
	bpf_map__set_max_entries(capture->bpf->maps.records, (uint32_t)ring_sz(capture));
	bpf_map__set_max_entries(capture->bpf->maps.scratches, (uint32_t)scratches_cnt(capture));
	if (capture__has_uprobes(capture)) {
		bpf_map__set_max_entries(capture->bpf->maps.tls_sessions, sessions);
		bpf_map__set_max_entries(capture->bpf->maps.goroutines, sessions);
		bpf_map__set_max_entries(capture->bpf->maps.tls_parts, sessions);
		bpf_map__set_max_entries(capture->bpf->maps.go_works, GOROUTINES_MAX);
		bpf_map__set_max_entries(capture->bpf->maps.go_writers, GOROUTINES_MAX);
		bpf_map__set_max_entries(capture->bpf->maps.go_given, GO_PENDING_MAX);
		bpf_map__set_max_entries(capture->bpf->maps.go_births, GO_PENDING_MAX);
		bpf_map__set_max_entries(capture->bpf->maps.go_held, GO_WRITERS_MAX);
	}
	if (!settings->profiling) {
		bpf_map__set_max_entries(capture->bpf->maps.unwind_tables, 1);
		bpf_map__set_max_entries(capture->bpf->maps.unwind_processes, 1);
		bpf_map__set_max_entries(capture->bpf->maps.unwind_rules, 1);
		bpf_map__set_max_entries(capture->bpf->maps.python_places, 1);
	}
	if (o->bursts)
		bpf_map__set_max_entries(capture->bpf->maps.burst_pids,
					 BURSTS_MAX * BURST_PROCESSES_MAX);
	if (!bpf_program__autoload(capture->bpf->progs.insert_header))
		bpf_map__set_max_entries(capture->bpf->maps.opening_sockets, 1);
	if (settings->by_address)
		bpf_map__set_max_entries(capture->bpf->maps.address_connections,
					 o->max_connections);
}

/* Opens and loads what the results choose. */
static int load(struct capture *capture, const struct probe_result *results)
{
	int err;

	capture->bpf = tracer_bpf__open();
	if (!capture->bpf)
		return -errno;
	probes_select(capture->bpf, results);
	set_up(capture);
	if (capture->options.context_map && capture->bpf->rodata->settings.profiling)
		capture->bpf->rodata->settings.shared_context = !context_map_share(
			capture->bpf->maps.traces_ctx_v1, capture->options.context_map);
	if (capture->options.share_map && bpf_program__autoload(capture->bpf->progs.share_context))
		capture->bpf->rodata->settings.shares_context = !context_map_share(
			capture->bpf->maps.shared_contexts, capture->options.share_map);
	err = tracer_bpf__load(capture->bpf);
	return err;
}

static int start_sampler(struct capture *capture)
{
	struct bpf_program *prog = capture->bpf->progs.sample_cpu;

	if (!bpf_program__autoload(prog))
		return 0;
	sampler_warm_storage(capture->bpf->maps.tasks, capture->cpus);
	capture->sampler = sampler__new(prog, capture->cpus, capture->options.sample_hz, 0);
	return capture->sampler ? 0 : -errno;
}

/* Only the processes that are asked for, unless their children are too. */
static int start_off_cpu(struct capture *capture)
{
	const struct targets *t = &capture->options.targets;
	struct tracer_bpf *bpf = capture->bpf;

	if (!bpf_program__autoload(bpf->progs.sample_waiting))
		return 0;
	capture->off_cpu =
		off_cpu__new(bpf->progs.sample_waiting, &bpf->bss->off_cpu_pass, t->pids,
			     t->descendants ? 0 : t->pids_cnt, capture->options.off_cpu_hz);
	return capture->off_cpu ? 0 : -errno;
}

static int attach(struct capture *capture)
{
	int err;

	identify_self(capture->bpf);
	err = probes_attach(capture->bpf, capture->links, LINKS_MAX, &capture->links_cnt);
	err = err ?: start_sampler(capture);
	err = err ?: start_off_cpu(capture);
	if (err)
		return err;
	if (!bpf_program__autoload(capture->bpf->progs.flush_tails) &&
	    !bpf_program__autoload(capture->bpf->progs.flush_tails_by_address))
		return 0;
	capture->tails = attach_tails(capture->bpf);
	return capture->tails ? 0 : -errno;
}

static int open_ring(struct capture *capture)
{
	size_t value_sz = (bpf_map__value_size(capture->bpf->maps.scratches) + 7u) & ~7u;
	long page = sysconf(_SC_PAGESIZE);
	void *mapped;

	capture->ring = ring_buffer__new(bpf_map__fd(capture->bpf->maps.records), take_record,
					 capture, NULL);
	if (!capture->ring)
		return -errno;
	capture->late_ends = late_ends__new(bpf_map__fd(capture->bpf->maps.late_ends),
					    bpf_map__fd(capture->bpf->maps.records));
	if (!capture->late_ends)
		return -errno;
	capture->scratches_sz =
		(value_sz * scratches_cnt(capture) + (size_t)page - 1) & ~((size_t)page - 1);
	mapped = mmap(NULL, capture->scratches_sz, PROT_READ | PROT_WRITE, MAP_SHARED,
		      bpf_map__fd(capture->bpf->maps.scratches), 0);
	if (mapped == MAP_FAILED)
		return -errno;
	capture->scratches = mapped;
	for (uint32_t i = 0; i < scratches_cnt(capture); i++)
		*(volatile uint32_t *)(capture->scratches + i * value_sz + SCRATCH_SLOT_AT) = i;
	return 0;
}

static struct filter_maps filter_maps_of(const struct capture *capture)
{
	return (struct filter_maps){
		.pids = bpf_map__fd(capture->bpf->maps.filter_pids),
		.names = bpf_map__fd(capture->bpf->maps.filter_names),
		.exes = bpf_map__fd(capture->bpf->maps.filter_exes),
		.cgroups = bpf_map__fd(capture->bpf->maps.filter_cgroups),
		.ports = bpf_map__fd(capture->bpf->maps.filter_ports),
	};
}

int capture__retarget(struct capture *capture, const struct targets *targets,
		      char why[CAPTURE_WHY_SZ])
{
	const struct filter_maps none = {-1, -1, -1, -1, -1};
	const struct filter_maps maps = filter_maps_of(capture);

	if (filter_fill(targets, &none, why, CAPTURE_WHY_SZ))
		return -1;
	filter_clear(&maps);
	if (filter_fill(targets, &maps, why, CAPTURE_WHY_SZ))
		return -1;
	capture->bpf->bss->filter_kinds = filter_bits(targets);
	__atomic_fetch_add(&capture->bpf->bss->filter_generation, 1, __ATOMIC_RELEASE);
	return 0;
}

bool capture__wants_pid(const struct capture *capture, uint32_t pid)
{
	const struct filter_maps maps = filter_maps_of(capture);

	return filter_may_pass(&maps, capture->bpf->bss->filter_kinds, pid);
}

int capture__start_fast_clock(struct capture *capture, uint32_t hz)
{
	if (capture->fast_sampler || !capture->sampler)
		return capture->sampler ? 0 : -ENODEV;
	capture->fast_sampler =
		sampler__new(capture->bpf->progs.sample_cpu, capture->cpus, hz, FAST_CLOCK);
	if (!capture->fast_sampler)
		return -errno;
	capture->bpf->bss->bursting = 1;
	return 0;
}

void capture__stop_fast_clock(struct capture *capture)
{
	if (!capture->fast_sampler)
		return;
	capture->bpf->bss->bursting = 0;
	sampler__free(capture->fast_sampler);
	capture->fast_sampler = NULL;
}

int capture__sample_fast(struct capture *capture, uint32_t pid, uint16_t burst)
{
	const struct bpf_map *map = capture->bpf->maps.burst_pids;

	if (!burst)
		return bpf_map__delete_elem(map, &pid, sizeof(pid), 0);
	return bpf_map__update_elem(map, &pid, sizeof(pid), &burst, sizeof(burst), BPF_ANY);
}

void capture__end_samples(struct capture *capture)
{
	capture__stop_fast_clock(capture);
	sampler__free(capture->sampler);
	capture->sampler = NULL;
	off_cpu__free(capture->off_cpu);
	capture->off_cpu = NULL;
}

static void take_down(struct capture *capture)
{
	capture__keep_ids(capture);
	capture__end_samples(capture);
	for (size_t i = 0; i < capture->links_cnt; i++)
		bpf_link__destroy(capture->links[i]);
	capture->links_cnt = 0;
	kprobes_clean_up();
	bpf_link__destroy(capture->tails);
	bpf_link__destroy(capture->asked);
	capture->tails = capture->asked = NULL;
	ring_buffer__free(capture->ring);
	capture->ring = NULL;
	late_ends__free(capture->late_ends);
	capture->late_ends = NULL;
	if (capture->scratches)
		munmap(capture->scratches, capture->scratches_sz);
	capture->scratches = NULL;
	tracer_bpf__destroy(capture->bpf);
	capture->bpf = NULL;
}

/* Does all that the results choose. On failure nothing is left; why is empty if others may work. */
static int bring_up(struct capture *capture, const struct probe_result *results, char *why)
{
	int err = load(capture, results);

	why[0] = 0;
	if (!err && capture__retarget(capture, &capture->options.targets, why))
		err = -EINVAL;
	err = err ?: open_ring(capture);
	err = err ?: attach(capture);
	if (err)
		take_down(capture);
	return err;
}

static bool is_required(const struct capture *capture, const struct probe *probe)
{
	return probe->required || probe->uses == USE_OFF_CPU ||
	       (probe->uses == USE_PROFILING && capture->options.sample_or_fail);
}

/* Each probe alone: what does not work is left out, or said. */
static int bring_up_piecewise(struct capture *capture, unsigned int kinds, char *why)
{
	struct probe_result results[PROBES_MAX];
	char words[PROBE_WHY_SZ];
	int err;

	for (size_t i = 0; i < probes_cnt; i++) {
		results[i] = (struct probe_result){.probe = &probes[i]};
		if (!(probes[i].uses & capture->uses))
			continue;
		kinds = probe_try(&probes[i], kinds, &results[i]);
		if (results[i].chosen)
			continue;
		if (is_required(capture, &probes[i])) {
			snprintf(why, CAPTURE_WHY_SZ, "no hook for %s (%s): %s. Try `sonde doctor`",
				 probes[i].capability, results[i].tried, probes[i].todo);
			return -ENOTSUP;
		}
		log_warn("no hook for %s: %s (%s)", probes[i].capability, probes[i].without,
			 results[i].tried);
	}
	libbpf_messages_to(words, sizeof(words));
	err = bring_up(capture, results, why);
	libbpf_messages_to(NULL, 0);
	if (err && !why[0])
		snprintf(why, CAPTURE_WHY_SZ, "the kernel refused the programs: %s (%s)",
			 strerror(-err), words);
	return err;
}

/* The usual case is that all goes well with one kind of socket hook, the best that there is. */
static int bring_up_one_kind(struct capture *capture, unsigned int kinds, char *why)
{
	struct probe_result results[PROBES_MAX];
	char words[PROBE_WHY_SZ];
	int err = -ENOTSUP;

	for (unsigned int kind = 1; kind & KIND_ANY; kind <<= 1) {
		if (!(kinds & kind) || !probes_guess(kind, capture->uses, results))
			continue;
		libbpf_messages_to(words, sizeof(words));
		err = bring_up(capture, results, why);
		libbpf_messages_to(NULL, 0);
		if (!err || why[0])
			return err;
	}
	return err;
}

/* Older kernels refuse programs of the cgroups only after they have verified most others. */
static void leave_out(struct capture *capture, unsigned int uses, enum bpf_prog_type type)
{
	if (capture->uses & uses &&
	    libbpf_probe_bpf_helper(type, BPF_FUNC_task_storage_get, NULL) == 0)
		capture->uses &= ~uses;
}

static int bring_up_what_works(struct capture *capture, char *why)
{
	unsigned int kinds = probe_kinds(capture->options.variant);
	int err;

	why[0] = 0;
	leave_out(capture, USE_PROPAGATION | USE_HEADERS, BPF_PROG_TYPE_SOCK_OPS);
	leave_out(capture, USE_PUMA, BPF_PROG_TYPE_CGROUP_SOCKOPT);
	err = bring_up_one_kind(capture, kinds, why);

	/* What few kernels can, and is perhaps not wanted, is said when it is asked for. */
	for (unsigned int use = USE_HEADERS; use >= USE_PROPAGATION; use /= 2) {
		if (!err || why[0] || !(capture->uses & use))
			continue;
		capture->uses &= ~use;
		err = bring_up_one_kind(capture, kinds, why);
	}
	if (!err || why[0])
		return err;
	return bring_up_piecewise(capture, kinds, why);
}

struct capture *capture__new(const struct capture_options *options, char why[CAPTURE_WHY_SZ])
{
	struct capture *capture;

	if (host_lacks(why, CAPTURE_WHY_SZ))
		return NULL;
	capture = calloc(1, sizeof(*capture));
	if (!capture) {
		snprintf(why, CAPTURE_WHY_SZ, "out of memory");
		return NULL;
	}
	capture->options = *options;
	capture->uses =
		(options->tracing ? USE_TRACING | USE_PUMA : 0) |
		(options->tracing && options->tls ? USE_TLS : 0) |
		(options->tracing && options->propagation ? USE_PROPAGATION | USE_HEADERS : 0) |
		(options->tracing && options->timing ? USE_TIMING : 0) |
		(options->tracing && options->share_map ? USE_SHARING : 0) |
		(options->sample_hz ? USE_PROFILING : 0) | (options->off_cpu_hz ? USE_OFF_CPU : 0);
	capture->cpus = libbpf_num_possible_cpus();
	if (capture->cpus < 1) {
		snprintf(why, CAPTURE_WHY_SZ, "cannot tell the number of CPUs: %s",
			 strerror(-capture->cpus));
		goto fail;
	}
	if (bring_up_what_works(capture, why))
		goto fail;
	memset(&capture->options.targets, 0, sizeof(capture->options.targets));
	return capture;
fail:
	capture__free(capture);
	return NULL;
}

void capture__free(struct capture *capture)
{
	if (!capture)
		return;
	take_down(capture);
	free(capture);
}

/* All of the host pays a little for this: only once there is somebody whom it tells of. */
static void attach_asked(struct capture *capture)
{
	const struct bpf_program *prog = capture->bpf->progs.socket_asked;
	char why[CAPTURE_WHY_SZ] = "this kernel cannot, as `sonde doctor` says";

	capture->asked_tried = true;
	if (bpf_program__autoload(prog))
		capture->asked = attach_to_root(prog, why, sizeof(why));
	if (!capture->asked)
		log_warn("which requests Puma hands to its threads is not seen: %s", why);
}

int capture__drain(struct capture *capture, int timeout_ms)
{
	int n = 0;

	if (capture->bpf->bss->puma_seen && !capture->asked_tried)
		attach_asked(capture);
	late_ends__fetch(capture->late_ends, capture->bpf->bss->late_ends_cnt);
	capture->drain_left = timeout_ms ? DRAIN_MAX : ring_sz(capture);
	if (!capture->undrained)
		n = ring_buffer__poll(capture->ring, timeout_ms);
	if (n < 0 && n != -EINTR)
		return n;
	capture->undrained = false;
	n = ring_buffer__consume(capture->ring);
	late_ends__deliver(capture->late_ends, hand_on, capture);
	return n < 0 && n != -EINTR ? n : 0;
}

bool capture__share(struct capture *capture, struct context_offer *offer)
{
	return capture->bpf->rodata->settings.shares_context &&
	       context_share_tell(capture->bpf, offer);
}

void capture__unshare(struct capture *capture, const struct context_offer *offer)
{
	context_share_end(capture->bpf, offer);
}

void capture__flush_tails(struct capture *capture)
{
	char nothing[64];
	ssize_t n;
	int fd;

	if (!capture->tails)
		return;
	fd = bpf_iter_create(bpf_link__fd(capture->tails));
	if (fd < 0)
		return;
	do
		n = read(fd, nothing, sizeof(nothing));
	while (n > 0 || (n < 0 && errno == EAGAIN)); /* EAGAIN: many sockets, and not yet all */
	close(fd);
}

void capture__shape(struct capture *capture, uint32_t index, const struct frame_shape *shape)
{
	uint8_t known = (uint8_t)(1 + index);

	bpf_map_update_elem(bpf_map__fd(capture->bpf->maps.frame_shapes), &index, shape, BPF_ANY);
	if (shape->opening[0])
		bpf_map_update_elem(bpf_map__fd(capture->bpf->maps.openings), shape->opening,
				    &known, BPF_ANY);
}

void capture__verdict(struct capture *capture, uint64_t cookie, const struct verdict *verdict)
{
	bpf_map_update_elem(bpf_map__fd(capture->bpf->maps.verdicts), &cookie, verdict, BPF_ANY);
	capture->verdicts_pending = true;
}

void capture__commit_verdicts(struct capture *capture)
{
	if (!capture->verdicts_pending)
		return;
	capture->verdicts_pending = false;
	__atomic_fetch_add(&capture->bpf->bss->verdict_generation, 1, __ATOMIC_RELEASE);
}

void capture__own_end(struct capture *capture, const char *local_ip, int local_port)
{
	struct own_end_key key = {.port = (uint16_t)local_port};
	uint8_t present = 1;
	bool ipv6;

	if (!address_parse(local_ip, &ipv6, key.addr))
		return;
	key.family = ipv6 ? FAMILY_INET6 : FAMILY_INET;
	bpf_map_update_elem(bpf_map__fd(capture->bpf->maps.own_ends), &key, &present, BPF_ANY);
	if (ipv6)
		return;
	/* The other end may hold it as an IPv4 address in an IPv6 socket. */
	memcpy(key.addr + 12, key.addr, 4);
	memset(key.addr, 0, 10);
	memset(key.addr + 10, 0xff, 2);
	key.family = FAMILY_INET6;
	bpf_map_update_elem(bpf_map__fd(capture->bpf->maps.own_ends), &key, &present, BPF_ANY);
}

int capture__deny_tls(struct capture *capture, const char *const *names, size_t cnt,
		      char why[CAPTURE_WHY_SZ])
{
	int map_fd = bpf_map__fd(capture->bpf->maps.tls_denied_names);

	filter_clear_map(map_fd);
	if (filter_fill_names(names, cnt, map_fd, why, CAPTURE_WHY_SZ))
		return -1;
	capture->bpf->bss->tls_denies = cnt > 0;
	/* Whoever is sealed or not is to be told anew. */
	__atomic_fetch_add(&capture->bpf->bss->filter_generation, 1, __ATOMIC_RELEASE);
	return 0;
}

static int deny_ids(struct capture *capture, const struct targets *denied, char *why)
{
	const struct tracer_bpf *bpf = capture->bpf;
	const struct filter_maps none = {-1, -1, -1, -1, -1};
	const struct filter_maps maps = {
		.pids = -1,
		.names = bpf_map__fd(bpf->maps.hop_denied_names),
		.exes = bpf_map__fd(bpf->maps.hop_denied_exes),
		.cgroups = bpf_map__fd(bpf->maps.hop_denied_cgroups),
		.ports = -1,
	};

	if (filter_fill(denied, &none, why, CAPTURE_WHY_SZ))
		return -1;
	filter_clear_map(maps.names);
	filter_clear_map(maps.exes);
	filter_clear_map(maps.cgroups);
	if (filter_fill(denied, &maps, why, CAPTURE_WHY_SZ))
		return -1;
	capture->bpf->bss->hop_denies = filter_bits(denied) != 0;
	/* Whoever is denied or not is to be told anew. */
	__atomic_fetch_add(&capture->bpf->bss->filter_generation, 1, __ATOMIC_RELEASE);
	return 0;
}

int capture__send_ids(struct capture *capture, const struct targets *denied, bool in_header,
		      char why[CAPTURE_WHY_SZ])
{
	const struct tracer_bpf *bpf = capture->bpf;

	if (bpf->bss->hops_in_header != in_header)
		capture__keep_ids(capture);
	if (!bpf_program__autoload(in_header ? bpf->progs.insert_header : bpf->progs.carry_ids)) {
		snprintf(why, CAPTURE_WHY_SZ, "this kernel cannot, as `sonde doctor` says");
		return -1;
	}
	if (deny_ids(capture, denied, why)) {
		capture__keep_ids(capture);
		return -1;
	}
	if (!capture->hops)
		capture->hops = propagation_attach(capture->bpf, in_header, why, CAPTURE_WHY_SZ);
	if (!capture->hops)
		return -1;
	capture->bpf->bss->propagation = PROPAGATION_ON;
	return 0;
}

void capture__keep_ids(struct capture *capture)
{
	propagation_detach(capture->bpf, capture->hops);
	capture->hops = NULL;
}

bool capture__has_uprobes(const struct capture *capture)
{
	return bpf_program__autoload(capture->bpf->progs.tls_leave);
}

/* Tells the programs whether all probes of a file are in place. */
static void set_whole(struct capture *capture, uint32_t file, uint8_t whole)
{
	bpf_map_update_elem(bpf_map__fd(capture->bpf->maps.tls_files), &file, &whole, BPF_ANY);
}

void capture__add_go(struct capture *capture, int fd, const struct go_exe *exe)
{
	struct stat st;
	uint64_t inode;

	if (fstat(fd, &st))
		return;
	inode = st.st_ino;
	bpf_map_update_elem(bpf_map__fd(capture->bpf->maps.go_exes), &inode, exe, BPF_ANY);
	__atomic_fetch_add(&capture->bpf->bss->go_generation, 1, __ATOMIC_RELEASE);
}

uint32_t capture__go_uses(const struct capture *capture)
{
	return __atomic_load_n(&capture->bpf->bss->go_uses_generation, __ATOMIC_ACQUIRE);
}

uint8_t capture__go_use(const struct capture *capture, uint64_t inode)
{
	struct go_exe exe = {.use = GO_USE_UNKNOWN};

	bpf_map_lookup_elem(bpf_map__fd(capture->bpf->maps.go_exes), &inode, &exe);
	return exe.use;
}

struct uprobes *capture__attach_go(struct capture *capture, int fd, const struct uprobe_site *sites,
				   size_t cnt)
{
	const struct tracer_bpf *bpf = capture->bpf;

	if (!capture__has_uprobes(capture)) {
		errno = ENOTSUP;
		return NULL;
	}
	return uprobes__new(bpf->progs.go_call, bpf->progs.tls_leave, fd, sites, cnt);
}

static uint32_t unwind_value_sz(bool table)
{
	return table ? sizeof(struct unwind_block) : sizeof(struct unwind_mapping);
}

static int unwind_fd(const struct capture *capture, bool table)
{
	return bpf_map__fd(table ? capture->bpf->maps.unwind_tables
				 : capture->bpf->maps.unwind_processes);
}

void *capture__map_unwind(struct capture *capture, bool table, uint32_t cnt, int *fd)
{
	(void)capture;
	return unwind_map_new(unwind_value_sz(table), cnt, fd);
}

void capture__unmap_unwind(struct capture *capture, bool table, void *memory, uint32_t cnt)
{
	(void)capture;
	unwind_map_unmap(memory, unwind_value_sz(table), cnt);
}

int capture__publish_unwind(struct capture *capture, bool table, const uint32_t *ids,
			    const int *fds, uint32_t cnt)
{
	return unwind_map_publish(unwind_fd(capture, table), ids, fds, cnt);
}

void capture__withdraw_unwind(struct capture *capture, bool table, const uint32_t *ids,
			      uint32_t cnt)
{
	unwind_map_withdraw(unwind_fd(capture, table), ids, cnt);
}

int capture__unwind_rules(struct capture *capture, uint32_t first, const struct unwind_rule *rules,
			  uint32_t cnt)
{
	int fd = bpf_map__fd(capture->bpf->maps.unwind_rules), err = 0;

	for (uint32_t i = 0; !err && i < cnt; i++, first++)
		err = bpf_map_update_elem(fd, &first, &rules[i], BPF_ANY);
	return err;
}

int capture__set_python(struct capture *capture, uint32_t process_id,
			const struct python_layout *layout)
{
	int fd = bpf_map__fd(capture->bpf->maps.python_layouts);

	return layout ? bpf_map_update_elem(fd, &process_id, layout, BPF_ANY)
		      : bpf_map_delete_elem(fd, &process_id);
}

int capture__set_v8(struct capture *capture, uint32_t process_id, const struct v8_layout *layout)
{
	int fd = bpf_map__fd(capture->bpf->maps.v8_layouts);

	return layout ? bpf_map_update_elem(fd, &process_id, layout, BPF_ANY)
		      : bpf_map_delete_elem(fd, &process_id);
}

int capture__set_thread_context(struct capture *capture, uint32_t process_id,
				const struct thread_context_place *place)
{
	int fd = bpf_map__fd(capture->bpf->maps.thread_context_places);

	return place ? bpf_map_update_elem(fd, &process_id, place, BPF_ANY)
		     : bpf_map_delete_elem(fd, &process_id);
}

static bool is_go(const struct uprobe_site *site)
{
	uint64_t call = TLS_COOKIE_CALL(site->cookie);

	return call >= TLS_GO_HANDSHAKE && call <= TLS_GO_CLOSE;
}

struct uprobes *capture__attach_uprobes(struct capture *capture, int fd,
					const struct uprobe_site *sites, size_t cnt)
{
	struct tracer_bpf *bpf = capture->bpf;
	bool go = cnt && is_go(&sites[0]);
	/* Should a number be in use, some sessions of that file count as joined in the middle. */
	uint32_t file = capture->files_cnt++ % TLS_FILES_MAX;
	struct uprobe_site numbered[UPROBE_SITES_MAX];
	struct uprobes *uprobes;

	if (!capture__has_uprobes(capture) || cnt > UPROBE_SITES_MAX) {
		errno = cnt > UPROBE_SITES_MAX ? E2BIG : ENOTSUP;
		return NULL;
	}
	for (size_t i = 0; i < cnt; i++) {
		numbered[i] = sites[i];
		numbered[i].cookie |= (uint64_t)file << TLS_COOKIE_FILE_SHIFT;
	}
	set_whole(capture, file, 0);
	bpf->bss->tls_used = 1;
	uprobes = uprobes__new(go ? bpf->progs.tls_go : bpf->progs.tls_enter, bpf->progs.tls_leave,
			       fd, numbered, cnt);
	if (uprobes)
		set_whole(capture, file, 1);
	return uprobes;
}

void capture__counts(const struct capture *capture, struct tracer_counts *out)
{
	size_t value_sz = (bpf_map__value_size(capture->bpf->maps.scratches) + 7u) & ~7u;

	*out = (struct tracer_counts){0};
	for (size_t i = 0; i < scratches_cnt(capture); i++) {
		const volatile struct tracer_counts *counts =
			(const volatile void *)(capture->scratches + i * value_sz);

		out->ring_full += counts->ring_full;
		out->unreadable += counts->unreadable;
		out->no_storage += counts->no_storage;
		out->unreturned += counts->unreturned;
		out->tls_unbound += counts->tls_unbound;
		out->tls_busy += counts->tls_busy;
		out->samples_full += counts->samples_full;
		out->samples_busy += counts->samples_busy;
		out->unheard += counts->unheard;
	}
}
