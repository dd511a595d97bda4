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

#include <execinfo.h>
#include <string.h>

#include "preload.h"
#include "urcu/rawcheck.h"

/* Frames of this library that may stand below a wrapper's caller. */
#define RC_OWN_FRAMES	4

__thread struct rc_thread rc_self __attribute__((tls_model("initial-exec")));

/* Orders against signal handlers on the same thread, which is all there is. */
static void rc_signal_fence(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

unsigned int rc_backtrace(void **frames, unsigned int max, void *caller)
{
	void *raw[RC_MAX_FRAMES + RC_OWN_FRAMES];
	int nr, skip;

	rc_self.busy++;
	nr = backtrace(raw, (int) max + RC_OWN_FRAMES);
	rc_self.busy--;
	for (skip = 0; skip < nr; skip++)
		if (raw[skip] == caller)
			break;
	if (skip == nr) {
		/* Could not be unwound; the caller itself is known anyway. */
		frames[0] = caller;
		return 1;
	}
	nr -= skip;
	if (nr > (int) max)
		nr = (int) max;
	memcpy(frames, raw + skip, (size_t) nr * sizeof(frames[0]));
	return (unsigned int) nr;
}

void rc_trace_here(struct rc_trace *trace, void *caller)
{
	const struct rc_shared *shared = rc_shared;
	unsigned int max = shared ? shared->trace_frames : 1;

	if (max <= 1) {
		trace->frames[0] = caller;
		trace->nr = 1;
		return;
	}
	if (max > RC_MAX_TRACE)
		max = RC_MAX_TRACE;
	trace->nr = rc_backtrace(trace->frames, max, caller);
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
	self->contexts[nr].trace.nr = 0;
	rc_signal_fence();
	self->nr = nr + 1;
	rc_signal_fence();
	self->contexts[nr] = *context;
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
		*found = found[1];
	rc_signal_fence();
	self->nr--;
	return true;
}

RC_EXPORT void urcu_rawcheck_enter_hook(void)
{
	struct rc_context context = { .kind = RC_SECTION };

	rc_attach();
	rc_trace_here(&context.trace, __builtin_return_address(0));
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
