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

void otlp_put_attrs(struct pb_writer *w, unsigned int field, const struct attrs *attrs)
{
	for (uint32_t i = attrs->cnt; i-- > 0;) {
		size_t end = pb_len(w);

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
