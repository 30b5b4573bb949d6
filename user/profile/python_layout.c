// SPDX-License-Identifier: Apache-2.0
/*
 * The offsets are those that a compiler gives for CPython's own headers, with Py_BUILD_CORE: pycore_runtime.h,
 * pycore_interp.h, cpython/pystate.h, cpython/frameobject.h, pycore_frame.h, cpython/code.h. From 3.13 on the
 * process says itself where most things are, in _PyRuntime.debug_offsets.
 *
 * Before they are believed the first thread state must point back to its interpreter.
 */
#include "user/profile/python_layout.h"

#define VERSION_FIRST 8
#define VERSION_LAST 13
#define THREAD_INTERPRETER 16 /* PyThreadState.interp, in all of them */

/* --- the versions ----------------------------------------------------------------------------- */

struct version {
	struct python_layout layout; /* addresses are offsets in _PyRuntime */
	struct python_code_layout code;
};

#define STRINGS_UNTIL_311 .ascii = 48, .compact = 72
#define STRINGS_FROM_312 .ascii = 40, .compact = 56

#define CODE_UNTIL_310(lines_kind, unit_)                                              \
	{                                                                              \
		.size = 128, .name = 112, .file = 104, .first_line = 40, .lines = 120, \
		.unit = (unit_), .kind = (lines_kind), STRINGS_UNTIL_311               \
	}

/* Of a frame what says where it is comes last. */
#define LAYOUT_UNTIL_310(holder_, frame_sz_)                                                     \
	{                                                                                        \
		.interpreters = 32, .holder = (holder_), .interpreter_threads = 8,               \
		.thread_next = 8, .thread_id = 176, .thread_frame = 24, .frame_sz = (frame_sz_), \
		.frame_back = 24, .frame_code = 32, .frame_at = (frame_sz_)-8                    \
	}

static const struct version versions[] = {
	[8] = {.layout = LAYOUT_UNTIL_310(1368, 112),
	       .code = CODE_UNTIL_310(PYTHON_LINES_LNOTAB, 1)},
	[9] = {.layout = LAYOUT_UNTIL_310(568, 112),
	       .code = CODE_UNTIL_310(PYTHON_LINES_LNOTAB, 1)},
	[10] = {.layout = LAYOUT_UNTIL_310(568, 104),
		.code = CODE_UNTIL_310(PYTHON_LINES_RANGES, 2)},
	[11] = {.layout = {.interpreters = 40,
			   .holder = 576,
			   .interpreter_threads = 16,
			   .thread_next = 8,
			   .thread_id = 152,
			   .thread_frame = 56,
			   .has_cframe = 1,
			   .cframe_frame = 8,
			   .cframe_back = 16,
			   .frame_sz = 72,
			   .frame_back = 48,
			   .frame_code = 32,
			   .frame_at = 56,
			   .at_is_pointer = 1,
			   .frame_turn = 68,
			   .turn = PYTHON_TURN_FLAG},
		.code = {.size = 144,
			 .name = 120,
			 .qualified_name = 128,
			 .file = 112,
			 .first_line = 72,
			 .lines = 136,
			 .instructions = 184,
			 .kind = PYTHON_LINES_POSITIONS,
			 STRINGS_UNTIL_311}},
	[12] = {.layout = {.interpreters = 40,
			   .interpreter_threads = 72,
			   .thread_next = 8,
			   .thread_id = 136,
			   .thread_frame = 56,
			   .has_cframe = 1,
			   .cframe_frame = 0,
			   .cframe_back = 8,
			   .frame_sz = 72,
			   .frame_back = 8,
			   .frame_code = 0,
			   .frame_at = 56,
			   .at_is_pointer = 1,
			   .frame_turn = 70,
			   .turn = PYTHON_TURN_SHIM},
		.code = {.size = 144,
			 .name = 120,
			 .qualified_name = 128,
			 .file = 112,
			 .first_line = 68,
			 .lines = 136,
			 .instructions = 192,
			 .kind = PYTHON_LINES_POSITIONS,
			 STRINGS_FROM_312}},
	[13] = {.layout = {.frame_sz = 72, .at_is_pointer = 1, .turn = PYTHON_TURN_SHIM},
		.code = {.size = 144, .kind = PYTHON_LINES_POSITIONS, STRINGS_FROM_312}},
};

/* --- which one -------------------------------------------------------------------------------- */

enum exported {
	RUNTIME,
	VERSION,
	CODE_TYPE,
	SINCE_3_8,
	SINCE_3_9,
	SINCE_3_10,
	EXPORTED_CNT,
};

void python_symbols__read(struct python_symbols *symbols, struct elf_file *elf)
{
	struct elf_function exported[EXPORTED_CNT] = {
		[RUNTIME] = {.name = "_PyRuntime"},
		[VERSION] = {.name = "Py_Version"},
		[CODE_TYPE] = {.name = "PyCode_Type"},
		[SINCE_3_8] = {.name = "PyCode_NewWithPosOnlyArgs"},
		[SINCE_3_9] = {.name = "PyThreadState_GetFrame"},
		[SINCE_3_10] = {.name = "PyModule_AddObjectRef"},
	};

	elf_file__exported(elf, exported, EXPORTED_CNT);
	*symbols = (struct python_symbols){
		.runtime = exported[RUNTIME].address,
		.version = exported[VERSION].address,
		.code_type = exported[CODE_TYPE].address,
		.minor = exported[SINCE_3_10].address  ? 10
			 : exported[SINCE_3_9].address ? 9
			 : exported[SINCE_3_8].address ? 8
						       : 0,
	};
}

static bool read_word(const struct process_memory *memory, uint64_t address, uint64_t *v)
{
	return memory->read(memory->ctx, address, v, sizeof(*v));
}

static uint32_t minor_of(const struct python_symbols *symbols, uint64_t load,
			 const struct process_memory *memory)
{
	uint64_t version;

	if (!symbols->version)
		return symbols->minor;
	if (!read_word(memory, symbols->version + load, &version) || version >> 24 != 3)
		return 0;
	return version >> 16 & 0xff;
}

/* --- what 3.13 says of itself ----------------------------------------------------------------- */

/* The words of struct _Py_DebugOffsets, which is the same in all of 3.13. */
enum debug_word {
	DEBUG_COOKIE = 0,
	DEBUG_VERSION = 1,
	DEBUG_FREE_THREADED = 2,
	DEBUG_INTERPRETERS = 5,
	DEBUG_INTERPRETER_NEXT = 8,
	DEBUG_INTERPRETER_THREADS = 9,
	DEBUG_THREAD_NEXT = 21,
	DEBUG_THREAD_INTERPRETER = 22,
	DEBUG_THREAD_FRAME = 23,
	DEBUG_THREAD_ID = 24,
	DEBUG_FRAME_BACK = 29,
	DEBUG_FRAME_CODE = 30,
	DEBUG_FRAME_AT = 31,
	DEBUG_FRAME_OWNER = 33,
	DEBUG_CODE_FILE = 35,
	DEBUG_CODE_NAME = 36,
	DEBUG_CODE_QUALIFIED_NAME = 37,
	DEBUG_CODE_LINES = 38,
	DEBUG_CODE_FIRST_LINE = 39,
	DEBUG_CODE_INSTRUCTIONS = 43,
	DEBUG_WORDS_CNT,
};

#define DEBUG_COOKIE_VALUE 0x7970677562656478 /* "xdebugpy" */

/* All offsets, and those in a frame and in a code object, must be within what is read. */
static bool are_sane(const uint64_t words[DEBUG_WORDS_CNT])
{
	if (words[DEBUG_COOKIE] != DEBUG_COOKIE_VALUE || words[DEBUG_FREE_THREADED] ||
	    words[DEBUG_THREAD_INTERPRETER] != THREAD_INTERPRETER)
		return false;
	for (int i = DEBUG_INTERPRETERS; i < DEBUG_WORDS_CNT; i++)
		if (words[i] > UINT16_MAX && i != 6) /* a size */
			return false;
	for (int i = DEBUG_FRAME_BACK; i <= DEBUG_FRAME_OWNER; i++)
		if (words[i] > 72 || (i <= DEBUG_FRAME_AT && words[i] % 8))
			return false;
	for (int i = DEBUG_CODE_FILE; i <= DEBUG_CODE_FIRST_LINE; i++)
		if (words[i] > 136)
			return false;
	return true;
}

static bool read_debug_offsets(uint64_t runtime, const struct process_memory *memory,
			       struct version *v)
{
	uint64_t words[DEBUG_WORDS_CNT];

	if (!memory->read(memory->ctx, runtime, words, sizeof(words)) || !are_sane(words))
		return false;
	v->layout.interpreters = words[DEBUG_INTERPRETERS];
	v->layout.interpreter_next = (uint16_t)words[DEBUG_INTERPRETER_NEXT];
	v->layout.interpreter_threads = (uint16_t)words[DEBUG_INTERPRETER_THREADS];
	v->layout.thread_next = (uint16_t)words[DEBUG_THREAD_NEXT];
	v->layout.thread_id = (uint16_t)words[DEBUG_THREAD_ID];
	v->layout.thread_frame = (uint16_t)words[DEBUG_THREAD_FRAME];
	v->layout.frame_back = (uint16_t)words[DEBUG_FRAME_BACK];
	v->layout.frame_code = (uint16_t)words[DEBUG_FRAME_CODE];
	v->layout.frame_at = (uint16_t)words[DEBUG_FRAME_AT];
	v->layout.frame_turn = (uint16_t)words[DEBUG_FRAME_OWNER];
	v->code.file = (uint16_t)words[DEBUG_CODE_FILE];
	v->code.name = (uint16_t)words[DEBUG_CODE_NAME];
	v->code.qualified_name = (uint16_t)words[DEBUG_CODE_QUALIFIED_NAME];
	v->code.lines = (uint16_t)words[DEBUG_CODE_LINES];
	v->code.first_line = (uint16_t)words[DEBUG_CODE_FIRST_LINE];
	v->code.instructions = (uint16_t)words[DEBUG_CODE_INSTRUCTIONS];
	return true;
}

/* --- all together ----------------------------------------------------------------------------- */

static enum python_state check(const struct python_layout *layout,
			       const struct process_memory *memory)
{
	uint64_t interpreter, thread, back;

	if (!read_word(memory, layout->interpreters, &interpreter))
		return PYTHON_FOREIGN;
	if (!interpreter)
		return PYTHON_STARTS;
	if (!read_word(memory, interpreter + layout->interpreter_threads, &thread))
		return PYTHON_FOREIGN;
	if (!thread)
		return PYTHON_STARTS;
	if (!read_word(memory, thread + THREAD_INTERPRETER, &back))
		return PYTHON_FOREIGN;
	return back == interpreter ? PYTHON_KNOWN : PYTHON_FOREIGN;
}

enum python_state python_layout__find(const struct python_symbols *symbols, uint64_t load,
				      const struct process_memory *memory,
				      struct python_layout *layout, struct python_code_layout *code)
{
	uint32_t minor = minor_of(symbols, load, memory);
	uint64_t runtime = symbols->runtime + load;
	struct version v;

	if (minor < VERSION_FIRST || minor > VERSION_LAST)
		return PYTHON_FOREIGN;
	v = versions[minor];
	if (minor == VERSION_LAST && !read_debug_offsets(runtime, memory, &v))
		return PYTHON_FOREIGN;
	v.layout.interpreters += runtime;
	if (v.layout.holder)
		v.layout.holder += runtime;
	v.code.type = symbols->code_type ? symbols->code_type + load : 0;
	*layout = v.layout;
	*code = v.code;
	return check(layout, memory);
}
