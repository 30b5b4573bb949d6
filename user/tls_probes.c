// SPDX-License-Identifier: Apache-2.0
/* Sites become probes. */
#include "user/tls_probes.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
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
	struct uprobes *tls; /* NULL here and below: there is nothing to attach to */
	/*
	 * Those that are hit once for each connection stay. Those that are hit for each request are taken away where
	 * they tell nothing, since no process of that executable both serves and asks.
	 */
	struct uprobes *go, *go_requests;
	int fd; /* of the executable, where there are such; else -1 */
	uint64_t inode;
	uint32_t go_uses; /* capture__go_uses when this was last looked at */
	uint32_t requests_cnt;
	struct uprobe_site requests[GO_SITES_MAX];
};

static void detach(void *ctx, void *of)
{
	struct attachment *attachment = of;

	(void)ctx;
	uprobes__free(attachment->tls);
	uprobes__free(attachment->go);
	uprobes__free(attachment->go_requests);
	if (attachment->fd >= 0)
		close(attachment->fd);
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

static bool is_of_connection(uint64_t cookie)
{
	uint64_t call = GO_CALL(cookie), part = GO_PART(cookie);

	return call == GO_WRITE_LOOP || ((call == GO_CREATES || call == GO_BEGINS) &&
					 (part == GO_READS || part == GO_GOES_ON));
}

static int attach_go(struct attachment *attachment, struct capture *capture, int fd,
		     const struct go_program *go)
{
	struct uprobe_site lasting[GO_SITES_MAX];
	uint32_t lasting_cnt = 0;
	struct stat st;

	for (uint32_t i = 0; i < go->cnt; i++) {
		struct uprobe_site *to =
			is_of_connection(go->v[i].cookie)
				? &lasting[lasting_cnt++]
				: &attachment->requests[attachment->requests_cnt++];

		*to = (struct uprobe_site){
			.file_off = go->v[i].file_off,
			.cookie = go->v[i].cookie,
		};
	}
	if (lasting_cnt) {
		attachment->go = capture__attach_go(capture, fd, lasting, lasting_cnt);
		if (!attachment->go)
			return -errno;
	}
	if (!attachment->requests_cnt)
		return 0;
	attachment->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (attachment->fd < 0 || fstat(fd, &st))
		return -errno;
	attachment->inode = st.st_ino;
	attachment->go_requests =
		capture__attach_go(capture, fd, attachment->requests, attachment->requests_cnt);
	return attachment->go_requests ? 0 : -errno;
}

static void *attach(void *ctx, int fd, const struct tls_sites *sites)
{
	struct attachment *attachment = calloc(1, sizeof(*attachment));
	struct go_exe exe = sites->go.exe;
	int err = 0;

	if (!attachment)
		return NULL;
	attachment->fd = -1;
	if (sites->cnt) {
		attachment->tls = attach_tls(ctx, fd, sites);
		err = attachment->tls ? 0 : -errno;
	}
	err = err ?: attach_go(attachment, ctx, fd, &sites->go);
	if (err) {
		detach(ctx, attachment);
		errno = -err;
		return NULL;
	}
	exe.tls = sites->cnt > 0;
	if (sites->go.found)
		capture__add_go(ctx, fd, &exe);
	return attachment;
}

/* Has the probes that its processes need now. */
static void tend(void *ctx, void *of)
{
	struct attachment *attachment = of;
	uint32_t go_uses = capture__go_uses(ctx);
	uint8_t use;

	if (!attachment->requests_cnt || attachment->go_uses == go_uses)
		return;
	attachment->go_uses = go_uses;
	use = capture__go_use(ctx, attachment->inode);
	if (use == GO_USE_ONE && attachment->go_requests) {
		uprobes__free(attachment->go_requests);
		attachment->go_requests = NULL;
	} else if (use == GO_USE_BOTH && !attachment->go_requests) {
		attachment->go_requests = capture__attach_go(
			ctx, attachment->fd, attachment->requests, attachment->requests_cnt);
		if (!attachment->go_requests)
			log_warn("who works for whom in a Go program is not seen any more: %s; "
				 "restart sonde to try again",
				 strerror(errno));
	}
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
		.tend = tend,
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
