// SPDX-License-Identifier: Apache-2.0
/* PCRE2 with its limits set; see pcre2api(3) and pcre2jit(3). */
#include "user/base/pattern.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define MATCH_LIMIT 200000 /* steps; the machine code counts more coarsely */
#define DEPTH_LIMIT 5000
#define HEAP_LIMIT_KIB 1024
#define JIT_STACK_MIN (32u * 1024)
#define JIT_STACK_MAX (256u * 1024)
#define COMPILED_SZ_MAX (1u << 20)

struct pattern {
	pcre2_code *code;
	pcre2_match_context *context;
	pcre2_match_data *match;
	pcre2_jit_stack *stack;
};

static pcre2_code *compile(const char *text, enum pattern_mode mode, char why[PATTERN_WHY_SZ])
{
	/* $ is the end, and '.' takes line ends too: a mask for "the rest" must not stop early. */
	uint32_t options = PCRE2_DOTALL | PCRE2_DOLLAR_ENDONLY | PCRE2_NEVER_BACKSLASH_C;
	pcre2_compile_context *context = pcre2_compile_context_create(NULL);
	pcre2_code *code = NULL;
	PCRE2_UCHAR message[120];
	PCRE2_SIZE offset = 0;
	int err = PCRE2_ERROR_NOMEMORY;

	options |= mode == PATTERN_TEXT ? PCRE2_UTF | PCRE2_MATCH_INVALID_UTF : PCRE2_NEVER_UTF;
	if (context) {
		pcre2_set_parens_nest_limit(context, 100);
		code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED, options, &err,
				     &offset, context);
	}
	pcre2_compile_context_free(context);
	if (code)
		return code;
	pcre2_get_error_message(err, message, sizeof(message));
	snprintf(why, PATTERN_WHY_SZ, "%s, at character %zu", (char *)message, offset + 1);
	return NULL;
}

/* Machine code, if it may be had: some systems forget memory that is written and run. */
static void speed_up(struct pattern *p)
{
	if (pcre2_jit_compile(p->code, PCRE2_JIT_COMPLETE) != 0)
		return;
	p->stack = pcre2_jit_stack_create(JIT_STACK_MIN, JIT_STACK_MAX, NULL);
	if (p->stack)
		pcre2_jit_stack_assign(p->context, NULL, p->stack);
}

struct pattern *pattern__new(const char *text, enum pattern_mode mode, char why[PATTERN_WHY_SZ])
{
	struct pattern *p = calloc(1, sizeof(*p));
	size_t compiled_sz = 0;

	snprintf(why, PATTERN_WHY_SZ, "out of memory");
	if (!p)
		return NULL;
	p->code = compile(text, mode, why);
	if (!p->code)
		goto failed;
	pcre2_pattern_info(p->code, PCRE2_INFO_SIZE, &compiled_sz);
	if (compiled_sz > COMPILED_SZ_MAX) {
		snprintf(why, PATTERN_WHY_SZ, "the pattern is too large");
		goto failed;
	}
	snprintf(why, PATTERN_WHY_SZ, "out of memory");
	p->context = pcre2_match_context_create(NULL);
	p->match = pcre2_match_data_create(1, NULL);
	if (!p->context || !p->match)
		goto failed;
	pcre2_set_match_limit(p->context, MATCH_LIMIT);
	pcre2_set_depth_limit(p->context, DEPTH_LIMIT);
	pcre2_set_heap_limit(p->context, HEAP_LIMIT_KIB);
	speed_up(p);
	return p;
failed:
	pattern__free(p);
	return NULL;
}

void pattern__free(struct pattern *p)
{
	if (!p)
		return;
	pcre2_match_data_free(p->match);
	pcre2_match_context_free(p->context);
	pcre2_jit_stack_free(p->stack);
	pcre2_code_free(p->code);
	free(p);
}

int pattern__find(struct pattern *p, struct slice text, size_t from, struct text_range *found)
{
	const PCRE2_SIZE *at;
	int n;

	if (from >= text.n)
		return 0;
	n = pcre2_match(p->code, (PCRE2_SPTR)text.p, text.n, from, PCRE2_NOTEMPTY, p->match,
			p->context);
	if (n == PCRE2_ERROR_NOMATCH)
		return 0;
	at = pcre2_get_ovector_pointer(p->match);
	if (n < 0 || at[0] < from || at[1] <= at[0]) /* \K can turn a match round */
		return -E2BIG;
	*found = (struct text_range){.begin = at[0], .end = at[1]};
	return 1;
}
