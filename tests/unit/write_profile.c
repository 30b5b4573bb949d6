// SPDX-License-Identifier: Apache-2.0
/*
 * Writes one profile in every format, for the tests that read them with other people's programs.
 * usage: write_profile DIRECTORY   profile.folded, .svg, .html, .json, .pb.gz, .otlp, diff.svg, and truth.json: the
 * samples as they were put in.
 */
#include <errno.h>
#include <string.h>

#include "tests/unit/profile_rig.h"

#include "user/base/json_writer.h"
#include "user/export/firefox.h"
#include "user/export/flame_diff.h"
#include "user/export/flame_svg.h"
#include "user/export/folded.h"
#include "user/export/otlp_profile.h"
#include "user/export/pprof.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))
#define DEPTH_MAX 20
#define SAMPLES 6000
#define NGINX_ID "5f1c2d3e4b5a69788796a5b4c3d2e1f001020304"
#define LIBC_ID "c047672cae7964324658491e7dee26748ae5d2f8"
#define PYTHON_HASH "00112233445566778899aabbccddeeff"

/* Every frame there is; the walks below name them by their place here. */
static const struct rig_frame frames[] = {
#define NGINX(name_, address_, line_)                                                   \
	{                                                                               \
		.type = FRAME_NATIVE, .name = name_, .file = "/usr/sbin/nginx",         \
		.build_id = NGINX_ID, .address = address_, .source = "src/" name_ ".c", \
		.line = line_                                                           \
	}
#define LIBC(name_, address_)                                                      \
	{                                                                          \
		.type = FRAME_NATIVE, .name = name_, .file = "/usr/lib/libc.so.6", \
		.build_id = LIBC_ID, .address = address_                           \
	}
#define KERNEL(name_, address_)                                                                  \
	{                                                                                        \
		.type = FRAME_KERNEL, .name = name_, .file = "[kernel]", .build_id = "abad1dea", \
		.address = 0xffffffff81000000u + (address_)                                      \
	}
#define PYTHON(name_, system_, address_)                                                     \
	{                                                                                    \
		.type = FRAME_NATIVE, .name = name_, .system_name = system_,                 \
		.file = "/usr/bin/python3.11", .file_hash = PYTHON_HASH, .address = address_ \
	}
	[0] = NGINX("main", 0x1000, 12),
	NGINX("ngx_worker_process_cycle", 0x1100, 200),
	NGINX("ngx_process_events_and_timers", 0x1200, 31),
	NGINX("ngx_epoll_process_events", 0x1300, 800),
	NGINX("ngx_http_wait_request_handler", 0x1400, 377),
	NGINX("ngx_http_process_request_line", 0x1500, 1100),
	NGINX("ngx_http_parse_header_line", 0x1600, 801),
	NGINX("ngx_http_handler", 0x1700, 851),
	NGINX("ngx_http_static_handler", 0x1800, 49),
	NGINX("ngx_open_cached_file", 0x1900, 0),
	NGINX("ngx_http_write_filter", 0x1A00, 0),
	[11] = LIBC("__libc_start_main", 0x27200),
	LIBC("__writev", 0x105000),
	LIBC("epoll_wait", 0x106000),
	LIBC("__memmove_avx_unaligned_erms", 0x160000),
	[15] = KERNEL("entry_SYSCALL_64_after_hwframe", 0x10),
	KERNEL("do_syscall_64", 0x20),
	KERNEL("__x64_sys_writev", 0x30),
	KERNEL("tcp_sendmsg", 0x40),
	KERNEL("tcp_write_xmit", 0x50),
	KERNEL("__x64_sys_epoll_wait", 0x60),
	KERNEL("ep_poll", 0x70),
	KERNEL("schedule", 0x80),
	KERNEL("asm_sysvec_apic_timer_interrupt", 0x90),
	[24] = PYTHON("_PyEval_EvalFrameDefault", NULL, 0x4000),
	PYTHON("json::encode<str, 4>(std::string const&)", "_ZN4json6encodeIsLi4EEERKSs", 0x4100),
	PYTHON("_PyObject_MakeTpCall", NULL, 0x4200),
	[27] = {.type = FRAME_JIT, .name = "py::handle:/srv/orders.py", .address = 0x7f0000001000},
	{.type = FRAME_JIT, .name = "py::total:/srv/orders.py", .address = 0x7f0000002000},
	{.type = FRAME_NATIVE,
	 .file = "/opt/vendor/libcrypt;o.so.3",
	 .build_id = "feedface",
	 .address = 0x1234},
	{.type = FRAME_NATIVE,
	 .file = "/opt/vendor/libcrypt;o.so.3",
	 .build_id = "feedface",
	 .address = 0x5678},
	{.type = FRAME_NATIVE, .file = "/gone (deleted)", .address = 0x99},
	{.type = FRAME_JIT, .address = 0x7f0000003000},
	[33] = {.type = FRAME_ERROR, .name = "[stack cut: 256 frames]"},
	{.type = FRAME_NATIVE,
	 .name = "]]><script>alert('\"&amp;')</script>",
	 .file = "/tmp/x",
	 .build_id = "00ff"},
	{.type = FRAME_NATIVE,
	 .name = "count",
	 .system_name = "cpu",
	 .file = "/tmp/x",
	 .build_id = "00ff",
	 .address = 0x10},
	{.type = FRAME_NATIVE,
	 .name = "gr\xC3\xBC\xC3\x9F\xE6\x97\xA5\xE6\x9C\xAC; \xFF\x01\n",
	 .file = "/tmp/x",
	 .build_id = "00ff",
	 .address = 0x20},
};

#define HTTP 11, 0, 1, 2, 3
#define SYSCALL 15, 16
#define END (-1)

/* From the root to the leaf, and how often. */
static const struct walk {
	const char *service, *thread;
	uint32_t pid, weight;
	int8_t frames[DEPTH_MAX];
} walks[] = {
	{"web", "nginx", 100, 500, {HTTP, 4, 5, 6, END}},
	{"web", "nginx", 100, 120, {HTTP, 4, 5, 7, 8, END}},
	{"web", "nginx", 100, 260, {HTTP, 4, 5, 7, 8, 9, END}},
	{"web", "nginx", 100, 900, {HTTP, 4, 5, 7, 8, 10, 12, SYSCALL, 17, 18, 19, END}},
	{"web", "nginx", 100, 300, {HTTP, 4, 5, 7, 8, 10, 12, SYSCALL, 17, 18, END}},
	{"web", "nginx", 100, 350, {HTTP, 4, 5, 7, 14, END}},
	{"web", "nginx", 101, 450, {HTTP, 13, SYSCALL, 20, 21, 22, END}},
	{"web", "nginx", 101, 80, {HTTP, 13, SYSCALL, 20, 21, END}},
	{"orders", "python3", 200, 600, {11, 24, 27, 24, 28, 24, END}},
	{"orders", "python3", 200, 500, {11, 24, 27, 26, 25, END}},
	{"orders", "worker-1", 200, 400, {11, 24, 27, 24, 28, END}},
	{"orders", "worker-1", 200, 120, {11, 24, 27, 26, 29, END}},
	{"orders", "worker-2", 200, 110, {11, 24, 27, 26, 30, END}},
	{"orders", "worker-2", 200, 90, {11, 24, 32, 23, END}},
	{"orders", "worker-2", 200, 60, {33, 31, 32, END}},
	{"hostile <&>\"'", "a;b\n", 300, 90, {34, 35, 36, END}},
	{NULL, "kworker/0:1", 0, 70, {SYSCALL, 22, END}},
	{NULL, "kworker/1:2", 0, 1, {15, END}},
};

/* A small generator, so that every machine makes the same profile. */
static uint32_t random_below(uint64_t *state, uint32_t n)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)((*state >> 33) % n);
}

static const struct walk *choose(uint64_t *state)
{
	uint32_t sum = 0, at;
	size_t i = 0;

	for (size_t k = 0; k < LEN(walks); k++)
		sum += walks[k].weight;
	at = random_below(state, sum);
	while (at >= walks[i].weight)
		at -= walks[i++].weight;
	return &walks[i];
}

static void tell_frame(struct json_writer *j, const struct rig_frame *frame)
{
	jw_lit(j, "{\"name\":");
	jw_string(j, slice_str(frame->name));
	jw_lit(j, ",\"system\":");
	jw_string(j, slice_str(frame->system_name));
	jw_lit(j, ",\"file\":");
	jw_string(j, slice_str(frame->file));
	jw_lit(j, ",\"buildId\":");
	jw_string(j, slice_str(frame->build_id));
	jw_lit(j, ",\"hash\":");
	jw_string(j, slice_str(frame->file_hash));
	jw_lit(j, ",\"source\":");
	jw_string(j, slice_str(frame->source));
	jw_lit(j, ",\"line\":");
	jw_u64(j, frame->line);
	jw_lit(j, ",\"address\":");
	jw_u64(j, frame->address);
	jw_lit(j, ",\"type\":");
	jw_u64(j, frame->type);
	jw_lit(j, "}");
}

static void tell_sample(struct json_writer *j, const struct walk *walk,
			const struct profile_sample *sample, const struct profile_link *link)
{
	jw_raw(j, j->len > 1 ? SLICE(",\n{\"service\":") : SLICE("{\"service\":"));
	jw_string(j, slice_str(walk->service));
	jw_lit(j, ",\"pid\":");
	jw_u64(j, walk->pid);
	jw_lit(j, ",\"thread\":");
	jw_string(j, slice_str(walk->thread));
	jw_lit(j, ",\"tid\":");
	jw_u64(j, sample->tid);
	jw_lit(j, ",\"cpu\":");
	jw_u64(j, sample->cpu);
	jw_lit(j, ",\"time\":");
	jw_u64(j, sample->time_ns);
	jw_lit(j, ",\"trace\":");
	jw_hex(j, link->trace_id.bytes, sizeof(link->trace_id));
	jw_lit(j, ",\"span\":");
	jw_hex(j, link->span_id.bytes, sizeof(link->span_id));
	jw_lit(j, ",\"frames\":[");
	for (uint32_t i = 0; walk->frames[i] != END; i++) {
		if (i)
			jw_lit(j, ",");
		tell_frame(j, &frames[walk->frames[i]]);
	}
	jw_lit(j, "]}");
}

/* One resource per process. */
static uint32_t resource_of(struct profile *p, const struct walk *walk)
{
	static uint32_t made[LEN(walks)];
	size_t i = 0;

	while (walks[i].pid != walk->pid)
		i++;
	if (walk->pid && !made[i])
		made[i] = rig_resource(p, walk->service, walk->pid);
	return made[i];
}

static void add(struct profile *p, struct json_writer *truth, uint32_t i, uint64_t *state)
{
	const struct walk *walk = choose(state);
	const struct rig_frame *leaf_first[DEPTH_MAX];
	struct profile_link link = {0};
	struct profile_sample sample = {
		.time_ns = RIG_START_NS + i * (uint64_t)RIG_PERIOD_NS / 2,
		.resource = resource_of(p, walk),
		.thread_name = rig_string(p, walk->thread),
		.tid = walk->pid + (uint32_t)strlen(walk->thread),
		.cpu = i % 2,
	};
	uint32_t cnt = 0;

	if (walk->service && random_below(state, 4) == 0) {
		link.trace_id.bytes[15] = link.span_id.bytes[7] =
			(uint8_t)(1 + random_below(state, 3));
		sample.link = profile__link(p, &link);
	}
	while (walk->frames[cnt] != END)
		cnt++;
	for (uint32_t k = 0; k < cnt; k++)
		leaf_first[k] = &frames[walk->frames[cnt - 1 - k]];
	sample.stack = rig_stack(p, leaf_first, cnt);
	profile__add(p, &sample);
	tell_sample(truth, walk, &sample, &link);
}

static FILE *open_in(const char *dir, const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return fopen(path, "w");
}

static int write_svg(const struct profile *p, FILE *out)
{
	return flame_svg_write(p, &(struct flame_page){.title = SLICE("A made-up profile <&>")},
			       out);
}

static int write_html(const struct profile *p, FILE *out)
{
	struct flame_page page = {.title = SLICE("A made-up profile <&>"), .html = true};

	return flame_svg_write(p, &page, out);
}

/* Three quarters of web's samples on one side, and three quarters of the others' on the other; hostile ones on none. */
static int write_diff(const struct profile *p, FILE *out)
{
	struct flame_page page = {.title = SLICE("Two services")};
	uint8_t *sides = calloc(p->samples.cnt, 1);
	struct flame_diff diff = {
		.profile = p, .sides = sides, .side = {{"slow", 10}, {"typical", 50}}};
	int err = -ENOMEM;

	for (uint32_t i = 0; sides && i < p->samples.cnt; i++) {
		const struct resource *resource = p->resources.v[p->samples.v[i].resource];
		uint32_t pid = resource ? resource->pid : 0;

		sides[i] = pid == 300 ? 2 : (pid == 100 || pid == 101) == (i % 4 == 0);
	}
	if (sides)
		err = flame_diff_write(&diff, &page, out);
	free(sides);
	return err;
}

static int write_firefox(const struct profile *p, FILE *out)
{
	return firefox_write(p, "A made-up profile <&>", out);
}

static int write_otlp(const struct profile *p, FILE *out)
{
	struct pb_writer w;
	struct slice bytes;
	int err;

	pb_writer__init(&w, OTLP_REQUEST_MAX_SZ);
	err = otlp_profile_encode(&w, p, "1.2.3");
	bytes = pb_writer__bytes(&w);
	if (!err && fwrite(bytes.p, 1, bytes.n, out) != bytes.n)
		err = -EIO;
	pb_writer__free(&w);
	return err;
}

static int write_truth(const char *dir, struct json_writer *truth)
{
	FILE *out = open_in(dir, "truth.json");
	struct slice text = json_writer__text(truth);

	if (!out || truth->failed)
		return -EIO;
	fwrite(text.p, 1, text.n, out);
	return fclose(out) ? -EIO : 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int (*write)(const struct profile *p, FILE *out);
	} formats[] = {
		{"profile.folded", folded_write}, {"profile.svg", write_svg},
		{"profile.html", write_html},	  {"profile.json", write_firefox},
		{"diff.svg", write_diff},	  {"profile.pb.gz", pprof_write},
		{"profile.otlp", write_otlp},
	};
	struct profile *p = rig_profile();
	struct json_writer truth;
	uint64_t state = 42;
	int err;

	if (argc != 2)
		return 2;
	json_writer__init(&truth, 64u << 20);
	jw_lit(&truth, "[");
	p->end_ns = RIG_START_NS + SAMPLES * (uint64_t)RIG_PERIOD_NS / 2;
	for (uint32_t i = 0; i < SAMPLES; i++)
		add(p, &truth, i, &state);
	jw_lit(&truth, "]\n");
	err = write_truth(argv[1], &truth);
	for (size_t i = 0; i < LEN(formats) && !err; i++) {
		FILE *out = open_in(argv[1], formats[i].name);

		err = out ? formats[i].write(p, out) : -errno;
		if (out)
			fclose(out);
	}
	json_writer__free(&truth);
	profile__free(p);
	if (err)
		fprintf(stderr, "write_profile: %s\n", strerror(-err));
	return err ? 1 : 0;
}
