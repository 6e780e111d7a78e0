/* Functions for mu in C: WebAssembly modules that answer requests, and reach tables and the log by what they say to the
 * runtime over stdin and stdout.
 *
 *     static void greet(const mu_request *request, mu_response *response) {
 *         mu_respond(response, 200, "Hello, %s!\n", mu_path_param(request, "name", "world"));
 *     }
 *
 *     int main(void) {
 *         return mu_serve((mu_handler[]){{"greet", greet}}, 1);
 *     }
 *
 * A module answers one request, then ends. So nothing here has to be freed: all that these functions hand out lives
 * until then. A module is built with `zig cc -target wasm32-wasi`. */
#ifndef MU_H
#define MU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* The most bytes of one text, body or value that is received, and the most headers or parameters. */
#define MU_BYTES_MAX (16u * 1024 * 1024)
#define MU_PAIRS_MAX 4096u

/* The most headers of a response. */
#define MU_RESPONSE_HEADERS_MAX 64u

/* Bytes, with a NUL behind them that `length` does not count. */
typedef struct {
    char *data;
    size_t length;
} mu_bytes;

/* A parameter or a header. */
typedef struct {
    const char *name;
    const char *value;
} mu_pair;

typedef struct {
    const mu_pair *items;
    size_t count;
} mu_pairs;

typedef enum { MU_GET, MU_HEAD, MU_POST, MU_PUT, MU_PATCH, MU_DELETE, MU_OPTIONS } mu_method;

/* What a handler is asked. */
typedef struct {
    mu_method method;
    mu_pairs path_params;
    mu_pairs query_params;
    mu_pairs headers;
    mu_bytes body;
} mu_request;

/* What a handler answers: 204 until it says otherwise. */
typedef struct {
    uint16_t status;
    mu_pair headers[MU_RESPONSE_HEADERS_MAX];
    size_t header_count;
    const void *body;
    size_t body_length;
} mu_response;

/* A handler, by the name that the routes in mu.yaml give it (`get: function.handler`). */
typedef struct {
    const char *name;
    void (*answer)(const mu_request *request, mu_response *response);
} mu_handler;

/* Answers the one request that the module was started for. It is all that `main` has to do: return what it returns. */
int mu_serve(const mu_handler *handlers, size_t count);

/* The parameter of the path or the query, or the header (in any case); `fallback` if there is none. */
const char *mu_path_param(const mu_request *request, const char *name, const char *fallback);
const char *mu_query_param(const mu_request *request, const char *name, const char *fallback);
const char *mu_header(const mu_request *request, const char *name, const char *fallback);

/* Answers with text, made as by printf. */
__attribute__((format(printf, 3, 4))) void mu_respond(mu_response *response, uint16_t status, const char *format, ...);

/* Answers with bytes, which are not copied. */
void mu_respond_bytes(mu_response *response, uint16_t status, const char *content_type, const void *body, size_t length);

/* Adds a header, whose texts are not copied. Those over MU_RESPONSE_HEADERS_MAX fail the invocation. */
void mu_respond_header(mu_response *response, const char *name, const char *value);

typedef enum { MU_ERROR, MU_WARN, MU_INFO, MU_DEBUG, MU_TRACE } mu_level;

/* Writes a line to the function's log, made as by printf. */
__attribute__((format(printf, 2, 3))) void mu_log(mu_level level, const char *format, ...);

/* What came of a question to a table. */
typedef enum {
    MU_DONE,
    /* There is no such key. */
    MU_MISSING,
    /* mu_error() tells why. */
    MU_FAILED
} mu_result;

/* Reads a value. Keys take at most 8 KiB. */
mu_result mu_table_get(const char *table, const char *key, mu_bytes *value);

/* Writes a value of at most 1 MiB, replacing the one that is there. */
mu_result mu_table_put(const char *table, const char *key, const void *value, size_t length);

/* Removes a value. That there is none is no failure. */
mu_result mu_table_delete(const char *table, const char *key);

/* Why the last question that failed did. */
const char *mu_error(void);

/* Fails the invocation: its log tells why, and the caller does not learn it. */
__attribute__((noreturn, format(printf, 1, 2))) void mu_fail(const char *format, ...);

/* Talks to these instead of stdin and stdout: for tests. */
void mu_use_streams(FILE *input, FILE *output);

#endif
