/* SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause */
/*
 * Unwinding tables, as user space writes them and the sampler reads them. x86-64 only. Registers have DWARF's
 * numbers ("System V Application Binary Interface, AMD64", 3.6.2).
 *
 * A file's table is an array of blocks of 16 KiB. The first ones are a directory of its pages of 4 KiB of
 * code, the others hold rows; all rows of a page are in one block, by address. A row holds until the next
 * one, a page begins with the row in force. A rule is the same for all files.
 */
#ifndef SONDE_ABI_UNWIND_H
#define SONDE_ABI_UNWIND_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define UNWIND_PAGE_SHIFT 12
#define UNWIND_ROWS_SHIFT 12
#define UNWIND_BLOCK_ROWS (1u << UNWIND_ROWS_SHIFT)
#define UNWIND_PAGES_SHIFT 11
#define UNWIND_BLOCK_PAGES (1u << UNWIND_PAGES_SHIFT)
#define UNWIND_RULES_MAX 16384u
#define UNWIND_TABLES_MAX 1024u
#define UNWIND_PROCESSES_MAX 2048u
#define UNWIND_MAPPINGS_MAX 2048u /* of one process: searched in so many steps ... */
#define UNWIND_MAPPINGS_SHIFT 11  /* ... as this says */

enum unwind_register {
	UNWIND_RBP = 6,
	UNWIND_RSP = 7,
	UNWIND_RIP = 16,
	UNWIND_REGISTERS = 17,
};

/* Where the frame of a function is, whose end (CFA) is where the caller's stack pointer was. */
enum unwind_cfa {
	UNWIND_CFA_NONE = 0,	    /* nothing is known of this address: no function, or no table */
	UNWIND_CFA_UNSUPPORTED = 1, /* something that we cannot follow */
	UNWIND_CFA_ROOT = 2,	    /* this function has no caller */
	UNWIND_CFA_SIGNAL = 3, /* the kernel has put the interrupted registers onto the stack */
	UNWIND_CFA_FRAME =
		4, /* the code keeps frame pointers; with post: and may go on on another stack */
	UNWIND_CFA_REGISTER = 5, /* register + off */
	UNWIND_CFA_DEREF = 6,	 /* *(register + off) + post */
	UNWIND_CFA_PLT = 7,	 /* register + off, and 8 more in entries from byte post on */
};

/* Where the caller's frame pointer is. */
enum unwind_fp {
	UNWIND_FP_SAME = 0,   /* in rbp, as ever */
	UNWIND_FP_AT_CFA = 1, /* *(CFA + fp_off) */
	UNWIND_FP_AT_FP = 2,  /* *(rbp + fp_off) */
	UNWIND_FP_LOST = 3,
};

struct unwind_rule {
	__s32 cfa_off, cfa_post;
	__s32 fp_off;
	__u8 cfa;     /* enum unwind_cfa */
	__u8 cfa_reg; /* below 16 */
	__u8 fp;      /* enum unwind_fp */
	__u8 ra;      /* 0: the return address is at CFA - 8; else 1 + the register that it is in */
};

/* The first rules are always these. */
enum unwind_rule_index {
	UNWIND_RULE_NONE = 0,
	UNWIND_RULE_UNSUPPORTED = 1,
	UNWIND_RULE_FRAME = 2,
};

struct unwind_row {
	__u16 at;   /* within its page */
	__u16 rule; /* index in the rules */
};

/* Behind the directory are rows. None of them looks like a page: rules are below UNWIND_RULES_MAX. */
#define UNWIND_PAGE_HAS_ROWS (1u << 31)

struct unwind_page {
	__u32 first; /* row: block << UNWIND_ROWS_SHIFT | index */
	__u32 cnt;   /* of rows | UNWIND_PAGE_HAS_ROWS; 0: there is no code in it */
};

struct unwind_block {
	union {
		struct unwind_page pages[UNWIND_BLOCK_PAGES];
		struct unwind_row rows[UNWIND_BLOCK_ROWS];
	};
};

/* How code that is mapped is unwound. */
enum unwind_kind {
	UNWIND_KIND_NONE = 0, /* not at all: there is no table, and nothing proves frame pointers */
	UNWIND_KIND_FRAME = 1,	 /* code that is in no file */
	UNWIND_KIND_TABLE = 2,	 /* of the file */
	UNWIND_KIND_UNKNOWN = 3, /* not yet looked at */
};

/* Executable memory of a process. The first of an array of them is an unwind_head. */
struct unwind_mapping {
	__u64 start, limit;
	__u64 bias; /* added to an address: its offset from the first page of the table */
	__u32 table;
	__u32 kind; /* enum unwind_kind */
};

/*
 * How much a process has mapped, in pages of 4 KiB, as the kernel counts them: while that stays the same, so do its
 * mappings as far as is worth a look. Code that is written where it runs, as that of V8, is among the data.
 */
struct unwind_pages {
	__u64 exec; /* executable, and not writable */
	__u64 data; /* writable, and the process's own */
};

/* Of a process. Mappings follow, by address. */
struct unwind_head {
	struct unwind_pages pages; /* before its mappings were read */
	__u64 cnt;		   /* of mappings */
	__u64 reserved;
};

/* How the user's part of a sample's stack ends. Recordings hold it: never renumbered. */
enum unwind_end {
	UNWIND_BY_KERNEL = 0, /* frame pointers, by the kernel: where it ends is not known */
	UNWIND_ROOT = 1,      /* where the thread began: it is whole */
	UNWIND_DEEP = 2,      /* SAMPLE_STACK_MAX frames */
	/* Not known to the kernel's side yet; user space goes on where it has a copy of the stack. */
	UNWIND_NEW = 3,	     /* the process */
	UNWIND_STALE = 4,    /* its mappings have changed */
	UNWIND_NO_TABLE = 5, /* of the file */
	/* What the last address lacks: */
	UNWIND_NOT_CODE = 6,	/* it is no code */
	UNWIND_NO_ROW = 7,	/* the file says nothing of it */
	UNWIND_UNSUPPORTED = 8, /* what the file says we cannot follow */
	UNWIND_NO_REGISTER = 9, /* what the file says needs a register that is not known */
	UNWIND_UNREADABLE = 10, /* the stack cannot be read there, or is paged out */
	UNWIND_STUCK = 11,	/* the caller's frame is not behind it */
	UNWIND_NO_FRAME = 12,	/* code in no file, and no frame pointer */
	UNWIND_SHORT_COPY = 13, /* the copy of the stack ends before it does */
	UNWIND_RAN = 14, /* the thread was looked at while it waited, and went on meanwhile */
	UNWIND_GOES_ON = 255,
};

/* Below the stack pointer: what has just been popped, or a function without calls keeps there. */
#define UNWIND_RED_ZONE 128

/* Registers of a frame. */
struct unwind_registers {
	__u64 v[UNWIND_REGISTERS];
	__u64 code; /* of the leaf: 8 bytes of code, from the one before the next instruction on; 0: not known */
	__u32 known; /* bits: which registers are */
	__u32 exact; /* rip is where it goes on; else it is a return address, whose call is before it */
};

#endif
