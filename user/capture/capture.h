/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel side of sonde, seen from user space: load and attach the BPF programs, drain their
 * ring, tell them what to look at. Programs for what is not asked for are not even loaded. Used by one thread; capture__own_end by any.
 */
#ifndef SONDE_CAPTURE_CAPTURE_H
#define SONDE_CAPTURE_CAPTURE_H

#include "include/abi/record.h"
#include "include/abi/thread_context.h"
#include "include/abi/tracer.h"
#include "user/capture/targets.h"

struct capture_options {
	struct targets targets;
	uint64_t ring_sz; /* bytes, a power of two of at least one page; 0: by the processors */
	uint32_t copy_first_sz, copy_turn_sz;
	uint32_t max_connections; /* remembered, where the kernel keeps them by address */
	const char *variant;	  /* of the socket hook: "tp_btf", "fexit", "kprobe"; or "auto" */
	bool short_walk;	  /* of frames: without bpf_loop even where there is one */
	bool tracing;		  /* watch sockets */
	bool tls;		  /* and be ready for probes in TLS libraries, if the kernel is */
	bool propagation;	  /* be ready to send ids to other hosts, if the kernel is */
	bool timing;		  /* tell what the time of requests went to, if the kernel does */
	uint32_t sample_hz;	  /* take samples of each CPU, so many a second; 0: none */
	uint32_t
		off_cpu_hz; /* look for threads that are off the CPUs, so many times a second; 0: never */
	bool frame_pointers; /* stacks of processes by these, even where there is a better way */
	/* Pinned maps, see context_map.h: where others tell what threads work for, and where they are told. NULL: none. */
	const char *context_map, *share_map;
	bool bursts;	     /* some processes may be sampled faster for a while */
	bool sample_or_fail; /* else go on without samples where the kernel gives none */
	/* Called for each valid record, which is gone when it returns. */
	void (*record)(void *ctx, const struct record_head *record);
	void *ctx;
};

struct capture;

#define CAPTURE_WHY_SZ 1024

/* Loads and attaches. NULL with a sentence for the user in why. */
struct capture *capture__new(const struct capture_options *options, char why[CAPTURE_WHY_SZ]);
void capture__free(struct capture *capture);

/*
 * Changes what is traced, at once. On failure, -1 with a sentence in why: what could be checked
 * before has then left the old targets as they were. Any thread, one at a time.
 */
int capture__retarget(struct capture *capture, const struct targets *targets,
		      char why[CAPTURE_WHY_SZ]);

/* False if the targets are pids, names or executables, and this process is none of them. Any thread. */
bool capture__wants_pid(const struct capture *capture, uint32_t pid);

/*
 * Waits until the ring fills or the time is over, then delivers records; without a time-out all that
 * there are, else so many that verdicts and time-outs do not wait long. 0 or negative errno.
 */
int capture__drain(struct capture *capture, int timeout_ms);
/*
 * A second clock, hz samples of each CPU in a second, for the processes that capture__sample_fast names, whom the usual one
 * then leaves to it. 0 or negative errno. Stop it (any time) when there are none.
 */
int capture__start_fast_clock(struct capture *capture, uint32_t hz);
void capture__stop_fast_clock(struct capture *capture);
/* The process, by its id in the initial namespace, is sampled fast as part of that burst; 0: as usual again. */
int capture__sample_fast(struct capture *capture, uint32_t pid, uint16_t burst);
/* Ends sampling. All that is known of what is off the CPUs is then in the ring. */
void capture__end_samples(struct capture *capture);
/* Tells others that the thread works for that span, if it does: see include/abi/thread_context.h. False if it does not. */
bool capture__share(struct capture *capture, struct context_offer *offer);
/* That is over. */
void capture__unshare(struct capture *capture, const struct context_offer *offer);
/* Has the kernel write records for tails that it kept silent about. */
void capture__flush_tails(struct capture *capture);
/* What verdict.shape means by 1 + index, below FRAME_SHAPES_MAX. */
void capture__shape(struct capture *capture, uint32_t index, const struct frame_shape *shape);
/* Takes effect at the connection's next event after capture__commit_verdicts. */
void capture__verdict(struct capture *capture, uint64_t cookie, const struct verdict *verdict);
void capture__commit_verdicts(struct capture *capture);
/* The other end of a connection from this local address is not traced. */
void capture__own_end(struct capture *capture, const char *local_ip, int local_port);
#define UPROBE_SITES_MAX 48

/* A place for a probe in a file. */
struct uprobe_site {
	uint64_t file_off;
	uint64_t cookie; /* see include/abi/tls.h */
	bool returns;	 /* one at the return of the function too */
};

/*
 * Probes at all sites of a file, in every process that runs it. NULL with errno: at none; ENOTSUP: this
 * kernel cannot. Any thread.
 */
struct uprobes;
struct uprobes *capture__attach_uprobes(struct capture *capture, int fd,
					const struct uprobe_site *sites, size_t cnt);
/* The same for cookies of include/abi/go.h. */
struct uprobes *capture__attach_go(struct capture *capture, int fd, const struct uprobe_site *sites,
				   size_t cnt);
/* The file is an executable of Go: from now on its processes are known as such. Any thread. */
struct go_exe;
void capture__add_go(struct capture *capture, int fd, const struct go_exe *exe);
/* Changes whenever the next one's answer does, for any file. */
uint32_t capture__go_uses(const struct capture *capture);
/* How the processes of that executable, by its inode, were used so far: enum go_use. */
uint8_t capture__go_use(const struct capture *capture, uint64_t inode);
/* May wait 0.1 s for the kernel, and without uprobe_multi so long for each. NULL is legal. */
void uprobes__free(struct uprobes *uprobes);
/* The commands whose TLS is not to be seen, from now on. 0, or -1 with a sentence in why. Any thread. */
int capture__deny_tls(struct capture *capture, const char *const *names, size_t cnt,
		      char why[CAPTURE_WHY_SZ]);
/*
 * From now on ids go with requests to other hosts, in a header or else in a TCP option, except those of
 * processes that are denied (names, exes, cgroups). 0, or -1 with a sentence in why: then none do. One thread at a time.
 */
int capture__send_ids(struct capture *capture, const struct targets *denied, bool in_header,
		      char why[CAPTURE_WHY_SZ]);
/* And from now on they do not. */
void capture__keep_ids(struct capture *capture);
/*
 * For the sampler's unwinder: memory for cnt blocks of a table, else mappings, which the sampler finds by its id once
 * its fd is published; see include/abi/unwind.h. One thread at a time.
 */
void *capture__map_unwind(struct capture *capture, bool table, uint32_t cnt, int *fd);
void capture__unmap_unwind(struct capture *capture, bool table, void *memory, uint32_t cnt);
int capture__publish_unwind(struct capture *capture, bool table, const uint32_t *ids,
			    const int *fds, uint32_t cnt);
void capture__withdraw_unwind(struct capture *capture, bool table, const uint32_t *ids,
			      uint32_t cnt);
int capture__set_python(struct capture *capture, uint32_t process_id,
			const struct python_layout *layout);
int capture__set_v8(struct capture *capture, uint32_t process_id, const struct v8_layout *layout);
/* The same of where its threads publish what they work for. */
int capture__set_thread_context(struct capture *capture, uint32_t process_id,
				const struct thread_context_place *place);
int capture__unwind_rules(struct capture *capture, uint32_t first, const struct unwind_rule *rules,
			  uint32_t cnt);
/* Can it probe? */
bool capture__has_uprobes(const struct capture *capture);
/* Sums over CPUs. */
void capture__counts(const struct capture *capture, struct tracer_counts *out);

#endif
