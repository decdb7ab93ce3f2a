/* SPDX-License-Identifier: MIT */
/*
 *	frame 0		{"numaperf-top": 1, ...}: the version of the format
 *	frame 1 ...	a line of JSON each (top_json.c), with a checksum
 *	skippable	"NPTI", then little-endian: number of frames; of each its place, its
 *time and how many events it has
 */
#include "top_record.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zstd.h>

enum {
	VERSION = 1,
	LEVEL = 3,
	PLACE = 24,	/* bytes of a frame in the index */
	EARLIER = 1000, /* events from before a leap that are told again */
};

#define INDEX_MAGIC 0x184D2A5Eu /* one of Zstandard's skippable ones (RFC 8878, 3.1.2) */
#define INDEX_NAME  "NPTI"
#define CONTENT_MAX (1ull << 30) /* of one frame, unpacked */
#define FRAMES_MAX  (1u << 28)

struct place {
	uint64_t offset, mono_ns, events;
};

static int fail(char *error, size_t size, int err, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

static int fail(char *error, size_t size, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(error, size, fmt, ap);
	va_end(ap);
	return err;
}

/* ---- the index, while writing or reading ---- */

struct places {
	struct place *place;
	size_t count, room;
};

static int add_place(struct places *p, struct place place)
{
	if (p->count == p->room) {
		size_t room = p->room ? 2 * p->room : 256;
		struct place *more = reallocarray(p->place, room, sizeof(*more));

		if (!more)
			return -ENOMEM;
		p->place = more;
		p->room = room;
	}
	p->place[p->count++] = place;
	return 0;
}

/* ---- writing ---- */

struct top_recorder {
	char *path;
	int fd;
	uint64_t at;
	ZSTD_CCtx *packer;
	struct places places;
};

static int write_all(int fd, const void *data, size_t size)
{
	const char *at = data;

	while (size) {
		ssize_t n = write(fd, at, size);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -EIO;
		at += n;
		size -= (size_t)n;
	}
	return 0;
}

/* What was written in part is cut off again: the recording stays readable. */
static int append(struct top_recorder *r, const void *data, size_t size, char *error,
		  size_t room)
{
	int err = write_all(r->fd, data, size);

	if (!err) {
		r->at += size;
		return 0;
	}
	if (ftruncate(r->fd, (off_t)r->at) || lseek(r->fd, (off_t)r->at, SEEK_SET) < 0)
		err = err ? err : -errno;
	return fail(error, room, err, "writing %s: %s", r->path, strerror(-err));
}

static int append_json(struct top_recorder *r, json_t *json, char *error, size_t size)
{
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	size_t length = text ? strlen(text) : 0, room = ZSTD_compressBound(length + 1), packed;
	char *out = text ? malloc(room) : NULL;
	int err;

	json_decref(json);
	if (!out) {
		free(text);
		return fail(error, size, -ENOMEM, "recording: no memory");
	}
	text[length] = '\n'; /* in the place of the end */
	packed = ZSTD_compress2(r->packer, out, room, text, length + 1);
	if (ZSTD_isError(packed))
		err = fail(error, size, -EIO, "recording: %s", ZSTD_getErrorName(packed));
	else
		err = append(r, out, packed, error, size);
	free(out);
	free(text);
	return err;
}

/* Whether a file that is there may be written over. */
static bool may_replace(int fd)
{
	char head[4096], text[256];
	ssize_t n = pread(fd, head, sizeof(head), 0);
	size_t frame, got;

	if (n <= 0)
		return n == 0;
	frame = ZSTD_findFrameCompressedSize(head, (size_t)n);
	if (ZSTD_isError(frame))
		return false;
	got = ZSTD_decompress(text, sizeof(text) - 1, head, frame);
	if (ZSTD_isError(got))
		return false;
	text[got] = '\0';
	return strstr(text, "\"numaperf-top\"") != NULL;
}

int top_record_open(struct top_recorder **recorder, const char *path, char *error, size_t size)
{
	struct top_recorder *r = calloc(1, sizeof(*r));
	struct stat st;
	int err = 0;

	if (r) {
		r->fd = -1;
		r->path = strdup(path);
		r->packer = ZSTD_createCCtx();
	}
	if (!r || !r->path || !r->packer) {
		err = fail(error, size, -ENOMEM, "recording: no memory");
		goto out;
	}
	ZSTD_CCtx_setParameter(r->packer, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(r->packer, ZSTD_c_checksumFlag, 1);
	r->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY, 0644);
	if (r->fd < 0 || fstat(r->fd, &st)) {
		err = fail(error, size, -errno, "cannot record to %s: %s", path,
			   strerror(errno));
	} else if (!S_ISREG(st.st_mode)) {
		err = fail(error, size, -EINVAL, "cannot record to %s: it is no file", path);
	} else if (!may_replace(r->fd)) {
		err = fail(error, size, -EEXIST,
			   "%s is there and is no recording: remove it, or take another name",
			   path);
	} else if (ftruncate(r->fd, 0)) {
		err = fail(error, size, -errno, "cannot record to %s: %s", path,
			   strerror(errno));
	} else {
		err = append_json(r, json_pack("{s:i}", "numaperf-top", VERSION), error, size);
	}
out:
	if (!err) {
		*recorder = r;
		return 0;
	}
	if (r) {
		if (r->fd >= 0)
			close(r->fd);
		ZSTD_freeCCtx(r->packer);
		free(r->path);
		free(r);
	}
	return err;
}

int top_record_add(struct top_recorder *r, const struct top_frame *frame, char *error,
		   size_t size)
{
	struct place place = { r->at, frame->mono_ns, frame->events };
	int err = append_json(r, top_frame_to_json(frame), error, size);

	if (!err && add_place(&r->places, place))
		err = fail(error, size, -ENOMEM, "recording: no memory");
	return err;
}

static int append_index(struct top_recorder *r, char *error, size_t size)
{
	size_t length = 4 + 8 + r->places.count * PLACE;
	uint32_t head[2] = { htole32(INDEX_MAGIC), htole32((uint32_t)length) };
	uint64_t count = htole64(r->places.count);
	char *out = malloc(8 + length), *at = out;
	int err;

	if (!out)
		return fail(error, size, -ENOMEM, "recording: no memory");
	memcpy(at, head, 8);
	memcpy(at + 8, INDEX_NAME, 4);
	memcpy(at + 12, &count, 8);
	at += 20;
	for (size_t i = 0; i < r->places.count; i++, at += PLACE) {
		const struct place *p = &r->places.place[i];
		uint64_t place[3] = { htole64(p->offset), htole64(p->mono_ns),
				      htole64(p->events) };

		memcpy(at, place, PLACE);
	}
	err = append(r, out, 8 + length, error, size);
	free(out);
	return err;
}

int top_record_close(struct top_recorder *r, char *error, size_t size)
{
	int err;

	if (!r)
		return 0;
	err = append_index(r, error, size);
	if (close(r->fd) && !err)
		err = fail(error, size, -errno, "writing %s: %s", r->path, strerror(errno));
	ZSTD_freeCCtx(r->packer);
	free(r->places.place);
	free(r->path);
	free(r);
	return err;
}

/* ---- reading ---- */

struct replay {
	struct top_source source;
	char *path;
	const char *data;
	size_t length;
	ZSTD_DCtx *unpacker;
	struct places places;
	size_t at;
	bool leapt; /* the next frame tells what had happened before it, too */
};

/* The frame at `offset` as JSON; `length` of it as it lies there. NULL: `error` says what. */
static json_t *unpack(struct replay *r, uint64_t offset, size_t length)
{
	const char *from = r->data + offset;
	unsigned long long content = ZSTD_getFrameContentSize(from, length);
	char *error = r->source.error, *text;
	size_t size = sizeof(r->source.error), got;
	json_error_t why;
	json_t *json;

	if (content == ZSTD_CONTENTSIZE_ERROR || content == ZSTD_CONTENTSIZE_UNKNOWN ||
	    content > CONTENT_MAX) {
		fail(error, size, 0, "%s: broken at byte %llu: no frame of a recording",
		     r->path, (unsigned long long)offset);
		return NULL;
	}
	text = malloc(content + 1);
	if (!text) {
		fail(error, size, 0, "%s: no memory for a frame of %llu bytes", r->path,
		     content);
		return NULL;
	}
	got = ZSTD_decompressDCtx(r->unpacker, text, content, from, length);
	if (ZSTD_isError(got)) {
		fail(error, size, 0, "%s: broken at byte %llu: %s", r->path,
		     (unsigned long long)offset, ZSTD_getErrorName(got));
		free(text);
		return NULL;
	}
	json = json_loadb(text, got, 0, &why);
	if (!json)
		fail(error, size, 0, "%s: broken at byte %llu: %s", r->path,
		     (unsigned long long)offset, why.text);
	free(text);
	return json;
}

static uint64_t le64(const char *at)
{
	uint64_t n;

	memcpy(&n, at, 8);
	return le64toh(n);
}

static uint32_t le32(const char *at)
{
	uint32_t n;

	memcpy(&n, at, 4);
	return le32toh(n);
}

/* The index that _close wrote, if it is whole and tells of places in the file. */
static bool read_index(struct replay *r, uint64_t first)
{
	uint64_t before = 0;

	for (size_t back = 20; back <= r->length && back <= 20 + (size_t)PLACE * FRAMES_MAX;
	     back += PLACE) {
		const char *at = r->data + r->length - back;
		uint64_t count = (back - 20) / PLACE;

		if (le32(at) != INDEX_MAGIC || memcmp(at + 8, INDEX_NAME, 4) ||
		    le32(at + 4) != back - 8 || le64(at + 12) != count)
			continue;
		at += 20;
		for (uint64_t i = 0; i < count; i++, at += PLACE) {
			uint64_t offset = le64(at);
			struct place place = { offset, le64(at + 8), le64(at + 16) };

			if (offset < first || offset <= before || offset >= r->length - back ||
			    add_place(&r->places, place)) {
				r->places.count = 0;
				return false;
			}
			before = offset;
		}
		return true;
	}
	return false;
}

static struct place place_of(uint64_t offset, const json_t *frame)
{
	return (struct place){
		.offset = offset,
		.mono_ns = (uint64_t)json_integer_value(json_object_get(frame, "mono_ns")),
		.events = json_array_size(json_object_get(frame, "events")),
	};
}

/* Without it: frame after frame. What is cut off in the middle of one ends the recording. */
static int find_frames(struct replay *r, uint64_t first)
{
	uint64_t at = first;

	while (at < r->length && r->places.count < FRAMES_MAX) {
		size_t n = ZSTD_findFrameCompressedSize(r->data + at, r->length - at);
		bool index = r->length - at >= 4 && le32(r->data + at) == INDEX_MAGIC;
		json_t *json;
		int err;

		if (ZSTD_isError(n))
			break;
		if (!index) {
			json = unpack(r, at, n);
			if (!json)
				break;
			err = add_place(&r->places, place_of(at, json));
			json_decref(json);
			if (err)
				return err;
		}
		at += n;
	}
	r->source.error[0] = '\0';
	return 0;
}

static int frame_at(struct replay *r, size_t i, struct top_frame **frame)
{
	uint64_t at = r->places.place[i].offset;
	char *error = r->source.error, why[256];
	size_t size = sizeof(r->source.error);
	size_t n = ZSTD_findFrameCompressedSize(r->data + at, r->length - at);
	json_t *json;

	if (ZSTD_isError(n))
		return fail(error, size, -EIO, "%s: broken at byte %llu: %s", r->path,
			    (unsigned long long)at, ZSTD_getErrorName(n));
	json = unpack(r, at, n);
	if (!json)
		return -EIO;
	*frame = top_frame_from_json(json, why, sizeof(why));
	json_decref(json);
	if (!*frame)
		return fail(error, size, -EIO, "%s: frame %zu (byte %llu): %s", r->path, i + 1,
			    (unsigned long long)at, why);
	return 0;
}

/* What had happened when a frame was made, as far as screens keep it: events are in the frame
 * in which they came, and whoever leaps to a later one has not seen them. */
static int add_earlier(struct replay *r, struct top_frame *frame)
{
	struct top_frame *all = top_frame_new(frame->nodes), *one;
	size_t from = r->at;
	uint64_t events = 0;
	int err = all ? 0 : -ENOMEM;

	while (from && events < EARLIER)
		events += r->places.place[--from].events;
	for (size_t i = from; i < r->at && !err; i++) {
		if (!r->places.place[i].events)
			continue;
		err = frame_at(r, i, &one);
		if (err)
			break;
		err = top_frame_move_events(all, one);
		top_frame_free(one);
	}
	if (!err)
		err = top_frame_move_events(all, frame);
	if (!err)
		err = top_frame_move_events(frame, all);
	top_frame_free(all);
	if (err == -ENOMEM)
		fail(r->source.error, sizeof(r->source.error), 0, "%s: no memory", r->path);
	return err;
}

static int next(struct top_source *source, struct top_frame **frame)
{
	struct replay *r = (struct replay *)source;
	int err;

	if (r->at >= r->places.count)
		return 1;
	err = frame_at(r, r->at, frame);
	if (err)
		return err;
	if (r->leapt && (err = add_earlier(r, *frame))) {
		top_frame_free(*frame);
		return err;
	}
	r->leapt = false;
	r->at++;
	return 0;
}

static int seek(struct top_source *source, double seconds)
{
	struct replay *r = (struct replay *)source;
	uint64_t first = r->places.count ? r->places.place[0].mono_ns : 0;
	size_t low = 0, high = r->places.count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if ((double)(r->places.place[middle].mono_ns - first) <= seconds * 1e9)
			low = middle + 1;
		else
			high = middle;
	}
	r->at = low ? low - 1 : 0;
	r->leapt = true;
	return 0;
}

static double length(const struct top_source *source)
{
	const struct replay *r = (const struct replay *)source;
	const struct place *p = r->places.place;

	return r->places.count ? (double)(p[r->places.count - 1].mono_ns - p[0].mono_ns) / 1e9
			       : 0;
}

static void nobody(struct top_source *source, int pid)
{
	(void)source;
	(void)pid;
}

static void close_replay(struct top_source *source)
{
	struct replay *r = (struct replay *)source;

	if (r->data)
		munmap((void *)r->data, r->length);
	ZSTD_freeDCtx(r->unpacker);
	free(r->places.place);
	free(r->path);
	free(r);
}

static int map_file(struct replay *r)
{
	int fd = open(r->path, O_RDONLY | O_CLOEXEC), err = 0;
	char *error = r->source.error;
	size_t size = sizeof(r->source.error);
	struct stat st;
	void *p;

	if (fd < 0 || fstat(fd, &st)) {
		err = fail(error, size, -errno, "cannot read %s: %s", r->path, strerror(errno));
	} else if (!S_ISREG(st.st_mode) || !st.st_size) {
		err = fail(error, size, -EINVAL, "%s is no recording: %s", r->path,
			   S_ISREG(st.st_mode) ? "it is empty" : "it is no file");
	} else {
		p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (p == MAP_FAILED) {
			err = fail(error, size, -errno, "cannot read %s: %s", r->path,
				   strerror(errno));
		} else {
			r->data = p;
			r->length = (size_t)st.st_size;
		}
	}
	if (fd >= 0)
		close(fd);
	return err;
}

/* The first frame says that it is ours, and of which version. */
static int read_head(struct replay *r, uint64_t *first)
{
	size_t n = ZSTD_findFrameCompressedSize(r->data, r->length);
	json_t *json = ZSTD_isError(n) ? NULL : unpack(r, 0, n);
	const json_t *version = json_object_get(json, "numaperf-top");
	json_int_t is = json_integer_value(version);
	int err = 0;

	if (!json_is_integer(version))
		err = fail(r->source.error, sizeof(r->source.error), -EINVAL,
			   "%s is no recording of numaperf-top", r->path);
	else if (is != VERSION)
		err = fail(
			r->source.error, sizeof(r->source.error), -EINVAL,
			"%s has format %lld, and this numaperf-top reads %d: use the one that "
			"made it",
			r->path, (long long)is, VERSION);
	json_decref(json);
	*first = ZSTD_isError(n) ? 0 : n;
	return err;
}

int top_replay_open(struct top_source **source, const char *path, char *error, size_t size)
{
	struct replay *r = calloc(1, sizeof(*r));
	uint64_t first;
	int err;

	if (!r)
		return fail(error, size, -ENOMEM, "no memory");
	r->source = (struct top_source){ .next = next,
					 .look_into = nobody,
					 .seek = seek,
					 .length = length,
					 .fd = -1,
					 .close = close_replay };
	r->path = strdup(path);
	r->unpacker = ZSTD_createDCtx();
	err = r->path && r->unpacker ? map_file(r) : -ENOMEM;
	if (!err)
		err = read_head(r, &first);
	if (!err && !read_index(r, first))
		err = find_frames(r, first);
	if (!err && !r->places.count)
		err = fail(r->source.error, sizeof(r->source.error), -EINVAL,
			   "%s holds no frame: it was ended too early", path);
	if (!err) {
		r->source.begin_ns = r->places.place[0].mono_ns;
		*source = &r->source;
		return 0;
	}
	snprintf(error, size, "%s", r->source.error[0] ? r->source.error : "no memory");
	close_replay(&r->source);
	return err;
}
