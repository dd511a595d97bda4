/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/* notes.c - which programs were not checked, see wrap_exec.c */

#include "config.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "launcher.h"

static uint64_t rc_note_of(const struct rc_note *note)
{
	/* Acquire: pairs with the library's rc_change(), after the program's name. */
	return __atomic_load_n(&note->key, __ATOMIC_ACQUIRE);
}

bool rc_notes_settled(struct rc_shared *shared)
{
	size_t i;

	for (i = 0; i < RC_MAX_NOTES; i++) {
		uint64_t key = rc_note_of(&shared->notes[i]);
		pid_t pid = (pid_t) rc_key_id(key);

		if (rc_key_state(key) == RC_NOTE_SHELL)
			return false;
		if (rc_key_state(key) == RC_NOTE_PROGRAM &&
				(kill(pid, 0) == 0 || errno == EPERM))
			return false;
	}
	return true;
}

static void rc_count_note(struct rc_totals *totals, const char *program)
{
	unsigned long i;

	for (i = 0; i < totals->nr_unchecked; i++)
		if (strcmp(totals->unchecked[i].program, program) == 0)
			break;
	if (i == totals->nr_unchecked)
		totals->unchecked[totals->nr_unchecked++].program = program;
	totals->unchecked[i].times++;
	totals->unchecked_times++;
}

static void rc_add_own_malloc(struct rc_totals *totals, const char *program)
{
	unsigned long i;

	for (i = 0; i < totals->nr_own_malloc; i++)
		if (strcmp(totals->own_malloc[i], program) == 0)
			return;
	totals->own_malloc[totals->nr_own_malloc++] = program;
}

void rc_count_notes(struct rc_shared *shared, struct rc_totals *totals)
{
	size_t i;

	totals->unchecked_more = __atomic_load_n(&shared->notes_full,
			__ATOMIC_RELAXED);
	for (i = 0; i < RC_MAX_NOTES; i++) {
		struct rc_note *note = &shared->notes[i];
		enum rc_note_state state = rc_key_state(rc_note_of(note));

		/* Another process wrote it. */
		note->program[sizeof(note->program) - 1] = '\0';
		if (state == RC_NOTE_PROGRAM || state == RC_NOTE_SHELL)
			rc_count_note(totals, note->program);
		else if (state == RC_NOTE_OWN_MALLOC)
			rc_add_own_malloc(totals, note->program);
	}
}
