// SPDX-License-Identifier: Apache-2.0
/* The tables of a profile: equal entries are one, memory is bounded, no allocation is trusted. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/failing_alloc.h"

#include "user/model/profile.h"

#define LEN(array) (sizeof(array) / sizeof((array)[0]))

static struct profile *new_profile(void)
{
	struct profile *p = profile__new(10000000);

	assert_non_null(p);
	return p;
}

static struct resource *new_resource(uint32_t pid)
{
	struct attrs none = {0};
	struct resource *r = resource__new(&none, pid);

	assert_non_null(r);
	return r;
}

static void entry_0_is_empty(void **state)
{
	struct profile *p = new_profile();

	(void)state;
	assert_int_equal(p->period_ns, 10000000);
	assert_int_equal(p->strings.v[0].n, 0);
	assert_int_equal(p->stacks.v[0].cnt, 0);
	assert_null(p->resources.v[0]);
	assert_int_equal(p->samples.cnt, 0);
	assert_int_equal(profile__string(p, SLICE("")), 0);
	assert_int_equal(profile__mapping(p, &(struct profile_mapping){0}), 0);
	assert_int_equal(profile__function(p, &(struct profile_function){0}), 0);
	assert_int_equal(profile__location(p, &(struct profile_location){0}), 0);
	assert_int_equal(profile__stack(p, NULL, 0), 0);
	assert_int_equal(profile__link(p, &(struct profile_link){0}), 0);
	assert_int_equal(profile__resource(p, NULL), 0);
	assert_int_equal(p->strings.cnt, 1);
	profile__free(p);
	profile__free(NULL);
}

static void strings_are_utf8(void **state)
{
	struct profile *p = new_profile();

	(void)state;
	assert_int_equal(profile__string(p, SLICE("a\xFFz")), 1);
	assert_int_equal(profile__string(p, SLICE("a\xFEz")), 1);
	assert_int_equal(profile__string(p, SLICE("a\xEF\xBF\xBDz")), 1);
	assert_true(slice_eq(p->strings.v[1], SLICE("a\xEF\xBF\xBDz")));
	assert_int_equal(profile__string(p, SLICE("gr\xC3\xBC\xC3\x9F")), 2);
	assert_int_equal(p->strings.cnt, 3);
	profile__free(p);
}

/* Each differs from the first in one field, and padding says nothing. */
static void entries_differ_in_one_field(void **state)
{
	static const struct profile_mapping mappings[] = {
		{1, 2, 3, 4, 5, 6}, {0, 2, 3, 4, 5, 6}, {1, 0, 3, 4, 5, 6}, {1, 2, 0, 4, 5, 6},
		{1, 2, 3, 0, 5, 6}, {1, 2, 3, 4, 0, 6}, {1, 2, 3, 4, 5, 0},
	};
	static const struct profile_function functions[] = {
		{1, 2, 3},
		{0, 2, 3},
		{1, 0, 3},
		{1, 2, 0},
	};
	static const struct profile_location locations[] = {
		{1, 2, 3, 4, FRAME_JIT, 5, 6, false}, {0, 2, 3, 4, FRAME_JIT, 5, 6, false},
		{1, 0, 3, 4, FRAME_JIT, 5, 6, false}, {1, 2, 0, 4, FRAME_JIT, 5, 6, false},
		{1, 2, 3, 0, FRAME_JIT, 5, 6, false}, {1, 2, 3, 4, FRAME_KERNEL, 5, 6, false},
		{1, 2, 3, 4, FRAME_JIT, 0, 6, false}, {1, 2, 3, 4, FRAME_JIT, 5, 0, false},
		{1, 2, 3, 4, FRAME_JIT, 5, 6, true},
	};
	struct profile *p = new_profile();

	(void)state;
	for (int again = 0; again < 2; again++) {
		for (uint32_t i = 0; i < LEN(mappings); i++) {
			struct profile_mapping m;

			memset(&m, again ? 0xFF : 0, sizeof(m));
			m.start = mappings[i].start;
			m.limit = mappings[i].limit;
			m.file_off = mappings[i].file_off;
			m.file = mappings[i].file;
			m.build_id = mappings[i].build_id;
			m.file_hash = mappings[i].file_hash;
			assert_int_equal(profile__mapping(p, &m), i + 1);
		}
		for (uint32_t i = 0; i < LEN(functions); i++)
			assert_int_equal(profile__function(p, &functions[i]), i + 1);
		for (uint32_t i = 0; i < LEN(locations); i++)
			assert_int_equal(profile__location(p, &locations[i]), i + 1);
	}
	assert_memory_equal(&p->locations.v[5], &locations[4], sizeof(locations[4]));
	profile__free(p);
}

static uint32_t add_location(struct profile *p, const char *name, uint32_t inlined)
{
	const struct profile_function function = {.name = profile__string(p, slice_str(name))};

	return profile__location(p, &(struct profile_location){
					    .function = profile__function(p, &function),
					    .type = inlined ? FRAME_NATIVE : FRAME_INLINED,
					    .inlined = inlined,
				    });
}

static bool is_named(const struct profile *p, uint32_t location, const char *name)
{
	uint32_t function = p->locations.v[location].function;

	return slice_eq(p->strings.v[p->functions.v[function].name], slice_str(name));
}

static uint32_t add_under(void *ctx, struct profile *to, uint32_t i,
			  const struct profile_location *location)
{
	struct profile_location made = *location;

	assert_int_equal(i, *(uint32_t *)ctx);
	made.inlined = add_location(to, "under", 0);
	return profile__location(to, &made);
}

/* Frames are innermost first, whether copied, moved, or what a copy makes of them. */
static void what_is_inlined(void **state)
{
	static const char *const names[] = {"inner", "middle", "outer"};
	struct profile *p = new_profile(), *other = new_profile(), *copy;
	uint32_t frames[PROFILE_INLINED_MAX], location = 0;
	struct profile_sample sample = {.tid = 7, .resource = 0};

	(void)state;
	for (uint32_t i = 0; i < LEN(names); i++)
		location = add_location(p, names[i], location);
	assert_int_equal(profile_frames(p, location, frames), 3);
	for (uint32_t i = 0; i < LEN(names); i++)
		assert_true(is_named(p, frames[i], names[i]));
	assert_int_equal(profile_frames(p, 0, frames), 1);
	assert_int_equal(frames[0], 0);
	sample.stack = profile__stack(p, &location, 1);
	assert_int_equal(profile__add(p, &sample), 0);

	copy = profile__relocate(p, add_under, &location);
	assert_int_equal(copy->samples.cnt, 1);
	assert_int_equal(copy->samples.v[0].tid, 7);
	assert_int_equal(profile_frames(copy, copy->stack_locations.v[0], frames), 2);
	assert_true(is_named(copy, frames[0], "under") && is_named(copy, frames[1], "outer"));

	profile__string(other, SLICE("so that numbers differ"));
	profile_move_sample(other, p, &sample);
	location = other->stack_locations.v[other->stacks.v[sample.stack].first];
	assert_int_equal(profile_frames(other, location, frames), 3);
	for (uint32_t i = 0; i < LEN(names); i++)
		assert_true(is_named(other, frames[i], names[i]));
	profile__free(p);
	profile__free(other);
	profile__free(copy);
}

/* Enough of each to make every table and hash grow often. */
static void many_entries(void **state)
{
	enum {
		CNT = 20000
	};
	struct profile *p = new_profile();
	struct resource *r[100];

	(void)state;
	for (uint32_t i = 0; i < LEN(r); i++)
		r[i] = new_resource(i);
	for (int again = 0; again < 2; again++)
		for (uint32_t i = 1; i <= CNT; i++) {
			uint32_t stack[] = {i, i / 2, i / 3};
			struct profile_link link = {.span_id = {{(uint8_t)i, (uint8_t)(i >> 8)}}};
			char text[32];
			int n = snprintf(text, sizeof(text), "name %u", i);

			assert_int_equal(profile__string(p, slice_of(text, (size_t)n)), i);
			assert_int_equal(profile__stack(p, stack, 3), 2 * i - 1);
			assert_int_equal(profile__stack(p, stack, 2), 2 * i);
			assert_int_equal(profile__link(p, &link), i);
			if (i <= LEN(r))
				assert_int_equal(profile__resource(p, r[i - 1]), i);
			memset(text, 0, sizeof(text)); /* what was copied stands */
		}
	assert_true(slice_eq(p->strings.v[777], SLICE("name 777")));
	assert_int_equal(p->stack_locations.v[p->stacks.v[20001].first], 10001);
	assert_int_equal(p->stack_locations.v[p->stacks.v[20001].first + 2], 3333);
	assert_int_equal(p->resources.v[1]->refs, 2);
	profile__free(p);
	for (uint32_t i = 0; i < LEN(r); i++) {
		assert_int_equal(r[i]->refs, 1);
		resource__release(r[i]);
	}
}

/* What fits stays, what does not is refused, and an entry that is there is found even so. */
static void memory_has_a_maximum(void **state)
{
	static char text[1u << 20];
	struct profile *p = new_profile();
	struct profile_sample sample = {.tid = 7};
	uint32_t cnt = 0, i;

	(void)state;
	do {
		memset(text, 'a' + (char)(cnt % 26), sizeof(text));
		text[0] = (char)('A' + cnt / 26);
		i = profile__string(p, slice_of(text, sizeof(text)));
		assert_true(i == 0 || i == ++cnt);
	} while (i);
	assert_in_range(cnt, 60, 63);
	for (i = 0; profile__add(p, &sample) == 0; i++)
		;
	assert_in_range(i, 1, 64 * sizeof(text) / sizeof(sample));
	assert_int_equal(i, p->samples.cnt);
	assert_int_equal(profile__add(p, &sample), -ENOMEM);
	assert_int_equal(p->samples.v[i - 1].tid, 7);
	memset(text, 'a', sizeof(text));
	text[0] = 'A';
	assert_int_equal(profile__string(p, slice_of(text, sizeof(text))), 1);
	profile__free(p);
}

/* Fills every table; whatever is refused, the tables stay whole. */
static void fill(struct profile *p, struct resource *r)
{
	for (uint32_t i = 1; i <= 100; i++) {
		struct profile_mapping mapping = {.start = i};
		struct profile_function function = {.name = i};
		struct profile_location location = {.line = i};
		struct profile_link link = {.span_id = {{(uint8_t)i}}};
		struct profile_sample sample = {.tid = i};
		uint32_t cnt = p->stacks.cnt;
		char text[16];

		profile__string(p, slice_of(text, (size_t)snprintf(text, sizeof(text), "%c%u",
								   i == 50 ? 0xFF : 'a', i)));
		profile__mapping(p, &mapping);
		profile__function(p, &function);
		profile__location(p, &location);
		profile__link(p, &link);
		profile__resource(p, r);
		profile__add(p, &sample);
		if (profile__stack(p, &i, 1) == cnt)
			assert_int_equal(p->stack_locations.v[p->stacks.v[cnt].first], i);
		else
			assert_int_equal(p->stacks.cnt, cnt);
	}
	for (uint32_t i = 1; i < p->strings.cnt; i++)
		assert_int_equal(profile__string(p, p->strings.v[i]), i);
}

static void every_allocation_fails_in_turn(void **state)
{
	struct resource *r = new_resource(1);
	long n = 1;
	bool all;

	(void)state;
	do {
		struct profile *p;

		allocations_left = n++;
		p = profile__new(1);
		if (p)
			fill(p, r);
		else
			assert_int_equal(errno, ENOMEM);
		all = allocations_left > 0;
		allocations_left = -1;
		if (p) { /* memory is back: what was refused is taken */
			fill(p, r);
			assert_int_equal(p->strings.cnt, 101);
			assert_int_equal(p->stacks.cnt, 101);
			assert_int_equal(p->resources.cnt, 2);
		}
		profile__free(p);
		assert_int_equal(r->refs, 1);
	} while (!all);
	assert_true(n > 20);
	resource__release(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entry_0_is_empty),
		cmocka_unit_test(strings_are_utf8),
		cmocka_unit_test(entries_differ_in_one_field),
		cmocka_unit_test(what_is_inlined),
		cmocka_unit_test(many_entries),
		cmocka_unit_test(memory_has_a_maximum),
		cmocka_unit_test(every_allocation_fails_in_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
