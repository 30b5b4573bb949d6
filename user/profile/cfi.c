// SPDX-License-Identifier: Apache-2.0
/*
 * Each entry is read twice: for the list, and to run its instructions. Each instruction takes at least one byte,
 * and those of a CIE, which are run for each of its functions, are few: so time is linear in the section.
 */
#include "user/profile/cfi.h"

#include <errno.h>
#include <stdlib.h>

#include "user/base/cursor.h"

#define FUNCTIONS_MAX (1u << 22)
#define CIE_MAX_SZ 256 /* those of compilers have up to 40 bytes */
#define SAVED_MAX 8
#define RETURN_ADDRESS 16

/* How a pointer is written (DW_EH_PE). */
enum {
	POINTER_FORMAT = 0x0f,
	POINTER_BASE = 0x70,
	POINTER_RELATIVE = 0x10, /* to where it stands */
	POINTER_INDIRECT = 0x80,
	POINTER_OMITTED = 0xff,
};

struct cie {
	struct slice program;
	uint64_t code_align;
	int64_t data_align;
	uint8_t encoding; /* of addresses of functions */
	bool augmented;	  /* entries say how long their augmentation is */
	bool signal;
};

/* --- reading ---------------------------------------------------------------------------------- */

static uint64_t take_le(struct cursor *c, size_t sz)
{
	struct slice s = cursor_take(c, sz);
	uint64_t number = 0;

	memcpy(&number, s.p, s.n); /* x86-64 */
	return number;
}

static uint64_t take_leb(struct cursor *c, bool with_sign)
{
	uint64_t number = 0;
	unsigned int shift = 0;
	uint8_t byte;

	do {
		byte = (uint8_t)take_le(c, 1);
		if (shift < 64)
			number |= (uint64_t)(byte & 0x7f) << shift;
		shift += 7;
	} while (byte & 0x80 && !c->failed);
	if (with_sign && byte & 0x40 && shift < 64)
		number |= ~0ull << shift;
	return number;
}

static uint64_t take_uleb(struct cursor *c)
{
	return take_leb(c, false);
}

static int64_t take_sleb(struct cursor *c)
{
	return (int64_t)take_leb(c, true);
}

static struct slice take_text(struct cursor *c)
{
	ptrdiff_t n = slice_find(c->rest, 0);
	struct slice text = cursor_take(c, n < 0 ? c->rest.n + 1 : (size_t)n);

	cursor_take(c, 1);
	return text;
}

static int64_t take_number(struct cursor *c, uint8_t format)
{
	switch (format & POINTER_FORMAT) {
	case 0x00: /* an address */
	case 0x04:
	case 0x0c:
		return (int64_t)take_le(c, 8);
	case 0x01:
		return (int64_t)take_uleb(c);
	case 0x02:
		return (int64_t)take_le(c, 2);
	case 0x03:
		return (int64_t)take_le(c, 4);
	case 0x09:
		return take_sleb(c);
	case 0x0a:
		return (int16_t)take_le(c, 2);
	case 0x0b:
		return (int32_t)take_le(c, 4);
	}
	c->failed = true;
	return 0;
}

static uint64_t take_pointer(const struct cfi_section *section, struct cursor *c, uint8_t encoding)
{
	uint64_t here = section->address + (uint64_t)(c->rest.p - section->bytes.p);
	uint64_t number = (uint64_t)take_number(c, encoding);

	if (encoding & POINTER_INDIRECT)
		c->failed = true;
	if ((encoding & POINTER_BASE) == POINTER_RELATIVE)
		return here + number;
	c->failed |= (encoding & POINTER_BASE) != 0;
	return number;
}

/*
 * The entry at an offset: its bytes behind its length, and how many bytes each of its offsets has. The
 * cursor is moved to the next one. False at the end.
 */
static bool take_entry(struct cursor *c, struct cursor *entry, size_t *offset_sz)
{
	uint64_t n = take_le(c, 4);

	*offset_sz = 4;
	if (n == 0xffffffff) {
		n = take_le(c, 8);
		*offset_sz = 8;
	}
	*entry = (struct cursor){.rest = cursor_take(c, n)};
	return !c->failed && n;
}

static struct cursor cursor_at(const struct cfi_section *section, uint64_t at)
{
	return (struct cursor){.rest = slice_after(section->bytes, at)};
}

/* --- CIEs ------------------------------------------------------------------------------------- */

static void read_augmentation(const struct cfi_section *section, struct slice letters,
			      struct cursor *c, struct cie *cie)
{
	struct cursor fields = {.rest = cursor_take(c, take_uleb(c))};

	for (size_t i = 1; i < letters.n && !fields.failed; i++) {
		uint8_t encoding;

		switch (letters.p[i]) {
		case 'R':
			cie->encoding = (uint8_t)take_le(&fields, 1);
			break;
		case 'P':
			encoding = (uint8_t)take_le(&fields, 1);
			take_pointer(section, &fields, encoding & ~POINTER_INDIRECT);
			break;
		case 'L':
			take_le(&fields, 1);
			break;
		case 'S':
			cie->signal = true;
			break;
		default: /* what follows cannot be known */
			return;
		}
	}
	c->failed |= fields.failed;
}

static bool read_cie(const struct cfi_section *section, uint64_t at, struct cie *cie)
{
	struct cursor section_at = cursor_at(section, at), c;
	struct slice letters;
	uint64_t id, version;
	size_t offset_sz;

	*cie = (struct cie){.encoding = 0};
	if (!take_entry(&section_at, &c, &offset_sz) || c.rest.n > CIE_MAX_SZ)
		return false;
	id = take_le(&c, offset_sz);
	if (section->debug ? id != (offset_sz == 4 ? 0xffffffff : ~0ull) : id != 0)
		return false;
	version = take_le(&c, 1);
	letters = take_text(&c);
	if (version == 4 && take_le(&c, 2) != 8) /* size of addresses; no segments */
		return false;
	cie->code_align = take_uleb(&c);
	cie->data_align = take_sleb(&c);
	if ((version == 1 ? take_le(&c, 1) : take_uleb(&c)) != RETURN_ADDRESS)
		return false;
	cie->augmented = letters.n && letters.p[0] == 'z';
	if (cie->augmented)
		read_augmentation(section, letters, &c, cie);
	else if (letters.n)
		return false;
	cie->program = c.rest;
	return !c.failed && (version == 1 || version == 3 || version == 4);
}

/* --- the list of functions -------------------------------------------------------------------- */

/* Reads the beginning of a function's entry; then c is at its instructions. */
static bool read_function(const struct cfi_section *section, size_t at, struct cie *cie,
			  struct cfi_function *function, struct cursor *c)
{
	struct cursor section_at = cursor_at(section, at);
	uint64_t id, id_at, n;
	size_t offset_sz;

	if (!take_entry(&section_at, c, &offset_sz))
		return false;
	id_at = (uint64_t)(c->rest.p - section->bytes.p);
	id = take_le(c, offset_sz);
	if (!section->debug && (id == 0 || id > id_at))
		return false;
	if (!read_cie(section, section->debug ? id : id_at - id, cie))
		return false;
	function->start = take_pointer(section, c, cie->encoding);
	n = (uint64_t)take_number(c, cie->encoding);
	function->limit = function->start + n;
	function->at = at;
	if (cie->augmented)
		cursor_take(c, take_uleb(c));
	return !c->failed && function->start && n && function->limit > function->start;
}

static int append(struct cfi_index *index, const struct cfi_function *function)
{
	size_t cap = index->cap ? index->cap * 2 : 256;
	struct cfi_function *grown;

	if (index->cnt == index->cap) {
		if (index->cnt >= FUNCTIONS_MAX)
			return -ENOMEM;
		grown = reallocarray(index->v, cap, sizeof(*grown));
		if (!grown)
			return -ENOMEM;
		index->v = grown;
		index->cap = cap;
	}
	index->v[index->cnt++] = *function;
	return 0;
}

static int compare(const void *a, const void *b)
{
	const struct cfi_function *x = a, *y = b;

	if (x->start != y->start)
		return x->start < y->start ? -1 : 1;
	if (x->limit != y->limit)
		return x->limit > y->limit ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* Of two at one place the longer one stays; where the next one begins one ends. */
static void sort(struct cfi_index *index)
{
	size_t kept = 0;

	if (index->cnt)
		qsort(index->v, index->cnt, sizeof(*index->v), compare);
	for (size_t i = 0; i < index->cnt; i++) {
		struct cfi_function *last = kept ? &index->v[kept - 1] : NULL;

		if (last && last->start == index->v[i].start)
			continue;
		if (last && last->limit > index->v[i].start)
			last->limit = index->v[i].start;
		index->v[kept++] = index->v[i];
	}
	index->cnt = kept;
}

int cfi_index(const struct cfi_section *section, struct cfi_index *index)
{
	struct cursor c = {.rest = section->bytes}, entry;
	struct cfi_function function;
	size_t at = 0, offset_sz;
	struct cie cie;
	int err = 0;

	*index = (struct cfi_index){0};
	while (!err && take_entry(&c, &entry, &offset_sz)) {
		if (read_function(section, at, &cie, &function, &entry))
			err = append(index, &function);
		at = (size_t)(c.rest.p - section->bytes.p);
	}
	sort(index);
	return err;
}

/* --- expressions ------------------------------------------------------------------------------ */

enum {
	OP_DEREF = 0x06,
	OP_AND = 0x1a,
	OP_PLUS = 0x22,
	OP_PLUS_UCONST = 0x23,
	OP_SHL = 0x24,
	OP_GE = 0x2a,
	OP_LIT0 = 0x30,
	OP_BREG0 = 0x70,
};

/* register + off; false if it is something else. */
static bool take_register(struct cursor *c, uint8_t *reg, int32_t *off)
{
	uint64_t op = take_le(c, 1);
	int64_t n = take_sleb(c);

	if (c->failed || op < OP_BREG0 || op > OP_BREG0 + UNWIND_RIP || n != (int32_t)n)
		return false;
	*reg = (uint8_t)(op - OP_BREG0);
	*off = (int32_t)n;
	return true;
}

/* As linkers write it for .plt: rsp + 8, and 8 more in the last instruction of an entry, behind its push. */
static bool is_plt(struct cursor c, struct unwind_rule *rule)
{
	static const uint8_t end[] = {OP_GE, OP_LIT0 + 3, OP_SHL, OP_PLUS};
	uint64_t literal;
	int32_t off;
	uint8_t reg;

	if (!take_register(&c, &reg, &off) || reg != UNWIND_RIP || off ||
	    take_le(&c, 1) != OP_LIT0 + 15 || take_le(&c, 1) != OP_AND)
		return false;
	literal = take_le(&c, 1) - OP_LIT0;
	if (literal > 15 || c.rest.n != sizeof(end) || memcmp(c.rest.p, end, sizeof(end)) != 0)
		return false;
	rule->cfa = UNWIND_CFA_PLT;
	rule->cfa_post = (int32_t)literal;
	return true;
}

static void set_cfa_expression(struct unwind_rule *rule, struct slice expression)
{
	struct cursor c = {.rest = expression};
	uint64_t post = 0;

	rule->cfa = UNWIND_CFA_UNSUPPORTED;
	if (!take_register(&c, &rule->cfa_reg, &rule->cfa_off) || rule->cfa_reg >= UNWIND_RIP)
		return;
	if (!c.rest.n) {
		rule->cfa = UNWIND_CFA_REGISTER;
		return;
	}
	if (is_plt(c, rule) || take_le(&c, 1) != OP_DEREF)
		return;
	if (c.rest.n && take_le(&c, 1) == OP_PLUS_UCONST)
		post = take_uleb(&c);
	if (c.failed || c.rest.n || post > INT32_MAX)
		return;
	rule->cfa = UNWIND_CFA_DEREF;
	rule->cfa_post = (int32_t)post;
}

static void set_fp_expression(struct unwind_rule *rule, struct slice expression)
{
	struct cursor c = {.rest = expression};
	uint8_t reg;

	rule->fp = UNWIND_FP_LOST;
	if (take_register(&c, &reg, &rule->fp_off) && reg == UNWIND_RBP && !c.rest.n)
		rule->fp = UNWIND_FP_AT_FP;
	else
		rule->fp_off = 0;
}

/* --- instructions ----------------------------------------------------------------------------- */

enum {
	CFA_ADVANCE = 0x40, /* these three have an operand in their lower bits */
	CFA_OFFSET = 0x80,
	CFA_RESTORE = 0xc0,
	CFA_NOP = 0x00,
	CFA_SET_LOC = 0x01,
	CFA_ADVANCE1 = 0x02,
	CFA_ADVANCE2 = 0x03,
	CFA_ADVANCE4 = 0x04,
	CFA_OFFSET_EXTENDED = 0x05,
	CFA_RESTORE_EXTENDED = 0x06,
	CFA_UNDEFINED = 0x07,
	CFA_SAME_VALUE = 0x08,
	CFA_REGISTER = 0x09,
	CFA_REMEMBER = 0x0a,
	CFA_RESTORE_STATE = 0x0b,
	CFA_DEF_CFA = 0x0c,
	CFA_DEF_CFA_REGISTER = 0x0d,
	CFA_DEF_CFA_OFFSET = 0x0e,
	CFA_DEF_CFA_EXPRESSION = 0x0f,
	CFA_EXPRESSION = 0x10,
	CFA_OFFSET_EXTENDED_SF = 0x11,
	CFA_DEF_CFA_SF = 0x12,
	CFA_DEF_CFA_OFFSET_SF = 0x13,
	CFA_VAL_OFFSET = 0x14,
	CFA_VAL_OFFSET_SF = 0x15,
	CFA_VAL_EXPRESSION = 0x16,
	CFA_GNU_ARGS_SIZE = 0x2e,
	CFA_GNU_NEGATIVE_OFFSET = 0x2f,
};

/* What is known of the return address. */
enum ra_rule {
	RA_AT_CFA,
	RA_UNDEFINED,
	RA_IN_REGISTER,
	RA_ELSEWHERE
};

struct state {
	struct unwind_rule rule; /* its cfa is REGISTER, DEREF, PLT or UNSUPPORTED */
	uint8_t ra;		 /* enum ra_rule */
	bool sp_apart;		 /* the caller's stack pointer is not the CFA */
};

/* A run of instructions. */
struct run {
	const struct cfi_section *section;
	const struct cie *cie;
	struct state state, initial;
	struct state saved[SAVED_MAX];
	unsigned int saved_cnt;
	uint64_t address, limit;
	bool (*row)(void *ctx, uint64_t address, const struct unwind_rule *rule);
	void *ctx;
	struct unwind_rule told; /* the last one */
	bool any_told, stopped;
};

/* The rule that a state amounts to. */
static struct unwind_rule rule_of(const struct run *run)
{
	const struct state *s = &run->state;
	struct unwind_rule rule = s->rule;

	if (run->cie->signal)
		return (struct unwind_rule){.cfa = UNWIND_CFA_SIGNAL};
	if (s->ra == RA_UNDEFINED)
		return (struct unwind_rule){.cfa = UNWIND_CFA_ROOT};
	if (s->ra == RA_ELSEWHERE || s->sp_apart || rule.cfa == UNWIND_CFA_UNSUPPORTED)
		return (struct unwind_rule){.cfa = UNWIND_CFA_UNSUPPORTED};
	return rule;
}

/* The state holds up to the address to which it now moves. */
static void tell(struct run *run)
{
	struct unwind_rule rule = rule_of(run);

	if (run->stopped || run->address >= run->limit ||
	    (run->any_told && memcmp(&rule, &run->told, sizeof(rule)) == 0))
		return;
	run->told = rule;
	run->any_told = true;
	run->stopped = !run->row(run->ctx, run->address, &rule);
}

static void advance_to(struct run *run, uint64_t address)
{
	if (address <= run->address)
		return;
	tell(run);
	run->address = address;
}

static void advance(struct run *run, uint64_t delta)
{
	uint64_t by;

	if (__builtin_mul_overflow(delta, run->cie->code_align, &by) ||
	    __builtin_add_overflow(run->address, by, &by))
		by = run->limit;
	advance_to(run, by);
}

/* A number times the alignment of data; what is beyond any frame is no offset. */
static bool offset_of(const struct run *run, int64_t number, int32_t *off)
{
	int64_t product;

	if (__builtin_mul_overflow(number, run->cie->data_align, &product) ||
	    product != (int32_t)product)
		return false;
	*off = (int32_t)product;
	return true;
}

static void set_saved(struct run *run, uint64_t reg, int64_t number)
{
	struct state *s = &run->state;
	int32_t off = 0;
	bool ok = offset_of(run, number, &off);

	if (reg == RETURN_ADDRESS) {
		s->ra = ok && off == -8 ? RA_AT_CFA : RA_ELSEWHERE;
		s->rule.ra = 0;
	} else if (reg == UNWIND_RBP) {
		s->rule.fp = ok ? UNWIND_FP_AT_CFA : UNWIND_FP_LOST;
		s->rule.fp_off = off;
	} else if (reg == UNWIND_RSP) {
		s->sp_apart = true;
	}
}

static void set_rule(struct run *run, uint64_t reg, enum ra_rule ra, enum unwind_fp fp)
{
	struct state *s = &run->state;

	if (reg == RETURN_ADDRESS) {
		s->ra = ra;
		s->rule.ra = 0;
	} else if (reg == UNWIND_RBP) {
		s->rule.fp = fp;
		s->rule.fp_off = 0;
	} else if (reg == UNWIND_RSP) {
		s->sp_apart = fp == UNWIND_FP_LOST;
	}
}

static void restore(struct run *run, uint64_t reg)
{
	struct state *s = &run->state;
	const struct state *initial = &run->initial;

	if (reg == RETURN_ADDRESS) {
		s->ra = initial->ra;
		s->rule.ra = initial->rule.ra;
	} else if (reg == UNWIND_RBP) {
		s->rule.fp = initial->rule.fp;
		s->rule.fp_off = initial->rule.fp_off;
	} else if (reg == UNWIND_RSP) {
		s->sp_apart = initial->sp_apart;
	}
}

static void set_register(struct run *run, uint64_t reg, uint64_t in)
{
	if (reg == RETURN_ADDRESS && in < UNWIND_RIP) {
		run->state.ra = RA_IN_REGISTER;
		run->state.rule.ra = (uint8_t)(1 + in);
	} else {
		set_rule(run, reg, RA_ELSEWHERE, UNWIND_FP_LOST);
	}
}

static void set_cfa_off(struct run *run, int64_t off)
{
	if (off == (int32_t)off && run->state.rule.cfa == UNWIND_CFA_REGISTER)
		run->state.rule.cfa_off = (int32_t)off;
	else
		run->state.rule.cfa = UNWIND_CFA_UNSUPPORTED;
}

static void set_cfa_reg(struct run *run, uint64_t reg)
{
	run->state.rule.cfa = reg < UNWIND_RIP ? UNWIND_CFA_REGISTER : UNWIND_CFA_UNSUPPORTED;
	run->state.rule.cfa_reg = reg & 15;
	run->state.rule.cfa_post = 0;
}

static int64_t scaled(const struct run *run, int64_t number)
{
	int32_t off;

	return offset_of(run, number, &off) ? off : INT64_MAX;
}

static struct slice take_expression(struct cursor *c)
{
	return cursor_take(c, take_uleb(c));
}

static void set_expression(struct run *run, uint64_t reg, struct slice expression)
{
	if (reg == UNWIND_RBP)
		set_fp_expression(&run->state.rule, expression);
	else
		set_rule(run, reg, RA_ELSEWHERE, UNWIND_FP_LOST);
}

static void remember(struct run *run)
{
	if (run->saved_cnt < SAVED_MAX)
		run->saved[run->saved_cnt] = run->state;
	run->saved_cnt++;
}

static void restore_state(struct run *run)
{
	if (run->saved_cnt && --run->saved_cnt < SAVED_MAX)
		run->state = run->saved[run->saved_cnt];
	else
		run->state.rule.cfa = UNWIND_CFA_UNSUPPORTED;
}

/* Those that say where code goes on, and about the CFA. False: it is none of them. */
static bool step_cfa(struct run *run, uint8_t op, struct cursor *c)
{
	switch (op) {
	case CFA_SET_LOC:
		advance_to(run, take_pointer(run->section, c, run->cie->encoding));
		return true;
	case CFA_ADVANCE1:
		advance(run, take_le(c, 1));
		return true;
	case CFA_ADVANCE2:
		advance(run, take_le(c, 2));
		return true;
	case CFA_ADVANCE4:
		advance(run, take_le(c, 4));
		return true;
	case CFA_DEF_CFA:
		set_cfa_reg(run, take_uleb(c));
		set_cfa_off(run, (int64_t)take_uleb(c));
		return true;
	case CFA_DEF_CFA_SF:
		set_cfa_reg(run, take_uleb(c));
		set_cfa_off(run, scaled(run, take_sleb(c)));
		return true;
	case CFA_DEF_CFA_REGISTER:
		set_cfa_reg(run, take_uleb(c));
		return true;
	case CFA_DEF_CFA_OFFSET:
		set_cfa_off(run, (int64_t)take_uleb(c));
		return true;
	case CFA_DEF_CFA_OFFSET_SF:
		set_cfa_off(run, scaled(run, take_sleb(c)));
		return true;
	case CFA_DEF_CFA_EXPRESSION:
		set_cfa_expression(&run->state.rule, take_expression(c));
		return true;
	}
	return false;
}

/* One with an operation in its lower bits. Clears c if it is unknown: then so is what follows. */
static void step(struct run *run, uint8_t op, struct cursor *c)
{
	uint64_t reg;

	if (step_cfa(run, op, c))
		return;
	switch (op) {
	case CFA_NOP:
		return;
	case CFA_REMEMBER:
		remember(run);
		return;
	case CFA_RESTORE_STATE:
		restore_state(run);
		return;
	case CFA_GNU_ARGS_SIZE:
		take_uleb(c);
		return;
	}
	reg = take_uleb(c);
	switch (op) {
	case CFA_OFFSET_EXTENDED:
		set_saved(run, reg, (int64_t)take_uleb(c));
		return;
	case CFA_OFFSET_EXTENDED_SF:
		set_saved(run, reg, take_sleb(c));
		return;
	case CFA_GNU_NEGATIVE_OFFSET:
		set_saved(run, reg, -(int64_t)(take_uleb(c) & INT64_MAX));
		return;
	case CFA_RESTORE_EXTENDED:
		restore(run, reg);
		return;
	case CFA_UNDEFINED:
		set_rule(run, reg, RA_UNDEFINED, UNWIND_FP_LOST);
		return;
	case CFA_SAME_VALUE:
		set_rule(run, reg, RA_ELSEWHERE, UNWIND_FP_SAME);
		return;
	case CFA_REGISTER:
		set_register(run, reg, take_uleb(c));
		return;
	case CFA_EXPRESSION:
		set_expression(run, reg, take_expression(c));
		return;
	case CFA_VAL_EXPRESSION:
		take_expression(c);
		set_rule(run, reg, RA_ELSEWHERE, UNWIND_FP_LOST);
		return;
	case CFA_VAL_OFFSET:
	case CFA_VAL_OFFSET_SF:
		take_uleb(c);
		set_rule(run, reg, RA_ELSEWHERE, UNWIND_FP_LOST);
		return;
	}
	c->failed = true;
}

static void run_program(struct run *run, struct slice program)
{
	struct cursor c = {.rest = program};

	while (c.rest.n && !c.failed && !run->stopped) {
		uint8_t op = (uint8_t)take_le(&c, 1);

		switch (op & 0xc0) {
		case CFA_ADVANCE:
			advance(run, op & 0x3f);
			break;
		case CFA_OFFSET:
			set_saved(run, op & 0x3f, (int64_t)take_uleb(&c));
			break;
		case CFA_RESTORE:
			restore(run, op & 0x3f);
			break;
		default:
			step(run, op, &c);
		}
	}
	if (c.failed)
		run->state.rule.cfa = UNWIND_CFA_UNSUPPORTED;
}

void cfi_rows(const struct cfi_section *section, const struct cfi_function *function,
	      bool (*row)(void *ctx, uint64_t address, const struct unwind_rule *rule), void *ctx)
{
	struct run run = {
		.section = section,
		.state = {.rule = {.cfa = UNWIND_CFA_UNSUPPORTED}, .ra = RA_ELSEWHERE},
		.row = row,
		.ctx = ctx,
	};
	struct cfi_function same;
	struct cursor c;
	struct cie cie;

	run.cie = &cie;
	if (!read_function(section, function->at, &cie, &same, &c))
		return;
	run_program(&run, cie.program); /* its limit is 0: it tells nothing */
	run.initial = run.state;
	run.saved_cnt = 0;
	run.address = function->start;
	run.limit = function->limit;
	run_program(&run, c.rest);
	tell(&run);
}
