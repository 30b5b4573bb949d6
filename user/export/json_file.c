// SPDX-License-Identifier: Apache-2.0
/* The file sink: one write per line, straight to the descriptor. */
#include "user/export/json_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "user/base/account.h"
#include "user/base/log.h"
#include "user/export/otlp_json.h"

struct json_file {
	int fd;
	off_t end; /* of the last whole line */
	char *path, *version;
	struct json_writer writer;
	struct log_limit limit;
};

struct json_file *json_file__new(const char *path, const char *version)
{
	struct json_file *f = calloc(1, sizeof(*f));
	int err;

	if (!f)
		return NULL;
	json_writer__init(&f->writer, OTLP_JSON_MAX_SZ);
	f->path = strdup(path);
	f->version = strdup(version);
	f->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (f->path && f->version && f->fd >= 0)
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
	json_writer__free(&f->writer);
	free(f->path);
	free(f->version);
	free(f);
}

static int write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t done = write(fd, p, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		p += done;
		n -= (size_t)done;
	}
	return 0;
}

static int write_line(struct json_file *f)
{
	int err = write_all(f->fd, f->writer.buf, f->writer.len);

	if (!err) {
		f->end += (off_t)f->writer.len;
		return 0;
	}
	/* Both fail on a pipe, where nothing can be taken back. */
	if (ftruncate(f->fd, f->end) == 0)
		lseek(f->fd, f->end, SEEK_SET);
	return err;
}

void json_file__write(struct json_file *f, struct span_groups *groups,
		      const struct span *const *spans, uint32_t cnt)
{
	unsigned long missed;
	int err;

	span_groups__set(groups, spans, cnt);
	err = otlp_json_encode(&f->writer, groups, f->version);
	if (err == -EMSGSIZE && cnt > 1) {
		json_file__write(f, groups, spans, cnt / 2);
		json_file__write(f, groups, spans + cnt / 2, cnt - cnt / 2);
		return;
	}
	err = err ?: write_line(f);
	account_add(err ? ACCOUNT_FAILED : ACCOUNT_WRITTEN, cnt);
	if (err && log_limit_pass(&f->limit, &missed))
		log_error("cannot write %u spans to %s: %s", cnt, f->path, strerror(-err));
}
