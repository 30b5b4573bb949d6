/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ladder: each capability lists the variants of its probe, best first, and takes the first one
 * that really loads and attaches. A variant is one or more BPF programs.
 */
#ifndef SONDE_CAPTURE_PROBES_H
#define SONDE_CAPTURE_PROBES_H

#include <stdbool.h>
#include <stddef.h>

#define PROBE_PROGRAMS_MAX 4
#define PROBE_VARIANTS_MAX 3
#define PROBE_WHY_SZ 512

struct bpf_link;
struct tracer_bpf;

struct probe_variant {
	const char *name; /* e.g. "tp_btf/sock_send_length + sock_recv_length" */
	const char *programs[PROBE_PROGRAMS_MAX]; /* NULL-terminated unless full */
};

struct probe {
	const char *capability; /* what it is good for, in a few words */
	const char *without;	/* what is lost when no variant works */
	const char *todo;	/* what the user can do about it */
	bool required;
	struct probe_variant variants[PROBE_VARIANTS_MAX];
};

extern const struct probe probes[];
extern const size_t probes_cnt;

/* The outcome of trying one probe. */
struct probe_result {
	const struct probe *probe;
	const struct probe_variant *chosen; /* NULL: none works */
	char tried[PROBE_WHY_SZ];	    /* the kernel's words about those that do not */
};

/*
 * Loads and attaches every variant of a probe, alone, until one works; what it set up is gone on
 * return.
 */
void probe_try(const struct probe *probe, struct probe_result *result);
/* Attaches the iterator over the connections of a loaded object; NULL with errno. */
struct bpf_link *attach_tails(struct tracer_bpf *bpf);
/* Leaves only the chosen variants of all probes to be loaded. */
void probes_select(struct tracer_bpf *bpf, const struct probe_result *results);
/* What this host lacks before any probe is tried, as a sentence; false if nothing. */
bool host_lacks(char *why, size_t why_sz);

/* While non-NULL, libbpf's warnings go there (cut) instead of to the log. */
void libbpf_messages_to(char *text, size_t text_sz);

#endif
