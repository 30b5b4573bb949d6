// SPDX-License-Identifier: Apache-2.0
/* Spans of SQL databases. */
#include "user/protocols/sql_semconv.h"

#include "user/protocols/db_semconv.h"

/* In the memo it is the length of its summary, the summary and the text. */
void sql_remember(struct msg *msg, uint64_t name, const struct sql *sql)
{
	char *entry = msg_room(msg, 1 + sql->summary.n + sql->text.n), *p = entry;

	if (!entry)
		return;
	*p++ = (char)sql->summary.n;
	p = mempcpy(p, sql->summary.p ?: "", sql->summary.n);
	p = mempcpy(p, sql->text.p ?: "", sql->text.n);
	memo__put(msg->memo, msg->memo_owner, name, slice_of(entry, (size_t)(p - entry)));
}

bool sql_recall(const struct msg *msg, uint64_t name, struct sql *sql)
{
	struct slice entry;
	size_t summary_len;

	if (!memo__get(msg->memo, msg->memo_owner, name, &entry) || !entry.n)
		return false;
	summary_len = (unsigned char)entry.p[0];
	sql->summary = slice_first(slice_after(entry, 1), summary_len);
	sql->text = slice_after(entry, 1 + summary_len);
	return true;
}

void sql_add_statement(struct msg *msg, const struct sql *sql)
{
	db_add(&msg->attrs, SLICE("db.query.text"), sql->text);
	db_add(&msg->attrs, SLICE("db.query.summary"), sql->summary);
}

static struct slice either(const struct exchange_view *x, struct slice key)
{
	struct slice value = attrs_get_str(x->response, key);

	return value.n ? value : attrs_get_str(x->request, key);
}

/* The summary, else `{operation} {table or database}` or one of both, else the system. */
static struct slice name_of(const struct exchange_view *x, struct slice system,
			    struct description *out)
{
	struct slice summary = attrs_get_str(x->request, SLICE("db.query.summary"));
	struct slice operation = either(x, SLICE("db.operation.name"));
	struct slice target = attrs_get_str(x->request, SLICE("db.collection.name"));

	if (!target.n)
		target = attrs_get_str(x->request, SLICE("db.namespace"));
	if (summary.n)
		return summary;
	if (!operation.n)
		return target.n ? target : system;
	return db_name(out, operation, target);
}

void sql_describe(const struct exchange_view *x, struct slice system, uint16_t usual_port,
		  struct description *out)
{
	static const struct slice texts[] = {
		SLICE("db.namespace"),	    SLICE("db.collection.name"),
		SLICE("db.query.text"),	    SLICE("db.query.summary"),
		SLICE("db.operation.name"), SLICE("db.response.status_code"),
	};
	const struct attr *rows = attrs_get(x->response, SLICE("db.response.returned_rows"));
	struct slice error = either(x, SLICE("db.response.status_code"));

	if (!error.n)
		error = x->failure;
	out->operation = name_of(x, system, out);
	out->error = error.n > 0;
	attrs_add_str(&out->attrs, SLICE("db.system.name"), system);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		db_add(&out->attrs, texts[i], either(x, texts[i]));
	if (rows)
		attrs_add_int(&out->attrs, rows->key, rows->num);
	db_add(&out->attrs, SLICE("error.type"), error);
	db_add_ends(&out->attrs, x, usual_port);
}
