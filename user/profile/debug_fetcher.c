// SPDX-License-Identifier: Apache-2.0
/* A table of what is wanted; the thread takes one after the other. */
#include "user/profile/debug_fetcher.h"

#include <dlfcn.h>
#include <elfutils/debuginfod.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/clock.h"
#include "user/base/elf_file.h"
#include "user/base/log.h"
#include "user/base/thread.h"

#define WANTED_MAX 512
#define NAME_SZ 64
#define SAY_AFTER_NS 1000000000ull
#define DOWN_NS 60000000000ull /* servers that do not answer are left alone for so long */
/* Unless the user's environment says something else. */
#define ANSWER_S "10"
#define RETRIES "1"
#define FILE_MAX_SZ "1073741824"

struct wanted {
	char build_id[2 * BUILD_ID_MAX + 1]; /* "": free */
	char name[NAME_SZ];
	enum debug_fetch state;
	int fd; /* once it is there */
};

/* What of elfutils' library is called. */
struct client_library {
	void *handle;
	__typeof__(debuginfod_begin) *begin;
	__typeof__(debuginfod_end) *end;
	__typeof__(debuginfod_find_debuginfo) *find_debuginfo;
	__typeof__(debuginfod_set_progressfn) *set_progressfn;
	__typeof__(debuginfod_set_user_data) *set_user_data;
};

/* The client hands its callback nothing else to find out by whose it is. */
static __typeof__(debuginfod_get_user_data) *user_data_of;

struct debug_fetcher {
	struct client_library library;
	debuginfod_client *client;
	pthread_t thread;
	bool threaded;
	atomic_bool stopping;
	struct log_limit failures;
	pthread_mutex_t lock; /* over the following */
	pthread_cond_t changed;
	uint64_t down_until_ns; /* 0: the servers answer */
	struct wanted wanted[WANTED_MAX];
	uint32_t next; /* where a place for another one is looked for first */
};

/* --- the thread ------------------------------------------------------------------------------- */

/* The lock is held. */
static struct wanted *first_awaited(struct debug_fetcher *f)
{
	for (uint32_t i = 0; i < WANTED_MAX; i++)
		if (f->wanted[i].build_id[0] && f->wanted[i].state == DEBUG_FETCH_AWAITED)
			return &f->wanted[i];
	return NULL;
}

static void say(struct debug_fetcher *f, const struct wanted *w, int fd)
{
	unsigned long missed;
	struct stat file;

	if (fd >= 0 && fstat(fd, &file) == 0)
		log_info("debug information of %s: %lld KiB fetched", w->name,
			 (long long)(file.st_size + 1023) / 1024);
	else if (fd == -ENOENT)
		log_debug("debug information of %s: no server has it", w->name);
	else if (!atomic_load(&f->stopping) && log_limit_pass(&f->failures, &missed))
		log_warn("debug information of %s cannot be fetched: %s", w->name, strerror(-fd));
}

/* The lock is held. */
static bool is_down(const struct debug_fetcher *f)
{
	return clock_mono_ns() < f->down_until_ns;
}

static bool is_no_answer(int err)
{
	return err == -ETIME || err == -ETIMEDOUT || err == -ECONNREFUSED || err == -EHOSTUNREACH ||
	       err == -ENETUNREACH || err == -ENETRESET;
}

static void *fetch_loop(void *arg)
{
	struct debug_fetcher *f = arg;
	struct wanted *w;

	pthread_mutex_lock(&f->lock);
	while (!atomic_load(&f->stopping)) {
		struct wanted wanted;
		int fd;

		w = first_awaited(f);
		if (!w || is_down(f)) {
			thread_wait_until(&f->changed, &f->lock,
					  w ? f->down_until_ns : clock_mono_ns() + DOWN_NS);
			continue;
		}
		wanted = *w;
		pthread_mutex_unlock(&f->lock);
		fd = f->library.find_debuginfo(f->client, (const unsigned char *)wanted.build_id, 0,
					       NULL);
		say(f, &wanted, fd);
		pthread_mutex_lock(&f->lock);
		if (is_no_answer(fd)) {
			f->down_until_ns = clock_mono_ns() + DOWN_NS;
		} else { /* nobody else takes away what is awaited */
			w->state = fd < 0 ? DEBUG_FETCH_FAILED : DEBUG_FETCH_DONE;
			w->fd = fd;
		}
		pthread_cond_broadcast(&f->changed);
	}
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

/* Called by the client now and then; other than 0 has it give up. */
static int is_stopping(debuginfod_client *client, long done, long all)
{
	struct debug_fetcher *f = user_data_of(client);

	(void)done;
	(void)all;
	return atomic_load(&f->stopping);
}

/* --- its beginning and end -------------------------------------------------------------------- */

static int load_library(struct client_library *l)
{
	const struct {
		const char *name;
		void *to;
	} functions[] = {
		{"debuginfod_begin", &l->begin},
		{"debuginfod_end", &l->end},
		{"debuginfod_find_debuginfo", &l->find_debuginfo},
		{"debuginfod_set_progressfn", &l->set_progressfn},
		{"debuginfod_set_user_data", &l->set_user_data},
		{"debuginfod_get_user_data", &user_data_of},
	};

	l->handle = dlopen(DEBUGINFOD_SONAME, RTLD_NOW | RTLD_LOCAL);
	for (size_t i = 0; l->handle && i < sizeof(functions) / sizeof(functions[0]); i++) {
		void *function = dlsym(l->handle, functions[i].name);

		if (!function)
			return -ENOPKG;
		memcpy(functions[i].to, &function, sizeof(function));
	}
	return l->handle ? 0 : -ENOPKG;
}

static int begin(struct debug_fetcher *f, const char *urls)
{
	const char *cache = getenv("CACHE_DIRECTORY"); /* of a service: systemd.exec(5) */
	int err = load_library(&f->library);

	if (err)
		return err;
	if ((cache && setenv(DEBUGINFOD_CACHE_PATH_ENV_VAR, cache, 0)) ||
	    setenv(DEBUGINFOD_URLS_ENV_VAR, urls, 1) ||
	    setenv(DEBUGINFOD_TIMEOUT_ENV_VAR, ANSWER_S, 0) ||
	    setenv(DEBUGINFOD_RETRY_LIMIT_ENV_VAR, RETRIES, 0) ||
	    setenv(DEBUGINFOD_MAXSIZE_ENV_VAR, FILE_MAX_SZ, 0))
		return -errno;
	f->client = f->library.begin();
	if (!f->client)
		return -ENOMEM;
	f->library.set_user_data(f->client, f);
	f->library.set_progressfn(f->client, is_stopping);
	err = thread_start(&f->thread, "sonde-debuginfo", fetch_loop, f);
	f->threaded = !err;
	return err;
}

struct debug_fetcher *debug_fetcher__new(const char *urls)
{
	struct debug_fetcher *f = calloc(1, sizeof(*f));
	int err = -ENOMEM;

	if (f) {
		pthread_mutex_init(&f->lock, NULL);
		thread_cond_init(&f->changed);
		err = begin(f, urls);
	}
	if (!err)
		return f;
	debug_fetcher__free(f);
	errno = -err;
	return NULL;
}

void debug_fetcher__free(struct debug_fetcher *f)
{
	if (!f)
		return;
	if (f->threaded) {
		atomic_store(&f->stopping, true);
		pthread_mutex_lock(&f->lock);
		pthread_cond_broadcast(&f->changed);
		pthread_mutex_unlock(&f->lock);
		pthread_join(f->thread, NULL);
	}
	for (uint32_t i = 0; i < WANTED_MAX; i++)
		if (f->wanted[i].build_id[0] && f->wanted[i].state == DEBUG_FETCH_DONE)
			close(f->wanted[i].fd);
	if (f->client)
		f->library.end(f->client);
	if (f->library.handle)
		dlclose(f->library.handle);
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

/* --- the one that asks ------------------------------------------------------------------------ */

/* The lock is held. */
static struct wanted *find_wanted(struct debug_fetcher *f, const char *build_id)
{
	for (uint32_t i = 0; i < WANTED_MAX; i++)
		if (strcmp(f->wanted[i].build_id, build_id) == 0)
			return &f->wanted[i];
	return NULL;
}

/* A place that is free, or of what could not be had; NULL: there is none. */
static struct wanted *take_place(struct debug_fetcher *f)
{
	for (uint32_t i = 0; i < WANTED_MAX; i++) {
		struct wanted *w = &f->wanted[f->next++ % WANTED_MAX];

		if (!w->build_id[0] || w->state == DEBUG_FETCH_FAILED)
			return w;
	}
	return NULL;
}

enum debug_fetch debug_fetcher__ask(struct debug_fetcher *f, const char *build_id,
				    struct slice name, int *fd)
{
	enum debug_fetch state = DEBUG_FETCH_FAILED;
	struct wanted *w;

	pthread_mutex_lock(&f->lock);
	w = find_wanted(f, build_id);
	if (!w && strlen(build_id) < sizeof(w->build_id)) {
		w = take_place(f);
		if (w) {
			*w = (struct wanted){.state = DEBUG_FETCH_AWAITED};
			memcpy(w->build_id, build_id, strlen(build_id) + 1);
			snprintf(w->name, sizeof(w->name), "%.*s", (int)name.n, name.p);
			pthread_cond_broadcast(&f->changed);
		}
	}
	if (w)
		state = w->state;
	if (state == DEBUG_FETCH_DONE) {
		*fd = w->fd;
		w->build_id[0] = 0;
	}
	pthread_mutex_unlock(&f->lock);
	return state;
}

void debug_fetcher__await(struct debug_fetcher *f, uint64_t until_ns)
{
	uint64_t say_ns = clock_mono_ns() + SAY_AFTER_NS;

	pthread_mutex_lock(&f->lock);
	while (first_awaited(f) && !is_down(f) && clock_mono_ns() < until_ns) {
		thread_wait_until(&f->changed, &f->lock, say_ns < until_ns ? say_ns : until_ns);
		if (first_awaited(f) && clock_mono_ns() >= say_ns) {
			log_info("waiting for debug information of %s, not longer than a minute",
				 first_awaited(f)->name);
			say_ns = UINT64_MAX;
		}
	}
	pthread_mutex_unlock(&f->lock);
}
