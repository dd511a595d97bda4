/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/* text.c - prints findings for people, in the words of the kernel's lockdep */

#include "config.h"

#include <string.h>

#include "launcher.h"

static void rc_print_place(FILE *to, const struct rc_frame *frame,
		const struct rc_place *place)
{
	const char *object = place->object ? rc_base_name(place->object) : NULL;

	if (place->symbol)
		fprintf(to, "%s+%#llx", place->symbol,
				(unsigned long long) place->into);
	else if (object)
		fprintf(to, "%s+%#llx", object,
				(unsigned long long) frame->offset);
	else
		fprintf(to, "%#llx", (unsigned long long) frame->address);
	if (place->source)
		fprintf(to, " (%s)", place->source);
	else if (place->symbol && object)
		fprintf(to, " [%s]", object);
}

static void rc_print_stack(FILE *to, const struct rc_frame *frames,
		const struct rc_place *places, unsigned int nr)
{
	unsigned int i, printed = 0;

	for (i = 0; i < nr; i++) {
		if (frames[i].flags & RC_FRAME_HIDDEN)
			continue;
		fprintf(to, "    #%-2u ", printed++);
		if (frames[i].flags & RC_FRAME_SIGNAL)
			fprintf(to, "<signal handler called>");
		else
			rc_print_place(to, &frames[i], &places[i]);
		fputc('\n', to);
	}
}

/* "symbol" or "symbol+0x8" of a lock or a handler, in parentheses. */
static void rc_print_what(FILE *to, const struct rc_place *place)
{
	if (!place->symbol)
		return;
	fprintf(to, " (%s", place->symbol);
	if (place->into)
		fprintf(to, "+%#llx", (unsigned long long) place->into);
	fputc(')', to);
}

static const char *rc_verb(uint32_t kind)
{
	switch (kind) {
	case RC_SPINLOCK:
		return "taken";
	case RC_SIGNAL:
		return "installed";
	default:
		return "entered";
	}
}

/* "while holding spinlock 0x... (name) taken at place" */
static void rc_print_context(FILE *to, const struct rc_report *report,
		unsigned int i)
{
	const struct rc_context_report *context =
		&report->finding->contexts[i];

	switch (context->kind) {
	case RC_SPINLOCK:
		fprintf(to, "while holding spinlock %#llx",
				(unsigned long long) context->what.address);
		rc_print_what(to, &report->what[i]);
		break;
	case RC_SIGNAL:
		fprintf(to, "in a handler of %s",
				rc_signal_name(context->signo));
		rc_print_what(to, &report->what[i]);
		break;
	default:
		fprintf(to, "inside a raw section");
		break;
	}
	if (context->nr == 0)
		return;
	fprintf(to, " %s at ", rc_verb(context->kind));
	rc_print_place(to, &context->trace[0], &report->trace[i][0]);
}

void rc_text_report(FILE *to, const struct rc_report *report)
{
	const struct rc_finding *finding = report->finding;
	unsigned int i;

	fprintf(to, "BUG: %s: %s() ", finding->recursion ?
			"spinlock recursion" : "invalid wait context",
			rc_call_name(finding->call));
	if (finding->nr_contexts)
		rc_print_context(to, report, 0);
	fprintf(to, "\n  finding %lu, in thread %d (%s) of process %d\n",
			report->number, finding->tid, finding->comm,
			finding->pid);
	fprintf(to, "  %s() was called here:\n", rc_call_name(finding->call));
	rc_print_stack(to, finding->frames, report->stack, finding->nr_frames);
	for (i = 0; i < finding->nr_contexts; i++) {
		fprintf(to, "  %s", i ? "and " : "");
		rc_print_context(to, report, i);
		fprintf(to, ":\n");
		rc_print_stack(to, finding->contexts[i].trace, report->trace[i],
				finding->contexts[i].nr);
	}
	if (finding->more_contexts)
		fprintf(to, "  and %u more\n", finding->more_contexts);
	fputc('\n', to);
}

void rc_text_summary(FILE *to, const struct rc_totals *totals)
{
	unsigned long i;

	fprintf(to, "urcu-rawcheck: %llu finding%s, %llu with different stacks",
			(unsigned long long) totals->findings,
			totals->findings == 1 ? "" : "s",
			(unsigned long long) totals->distinct);
	if (totals->suppressed)
		fprintf(to, ", and %llu suppressed",
				(unsigned long long) totals->suppressed);
	if (totals->lost)
		fprintf(to, ", %llu beyond what fits",
				(unsigned long long) totals->lost);
	fputc('\n', to);
	for (i = 0; i < totals->nr_counts; i++)
		if (totals->counts[i] > 1)
			fprintf(to, "urcu-rawcheck: finding %lu happened %llu "
					"times\n", i + 1,
					(unsigned long long) totals->counts[i]);
}

void rc_text_unchecked(FILE *to, const struct rc_totals *totals)
{
	unsigned long i;

	fprintf(to, "urcu-rawcheck: %lu%s program%s not checked, the library was "
			"not loaded\n", totals->unchecked_times,
			totals->unchecked_more ? " or more" : "",
			totals->unchecked_times == 1 ? " was" : "s were");
	for (i = 0; i < totals->nr_unchecked; i++) {
		const struct rc_unchecked *unchecked = &totals->unchecked[i];

		fprintf(to, "urcu-rawcheck: not checked: %s",
				unchecked->program[0] ? unchecked->program : "?");
		if (unchecked->times > 1)
			fprintf(to, " (%lu times)", unchecked->times);
		fputc('\n', to);
	}
}

void rc_text_own_malloc(FILE *to, const struct rc_totals *totals)
{
	unsigned long i;

	for (i = 0; i < totals->nr_own_malloc; i++)
		fprintf(to, "urcu-rawcheck: malloc() and its kin not checked: "
				"%s has its own\n", totals->own_malloc[i]);
}
