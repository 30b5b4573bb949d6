// SPDX-License-Identifier: Apache-2.0
/*
 * The exported constants are of V8's tools/gen-postmortem-metadata.py. What they lack, or call otherwise in each version, is
 * from src/objects/shared-function-info.tq and scope-info.tq.
 */
#include "user/profile/v8_layout.h"

#define OFFSET_MAX 256
#define FUNCTION_TYPES 24 /* JSFunction and its subclasses, of which constructors are most */

static const struct version {
	uint8_t major, minor;
	uint16_t shared_name, shared_script;
	uint16_t scope_module;
	bool scope_has_smi_flags, scope_has_span_first;
} versions[] = {
	{.major = 10,
	 .minor = 2,
	 .shared_name = 16,
	 .shared_script = 32,
	 .scope_module = 3,
	 .scope_has_smi_flags = true},
	{.major = 11,
	 .minor = 3,
	 .shared_name = 16,
	 .shared_script = 32,
	 .scope_module = 3,
	 .scope_has_smi_flags = true},
	{.major = 12,
	 .minor = 4,
	 .shared_name = 16,
	 .shared_script = 32,
	 .scope_module = 3,
	 .scope_has_smi_flags = true},
	{.major = 13,
	 .minor = 6,
	 .shared_name = 24,
	 .shared_script = 40,
	 .scope_module = 5,
	 .scope_has_span_first = true},
};

void v8_symbols__read(struct v8_symbols *symbols, struct elf_file *elf)
{
	struct elf_function exported[V8_SYMBOLS_CNT] = {
		[V8_VERSION_MAJOR] = {.name = "_ZN2v88internal7Version6major_E"},
		[V8_VERSION_MINOR] = {.name = "_ZN2v88internal7Version6minor_E"},
		[V8_FUNCTION_SHARED] =
			{.name = "v8dbg_class_JSFunction__shared__SharedFunctionInfo"},
		[V8_MAP_TYPE] = {.name = "v8dbg_class_Map__instance_type__uint16_t"},
		[V8_FUNCTION_TYPE] = {.name = "v8dbg_type_JSFunction__JS_FUNCTION_TYPE"},
		[V8_SHARED_TYPE] =
			{.name = "v8dbg_type_SharedFunctionInfo__SHARED_FUNCTION_INFO_TYPE"},
		[V8_SCOPE_TYPE] = {.name = "v8dbg_type_ScopeInfo__SCOPE_INFO_TYPE"},
		[V8_SCRIPT_TYPE] = {.name = "v8dbg_type_Script__SCRIPT_TYPE"},
		[V8_ODDBALL_TYPE] = {.name = "v8dbg_type_Oddball__ODDBALL_TYPE"},
		[V8_SCOPE_FIRST] = {.name = "v8dbg_scopeinfo_idx_first_vars"},
		[V8_FRAME_CONTEXT] = {.name = "v8dbg_off_fp_context"},
		[V8_FRAME_FUNCTION] = {.name = "v8dbg_off_fp_function"},
	};

	elf_file__exported(elf, exported, V8_SYMBOLS_CNT);
	for (int i = 0; i < V8_SYMBOLS_CNT; i++)
		symbols->at[i] = exported[i].address;
}

static const struct version *find_version(int32_t major, int32_t minor)
{
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		if (versions[i].major == major && versions[i].minor == minor)
			return &versions[i];
	return NULL;
}

static bool is_sound(const int32_t *v)
{
	for (int i = V8_FUNCTION_SHARED; i <= V8_ODDBALL_TYPE; i++)
		if (v[i] < 0 || v[i] > UINT16_MAX)
			return false;
	return v[V8_FUNCTION_SHARED] % 8 == 0 && v[V8_FUNCTION_SHARED] < OFFSET_MAX &&
	       v[V8_MAP_TYPE] < OFFSET_MAX && v[V8_SCOPE_FIRST] >= 3 && v[V8_SCOPE_FIRST] <= 5 &&
	       v[V8_FRAME_CONTEXT] == -8 && v[V8_FRAME_FUNCTION] == -16;
}

enum v8_state v8_layout__find(const struct v8_symbols *symbols, uint64_t load,
			      const struct process_memory *memory, struct v8_layout *layout,
			      struct v8_heap_layout *heap)
{
	const struct version *version;
	int32_t v[V8_SYMBOLS_CNT];

	for (int i = 0; i < V8_SYMBOLS_CNT; i++)
		if (!symbols->at[i] ||
		    !memory->read(memory->ctx, symbols->at[i] + load, &v[i], sizeof(v[i])))
			return V8_FOREIGN;
	version = find_version(v[V8_VERSION_MAJOR], v[V8_VERSION_MINOR]);
	if (!version || !is_sound(v))
		return V8_FOREIGN;
	*layout = (struct v8_layout){
		.frame_context = (int16_t)v[V8_FRAME_CONTEXT],
		.frame_function = (int16_t)v[V8_FRAME_FUNCTION],
		.map_type = (uint16_t)v[V8_MAP_TYPE],
		.function_type = (uint16_t)v[V8_FUNCTION_TYPE],
		.function_types = FUNCTION_TYPES,
		.function_shared = (uint16_t)v[V8_FUNCTION_SHARED],
		.shared_name = version->shared_name,
	};
	*heap = (struct v8_heap_layout){
		.map_type = (uint16_t)v[V8_MAP_TYPE],
		.shared_type = (uint16_t)v[V8_SHARED_TYPE],
		.scope_type = (uint16_t)v[V8_SCOPE_TYPE],
		.script_type = (uint16_t)v[V8_SCRIPT_TYPE],
		.oddball_type = (uint16_t)v[V8_ODDBALL_TYPE],
		.shared_name = version->shared_name,
		.shared_script = version->shared_script,
		.scope_first = (uint16_t)v[V8_SCOPE_FIRST],
		.scope_module = version->scope_module,
		.scope_has_smi_flags = version->scope_has_smi_flags,
		.scope_has_span_first = version->scope_has_span_first,
	};
	return V8_KNOWN;
}
