/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The account: what went in, what came out, what was lost and why. One table of counters serves
 * the tools' last line, the agent's log and /metrics. Any thread may add; reads are not a snapshot.
 */
#ifndef SONDE_BASE_ACCOUNT_H
#define SONDE_BASE_ACCOUNT_H

#include <stdatomic.h>
#include <stdint.h>

/*
 * X(enumerator, metric stem, cause label or "", one-line help)
 * The Prometheus name is sonde_<stem>_total{cause="<label>"}.
 */
#define ACCOUNT_TABLE(X)                                                                           \
	X(RECORDS, "records", "", "Records read from the ring")                                    \
	X(RECORD_BYTES, "record_bytes", "", "Bytes read from the ring")                            \
	X(RECORDS_INVALID, "records_invalid", "", "Records that failed validation")                \
	X(RING_FULL, "ring_full", "", "Records that the kernel could not write: ring full")        \
	X(UNREADABLE, "unreadable", "", "Operations whose bytes the kernel could not read")        \
	X(NO_STORAGE, "no_storage", "", "Operations that found no memory for their state")         \
	X(UNRETURNED, "unreturned", "", "Operations whose return the kernel did not report")       \
	X(TLS_UNBOUND, "tls_unbound", "", "Operations of TLS sessions whose socket was not known") \
	X(TLS_BUSY, "tls_busy", "", "Operations of TLS sessions that found no room to work in")    \
	X(CONNECTIONS, "connections", "", "Connections seen")                                      \
	X(CONNECTIONS_UNKNOWN, "connections_unknown", "", "Connections of no recognised protocol") \
	X(UNPARSED_BYTES, "unparsed_bytes", "", "Bytes on connections of no recognised protocol")  \
	X(DATAGRAMS, "datagrams", "", "Datagrams seen")                                            \
	X(DATAGRAMS_UNKNOWN, "datagrams_unknown", "", "Datagrams of no recognised protocol")       \
	X(GAPS, "gaps", "", "Gaps that broke a stream's framing")                                  \
	X(REQUESTS, "requests", "", "Requests parsed")                                             \
	X(REQUESTS_REPEATED, "requests_repeated", "", "Requests over UDP that were sent again")    \
	X(RESPONSES, "responses", "", "Responses parsed")                                          \
	X(RESPONSES_EARLY, "responses_early", "", "Responses to requests from before the start")   \
	X(RECORDS_STRAY, "records_stray", "", "Records of connections that were let go")           \
	X(TEXT_CUT, "text_cut", "", "Spans whose texts did not fit")                               \
	X(REDACTED, "redacted", "", "Values changed by redaction")                                 \
	X(REDACT_ALL, "redacted_whole", "", "Values redacted whole: too hard to search")           \
	X(SPANS, "spans", "", "Spans made")                                                        \
	X(PARENTS_REFUSED, "parents_refused", "",                                                  \
	  "Spans without their parent: its trace, or what is like it, is beyond bounds")           \
	X(CONTEXTS_SHARED, "contexts_shared", "",                                                  \
	  "Requests that other profilers were told of while a thread worked for them")             \
	X(LEFT_OUT_SDK, "left_out", "sdk",                                                         \
	  "Spans not exported: their programs export spans of their own")                          \
	X(SAMPLED_OUT, "sampled_out", "", "Spans sampled out")                                     \
	X(SAMPLING_EARLY, "sampling_early", "", "Spans decided on early: too many waited")         \
	X(SAMPLING_FORGOTTEN, "sampling_forgotten", "",                                            \
	  "Traces to keep that were forgotten early")                                              \
	X(LOST_GAP, "lost", "gap", "Exchanges lost: bytes missing in the stream")                  \
	X(LOST_EVICTED, "lost", "evicted", "Exchanges lost: table full")                           \
	X(LOST_RING, "lost", "ring_full",                                                          \
	  "Exchanges lost: records missing because the ring was full")                             \
	X(LOST_UNPARSED, "lost", "unparsed", "Exchanges lost: malformed message")                  \
	X(LOST_OPEN, "lost", "unfinished", "Exchanges unfinished when the tracer stopped")         \
	X(LOST_MEMORY, "lost", "memory", "Exchanges lost: out of memory")                          \
	X(LOST_QUEUE, "export_lost", "queue_full", "Spans dropped: export queue full")             \
	X(SAMPLES, "samples", "", "CPU samples taken over from the kernel")                        \
	X(OFF_CPU_LOOKS, "off_cpu_looks", "",                                                      \
	  "Looks at all threads for those that are off the CPUs")                                  \
	X(OFF_CPU_THREADS, "off_cpu_threads", "", "Threads that were looked at, each time")        \
	X(OFF_CPU_MICROS, "off_cpu_micros", "", "CPU time in us that looking has taken")           \
	X(SAMPLES_LINKED, "samples_linked", "", "CPU samples linked to a span")                    \
	X(SAMPLES_PUBLISHED, "samples_published", "",                                              \
	  "Samples of threads whose own SDK says which span they work for")                        \
	X(SAMPLES_FULL, "samples_lost", "ring_full", "CPU samples lost: ring full")                \
	X(SAMPLES_BUSY, "samples_lost", "task_state",                                              \
	  "CPU samples lost: the thread's state could not be had")                                 \
	X(SAMPLES_BEHIND, "samples_lost", "behind", "CPU samples lost: profile thread behind")     \
	X(SAMPLES_MEMORY, "samples_lost", "memory", "CPU samples lost: profile full")              \
	X(SAMPLES_BURST, "samples_burst", "", "CPU samples that were taken by the faster clock")   \
	X(TRIGGERS, "triggers", "",                                                                \
	  "Routes that became slow and had their service sampled faster")                          \
	X(TRIGGERS_COOL, "triggers_refused", "cool_down",                                          \
	  "Routes that became slow while, or soon after, their service was sampled faster")        \
	X(TRIGGERS_BUSY, "triggers_refused", "at_once",                                            \
	  "Routes that became slow while enough other services were sampled faster")               \
	X(TRIGGERS_SHARE, "triggers_refused", "time_share",                                        \
	  "Routes that became slow when the share of time for faster sampling was used up")        \
	X(TRIGGERS_FAILED, "triggers_refused", "failed",                                           \
	  "Routes that became slow while the kernel gave no faster clock")                         \
	X(TRIGGER_KEPT, "trigger_spans_kept", "", "Spans whose traces a trigger has kept")         \
	X(TRIGGER_BEYOND, "trigger_spans_beyond", "",                                              \
	  "Spans left to sampling since a trigger had kept as many as it may")                     \
	X(TRIGGER_APART, "trigger_samples_apart", "",                                              \
	  "CPU samples of processes that a service sampled faster had no room for")                \
	X(TRIGGER_EVICTED, "trigger_routes_evicted", "",                                           \
	  "Routes whose usual latency was forgotten to make room for others")                      \
	X(STACKS_WHOLE, "stacks_whole", "", "Stacks of processes that reach the thread's start")   \
	X(STACKS_COPIED, "stacks_copied", "",                                                      \
	  "Stacks unwound from a copy: the process or a file was new")                             \
	X(STACKS_ENDED, "stacks_cut", "process_ended",                                             \
	  "Stacks without the process's part: it ended before its mappings were read")             \
	X(STACKS_NEW, "stacks_cut", "not_yet_known",                                               \
	  "Stacks cut since the process or a file was new, and what was copied did not suffice")   \
	X(STACKS_UNMAPPED, "stacks_cut", "not_code", "Stacks cut at an address that is no code")   \
	X(STACKS_NO_TABLE, "stacks_cut", "no_table",                                               \
	  "Stacks cut at code of which its file has no unwind table")                              \
	X(STACKS_UNSUPPORTED, "stacks_cut", "unsupported",                                         \
	  "Stacks cut at code whose unwind table cannot be followed")                              \
	X(STACKS_UNREADABLE, "stacks_cut", "unreadable", "Stacks cut where they cannot be read")   \
	X(STACKS_NO_FRAME, "stacks_cut", "no_frame_pointer",                                       \
	  "Stacks cut at code in no file that has no frame pointer")                               \
	X(STACKS_DEEP, "stacks_cut", "depth", "Stacks cut at the largest number of frames")        \
	X(PYTHON_PLACED, "python_stacks", "",                                                      \
	  "Stacks with Python frames, each where it was called")                                   \
	X(PYTHON_APART, "python_stacks_apart", "",                                                 \
	  "Stacks with Python frames of which it is not known what was called between them")       \
	X(PYTHON_DEEP, "python_stacks_cut", "depth",                                               \
	  "Python frames cut at the largest number of them")                                       \
	X(PYTHON_TORN, "python_stacks_cut", "unreadable",                                          \
	  "Python frames cut where they cannot be read")                                           \
	X(PYTHON_NEW, "python_stacks_without", "not_yet_known",                                    \
	  "Stacks without Python frames since the process was new")                                \
	X(PYTHON_FOREIGN, "python_stacks_without", "version",                                      \
	  "Stacks without Python frames since that version of CPython is not known")               \
	X(PYTHON_UNREAD, "python_stacks_without", "unreadable",                                    \
	  "Stacks without Python frames since the thread's state cannot be read")                  \
	X(PYTHON_SEVERAL, "python_stacks_without", "interpreters",                                 \
	  "Stacks without Python frames since the thread belongs to several interpreters")         \
	X(PYTHON_UNMATCHED, "python_stacks_without", "unmatched",                                  \
	  "Stacks without Python frames since none of the interpreter's own is there")             \
	X(PYTHON_UNNAMED, "python_frames_unreadable", "",                                          \
	  "Python frames whose code object cannot be read, or is gone")                            \
	X(STACKS_RAN, "stacks_cut", "ran_meanwhile",                                               \
	  "Stacks of threads that went on while they were looked at")                              \
	X(V8_STACKS, "javascript_stacks", "", "Stacks with JavaScript frames")                     \
	X(V8_NEW, "javascript_stacks_without", "not_yet_known",                                    \
	  "Stacks without JavaScript frames since the process was new")                            \
	X(V8_FOREIGN_STACKS, "javascript_stacks_without", "version",                               \
	  "Stacks without JavaScript frames since that version of V8 is not known")                \
	X(V8_MOVED, "javascript_frames_unnamed", "moved",                                          \
	  "JavaScript frames whose function was not there any more when it was read")              \
	X(V8_UNREADABLE, "javascript_frames_unnamed", "unreadable",                                \
	  "JavaScript frames whose function could not be read with the sample")                    \
	X(V8_LINES, "javascript_lines_lost", "too_many",                                           \
	  "JavaScript functions without their line: too much source to read for it")               \
	X(V8_LEAF, "javascript_frames_unnamed", "leaf",                                            \
	  "JavaScript frames that were just begun, or about to end")                               \
	X(LINES, "source_lines", "",                                                               \
	  "Addresses of native code whose lines of the source were found")                         \
	X(LINES_BIG, "source_lines_lost", "too_big",                                               \
	  "Addresses without source lines: the debug information is too large")                    \
	X(LINES_LATE, "source_lines_lost", "too_slow",                                             \
	  "Addresses without source lines: reading the debug information took too long")           \
	X(LINES_FAILED, "source_lines_lost", "unreadable",                                         \
	  "Addresses without source lines: the debug information could not be read")               \
	X(LINES_FORGOTTEN, "source_lines_lost", "forgotten",                                       \
	  "Addresses without source lines: too many files, the one used longest ago was let go")   \
	X(LINES_AWAITED, "source_lines_lost", "awaited",                                           \
	  "Addresses without source lines: the debug information is still being fetched")          \
	X(LINES_MEMORY, "source_lines_lost", "memory",                                             \
	  "Addresses without source lines: no room to keep them")                                  \
	X(FILES_SEARCHED, "files_searched", "", "Mapped files searched for a TLS library")         \
	X(MAPPINGS_LOST, "mappings_lost", "", "Events of new mappings that the kernel lost")       \
	X(PROBES_ATTACHED, "probes_attached", "", "Probes attached to TLS libraries")              \
	X(PROBES_DETACHED, "probes_detached", "", "Probes detached from TLS libraries")            \
	X(PROBES_REFUSED, "probes_lost", "refused", "Probes that the kernel refused")              \
	X(PROBES_FULL, "probes_lost", "files", "Probes not attached: too many files have some")    \
	X(PROFILES, "profiles", "", "Profiles made")                                               \
	X(SENT, "exported", "sent", "Spans that the endpoint accepted")                            \
	X(WRITTEN, "exported", "written", "Spans written to a file")                               \
	X(REFUSED, "export_lost", "refused", "Spans that the endpoint refused")                    \
	X(FAILED, "export_lost", "failed", "Spans given up after retries")                         \
	X(SERIES_OVERFLOW, "metrics_overflow", "",                                                 \
	  "Spans counted in the series of what is beyond")                                         \
	X(POINTS_SENT, "points_exported", "", "Data points that the endpoint accepted")            \
	X(POINTS_QUEUE, "points_lost", "queue_full", "Data points dropped: export queue full")     \
	X(POINTS_REFUSED, "points_lost", "refused", "Data points that the endpoint refused")       \
	X(POINTS_FAILED, "points_lost", "failed", "Data points given up after retries")            \
	X(SAMPLES_SENT, "samples_exported", "", "Samples that the endpoint accepted")              \
	X(SAMPLES_QUEUE, "samples_lost", "queue_full", "Samples dropped: export queue full")       \
	X(SAMPLES_REFUSED, "samples_lost", "refused", "Samples that the endpoint refused")         \
	X(SAMPLES_FAILED, "samples_lost", "failed", "Samples given up after retries")              \
	X(EXPORT_REQUESTS, "export_requests", "", "Export requests made")                          \
	X(EXPORT_RETRIES, "export_retries", "", "Export requests made again")

enum account_entry {
#define X(id, stem, cause, help) ACCOUNT_##id,
	ACCOUNT_TABLE(X)
#undef X
	ACCOUNT_CNT,
};

struct account_row {
	const char *stem, *cause, *help;
};

extern const struct account_row account_rows[ACCOUNT_CNT];
extern _Atomic uint64_t account_values[ACCOUNT_CNT];

static inline void account_add(enum account_entry entry, uint64_t n)
{
	atomic_fetch_add_explicit(&account_values[entry], n, memory_order_relaxed);
}

static inline uint64_t account_get(enum account_entry entry)
{
	return atomic_load_explicit(&account_values[entry], memory_order_relaxed);
}

/* For values that are counted elsewhere (the kernel) and only mirrored here. */
static inline void account_set(enum account_entry entry, uint64_t n)
{
	atomic_store_explicit(&account_values[entry], n, memory_order_relaxed);
}

#endif
