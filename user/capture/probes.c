// SPDX-License-Identifier: Apache-2.0
/* The table of probes, and how they are tried. */
#include "user/capture/probes.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "include/abi/tracer.h"
#include "build/bpf/tracer.skel.h"
#include "user/base/log.h"

const struct probe probes[] = {
	{
		.capability = "socket traffic",
		.without = "nothing can be traced",
		.todo = "use a kernel of 6.3 or later; variants for older ones are not in this version",
		.required = true,
		.variants =
			{
				{
					.name = "tp_btf/sock_{send,recv}_length",
					.programs = {"sock_send_length", "sock_recv_length"},
				},
			},
	},
	{
		.capability = "connection roles and ends",
		.without =
			"roles are inferred from the traffic; exchanges cut off by a close end by time-out",
		.todo = "enable CONFIG_DEBUG_INFO_BTF and the sock tracepoints",
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
		.variants =
			{
				{
					.name = "iter/bpf_sk_storage_map",
					.programs = {"flush_tails"},
				},
			},
	},
	{
		.capability = "own pid in any namespace",
		.without = "sonde must share the host's pid namespace",
		.todo = "run with hostPID: true",
		.variants =
			{
				{
					.name = "raw_tp test run",
					.programs = {"identify_self"},
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

static bool variant_has(const struct probe_variant *variant, const char *program)
{
	for (int i = 0; i < PROBE_PROGRAMS_MAX && variant->programs[i]; i++)
		if (strcmp(variant->programs[i], program) == 0)
			return true;
	return false;
}

struct bpf_link *attach_tails(struct tracer_bpf *bpf)
{
	LIBBPF_OPTS(bpf_iter_attach_opts, opts);
	union bpf_iter_link_info info = {.map.map_fd = (__u32)bpf_map__fd(bpf->maps.connections)};

	opts.link_info = &info;
	opts.link_info_len = sizeof(info);
	return bpf_program__attach_iter(bpf->progs.flush_tails, &opts);
}

static int attach_all(struct tracer_bpf *bpf, const struct probe_variant *variant)
{
	for (int i = 0; i < PROBE_PROGRAMS_MAX && variant->programs[i]; i++) {
		struct bpf_program *prog =
			bpf_object__find_program_by_name(bpf->obj, variant->programs[i]);
		struct bpf_link *link;

		if (prog == bpf->progs.identify_self)
			continue;
		link = prog == bpf->progs.flush_tails ? attach_tails(bpf)
						      : bpf_program__attach(prog);
		if (!link)
			return -errno;
		bpf_link__destroy(link);
	}
	return 0;
}

static int try_variant(const struct probe_variant *variant)
{
	struct tracer_bpf *bpf = tracer_bpf__open();
	struct bpf_program *prog;
	int err;

	if (!bpf)
		return -errno;
	bpf_object__for_each_program(prog, bpf->obj)
		bpf_program__set_autoload(prog, variant_has(variant, bpf_program__name(prog)));
	err = tracer_bpf__load(bpf);
	err = err ?: attach_all(bpf, variant);
	tracer_bpf__destroy(bpf);
	return err;
}

void probe_try(const struct probe *probe, struct probe_result *result)
{
	size_t used = 0;

	*result = (struct probe_result){.probe = probe};
	for (int i = 0; i < PROBE_VARIANTS_MAX && probe->variants[i].name; i++) {
		char words[PROBE_WHY_SZ];
		int err;

		libbpf_messages_to(words, sizeof(words));
		err = try_variant(&probe->variants[i]);
		libbpf_messages_to(NULL, 0);
		if (!err) {
			result->chosen = &probe->variants[i];
			return;
		}
		if (used < sizeof(result->tried))
			used += (size_t)snprintf(result->tried + used, sizeof(result->tried) - used,
						 "%s%s: %s%s%s", used ? "; " : "",
						 probe->variants[i].name, strerror(-err),
						 words[0] ? ", " : "", words);
	}
}

void probes_select(struct tracer_bpf *bpf, const struct probe_result *results)
{
	struct bpf_program *prog;

	bpf_object__for_each_program(prog, bpf->obj)
	{
		bool wanted = false;

		for (size_t i = 0; i < probes_cnt; i++)
			if (results[i].chosen &&
			    variant_has(results[i].chosen, bpf_program__name(prog)))
				wanted = true;
		bpf_program__set_autoload(prog, wanted);
	}
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
		snprintf(why, why_sz, "tracing needs root: run it with sudo");
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
