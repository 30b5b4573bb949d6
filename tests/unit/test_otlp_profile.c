// SPDX-License-Identifier: Apache-2.0
/* Profiles through our wire writer and back through protobuf-c; the rules that a receiver checks. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/profile_rig.h"

#include "build/proto/profiles_service.pb-c.h"
#include "user/export/otlp_profile.h"

typedef Opentelemetry__Proto__Collector__Profiles__V1development__ExportProfilesServiceRequest
	Request;
typedef Opentelemetry__Proto__Profiles__V1development__ProfilesDictionary Dictionary;
typedef Opentelemetry__Proto__Profiles__V1development__ResourceProfiles ResourceProfiles;
typedef Opentelemetry__Proto__Profiles__V1development__Profile Profile;
typedef Opentelemetry__Proto__Profiles__V1development__Sample Sample;
typedef Opentelemetry__Proto__Profiles__V1development__Location Location;
typedef Opentelemetry__Proto__Profiles__V1development__Mapping Mapping;

/* Free with release. */
static Request *encode(const struct profile *p)
{
	struct pb_writer w;
	struct slice bytes;
	Request *request;

	pb_writer__init(&w, OTLP_REQUEST_MAX_SZ);
	assert_int_equal(otlp_profile_encode(&w, p, "1.2.3"), 0);
	bytes = pb_writer__bytes(&w);
	request =
		opentelemetry__proto__collector__profiles__v1development__export_profiles_service_request__unpack(
			NULL, bytes.n, (const uint8_t *)bytes.p);
	assert_non_null(request);
	pb_writer__free(&w);
	return request;
}

static void release(Request *request)
{
	opentelemetry__proto__collector__profiles__v1development__export_profiles_service_request__free_unpacked(
		request, NULL);
}

static const Profile *profile_of(const Request *request, size_t resource)
{
	const ResourceProfiles *group = request->resource_profiles[resource];

	assert_int_equal(group->n_scope_profiles, 1);
	assert_string_equal(group->schema_url, OTLP_SCHEMA_URL);
	assert_string_equal(group->scope_profiles[0]->schema_url, OTLP_SCHEMA_URL);
	assert_string_equal(group->scope_profiles[0]->scope->name, "sonde");
	assert_string_equal(group->scope_profiles[0]->scope->version, "1.2.3");
	assert_int_equal(group->scope_profiles[0]->n_profiles, 1);
	return group->scope_profiles[0]->profiles[0];
}

/* The value as text of the attribute with that key among cnt indices; NULL: none. */
static const char *attribute(const Dictionary *d, const int32_t *indices, size_t cnt,
			     const char *key)
{
	static char number[32];

	for (size_t i = 0; i < cnt; i++) {
		const Opentelemetry__Proto__Profiles__V1development__KeyValueAndUnit *a =
			d->attribute_table[indices[i]];

		assert_int_equal(a->unit_strindex, 0);
		if (strcmp(d->string_table[a->key_strindex], key) != 0)
			continue;
		if (a->value->value_case !=
		    OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_INT_VALUE)
			return a->value->string_value;
		snprintf(number, sizeof(number), "%lld", (long long)a->value->int_value);
		return number;
	}
	return NULL;
}

static void check_text(const char *got, const char *want)
{
	if (want)
		assert_non_null(got);
	if (want)
		assert_string_equal(got, want);
	else
		assert_null(got);
}

/* Entry 0 of all tables, byte for byte what the protocol calls the zero value. */
static void check_entry_0(const Dictionary *d)
{
	static const uint8_t zeros[16];
	const struct {
		const void *message;
	} empty[] = {
		{d->mapping_table[0]},	 {d->location_table[0]}, {d->function_table[0]},
		{d->attribute_table[0]}, {d->stack_table[0]},
	};

	for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++)
		assert_int_equal(protobuf_c_message_get_packed_size(empty[i].message), 0);
	assert_string_equal(d->string_table[0], "");
	assert_int_equal(d->link_table[0]->trace_id.len, 16);
	assert_int_equal(d->link_table[0]->span_id.len, 8);
	assert_memory_equal(d->link_table[0]->trace_id.data, zeros, 16);
	assert_memory_equal(d->link_table[0]->span_id.data, zeros, 8);
}

static void no_samples(void **state)
{
	struct profile *p = rig_profile();
	struct pb_writer w;

	(void)state;
	rig_named_stack(p, FRAME_NATIVE, "unused");
	pb_writer__init(&w, OTLP_REQUEST_MAX_SZ);
	assert_int_equal(otlp_profile_encode(&w, p, "1.2.3"), 0);
	assert_int_equal(pb_len(&w), 0);
	pb_writer__free(&w);
	profile__free(p);
}

/* What no sample refers to is not sent; what is sent keeps its order. */
static void no_orphans(void **state)
{
	struct profile *p = rig_profile();
	struct rig_frame unused = {.name = "u", .file = "u.so", .build_id = "01", .source = "u.c"};
	struct rig_frame used = {.name = "f", .file = "f.so", .build_id = "02", .source = "f.c"};
	struct profile_link links[] = {{.span_id = {{1}}}, {.span_id = {{2}}}};
	struct profile_sample sample = {.time_ns = RIG_START_NS};
	const Dictionary *d;
	Request *request;

	(void)state;
	rig_stack(p, (const struct rig_frame *[]){&unused}, 1);
	rig_string(p, "stray");
	profile__link(p, &links[0]);
	rig_resource(p, "stray", 1);
	sample.stack = rig_stack(p, (const struct rig_frame *[]){&used}, 1);
	sample.link = profile__link(p, &links[1]);
	profile__add(p, &sample);
	request = encode(p);
	d = request->dictionary;
	check_entry_0(d);
	assert_int_equal(request->n_resource_profiles, 1);
	assert_null(request->resource_profiles[0]->resource);
	assert_int_equal(d->n_mapping_table, 2);
	assert_int_equal(d->n_location_table, 2);
	assert_int_equal(d->n_function_table, 2);
	assert_int_equal(d->n_link_table, 2);
	assert_int_equal(d->n_stack_table, 2);
	assert_int_equal(d->n_attribute_table, 3); /* build-id, CPU */
	assert_int_equal(d->n_string_table, 1 + 3 + 2 + 4);
	assert_int_equal(d->link_table[1]->span_id.data[0], 2);
	release(request);
	profile__free(p);
}

static void locations(void **state)
{
	static const struct {
		struct rig_frame frame;
		const char *type, *name, *file, *gnu, *hash;
	} cases[] = {
		{{.type = FRAME_NATIVE,
		  .name = "f",
		  .system_name = "_Z1fv",
		  .file = "/a",
		  .build_id = "0a",
		  .address = 0x1234,
		  .source = "f.cc",
		  .line = 7},
		 "native",
		 "f",
		 "/a",
		 "0a",
		 NULL},
		{{.type = FRAME_NATIVE, .file = "/b", .file_hash = "0b", .address = 1},
		 "native",
		 NULL,
		 "/b",
		 NULL,
		 "0b"},
		{{.type = FRAME_KERNEL, .name = "k", .file = "[kernel]", .build_id = "0c"},
		 "kernel",
		 "k",
		 "[kernel]",
		 "0c",
		 NULL},
		{{.type = FRAME_JIT, .name = "j", .address = 9}, "jit", "j", NULL, NULL, NULL},
		/* A mapping must say what its file is; one that cannot is not sent. */
		{{.type = FRAME_NATIVE, .name = "g", .file = "/gone"},
		 "native",
		 "g",
		 NULL,
		 NULL,
		 NULL},
		{{.type = FRAME_NATIVE, .file = "/gone", .address = 2},
		 "native",
		 "[unknown]",
		 NULL,
		 NULL,
		 NULL},
		{{.type = FRAME_JIT, .address = 3}, "jit", "[unknown]", NULL, NULL, NULL},
		{{.type = FRAME_ERROR, .name = "[cut]"}, "error", "[cut]", NULL, NULL, NULL},
		{{.name = "typeless"}, NULL, "typeless", NULL, NULL, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct profile *p = rig_profile();
		const struct rig_frame *frame = &cases[i].frame;
		const Dictionary *d;
		const Location *l;
		const Mapping *m;
		Request *request;

		rig_samples(p, "t", rig_stack(p, &frame, 1), 1);
		request = encode(p);
		d = request->dictionary;
		assert_int_equal(d->n_stack_table, 2);
		assert_int_equal(d->stack_table[1]->n_location_indices, 1);
		l = d->location_table[d->stack_table[1]->location_indices[0]];
		assert_true(l->address == frame->address);
		check_text(attribute(d, l->attribute_indices, l->n_attribute_indices,
				     "profile.frame.type"),
			   cases[i].type);
		assert_int_equal(l->n_lines, cases[i].name ? 1 : 0);
		if (l->n_lines) {
			const Opentelemetry__Proto__Profiles__V1development__Function *f =
				d->function_table[l->lines[0]->function_index];

			check_text(d->string_table[f->name_strindex], cases[i].name);
			check_text(d->string_table[f->system_name_strindex],
				   frame->system_name ?: "");
			check_text(d->string_table[f->filename_strindex], frame->source ?: "");
			assert_int_equal(l->lines[0]->line, frame->line);
		}
		m = d->mapping_table[l->mapping_index];
		assert_int_equal(l->mapping_index, cases[i].file ? 1 : 0);
		check_text(d->string_table[m->filename_strindex], cases[i].file ?: "");
		check_text(attribute(d, m->attribute_indices, m->n_attribute_indices,
				     "process.executable.build_id.gnu"),
			   cases[i].gnu);
		check_text(attribute(d, m->attribute_indices, m->n_attribute_indices,
				     "process.executable.build_id.htlhash"),
			   cases[i].hash);
		assert_true(m->memory_limit == (cases[i].file ? UINT64_MAX : 0));
		release(request);
		profile__free(p);
	}
}

/* Samples that differ in their time only are one, with its times in order. */
static void samples_of_one_identity_are_merged(void **state)
{
	struct profile *p = rig_profile();
	uint32_t stack = rig_named_stack(p, FRAME_NATIVE, "a b");
	struct profile_link link = {.trace_id = {{1}}, .span_id = {{2}}};
	struct profile_sample base = {.stack = stack, .thread_name = rig_string(p, "t"), .tid = 5};
	struct profile_sample others[] = {base, base, base, base, base};
	const Profile *profile;
	Request *request;

	(void)state;
	others[0].cpu = 1;
	others[1].tid = 6;
	others[2].thread_name = rig_string(p, "u");
	others[3].link = profile__link(p, &link);
	others[4].stack = 0;
	for (uint32_t i = 0; i < 3; i++) {
		static const uint64_t at[] = {3, 1, 2};

		base.time_ns = RIG_START_NS + at[i];
		profile__add(p, &base);
		for (size_t k = 0; k < sizeof(others) / sizeof(others[0]); k++) {
			others[k].time_ns = base.time_ns;
			profile__add(p, &others[k]);
		}
	}
	request = encode(p);
	profile = profile_of(request, 0);
	assert_int_equal(profile->n_samples, 6);
	for (size_t i = 0; i < 6; i++) {
		const Sample *s = profile->samples[i];

		assert_int_equal(s->n_values, 0);
		assert_int_equal(s->n_timestamps_unix_nano, 3);
		for (size_t k = 0; k < 3; k++)
			assert_true(s->timestamps_unix_nano[k] == RIG_START_NS + 1 + k);
		assert_int_equal(s->n_attribute_indices, 3);
	}
	check_text(attribute(request->dictionary, profile->samples[1]->attribute_indices, 3,
			     "thread.id"),
		   "5");
	check_text(attribute(request->dictionary, profile->samples[2]->attribute_indices, 3,
			     "cpu.logical_number"),
		   "1");
	assert_int_equal(request->dictionary->n_link_table, 2);
	release(request);
	profile__free(p);
}

static void one_profile_per_resource(void **state)
{
	struct profile *p = rig_profile();
	struct profile_sample sample = {.time_ns = RIG_START_NS};
	const Profile *profile;
	const Dictionary *d;
	Request *request;

	(void)state;
	for (uint32_t i = 0; i < 5; i++) {
		sample.resource = i % 3 == 1   ? rig_resource(p, "one", 1)
				  : i % 3 == 2 ? rig_resource(p, "two", 2)
					       : 0;
		profile__add(p, &sample);
	}
	request = encode(p);
	d = request->dictionary;
	assert_int_equal(request->n_resource_profiles, 5 - 1); /* two observations of none */
	assert_string_equal(
		request->resource_profiles[0]->resource->attributes[1]->value->string_value, "one");
	assert_null(request->resource_profiles[3]->resource); /* who is not known comes last */
	profile = profile_of(request, 3);
	assert_int_equal(profile->n_samples, 1);
	assert_int_equal(profile->samples[0]->n_timestamps_unix_nano, 2);
	assert_string_equal(d->string_table[profile->sample_type->type_strindex], "samples");
	assert_string_equal(d->string_table[profile->sample_type->unit_strindex], "count");
	assert_string_equal(d->string_table[profile->period_type->type_strindex], "cpu");
	assert_string_equal(d->string_table[profile->period_type->unit_strindex], "nanoseconds");
	assert_int_equal(profile->period, RIG_PERIOD_NS);
	assert_true(profile->time_unix_nano == RIG_START_NS);
	assert_true(profile->duration_nano == 10000000000u);
	release(request);
	profile__free(p);
}

/* Of a service that became slow: each process's profile has an id of its own, and says why it is there. */
static void a_burst_is_named(void **state)
{
	const struct burst burst = {
		.number = 1,
		.id = "0123456789abcde",
		.service = "shop",
		.route = "GET /cart",
	};
	struct profile *p = rig_profile();
	struct profile_sample sample = {.time_ns = RIG_START_NS};
	const Profile *profiles[2];
	uint8_t id[PROFILE_ID_SZ];
	Request *request;

	(void)state;
	assert_true(profile__set_burst(p, &burst));
	for (uint32_t pid = 1; pid <= 2; pid++) {
		sample.resource = rig_resource(p, "shop", pid);
		profile__add(p, &sample);
	}
	request = encode(p);
	assert_int_equal(request->n_resource_profiles, 2);
	for (uint32_t i = 0; i < 2; i++) {
		const Profile *profile = profiles[i] = profile_of(request, i);
		const Dictionary *d = request->dictionary;
		const int32_t *indices = profile->attribute_indices;
		size_t cnt = profile->n_attribute_indices;

		burst_profile_id(&burst, p->resources.v[i + 1], id);
		assert_int_equal(profile->profile_id.len, PROFILE_ID_SZ);
		assert_memory_equal(profile->profile_id.data, id, PROFILE_ID_SZ);
		assert_int_equal(cnt, 3);
		assert_string_equal(attribute(d, indices, cnt, "sonde.trigger.type"), "latency");
		assert_string_equal(attribute(d, indices, cnt, "sonde.trigger.service"), "shop");
		assert_string_equal(attribute(d, indices, cnt, "sonde.trigger.route"), "GET /cart");
	}
	assert_memory_not_equal(profiles[0]->profile_id.data, profiles[1]->profile_id.data,
				PROFILE_ID_SZ);
	release(request);
	profile__free(p);
	p = rig_profile();
	sample.resource = 0;
	profile__add(p, &sample);
	request = encode(p);
	assert_int_equal(profile_of(request, 0)->profile_id.len, 0);
	assert_int_equal(profile_of(request, 0)->n_attribute_indices, 0);
	release(request);
	profile__free(p);
}

/* A profile's time goes from its first sample to after its last, whatever its clock said. */
static void time_holds_all_samples(void **state)
{
	struct profile *p = rig_profile();
	struct profile_sample sample = {.time_ns = p->end_ns};
	const Profile *profile;
	Request *request;

	(void)state;
	profile__add(p, &sample);
	sample.time_ns = RIG_START_NS - 5;
	profile__add(p, &sample);
	request = encode(p);
	profile = profile_of(request, 0);
	assert_true(profile->time_unix_nano == RIG_START_NS - 5);
	assert_true(profile->duration_nano == 10000000000u + 6);
	release(request);
	profile__free(p);
}

/* Functions named as the words that the encoder itself needs: still no string twice. */
static void no_string_twice(void **state)
{
	struct profile *p = rig_profile();
	struct rig_frame unknown = {.type = FRAME_JIT};
	const Dictionary *d;
	Request *request;

	(void)state;
	rig_samples(p, "cpu",
		    rig_named_stack(p, FRAME_NATIVE,
				    "samples count cpu nanoseconds thread.id profile.frame.type "
				    "[unknown] native"),
		    1);
	rig_samples(p, "count", rig_stack(p, (const struct rig_frame *[]){&unknown}, 1), 1);
	request = encode(p);
	d = request->dictionary;
	for (size_t i = 0; i < d->n_string_table; i++)
		for (size_t k = 0; k < i; k++)
			assert_string_not_equal(d->string_table[i], d->string_table[k]);
	assert_int_equal(d->n_function_table, 1 + 8);
	/* Names of threads and values of attributes are no strings of the table. */
	assert_int_equal(d->n_string_table, 1 + 8 + 2);
	release(request);
	profile__free(p);
}

static void deepest_stack(void **state)
{
	struct profile *p = rig_profile();
	struct rig_frame frames[PROFILE_FRAMES_MAX];
	const struct rig_frame *stack[PROFILE_FRAMES_MAX];
	const Dictionary *d;
	Request *request;

	(void)state;
	for (uint32_t i = 0; i < PROFILE_FRAMES_MAX; i++) {
		frames[i] = (struct rig_frame){.name = "f", .address = i};
		stack[i] = &frames[i];
	}
	rig_samples(p, "t", rig_stack(p, stack, PROFILE_FRAMES_MAX), 1);
	request = encode(p);
	d = request->dictionary;
	assert_int_equal(d->stack_table[1]->n_location_indices, PROFILE_FRAMES_MAX);
	for (uint32_t i = 0; i < PROFILE_FRAMES_MAX; i++)
		assert_int_equal(d->location_table[d->stack_table[1]->location_indices[i]]->address,
				 i);
	release(request);
	profile__free(p);
}

/* Every maximum too small is an error, and none leaves half a request behind as if it were whole. */
static void too_small_a_maximum(void **state)
{
	struct profile *p = rig_profile();
	struct pb_writer w;
	size_t whole;

	(void)state;
	rig_samples(p, "t", rig_named_stack(p, FRAME_NATIVE, "a b c"), 3);
	pb_writer__init(&w, OTLP_REQUEST_MAX_SZ);
	assert_int_equal(otlp_profile_encode(&w, p, "1.2.3"), 0);
	whole = pb_len(&w);
	pb_writer__free(&w);
	for (size_t max = 0; max < whole; max++) {
		pb_writer__init(&w, max);
		assert_int_equal(otlp_profile_encode(&w, p, "1.2.3"), -EMSGSIZE);
		pb_writer__free(&w);
	}
	profile__free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_samples),
		cmocka_unit_test(no_orphans),
		cmocka_unit_test(locations),
		cmocka_unit_test(samples_of_one_identity_are_merged),
		cmocka_unit_test(one_profile_per_resource),
		cmocka_unit_test(a_burst_is_named),
		cmocka_unit_test(time_holds_all_samples),
		cmocka_unit_test(no_string_twice),
		cmocka_unit_test(deepest_stack),
		cmocka_unit_test(too_small_a_maximum),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
