// SPDX-License-Identifier: Apache-2.0
/* Writing recordings through stdio; reading them in large pieces, in which records are used where they lie. */
#include "user/capture/recording.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "user/base/account.h"
#include "user/capture/record.h"

#define RECORD_SZ_MAX (1u << 20)
#define READ_SZ (256u << 10) /* at once: stays in the cache until it is used */

struct recorder {
	FILE *file;
	int err;
};

struct replay {
	int fd;
	bool failed;	 /* to read */
	size_t pos, end; /* what was read and not used */
	_Alignas(8) char buffer[RECORD_SZ_MAX + READ_SZ];
};

static size_t padded(size_t n)
{
	return (n + 7) & ~(size_t)7;
}

struct recorder *recorder__new(const char *path, uint64_t unix_offset_ns)
{
	struct recording_head head = {.version = RECORD_VERSION, .unix_offset_ns = unix_offset_ns};
	struct recorder *recorder = calloc(1, sizeof(*recorder));
	struct stat st;
	int fd, err;

	if (!recorder)
		return NULL;
	memcpy(head.magic, RECORDING_MAGIC, sizeof(head.magic));
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd >= 0 && fstat(fd, &st) == 0 && (!S_ISREG(st.st_mode) || fchmod(fd, 0600) == 0))
		recorder->file = fdopen(fd, "w");
	if (recorder->file && fwrite(&head, sizeof(head), 1, recorder->file) == 1)
		return recorder;
	err = errno;
	if (fd >= 0 && !recorder->file)
		close(fd);
	recorder__close(recorder);
	errno = err;
	return NULL;
}

int recorder__write(struct recorder *recorder, const struct record_head *record)
{
	static const char zeros[8];
	size_t padding = padded(record->size) - record->size;

	if (recorder->err)
		return recorder->err;
	if (fwrite(record, record->size, 1, recorder->file) != 1 ||
	    (padding && fwrite(zeros, padding, 1, recorder->file) != 1))
		recorder->err = errno ? -errno : -EIO;
	return recorder->err;
}

int recorder__close(struct recorder *recorder)
{
	int err;

	if (!recorder)
		return 0;
	err = recorder->err;
	if (recorder->file && fclose(recorder->file) && !err)
		err = -errno;
	free(recorder);
	return err;
}

/* The next n bytes, which are not used up by that; NULL if there are not as many. */
static const void *peek(struct replay *replay, size_t n)
{
	size_t rest = replay->end - replay->pos;

	if (rest < n) {
		memmove(replay->buffer, replay->buffer + replay->pos, rest);
		replay->pos = 0;
		replay->end = rest;
	}
	while (replay->end - replay->pos < n) {
		ssize_t got =
			TEMP_FAILURE_RETRY(read(replay->fd, replay->buffer + replay->end, READ_SZ));

		replay->failed |= got < 0;
		if (got <= 0)
			return NULL;
		replay->end += (size_t)got;
	}
	return replay->buffer + replay->pos;
}

static int read_head(struct replay *replay, const char *path, uint64_t *unix_offset_ns)
{
	const struct recording_head *head;

	replay->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (replay->fd < 0)
		return errno;
	head = peek(replay, sizeof(*head));
	if (!head)
		return replay->failed ? errno : EPROTO;
	if (memcmp(head->magic, RECORDING_MAGIC, sizeof(head->magic)) != 0 ||
	    head->version != RECORD_VERSION)
		return EPROTO;
	*unix_offset_ns = head->unix_offset_ns;
	replay->pos += sizeof(*head);
	return 0;
}

struct replay *replay__open(const char *path, uint64_t *unix_offset_ns)
{
	struct replay *replay = malloc(sizeof(*replay));
	int err;

	if (!replay)
		return NULL;
	replay->failed = false;
	replay->pos = replay->end = 0;
	err = read_head(replay, path, unix_offset_ns);
	if (err) {
		replay__close(replay);
		errno = err;
		return NULL;
	}
	return replay;
}

/* The next record as it is; NULL if there is no whole one. */
static const struct record_head *next_record(struct replay *replay)
{
	const struct record_head *head = peek(replay, sizeof(*head));

	if (!head || head->size < sizeof(*head) || head->size > RECORD_SZ_MAX)
		return NULL;
	head = peek(replay, padded(head->size));
	if (head)
		replay->pos += padded(head->size);
	return head;
}

const struct record_head *replay__next(struct replay *replay, bool *broken)
{
	const struct record_head *record;

	while ((record = next_record(replay))) {
		account_add(ACCOUNT_RECORDS, 1);
		account_add(ACCOUNT_RECORD_BYTES, record->size);
		if (record_valid(record, record->size))
			return record;
		account_add(ACCOUNT_RECORDS_INVALID, 1);
	}
	*broken = replay->failed || replay->pos != replay->end;
	return NULL;
}

void replay__close(struct replay *replay)
{
	if (!replay)
		return;
	if (replay->fd >= 0)
		close(replay->fd);
	free(replay);
}
