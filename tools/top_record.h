/* SPDX-License-Identifier: MIT */
/*
 * Recordings. A file is a sequence of Zstandard frames: a header, then for each frame one that
 * holds a line of JSON, at last an index in a skippable frame. So `zstdcat FILE | jq` reads it;
 * where the end is missing (the recorder was killed) the index is made anew.
 */
#ifndef TOP_RECORD_H
#define TOP_RECORD_H

#include "top_source.h"

#include <jansson.h>

/* A frame as JSON and back: nothing is lost. NULL: no memory; or what is wrong, in `error`. */
json_t *top_frame_to_json(const struct top_frame *frame);
struct top_frame *top_frame_from_json(const json_t *json, char *error, size_t size);

struct top_recorder;

/* Each 0, or -errno with a text in `error`. An existing file is not overwritten unless it is a
 * recording itself. _close writes the index. */
int top_record_open(struct top_recorder **recorder, const char *path, char *error, size_t size);
int top_record_add(struct top_recorder *recorder, const struct top_frame *frame, char *error,
		   size_t size);
int top_record_close(struct top_recorder *recorder, char *error, size_t size);

int top_replay_open(struct top_source **source, const char *path, char *error, size_t size);

#endif
