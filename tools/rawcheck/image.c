/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

/* image.c - reads ELF files, see image.h */

#include "config.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image.h"

const void *rc_image_at(const struct rc_image *image, uint64_t offset,
		uint64_t size)
{
	if (offset > image->size || size > image->size - offset)
		return NULL;
	return image->bytes + offset;
}

static bool rc_image_is_elf(const struct rc_image *image)
{
	const ElfW(Ehdr) *header = rc_image_at(image, 0, sizeof(*header));

	return header && memcmp(header->e_ident, ELFMAG, SELFMAG) == 0 &&
		header->e_ident[EI_CLASS] ==
			(sizeof(void *) == 8 ? ELFCLASS64 : ELFCLASS32);
}

bool rc_image_open(struct rc_image *image, const char *path)
{
	struct stat status;
	void *bytes = MAP_FAILED;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return false;
	if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
			status.st_size > 0)
		bytes = mmap(NULL, (size_t) status.st_size, PROT_READ,
				MAP_PRIVATE, fd, 0);
	close(fd);
	if (bytes == MAP_FAILED)
		return false;
	image->bytes = bytes;
	image->size = (size_t) status.st_size;
	if (rc_image_is_elf(image))
		return true;
	rc_image_close(image);
	return false;
}

void rc_image_close(struct rc_image *image)
{
	munmap((void *) image->bytes, image->size);
}

const ElfW(Phdr) *rc_image_segments(const struct rc_image *image, size_t *nr)
{
	const ElfW(Ehdr) *header = rc_image_at(image, 0, sizeof(*header));

	*nr = header->e_phnum;
	return rc_image_at(image, header->e_phoff,
			(uint64_t) *nr * sizeof(ElfW(Phdr)));
}

const ElfW(Shdr) *rc_image_sections(const struct rc_image *image, size_t *nr)
{
	const ElfW(Ehdr) *header = rc_image_at(image, 0, sizeof(*header));

	*nr = header->e_shnum;
	return rc_image_at(image, header->e_shoff,
			(uint64_t) *nr * sizeof(ElfW(Shdr)));
}

const ElfW(Shdr) *rc_image_section(const struct rc_image *image, uint32_t type)
{
	size_t nr, i;
	const ElfW(Shdr) *sections = rc_image_sections(image, &nr);

	for (i = 0; sections && i < nr; i++)
		if (sections[i].sh_type == type)
			return &sections[i];
	return NULL;
}

static const char *rc_image_string_in(const struct rc_image *image,
		const ElfW(Shdr) *strings, uint64_t at)
{
	const char *text = rc_image_at(image, strings->sh_offset,
			strings->sh_size);

	if (!text || at >= strings->sh_size ||
			!memchr(text + at, '\0', strings->sh_size - at))
		return "";
	return text + at;
}

const char *rc_image_string(const struct rc_image *image,
		const ElfW(Shdr) *section, uint64_t at)
{
	size_t nr;
	const ElfW(Shdr) *sections = rc_image_sections(image, &nr);

	if (!sections || section->sh_link >= nr)
		return "";
	return rc_image_string_in(image, &sections[section->sh_link], at);
}

const ElfW(Shdr) *rc_image_named(const struct rc_image *image,
		const char *name)
{
	const ElfW(Ehdr) *header = rc_image_at(image, 0, sizeof(*header));
	size_t nr, i;
	const ElfW(Shdr) *sections = rc_image_sections(image, &nr);

	if (!sections || header->e_shstrndx >= nr)
		return NULL;
	for (i = 0; i < nr; i++)
		if (strcmp(rc_image_string_in(image,
				&sections[header->e_shstrndx],
				sections[i].sh_name), name) == 0)
			return &sections[i];
	return NULL;
}
