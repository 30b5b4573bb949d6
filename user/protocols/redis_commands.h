/* SPDX-License-Identifier: Apache-2.0 */
/* The commands of Redis 8: how each is answered, and which of its arguments name things. */
#ifndef SONDE_PROTOCOLS_REDIS_COMMANDS_H
#define SONDE_PROTOCOLS_REDIS_COMMANDS_H

#include "user/base/slice.h"

#define REDIS_NAME_MAX 24

/* What is special about a command's answer. */
enum redis_answer {
	REDIS_PLAIN,
	REDIS_CLIENT, /* CLIENT REPLY decides whether there are answers at all */
	REDIS_SELECT,
	REDIS_SUBSCRIBE,   /* one answer for each channel */
	REDIS_UNSUBSCRIBE, /* the same; without arguments for each channel there is */
	REDIS_PING,	   /* may be asked while subscribed */
	REDIS_MONITOR,
	REDIS_EXEC,
	REDIS_REPLICATE, /* another protocol follows it */
	REDIS_RESET,
};

/* Which arguments are names besides first to last. */
enum redis_names {
	REDIS_NO_MORE,
	REDIS_FIELDS,	 /* every second one from the second on */
	REDIS_COUNTED_1, /* the keys whose number is argument 1 */
	REDIS_COUNTED_2,
	REDIS_STREAMS, /* the first half of what follows the word STREAMS */
};

/* Arguments are counted from 1; last counts from the end if it is negative; first = 0: none. */
struct redis_command {
	char name[REDIS_NAME_MAX];
	uint8_t answer, names;
	int8_t first, last, step;
	bool procedure; /* argument 1 names a script or function */
};

/* NULL if it is not known. In any case of letters. */
const struct redis_command *redis_command(struct slice name);
/* Does argument number i, one of cnt in args (the command's name is args[0]), name a thing? */
bool redis_is_name(const struct redis_command *command, const struct slice *args, size_t cnt,
		   uint64_t args_cnt, size_t i);

#endif
