// SPDX-License-Identifier: Apache-2.0
/* An iterator over one thread looks at it in the kernel. */
#include "user/capture/context_share.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "include/abi/record.h"
#include "include/abi/tracer.h"
#include "bpf/tracer.skel.h"
#include "user/base/account.h"
#include "user/base/log.h"

/* 0 or a negative errno. */
static int look_at(const struct bpf_program *program, uint32_t tid)
{
	union bpf_iter_link_info info = {.task.tid = tid};
	LIBBPF_OPTS(bpf_iter_attach_opts, opts, .link_info = &info, .link_info_len = sizeof(info));
	struct bpf_link *link = bpf_program__attach_iter(program, &opts);
	char nothing[8];
	int fd, err = 0;

	if (!link)
		return errno == ESRCH ? 0 : -errno; /* ESRCH: the thread has ended */
	fd = bpf_iter_create(bpf_link__fd(link));
	if (fd < 0 || read(fd, nothing, sizeof(nothing)) < 0)
		err = -errno;
	if (fd >= 0)
		close(fd);
	bpf_link__destroy(link);
	return err;
}

int context_share_try(struct tracer_bpf *bpf)
{
	return look_at(bpf->progs.share_context, (uint32_t)gettid());
}

bool context_share_tell(struct tracer_bpf *bpf, struct context_offer *offer)
{
	int err;

	bpf->bss->context_offer = *offer;
	err = look_at(bpf->progs.share_context, offer->tid);
	if (err)
		log_debug("cannot look at thread %u: %s", offer->tid, strerror(-err));
	offer->thread = bpf->bss->context_offer.thread;
	if (offer->thread)
		account_add(ACCOUNT_CONTEXTS_SHARED, 1);
	return offer->thread;
}

void context_share_end(struct tracer_bpf *bpf, const struct context_offer *offer)
{
	int fd = bpf_map__fd(bpf->maps.shared_contexts);
	struct shared_context now;

	if (bpf_map_lookup_elem(fd, &offer->thread, &now) == 0 &&
	    memcmp(&now, &offer->context, sizeof(now)) == 0)
		bpf_map_delete_elem(fd, &offer->thread);
}
