// SPDX-License-Identifier: Apache-2.0
/* user/ident: whole resources from records over a made-up /proc, and once over the real one. */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "tests/unit/otel_ctx.h"
#include "user/base/clock.h"
#include "user/base/procfs.h"
#include "user/ident/ident.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HEX32 "0123456789abcdef0123456789abcdef"
#define UID "11111111-2222-3333-4444-555555555555"

static void expect_slice(const char *what, struct slice got, const char *want)
{
	if (!slice_eq(got, slice_str(want)))
		fail_msg("%s: got \"%.*s\", want \"%s\"", what, (int)got.n, got.p, want);
}

/* Writes strings that stand apart by '|' as NUL-terminated ones. */
static size_t unbar(const char *barred, char *out)
{
	size_t n = strlen(barred);

	for (size_t i = 0; i < n; i++)
		out[i] = barred[i] == '|' ? '\0' : barred[i];
	if (n)
		out[n++] = '\0';
	return n;
}

#define TICK_NS (1000000000ull / (uint64_t)sysconf(_SC_CLK_TCK))
#define START_TICKS 132885ull

struct fixture {
	char root[32];
	struct ident *ident;
};

static void put_file(const struct fixture *f, const char *name, const void *bytes, size_t len)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", f->root, name);
	for (char *slash = path + strlen(f->root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, bytes, len), len);
	close(fd);
}

static void put_text(const struct fixture *f, const char *name, const char *text)
{
	put_file(f, name, text, strlen(text));
}

/* Makes root/pid with what is not NULL; start is in ticks; args and env have '|' for NUL. */
static void put_process_dir(const struct fixture *f, uint32_t pid, uint64_t start, const char *exe,
			    const char *cgroup, const char *args, const char *env)
{
	char name[512], text[512];

	snprintf(name, sizeof(name), "%u/stat", pid);
	snprintf(text, sizeof(text), "%u (x) S 1 7 7 0 -1 0 1 0 0 0 0 0 0 0 20 0 1 0 %llu 9 9\n",
		 pid, (unsigned long long)start);
	put_text(f, name, text);
	if (exe) {
		snprintf(name, sizeof(name), "%s/%u/exe", f->root, pid);
		unlink(name);
		assert_int_equal(symlink(exe, name), 0);
	}
	snprintf(name, sizeof(name), "%u/cgroup", pid);
	if (cgroup)
		put_text(f, name, cgroup);
	snprintf(name, sizeof(name), "%u/cmdline", pid);
	if (args)
		put_file(f, name, text, unbar(args, text));
	snprintf(name, sizeof(name), "%u/environ", pid);
	if (env)
		put_file(f, name, text, unbar(env, text));
}

static void restart(struct fixture *f, struct ident_options options)
{
	ident__free(f->ident);
	options.proc_root = f->root;
	f->ident = ident__new(&options);
	assert_non_null(f->ident);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	snprintf(f->root, sizeof(f->root), "/tmp/test_ident.XXXXXX");
	assert_non_null(mkdtemp(f->root));
	put_text(f, "sys/kernel/hostname", "node-7\n");
	put_text(f, "sys/kernel/random/boot_id", "11111111-1111-1111-1111-111111111111\n");
	put_text(f, "1/root/etc/machine-id", HEX32 "\n");
	put_text(f, "1/root/etc/passwd",
		 "root:x:0:0::/root:/bin/sh\nbroken\nshop:x:1000:1000:,,,:/:/bin/sh\n");
	put_text(f, "1/root/etc/os-release",
		 "PRETTY_NAME=\"Test Linux 1\"\nNAME=Test\nVERSION_ID='1.0'\n");
	restart(f, (struct ident_options){.version = "1.2.3"});
	*state = f;
	return 0;
}

static int remove_one(const char *path, const struct stat *stat, int type, struct FTW *ftw)
{
	(void)stat, (void)type, (void)ftw;
	return remove(path);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	ident__free(f->ident);
	nftw(f->root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(f);
	return 0;
}

struct spec {
	uint32_t process_id, pid, ns_pid, parent_pid, uid;
	uint64_t start_ns; /* 0: as START_TICKS */
	const char *comm, *exe, *cgroup;
	const char *args, *env; /* '|' for NUL, one is added */
	bool cut;		/* args and env lose their last two bytes */
};

/* Gives the record from an exact-size allocation, so that the sanitizer sees an over-read. */
static int announce(struct fixture *f, struct spec spec)
{
	char args[4096], env[8192];
	size_t args_len = unbar(spec.args ?: "", args), env_len = unbar(spec.env ?: "", env), size;
	struct record_process *rec;
	int err;

	if (spec.cut && args_len)
		args_len -= 2;
	if (spec.cut && env_len)
		env_len -= 2;
	size = sizeof(*rec) + args_len + env_len;
	rec = calloc(1, size);
	rec->head.size = (uint32_t)size;
	rec->head.kind = RECORD_PROCESS;
	rec->process_id = spec.process_id;
	rec->pid = spec.pid;
	rec->ns_pid = spec.ns_pid;
	rec->parent_pid = spec.parent_pid;
	rec->uid = spec.uid;
	rec->start_ns = spec.start_ns ?: START_TICKS * TICK_NS;
	rec->args_len = (uint32_t)args_len;
	rec->env_len = (uint32_t)env_len;
	if (spec.comm)
		memcpy(rec->comm, spec.comm, strnlen(spec.comm, sizeof(rec->comm)));
	if (spec.exe)
		memcpy(rec->exe, spec.exe, strnlen(spec.exe, sizeof(rec->exe)));
	if (spec.cgroup)
		memcpy(rec->cgroup, spec.cgroup, strnlen(spec.cgroup, sizeof(rec->cgroup)));
	memcpy(rec + 1, args, args_len);
	memcpy((char *)(rec + 1) + args_len, env, env_len);
	err = ident__process(f->ident, rec, size);
	free(rec);
	return err;
}

static const struct resource *resource_of(struct fixture *f, struct spec spec)
{
	const struct resource *r;

	spec.process_id = spec.process_id ?: 1;
	spec.pid = spec.pid ?: 100;
	assert_int_equal(announce(f, spec), 0);
	r = ident__resource(f->ident, spec.process_id);
	assert_non_null(r);
	return r;
}

/* want NULL: the attribute must be absent. */
static void expect_attr(const struct resource *r, const char *key, const char *want)
{
	const struct attr *attr = attrs_get(&r->attrs, slice_str(key));

	if (!want && attr)
		fail_msg("%s is there", key);
	if (want && !attr)
		fail_msg("%s is missing", key);
	if (want) {
		assert_int_equal(attr->type, ATTR_STRING);
		expect_slice(key, attr->str, want);
	}
}

static void expect_int(const struct resource *r, const char *key, int64_t want)
{
	const struct attr *attr = attrs_get(&r->attrs, slice_str(key));

	assert_non_null(attr);
	assert_int_equal(attr->type, ATTR_INT);
	assert_int_equal(attr->num, want);
}

static void expect_service(const struct resource *r, const char *want)
{
	expect_attr(r, "service.name", want);
	expect_slice("service_name", r->service_name, want);
}

static void expect_unique_keys(const struct resource *r)
{
	for (uint16_t i = 0; i < r->attrs.cnt; i++)
		assert_ptr_equal(attrs_get(&r->attrs, r->attrs.v[i].key), &r->attrs.v[i]);
}

static void test_record_alone(void **state)
{
	struct fixture *f = *state;
	const struct resource *r =
		resource_of(f, (struct spec){.process_id = 5,
					     .pid = 4242,
					     .ns_pid = 17,
					     .parent_pid = 41,
					     .uid = 1000,
					     .comm = "sixteen-bytes-ab",
					     .exe = "usr/bin/python3.11",
					     .cgroup = "system.slice/shop.service",
					     .args = "python3|/srv/shop.py|x",
					     .env = "A=b"});
	const struct attr *created = attrs_get(&r->attrs, SLICE("process.creation.time"));

	expect_service(r, "shop");
	expect_int(r, "process.pid", 4242);
	expect_int(r, "process.vpid", 17);
	expect_int(r, "process.parent_pid", 41);
	expect_attr(r, "process.owner", "shop");
	expect_attr(r, "process.executable.name", "python3.11");
	expect_attr(r, "process.executable.path", "usr/bin/python3.11");
	expect_attr(r, "process.command", "python3");
	expect_attr(r, "process.command_args", NULL);
	expect_attr(r, "process.runtime.name", "cpython");
	expect_attr(r, "process.linux.cgroup", NULL);
	expect_attr(r, "container.id", NULL);
	expect_attr(r, "host.name", "node-7");
	expect_attr(r, "host.id", HEX32);
	expect_attr(r, "os.type", "linux");
	expect_attr(r, "os.name", "Test");
	expect_attr(r, "os.version", "1.0");
	expect_attr(r, "os.description", "Test Linux 1");
	expect_attr(r, "telemetry.sdk.name", "sonde");
	expect_attr(r, "telemetry.sdk.language", "cpp");
	expect_attr(r, "telemetry.sdk.version", "1.2.3");
	expect_attr(r, "telemetry.distro.name", "sonde");
	expect_attr(r, "telemetry.distro.version", "1.2.3");
	expect_unique_keys(r);
	assert_non_null(created);
	assert_int_equal(created->str.n, strlen("2026-01-02T03:04:05.678Z"));
	assert_int_equal(created->str.p[10], 'T');
	assert_int_equal(created->str.p[23], 'Z');
	assert_int_equal(r->pid, 4242);
	assert_int_equal(ident__pid(f->ident, 5), 4242);
	expect_slice("comm", ident__comm(f->ident, 5), "sixteen-bytes-ab");
	assert_int_equal(ident__pid(f->ident, 6), 0);
	expect_slice("comm", ident__comm(f->ident, 6), "");
	assert_null(ident__resource(f->ident, 6));
}

static void test_live_process(void **state)
{
	struct fixture *f = *state;
	const char *cgroup = "0::/kubepods/burstable/pod" UID "/" ID;
	struct spec spec = {.exe = "bin/node", .args = "node|api.js", .uid = 1000, .ns_pid = 100};
	const struct resource *r;

	put_process_dir(f, 100, START_TICKS, "/usr/local/bin/node (deleted)", cgroup, NULL, NULL);
	r = resource_of(f, spec);
	expect_attr(r, "process.executable.path", "/usr/local/bin/node");
	expect_attr(r, "process.linux.cgroup", cgroup);
	expect_attr(r, "container.id", ID);
	expect_attr(r, "k8s.pod.uid", UID);
	expect_attr(r, "process.owner", "1000"); /* the host's names do not hold in a container */
	expect_attr(r, "process.vpid", NULL);
	spec.uid = 0;
	expect_attr(resource_of(f, spec), "process.owner", "root");
}

/* The container is known from the record when /proc shows none. */
static void test_record_cgroup(void **state)
{
	struct fixture *f = *state;
	struct spec spec = {.exe = "bin/x", .cgroup = "system.slice/docker-" ID ".scope"};

	expect_attr(resource_of(f, spec), "container.id", ID);
	put_process_dir(f, 100, START_TICKS, "/bin/x", "0::/\n", NULL, NULL);
	expect_attr(resource_of(f, spec), "container.id", ID);
	expect_attr(resource_of(f, spec), "process.linux.cgroup", "0::/");
}

/* From a cgroup namespace of our own, the paths of others begin above it. */
static void test_cgroup_namespace(void **state)
{
	struct fixture *f = *state;
	struct spec spec = {.exe = "bin/x", .cgroup = "pod" UID "/" ID};

	put_process_dir(f, 100, START_TICKS, "/bin/x", "0::/../" ID "\n", NULL, NULL);
	expect_attr(resource_of(f, spec), "container.id", ID);
	expect_attr(resource_of(f, spec), "k8s.pod.uid", UID);
	expect_attr(resource_of(f, spec), "process.linux.cgroup", NULL);
}

static void remove_uts(const struct fixture *f, const char *pid)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/%s/ns/uts", f->root, pid);
	unlink(path);
}

static void put_uts(const struct fixture *f, const char *pid, const char *target)
{
	char path[512];

	snprintf(path, sizeof(path), "%s/ns/x", pid);
	put_text(f, path, ""); /* makes the directory */
	remove_uts(f, pid);
	snprintf(path, sizeof(path), "%s/%s/ns/uts", f->root, pid);
	assert_int_equal(symlink(target, path), 0);
}

/* In a pod with the host's pid namespace, whose own name is another than the host's. */
static void test_names_in_a_pod(void **state)
{
	struct fixture *f = *state;
	struct attr row;
	struct attrs extra = {.v = &row, .cap = 1};

	put_uts(f, "1", "uts:[1]");
	put_uts(f, "self", "uts:[1]");
	put_text(f, "1/root/etc/hostname", "stale\n");
	restart(f, (struct ident_options){.version = NULL});
	expect_attr(ident__unknown(f->ident), "host.name", "node-7");
	put_uts(f, "self", "uts:[2]");
	put_text(f, "sys/kernel/hostname", "sonde-x2k9q\n");
	put_text(f, "1/root/etc/hostname", "node-8\n");
	attrs_add_str(&extra, SLICE("k8s.node.name"), SLICE("node-9"));
	restart(f, (struct ident_options){.extra = &extra});
	expect_attr(ident__unknown(f->ident), "host.name", "node-8");
	expect_attr(ident__unknown(f->ident), "host.id", HEX32);
	put_text(f, "1/root/etc/hostname", "");
	restart(f, (struct ident_options){.extra = &extra});
	expect_attr(ident__unknown(f->ident), "host.name", "node-9");
	restart(f, (struct ident_options){.version = NULL});
	expect_attr(ident__unknown(f->ident), "host.name", NULL);
	remove_uts(f, "1");
	restart(f, (struct ident_options){.version = NULL});
	expect_attr(ident__unknown(f->ident), "host.name", NULL);
	put_uts(f, "self", "uts:[4026531838]");
	restart(f, (struct ident_options){.version = NULL});
	expect_attr(ident__unknown(f->ident), "host.name", "sonde-x2k9q");
}

static const struct {
	int64_t off_ns; /* of the record's start from that of /proc */
	bool same;
} starts[] = {
	{0, true},	     {1, true},
	{9999999, true},     {10000000, true},
	{19999999, true},    {-1, true},
	{-10000000, true},   {20000000, false},
	{-10000001, false},  {-1000000000, false},
	{1000000000, false},
};

static void test_pid_reuse(void **state)
{
	struct fixture *f = *state;

	if (TICK_NS != 10000000)
		skip();
	put_process_dir(f, 100, START_TICKS, "/opt/other/x", "0::/docker/" ID, "other", "A=b");
	for (size_t i = 0; i < COUNT(starts); i++) {
		uint64_t start_ns = START_TICKS * TICK_NS + (uint64_t)starts[i].off_ns;
		const struct resource *r = resource_of(
			f, (struct spec){.exe = "x", .args = "x", .start_ns = start_ns});

		expect_attr(r, "process.executable.path", starts[i].same ? "/opt/other/x" : "x");
		expect_attr(r, "container.id", starts[i].same ? ID : NULL);
	}
}

/* Same process, but it has gone through another exec since: its arguments are not the record's. */
static void test_other_image(void **state)
{
	struct fixture *f = *state;
	const struct resource *r;

	put_process_dir(f, 100, START_TICKS, "/usr/sbin/nginx", "0::/docker/" ID, "nginx",
			"OTEL_SERVICE_NAME=proxy");
	r = resource_of(f, (struct spec){.exe = "usr/bin/bash", .args = ""});
	expect_service(r, "bash");
	expect_attr(r, "process.executable.path", "usr/bin/bash");
	expect_attr(r, "container.id", ID);
	/* A tail ends at a slash. */
	r = resource_of(f, (struct spec){.exe = "inx", .args = ""});
	expect_attr(r, "process.executable.path", "inx");
}

static void test_cut_record(void **state)
{
	struct fixture *f = *state;
	const char *args = "java|-cp|a.jar:b.jar|com.example.Shop|x";
	const char *env = "LONG=1234567890|OTEL_RESOURCE_ATTRIBUTES=service.version=7|Z=1";
	struct spec spec = {.exe = "bin/java",
			    .args = "java|-cp|a.jar:b.jar|com.ex",
			    .cut = true,
			    .env = "LONG=123456789"};
	const struct resource *r;

	expect_service(resource_of(f, spec), "java");
	put_process_dir(f, 100, START_TICKS, "/opt/bin/java", NULL, args, env);
	r = resource_of(f, spec);
	expect_service(r, "com.example.Shop");
	expect_attr(r, "service.version", "7");
	/* Missing altogether (the page was not in memory), and /proc shorter than the record. */
	r = resource_of(f, (struct spec){.exe = "bin/java"});
	expect_service(r, "com.example.Shop");
	put_process_dir(f, 100, START_TICKS, NULL, NULL, "x", "");
	expect_service(resource_of(f, spec), "java");
}

/* ---- names ---- */

static const struct {
	const char *env, *proc_cgroup, *name, *pod;
} names[] = {
	{"A=b", "0::/", "app", NULL},
	{"OTEL_SERVICE_NAME=shop", "0::/", "shop", NULL},
	{"OTEL_SERVICE_NAME=", "0::/", "app", NULL},
	{"OTEL_RESOURCE_ATTRIBUTES=service.name=cart", "0::/", "cart", NULL},
	{"OTEL_RESOURCE_ATTRIBUTES=service.name=cart|OTEL_SERVICE_NAME=shop", "0::/", "shop", NULL},
	{"OTEL_SERVICE_NAME=a\tb\x7f\n", "0::/", "a_b__", NULL},
	{"OTEL_SERVICE_NAME=\xff\xfe", "0::/", "\xff\xfe", NULL},
	/* HOSTNAME tells something in containers only, if it is a name that somebody gave. */
	{"HOSTNAME=web", "0::/", "app", NULL},
	{"HOSTNAME=web", "0::/docker/" ID, "web", NULL},
	{"HOSTNAME=web|OTEL_SERVICE_NAME=shop", "0::/docker/" ID, "shop", NULL},
	{"HOSTNAME=0123456789ab", "0::/docker/" ID, "app", NULL},
	{"HOSTNAME=ba9876543210", "0::/docker/" ID, "app", NULL},
	{"HOSTNAME=node-7", "0::/docker/" ID, "app", NULL},
	{"HOSTNAME=node-7.example.com", "0::/docker/" ID, "app", NULL},
	{"HOSTNAME=localhost", "0::/docker/" ID, "app", NULL},
	{"HOSTNAME=ip-10-0-0-1.internal", "0::/docker/" ID, "app", NULL},
	{"HOSTNAME=we\nb", "0::/docker/" ID, "app", NULL},
	{"HOSTNAME=", "0::/docker/" ID, "app", NULL},
	{"HOSTNAME=shop-7d9f8b6c5d-x2k9q", "0::/docker/" ID, "shop-7d9f8b6c5d-x2k9q", NULL},
	{"HOSTNAME=shop-7d9f8b6c5d-x2k9q", "0::/kubepods/pod" UID "/" ID, "shop",
	 "shop-7d9f8b6c5d-x2k9q"},
	{"HOSTNAME=shop-7d9f8b6c5d-x2k9q|KUBERNETES_SERVICE_HOST=10.0.0.1", "0::/docker/" ID,
	 "shop", "shop-7d9f8b6c5d-x2k9q"},
	{"HOSTNAME=postgres-0", "0::/kubepods/pod" UID "/" ID, "postgres-0", NULL},
};

static void test_service_names(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(names); i++) {
		const struct resource *r;

		put_process_dir(f, 100, START_TICKS, "/opt/app", names[i].proc_cgroup, NULL, NULL);
		r = resource_of(
			f, (struct spec){.exe = "opt/app", .args = "app", .env = names[i].env});
		if (!slice_eq(r->service_name, slice_str(names[i].name)))
			print_error("case %zu: %s\n", i, names[i].env);
		expect_service(r, names[i].name);
		expect_attr(r, "k8s.pod.name", names[i].pod);
		expect_unique_keys(r);
	}
}

static void test_name_fallbacks(void **state)
{
	struct fixture *f = *state;

	expect_service(resource_of(f, (struct spec){.comm = "worker"}), "worker");
	expect_service(resource_of(f, (struct spec){.args = "/x/y|z"}), "y");
	expect_service(resource_of(f, (struct spec){.comm = ""}), "unknown_service");
}

static void test_name_maximum(void **state)
{
	struct fixture *f = *state;
	char env[600] = "OTEL_SERVICE_NAME=";
	size_t prefix = strlen(env);
	const struct resource *r;

	memset(env + prefix, 'n', 300);
	r = resource_of(f, (struct spec){.env = env});
	assert_int_equal(r->service_name.n, 255);
	/* A euro sign at bytes 253 to 255 does not fit with its last byte at 256. */
	memcpy(env + prefix + 253, "\xe2\x82\xac", 3);
	r = resource_of(f, (struct spec){.env = env});
	assert_int_equal(r->service_name.n, 253);
	/* Continuation bytes without a start are no reason to cut more than three. */
	memset(env + prefix, '\x80', 300);
	r = resource_of(f, (struct spec){.env = env});
	assert_int_equal(r->service_name.n, 252);
}

static const struct {
	const char *args, *command;
} titles[] = {
	{"nginx: worker process", "nginx"},
	{"/opt/My App/bin/x|y", "/opt/My App/bin/x"},
	{"postgres: shop 10.0.0.1(5432) SELECT", "postgres"},
	{"-bash", "-bash"},
	{"|x", NULL},
	{" x", " x"},
	{":", ":"},
};

static void test_command_attribute(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < COUNT(titles); i++)
		expect_attr(resource_of(f, (struct spec){.exe = "x", .args = titles[i].args}),
			    "process.command", titles[i].command);
}

/* ---- other attributes ---- */

static void test_precedence(void **state)
{
	struct fixture *f = *state;
	struct attr rows[4];
	struct attrs extra = {.v = rows, .cap = COUNT(rows)};
	const struct resource *r;
	struct spec spec = {.exe = "x",
			    .args = "x",
			    .env = "OTEL_RESOURCE_ATTRIBUTES=service.version=7,process.pid=1,"
				   "telemetry.sdk.name=spoof,deployment.environment.name=test,"
				   "service.namespace=a%20b,service.version=8,host.name="};

	attrs_add_str(&extra, SLICE("deployment.environment.name"), SLICE("prod"));
	attrs_add_str(&extra, SLICE("k8s.node.name"), SLICE("node-x"));
	attrs_add_str(&extra, SLICE("host.name"), SLICE("node-x"));
	attrs_add_int(&extra, SLICE("rack"), 12);
	restart(f, (struct ident_options){.extra = &extra});
	r = resource_of(f, spec);
	expect_int(r, "process.pid", 100);
	expect_int(r, "rack", 12);
	expect_attr(r, "telemetry.sdk.name", "sonde");
	expect_attr(r, "telemetry.sdk.version", NULL);
	expect_attr(r, "service.version", "7");
	expect_attr(r, "service.namespace", "a b");
	expect_attr(r, "deployment.environment.name", "test");
	expect_attr(r, "k8s.node.name", "node-x");
	expect_attr(r, "host.name", "node-x");
	expect_unique_keys(r);
	spec.env = "HOSTNAME=node-x";
	spec.cgroup = "docker/" ID;
	r = resource_of(f, spec);
	expect_service(r, "x");
	expect_attr(r, "deployment.environment.name", "prod");
}

static void test_configured_name(void **state)
{
	struct fixture *f = *state;
	struct attr row;
	struct attrs extra = {.v = &row, .cap = 1};

	attrs_add_str(&extra, SLICE("service.name"), SLICE("configured"));
	restart(f, (struct ident_options){.extra = &extra});
	expect_service(resource_of(f, (struct spec){.exe = "x"}), "configured");
	expect_service(resource_of(f, (struct spec){.exe = "x", .env = "OTEL_SERVICE_NAME=own"}),
		       "own");
	expect_service(ident__unknown(f->ident), "configured");
}

static void test_unknown(void **state)
{
	struct fixture *f = *state;
	const struct resource *r = ident__unknown(f->ident);

	expect_service(r, "unknown_service");
	expect_attr(r, "host.name", "node-7");
	expect_attr(r, "telemetry.sdk.name", "sonde");
	expect_attr(r, "process.pid", NULL);
	expect_attr(r, "service.instance.id", NULL);
	assert_int_equal(r->pid, 0);
}

static struct slice instance_of(struct fixture *f, struct spec spec)
{
	const struct resource *r = resource_of(f, spec);

	return attrs_get(&r->attrs, SLICE("service.instance.id"))->str;
}

static void test_instance_id(void **state)
{
	struct fixture *f = *state;
	struct slice a = instance_of(f, (struct spec){.process_id = 1, .pid = 100});
	struct slice same = instance_of(f, (struct spec){.process_id = 2, .pid = 100});
	struct slice pid = instance_of(f, (struct spec){.process_id = 3, .pid = 101});
	struct slice start = instance_of(f, (struct spec){.process_id = 4, .start_ns = 1});

	assert_int_equal(a.n, 36);
	assert_int_equal(a.p[14], '5');
	assert_true(slice_eq(a, same));
	assert_false(slice_eq(a, pid));
	assert_false(slice_eq(a, start));
	put_text(f, "sys/kernel/random/boot_id", "22222222-1111-1111-1111-111111111111\n");
	restart(f, (struct ident_options){.version = NULL});
	expect_attr(resource_of(f, (struct spec){.env = "OTEL_RESOURCE_ATTRIBUTES="
							"service.instance.id=mine"}),
		    "service.instance.id", "mine");
}

static void test_hostile_lengths(void **state)
{
	static const struct {
		uint32_t args_len, env_len;
		size_t payload;
		int err;
	} cases[] = {
		{0, 0, 0, 0},
		{4, 4, 8, 0},
		{4, 4, 9, 0},
		{4, 4, 7, -EINVAL},
		{9, 0, 8, -EINVAL},
		{0, 9, 8, -EINVAL},
		{UINT32_MAX, 0, 8, -EINVAL},
		{0, UINT32_MAX, 8, -EINVAL},
		{UINT32_MAX, 9, 8, -EINVAL}, /* the sum is 8 in 32 bits */
		{UINT32_MAX, UINT32_MAX, 8, -EINVAL},
	};
	struct fixture *f = *state;
	struct record_process *rec;

	for (size_t i = 0; i < COUNT(cases); i++) {
		size_t size = sizeof(*rec) + cases[i].payload;

		rec = calloc(1, size);
		memset(rec, 'A', size); /* no NUL anywhere: comm, exe, cgroup, payload */
		rec->args_len = cases[i].args_len;
		rec->env_len = cases[i].env_len;
		assert_int_equal(ident__process(f->ident, rec, size), cases[i].err);
		free(rec);
	}
	rec = calloc(1, sizeof(*rec));
	assert_int_equal(ident__process(f->ident, rec, sizeof(*rec)), -EINVAL); /* id 0 */
	rec->process_id = 1;
	assert_int_equal(ident__process(f->ident, rec, sizeof(*rec) - 1), -EINVAL);
	assert_int_equal(ident__process(f->ident, rec, 0), -EINVAL);
	free(rec);
}

/* However much a process claims about itself, its resource stays small and complete. */
static void test_environment_flood(void **state)
{
	struct fixture *f = *state;
	char env[8000] = "OTEL_SERVICE_NAME=s|OTEL_RESOURCE_ATTRIBUTES=";
	size_t n = strlen(env), bytes = 0;
	const struct resource *r;

	for (int i = 0; n < sizeof(env) - 16; i++)
		n += (size_t)snprintf(env + n, sizeof(env) - n, "key%d=v%d,", i, i);
	r = resource_of(f, (struct spec){.exe = "x", .env = env});
	expect_service(r, "s");
	expect_attr(r, "key63", "v63");
	expect_attr(r, "key64", NULL);
	expect_attr(r, "os.type", "linux");
	expect_attr(r, "host.id", HEX32);
	n = strlen("OTEL_SERVICE_NAME=s|OTEL_RESOURCE_ATTRIBUTES=");
	memcpy(env + n, "a=1,b=", 6);
	memset(env + n + 6, 'b', sizeof(env) - n - 7);
	r = resource_of(f, (struct spec){.exe = "x", .env = env});
	expect_attr(r, "a", "1");
	expect_attr(r, "b", NULL);
	for (uint16_t i = 0; i < r->attrs.cnt; i++)
		bytes += sizeof(struct attr) + r->attrs.v[i].key.n +
			 (r->attrs.v[i].type == ATTR_STRING ? r->attrs.v[i].str.n : 0);
	assert_true(bytes < 4096);
}

/* ---- the table ---- */

static void expect_stats(struct fixture *f, uint32_t live, uint32_t dead, uint64_t evicted)
{
	struct ident_stats stats;

	ident__stats(f->ident, &stats);
	assert_int_equal(stats.live_cnt, live);
	assert_int_equal(stats.dead_cnt, dead);
	assert_int_equal(stats.evicted_cnt, evicted);
}

static void test_lru(void **state)
{
	struct fixture *f = *state;

	restart(f, (struct ident_options){.processes_max = 3});
	for (uint32_t i = 1; i <= 3; i++)
		resource_of(f, (struct spec){.process_id = i, .pid = 100 + i});
	expect_stats(f, 3, 0, 0);
	assert_non_null(ident__resource(f->ident, 1)); /* now 2 is the least recently used */
	resource_of(f, (struct spec){.process_id = 4, .pid = 104});
	assert_null(ident__resource(f->ident, 2));
	assert_non_null(ident__resource(f->ident, 1));
	expect_stats(f, 3, 0, 1);
	ident__exit(f->ident, 4); /* the dead go first */
	expect_stats(f, 2, 1, 1);
	resource_of(f, (struct spec){.process_id = 5, .pid = 105});
	assert_null(ident__resource(f->ident, 4));
	assert_non_null(ident__resource(f->ident, 3));
	expect_stats(f, 3, 0, 2);
	for (uint32_t i = 6; i < 1000; i++) {
		resource_of(f, (struct spec){.process_id = i, .pid = i % 7 + 200});
		if (i % 3 == 0)
			ident__exit(f->ident, i - 1);
	}
	assert_null(ident__resource(f->ident, 5));
	assert_non_null(ident__resource(f->ident, 999));
}

static void test_exit(void **state)
{
	struct fixture *f = *state;
	struct resource *held;

	resource_of(f, (struct spec){.process_id = 1, .pid = 100, .exe = "x"});
	ident__exit(f->ident, 1);
	ident__exit(f->ident, 1); /* once more, and one never seen */
	ident__exit(f->ident, 77);
	expect_stats(f, 0, 1, 0);
	assert_non_null(ident__resource(f->ident, 1)); /* late records */
	assert_int_equal(ident__pid(f->ident, 1), 100);

	restart(f, (struct ident_options){.grace_ns = 1});
	resource_of(f, (struct spec){.process_id = 1, .pid = 100, .exe = "x"});
	held = resource__hold(ident__resource(f->ident, 1));
	ident__exit(f->ident, 1);
	usleep(1000);
	ident__exit(f->ident, 77); /* any call lets the grace time end */
	assert_null(ident__resource(f->ident, 1));
	expect_stats(f, 0, 0, 0);
	expect_service(held, "x");
	resource__release(held);
}

/* A second exit record must not start the grace time again. */
static void test_exit_twice(void **state)
{
	struct fixture *f = *state;

	restart(f, (struct ident_options){.grace_ns = 100000000});
	resource_of(f, (struct spec){.process_id = 1});
	ident__exit(f->ident, 1);
	usleep(60000);
	ident__exit(f->ident, 1);
	usleep(60000);
	ident__exit(f->ident, 77);
	assert_null(ident__resource(f->ident, 1));
}

static void test_exec(void **state)
{
	struct fixture *f = *state;

	resource_of(f, (struct spec){.process_id = 1, .pid = 100, .exe = "bin/sh"});
	resource_of(f, (struct spec){.process_id = 2, .pid = 100, .exe = "sbin/nginx"});
	expect_service(ident__resource(f->ident, 1), "sh");
	expect_service(ident__resource(f->ident, 2), "nginx");
	expect_stats(f, 1, 1, 0);
	ident__exit(f->ident, 2);
	expect_stats(f, 0, 2, 0);
	/* The pid comes again, with the record of the exit before or after: same result. */
	resource_of(f, (struct spec){.process_id = 3, .pid = 100, .exe = "bin/x", .start_ns = 1});
	expect_service(ident__resource(f->ident, 3), "x");
	ident__exit(f->ident, 2);
	expect_stats(f, 1, 2, 0);
	/* Announced once more. */
	resource_of(f, (struct spec){.process_id = 3, .pid = 100, .exe = "bin/y", .start_ns = 1});
	expect_service(ident__resource(f->ident, 3), "y");
	expect_stats(f, 1, 2, 0);
}

/* ---- the real /proc ---- */

/* text is what /proc/self/stat says. */
static struct procfs_stat read_own_stat(int fd, char text[4096])
{
	ssize_t len = procfs_read(fd, "stat", text, 4096);
	struct procfs_stat stat = {.pid = 0};

	assert_true(len > 0 && procfs_parse_stat(slice_of(text, (size_t)len), &stat));
	return stat;
}

static void test_self(void **state)
{
	int fd = procfs_open("/proc", (uint32_t)getpid());
	char text[4096], exe[1024], comm[32];
	struct procfs_stat stat = read_own_stat(fd, text);
	struct fixture self = {.ident = NULL};
	const struct resource *r;
	ssize_t len;

	(void)state;
	len = procfs_link(fd, "exe", exe, sizeof(exe) - 1);
	assert_true(len > 0);
	exe[len] = '\0';
	close(fd);
	snprintf(comm, sizeof(comm), "%.*s", (int)stat.comm.n, stat.comm.p);

	self.ident = ident__new(&(struct ident_options){.version = "1"});
	assert_non_null(self.ident);
	/* The arguments are left out of the record, so they come from /proc. */
	r = resource_of(&self, (struct spec){.pid = (uint32_t)getpid(),
					     .parent_pid = (uint32_t)getppid(),
					     .uid = getuid(),
					     .comm = comm,
					     .exe = strrchr(exe, '/') + 1,
					     .start_ns = stat.start_ticks * TICK_NS + TICK_NS / 2});
	expect_attr(r, "process.executable.path", exe);
	assert_non_null(attrs_get(&r->attrs, SLICE("process.command")));
	assert_non_null(attrs_get(&r->attrs, SLICE("process.linux.cgroup")));
	assert_non_null(attrs_get(&r->attrs, SLICE("host.name")));
	assert_non_null(attrs_get(&r->attrs, SLICE("host.arch")));
	expect_slice("comm", ident__comm(self.ident, 1), comm);
	expect_unique_keys(r);
	ident__free(self.ident);
}

/* What an SDK publishes comes later, and changes; it knows the service better, but not the host. */
static void test_published(void **state)
{
	const char *const first[][2] = {{"service.name", "shop"},
					{"process.pid", "none"},
					{"os.type", "hi"},
					{"team", "tills"}};
	int fd = procfs_open("/proc", (uint32_t)getpid());
	char text[4096];
	const struct spec me = {
		.pid = (uint32_t)getpid(),
		.exe = "test_ident",
		.start_ns = read_own_stat(fd, text).start_ticks * TICK_NS,
	};
	struct fixture self = {.ident = ident__new(&(struct ident_options){.version = "1"})};
	const struct resource *r = resource_of(&self, me);
	uint64_t now_ns = clock_mono_ns(), id = r->id;
	struct otel_ctx *ctx = otel_ctx_map();
	struct resource *held;

	(void)state;
	close(fd);
	assert_non_null(ctx);
	otel_ctx_publish_pairs(ctx, 7, first, COUNT(first));
	expect_attr(r, "service.name", "test_ident");
	ident__tick(self.ident, now_ns);
	assert_int_equal(ident__resource(self.ident, 1)->id, id); /* not yet */
	ident__tick(self.ident, now_ns + 2000000000);
	r = ident__resource(self.ident, 1);
	expect_slice("service name", r->service_name, "shop");
	expect_attr(r, "service.name", "shop");
	assert_int_equal(attrs_get(&r->attrs, SLICE("process.pid"))->num, getpid());
	expect_attr(r, "os.type", "linux");
	expect_attr(r, "team", "tills");
	expect_unique_keys(r);
	otel_ctx_publish_pairs(ctx, 8, first, COUNT(first));
	ident__tick(self.ident, now_ns + 10000000000);
	assert_ptr_equal(ident__resource(self.ident, 1), r); /* the same once more */
	held = resource__hold(ident__resource(self.ident, 1));
	otel_ctx_publish_pairs(ctx, 9, (const char *const[][2]){{"service.name", "kiosk"}}, 1);
	ident__tick(self.ident, now_ns + 30000000000);
	assert_true(held->superseded);
	resource__release(held);
	r = ident__resource(self.ident, 1);
	expect_attr(r, "service.name", "kiosk");
	expect_attr(r, "team", NULL);
	munmap(ctx, OTEL_CTX_SZ);
	ident__tick(self.ident, now_ns + 200000000000);
	expect_attr(ident__resource(self.ident, 1), "service.name", "kiosk");
	ident__free(self.ident);
}

#define WITH_PROC(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_PROC(test_record_alone),
		WITH_PROC(test_live_process),
		WITH_PROC(test_record_cgroup),
		WITH_PROC(test_cgroup_namespace),
		WITH_PROC(test_names_in_a_pod),
		WITH_PROC(test_pid_reuse),
		WITH_PROC(test_other_image),
		WITH_PROC(test_cut_record),
		WITH_PROC(test_service_names),
		WITH_PROC(test_name_fallbacks),
		WITH_PROC(test_name_maximum),
		WITH_PROC(test_command_attribute),
		WITH_PROC(test_precedence),
		WITH_PROC(test_configured_name),
		WITH_PROC(test_unknown),
		WITH_PROC(test_instance_id),
		WITH_PROC(test_hostile_lengths),
		WITH_PROC(test_environment_flood),
		WITH_PROC(test_lru),
		WITH_PROC(test_exit),
		WITH_PROC(test_exit_twice),
		WITH_PROC(test_exec),
		cmocka_unit_test(test_self),
		cmocka_unit_test(test_published),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
