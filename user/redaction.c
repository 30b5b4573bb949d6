// SPDX-License-Identifier: Apache-2.0
/* Settings to options, and the key that hashes have when none is configured. */
#include "user/redaction.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

static const enum query_values query_modes[] = {
	[CONFIG_QUERY_REDACT] = QUERY_REDACT,
	[CONFIG_QUERY_KEEP] = QUERY_KEEP,
	[CONFIG_QUERY_DROP] = QUERY_DROP,
};
static const enum redact_action actions[] = {
	[CONFIG_ACTION_DELETE] = REDACT_DELETE,
	[CONFIG_ACTION_MASK] = REDACT_MASK,
	[CONFIG_ACTION_HASH] = REDACT_HASH,
};

/* Empty, with errno, when the system gives no randomness. */
static struct slice random_key(void)
{
	static char key[32];
	static bool made;

	if (!made && getrandom(key, sizeof(key), 0) != sizeof(key))
		return SLICE("");
	made = true;
	return slice_of(key, sizeof(key));
}

struct redactor *redaction_new(const struct config *config, char why[REDACT_WHY_SZ])
{
	const struct config_rule *from = config->redaction.rules.v;
	struct redact_rule *rules = calloc(config->redaction.rules.cnt ?: 1, sizeof(*rules));
	struct redact_options o = {
		.url = {.query_values = query_modes[config->http.query_values],
			.keep_keys = (const char *const *)config->http.query_keep.v,
			.keep_keys_cnt = config->http.query_keep.cnt},
		.values_off = !config->redaction.enabled,
		.patterns = (const char *const *)config->redaction.patterns.v,
		.patterns_cnt = config->redaction.patterns.cnt,
		.rules = rules,
		.rules_cnt = config->redaction.rules.cnt,
		.hash_key = config->redaction.hash_key ? slice_str(config->redaction.hash_key)
						       : random_key(),
	};
	struct redactor *r = NULL;

	for (size_t i = 0; rules && i < o.rules_cnt; i++)
		rules[i] = (struct redact_rule){
			.attribute = from[i].attribute,
			.pattern = from[i].pattern,
			.action = actions[from[i].action],
			.replacement = from[i].replacement,
		};
	if (!rules)
		snprintf(why, REDACT_WHY_SZ, "out of memory");
	else if (!o.hash_key.n)
		snprintf(why, REDACT_WHY_SZ, "no random numbers: %s", strerror(errno));
	else
		r = redactor__new(&o, why);
	free(rules);
	return r;
}
