/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which CPython a file is, and where that keeps what frames are made of: x86-64, 3.8 to 3.15. One thread.
 */
#ifndef SONDE_PROFILE_PYTHON_LAYOUT_H
#define SONDE_PROFILE_PYTHON_LAYOUT_H

#include "include/abi/python.h"
#include "user/base/elf_file.h"
#include "user/profile/python_code.h"
#include "user/profile/split_function.h"

/* What a file exports, at its own addresses. */
struct python_symbols {
	uint64_t runtime;	    /* _PyRuntime; 0: it is no CPython */
	uint64_t version;	    /* Py_Version, from 3.11 on */
	uint64_t code_type;	    /* PyCode_Type */
	uint8_t minor;		    /* until 3.10, by what each version has added; 0: not known */
	struct split_function loop; /* the interpreter's */
};

/* Each call of it runs Python's functions. Parts of it follow its name by a dot. */
#define PYTHON_LOOP "_PyEval_EvalFrameDefault"

enum python_state {
	PYTHON_NONE,   /* not looked at, or none */
	PYTHON_STARTS, /* it has no thread state yet */
	PYTHON_KNOWN,
	PYTHON_FOREIGN, /* a version that is not known, or not as it should be */
};

void python_symbols__read(struct python_symbols *symbols, struct elf_file *elf, int fd);
/* Of a process in whose memory the file's addresses are that much higher. Fills both when PYTHON_KNOWN. */
enum python_state python_layout__find(const struct python_symbols *symbols, uint64_t load,
				      const struct process_memory *memory,
				      struct python_layout *layout,
				      struct python_code_layout *code);

#endif
