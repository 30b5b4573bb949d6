// SPDX-License-Identifier: Apache-2.0
/* A file's probes are all attached, or none of them. */
#include "user/tls_probes.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

struct file_probes {
	uint32_t cnt;
	struct uprobe *v[TLS_SITES_MAX];
};

static bool wants(void *ctx, uint32_t pid)
{
	return capture__wants_pid(ctx, pid);
}

static void detach(void *ctx, void *attachment)
{
	struct file_probes *probes = attachment;
	int err = errno;

	(void)ctx;
	for (uint32_t i = 0; i < probes->cnt; i++)
		uprobe__free(probes->v[i]);
	free(probes);
	errno = err;
}

static void *attach(void *ctx, int fd, const struct tls_sites *sites)
{
	struct file_probes *probes = calloc(1, sizeof(*probes));
	const struct tls_site *site = sites->v;

	if (!probes)
		return NULL;
	for (; probes->cnt < sites->cnt; probes->cnt++, site++) {
		probes->v[probes->cnt] = capture__attach_uprobe(ctx, fd, site->file_off,
								site->cookie, site->returns);
		if (!probes->v[probes->cnt]) {
			detach(ctx, probes);
			return NULL;
		}
	}
	return probes;
}

/* A probe takes up to four descriptors. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

struct prober *tls_probes_start(const struct config *c, struct capture *capture)
{
	const struct prober_options o = {
		.deny = (const char *const *)c->tls.deny.v,
		.deny_cnt = c->tls.deny.cnt,
		.wanted = wants,
		.attach = attach,
		.detach = detach,
		.ctx = capture,
	};

	raise_file_limit();
	return prober__new(&o);
}
