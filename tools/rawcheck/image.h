/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef RAWCHECK_IMAGE_H
#define RAWCHECK_IMAGE_H

/*
 * image.h - reads ELF files, whatever is in them
 *
 * Nothing in a file is trusted: each function checks that what it returns lies
 * inside the file.
 */

#include <elf.h>
#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rc_image {
	const char *bytes;
	size_t size;
};

/* Maps @path. False where it cannot be read or is no ELF file of this class. */
bool rc_image_open(struct rc_image *image, const char *path);
void rc_image_close(struct rc_image *image);

/* @size bytes at @offset, or NULL. */
const void *rc_image_at(const struct rc_image *image, uint64_t offset,
		uint64_t size);

/* Segment and section headers; *nr of them. NULL where there are none. */
const ElfW(Phdr) *rc_image_segments(const struct rc_image *image, size_t *nr);
const ElfW(Shdr) *rc_image_sections(const struct rc_image *image, size_t *nr);

/* The first section of @type, or NULL. */
const ElfW(Shdr) *rc_image_section(const struct rc_image *image,
		uint32_t type);
/* The section called @name, or NULL. */
const ElfW(Shdr) *rc_image_named(const struct rc_image *image,
		const char *name);
/* The string at @at in the string table that @section links to; "" at worst. */
const char *rc_image_string(const struct rc_image *image,
		const ElfW(Shdr) *section, uint64_t at);

#endif /* RAWCHECK_IMAGE_H */
