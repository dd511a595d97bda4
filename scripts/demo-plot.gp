# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# demo-plot.gp - gnuplot -e "samples='...'; svg='...'" demo-plot.gp
#
# The samples of scripts/demo: resident memory of the daemon on the left, what was queued and
# not yet freed on the right.

set terminal svg size 960,480 font "sans-serif,13" background "white"
set output svg
set title "kvcached under load: memory, and objects that wait for a grace period"
set grid linecolor rgb "#dddddd"
set key below
set border 11
set tics nomirror
set y2tics
set xlabel "seconds"
set ylabel "resident memory, MB"
set y2label "pending objects, thousands"
set xrange [0:*]
set yrange [0:*]
set y2range [0:*]
plot samples using 1:($2 / 1e6) axes x1y1 with lines linecolor rgb "#0060ad" linewidth 2 \
		title "resident memory (left)", \
	samples using 1:($4 / 1e6) axes x1y1 with lines linecolor rgb "#00a0c0" linewidth 2 \
		title "pending bytes, an estimate (left)", \
	samples using 1:($3 / 1e3) axes x1y2 with lines linecolor rgb "#e6550d" \
		title "pending objects (right)"
