// SPDX-License-Identifier: Apache-2.0
/* Sites become probes. */
#include "user/tls_probes.h"

#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>

#include "user/base/log.h"

static bool wants(void *ctx, uint32_t pid)
{
	return capture__wants_pid(ctx, pid);
}

/*
 * The libraries that sonde itself has are those that most programs here have. So they are probed already
 * when a command starts, whose first request may come sooner than a probe.
 */
static bool wants_own_too(void *ctx, uint32_t pid)
{
	return pid == (uint32_t)getpid() || wants(ctx, pid);
}

static void *attach(void *ctx, int fd, const struct tls_sites *sites)
{
	struct uprobe_site to[TLS_SITES_MAX];

	_Static_assert(TLS_SITES_MAX <= UPROBE_SITES_MAX, "raise UPROBE_SITES_MAX");
	for (uint32_t i = 0; i < sites->cnt; i++)
		to[i] = (struct uprobe_site){
			.file_off = sites->v[i].file_off,
			.cookie = sites->v[i].cookie,
			.returns = sites->v[i].returns,
		};
	return capture__attach_uprobes(ctx, fd, to, sites->cnt);
}

static void detach(void *ctx, void *attachment)
{
	(void)ctx;
	uprobes__free(attachment);
}

/* Without uprobe_multi a probe takes up to four descriptors. */
static void raise_file_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit))
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

struct prober *tls_probes_start(const struct config *c, struct capture *capture, bool command)
{
	char why[CAPTURE_WHY_SZ];
	const struct prober_options o = {
		.deny = (const char *const *)c->tls.deny.v,
		.deny_cnt = c->tls.deny.cnt,
		.wanted = command ? wants_own_too : wants,
		.attach = attach,
		.detach = detach,
		.ctx = capture,
	};

	raise_file_limit();
	if (capture__deny_tls(capture, (const char *const *)c->tls.deny_names.v,
			      c->tls.deny_names.cnt, why)) {
		log_error("TLS is not seen: %s", why);
		errno = EINVAL;
		return NULL;
	}
	return prober__new(&o);
}
