/* The conversation with the runtime: messages of a code in 16 bits and fields by the rules of Borsh. Integers are
 * little-endian; text, bytes and lists are a count in 32 bits and their items; a variant and a boolean are one byte. */
#include "mu.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { EXECUTE_FUNCTION = 1 };
enum { FATAL_ERROR = 1, FUNCTION_RESULT = 2, LOG = 3 };
enum { PUT = 1001, GET = 1002, DELETE = 1003 };
enum { DB_ERROR = 1001, SINGLE_RESULT = 1002, EMPTY_RESULT = 1007 };

static FILE *input;
static FILE *output;
static const char *last_error = "";

static mu_bytes format_text(const char *format, va_list values);

void mu_use_streams(FILE *from, FILE *to) {
    input = from;
    output = to;
}

const char *mu_error(void) { return last_error; }

/* === sending === */

static void send_raw(const void *data, size_t length) {
    if (output == NULL) {
        output = stdout;
    }
    if (length > 0 && fwrite(data, 1, length, output) != length) {
        /* The runtime is gone; there is nobody left to tell. */
        exit(1);
    }
}

static void send_u8(uint8_t value) { send_raw(&value, 1); }

static void send_u16(uint16_t value) {
    uint8_t bytes[] = {(uint8_t)value, (uint8_t)(value >> 8)};
    send_raw(bytes, sizeof bytes);
}

static void send_u32(uint32_t value) {
    send_u16((uint16_t)value);
    send_u16((uint16_t)(value >> 16));
}

static void send_bytes(const void *data, size_t length) {
    if (length > UINT32_MAX) {
        exit(1);
    }
    send_u32((uint32_t)length);
    send_raw(data, length);
}

static void send_text(const char *text) { send_bytes(text, strlen(text)); }

static void end_message(void) {
    if (fflush(output) != 0) {
        exit(1);
    }
}

static void send_fatal(const char *reason, size_t length) {
    send_u16(FATAL_ERROR);
    send_bytes(reason, length);
    end_message();
}

void mu_fail(const char *format, ...) {
    va_list values;
    va_start(values, format);
    mu_bytes reason = format_text(format, values);
    va_end(values);
    send_fatal(reason.data, reason.length);
    exit(1);
}

/* === receiving === */

static void *allocate(size_t length) {
    void *memory = malloc(length > 0 ? length : 1);
    if (memory == NULL) {
        static const char reason[] = "the function's memory limit is reached";
        send_fatal(reason, sizeof reason - 1);
        exit(1);
    }
    return memory;
}

static void receive_raw(void *data, size_t length) {
    if (input == NULL) {
        input = stdin;
    }
    if (length > 0 && fread(data, 1, length, input) != length) {
        mu_fail("the runtime ended the conversation before its message was whole");
    }
}

static uint8_t receive_u8(void) {
    uint8_t value;
    receive_raw(&value, 1);
    return value;
}

static uint16_t receive_u16(void) {
    uint8_t bytes[2];
    receive_raw(bytes, sizeof bytes);
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static uint32_t receive_u32(void) {
    uint32_t low = receive_u16();
    return low | (uint32_t)receive_u16() << 16;
}

static mu_bytes receive_bytes(void) {
    uint32_t length = receive_u32();
    if (length > MU_BYTES_MAX) {
        mu_fail("%u bytes are more than the %u that are received at once", length, MU_BYTES_MAX);
    }
    mu_bytes bytes = {allocate((size_t)length + 1), length};
    receive_raw(bytes.data, length);
    bytes.data[length] = '\0';
    return bytes;
}

static mu_pairs receive_pairs(void) {
    uint32_t count = receive_u32();
    if (count > MU_PAIRS_MAX) {
        mu_fail("%u headers or parameters are more than the %u that are received", count, MU_PAIRS_MAX);
    }
    mu_pair *items = allocate(count * sizeof *items);
    for (uint32_t index = 0; index < count; index++) {
        items[index].name = receive_bytes().data;
        items[index].value = receive_bytes().data;
    }
    return (mu_pairs){items, count};
}

static mu_request receive_request(void) {
    mu_request request;
    uint8_t method = receive_u8();
    if (method > MU_OPTIONS) {
        mu_fail("the method %u is unknown", method);
    }
    request.method = (mu_method)method;
    request.path_params = receive_pairs();
    request.query_params = receive_pairs();
    request.headers = receive_pairs();
    request.body = receive_bytes();
    return request;
}

/* === serving === */

static void send_response(const mu_response *response) {
    send_u16(FUNCTION_RESULT);
    send_u16(response->status);
    send_u32((uint32_t)response->header_count);
    for (size_t index = 0; index < response->header_count; index++) {
        send_text(response->headers[index].name);
        send_text(response->headers[index].value);
    }
    send_bytes(response->body, response->body_length);
    end_message();
}

int mu_serve(const mu_handler *handlers, size_t count) {
    uint16_t code = receive_u16();
    if (code != EXECUTE_FUNCTION) {
        mu_fail("message %u came where a request was expected", code);
    }
    mu_bytes name = receive_bytes();
    mu_request request = receive_request();
    for (size_t index = 0; index < count; index++) {
        if (strcmp(handlers[index].name, name.data) == 0) {
            mu_response response = {.status = 204};
            handlers[index].answer(&request, &response);
            send_response(&response);
            return 0;
        }
    }
    mu_fail("no handler is named %s", name.data);
}

static const char *find(mu_pairs pairs, const char *name, const char *fallback, int (*compare)(const char *, const char *)) {
    for (size_t index = 0; index < pairs.count; index++) {
        if (compare(pairs.items[index].name, name) == 0) {
            return pairs.items[index].value;
        }
    }
    return fallback;
}

const char *mu_path_param(const mu_request *request, const char *name, const char *fallback) {
    return find(request->path_params, name, fallback, strcmp);
}

const char *mu_query_param(const mu_request *request, const char *name, const char *fallback) {
    return find(request->query_params, name, fallback, strcmp);
}

const char *mu_header(const mu_request *request, const char *name, const char *fallback) {
    return find(request->headers, name, fallback, strcasecmp);
}

void mu_respond(mu_response *response, uint16_t status, const char *format, ...) {
    va_list values;
    va_start(values, format);
    mu_bytes text = format_text(format, values);
    va_end(values);
    mu_respond_bytes(response, status, "text/plain; charset=utf-8", text.data, text.length);
}

void mu_respond_bytes(mu_response *response, uint16_t status, const char *content_type, const void *body, size_t length) {
    response->status = status;
    response->body = body;
    response->body_length = length;
    mu_respond_header(response, "content-type", content_type);
}

void mu_respond_header(mu_response *response, const char *name, const char *value) {
    if (response->header_count == MU_RESPONSE_HEADERS_MAX) {
        mu_fail("a response has at most %u headers", MU_RESPONSE_HEADERS_MAX);
    }
    response->headers[response->header_count++] = (mu_pair){name, value};
}

void mu_log(mu_level level, const char *format, ...) {
    va_list values;
    va_start(values, format);
    mu_bytes line = format_text(format, values);
    va_end(values);
    send_u16(LOG);
    send_bytes(line.data, line.length);
    send_u8((uint8_t)level);
    end_message();
}

static mu_bytes format_text(const char *format, va_list values) {
    va_list again;
    va_copy(again, values);
    int length = vsnprintf(NULL, 0, format, values);
    if (length < 0) {
        length = 0;
    }
    mu_bytes text = {allocate((size_t)length + 1), (size_t)length};
    text.data[0] = '\0';
    vsnprintf(text.data, (size_t)length + 1, format, again);
    va_end(again);
    return text;
}

/* === tables === */

static void ask(uint16_t code, const char *table, const char *key) {
    send_u16(code);
    send_text(table);
    send_text(key);
}

/* Reads an answer. Only a question that has a value for an answer gives a place for it. */
static mu_result answer(mu_bytes *value) {
    uint16_t code = receive_u16();
    switch (code) {
    case DB_ERROR:
        last_error = receive_bytes().data;
        return MU_FAILED;
    case EMPTY_RESULT:
        return value == NULL ? MU_DONE : MU_MISSING;
    case SINGLE_RESULT:
        if (value != NULL) {
            *value = receive_bytes();
            return MU_DONE;
        }
        break;
    default:
        break;
    }
    mu_fail("the runtime answered with message %u, which is another's", code);
}

mu_result mu_table_get(const char *table, const char *key, mu_bytes *value) {
    ask(GET, table, key);
    end_message();
    *value = (mu_bytes){"", 0};
    return answer(value);
}

mu_result mu_table_put(const char *table, const char *key, const void *value, size_t length) {
    ask(PUT, table, key);
    send_bytes(value, length);
    send_u8(false);
    end_message();
    return answer(NULL);
}

mu_result mu_table_delete(const char *table, const char *key) {
    ask(DELETE, table, key);
    send_u8(false);
    end_message();
    return answer(NULL);
}
