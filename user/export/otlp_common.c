// SPDX-License-Identifier: Apache-2.0
/* Attributes, scope and resource, which the messages of all signals have; see pb_writer.h. */
#include "user/export/otlp_common.h"

static void put_strings(struct pb_writer *w, const struct slice *items, uint32_t cnt)
{
	for (uint32_t i = cnt; i-- > 0;) {
		size_t end = pb_len(w);

		pb_string(w, 1, items[i]); /* AnyValue.string_value */
		pb_message(w, 1, end);	   /* ArrayValue.values */
	}
}

void otlp_put_value(struct pb_writer *w, const struct attr *attr)
{
	size_t end = pb_len(w);

	switch (attr->type) {
	case ATTR_STRING:
		pb_string(w, 1, attr->str); /* AnyValue.string_value */
		break;
	case ATTR_BOOL:
		pb_varint(w, 2, attr->num != 0); /* .bool_value */
		break;
	case ATTR_INT:
		pb_varint(w, 3, (uint64_t)attr->num); /* .int_value */
		break;
	case ATTR_DOUBLE:
		pb_double(w, 4, attr->real); /* .double_value */
		break;
	case ATTR_STRINGS:
		put_strings(w, attr->items, attr->items_cnt);
		pb_message(w, 5, end); /* .array_value */
		break;
	}
}

/*
 * A text or a number of which every length takes one byte, as nearly all do: room is asked for once, and nothing is
 * measured. False if it is another one.
 */
static bool put_short(struct pb_writer *w, unsigned int field, const struct attr *attr)
{
	bool text = attr->type == ATTR_STRING;
	size_t max_sz = attr->key.n + 7 + (text ? attr->str.n : PB_VARINT_MAX);
	uint8_t *end, *at;

	if ((!text && attr->type != ATTR_INT) || max_sz > PB_BYTE_MAX ||
	    (!attr->plain && !(utf8_is_ascii(attr->key) && (!text || utf8_is_ascii(attr->str)))) ||
	    !pb_room(w, max_sz + 2))
		return false;
	end = at = w->buf + w->at;
	if (text) {
		at = pb_copy_before(at, attr->str.p, attr->str.n);
		*--at = (uint8_t)attr->str.n;
		*--at = 1 << 3 | PB_LEN; /* AnyValue.string_value */
	} else {
		at = pb_varint_before(at, (uint64_t)attr->num);
		*--at = 3 << 3 | PB_VARINT; /* .int_value */
	}
	at[-1] = (uint8_t)(end - at);
	at[-2] = 2 << 3 | PB_LEN; /* KeyValue.value */
	at = pb_copy_before(at - 2, attr->key.p, attr->key.n);
	*--at = (uint8_t)attr->key.n;
	*--at = 1 << 3 | PB_LEN; /* KeyValue.key */
	at[-1] = (uint8_t)(end - at);
	at[-2] = (uint8_t)(field << 3 | PB_LEN);
	w->at = (size_t)(at - 2 - w->buf);
	return true;
}

void otlp_put_attrs(struct pb_writer *w, unsigned int field, const struct attrs *attrs)
{
	for (uint32_t i = attrs->cnt; i-- > 0;) {
		size_t end = pb_len(w);

		if (put_short(w, field, &attrs->v[i]))
			continue;
		otlp_put_value(w, &attrs->v[i]);
		pb_message(w, 2, end);		  /* KeyValue.value */
		pb_string(w, 1, attrs->v[i].key); /* KeyValue.key */
		pb_message(w, field, end);
	}
}

void otlp_put_scope(struct pb_writer *w, struct slice version)
{
	size_t end = pb_len(w);

	pb_string(w, 2, version);
	pb_string(w, 1, SLICE(OTLP_SCOPE_NAME));
	pb_message(w, 1, end); /* .scope */
}

void otlp_put_resource(struct pb_writer *w, const struct resource *resource)
{
	size_t end = pb_len(w);

	if (resource->attrs.dropped_cnt)
		pb_varint(w, 2, resource->attrs.dropped_cnt);
	otlp_put_attrs(w, 1, &resource->attrs);
	pb_message(w, 1, end); /* .resource */
}
