// SPDX-License-Identifier: Apache-2.0
/*
 * Mappings come in from the kernel's events and from readings of /proc. A file that is new waits in
 * a list to be searched; what has been searched is remembered by identity, which a later content of
 * the same file does not share. Files with probes stand in a table, each with one process that maps
 * it; only when that one is gone for long is /proc read to find another.
 */
#include "user/probe/prober.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/resource.h>
#include <unistd.h>

#include "user/base/account.h"
#include "user/base/clock.h"
#include "user/base/hash.h"
#include "user/base/log.h"
#include "user/base/recent.h"
#include "user/base/thread.h"
#include "user/probe/mapping_events.h"

#define MS 1000000ull
#define S (1000 * MS)
#define LOOK_NS (10 * S)
#define TEND_NS (100 * MS)
#define GRACE_NS (60 * S)
#define RETRY_NS (60 * S)     /* for what there was no room for */
#define SCAN_AGAIN_NS (1 * S) /* after lost events, at most so often */
#define SCAN_BLIND_NS (3 * S) /* where there are no events */
#define NEVER UINT64_MAX
#define KNOWN_MIN 16384u
#define PENDING_MAX 1024u
#define DETACHERS 8
#define PATH_SZ 256
#define NICE 5 /* searching a large executable takes a while */

/* A file that is to be searched. */
struct pending {
	struct mapped_file file; /* its path is below */
	struct file_identity identity;
	bool first; /* by its name a library that is looked for */
	char path[PATH_SZ];
};

/* A file with probes. */
struct probed {
	void *attachment; /* NULL: a free row */
	struct file_identity identity;
	struct mapped_file user; /* who was last seen to map it; without path */
	uint64_t seen_ns;	 /* then */
	int watch;		 /* of inotify; below 0: none */
	uint32_t probes_cnt;
	char path[PATH_SZ];
};

struct prober {
	struct prober_options options;
	struct mapping_events *events; /* NULL: the kernel gives none */
	long cpus;		       /* that the events are of */
	int stop_fd, watch_fd;
	struct recent *known; /* files that were searched, or are about to be */
	uint64_t seed;
	struct pending *pending;
	uint32_t pending_cnt, probed_cnt;
	struct probed probed[PROBED_MAX];
	uint64_t scan_ns, look_ns; /* when they are due */
	uint64_t scanned_ns;
	pthread_t thread;
	atomic_uint detached; /* rows, at the end */
	bool threaded;
	atomic_bool stopping;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t settled_cond;
	bool settled; /* the files of the start have been searched */
};

/* --- files with probes ------------------------------------------------------------------------ */

static struct probed *find_probed(struct prober *p, const struct file_identity *identity)
{
	for (uint32_t i = 0; i < PROBED_MAX; i++)
		if (p->probed[i].attachment && file_identity_eq(&p->probed[i].identity, identity))
			return &p->probed[i];
	return NULL;
}

static struct probed *free_row(struct prober *p)
{
	for (uint32_t i = 0; i < PROBED_MAX; i++)
		if (!p->probed[i].attachment)
			return &p->probed[i];
	return NULL;
}

static uint64_t hash_of(const struct prober *p, const struct file_identity *identity)
{
	return hash_bytes(p->seed, identity, sizeof(*identity));
}

static void set_user(struct probed *probed, const struct mapped_file *file)
{
	probed->user = *file;
	probed->user.path = SLICE("");
	probed->seen_ns = clock_mono_ns();
}

/* It is searched anew when it is mapped again. */
static void forget(struct prober *p, struct probed *probed, const char *why)
{
	account_add(ACCOUNT_PROBES_DETACHED, probed->probes_cnt);
	if (probed->watch >= 0)
		inotify_rm_watch(p->watch_fd, probed->watch);
	recent__remove(p->known, hash_of(p, &probed->identity));
	log_debug("%s: probes detached, %s", probed->path, why);
	*probed = (struct probed){0};
	p->probed_cnt--;
}

static void drop(struct prober *p, struct probed *probed, const char *why)
{
	p->options.detach(p->options.ctx, probed->attachment);
	forget(p, probed, why);
}

static void *detach_some(void *arg)
{
	struct prober *p = arg;
	uint32_t i;

	while ((i = atomic_fetch_add(&p->detached, 1)) < PROBED_MAX)
		if (p->probed[i].attachment)
			p->options.detach(p->options.ctx, p->probed[i].attachment);
	return NULL;
}

/* Each detaching waits for the kernel: several do so at once. */
static void drop_all(struct prober *p, const char *why)
{
	pthread_t threads[DETACHERS];
	uint32_t cnt = 0;

	while (cnt < DETACHERS && cnt < p->probed_cnt &&
	       thread_start(&threads[cnt], "sonde-detach", detach_some, p) == 0)
		cnt++;
	detach_some(p);
	while (cnt)
		pthread_join(threads[--cnt], NULL);
	for (uint32_t i = 0; i < PROBED_MAX; i++)
		if (p->probed[i].attachment)
			forget(p, &p->probed[i], why);
}

/* --- mappings come in ------------------------------------------------------------------------- */

/* Those are searched before executables, which take longer and seldom have a library in them. */
static bool is_named_so(struct slice path)
{
	static const char *const names[] = {"*/libssl*.so*", "*/libgnutls*.so*"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (slice_fits_glob(path, slice_str(names[i])))
			return true;
	return false;
}

static void add_pending(struct prober *p, const struct mapped_file *file,
			const struct file_identity *identity)
{
	struct pending *pending = &p->pending[p->pending_cnt];

	if (p->pending_cnt == PENDING_MAX) {
		p->scan_ns = 0; /* finds it again */
		return;
	}
	recent__add(p->known, hash_of(p, identity));
	pending->file = *file;
	pending->identity = *identity;
	pending->first = is_named_so(file->path);
	snprintf(pending->path, sizeof(pending->path), "%.*s", (int)file->path.n, file->path.p);
	p->pending_cnt++;
}

static void take_mapping(void *ctx, const struct mapped_file *file)
{
	struct file_identity identity;
	struct prober *p = ctx;
	struct probed *probed;

	if (mapped_file_identify(file, &identity))
		return;
	probed = find_probed(p, &identity);
	if (probed)
		set_user(probed, file);
	else if (!recent__has(p->known, hash_of(p, &identity)))
		add_pending(p, file, &identity);
}

static bool is_wanted(void *ctx, uint32_t pid)
{
	struct prober *p = ctx;

	return !p->options.wanted || p->options.wanted(p->options.ctx, pid);
}

static void take_event(void *ctx, const struct mapped_file *file)
{
	if (is_wanted(ctx, file->pid))
		take_mapping(ctx, file);
}

static void scan(struct prober *p)
{
	p->scanned_ns = clock_mono_ns();
	p->scan_ns = p->events ? NEVER : p->scanned_ns + SCAN_BLIND_NS;
	mapped_files_of_all(is_wanted, take_mapping, p, &p->stopping);
}

static void drain_events(struct prober *p)
{
	struct mapping_sink sink = {.mapped = take_event, .ctx = p};
	uint64_t again_ns = p->scanned_ns + SCAN_AGAIN_NS;

	if (!p->events)
		return;
	mapping_events__drain(p->events, &sink);
	if (!sink.lost_cnt)
		return;
	account_add(ACCOUNT_MAPPINGS_LOST, sink.lost_cnt);
	if (p->scan_ns > again_ns)
		p->scan_ns = again_ns;
}

/* What is written over where it stands may have other instructions at the probes' places. */
static void drain_watches(struct prober *p)
{
	_Alignas(struct inotify_event) char buf[4096];
	const struct inotify_event *event;
	ssize_t len;

	while ((len = read(p->watch_fd, buf, sizeof(buf))) > 0) {
		for (char *at = buf; at < buf + len; at += sizeof(*event) + event->len) {
			event = (const struct inotify_event *)at;
			for (uint32_t i = 0; i < PROBED_MAX; i++)
				if (p->probed[i].attachment && p->probed[i].watch == event->wd &&
				    event->mask & IN_MODIFY)
					drop(p, &p->probed[i], "as the file is being written to");
		}
	}
}

/* --- search and attach ------------------------------------------------------------------------ */

static bool is_denied(const struct prober *p, struct slice path)
{
	for (size_t i = 0; i < p->options.deny_cnt; i++)
		if (slice_fits_glob(path, slice_str(p->options.deny[i])))
			return true;
	return false;
}

/* Is that to be tried again later? */
static bool is_passing(int err)
{
	return err == -ENOMEM || err == -EMFILE || err == -ENFILE || err == -ENOSPC ||
	       err == -EAGAIN || err == -EINTR;
}

static void retry_later(struct prober *p, const struct pending *pending)
{
	uint64_t at_ns = clock_mono_ns() + RETRY_NS;

	recent__remove(p->known, hash_of(p, &pending->identity));
	if (p->scan_ns > at_ns)
		p->scan_ns = at_ns;
}

static uint32_t probes_in(const struct tls_sites *sites)
{
	return sites->cnt + sites->go.cnt;
}

static void refuse(struct prober *p, const struct pending *pending, const struct tls_sites *sites,
		   int err, enum account_entry entry)
{
	static struct log_limit limit;
	unsigned long missed;

	account_add(entry, probes_in(sites));
	if (is_passing(err))
		retry_later(p, pending);
	if (log_limit_pass(&limit, &missed))
		log_warn("%s of %s is not seen: %s",
			 sites->library ?: "who works for whom in the Go program", pending->path,
			 entry == ACCOUNT_PROBES_FULL ? "too many files have probes already"
						      : strerror(-err));
}

static void attach(struct prober *p, const struct pending *pending, int fd,
		   const struct tls_sites *sites, int watch)
{
	struct probed *row = free_row(p);

	if (!row) {
		refuse(p, pending, sites, -ENOSPC, ACCOUNT_PROBES_FULL);
		return;
	}
	errno = 0;
	row->attachment = p->options.attach(p->options.ctx, fd, sites);
	if (!row->attachment) {
		refuse(p, pending, sites, -(errno ?: EINVAL), ACCOUNT_PROBES_REFUSED);
		return;
	}
	p->probed_cnt++;
	row->identity = pending->identity;
	row->probes_cnt = probes_in(sites);
	row->watch = watch;
	memcpy(row->path, pending->path, sizeof(row->path));
	set_user(row, &pending->file);
	account_add(ACCOUNT_PROBES_ATTACHED, probes_in(sites));
	if (sites->library)
		log_info("TLS of %s (%s): %u probes%s%s", row->path, sites->library, sites->cnt,
			 sites->why[0] ? "; " : "", sites->why);
	if (sites->go.found)
		log_info("Go 1.%u of %s: %u probes%s%s", sites->go.minor, row->path, sites->go.cnt,
			 sites->go.why[0] ? "; " : "", sites->go.why);
}

static void search(struct prober *p, const struct pending *pending, int fd)
{
	struct tls_sites sites = {0};
	char self[32];
	int watch, err;

	account_add(ACCOUNT_FILES_SEARCHED, 1);
	snprintf(self, sizeof(self), "/proc/self/fd/%d", fd);
	watch = inotify_add_watch(p->watch_fd, self,
				  IN_MODIFY); /* first: what is read is what stays */
	err = tls_library_find(fd, &sites);
	if (err && pending->first)
		log_info("TLS of %s is not seen: %s", pending->path, strerror(-err));
	else if (!err && sites.library && !sites.cnt)
		log_info("TLS of %s (%s) is not seen: %s", pending->path, sites.library, sites.why);
	if (!err && (sites.cnt || sites.go.exe.goid_at))
		attach(p, pending, fd, &sites, watch);
	if (watch >= 0 && !find_probed(p, &pending->identity))
		inotify_rm_watch(p->watch_fd, watch);
}

static struct pending take_pending(struct prober *p)
{
	uint32_t at = p->pending_cnt - 1; /* the newest: it may have just begun */
	struct pending taken;

	for (uint32_t i = 0; i < p->pending_cnt; i++)
		if (p->pending[i].first)
			at = i;
	taken = p->pending[at];
	p->pending[at] = p->pending[--p->pending_cnt];
	return taken;
}

static void search_next(struct prober *p)
{
	struct pending pending = take_pending(p);
	struct file_identity identity;
	struct slice path = slice_str(pending.path);
	int fd;

	pending.file.path = path;
	if (is_denied(p, path)) {
		log_debug("TLS of %s is not looked for: tls.deny", pending.path);
		return;
	}
	fd = mapped_file_open(&pending.file, &identity);
	if (fd >= 0 && file_identity_eq(&identity, &pending.identity))
		search(p, &pending, fd);
	else /* the process is gone, or the file is another by now: when it is mapped again */
		recent__remove(p->known, hash_of(p, &pending.identity));
	if (fd >= 0)
		close(fd);
}

/* --- from time to time ------------------------------------------------------------------------ */

static bool is_expired(const struct prober *p, const struct probed *probed, uint64_t now_ns)
{
	return probed->attachment && now_ns > probed->seen_ns + p->options.grace_ns;
}

/* Looks at who was last seen to map it: whether it still does, and whether it is still what it was. */
static bool look_at(struct prober *p, struct probed *probed, uint64_t now_ns)
{
	struct file_identity identity;

	if (mapped_file_identify(&probed->user, &identity)) {
		if (!mapped_file_is_mapped(&probed->user))
			return is_expired(p, probed, now_ns);
		probed->seen_ns = now_ns;
	} else if (file_identity_eq(&identity, &probed->identity)) {
		probed->seen_ns = now_ns;
	} else {
		struct mapped_file user = probed->user;
		char path[PATH_SZ];

		memcpy(path, probed->path, sizeof(path));
		user.path = slice_str(path);
		drop(p, probed, "as the file has changed");
		take_mapping(p, &user);
	}
	return false;
}

static void open_events(struct prober *p)
{
	mapping_events__free(p->events);
	p->cpus = sysconf(_SC_NPROCESSORS_ONLN);
	p->events = mapping_events__new();
	if (!p->events)
		log_warn(
			"the kernel does not tell of new mappings (perf_event_open: %s): TLS of new "
			"programs is seen only after up to %llu s",
			strerror(errno), SCAN_BLIND_NS / S);
	p->scan_ns = 0;
}

static void look(struct prober *p)
{
	uint64_t now_ns = clock_mono_ns();
	bool expired = false;

	p->look_ns = now_ns + p->options.look_ns;
	if (p->options.wanted) /* who was not may have another name by now */
		p->scan_ns = 0;
	for (uint32_t i = 0; i < PROBED_MAX; i++)
		if (p->probed[i].attachment && look_at(p, &p->probed[i], now_ns))
			expired = true;
	if (expired)
		scan(p);
	for (uint32_t i = 0; i < PROBED_MAX; i++)
		if (is_expired(p, &p->probed[i], now_ns))
			drop(p, &p->probed[i], "as no process has it mapped any more");
	if (p->cpus != sysconf(_SC_NPROCESSORS_ONLN))
		open_events(p);
}

static void tend(struct prober *p)
{
	for (uint32_t i = 0; i < PROBED_MAX; i++)
		if (p->probed[i].attachment)
			p->options.tend(p->options.ctx, p->probed[i].attachment);
}

/* --- the thread ------------------------------------------------------------------------------- */

/* Waits for something to do, at most until a time that is due. */
static void wait_for_work(struct prober *p)
{
	uint64_t due_ns = p->scan_ns < p->look_ns ? p->scan_ns : p->look_ns;
	uint64_t now_ns = clock_mono_ns();
	struct pollfd fds[] = {
		{.fd = p->stop_fd, .events = POLLIN},
		{.fd = p->watch_fd, .events = POLLIN},
		{.fd = p->events ? mapping_events__fd(p->events) : -1, .events = POLLIN},
	};

	if (p->options.tend && p->probed_cnt && due_ns > now_ns + TEND_NS)
		due_ns = now_ns + TEND_NS;
	poll(fds, sizeof(fds) / sizeof(fds[0]),
	     due_ns > now_ns ? (int)((due_ns - now_ns) / MS) + 1 : 0);
}

static void settle(struct prober *p)
{
	pthread_mutex_lock(&p->lock);
	p->settled = true;
	pthread_cond_broadcast(&p->settled_cond);
	pthread_mutex_unlock(&p->lock);
}

static void *prober_loop(void *arg)
{
	struct prober *p = arg;

	setpriority(PRIO_PROCESS, 0, NICE); /* of this thread */
	open_events(p);			    /* before /proc is read: so nothing falls between */
	while (!atomic_load(&p->stopping)) {
		uint64_t now_ns = clock_mono_ns();

		drain_watches(p);
		drain_events(p);
		if (now_ns >= p->scan_ns)
			scan(p);
		if (now_ns >= p->look_ns)
			look(p);
		if (p->options.tend)
			tend(p);
		if (p->pending_cnt) {
			search_next(p);
			continue;
		}
		if (!p->settled)
			settle(p);
		wait_for_work(p);
	}
	drop_all(p, "as sonde stops");
	return NULL;
}

static int set_up(struct prober *p)
{
	p->seed = hash_seed();
	p->known = recent__new(KNOWN_MIN);
	p->pending = reallocarray(NULL, PENDING_MAX, sizeof(*p->pending));
	p->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	p->watch_fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	if (p->stop_fd < 0 || p->watch_fd < 0)
		return -errno;
	return p->known && p->pending ? 0 : -ENOMEM;
}

struct prober *prober__new(const struct prober_options *options)
{
	struct prober *p = calloc(1, sizeof(*p));
	int err;

	if (!p)
		return NULL;
	p->options = *options;
	p->options.look_ns = options->look_ns ?: LOOK_NS;
	p->options.grace_ns = options->grace_ns ?: GRACE_NS;
	p->look_ns = clock_mono_ns() + p->options.look_ns;
	pthread_mutex_init(&p->lock, NULL);
	thread_cond_init(&p->settled_cond);
	err = set_up(p);
	err = err ?: thread_start(&p->thread, "sonde-probes", prober_loop, p);
	p->threaded = !err;
	if (!err)
		return p;
	prober__free(p);
	errno = -err;
	return NULL;
}

bool prober__wait(struct prober *p, uint64_t timeout_ns)
{
	uint64_t until_ns = clock_mono_ns() + timeout_ns;
	bool settled;

	pthread_mutex_lock(&p->lock);
	while (!p->settled && thread_wait_until(&p->settled_cond, &p->lock, until_ns))
		;
	settled = p->settled;
	pthread_mutex_unlock(&p->lock);
	return settled;
}

void prober__free(struct prober *p)
{
	if (!p)
		return;
	atomic_store(&p->stopping, true);
	if (p->threaded) {
		eventfd_write(p->stop_fd, 1);
		pthread_join(p->thread, NULL);
	}
	mapping_events__free(p->events);
	recent__free(p->known);
	if (p->stop_fd >= 0)
		close(p->stop_fd);
	if (p->watch_fd >= 0)
		close(p->watch_fd);
	free(p->pending);
	pthread_cond_destroy(&p->settled_cond);
	pthread_mutex_destroy(&p->lock);
	free(p);
}
