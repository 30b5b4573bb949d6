/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Attributes as OpenTelemetry has them: a key and a typed value. Keys and strings are borrowed.
 */
#ifndef SONDE_BASE_ATTR_H
#define SONDE_BASE_ATTR_H

#include "user/base/slice.h"

enum attr_type {
	ATTR_STRING = 1,
	ATTR_INT,
	ATTR_BOOL, /* in .num */
	ATTR_DOUBLE,
	ATTR_STRINGS, /* an array of strings */
};

struct attr {
	struct slice key;
	enum attr_type type : 8;
	unsigned int
		plain : 1;  /* key and text are ours, no program's: ASCII, with nothing to redact */
	uint32_t items_cnt; /* ATTR_STRINGS only */
	union {
		struct slice str;
		int64_t num;
		double real;
		const struct slice *items;
	};
};

/* A list in memory that the caller owns; what does not fit is counted, not stored. */
struct attrs {
	struct attr *v;
	uint16_t cnt, cap;
	uint16_t dropped_cnt;
};

static inline struct attr *attrs_add(struct attrs *list, struct slice key, enum attr_type type)
{
	struct attr *attr;

	if (list->cnt == list->cap) {
		list->dropped_cnt++;
		return NULL;
	}
	attr = &list->v[list->cnt++];
	attr->key = key;
	attr->type = type;
	attr->plain = false;
	attr->items_cnt = 0;
	return attr;
}

static inline void attrs_add_str(struct attrs *list, struct slice key, struct slice value)
{
	struct attr *attr = attrs_add(list, key, ATTR_STRING);

	if (attr)
		attr->str = value;
}

/* A word of ours, or an address; see struct attr. */
static inline void attrs_add_plain(struct attrs *list, struct slice key, struct slice value)
{
	struct attr *attr = attrs_add(list, key, ATTR_STRING);

	if (attr) {
		attr->str = value;
		attr->plain = true;
	}
}

static inline void attrs_add_int(struct attrs *list, struct slice key, int64_t value)
{
	struct attr *attr = attrs_add(list, key, ATTR_INT);

	if (attr)
		attr->num = value;
}

static inline void attrs_add_bool(struct attrs *list, struct slice key, bool value)
{
	struct attr *attr = attrs_add(list, key, ATTR_BOOL);

	if (attr)
		attr->num = value;
}

static inline void attrs_add_strs(struct attrs *list, struct slice key, const struct slice *items,
				  uint32_t items_cnt)
{
	struct attr *attr = attrs_add(list, key, ATTR_STRINGS);

	if (attr) {
		attr->items = items;
		attr->items_cnt = items_cnt;
	}
}

/* The same attribute; what it points to stays where it is. */
static inline void attrs_add_copy(struct attrs *list, const struct attr *from)
{
	struct attr *attr = attrs_add(list, from->key, from->type);

	if (attr)
		*attr = *from;
}

/* The first attribute of that key, or NULL. */
static inline const struct attr *attrs_get(const struct attrs *list, struct slice key)
{
	for (uint16_t i = 0; i < list->cnt; i++)
		if (slice_eq(list->v[i].key, key))
			return &list->v[i];
	return NULL;
}

/* Its text; empty if there is none of that key and type. */
static inline struct slice attrs_get_str(const struct attrs *list, struct slice key)
{
	const struct attr *attr = attrs_get(list, key);

	return attr && attr->type == ATTR_STRING ? attr->str : SLICE("");
}

/* Its number, or what else it is to be. */
static inline int64_t attrs_get_int(const struct attrs *list, struct slice key, int64_t otherwise)
{
	const struct attr *attr = attrs_get(list, key);

	return attr && attr->type == ATTR_INT ? attr->num : otherwise;
}

#endif
