/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Facts about the host, read once. From inside a container that shares the host's pid namespace
 * they are read through /proc/1/root.
 */
#ifndef SONDE_IDENT_HOST_H
#define SONDE_IDENT_HOST_H

#include "user/base/attr.h"

#define HOST_FIELD_SZ 256

struct host {
	char name[HOST_FIELD_SZ];
	char id[HOST_FIELD_SZ]; /* the machine id */
	char boot_id[HOST_FIELD_SZ];
	char os_name[HOST_FIELD_SZ];
	char os_version[HOST_FIELD_SZ];
	char os_description[HOST_FIELD_SZ];
	const char *arch;
	char *passwd; /* the text of /etc/passwd */
	size_t passwd_sz;
};

/* What cannot be read stays empty, also a name that would be that of our own container. */
void host_read(struct host *host, const char *proc_root);
void host_clear(struct host *host);
/* Adds host.* and os.*; the values point into host. */
void host_describe(const struct host *host, struct attrs *attrs);
/* The name of a user of the host, or the empty slice; points into host. */
struct slice host_user(const struct host *host, uint32_t uid);

/* The value of KEY=value in the text of an os-release(5) file, without its quotes. */
struct slice host_release_value(struct slice text, struct slice key);

#endif
