/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ladder: each capability lists the variants of its probe, best first, and takes the first one
 * that really loads and attaches. A variant is one or more BPF programs.
 */
#ifndef SONDE_CAPTURE_PROBES_H
#define SONDE_CAPTURE_PROBES_H

#include <stdbool.h>
#include <stddef.h>

#define PROBE_PROGRAMS_MAX 8
#define PROBE_VARIANTS_MAX 3
#define PROBE_WHY_SZ 768

struct bpf_link;
struct tracer_bpf;

/* Kinds of socket hook: what a variant is, or which of them it goes with. */
#define KIND_TP_BTF 0x1u
#define KIND_FEXIT 0x2u
#define KIND_KPROBE 0x4u
#define KIND_ANY (KIND_TP_BTF | KIND_FEXIT | KIND_KPROBE)

/* What a probe is there for; of several uses, any. */
#define USE_TRACING 1u
#define USE_PROFILING 2u
#define USE_TLS 4u
#define USE_PROPAGATION 8u
#define USE_HEADERS 16u
#define USE_TIMING 32u
#define USE_PUMA 64u
#define USE_OFF_CPU 128u
#define USE_SHARING 256u

struct probe_variant {
	const char *name; /* e.g. "tp_btf/sock_send_length + sock_recv_length" */
	const char *programs[PROBE_PROGRAMS_MAX]; /* NULL-terminated unless full */
	/* Of these, by the function in their section's name, those whose function there is. */
	const char *optional[PROBE_PROGRAMS_MAX];
	unsigned int kinds; /* KIND_ bits */
	const char *less;   /* what it does worse than the first variant; NULL: nothing */
	bool uprobe_multi;  /* programs of uprobes are to be attached so */
	/* Must it not be tried here? If so, with the reason in why. NULL: it may be. */
	bool (*unsafe)(char *why, size_t why_sz);
};

struct probe {
	const char *capability; /* what it is good for, in a few words */
	const char *without;	/* what is lost when no variant works */
	const char *todo;	/* what the user can do about it */
	bool required;
	unsigned int uses; /* USE_ bits */
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

/* The kinds that a setting allows: NULL or "auto" all of them; 0 if there is none of that name. */
unsigned int probe_kinds(const char *name);
/*
 * Loads and attaches the variants of a probe of these kinds, each alone, until one works; what it
 * set up is gone on return. Returns the kinds that go with the one that works.
 */
unsigned int probe_try(const struct probe *probe, unsigned int kinds, struct probe_result *result);
/*
 * Chooses the best variants of a kind, untried, of the probes for these uses. False: one that must
 * be there has none.
 */
bool probes_guess(unsigned int kinds, unsigned int uses, struct probe_result *results);
/* Leaves only the chosen variants of all probes to be loaded, and says so in the settings. */
void probes_select(struct tracer_bpf *bpf, const struct probe_result *results);
/*
 * Attaches all programs of a loaded object that run by themselves; adds to links. 0 or negative
 * errno. Whoever destroys the links calls kprobes_clean_up after it.
 */
int probes_attach(struct tracer_bpf *bpf, struct bpf_link **links, size_t cap, size_t *cnt);
/* Attaches the iterator over the connections of a loaded object; NULL with errno. */
struct bpf_link *attach_tails(struct tracer_bpf *bpf);
/* Tells the programs of a loaded object which process sonde is, whatever namespace that is in. */
void identify_self(struct tracer_bpf *bpf);
/* What this host lacks before any probe is tried, as a sentence; false if nothing. */
bool host_lacks(char *why, size_t why_sz);

/* While non-NULL, libbpf's warnings go there (cut) instead of to the log. */
void libbpf_messages_to(char *text, size_t text_sz);

#endif
