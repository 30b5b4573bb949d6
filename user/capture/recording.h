/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recordings: the ring's records in a file, to be replayed without root. They hold payload and
 * environment as they were, before redaction: a recording is readable by its owner only.
 *
 * A file is a recording_head, then records as in the ring, each padded to 8 bytes.
 */
#ifndef SONDE_CAPTURE_RECORDING_H
#define SONDE_CAPTURE_RECORDING_H

#include <stdbool.h>
#include <stdint.h>

#include "include/abi/record.h"

#define RECORDING_MAGIC "SONDEREC"

struct recording_head {
	char magic[8];
	uint32_t version; /* RECORD_VERSION */
	uint32_t reserved;
	uint64_t unix_offset_ns; /* add to the records' times to get Unix time */
};

struct recorder;

/* Creates or truncates path; a regular file gets mode 0600. NULL with errno. */
struct recorder *recorder__new(const char *path, uint64_t unix_offset_ns);
/* Buffers one record. 0 or a negative errno, the first one again on every later call. */
int recorder__write(struct recorder *recorder, const struct record_head *record);
/* Flushes and closes; 0 or a negative errno if anything could not be written. NULL is legal. */
int recorder__close(struct recorder *recorder);

struct replay;

/* Opens a recording. NULL with errno; EPROTO: not a recording, or of another version. */
struct replay *replay__open(const char *path, uint64_t *unix_offset_ns);
/*
 * The next valid record, until the next call; NULL at the end. Invalid ones are counted and passed
 * over; a cut or senseless rest ends the replay and sets *broken.
 */
const struct record_head *replay__next(struct replay *replay, bool *broken);
void replay__close(struct replay *replay);

#endif
