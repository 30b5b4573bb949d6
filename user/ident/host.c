// SPDX-License-Identifier: Apache-2.0
/* Host facts: machine-id(5), os-release(5), passwd(5), uname(2); names as in semconv host and os. */
#include "user/ident/host.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "user/base/procfs.h"

#define PASSWD_SZ (64u * 1024)
#define RELEASE_SZ 4096
#define MACHINE_ID_LEN 32
#define BOOT_ID_LEN 36

/* Where the host's files are seen. */
struct view {
	const char *proc_root;
	char etc[512]; /* "<proc_root>/1/root", or "" */
};

static ssize_t read_at(const char *prefix, const char *path, char *buf, size_t cap)
{
	char full[1024];
	int len = snprintf(full, sizeof(full), "%s%s", prefix, path);

	return len < 0 || (size_t)len >= sizeof(full) ? -1 : procfs_read(AT_FDCWD, full, buf, cap);
}

/* The first line, trimmed and NUL-terminated; empty when the file cannot be read. */
static void read_field(const char *prefix, const char *path, char out[HOST_FIELD_SZ])
{
	char buf[HOST_FIELD_SZ];
	ssize_t len = read_at(prefix, path, buf, sizeof(buf) - 1);
	struct slice text = slice_of(buf, len > 0 ? (size_t)len : 0), line = SLICE("");

	procfs_next_line(&text, &line);
	line = slice_trim(line);
	memcpy(out, line.p, line.n);
	out[line.n] = '\0';
}

static void open_view(struct view *view, const char *proc_root)
{
	char probe[sizeof(view->etc) + 8];
	int len = snprintf(view->etc, sizeof(view->etc), "%s/1/root", proc_root);

	view->proc_root = proc_root;
	if (len > 0 && (size_t)len < sizeof(view->etc)) {
		snprintf(probe, sizeof(probe), "%s/etc", view->etc);
		if (access(probe, R_OK | X_OK) == 0)
			return;
	}
	view->etc[0] = '\0';
}

static void copy_field(char out[HOST_FIELD_SZ], struct slice value)
{
	value = slice_first(value, HOST_FIELD_SZ - 1);
	memcpy(out, value.p, value.n);
	out[value.n] = '\0';
}

struct slice host_release_value(struct slice text, struct slice key)
{
	struct slice line;

	while (procfs_next_line(&text, &line)) {
		if (!slice_starts_with(line, key) || line.n == key.n || line.p[key.n] != '=')
			continue;
		line = slice_trim(slice_after(line, key.n + 1));
		if (line.n >= 2 && (line.p[0] == '"' || line.p[0] == '\'') &&
		    line.p[line.n - 1] == line.p[0])
			line = slice_of(line.p + 1, line.n - 2);
		return line;
	}
	return SLICE("");
}

static void read_release(struct host *host, const struct view *view)
{
	char buf[RELEASE_SZ];
	ssize_t len = read_at(view->etc, "/etc/os-release", buf, sizeof(buf));
	struct slice text;

	if (len <= 0)
		len = read_at(view->etc, "/usr/lib/os-release", buf, sizeof(buf));
	text = slice_of(buf, len > 0 ? (size_t)len : 0);
	copy_field(host->os_name, host_release_value(text, SLICE("NAME")));
	copy_field(host->os_version, host_release_value(text, SLICE("VERSION_ID")));
	copy_field(host->os_description, host_release_value(text, SLICE("PRETTY_NAME")));
}

static void read_passwd(struct host *host, const struct view *view)
{
	char *text = malloc(PASSWD_SZ);
	ssize_t len = text ? read_at(view->etc, "/etc/passwd", text, PASSWD_SZ) : 0;

	if (len > 0) {
		host->passwd_sz = (size_t)len;
		host->passwd = realloc(text, host->passwd_sz) ?: text;
	} else {
		free(text);
	}
}

/*
 * Are we in a container that has a host name of its own? Where the first process may not be looked
 * at, its namespace is taken to be the initial one, whose number never changes.
 */
static bool other_uts(const char *proc_root)
{
	char path[1024], own[64], first[64];
	struct slice host = SLICE("uts:[4026531838]");
	ssize_t own_len, first_len;

	snprintf(path, sizeof(path), "%s/self/ns/uts", proc_root);
	own_len = procfs_link(AT_FDCWD, path, own, sizeof(own));
	snprintf(path, sizeof(path), "%s/1/ns/uts", proc_root);
	first_len = procfs_link(AT_FDCWD, path, first, sizeof(first));
	if (first_len > 0)
		host = slice_of(first, (size_t)first_len);
	return own_len > 0 && !slice_eq(slice_of(own, (size_t)own_len), host);
}

static void read_name(struct host *host, const struct view *view)
{
	if (!other_uts(view->proc_root))
		read_field(view->proc_root, "/sys/kernel/hostname", host->name);
	else if (view->etc[0])
		read_field(view->etc, "/etc/hostname", host->name);
}

static const char *semconv_arch(const char *machine)
{
	static const struct {
		const char *machine, *arch;
	} archs[] = {
		{"x86_64", "amd64"},  {"aarch64", "arm64"},   {"armv6l", "arm32"},
		{"armv7l", "arm32"},  {"armv8l", "arm32"},    {"ppc64", "ppc64"},
		{"ppc64le", "ppc64"}, {"s390x", "s390x"},     {"i386", "x86"},
		{"i686", "x86"},      {"riscv64", "riscv64"},
	};

	for (size_t i = 0; i < sizeof(archs) / sizeof(archs[0]); i++)
		if (strcmp(machine, archs[i].machine) == 0)
			return archs[i].arch;
	return NULL;
}

void host_read(struct host *host, const char *proc_root)
{
	struct utsname uts;
	struct view view;

	*host = (struct host){.passwd = NULL};
	open_view(&view, proc_root);
	read_name(host, &view);
	read_field(view.etc, "/etc/machine-id", host->id);
	if (strlen(host->id) != MACHINE_ID_LEN)
		read_field(view.etc, "/var/lib/dbus/machine-id", host->id);
	if (strlen(host->id) != MACHINE_ID_LEN)
		host->id[0] = '\0'; /* "uninitialized", or no machine id at all */
	read_field(proc_root, "/sys/kernel/random/boot_id", host->boot_id);
	if (strlen(host->boot_id) != BOOT_ID_LEN)
		host->boot_id[0] = '\0';
	read_release(host, &view);
	read_passwd(host, &view);
	if (uname(&uts) == 0)
		host->arch = semconv_arch(uts.machine);
}

void host_clear(struct host *host)
{
	free(host->passwd);
	host->passwd = NULL;
	host->passwd_sz = 0;
}

void host_describe(const struct host *host, struct attrs *attrs)
{
	const struct {
		struct slice key;
		const char *value;
	} rows[] = {
		{SLICE("host.name"), host->name},
		{SLICE("host.id"), host->id},
		{SLICE("host.arch"), host->arch},
		{SLICE("os.type"), "linux"},
		{SLICE("os.name"), host->os_name},
		{SLICE("os.version"), host->os_version},
		{SLICE("os.description"), host->os_description},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].value && rows[i].value[0] && !attrs_get(attrs, rows[i].key))
			attrs_add_str(attrs, rows[i].key, slice_str(rows[i].value));
}

/* Takes what stands before the next colon. */
static struct slice next_field(struct slice *line)
{
	ptrdiff_t colon = slice_find(*line, ':');
	struct slice field = colon < 0 ? *line : slice_first(*line, (size_t)colon);

	*line = slice_after(*line, field.n + 1);
	return field;
}

struct slice host_user(const struct host *host, uint32_t uid)
{
	struct slice text = slice_of(host->passwd, host->passwd_sz), line;

	while (procfs_next_line(&text, &line)) {
		struct slice name = next_field(&line);
		uint64_t number;

		next_field(&line); /* the password */
		if (name.n && slice_to_u64(next_field(&line), &number) && number == uid)
			return name;
	}
	return SLICE("");
}
