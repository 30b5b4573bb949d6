/* SPDX-License-Identifier: Apache-2.0 */
/* A setting's value outside of struct config: from text, compared, freed. For this directory. */
#ifndef SONDE_CONTROL_VALUE_H
#define SONDE_CONTROL_VALUE_H

#include "user/control/config.h"

/* Starts zeroed. Owns its memory; value_store gives it away. */
union value {
	bool on;
	uint64_t num;
	unsigned int choice;
	char *text;
	struct text_list texts;
	struct num_list nums;
	struct text_map map;
	struct item_list items;
};

/* Why a value was refused, to follow "where: ". */
struct reason {
	char text[384];
};

/* 0 or -EINVAL with the reason. All texts end in NUL. */
int value_parse(const struct setting *row, const char *text, union value *value,
		struct reason *why);
/* One item of a list, one pair of a map. */
int value_add(const struct setting *row, const char *text, union value *value, struct reason *why);
int value_add_pair(const struct setting *row, const char *key, const char *text, union value *value,
		   struct reason *why);
/* An item more of a SETTING_ITEMS, its fields at their defaults; NULL with the reason. */
void *value_add_item(const struct setting *row, union value *value, struct reason *why);
bool value_equal(const struct setting *row, const union value *a, const union value *b);
void value_free(const struct setting *row, union value *value);

/* Copies the bits, not what they point to. The owner is the config, or the item of a field. */
void value_fetch(const void *owner, const struct setting *row, union value *value);
void value_store(void *owner, const struct setting *row, const union value *value);
/* Stores the value and its source, or frees it when a stronger source has spoken. */
void value_offer(struct config *c, const struct setting *row, enum config_source source,
		 union value *value);

#endif
