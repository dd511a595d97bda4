/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef RAWCHECK_SHARED_H
#define RAWCHECK_SHARED_H

/*
 * shared.h - what the launcher and the preloaded library say to each other
 *
 * The launcher makes a memory file and stays alive; each process under it maps
 * that file. A finding is written there by plain stores, in whatever context it
 * happened, and one futex wake tells the launcher. All that needs memory,
 * locks or files (symbols, suppressions, text) is done by the launcher. A finding
 * therefore outlives its process, however that ends.
 */

#include <stdint.h>

#include "calls.h"

#define RC_ENV_SHARED	"URCU_RAWCHECK_SHARED"	/* path of the memory file */
#define RC_ENV_LIBRARY	"URCU_RAWCHECK_LIBRARY"	/* path of the library */

#define RC_MAGIC	0x7263686b30303032ULL	/* changes with the layout */

#define RC_MAX_FINDINGS	1024	/* with different stacks, per run */
#define RC_MAX_FRAMES	32	/* of the stack of a call */
#define RC_MAX_TRACE	12	/* of the stack where a context began */
#define RC_DEFAULT_TRACE 8	/* of it without --trace-frames */
#define RC_MAX_REPORTED	6	/* contexts in one report, innermost first */
#define RC_MAX_OBJECTS	32	/* object files in one report */
#define RC_STRINGS	6144	/* bytes for their paths */
#define RC_MAX_NOTES	1024	/* programs not checked, or about to run */

enum rc_kind {
	RC_SPINLOCK = 1,
	RC_SIGNAL,
	RC_SECTION,
};

enum rc_frame_flags {
	RC_FRAME_RETURN = 0,	/* address is the one after a call */
	RC_FRAME_EXACT = 1,	/* address is the instruction itself */
	RC_FRAME_SIGNAL = 2,	/* the kernel called a handler here */
	RC_FRAME_HIDDEN = 4,	/* this tool's or the kernel's glue */
};

struct rc_frame {
	uint64_t address;
	uint64_t offset;	/* in its object, as the object's symbols have it */
	uint16_t object;	/* index in objects[], or RC_MAX_OBJECTS */
	uint16_t flags;
	uint32_t padding;
};

struct rc_context_report {
	uint32_t kind;		/* enum rc_kind */
	int32_t signo;		/* RC_SIGNAL */
	struct rc_frame what;	/* address of the lock or of the handler */
	uint32_t nr;
	struct rc_frame trace[RC_MAX_TRACE];
};

enum rc_state {
	RC_EMPTY = 0,
	RC_WRITING,		/* its process fills it in */
	RC_READY,		/* released by the process, read by the launcher */
};

enum rc_verdict {
	RC_UNDECIDED = 0,
	RC_REPORTED,
	RC_SUPPRESSED,
};

/*
 * One finding. Written by one process until state is RC_READY; count and verdict
 * are atomic.
 */
struct rc_finding {
	uint32_t state;
	uint32_t verdict;	/* set by the launcher, futex */
	uint64_t count;		/* how often it happened */
	uint32_t call;		/* enum rc_call */
	int32_t pid;
	int32_t tid;
	uint32_t recursion;	/* the call would wait for its own lock */
	char comm[16];
	uint32_t nr_frames;
	uint32_t nr_contexts;	/* in contexts[] */
	uint32_t more_contexts;	/* beyond those */
	uint32_t nr_objects;
	struct rc_frame frames[RC_MAX_FRAMES];
	struct rc_context_report contexts[RC_MAX_REPORTED];
	uint16_t objects[RC_MAX_OBJECTS];	/* offsets in strings */
	uint32_t strings_used;
	char strings[RC_STRINGS];
};

enum rc_note_state {
	RC_NOTE_NONE = 0,
	RC_NOTE_WRITING,	/* its process fills it in */
	RC_NOTE_PROGRAM,	/* id: the process that executes it */
	RC_NOTE_SPAWNING,	/* id: the process in posix_spawn() */
	RC_NOTE_ATTACHED,	/* id: a child that is checked, of a process there */
	RC_NOTE_SHELL,		/* id: process group of system() or popen() */
	RC_NOTE_OWN_MALLOC,	/* id 0: a program with a malloc() of its own, stays */
};

/*
 * A program that a checked process executes, until the library attaches in it; or one
 * of which a part cannot be checked. The key is atomic: state, serial number and id.
 * Who set it to RC_NOTE_WRITING may write program.
 */
struct rc_note {
	uint64_t key;
	char program[120];
};

/* The serial number tells a note from a later one in the same place. */
static inline uint64_t rc_note_key(enum rc_note_state state, uint32_t serial,
		int32_t id)
{
	return (uint64_t) state << 56 | (uint64_t) (serial & 0xffffff) << 32 |
		(uint32_t) id;
}

static inline enum rc_note_state rc_key_state(uint64_t key)
{
	return (enum rc_note_state) (key >> 56);
}

static inline uint32_t rc_key_serial(uint64_t key)
{
	return (uint32_t) (key >> 32) & 0xffffff;
}

static inline uint32_t rc_key_id(uint64_t key)
{
	return (uint32_t) key;
}

struct rc_shared {
	/* Read-only once the program runs. */
	uint64_t magic;
	int32_t launcher;	/* its process id */
	uint32_t abort;		/* stop at the first finding */
	uint32_t trace_frames;	/* of the stack to keep for each lock taken */
	/* Atomic. */
	uint32_t attached;	/* processes that loaded the library */
	uint32_t refused;	/* a process had a sanitizer in it */
	uint32_t bell;		/* futex: bumped after each finding */
	uint32_t next;		/* findings[] in use; may pass its size */
	uint64_t lost;		/* findings for which there was no room */
	uint32_t notes_made;	/* the last serial number */
	uint32_t notes_full;	/* there was no room for a note */
	struct rc_note notes[RC_MAX_NOTES];
	struct rc_finding findings[RC_MAX_FINDINGS];
};

#endif /* RAWCHECK_SHARED_H */
