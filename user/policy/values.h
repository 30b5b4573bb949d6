/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values that look like secrets wherever they stand: card numbers, JSON web tokens, bearer and basic
 * credentials, e-mail addresses, and credentials in URLs, percent-encoded or not. Texts without any
 * are told by one look at their bytes; only the others meet regular expressions. One thread at a time.
 */
#ifndef SONDE_POLICY_VALUES_H
#define SONDE_POLICY_VALUES_H

#include "user/policy/finds.h"
#include "user/policy/layers.h"

enum value_kind {
	VALUE_USERINFO, /* cannot be switched off */
	VALUE_JWT,
	VALUE_BEARER,
	VALUE_BASIC,
	VALUE_EMAIL,
	VALUE_CARD,
	VALUE_KINDS,
};

/* As in the configuration. */
extern const char *const value_names[VALUE_KINDS];

struct values {
	struct pattern *patterns[VALUE_KINDS]; /* NULL: switched off */
	uint64_t hits[VALUE_KINDS];
};

/* kinds: 1 << enum value_kind. 0, or -ENOMEM; call values__free in any case. */
int values__init(struct values *v, unsigned int kinds);
void values__free(struct values *v);
/* False if the text holds no such value, at the cost of a look; true if it may. */
bool values__suspect(struct slice text);
/* Adds what is found, in any layer, to the finds. */
void values__find(struct values *v, struct layers *layers, struct slice text, struct finds *finds);

#endif
