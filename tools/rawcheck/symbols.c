/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/*
 * symbols.c - names for addresses
 *
 * A finding says in which object file an address lies and where in it. The symbol
 * is looked up in that file here; source lines come from addr2line(1),
 * where that is installed and the file has the debug information. A place
 * without a name is printed as object and offset, which can be looked up later.
 */

#include "config.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "image.h"
#include "launcher.h"

extern char **environ;

#define RC_LINE_BUCKETS	256

/* A source line that was asked for; source is NULL where there is none. */
struct rc_line {
	struct rc_line *next;
	uint64_t address;
	char *source;
};

/* An object file; stays open, for the names that point into it. */
struct rc_object {
	struct rc_object *next;
	char *path;
	struct rc_image image;
	bool readable;
	bool has_lines;
	struct rc_line *lines[RC_LINE_BUCKETS];	/* by address */
};

/* Reporter thread only. */
static struct rc_object *rc_objects;

/* Debug information in the file itself, or where Debian's -dbgsym packages put it. */
static bool rc_has_lines(const struct rc_image *image)
{
	const ElfW(Shdr) *note;
	const unsigned char *id;
	char path[256], *at;
	uint64_t i;

	if (rc_image_named(image, ".debug_line"))
		return true;
	note = rc_image_named(image, ".note.gnu.build-id");
	/* A note: 12 bytes of header, "GNU" and its zero, the id. */
	if (!note || note->sh_size <= 17 || note->sh_size > 16 + 64)
		return false;
	id = rc_image_at(image, note->sh_offset, note->sh_size);
	if (!id)
		return false;
	at = path + sprintf(path, "/usr/lib/debug/.build-id/%02x/", id[16]);
	for (i = 17; i < note->sh_size; i++)
		at += sprintf(at, "%02x", id[i]);
	strcpy(at, ".debug");
	return access(path, R_OK) == 0;
}

static struct rc_object *rc_open_object(const char *path)
{
	struct rc_object *object;

	for (object = rc_objects; object; object = object->next)
		if (strcmp(object->path, path) == 0)
			return object;
	object = rc_alloc(sizeof(*object));
	object->path = rc_format("%s", path);
	object->readable = path[0] == '/' && rc_image_open(&object->image, path);
	object->has_lines = object->readable && rc_has_lines(&object->image);
	object->next = rc_objects;
	rc_objects = object;
	return object;
}

/* The smallest symbol of the table that covers @address, a global one first. */
static const ElfW(Sym) *rc_search(const struct rc_image *image,
		const ElfW(Shdr) *table, uint64_t address)
{
	const ElfW(Sym) *symbols, *best = NULL;
	size_t i;

	symbols = rc_image_at(image, table->sh_offset, table->sh_size);
	for (i = 0; symbols && i < table->sh_size / sizeof(*symbols); i++) {
		const ElfW(Sym) *symbol = &symbols[i];
		int type = ELF64_ST_TYPE(symbol->st_info);

		if (symbol->st_shndx == SHN_UNDEF || (type != STT_FUNC &&
				type != STT_OBJECT && type != STT_GNU_IFUNC))
			continue;
		if (address - symbol->st_value >= symbol->st_size)
			continue;
		if (!best || symbol->st_size < best->st_size ||
				(symbol->st_size == best->st_size &&
				 ELF64_ST_BIND(best->st_info) != STB_GLOBAL))
			best = symbol;
	}
	return best;
}

static void rc_name_symbol(const struct rc_object *object, uint64_t address,
		struct rc_place *place)
{
	static const uint32_t types[] = { SHT_SYMTAB, SHT_DYNSYM };
	size_t i;

	for (i = 0; i < 2; i++) {
		const ElfW(Shdr) *table;
		const ElfW(Sym) *symbol;

		table = rc_image_section(&object->image, types[i]);
		symbol = table ? rc_search(&object->image, table, address) : NULL;
		if (!symbol)
			continue;
		place->symbol = rc_image_string(&object->image, table,
				symbol->st_name);
		place->into = address - symbol->st_value;
		return;
	}
}

/* The address to look up: a return address belongs to the call before it. */
static uint64_t rc_lookup_address(const struct rc_frame *frame)
{
	return frame->flags & RC_FRAME_EXACT ? frame->offset : frame->offset - 1;
}

/* ------------------------------------------------------------------ */
/* Source lines                                                       */

/* Starts addr2line with its output in a pipe. Returns the pipe, or NULL. */
static FILE *rc_spawn(char **argv, pid_t *pid)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	int ends[2], error;
	sigset_t none;
	FILE *from;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return NULL;
	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null",
			O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null",
			O_WRONLY, 0);
	error = posix_spawnp(pid, argv[0], &actions, &attr, argv, environ);
	posix_spawn_file_actions_destroy(&actions);
	posix_spawnattr_destroy(&attr);
	close(ends[1]);
	if (error) {
		/* Not installed, most likely: not tried again. */
		rc_options.sources = false;
		close(ends[0]);
		return NULL;
	}
	from = fdopen(ends[0], "r");
	if (!from)
		rc_die(RC_EXIT_FAILURE, "out of memory");
	return from;
}

/* "dir/file.c:12 (discriminator 3)" to "file.c:12"; NULL for what is unknown. */
static const char *rc_clean_line(char *line)
{
	char *end = strpbrk(line, "\r\n");

	if (end)
		*end = '\0';
	end = strstr(line, " (");
	if (end)
		*end = '\0';
	end = strrchr(line, ':');
	if (line[0] == '?' || !end || end[1] == '?' ||
			strcmp(end, ":0") == 0)
		return NULL;
	return rc_base_name(line);
}

static void rc_append_line(struct rc_line *line, const char *text)
{
	char *longer;

	if (!text)
		return;
	if (!line->source) {
		line->source = rc_format("%s", text);
		return;
	}
	longer = rc_format("%s in %s", line->source, text);
	free(line->source);
	line->source = longer;
}

/*
 * With -a each address is printed before its lines, with -i there are as many
 * lines as functions were inlined there, the innermost first.
 */
static void rc_read_lines(FILE *from, struct rc_line **lines, unsigned int nr)
{
	unsigned int seen = 0;
	char *text = NULL;
	size_t room = 0;

	while (getline(&text, &room, from) >= 0) {
		if (strncmp(text, "0x", 2) == 0)
			seen++;
		else if (seen > 0 && seen <= nr)
			rc_append_line(lines[seen - 1], rc_clean_line(text));
	}
	free(text);
}

/* Asks for all of @lines in one go; they are new. */
static void rc_ask_lines(struct rc_object *object, struct rc_line **lines,
		unsigned int nr)
{
	char *argv[RC_MAX_FRAMES + 5] = {
		"addr2line", "-iae", object->path,
	};
	unsigned int i;
	pid_t pid;
	FILE *from;

	for (i = 0; i < nr; i++)
		argv[3 + i] = rc_format("%#llx",
				(unsigned long long) lines[i]->address);
	argv[3 + nr] = NULL;
	from = rc_spawn(argv, &pid);
	if (from) {
		rc_read_lines(from, lines, nr);
		fclose(from);
		/* With --wait the main thread may have been faster. */
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	for (i = 0; i < nr; i++)
		free(argv[3 + i]);
}

/* What is known about @address; *is_new where nothing was asked yet. */
static struct rc_line *rc_line_of(struct rc_object *object, uint64_t address,
		bool *is_new)
{
	struct rc_line **bucket = &object->lines[address % RC_LINE_BUCKETS];
	struct rc_line *line;

	*is_new = false;
	for (line = *bucket; line; line = line->next)
		if (line->address == address)
			return line;
	line = rc_alloc(sizeof(*line));
	line->address = address;
	line->next = *bucket;
	*bucket = line;
	*is_new = true;
	return line;
}

/* Gives their source lines to those of the places that lie in @object. */
static void rc_name_lines(struct rc_object *object,
		const struct rc_frame *frames, struct rc_place *places,
		unsigned int nr)
{
	struct rc_line *asked[RC_MAX_FRAMES], *of[RC_MAX_FRAMES];
	unsigned int i, nr_asked = 0;
	bool is_new;

	for (i = 0; i < nr; i++) {
		if (places[i].object != object->path)
			continue;
		of[i] = rc_line_of(object, rc_lookup_address(&frames[i]),
				&is_new);
		if (is_new)
			asked[nr_asked++] = of[i];
	}
	if (nr_asked > 0 && rc_options.sources && object->has_lines)
		rc_ask_lines(object, asked, nr_asked);
	for (i = 0; i < nr; i++)
		if (places[i].object == object->path)
			places[i].source = of[i]->source;
}

/* ------------------------------------------------------------------ */

void rc_name_frames(const struct rc_finding *finding,
		const struct rc_frame *frames, struct rc_place *places,
		unsigned int nr)
{
	unsigned int i, j;

	for (i = 0; i < nr; i++) {
		const struct rc_object *object;

		places[i] = (struct rc_place) { .object = NULL };
		if (frames[i].object >= finding->nr_objects)
			continue;
		object = rc_open_object(finding->strings +
				finding->objects[frames[i].object]);
		places[i].object = object->path;
		if (object->readable)
			rc_name_symbol(object, rc_lookup_address(&frames[i]),
					&places[i]);
	}
	for (i = 0; i < nr; i++) {
		for (j = 0; j < i; j++)
			if (places[j].object == places[i].object)
				break;
		if (j == i && places[i].object)
			rc_name_lines(rc_open_object(places[i].object), frames,
					places, nr);
	}
}
