/* Which reads are nothing but events like a template: the fast way to read a stream, as wire/template.py defines it. */
#ifndef IMAXPROXY_RECOGNISE_H
#define IMAXPROXY_RECOGNISE_H

#include "haul.h"

/* `prefix` text `suffix` is one event; when `chunked` it fills a chunk. The suffix begins with the quote behind the text. */
typedef struct {
    char *text;                   /* prefix, then suffix */
    size_t prefix_bytes, suffix_bytes;
    bool chunked;
} Template;

/* Take over a template; false when memory is out. */
bool learn(Template *template, const char *prefix, size_t prefix_bytes, const char *suffix, size_t suffix_bytes,
           bool chunked);

/* Record the events of a read that is nothing but events like the template; false, and none recorded, for any other. */
bool recognise(const Template *template, Haul *haul, int64_t at_ns, const char *data, size_t size);

#endif
