// SPDX-License-Identifier: Apache-2.0
/*
 * The commands of Redis 8, after its own key specifications. What names a thing (a key, a channel, a
 * field of a hash, a subcommand) may be shown; all else is a value.
 */
#include "user/protocols/redis_commands.h"

#include <stdlib.h>

#define ROW(n, a, m, f, l, s, p)                                                      \
	{                                                                             \
		.name = n, .answer = a, .names = m, .first = f, .last = l, .step = s, \
		.procedure = p                                                        \
	}
#define NONE(n) ROW(n, REDIS_PLAIN, REDIS_NO_MORE, 0, 0, 1, false)
#define KEY(n) ROW(n, REDIS_PLAIN, REDIS_NO_MORE, 1, 1, 1, false)
#define TWO(n) ROW(n, REDIS_PLAIN, REDIS_NO_MORE, 1, 2, 1, false)
#define ALL(n) ROW(n, REDIS_PLAIN, REDIS_NO_MORE, 1, -1, 1, false)
#define BUT_LAST(n) ROW(n, REDIS_PLAIN, REDIS_NO_MORE, 1, -2, 1, false)
#define PAIRS(n) ROW(n, REDIS_PLAIN, REDIS_NO_MORE, 1, -1, 2, false)
#define FIELDS(n) ROW(n, REDIS_PLAIN, REDIS_FIELDS, 1, 1, 1, false)
#define COUNTED(n, m, f) ROW(n, REDIS_PLAIN, m, f, f, 1, false)
#define SCRIPT(n) ROW(n, REDIS_PLAIN, REDIS_COUNTED_2, 1, 1, 1, true)
#define CHANNELS(n, a) ROW(n, a, REDIS_NO_MORE, 1, -1, 1, false)
#define SPECIAL(n, a, f) ROW(n, a, REDIS_NO_MORE, f, f, 1, false)

/* In the order of their names. */
static const struct redis_command commands[] = {
	KEY("ACL"),
	KEY("APPEND"),
	NONE("ASKING"),
	NONE("AUTH"),
	NONE("BGREWRITEAOF"),
	NONE("BGSAVE"),
	KEY("BITCOUNT"),
	KEY("BITFIELD"),
	KEY("BITFIELD_RO"),
	ALL("BITOP"),
	KEY("BITPOS"),
	TWO("BLMOVE"),
	COUNTED("BLMPOP", REDIS_COUNTED_2, 0),
	BUT_LAST("BLPOP"),
	BUT_LAST("BRPOP"),
	TWO("BRPOPLPUSH"),
	COUNTED("BZMPOP", REDIS_COUNTED_2, 0),
	BUT_LAST("BZPOPMAX"),
	BUT_LAST("BZPOPMIN"),
	SPECIAL("CLIENT", REDIS_CLIENT, 1),
	KEY("CLUSTER"),
	KEY("COMMAND"),
	KEY("CONFIG"),
	TWO("COPY"),
	NONE("DBSIZE"),
	KEY("DEBUG"),
	KEY("DECR"),
	KEY("DECRBY"),
	ALL("DEL"),
	KEY("DELEX"),
	KEY("DIGEST"),
	NONE("DISCARD"),
	KEY("DUMP"),
	NONE("ECHO"),
	COUNTED("EVAL", REDIS_COUNTED_2, 0),
	SCRIPT("EVALSHA"),
	SCRIPT("EVALSHA_RO"),
	COUNTED("EVAL_RO", REDIS_COUNTED_2, 0),
	SPECIAL("EXEC", REDIS_EXEC, 0),
	ALL("EXISTS"),
	KEY("EXPIRE"),
	KEY("EXPIREAT"),
	KEY("EXPIRETIME"),
	NONE("FAILOVER"),
	SCRIPT("FCALL"),
	SCRIPT("FCALL_RO"),
	NONE("FLUSHALL"),
	NONE("FLUSHDB"),
	KEY("FUNCTION"),
	KEY("GEOADD"),
	KEY("GEODIST"),
	KEY("GEOHASH"),
	KEY("GEOPOS"),
	KEY("GEORADIUS"),
	KEY("GEORADIUSBYMEMBER"),
	KEY("GEORADIUSBYMEMBER_RO"),
	KEY("GEORADIUS_RO"),
	KEY("GEOSEARCH"),
	TWO("GEOSEARCHSTORE"),
	KEY("GET"),
	KEY("GETBIT"),
	KEY("GETDEL"),
	KEY("GETEX"),
	KEY("GETRANGE"),
	KEY("GETSET"),
	ALL("HDEL"),
	NONE("HELLO"),
	TWO("HEXISTS"),
	KEY("HEXPIRE"),
	KEY("HEXPIREAT"),
	KEY("HEXPIRETIME"),
	TWO("HGET"),
	KEY("HGETALL"),
	KEY("HGETDEL"),
	KEY("HGETEX"),
	TWO("HINCRBY"),
	TWO("HINCRBYFLOAT"),
	KEY("HKEYS"),
	KEY("HLEN"),
	ALL("HMGET"),
	FIELDS("HMSET"),
	KEY("HPERSIST"),
	KEY("HPEXPIRE"),
	KEY("HPEXPIREAT"),
	KEY("HPEXPIRETIME"),
	KEY("HPTTL"),
	KEY("HRANDFIELD"),
	KEY("HSCAN"),
	FIELDS("HSET"),
	KEY("HSETEX"),
	TWO("HSETNX"),
	TWO("HSTRLEN"),
	KEY("HTTL"),
	KEY("HVALS"),
	KEY("INCR"),
	KEY("INCRBY"),
	KEY("INCRBYFLOAT"),
	KEY("INFO"),
	KEY("KEYS"),
	NONE("LASTSAVE"),
	KEY("LATENCY"),
	TWO("LCS"),
	KEY("LINDEX"),
	KEY("LINSERT"),
	KEY("LLEN"),
	TWO("LMOVE"),
	COUNTED("LMPOP", REDIS_COUNTED_1, 0),
	NONE("LOLWUT"),
	KEY("LPOP"),
	KEY("LPOS"),
	KEY("LPUSH"),
	KEY("LPUSHX"),
	KEY("LRANGE"),
	KEY("LREM"),
	KEY("LSET"),
	KEY("LTRIM"),
	TWO("MEMORY"),
	ALL("MGET"),
	NONE("MIGRATE"),
	KEY("MODULE"),
	SPECIAL("MONITOR", REDIS_MONITOR, 0),
	KEY("MOVE"),
	PAIRS("MSET"),
	PAIRS("MSETNX"),
	NONE("MULTI"),
	TWO("OBJECT"),
	KEY("PERSIST"),
	KEY("PEXPIRE"),
	KEY("PEXPIREAT"),
	KEY("PEXPIRETIME"),
	KEY("PFADD"),
	ALL("PFCOUNT"),
	ALL("PFMERGE"),
	SPECIAL("PING", REDIS_PING, 0),
	KEY("PSETEX"),
	CHANNELS("PSUBSCRIBE", REDIS_SUBSCRIBE),
	SPECIAL("PSYNC", REDIS_REPLICATE, 0),
	KEY("PTTL"),
	KEY("PUBLISH"),
	KEY("PUBSUB"),
	CHANNELS("PUNSUBSCRIBE", REDIS_UNSUBSCRIBE),
	NONE("QUIT"),
	NONE("RANDOMKEY"),
	NONE("READONLY"),
	NONE("READWRITE"),
	TWO("RENAME"),
	TWO("RENAMENX"),
	KEY("REPLCONF"),
	NONE("REPLICAOF"),
	SPECIAL("RESET", REDIS_RESET, 0),
	KEY("RESTORE"),
	KEY("RESTORE-ASKING"),
	NONE("ROLE"),
	KEY("RPOP"),
	TWO("RPOPLPUSH"),
	KEY("RPUSH"),
	KEY("RPUSHX"),
	KEY("SADD"),
	NONE("SAVE"),
	NONE("SCAN"),
	KEY("SCARD"),
	KEY("SCRIPT"),
	ALL("SDIFF"),
	ALL("SDIFFSTORE"),
	SPECIAL("SELECT", REDIS_SELECT, 0),
	KEY("SET"),
	KEY("SETBIT"),
	KEY("SETEX"),
	KEY("SETNX"),
	KEY("SETRANGE"),
	NONE("SHUTDOWN"),
	ALL("SINTER"),
	COUNTED("SINTERCARD", REDIS_COUNTED_1, 0),
	ALL("SINTERSTORE"),
	KEY("SISMEMBER"),
	NONE("SLAVEOF"),
	KEY("SLOWLOG"),
	KEY("SMEMBERS"),
	KEY("SMISMEMBER"),
	TWO("SMOVE"),
	KEY("SORT"),
	KEY("SORT_RO"),
	KEY("SPOP"),
	KEY("SPUBLISH"),
	KEY("SRANDMEMBER"),
	KEY("SREM"),
	KEY("SSCAN"),
	CHANNELS("SSUBSCRIBE", REDIS_SUBSCRIBE),
	KEY("STRLEN"),
	CHANNELS("SUBSCRIBE", REDIS_SUBSCRIBE),
	KEY("SUBSTR"),
	ALL("SUNION"),
	ALL("SUNIONSTORE"),
	CHANNELS("SUNSUBSCRIBE", REDIS_UNSUBSCRIBE),
	NONE("SWAPDB"),
	SPECIAL("SYNC", REDIS_REPLICATE, 0),
	NONE("TIME"),
	ALL("TOUCH"),
	KEY("TTL"),
	KEY("TYPE"),
	ALL("UNLINK"),
	CHANNELS("UNSUBSCRIBE", REDIS_UNSUBSCRIBE),
	NONE("UNWATCH"),
	NONE("WAIT"),
	NONE("WAITAOF"),
	ALL("WATCH"),
	TWO("XACK"),
	KEY("XACKDEL"),
	KEY("XADD"),
	KEY("XAUTOCLAIM"),
	KEY("XCLAIM"),
	KEY("XDEL"),
	KEY("XDELEX"),
	TWO("XGROUP"),
	TWO("XINFO"),
	KEY("XLEN"),
	KEY("XPENDING"),
	KEY("XRANGE"),
	COUNTED("XREAD", REDIS_STREAMS, 0),
	COUNTED("XREADGROUP", REDIS_STREAMS, 0),
	KEY("XREVRANGE"),
	KEY("XSETID"),
	KEY("XTRIM"),
	KEY("ZADD"),
	KEY("ZCARD"),
	KEY("ZCOUNT"),
	COUNTED("ZDIFF", REDIS_COUNTED_1, 0),
	COUNTED("ZDIFFSTORE", REDIS_COUNTED_2, 1),
	KEY("ZINCRBY"),
	COUNTED("ZINTER", REDIS_COUNTED_1, 0),
	COUNTED("ZINTERCARD", REDIS_COUNTED_1, 0),
	COUNTED("ZINTERSTORE", REDIS_COUNTED_2, 1),
	KEY("ZLEXCOUNT"),
	COUNTED("ZMPOP", REDIS_COUNTED_1, 0),
	KEY("ZMSCORE"),
	KEY("ZPOPMAX"),
	KEY("ZPOPMIN"),
	KEY("ZRANDMEMBER"),
	KEY("ZRANGE"),
	KEY("ZRANGEBYLEX"),
	KEY("ZRANGEBYSCORE"),
	TWO("ZRANGESTORE"),
	KEY("ZRANK"),
	KEY("ZREM"),
	KEY("ZREMRANGEBYLEX"),
	KEY("ZREMRANGEBYRANK"),
	KEY("ZREMRANGEBYSCORE"),
	KEY("ZREVRANGE"),
	KEY("ZREVRANGEBYLEX"),
	KEY("ZREVRANGEBYSCORE"),
	KEY("ZREVRANK"),
	KEY("ZSCAN"),
	KEY("ZSCORE"),
	COUNTED("ZUNION", REDIS_COUNTED_1, 0),
	COUNTED("ZUNIONSTORE", REDIS_COUNTED_2, 1),
};

static int compare(const void *key, const void *row)
{
	return memcmp(key, ((const struct redis_command *)row)->name, REDIS_NAME_MAX);
}

const struct redis_command *redis_command(struct slice name)
{
	char key[REDIS_NAME_MAX] = {0};

	if (name.n >= sizeof(key))
		return NULL;
	for (size_t i = 0; i < name.n; i++)
		key[i] = name.p[i] >= 'a' && name.p[i] <= 'z' ? (char)(name.p[i] & ~0x20)
							      : name.p[i];
	return bsearch(key, commands, sizeof(commands) / sizeof(*commands), sizeof(*commands),
		       compare);
}

static bool is_counted(const struct slice *args, size_t cnt, size_t number_at, size_t i)
{
	uint64_t number;

	return cnt > number_at && i > number_at && slice_to_u64(args[number_at], &number) &&
	       i - number_at <= number;
}

static bool is_stream(const struct slice *args, size_t cnt, uint64_t args_cnt, size_t i)
{
	for (size_t at = 1; at < i && at < cnt; at++)
		if (slice_eq_nocase(args[at], SLICE("STREAMS")))
			return i - at <= (args_cnt - at - 1) / 2;
	return false;
}

bool redis_is_name(const struct redis_command *command, const struct slice *args, size_t cnt,
		   uint64_t args_cnt, size_t i)
{
	int64_t last = command->last < 0 ? (int64_t)args_cnt + command->last : command->last;

	if (command->first && i >= (size_t)command->first && (int64_t)i <= last &&
	    (i - (size_t)command->first) % (size_t)command->step == 0)
		return true;
	switch (command->names) {
	case REDIS_FIELDS:
		return i >= 2 && i % 2 == 0;
	case REDIS_COUNTED_1:
		return is_counted(args, cnt, 1, i);
	case REDIS_COUNTED_2:
		return is_counted(args, cnt, 2, i);
	case REDIS_STREAMS:
		return is_stream(args, cnt, args_cnt, i);
	}
	return false;
}
