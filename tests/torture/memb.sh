#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors

. "$top_srcdir/tests/torture/run"
torture kvfreetorture memb
