#include "recognise.h"

#include <string.h>

enum { LONGEST_SIZE_DIGITS = 8 };

static bool is_continuation(const char *at, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if ((at[i] & 0xC0) != 0x80)
            return false;
    return true;
}

/* Bytes of the UTF-8 character at `at`, or 0 for what is none (Unicode 16, table 3-7). */
static size_t utf8_bytes(const char *at, const char *end)
{
    unsigned char first = (unsigned char)at[0];
    size_t bytes = first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
    if (bytes == 0 || (size_t)(end - at) < bytes || !is_continuation(at + 1, bytes - 1))
        return 0;
    unsigned char second = (unsigned char)at[1];
    bool is_odd = (first == 0xE0 && second < 0xA0) || (first == 0xED && second > 0x9F)
                  || (first == 0xF0 && second < 0x90) || (first == 0xF4 && second > 0x8F);
    return is_odd ? 0 : bytes;
}

static int hex_digit(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    char lower = (char)(digit | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* Bytes of the escape at `at`, or 0 for what is none, or half of a surrogate pair (the full parse knows those). */
static size_t escape_bytes(const char *at, const char *end)
{
    if (end - at < 2)
        return 0;
    if (at[1] != 'u')
        return at[1] != '\0' && strchr("\"\\/bfnrt", at[1]) != NULL ? 2 : 0;
    if (end - at < 6)
        return 0;
    int code = 0;
    for (int i = 2; i < 6; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0)
            return 0;
        code = code * 16 + digit;
    }
    return code >= 0xD800 && code <= 0xDFFF ? 0 : 6;
}

/* Characters of the JSON string body at `*at`, which is moved to its closing quote; -1 where it is not a valid one. */
static int32_t characters(const char **at, const char *end)
{
    int32_t chars = 0;
    const char *here = *at;
    for (; here < end && *here != '"'; chars++) {
        unsigned char byte = (unsigned char)*here;
        size_t bytes = byte == '\\' ? escape_bytes(here, end) : byte >= 0x80 ? utf8_bytes(here, end) : byte >= 0x20;
        if (bytes == 0)
            return -1;
        here += bytes;
    }
    *at = here;
    return here < end ? chars : -1;
}

static bool take_literal(const char **at, const char *end, const char *literal, size_t bytes)
{
    if ((size_t)(end - *at) < bytes || memcmp(*at, literal, bytes) != 0)
        return false;
    *at += bytes;
    return true;
}

/* The end of the chunk whose size line is at `*at`, its CRLF included; `*at` is moved behind the line. NULL: no chunk,
 * or not all of it. */
static const char *chunk_end(const char **at, const char *end)
{
    size_t size = 0;
    int digits = 0, digit;
    const char *here = *at;
    for (; here < end && digits < LONGEST_SIZE_DIGITS && (digit = hex_digit(*here)) >= 0; here++, digits++)
        size = size * 16 + (size_t)digit;
    if (digits == 0 || !take_literal(&here, end, "\r\n", 2) || (size_t)(end - here) < size + 2)
        return NULL;
    *at = here;
    return here + size + 2;
}

bool learn(Template *template, const char *prefix, size_t prefix_bytes, const char *suffix, size_t suffix_bytes,
           bool chunked)
{
    if (!grow(&template->text, 1, prefix_bytes + suffix_bytes))
        return false;
    memcpy(template->text, prefix, prefix_bytes);
    memcpy(template->text + prefix_bytes, suffix, suffix_bytes);
    template->prefix_bytes = prefix_bytes;
    template->suffix_bytes = suffix_bytes;
    template->chunked = chunked;
    return true;
}

bool recognise(const Template *template, Haul *haul, int64_t at_ns, const char *data, size_t size)
{
    const char *at = data, *end = data + size;
    const char *suffix = template->text + template->prefix_bytes;
    size_t before = haul->events;
    while (at < end) {
        const char *bound = end;
        if (template->chunked && (bound = chunk_end(&at, end)) == NULL)
            break;
        if (!take_literal(&at, bound, template->text, template->prefix_bytes))
            break;
        int32_t chars = characters(&at, bound);
        if (chars <= 0 || !take_literal(&at, bound, suffix, template->suffix_bytes) || (template->chunked && at != bound)
            || !add_event(haul, at_ns, chars))
            break;
        if (at == end)
            return true;
    }
    haul->events = before;
    return false;
}
