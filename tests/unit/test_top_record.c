// SPDX-License-Identifier: MIT
/* Recordings: written, read, sought in, and broken in every way. */
#include "../../tools/top_record.h"
#include "frames.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zstd.h>
/* cmocka wants these before it */
#include <cmocka.h>

static char path[64], error[512];

static int set_up(void **state)
{
	const char *given = getenv("NP_SEED");

	(void)state;
	frames_seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL) * 2654435761u + 1;
	print_message("NP_SEED=%#llx\n", (unsigned long long)frames_seed);
	snprintf(path, sizeof(path), "/tmp/np-record-%d", (int)getpid());
	unlink(path);
	error[0] = '\0';
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	return 0;
}

static char *text_of(const struct top_frame *f)
{
	json_t *json = top_frame_to_json(f);
	char *text = json_dumps(json, JSON_COMPACT);

	json_decref(json);
	assert_non_null(text);
	return text;
}

static void same(const struct top_frame *a, const struct top_frame *b)
{
	char *x = text_of(a), *y = text_of(b);

	assert_string_equal(x, y);
	free(x);
	free(y);
}

/* `count` frames, a second apart; the caller frees them. */
static struct top_frame **make_frames(unsigned int count)
{
	struct top_frame **f = calloc(count, sizeof(struct top_frame *));
	size_t nodes = 1 + frames_any(4);

	for (unsigned int i = 0; i < count; i++) {
		f[i] = frames_random(nodes);
		f[i]->mono_ns = (1000ull + i) * 1000000000u;
	}
	return f;
}

static void free_frames(struct top_frame **f, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		top_frame_free(f[i]);
	free(f);
}

static void record(struct top_frame **f, unsigned int count)
{
	struct top_recorder *r;

	assert_int_equal(top_record_open(&r, path, error, sizeof(error)), 0);
	for (unsigned int i = 0; i < count; i++)
		assert_int_equal(top_record_add(r, f[i], error, sizeof(error)), 0);
	assert_int_equal(top_record_close(r, error, sizeof(error)), 0);
}

static void a_frame_is_json_and_back(void **state)
{
	(void)state;
	for (int i = 0; i < 300; i++) {
		struct top_frame *f = frames_random(1 + frames_any(8)), *back;
		json_t *json = top_frame_to_json(f);

		back = top_frame_from_json(json, error, sizeof(error));
		assert_string_equal(error, "");
		assert_non_null(back);
		same(f, back);
		json_decref(json);
		top_frame_free(f);
		top_frame_free(back);
	}
}

static void what_was_recorded_is_replayed(void **state)
{
	struct top_frame **f = make_frames(20), *got;
	struct top_source *s;

	(void)state;
	record(f, 20);
	assert_int_equal(top_replay_open(&s, path, error, sizeof(error)), 0);
	assert_true(fabs(s->length(s) - 19) < 1e-6);
	for (int i = 0; i < 20; i++) {
		assert_int_equal(s->next(s, &got), 0);
		same(f[i], got);
		top_frame_free(got);
	}
	assert_int_equal(s->next(s, &got), 1);
	assert_int_equal(s->next(s, &got), 1);
	/* sought in: the last one not behind the moment */
	for (int i = 0; i < 200; i++) {
		double at = frames_any(2500) / 100.0 - 2;
		int want = at < 0 ? 0 : at > 19 ? 19 : (int)at;

		assert_int_equal(s->seek(s, at), 0);
		assert_int_equal(s->next(s, &got), 0);
		assert_true(got->mono_ns == f[want]->mono_ns);
		top_frame_free(got);
	}
	s->close(s);
	free_frames(f, 20);
}

static const char *messages(const struct top_frame *f)
{
	static char text[256];
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < f->events; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, "%s ", f->event[i].message);
	return text;
}

static void add_event(struct top_frame *f, const char *message)
{
	struct top_event *e = top_frame_add_event(f);

	e->label = strdup("");
	e->message = strdup(message);
}

/* Who leaps over frames is told of what happened in them; who goes on is told once. */
static void a_leap_tells_what_had_happened(void **state)
{
	struct top_frame *f[6], *got;
	struct top_source *s;

	(void)state;
	for (unsigned int i = 0; i < 6; i++)
		f[i] = frames_plain(2, 10 + i);
	add_event(f[1], "a");
	add_event(f[1], "b");
	add_event(f[3], "c");
	add_event(f[4], "d");
	record(f, 6);
	for (int index = 1; index >= 0; index--) {
		assert_int_equal(top_replay_open(&s, path, error, sizeof(error)), 0);
		s->seek(s, 4);
		assert_int_equal(s->next(s, &got), 0);
		assert_string_equal(messages(got), "a b c d ");
		top_frame_free(got);
		assert_int_equal(s->next(s, &got), 0);
		assert_string_equal(messages(got), "");
		top_frame_free(got);
		s->seek(s, 1);
		assert_int_equal(s->next(s, &got), 0);
		assert_string_equal(messages(got), "a b ");
		top_frame_free(got);
		s->seek(s, 0);
		assert_int_equal(s->next(s, &got), 0);
		assert_string_equal(messages(got), "");
		top_frame_free(got);
		assert_int_equal(s->next(s, &got), 0);
		assert_string_equal(messages(got), "a b ");
		top_frame_free(got);
		s->close(s);
		/* and without an index */
		if (index) {
			struct stat st;

			assert_int_equal(stat(path, &st), 0);
			assert_int_equal(truncate(path, st.st_size - 1), 0);
		}
	}
	for (unsigned int i = 0; i < 6; i++)
		top_frame_free(f[i]);
}

/* Of very many events the newest. */
static void a_leap_tells_the_newest(void **state)
{
	struct top_frame *f[40], *got;
	struct top_source *s;
	char name[16];

	(void)state;
	for (unsigned int i = 0; i < 40; i++) {
		f[i] = frames_plain(1, 10 + i);
		for (int k = 0; k < 100; k++) {
			snprintf(name, sizeof(name), "%u.%d", i, k);
			add_event(f[i], name);
		}
	}
	record(f, 40);
	assert_int_equal(top_replay_open(&s, path, error, sizeof(error)), 0);
	s->seek(s, 39);
	assert_int_equal(s->next(s, &got), 0);
	assert_int_equal(got->events, 1100); /* and those of the frame itself */
	assert_string_equal(got->event[0].message, "29.0");
	assert_string_equal(got->event[1099].message, "39.99");
	top_frame_free(got);
	s->close(s);
	for (unsigned int i = 0; i < 40; i++)
		top_frame_free(f[i]);
}

/* Other tools read it: Zstandard frames with a line of JSON each. */
static void it_is_json_inside(void **state)
{
	struct top_frame **f = make_frames(1);
	static char packed[1 << 20], text[1 << 22];
	size_t n, got;
	FILE *file;

	(void)state;
	record(f, 1);
	file = fopen(path, "re");
	n = fread(packed, 1, sizeof(packed), file);
	fclose(file);
	got = ZSTD_decompress(text, sizeof(text) - 1, packed, n);
	assert_false(ZSTD_isError(got));
	text[got] = '\0';
	assert_true(!strncmp(text, "{\"numaperf-top\":1}\n{\"time_ns\":", 30));
	assert_int_equal(text[got - 1], '\n');
	free_frames(f, 1);
}

/* Who was killed while he recorded leaves no index, and perhaps half a frame. */
static void without_its_end(void **state)
{
	struct top_frame **f = make_frames(5), *got;
	struct top_source *s;
	struct stat whole;
	int frames;

	(void)state;
	record(f, 5);
	assert_int_equal(stat(path, &whole), 0);
	/* one byte less each time: all whole frames are there, and nothing else */
	for (off_t length = whole.st_size - 1, last = 5; length > 0;
	     length -= 1 + frames_any(40)) {
		assert_int_equal(truncate(path, length), 0);
		error[0] = '\0';
		if (top_replay_open(&s, path, error, sizeof(error))) {
			assert_true(strlen(error) > strlen(path));
			continue;
		}
		for (frames = 0; !s->next(s, &got); frames++) {
			same(f[frames], got);
			top_frame_free(got);
		}
		assert_true(frames >= 1 && frames <= last);
		last = frames;
		s->close(s);
	}
	free_frames(f, 5);
}

static void overwrite(long at, unsigned char byte)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static unsigned char byte_at(long at)
{
	unsigned char byte = 0;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	assert_int_equal(pread(fd, &byte, 1, at), 1);
	close(fd);
	return byte;
}

/* A byte that is another: an error that names the file, or frames that are right. */
static void broken_somewhere(void **state)
{
	struct top_frame **f = make_frames(3), *got;
	int refused = 0, read = 0;
	struct top_source *s;
	struct stat st;

	(void)state;
	record(f, 3);
	assert_int_equal(stat(path, &st), 0);
	for (int i = 0; i < 3000; i++) {
		long at = (long)frames_any((unsigned int)st.st_size);
		unsigned char was = byte_at(at);
		int err, n = 0;

		overwrite(at, (unsigned char)(was ^ (1 + frames_any(255))));
		error[0] = '\0';
		err = top_replay_open(&s, path, error, sizeof(error));
		if (err) {
			assert_true(err < 0 && strstr(error, path));
			refused++;
		} else {
			while (!(err = s->next(s, &got))) {
				assert_true(n < 3);
				same(f[n++], got);
				top_frame_free(got);
			}
			if (err < 0)
				assert_non_null(strstr(s->error, path));
			read++;
			s->close(s);
		}
		overwrite(at, was);
	}
	print_message("%d refused at once, %d read as far as they go\n", refused, read);
	assert_true(refused && read);
	free_frames(f, 3);
}

/* JSON that is well formed and no frame: what is wrong is said, and nothing breaks. */
static void frames_that_make_no_sense(void **state)
{
	int refused = 0;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		struct top_frame *f = frames_random(1 + frames_any(3)), *back;
		char *text = text_of(f);
		size_t n = strlen(text);
		json_t *json = NULL;

		/* a digit, a bracket, a word that is another */
		for (int tries = 0; !json && tries < 50; tries++) {
			size_t at = frames_any((unsigned int)n);
			char was = text[at];

			text[at] = "0123456789-nx\"[]{},:"[frames_any(20)];
			json = json_loads(text, 0, NULL);
			if (!json)
				text[at] = was;
		}
		if (json) {
			error[0] = '\0';
			back = top_frame_from_json(json, error, sizeof(error));
			assert_true(back ? !error[0] : error[0] != 0);
			refused += !back;
			top_frame_free(back);
		}
		json_decref(json);
		free(text);
		top_frame_free(f);
	}
	print_message("%d refused\n", refused);
	assert_true(refused > 20);
}

static void wrong_json(const char *text, const char *part)
{
	json_t *json = json_loads(text, 0, NULL);

	assert_non_null(json);
	error[0] = '\0';
	assert_null(top_frame_from_json(json, error, sizeof(error)));
	if (!strstr(error, part))
		fail_msg("'%s' is not in '%s'", part, error);
	json_decref(json);
}

static void what_is_wrong_is_said(void **state)
{
	(void)state;
	wrong_json("{}", "no nodes");
	wrong_json("[]", "no nodes");
	wrong_json("{\"nodes\":[{\"id\":0}]}", "matrix");
	wrong_json("{\"nodes\":[{\"id\":-4}]}", "'id' is out of range");
	wrong_json("{\"nodes\":[{\"id\":1},{\"id\":0}]}", "not in order");
	wrong_json("{\"nodes\":[{\"id\":0,\"cpus\":\"x\"}]}", "'cpus' is no number");
}

static void of_other_kinds(void **state)
{
	struct top_source *s;
	char packed[256];
	size_t n;
	FILE *f;

	(void)state;
	assert_int_equal(top_replay_open(&s, path, error, sizeof(error)), -ENOENT);
	assert_non_null(strstr(error, "No such file"));
	f = fopen(path, "we");
	fclose(f);
	assert_true(top_replay_open(&s, path, error, sizeof(error)) < 0);
	assert_non_null(strstr(error, "empty"));
	f = fopen(path, "we");
	fputs("hello, I am a text\n", f);
	fclose(f);
	assert_true(top_replay_open(&s, path, error, sizeof(error)) < 0);
	assert_non_null(strstr(error, "no recording"));
	assert_true(top_replay_open(&s, "/dev/null", error, sizeof(error)) < 0);
	assert_true(top_replay_open(&s, "/", error, sizeof(error)) < 0);
	/* of a later version */
	n = ZSTD_compress(packed, sizeof(packed), "{\"numaperf-top\":2}\n", 19, 1);
	f = fopen(path, "we");
	fwrite(packed, 1, n, f);
	fclose(f);
	assert_true(top_replay_open(&s, path, error, sizeof(error)) < 0);
	assert_non_null(strstr(error, "format 2"));
}

static void what_is_there_is_not_lost(void **state)
{
	struct top_recorder *r;
	char text[16] = "";
	FILE *f;

	(void)state;
	f = fopen(path, "we");
	fputs("precious", f);
	fclose(f);
	assert_int_equal(top_record_open(&r, path, error, sizeof(error)), -EEXIST);
	assert_non_null(strstr(error, "is no recording"));
	f = fopen(path, "re");
	assert_non_null(fgets(text, sizeof(text), f));
	fclose(f);
	assert_string_equal(text, "precious");
	unlink(path);
	/* a recording is written anew */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(top_record_open(&r, path, error, sizeof(error)), 0);
		assert_int_equal(top_record_close(r, error, sizeof(error)), 0);
	}
	assert_int_equal(top_record_open(&r, "/nowhere/x", error, sizeof(error)), -ENOENT);
	assert_int_equal(top_record_open(&r, "/dev/null", error, sizeof(error)), -EINVAL);
}

/* When there is no more room: an error, and what was recorded can be read. */
static void a_full_disk(void **state)
{
	struct top_frame **f = make_frames(30), *got;
	struct rlimit was, limit = { 60000, RLIM_INFINITY };
	struct top_recorder *r;
	struct top_source *s;
	int written = 0, read = 0;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &was);
	limit.rlim_max = was.rlim_max;
	assert_int_equal(top_record_open(&r, path, error, sizeof(error)), 0);
	setrlimit(RLIMIT_FSIZE, &limit);
	for (int i = 0; i < 3000; i++) {
		if (top_record_add(r, f[i % 30], error, sizeof(error)))
			break;
		written++;
	}
	setrlimit(RLIMIT_FSIZE, &was);
	assert_true(written > 0 && written < 3000);
	assert_non_null(strstr(error, path));
	assert_int_equal(top_record_close(r, error, sizeof(error)), 0);
	assert_int_equal(top_replay_open(&s, path, error, sizeof(error)), 0);
	for (; !s->next(s, &got); read++)
		top_frame_free(got);
	assert_int_equal(read, written);
	s->close(s);
	free_frames(f, 30);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_frame_is_json_and_back),
		TEST(what_was_recorded_is_replayed),
		TEST(a_leap_tells_what_had_happened),
		TEST(a_leap_tells_the_newest),
		TEST(it_is_json_inside),
		TEST(without_its_end),
		TEST(broken_somewhere),
		TEST(frames_that_make_no_sense),
		TEST(what_is_wrong_is_said),
		TEST(of_other_kinds),
		TEST(what_is_there_is_not_lost),
		TEST(a_full_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
