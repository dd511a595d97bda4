# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# bench-plots.gp - gnuplot -e "dir='...'; cpus=N" bench-plots.gp
#
# Throughput against threads, throughput against object size, CPU time against busy
# loops, the tail of the latencies, memory in a flood; each as SVG and PNG. A file whose
# data is missing is left out.

set datafile missing "NaN"
set grid linecolor rgb "#dddddd"
set key outside right center
set border 3
set tics nomirror
set style data linespoints

have(name) = int(system("test -s '".dir."/".name."' && echo 1 || echo 0"))
lines_of(name) = have(name) ? \
	int(system("wc -l < '".dir."/".name."'")) : 0

array who[6] = ["kvfree", "kvfree-kvmalloc", "kvfree-raw", "defer_rcu", \
	"call_rcu", "ck_epoch"]
array color[6] = ["#0060ad", "#00a0c0", "#6a3d9a", "#e6550d", "#dd181f", "#888888"]
title_of(i) = (i == 1) ? "kvfree (clean call)" : \
	(i == 2) ? "kvfree (urcu\\_kvmalloc, raw call)" : \
	(i == 3) ? "kvfree (malloc, raw call)" : \
	(i == 4) ? "defer\\_rcu" : (i == 5) ? "call\\_rcu" : "ck\\_epoch"

do for [form in "svg png"] {
	if (form eq "svg") {
		set terminal svg size 960,480 font "sans-serif,13" background "white"
	} else {
		set terminal pngcairo size 960,480 font "sans-serif,11"
	}

	if (lines_of("throughput.dat") > 2) {
		set output dir."/throughput.".form
		set title sprintf("allocate + defer + free, %d CPUs", cpus)
		set xlabel "updater threads"
		set ylabel "million objects per second"
		set logscale x 2
		unset logscale y
		set yrange [0:*]
		set xrange [*:*]
		plot dir."/throughput.dat" using 1:3 title title_of(1) linecolor rgb color[1] linewidth 2, \
			"" using 1:8 title title_of(2) linecolor rgb color[2] linewidth 2, \
			"" using 1:4 title title_of(3) linecolor rgb color[3] linewidth 2, \
			"" using 1:5 title title_of(4) linecolor rgb color[4], \
			"" using 1:6 title title_of(5) linecolor rgb color[5], \
			"" using 1:7 title title_of(6) linecolor rgb color[6], \
			"" using 1:2 title "malloc + free, no deferral" linecolor rgb "#bbbbbb" dashtype 2
		unset logscale x
	}

	if (lines_of("sizes.dat") > 2) {
		set output dir."/sizes.".form
		set title "allocate, write whole, defer, free; one updater"
		set xlabel "bytes of an object"
		set ylabel "objects per second"
		set logscale xy
		set format y "10^{%L}"
		set xrange [*:*]
		set yrange [*:*]
		set xtics (64, 256, "1K" 1024, "4K" 4096, "16K" 16384, \
			"64K" 65536, "256K" 262144)
		plot dir."/sizes.dat" using 1:($2 * 1e6) title title_of(1) linecolor rgb color[1] linewidth 2, \
			"" using 1:($4 * 1e6) title title_of(2) linecolor rgb color[2] linewidth 2, \
			"" using 1:($3 * 1e6) title title_of(3) linecolor rgb color[3] linewidth 2, \
			"" using 1:($5 * 1e6) title title_of(4) linecolor rgb color[4], \
			"" using 1:($6 * 1e6) title title_of(5) linecolor rgb color[5]
		unset logscale
		set format y
		set xtics autofreq
	}

	if (lines_of("busy.dat") > 2) {
		set output dir."/busy.".form
		set title sprintf("CPU time beside busy loops, one updater, %d CPUs", cpus)
		set xlabel "busy loops of the same priority"
		set ylabel "ns of CPU time per object"
		set xrange [*:*]
		set yrange [0:*]
		plot dir."/busy.dat" using 1:2 title title_of(1) linecolor rgb color[1] linewidth 2, \
			"" using 1:4 title title_of(4) linecolor rgb color[4], \
			"" using 1:3 title title_of(6) linecolor rgb color[6]
	}

	set datafile separator ","
	set style data lines

	if (have("E5-kvfree-raw.csv")) {
		set output dir."/latency.".form
		set title "one call while a reader holds sections of 1 ms, a million calls"
		set xlabel "one call in"
		set ylabel "takes longer than, µs"
		set logscale xy
		set xrange [1:1e6]
		set yrange [*:*]
		set format x "10^{%L}"
		plot for [i in "3 1 4 5 6"] dir."/E5-".who[int(i)].".csv" \
			using 3:($1 / 1000) skip 1 title title_of(int(i)) \
			linecolor rgb color[int(i)] linewidth (int(i) < 4 ? 2 : 1)
		unset logscale
		set format x
	}

	if (have("E7-kvfree.csv")) {
		set output dir."/memory.".form
		set title "memory in a flood: updaters at full speed, readers of 100 µs"
		set xlabel "ms"
		set ylabel "resident MB"
		set xrange [0:*]
		set yrange [0:*]
		plot for [i in "3 2 1 4 5 6"] dir."/E7-".who[int(i)].".csv" \
			using 1:($2 / 1024) skip 1 title title_of(int(i)) \
			linecolor rgb color[int(i)] linewidth (int(i) < 4 ? 2 : 1)
	}
	set datafile separator whitespace
	set style data linespoints
}
