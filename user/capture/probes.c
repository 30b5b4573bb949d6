// SPDX-License-Identifier: Apache-2.0
/* The table of probes, and how they are tried. */
#include "user/capture/probes.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "include/abi/tracer.h"
#include "bpf/tracer.skel.h"
#include "user/base/log.h"
#include "user/capture/context_share.h"
#include "user/capture/kernel.h"
#include "user/capture/kprobes.h"
#include "user/capture/off_cpu.h"
#include "user/capture/propagation.h"
#include "user/capture/sampler.h"
#include "user/capture/uprobes.h"

#define TRY_LINKS_MAX 32

const struct probe probes[] = {
	{
		.capability = "socket traffic",
		.without = "nothing can be traced",
		.todo = "use a kernel of 6.1 or later, with CONFIG_DEBUG_INFO_BTF and CONFIG_KPROBES",
		.required = true,
		.uses = USE_TRACING,
		.variants =
			{
				{
					.name = "tp_btf/sock_{send,recv}_length",
					.programs = {"sock_send_length", "sock_recv_length",
						     "sk_data_ready"},
					.kinds = KIND_TP_BTF,
				},
				{
					.name = "fexit/{tcp,unix_stream,udp}_{send,recv}msg",
					.programs = {"tcp_send_exit", "tcp_recv_exit",
						     "unix_send_exit", "unix_recv_exit",
						     "udp_send_exit", "udp_recv_exit"},
					.optional = {"tcp_sendpage_exit", "unix_sendpage_exit",
						     "udp6_send_exit", "udp6_recv_exit"},
					.kinds = KIND_FEXIT,
					.unsafe = trampolines_unsafe,
				},
				{
					.name = "kprobe/{tcp,unix_stream,udp}_{send,recv}msg",
					.programs = {"tcp_send_entry", "tcp_recv_entry",
						     "unix_send_entry", "unix_recv_entry",
						     "socket_return", "unix_release_entry",
						     "udp_send_entry", "udp_destroy_entry"},
					.kinds = KIND_KPROBE,
					.less = "costs more per operation, and the least recently used "
						"connections are forgotten when there are too many",
				},
			},
	},
	{
		.capability = "connection roles and ends",
		.without =
			"roles are inferred from the traffic; exchanges cut off by a close end by time-out",
		.todo = "enable CONFIG_DEBUG_INFO_BTF and the sock tracepoints",
		.uses = USE_TRACING,
		.variants =
			{
				{
					.name = "tp_btf/inet_sock_set_state",
					.programs = {"inet_sock_set_state"},
				},
			},
	},
	{
		.capability = "process life",
		.without =
			"children of traced pids are not followed; ended processes are noticed late",
		.todo = "enable CONFIG_DEBUG_INFO_BTF",
		.uses = USE_TRACING | USE_PROFILING | USE_OFF_CPU,
		.variants =
			{
				{
					.name = "tp_btf/sched_process_{fork,exit}",
					.programs = {"sched_process_fork", "sched_process_exit"},
				},
			},
	},
	{
		.capability = "ends of long bodies",
		.without =
			"a long response ends as a span only when its connection is used again or closed",
		.todo = "use a kernel of 5.9 or later",
		.uses = USE_TRACING,
		.variants =
			{
				{
					.name = "iter/bpf_sk_storage_map",
					.programs = {"flush_tails"},
					.kinds = KIND_TP_BTF | KIND_FEXIT,
				},
				{
					.name = "iter/bpf_map_elem",
					.programs = {"flush_tails_by_address"},
					.kinds = KIND_KPROBE,
				},
			},
	},
	{
		.capability = "own pid in any namespace",
		.without = "sonde must share the host's pid namespace",
		.todo = "run with hostPID: true",
		.uses = USE_TRACING | USE_PROFILING | USE_OFF_CPU,
		.variants =
			{
				{
					.name = "raw_tp test run",
					.programs = {"identify_self"},
				},
			},
	},
	{
		.capability = "plaintext of TLS",
		.without =
			"what is encrypted is only counted, and who works for whom in programs of "
			"Go is not known",
		.todo = "use a kernel of 5.15 or later, with CONFIG_UPROBE_EVENTS",
		.uses = USE_TLS,
		.variants =
			{
				{
					.name = "uprobe_multi",
					.programs = {"tls_enter", "tls_leave", "tls_go", "go_call"},
					.uprobe_multi = true,
					.unsafe = uprobe_multi_missing,
				},
				{
					.name = "uprobe, with cookies",
					.programs = {"tls_enter", "tls_leave", "tls_go", "go_call"},
					.less = "takes up to 2 s for each library when it stops",
				},
			},
	},
	{
		.capability = "requests that Puma hands to its threads",
		.without = "what they cause has no parent, where Puma's reactor has read them",
		.todo = "use a kernel whose getsockopt programs may read task storage, and cgroup v2",
		.uses = USE_PUMA,
		.variants =
			{
				{
					.name = "cgroup/getsockopt",
					.programs = {"socket_asked"},
				},
			},
	},
	{
		.capability = "ids sent to other hosts",
		.without = "propagation: tcp-option does not work",
		.todo = "use a kernel whose sockops programs may read task storage, and cgroup v2; have the "
			"loopback device up",
		.uses = USE_PROPAGATION,
		.variants =
			{
				{
					.name = "sockops",
					.programs = {"carry_ids", "inet_sock_set_state",
						     "identify_self"},
					.kinds = KIND_TP_BTF | KIND_FEXIT,
				},
			},
	},
	{
		.capability = "ids sent in headers",
		.without = "propagation: header does not work",
		.todo = "use a kernel whose sk_msg programs may read task storage, with "
			"CONFIG_BPF_STREAM_PARSER, and cgroup v2; have the loopback device up",
		.uses = USE_HEADERS,
		.variants =
			{
				{
					.name = "sk_msg and sockops",
					.programs = {"insert_header", "carry_ids",
						     "inet_sock_set_state", "identify_self"},
					/* fexit would miss what sockets in a map send. */
					.kinds = KIND_TP_BTF,
				},
			},
	},
	{
		.capability = "time of requests",
		.without = "spans do not say what their time went to",
		.todo = "use a kernel of 5.15 or later, with CONFIG_DEBUG_INFO_BTF",
		.uses = USE_TIMING,
		.variants =
			{
				{
					.name = "tp_btf/sched_{switch,waking}",
					.programs = {"sched_switch", "sched_waking"},
				},
			},
	},
	{
		.capability = "CPU profiles",
		.without = "sonde profile and profiles.enabled do not work",
		.todo = "enable CONFIG_PERF_EVENTS and let this process use perf_event_open",
		.uses = USE_PROFILING,
		.variants =
			{
				{
					.name = "perf_event/cpu-clock",
					.programs = {"sample_cpu"},
				},
			},
	},
	{
		.capability = "off-CPU profiles",
		.without = "sonde profile --off-cpu does not work",
		.todo = "use a kernel of 5.18 or later, with CONFIG_DEBUG_INFO_BTF",
		.uses = USE_OFF_CPU,
		.variants =
			{
				{
					.name = "iter.s/task",
					.programs = {"sample_waiting"},
				},
			},
	},
	{
		.capability = "span ids for other profilers",
		.without = "propagation.context_map is not written",
		.todo = "use a kernel of 6.1 or later, with CONFIG_DEBUG_INFO_BTF",
		.uses = USE_SHARING,
		.variants =
			{
				{
					.name = "iter/task",
					.programs = {"share_context"},
				},
			},
	},
};

const size_t probes_cnt = sizeof(probes) / sizeof(probes[0]);

static char *messages;
static size_t messages_sz;

static int print_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	char text[1024];

	if (level == LIBBPF_DEBUG)
		return 0;
	vsnprintf(text, sizeof(text), format, args);
	text[strcspn(text, "\n")] = 0;
	if (messages) {
		if (level == LIBBPF_WARN && !messages[0])
			snprintf(messages, messages_sz, "%s", text);
		return 0;
	}
	log_debug("%s", text);
	return 0;
}

void libbpf_messages_to(char *text, size_t text_sz)
{
	messages = text;
	messages_sz = text_sz;
	if (text)
		text[0] = 0;
	libbpf_set_print(print_libbpf);
}

unsigned int probe_kinds(const char *name)
{
	static const struct {
		const char *name;
		unsigned int kinds;
	} names[] = {
		{"auto", KIND_ANY},
		{"tp_btf", KIND_TP_BTF},
		{"fexit", KIND_FEXIT},
		{"kprobe", KIND_KPROBE},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!name || strcmp(name, names[i].name) == 0)
			return names[i].kinds;
	return 0;
}

static bool lists(const char *const list[PROBE_PROGRAMS_MAX], const char *program)
{
	for (int i = 0; i < PROBE_PROGRAMS_MAX && list[i]; i++)
		if (strcmp(list[i], program) == 0)
			return true;
	return false;
}

static bool variant_has(const struct probe_variant *variant, const struct bpf_program *prog)
{
	const char *name = bpf_program__name(prog);
	const char *function = strrchr(bpf_program__section_name(prog), '/');

	if (lists(variant->programs, name))
		return true;
	return function && lists(variant->optional, name) &&
	       kernel_function_args(function + 1) >= 0;
}

/* Do the kinds allow it? A variant without kinds goes with all. */
static bool allowed(const struct probe_variant *variant, unsigned int kinds)
{
	return variant->name && (!variant->kinds || (variant->kinds & kinds));
}

/*
 * Which programs are loaded is known now: what only others need is left out. A map of sockets takes CAP_NET_ADMIN,
 * which is not needed without.
 */
static void leave_out(struct tracer_bpf *bpf)
{
	bpf->rodata->settings.propagates = bpf_program__autoload(bpf->progs.carry_ids);
	bpf_map__set_autocreate(bpf->maps.opening_sockets,
				bpf_program__autoload(bpf->progs.carry_ids));
	bpf_map__set_autocreate(bpf->maps.seen_threads,
				bpf_program__autoload(bpf->progs.sample_waiting));
	bpf_map__set_autocreate(bpf->maps.stack_pages,
				bpf_program__autoload(bpf->progs.sample_waiting));
}

/* What the programs must know of the variants that are loaded with them. */
static void tell(struct tracer_bpf *bpf, const struct probe_variant *variant)
{
	if (variant->uprobe_multi) {
		uprobe_load_for_multi(bpf->progs.tls_enter);
		uprobe_load_for_multi(bpf->progs.tls_leave);
		uprobe_load_for_multi(bpf->progs.tls_go);
		uprobe_load_for_multi(bpf->progs.go_call);
	}
	if (!variant->kinds || (variant->kinds & KIND_TP_BTF))
		return;
	bpf->rodata->settings.blind_to_polls = true;
	bpf->rodata->settings.by_address = variant->kinds == KIND_KPROBE;
	bpf->rodata->settings.recv_nonblock = kernel_function_args("tcp_recvmsg") == 6;
}

struct bpf_link *attach_tails(struct tracer_bpf *bpf)
{
	LIBBPF_OPTS(bpf_iter_attach_opts, opts);
	bool by_address = bpf->rodata->settings.by_address;
	const struct bpf_map *map =
		by_address ? bpf->maps.address_connections : bpf->maps.connections;
	union bpf_iter_link_info info = {.map.map_fd = (__u32)bpf_map__fd(map)};

	opts.link_info = &info;
	opts.link_info_len = sizeof(info);
	return bpf_program__attach_iter(
		by_address ? bpf->progs.flush_tails_by_address : bpf->progs.flush_tails, &opts);
}

void identify_self(struct tracer_bpf *bpf)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);

	if (!bpf_program__autoload(bpf->progs.identify_self) ||
	    bpf_prog_test_run_opts(bpf_program__fd(bpf->progs.identify_self), &opts))
		bpf->bss->self_pid = (uint32_t)getpid();
}

/* Does the program's section say where it goes? Others are run, or attached, in their own ways. */
static bool attaches_itself(const struct bpf_program *prog)
{
	const char *section = bpf_program__section_name(prog);

	return strchr(section, '/') && strncmp(section, "iter", 4) != 0 &&
	       strncmp(section, "cgroup/", 7) != 0;
}

int probes_attach(struct tracer_bpf *bpf, struct bpf_link **links, size_t cap, size_t *cnt)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, bpf->obj)
	{
		if (!bpf_program__autoload(prog) || !attaches_itself(prog))
			continue;
		if (*cnt == cap)
			return -E2BIG;
		links[*cnt] = bpf_program__attach(prog);
		if (!links[*cnt])
			return -errno;
		++*cnt;
	}
	if (bpf_program__autoload(bpf->progs.socket_return))
		return kprobes_attach(bpf, links, cap, cnt);
	return 0;
}

/* On every CPU, as in earnest, but hardly ever. */
static int try_sampler(const struct bpf_program *prog)
{
	struct sampler *sampler = sampler__new(prog, libbpf_num_possible_cpus(), 1, 0);

	if (!sampler)
		return -errno;
	sampler__free(sampler);
	return 0;
}

/* Looks once at sonde itself, which is not to be told of. */
static int try_off_cpu(struct tracer_bpf *bpf)
{
	const uint64_t self = (uint64_t)getpid();
	struct off_cpu_sampler *o;

	identify_self(bpf);
	o = off_cpu__new(bpf->progs.sample_waiting, &bpf->bss->off_cpu_pass, &self, 1, 1);
	if (!o)
		return -errno;
	off_cpu__free(o);
	return 0;
}

static int try_propagation(struct tracer_bpf *bpf)
{
	char why[PROBE_WHY_SZ];
	struct bpf_link *link;

	identify_self(bpf);
	link = propagation_attach(bpf, bpf_program__autoload(bpf->progs.insert_header), why,
				  sizeof(why));
	if (!link && messages)
		snprintf(messages, messages_sz, "%s", why);
	propagation_detach(bpf, link);
	return link ? 0 : -ECANCELED;
}

static int try_asked(const struct tracer_bpf *bpf)
{
	char why[PROBE_WHY_SZ];
	struct bpf_link *link = attach_to_root(bpf->progs.socket_asked, why, sizeof(why));

	if (!link && messages)
		snprintf(messages, messages_sz, "%s", why);
	bpf_link__destroy(link);
	return link ? 0 : -ECANCELED;
}

/* Attaches a loaded variant, and detaches it. */
static int try_attach(struct tracer_bpf *bpf)
{
	struct bpf_link *links[TRY_LINKS_MAX] = {0}, *tails = NULL;
	size_t cnt = 0;
	int err = probes_attach(bpf, links, TRY_LINKS_MAX, &cnt);

	if (!err && (bpf_program__autoload(bpf->progs.flush_tails) ||
		     bpf_program__autoload(bpf->progs.flush_tails_by_address))) {
		tails = attach_tails(bpf);
		err = tails ? 0 : -errno;
	}
	if (!err && bpf_program__autoload(bpf->progs.sample_cpu))
		err = try_sampler(bpf->progs.sample_cpu);
	if (!err && bpf_program__autoload(bpf->progs.sample_waiting))
		err = try_off_cpu(bpf);
	if (!err && bpf_program__autoload(bpf->progs.share_context))
		err = context_share_try(bpf);
	if (!err && bpf_program__autoload(bpf->progs.tls_leave))
		err = uprobes_try(bpf->progs.tls_enter, bpf->progs.tls_leave);
	if (!err && bpf_program__autoload(bpf->progs.socket_asked))
		err = try_asked(bpf);
	if (!err && bpf_program__autoload(bpf->progs.carry_ids))
		err = try_propagation(bpf);
	bpf_link__destroy(tails);
	for (size_t i = 0; i < cnt; i++)
		bpf_link__destroy(links[i]);
	kprobes_clean_up();
	return err;
}

static int try_variant(const struct probe_variant *variant)
{
	struct tracer_bpf *bpf = tracer_bpf__open();
	struct bpf_program *prog;
	int err;

	if (!bpf)
		return -errno;
	bpf_object__for_each_program(prog, bpf->obj)
		bpf_program__set_autoload(prog, variant_has(variant, prog));
	leave_out(bpf);
	tell(bpf, variant);
	err = tracer_bpf__load(bpf);
	err = err ?: try_attach(bpf);
	tracer_bpf__destroy(bpf);
	return err;
}

/* Adds how a variant ended to the words about those that do not work. */
static void add_tried(struct probe_result *result, const struct probe_variant *variant,
		      const char *what, const char *words)
{
	size_t used = strlen(result->tried);

	snprintf(result->tried + used, sizeof(result->tried) - used, "%s%s: %s%s%s",
		 used ? "; " : "", variant->name, what, words[0] ? ", " : "", words);
}

unsigned int probe_try(const struct probe *probe, unsigned int kinds, struct probe_result *result)
{
	*result = (struct probe_result){.probe = probe};
	for (int i = 0; i < PROBE_VARIANTS_MAX && probe->variants[i].name; i++) {
		const struct probe_variant *variant = &probe->variants[i];
		char words[PROBE_WHY_SZ];
		int err;

		if (!allowed(variant, kinds))
			continue;
		if (variant->unsafe && variant->unsafe(words, sizeof(words))) {
			add_tried(result, variant, "not tried", words);
			continue;
		}
		libbpf_messages_to(words, sizeof(words));
		err = try_variant(variant);
		libbpf_messages_to(NULL, 0);
		if (!err) {
			result->chosen = variant;
			return variant->kinds ?: kinds;
		}
		add_tried(result, variant, strerror(-err), words);
	}
	return kinds;
}

static const struct probe_variant *guess(const struct probe *probe, unsigned int kinds)
{
	char why[PROBE_WHY_SZ];

	for (int i = 0; i < PROBE_VARIANTS_MAX; i++)
		if (allowed(&probe->variants[i], kinds) &&
		    !(probe->variants[i].unsafe && probe->variants[i].unsafe(why, sizeof(why))))
			return &probe->variants[i];
	return NULL;
}

bool probes_guess(unsigned int kinds, unsigned int uses, struct probe_result *results)
{
	for (size_t i = 0; i < probes_cnt; i++) {
		results[i] = (struct probe_result){.probe = &probes[i]};
		if (!(probes[i].uses & uses))
			continue;
		results[i].chosen = guess(&probes[i], kinds);
		if (!results[i].chosen && probes[i].required)
			return false;
	}
	return true;
}

void probes_select(struct tracer_bpf *bpf, const struct probe_result *results)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, bpf->obj)
	{
		bool wanted = false;

		for (size_t i = 0; i < probes_cnt; i++)
			if (results[i].chosen && variant_has(results[i].chosen, prog))
				wanted = true;
		bpf_program__set_autoload(prog, wanted);
	}
	leave_out(bpf);
	for (size_t i = 0; i < probes_cnt; i++)
		if (results[i].chosen)
			tell(bpf, results[i].chosen);
}

bool host_lacks(char *why, size_t why_sz)
{
	char words[PROBE_WHY_SZ];
	bool allowed;

	if (access("/sys/kernel/btf/vmlinux", R_OK)) {
		snprintf(why, why_sz,
			 "this kernel has no BTF (/sys/kernel/btf/vmlinux: %s): use one built with "
			 "CONFIG_DEBUG_INFO_BTF, as those of all current distributions are",
			 strerror(errno));
		return true;
	}
	if (geteuid() != 0) {
		snprintf(why, why_sz, "sonde needs root: run it with sudo");
		return true;
	}
	libbpf_messages_to(words, sizeof(words));
	allowed = libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_RAW_TRACEPOINT, NULL) == 1;
	libbpf_messages_to(NULL, 0);
	if (!allowed)
		snprintf(
			why, why_sz,
			"the kernel lets this process load no BPF programs: in a container, make it "
			"privileged; elsewhere, give it CAP_BPF and CAP_PERFMON");
	return !allowed;
}
