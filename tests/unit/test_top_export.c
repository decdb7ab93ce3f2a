// SPDX-License-Identifier: MIT
/* What programs get: JSON lines, CSV, OpenMetrics, the endpoint, the page. */
#include "../../tools/top_export.h"
#include "../../tools/top_html.h"
#include "../../tools/top_serve.h"
#include "frames.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
/* cmocka wants these before it */
#include <cmocka.h>

static const struct top_pick all = { .node = -1, .processes = 1000 };

static struct top_frame *two_processes(void)
{
	struct top_frame *f = frames_plain(2, 10);
	struct top_process *p;

	f->interval_ns = 2000000000;
	p = frames_process(f, 10, "server");
	p->counts.faults_remote = 40;
	p->counts.faults_local = 60;
	p->counts.run_ns = 5;
	p->run_ns_on[0] = 5;
	p->counts.moves[NUMAPERF_MOVE_WAKEUP] = 3;
	p->counts.moves[NUMAPERF_MOVE_AFFINITY] = 1;
	p = frames_process(f, 11, "=cmd|'x\"y");
	free(p->resident);
	p->resident = NULL;
	f->cell[1].pages[NUMAPERF_PAGE_ANON] = 7;
	f->cell[1].pages[NUMAPERF_PAGE_HUGE] = 512;
	f->cell[1].pages[NUMAPERF_PAGE_FILE] = 9999; /* not in the matrix */
	f->events_lost = 2;
	f->notices_lost = 3;
	f->threads_lost = 4;
	return f;
}

static char *json_of(const struct top_frame *f, const struct top_pick *pick)
{
	char *text;
	size_t n;
	FILE *to = open_memstream(&text, &n);

	assert_int_equal(top_export_json(to, f, pick), 0);
	fclose(to);
	return text;
}

static void a_line_of_json(void **state)
{
	static const char *const keys[] = { "time",	 "interval_s", "nodes", "matrix",
					    "processes", "hooks",      "lost" };
	static const char *const node_keys[] = {
		"id",
		"run_time_ns",
		"faults_local",
		"faults_remote",
		"thread_moves_in",
		"thread_moves_out",
		"pages_in",
		"pages_out",
		"hint_faults_local",
		"hint_faults_remote",
		"mem_total",
		"mem_free",
	};
	static const char *const process_keys[] = {
		"pid",	       "comm",	       "locality_ratio", "locality_basis",
		"run_time_ns", "faults_local", "faults_remote",	 "moves"
	};
	struct top_frame *f = two_processes();
	char *text = json_of(f, &all);
	json_t *o = json_loads(text, 0, NULL), *node, *p;

	(void)state;
	assert_non_null(o);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1); /* one line */
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_non_null(json_object_get(o, keys[i]));
	node = json_array_get(json_object_get(o, "nodes"), 1);
	for (size_t i = 0; i < sizeof(node_keys) / sizeof(node_keys[0]); i++)
		assert_non_null(json_object_get(node, node_keys[i]));
	assert_int_equal(json_integer_value(json_object_get(node, "id")), 2);
	p = json_array_get(json_object_get(o, "processes"), 0);
	for (size_t i = 0; i < sizeof(process_keys) / sizeof(process_keys[0]); i++)
		assert_non_null(json_object_get(p, process_keys[i]));
	assert_int_equal(json_integer_value(json_object_get(p, "pid")), 10);
	assert_true(json_real_value(json_object_get(p, "locality_ratio")) == 0.6);
	assert_string_equal(json_string_value(json_object_get(p, "locality_basis")), "fault");
	assert_int_equal(json_integer_value(json_object_get(p, "moves")), 4);
	assert_int_equal(
		json_integer_value(json_object_get(json_object_get(p, "run_time_ns"), "0")), 5);
	/* nothing was observed: null, not 0 or 1 */
	p = json_array_get(json_object_get(o, "processes"), 1);
	assert_true(json_is_null(json_object_get(p, "locality_ratio")));
	assert_true(json_is_null(json_object_get(p, "resident")));
	assert_int_equal(json_integer_value(json_array_get(
				 json_array_get(json_object_get(o, "matrix"), 0), 1)),
			 519);
	assert_int_equal(json_integer_value(json_object_get(o, "lost")), 9);
	assert_string_equal(
		json_string_value(json_object_get(json_object_get(o, "hooks"), "faults")),
		"fentry");
	json_decref(o);
	free(text);
	top_frame_free(f);
}

static void what_is_not_counted_is_null(void **state)
{
	struct top_frame *f = two_processes();
	char *text;
	json_t *o, *node;

	(void)state;
	f->hook[NUMAPERF_METRIC_FAULTS].rung = NUMAPERF_RUNG_ABSENT;
	f->hook[NUMAPERF_METRIC_PAGE_MOVES].rung = NUMAPERF_RUNG_TP_BTF;
	f->node[0].mem_free = TOP_NONE;
	text = json_of(f, &all);
	o = json_loads(text, 0, NULL);
	node = json_array_get(json_object_get(o, "nodes"), 0);
	assert_true(json_is_null(json_object_get(node, "faults_remote")));
	assert_true(json_is_null(json_object_get(node, "pages_in")));
	assert_true(json_is_null(json_object_get(node, "mem_free")));
	assert_true(json_is_integer(json_object_get(node, "run_time_ns")));
	assert_true(json_is_null(
		json_array_get(json_array_get(json_object_get(o, "matrix"), 0), 1)));
	json_decref(o);
	free(text);
	top_frame_free(f);
}

static void some_of_the_processes(void **state)
{
	struct top_frame *f = two_processes();
	struct top_pick pick = all;
	char *text;

	(void)state;
	pick.node = 0;
	text = json_of(f, &pick);
	assert_non_null(strstr(text, "\"pid\":10"));
	assert_null(strstr(text, "\"pid\":11"));
	free(text);
	pick.node = -1;
	pick.processes = 1; /* the most remote */
	text = json_of(f, &pick);
	assert_non_null(strstr(text, "\"pid\":10"));
	assert_null(strstr(text, "\"pid\":11"));
	assert_non_null(strstr(text, "\"processes_total\":2"));
	free(text);
	top_frame_free(f);
}

static void rows_of_csv(void **state)
{
	struct top_frame *f = two_processes();
	char *text, *line, *save;
	size_t n, columns = 0, rows = 0;
	FILE *to = open_memstream(&text, &n);

	(void)state;
	assert_int_equal(top_export_csv(to, f, &all, true), 0);
	assert_int_equal(top_export_csv(to, f, &all, false), 0);
	fclose(to);
	/* a cell that begins like a formula must not be one */
	assert_non_null(strstr(text, "\" =cmd|'x\"\"y\""));
	for (line = strtok_r(text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save)) {
		bool quoted = false;
		size_t commas = 0;

		for (const char *c = line; *c; c++) {
			quoted ^= *c == '"';
			commas += *c == ',' && !quoted;
		}
		if (!rows++)
			columns = commas;
		assert_int_equal(commas, columns);
	}
	assert_int_equal(rows, 1 + 2 * 2 * 2); /* titles; two processes, two nodes, twice */
	free(text);
	top_frame_free(f);
}

static void a_reader_that_went_away(void **state)
{
	struct top_frame *f = two_processes();
	FILE *full = fopen("/dev/full", "we");

	(void)state;
	assert_int_equal(top_export_json(full, f, &all), -EIO);
	fclose(full);
	full = fopen("/dev/full", "we");
	assert_int_equal(top_export_csv(full, f, &all, true), -EIO);
	fclose(full);
	full = fopen("/dev/full", "we");
	assert_int_equal(top_export_text(full, f, &all), -EIO);
	fclose(full);
	top_frame_free(f);
}

/* ---- metrics ---- */

static void metrics_have_no_processes(void **state)
{
	struct top_frame *f = two_processes();
	size_t n;
	char *text = top_export_metrics(f, true, &n);

	(void)state;
	assert_int_equal(strlen(text), n);
	assert_null(strstr(text, "server"));
	assert_null(strstr(text, "pid"));
	assert_string_equal(text + n - 6, "# EOF\n");
	assert_non_null(strstr(text,
			       "numaperf_fault_pages_total{cpu_node=\"0\",memory_node=\"2\","
			       "kind=\"huge\"} 512\n"));
	assert_non_null(strstr(text, "numaperf_events_lost_total 2\n"));
	free(text);
	/* as many series, however many processes there are */
	for (int i = 20; i < 400; i++)
		frames_process(f, i, "more");
	text = top_export_metrics(f, true, &n);
	assert_non_null(strstr(text, "numaperf_processes 382\n"));
	free(text);
	/* what cannot be had is not exposed */
	f->hook[NUMAPERF_METRIC_FAULTS].rung = NUMAPERF_RUNG_ABSENT;
	text = top_export_metrics(f, true, &n);
	assert_null(strstr(text, "numaperf_fault_pages"));
	assert_non_null(strstr(text, "numaperf_hook_rung{metric=\"faults\"} 0\n"));
	free(text);
	top_frame_free(f);
}

static int http(const char *where, const char *request, char *answer, size_t size)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t got = 0;
	ssize_t n = 1;

	to.sin_port = htons((uint16_t)atoi(strrchr(where, ':') + 1));
	inet_aton("127.0.0.1", &to.sin_addr);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	assert_int_equal(write(fd, request, strlen(request)), strlen(request));
	while (n > 0 && got + 1 < size) {
		n = read(fd, answer + got, size - got - 1);
		got += n > 0 ? (size_t)n : 0;
	}
	answer[got] = '\0';
	close(fd);
	return strncmp(answer, "HTTP/1.1 ", 9) ? 0 : atoi(answer + 9);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static void the_endpoint(void **state)
{
	static char answer[1 << 20];
	struct top_frame *f = two_processes();
	struct top_server *s;
	char error[256];

	(void)state;
	assert_int_equal(top_serve_open(&s, "127.0.0.1:0", error, sizeof(error)), 0);
	assert_true(!strncmp(top_serve_where(s), "127.0.0.1:", 10));
	assert_int_equal(http(top_serve_where(s), GET("/metrics"), answer, sizeof(answer)),
			 503);
	assert_int_equal(top_serve_update(s, f), 0);
	assert_int_equal(http(top_serve_where(s), GET("/metrics"), answer, sizeof(answer)),
			 200);
	assert_non_null(strstr(answer, "text/plain; version=0.0.4"));
	assert_non_null(strstr(answer, "# TYPE numaperf_violations_total counter\n"));
	assert_null(strstr(answer, "# EOF"));
	assert_int_equal(
		http(top_serve_where(s),
		     "GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAccept: "
		     "application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n\r\n",
		     answer, sizeof(answer)),
		200);
	assert_non_null(strstr(answer, "application/openmetrics-text; version=1.0.0"));
	assert_non_null(strstr(answer, "# TYPE numaperf_violations counter\n"));
	assert_non_null(strstr(answer, "# EOF\n"));
	assert_non_null(strstr(answer, "numaperf_processes 2\n"));
	assert_int_equal(http(top_serve_where(s), GET("/"), answer, sizeof(answer)), 404);
	assert_int_equal(
		http(top_serve_where(s), GET("/../etc/passwd"), answer, sizeof(answer)), 404);
	assert_int_equal(http(top_serve_where(s),
			      "POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
			      "Connection: close\r\n\r\n",
			      answer, sizeof(answer)),
			 405);
	/* the address is taken */
	{
		struct top_server *other;

		assert_true(top_serve_open(&other, top_serve_where(s), error, sizeof(error)) <
			    0);
		assert_non_null(strstr(error, "cannot listen"));
	}
	top_serve_close(s);
	top_frame_free(f);
}

static void wrong_addresses(void **state)
{
	static const char *const wrong[] = {
		"localhost:1", "1.2.3.4.5:1",	 "::1:9000",
		"[::1",	       "127.0.0.1:http", "127.0.0.1:99999"
	};
	struct top_server *s;
	char error[256];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		error[0] = '\0';
		if (!top_serve_open(&s, wrong[i], error, sizeof(error)))
			fail_msg("%s was taken", wrong[i]);
		assert_true(error[0]);
	}
}

/* ---- the page ---- */

struct script {
	struct top_source source;
	struct top_frame **frame;
	size_t at, count;
};

static int next(struct top_source *source, struct top_frame **frame)
{
	struct script *s = (struct script *)source;

	if (s->at == s->count)
		return 1;
	*frame = s->frame[s->at++];
	return 0;
}

static char *page_of(struct top_frame **frame, size_t count)
{
	struct script s = { .source = { .next = next }, .frame = frame, .count = count };
	char path[64], error[256] = "", *text;
	struct stat st;
	FILE *f;

	snprintf(path, sizeof(path), "/tmp/np-page-%d", (int)getpid());
	if (top_html_write(path, &s.source, error, sizeof(error)))
		fail_msg("%s", error);
	f = fopen(path, "re");
	assert_non_null(f);
	fstat(fileno(f), &st);
	text = calloc(1, (size_t)st.st_size + 1);
	assert_int_equal(fread(text, 1, (size_t)st.st_size, f), st.st_size);
	fclose(f);
	unlink(path);
	return text;
}

static void the_page_is_whole_and_escaped(void **state)
{
	struct top_frame *f[3];
	struct top_stack *s;
	struct top_event *e;
	char *text;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		f[i] = frames_plain(2, 10 + i);
		f[i]->cell[1].pages[NUMAPERF_PAGE_ANON] = 100 * i;
		f[i]->node[0].faults_remote = 100 * i;
		frames_process(f[i], 10, "<script>alert(1)</script>")->counts.run_ns = i;
		s = top_frame_add_stack(f[i], 2);
		s->pid = 10;
		strcpy(s->comm, "p");
		s->pages = 100 * i;
		s->symbol[0] = strdup("operator<<(std::ostream&)+0x5 (lib.so)");
		s->symbol[1] = strdup("main+0x1");
	}
	e = top_frame_add_event(f[2]);
	e->label = strdup("l");
	e->message = strdup("5 pages <b>moved</b>");
	text = page_of(f, 3);
	assert_non_null(strstr(text, "</html>"));
	assert_null(strstr(text, "<script"));
	assert_null(strstr(text, "<b>"));
	assert_null(strstr(text, "http")); /* nothing from elsewhere */
	assert_non_null(strstr(text, "&lt;script&gt;alert(1)"));
	assert_non_null(strstr(text, "5 pages &lt;b&gt;moved"));
	assert_non_null(strstr(text, "operator&lt;&lt;(std::ostream&amp;)"));
	assert_non_null(strstr(text, ">200</td>")); /* of the heat map */
	assert_non_null(strstr(text, "200 pages (100.0 %)"));
	free(text);
}

static void any_recording_makes_a_page(void **state)
{
	const char *given = getenv("NP_SEED");

	(void)state;
	frames_seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * 2654435761u + 1;
	print_message("NP_SEED=%#llx\n", (unsigned long long)frames_seed);
	for (int i = 0; i < 100; i++) {
		struct top_frame *f[5];
		size_t count = 1 + frames_any(5);
		char *text;

		for (size_t k = 0; k < count; k++) {
			f[k] = frames_random(1 + frames_any(3));
			f[k]->mono_ns = (1000 + k) * 1000000000u;
		}
		text = page_of(f, count);
		assert_non_null(strstr(text, "</html>"));
		assert_null(strstr(text, "nan"));
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_of_json),
		cmocka_unit_test(what_is_not_counted_is_null),
		cmocka_unit_test(some_of_the_processes),
		cmocka_unit_test(rows_of_csv),
		cmocka_unit_test(a_reader_that_went_away),
		cmocka_unit_test(metrics_have_no_processes),
		cmocka_unit_test(the_endpoint),
		cmocka_unit_test(wrong_addresses),
		cmocka_unit_test(the_page_is_whole_and_escaped),
		cmocka_unit_test(any_recording_makes_a_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
