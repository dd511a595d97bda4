# SPDX-License-Identifier: LGPL-2.1-or-later
# SPDX-FileCopyrightText: The liburcu-kvfree authors
#
# bench-report.awk - medians, ratios and verdicts from kvfreescale's CSV lines
#
# Also writes the data of three plots, for gnuplot.

BEGIN { FS = "," }

NR > 1 {
	key = $1 SUBSEP $4 SUBSEP $6 SUBSEP $10
	value[key, ++count[key]] = $11
}

# Sorts the values of a key once, by insertion: there are a dozen.
function sort_key(key,	i, j, x) {
	if (key in sorted)
		return
	sorted[key] = 1
	for (i = 2; i <= count[key]; i++) {
		x = value[key, i] + 0
		for (j = i - 1; j > 0 && value[key, j] + 0 > x; j--)
			value[key, j + 1] = value[key, j]
		value[key, j + 1] = x
	}
}

function has(label, who, n, metric) {
	return (label SUBSEP who SUBSEP n SUBSEP metric) in count
}

function med(label, who, n, metric,	key, c) {
	key = label SUBSEP who SUBSEP n SUBSEP metric
	if (!(key in count))
		return 0
	sort_key(key)
	c = count[key]
	return c % 2 ? value[key, (c + 1) / 2] : \
		(value[key, c / 2] + value[key, c / 2 + 1]) / 2
}

function worst(label, who, n, metric,	key) {
	key = label SUBSEP who SUBSEP n SUBSEP metric
	if (!(key in count))
		return 0
	sort_key(key)
	return value[key, count[key]]
}

function num(x) {
	if (x == 0)
		return "0"
	if (x >= 100 || x <= -100)
		return sprintf("%.0f", x)
	if (x >= 10 || x <= -10)
		return sprintf("%.1f", x)
	return sprintf("%.3g", x)
}

function named(id) {
	return index(" " rows " ", " " id " ") > 0
}

# Whether the caller of scripts/bench asked for this row: T and E8 have several.
function wanted(id) {
	if (named(id))
		return 1
	if (id ~ /^(E2|E2b|E3|E4|E12|E12b)$/)
		return named("T")
	return id == "P4" && named("E8")
}

function line(id, what, target, measured, ratio, verdict) {
	if (!wanted(id))
		return
	printf "| %s | %s | %s | %s | %s | %s |\n", id, what, target,
		measured, ratio, verdict
	if (verdict ~ /^short/)
		shorts[id] = 1
	else if (verdict == "reached")
		reached[id] = 1
	else
		other[id] = 1
}

function missing(id, what, target) {
	line(id, what, target, "-", "-", "not measured: the run is missing")
}

# a / b must be at most limit.
function at_most(id, what, a, b, limit, unit,	r) {
	if (a == 0 || b == 0) {
		missing(id, what, "≤ " num(limit) " ×")
		return
	}
	r = a / b
	line(id, what, "≤ " num(limit) " ×", num(a) " / " num(b) " " unit,
		num(r), r <= limit ? "reached" : \
		"short: " num(r / limit) " times the limit")
}

# b / a must be at least limit: a is a time, b the peer's.
function faster(id, what, a, b, limit, unit,	r) {
	if (a == 0 || b == 0) {
		missing(id, what, "≥ " num(limit) " ×")
		return
	}
	r = b / a
	line(id, what, "≥ " num(limit) " ×", num(a) " against " num(b) " " unit,
		num(r), r >= limit ? "reached" : \
		"short: " num(r) " of " num(limit))
}

# a / b must be at least limit: both are speeds.
function at_least(id, what, a, b, limit, unit,	r) {
	if (a == 0 || b == 0) {
		missing(id, what, "≥ " num(limit) " ×")
		return
	}
	r = a / b
	line(id, what, "≥ " num(limit) " ×", num(a) " / " num(b) " " unit,
		num(r), r >= limit ? "reached" : \
		"short: " num(r) " of " num(limit))
}

function under(id, what, present, x, limit, unit) {
	if (!present)
		missing(id, what, "≤ " num(limit) " " unit)
	else
		line(id, what, "≤ " num(limit) " " unit, num(x) " " unit, "-",
			x <= limit ? "reached" : \
			"short: " num(x) " " unit)
}

function head(title) {
	print "\n## " title "\n"
	print "| row | what | target | measured | ratio | verdict |"
	print "|---|---|---|---|---|---|"
}

function call_rows(	raw) {
	raw = med("E1", "kvfree-raw", 1, "call_ns")
	at_most("E1", "raw call against the lock floor",
		raw, med("E1", "lock", 1, "call_ns"), 1.25, "ns")
	at_most("E1", "raw call against defer_rcu",
		raw, med("E1", "defer_rcu", 1, "call_ns"), 0.15, "ns")
	at_most("E1", "raw call against call_rcu",
		raw, med("E1", "call_rcu", 1, "call_ns"), 0.1, "ns")
}

function updaters(n) {
	return n == 1 ? "1 updater" : n " updaters"
}

# The time per object of one reclaimer against a peer's.
function speed_row(id, who, peer, n, limit) {
	faster(id, who ", " updaters(n) ", against " peer,
		med("T", who, n, "ns_per_op"),
		med("T", peer, n, "ns_per_op"), limit, "ns")
}

function floor_row(id, who, limit) {
	at_most(id, who " against malloc and free at once",
		med("T", who, 1, "ns_per_op"),
		med("T", "none", 1, "ns_per_op"), limit, "ns")
}

function clean_rows() {
	speed_row("E2", "kvfree", "defer_rcu", 1, 2.5)
	speed_row("E2", "kvfree", "call_rcu", 1, 6)
	speed_row("E2", "kvfree", "ck_epoch", 1, 1.2)
	floor_row("E2", "kvfree", 1.6)
	floor_row("E2b", "kvfree-kvmalloc", 1.25)
	if (cpus == 1)
		return
	speed_row("E3", "kvfree", "ck_epoch", cpus, 1.1)
	speed_row("E3", "kvfree", "defer_rcu", cpus, 2.5)
	speed_row("E3", "kvfree", "call_rcu", cpus, 6)
}

function worker_rows(n) {
	speed_row("E4", "kvfree-raw", "call_rcu", n, 4)
	speed_row("E4", "kvfree-raw", "defer_rcu", n, 1)
	at_most("E4", "CPU time per object, " updaters(n) ", against defer_rcu's",
		med("T", "kvfree-raw", n, "cpu_ns_per_op"),
		med("T", "defer_rcu", n, "cpu_ns_per_op"), 1.25, "ns")
}

# Preempted calls are among them: a call that wakes a worker may be preempted by it.
function latency_row(who, peer, limit) {
	at_most("E5", "p99.99 of a call, " who ", against " peer "'s",
		med("E5", who, 1, "all_p9999_ns") / 1e3,
		med("E5", peer, 1, "all_p9999_ns") / 1e3, limit, "µs")
}

function latency_rows() {
	latency_row("kvfree-raw", "defer_rcu", 0.02)
	latency_row("kvfree-raw", "call_rcu", 1)
	latency_row("kvfree", "defer_rcu", 0.02)
	latency_row("kvfree", "call_rcu", 1)
}

function stall_rows(	longest, defer) {
	at_most("E6", "median raw call, allocator hangs against not",
		med("E6s", "kvfree-raw", 1, "p50_ns"),
		med("E6n", "kvfree-raw", 1, "p50_ns"), 1.5, "ns")
	at_most("E6", "p99.99, allocator hangs against not",
		med("E6s", "kvfree-raw", 1, "p9999_ns") / 1e3,
		med("E6n", "kvfree-raw", 1, "p9999_ns") / 1e3, 1.5, "µs")
	longest = worst("E6s", "kvfree-raw", 1, "max_ns") / 1e6
	defer = med("E6s", "defer_rcu", 1, "max_ns") / 1e6
	under("E6", "longest raw call of all rounds, allocator hangs " \
		"(defer_rcu: " num(defer) " ms)",
		has("E6s", "kvfree-raw", 1, "max_ns"), longest, 10, "ms")
}

function memory_row(who, what,	peak) {
	peak = med("E7", who, cpus, "peak_rss_mb")
	at_most("E7", "peak memory, " what ", against call_rcu", peak,
		med("E7", "call_rcu", cpus, "peak_rss_mb"), 0.25, "MB")
	at_most("E7", "peak memory, " what ", against ck_epoch", peak,
		med("E7", "ck_epoch", cpus, "peak_rss_mb"), 1, "MB")
}

function emergency_row(label, who, n, what, limit) {
	under("E8", "raw calls on the emergency list, " what,
		has(label, who, n, "emergency_ppm"),
		med(label, who, n, "emergency_ppm"), limit, "ppm")
}

function supply_rows() {
	emergency_row("E8", "kvfree-raw", 1, "1 updater at 1 M/s", 100)
	if (cpus > 1)
		emergency_row("E8n", "kvfree-raw", cpus,
			cpus " updaters at 1 M/s (no CPU is left over)", 100)
	emergency_row("E8first", "kvfree-raw", 1,
		"the first 100,000 of a thread at full speed", 20000)
	emergency_row("E8table", "kvfree-raw", 1,
		"a program with a hash table, from start to end", 10000)
}

function idle_rows() {
	at_most("E9", "barrier, one object pending, against rcu_barrier",
		med("E9", "kvfree", cpus, "barrier_us"),
		med("E9", "call_rcu", cpus, "barrier_us"), 0.01, "µs")
	under("E9", "grace periods of 64 barriers at once (the worst round: " \
		num(worst("E9many", "kvfree", 64, "grace_periods_max")) ")",
		has("E9many", "kvfree", 64, "grace_periods"),
		med("E9many", "kvfree", 64, "grace_periods"), 4, "in all")
	under("E10", "wake-ups of all other threads, idle for 3 s",
		has("E10", "kvfree-raw", cpus, "wakeups_per_s"),
		worst("E10", "kvfree-raw", cpus, "wakeups_per_s"), 0, "/s")
	under("E11", "RSS of each of 1,000 threads, registered",
		has("E11", "kvfree-channel", 1000, "registered_kb"),
		med("E11", "kvfree-channel", 1000, "registered_kb"), 8, "KiB")
	under("E11", "the same, idle after 1,000 raw calls each",
		has("E11", "kvfree-channel", 1000, "idle_kb"),
		med("E11", "kvfree-channel", 1000, "idle_kb"), 8, "KiB")
}

function many_rows() {
	at_least("E12", "kvfree, 64 updaters, against ck_epoch",
		med("T", "kvfree", 64, "mops"),
		med("T", "ck_epoch", 64, "mops"), 0.9, "M/s")
	at_least("E12", "kvfree, 64 updaters, against defer_rcu",
		med("T", "kvfree", 64, "mops"),
		med("T", "defer_rcu", 64, "mops"), 2, "M/s")
	at_least("E12", "kvfree, 64 updaters, against 2 of its own",
		med("T", "kvfree", 64, "mops"),
		med("T", "kvfree", 2, "mops"), 0.7, "M/s")
	under("E12", "kvfree, 64 updaters: peak RSS (ck_epoch: " \
		num(med("T", "ck_epoch", 64, "peak_rss_mb")) ", defer_rcu: " \
		num(med("T", "defer_rcu", 64, "peak_rss_mb")) " MB)",
		has("T", "kvfree", 64, "peak_rss_mb"),
		med("T", "kvfree", 64, "peak_rss_mb"), 64, "MB")
	at_least("E12b", "kvfree-kvmalloc, 64 updaters, against ck_epoch",
		med("T", "kvfree-kvmalloc", 64, "mops"),
		med("T", "ck_epoch", 64, "mops"), 0.9, "M/s")
	under("E12b", "its calls on the emergency list (kvfree-raw: " \
		num(med("T", "kvfree-raw", 64, "emergency_ppm") / 1e4) " %)",
		has("T", "kvfree-kvmalloc", 64, "emergency_ppm"),
		med("T", "kvfree-kvmalloc", 64, "emergency_ppm") / 1e4, 5, "%")
}

function busy_rows(n,	label, busy) {
	label = "E13-" 2 * cpus
	busy = med(label, "kvfree", n, "cpu_ns_per_op")
	at_most("E13", "CPU time per object, " updaters(n) ", " 2 * cpus \
		" busy loops against none", busy,
		med("E13-0", "kvfree", n, "cpu_ns_per_op"), 1.3, "ns")
	at_most("E13", "CPU time per object, " updaters(n) ", " 2 * cpus \
		" busy loops, against ck_epoch's", busy,
		med(label, "ck_epoch", n, "cpu_ns_per_op"), 1, "ns")
}

function max(a, b) {
	return a > b ? a : b
}

function size_rows(size,	label, call, defer, rss) {
	label = "E14-" size
	call = med(label, "call_rcu", 1, "mops") * 1e3
	defer = med(label, "defer_rcu", 1, "mops") * 1e3
	at_least("E14", size " bytes, clean, against " \
		(call > defer ? "call_rcu" : "defer_rcu"),
		med(label, "kvfree", 1, "mops") * 1e3, max(call, defer), 1.5,
		"k/s")
	at_least("E14", size " bytes, raw, against call_rcu",
		med(label, "kvfree-raw", 1, "mops") * 1e3, call, 1, "k/s")
	rss = max(med(label, "kvfree", 1, "peak_rss_mb"),
		med(label, "kvfree-raw", 1, "peak_rss_mb"))
	at_most("E14", size " bytes, peak RSS, the larger of clean and raw, " \
		"against call_rcu", rss,
		med(label, "call_rcu", 1, "peak_rss_mb"), 1, "MB")
}

function kinds_rows(	i, n, sizes) {
	n = split("64 256 1024 4096 16384 65536 262144", sizes, " ")
	for (i = 1; i <= n; i++)
		if (!quick || has("E14-" sizes[i], "kvfree", 1, "mops"))
			size_rows(sizes[i])
	at_most("E15", "clean calls on two flavors in turn, against one",
		med("E15", "kvfree-two", 1, "ns_per_op"),
		med("E15", "kvfree", 1, "ns_per_op"), 1.3, "ns")
	under("E15", "left pending after the barrier (peak RSS: " \
		num(med("E15", "kvfree-two", 1, "peak_rss_mb")) " MB)",
		has("E15", "kvfree-two", 1, "pending"),
		worst("E15", "kvfree-two", 1, "pending"), 0, "objects")
	first_row("kvfree")
	first_row("kvfree-raw")
	flood_row("E17", "E17", "kvfree-kvmalloc", cpus * 8)
	flood_row("E17", "E17cap", "kvfree", cpus * 8)
	under("E17", "kvfree, max_pending_bytes of " cap " MiB, peak RSS",
		has("E17cap", "kvfree", cpus * 8, "peak_rss_mb"),
		med("E17cap", "kvfree", cpus * 8, "peak_rss_mb"), 2 * cap, "MB")
	batch_rows("memb")
	batch_rows("qsbr")
}

function first_row(who) {
	under("E16", who ", first call of a thread, 5,000 others have records",
		has("E16", who, 5000, "first_us"),
		med("E16", who, 5000, "first_us"), 20, "µs")
}

function batch_rows(flavor,	label) {
	label = "E18-" flavor
	at_least("E18", "clean calls against 4,096 freed by hand, " flavor,
		med(label, "kvfree-unlink", 1, "mops"),
		med(label, "batch", 1, "mops"), 1, "M/s")
	at_most("E18", "their peak RSS, " flavor,
		med(label, "kvfree-unlink", 1, "peak_rss_mb"),
		med(label, "batch", 1, "peak_rss_mb"), 2, "MB")
}

function lesson_rows(	n) {
	n = cpus * 8
	trickle_row()
	flood_row("P3", "P3", "kvfree", n)
	flood_row("P3", "P3", "kvfree-raw", n)
	refill_row()
	churn_row("kvfree-raw")
	churn_row("kvfree")
	burst_row("48", "kvfree-raw")
	burst_row("48", "kvfree")
	if (quick)
		return
	burst_row("256", "kvfree-raw")
	burst_row("256", "kvfree")
	burst_row("1M", "kvfree-kvmalloc")
}

function trickle_row(	objects) {
	objects = med("K8", "kvfree-raw", 1, "objects_per_gp")
	if (!objects) {
		missing("K8", "objects per grace period", "≥ 10")
		return
	}
	line("K8", "objects per grace period, 1,000 a second", "≥ 10",
		num(objects) (has("K8-20ms", "kvfree-raw", 1, "objects_per_gp") ? \
		" (with a tick of 20 ms " \
		num(med("K8-20ms", "kvfree-raw", 1, "objects_per_gp")) ")" : ""),
		"-", objects >= 10 ? "reached" : "short")
}

# Bounded: the second half of the flood needs no more than the first did.
function flood_row(id, label, who, n,	a, b) {
	a = med(label, who, n, "half1_mb")
	b = med(label, who, n, "half2_mb")
	if (!has(label, who, n, "half2_mb")) {
		missing(id, who ", a flood", "-")
		return
	}
	line(id, who (label ~ /cap$/ ? " with max_pending_bytes" : "") ", " n \
		" updaters: peak RSS of the flood's second half" \
		(has(label, "call_rcu", n, "half2_mb") ? " (call_rcu: " \
		num(med(label, "call_rcu", n, "half1_mb")) ", then " \
		num(med(label, "call_rcu", n, "half2_mb")) " MB)" : ""),
		"≤ 1.25 × the first's", num(b) " / " num(a) " MB",
		a ? num(b / a) : "-",
		b <= 1.25 * a || b < 8 ? "reached" : "short: still growing")
}

function refill_row(	pages, allocated) {
	if (!has("E8", "kvfree-raw", 1, "pages")) {
		missing("P4", "refill at a steady rate", "-")
		return
	}
	pages = med("E8", "kvfree-raw", 1, "pages")
	allocated = med("E8", "kvfree-raw", 1, "pages_allocated")
	line("P4", "pages allocated in 1 s at 1 M/s, after warm-up",
		"≤ the pages that exist", num(allocated) " of " num(pages),
		pages ? num(allocated / pages) : "-",
		allocated <= pages ? "reached" : "short: pages are thrown away")
}

function churn_row(who,	records, pages) {
	if (!has("P5", who, cpus, "pages")) {
		missing("P5", who, "-")
		return
	}
	pages = worst("P5", who, cpus, "pages")
	line("P5", who ", 800 threads came and went: pages left, records in " \
		"use, RSS growth (call_rcu: " \
		num(med("P5", "call_rcu", cpus, "rss_growth_kb")) " KiB)",
		"≤ 64 pages, nothing pending", num(pages) ", " \
		num(worst("P5", who, cpus, "records")) ", " \
		num(med("P5", who, cpus, "rss_growth_kb")) " KiB", "-",
		pages <= 64 && worst("P5", who, cpus, "pending") == 0 ? \
		"reached" : "short")
}

# What plain free() leaves is the allocator's habit, not the library's.
function burst_row(size, who,	left, floor, burst) {
	if (!has("P14-" size, who, cpus, "settled_mb")) {
		missing("P14", who, "-")
		return
	}
	left = med("P14-" size, who, cpus, "settled_mb")
	burst = med("P14-" size, who, cpus, "burst_mb")
	floor = med("P14-" size, "none", cpus, "settled_mb")
	line("P14", who ", RSS left of a burst of " num(burst) " MB, " size \
		" bytes each (plain free: " num(floor) ", call_rcu: " \
		num(med("P14-" size, "call_rcu", cpus, "settled_mb")) " MB)",
		"≤ plain free's + 5 %", num(left) " MB", num(left / burst),
		left <= floor + burst * 0.05 ? "reached" : "short")
	left = med("P14-" size, who, cpus, "trimmed_mb")
	line("P14", "the same after malloc_trim(0)", "≤ 10 % of the burst",
		num(left) " MB", num(left / burst),
		left <= burst * 0.1 ? "reached" : "short")
}

# The plainest loop there is should have a CPU to itself.
function busy_note(	share) {
	share = med("T", "none", 1, "ns_per_op")
	if (!share)
		return
	share = 100 * med("T", "none", 1, "updater_cpu_ns_per_op") / share
	if (share < 85)
		print "\n**The machine was busy**: a loop of malloc and free got " \
			num(share) " % of a CPU. Ratios of wall times are " \
			"disturbed; the tables below have CPU times."
}

function detail_head(title, m, nm,	i) {
	print "\n### " title "\n"
	printf "| reclaimer |"
	for (i = 1; i <= nm; i++)
		printf " %s |", m[i]
	printf "\n|---|"
	for (i = 1; i <= nm; i++)
		printf "---|"
	print ""
}

function detail_table(title, label, n, metrics,	list, k, i, key, parts, seen, shown, m, nm) {
	nm = split(metrics, m, " ")
	list = "none lock kvfree kvfree-kvmalloc kvfree-raw kvfree-channel " \
		"defer_rcu defer_rcu-keep call_rcu call_rcu-keep ck_epoch " \
		"ck_epoch-keep sync kvfree-two kvfree-unlink batch"
	k = split(list, parts, " ")
	for (key = 1; key <= k; key++) {
		seen = 0
		for (i = 1; i <= nm; i++)
			seen += has(label, parts[key], n, m[i])
		if (!seen)
			continue
		if (!shown++)
			detail_head(title, m, nm)
		printf "| %s |", parts[key]
		for (i = 1; i <= nm; i++)
			printf " %s |", has(label, parts[key], n, m[i]) ? \
				num(med(label, parts[key], n, m[i])) : "-"
		print ""
	}
}

function sort_numbers(x, n,	i, j, y) {
	for (i = 2; i <= n; i++) {
		y = x[i] + 0
		for (j = i - 1; j > 0 && x[j] + 0 > y; j--)
			x[j + 1] = x[j]
		x[j + 1] = y
	}
}

# A line for each x that was measured, a column for each reclaimer. Labels are
# prefix and x, or prefix alone where x is the number of updaters.
function plot_data(name, prefix, list, xs, metric, by_updaters,	file, who, nw, x, nx, i, j, label, n, done) {
	file = plots "/" name ".dat"
	nw = split(list, who, " ")
	nx = split(xs, x, " ")
	sort_numbers(x, nx)
	printf "%s", name > file
	for (i = 1; i <= nw; i++)
		printf " %s", who[i] > file
	print "" > file
	for (j = 1; j <= nx; j++) {
		label = by_updaters ? prefix : prefix x[j]
		n = by_updaters ? x[j] : 1
		if (!has(label, "kvfree", n, metric) || x[j] in done)
			continue
		done[x[j]] = 1
		printf "%d", x[j] > file
		for (i = 1; i <= nw; i++)
			printf " %s", has(label, who[i], n, metric) ? \
				med(label, who[i], n, metric) : "NaN" > file
		print "" > file
	}
	close(file)
}

function all_plot_data() {
	plot_data("throughput", "T", "none kvfree kvfree-raw defer_rcu " \
		"call_rcu ck_epoch kvfree-kvmalloc",
		"1 2 4 8 16 32 64 " cpus, "mops", 1)
	plot_data("sizes", "E14-",
		"kvfree kvfree-raw kvfree-kvmalloc defer_rcu call_rcu",
		"64 256 1024 4096 16384 65536 262144", "mops", 0)
	plot_data("busy", "E13-", "kvfree ck_epoch defer_rcu",
		"0 1 2 4 8 16 " 2 * cpus, "cpu_ns_per_op", 0)
}

function summary(	i, n, ids, text) {
	n = split("E1 E2 E2b E3 E4 E5 E6 E7 E8 E9 E10 E11 E12 E12b E13 E14 " \
		"E15 E16 E17 E18 K8 P3 P4 P5 P14", ids, " ")
	print "\n## Summary\n"
	for (i = 1; i <= n; i++) {
		if (!wanted(ids[i]))
			continue
		if (ids[i] in shorts)
			text = "**short**"
		else if (ids[i] in other)
			text = (ids[i] in reached) ? \
				"reached as far as it can be measured here" : \
				"not measured"
		else
			text = "reached"
		print "- " ids[i] ": " text
	}
	print "\nWhy rows fall short, and what was tried: doc/performance.md."
}

function line_note(	near, far) {
	near = med("line", "none", cpus, "near_ns")
	far = med("line", "none", cpus, "far_ns")
	if (near && near < far)
		print "A dirty cache line takes " num(near) " to " num(far) \
			" ns from processor 0 to another."
	else if (near)
		print "A dirty cache line takes " num(near) \
			" ns from one processor to the other."
}

function busy_tables(	i, n, loads, shown) {
	n = split("0 1 2 4 8 16 " 2 * cpus, loads, " ")
	sort_numbers(loads, n)
	for (i = 1; i <= n; i++) {
		if (loads[i] in shown)
			continue
		shown[loads[i]] = 1
		busy_table(loads[i], 1)
		if (cpus > 1)
			busy_table(loads[i], cpus)
	}
}

function busy_table(load, n) {
	if (has("E13-" load, "kvfree", n, "mops"))
		detail_table(updaters(n) " beside " load " busy loops (E13)",
			"E13-" load, n,
			"cpu_ns_per_op updater_cpu_ns_per_op mops owner_freed_pct grace_periods peak_rss_mb")
}

function size_tables(	i, n, sizes) {
	n = split("64 256 1024 4096 16384 65536 262144", sizes, " ")
	for (i = 1; i <= n; i++)
		if (has("E14-" sizes[i], "kvfree", 1, "mops"))
			detail_table("Objects of " sizes[i] " bytes (E14)",
				"E14-" sizes[i], 1,
				"mops cpu_ns_per_op grace_periods helped owner_freed_pct peak_rss_mb over_rss")
}

END {
	print "Medians of all rounds unless the row says otherwise. Times per object"
	print "end when everything is freed, barrier included; updaters are"
	print "registered as readers. Each run is a process of its own; within a row the"
	print "reclaimers take turns."
	line_note()
	busy_note()
	head("Targets")
	call_rows()
	clean_rows()
	worker_rows(1)
	if (cpus > 1)
		worker_rows(cpus)
	latency_rows()
	stall_rows()
	memory_row("kvfree", "clean calls")
	memory_row("kvfree-kvmalloc", "kvmalloc and raw calls")
	memory_row("kvfree-raw", "malloc and raw calls")
	supply_rows()
	idle_rows()
	many_rows()
	busy_rows(1)
	if (cpus > 1)
		busy_rows(cpus)
	kinds_rows()
	head("Lessons")
	lesson_rows()
	summary()
	print "\n## Figures behind the rows"
	detail_table("One call (E1), ns", "E1", 1,
		"call_ns call_mean_ns call_best_ns batches")
	detail_table("One updater (E2, E2b, E4)", "T", 1,
		"ns_per_op loop_ns_per_op updater_cpu_ns_per_op cpu_ns_per_op owner_freed_pct recycled_pct emergency_ppm peak_rss_mb")
	if (cpus > 1)
		detail_table("One updater per CPU (E3)", "T", cpus,
			"ns_per_op loop_ns_per_op updater_cpu_ns_per_op cpu_ns_per_op owner_freed_pct recycled_pct emergency_ppm peak_rss_mb")
	detail_table("64 updaters (E12)", "T", 64,
		"mops updater_cpu_ns_per_op cpu_ns_per_op owner_freed_pct emergency_ppm grace_periods helped peak_mb peak_rss_mb")
	detail_table("Latency with a reader of 1 ms (E5), ns", "E5", 1,
		"p50_ns p99_ns p999_ns p9999_ns p99999_ns max_ns preempted_calls all_p9999_ns all_max_ns")
	detail_table("Allocator not hanging (E6), ns", "E6n", 1,
		"p50_ns p99_ns p9999_ns max_ns preempted_calls")
	detail_table("Allocator hangs (E6), ns", "E6s", 1,
		"p50_ns p99_ns p9999_ns max_ns preempted_calls stalled_allocator_calls")
	detail_table("Flood with readers of 100 µs (E7)", "E7", cpus,
		"peak_rss_mb peak_mb half1_mb half2_mb mops over_rss")
	detail_table("Steady 1 M/s (E8, P4)", "E8", 1,
		"emergency_ppm pages pages_warmup pages_allocated cached_pages refills grace_periods process_cpu_pct")
	detail_table("Barrier (E9), µs", "E9", cpus, "barrier_us barrier_p99_us")
	detail_table("64 barriers at once (E9)", "E9many", 64,
		"barriers_us barriers_max_us grace_periods grace_periods_max")
	detail_table("Idle (E10)", "E10", cpus,
		"wakeups_per_s threads pending cached_pages rss_mb")
	detail_table("1,000 threads (E11), KiB each", "E11", 1000,
		"registered_kb worked_kb idle_kb trimmed_kb cached_pages pages")
	busy_tables()
	size_tables()
	detail_table("Two flavors in turn (E15)", "E15", 1,
		"ns_per_op cpu_ns_per_op owner_freed_pct pending peak_rss_mb")
	detail_table("First call of a thread (E16), µs", "E16", 5000,
		"first_us first_p99_us first_max_us")
	detail_table("Flood, " cpus * 8 " updaters (E17)", "E17", cpus * 8,
		"mops half1_mb half2_mb emergency_ppm peak_rss_mb over_rss")
	detail_table("The same with max_pending_bytes (E17)", "E17cap",
		cpus * 8, "mops half1_mb half2_mb peak_rss_mb over_rss")
	detail_table("A batch by hand, memb (E18)", "E18-memb", 1,
		"mops updater_cpu_ns_per_op cpu_ns_per_op peak_rss_mb")
	detail_table("A batch by hand, qsbr (E18)", "E18-qsbr", 1,
		"mops updater_cpu_ns_per_op cpu_ns_per_op peak_rss_mb")
	detail_table("Trickle (K8)", "K8", 1,
		"objects_per_gp grace_periods pages_allocated pages")
	detail_table("mb flavor", "F-mb", 1, "ns_per_op")
	detail_table("qsbr flavor", "F-qsbr", 1, "ns_per_op")
	detail_table("bp flavor", "F-bp", 1, "ns_per_op")
	detail_table("One call, mb flavor, ns", "F-call-mb", 1, "call_ns")
	detail_table("One call, qsbr flavor, ns", "F-call-qsbr", 1, "call_ns")
	detail_table("One call, bp flavor, ns", "F-call-bp", 1, "call_ns")
	all_plot_data()
}
