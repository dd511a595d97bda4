/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * context.c - per thread: which raw contexts it is in
 *
 * A short array in TLS, the newest context last. Spinlocks are released in any
 * order, so a context is taken out wherever it stands. A signal handler may
 * interrupt these functions at any instruction. It finds a valid array, pushes
 * above nr and takes away again what it pushed. Therefore nr is raised before an
 * entry is filled in: an entry written above nr could be overwritten by a
 * handler's.
 */

#include "config.h"

#include <string.h>
#include <unwind.h>

#include "preload.h"
#include "urcu/rawcheck.h"

__thread struct rc_thread rc_self __attribute__((tls_model("initial-exec")));

/* Orders against signal handlers on the same thread, which is all there is. */
static void rc_signal_fence(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* An unwinding under way. */
struct rc_unwinding {
	struct rc_stack *stack;
	unsigned int max;
	void *caller;		/* frames below it are this library's own */
};

static _Unwind_Reason_Code rc_unwind_one(struct _Unwind_Context *frame,
		void *arg)
{
	struct rc_unwinding *unwinding = arg;
	struct rc_stack *stack = unwinding->stack;
	unsigned int nr = stack->nr;
	void *address = (void *) _Unwind_GetIP(frame);
	uintptr_t sp = _Unwind_GetCFA(frame);

	if (nr == 0 && address != unwinding->caller)
		return _URC_NO_REASON;
	/* The outermost frame may be zero, or repeat itself for ever. */
	if (!address || (nr > 0 && stack->frames[nr - 1] == address &&
			stack->sp[nr - 1] == sp))
		return _URC_END_OF_STACK;
	stack->frames[nr] = address;
	stack->sp[nr] = sp;
	stack->nr = nr + 1;
	return stack->nr < unwinding->max ? _URC_NO_REASON : _URC_END_OF_STACK;
}

void rc_backtrace(struct rc_stack *stack, unsigned int max, void *caller)
{
	struct rc_unwinding unwinding = {
		.stack = stack, .max = max, .caller = caller,
	};

	stack->nr = 0;
	rc_self.busy++;
	_Unwind_Backtrace(rc_unwind_one, &unwinding);
	rc_self.busy--;
	if (stack->nr == 0) {
		/* Could not be unwound; the caller itself is known anyway. */
		stack->frames[0] = caller;
		stack->sp[0] = 0;
		stack->nr = 1;
	}
}

void rc_trace_here(struct rc_trace *trace, unsigned int max, void *caller)
{
	struct rc_stack stack;

	rc_backtrace(&stack, max, caller);
	trace->nr = stack.nr;
	memcpy(trace->frames, stack.frames, stack.nr * sizeof(stack.frames[0]));
}

void rc_begin_at(struct rc_context *context, void *caller, const void *sp)
{
	unsigned int frames = rc_shared ? rc_shared->trace_frames : 0;

	context->signo = 0;
	context->caller = caller;
	context->sp = (uintptr_t) sp;
	context->trace.nr = frames == 1;
	context->trace.frames[0] = caller;
	if (rc_unlikely(frames > 1))
		rc_trace_here(&context->trace, frames < RC_MAX_TRACE ?
				frames : RC_MAX_TRACE, caller);
}

static void rc_copy(struct rc_context *to, const struct rc_context *from)
{
	memcpy(to, from, offsetof(struct rc_context, trace.frames) +
			from->trace.nr * sizeof(from->trace.frames[0]));
}

void rc_push(const struct rc_context *context)
{
	struct rc_thread *self = &rc_self;
	unsigned int nr = self->nr;

	if (nr == RC_MAX_CONTEXTS) {
		self->more++;
		return;
	}
	/* For a handler that reports this one before the copy below is done. */
	self->contexts[nr].kind = context->kind;
	self->contexts[nr].caller = NULL;
	self->contexts[nr].trace.nr = 0;
	rc_signal_fence();
	self->nr = nr + 1;
	rc_signal_fence();
	rc_copy(&self->contexts[nr], context);
}

static struct rc_context *rc_newest(enum rc_kind kind,
		const volatile void *what)
{
	struct rc_thread *self = &rc_self;
	unsigned int i;

	for (i = self->nr; i > 0; i--)
		if (self->contexts[i - 1].kind == kind &&
				self->contexts[i - 1].what == what)
			return &self->contexts[i - 1];
	return NULL;
}

const struct rc_context *rc_find(enum rc_kind kind, const volatile void *what)
{
	return rc_newest(kind, what);
}

bool rc_pop(enum rc_kind kind, const volatile void *what)
{
	struct rc_thread *self = &rc_self;
	struct rc_context *found = rc_newest(kind, what), *last;

	if (!found) {
		if (!self->more)
			return false;
		self->more--;
		return true;
	}
	last = &self->contexts[self->nr - 1];
	for (; found < last; found++)
		rc_copy(found, found + 1);
	rc_signal_fence();
	self->nr--;
	return true;
}

void rc_forget_locks(const void *from, size_t size)
{
	struct rc_thread *self = &rc_self;
	unsigned int i;

	for (i = self->nr; i > 0; i--)
		if (self->contexts[i - 1].kind == RC_SPINLOCK &&
				(uintptr_t) self->contexts[i - 1].what -
				(uintptr_t) from < size)
			rc_pop(RC_SPINLOCK, self->contexts[i - 1].what);
}

RC_EXPORT void urcu_rawcheck_enter_hook(void)
{
	struct rc_context context;

	rc_attach();
	context.kind = RC_SECTION;
	context.what = NULL;
	rc_begin_at(&context, __builtin_return_address(0),
			__builtin_dwarf_cfa());
	rc_push(&context);
}

RC_EXPORT void urcu_rawcheck_leave_hook(void)
{
	rc_pop(RC_SECTION, NULL);
}

RC_EXPORT void urcu_rawcheck_disown_hook(const volatile void *lock)
{
	rc_pop(RC_SPINLOCK, lock);
}
