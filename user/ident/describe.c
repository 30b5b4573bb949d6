// SPDX-License-Identifier: Apache-2.0
/*
 * From a process to its attributes (semantic conventions: process, service, container, k8s, host,
 * os, telemetry). The first value of a key stays, so the order of the calls is the precedence: what
 * the kernel knows, what the process's SDK publishes, what its environment says, the configuration,
 * what we infer.
 */
#include "user/ident/describe.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/process_context.h"
#include "user/base/procfs.h"
#include "user/base/utf8.h"
#include "user/ident/command.h"
#include "user/ident/container.h"
#include "user/ident/environ.h"
#include "user/ident/host.h"
#include "user/ident/uuid.h"

#define ATTRS_MAX 160
#define ENV_ATTRS_MAX 64
#define ENV_ATTRS_SZ 4096 /* of OTEL_RESOURCE_ATTRIBUTES */
#define SERVICE_NAME_MAX 255
#define COMMAND_MAX 255
#define EXE_SZ 1024
#define CGROUP_SZ 4096
#define CGROUP_LINE_MAX 512
#define ARGS_SZ (32u * 1024)
#define ENV_SZ (64u * 1024)
#define CONTEXT_ATTRS_MAX 128
#define REDACTED_MAX (1u << 20) /* bytes of texts that redaction changed in a resource */
#define NSEC_PER_SEC 1000000000ull

struct describer {
	char *proc_root;
	char *version;
	struct host host;
	struct resource *common; /* as it is; redacted with what it becomes part of */
	struct resource *unknown;
	void (*redact)(void *ctx, struct attrs *attrs, struct arena *arena);
	void *ctx;
	struct arena arena;	   /* of what redaction changed, until the resource is made */
	struct slice service_name; /* as configured, else empty; points into common */
	/* The process at hand: */
	struct attrs attrs;
	struct attr attr_rows[ATTRS_MAX + CONTEXT_ATTRS_MAX];
	char exe[EXE_SZ];
	char cgroup[CGROUP_SZ];
	char args[ARGS_SZ];
	char env[ENV_SZ];
	char env_attrs[ENV_ATTRS_SZ];
	struct attr context_rows[CONTEXT_ATTRS_MAX];
	char context[PROCESS_CONTEXT_MAX_SZ];
	char name[SERVICE_NAME_MAX];
	char owner[16];
	char created[32];
	char instance[UUID_TEXT_SZ];
};

static void put(struct attrs *attrs, struct slice key, struct slice value)
{
	if (value.n && !attrs_get(attrs, key))
		attrs_add_str(attrs, key, value);
}

static void put_all(struct attrs *attrs, const struct attrs *from)
{
	for (uint16_t i = 0; i < from->cnt; i++) {
		struct attr *attr;

		if (attrs_get(attrs, from->v[i].key) ||
		    (from->v[i].type == ATTR_STRING && from->v[i].str.n == 0))
			continue;
		attr = attrs_add(attrs, from->v[i].key, from->v[i].type);
		if (attr)
			*attr = from->v[i];
	}
}

static bool attr_equal(const struct attr *a, const struct attr *b)
{
	if (a->type != b->type || !slice_eq(a->key, b->key))
		return false;
	if (a->type == ATTR_STRING)
		return slice_eq(a->str, b->str);
	if (a->type != ATTR_STRINGS)
		return a->num == b->num; /* the bits of a double, too */
	for (uint32_t i = 0; i < a->items_cnt && i < b->items_cnt; i++)
		if (!slice_eq(a->items[i], b->items[i]))
			return false;
	return a->items_cnt == b->items_cnt;
}

static bool attrs_equal(const struct attrs *a, const struct attrs *b)
{
	for (uint16_t i = 0; i < a->cnt && i < b->cnt; i++)
		if (!attr_equal(&a->v[i], &b->v[i]))
			return false;
	return a->cnt == b->cnt;
}

static void put_telemetry(const struct describer *d, struct attrs *attrs)
{
	put(attrs, SLICE("telemetry.sdk.name"), SLICE("sonde"));
	/* The conventions' list of languages has no C. */
	put(attrs, SLICE("telemetry.sdk.language"), SLICE("cpp"));
	put(attrs, SLICE("telemetry.sdk.version"), slice_str(d->version));
	put(attrs, SLICE("telemetry.distro.name"), SLICE("sonde"));
	put(attrs, SLICE("telemetry.distro.version"), slice_str(d->version));
}

/* Control characters become '_'; cut to the maximum between UTF-8 sequences. */
static void put_service_name(struct describer *d, struct slice name)
{
	if (name.n == 0 || attrs_get(&d->attrs, SLICE("service.name")))
		return;
	name = utf8_first(name, SERVICE_NAME_MAX);
	for (size_t i = 0; i < name.n; i++) {
		unsigned char c = (unsigned char)name.p[i];

		d->name[i] = c < 0x20 || c == 0x7f ? '_' : (char)c;
	}
	put(&d->attrs, SLICE("service.name"), slice_of(d->name, name.n));
}

int process_parse(const struct record_process *rec, size_t size, struct process *out)
{
	const char *payload;

	if (size < sizeof(*rec) || rec->process_id == 0 ||
	    (uint64_t)rec->args_len + rec->env_len > size - sizeof(*rec))
		return -EINVAL;
	payload = (const char *)(rec + 1);
	*out = (struct process){
		.rec = rec,
		.comm = slice_of(rec->comm, strnlen(rec->comm, sizeof(rec->comm))),
		.exe = slice_of(rec->exe, strnlen(rec->exe, sizeof(rec->exe))),
		.cgroup = slice_of(rec->cgroup, strnlen(rec->cgroup, sizeof(rec->cgroup))),
		.args = slice_of(payload, rec->args_len),
		.env = slice_of(payload + rec->args_len, rec->env_len),
	};
	return 0;
}

/* The kernel side may have met its limit, or a page that was not in memory. */
static bool is_cut(struct slice strings)
{
	return strings.n == 0 || strings.p[strings.n - 1] != '\0';
}

static struct slice read_cut(int dir_fd, const char *name, struct slice have, char *buf, size_t cap)
{
	ssize_t len = is_cut(have) ? procfs_read(dir_fd, name, buf, cap) : 0;

	return len > 0 && (size_t)len >= have.n ? slice_of(buf, (size_t)len) : have;
}

/* part may lack the leading components of whole. */
static bool is_path_tail(struct slice whole, struct slice part)
{
	while (part.n && part.p[0] == '/')
		part = slice_after(part, 1);
	return whole.n > part.n && slice_eq(slice_after(whole, whole.n - part.n), part) &&
	       (part.n == 0 || whole.p[whole.n - part.n - 1] == '/');
}

static void supplement(struct describer *d, struct process *process, struct container *container)
{
	const struct slice deleted = SLICE(" (deleted)");
	int dir_fd = procfs_open_same(d->proc_root, process->rec->pid, process->rec->start_ns);
	struct slice args, env, exe = SLICE("");
	ssize_t len;

	if (dir_fd < 0)
		return;
	len = procfs_read(dir_fd, "cgroup", d->cgroup, sizeof(d->cgroup));
	if (len > 0)
		container_parse(slice_of(d->cgroup, (size_t)len), container);
	args = read_cut(dir_fd, "cmdline", process->args, d->args, sizeof(d->args));
	env = read_cut(dir_fd, "environ", process->env, d->env, sizeof(d->env));
	/* Read last: had an exec come between, this would show it. */
	len = procfs_link(dir_fd, "exe", d->exe, sizeof(d->exe));
	if (len > 0)
		exe = slice_of(d->exe, (size_t)len);
	if (exe.n > deleted.n && slice_eq(slice_after(exe, exe.n - deleted.n), deleted))
		exe.n -= deleted.n;
	if (is_path_tail(exe, process->exe)) {
		process->exe = exe;
		process->args = args;
		process->env = env;
	}
	close(dir_fd);
}

static void put_creation_time(struct describer *d, uint64_t start_ns)
{
	struct timespec boot;
	uint64_t unix_ns;
	struct tm tm;
	time_t sec;
	int len;

	if (start_ns == 0 || clock_gettime(CLOCK_BOOTTIME, &boot) != 0)
		return;
	unix_ns = clock_unix_ns() + start_ns -
		  ((uint64_t)boot.tv_sec * NSEC_PER_SEC + (uint64_t)boot.tv_nsec);
	sec = (time_t)(unix_ns / NSEC_PER_SEC);
	if (!gmtime_r(&sec, &tm))
		return;
	len = snprintf(d->created, sizeof(d->created), "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ",
		       tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
		       tm.tm_sec, (unsigned int)(unix_ns % NSEC_PER_SEC / 1000000));
	if (len > 0 && (size_t)len < sizeof(d->created))
		put(&d->attrs, SLICE("process.creation.time"), slice_str(d->created));
}

/* In a container the host's names do not hold, but for root. */
static void put_owner(struct describer *d, uint32_t uid, bool contained)
{
	struct slice name = contained && uid ? SLICE("") : host_user(&d->host, uid);

	if (name.n == 0) {
		snprintf(d->owner, sizeof(d->owner), "%" PRIu32, uid);
		name = slice_str(d->owner);
	}
	put(&d->attrs, SLICE("process.owner"), name);
}

/* argv[0]; of a title that a program set, such as "nginx: worker process", the first word. */
static struct slice command_word(struct slice args)
{
	struct slice word = SLICE("");
	ptrdiff_t space;

	procfs_next_string(&args, &word);
	space = slice_find(word, ' ');
	if (space > 0 && word.p[0] != '/')
		word.n = (size_t)space;
	if (word.n > 1 && word.p[word.n - 1] == ':')
		word.n--;
	return slice_first(word, COMMAND_MAX);
}

static void put_process(struct describer *d, const struct process *process,
			const struct container *container)
{
	const struct record_process *rec = process->rec;
	struct attrs *attrs = &d->attrs;

	attrs_add_int(attrs, SLICE("process.pid"), rec->pid);
	if (rec->parent_pid)
		attrs_add_int(attrs, SLICE("process.parent_pid"), rec->parent_pid);
	if (rec->ns_pid && rec->ns_pid != rec->pid)
		attrs_add_int(attrs, SLICE("process.vpid"), rec->ns_pid);
	put(attrs, SLICE("process.executable.name"), command_basename(process->exe));
	put(attrs, SLICE("process.executable.path"), process->exe);
	put(attrs, SLICE("process.command"), command_word(process->args));
	put_owner(d, rec->uid, container->id.n > 0);
	put_creation_time(d, rec->start_ns);
	if (container->cgroup.n <= CGROUP_LINE_MAX)
		put(attrs, SLICE("process.linux.cgroup"), container->cgroup);
	put(attrs, SLICE("container.id"), container->id);
	if (container->pod_uid[0])
		put(attrs, SLICE("k8s.pod.uid"), slice_of(container->pod_uid, POD_UID_SZ));
}

static void put_env_attributes(struct describer *d, const struct environ *env)
{
	struct baggage baggage;
	struct slice key, value;

	baggage_init(&baggage, env->resource_attributes, d->env_attrs, sizeof(d->env_attrs));
	for (int i = 0; i < ENV_ATTRS_MAX && baggage_next(&baggage, &key, &value); i++) {
		if (slice_eq(key, SLICE("service.name")))
			put_service_name(d, value);
		else
			put(&d->attrs, key, value);
	}
}

static struct slice first_label(struct slice name)
{
	ptrdiff_t dot = slice_find(name, '.');

	return dot < 0 ? name : slice_first(name, (size_t)dot);
}

/* Whether HOSTNAME is a name that somebody gave: not the host's own, nor one made from an id. */
static bool is_given_name(const struct describer *d, struct slice name)
{
	static const char *const host_keys[] = {"host.name", "k8s.node.name"};
	size_t hex_cnt = 0;

	for (size_t i = 0; i < name.n; i++) {
		char c = name.p[i], lower = (char)(c | 0x20);
		bool digit = c >= '0' && c <= '9';

		hex_cnt += digit || (lower >= 'a' && lower <= 'f');
		if (!digit && !(lower >= 'a' && lower <= 'z') && c != '-' && c != '.')
			return false;
	}
	if (name.n == 0 || (hex_cnt == name.n && (name.n == 12 || name.n == 64)))
		return false;
	if (slice_starts_with(name, SLICE("ip-")) || slice_eq(name, SLICE("localhost")) ||
	    slice_eq(first_label(name), first_label(slice_str(d->host.name))))
		return false;
	for (size_t i = 0; i < sizeof(host_keys) / sizeof(host_keys[0]); i++) {
		const struct attr *attr = attrs_get(&d->common->attrs, slice_str(host_keys[i]));

		if (attr && attr->type == ATTR_STRING &&
		    slice_eq(first_label(name), first_label(attr->str)))
			return false;
	}
	return true;
}

static void put_container_name(struct describer *d, const struct environ *env,
			       const struct container *container)
{
	struct slice name = env->hostname, workload = SLICE("");

	if (container->id.n == 0 || !is_given_name(d, name))
		return;
	if (container->pod_uid[0] || env->kubernetes_host.n)
		workload = container_workload(name);
	if (workload.n)
		put(&d->attrs, SLICE("k8s.pod.name"), name);
	put_service_name(d, workload.n ? workload : name);
}

static void put_instance_id(struct describer *d, const struct record_process *rec)
{
	/* The namespace that the semantic conventions define for service.instance.id. */
	static const uint8_t space[16] = {0x4d, 0x63, 0x00, 0x9a, 0x8d, 0x0f, 0x11, 0xee,
					  0xaa, 0xd7, 0x4c, 0x79, 0x6e, 0xd8, 0xe3, 0x20};
	char name[UUID_NAME_MAX];

	/* Start times count from the boot, hence its id. */
	snprintf(name, sizeof(name), "%.64s/%.64s/%" PRIu32 "/%" PRIu64, d->host.id,
		 d->host.boot_id, rec->pid, (uint64_t)rec->start_ns);
	uuid_v5(space, slice_str(name), d->instance);
	put(&d->attrs, SLICE("service.instance.id"), slice_str(d->instance));
}

static void redact(struct describer *d)
{
	if (!d->redact)
		return;
	arena__reset(&d->arena);
	d->redact(d->ctx, &d->attrs, &d->arena);
}

static struct resource *make_resource(struct describer *d, uint32_t pid)
{
	redact(d);
	return resource__new(&d->attrs, pid);
}

struct resource *describer__process(struct describer *d, const struct process *from_record)
{
	struct process process = *from_record;
	struct container container = {.id = {0}};
	struct environ env;
	struct command command;

	d->attrs = (struct attrs){.v = d->attr_rows, .cap = ATTRS_MAX};
	supplement(d, &process, &container);
	/* What stands above our own cgroup namespace is only in the record. */
	if (container.id.n == 0 || !container.pod_uid[0])
		container_parse_path(process.cgroup, &container);
	environ_parse(process.env, &env);
	command_parse(process.exe, process.args, &command);

	put_process(d, &process, &container);
	put(&d->attrs, SLICE("process.runtime.name"), command.runtime);
	put_telemetry(d, &d->attrs);
	put_service_name(d, env.service_name);
	put_env_attributes(d, &env);
	put_service_name(d, d->service_name);
	put_container_name(d, &env, &container);
	put_service_name(d, command.name);
	put_service_name(d, process.comm);
	put_instance_id(d, process.rec);
	put_all(&d->attrs, &d->common->attrs);
	return make_resource(d, process.rec->pid);
}

/* What the kernel and the host tell us is so, whatever an SDK in a container believes; and who traces is sonde. */
static bool is_ours(struct slice key)
{
	static const char *const ours[] = {"process.", "container.", "k8s.pod.uid",
					   "host.",    "os.",	     "telemetry."};

	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		if (slice_starts_with(key, slice_str(ours[i])))
			return true;
	return false;
}

static void put_published(struct describer *d, const struct attrs *published)
{
	for (uint16_t i = 0; i < published->cnt; i++) {
		const struct attr *attr = &published->v[i];

		if (!slice_eq(attr->key, SLICE("service.name")) && !is_ours(attr->key))
			put_all(&d->attrs, &(struct attrs){.v = &published->v[i], .cnt = 1});
		else if (attr->type == ATTR_STRING && !is_ours(attr->key))
			put_service_name(d, attr->str);
	}
}

struct resource *describer__published(struct describer *d, const struct resource *described,
				      const struct resource *now, uint64_t start_ns,
				      uint64_t *published_ns)
{
	struct attrs published = {.v = d->context_rows, .cap = CONTEXT_ATTRS_MAX};
	int dir_fd = procfs_open_same(d->proc_root, described->pid, start_ns);
	ssize_t len;

	if (dir_fd < 0)
		return NULL;
	len = process_context_read(dir_fd, published_ns, d->context);
	close(dir_fd);
	if (len <= 0 || process_context_decode(slice_of(d->context, (size_t)len), &published, NULL))
		return NULL;
	d->attrs = (struct attrs){.v = d->attr_rows, .cap = ATTRS_MAX + CONTEXT_ATTRS_MAX};
	put_published(d, &published);
	redact(d);
	put_all(&d->attrs, &described->attrs); /* which has been redacted */
	return attrs_equal(&d->attrs, &now->attrs) ? NULL
						   : resource__new(&d->attrs, described->pid);
}

struct resource *describer__unknown(struct describer *d)
{
	return d->unknown;
}

/* d->attrs then are those of what it returns. */
static struct resource *make_common(struct describer *d, const struct attrs *extra)
{
	struct attrs *attrs = &d->attrs;
	const struct attr *node;

	*attrs = (struct attrs){.v = d->attr_rows, .cap = ATTRS_MAX};
	put_telemetry(d, attrs);
	if (extra)
		put_all(attrs, extra);
	host_describe(&d->host, attrs);
	node = attrs_get(attrs, SLICE("k8s.node.name"));
	if (node && node->type == ATTR_STRING)
		put(attrs, SLICE("host.name"), node->str); /* where the host tells none */
	put(attrs, SLICE("service.name"), SLICE("unknown_service"));
	return resource__new(attrs, 0);
}

struct describer *describer__new(const struct ident_options *options)
{
	const struct slice service_name = SLICE("service.name");
	struct describer *d = calloc(1, sizeof(*d));

	if (!d)
		return NULL;
	d->redact = options->redact;
	d->ctx = options->ctx;
	arena__init(&d->arena, REDACTED_MAX);
	d->proc_root = strdup(options->proc_root ?: "/proc");
	d->version = strdup(options->version ?: "");
	if (!d->proc_root || !d->version)
		goto failed;
	host_read(&d->host, d->proc_root);
	d->common = make_common(d, options->extra);
	d->unknown = d->common ? make_resource(d, 0) : NULL;
	if (!d->unknown)
		goto failed;
	if (options->extra && attrs_get(options->extra, service_name))
		d->service_name = d->common->service_name;
	return d;
failed:
	describer__free(d);
	errno = ENOMEM;
	return NULL;
}

void describer__free(struct describer *d)
{
	if (!d)
		return;
	resource__release(d->common);
	resource__release(d->unknown);
	arena__free(&d->arena);
	host_clear(&d->host);
	free(d->version);
	free(d->proc_root);
	free(d);
}
