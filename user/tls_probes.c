// SPDX-License-Identifier: Apache-2.0
/* Sites become probes. */
#include "user/tls_probes.h"

#include <errno.h>
#include <stdlib.h>
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

struct attachment {
	struct uprobes *tls, *go; /* NULL: there is nothing to attach to */
};

static void detach(void *ctx, void *of)
{
	struct attachment *attachment = of;

	(void)ctx;
	uprobes__free(attachment->tls);
	uprobes__free(attachment->go);
	free(attachment);
}

static struct uprobes *attach_tls(struct capture *capture, int fd, const struct tls_sites *sites)
{
	struct uprobe_site to[TLS_SITES_MAX];

	_Static_assert(TLS_SITES_MAX <= UPROBE_SITES_MAX, "raise UPROBE_SITES_MAX");
	for (uint32_t i = 0; i < sites->cnt; i++)
		to[i] = (struct uprobe_site){
			.file_off = sites->v[i].file_off,
			.cookie = sites->v[i].cookie,
			.returns = sites->v[i].returns,
		};
	return capture__attach_uprobes(capture, fd, to, sites->cnt);
}

static struct uprobes *attach_go(struct capture *capture, int fd, const struct go_program *go)
{
	struct uprobe_site to[GO_SITES_MAX];

	for (uint32_t i = 0; i < go->cnt; i++)
		to[i] = (struct uprobe_site){
			.file_off = go->v[i].file_off,
			.cookie = go->v[i].cookie,
		};
	return capture__attach_go(capture, fd, to, go->cnt);
}

static void *attach(void *ctx, int fd, const struct tls_sites *sites)
{
	struct attachment *attachment = calloc(1, sizeof(*attachment));
	struct go_exe exe = sites->go.exe;

	if (!attachment)
		return NULL;
	if (sites->cnt)
		attachment->tls = attach_tls(ctx, fd, sites);
	if (sites->go.cnt && (attachment->tls || !sites->cnt))
		attachment->go = attach_go(ctx, fd, &sites->go);
	if ((sites->cnt && !attachment->tls) || (sites->go.cnt && !attachment->go)) {
		int err = errno;

		detach(ctx, attachment);
		errno = err;
		return NULL;
	}
	exe.tls = sites->cnt > 0;
	if (sites->go.found)
		capture__add_go(ctx, fd, &exe);
	return attachment;
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
