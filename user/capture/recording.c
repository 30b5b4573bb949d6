// SPDX-License-Identifier: Apache-2.0
/* Writing and reading recordings, through stdio. */
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

struct recorder {
	FILE *file;
	int err;
};

struct replay {
	FILE *file;
	char *record;
	size_t cap;
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

struct replay *replay__open(const char *path, uint64_t *unix_offset_ns)
{
	struct replay *replay = calloc(1, sizeof(*replay));
	struct recording_head head = {0};
	int err = 0;

	if (!replay)
		return NULL;
	replay->file = fopen(path, "re");
	if (!replay->file)
		err = errno;
	else if (fread(&head, sizeof(head), 1, replay->file) != 1 ||
		 memcmp(head.magic, RECORDING_MAGIC, sizeof(head.magic)) != 0 ||
		 head.version != RECORD_VERSION)
		err = ferror(replay->file) ? errno : EPROTO;
	if (err) {
		replay__close(replay);
		errno = err;
		return NULL;
	}
	*unix_offset_ns = head.unix_offset_ns;
	return replay;
}

/* Reads the record of that head into the buffer. */
static bool read_record(struct replay *replay, const struct record_head *head)
{
	size_t rest = padded(head->size) - sizeof(*head);

	if (replay->cap < padded(head->size)) {
		char *grown = realloc(replay->record, padded(head->size));

		if (!grown)
			return false;
		replay->record = grown;
		replay->cap = padded(head->size);
	}
	memcpy(replay->record, head, sizeof(*head));
	return rest == 0 || fread(replay->record + sizeof(*head), rest, 1, replay->file) == 1;
}

const struct record_head *replay__next(struct replay *replay, bool *broken)
{
	struct record_head head;

	for (;;) {
		size_t n = fread(&head, 1, sizeof(head), replay->file);

		if (n == 0 && feof(replay->file))
			return NULL;
		if (n != sizeof(head) || head.size < sizeof(head) || head.size > RECORD_SZ_MAX ||
		    !read_record(replay, &head)) {
			*broken = true;
			return NULL;
		}
		account_add(ACCOUNT_RECORDS, 1);
		account_add(ACCOUNT_RECORD_BYTES, head.size);
		if (record_valid(replay->record, head.size))
			return (const struct record_head *)replay->record;
		account_add(ACCOUNT_RECORDS_INVALID, 1);
	}
}

void replay__close(struct replay *replay)
{
	if (!replay)
		return;
	if (replay->file)
		fclose(replay->file);
	free(replay->record);
	free(replay);
}
