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
#define VERSION_LAST 15
#define VERSION_SAYS 13	      /* since then of itself where most things are */
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

#define VERSION_THAT_SAYS(frame_sz_)                                                               \
	{                                                                                          \
		.layout = {.frame_sz = (frame_sz_), .at_is_pointer = 1, .turn = PYTHON_TURN_SHIM}, \
		.code = {.size = 144, .kind = PYTHON_LINES_POSITIONS, STRINGS_FROM_312},           \
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
	[13] = VERSION_THAT_SAYS(72),
	[14] = VERSION_THAT_SAYS(80),
	[15] = VERSION_THAT_SAYS(80),
};

/* --- which one -------------------------------------------------------------------------------- */

enum exported {
	RUNTIME,
	VERSION,
	CODE_TYPE,
	SINCE_3_8,
	SINCE_3_9,
	SINCE_3_10,
	LOOP,
	EXPORTED_CNT,
};

void python_symbols__read(struct python_symbols *symbols, struct elf_file *elf, int fd)
{
	struct elf_function exported[EXPORTED_CNT] = {
		[RUNTIME] = {.name = "_PyRuntime"},
		[VERSION] = {.name = "Py_Version"},
		[CODE_TYPE] = {.name = "PyCode_Type"},
		[SINCE_3_8] = {.name = "PyCode_NewWithPosOnlyArgs"},
		[SINCE_3_9] = {.name = "PyThreadState_GetFrame"},
		[SINCE_3_10] = {.name = "PyModule_AddObjectRef"},
		[LOOP] = {.name = PYTHON_LOOP},
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
	if (symbols->runtime)
		split_function__read(&symbols->loop, elf, fd, &exported[LOOP]);
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

/* --- what it says of itself ------------------------------------------------------------------- */

/* The words of struct _Py_DebugOffsets: the first ones are where they are in all versions. */
enum debug_word {
	DEBUG_COOKIE = 0,
	DEBUG_VERSION = 1,
	DEBUG_FREE_THREADED = 2,
	DEBUG_INTERPRETERS = 5,
	DEBUG_INTERPRETER_NEXT = 8,
	DEBUG_INTERPRETER_THREADS = 9,
	DEBUG_WORDS_CNT = 57,
};

#define DEBUG_COOKIE_VALUE 0x7970677562656478 /* "xdebugpy" */

/* And where the others are: the same in all releases of a version. */
static const struct debug_words {
	uint8_t thread_next, thread_interpreter, thread_frame, thread_id;
	uint8_t thread_base; /* 0: there is none */
	uint8_t frame_back, frame_code, frame_at, frame_owner;
	uint8_t code_file; /* followed by those of its name, qualified name, lines and first line */
	uint8_t code_instructions;
} debug_words[] = {
	[13] = {21, 22, 23, 24, 0, 29, 30, 31, 33, 35, 43},
	[14] = {24, 25, 26, 27, 0, 32, 33, 34, 36, 40, 48},
	[15] = {24, 25, 26, 30, 27, 40, 41, 42, 44, 48, 56},
};

/* Takes an offset of something of that size, which must be within the first limit bytes. */
static bool take_offset(uint64_t word, size_t sz, size_t limit, uint16_t *to)
{
	*to = (uint16_t)word;
	return word % sz == 0 && word <= limit - sz;
}

static bool take_frame(const uint64_t *words, const struct debug_words *at,
		       struct python_layout *layout)
{
	size_t limit = layout->frame_sz;

	return take_offset(words[at->frame_back], 8, limit, &layout->frame_back) &&
	       take_offset(words[at->frame_code], 8, limit, &layout->frame_code) &&
	       take_offset(words[at->frame_at], 8, limit, &layout->frame_at) &&
	       take_offset(words[at->frame_owner], 1, limit, &layout->frame_turn);
}

static bool take_code(const uint64_t *words, const struct debug_words *at,
		      struct python_code_layout *code)
{
	const uint64_t *of_code = words + at->code_file;
	size_t limit = code->size;

	return take_offset(of_code[0], 8, limit, &code->file) &&
	       take_offset(of_code[1], 8, limit, &code->name) &&
	       take_offset(of_code[2], 8, limit, &code->qualified_name) &&
	       take_offset(of_code[3], 8, limit, &code->lines) &&
	       take_offset(of_code[4], 4, limit, &code->first_line) &&
	       take_offset(words[at->code_instructions], 2, UINT16_MAX, &code->instructions);
}

static bool take_threads(const uint64_t *words, const struct debug_words *at,
			 struct python_layout *layout)
{
	const size_t limit = UINT16_MAX;

	layout->interpreters = words[DEBUG_INTERPRETERS];
	if (at->thread_base && !take_offset(words[at->thread_base], 8, limit, &layout->thread_base))
		return false;
	return layout->interpreters <= UINT16_MAX &&
	       words[at->thread_interpreter] == THREAD_INTERPRETER &&
	       take_offset(words[DEBUG_INTERPRETER_NEXT], 8, limit, &layout->interpreter_next) &&
	       take_offset(words[DEBUG_INTERPRETER_THREADS], 8, limit,
			   &layout->interpreter_threads) &&
	       take_offset(words[at->thread_next], 8, limit, &layout->thread_next) &&
	       take_offset(words[at->thread_id], 8, limit, &layout->thread_id) &&
	       take_offset(words[at->thread_frame], 8, limit, &layout->thread_frame);
}

static bool read_debug_offsets(uint32_t minor, uint64_t runtime,
			       const struct process_memory *memory, struct version *v)
{
	const struct debug_words *at = &debug_words[minor];
	uint64_t words[DEBUG_WORDS_CNT];

	return memory->read(memory->ctx, runtime, words, sizeof(words)) &&
	       words[DEBUG_COOKIE] == DEBUG_COOKIE_VALUE && words[DEBUG_VERSION] >> 24 == 3 &&
	       (words[DEBUG_VERSION] >> 16 & 0xff) == minor && !words[DEBUG_FREE_THREADED] &&
	       take_threads(words, at, &v->layout) && take_frame(words, at, &v->layout) &&
	       take_code(words, at, &v->code);
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
	if (minor >= VERSION_SAYS && !read_debug_offsets(minor, runtime, memory, &v))
		return PYTHON_FOREIGN;
	v.layout.interpreters += runtime;
	if (v.layout.holder)
		v.layout.holder += runtime;
	v.code.type = symbols->code_type ? symbols->code_type + load : 0;
	*layout = v.layout;
	*code = v.code;
	return check(layout, memory);
}
