/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* SPDX-FileCopyrightText: The liburcu-kvfree authors */

#ifndef KVCACHED_HASH_H
#define KVCACHED_HASH_H

#include <stddef.h>
#include <stdint.h>

/*
 * siphash() - SipHash-2-4 of @len bytes under a secret 128-bit @key
 *
 * A keyed hash: without the key no client can choose names that all fall into
 * one bucket of the table.
 */
uint64_t siphash(const uint64_t key[2], const void *bytes, size_t len);

#endif /* KVCACHED_HASH_H */
