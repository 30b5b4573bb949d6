// SPDX-License-Identifier: Apache-2.0
/* The file sink: one write per line, straight to the descriptor. */
#include "user/export/json_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "user/base/account.h"
#include "user/base/log.h"

struct json_file {
	int fd;
	off_t end; /* of the last whole line */
	char *path;
	struct log_limit limit;
};

struct json_file *json_file__new(const char *path)
{
	struct json_file *f = calloc(1, sizeof(*f));
	int err;

	if (!f)
		return NULL;
	f->path = strdup(path);
	f->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (f->path && f->fd >= 0)
		return f;
	err = errno;
	log_error("cannot write spans to %s: %s", path, strerror(err));
	json_file__free(f);
	errno = err;
	return NULL;
}

void json_file__free(struct json_file *f)
{
	if (!f)
		return;
	if (f->fd >= 0)
		close(f->fd);
	free(f->path);
	free(f);
}

static int write_all(int fd, struct slice s)
{
	while (s.n) {
		ssize_t done = write(fd, s.p, s.n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		s = slice_after(s, (size_t)done);
	}
	return 0;
}

static int write_line(struct json_file *f, struct slice line)
{
	int err = write_all(f->fd, line);

	if (!err) {
		f->end += (off_t)line.n;
		return 0;
	}
	/* Both fail on a pipe, where nothing can be taken back. */
	if (ftruncate(f->fd, f->end) == 0)
		lseek(f->fd, f->end, SEEK_SET);
	return err;
}

void json_file__write(struct json_file *f, struct slice line, uint32_t spans_cnt)
{
	int err = write_line(f, line);
	unsigned long missed;

	account_add(err ? ACCOUNT_FAILED : ACCOUNT_WRITTEN, spans_cnt);
	if (err && log_limit_pass(&f->limit, &missed))
		log_error("cannot write %u spans to %s: %s", spans_cnt, f->path, strerror(-err));
}
