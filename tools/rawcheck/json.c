/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/* json.c - prints findings for programs: one JSON object per line */

#include "config.h"

#include "launcher.h"

/*
 * Length of the UTF-8 character at @text, 0 where there is none: a stray byte, one that
 * was cut off, a longer form than is needed, a surrogate, or beyond U+10FFFF. The
 * second byte's range depends on the first.
 */
static size_t rc_utf8_length(const char *text)
{
	const unsigned char *c = (const unsigned char *) text;
	unsigned char low = 0x80, high = 0xbf;
	size_t length, i;

	if (c[0] < 0x80)
		return 1;
	if (c[0] < 0xc2 || c[0] > 0xf4)
		return 0;
	length = c[0] < 0xe0 ? 2 : c[0] < 0xf0 ? 3 : 4;
	if (c[0] == 0xe0)
		low = 0xa0;
	else if (c[0] == 0xed)
		high = 0x9f;
	else if (c[0] == 0xf0)
		low = 0x90;
	else if (c[0] == 0xf4)
		high = 0x8f;
	if (c[1] < low || c[1] > high)
		return 0;
	for (i = 2; i < length; i++)
		if (c[i] < 0x80 || c[i] > 0xbf)
			return 0;
	return length;
}

/* Names are bytes; those that are not UTF-8 become U+FFFD each. */
static void rc_json_string(FILE *to, const char *text)
{
	size_t length;

	fputc('"', to);
	for (; *text; text += length ? length : 1) {
		unsigned char c = (unsigned char) *text;

		length = rc_utf8_length(text);
		if (length == 0)
			fprintf(to, "\\ufffd");
		else if (c == '"' || c == '\\')
			fprintf(to, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			fprintf(to, "\\u%04x", c);
		else
			fwrite(text, 1, length, to);
	}
	fputc('"', to);
}

static void rc_json_member(FILE *to, const char *name, const char *text)
{
	if (!text)
		return;
	fprintf(to, ",\"%s\":", name);
	rc_json_string(to, text);
}

static void rc_json_place(FILE *to, const struct rc_frame *frame,
		const struct rc_place *place)
{
	fprintf(to, "{\"address\":\"%#llx\"",
			(unsigned long long) frame->address);
	if (frame->flags & RC_FRAME_SIGNAL)
		fprintf(to, ",\"signal\":true");
	rc_json_member(to, "object", place->object);
	if (place->object)
		fprintf(to, ",\"offset\":\"%#llx\"",
				(unsigned long long) frame->offset);
	rc_json_member(to, "symbol", place->symbol);
	if (place->symbol)
		fprintf(to, ",\"into\":%llu", (unsigned long long) place->into);
	rc_json_member(to, "source", place->source);
	fputc('}', to);
}

static void rc_json_stack(FILE *to, const struct rc_frame *frames,
		const struct rc_place *places, unsigned int nr)
{
	const char *separator = "";
	unsigned int i;

	fprintf(to, "\"stack\":[");
	for (i = 0; i < nr; i++) {
		if (frames[i].flags & RC_FRAME_HIDDEN)
			continue;
		fprintf(to, "%s", separator);
		separator = ",";
		rc_json_place(to, &frames[i], &places[i]);
	}
	fputc(']', to);
}

static void rc_json_context(FILE *to, const struct rc_report *report,
		unsigned int i)
{
	static const char *const kinds[] = {
		[RC_SPINLOCK] = "spinlock",
		[RC_SIGNAL] = "signal",
		[RC_SECTION] = "section",
	};
	const struct rc_context_report *context =
		&report->finding->contexts[i];

	fprintf(to, "{\"kind\":\"%s\",",
			context->kind >= RC_SPINLOCK && context->kind <= RC_SECTION ?
			kinds[context->kind] : "unknown");
	if (context->kind == RC_SIGNAL)
		fprintf(to, "\"signal\":\"%s\",",
				rc_signal_name(context->signo));
	if (context->kind != RC_SECTION) {
		fprintf(to, "\"%s\":", context->kind == RC_SIGNAL ?
				"handler" : "lock");
		rc_json_place(to, &context->what, &report->what[i]);
		fputc(',', to);
	}
	rc_json_stack(to, context->trace, report->trace[i], context->nr);
	fputc('}', to);
}

void rc_json_report(FILE *to, const struct rc_report *report)
{
	const struct rc_finding *finding = report->finding;
	unsigned int i;

	fprintf(to, "{\"event\":\"finding\",\"number\":%lu,\"bug\":\"%s\","
			"\"call\":\"%s\",\"pid\":%d,\"tid\":%d",
			report->number, finding->recursion ?
			"spinlock recursion" : "invalid wait context",
			rc_call_name(finding->call), finding->pid, finding->tid);
	rc_json_member(to, "thread", finding->comm);
	fputc(',', to);
	rc_json_stack(to, finding->frames, report->stack, finding->nr_frames);
	fprintf(to, ",\"contexts\":[");
	for (i = 0; i < finding->nr_contexts; i++) {
		if (i)
			fputc(',', to);
		rc_json_context(to, report, i);
	}
	fprintf(to, "],\"more_contexts\":%u}\n", finding->more_contexts);
}

void rc_json_summary(FILE *to, const struct rc_totals *totals)
{
	unsigned long i;

	fprintf(to, "{\"event\":\"summary\",\"findings\":%llu,\"distinct\":%llu,"
			"\"suppressed\":%llu,\"lost\":%llu,\"counts\":[",
			(unsigned long long) totals->findings,
			(unsigned long long) totals->distinct,
			(unsigned long long) totals->suppressed,
			(unsigned long long) totals->lost);
	for (i = 0; i < totals->nr_counts; i++)
		fprintf(to, "%s%llu", i ? "," : "",
				(unsigned long long) totals->counts[i]);
	fprintf(to, "],\"unchecked\":%lu,\"unchecked_more\":%s,"
			"\"unchecked_programs\":[", totals->unchecked_times,
			totals->unchecked_more ? "true" : "false");
	for (i = 0; i < totals->nr_unchecked; i++) {
		fprintf(to, "%s{\"times\":%lu", i ? "," : "",
				totals->unchecked[i].times);
		rc_json_member(to, "program", totals->unchecked[i].program);
		fputc('}', to);
	}
	fprintf(to, "],\"own_malloc\":[");
	for (i = 0; i < totals->nr_own_malloc; i++) {
		if (i)
			fputc(',', to);
		rc_json_string(to, totals->own_malloc[i]);
	}
	fprintf(to, "]}\n");
}
