/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * record.c - writes a finding into the shared memory
 *
 * Runs in raw context, so it stores addresses and the names of the objects they
 * lie in, no more: symbols are looked up by the launcher. The object is found
 * by _dl_find_object(), which glibc documents as async-signal-safe. dladdr()
 * would take the dynamic linker's lock, which another thread may hold while
 * it waits for the very spinlock that this one holds.
 *
 * A finding with the same stacks as an earlier one of this process only counts.
 */

#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unwind.h>

#include "preload.h"

#define RC_SEEN_SIZE	4096	/* a power of two, well over RC_MAX_FINDINGS */

/*
 * The findings of this process by the hash of their stacks. hash is claimed by
 * compare-and-exchange; finding follows, release, acquired by readers. A fork
 * child goes on with its parent's entries: the addresses are the same.
 */
static struct {
	uint64_t hash;
	struct rc_finding *finding;
} rc_seen[RC_SEEN_SIZE];

static uint64_t rc_mix(uint64_t hash, uint64_t value)
{
	hash = (hash ^ value) * 0x9e3779b97f4a7c15ULL;
	return hash ^ (hash >> 29);
}

static uint64_t rc_hash(enum rc_call call, const struct rc_stack *stack)
{
	const struct rc_thread *self = &rc_self;
	uint64_t hash = rc_mix(1, call);
	unsigned int i, j;

	for (i = 0; i < stack->nr; i++)
		hash = rc_mix(hash, (uintptr_t) stack->frames[i]);
	for (i = 0; i < self->nr; i++) {
		const struct rc_context *context = &self->contexts[i];

		hash = rc_mix(hash, context->kind);
		hash = rc_mix(hash, (uint64_t) context->signo);
		hash = rc_mix(hash, (uintptr_t) context->caller);
		for (j = 0; j < context->trace.nr; j++)
			hash = rc_mix(hash, (uintptr_t) context->trace.frames[j]);
	}
	return hash ? hash : 1;
}

/* A place in the shared memory for a new finding, or NULL. */
static struct rc_finding *rc_new_finding(struct rc_shared *shared)
{
	uint32_t index;

	/* Not raised without end: it would wrap around in a long run. */
	if (__atomic_load_n(&shared->next, __ATOMIC_RELAXED) >= RC_MAX_FINDINGS)
		return NULL;
	index = __atomic_fetch_add(&shared->next, 1, __ATOMIC_RELAXED);
	return index < RC_MAX_FINDINGS ? &shared->findings[index] : NULL;
}

/*
 * Where the finding for @hash stands, or will stand: NULL in it until then. Two
 * threads that meet here may both write theirs, which the launcher merges.
 * Returns NULL when the table is full.
 */
static struct rc_finding **rc_lookup(uint64_t hash)
{
	size_t i, at;

	for (i = 0; i < RC_SEEN_SIZE; i++) {
		uint64_t old = 0;

		at = (hash + i) % RC_SEEN_SIZE;
		if (__atomic_load_n(&rc_seen[at].hash, __ATOMIC_RELAXED) == hash)
			return &rc_seen[at].finding;
		if (__atomic_compare_exchange_n(&rc_seen[at].hash, &old, hash,
				false, __ATOMIC_RELAXED, __ATOMIC_RELAXED) ||
				old == hash)
			return &rc_seen[at].finding;
	}
	return NULL;
}

/* The object that @address lies in, NULL where that is unknown. */
static const struct link_map *rc_object(uintptr_t address)
{
#if __GLIBC_PREREQ(2, 35)
	struct dl_find_object found;

	if (_dl_find_object((void *) address, &found) == 0)
		return found.dlfo_link_map;
	return NULL;
#else
	struct link_map *map;
	Dl_info info;

	if (!dladdr1((void *) address, &info, (void **) &map, RTLD_DL_LINKMAP))
		return NULL;
	return map;
#endif
}

static uint16_t rc_object_index(struct rc_finding *finding,
		const struct link_map *map)
{
	const char *name = map->l_name;
	size_t length;
	uint32_t i;

	if (!name || !name[0])
		name = rc_program;
	for (i = 0; i < finding->nr_objects; i++)
		if (strcmp(finding->strings + finding->objects[i], name) == 0)
			return (uint16_t) i;
	length = strlen(name) + 1;
	if (i == RC_MAX_OBJECTS || finding->strings_used + length > RC_STRINGS)
		return RC_MAX_OBJECTS;
	memcpy(finding->strings + finding->strings_used, name, length);
	finding->objects[i] = (uint16_t) finding->strings_used;
	finding->strings_used += (uint32_t) length;
	finding->nr_objects = i + 1;
	return (uint16_t) i;
}

static const struct link_map *rc_write_frame(struct rc_finding *finding,
		struct rc_frame *frame, uintptr_t address, uint16_t flags)
{
	const struct link_map *map;

	frame->address = address;
	frame->flags = flags;
	/* A call may be the last instruction of its function, or object. */
	map = rc_object(flags & RC_FRAME_EXACT ? address : address - 1);
	if (!map) {
		frame->object = RC_MAX_OBJECTS;
		frame->offset = address;
		return NULL;
	}
	frame->object = rc_object_index(finding, map);
	frame->offset = address - map->l_addr;
	return map;
}

/*
 * Above this library's trampoline stands the kernel's return code, and above
 * that the instruction that the signal interrupted.
 */
static uint32_t rc_write_stack(struct rc_finding *finding,
		struct rc_frame *to, void *const *frames, unsigned int nr)
{
	const struct link_map *own = rc_object((uintptr_t) &rc_write_stack);
	unsigned int i, since_signal = UINT_MAX;

	for (i = 0; i < nr; i++) {
		const char *address = frames[i];
		uint16_t flags = RC_FRAME_RETURN;
		const struct link_map *map;

		if (since_signal != UINT_MAX)
			since_signal++;
		if (since_signal == 1)
			flags = RC_FRAME_HIDDEN | RC_FRAME_EXACT;
		else if (since_signal == 2)
			flags = RC_FRAME_EXACT;
		map = rc_write_frame(finding, &to[i], (uintptr_t) address, flags);
		if (address > __start_rc_deliver &&
				address <= __stop_rc_deliver) {
			to[i].flags = RC_FRAME_SIGNAL;
			since_signal = 0;
		} else if (map && map == own) {
			to[i].flags |= RC_FRAME_HIDDEN;
		}
	}
	return nr;
}

/* Where the function begins that @address lies in; NULL if nobody says. */
static void *rc_function_of(void *address)
{
#ifdef __ARM_EABI_UNWINDER__
	(void) address;
	return NULL;
#else
	return _Unwind_FindEnclosingFunction(address);
#endif
}

/*
 * Where a context without a trace began: at its caller, and above that the frames
 * of @stack, if the function that the caller lies in still runs. Its frame is
 * then the one that had the stack pointer of that time inside it.
 */
static void rc_complete(struct rc_trace *trace,
		const struct rc_context *context, const struct rc_stack *stack)
{
	void *function = rc_function_of(context->caller);
	unsigned int i;

	trace->frames[0] = context->caller;
	trace->nr = 1;
	for (i = 0; i + 1 < stack->nr; i++)
		if (stack->sp[i] <= context->sp &&
				context->sp < stack->sp[i + 1])
			break;
	if (i + 1 >= stack->nr || !function ||
			function != rc_function_of(stack->frames[i]))
		return;
	while (++i < stack->nr && trace->nr < RC_DEFAULT_TRACE)
		trace->frames[trace->nr++] = stack->frames[i];
}

static void rc_write_contexts(struct rc_finding *finding,
		const struct rc_stack *stack)
{
	struct rc_trace completed;
	const struct rc_thread *self = &rc_self;
	unsigned int nr = self->nr, i;

	if (nr > RC_MAX_REPORTED)
		nr = RC_MAX_REPORTED;
	for (i = 0; i < nr; i++) {
		const struct rc_context *from = &self->contexts[self->nr - 1 - i];
		struct rc_context_report *to = &finding->contexts[i];
		const struct rc_trace *trace = &from->trace;

		if (trace->nr == 0 && from->caller) {
			rc_complete(&completed, from, stack);
			trace = &completed;
		}
		to->kind = from->kind;
		to->signo = from->signo;
		rc_write_frame(finding, &to->what, (uintptr_t) from->what,
				RC_FRAME_EXACT);
		to->nr = rc_write_stack(finding, to->trace, trace->frames,
				trace->nr);
	}
	finding->nr_contexts = nr;
	finding->more_contexts = self->nr - nr + self->more;
}

static void rc_write(struct rc_finding *finding, enum rc_call call,
		const struct rc_stack *stack, bool recursion)
{
	finding->call = call;
	finding->recursion = recursion;
	finding->pid = (int32_t) syscall(SYS_getpid);
	finding->tid = (int32_t) syscall(SYS_gettid);
	__atomic_store_n(&finding->count, 1, __ATOMIC_RELAXED);
	/* Release: should the process die here, what is above is there. */
	__atomic_store_n(&finding->state, RC_WRITING, __ATOMIC_RELEASE);
	prctl(PR_GET_NAME, finding->comm);
	finding->nr_frames = rc_write_stack(finding, finding->frames,
			stack->frames, stack->nr);
	rc_write_contexts(finding, stack);
	/* Pairs with the launcher's acquire in report_new(). */
	__atomic_store_n(&finding->state, RC_READY, __ATOMIC_RELEASE);
}

static void rc_ring(struct rc_shared *shared)
{
	__atomic_add_fetch(&shared->bell, 1, __ATOMIC_RELEASE);
	RC_REAL(syscall)(SYS_futex, &shared->bell, FUTEX_WAKE, INT_MAX, NULL,
			NULL, 0);
}

/* --abort: a finding ends the program unless the launcher suppresses it. */
static void rc_await_verdict(struct rc_shared *shared,
		struct rc_finding *finding)
{
	const struct timespec second = { .tv_sec = 1 };

	while (__atomic_load_n(&finding->verdict, __ATOMIC_ACQUIRE) ==
			RC_UNDECIDED) {
		if (kill(shared->launcher, 0) < 0 && errno == ESRCH)
			break;
		RC_REAL(syscall)(SYS_futex, &finding->verdict, FUTEX_WAIT,
				RC_UNDECIDED, &second, NULL, 0);
	}
	if (__atomic_load_n(&finding->verdict, __ATOMIC_RELAXED) !=
			RC_SUPPRESSED)
		abort();
}

static void rc_report_to(struct rc_shared *shared, enum rc_call call,
		void *caller, bool recursion)
{
	struct rc_finding *finding = NULL, **entry;
	struct rc_stack stack;

	rc_backtrace(&stack, RC_MAX_FRAMES, caller);
	entry = rc_lookup(rc_hash(call, &stack));
	if (entry)
		finding = __atomic_load_n(entry, __ATOMIC_ACQUIRE);
	if (finding) {
		__atomic_add_fetch(&finding->count, 1, __ATOMIC_RELAXED);
	} else {
		finding = rc_new_finding(shared);
		if (!finding) {
			__atomic_add_fetch(&shared->lost, 1, __ATOMIC_RELAXED);
			return;
		}
		rc_write(finding, call, &stack, recursion);
		/* Pairs with the acquire above. */
		if (entry)
			__atomic_store_n(entry, finding, __ATOMIC_RELEASE);
		rc_ring(shared);
	}
	if (shared->abort)
		rc_await_verdict(shared, finding);
}

void rc_report(enum rc_call call, void *caller, bool recursion)
{
	/* Acquire: pairs with the release in rc_attach(). */
	struct rc_shared *shared = __atomic_load_n(&rc_shared, __ATOMIC_ACQUIRE);
	int saved_errno = errno;

	if (!shared)
		return;
	rc_self.busy++;
	rc_report_to(shared, call, caller, recursion);
	rc_self.busy--;
	errno = saved_errno;
}
